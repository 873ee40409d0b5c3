//! What holds the rules back: the budget, and a registry that is down.

use std::time::Duration;

use dislodge_sim::registry::{Fault, Runtime, Script};
use dislodge_testbed::JobPlan;
use dislodge_testbed::agent::{Node, NodePlan};
use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use super::actions::check;
use super::stage::{Stage, hold_of, missing, suspended};
use super::world::FAST;
use crate::Outcome;

super::scenarios![
    a_registry_that_is_down_stops_nothing_and_all_run_when_it_is_back,
    a_sweep_with_one_typo_is_stopped_whole_and_takes_one_slot,
    a_sweep_with_one_expired_secret_is_stopped_whole,
    an_ingress_that_answers_404_or_401_for_five_repositories_counts_as_down,
    what_the_budget_holds_back_is_seen_and_left_alone,
    what_the_budget_holds_back_is_acted_on_in_its_next_window,
    what_another_node_pulls_is_only_reported,
];

/// A policy for Jobs that no queue manages, after two failed pulls.
fn policy(more: Value) -> Value {
    let mut spec = json!({
        "mode": "Enforce",
        "queues": [{"kind": "NoQueue"}],
        "rules": [{
            "name": "all",
            "causes": ["NotFound", "Unauthorized", "Network", "RegistryUnavailable"],
            "threshold": {"failedPulls": 2},
            "action": "SuspendJob",
        }],
    });
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    spec
}

/// Images of a registry of their own, which answers nobody.
fn unreachable(stage: &Stage, host: &str, number: usize) -> String {
    let image = format!("{host}/{}/app{number}:1", stage.tenant.namespace());
    let message = Fault::Unavailable.message(Runtime::Containerd2, &image);
    stage.world.node.registry().set(&image, Script::fails(Duration::from_millis(100), message));
    image
}

async fn a_registry_that_is_down_stops_nothing_and_all_run_when_it_is_back(
    stage: Stage,
) -> Outcome {
    stage.policy("free", policy(json!({}))).await?;
    let _controller = stage.controller().await?;
    let host = "down.example";
    let mut stuck = Vec::new();
    for number in 0..6 {
        let image = unreachable(&stage, host, number);
        let plan = JobPlan::new(&format!("stuck-{number}"), &image);
        stuck.push((stage.create(&plan).await?, image));
    }
    stage
        .policy_when("free", 60, "the breaker open", |p| {
            p.data["status"]["outages"][0]["host"] == host
        })
        .await?;
    stage
        .policy_when("free", 60, "all at their threshold", |p| {
            super::many::waiting_for_registry(p) == stuck.len()
        })
        .await?;
    // A typo at a registry that is well is still stopped.
    let typo = stage.missing();
    stage.create(&JobPlan::new("typo", &typo)).await?;
    stage.job_when("typo", 60, "held", |job| hold_of(job).is_some()).await?;
    for (job, _) in &stuck {
        stage.failed_pulls(job, 1, 120).await?;
    }
    let jobs = stage.tenant.api::<Job>().list(&kube::api::ListParams::default()).await?;
    let held: Vec<_> = jobs.items.iter().filter(|job| suspended(job)).collect();
    check(held.len() == 1, || format!("{} jobs are suspended, not the one", held.len()))?;

    let back = Script::succeeds(Duration::from_millis(200));
    for (_, image) in &stuck {
        stage.world.node.registry().set(image, back.clone());
    }
    for (job, _) in &stuck {
        stage.running(job, 120).await?;
    }
    stage
        .policy_when("free", 30, "the breaker closed", |p| {
            p.data["status"]["outages"] == json!([]) && p.data["status"]["heldJobs"] == 1
        })
        .await?;
    Ok(())
}

async fn a_sweep_with_one_typo_is_stopped_whole_and_takes_one_slot(stage: Stage) -> Outcome {
    let image = stage.missing();
    let status = sweep(&stage, &image, 1).await?;
    check(status["budget"]["reserved"] == 1, || status["budget"].to_string())
}

