//! The engine as a whole, told as stories.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test picks the one variant that it is about"
)]

mod accounts;
mod braking;
mod counting;
mod ending_pods;
mod failing;
mod flooding;
mod kinds;
mod owners;
mod recreated;
mod requeueing;
mod returning;
mod sparing;
#[expect(clippy::needless_pass_by_value, reason = "json!(..) as an argument reads best")]
mod stage;
mod telling;

use serde_json::{Value, json};
use stage::{IMAGE, JOB, MISSING, POD, Stage, short, uid};

use crate::api::FailingState;
use crate::effect::{Effect, Outcome};
use crate::input::{Change, Input, Kind};

fn enforce(pulls: u32) -> Value {
    json!({"mode": "Enforce", "queues": [{"kind": "LocalQueue", "name": "gpu"}, {"kind": "NoQueue"}],
           "rules": [{"name": "missing", "causes": ["NotFound"], "threshold": {"failedPulls": pulls},
                      "action": "SuspendJob", "runningPeers": "Stop"}]})
}

/// A stage where the job is held, and everybody was told.
fn held(pulls: u32) -> (Stage, String) {
    let mut stage = Stage::new();
    stage.policy(enforce(pulls));
    stage.admitted();
    stage.first_failure(POD);
    for _ in 1..pulls {
        stage.fail(POD);
    }
    let marks = marks_of(&stage.answer(Outcome::Applied));
    stage.workload(false, Some("2026-11-24T08:10:00Z"), marks.clone());
    stage.answer(Outcome::Applied);
    stage.job(marks.clone());
    stage.answer(Outcome::Applied);
    let id = marks["dislodge.dev/hold"].as_str().unwrap().to_owned();
    (stage, id)
}

/// The annotations of the hold among these effects.
fn marks_of(effects: &[Effect]) -> Value {
    let hold = effects.iter().find_map(|effect| match effect {
        Effect::Lever { patch, .. } => Some(patch.body["metadata"]["annotations"].clone()),
        _ => None,
    });
    hold.unwrap_or_else(|| panic!("no hold in {effects:?}"))
}

fn status_of(effects: &[Effect]) -> Option<&crate::api::ImagePullPolicyStatus> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::WriteStatus { status, .. } => Some(&**status),
        _ => None,
    })
}

#[test]
fn the_failed_pull_that_reaches_the_threshold_holds_the_job_and_then_everybody_is_told() {
    let mut stage = Stage::new();
    stage.policy(enforce(2));
    stage.admitted();
    stage.first_failure(POD);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "one failure is not two");
    stage.fail(POD);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["hold Workload"]);
    let Some(Effect::Lever { target, patch, .. }) =
        effects.iter().find(|effect| matches!(effect, Effect::Lever { .. }))
    else {
        panic!("{effects:?}")
    };
    assert_eq!(patch.body["spec"], json!({"active": false}));
    assert!(target.resource_version.is_some(), "pinned to the version that was seen");
    let marks = marks_of(&effects);
    assert_eq!(marks["dislodge.dev/held-cause"], "NotFound");
    assert_eq!(marks["dislodge.dev/held-image"], IMAGE);
    assert_eq!(marks["dislodge.dev/hold-policy"], "gpu");

    stage.workload(false, Some("2026-11-24T08:10:00Z"), marks);
    let told = stage.answer(Outcome::Applied);
    assert_eq!(short(&told), ["event ImagePullFailed SuspendJob", "explain +6 -0"]);
    stage.wait(1);
    let later = stage.answer(Outcome::Applied);
    let status = status_of(&later).unwrap();
    assert_eq!((status.held_jobs, status.actions.suspended), (1, 1));
    assert_eq!(status.recent_actions.len(), 1);
    stage.wait(3600);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "told once");
}

#[test]
fn a_frozen_back_off_is_never_acted_on_however_long_it_lasts() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.admitted();
    stage.wait(8); // the window opens too late after the Pod was made: no safe moment
    stage.pod(POD, "ErrImagePull", MISSING);
    stage.pod(POD, "ImagePullBackOff", "Back-off pulling image \"r.io/team/app:missing\"");
    stage.wait(100_000);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
}

#[test]
fn a_verdict_that_comes_too_late_waits_for_the_next_failed_pull() {
    let mut stage = Stage::new();
    stage.queue();
    stage.policy(enforce(1));
    stage.pod(POD, "ContainerCreating", "");
    stage.first_failure(POD);
    stage.wait(6);
    stage.job(json!({}));
    stage.workload(true, Some("2026-11-24T08:10:00Z"), json!({}));
    stage.wait(10);
    let effects = stage.answer(Outcome::Applied);
    assert!(short(&effects).is_empty(), "six seconds later a pull can be running");
    assert_eq!(status_of(&effects).unwrap().failing[0].reason.as_deref(), Some("NextFailure"));
    stage.fail(POD);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["hold Workload"]);
}

