//! What the core reads of the cluster's objects: the few fields that decide, and no more.
//!
//! Each type decodes from the API server's JSON and passes over everything else while it reads,
//! so that a Pod of 7 KB costs 3 KB for a moment and no memory afterwards.
//!
//! Each type is also written as such an object, of which it reads back the same: a recording has no
//! second form of its own, and whoever looks into one finds the API's fields.

mod admission;
mod cron_job;
mod decode;
mod encode;
mod failure_policy;
mod job;
mod job_set;
mod labels;
mod meta;
mod node;
mod pod;
mod policy;
mod quantity;
mod queue;
mod uid;
mod word;
mod workload;

pub use admission::{Admission, Request, Requests, Usage};
pub use cron_job::{CronJob, CronJobSpec};
pub use failure_policy::{
    ExitCodes, PodConditionPattern, PodEnd, PodFailurePolicy, PodFailureRule,
};
pub use job::{Ending, Job, JobSpec, JobStatus, PodTemplate, PodTemplateSpec, TemplateMeta};
pub use job_set::{JobSet, JobSetSpec, JobSetStatus, JobTemplate, ReplicatedJob};
pub use labels::Labels;
pub use meta::{Condition, Key, Meta, OwnerReference, version_number};
pub use node::{Node, NodeStatus};
pub use pod::{
    Container, ContainerState, ContainerStatus, ImageVolume, Pod, PodSpec, PodStatus, Started,
    Volume, VolumeMount, Waiting,
};
pub use policy::Policy;
pub use quantity::Quantity;
pub use queue::{
    ClusterQueue, ClusterQueueSpec, ClusterQueueStatus, FlavorFungibility, FlavorQuotas,
    FlavorReservation, LocalQueue, LocalQueueSpec, Preemption, ResourceGroup, ResourceQuota,
    ResourceReservation,
};
pub use uid::Uid;
pub use word::Word;
pub use workload::{Prospect, Workload, WorkloadSpec, WorkloadStatus};

/// An object of the cluster, as far as the shell needs to know it.
pub trait Object {
    /// Its metadata.
    fn meta(&self) -> &Meta;
}

macro_rules! object {
    ($($kind:ty),*) => {$(
        impl Object for $kind {
            fn meta(&self) -> &Meta {
                &self.metadata
            }
        }
    )*};
}
object!(Pod, Job, JobSet, CronJob, Workload, LocalQueue, ClusterQueue, Policy, Node);
