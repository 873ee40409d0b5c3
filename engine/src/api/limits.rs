//! What bounds an action: how long a hold lasts, how often a job goes back, when a registry counts
//! as down, and how much is done at most.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of a job that is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Hold {
    /// Seconds after which a held job is failed. It does not count for a job that waits to be
    /// requeued. 0: it waits for a person. Default: 0.
    #[schemars(range(min = 0, max = 2_592_000))]
    pub max_seconds: u32,
}

/// How RequeueJob sends a job back into its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.backoffBaseSeconds <= self.backoffMaxSeconds",
    "message": "backoffBaseSeconds must not exceed backoffMaxSeconds: lower the first or raise the second",
    "fieldPath": ".backoffBaseSeconds",
}]))]
pub struct Requeue {
    /// Seconds that the job waits before its first return; the wait doubles with each further one.
    /// Up to a quarter less, so that jobs that went together do not come back together. Default: 60.
    #[schemars(range(min = 1, max = 86_400))]
    pub backoff_base_seconds: u32,
    /// Seconds that the job waits at most before a return. Default: 3600.
    #[schemars(range(min = 1, max = 86_400))]
    pub backoff_max_seconds: u32,
    /// How often the job goes back before afterwards applies. Default: 5.
    #[schemars(range(min = 1, max = 100))]
    pub max_requeues: u32,
    /// How many failed pulls send a job that came back into the queue again, in place of the
    /// threshold of the same rule. Default: 2.
    #[schemars(range(min = 1, max = 100))]
    pub failed_pulls: u32,
    /// What is done when the returns are used up. Default: SuspendJob.
    pub afterwards: Afterwards,
}

impl Default for Requeue {
    fn default() -> Self {
        Self {
            backoff_base_seconds: 60,
            backoff_max_seconds: 3600,
            max_requeues: 5,
            failed_pulls: 2,
            afterwards: Afterwards::SuspendJob,
        }
    }
}

/// What is done to a job whose returns are used up.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Afterwards {
    /// Stops the job until a person resumes it.
    SuspendJob,
    /// Stops the job and ends it as failed.
    FailJob,
    /// Changes nothing; says so in status, an Event and a metric.
    Report,
}

impl From<Afterwards> for super::Action {
    fn from(afterwards: Afterwards) -> Self {
        match afterwards {
            Afterwards::SuspendJob => Self::SuspendJob,
            Afterwards::FailJob => Self::FailJob,
            Afterwards::Report => Self::Report,
        }
    }
}

/// When a registry counts as down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Outage {
    /// How many jobs of the namespace must fail at one registry within the window, so that it
    /// counts as down. For causes that lie with the image or its credentials, distinct repositories
    /// are counted in place of jobs. Default: 5.
    #[schemars(range(min = 2, max = 1000))]
    pub distinct_jobs: u32,
    /// Length of the window in seconds. Default: 300.
    #[schemars(range(min = 1, max = 86_400))]
    pub window_seconds: u32,
    /// Seconds after which the rules act again although the registry still counts as down. 0: they
    /// wait until it is up. Default: 0.
    #[schemars(range(min = 0, max = 604_800))]
    pub max_hold_seconds: u32,
}

impl Default for Outage {
    fn default() -> Self {
        Self { distinct_jobs: 5, window_seconds: 300, max_hold_seconds: 0 }
    }
}

/// How much the policy does at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Budget {
    /// How many jobs are stopped within the window at most. Further jobs that fail for the same
    /// missing image do not count again. Default: 20.
    #[schemars(range(min = 1, max = 10_000))]
    pub actions: u32,
    /// Length of the window in seconds. Default: 600.
    #[schemars(range(min = 1, max = 86_400))]
    pub window_seconds: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { actions: 20, window_seconds: 600 }
    }
}
