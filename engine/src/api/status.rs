//! What the controller writes back. It doubles as the checkpoint of what must survive a restart.

use jiff::Timestamp;
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{Action, Condition, QueueKind, bounds};
use crate::cause::Cause;

/// The `observedGeneration` of a policy that no controller has seen yet. The API server writes it
/// as the status' default, so that kstatus does not take a new policy for a current one.
pub const NOT_OBSERVED: i64 = -1;

/// What became of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ImagePullPolicyStatus {
    /// The metadata.generation that this status was made for; -1 before the controller has seen
    /// the policy.
    #[schemars(range(min = -1))]
    pub observed_generation: i64,
    /// State of the policy: Ready, and Stalled or Reconciling while they hold. A job that fails
    /// never turns Ready to False.
    #[schemars(
        length(max = bounds::CONDITIONS),
        extend("x-kubernetes-list-type" = "map"),
        extend("x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// Each queue of the spec, and whether this policy governs it.
    #[schemars(
        length(max = bounds::QUEUES),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub queues: Vec<QueueStatus>,
    /// Jobs that are held now.
    #[schemars(range(min = 0))]
    pub held_jobs: u32,
    /// What was done so far.
    pub actions: ActionCounts,
    /// What Audit would have done so far.
    pub audit: AuditCounts,
    /// How much of the budget is used.
    pub budget: BudgetUse,
    /// Jobs with failed pulls that are not held, the nearest to an action first, at most 50.
    #[schemars(
        length(max = bounds::FAILING),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub failing: Vec<FailingJob>,
    /// Registries that count as down.
    #[schemars(
        length(max = bounds::OUTAGES),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub outages: Vec<OpenOutage>,
    /// Pulls that have shown nothing for 15 minutes. They are never acted on.
    #[schemars(range(min = 0))]
    pub silent_pulls: u32,
    /// The newest actions, the newest first, at most 10.
    #[schemars(
        length(max = bounds::RECENT_ACTIONS),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub recent_actions: Vec<RecentAction>,
}

impl Default for ImagePullPolicyStatus {
    fn default() -> Self {
        Self {
            observed_generation: NOT_OBSERVED,
            conditions: Vec::new(),
            queues: Vec::new(),
            held_jobs: 0,
            actions: ActionCounts::default(),
            audit: AuditCounts::default(),
            budget: BudgetUse::default(),
            failing: Vec::new(),
            outages: Vec::new(),
            silent_pulls: 0,
            recent_actions: Vec::new(),
        }
    }
}

/// One queue of the spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueStatus {
    /// Kind of the queue, as in the spec.
    pub kind: QueueKind,
    /// Name of the queue, as in the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::OBJECT_NAME))]
    pub name: Option<String>,
    /// Whether the policy governs it: Governed; Contested, another policy does; NotFound, there is
    /// no such queue.
    pub state: QueueState,
    /// Name of the policy that governs a contested queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::OBJECT_NAME))]
    pub contested_by: Option<String>,
}

/// Whether a policy governs a queue.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum QueueState {
    /// This policy governs the queue.
    Governed,
    /// Another policy governs the queue.
    Contested,
    /// There is no such queue.
    NotFound,
}

/// How many actions were carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ActionCounts {
    /// Jobs that were failed.
    #[schemars(range(min = 0))]
    pub failed: u64,
    /// Jobs that were suspended.
    #[schemars(range(min = 0))]
    pub suspended: u64,
    /// Times that a job was sent back into its queue.
    #[schemars(range(min = 0))]
    pub requeued: u64,
    /// Jobs that were only reported.
    #[schemars(range(min = 0))]
    pub reported: u64,
}

/// What Audit would have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditCounts {
    /// Jobs that Enforce would have acted on.
    #[schemars(range(min = 0))]
    pub would_have_acted: u64,
    /// How many of those started by themselves later: what Enforce would have stopped wrongly.
    #[schemars(range(min = 0))]
    pub later_started: u64,
}

/// How much of the budget is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BudgetUse {
    /// When the window began that the reserved actions count in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub window_start_time: Option<Timestamp>,
    /// Actions reserved in this window. They are reserved before they are carried out.
    #[schemars(range(min = 0))]
    pub reserved: u32,
}

/// A job with failed pulls that is not held. The entry is the checkpoint for restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailingJob {
    /// Name of the job.
    #[schemars(length(max = bounds::OBJECT_NAME))]
    pub job: String,
    /// Uid of the job.
    #[schemars(length(max = bounds::UID))]
    pub uid: String,
    /// Uid of the Pod that has failed most often, whose count this is.
    #[schemars(length(max = bounds::UID))]
    pub pod_uid: String,
    /// Image that cannot be pulled.
    #[schemars(length(max = bounds::IMAGE))]
    pub image: String,
    /// Cause of the newest failure.
    pub cause: Cause,
    /// Failed pulls so far.
    #[schemars(range(min = 0))]
    pub failed_pulls: u32,
    /// When the first of them failed.
    #[schemars(schema_with = "time")]
    pub first_failure_time: Timestamp,
    /// When the newest of them failed.
    #[schemars(schema_with = "time")]
    pub last_failure_time: Timestamp,
    /// What becomes of the job: Counting, its rule's threshold is not reached; Waiting, it is, and
    /// the action waits; Reported, nothing more is done.
    pub state: FailingState,
    /// What the action waits for, or why the job is only reported, in one word in CamelCase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::REASON))]
    pub reason: Option<String>,
}

/// What becomes of a job with failed pulls.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum FailingState {
    /// The threshold of its rule is not reached.
    Counting,
    /// The threshold is reached; the action waits for a safe moment or for a brake to open.
    Waiting,
    /// It was reported, and nothing more is done.
    Reported,
}

/// A registry that counts as down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenOutage {
    /// Host of the registry, with its port where the images name one.
    #[schemars(length(max = bounds::HOST))]
    pub host: String,
    /// Since when it counts as down.
    #[schemars(schema_with = "time")]
    pub since_time: Timestamp,
    /// Jobs that failed there within the window.
    #[schemars(range(min = 0))]
    pub distinct_jobs: u32,
}

/// One action that was carried out, or that Audit would have carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecentAction {
    /// When it was decided.
    #[schemars(schema_with = "time")]
    pub time: Timestamp,
    /// Name of the job.
    #[schemars(length(max = bounds::OBJECT_NAME))]
    pub job: String,
    /// Name of the Pod that gave the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::OBJECT_NAME))]
    pub pod: Option<String>,
    /// Image that could not be pulled.
    #[schemars(length(max = bounds::IMAGE))]
    pub image: String,
    /// Why it could not be pulled.
    pub cause: Cause,
    /// What was decided.
    pub action: Action,
    /// How it ended, in one word in CamelCase.
    #[schemars(length(max = bounds::REASON))]
    pub outcome: String,
}

/// A time as Kubernetes writes it.
pub(super) fn time(_: &mut SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "format": "date-time"})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_that_the_api_server_writes_as_default_decodes() {
        let status: ImagePullPolicyStatus =
            serde_json::from_str(r#"{"observedGeneration":-1}"#).unwrap();
        assert_eq!(status, ImagePullPolicyStatus::default());
    }

    #[test]
    fn lists_and_counters_are_written_also_when_empty_so_that_a_merge_patch_clears_them() {
        let written = serde_json::to_value(ImagePullPolicyStatus::default()).unwrap();
        for list in ["conditions", "queues", "failing", "outages", "recentActions"] {
            assert_eq!(written[list], serde_json::json!([]), "{list}");
        }
        assert_eq!(written["heldJobs"], 0);
    }
}
