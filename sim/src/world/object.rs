//! The objects of the cluster in memory: what Dislodge would read of each, and what else the actors
//! need to know of it.

use std::sync::Arc;
use std::time::Duration;

use dislodge_engine::input::{Change, Input, Kind};
use dislodge_engine::objects::{
    ClusterQueue, Condition, ContainerState, ContainerStatus, Job as SeenJob, LocalQueue, Meta,
    Node, Object as _, Pod as SeenPod, Policy, Started, Uid, Waiting, Workload as SeenWorkload,
};
use jiff::Timestamp;

use crate::kubelet::{self, ContainerKind, PodKey};
use crate::store::{Version, Versioned};

/// An object of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A Pod.
    Pod(Pod),
    /// A Job.
    Job(Job),
    /// A Workload.
    Workload(Workload),
    /// A LocalQueue.
    LocalQueue(LocalQueue),
    /// A ClusterQueue.
    ClusterQueue(ClusterQueue),
    /// A policy.
    Policy(Box<Policy>),
    /// A Node.
    Node(Node),
}

/// What a Pod is made of. All Pods of one template share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The containers.
    pub containers: Vec<kubelet::Container>,
    /// How many CPUs each Pod asks for.
    pub cpus: u32,
}

/// A Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// What Dislodge reads of it.
    pub seen: SeenPod,
    /// Its names, as the kubelet has them.
    pub key: PodKey,
    /// The Job that made it.
    pub job: Uid,
    /// What it is made of.
    pub template: Arc<Template>,
    /// What the kubelet wrote last.
    pub status: Option<Arc<kubelet::PodStatus>>,
    /// Whether the Job has taken it into account: until then its finalizer keeps the object
    /// (Kubernetes: `batch.kubernetes.io/job-tracking`).
    pub counted: bool,
    /// The kubelet has ended it, and wants the object gone.
    pub ended: bool,
    /// Our condition's reason, while it stands there.
    pub marked: Option<String>,
}

/// What the author of a Job wants done with Pods that carry our condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// `FailJob`.
    Fail,
    /// `Ignore`.
    Ignore,
}

/// What a Job was submitted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobPlan {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The LocalQueue; `None`: no queue system manages it.
    pub queue: Option<String>,
    /// Its Pods.
    pub template: Arc<Template>,
    /// How many Pods run at once, and how many have to succeed.
    pub pods: u32,
    /// It says nothing of how many have to succeed (Kubernetes: no `spec.completions`): with the first
    /// success there is no more to begin, and it is complete once no Pod runs.
    pub open_ended: bool,
    /// Failed Pods until the Job fails (Kubernetes: `spec.backoffLimit`, 6).
    pub backoff_limit: u32,
    /// The rank of its Workload.
    pub priority: i32,
    /// The author's `podFailurePolicy` about our condition.
    pub author: Option<Author>,
    /// More annotations.
    pub annotations: Vec<(String, String)>,
}

impl JobPlan {
    /// A Job of one Pod with one container of this image, that asks for one CPU.
    pub fn new(namespace: &str, name: &str, image: &str) -> Self {
        let main = kubelet::Container::new(ContainerKind::Main, "main", image);
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            queue: None,
            template: Arc::new(Template { containers: vec![main], cpus: 1 }),
            pods: 1,
            open_ended: false,
            backoff_limit: 6,
            priority: 0,
            author: None,
            annotations: Vec::new(),
        }
    }

    /// The CPUs of all Pods together.
    pub fn cpus(&self) -> u32 {
        self.template.cpus.saturating_mul(self.pods)
    }
}

/// A Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What Dislodge reads of it.
    pub seen: SeenJob,
    /// What it was submitted with.
    pub plan: Arc<JobPlan>,
    /// Pods that have succeeded.
    pub succeeded: u32,
    /// Pods that have failed.
    pub failed: u32,
}

/// A Workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// What Dislodge reads of it.
    pub seen: SeenWorkload,
    /// The Job that it stands for.
    pub job: Uid,
    /// The CPUs that the Job asks for.
    pub cpus: u32,
    /// The rank.
    pub priority: i32,
    /// The Job that it was last evicted for, to make room.
    pub preempted_by: Option<Uid>,
    /// When it was evicted because its Pods did not get ready: how often, and until when it waits.
    pub requeued: (u32, Duration),
}

impl Object {
    /// The kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Pod(_) => Kind::Pod,
            Self::Job(_) => Kind::Job,
            Self::Workload(_) => Kind::Workload,
            Self::LocalQueue(_) => Kind::LocalQueue,
            Self::ClusterQueue(_) => Kind::ClusterQueue,
            Self::Policy(_) => Kind::Policy,
            Self::Node(_) => Kind::Node,
        }
    }

    /// The metadata.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Pod(pod) => &pod.seen.metadata,
            Self::Job(job) => &job.seen.metadata,
            Self::Workload(workload) => &workload.seen.metadata,
            Self::LocalQueue(queue) => queue.meta(),
            Self::ClusterQueue(queue) => queue.meta(),
            Self::Policy(policy) => policy.meta(),
            Self::Node(node) => node.meta(),
        }
    }

    /// The metadata, to be changed.
    pub const fn meta_mut(&mut self) -> &mut Meta {
        match self {
            Self::Pod(pod) => &mut pod.seen.metadata,
            Self::Job(job) => &mut job.seen.metadata,
            Self::Workload(workload) => &mut workload.seen.metadata,
            Self::LocalQueue(queue) => &mut queue.metadata,
            Self::ClusterQueue(queue) => &mut queue.metadata,
            Self::Policy(policy) => &mut policy.metadata,
            Self::Node(node) => &mut node.metadata,
        }
    }

    /// A change of the spec is counted, as the API server does.
    pub(super) fn count_generation(&mut self, before: &Self) {
        let changed = match (before, &*self) {
            (Self::Workload(before), Self::Workload(now)) => before.seen.spec != now.seen.spec,
            (Self::Job(before), Self::Job(now)) => before.seen.spec != now.seen.spec,
            _ => false,
        };
        if changed {
            self.meta_mut().generation += 1;
        }
    }

    /// What a watcher of its kind is told; `how` says in which way it became known.
    pub fn input(&self, how: How) -> Input {
        match self {
            Self::Pod(pod) => Input::Pod(how.of(&pod.seen)),
            Self::Job(job) => Input::Job(how.of(&job.seen)),
            Self::Workload(workload) => Input::Workload(how.of(&workload.seen)),
            Self::LocalQueue(queue) => Input::LocalQueue(how.of(queue)),
            Self::ClusterQueue(queue) => Input::ClusterQueue(how.of(queue)),
            Self::Policy(policy) => Input::Policy(how.of(policy)),
            Self::Node(node) => Input::Node(how.of(node)),
        }
    }

    /// Whether Dislodge's watch shows it: ended Pods are left out by a field selector.
    pub fn is_shown(&self) -> bool {
        !matches!(self, Self::Pod(pod) if pod.has_ended())
    }
}

