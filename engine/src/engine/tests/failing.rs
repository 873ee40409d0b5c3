//! Ending a job as failed: hold, then finish.

use serde_json::{Value, json};

use super::stage::{POD, Stage, short};
use super::{enforce, marks_of, status_of};
use crate::effect::{Effect, Merge, Outcome, Part, TargetKind, Verb};

fn failing() -> Value {
    let mut spec = enforce(1);
    spec["rules"][0]["action"] = json!("FailJob");
    spec
}

/// A stage where the job is held by this policy, and everybody was told; with the hold's marks.
fn held(spec: Value) -> (Stage, Value) {
    let mut stage = Stage::new();
    stage.policy(spec);
    stage.admitted();
    stage.first_failure(POD);
    let marks = marks_of(&stage.answer(Outcome::Applied));
    stage.workload(false, None, marks.clone());
    stage.answer(Outcome::Applied);
    stage.suspended_job(marks.clone(), 1);
    stage.answer(Outcome::Applied);
    (stage, marks)
}

/// The patch that ends the Job.
fn finish(effects: &[Effect]) -> Option<&Value> {
    effects.iter().find_map(|effect| match effect {
        Effect::Lever { verb: Verb::Finish, target, patch, until: None } => {
            assert_eq!(target.kind, TargetKind::Job);
            assert!(target.resource_version.is_some(), "pinned to the version that was seen");
            assert_eq!((patch.merge, patch.part), (Merge::Strategic, Part::Status));
            Some(&patch.body["status"])
        }
        _ => None,
    })
}

#[test]
fn a_job_is_held_and_once_its_pods_are_gone_it_is_ended_in_one_patch() {
    let (mut stage, marks) = held(failing());
    assert_eq!(marks["dislodge.dev/then"], "Fail");
    assert!(stage.open.is_empty(), "a Pod is still ending");
    stage.suspended_job(marks, 0);
    let effects = stage.answer(Outcome::Applied);
    let status = finish(&effects).unwrap();
    assert!(status["startTime"].is_string(), "required of a Job that has ended");
    let conditions = status["conditions"].as_array().unwrap();
    let kinds: Vec<&Value> = conditions.iter().map(|condition| &condition["type"]).collect();
    assert_eq!(kinds, ["FailureTarget", "Failed"], "the first alone would wedge it");
    for condition in conditions {
        assert_eq!(
            (&condition["status"], &condition["reason"]),
            (&json!("True"), &json!("ImagePullFailed"))
        );
        let message = condition["message"].as_str().unwrap();
        assert!(
            message.contains("NotFound") && message.contains("create the job anew"),
            "{message}"
        );
    }
    stage.wait(3600);
    let later = stage.answer(Outcome::Applied);
    assert!(short(&later).is_empty(), "ended once");
    assert_eq!(status_of(&later).unwrap().actions.failed, 1);
}

#[test]
fn a_person_who_resumes_before_the_end_is_obeyed() {
    let (mut stage, mut marks) = held(failing());
    marks["dislodge.dev/resume"] = marks["dislodge.dev/hold"].clone();
    stage.suspended_job(marks, 0);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["resume Workload"]);
}

#[test]
fn an_end_that_the_api_server_refuses_is_tried_again_later() {
    let (mut stage, marks) = held(failing());
    stage.suspended_job(marks.clone(), 0);
    assert_eq!(short(&stage.answer(Outcome::Rejected)), ["finish Job"]);
    stage.wait(1);
    assert_eq!(short(&stage.answer(Outcome::Conflict)), ["finish Job"]);
    stage.wait(60);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "a newer version has to be seen");
    stage.suspended_job(marks, 0);
    stage.wait(60);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["finish Job"]);
}

/// What keeps Dislodge from acting on a held job any more: done to its marks, or to the policy.
type Change = fn(&mut Stage, &mut Value);

fn ignored(_: &mut Stage, marks: &mut Value) {
    marks["dislodge.dev/ignore"] = json!("mine");
}

fn audited(stage: &mut Stage, _: &mut Value) {
    let mut spec = failing();
    spec["mode"] = json!("Audit");
    stage.policy(spec);
}

fn paused(stage: &mut Stage, _: &mut Value) {
    stage.give(crate::input::Input::Paused(Some("incident".to_owned())));
}

#[test]
fn nothing_is_ended_that_may_not_be_acted_on_any_more() {
    let changes: [Change; 3] = [ignored, audited, paused];
    for change in changes {
        let (mut stage, mut marks) = held(failing());
        change(&mut stage, &mut marks);
        stage.suspended_job(marks, 0);
        let effects = stage.answer(Outcome::Applied);
        assert!(finish(&effects).is_none(), "{effects:?}");
    }
}

#[test]
fn a_hold_that_lasts_too_long_ends_the_job() {
    let mut spec = enforce(1);
    spec["hold"] = json!({"maxSeconds": 600});
    let (mut stage, marks) = held(spec);
    assert_eq!(marks["dislodge.dev/then"], Value::Null);
    stage.suspended_job(marks, 0);
    stage.answer(Outcome::Applied);
    stage.wait(590);
    assert!(finish(&stage.answer(Outcome::Applied)).is_none());
    stage.wait(20);
    assert!(finish(&stage.answer(Outcome::Applied)).is_some());
}

