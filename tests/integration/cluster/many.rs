//! Many at once: Pods of one job, jobs with one mistake, jobs behind a registry that is down.
//!
//! Each scenario has a node of its own whose second is a second: two cores that play hundreds of
//! Pods need the whole safe moment.

use std::collections::BTreeMap;
use std::time::Duration;

use dislodge_sim::kubelet::{ContainerState, PodStatus};
use dislodge_sim::registry::{Fault, Runtime, Script};
use dislodge_testbed::agent::{Asked, Node, NodePlan};
use dislodge_testbed::audit::Request;
use dislodge_testbed::product::{Controller, ControllerPlan};
use dislodge_testbed::queues::is_true;
use dislodge_testbed::watching::{watch_kind_until, watch_until};
use dislodge_testbed::{JobPlan, Quota};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::runtime::watcher;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::actions::check;
use super::stage::{Stage, hold_of, missing, phase, suspended};
use super::writes::Writes;
use crate::Outcome;

super::scenarios![
    sixty_four_pods_of_one_job_that_fail_at_once_are_one_action,
    a_sweep_of_two_hundred_jobs_with_one_typo_is_one_mistake,
    an_outage_over_two_hundred_jobs_in_ten_namespaces_stops_none_of_them,
    one_controller_for_the_whole_cluster_goes_by_the_policies_of_each_namespace,
];

/// The queue of these scenarios.
const QUEUE: &str = "wide";
/// Objects that are created at once.
const PARALLEL: usize = 8;

async fn node(stage: &Stage) -> Result<Node, Failed> {
    let plan = NodePlan::new(stage.tenant.namespace()).millis_per_second(1000);
    Ok(Node::start(&stage.world.cluster, plan).await?)
}

async fn controller(stage: &Stage) -> Result<Controller, Failed> {
    let world = &stage.world;
    let plan = ControllerPlan::scaled(1000);
    Ok(world.product.controller(&world.cluster, &stage.tenant, plan).await?)
}

fn policy(cause: &str, budget: u32) -> Value {
    json!({
        "mode": "Enforce",
        "queues": [{"kind": "LocalQueue", "name": QUEUE}],
        "rules": [{"name": "many", "causes": [cause], "threshold": {"failedPulls": 2},
                   "action": "SuspendJob"}],
        "budget": {"actions": budget, "windowSeconds": 86400},
    })
}

/// A Job of one Pod that asks for so many CPUs.
fn wide(name: &str, image: &str, cpus: usize, node: &Node) -> JobPlan {
    let container = json!([{"name": "main", "image": image,
        "resources": {"requests": {"cpu": cpus.to_string()}}}]);
    JobPlan::new(name, image)
        .queue(QUEUE)
        .on(node)
        .with(json!({"spec": {"template": {"spec": {"containers": container}}}}))
}

async fn create(stage: &Stage, plans: Vec<JobPlan>) -> Result<Vec<Job>, Failed> {
    let created = stream::iter(plans).map(|plan| async move { stage.tenant.job(&plan).await });
    Ok(created.buffered(PARALLEL).try_collect().await?)
}

/// Waits until that many Workloads have their quota.
async fn admitted(stage: &Stage, count: usize) -> Outcome {
    let (workloads, all) = (stage.tenant.kueue("Workload"), watcher::Config::default());
    let what = format!("{count} jobs being admitted");
    Box::pin(watch_kind_until(workloads, all, 180, &what, |seen| {
        let admitted = seen.values().filter(|workload| is_true(workload, "QuotaReserved"));
        (admitted.count() >= count).then_some(())
    }))
    .await?;
    Ok(())
}

/// Nobody's object was written to more often than an action needs.
fn writes_are_few(writes: &Writes) -> Outcome {
    let most = writes.on_objects.iter().max_by_key(|(_, count)| **count);
    check(most.is_none_or(|(_, count)| *count <= 2), || format!("{most:?}"))?;
    check(writes.deleted.is_empty(), || format!("deleted: {:?}", writes.deleted))
}

