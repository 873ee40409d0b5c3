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

#[test]
fn nothing_is_ended_that_may_not_be_acted_on_any_more() {
    let ignored: fn(&mut Stage, &mut Value) =
        |_, marks| marks["dislodge.dev/ignore"] = json!("mine");
    let audited: fn(&mut Stage, &mut Value) = |stage, _| {
        let mut spec = failing();
        spec["mode"] = json!("Audit");
        stage.policy(spec);
    };
    let paused: fn(&mut Stage, &mut Value) =
        |stage, _| stage.give(crate::input::Input::Paused(Some("incident".to_owned())));
    for change in [ignored, audited, paused] {
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
