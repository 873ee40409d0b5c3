//! Nobody counts the quota: a Job or JobSet that no queue system manages.

use jiff::Timestamp;

use super::{Admission, Foreign, QuotaView};
use crate::keys;
use crate::objects::{JobSpec, Labels, Meta};
use crate::owner::Owner;
use crate::resolve::Queue;

/// A job that Kueue does not know, as far as its own fields tell.
#[derive(Clone, Copy, Debug)]
pub struct Unmanaged<'a>(pub &'a Owner);

impl QuotaView for Unmanaged<'_> {
    fn queue(&self) -> Queue {
        Queue::None { namespace: self.0.namespace().to_owned() }
    }

    fn admission(&self) -> Admission {
        let Some(job) = Facts::of(self.0) else { return Admission::None };
        if job.is_foreign(self.0.meta()) {
            return Admission::Foreign(Foreign::ForeignManager);
        }
        let stopping = job.suspended || self.0.is_finished() || self.0.is_deleted();
        match job.since {
            Some(since) if !stopping => Admission::Since(since),
            _ => Admission::None,
        }
    }

    fn is_released(&self) -> bool {
        true // nobody counts any
    }
}

/// What a Job and a JobSet say of themselves alike.
struct Facts<'a> {
    suspended: bool,
    since: Option<Timestamp>,
    managed_by: Option<&'a str>,
    /// The value of `managedBy` that means its own controller.
    own_manager: &'static str,
    /// The Jobs that it is made of, or that it is.
    parts: Vec<(&'a Meta, &'a JobSpec)>,
}

impl<'a> Facts<'a> {
    fn of(owner: &'a Owner) -> Option<Self> {
        match owner {
            Owner::Job(job) => Some(Self {
                suspended: job.spec.suspend,
                since: job.status.start_time,
                managed_by: job.spec.managed_by.as_deref(),
                own_manager: JOB_CONTROLLER,
                parts: vec![(&job.metadata, &job.spec)],
            }),
            Owner::JobSet(set) => {
                let jobs = set.spec.replicated_jobs.iter().map(|jobs| &jobs.template);
                Some(Self {
                    suspended: set.spec.suspend,
                    since: set.running_since(),
                    managed_by: set.spec.managed_by.as_deref(),
                    own_manager: JOB_SET_CONTROLLER,
                    parts: jobs.map(|job| (&job.metadata, &job.spec)).collect(),
                })
            }
            Owner::Other(_) => None,
        }
    }

    /// Whether anything says that another system runs it: its own manager (KEP-4368), an owner
    /// other than a CronJob, another scheduler, or membership in some system's Pod group.
    fn is_foreign(&self, meta: &Meta) -> bool {
        let managed = self.managed_by.is_some_and(|by| by != self.own_manager);
        let owned = meta.controller().is_some_and(|owner| owner.kind != "CronJob");
        let grouped = |labels: &Labels, annotations: &Labels| {
            let marked = |key: &&str| annotations.contains_key(key) || labels.contains_key(key);
            keys::FOREIGN_GROUPS.iter().any(marked)
                || annotations.contains_key(keys::KUEUE_WORKLOAD)
        };
        let elsewhere = |(job, spec): &(&Meta, &JobSpec)| {
            let template = &spec.template.metadata;
            !matches!(&*spec.template.spec.scheduler_name, "" | "default-scheduler")
                || grouped(&job.labels, &job.annotations)
                || grouped(&template.labels, &template.annotations)
        };
        managed
            || owned
            || grouped(&meta.labels, &meta.annotations)
            || self.parts.iter().any(elsewhere)
    }
}

/// Kubernetes: KEP-4368.
const JOB_CONTROLLER: &str = "kubernetes.io/job-controller";
/// JobSet: `jobset_types.go`, `JobSetControllerName`.
const JOB_SET_CONTROLLER: &str = "jobset.sigs.k8s.io/jobset-controller";
