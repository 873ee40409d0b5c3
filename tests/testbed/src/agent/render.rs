//! The kubelet model's status as the patch that a kubelet sends.

use dislodge_sim::kubelet::{
    Condition, ContainerKind, ContainerState, ContainerStatus, PodKey, PodStatus, Terminated,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::clock::Clock;
use super::object::ADDRESS;
use crate::text::content_name;

/// The name under which a kubelet's writes stand in `managedFields`.
pub(super) const FIELD_MANAGER: &str = "kubelet";

/// A strategic merge patch of `pods/status`, with the uid as precondition (kubelet:
/// pkg/util/pod/pod.go `PatchPodStatus`). Conditions of others stay: the list is merged by type.
pub(super) fn status_patch(pod: &PodKey, status: &PodStatus, clock: &Clock) -> Value {
    let conditions: Vec<_> =
        status.conditions.iter().map(|one| condition(one, status, clock)).collect();
    let list = |main: bool| -> Vec<_> {
        let containers = status.containers.iter();
        let containers =
            containers.filter(|container| (container.kind == ContainerKind::Main) == main);
        containers.map(|container| container_status(pod, container, clock)).collect()
    };
    let mut body = Map::new();
    body.insert("phase".into(), json!(status.phase.as_str()));
    body.insert("observedGeneration".into(), json!(status.observed_generation));
    body.insert("startTime".into(), time(status.start_time, clock));
    body.insert("hostIP".into(), json!(ADDRESS));
    body.insert("hostIPs".into(), json!([{"ip": ADDRESS}]));
    let has_sandbox = status
        .condition(dislodge_sim::kubelet::ConditionType::PodReadyToStartContainers)
        .is_some_and(|condition| condition.status);
    if has_sandbox {
        let address = pod_address(pod);
        body.insert("podIP".into(), json!(address));
        body.insert("podIPs".into(), json!([{"ip": address}]));
    }
    body.insert("conditions".into(), Value::Array(conditions));
    let init = list(false);
    if !init.is_empty() {
        body.insert("initContainerStatuses".into(), Value::Array(init));
    }
    body.insert("containerStatuses".into(), Value::Array(list(true)));
    json!({"metadata": {"uid": &*pod.uid}, "status": body})
}

/// A time as the API has it: whole seconds.
pub(super) fn second(time: Timestamp) -> String {
    format!("{time:.0}")
}

fn time(at: std::time::Duration, clock: &Clock) -> Value {
    json!(second(clock.wall(at)))
}

fn condition(condition: &Condition, status: &PodStatus, clock: &Clock) -> Value {
    // null removes what an earlier status said.
    let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    json!({
        "type": condition.kind.as_str(),
        "status": if condition.status { "True" } else { "False" },
        "reason": text(&condition.reason),
        "message": text(&condition.message),
        "lastProbeTime": null,
        "lastTransitionTime": time(condition.since, clock),
        "observedGeneration": status.observed_generation,
    })
}

fn container_status(pod: &PodKey, container: &ContainerStatus, clock: &Clock) -> Value {
    let id = |start: u32| {
        let name = content_name([
            pod.uid.as_bytes(),
            container.name.as_bytes(),
            start.to_le_bytes().as_slice(),
        ]);
        // As long as a real one.
        json!(format!("containerd://{name}{name}"))
    };
    let mut body = Map::new();
    let (state, has_started) = match &container.state {
        ContainerState::Waiting(waiting) => {
            let mut state = Map::new();
            state.insert("reason".into(), json!(&*waiting.reason));
            if !waiting.message.is_empty() {
                state.insert("message".into(), json!(&*waiting.message));
            }
            (json!({"waiting": state}), container.last_terminated.is_some())
        }
        ContainerState::Running { started_at } => {
            (json!({"running": {"startedAt": time(*started_at, clock)}}), true)
        }
        ContainerState::Terminated(ended) => {
            let this = id(container.restart_count);
            (terminated(ended, this, clock), ended.started_at.is_some())
        }
    };
    if has_started {
        body.insert("containerID".into(), id(container.restart_count));
    }
    let last = container
        .last_terminated
        .as_ref()
        .map(|ended| terminated(ended, id(container.restart_count.saturating_sub(1)), clock));
    body.insert("name".into(), json!(&*container.name));
    body.insert("state".into(), state);
    body.insert("lastState".into(), last.unwrap_or_else(|| json!({})));
    body.insert("ready".into(), json!(container.ready));
    body.insert("started".into(), json!(container.started));
    body.insert("restartCount".into(), json!(container.restart_count));
    body.insert("image".into(), json!(&*container.image));
    body.insert("imageID".into(), json!(&*container.image_id));
    Value::Object(body)
}

fn terminated(ended: &Terminated, id: Value, clock: &Clock) -> Value {
    let mut body = Map::new();
    body.insert("exitCode".into(), json!(ended.exit_code));
    body.insert("reason".into(), json!(ended.reason));
    if !ended.message.is_empty() {
        body.insert("message".into(), json!(ended.message));
    }
    let times = [("startedAt", ended.started_at), ("finishedAt", ended.finished_at)];
    for (name, at) in times {
        if let Some(at) = at {
            body.insert(name.into(), time(at, clock));
        }
    }
    if ended.started_at.is_some() {
        body.insert("containerID".into(), id);
    }
    json!({"terminated": body})
}

/// An address of the pod network. Two pods may share one; nothing is ever sent there.
fn pod_address(pod: &PodKey) -> String {
    let name = content_name([pod.uid.as_bytes()]);
    let byte = |from: usize| {
        let digits = name.get(from..from + 2).unwrap_or_default();
        u8::from_str_radix(digits, 16).unwrap_or_default()
    };
    format!("10.244.{}.{}", byte(0), byte(2).clamp(1, 254))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dislodge_sim::kubelet::{ConditionType, Phase, Waiting};

    use super::super::read;
    use super::*;

    fn key() -> PodKey {
        PodKey { uid: "u".into(), namespace: "n".into(), name: "p".into() }
    }

    fn container(name: &str, kind: ContainerKind, state: ContainerState) -> ContainerStatus {
        ContainerStatus {
            name: name.into(),
            kind,
            image: "a:1".into(),
            image_id: "".into(),
            state,
            last_terminated: None,
            ready: false,
            started: false,
            restart_count: 0,
        }
    }

    fn waiting(reason: &str, message: &str) -> ContainerState {
        ContainerState::Waiting(Waiting { reason: reason.into(), message: message.into() })
    }

    fn status(at: Duration, containers: Vec<ContainerStatus>) -> PodStatus {
        let kinds = [
            ConditionType::PodReadyToStartContainers,
            ConditionType::Initialized,
            ConditionType::Ready,
            ConditionType::ContainersReady,
        ];
        let conditions = kinds.map(|kind| Condition {
            kind,
            status: kind == ConditionType::PodReadyToStartContainers,
            reason: "".into(),
            message: String::new(),
            since: at,
        });
        PodStatus {
            phase: Phase::Pending,
            observed_generation: 2,
            start_time: at,
            conditions: conditions.into(),
            containers,
        }
    }

    #[test]
    fn a_waiting_container_is_written_as_a_kubelet_writes_it() {
        let clock = Clock::start();
        let state = waiting("ErrImagePull", "not found");
        let status = status(clock.now(), vec![container("main", ContainerKind::Main, state)]);
        let patch = status_patch(&key(), &status, &clock);
        assert_eq!(patch["metadata"], json!({"uid": "u"}));
        let body = &patch["status"];
        assert_eq!(
            body["containerStatuses"][0],
            json!({
                "name": "main", "image": "a:1", "imageID": "", "ready": false, "started": false,
                "restartCount": 0, "lastState": {},
                "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}},
            })
        );
        assert_eq!(body["observedGeneration"], 2);
        assert_eq!(body.get("initContainerStatuses"), None);
        assert_eq!(body["conditions"][0]["reason"], Value::Null);
        assert!(body["podIP"].as_str().unwrap().starts_with("10.244."));
        assert!(!body["startTime"].as_str().unwrap().contains('.'));
    }

    #[test]
    fn what_is_written_says_the_same_when_it_is_read_again() {
        let clock = Clock::start();
        let ended = Terminated {
            exit_code: 137,
            reason: "ContainerStatusUnknown".into(),
            message: "gone".into(),
            started_at: None,
            finished_at: None,
        };
        let running = ContainerState::Running { started_at: clock.now() };
        let states = [running, waiting("ContainerCreating", ""), ContainerState::Terminated(ended)];
        for state in states {
            let written = status(
                clock.now(),
                vec![
                    container("z", ContainerKind::Init, waiting("PodInitializing", "")),
                    container("a", ContainerKind::Sidecar, state.clone()),
                    container("b", ContainerKind::Main, state.clone()),
                    container("c", ContainerKind::Main, state),
                ],
            );
            let pod = json!({
                "metadata": {"name": "p", "namespace": "n", "uid": "u"},
                "spec": {
                    "initContainers": [{"name": "z", "image": "a:1"},
                        {"name": "a", "image": "a:1", "restartPolicy": "Always"}],
                    "containers": [{"name": "c", "image": "a:1"}, {"name": "b", "image": "a:1"}],
                },
                "status": status_patch(&key(), &written, &clock)["status"],
            });
            let pod = read::pod(&serde_json::from_value(pod).unwrap(), &clock).unwrap();
            assert!(pod.shown.as_ref().unwrap().says_the_same(&written), "{:#?}", pod.shown);
        }
    }

    #[test]
    fn a_phase_that_somebody_else_wrote_is_seen() {
        let clock = Clock::start();
        let state = waiting("ImagePullBackOff", "");
        let written = status(clock.now(), vec![container("main", ContainerKind::Main, state)]);
        let mut pod = json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u"},
            "spec": {"containers": [{"name": "main", "image": "a:1"}]},
            "status": status_patch(&key(), &written, &clock)["status"],
        });
        pod["status"]["phase"] = json!("Failed");
        let pod = read::pod(&serde_json::from_value(pod).unwrap(), &clock).unwrap();
        assert!(!pod.shown.unwrap().says_the_same(&written));
    }
}
