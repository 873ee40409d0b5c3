//! The pod's status out of what the runtime has (kubelet: kubelet_pods.go `generateAPIPodStatus`).

use std::time::Duration;

use super::pod::{Container, ContainerKind, RestartPolicy};
use super::runtime::Life;
use super::status::{
    Condition, ConditionType, ContainerState, ContainerStatus, Phase, PodStatus, Terminated,
    Waiting,
};
use super::worker::Worker;

impl Worker {
    /// The status at `now` as far as the runtime's changes until `seen` are known.
    pub(super) fn report(&self, now: Duration, seen: Duration) -> PodStatus {
        let mut containers: Vec<_> =
            self.pod.containers.iter().map(|spec| self.container_status(spec, seen)).collect();
        let phase = self.foreign_end.unwrap_or_else(|| self.phase(&containers));
        let conditions = self.conditions(now, seen, phase, &containers);
        // status_manager.go `normalizeStatus`: regular containers by name, the others as in the spec
        containers.sort_by(|a, b| match (a.kind, b.kind) {
            (ContainerKind::Main, ContainerKind::Main) => a.name.cmp(&b.name),
            (a, b) => (a == ContainerKind::Main).cmp(&(b == ContainerKind::Main)),
        });
        PodStatus {
            phase,
            observed_generation: self.pod.generation,
            start_time: self.first_sync.unwrap_or(now),
            conditions,
            containers,
        }
    }

    /// The same while the pod's containers may still run: an end of the whole pod is not
    /// published before they are gone (status_manager.go `mergePodStatus`).
    pub(super) fn unended(&self, mut status: PodStatus) -> PodStatus {
        if status.phase.is_terminal() && self.foreign_end.is_none() {
            status.phase = self.last_written().map_or(Phase::Pending, |written| written.phase);
        }
        status
    }

    /// The last status of a pod (status_manager.go `TerminatePod`): containers that never started
    /// are given an end, and a pod that has none is failed.
    pub(super) fn report_ended(&self, now: Duration) -> PodStatus {
        let mut status = self.report(now, now);
        let (init, main): (Vec<_>, Vec<_>) = status
            .containers
            .iter_mut()
            .partition(|container| container.kind != ContainerKind::Main);
        let initialized = init.is_empty()
            || main.iter().any(|container| !matches!(container.state, ContainerState::Waiting(_)))
            || init.last().is_some_and(|container| exited_with_0(&container.state));
        let tried = 1 + init
            .iter()
            .rposition(|c| !matches!(c.state, ContainerState::Waiting(_)))
            .unwrap_or(0);
        let main = main.into_iter().filter(|_| initialized);
        for container in init.into_iter().take(tried).chain(main) {
            if !matches!(container.state, ContainerState::Terminated(_)) {
                container.state = ContainerState::Terminated(Terminated {
                    exit_code: 137,
                    reason: "ContainerStatusUnknown".to_owned(),
                    message: "The container could not be located when the pod was terminated"
                        .to_owned(),
                    started_at: None,
                    finished_at: None,
                });
            }
        }
        if !status.phase.is_terminal() {
            status.phase = Phase::Failed;
        }
        status
    }

    /// Whether the kubelet starts an ended container again (kubecontainer: `ShouldContainerBeRestarted`).
    pub(super) fn restarts(&self, container: &Container, exit_code: i32) -> bool {
        match (container.kind, self.pod.restart_policy) {
            _ if self.pod.deletion.is_some() => false,
            (ContainerKind::Sidecar, _) | (ContainerKind::Main, RestartPolicy::Always) => true,
            (ContainerKind::Init | ContainerKind::Main, RestartPolicy::Never) => false,
            (ContainerKind::Init, _) | (ContainerKind::Main, RestartPolicy::OnFailure) => {
                exit_code != 0
            }
        }
    }

    fn container_status(&self, spec: &Container, seen: Duration) -> ContainerStatus {
        let instance = self.runtime.instance(&spec.name);
        let reason = self.reasons.get(&spec.name).filter(|_| self.pod.deletion.is_none()).cloned();
        let mut last_terminated = instance.and_then(|instance| instance.previous.clone());
        let state = match self.runtime.life(&spec.name, seen) {
            Life::Absent => {
                ContainerState::Waiting(reason.unwrap_or_else(|| self.not_started_yet()))
            }
            Life::Running => ContainerState::Running {
                started_at: instance.map_or(seen, |instance| instance.started),
            },
            Life::Ended(terminated) => match reason {
                Some(reason) if self.restarts(spec, terminated.exit_code) => {
                    last_terminated = Some(terminated);
                    ContainerState::Waiting(reason)
                }
                _ => ContainerState::Terminated(terminated),
            },
        };
        let running = matches!(state, ContainerState::Running { .. });
        ContainerStatus {
            name: spec.name.clone(),
            kind: spec.kind,
            image: spec.image.clone(),
            image_id: instance.map(|instance| instance.image_id.clone()).unwrap_or_default(),
            ready: match spec.kind {
                ContainerKind::Init => exited_with_0(&state),
                ContainerKind::Sidecar | ContainerKind::Main => running,
            },
            started: running,
            restart_count: instance.map_or(0, |instance| instance.restarts),
            state,
            last_terminated,
        }
    }

