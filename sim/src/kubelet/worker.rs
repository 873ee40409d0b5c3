//! The worker of one pod: what it knows, and when it acts (kubelet: pod_workers.go).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::backoff::Backoff;
use super::jitter::Jitter;
use super::output::Output;
use super::pod::Pod;
use super::runtime::Runtime;
use super::status::{Phase, PodStatus, Waiting};
use super::stop::Stop;
use super::sync::Sync;
use super::{Config, Node};

/// One pod's worker.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    pub(super) pod: Pod,
    pub(super) runtime: Runtime,
    /// Why containers wait (kubelet: reason_cache.go), by container.
    pub(super) reasons: BTreeMap<Arc<str>, Waiting>,
    /// Back-off of pulls, by image.
    pub(super) pulls: Backoff,
    /// What is said of the last error of a pull while it is not tried again, by image; forgotten when the
    /// next pull begins.
    pub(super) pull_errors: BTreeMap<Arc<str>, (Arc<str>, Waiting)>,
    /// Back-off of restarts, by container.
    pub(super) crashes: Backoff,
    pub(super) jitter: Jitter,
    /// The status that was written last (kubelet: the status manager's cache).
    written: Option<Arc<PodStatus>>,
    /// When the pod was first synced.
    pub(super) first_sync: Option<Duration>,
    /// When the last sync began: later changes of the runtime are news.
    pub(super) seen: Duration,
    /// When the last sync ended.
    pub(super) synced: Duration,
    pub(super) work: Work,
    /// When to sync again whatever happens.
    pub(super) retry_at: Duration,
    /// A change of the pod that no sync has taken up yet.
    update_at: Option<Duration>,
    /// When the status manager finds that the API server shows another status.
    reassert_at: Option<Duration>,
    /// The terminal phase that somebody else wrote, once the worker has taken it up.
    pub(super) foreign_end: Option<Phase>,
    deleted: bool,
}

/// What the worker is doing.
#[derive(Debug, Clone)]
pub(super) enum Work {
    /// Nothing until the next sync.
    Idle,
    /// It is inside a sync.
    Sync(Box<Sync>),
    /// It ends the pod.
    Stop(Stop),
    /// The pod has ended.
    Ended,
}

impl Worker {
    pub(super) fn new(now: Duration, pod: Pod, config: &Config) -> Self {
        let timing = &config.timing;
        let ended = pod.shown.as_ref().is_some_and(|shown| shown.phase.is_terminal());
        Self {
            runtime: Runtime::default(),
            reasons: BTreeMap::new(),
            pulls: Backoff::new(timing.backoff_first, timing.backoff_max),
            pull_errors: BTreeMap::new(),
            crashes: Backoff::new(timing.crash_first, timing.crash_max),
            jitter: Jitter::of(&pod.key.uid),
            written: pod.shown.clone(),
            first_sync: pod.shown.as_ref().map(|shown| shown.start_time),
            seen: now,
            synced: now,
            work: if ended { Work::Ended } else { Work::Idle },
            retry_at: now,
            update_at: Some(now),
            reassert_at: None,
            foreign_end: None,
            deleted: false,
            pod,
        }
    }

    /// The API server shows a newer version of the pod.
    pub(super) fn reported(&mut self, now: Duration, pod: Pod, config: &Config) {
        if self.pod.differs_semantically(&pod) {
            self.update_at.get_or_insert(now);
        }
        self.pod = pod;
        let differs = match (&self.pod.shown, &self.written) {
            (Some(shown), Some(written)) => !shown.says_the_same(written),
            _ => false,
        };
        let period = config.timing.status_sync;
        let next_tick = || {
            let ticks = now.as_nanos().checked_div(period.as_nanos()).unwrap_or(0) + 1;
            period * u32::try_from(ticks).unwrap_or(u32::MAX)
        };
        self.reassert_at = differs.then(|| self.reassert_at.unwrap_or_else(next_tick));
    }

