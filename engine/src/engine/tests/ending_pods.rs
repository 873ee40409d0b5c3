//! Ending the Pod of a Job whose author has said what follows.

use serde_json::{Value, json};

use super::stage::{MISSING, POD, Stage, short, uid};
use super::{enforce, status_of};
use crate::effect::{Effect, Merge, Outcome, Part};
use crate::input::{Change, Input};

fn failing(pulls: u32) -> Value {
    let mut spec = enforce(pulls);
    spec["rules"][0]["action"] = json!("FailJob");
    spec
}

/// A job of which this is the author's first rule, admitted, with a Pod that waits for its image.
fn stage(pulls: u32, action: &str) -> Stage {
    let mut stage = Stage::new();
    stage.policy(failing(pulls));
    stage.queue();
    let decides = json!({"podFailurePolicy": {"rules": [{"action": action,
        "onPodConditions": [{"type": "dislodge.dev/ImagePullFailed", "status": "True"}]}]}});
    stage.job_with(json!({"kueue.x-k8s.io/queue-name": "gpu"}), json!({}), decides);
    stage.workload(true, Some("2026-11-24T08:10:00Z"), json!({}));
    stage.pod(POD, "ContainerCreating", "");
    stage
}

/// The Pod as it is once our condition stands on it.
fn marked(stage: &mut Stage) {
    stage.next_version();
    let waits = json!({"waiting": {"reason": "ErrImagePull", "message": MISSING}});
    let mut pod = stage.pod_object(POD, waits);
    pod.status.is_marked = true;
    stage.give(Input::Pod(Change::Seen(pod)));
}

#[test]
fn the_condition_and_the_deletion_are_pinned_to_the_pod_that_failed() {
    let mut stage = stage(1, "FailIndex");
    let version = stage.first_failure(POD);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["end Pod", "event ImagePullFailed FailJob"]);
    let ends = |effect: &&Effect| matches!(effect, Effect::EndPod { .. });
    let Some(Effect::EndPod { target, patches, .. }) = effects.iter().find(ends) else {
        panic!("{effects:?}")
    };
    let patch = &patches[0];
    assert_eq!(
        (target.uid.to_string(), target.resource_version.clone()),
        (uid(POD), Some(version))
    );
    assert_eq!((patch.merge, patch.part), (Merge::Strategic, Part::Status));
    let condition = &patch.body["status"]["conditions"][0];
    assert_eq!(condition["type"], "dislodge.dev/ImagePullFailed");
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("True"), &json!("NotFound")));
    stage.wait(60);
    let later = stage.answer(Outcome::Applied);
    assert!(short(&later).is_empty(), "once for each Pod: {:?}", short(&later));
    let status = status_of(&later).or_else(|| status_of(&effects)).unwrap();
    assert_eq!((status.actions.failed, status.held_jobs), (1, 0));
    assert_eq!(status.recent_actions[0].pod.as_deref(), Some("train-3000"));
}

#[test]
fn an_end_whose_answer_was_lost_is_told_when_the_pod_is_seen_to_go() {
    let mut stage = stage(1, "FailJob");
    stage.first_failure(POD);
    stage.wait(1);
    while !stage.open.is_empty() {
        stage.give_next(Outcome::Unavailable);
    }
    stage.no_pod(POD);
    stage.wait(1);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["event ImagePullFailed FailJob"]);
}

#[test]
fn a_job_that_would_make_the_pod_anew_for_ever_is_only_reported() {
    let mut stage = stage(1, "Ignore");
    stage.first_failure(POD);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["event ImagePullFailed Report"]);
}

#[test]
fn a_pod_is_ended_in_its_safe_moment_alone() {
    let mut stage = stage(1, "FailJob");
    stage.wait(8);
    stage.pod(POD, "ErrImagePull", MISSING);
    stage.wait(5);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
    stage.fail(POD);
    assert_eq!(short(&stage.answer(Outcome::Applied))[0], "end Pod");
}

#[test]
fn a_pod_that_has_changed_in_between_is_decided_anew_while_its_moment_lasts() {
    let mut stage = stage(1, "FailJob");
    stage.first_failure(POD);
    assert_eq!(short(&stage.answer(Outcome::Conflict)), ["end Pod"]);
    stage.wait(1);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "a newer version has to be seen");
    marked(&mut stage);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects)[0], "end Pod");
    let Some(Effect::EndPod { patches, .. }) = effects.first() else { panic!("{effects:?}") };
    assert!(patches.is_empty(), "the condition stands there already");
}

#[test]
fn a_condition_that_did_not_lead_to_the_end_is_taken_away_when_the_moment_is_over() {
    let mut stage = stage(1, "FailJob");
    stage.first_failure(POD);
    assert_eq!(short(&stage.answer(Outcome::Conflict)), ["end Pod"]);
    stage.policy(enforce(50)); // nothing is to be done any more
    marked(&mut stage);
    stage.wait(3);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
    stage.wait(4);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["clear Pod"]);
    let clears = |effect: &&Effect| matches!(effect, Effect::ClearPod { .. });
    let Some(Effect::ClearPod { patch, .. }) = effects.iter().find(clears) else {
        panic!("{effects:?}")
    };
    assert_eq!(patch.body["status"]["conditions"][0]["$patch"], "delete");
    stage.wait(60);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "once");
}

