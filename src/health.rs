//! How the process fares, for the probes: one value that the parts of the program write to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dislodge_engine::input::Kind;

use crate::clock::Clock;

/// How long the driver may go without a sign of life. It gives one every few seconds.
const SILENCE: Duration = Duration::from_secs(30);
/// No sign of life yet: the driver has not been started.
const NEVER: u64 = u64::MAX;

/// How the process fares. Clones share one value.
#[derive(Clone, Debug)]
pub struct Health {
    clock: Clock,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    reached: AtomicBool,
    /// When the driver gave its last sign of life, in milliseconds since the process began.
    pulse: AtomicU64,
    kinds: Mutex<BTreeMap<Kind, Progress>>,
}

/// How the watch of a kind fares.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// It has been listed once, or is known not to be served.
    known: bool,
    trouble: Option<String>,
}

impl Health {
    /// Nothing has been reached, nothing has been listed.
    pub fn new(clock: Clock) -> Self {
        let kinds = Kind::ALL.iter().map(|kind| (*kind, Progress::default())).collect();
        let shared = Shared {
            reached: AtomicBool::new(false),
            pulse: AtomicU64::new(NEVER),
            kinds: Mutex::new(kinds),
        };
        Self { clock, shared: Arc::new(shared) }
    }

    /// The API server has answered.
    pub fn reached(&self) {
        self.shared.reached.store(true, Ordering::Relaxed);
    }

    /// The driver is alive.
    pub fn beat(&self) {
        let elapsed = u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(NEVER - 1);
        self.shared.pulse.store(elapsed, Ordering::Relaxed);
    }

    /// A kind has been listed whole.
    pub fn listed(&self, kind: Kind) {
        self.with(kind, |progress| *progress = Progress { known: true, trouble: None });
    }

    /// A kind is not served.
    pub fn absent(&self, kind: Kind) {
        self.listed(kind);
    }

    /// What is wrong with the watch of a kind; `None`: nothing any more.
    pub fn trouble(&self, kind: Kind, trouble: Option<String>) {
        self.with(kind, |progress| progress.trouble = trouble);
    }

    /// Whether the watch of each kind works.
    pub fn watches(&self) -> Vec<(Kind, bool)> {
        let kinds = self.shared.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let works = |progress: &Progress| progress.known && progress.trouble.is_none();
        kinds.iter().map(|(kind, progress)| (*kind, works(progress))).collect()
    }

    fn with(&self, kind: Kind, change: impl FnOnce(&mut Progress)) {
        let mut kinds = self.shared.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        change(kinds.entry(kind).or_default());
    }

    /// Whether the process is worth keeping.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn live(&self) -> Result<(), String> {
        let pulse = self.shared.pulse.load(Ordering::Relaxed);
        let silence = self.clock.elapsed().saturating_sub(Duration::from_millis(pulse));
        if pulse != NEVER && silence > SILENCE {
            return Err(format!("the driver has been silent for {} s", silence.as_secs()));
        }
        Ok(())
    }

    /// Whether the process sees the cluster whole.
    ///
    /// # Errors
    ///
    /// What is missing, a line each.
    pub fn ready(&self) -> Result<(), String> {
        let mut missing = Vec::new();
        if !self.shared.reached.load(Ordering::Relaxed) {
            missing.push("the API server has not answered yet".to_owned());
        }
        if self.shared.pulse.load(Ordering::Relaxed) == NEVER {
            missing.push("the driver has not been started yet".to_owned());
        }
        missing.extend(self.live().err());
        let kinds = self.shared.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, progress) in kinds.iter().filter(|(_, progress)| !progress.known) {
            let trouble = progress.trouble.as_deref().map(|trouble| format!(": {trouble}"));
            missing.push(format!(
                "{} has not been listed yet{}",
                kind.as_str(),
                trouble.unwrap_or_default()
            ));
        }
        if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readiness_names_what_is_missing_until_nothing_is() {
        let health = Health::new(Clock::start());
        health.trouble(Kind::Pod, Some("cannot list pods: forbidden".to_owned()));
        let missing = health.ready().unwrap_err();
        assert!(missing.contains("has not answered"), "{missing}");
        assert!(missing.contains("Pod has not been listed yet: cannot list pods"), "{missing}");
        health.reached();
        health.beat();
        for kind in Kind::ALL {
            health.listed(kind);
        }
        assert_eq!(health.ready(), Ok(()));
    }

    #[tokio::test]
    async fn a_kind_that_is_not_served_does_not_keep_us_from_being_ready() {
        let health = Health::new(Clock::start());
        health.absent(Kind::Workload);
        assert!(!health.ready().unwrap_err().contains("Workload"));
    }

    #[tokio::test]
    async fn a_process_that_waits_for_the_api_server_is_alive() {
        assert_eq!(Health::new(Clock::start()).live(), Ok(()));
    }
}
