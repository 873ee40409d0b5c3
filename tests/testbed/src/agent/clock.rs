//! The kubelet model's time, which is a span since some zero, beside the clocks of this machine.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// How long before the agent's start zero lies, so that pods that are older have times too.
const PAST: Duration = Duration::from_secs(24 * 3600);

/// A monotonic clock that was set by the wall clock once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    started: Instant,
    wall: Timestamp,
}

impl Clock {
    /// A clock that starts now.
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), wall: wall_now() }
    }

    /// The model's time.
    pub(super) fn now(&self) -> Duration {
        PAST + self.started.elapsed()
    }

    /// When to wake up for a time of the model.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.started + at.saturating_sub(PAST)
    }

    /// What the API shows for a time of the model.
    pub(super) fn wall(&self, at: Duration) -> Timestamp {
        let signed = |span| SignedDuration::try_from(span).unwrap_or(SignedDuration::ZERO);
        self.wall.checked_add(signed(at) - signed(PAST)).unwrap_or(self.wall)
    }

    /// The model's time for a time that the API shows; zero where it lies before that.
    pub(super) fn of(&self, wall: Timestamp) -> Duration {
        let since = wall.duration_since(self.wall);
        if since.is_negative() {
            PAST.saturating_sub(since.unsigned_abs())
        } else {
            PAST + since.unsigned_abs()
        }
    }
}

/// What the API and the history show as now: the one place where the agent asks the wall clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the agent plays a machine of its own, with a real clock"
)]
pub(super) fn wall_now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_model_goes_to_the_api_and_back() {
        let clock = Clock::start();
        for at in [Duration::ZERO, PAST.saturating_sub(Duration::from_secs(7)), PAST, PAST * 2] {
            assert_eq!(clock.of(clock.wall(at)), at);
        }
    }

    #[test]
    fn a_pod_that_is_older_than_a_day_is_as_old_as_zero() {
        let clock = Clock::start();
        let old = clock.wall.checked_sub(SignedDuration::from_hours(48)).unwrap();
        assert_eq!(clock.of(old), Duration::ZERO);
    }
}