    /// The kubelet was restarted.
    pub(super) fn restart(&mut self, now: Duration, config: &Config) {
        let timing = &config.timing;
        self.reasons.clear();
        self.pulls = Backoff::new(timing.backoff_first, timing.backoff_max);
        self.pull_errors.clear();
        self.crashes = Backoff::new(timing.crash_first, timing.crash_max);
        if matches!(self.work, Work::Ended) {
            return;
        }
        self.work = Work::Idle;
        let first_sync = now + timing.restart + self.jitter.next(timing.restart_jitter);
        (self.seen, self.synced, self.retry_at) = (first_sync, first_sync, first_sync);
        self.update_at = None;
        // the first relist reports the sandbox as new
        if self.runtime.sandbox.is_some() {
            self.runtime.sandbox = Some(first_sync + Duration::from_nanos(1));
        }
    }

    /// When the worker acts next.
    pub(super) fn due(&self, config: &Config) -> Option<Duration> {
        let work = match &self.work {
            Work::Idle => {
                let relist = config.timing.relist;
                let changed = self.runtime.first_change_after(self.seen);
                let noticed = changed.map(|at| self.jitter.tick_after(at, relist));
                let wakes = [Some(self.retry_at), self.update_at, noticed];
                wakes.into_iter().flatten().min().map(|at| at.max(self.synced))
            }
            Work::Sync(sync) => sync.until(),
            Work::Stop(stop) => Some(stop.until()),
            Work::Ended => self.update_at.filter(|_| self.pod.deletion.is_some() && !self.deleted),
        };
        work.into_iter().chain(self.reassert_at).min()
    }

    /// Does what is due at `now`.
    pub(super) fn work(&mut self, now: Duration, node: &mut Node<'_>) {
        if self.reassert_at.is_some_and(|at| at <= now) {
            self.reassert_at = None;
            if let Some(written) = self.written.clone() {
                self.write(written, node);
            }
            return;
        }
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Idle => {
                self.update_at = None;
                self.begin_sync(now, node);
            }
            Work::Sync(sync) => self.go_on(now, *sync, node),
            Work::Stop(stop) => self.go_on_stopping(now, &stop, node),
            Work::Ended => {
                self.work = Work::Ended;
                self.update_at = None;
                self.delete(node);
            }
        }
    }

    /// Takes up the terminal phase that somebody else wrote, where the API server shows one.
    pub(super) fn take_up_foreign_end(&mut self) {
        if let (Some(shown), Some(written)) = (&self.pod.shown, &self.written)
            && shown.phase.is_terminal()
            && !written.phase.is_terminal()
        {
            self.foreign_end = Some(shown.phase);
        }
    }

    pub(super) fn last_written(&self) -> Option<&PodStatus> {
        self.written.as_deref()
    }

    /// Writes a status unless it says what the last one said (kubelet: `isPodStatusByKubeletEqual`).
    pub(super) fn publish(&mut self, status: PodStatus, node: &mut Node<'_>) {
        let news = self.written.as_ref().is_none_or(|written| {
            !written.says_the_same(&status)
                || written.observed_generation != status.observed_generation
        });
        if news {
            self.write(Arc::new(status), node);
        }
    }

    fn write(&mut self, status: Arc<PodStatus>, node: &mut Node<'_>) {
        self.reassert_at = None;
        self.pod.shown = Some(Arc::clone(&status));
        self.written = Some(Arc::clone(&status));
        node.outputs.push(Output::WriteStatus { pod: self.pod.key.clone(), status });
    }

    /// The pod has ended: it is removed where somebody has asked for that.
    pub(super) fn delete(&mut self, node: &mut Node<'_>) {
        if self.pod.deletion.is_some() && !self.deleted {
            self.deleted = true;
            node.outputs.push(Output::Delete { pod: self.pod.key.clone() });
        }
    }
}
