//! What the core is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::effect::{EffectId, Outcome};
use crate::objects::{
    ClusterQueue, CronJob, Job, JobSet, LocalQueue, Node, Pod, Policy, Uid, Workload,
};

/// The kinds of objects that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Pods.
    Pod,
    /// Jobs of the group `batch`.
    Job,
    /// JobSets.
    JobSet,
    /// CronJobs.
    CronJob,
    /// Kueue's Workloads.
    Workload,
    /// Kueue's LocalQueues.
    LocalQueue,
    /// Kueue's ClusterQueues.
    ClusterQueue,
    /// Our policies.
    Policy,
    /// Nodes.
    Node,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Pod,
        Self::Job,
        Self::JobSet,
        Self::CronJob,
        Self::Workload,
        Self::LocalQueue,
        Self::ClusterQueue,
        Self::Policy,
        Self::Node,
    ];

    /// Its name as the API has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Job => "Job",
            Self::JobSet => "JobSet",
            Self::CronJob => "CronJob",
            Self::Workload => "Workload",
            Self::LocalQueue => "LocalQueue",
            Self::ClusterQueue => "ClusterQueue",
            Self::Policy => "ImagePullPolicy",
            Self::Node => "Node",
        }
    }
}

/// What happened to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change<T> {
    /// It stands in a list: nothing says when it came to be as it is.
    Listed(T),
    /// It was created or changed just now, or became visible to the watch.
    Seen(T),
    /// It is no longer there, or no longer visible to the watch.
    Gone(T),
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Input {
    /// A Pod.
    Pod(Change<Pod>),
    /// A Job.
    Job(Change<Job>),
    /// A JobSet.
    JobSet(Change<JobSet>),
    /// A CronJob.
    CronJob(Change<CronJob>),
    /// A Workload.
    Workload(Change<Workload>),
    /// A LocalQueue.
    LocalQueue(Change<LocalQueue>),
    /// A ClusterQueue.
    ClusterQueue(Change<ClusterQueue>),
    /// A policy.
    Policy(Change<Policy>),
    /// A Node.
    Node(Change<Node>),
    /// A list of that kind begins: what is not in it when it ends is gone.
    ListBegun(Kind),
    /// These stand in the list of that kind in the very version that is known
    /// ([`crate::Engine::knows`]), so that there is nothing to tell of them.
    Unchanged(Kind, Vec<Uid>),
    /// The list of that kind is whole.
    ListEnded(Kind),
    /// The cluster does not serve that kind (its CRD is not installed).
    KindAbsent(Kind),
    /// This replica may act until then (as [`crate::time::Now::elapsed`]); `None`: not at all.
    Leadership(Option<Duration>),
    /// An operator has paused everything, and why; `None`: nobody has.
    Paused(Option<String>),
    /// An effect was tried.
    Done(EffectId, Outcome),
    /// The time of [`crate::Engine::next_deadline`] has come.
    Deadline,
}
