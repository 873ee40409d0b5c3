//! Sending a job back into its queue, and its way back.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::stage::{MISSING, POD, Stage, short, uid};
use super::{enforce, marks_of, status_of};
use crate::effect::{Effect, Outcome};
use crate::input::{Change, Input};
use crate::objects::Workload;

/// The Pod that the Job makes after its return.
pub(super) const NEXT_POD: u128 = 0x3001;

pub(super) fn requeueing(requeue: &Value) -> Value {
    let mut spec = enforce(2);
    spec["rules"][0]["action"] = json!("RequeueJob");
    spec["requeue"] = requeue.clone();
    spec
}

/// A stage where the job is requeued by this policy, its Pods are gone and everybody was told; with
/// what stands on the Workload by then.
pub(super) fn sent_back(requeue: &Value) -> (Stage, Value) {
    let mut stage = Stage::new();
    stage.policy(requeueing(requeue));
    stage.admitted();
    stage.first_failure(POD);
    stage.fail(POD);
    let marks = marks_of(&stage.answer(Outcome::Applied));
    stop(&mut stage, POD, &marks);
    (stage, marks)
}

/// Kueue and the Job controller do what the hold asks for, and everybody is told.
fn stop(stage: &mut Stage, pod: u128, marks: &Value) {
    stage.workload(false, None, marks.clone());
    stage.answer(Outcome::Applied);
    stage.no_pod(pod);
    stage.suspended_job(marks.clone(), 0);
    stage.answer(Outcome::Applied);
}

/// A stage where the job is requeued by this policy, and one of its Pods is still ending.
fn lingering(mut stage: Stage, spec: &Value) -> (Stage, Value) {
    stage.policy(spec.clone());
    stage.admitted();
    stage.first_failure(POD);
    stage.fail(POD);
    let marks = marks_of(&stage.answer(Outcome::Applied));
    stage.workload(false, None, marks.clone());
    stage.answer(Outcome::Applied);
    stage.suspended_job(marks.clone(), 1);
    stage.answer(Outcome::Applied);
    (stage, marks)
}

/// What is left on an object once the hold is gone.
fn left(marks: &Value) -> Value {
    json!({"dislodge.dev/requeues": marks["dislodge.dev/requeues"],
           "dislodge.dev/requeued-by": marks["dislodge.dev/requeued-by"]})
}

/// The job is let go, and Kueue admits it again; its new Pod waits for its image.
fn go_on(stage: &mut Stage, marks: &Value, pod: u128) {
    stage.workload(true, Some("2026-11-24T09:00:00Z"), left(marks));
    stage.job(left(marks));
    stage.pod(pod, "ContainerCreating", "");
    stage.answer(Outcome::Applied);
}

#[test]
fn a_job_goes_back_and_comes_back_by_itself_after_its_pause() {
    let (mut stage, marks) = sent_back(&json!({}));
    assert_eq!(marks["dislodge.dev/requeues"], "1");
    assert_eq!(marks["dislodge.dev/requeued-by"], "missing");
    assert_eq!(marks["dislodge.dev/then"], Value::Null);
    let at: Timestamp = marks["dislodge.dev/resume-at"].as_str().unwrap().parse().unwrap();
    let pause = at.duration_since(stage.now().wall).as_secs();
    assert!((45..=60).contains(&pause), "{pause} s");
    stage.wait(u64::try_from(pause).unwrap() - 2);
    let effects = stage.answer(Outcome::Applied);
    assert!(short(&effects).is_empty(), "not before");
    assert_eq!(status_of(&effects).unwrap().actions.requeued, 1);

    stage.wait(3);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["resume Workload"]);
    let patch = marks_of(&effects);
    assert_eq!(patch["dislodge.dev/hold"], Value::Null);
    assert!(patch.get("dislodge.dev/requeues").is_none(), "the count stays");
    assert!(patch.get("dislodge.dev/resumes").is_none(), "no person did this");
    stage.workload(true, None, left(&marks));
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["explain +0 -6"]);
}

#[test]
fn a_job_that_came_back_goes_again_after_fewer_failures_and_for_longer() {
    let (mut stage, marks) = sent_back(&json!({"failedPulls": 1}));
    stage.wait(61);
    stage.answer(Outcome::Applied);
    go_on(&mut stage, &marks, NEXT_POD);
    stage.first_failure(NEXT_POD);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["hold Workload"]);
    let marks = marks_of(&effects);
    assert_eq!(marks["dislodge.dev/requeues"], "2");
    let at: Timestamp = marks["dislodge.dev/resume-at"].as_str().unwrap().parse().unwrap();
    let pause = at.duration_since(stage.now().wall).as_secs();
    assert!((90..=121).contains(&pause), "{pause} s");
}

