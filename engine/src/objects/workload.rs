//! Kueue's Workloads: the unit that a queue admits.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Condition, Meta, decode};

/// A Workload of `kueue.x-k8s.io` (the fields read here are alike in v1beta1 and v1beta2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// The metadata.
    pub metadata: Meta,
    /// What is asked for.
    pub spec: WorkloadSpec,
    /// What Kueue says.
    pub status: WorkloadStatus,
}

/// What is read of a Workload's spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadSpec {
    /// The LocalQueue that it waits in.
    pub queue_name: String,
    /// Whether it may hold quota; absent means `true`.
    pub active: Option<bool>,
}

/// What is read of a Workload's status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WorkloadStatus {
    /// Conditions.
    #[serde(deserialize_with = "decode::list")]
    pub conditions: Vec<Condition>,
}

impl Workload {
    /// Whether it may hold quota.
    pub fn is_active(&self) -> bool {
        self.spec.active.unwrap_or(true)
    }

    /// Since when it holds quota.
    pub fn quota_reserved_since(&self) -> Option<Timestamp> {
        Condition::find_true(&self.status.conditions, "QuotaReserved")?.last_transition_time
    }

    /// Whether Kueue is stopping it or has stopped it.
    pub fn is_evicted(&self) -> bool {
        Condition::find_true(&self.status.conditions, "Evicted").is_some()
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        Condition::find_true(&self.status.conditions, "Finished").is_some()
    }
}
