//! What the API's types write, as cases: the CRD that is made of them has to take it as it is.

use dislodge_engine::api::{
    API_VERSION, Action, ActionCounts, AuditCounts, BudgetUse, Condition, ConditionStatus,
    FailingJob, FailingState, ImagePullPolicySpec, ImagePullPolicyStatus, KIND, OpenOutage,
    QueueKind, QueueRef, QueueState, QueueStatus, READY, RecentAction, default_rules,
};
use dislodge_engine::cause::Cause;
use jiff::Timestamp;
use serde_json::json;

use super::cases::Case;

/// The cases.
///
/// # Errors
/// Never: all of it is representable as JSON.
pub(crate) fn cases() -> Result<Vec<Case>, serde_json::Error> {
    let mut spec =
        ImagePullPolicySpec::for_queues(vec![QueueRef::local_queue("gpu"), QueueRef::no_queue()]);
    spec.rules = Some(default_rules());
    let policy = json!({
        "apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "case"}, "spec": spec,
    });
    Ok(vec![
        Case::stored_policy("a policy that the types write is stored as it is", policy),
        Case::stored_status(
            "the status of a policy without jobs is stored as the types write it",
            serde_json::to_value(ImagePullPolicyStatus::default())?,
        ),
        Case::stored_status(
            "a status with an entry in each list is stored as the types write it",
            serde_json::to_value(full_status())?,
        ),
    ])
}

fn full_status() -> ImagePullPolicyStatus {
    let time = Timestamp::UNIX_EPOCH;
    ImagePullPolicyStatus {
        observed_generation: 3,
        conditions: vec![Condition {
            type_: READY.to_owned(),
            status: ConditionStatus::False,
            observed_generation: 3,
            last_transition_time: time,
            reason: "QueueContested".to_owned(),
            message: "older governs LocalQueue/gpu".to_owned(),
        }],
        queues: vec![QueueStatus {
            kind: QueueKind::LocalQueue,
            name: Some("gpu".to_owned()),
            state: QueueState::Contested,
            contested_by: Some("older".to_owned()),
        }],
        held_jobs: 1,
        actions: ActionCounts { failed: 1, suspended: 2, requeued: 3, reported: 4 },
        audit: AuditCounts { would_have_acted: 37, later_started: 1 },
        budget: BudgetUse { window_start_time: Some(time), reserved: 5 },
        failing: vec![FailingJob {
            job: "train".to_owned(),
            uid: "1".to_owned(),
            pod_uid: "2".to_owned(),
            image: "registry.example/team/train:v1".to_owned(),
            cause: Cause::NodeThrottled,
            failed_pulls: 2,
            first_failure_time: time,
            last_failure_time: time,
            state: FailingState::Waiting,
            reason: Some("Budget".to_owned()),
        }],
        outages: vec![OpenOutage {
            host: "registry.example".to_owned(),
            since_time: time,
            distinct_jobs: 6,
        }],
        silent_pulls: 2,
        recent_actions: vec![RecentAction {
            time,
            job: "train".to_owned(),
            pod: Some("train-x".to_owned()),
            image: "registry.example/team/train:v1".to_owned(),
            cause: Cause::NotFound,
            action: Action::SuspendJob,
            outcome: "Applied".to_owned(),
        }],
    }
}
