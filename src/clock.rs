//! The only reader of clocks.

use std::time::Duration;

use dislodge_engine::time::Now;
use jiff::Timestamp;
use tokio::time::Instant;

/// The process' clock: time since it was started, and the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
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
        Timestamp::now()
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