    fn not_started_yet(&self) -> Waiting {
        let has_init = self.pod.containers.iter().any(|spec| spec.kind != ContainerKind::Main);
        Waiting::new(if has_init { "PodInitializing" } else { "ContainerCreating" }, "")
    }

    /// kubelet_pods.go `getPhase`
    fn phase(&self, containers: &[ContainerStatus]) -> Phase {
        let never = self.pod.restart_policy == RestartPolicy::Never;
        let init = || containers.iter().filter(|c| c.kind == ContainerKind::Init);
        if never && init().any(|c| exit_code(&c.state).is_some_and(|code| code != 0)) {
            return Phase::Failed;
        }
        if !initialized(containers) {
            return Phase::Pending;
        }
        let (mut running, mut ended, mut succeeded) = (false, 0, 0);
        let main: Vec<_> = containers.iter().filter(|c| c.kind == ContainerKind::Main).collect();
        for container in &main {
            match &container.state {
                ContainerState::Waiting(_) if container.last_terminated.is_none() => {
                    return Phase::Pending;
                }
                ContainerState::Waiting(_) => ended += 1,
                ContainerState::Running { .. } => running = true,
                ContainerState::Terminated(terminated) => {
                    ended += 1;
                    succeeded += usize::from(terminated.exit_code == 0);
                }
            }
        }
        match self.pod.restart_policy {
            _ if running => Phase::Running,
            _ if ended == 0 => Phase::Pending,
            RestartPolicy::Always => Phase::Running,
            _ if succeeded == main.len() => Phase::Succeeded,
            RestartPolicy::Never => Phase::Failed,
            RestartPolicy::OnFailure => Phase::Running,
        }
    }

    /// pkg/kubelet/status/generate.go
    fn conditions(
        &self,
        now: Duration,
        seen: Duration,
        phase: Phase,
        containers: &[ContainerStatus],
    ) -> Vec<Condition> {
        let names = |kind: fn(ContainerKind) -> bool, wanted: fn(&ContainerStatus) -> bool| {
            let names: Vec<_> = containers
                .iter()
                .filter(|container| kind(container.kind) && wanted(container))
                .map(|container| &*container.name)
                .collect();
            names.join(" ")
        };
        let sandbox = self.runtime.sandbox.is_some_and(|at| at <= seen);
        let incomplete = names(|kind| kind != ContainerKind::Main, |container| !container.ready);
        let unready = names(|kind| kind != ContainerKind::Init, |container| !container.ready);
        let initialized = initialized(containers);
        let completed = || ("PodCompleted", String::new());
        let initialized_because = match phase {
            Phase::Succeeded => completed(),
            Phase::Pending | Phase::Running | Phase::Failed if initialized => ("", String::new()),
            Phase::Pending | Phase::Running | Phase::Failed => (
                "ContainersNotInitialized",
                format!("containers with incomplete status: [{incomplete}]"),
            ),
        };
        let ready_because = match phase {
            Phase::Succeeded => completed(),
            Phase::Failed => ("PodFailed", String::new()),
            Phase::Pending | Phase::Running if unready.is_empty() => ("", String::new()),
            Phase::Pending | Phase::Running => {
                ("ContainersNotReady", format!("containers with unready status: [{unready}]"))
            }
        };
        let ready = ready_because.0.is_empty();
        [
            (ConditionType::PodReadyToStartContainers, sandbox, ("", String::new())),
            (
                ConditionType::Initialized,
                initialized || phase == Phase::Succeeded,
                initialized_because,
            ),
            (ConditionType::Ready, ready, ready_because.clone()),
            (ConditionType::ContainersReady, ready, ready_because),
        ]
        .into_iter()
        .map(|(kind, status, (reason, message))| {
            let before = self.last_written().and_then(|written| written.condition(kind));
            let since =
                before.filter(|before| before.status == status).map_or(now, |before| before.since);
            Condition { kind, status, reason: reason.into(), message, since }
        })
        .collect()
    }
}

/// Whether all init containers are done and all sidecars have been started, or a regular
/// container has.
fn initialized(containers: &[ContainerStatus]) -> bool {
    containers.iter().all(|container| match container.kind {
        ContainerKind::Init => exited_with_0(&container.state),
        ContainerKind::Sidecar => !container.image_id.is_empty(),
        ContainerKind::Main => true,
    })
}

fn exit_code(state: &ContainerState) -> Option<i32> {
    match state {
        ContainerState::Terminated(terminated) => Some(terminated.exit_code),
        ContainerState::Waiting(_) | ContainerState::Running { .. } => None,
    }
}

fn exited_with_0(state: &ContainerState) -> bool {
    exit_code(state) == Some(0)
}
