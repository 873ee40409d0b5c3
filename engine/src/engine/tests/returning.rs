//! The end of a job's returns: into quota that is free, told where that takes long, and forgotten once it has
//! gone well.

use serde_json::{Value, json};

use super::marks_of;
use super::requeueing::{NEXT_POD, requeueing, sent_back};
use super::stage::{POD, Stage, short, uid};
use crate::effect::{Effect, Outcome};
use crate::input::{Change, Input};
use crate::objects::{ClusterQueue, Workload};

/// The ClusterQueue behind the queue, which preempts and follows this strategy.
fn strategy(stage: &mut Stage, strategy: &str) {
    let queue: ClusterQueue = serde_json::from_value(json!({
        "metadata": {"name": "all", "uid": uid(0x8100)},
        "spec": {"preemption": {"withinClusterQueue": "LowerPriority"}, "queueingStrategy": strategy,
            "resourceGroups": [{"coveredResources": ["cpu"], "flavors": [
                {"name": "any", "resources": [{"name": "cpu", "nominalQuota": "1"}]}]}]},
    }))
    .unwrap();
    stage.give(Input::ClusterQueue(Change::Seen(queue)));
}

/// An older Workload that waits in the same queue, and what Kueue says of it.
fn older(reason: &str) -> Input {
    let says = json!([{"type": "QuotaReserved", "status": "False", "reason": reason}]);
    let workload: Workload = serde_json::from_value(json!({
        "metadata": {"name": "other", "namespace": "a", "uid": uid(0x7777),
                     "creationTimestamp": "2026-11-24T06:00:00Z"},
        "spec": {"queueName": "gpu", "active": true}, "status": {"conditions": says},
    }))
    .unwrap();
    Input::Workload(Change::Seen(workload))
}

#[test]
fn who_can_never_be_admitted_or_has_no_use_for_what_is_free_keeps_nobody_from_returning() {
    for (queueing, reason, returns) in [
        ("BestEffortFIFO", "ExceedsMaxQuota", true),
        ("BestEffortFIFO", "NoMatchingFlavor", true),
        ("BestEffortFIFO", "Suspended", true),
        ("BestEffortFIFO", "AdmissionGated", true),
        ("BestEffortFIFO", "Inadmissible", true),
        ("BestEffortFIFO", "WaitingForQuota", true),
        ("BestEffortFIFO", "WaitingForPreemptedWorkloads", false), // it makes room for itself
        ("BestEffortFIFO", "PendingEvaluation", false),
        ("BestEffortFIFO", "Pending", false), // before 0.19 it could be any
        // Nobody is looked at behind it: who returned would wait, and displace others later.
        ("StrictFIFO", "ExceedsMaxQuota", false),
        ("StrictFIFO", "WaitingForQuota", false),
        ("StrictFIFO", "AdmissionGated", true),
    ] {
        let (mut stage, _) = sent_back(&json!({}));
        stage.give(older(reason));
        strategy(&mut stage, queueing);
        stage.wait(120);
        let effects = short(&stage.answer(Outcome::Applied));
        let resumed = effects.contains(&"resume Workload".to_owned());
        assert_eq!(resumed, returns, "{queueing} {reason}: {effects:?}");
    }
}

#[test]
fn quota_that_has_just_come_free_goes_to_who_waits_for_it_first() {
    let (mut stage, _) = sent_back(&json!({}));
    stage.give(older("WaitingForQuota"));
    stage.cluster_queue("LowerPriority", 1);
    stage.wait(120);
    stage.cluster_queue("LowerPriority", 0);
    stage.wait(5);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "Kueue looks at it now");
    stage.wait(6);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["resume Workload"], "it had no use for it");
}

#[test]
fn a_job_that_waits_for_its_quota_longer_than_the_longest_pause_says_so_once_and_waits_on() {
    let (mut stage, marks) = sent_back(&json!({"backoffMaxSeconds": 600}));
    stage.cluster_queue("LowerPriority", 1);
    stage.wait(590);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
    stage.wait(80);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["event ImagePullFailed Wait"]);
    let Effect::Publish(event) = &effects[0] else { panic!("{effects:?}") };
    for part in ["not enough is unused", "kubectl -n a annotate job train dislodge.dev/resume="] {
        assert!(event.note.contains(part), "{}", event.note);
    }
    stage.wait(100_000);
    stage.suspended_job(marks, 0);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "once");
    stage.cluster_queue("LowerPriority", 0);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["resume Workload"]);
}

/// The job is let go, and Kueue admits it again.
fn go_on(stage: &mut Stage, marks: &Value) -> Value {
    let left = json!({"dislodge.dev/requeues": marks["dislodge.dev/requeues"],
                      "dislodge.dev/requeued-by": marks["dislodge.dev/requeued-by"]});
    stage.wait(61);
    stage.answer(Outcome::Applied);
    stage.workload(true, Some("2026-11-24T09:00:00Z"), left.clone());
    stage.job(left.clone());
    stage.answer(Outcome::Applied);
    left
}

#[test]
fn what_is_told_of_a_job_s_returns_is_taken_away_once_it_has_gone_well_for_ten_minutes() {
    let (mut stage, marks) = sent_back(&json!({}));
    let left = go_on(&mut stage, &marks);
    let running = stage.pod_object(NEXT_POD, json!({"running": {}}));
    stage.give(Input::Pod(Change::Seen(running)));
    stage.wait(590);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "not yet");
    stage.wait(20);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["explain +0 -2"]);
    stage.wait(60);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "until it is seen");
    stage.job(json!({}));
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["clear Workload"], "and on the Workload, {left}");
    stage.workload(true, Some("2026-11-24T09:00:00Z"), json!({}));
    stage.wait(3600);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
}

#[test]
fn a_job_of_which_one_pod_still_waits_for_its_image_has_not_gone_well() {
    let (mut stage, marks) = sent_back(&json!({}));
    go_on(&mut stage, &marks);
    let running = stage.pod_object(NEXT_POD, json!({"running": {}}));
    stage.give(Input::Pod(Change::Seen(running)));
    stage.pod(NEXT_POD + 1, "ContainerCreating", "");
    stage.wait(100_000);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
}

/// Found by simulation: the Pod that the Job makes after its return is seen before the return itself.
#[test]
fn what_is_bad_without_a_pull_is_acted_on_although_its_job_is_seen_to_return_only_later() {
    let mut spec = requeueing(&json!({}));
    spec["rules"][0]["causes"] = json!(["InvalidReference"]);
    let mut stage = Stage::new();
    stage.policy(spec);
    stage.job_with(json!({}), json!({}), json!({}));
    stage.pod(POD, "InvalidImageName", "invalid reference format");
    let marks = marks_of(&stage.answer(Outcome::Applied));
    stage.no_pod(POD);
    stage.job_in(json!({}), marks.clone(), json!({"suspend": true}), json!({}));
    stage.answer(Outcome::Applied);
    stage.wait(61);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["resume Job"]);
    stage.pod(NEXT_POD, "InvalidImageName", "invalid reference format");
    let left = json!({"dislodge.dev/requeues": "1", "dislodge.dev/requeued-by": "missing"});
    stage.job_with(json!({}), left, json!({}));
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects)[0], "hold Job", "{effects:?}");
}
