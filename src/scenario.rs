//! A scenario as people write it, and the cluster in memory that it becomes: for `dislodge simulate`
//! and for the cases of `dislodge test`.

mod checks;
mod told;

use std::sync::Arc;
use std::time::Duration;

use dislodge_engine::api::ImagePullPolicySpec;
use dislodge_engine::cause::Cause;
use dislodge_sim::kubelet::{Container, ContainerKind};
use dislodge_sim::registry::{Fault, Pull, Registry, Run, Script};
use dislodge_sim::world::{Deed, JobPlan, Plan, Quota, ReplicaPlan, Template, World};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::causes::examples;

pub(crate) use checks::{LONGEST, check};
pub(crate) use told::told;

/// How long a pull takes that does not say so, in seconds.
const USUAL_PULL: u64 = 20;
/// Policies and queues are there before the first job.
const JOBS_FROM: u64 = 5;
/// Where nobody says in which namespace something is: kubectl's.
const USUAL_NAMESPACE: &str = "default";

/// What a file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Scenario {
    /// How long it is played.
    pub(crate) duration_seconds: u64,
    /// Kueue's `waitForPodsReady.timeout`; 0: none.
    #[serde(default = "half_an_hour")]
    pub(crate) pods_ready_timeout_seconds: u64,
    #[serde(default)]
    pub(crate) nodes: Vec<Node>,
    #[serde(default)]
    pub(crate) queues: Vec<Queue>,
    #[serde(default)]
    pub(crate) images: Vec<Image>,
    #[serde(default)]
    pub(crate) jobs: Vec<Job>,
    #[serde(default)]
    pub(crate) events: Vec<Happening>,
    #[serde(default)]
    pub(crate) policies: Vec<Value>,
}

pub(crate) const fn half_an_hour() -> u64 {
    1800
}

pub(crate) const fn one() -> u32 {
    1
}

/// A node.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Node {
    /// Its name.
    name: String,
    /// The CPUs that Pods can ask for.
    cpus: u32,
}

/// A LocalQueue with a ClusterQueue of its own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "as Kueue calls it")]
pub(crate) struct Queue {
    /// The namespace.
    #[serde(default)]
    pub(crate) namespace: String,
    /// The name of the LocalQueue.
    pub(crate) name: String,
    /// The quota of its ClusterQueue, in CPUs.
    pub(crate) cpus: u32,
    /// The cohort with which it shares what it does not use.
    pub(crate) cohort: Option<String>,
    /// `preemption.withinClusterQueue`. Default: Never.
    pub(crate) within_cluster_queue: Option<String>,
    /// `preemption.reclaimWithinCohort`. Default: Never.
    pub(crate) reclaim_within_cohort: Option<String>,
}

/// How the pulls of an image go.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "as a container calls it")]
pub(crate) struct Image {
    /// The image, as containers name it.
    pub(crate) image: String,
    /// Its pulls by all Pods, one after the other; the last one stays.
    pub(crate) pulls: Vec<PullPlan>,
    /// When its containers end well. Default: they run for ever.
    pub(crate) runs_seconds: Option<u64>,
}

/// One pull, or several alike.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Pull")]
pub(crate) enum PullPlan {
    /// The image is there after that time.
    Succeeds(Succeeds),
    /// The pull fails.
    Fails(Fails),
    /// The pull never ends, without an error.
    Hangs(Hangs),
}

/// A pull that succeeds.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Succeeds {
    /// How long it takes.
    after_seconds: u64,
}

/// A pull that fails: with a message of this cause, or with this message.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Fails {
    /// Why.
    cause: Option<Cause>,
    /// What the container runtime says, in place of `cause`.
    message: Option<String>,
    /// How often. Default: 1.
    #[serde(default = "one")]
    times: u32,
}

/// A pull that hangs.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hangs {}

/// A Job, or several alike.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Job {
    /// The namespace.
    #[serde(default)]
    pub(crate) namespace: String,
    /// The name.
    pub(crate) name: String,
    /// The LocalQueue; absent: no queue system manages it.
    pub(crate) queue: Option<String>,
    /// The image of its containers.
    pub(crate) image: String,
    /// How many Pods it runs at once. Default: 1.
    #[serde(default = "one")]
    pub(crate) pods: u32,
    /// What each of them asks for. Default: 1.
    #[serde(default = "one")]
    pub(crate) cpus: u32,
    /// The rank in its queue. Default: 0.
    #[serde(default)]
    pub(crate) priority: i32,
    /// When it is submitted. Default: 0.
    #[serde(default)]
    pub(crate) at_seconds: u64,
    /// So many alike, `<name>-0` and on.
    pub(crate) count: Option<u32>,
    /// Of several alike: how long after the one before each is submitted. Default: 0.
    #[serde(default)]
    pub(crate) every_seconds: u64,
}

/// Something that happens at a time: exactly one of `image`, `resume`, `delete`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Event")]
pub(crate) struct Happening {
    /// When.
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

/// A Job by its name.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Named {
    /// The namespace.
    #[serde(default)]
    namespace: String,
    /// The name.
    name: String,
}

/// A policy, as somebody applies it.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) spec: ImagePullPolicySpec,
}

