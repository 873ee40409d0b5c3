//! One sync of a pod: publish what is known, then pull and start what is missing (kubelet:
//! kubelet.go `SyncPod`, kuberuntime_manager.go).
//!
//! The results of a sync are published by the next one. That is why a failure is seen one sync
//! late and why the status is frozen while a pull runs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::image::{Ensured, Wanted, image_id};
use super::output::EventKind;
use super::pod::{Container, ContainerKind};
use super::runtime::Life;
use super::status::Waiting;
use super::worker::{Work, Worker};
use super::{Node, Timing, Version};
use crate::registry::Pull;

/// The rest of a sync, after its status was published.
#[derive(Debug, Clone)]
pub(super) struct Sync {
    steps: VecDeque<Step>,
    current: Current,
    /// Image volumes that could not be pulled.
    volumes: BTreeMap<Arc<str>, Waiting>,
    failed: bool,
    /// What the next sync publishes, by container; `None`: it was started.
    results: BTreeMap<Arc<str>, Option<Waiting>>,
}

#[derive(Debug, Clone)]
enum Step {
    Volume { name: Arc<str>, wanted: Wanted },
    Container(Container),
}

/// What the sync waits for.
#[derive(Debug, Clone)]
enum Current {
    Nothing,
    Sandbox { until: Duration },
    Pull { step: Step, wanted: Wanted, until: Option<Duration>, pull: Pull },
    Start { container: Container, until: Duration },
}

impl Current {
    fn start(now: Duration, container: Container, node: &Node<'_>) -> Self {
        Self::Start { container, until: now + node.config.timing.start }
    }
}

impl Sync {
    const fn new() -> Self {
        Self {
            steps: VecDeque::new(),
            current: Current::Nothing,
            volumes: BTreeMap::new(),
            failed: false,
            results: BTreeMap::new(),
        }
    }

    /// Until when it waits; `None`: for ever.
    pub(super) const fn until(&self) -> Option<Duration> {
        match &self.current {
            Current::Nothing => Some(Duration::ZERO),
            Current::Sandbox { until } | Current::Start { until, .. } => Some(*until),
            Current::Pull { until, .. } => *until,
        }
    }
}

impl Worker {
    /// A sync begins: the status is published, then the work is planned.
    pub(super) fn begin_sync(&mut self, now: Duration, node: &mut Node<'_>) {
        self.take_up_foreign_end();
        self.first_sync.get_or_insert(now);
        self.seen = now;
        let status = self.report(now, self.seen);
        let ends =
            self.pod.deletion.is_some() || self.foreign_end.is_some() || status.phase.is_terminal();
        self.publish(self.unended(status), node);
        if ends {
            self.begin_stopping(now, node);
            return;
        }
        let mut sync = Sync::new();
        if self.runtime.sandbox.is_none() {
            sync.current = Current::Sandbox { until: now + node.config.timing.sandbox };
            self.work = Work::Sync(Box::new(sync));
        } else {
            self.plan_steps(&mut sync);
            self.take_steps(now, sync, node);
        }
    }

    /// What the sync was waiting for has happened.
    pub(super) fn go_on(&mut self, now: Duration, mut sync: Sync, node: &mut Node<'_>) {
        match std::mem::replace(&mut sync.current, Current::Nothing) {
            Current::Nothing => {}
            Current::Sandbox { .. } => {
                self.runtime.sandbox = Some(now);
                if node.config.version >= Version::V1_36 {
                    let status = self.report(now, now);
                    self.publish(status, node);
                }
                self.plan_steps(&mut sync);
            }
            Current::Pull { step, wanted, pull, .. } => {
                let pulled = self.pulled(now, &wanted, &pull, node);
                match (step, pulled) {
                    (Step::Container(container), Ok(())) => {
                        sync.current = Current::start(now, container, node);
                    }
                    (step, Err(waiting)) => self.fail(&mut sync, step, waiting, node),
                    (Step::Volume { .. }, Ok(())) => {}
                }
            }
            Current::Start { container, .. } => {
                let run = node.registry.run(&container.image);
                let (name, id) = (&container.name, image_id(&container.image));
                self.runtime.start(name, id, run, now, &node.config.timing);
                self.event(
                    &Wanted::of(&container),
                    EventKind::Started,
                    format!("Started container {name}"),
                    node,
                );
                sync.results.insert(container.name, None);
            }
        }
        self.take_steps(now, sync, node);
    }

    /// kuberuntime_manager.go `computePodActions`, for containers that are to be started.
    fn plan_steps(&self, sync: &mut Sync) {
        let containers = self.containers_to_start();
        if !containers.is_empty() {
            for volume in &self.pod.image_volumes {
                let wanted = Wanted {
                    image: volume.image.as_str().into(),
                    policy: volume.pull_policy,
                    container: None,
                };
                sync.steps.push_back(Step::Volume { name: volume.name.as_str().into(), wanted });
            }
        }
        sync.steps.extend(containers.into_iter().map(Step::Container));
    }