async fn sixty_four_pods_of_one_job_that_fail_at_once_are_one_action(stage: Stage) -> Outcome {
    const PODS: u32 = 64;
    stage.tenant.queue(QUEUE, Quota::slots(PODS)).await?;
    stage.policy("many", policy("NotFound", 5)).await?;
    let node = node(&stage).await?;
    let controller = controller(&stage).await?;
    let image = format!("registry.example/{}/missing:1", stage.tenant.namespace());
    let stuck = JobPlan::new("stuck", &image).queue(QUEUE).pods(PODS).on(&node);
    let stuck = stage.tenant.job(&stuck).await?;
    admitted(&stage, 1).await?;
    let good = format!("registry.example/{}/good:1", stage.tenant.namespace());
    let next = stage.tenant.job(&wide("next", &good, 64, &node)).await?;
    stage.running(&next, 180).await?;

    let told = stage.job_when("stuck", 10, "held", |job| hold_of(job).is_some()).await?;
    let sentence = told.annotations().get("dislodge.dev/held").cloned().unwrap_or_default();
    check(sentence.starts_with("2 failed pulls"), || format!("it counts Pods: {sentence}"))?;
    stage.released(&stuck, 10).await?;
    let writes = Writes::of(&stage, &[controller]).await?;
    writes_are_few(&writes)?;
    check(writes.events == 1, || format!("{} Events", writes.events))?;
    check(writes.statuses <= 15, || format!("{} writes of our status", writes.statuses))
}

async fn a_sweep_of_two_hundred_jobs_with_one_typo_is_one_mistake(stage: Stage) -> Outcome {
    const JOBS: usize = 200;
    stage.tenant.queue(QUEUE, Quota::slots(200)).await?;
    stage.policy("many", policy("NotFound", 1)).await?;
    let node = node(&stage).await?;
    let controller = controller(&stage).await?;
    let image = format!("registry.example/{}/typo:1", stage.tenant.namespace());
    node.registry().set(&image, missing(&image));
    let sweep = |number: usize| wide(&format!("sweep-{number}"), &image, 1, &node);
    create(&stage, (0..JOBS).map(sweep).collect()).await?;
    admitted(&stage, JOBS).await?;
    let good = format!("registry.example/{}/good:1", stage.tenant.namespace());
    let next = stage.tenant.job(&wide("next", &good, JOBS, &node)).await?;
    // It asks for all that they hold.
    stage.running(&next, 300).await?;
    let policy = stage
        .policy_when("many", 60, "all are held", |p| {
            p.data["status"]["actions"]["suspended"] == JOBS && p.data["status"]["heldJobs"] == JOBS
        })
        .await?;
    let status = &policy.data["status"];
    check(status["budget"]["reserved"] == 1, || status["budget"].to_string())?;
    check(status["outages"] == json!([]), || status["outages"].to_string())?;
    let writes = Writes::of(&stage, &[controller]).await?;
    writes_are_few(&writes)?;
    let events = usize::try_from(writes.events)?;
    check(events == JOBS, || format!("{events} Events"))?;
    check(writes.statuses <= 60, || format!("{} writes of our status", writes.statuses))
}

/// What stands in one of the namespaces.
struct Team {
    stage: Stage,
    images: Vec<String>,
    _controller: Controller,
}

const TEAMS: usize = 10;
const JOBS_OF_A_TEAM: usize = 20;
/// The registry that is down.
const DOWN: &str = "down.example";

impl Team {
    async fn start(first: &Stage, number: usize, node: &Node) -> Result<Self, Failed> {
        let name = format!("{}-{number}", first.tenant.namespace());
        let stage = Stage::new(std::sync::Arc::clone(&first.world), &name).await?;
        stage.tenant.queue(QUEUE, Quota::slots(100)).await?;
        let mut spec = policy("Network", 100);
        spec["rules"][0]["causes"] = json!(["Network", "RegistryUnavailable", "NotFound"]);
        stage.policy("many", spec).await?;
        let controller = controller(&stage).await?;
        let namespace = stage.tenant.namespace();
        let image = |number| format!("{DOWN}/{namespace}/app{number}:1");
        let images: Vec<String> = (0..JOBS_OF_A_TEAM).map(image).collect();
        for image in &images {
            let message = Fault::Unavailable.message(Runtime::Containerd2, image);
            node.registry().set(image, Script::fails(Duration::from_millis(100), message));
        }
        node.load(&format!("{DOWN}/{namespace}/there:1"));
        Ok(Self { stage, images, _controller: controller })
    }