impl Scenario {
    /// Reads a scenario. The error says where, what, and what was expected.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut scenario: Self = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        scenario.place_in(USUAL_NAMESPACE);
        checks::check(&scenario)?;
        Ok(scenario)
    }

    /// Puts what names no namespace into this one.
    pub(crate) fn place_in(&mut self, namespace: &str) {
        let jobs = self.jobs.iter_mut().map(|job| &mut job.namespace);
        let queues = self.queues.iter_mut().map(|queue| &mut queue.namespace);
        let named = self.events.iter_mut().flat_map(|event| [&mut event.resume, &mut event.delete]);
        let named = named.flatten().map(|job| &mut job.namespace);
        for place in jobs.chain(queues).chain(named).filter(|place| place.is_empty()) {
            namespace.clone_into(place);
        }
    }

    /// Gives each queue that a job names and nobody describes more quota than all jobs can use.
    pub(crate) fn add_missing_queues(&mut self) {
        for job in &self.jobs {
            let Some(name) = &job.queue else { continue };
            let is_it = |queue: &Queue| queue.namespace == job.namespace && queue.name == *name;
            if !self.queues.iter().any(is_it) {
                self.queues.push(Queue {
                    namespace: job.namespace.clone(),
                    name: name.clone(),
                    cpus: checks::MOST_CPUS,
                    cohort: None,
                    within_cluster_queue: None,
                    reclaim_within_cohort: None,
                });
            }
        }
    }

    /// Its own policies.
    pub(crate) fn policies(&self) -> Vec<Applied> {
        self.policies.iter().map(|policy| Applied::read(policy, USUAL_NAMESPACE)).collect()
    }

    /// All jobs by namespace and name, and when each is submitted.
    pub(crate) fn submissions(&self) -> impl Iterator<Item = (&str, String, Duration)> {
        self.jobs
            .iter()
            .flat_map(|job| job.submissions().map(|(name, at)| (job.namespace.as_str(), name, at)))
    }

    /// How long it is played.
    pub(crate) const fn duration(&self) -> Duration {
        Duration::from_secs(self.duration_seconds)
    }

    /// The cluster, with these policies and a controller; or with neither.
    pub(crate) fn cluster(&self, policies: Option<&[Applied]>) -> World {
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
        if let Some(policies) = policies {
            for policy in policies {
                world.plan(Duration::ZERO, policy.deed());
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

impl Applied {
    /// Reads a policy that was checked before.
    pub(crate) fn read(policy: &Value, usual_namespace: &str) -> Self {
        let text = |field: &str, otherwise: &str| {
            let value = policy.pointer(&format!("/metadata/{field}")).and_then(Value::as_str);
            value.unwrap_or(otherwise).to_owned()
        };
        let spec = policy.get("spec").cloned().unwrap_or_default();
        let spec = serde_json::from_value(spec)
            .unwrap_or_else(|_| ImagePullPolicySpec::for_queues(Vec::new()));
        Self { namespace: text("namespace", usual_namespace), name: text("name", "default"), spec }
    }

    fn deed(&self) -> Deed {
        let (namespace, name) = (self.namespace.clone(), self.name.clone());
        Deed::Apply { namespace, name, spec: Box::new(self.spec.clone()) }
    }
}

impl Job {
    /// A Job of one Pod in no queue, submitted at once.
    pub(crate) fn new(namespace: &str, name: &str, image: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            queue: None,
            image: image.to_owned(),
            pods: 1,
            cpus: 1,
            priority: 0,
            at_seconds: 0,
            count: None,
            every_seconds: 0,
        }
    }

    /// Its names in order, and when each is submitted.
    fn submissions(&self) -> impl Iterator<Item = (String, Duration)> {
        let at = |number| JOBS_FROM + self.at_seconds + number * self.every_seconds;
        (0u64..)
            .zip(self.names())
            .map(move |(number, name)| (name, Duration::from_secs(at(number))))
    }

    /// Its name, or those of all that are alike, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        (0..self.count.unwrap_or(1)).map(|number| match self.count {
            Some(_) => format!("{}-{number}", self.name),
            None => self.name.clone(),
        })
    }

    fn plan(&self, world: &mut World) {
        for (name, at) in self.submissions() {
            let main = Container::new(ContainerKind::Main, "main", &self.image);
            let mut plan = JobPlan::new(&self.namespace, &name, &self.image);
            plan.queue.clone_from(&self.queue);
            plan.pods = self.pods;
            plan.priority = self.priority;
            plan.template = Arc::new(Template { containers: vec![main], cpus: self.cpus });
            world.plan(at, Deed::Submit(Box::new(plan)));
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
                let message = pull.message(&self.image);
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

impl Fails {
    /// What the kubelet publishes. That there is something to say was checked before.
    fn message(&self, image: &str) -> String {
        let of_cause = || words(self.cause?, image);
        self.message.clone().or_else(of_cause).unwrap_or_default()
    }
}

/// A message of a pull of this image that is read as the cause; `None` where no pull says so.
fn words(cause: Cause, image: &str) -> Option<String> {
    match (Fault::of(cause), cause) {
        (Some((fault, runtime)), _) => Some(fault.message(runtime, image)),
        // Found bad without a pull, or by the kubelet's own limit.
        (None, Cause::InvalidReference | Cause::NeverPullAbsent | Cause::NodeThrottled) => None,
        (None, _) => examples::of(cause, image),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_that_a_pull_can_have_is_read_out_of_what_the_kubelet_publishes() {
        let image = "registry.example/team/app:v2";
        let without: Vec<&str> = Cause::ALL
            .into_iter()
            .filter(|cause| {
                let Some(message) = words(*cause, image) else { return true };
                let reason = Some("ErrImagePull");
                let read = dislodge_engine::message::read(reason, &message, Some(image));
                assert_eq!(read.cause, Some(*cause), "{message}");
                false
            })
            .map(Cause::as_str)
            .collect();
        assert_eq!(without, ["InvalidReference", "NeverPullAbsent", "NodeThrottled"]);
    }
}