#[test]
fn what_a_list_shows_is_counted_and_opens_no_safe_moment() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.admitted();
    stage.wait(1);
    let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": MISSING}});
    let pod = stage.pod_object(POD, waiting);
    stage.give(Input::ListBegun(Kind::Pod));
    stage.give(Input::Pod(Change::Listed(pod)));
    stage.give(Input::ListEnded(Kind::Pod));
    let effects = stage.answer(Outcome::Applied);
    assert!(short(&effects).is_empty());
    assert_eq!(status_of(&effects).unwrap().failing[0].failed_pulls, 1);
}

#[test]
fn who_does_not_lead_counts_and_does_nothing() {
    let mut stage = Stage::new();
    stage.policy(enforce(2));
    stage.admitted();
    stage.answer(Outcome::Applied);
    stage.give(Input::Leadership(None));
    stage.first_failure(POD);
    stage.fail(POD);
    stage.fail(POD);
    assert!(stage.answer(Outcome::Applied).is_empty());
    stage.lead();
    let status = stage.answer(Outcome::Applied);
    assert_eq!(short(&status), ["hold Workload"], "the moment is still open when it takes over");
}

#[test]
fn a_conflict_is_decided_anew_on_the_newer_version_and_not_repeated_on_the_old_one() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.admitted();
    stage.first_failure(POD);
    assert_eq!(short(&stage.answer(Outcome::Conflict)), ["hold Workload"]);
    stage.wait(1);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
    stage.workload(true, Some("2026-11-24T08:10:00Z"), json!({}));
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["hold Workload"]);
}

#[test]
fn a_lost_answer_is_tried_again_while_the_moment_lasts() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.admitted();
    stage.first_failure(POD);
    assert_eq!(short(&stage.answer(Outcome::Unavailable)), ["hold Workload"]);
    stage.wait(1);
    assert_eq!(short(&stage.answer(Outcome::Conflict)), ["hold Workload"], "it had been applied");
    stage.wait(60);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
}

#[test]
fn the_owner_resumes_by_annotation_and_the_job_gets_a_fresh_count() {
    let (mut stage, id) = held(2);
    stage.job(json!({"dislodge.dev/hold": id, "dislodge.dev/resume": id}));
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["resume Workload"]);
    let counted = json!({"dislodge.dev/resumes": "1", "dislodge.dev/resumed": id});
    stage.workload(true, None, counted.clone());
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["explain +2 -9"]);
    let Effect::Explain { patch, .. } = &effects[0] else { panic!("{effects:?}") };
    let annotations = &patch.body["metadata"]["annotations"];
    assert_eq!(annotations["dislodge.dev/resumes"], "1", "one resume, on both objects");
    stage.job(counted.clone());
    stage.workload(true, Some("2026-11-24T09:10:00Z"), counted);
    stage.give(Input::Pod(Change::Gone(stage.pod_object(POD, json!({})))));
    stage.pod(POD + 1, "ContainerCreating", "");
    stage.first_failure(POD + 1);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "one failure after the resume");
    stage.fail(POD + 1);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["hold Workload"]);
}

#[test]
fn a_person_who_activates_the_workload_is_not_fought_and_the_mark_is_taken_away() {
    let (mut stage, id) = held(1);
    stage.workload(true, None, json!({"dislodge.dev/hold": id}));
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["explain +2 -9", "clear Workload"]);
}

#[test]
fn a_resume_whose_answer_was_lost_still_gives_a_fresh_count() {
    let (mut stage, id) = held(2);
    stage.job(json!({"dislodge.dev/hold": id, "dislodge.dev/resume": id}));
    stage.give_next(Outcome::Unavailable);
    stage.workload(true, None, json!({}));
    stage.wait(1);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["explain +2 -9"]);
    stage.job(json!({"dislodge.dev/resumes": "1"}));
    stage.workload(true, Some("2026-11-24T09:10:00Z"), json!({}));
    stage.give(Input::Pod(Change::Gone(stage.pod_object(POD, json!({})))));
    stage.pod(POD + 1, "ContainerCreating", "");
    stage.first_failure(POD + 1);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "one failure after the resume");
}