    async fn submit(&self, node: &Node) -> Outcome {
        let job = |(number, image): (usize, &String)| {
            JobPlan::new(&format!("job-{number}"), image).queue(QUEUE).on(node)
        };
        let namespace = self.stage.tenant.namespace();
        let mut plans: Vec<JobPlan> = self.images.iter().enumerate().map(job).collect();
        let there = format!("{DOWN}/{namespace}/there:1");
        plans.push(JobPlan::new("there", &there).queue(QUEUE).on(node));
        let typo = format!("registry.example/{namespace}/missing:1");
        plans.push(JobPlan::new("typo", &typo).queue(QUEUE).on(node));
        create(&self.stage, plans).await.map(drop)
    }

    /// The breaker is open, the typo is stopped, what is on the node runs, and nothing else is held,
    /// although each job has reached its threshold.
    async fn endures(&self) -> Outcome {
        let stage = &self.stage;
        stage
            .policy_when("many", 120, "the breaker open and the typo held", |p| {
                let status = &p.data["status"];
                status["outages"][0]["host"] == DOWN
                    && status["heldJobs"] == 1
                    && waiting_for_registry(p) == JOBS_OF_A_TEAM
            })
            .await?;
        stage.job_when("typo", 10, "held", |job| hold_of(job).is_some()).await?;
        let there = stage.job_when("there", 10, "there", |_| true).await?;
        stage.running(&there, 60).await?;
        Ok(())
    }

    /// All of its Pods run, but for the typo's.
    async fn recovers(&self) -> Outcome {
        let (pods, all) = (self.stage.tenant.api::<Pod>(), watcher::Config::default());
        let what = "all jobs running";
        Box::pin(watch_until(pods, all, 300, what, |seen| {
            let running = seen.values().filter(|pod| phase(pod) == "Running").count();
            (running == JOBS_OF_A_TEAM + 1).then_some(())
        }))
        .await?;
        self.stage
            .policy_when("many", 60, "the breaker closed", |p| {
                let status = &p.data["status"];
                status["outages"] == json!([]) && status["actions"]["suspended"] == 1
            })
            .await?;
        let jobs = self.stage.tenant.api::<Job>().list(&kube::api::ListParams::default()).await?;
        let stopped: Vec<String> =
            jobs.items.iter().filter(|job| suspended(job)).map(ResourceExt::name_any).collect();
        check(stopped == ["typo"], || format!("stopped: {stopped:?}"))
    }

    /// How long after the first failure of its fifth job the status said that the breaker is open.
    async fn delay(&self, first_failures: &BTreeMap<String, Timestamp>) -> Result<f64, Failed> {
        let namespace = self.stage.tenant.namespace();
        let mut failures: Vec<Timestamp> = first_failures
            .iter()
            .filter(|(pod, _)| pod.starts_with(&format!("{namespace}/job-")))
            .map(|(_, at)| *at)
            .collect();
        failures.sort();
        let fifth = failures.get(4).ok_or("fewer than five jobs have failed")?;
        let log = self.stage.world.cluster.audit_log();
        let log = log.settled_about(&self.stage.tenant.client(), namespace).await?;
        let opened = log.iter().find(|request| tells_of_the_breaker(request));
        let opened = opened.ok_or("no status has told of the breaker")?;
        Ok(opened.stage_timestamp.duration_since(*fifth).as_secs_f64())
    }
}

/// Jobs that would be stopped, were their registry not down.
pub(super) fn waiting_for_registry(policy: &kube::api::DynamicObject) -> usize {
    let failing = policy.data["status"]["failing"].as_array().into_iter().flatten();
    failing.filter(|job| job["reason"] == "Outage").count()
}

