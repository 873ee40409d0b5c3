//! A scenario as people write it, and the cluster in memory that it becomes.

mod checks;

use std::sync::Arc;
use std::time::Duration;

use dislodge_engine::api::ImagePullPolicySpec;
use dislodge_engine::cause::Cause;
use dislodge_sim::kubelet::{Container, ContainerKind};
use dislodge_sim::registry::{Fault, Pull, Registry, Run, Script};
use dislodge_sim::world::{Deed, JobPlan, Plan, Quota, ReplicaPlan, Template, World};
use serde::Deserialize;
use serde_json::Value;

/// How long a pull takes that does not say so, in seconds.
const USUAL_PULL: u64 = 20;
/// Policies and queues are there before the first job.
const JOBS_FROM: u64 = 5;

/// What a file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Scenario {
    /// How long it is played.
    pub(super) duration_seconds: u64,
    /// Kueue's `waitForPodsReady.timeout`; 0: none.
    #[serde(default = "half_an_hour")]
    pods_ready_timeout_seconds: u64,
    #[serde(default)]
    nodes: Vec<Node>,
    #[serde(default)]
    pub(super) queues: Vec<Queue>,
    #[serde(default)]
    images: Vec<Image>,
    #[serde(default)]
    pub(super) jobs: Vec<Job>,
    #[serde(default)]
    events: Vec<Happening>,
    #[serde(default)]
    pub(super) policies: Vec<Value>,
}

const fn half_an_hour() -> u64 {
    1800
}

const fn one() -> u32 {
    1
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Node {
    name: String,
    cpus: u32,
}

/// A LocalQueue with a ClusterQueue of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "as Kueue calls it")]
pub(super) struct Queue {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) cpus: u32,
    cohort: Option<String>,
    within_cluster_queue: Option<String>,
    reclaim_within_cohort: Option<String>,
}

