//! CronJobs: whether a Job that does not end keeps the next one from being made.

use serde::{Deserialize, Serialize};

use super::Meta;

/// A CronJob.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CronJob {
    /// The metadata.
    pub metadata: Meta,
    /// What is asked for.
    pub spec: CronJobSpec,
}

/// What is read of a CronJob's spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CronJobSpec {
    /// `Allow`, `Forbid` or `Replace`.
    pub concurrency_policy: String,
}

impl CronJob {
    /// Whether it makes no new Job while an old one has not ended. A suspended Job has not ended
    /// (Kubernetes: `syncCronJob` in `cronjob_controllerv2.go` counts `status.active`).
    pub fn waits_for_its_jobs(&self) -> bool {
        self.spec.concurrency_policy == "Forbid"
    }
}
