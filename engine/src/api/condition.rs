//! Conditions, field for field as Kubernetes' `metav1.Condition` has them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds;
use super::status::time;

/// The type of the condition that says whether the policy is carried out.
pub const READY: &str = "Ready";
/// The type of the condition that is there, and True, only while a person has to change something
/// (kstatus reads it as Failed).
pub const STALLED: &str = "Stalled";
/// The type of the condition that is there, and True, only while the controller still works
/// towards the spec (kstatus reads it as `InProgress`).
pub const RECONCILING: &str = "Reconciling";

/// The reasons of these conditions, in one word each.
pub mod reason {
    /// The policy governs its queues.
    pub const GOVERNING: &str = "Governing";
    /// An operator has paused the policy, or everything.
    pub const PAUSED: &str = "Paused";
    /// Another policy governs a queue that this one claims.
    pub const QUEUE_CONTESTED: &str = "QueueContested";
    /// A LocalQueue that the policy names does not exist.
    pub const QUEUE_NOT_FOUND: &str = "QueueNotFound";
    /// This version cannot read the spec.
    pub const UNREADABLE: &str = "Unreadable";
}

/// One aspect of the policy's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Type of the condition in CamelCase: Ready, Stalled or Reconciling.
    #[serde(rename = "type")]
    #[schemars(length(max = bounds::CONDITION_TYPE))]
    pub type_: String,
    /// Whether the condition holds: True, False or Unknown.
    pub status: ConditionStatus,
    /// The metadata.generation that the condition was made for.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// When status changed last.
    #[schemars(schema_with = "time")]
    pub last_transition_time: Timestamp,
    /// Why, in one word in CamelCase.
    #[schemars(length(min = 1, max = bounds::CONDITION_REASON))]
    pub reason: String,
    /// Why, in a sentence for people.
    #[schemars(length(max = bounds::CONDITION_MESSAGE))]
    pub message: String,
}

/// Whether a condition holds.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be told.
    Unknown,
}
