//! The only reader of clocks.

use std::time::Duration;

use dislodge_engine::time::Now;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The process' clock: time since it was started, and the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    /// What the wall clock showed at the start, where it is a virtual one.
    epoch: Option<Timestamp>,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Self {
        Self { origin: Instant::now(), epoch: None }
    }

    /// A clock that begins now, at this time of a wall clock that goes with the runtime's time: where
    /// that is paused, all time is virtual.
    pub fn start_at(epoch: Timestamp) -> Self {
        Self { origin: Instant::now(), epoch: Some(epoch) }
    }

    /// Both times at once, as the core wants them.
    pub fn now(&self) -> Now {
        Now { elapsed: self.elapsed(), wall: self.wall() }
    }

    /// Time since the clock was started; never goes back.
    pub fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The wall clock; may jump.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn wall(&self) -> Timestamp {
        let Some(epoch) = self.epoch else { return Timestamp::now() };
        let passed = SignedDuration::try_from(self.elapsed()).unwrap_or(SignedDuration::MAX);
        epoch.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// Waits until that much time has passed since the clock was started.
    pub async fn sleep_until(&self, elapsed: Duration) {
        match self.origin.checked_add(elapsed) {
            Some(instant) => tokio::time::sleep_until(instant).await,
            None => std::future::pending().await,
        }
    }
}

/// A span of time in milliseconds, as logs and benchmarks read it.
pub fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_virtual_wall_clock_goes_with_the_runtime() {
        let clock = Clock::start_at(Timestamp::UNIX_EPOCH);
        clock.sleep_until(Duration::from_secs(3600)).await;
        assert_eq!(
            clock.now(),
            Now { elapsed: Duration::from_secs(3600), wall: Timestamp::from_second(3600).unwrap() }
        );
    }
}