macro_rules! as_kind {
    ($($name:ident, $variant:ident, $type:ty;)*) => {
        impl Object {
            $(
                /// It, where it is of that kind.
                pub fn $name(&self) -> Option<&$type> {
                    if let Self::$variant(object) = self { Some(object) } else { None }
                }
            )*
        }
    };
}
as_kind! {
    as_pod, Pod, Pod;
    as_job, Job, Job;
    as_workload, Workload, Workload;
    as_local_queue, LocalQueue, LocalQueue;
    as_cluster_queue, ClusterQueue, ClusterQueue;
    as_policy, Policy, Policy;
}

impl Versioned for Object {
    fn set_version(&mut self, version: Version) {
        self.meta_mut().resource_version = version.0.to_string();
    }
}

/// In which way an object becomes known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By a list.
    Listed,
    /// By a watch event.
    Seen,
    /// By a watch event that says it is gone, or no longer shown.
    Gone,
}

impl How {
    fn of<T: Clone>(self, object: &T) -> Change<T> {
        let object = object.clone();
        match self {
            Self::Listed => Change::Listed(object),
            Self::Seen => Change::Seen(object),
            Self::Gone => Change::Gone(object),
        }
    }
}

impl Pod {
    /// Whether it has ended for good.
    pub fn has_ended(&self) -> bool {
        matches!(self.seen.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// Whether it is being deleted.
    pub fn is_deleted(&self) -> bool {
        self.seen.metadata.deletion_timestamp.is_some()
    }

    /// Whether one of its containers waits for this reason.
    pub fn waits_for(&self, reason: &str) -> bool {
        let status = &self.seen.status;
        let containers = status.init_container_statuses.iter().chain(&status.container_statuses);
        containers.filter_map(|c| c.state.waiting.as_ref()).any(|why| why.reason == reason)
    }

    /// Takes over what the kubelet writes at this time, and leaves conditions of others alone.
    /// `start`: when the world began.
    pub fn wrote(&mut self, status: Arc<kubelet::PodStatus>, at: Timestamp, start: Timestamp) {
        self.seen.metadata.kubelet_wrote = Some(whole_seconds(at));
        let seen = &mut self.seen.status;
        status.phase.as_str().clone_into(&mut seen.phase);
        seen.observed_generation = status.observed_generation;
        let of = |main: bool| {
            let own =
                status.containers.iter().filter(move |c| (c.kind == ContainerKind::Main) == main);
            own.map(|c| shown(c, start)).collect::<Vec<_>>()
        };
        (seen.container_statuses, seen.init_container_statuses) = (of(true), of(false));
        self.status = Some(status);
    }
}

fn shown(container: &kubelet::ContainerStatus, start: Timestamp) -> ContainerStatus {
    let since = |at: Option<Duration>| Started {
        started_at: at.and_then(|at| start.checked_add(at).ok()).map(whole_seconds),
    };
    let mut state = ContainerState::default();
    match &container.state {
        kubelet::ContainerState::Waiting(why) => {
            let (reason, message) = (why.reason.to_string(), why.message.to_string());
            state.waiting = Some(Waiting { reason, message });
        }
        kubelet::ContainerState::Running { started_at } => {
            state.running = Some(since(Some(*started_at)));
        }
        kubelet::ContainerState::Terminated(end) => state.terminated = Some(since(end.started_at)),
    }
    let last = container.last_terminated.as_ref().map(|end| since(end.started_at));
    ContainerStatus {
        name: container.name.to_string(),
        image_id: container.image_id.to_string(),
        state,
        last_state: ContainerState { terminated: last, ..ContainerState::default() },
    }
}

/// The API server keeps whole seconds.
pub fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// Sets a condition; its time moves when its status does.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    kind: &str,
    holds: bool,
    reason: &str,
    at: Timestamp,
) {
    let status = if holds { "True" } else { "False" };
    match conditions.iter_mut().find(|condition| condition.kind == kind) {
        Some(known) => {
            if known.status != status {
                known.last_transition_time = Some(whole_seconds(at));
            }
            known.status = status.into();
            known.reason = reason.into();
        }
        None => conditions.push(Condition {
            kind: kind.into(),
            status: status.into(),
            reason: reason.into(),
            last_transition_time: Some(whole_seconds(at)),
        }),
    }
}

/// Whether a condition holds.
pub fn holds(conditions: &[Condition], kind: &str) -> bool {
    Condition::find_true(conditions, kind).is_some()
}