#[test]
fn a_new_workload_for_the_same_job_does_not_make_its_returns_forgotten() {
    let (mut stage, marks) = sent_back(&json!({"failedPulls": 1}));
    stage.wait(61);
    stage.answer(Outcome::Applied);
    stage.workload(true, Some("2026-11-24T09:00:00Z"), json!({})); // Kueue has made it anew
    stage.job(left(&marks));
    stage.pod(NEXT_POD, "ContainerCreating", "");
    stage.first_failure(NEXT_POD);
    assert_eq!(marks_of(&stage.answer(Outcome::Applied))["dislodge.dev/requeues"], "2");
}

#[test]
fn when_the_returns_are_used_up_the_policy_says_what_comes_afterwards() {
    for (afterwards, expected) in [
        ("SuspendJob", "hold Workload"),
        ("FailJob", "hold Workload"),
        ("Report", "event ImagePullFailed Report"),
    ] {
        let requeue = json!({"maxRequeues": 1, "failedPulls": 1, "afterwards": afterwards});
        let (mut stage, marks) = sent_back(&requeue);
        stage.wait(61);
        stage.answer(Outcome::Applied);
        go_on(&mut stage, &marks, NEXT_POD);
        stage.first_failure(NEXT_POD);
        let effects = stage.answer(Outcome::Applied);
        assert_eq!(short(&effects), [expected], "{afterwards}");
        if afterwards != "Report" {
            let marks = marks_of(&effects);
            assert_eq!(marks["dislodge.dev/resume-at"], Value::Null);
            assert_eq!(marks["dislodge.dev/then"] == "Fail", afterwards == "FailJob");
            assert!(marks.get("dislodge.dev/requeues").is_none());
        }
    }
}

#[test]
fn a_job_never_comes_back_over_its_old_pods_or_its_old_quota() {
    let mut stage = Stage::new();
    stage.policy(requeueing(&json!({"backoffMaxSeconds": 600})));
    stage.admitted();
    stage.first_failure(POD);
    stage.fail(POD);
    let marks = marks_of(&stage.answer(Outcome::Applied));
    stage.workload(false, Some("2026-11-24T08:10:00Z"), marks.clone());
    stage.answer(Outcome::Applied);
    stage.suspended_job(marks.clone(), 0);
    stage.wait(120);
    assert!(!short(&stage.answer(Outcome::Applied)).contains(&"resume Workload".to_owned()));
    stage.workload(false, None, marks.clone());
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "the Pod is still there");
    stage.suspended_job(marks.clone(), 1);
    stage.no_pod(POD);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "the Job says that one is");
    stage.suspended_job(marks, 0);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["resume Workload"]);
}

#[test]
fn when_the_old_pods_do_not_end_another_hold_takes_its_place() {
    let requeue = json!({"backoffMaxSeconds": 600, "afterwards": "FailJob"});
    let (mut stage, marks) = lingering(Stage::new(), &requeueing(&requeue));
    stage.wait(600);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
    stage.wait(70);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["hold Workload"]);
    let instead = marks_of(&effects);
    assert_ne!(instead["dislodge.dev/hold"], marks["dislodge.dev/hold"]);
    assert_eq!(instead["dislodge.dev/resume-at"], Value::Null);
    assert_eq!(instead["dislodge.dev/then"], "Fail");
    let held = instead["dislodge.dev/held"].as_str().unwrap();
    assert!(held.contains("have not ended for 600 s") && held.contains("NotFound"), "{held}");

    stage.workload(false, None, instead.clone());
    let told = stage.answer(Outcome::Applied);
    assert_eq!(short(&told), ["event ImagePullFailed FailJob", "explain +6 -0"]);
    stage.suspended_job(instead, 0);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["finish Job"]);
}

