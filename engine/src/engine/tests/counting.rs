//! What is counted when a Pod comes back, and after a restart.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::enforce;
use super::stage::{IMAGE, JOB, MISSING, POD, Stage, short, uid};
use super::status_of;
use crate::effect::Outcome;
use crate::input::{Change, Input};
use crate::objects::Pod;

const BACK_OFF: &str = "Back-off pulling image \"r.io/team/app:missing\"";

fn failed_pulls(stage: &Stage) -> u32 {
    let pod = crate::objects::Uid::from_u128(POD);
    let track = stage.engine.index.pod(pod).and_then(|row| row.history.track(IMAGE));
    track.map_or(0, |track| track.runs.failed_pulls())
}

/// The kubelet takes back a phase that somebody else wrote (live.md 0.6). Where the watch leaves ended
/// Pods out, it tells the same story as a Pod that is gone and comes back.
#[test]
fn a_pod_that_comes_back_from_a_foreign_phase_goes_on_counting_and_counts_nothing_twice() {
    for left_out in [false, true] {
        let mut stage = Stage::new();
        stage.policy(enforce(100));
        stage.admitted();
        stage.first_failure(POD);
        stage.fail(POD);
        stage.pod(POD, "ImagePullBackOff", BACK_OFF);
        assert_eq!(failed_pulls(&stage), 2);
        let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": BACK_OFF}});
        let mut ended = stage.pod_object(POD, waiting);
        ended.status.phase = "Failed".to_owned();
        stage.give(Input::Pod(if left_out { Change::Gone(ended) } else { Change::Seen(ended) }));
        stage.wait(3);
        stage.pod(POD, "ImagePullBackOff", BACK_OFF);
        assert_eq!(failed_pulls(&stage), 2, "left out: {left_out}");
        stage.fail(POD);
        assert_eq!(failed_pulls(&stage), 3, "left out: {left_out}");
    }
}

/// A new process with a checkpoint of two failed pulls, whose first list shows the Pod like this.
fn restarted(spec: &Value, container: Value) -> Stage {
    restarted_from(&json!({"state": "Counting"}), spec, container, ORDERS[0])
}

/// Each kind has a watch of its own, and no order among them.
const ORDERS: [[&str; 4]; 4] = [
    ["policy", "job", "workload", "pod"],
    ["pod", "policy", "job", "workload"],
    ["policy", "pod", "job", "workload"],
    ["policy", "workload", "job", "pod"],
];

fn restarted_from(standing: &Value, spec: &Value, container: Value, order: [&str; 4]) -> Stage {
    let mut stage = Stage::unsynced();
    stage.lead();
    let kinds = crate::input::Kind::ALL;
    for kind in kinds {
        stage.give(Input::ListBegun(kind));
    }
    let checkpoint = json!({"observedGeneration": 1, "failing": [{
        "job": "train", "uid": uid(JOB), "podUid": uid(POD), "image": IMAGE,
        "cause": "NotFound", "failedPulls": 2,
        "state": standing["state"], "reason": standing["reason"],
        "firstFailureTime": "2026-11-24T08:15:00Z", "lastFailureTime": "2026-11-24T08:16:00Z"}],
        "audit": {"wouldHaveActed": 1, "laterStarted": 0}});
    let pod = stage.pod_object(POD, container);
    stage.queue();
    for kind in order {
        match kind {
            "policy" => stage.policy_with_status(spec.clone(), checkpoint.clone()),
            "job" => stage.job(json!({})),
            "workload" => stage.workload(true, Some("2026-11-24T08:10:00Z"), json!({})),
            _ => stage.give(Input::Pod(Change::Listed(pod.clone()))),
        }
    }
    for kind in kinds {
        stage.give(Input::ListEnded(kind));
    }
    stage
}

#[test]
fn after_a_restart_the_count_goes_on_from_the_checkpoint() {
    let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": ""}});
    let mut stage = restarted(&enforce(3), waiting);
    let effects = stage.answer(Outcome::Applied);
    assert!(short(&effects).is_empty());
    stage.wait(20);
    stage.pod(POD, "ErrImagePull", MISSING);
    stage.wait(1);
    assert!(
        short(&stage.answer(Outcome::Applied)).is_empty(),
        "the first window seen is no moment"
    );
    stage.fail(POD);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["hold Workload"]);
}

#[test]
fn a_checkpoint_outlives_a_list_that_shows_no_failure_and_not_one_that_shows_success() {
    let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": ""}});
    for (container, then) in [
        (waiting("ErrImagePull"), 2),
        (waiting("ImagePullBackOff"), 3),
        // A kubelet that has just started remembers nothing (kubelet.md 3.3).
        (waiting("ContainerCreating"), 3),
        // The crash back-off hides the pull's (live.md 0.10).
        (waiting("CrashLoopBackOff"), 3),
        (json!({"running": {}}), 1),
    ] {
        for order in ORDERS {
            let counting = json!({"state": "Counting"});
            let mut stage = restarted_from(&counting, &enforce(100), container.clone(), order);
            stage.pod(POD, "ErrImagePull", MISSING);
            assert_eq!(failed_pulls(&stage), then, "listed as {container}: {order:?}");
        }
    }
}

