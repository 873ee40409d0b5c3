//! Nobody counts the quota: a Job that no queue system manages.

use super::{Admission, Foreign, QuotaView};
use crate::keys;
use crate::objects::Job;
use crate::resolve::Queue;

/// A Job that Kueue does not know, as far as its own fields tell.
#[derive(Clone, Copy, Debug)]
pub struct Unmanaged<'a>(pub &'a Job);

impl QuotaView for Unmanaged<'_> {
    fn queue(&self) -> Queue {
        Queue::None { namespace: self.0.metadata.namespace.clone() }
    }

    fn admission(&self) -> Admission {
        let job = self.0;
        if self.is_foreign() {
            return Admission::Foreign(Foreign::ForeignManager);
        }
        let stopping =
            job.spec.suspend || job.is_finished() || job.metadata.deletion_timestamp.is_some();
        match job.status.start_time {
            Some(since) if !stopping => Admission::Since(since),
            _ => Admission::None,
        }
    }

    fn is_released(&self) -> bool {
        true // nobody counts any
    }
}

impl Unmanaged<'_> {
    /// Whether anything says that another system runs the Job: its own manager (KEP-4368), an
    /// owner other than a CronJob, another scheduler, or membership in some system's Pod group.
    fn is_foreign(self) -> bool {
        let job = self.0;
        let template = &job.spec.template;
        let marks = [&job.metadata, &template.metadata];
        let managed = job.spec.managed_by.as_deref().is_some_and(|m| m != KUBERNETES);
        let owned = job.metadata.controller().is_some_and(|owner| owner.kind != "CronJob");
        let scheduler = template.spec.scheduler_name.as_str();
        let elsewhere = !matches!(scheduler, "" | "default-scheduler");
        let grouped = marks.iter().any(|meta| {
            keys::FOREIGN_GROUPS
                .iter()
                .any(|key| meta.annotations.contains_key(*key) || meta.labels.contains_key(*key))
                || meta.annotations.contains_key(keys::KUEUE_WORKLOAD)
        });
        managed || owned || elsewhere || grouped
    }
}

/// The value of `managedBy` that means the Job controller itself (Kubernetes: KEP-4368).
const KUBERNETES: &str = "kubernetes.io/job-controller";
