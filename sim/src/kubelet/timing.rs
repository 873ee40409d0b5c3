//! How long the kubelet takes for what it does.

use std::time::Duration;

/// Every duration of the model in one value, so that a test can scale all of them together.
///
/// A jitter is the width of an interval: the wait is the base plus a part of the jitter that
/// depends on the pod and on how many waits it has had.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// Wait after a sync that returned an error (kubelet: `backOffPeriod` 10 s).
    pub retry: Duration,
    /// Jitter of `retry` (kubelet: `workerBackOffPeriodJitterFactor` 0.5).
    pub retry_jitter: Duration,
    /// Wait after a sync without an error (kubelet: `SyncFrequency` 1 min).
    pub resync: Duration,
    /// Jitter of `resync` (kubelet: `workerResyncIntervalJitterFactor` 0.5).
    pub resync_jitter: Duration,
    /// Period of the relist that notices sandboxes and containers that started or ended, and of
    /// the loop that starts due syncs (kubelet: generic PLEG and `syncCh`, both 1 s).
    pub relist: Duration,
    /// First image back-off after a failed pull (kubelet: `imageBackOffPeriod` 10 s).
    pub backoff_first: Duration,
    /// Longest image back-off (kubelet: `MaxImageBackOff` 300 s). An entry that is older than
    /// twice this starts again at `backoff_first`.
    pub backoff_max: Duration,
    /// First and longest wait between restarts of a crashing container, as for images (10 s, 300 s).
    pub crash_first: Duration,
    /// Longest wait between restarts of a crashing container.
    pub crash_max: Duration,
    /// Period of the status manager's comparison with what the API server shows (10 s).
    pub status_sync: Duration,
    /// Creation of the pod's sandbox (measured: about 0.1 s).
    pub sandbox: Duration,
    /// Creation and start of a container whose image is present (measured: about 50 ms).
    pub start: Duration,
    /// Removal of a sandbox in which nothing runs (measured: about 0.1 s).
    pub teardown: Duration,
    /// Jitter between the removal and the terminal status, which waits for a relist (0.1 to 0.9 s).
    pub teardown_jitter: Duration,
    /// Wait of a restarted kubelet before it syncs its pods (measured: 1.7 to 8 s).
    pub restart: Duration,
    /// Jitter of `restart`.
    pub restart_jitter: Duration,
    /// What the durations of the registry's scripts and the pods' grace periods are multiplied with.
    pub factor: f64,
}

impl Timing {
    /// The kubelet's own durations (Kubernetes 1.28 to 1.36; measured on 1.36.2).
    pub const fn real() -> Self {
        Self {
            retry: Duration::from_secs(10),
            retry_jitter: Duration::from_secs(5),
            resync: Duration::from_secs(60),
            resync_jitter: Duration::from_secs(30),
            relist: Duration::from_secs(1),
            backoff_first: Duration::from_secs(10),
            backoff_max: Duration::from_secs(300),
            crash_first: Duration::from_secs(10),
            crash_max: Duration::from_secs(300),
            status_sync: Duration::from_secs(10),
            sandbox: Duration::from_millis(100),
            start: Duration::from_millis(50),
            teardown: Duration::from_millis(100),
            teardown_jitter: Duration::from_millis(800),
            restart: Duration::from_millis(1700),
            restart_jitter: Duration::from_millis(6300),
            factor: 1.0,
        }
    }

    /// All durations times `factor`: 0.1 makes everything ten times as fast.
    ///
    /// The durations of the registry's scripts and the pods' grace periods are scaled too, so
    /// both are always given in real time.
    pub fn scaled(self, factor: f64) -> Self {
        let by = |duration: Duration| duration.mul_f64(factor);
        Self {
            retry: by(self.retry),
            retry_jitter: by(self.retry_jitter),
            resync: by(self.resync),
            resync_jitter: by(self.resync_jitter),
            relist: by(self.relist),
            backoff_first: by(self.backoff_first),
            backoff_max: by(self.backoff_max),
            crash_first: by(self.crash_first),
            crash_max: by(self.crash_max),
            status_sync: by(self.status_sync),
            sandbox: by(self.sandbox),
            start: by(self.start),
            teardown: by(self.teardown),
            teardown_jitter: by(self.teardown_jitter),
            restart: by(self.restart),
            restart_jitter: by(self.restart_jitter),
            factor: self.factor * factor,
        }
    }

    /// A duration of a script or a grace period, in this timing's scale.
    pub fn scale(&self, real: Duration) -> Duration {
        real.mul_f64(self.factor)
    }

    /// The real time that a duration of this timing stands for.
    pub(super) fn unscaled(&self, scaled: Duration) -> Duration {
        if self.factor > 0.0 { scaled.div_f64(self.factor) } else { scaled }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::real()
    }
}