/// An answer that the registry might give otherwise the next time takes a slot each time.
async fn a_sweep_with_one_expired_secret_is_stopped_whole(stage: Stage) -> Outcome {
    let image = refused(&stage, "registry.example", 0, Fault::Unauthorized);
    let status = sweep(&stage, &image, 20).await?;
    check(status["recentActions"][0]["cause"] == "Unauthorized", || status.to_string())
}

/// Twelve jobs with one image that fails: all are stopped, and the registry does not count as down.
async fn sweep(stage: &Stage, image: &str, budget: u32) -> Result<Value, libtest_mimic::Failed> {
    let spec = policy(json!({"budget": {"actions": budget, "windowSeconds": 86400}}));
    stage.policy("free", spec).await?;
    let _controller = stage.controller().await?;
    for number in 0..12 {
        stage.create(&JobPlan::new(&format!("sweep-{number}"), image)).await?;
    }
    let policy = stage
        .policy_when("free", 120, "all suspended", |p| {
            p.data["status"]["actions"]["suspended"] == 12
        })
        .await?;
    let status = policy.data["status"].clone();
    check(status["outages"] == json!([]), || status["outages"].to_string())?;
    Ok(status)
}

/// An image that this host refuses in the words of an older containerd.
fn refused(stage: &Stage, host: &str, number: usize, fault: Fault) -> String {
    let image = format!("{host}/{}/app{number}:1", stage.tenant.namespace());
    let message = fault.message(Runtime::Containerd16, &image);
    stage.world.node.registry().set(&image, Script::fails(Duration::from_millis(100), message));
    image
}

async fn an_ingress_that_answers_404_or_401_for_five_repositories_counts_as_down(
    stage: Stage,
) -> Outcome {
    let mut spec = policy(json!({}));
    spec["rules"][0]["threshold"]["failedPulls"] = json!(3);
    stage.policy("free", spec).await?;
    let _controller = stage.controller().await?;
    let mut jobs = Vec::new();
    for (host, fault) in
        [("gone.example", Fault::NotFound), ("locked.example", Fault::Unauthorized)]
    {
        for number in 0..5 {
            let image = refused(&stage, host, number, fault);
            let name = format!("{}-{number}", host.trim_end_matches(".example"));
            jobs.push(stage.create(&JobPlan::new(&name, &image)).await?);
        }
    }
    stage
        .policy_when("free", 60, "both breakers open, and all jobs waiting for them", |p| {
            let (outages, failing) = (&p.data["status"]["outages"], &p.data["status"]["failing"]);
            let waits = failing.as_array().into_iter().flatten();
            outages.as_array().is_some_and(|outages| outages.len() == 2)
                && waits.filter(|job| job["reason"] == "Outage").count() == 10
        })
        .await?;
    for job in &jobs {
        stage.failed_pulls(job, 1, 120).await?;
    }
    let jobs = stage.tenant.api::<Job>().list(&kube::api::ListParams::default()).await?;
    let held = jobs.items.iter().filter(|job| suspended(job)).count();
    check(held == 0, || format!("{held} jobs are suspended"))
}

async fn what_the_budget_holds_back_is_seen_and_left_alone(stage: Stage) -> Outcome {
    let spec = policy(json!({"budget": {"actions": 2, "windowSeconds": 86400}}));
    stage.policy("free", spec).await?;
    let mut controller = stage.controller().await?;
    for number in 0..3 {
        let image = format!("registry.example/{}/other{number}:1", stage.tenant.namespace());
        stage.world.node.registry().set(&image, missing(&image));
        stage.create(&JobPlan::new(&format!("stuck-{number}"), &image)).await?;
    }
    let waits = |p: &kube::api::DynamicObject| {
        let status = &p.data["status"];
        status["heldJobs"] == 2 && status["failing"][0]["reason"] == "Budget"
    };
    stage.policy_when("free", 90, "two held, one waits", waits).await?;
    // A restart gives no new slots.
    controller.kill().await;
    controller = controller.restart().await?;
    controller.ready(60).await?;
    let left = stage.policy_when("free", 60, "two held, one waits", waits).await?;
    let name = left.data["status"]["failing"][0]["job"].as_str().unwrap_or_default().to_owned();
    let job = stage.job_when(&name, 5, "there", |_| true).await?;
    stage.failed_pulls(&job, 2, 180).await?;
    let job = stage.job_when(&name, 5, "there", |_| true).await?;
    check(!suspended(&job), || "it was stopped beyond the budget".to_owned())
}

