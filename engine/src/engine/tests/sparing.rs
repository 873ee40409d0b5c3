//! What runs, or may be pulled, beside a failing image: it is spared, or at least counted with.

use serde_json::{Value, json};

use super::stage::{IMAGE, MISSING, POD, Stage, short};
use super::{enforce, status_of};
use crate::effect::Outcome;
use crate::input::{Change, Input};
use crate::objects::Pod;

const SECRET: &str = "illegal base64 data at input byte 0";
const OTHER: &str = "r.io/team/side:1";

fn rule(cause: &str, seconds: u32, action: &str, peers: &str) -> Value {
    let mut spec = enforce(1);
    spec["rules"][0] = json!({"name": "r", "causes": [cause], "action": action, "runningPeers": peers,
        "threshold": {"failedPulls": 1, "failingSeconds": seconds}});
    spec
}

/// A Pod with two containers: the first is the one of the other stories.
fn two(stage: &mut Stage, first: &Value, second: &Value) {
    stage.next_version();
    let mut pod: Pod = stage.pod_object(POD, first.clone());
    let side = stage.pod_object(POD, second.clone());
    let (mut container, mut status) =
        (side.spec.containers[0].clone(), side.status.container_statuses[0].clone());
    (container.name, container.image) = ("side".to_owned(), OTHER.to_owned());
    status.name = "side".to_owned();
    pod.spec.containers.push(container);
    pod.status.container_statuses.push(status);
    stage.give(Input::Pod(Change::Seen(pod)));
}

fn waits(reason: &str, message: &str) -> Value {
    json!({"waiting": {"reason": reason, "message": message}})
}

fn invalid() -> Value {
    waits("InvalidImageName", "invalid reference format")
}

#[test]
fn a_peer_that_ran_on_a_node_which_does_not_report_is_spared_also_after_a_restart() {
    for state in [json!({"running": {}}), json!({"terminated": {}})] {
        let mut stage = Stage::new();
        stage.policy(rule("NotFound", 0, "SuspendJob", "Spare"));
        stage.admitted();
        stage.node("n2", "Unknown");
        stage.next_version();
        let mut peer = stage.pod_object(POD + 1, state.clone());
        "n2".clone_into(&mut peer.spec.node_name);
        stage.give(Input::Pod(Change::Seen(peer)));
        stage.first_failure(POD);
        let runs = state["running"].is_object();
        let expected = if runs { "event ImagePullFailed Report" } else { "hold Workload" };
        assert_eq!(short(&stage.answer(Outcome::Applied)), [expected], "{state}");
    }
}

#[test]
fn a_pod_of_which_a_container_runs_is_not_ended_where_its_exit_code_may_be_ignored() {
    let decides = json!({"podFailurePolicy": {"rules": [
        {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [143]}},
        {"action": "FailJob", "onPodConditions": [{"type": "dislodge.dev/ImagePullFailed", "status": "True"}]}]}});
    for (other, expected) in [
        (json!({"running": {}}), "event ImagePullFailed Report"),
        (json!({"terminated": {}}), "event ImagePullFailed Report"),
        (invalid(), "end Pod"),
    ] {
        let mut stage = Stage::new();
        stage.policy(rule("InvalidReference", 0, "FailJob", "Stop"));
        stage.queue();
        let queue = json!({"kueue.x-k8s.io/queue-name": "gpu"});
        stage.job_with(queue, json!({}), decides.clone());
        stage.workload(true, Some("2026-11-24T08:10:00Z"), json!({}));
        two(&mut stage, &invalid(), &other);
        let effects = short(&stage.answer(Outcome::Applied));
        assert_eq!(effects[0], expected, "{other}: {effects:?}");
    }
}

/// An unreadable secret shows once, the owner mends it, and the pull takes minutes under the frozen status.
#[test]
fn a_secret_that_could_not_be_read_is_reported_when_its_time_is_over_because_a_pull_may_run() {
    for action in ["FailJob", "SuspendJob", "RequeueJob"] {
        let mut stage = Stage::new();
        stage.policy(rule("Unauthorized", 300, action, "Stop"));
        stage.admitted();
        stage.wait(1);
        stage.pod(POD, SECRET, SECRET);
        stage.wait(290);
        assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "{action}");
        stage.wait(3600);
        let effects = stage.answer(Outcome::Applied);
        assert_eq!(short(&effects), ["event ImagePullFailed Report"], "{action}");
        let failing = &status_of(&effects).unwrap().failing[0];
        assert_eq!(failing.reason.as_deref(), Some("PullMayRun"), "{action}");
        // Mended, and still wrong: those are failed pulls. The first is published late.
        let denied =
            "failed to pull and unpack image: failed to resolve reference: 401 Unauthorized";
        stage.pod(POD, "ErrImagePull", denied);
        assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "{action}");
        stage.pod(POD, "ImagePullBackOff", "");
        stage.wait(20);
        stage.pod(POD, "ErrImagePull", denied);
        let effects = short(&stage.answer(Outcome::Applied));
        assert!(effects.contains(&"hold Workload".to_owned()), "{action}: {effects:?}");
    }
}

#[test]
fn what_is_bad_without_a_pull_waits_for_the_pulls_of_the_pod_s_other_images() {
    let back_off = waits("ImagePullBackOff", "Back-off pulling image \"r.io/team/side:1\"");
    let failed = waits("ErrImagePull", &MISSING.replace(IMAGE, OTHER));
    for (other, acts) in [
        (waits("ContainerCreating", ""), false),
        (back_off, false), // it may be pulled by now, and nothing would show
        (failed, true),
        (invalid(), true),
        (json!({"running": {}}), true),
    ] {
        let mut stage = Stage::new();
        stage.policy(rule("InvalidReference", 0, "SuspendJob", "Stop"));
        stage.queue();
        stage.job(json!({}));
        stage.workload(true, Some("2026-11-24T08:10:00Z"), json!({}));
        let creating = waits("ContainerCreating", "");
        two(&mut stage, &creating, &creating);
        stage.wait(1);
        two(&mut stage, &invalid(), &other);
        let effects = short(&stage.answer(Outcome::Applied));
        assert_eq!(effects == ["hold Workload"], acts, "{other}: {effects:?}");
    }
}