/// How the pulls of an image go, one after the other; the last one stays.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "as a container calls it")]
struct Image {
    image: String,
    pulls: Vec<PullPlan>,
    runs_seconds: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum PullPlan {
    Succeeds(Succeeds),
    Fails(Fails),
    Hangs(Hangs),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Succeeds {
    after_seconds: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fails {
    cause: Cause,
    #[serde(default = "one")]
    times: u32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hangs {}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Job {
    pub(super) namespace: String,
    pub(super) name: String,
    /// The LocalQueue; absent: no queue system manages it.
    queue: Option<String>,
    image: String,
    #[serde(default = "one")]
    pods: u32,
    #[serde(default = "one")]
    cpus: u32,
    #[serde(default)]
    priority: i32,
    #[serde(default)]
    at_seconds: u64,
    /// So many alike, `<name>-0` and on.
    count: Option<u32>,
    #[serde(default)]
    every_seconds: u64,
}

/// Something that happens at a time.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Happening {
    at_seconds: u64,
    /// The image's pulls go like this from then on.
    image: Option<Image>,
    /// A person resumes this job.
    resume: Option<Named>,
    /// A person deletes it.
    delete: Option<Named>,
}

/// What happens, of the three that can.
#[derive(Clone, Copy, Debug)]
enum What<'a> {
    Image(&'a Image),
    Resume(&'a Named),
    Delete(&'a Named),
}

impl Happening {
    /// None where the file names none or more than one, which [`checks`] refuses.
    fn what(&self) -> Option<What<'_>> {
        match (&self.image, &self.resume, &self.delete) {
            (Some(image), None, None) => Some(What::Image(image)),
            (None, Some(job), None) => Some(What::Resume(job)),
            (None, None, Some(job)) => Some(What::Delete(job)),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Named {
    namespace: String,
    name: String,
}

impl Scenario {
    /// Reads a scenario. The error says where, what, and what was expected.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let scenario: Self = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        checks::check(&scenario)?;
        Ok(scenario)
    }

    /// How long it is played.
    pub(super) const fn duration(&self) -> Duration {
        Duration::from_secs(self.duration_seconds)
    }

    /// The cluster, with or without the policies and the controller.
    pub(super) fn cluster(&self, with_policies: bool) -> World {
        let usual = Script::succeeds(Duration::from_secs(USUAL_PULL));
        let mut registry = Registry::new(usual);
        for image in &self.images {
            registry.play(&image.image, image.script());
        }
        let mut nodes: Vec<(String, u32)> =
            self.nodes.iter().map(|node| (node.name.clone(), node.cpus)).collect();
        if nodes.is_empty() {
            nodes.push(("node-0".to_owned(), u32::MAX));
        }
        let timeout = self.pods_ready_timeout_seconds;
        let pods_ready_timeout = (timeout > 0).then(|| Duration::from_secs(timeout));
        let mut world = World::new(Plan { registry, nodes, pods_ready_timeout, ..Plan::default() });
        for queue in &self.queues {
            let behind = format!("{}-{}", queue.namespace, queue.name);
            world.add_cluster_queue(
                &behind,
                &Quota {
                    cpus: queue.cpus,
                    cohort: queue.cohort.clone(),
                    within_cluster_queue: queue.within_cluster_queue.clone(),
                    reclaim_within_cohort: queue.reclaim_within_cohort.clone(),
                },
            );
            world.add_queue(&queue.namespace, &queue.name, &behind);
        }
        if with_policies {
            for policy in &self.policies {
                world.plan(Duration::ZERO, applied(policy));
            }
            world.add_replica(ReplicaPlan { leads: true, ..ReplicaPlan::default() });
        }
        for job in &self.jobs {
            job.plan(&mut world);
        }
        for event in &self.events {
            let named = |job: &Named| (job.namespace.clone(), job.name.clone());
            let deed = match event.what() {
                Some(What::Image(image)) => Deed::Play(image.image.clone(), image.script()),
                Some(What::Resume(job)) => Deed::Resume(named(job)),
                Some(What::Delete(job)) => Deed::Delete(named(job)),
                None => continue,
            };
            world.plan(Duration::from_secs(event.at_seconds), deed);
        }
        world
    }
}

fn applied(policy: &Value) -> Deed {
    let text = |field: &str| {
        let value = policy.pointer(&format!("/metadata/{field}")).and_then(Value::as_str);
        value.unwrap_or("default").to_owned()
    };
    let spec = policy.get("spec").cloned().unwrap_or_default();
    let spec = serde_json::from_value(spec)
        .unwrap_or_else(|_| ImagePullPolicySpec::for_queues(Vec::new()));
    Deed::Apply { namespace: text("namespace"), name: text("name"), spec: Box::new(spec) }
}

impl Job {
    /// Its name, or those of all that are alike, in order.
    fn names(&self) -> impl Iterator<Item = String> {
        (0..self.count.unwrap_or(1)).map(|number| match self.count {
            Some(_) => format!("{}-{number}", self.name),
            None => self.name.clone(),
        })
    }

    fn plan(&self, world: &mut World) {
        for (number, name) in (0u64..).zip(self.names()) {
            let main = Container::new(ContainerKind::Main, "main", &self.image);
            let mut plan = JobPlan::new(&self.namespace, &name, &self.image);
            plan.queue.clone_from(&self.queue);
            plan.pods = self.pods;
            plan.priority = self.priority;
            plan.template = Arc::new(Template { containers: vec![main], cpus: self.cpus });
            let at = JOBS_FROM + self.at_seconds + number * self.every_seconds;
            world.plan(Duration::from_secs(at), Deed::Submit(Box::new(plan)));
        }
    }
}

impl Image {
    fn script(&self) -> Script {
        let pull = |plan: &PullPlan| match plan {
            PullPlan::Succeeds(pull) => {
                (Pull::Succeeds { after: Duration::from_secs(pull.after_seconds) }, 1)
            }
            PullPlan::Fails(pull) => {
                let message = words(pull.cause, &self.image);
                (Pull::Fails { after: Duration::from_millis(300), message }, pull.times)
            }
            PullPlan::Hangs(_) => (Pull::Hangs, 1),
        };
        let mut pulls = self.pulls.iter().map(pull);
        let Some((first, times)) = pulls.next() else { return Script::hangs() };
        let begun = Script::always(first).times(usize::try_from(times).unwrap_or(1));
        let script = pulls.fold(begun, |script, (pull, times)| {
            script.then(pull).times(usize::try_from(times).unwrap_or(1))
        });
        match self.runs_seconds {
            Some(seconds) => script.runs(Run::lasting(Duration::from_secs(seconds), 0)),
            None => script,
        }
    }
}

/// What the kubelet publishes. That a registry answers the cause was checked before.
fn words(cause: Cause, image: &str) -> String {
    Fault::of(cause).map(|(fault, runtime)| fault.message(runtime, image)).unwrap_or_default()
}