#[test]
fn a_person_who_starts_a_requeued_job_is_obeyed_and_its_returns_count_anew() {
    let (mut stage, mut marks) = sent_back(&json!({}));
    let told = marks.clone();
    stage.workload(true, None, marks.clone());
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["explain +2 -9", "clear Workload"]);
    let patch = marks_of(&effects);
    assert_eq!(patch["dislodge.dev/requeues"], Value::Null);
    assert_eq!(patch["dislodge.dev/resumes"], "1");

    // The same by annotation, from which no resume-at keeps it.
    let (mut stage, _) = sent_back(&json!({}));
    marks["dislodge.dev/resume"] = told["dislodge.dev/hold"].clone();
    stage.suspended_job(marks, 0);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects)[0], "resume Workload");
    assert_eq!(marks_of(&effects)["dislodge.dev/requeued-by"], Value::Null);
}

/// What a person did that is not seen yet: the return is pinned to the version that was seen, and the API server
/// refuses it.
#[test]
fn a_return_that_a_person_was_faster_than_is_refused_and_the_person_s_word_stands() {
    for (active, expected) in [
        (true, &["explain +2 -9", "clear Workload"][..]), // let go on
        (false, &[]),                                     // to stay stopped: `resume-at` is gone
    ] {
        let (mut stage, mut marks) = sent_back(&json!({}));
        stage.wait(61);
        let effects = stage.answer(Outcome::Conflict);
        assert_eq!(short(&effects), ["resume Workload"]);
        let pinned = |effect: &Effect| matches!(effect, Effect::Lever { target, .. } if target.resource_version.is_some());
        assert!(effects.iter().any(pinned), "pinned to what was seen: {effects:?}");
        stage.wait(10);
        assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "not again on what was seen");
        if !active {
            marks.as_object_mut().unwrap().remove("dislodge.dev/resume-at");
        }
        stage.workload(active, None, marks);
        assert_eq!(short(&stage.answer(Outcome::Applied)), expected, "active: {active}");
        stage.wait(100_000);
        assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "active: {active}");
    }
}

#[test]
fn who_takes_resume_at_away_keeps_the_job_stopped() {
    let (mut stage, mut marks) = sent_back(&json!({}));
    marks.as_object_mut().unwrap().remove("dislodge.dev/resume-at");
    stage.workload(false, None, marks);
    stage.wait(100_000);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
}

#[test]
fn what_is_held_comes_back_under_audit_ignore_and_without_its_policy_but_not_under_a_pause() {
    let ignored: fn(&mut Stage, &mut Value) =
        |_, marks| marks["dislodge.dev/ignore"] = json!("mine");
    let audited: fn(&mut Stage, &mut Value) = |stage, _| {
        let mut spec = requeueing(&json!({}));
        spec["mode"] = json!("Audit");
        stage.policy(spec);
    };
    let deleted: fn(&mut Stage, &mut Value) = |stage, _| stage.no_policy();
    let paused: fn(&mut Stage, &mut Value) =
        |stage, _| stage.give(crate::input::Input::Paused(Some("incident".to_owned())));
    for (row, change, returns) in
        [(0, ignored, true), (1, audited, true), (2, deleted, true), (3, paused, false)]
    {
        let (mut stage, mut marks) = sent_back(&json!({}));
        change(&mut stage, &mut marks);
        stage.suspended_job(marks, 0);
        stage.answer(Outcome::Applied);
        stage.wait(61);
        let effects = short(&stage.answer(Outcome::Applied));
        assert_eq!(effects == ["resume Workload"], returns, "row {row}: {effects:?}");
    }
}

#[test]
fn a_job_that_no_queue_manages_goes_and_comes_back_in_one_patch_each() {
    let mut stage = Stage::new();
    stage.policy(requeueing(&json!({})));
    stage.job_with(json!({}), json!({}), json!({}));
    stage.pod(POD, "ContainerCreating", "");
    stage.first_failure(POD);
    stage.pod(POD, "ImagePullBackOff", "");
    stage.wait(20);
    stage.pod(POD, "ErrImagePull", MISSING);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["hold Job"]);
    let marks = marks_of(&effects);
    stage.no_pod(POD);
    stage.job_in(json!({}), marks, json!({"suspend": true}), json!({}));
    stage.answer(Outcome::Applied);
    stage.wait(61);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["resume Job"]);
    assert_eq!(marks_of(&effects)["dislodge.dev/held"], Value::Null);
}