/// Whether a write of a policy's status says that the breaker is open.
fn tells_of_the_breaker(request: &Request) -> bool {
    let operations = request.request_object.as_ref().and_then(Value::as_array);
    let outages = operations.into_iter().flatten().filter(|op| op["path"] == "/status/outages");
    let hosts = outages.filter_map(|op| op["value"].as_array()).flatten();
    request.is_on("dislodge.dev", "imagepullpolicies")
        && request.code() == 200
        && hosts.map(|outage| &outage["host"]).any(|host| host == DOWN)
}

/// When the first failure of each Pod was written, by namespace and name.
fn first_failures(node: &Node) -> BTreeMap<String, Timestamp> {
    let failing = |status: &PodStatus| {
        status.containers.iter().any(|container| {
            matches!(&container.state, ContainerState::Waiting(why) if &*why.reason == "ErrImagePull")
        })
    };
    let mut first = BTreeMap::new();
    for written in node.writes() {
        let Asked::Status(status) = &written.asked else { continue };
        if failing(status) {
            let pod = format!("{}/{}", written.pod.namespace, written.pod.name);
            first.entry(pod).or_insert(written.answered);
        }
    }
    first
}

async fn an_outage_over_two_hundred_jobs_in_ten_namespaces_stops_none_of_them(
    stage: Stage,
) -> Outcome {
    let node = node(&stage).await?;
    let teams = stream::iter(0..TEAMS).map(|number| Team::start(&stage, number, &node));
    let teams: Vec<Team> = teams.buffered(2).try_collect().await?;
    for team in &teams {
        team.submit(&node).await?;
    }
    for team in &teams {
        team.endures().await?;
    }
    let failures = first_failures(&node);
    let mut delays = BTreeMap::new();
    for team in &teams {
        delays.insert(team.stage.tenant.namespace(), team.delay(&failures).await?);
    }
    check(delays.values().all(|delay| (0.0..=2.0).contains(delay)), || {
        format!("breakers that open early or late, in seconds: {delays:?}")
    })?;
    let back = Script::succeeds(Duration::from_millis(200));
    for image in teams.iter().flat_map(|team| &team.images) {
        node.registry().set(image, back.clone());
    }
    for team in &teams {
        team.recovers().await?;
    }
    Ok(())
}

/// It would also lead in the namespaces of other tests, so that it needs the cluster for itself.
async fn one_controller_for_the_whole_cluster_goes_by_the_policies_of_each_namespace(
    stage: Stage,
) -> Outcome {
    let node = node(&stage).await?;
    let world = &stage.world;
    let _controller =
        world.product.cluster_controller(&world.cluster, ControllerPlan::scaled(1000)).await?;
    let mut stages = Vec::new();
    for (number, mode) in [Some("Enforce"), Some("Audit"), None].into_iter().enumerate() {
        let name = format!("{}-{number}", stage.tenant.namespace());
        let one = Stage::new(std::sync::Arc::clone(world), &name).await?;
        one.tenant.queue(QUEUE, Quota::slots(1)).await?;
        if let Some(mode) = mode {
            let mut spec = policy("NotFound", 5);
            spec["mode"] = json!(mode);
            one.policy("many", spec).await?;
        }
        let image = format!("registry.example/{name}/missing:1");
        node.registry().set(&image, missing(&image));
        let stuck = one.tenant.job(&wide("stuck", &image, 1, &node)).await?;
        stages.push((one, mode, stuck));
    }
    for (one, mode, stuck) in &stages {
        match mode {
            Some("Enforce") => drop(one.held(stuck, 60).await?),
            Some(_) => {
                let audited =
                    |p: &kube::api::DynamicObject| p.data["status"]["audit"]["wouldHaveActed"] == 1;
                one.policy_when("many", 60, "audited", audited).await?;
            }
            None => {}
        }
    }
    for (one, mode, stuck) in &stages {
        if *mode != Some("Enforce") {
            one.failed_pulls(stuck, 1, 60).await?;
            let job = one.job_when("stuck", 5, "there", |_| true).await?;
            let touched = suspended(&job) || hold_of(&job).is_some();
            check(!touched, || format!("it was touched under {mode:?}"))?;
        }
    }
    Ok(())
}
