//! The end of a pod: deleted, ended by itself, or ended by somebody else's status (kubelet:
//! pod_workers.go, kubelet.go `SyncTerminatingPod` and `SyncTerminatedPod`).

use std::sync::Arc;
use std::time::Duration;

use super::Node;
use super::image::Wanted;
use super::output::EventKind;
use super::pod::PullPolicy;
use super::worker::{Work, Worker};

/// Where the end has got to.
#[derive(Debug, Clone)]
pub(super) enum Stop {
    /// Containers end, then the sandbox goes.
    Sandbox { until: Duration, quiet: bool },
    /// The last status is written.
    Status { until: Duration },
}

impl Stop {
    pub(super) const fn until(&self) -> Duration {
        match self {
            Self::Sandbox { until, .. } | Self::Status { until } => *until,
        }
    }
}

impl Worker {
    /// Asks the containers to end. A pod that is being deleted has the grace of its deletion.
    pub(super) fn begin_stopping(&mut self, now: Duration, node: &mut Node<'_>) {
        let timing = &node.config.timing;
        let grace = timing.scale(self.pod.deletion.unwrap_or(self.pod.grace));
        let (stopped, last) = self.runtime.stop(now, grace);
        for name in &stopped {
            let about = Wanted {
                image: "".into(),
                policy: PullPolicy::Never,
                container: Some(Arc::clone(name)),
            };
            self.event(&about, EventKind::Killing, format!("Stopping container {name}"), node);
        }
        self.work =
            Work::Stop(Stop::Sandbox { until: last + timing.teardown, quiet: stopped.is_empty() });
    }

    /// The next part of the end is reached.
    pub(super) fn go_on_stopping(&mut self, now: Duration, stop: &Stop, node: &mut Node<'_>) {
        match stop {
            Stop::Sandbox { quiet, .. } => {
                self.runtime.sandbox = None;
                if *quiet {
                    let status = self.unended(self.report(now, now));
                    self.publish(status, node);
                }
                let until = now + self.jitter.next(node.config.timing.teardown_jitter);
                self.work = Work::Stop(Stop::Status { until });
            }
            Stop::Status { .. } => {
                let status = self.report_ended(now);
                self.publish(status, node);
                self.work = Work::Ended;
                self.delete(node);
            }
        }
    }
}