#[test]
fn where_the_queue_preempts_a_job_comes_back_only_into_quota_that_nobody_uses() {
    let (mut stage, marks) = sent_back(&json!({}));
    assert_eq!(marks["dislodge.dev/held-quota"], "cpu=1000m/1000m,cpu:any=0m/0m@2");
    stage.cluster_queue("LowerPriority", 1);
    stage.wait(120);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "another has it");
    stage.cluster_queue("LowerPriority", 0);
    let effects = stage.answer(Outcome::Conflict);
    assert_eq!(short(&effects), ["resume Workload"]);
    assert_eq!(marks_of(&effects)["dislodge.dev/held-quota"], Value::Null);
    // A refusal takes its word back, so that it may be tried again.
    stage.wait(60);
    stage.workload(false, None, marks);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["resume Workload"]);
}

#[test]
fn where_the_queue_preempts_a_job_comes_back_after_those_who_come_before_it() {
    for (what, waits, first) in [
        ("an older one", json!({"creationTimestamp": "2026-11-24T06:00:00Z"}), true),
        ("a younger one", json!({"creationTimestamp": "2026-11-24T12:00:00Z"}), false),
        (
            "a younger one that ranks higher",
            json!({"creationTimestamp": "2026-11-24T12:00:00Z", "rank": 5}),
            true,
        ),
    ] {
        let (mut stage, _) = sent_back(&json!({}));
        let other = |active: bool| {
            let workload = json!({
                "metadata": {"name": "other", "namespace": "a", "uid": uid(0x7777),
                             "creationTimestamp": waits["creationTimestamp"]},
                "spec": {"queueName": "gpu", "active": active, "priority": waits["rank"].as_i64().unwrap_or(0)},
            });
            let workload: Workload = serde_json::from_value(workload).unwrap();
            Input::Workload(Change::Seen(workload))
        };
        stage.give(other(true));
        stage.cluster_queue("LowerPriority", 0);
        stage.wait(120);
        let effects = short(&stage.answer(Outcome::Applied));
        assert_eq!(effects.contains(&"resume Workload".to_owned()), !first, "{what}: {effects:?}");
        if first {
            stage.give(other(false));
            assert_eq!(short(&stage.answer(Outcome::Applied)), ["resume Workload"], "{what}");
        }
    }
}

/// Found by simulation: the person's resume is on the Workload, and the Job has yet to be told.
#[test]
fn marks_of_a_requeue_that_a_resume_has_ended_count_no_more_while_the_job_still_has_them() {
    let (mut stage, marks) = sent_back(&json!({"failedPulls": 1}));
    stage.workload(true, Some("2026-11-24T09:00:00Z"), json!({"dislodge.dev/resumes": "1"}));
    stage.job(left(&marks));
    stage.pod(NEXT_POD, "ContainerCreating", "");
    stage.first_failure(NEXT_POD);
    let effects = short(&stage.answer(Outcome::Applied));
    assert!(!effects.iter().any(|effect| effect.starts_with("hold")), "{effects:?}");
}

#[test]
fn what_a_job_asks_for_is_known_after_a_restart() {
    let (_, marks) = sent_back(&json!({}));
    for taken in [1, 0] {
        let mut stage = Stage::new();
        stage.policy(requeueing(&json!({})));
        stage.queue();
        stage.cluster_queue("LowerPriority", taken);
        stage.workload(false, None, marks.clone());
        stage.suspended_job(marks.clone(), 0);
        stage.wait(120);
        let effects = short(&stage.answer(Outcome::Applied));
        assert_eq!(effects.contains(&"resume Workload".to_owned()), taken == 0, "{effects:?}");
    }
}

#[test]
fn a_time_of_the_wall_clock_that_is_asked_for_again_and_again_is_one_deadline() {
    let (mut stage, marks) = sent_back(&json!({}));
    let before = stage.engine.deadlines.len();
    for _ in 0..100 {
        stage.drift(-7);
        stage.suspended_job(marks.clone(), 0);
    }
    let more = stage.engine.deadlines.len() - before;
    assert!(more <= 1, "{more} more");
}

#[test]
fn a_return_whose_answer_was_lost_is_not_in_its_own_way() {
    let (mut stage, _) = sent_back(&json!({}));
    stage.cluster_queue("LowerPriority", 0);
    stage.wait(61);
    let lost = short(&stage.answer(Outcome::Unavailable));
    assert!(lost.contains(&"resume Workload".into()), "{lost:?}");
    stage.wait(5);
    let again = short(&stage.answer(Outcome::Applied));
    assert!(again.contains(&"resume Workload".into()), "{again:?}");
}