/// A Job of which a Pod has failed by itself at the moment of the hold: the Job controller says why, and cannot
/// end a Job without a start.
fn failing_by_itself(stage: &mut Stage, marks: &Value, change: &Value) {
    let mut status = json!({"conditions": [{"type": "FailureTarget", "status": "True",
                                            "reason": "BackoffLimitExceeded"}]});
    for (field, value) in change.as_object().unwrap() {
        status[field] = value.clone();
    }
    let queue = json!({"kueue.x-k8s.io/queue-name": "gpu"});
    stage.job_in(queue, marks.clone(), json!({"suspend": true}), status);
}

#[test]
fn a_job_that_fails_by_itself_under_a_hold_is_ended_for_the_reason_that_its_controller_gave() {
    for action in ["FailJob", "SuspendJob", "RequeueJob"] {
        let mut spec = failing();
        spec["rules"][0]["action"] = json!(action);
        let (mut stage, marks) = held(spec);
        failing_by_itself(&mut stage, &marks, &json!({"terminating": 1}));
        assert!(
            short(&stage.answer(Outcome::Applied)).is_empty(),
            "{action}: a Pod is still ending"
        );
        failing_by_itself(&mut stage, &marks, &json!({"startTime": "2026-11-24T08:00:00Z"}));
        assert!(
            short(&stage.answer(Outcome::Applied)).is_empty(),
            "{action}: its controller ends it"
        );
        failing_by_itself(&mut stage, &marks, &json!({}));
        let effects = stage.answer(Outcome::Applied);
        let status = finish(&effects).unwrap_or_else(|| panic!("{action}: {effects:?}"));
        assert!(status["startTime"].is_string(), "{action}");
        let conditions = status["conditions"].as_array().unwrap();
        assert_eq!(conditions.len(), 1, "{action}: FailureTarget stays as it is");
        assert_eq!(conditions[0]["type"], "Failed");
        assert_eq!(conditions[0]["reason"], "BackoffLimitExceeded");
        stage.wait(3600);
        assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "{action}: once for a version");
    }
}

#[test]
fn a_job_that_completes_by_itself_under_a_hold_is_completed_for_the_reason_that_its_controller_gave()
 {
    for action in ["FailJob", "SuspendJob", "RequeueJob"] {
        let mut spec = failing();
        spec["rules"][0]["action"] = json!(action);
        let (mut stage, marks) = held(spec);
        let queue = json!({"kueue.x-k8s.io/queue-name": "gpu"});
        let mut completing = |change: Value| {
            let mut status = json!({"conditions": [{"type": "SuccessCriteriaMet", "status": "True",
                                                    "reason": "CompletionsReached"}]});
            status.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            stage.job_in(queue.clone(), marks.clone(), json!({"suspend": true}), status);
            stage.answer(Outcome::Applied)
        };
        let early = completing(json!({"terminating": 1}));
        assert!(short(&early).is_empty(), "{action}: a Pod is still ending");
        let started = completing(json!({"startTime": "2026-11-24T08:00:00Z"}));
        assert!(short(&started).is_empty(), "{action}: its controller completes it");
        let effects = completing(json!({}));
        let status = finish(&effects).unwrap_or_else(|| panic!("{action}: {effects:?}"));
        assert!(status["startTime"].is_string() && status["completionTime"].is_string());
        let conditions = status["conditions"].as_array().unwrap();
        assert_eq!(conditions.len(), 1, "{action}: SuccessCriteriaMet stays as it is");
        assert_eq!(conditions[0]["type"], "Complete");
        assert_eq!(conditions[0]["reason"], "CompletionsReached");
        stage.wait(3600);
        assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "{action}: once for a version");
    }
}

#[test]
fn what_our_hold_keeps_half_ended_is_ended_whatever_the_policy_says_now_but_for_a_pause() {
    let changes: [(Change, bool); 3] = [(ignored, true), (audited, true), (paused, false)];
    for (change, is_ended) in changes {
        let (mut stage, mut marks) = held(failing());
        change(&mut stage, &mut marks);
        stage.workload(false, None, marks.clone());
        failing_by_itself(&mut stage, &marks, &json!({}));
        let effects = stage.answer(Outcome::Applied);
        assert_eq!(finish(&effects).is_some(), is_ended, "{effects:?}");
    }
}

#[test]
fn a_job_that_fails_by_itself_before_its_owner_was_told_is_told_of_and_then_ended() {
    let mut stage = Stage::new();
    stage.policy(failing());
    stage.admitted();
    stage.first_failure(POD);
    let marks = marks_of(&stage.answer(Outcome::Applied));
    failing_by_itself(&mut stage, &json!({}), &json!({}));
    stage.workload(false, None, marks.clone());
    let effects = short(&stage.answer(Outcome::Applied));
    assert_eq!(effects[..2], ["event ImagePullFailed FailJob", "explain +6 -0"]);
    failing_by_itself(&mut stage, &marks, &json!({}));
    let effects = stage.answer(Outcome::Applied);
    assert!(finish(&effects).is_some() || effects.is_empty(), "{effects:?}");
}

#[test]
fn a_job_that_fails_by_itself_and_is_not_held_by_us_is_left_alone() {
    let (mut stage, mut marks) = held(failing());
    stage.workload(false, None, json!({}));
    marks.as_object_mut().unwrap().remove("dislodge.dev/hold");
    failing_by_itself(&mut stage, &marks, &json!({}));
    let effects = stage.answer(Outcome::Applied);
    assert!(finish(&effects).is_none(), "{effects:?}");
}