async fn what_the_budget_holds_back_is_acted_on_in_its_next_window(stage: Stage) -> Outcome {
    let spec = policy(json!({"budget": {"actions": 1, "windowSeconds": 20}}));
    stage.policy("free", spec).await?;
    let controller = stage.controller().await?;
    for number in 0..2 {
        let image = format!("registry.example/{}/other{number}:1", stage.tenant.namespace());
        stage.world.node.registry().set(&image, missing(&image));
        stage.create(&JobPlan::new(&format!("stuck-{number}"), &image)).await?;
    }
    let waiting = stage
        .policy_when("free", 60, "one held, one waits", |p| {
            let status = &p.data["status"];
            status["heldJobs"] == 1 && status["failing"][0]["reason"] == "Budget"
        })
        .await?;
    // A window begins when its first slot is reserved, a moment before that is used.
    let began = |policy: &kube::api::DynamicObject| {
        let start = policy.data["status"]["budget"]["windowStartTime"].as_str();
        start.and_then(|start| start.parse::<jiff::Timestamp>().ok())
    };
    let both =
        stage.policy_when("free", 180, "both held", |p| p.data["status"]["heldJobs"] == 2).await?;
    let (one, other) = (began(&waiting), began(&both));
    let apart = one.zip(other).map(|(one, other)| other.duration_since(one).as_secs());
    check(apart.is_some_and(|apart| apart >= 20), || format!("windows: {one:?}, {other:?}"))?;
    // What was held back is told once, and each hold once.
    let writes = super::writes::Writes::of(&stage, &[controller]).await?;
    check(writes.events == 3, || format!("{} Events of 3", writes.events))?;
    check(writes.on_objects.values().all(|count| *count == 1), || {
        format!("{:?}", writes.on_objects)
    })
}

async fn what_another_node_pulls_is_only_reported(stage: Stage) -> Outcome {
    let mut spec = policy(json!({}));
    spec["rules"][0]["threshold"]["failedPulls"] = json!(4);
    stage.policy("free", spec).await?;
    let _controller = stage.controller().await?;
    let plan = NodePlan::new(stage.tenant.namespace()).millis_per_second(FAST);
    let other = Node::start(&stage.world.cluster, plan).await?;
    let image = stage.missing();
    other.registry().set(&image, Script::succeeds(Duration::from_millis(200)));
    let container = json!([{"name": "main", "image": image, "imagePullPolicy": "Always"}]);
    let always = json!({"spec": {"template": {"spec": {"containers": container}}}});
    let here = stage.create(&JobPlan::new("here", &image).with(always.clone())).await?;
    // The API server keeps whole seconds: what is pulled in the first failure's second is not later.
    stage.failed_pulls(&here, 2, 60).await?;
    let there = JobPlan::new("there", &image).with(always).on(&other);
    let there = stage.tenant.job(&there).await?;
    stage.running(&there, 60).await?;
    stage
        .policy_when("free", 120, "the node is told of", |p| {
            p.data["status"]["failing"][0]["reason"] == "NodeLocal"
        })
        .await?;
    stage.failed_pulls(&here, 1, 180).await?;
    let job = stage.job_when("here", 5, "there", |_| true).await?;
    check(!suspended(&job) && hold_of(&job).is_none(), || "it was stopped".to_owned())
}