#[test]
fn while_no_new_action_may_be_taken_a_job_that_cannot_come_back_waits_on() {
    let ignored: fn(&mut Stage, &mut Value, Value) =
        |_, marks, _| marks["dislodge.dev/ignore"] = json!("mine");
    let audited: fn(&mut Stage, &mut Value, Value) = |stage, _, mut spec| {
        spec["mode"] = json!("Audit");
        stage.policy(spec);
    };
    for (row, change) in [(0, ignored), (1, audited)] {
        let spec = requeueing(&json!({"backoffMaxSeconds": 600, "afterwards": "FailJob"}));
        let (mut stage, mut marks) = lingering(Stage::new(), &spec);
        change(&mut stage, &mut marks, spec);
        stage.suspended_job(marks.clone(), 1);
        stage.wait(2000);
        let effects = short(&stage.answer(Outcome::Applied));
        assert!(effects.is_empty(), "row {row}: {effects:?}");
        stage.no_pod(POD);
        stage.suspended_job(marks, 0);
        let effects = short(&stage.answer(Outcome::Applied));
        assert_eq!(effects, ["resume Workload"], "row {row}: it still comes back");
    }
}

#[test]
fn what_takes_the_place_of_a_hold_takes_a_slot_of_the_budget() {
    let mut spec = requeueing(&json!({"backoffMaxSeconds": 600, "afterwards": "FailJob"}));
    spec["budget"] = json!({"actions": 20, "windowSeconds": 3600});
    let (_, marks) = lingering(Stage::new(), &spec);
    let mut stage = Stage::new(); // a new life: what was reserved before is used
    let window = json!({"windowStartTime": stage.now().wall.to_string(), "reserved": 20});
    stage.policy_with_status(spec, json!({"budget": window}));
    stage.queue();
    stage.workload(false, None, marks.clone());
    stage.suspended_job(marks, 1);
    stage.answer(Outcome::Applied);
    stage.wait(2000);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
    stage.wait(2000);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["hold Workload"]);
}

#[test]
fn the_wait_for_pods_that_do_not_end_counts_anew_for_each_hold() {
    let requeue = json!({"backoffMaxSeconds": 600, "failedPulls": 1, "afterwards": "FailJob"});
    let (mut stage, marks) = lingering(Stage::new(), &requeueing(&requeue));
    stage.wait(500);
    stage.answer(Outcome::Applied);
    stage.workload(true, Some("2026-11-24T08:30:00Z"), marks); // a person
    stage.answer(Outcome::Applied);
    stage.workload(true, Some("2026-11-24T08:30:00Z"), json!({}));
    stage.job(json!({"dislodge.dev/resumes": "1"}));
    stage.answer(Outcome::Applied);
    stage.wait(400);
    stage.fail(POD);
    stage.fail(POD);
    let marks = marks_of(&stage.answer(Outcome::Applied));
    stage.workload(false, None, marks.clone());
    stage.answer(Outcome::Applied);
    stage.suspended_job(marks, 1);
    stage.answer(Outcome::Applied);
    stage.wait(400);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "not yet");
}

#[test]
fn a_job_that_could_displace_others_at_its_return_is_not_requeued() {
    for (preempts, back) in [("Never", true), ("LowerPriority", false)] {
        let mut stage = Stage::new();
        stage.by_topology = true; // Kueue displaces others for a place, whatever quota is free
        stage.policy(requeueing(&json!({})));
        stage.admitted();
        stage.cluster_queue(preempts, 0);
        stage.first_failure(POD);
        stage.fail(POD);
        let marks = marks_of(&stage.answer(Outcome::Applied));
        assert_eq!(marks.get("dislodge.dev/resume-at").is_some(), back, "{preempts}");
    }
}

#[test]
fn a_job_that_cannot_come_back_blocks_no_schedule() {
    let mut stage = Stage::new();
    stage.cron_job = Some(0x6000);
    stage.forbidding_cron_job(0x6000);
    let requeue = json!({"backoffMaxSeconds": 600, "afterwards": "SuspendJob"});
    let (mut stage, _) = lingering(stage, &requeueing(&requeue));
    stage.wait(700);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(marks_of(&effects)["dislodge.dev/then"], "Fail");
}

#[test]
fn a_time_that_is_asked_for_again_and_again_is_kept_once() {
    let (mut stage, marks) = sent_back(&json!({}));
    for _ in 0..200 {
        stage.elapsed += std::time::Duration::from_nanos(1_000_003);
        stage.suspended_job(marks.clone(), 0);
    }
    assert!(stage.engine.deadlines.len() < 10, "{}", stage.engine.deadlines.len());
}