#[test]
fn an_image_that_is_edited_begins_anew_as_soon_as_the_spec_says_so() {
    let mut stage = Stage::new();
    stage.policy(enforce(100));
    stage.admitted();
    stage.first_failure(POD);
    let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": MISSING}});
    let mut edited = stage.pod_object(POD, waiting);
    edited.metadata.generation = 2;
    edited.status.observed_generation = 1;
    edited.spec.containers[0].image = "r.io/team/app:mended".to_owned();
    stage.give(Input::Pod(Change::Seen(edited)));
    assert_eq!(failed_pulls(&stage), 0);
}

/// Pods of one job, each with its index and the second when it was made.
fn pod_of(stage: &Stage, pod: u128, index: Option<u32>, created: i64, reason: &str) -> Pod {
    let mut object =
        stage.pod_object(pod, json!({"waiting": {"reason": reason, "message": MISSING}}));
    let annotation = index.map(|index| (crate::keys::JOB_INDEX.to_owned(), index.to_string()));
    object.metadata.annotations.extend(annotation);
    object.metadata.creation_timestamp =
        Some(stage.now().wall + SignedDuration::from_secs(created));
    object
}

#[test]
fn only_a_pod_that_takes_the_place_of_another_inherits_its_count() {
    for (what, index, created, inherits) in [
        ("a replacement", None, 1, true),
        ("one that was there before", None, -60, false),
        ("the replacement of the same index", Some(3), 1, true),
        ("a later Pod of another index", Some(4), 1, false),
    ] {
        let mut stage = Stage::new();
        stage.policy(enforce(100));
        stage.queue();
        stage.job(json!({}));
        let first_index = index.map(|_| 3);
        for reason in ["ContainerCreating", "ErrImagePull", "ImagePullBackOff", "ErrImagePull"] {
            let pod = pod_of(&stage, POD, first_index, -120, reason);
            stage.give(Input::Pod(Change::Seen(pod)));
        }
        let gone = pod_of(&stage, POD, first_index, -120, "ErrImagePull");
        stage.give(Input::Pod(Change::Gone(gone)));
        let next = pod_of(&stage, POD + 1, index, created, "ErrImagePull");
        stage.give(Input::Pod(Change::Seen(next)));
        let row = stage.engine.index.pod(crate::objects::Uid::from_u128(POD + 1)).unwrap();
        let counted = row.history.track(IMAGE).unwrap().runs.failed_pulls();
        assert_eq!(counted, if inherits { 3 } else { 1 }, "{what}");
    }
}

#[test]
fn what_a_node_says_that_is_not_ready_is_not_believed() {
    let mut stage = Stage::new();
    stage.policy(enforce(2));
    stage.admitted();
    stage.first_failure(POD);
    stage.node("n1", "Unknown");
    stage.fail(POD);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "its words may be old");
    stage.node("n1", "True");
    stage.fail(POD);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["hold Workload"]);
}

#[test]
fn what_audit_would_have_done_is_known_after_a_restart() {
    let (reported, counting) =
        (json!({"state": "Reported", "reason": "Audit"}), json!({"state": "Counting"}));
    let running = json!({"running": {}});
    let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": MISSING}});
    for (what, standing, first, later, expected) in [
        ("it has started meanwhile", &reported, &running, None, 1),
        ("it starts later", &reported, &waiting, Some(&running), 1),
        ("it goes on failing", &reported, &waiting, Some(&waiting), 0),
        ("it had only been counted", &counting, &waiting, Some(&running), 0),
    ] {
        for order in ORDERS {
            let mut spec = enforce(10);
            spec["mode"] = json!("Audit");
            let mut stage = restarted_from(standing, &spec, first.clone(), order);
            if let Some(state) = later {
                let pod = stage.pod_object(POD, state.clone());
                stage.give(Input::Pod(Change::Seen(pod)));
            }
            stage.wait(30);
            let effects = stage.answer(Outcome::Applied);
            let told = status_of(&effects).map_or(0, |status| status.audit.later_started);
            assert_eq!(told, expected, "{what}: {order:?}");
        }
    }
}

#[test]
fn who_takes_over_goes_on_from_what_the_leader_before_has_written() {
    let mut spec = enforce(1);
    spec["mode"] = json!("Audit");
    let mut stage = Stage::unsynced();
    for kind in crate::input::Kind::ALL {
        stage.give(Input::ListBegun(kind));
        stage.give(Input::ListEnded(kind));
    }
    stage.policy(spec.clone());
    stage.admitted();
    stage.first_failure(POD);
    let since = stage.now().wall.to_string();
    stage.policy_with_status(
        spec,
        json!({"observedGeneration": 1, "audit": {"wouldHaveActed": 1, "laterStarted": 0},
        "outages": [{"host": "down.io", "sinceTime": since, "distinctJobs": 7}],
        "failing": [{"job": "train", "uid": uid(JOB), "podUid": uid(POD), "image": IMAGE,
            "cause": "NotFound", "failedPulls": 1, "state": "Reported", "reason": "Audit",
            "firstFailureTime": since, "lastFailureTime": since}]}),
    );
    stage.lead();
    stage.wait(30);
    let effects = stage.answer(Outcome::Applied);
    let events: Vec<String> =
        short(&effects).into_iter().filter(|effect| effect.starts_with("event")).collect();
    assert!(events.is_empty(), "it was told already: {events:?}");
    let pod = stage.pod_object(POD, json!({"running": {}}));
    stage.give(Input::Pod(Change::Seen(pod)));
    stage.wait(30);
    let effects = stage.answer(Outcome::Applied);
    let status = status_of(&effects).unwrap();
    assert_eq!(status.audit.later_started, 1);
    assert_eq!(status.outages.len(), 1);
}
