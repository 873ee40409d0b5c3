//! Kueue's Workloads: the unit that a queue admits.

use std::sync::Arc;

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Admission, Condition, Meta, decode, encode};

/// A Workload of `kueue.x-k8s.io` (the fields read here are alike in v1beta1 and v1beta2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadSpec {
    /// The LocalQueue that it waits in.
    pub queue_name: String,
    /// Whether it may hold quota; absent means `true`.
    pub active: Option<bool>,
    /// Its rank among those that wait, the highest first.
    pub priority: i32,
    /// Whether Kueue may admit it with fewer Pods than it asks for (`minCount` of a pod set): then
    /// an admission does not tell what it asks for.
    #[serde(
        rename = "podSets",
        deserialize_with = "any_min_count",
        serialize_with = "encode::min_count"
    )]
    pub may_shrink: bool,
}

fn any_min_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    struct PodSet {
        #[serde(rename = "minCount")]
        min_count: Option<IgnoredAny>,
    }
    let sets: Vec<PodSet> = decode::list(deserializer)?;
    Ok(sets.iter().any(|set| set.min_count.is_some()))
}

/// What is read of a Workload's status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StatusOnTheWire")]
pub struct WorkloadStatus {
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// The quota that it holds, shared with the ledger. Kueue leaves it on a Workload that has
    /// finished, where it holds nothing: there it is dropped.
    #[serde(serialize_with = "shared")]
    pub admission: Option<Arc<Admission>>,
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn shared<S: Serializer>(
    admission: &Option<Arc<Admission>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    admission.as_deref().serialize(serializer)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatusOnTheWire {
    #[serde(deserialize_with = "decode::kept_list")]
    conditions: Vec<Condition>,
    admission: Option<Admission>,
}

impl From<StatusOnTheWire> for WorkloadStatus {
    fn from(wire: StatusOnTheWire) -> Self {
        let finished = Condition::find_true(&wire.conditions, "Finished").is_some();
        let admission = wire.admission.filter(|_| !finished).map(Arc::new);
        Self { conditions: wire.conditions, admission }
    }
}

/// What becomes of a Workload that waits, as Kueue says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// It is not looked at: it is gated, on hold, stopped with its queue, or wrong.
    OutOfTheQueue,
    /// It asks for more than it can ever get, or for what no flavor has.
    NeverFits,
    /// It was looked at, and what is free is not enough for it.
    WaitsForQuota,
    /// It has yet to be looked at, makes room for itself, or Kueue does not say (before 0.19).
    Unknown,
}

impl Workload {
    /// What becomes of it while it waits (Kueue: the reasons of `QuotaReserved` in `workload_types.go`).
    pub fn prospect(&self) -> Prospect {
        let mut conditions = self.status.conditions.iter();
        let says = conditions.find(|c| c.kind == "QuotaReserved" && c.status == "False");
        match says.map(|condition| condition.reason.as_str()) {
            Some("AdmissionGated" | "OnHold" | "Suspended" | "Misconfigured" | "Inadmissible") => {
                Prospect::OutOfTheQueue
            }
            Some("ExceedsMaxQuota" | "NoMatchingFlavor") => Prospect::NeverFits,
            Some("WaitingForQuota") => Prospect::WaitsForQuota,
            _ => Prospect::Unknown,
        }
    }

    /// Whether it may hold quota.
    pub fn is_active(&self) -> bool {
        self.spec.active.unwrap_or(true)
    }

    /// Since when it holds quota.
    pub fn quota_reserved_since(&self) -> Option<Timestamp> {
        Condition::find_true(&self.status.conditions, "QuotaReserved")?.last_transition_time
    }

    /// The quota that counts as taken.
    pub fn reserved(&self) -> Option<&Arc<Admission>> {
        let reserved = Condition::find_true(&self.status.conditions, "QuotaReserved").is_some();
        self.status.admission.as_ref().filter(|_| reserved && !self.is_finished())
    }

    /// Whether Kueue is stopping it or has stopped it.
    pub fn is_evicted(&self) -> bool {
        Condition::find_true(&self.status.conditions, "Evicted").is_some()
    }

    /// Whether Kueue gives it quota as soon as there is some: it is active, and not being stopped.
    pub fn is_waiting(&self) -> bool {
        let requeued = Condition::find_true(&self.status.conditions, "Requeued").is_some();
        self.is_active()
            && !self.is_finished()
            && self.metadata.deletion_timestamp.is_none()
            && self.quota_reserved_since().is_none()
            && (!self.is_evicted() || requeued)
    }

    /// Whether Kueue looks at it before another one that waits: it ranks higher, or as high and is
    /// older (Kueue: `queueOrderingFunc`).
    pub fn is_before(&self, other: &Self) -> bool {
        let rank = |w: &Self| (std::cmp::Reverse(w.spec.priority), w.metadata.creation_timestamp);
        rank(self) <= rank(other)
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        Condition::find_true(&self.status.conditions, "Finished").is_some()
    }
}
