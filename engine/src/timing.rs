//! The kubelet's schedule and what follows from it for us: one value, which tests scale.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest pause of the kubelet, in shortest ones: 300 s.
const MOST_PAUSES: u32 = 30;

/// When pulls are tried, and for how long after a failure nothing can be running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// Pause after the first failed pull (kubelet: `imageBackOffPeriod`, 10 s), doubled each time.
    pub back_off_base: Duration,
    /// How long after the kubelet wrote the status that opened an `ErrImagePull` window no pull can
    /// be running: from the second failure on it writes up to 15 s after the failure, and the next
    /// pull comes no sooner than 20 s after it.
    pub moment: Duration,
    /// How old the kubelet's status write may be when the window is seen. The API server keeps
    /// whole seconds, so a scaled clock needs one more.
    pub anchor: Duration,
    /// How far a write may seem to lie in the future before the two clocks cannot be compared.
    pub skew: Duration,
    /// A pull that shows nothing for so long is counted as silent.
    pub silence: Duration,
}

impl Timing {
    /// As the kubelet has it, 1.28 to 1.37.
    pub const fn kubelet() -> Self {
        Self {
            back_off_base: Duration::from_secs(10),
            moment: Duration::from_secs(5),
            anchor: Duration::from_secs(5),
            skew: Duration::from_secs(1),
            silence: Duration::from_secs(15 * 60),
        }
    }

    /// The same for a kubelet whose clock runs faster: tests only. `factor` is the length of its
    /// second, in milliseconds.
    #[must_use]
    pub fn scaled(self, millis_per_second: u32) -> Self {
        if millis_per_second == 1000 {
            return self;
        }
        let scale = |d: Duration| d * millis_per_second / 1000;
        let moment = scale(self.moment);
        Self {
            back_off_base: scale(self.back_off_base),
            moment,
            anchor: moment + Duration::from_secs(1),
            skew: self.skew,
            silence: scale(self.silence),
        }
    }

    /// The least pause between one failed pull and the next, after so many of them (kubelet:
    /// `imageBackOffPeriod` 10 s, doubled each time, at most `MaxContainerBackOff` 300 s). The pull
    /// begins at the sync after it, up to 15 s later.
    pub fn pause_after(&self, failed_pulls: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failed_pulls.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = self.back_off_base.saturating_mul(doubled);
        if failed_pulls == 0 { Duration::ZERO } else { pause.min(self.back_off_base * MOST_PAUSES) }
    }

    /// The most failed pulls that a Pod of this age can have: no pull follows another sooner than
    /// the shortest pause. The pauses grow (kubelet.md 2.3: 10, 20, 40, ... 300 s), but begin anew
    /// when the kubelet does, which no object tells.
    pub fn most_failed_pulls(&self, age: Duration) -> u32 {
        let pauses = age.as_nanos().div_ceil(self.back_off_base.as_nanos().max(1));
        u32::try_from(pauses).unwrap_or(u32::MAX).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_pulls_come_no_faster_than_the_back_off() {
        for (seconds, most) in [(0, 1), (9, 2), (10, 2), (11, 3), (600, 61)] {
            assert_eq!(
                Timing::kubelet().most_failed_pulls(Duration::from_secs(seconds)),
                most,
                "{seconds} s"
            );
        }
    }

    #[test]
    fn the_pauses_double_up_to_five_minutes() {
        for (failed_pulls, seconds) in
            [(0, 0), (1, 10), (2, 20), (5, 160), (6, 300), (7, 300), (33, 300), (u32::MAX, 300)]
        {
            let pause = Timing::kubelet().pause_after(failed_pulls);
            assert_eq!(pause, Duration::from_secs(seconds), "after {failed_pulls}");
        }
    }
}
