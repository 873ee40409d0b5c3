//! Jobs of the group `batch`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Condition, Labels, Meta, PodFailurePolicy, Word, decode, failure_policy};

/// A Job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Job {
    /// The metadata.
    pub metadata: Meta,
    /// What is asked for.
    pub spec: JobSpec,
    /// What the Job controller says.
    pub status: JobStatus,
}

/// What is read of a Job's spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobSpec {
    /// Whether it is suspended.
    pub suspend: bool,
    /// Another controller than Kubernetes' own runs it (KEP-4368).
    pub managed_by: Option<String>,
    /// The Pods that it makes.
    pub template: PodTemplate,
    /// What the author wants done with Pods that fail (KEP-3329), where it has anything to say of Pods
    /// that we end.
    #[serde(deserialize_with = "failure_policy::about_us")]
    pub pod_failure_policy: Option<Box<PodFailurePolicy>>,
}

/// What is read of a Job's Pod template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodTemplate {
    /// Labels and annotations of the Pods.
    pub metadata: TemplateMeta,
    /// The Pods' spec.
    pub spec: PodTemplateSpec,
}

/// What is read of the metadata in a Pod template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateMeta {
    /// The labels that are read ([`crate::keys::is_read`]).
    #[serde(deserialize_with = "decode::known_keys")]
    pub labels: Labels,
    /// The annotations that are read ([`crate::keys::is_read`]).
    #[serde(deserialize_with = "decode::known_keys")]
    pub annotations: Labels,
}

/// What is read of the spec in a Pod template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodTemplateSpec {
    /// Who binds the Pods; empty means the default scheduler.
    pub scheduler_name: Word,
}

/// What is read of a Job's status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobStatus {
    /// When it was started last; absent while it is suspended.
    pub start_time: Option<Timestamp>,
    /// Pods that have not ended and are not being deleted.
    pub active: u32,
    /// Pods that are being deleted and have not ended.
    pub terminating: u32,
    /// Conditions.
    #[serde(deserialize_with = "decode::kept_list")]
    pub conditions: Vec<Condition>,
}

/// How a Job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As failed: `FailureTarget` comes before.
    Failed,
    /// As complete: `SuccessCriteriaMet` comes before.
    Complete,
}

impl Job {
    /// Whether none of its Pods is left: the API server takes no end of a Job before (Kubernetes:
    /// `validateJobStatus`, "startTime is required for finished job" and KEP-3939).
    pub fn is_quiet(&self) -> bool {
        self.spec.suspend && self.status.active == 0 && self.status.terminating == 0
    }

    /// Whether it has ended, and all of its Pods with it.
    pub fn has_ended(&self) -> bool {
        let ended = ["Complete", "Failed"]
            .iter()
            .any(|kind| Condition::find_true(&self.status.conditions, kind).is_some());
        ended && self.status.active == 0 && self.status.terminating == 0
    }

    /// How it is about to end and has not, with the condition that says why.
    pub fn ending(&self) -> Option<(Ending, &Condition)> {
        let says = |kind| Condition::find_true(&self.status.conditions, kind);
        if says("Failed").or_else(|| says("Complete")).is_some() {
            return None;
        }
        let fails = says("FailureTarget").map(|why| (Ending::Failed, why));
        fails.or_else(|| says("SuccessCriteriaMet").map(|why| (Ending::Complete, why)))
    }

    /// Whether it has ended or is about to (`FailureTarget` and `SuccessCriteriaMet` come before
    /// `Failed` and `Complete`, KEP-3939 and KEP-3998).
    pub fn is_finished(&self) -> bool {
        ["Complete", "Failed", "FailureTarget", "SuccessCriteriaMet"]
            .iter()
            .any(|kind| Condition::find_true(&self.status.conditions, kind).is_some())
    }
}
