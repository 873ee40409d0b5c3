//! What is counted when a Pod comes back, and after a restart.

use serde_json::{Value, json};

use super::enforce;
use super::stage::{IMAGE, JOB, MISSING, POD, Stage, short, uid};
use crate::effect::Outcome;
use crate::input::{Change, Input, Kind};

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
fn restarted(spec: Value, container: Value) -> Stage {
    let mut stage = Stage::unsynced();
    stage.lead();
    let kinds = [Kind::Policy, Kind::LocalQueue, Kind::Workload, Kind::Job, Kind::Pod];
    for kind in kinds {
        stage.give(Input::ListBegun(kind));
    }
    let checkpoint = json!({"observedGeneration": 1, "failing": [{
        "job": "train", "uid": uid(JOB), "podUid": uid(POD), "image": IMAGE,
        "cause": "NotFound", "failedPulls": 2, "state": "Counting",
        "firstFailureTime": "2026-11-24T08:15:00Z", "lastFailureTime": "2026-11-24T08:16:00Z"}]});
    stage.policy_with_status(spec, checkpoint);
    stage.queue();
    stage.job(json!({}));
    stage.workload(true, Some("2026-11-24T08:10:00Z"), json!({}));
    let pod = stage.pod_object(POD, container);
    stage.give(Input::Pod(Change::Listed(pod)));
    for kind in kinds {
        stage.give(Input::ListEnded(kind));
    }
    stage
}

#[test]
fn after_a_restart_the_count_goes_on_from_the_checkpoint() {
    let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": ""}});
    let mut stage = restarted(enforce(3), waiting);
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
        let mut stage = restarted(enforce(100), container.clone());
        stage.pod(POD, "ErrImagePull", MISSING);
        assert_eq!(failed_pulls(&stage), then, "listed as {container}");
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
