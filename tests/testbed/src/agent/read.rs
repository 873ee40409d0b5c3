//! A Pod of the API as the kubelet model reads it.

use std::time::Duration;

use dislodge_sim::kubelet::{
    Condition, ConditionType, Container, ContainerKind, ContainerState, ContainerStatus,
    ImageVolume, Phase, Pod, PodStatus, PullPolicy, RestartPolicy, Terminated, Waiting,
};
use k8s_openapi::api::core::v1 as api;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::clock::Clock;

/// kubelet: the conditions that it owns, in the order in which the model has them.
const CONDITIONS: [ConditionType; 4] = [
    ConditionType::PodReadyToStartContainers,
    ConditionType::Initialized,
    ConditionType::Ready,
    ConditionType::ContainersReady,
];

/// The pod, or nothing where the API server's defaults are missing.
pub(super) fn pod(pod: &api::Pod, clock: &Clock) -> Option<Pod> {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref()?;
    let image_volumes: Vec<_> = spec.volumes.iter().flatten().filter_map(image_volume).collect();
    let init = spec.init_containers.iter().flatten().map(|container| {
        let sidecar = container.restart_policy.as_deref() == Some("Always");
        let kind = if sidecar { ContainerKind::Sidecar } else { ContainerKind::Init };
        (kind, container)
    });
    let main = spec.containers.iter().map(|container| (ContainerKind::Main, container));
    let containers: Vec<_> =
        init.chain(main).map(|(kind, spec)| container(kind, spec, &image_volumes)).collect();
    let mut read =
        Pod::new(meta.uid.as_deref()?, meta.namespace.as_deref()?, meta.name.as_deref()?);
    read.generation = meta.generation.unwrap_or_default();
    read.restart_policy = match spec.restart_policy.as_deref() {
        Some("Never") => RestartPolicy::Never,
        Some("OnFailure") => RestartPolicy::OnFailure,
        _ => RestartPolicy::Always,
    };
    read.grace = seconds(spec.termination_grace_period_seconds.unwrap_or(30));
    read.deletion = meta
        .deletion_timestamp
        .as_ref()
        .map(|_| seconds(meta.deletion_grace_period_seconds.unwrap_or_default()));
    read.shown =
        pod.status.as_ref().and_then(|status| shown(status, &containers, clock)).map(Into::into);
    read.containers = containers;
    read.image_volumes = image_volumes;
    Some(read)
}

fn container(kind: ContainerKind, spec: &api::Container, volumes: &[ImageVolume]) -> Container {
    let image = spec.image.as_deref().unwrap_or_default();
    let mut read = Container::new(kind, &spec.name, image);
    read.pull_policy = pull_policy(spec.image_pull_policy.as_deref());
    read.image_volumes = spec
        .volume_mounts
        .iter()
        .flatten()
        .filter(|mount| volumes.iter().any(|volume| volume.name == mount.name))
        .map(|mount| mount.name.clone())
        .collect();
    read
}

fn image_volume(volume: &api::Volume) -> Option<ImageVolume> {
    let source = volume.image.as_ref()?;
    Some(ImageVolume {
        name: volume.name.clone(),
        image: source.reference.clone().unwrap_or_default(),
        pull_policy: pull_policy(source.pull_policy.as_deref()),
    })
}

/// The API server sets the policy; it is absent nowhere.
fn pull_policy(policy: Option<&str>) -> PullPolicy {
    match policy {
        Some("Always") => PullPolicy::Always,
        Some("Never") => PullPolicy::Never,
        _ => PullPolicy::IfNotPresent,
    }
}

/// The status in the kubelet's terms; nothing while no kubelet has written it.
fn shown(status: &api::PodStatus, specs: &[Container], clock: &Clock) -> Option<PodStatus> {
    let start_time = since(status.start_time.as_ref(), clock)?;
    let conditions = CONDITIONS
        .into_iter()
        .filter_map(|kind| {
            let conditions = status.conditions.iter().flatten();
            let mut conditions = conditions.filter(|shown| shown.type_ == kind.as_str());
            conditions.next().map(|shown| condition(kind, shown, clock))
        })
        .collect();
    let kind_of = |name: &str| specs.iter().find(|spec| *spec.name == *name).map(|spec| spec.kind);
    let mut containers: Vec<_> = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten()
        .filter_map(|shown| container_status(kind_of(&shown.name)?, shown, clock))
        .collect();
    // Init containers as in the spec, then the others by name: the order in which kubelets write.
    containers.sort_by_key(|shown| {
        let place = specs.iter().position(|spec| spec.name == shown.name);
        match shown.kind {
            ContainerKind::Main => (1, Some(0), shown.name.clone()),
            ContainerKind::Init | ContainerKind::Sidecar => (0, place, "".into()),
        }
    });
    Some(PodStatus {
        phase: match status.phase.as_deref() {
            Some("Running") => Phase::Running,
            Some("Succeeded") => Phase::Succeeded,
            Some("Failed") => Phase::Failed,
            _ => Phase::Pending,
        },
        observed_generation: status.observed_generation.unwrap_or_default(),
        start_time,
        conditions,
        containers,
    })
}