#[test]
fn a_standby_knows_of_a_resume_when_it_takes_over() {
    let (mut stage, id) = held(2);
    stage.give(Input::Leadership(None));
    stage.workload(true, None, json!({}));
    stage.job(json!({"dislodge.dev/resumes": "1"}));
    stage.workload(true, Some("2026-11-24T09:10:00Z"), json!({}));
    stage.give(Input::Pod(Change::Gone(stage.pod_object(POD, json!({})))));
    stage.pod(POD + 1, "ContainerCreating", "");
    stage.lead();
    stage.first_failure(POD + 1);
    let effects = short(&stage.answer(Outcome::Applied));
    assert!(effects.is_empty(), "{id} is over, one failure since: {effects:?}");
}

#[test]
fn a_person_who_acts_before_the_owner_was_told_is_counted_all_the_same() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.admitted();
    stage.first_failure(POD);
    let marks = marks_of(&stage.answer(Outcome::Applied));
    stage.workload(true, Some("2026-11-24T08:10:00Z"), marks);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["explain +2 -9", "clear Workload"]);
}

#[test]
fn a_success_in_between_ends_what_gone_pods_had_counted() {
    let mut stage = Stage::new();
    stage.policy(enforce(3));
    stage.admitted();
    stage.first_failure(POD);
    stage.fail(POD);
    stage.give(Input::Pod(Change::Gone(stage.pod_object(POD, json!({})))));
    let running = stage.pod_object(POD + 1, json!({"running": {}}));
    stage.give(Input::Pod(Change::Seen(running.clone())));
    stage.give(Input::Pod(Change::Gone(running)));
    stage.pod(POD + 2, "ContainerCreating", "");
    stage.first_failure(POD + 2);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
}

#[test]
fn a_pod_that_cannot_be_acted_on_does_not_shield_one_that_can() {
    let mut stage = Stage::new();
    stage.policy(enforce(2));
    stage.admitted();
    stage.pod(POD + 1, "ContainerCreating", "");
    stage.wait(8); // both first windows come too late for a moment
    stage.pod(POD, "ErrImagePull", MISSING);
    stage.pod(POD + 1, "ErrImagePull", MISSING);
    for _ in 0..3 {
        let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": ""}});
        stage.give(Input::Pod(Change::Listed(stage.pod_object(POD, waiting))));
        let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": MISSING}});
        stage.give(Input::Pod(Change::Listed(stage.pod_object(POD, waiting))));
    }
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "four failures, no moment");
    stage.fail(POD + 1);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["hold Workload"]);
}

#[test]
fn a_report_that_could_not_be_published_is_tried_again() {
    let mut stage = Stage::new();
    let mut spec = enforce(1);
    spec["mode"] = json!("Audit");
    stage.policy(spec);
    stage.admitted();
    stage.answer(Outcome::Applied);
    stage.first_failure(POD);
    stage.give_next(Outcome::Unavailable);
    stage.wait(1);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["event ImagePullFailed Report"]);
}

/// Found by simulation: a report that was refused was tried again at once, and at once again.
#[test]
fn a_report_that_is_refused_is_tried_less_and_less_often() {
    let mut spec = enforce(1);
    spec["rules"][0]["action"] = json!("Report");
    let mut stage = Stage::new();
    stage.policy(spec);
    stage.admitted();
    stage.first_failure(POD);
    let mut tries = 0;
    for _ in 0..60 {
        while let Some((_, effect)) = stage.open.first() {
            let refused = matches!(effect, Effect::Publish(_));
            tries += u32::from(refused);
            assert!(tries < 50, "without a pause");
            stage.give_next(if refused { Outcome::Throttled } else { Outcome::Applied });
        }
        stage.wait(1);
    }
    assert!((3..15).contains(&tries), "{tries} tries in a minute");
}

#[test]
fn what_was_reported_before_a_restart_is_not_reported_again() {
    let mut stage = Stage::new();
    let status = json!({"observedGeneration": 1, "failing": [{
        "job": "train", "uid": uid(stage::JOB), "podUid": uid(POD), "image": IMAGE,
        "cause": "NotFound", "failedPulls": 2, "state": "Reported", "reason": "Overridden",
        "firstFailureTime": "2026-11-24T08:15:00Z", "lastFailureTime": "2026-11-24T08:16:00Z"}]});
    stage.policy_with_status(enforce(1), status);
    stage.admitted();
    stage.job(json!({"dislodge.dev/resumes": "2"}));
    stage.first_failure(POD);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
}

#[test]
fn a_crash_between_the_count_and_the_mark_does_not_count_a_person_twice() {
    let (mut stage, id) = held(1);
    stage.give(Input::Leadership(None)); // what it remembers is as good as lost
    stage.workload(true, None, json!({"dislodge.dev/hold": id}));
    stage.job(json!({"dislodge.dev/resumes": "1", "dislodge.dev/resumed": id}));
    stage.lead();
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["clear Workload"]);
}

