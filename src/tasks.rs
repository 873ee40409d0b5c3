//! The tasks of the process, and how they end: one by one, at a stop, or all where they stand.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a process. Clones share them.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    death: CancellationToken,
    fault: Arc<OnceLock<&'static str>>,
}

impl Tasks {
    /// None yet.
    pub fn new() -> Self {
        Self {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            death: CancellationToken::new(),
            fault: Arc::new(OnceLock::new()),
        }
    }

    /// Starts a task that is to end with the process and no sooner: if it does, the process stops.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let tasks = self.clone();
        self.start(async move {
            let stop = &tasks.stop;
            let ended = stop.run_until_cancelled(AssertUnwindSafe(task).catch_unwind()).await;
            if ended.is_some() && !stop.is_cancelled() {
                tracing::error!(
                    task = name,
                    "a part of the program has ended unexpectedly: stopping"
                );
                let _ = tasks.fault.set(name);
                stop.cancel();
            }
        });
    }

    /// Starts a task that ends by itself, also after a stop.
    pub fn start(&self, task: impl Future<Output = ()> + Send + 'static) {
        let tasks = self.clone();
        self.tracker.spawn(async move { tasks.alive(task).await });
    }

    /// Does something as long as the process lives; `None`: it was killed.
    pub async fn alive<T>(&self, task: impl Future<Output = T>) -> Option<T> {
        // First, at each step: who is dead does nothing more.
        tokio::select! {
            biased;
            () = self.death.cancelled() => None,
            done = task => Some(done),
        }
    }

    /// Asks all tasks to end when it is cancelled, and is cancelled where one ends that never ends. Those that were
    /// started to end by themselves do.
    pub const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Ends all tasks where they stand, as the end of a process does. The controller itself never asks
    /// for it: it is for a process that is only played, beside others in one.
    pub fn kill(&self) {
        self.death.cancel();
    }

    /// The task that ended though it never ends.
    pub fn fault(&self) -> Option<&'static str> {
        self.fault.get().copied()
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_ends_or_panics_stops_the_process_and_is_named() {
        let tasks = Tasks::new();
        tasks.spawn("watch", async { panic!("on purpose") });
        tasks.stop.cancelled().await;
        assert_eq!(tasks.fault(), Some("watch"));
    }

    #[tokio::test]
    async fn a_part_that_ends_with_the_process_is_no_fault() {
        let tasks = Tasks::new();
        tasks.spawn("watch", std::future::pending());
        tasks.stop().cancel();
        tasks.tracker.close();
        tasks.tracker.wait().await;
        assert_eq!(tasks.fault(), None);
    }

    #[tokio::test]
    async fn what_is_under_way_outlives_a_stop_and_nothing_outlives_a_kill() {
        let tasks = Tasks::new();
        let (step, mut steps) = tokio::sync::mpsc::unbounded_channel();
        let (go, mut gone) = tokio::sync::mpsc::unbounded_channel::<()>();
        tasks.start(async move {
            while gone.recv().await.is_some() {
                step.send(()).unwrap();
            }
        });
        tasks.stop().cancel();
        go.send(()).unwrap();
        assert_eq!(steps.recv().await, Some(()), "a write is ended");
        go.send(()).unwrap();
        tasks.kill();
        assert_eq!(steps.recv().await, None, "it has taken one more step");
        assert_eq!(tasks.alive(async {}).await, None);
    }
}