fn condition(kind: ConditionType, shown: &api::PodCondition, clock: &Clock) -> Condition {
    Condition {
        kind,
        status: shown.status == "True",
        reason: shown.reason.clone().unwrap_or_default().into(),
        message: shown.message.clone().unwrap_or_default(),
        since: since(shown.last_transition_time.as_ref(), clock).unwrap_or_default(),
    }
}

fn container_status(
    kind: ContainerKind,
    shown: &api::ContainerStatus,
    clock: &Clock,
) -> Option<ContainerStatus> {
    let state = shown.state.as_ref()?;
    let state = if let Some(running) = &state.running {
        let started_at = since(running.started_at.as_ref(), clock).unwrap_or_default();
        ContainerState::Running { started_at }
    } else if let Some(ended) = &state.terminated {
        ContainerState::Terminated(terminated(ended, clock))
    } else {
        let waiting = state.waiting.clone().unwrap_or_default();
        ContainerState::Waiting(Waiting {
            reason: waiting.reason.unwrap_or_default().into(),
            message: waiting.message.unwrap_or_default().into(),
        })
    };
    let last = shown.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    Some(ContainerStatus {
        name: shown.name.as_str().into(),
        kind,
        image: shown.image.as_str().into(),
        image_id: shown.image_id.as_str().into(),
        state,
        last_terminated: last.map(|last| terminated(last, clock)),
        ready: shown.ready,
        started: shown.started.unwrap_or_default(),
        restart_count: u32::try_from(shown.restart_count).unwrap_or_default(),
    })
}

fn terminated(shown: &api::ContainerStateTerminated, clock: &Clock) -> Terminated {
    Terminated {
        exit_code: shown.exit_code,
        reason: shown.reason.clone().unwrap_or_default(),
        message: shown.message.clone().unwrap_or_default(),
        started_at: since(shown.started_at.as_ref(), clock),
        finished_at: since(shown.finished_at.as_ref(), clock),
    }
}

fn since(time: Option<&Time>, clock: &Clock) -> Option<Duration> {
    time.map(|time| clock.of(time.0))
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(pod: serde_json::Value) -> Pod {
        super::pod(&serde_json::from_value(pod).unwrap(), &Clock::start()).unwrap()
    }

    #[test]
    fn the_parts_of_the_spec_that_decide_about_pulls_are_read() {
        let pod = parsed(json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "generation": 3,
                "deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 7},
            "spec": {
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 5,
                "initContainers": [
                    {"name": "side", "image": "s", "restartPolicy": "Always"},
                    {"name": "init", "image": "i", "imagePullPolicy": "Never"},
                ],
                "containers": [{"name": "main", "image": "m", "imagePullPolicy": "Always",
                    "volumeMounts": [{"name": "model", "mountPath": "/m"}, {"name": "d", "mountPath": "/d"}]}],
                "volumes": [{"name": "d", "emptyDir": {}},
                    {"name": "model", "image": {"reference": "v", "pullPolicy": "IfNotPresent"}}],
            },
        }));
        assert_eq!((pod.generation, pod.restart_policy), (3, RestartPolicy::Never));
        assert_eq!((pod.grace, pod.deletion), (seconds(5), Some(seconds(7))));
        let kinds: Vec<_> = pod.containers.iter().map(|c| (c.kind, c.pull_policy)).collect();
        assert_eq!(
            kinds,
            [
                (ContainerKind::Sidecar, PullPolicy::IfNotPresent),
                (ContainerKind::Init, PullPolicy::Never),
                (ContainerKind::Main, PullPolicy::Always),
            ]
        );
        assert_eq!(pod.containers[2].image_volumes, ["model"]);
        assert_eq!(pod.image_volumes[0].image, "v");
        assert_eq!(pod.shown, None);
    }

    #[test]
    fn a_status_that_only_the_scheduler_has_written_is_none_of_the_kubelets() {
        let pod = parsed(json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u"},
            "spec": {"containers": [{"name": "main", "image": "m"}]},
            "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]},
        }));
        assert_eq!(pod.shown, None);
    }
}
