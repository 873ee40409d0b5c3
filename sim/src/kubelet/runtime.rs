//! What the container runtime has of a pod: its sandbox and its containers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Timing;
use super::status::Terminated;
use crate::registry::{OnSigterm, Run};

/// The sandbox and the newest instance of each container, with the times of their changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Runtime {
    /// When the sandbox was created; `None` where there is none.
    pub(super) sandbox: Option<Duration>,
    instances: BTreeMap<Arc<str>, Instance>,
}

/// One start of a container.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) started: Duration,
    pub(super) image_id: Arc<str>,
    pub(super) restarts: u32,
    /// How the instance before this one ended.
    pub(super) previous: Option<Terminated>,
    /// When it ends, or has ended, and its exit code.
    end: Option<(Duration, i32)>,
    on_sigterm: OnSigterm,
}

/// A container at one moment.
#[derive(Debug, Clone)]
pub(super) enum Life {
    Absent,
    Running,
    Ended(Terminated),
}

impl Runtime {
    pub(super) fn instance(&self, container: &str) -> Option<&Instance> {
        self.instances.get(container)
    }

    /// Starts a container.
    pub(super) fn start(
        &mut self,
        container: &Arc<str>,
        image_id: Arc<str>,
        run: Run,
        now: Duration,
        timing: &Timing,
    ) {
        let restarts = self.instances.get(container).map_or(0, |previous| previous.restarts + 1);
        let previous = match self.life(container, now) {
            Life::Ended(terminated) => Some(terminated),
            Life::Absent | Life::Running => None,
        };
        let end = run.lasts.map(|lasts| (now + timing.scale(lasts), run.exit_code));
        let instance = Instance {
            started: now,
            image_id,
            restarts,
            previous,
            end,
            on_sigterm: run.on_sigterm,
        };
        self.instances.insert(Arc::clone(container), instance);
    }

    /// What of the container is known at `seen`.
    pub(super) fn life(&self, container: &str, seen: Duration) -> Life {
        match self.instances.get(container) {
            Some(instance) => instance.life(seen),
            None => Life::Absent,
        }
    }

    /// The first change after `seen`.
    pub(super) fn first_change_after(&self, seen: Duration) -> Option<Duration> {
        let instances = self.instances.values();
        let ends = instances.clone().filter_map(|instance| instance.end.map(|(at, _)| at));
        let changes = self.sandbox.into_iter().chain(instances.map(|i| i.started)).chain(ends);
        changes.filter(|change| *change > seen).min()
    }

    /// Asks all running containers to end; returns their names, and when the last one will be gone.
    pub(super) fn stop(&mut self, now: Duration, grace: Duration) -> (Vec<Arc<str>>, Duration) {
        let mut names = Vec::new();
        let mut last = now;
        for (name, instance) in &mut self.instances {
            if matches!(instance.life(now), Life::Running) {
                let killed = match instance.on_sigterm {
                    OnSigterm::Ignores => (now + grace, 137),
                    OnSigterm::Ends { exit_code } => (now, exit_code),
                };
                let end = instance.end.filter(|(at, _)| *at <= killed.0).unwrap_or(killed);
                instance.end = Some(end);
                last = last.max(end.0);
                names.push(Arc::clone(name));
            }
        }
        (names, last)
    }
}

impl Instance {
    fn life(&self, seen: Duration) -> Life {
        match self.end {
            Some((at, exit_code)) if at <= seen => Life::Ended(Terminated {
                exit_code,
                reason: if exit_code == 0 { "Completed" } else { "Error" }.to_owned(),
                message: String::new(),
                started_at: Some(self.started),
                finished_at: Some(at),
            }),
            _ => Life::Running,
        }
    }
}
