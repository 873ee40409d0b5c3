//! The owner's object of a job: what a person made, and what a queue admits as one.

use std::sync::Arc;

use crate::effect::{Target, TargetKind};
use crate::objects::{Job, JobSet, Key, Meta, Uid, Workload};

/// The object that a person made. Always the top-most one that is known: what it has made itself
/// is put back by it at once (live.md 7.5, queues.md 0.9).
#[derive(Clone, Debug)]
pub enum Owner {
    /// A Job of the group `batch`.
    Job(Arc<Job>),
    /// A JobSet.
    JobSet(Arc<JobSet>),
    /// What Kueue manages besides, of which its Workload alone is known.
    Other(Box<Other>),
}

/// What Kueue manages and is not looked at itself.
#[derive(Clone, Debug)]
pub struct Other {
    /// Its uid, as its Workload names it; the Workload's own where that names no controller.
    pub uid: Uid,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What can be done about it.
    pub reach: Reach,
    /// Its Workload, on which all is written that elsewhere stands on the owner's object.
    pub workload: Workload,
}

/// What Dislodge can do about a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It can be stopped, started and ended.
    Whole,
    /// It can be stopped and started: Kubeflow's jobs, `RayJob`, `MPIJob`, `AppWrapper`,
    /// `LeaderWorkerSet`, and whatever else Kueue manages.
    StopAlone,
    /// Its Pods can be ended: Pods that nothing makes anew. To stop them would delete them for good
    /// (Kueue: `pod_controller.go`, `Stop`).
    PodsAlone {
        /// They are a Pod group.
        group: bool,
    },
    /// Nothing: a Deployment, a `StatefulSet` or whatever else runs its Pods makes them anew for ever,
    /// or may do so.
    Nothing,
}

impl Owner {
    /// By what its state is kept; outlives Pods and Workloads.
    pub fn uid(&self) -> Uid {
        match self {
            Self::Job(job) => job.metadata.uid,
            Self::JobSet(set) => set.metadata.uid,
            Self::Other(other) => other.uid,
        }
    }

    /// The metadata of the object that its people read and write.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Job(job) => &job.metadata,
            Self::JobSet(set) => &set.metadata,
            Self::Other(other) => &other.workload.metadata,
        }
    }

    /// Its name, as its people know it.
    pub fn name(&self) -> &str {
        match self {
            Self::Job(job) => &job.metadata.name,
            Self::JobSet(set) => &set.metadata.name,
            Self::Other(other) => &other.name,
        }
    }

    /// Its kind, as its people know it.
    pub fn kind(&self) -> &str {
        match self {
            Self::Job(_) => "Job",
            Self::JobSet(_) => "JobSet",
            Self::Other(other) => &other.kind,
        }
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.meta().namespace
    }

    /// The object that its people read, not pinned to a version.
    pub fn target(&self) -> Target {
        let kind = match self {
            Self::Job(_) => TargetKind::Job,
            Self::JobSet(_) => TargetKind::JobSet,
            Self::Other(other) if other.reach == (Reach::PodsAlone { group: false }) => {
                // It is the Pod that its people look at.
                let key = self.neighbour(other.name.clone());
                let (kind, uid) = (TargetKind::Pod, other.uid);
                return Target { kind, key, uid, resource_version: None };
            }
            Self::Other(_) => TargetKind::Workload,
        };
        Target { kind, key: self.meta().key(), uid: self.meta().uid, resource_version: None }
    }

    /// A key in its namespace.
    pub fn neighbour(&self, name: impl Into<String>) -> Key {
        Key::new(self.namespace(), name)
    }

    /// Whether it has ended or is about to.
    pub fn is_finished(&self) -> bool {
        match self {
            Self::Job(job) => job.is_finished(),
            Self::JobSet(set) => set.is_finished(),
            Self::Other(other) => other.workload.is_finished(),
        }
    }

    /// Whether it is being deleted.
    pub fn is_deleted(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }

    /// What can be done about it.
    pub fn reach(&self) -> Reach {
        match self {
            Self::Job(_) | Self::JobSet(_) => Reach::Whole,
            Self::Other(other) => other.reach,
        }
    }
}