    fn containers_to_start(&self) -> Vec<Container> {
        let mut start = Vec::new();
        for spec in &self.pod.containers {
            let life = self.runtime.life(&spec.name, self.seen);
            let wanted = match &life {
                Life::Absent => true,
                Life::Running => false,
                Life::Ended(terminated) => self.restarts(spec, terminated.exit_code),
            };
            if wanted {
                start.push(spec.clone());
            }
            let done = match (spec.kind, &life) {
                (ContainerKind::Init, Life::Ended(terminated)) => terminated.exit_code == 0,
                (ContainerKind::Init, _) | (ContainerKind::Sidecar, Life::Absent) => false,
                (ContainerKind::Sidecar | ContainerKind::Main, _) => true,
            };
            if !done && spec.kind != ContainerKind::Main {
                break;
            }
        }
        start
    }

    fn take_steps(&mut self, now: Duration, mut sync: Sync, node: &mut Node<'_>) {
        while matches!(sync.current, Current::Nothing) {
            let Some(step) = sync.steps.pop_front() else {
                self.end_sync(now, sync, node);
                return;
            };
            self.take_step(now, &mut sync, step, node);
        }
        self.work = Work::Sync(Box::new(sync));
    }

    fn take_step(&mut self, now: Duration, sync: &mut Sync, step: Step, node: &mut Node<'_>) {
        let wanted = match &step {
            Step::Volume { wanted, .. } => wanted.clone(),
            Step::Container(container) => {
                let volume =
                    container.image_volumes.iter().find_map(|name| sync.volumes.get(name.as_str()));
                let waiting = self
                    .crash_backoff(now, container, &node.config.timing)
                    .or_else(|| volume.cloned());
                if let Some(waiting) = waiting {
                    self.fail(sync, step, waiting, node);
                    return;
                }
                Wanted::of(container)
            }
        };
        match (self.ensure(now, &wanted, node), step) {
            (Ensured::Refused(waiting), step) => self.fail(sync, step, waiting, node),
            (Ensured::Pulling { until, pull }, step) => {
                sync.current = Current::Pull { step, wanted, until, pull };
            }
            (Ensured::Present, Step::Container(container)) => {
                sync.current = Current::start(now, container, node);
            }
            (Ensured::Present, Step::Volume { .. }) => {}
        }
    }

    fn fail(&self, sync: &mut Sync, step: Step, waiting: Waiting, node: &mut Node<'_>) {
        sync.failed = true;
        match step {
            Step::Volume { name, .. } => {
                sync.volumes.insert(name, waiting);
            }
            Step::Container(container) => {
                let message = format!("Error: {}", waiting.reason);
                self.event(&Wanted::of(&container), EventKind::Failed, message, node);
                sync.results.insert(container.name, Some(waiting));
            }
        }
    }

    /// kuberuntime_manager.go `doBackOff`: checked before the image.
    fn crash_backoff(
        &mut self,
        now: Duration,
        container: &Container,
        timing: &Timing,
    ) -> Option<Waiting> {
        let Life::Ended(terminated) = self.runtime.life(&container.name, self.seen) else {
            return None;
        };
        let (name, ended) = (&*container.name, terminated.finished_at.unwrap_or(now));
        if !self.crashes.holds_since(name, ended, now) {
            self.crashes.next(name, now);
            return None;
        }
        let key = &self.pod.key;
        let message = format!(
            "back-off {}s restarting failed container={name} pod={}_{}({})",
            timing.unscaled(self.crashes.current(name)).as_secs_f64().round(),
            key.name,
            key.namespace,
            key.uid
        );
        Some(Waiting::new("CrashLoopBackOff", message))
    }

    /// The results are kept for the next sync, which is planned.
    fn end_sync(&mut self, now: Duration, sync: Sync, node: &Node<'_>) {
        for (container, result) in sync.results {
            match result {
                Some(waiting) => self.reasons.insert(container, waiting),
                None => self.reasons.remove(&container),
            };
        }
        let timing = &node.config.timing;
        self.synced = now;
        self.retry_at = if sync.failed {
            let due = now + timing.retry + self.jitter.next(timing.retry_jitter);
            self.jitter.tick_after(due, timing.relist)
        } else {
            now + timing.resync + self.jitter.next(timing.resync_jitter)
        };
        self.work = Work::Idle;
    }
}

impl Wanted {
    fn of(container: &Container) -> Self {
        Self {
            image: Arc::clone(&container.image),
            policy: container.pull_policy,
            container: Some(Arc::clone(&container.name)),
        }
    }
}