#[test]
fn a_person_s_resume_does_not_wait_for_an_event_that_cannot_be_written() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.admitted();
    stage.first_failure(POD);
    let marks = marks_of(&stage.answer(Outcome::Applied));
    stage.workload(false, Some("2026-11-24T08:10:00Z"), marks.clone());
    stage.give_next(Outcome::Unavailable); // the Event
    stage.job(json!({"dislodge.dev/resume": marks["dislodge.dev/hold"]}));
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["resume Workload"]);
    stage.workload(true, None, json!({}));
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["explain +2 -9"]);
}

#[test]
fn an_object_that_is_gone_while_its_watch_lags_is_not_written_to_again_and_again() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.admitted();
    stage.first_failure(POD);
    assert_eq!(short(&stage.answer(Outcome::Gone)), ["hold Workload"]);
    stage.wait(3);
    assert!(short(&stage.answer(Outcome::Gone)).is_empty());
}

#[test]
fn nothing_is_remembered_of_a_job_that_is_gone_whatever_was_tried_last() {
    let (lost, applied) = (Outcome::Unavailable, Outcome::Applied);
    for (action, first) in [("SuspendJob", lost), ("SuspendJob", applied), ("Report", lost)] {
        let mut stage = Stage::new();
        let mut spec = enforce(1);
        spec["rules"][0]["action"] = json!(action);
        stage.policy(spec);
        stage.admitted();
        stage.first_failure(POD);
        stage.give_next(first); // the hold, and then its Event
        stage.answer(Outcome::Unavailable);
        assert!(!stage.engine.cases.is_empty(), "it is to be tried again");
        stage.no_pod(POD);
        let job = json!({"metadata": {"name": "train", "namespace": "a", "uid": uid(JOB)}});
        stage.give(Input::Job(Change::Gone(serde_json::from_value(job).unwrap())));
        stage.wait(3600);
        stage.answer(Outcome::Gone);
        assert!(stage.engine.cases.is_empty(), "{action}, {first:?}: {:?}", stage.engine.cases);
    }
}

#[test]
fn a_running_sibling_does_not_end_what_a_replaced_pod_had_counted() {
    let mut stage = Stage::new();
    stage.policy(enforce(3));
    stage.admitted();
    let sibling = stage.pod_object(POD + 9, json!({"running": {}}));
    stage.give(Input::Pod(Change::Seen(sibling.clone())));
    stage.first_failure(POD);
    stage.fail(POD);
    stage.give(Input::Pod(Change::Gone(stage.pod_object(POD, json!({})))));
    stage.give(Input::Pod(Change::Seen(sibling)));
    stage.pod(POD + 1, "ContainerCreating", "");
    stage.first_failure(POD + 1);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["hold Workload"]);
}

#[test]
fn after_two_resumes_by_people_the_job_is_only_reported() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.admitted();
    stage.job(json!({"dislodge.dev/resumes": "2"}));
    stage.first_failure(POD);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["event ImagePullFailed Report"]);
    assert_eq!(status_of(&effects).unwrap().failing[0].reason.as_deref(), Some("Overridden"));
    stage.fail(POD);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "once an admission");
}

#[test]
fn a_request_that_names_no_hold_is_answered_and_taken_away() {
    let (mut stage, id) = held(1);
    stage.job(json!({"dislodge.dev/hold": id, "dislodge.dev/resume": "yes"}));
    let effects = short(&stage.answer(Outcome::Applied));
    assert_eq!(effects, ["event ResumeRefused Report", "explain +0 -1"]);
}

#[test]
fn audit_says_what_it_would_have_done_and_learns_that_it_would_have_been_wrong() {
    let mut stage = Stage::new();
    let mut spec = enforce(1);
    spec["mode"] = json!("Audit");
    stage.policy(spec);
    stage.admitted();
    stage.first_failure(POD);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["event ImagePullFailed Report"]);
    // What was said stays in the status, also between the moments of an action.
    stage.wait(9);
    stage.pod(POD, "ImagePullBackOff", MISSING);
    stage.wait(11);
    let later = stage.answer(Outcome::Applied);
    let listed = &status_of(&later).or_else(|| status_of(&effects)).unwrap().failing[0];
    let reported = (FailingState::Reported, Some("Audit"));
    assert_eq!((listed.state, listed.reason.as_deref()), reported);
    stage.wait(10);
    let running = stage.pod_object(POD, json!({"running": {}}));
    stage.give(Input::Pod(Change::Seen(running)));
    stage.wait(30);
    let after = stage.answer(Outcome::Applied);
    let status = status_of(&after).unwrap();
    assert_eq!((status.audit.would_have_acted, status.audit.later_started), (1, 1));
    assert!(status.failing.is_empty());
}