#[test]
fn a_condition_of_an_earlier_life_on_a_pod_that_runs_is_taken_away() {
    let mut stage = stage(1, "FailJob");
    let mut pod = stage.pod_object(POD, json!({"running": {}}));
    pod.status.is_marked = true;
    stage.give(Input::Pod(Change::Seen(pod)));
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["clear Pod"]);
}

#[test]
fn an_end_and_its_condition_are_pinned_and_last_no_longer_than_the_moment() {
    let mut stage = stage(1, "FailJob");
    stage.first_failure(POD);
    let opened = stage.elapsed;
    let Some((_, Effect::EndPod { until, .. })) =
        stage.open.iter().find(|(_, effect)| matches!(effect, Effect::EndPod { .. }))
    else {
        panic!("{:?}", stage.open)
    };
    assert_eq!(*until, Some(opened + std::time::Duration::from_secs(5)));
    stage.answer(Outcome::TooLate);
    marked(&mut stage);
    let version = stage.pod_object(POD, json!({})).metadata.resource_version;
    stage.policy(enforce(50));
    stage.wait(10);
    let effects = stage.answer(Outcome::Applied);
    let pinned = effects.iter().any(|effect| {
        matches!(effect, Effect::ClearPod { target, .. }
            if target.resource_version.as_ref() == Some(&version))
    });
    assert!(pinned, "it may have been deleted meanwhile: {effects:?}");
}

#[test]
fn what_may_not_be_deleted_is_tried_less_and_less_often() {
    let mut stage = stage(1, "FailJob");
    let mut spec = failing(1);
    spec["rules"][0]["causes"] = json!(["InvalidReference"]);
    stage.policy(spec);
    stage.pod(POD, "InvalidImageName", "invalid reference format");
    let mut tries = 0;
    for _ in 0..600 {
        stage.wait(1);
        while let Some((_, effect)) = stage.open.first() {
            match effect {
                Effect::EndPod { .. } => {
                    tries += 1;
                    stage.give_next(Outcome::Forbidden);
                    let waits = json!({"waiting": {"reason": "InvalidImageName",
                                                   "message": "invalid reference format"}});
                    stage.next_version();
                    let mut pod = stage.pod_object(POD, waits);
                    pod.status.is_marked = true;
                    stage.give(Input::Pod(Change::Seen(pod)));
                }
                Effect::ClearPod { .. } => {
                    stage.give_next(Outcome::Applied);
                    stage.pod(POD, "InvalidImageName", "invalid reference format");
                }
                _ => stage.give_next(Outcome::Applied),
            }
        }
    }
    assert!((2..20).contains(&tries), "{tries} tries in ten minutes");
}

#[test]
fn a_pod_that_was_ended_is_told_of_and_counted_although_its_job_has_ended_since() {
    for outcome in [Outcome::Applied, Outcome::Unavailable] {
        let mut stage = stage(1, "FailJob");
        stage.first_failure(POD);
        while stage.open.iter().any(|(_, effect)| matches!(effect, Effect::EndPod { .. })) {
            stage.give_next(outcome);
        }
        let failed = json!({"conditions": [{"type": "Failed", "status": "True"}]});
        let queue = json!({"kueue.x-k8s.io/queue-name": "gpu"});
        stage.job_in(queue, json!({}), json!({}), failed);
        stage.no_pod(POD);
        stage.wait(2);
        let told = stage.answer(Outcome::Applied);
        assert_eq!(short(&told), ["event ImagePullFailed FailJob"], "{outcome:?}");
        stage.wait(20);
        let later = stage.answer(Outcome::Applied);
        let status = status_of(&later).or_else(|| status_of(&told)).unwrap();
        assert_eq!((status.actions.failed, status.recent_actions.len()), (1, 1));
    }
}

#[test]
fn what_no_moment_ends_keeps_its_condition_while_its_deletion_is_tried_again() {
    let mut stage = stage(1, "FailJob");
    let mut spec = failing(1);
    spec["rules"][0]["causes"] = json!(["InvalidReference"]);
    stage.policy(spec);
    stage.pod(POD, "InvalidImageName", "invalid reference format");
    assert_eq!(short(&stage.answer(Outcome::Unavailable)), ["end Pod"]);
    stage.next_version();
    let waits = json!({"waiting": {"reason": "InvalidImageName",
                                   "message": "invalid reference format"}});
    let mut pod = stage.pod_object(POD, waits);
    pod.status.is_marked = true;
    stage.give(Input::Pod(Change::Seen(pod)));
    stage.wait(2);
    let effects = short(&stage.answer(Outcome::Applied));
    assert_eq!(effects, ["end Pod", "event ImagePullFailed FailJob"]);
}