#[test]
fn many_pods_that_fail_once_have_failed_once_and_a_replacement_inherits() {
    let mut stage = Stage::new();
    stage.policy(enforce(2));
    stage.admitted();
    for n in 0..64 {
        stage.pod(POD + n, "ContainerCreating", "");
    }
    stage.wait(1);
    for n in 0..64 {
        stage.pod(POD + n, "ErrImagePull", MISSING);
    }
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
    let gone = stage.pod_object(POD, json!({}));
    stage.give(Input::Pod(Change::Gone(gone)));
    stage.pod(POD + 100, "ContainerCreating", "");
    stage.first_failure(POD + 100);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["hold Workload"]);
}

#[test]
fn a_job_that_kueue_knows_is_never_suspended_itself() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.queue();
    stage.job(json!({}));
    stage.pod(POD, "ContainerCreating", "");
    stage.first_failure(POD);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "its Workload is not known yet");
}

#[test]
fn a_job_that_nobody_manages_is_suspended_and_resumed_in_one_patch_each() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.job_with(json!({}), json!({}), json!({}));
    stage.pod(POD, "ContainerCreating", "");
    stage.first_failure(POD);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["hold Job"]);
    let mut marks = marks_of(&effects);
    stage.job_with(json!({}), marks.clone(), json!({"suspend": true}));
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["event ImagePullFailed SuspendJob"]);
    marks["dislodge.dev/resume"] = marks["dislodge.dev/hold"].clone();
    stage.job_with(json!({}), marks, json!({"suspend": true}));
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["resume Job"]);
    let marks = marks_of(&effects);
    assert_eq!(marks["dislodge.dev/resumes"], "1");
    assert_eq!(marks["dislodge.dev/hold"], Value::Null);
}

#[test]
fn a_job_of_another_system_is_only_reported() {
    for spec in [
        json!({"managedBy": "other.dev/controller"}),
        json!({"template": {"spec": {"schedulerName": "volcano"}}}),
        json!({"template": {"metadata": {"annotations": {"scheduling.k8s.io/group-name": "g"}}}}),
    ] {
        let mut stage = Stage::new();
        stage.policy(enforce(1));
        stage.job_with(json!({}), json!({}), spec.clone());
        stage.pod(POD, "ContainerCreating", "");
        stage.first_failure(POD);
        let effects = short(&stage.answer(Outcome::Applied));
        assert_eq!(effects, ["event ImagePullFailed Report"], "{spec}");
    }
}

#[test]
fn nothing_is_done_before_everything_has_been_listed() {
    let mut stage = Stage::unsynced();
    stage.lead();
    stage.policy(enforce(1));
    stage.admitted();
    stage.first_failure(POD);
    assert!(stage.answer(Outcome::Applied).is_empty());
}

#[test]
fn a_quiet_cluster_gets_no_writes() {
    let (mut stage, _) = held(1);
    stage.wait(60);
    stage.answer(Outcome::Applied);
    for _ in 0..100 {
        stage.wait(60);
    }
    assert!(stage.answer(Outcome::Applied).is_empty());
}

#[test]
fn kueue_may_come_later_and_nothing_is_done_while_its_workloads_are_being_listed() {
    let mut stage = Stage::unsynced();
    for kind in [Kind::Policy, Kind::Job, Kind::JobSet, Kind::CronJob, Kind::Pod, Kind::Node] {
        stage.give(Input::ListBegun(kind));
        stage.give(Input::ListEnded(kind));
    }
    stage.give(Input::KindAbsent(Kind::LocalQueue));
    stage.give(Input::KindAbsent(Kind::ClusterQueue));
    stage.give(Input::KindAbsent(Kind::Workload));
    stage.lead();
    stage.policy(enforce(1));
    let told = stage.answer(Outcome::Applied);
    let message = &status_of(&told).unwrap().conditions[0].message;
    assert!(message.contains("Kueue's CRDs are not installed"), "{message}");

    stage.give(Input::ListBegun(Kind::Workload));
    stage.job_with(json!({}), json!({}), json!({}));
    stage.pod(POD, "ContainerCreating", "");
    stage.first_failure(POD);
    assert!(stage.answer(Outcome::Applied).is_empty(), "the job may turn out to be Kueue's");
    stage.give(Input::ListEnded(Kind::Workload));
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["hold Job"]);
}
