//! Jitter without randomness: a hash of the pod's uid and a counter.

use std::time::Duration;

use crate::chance::mix;

/// The jitter and the phase of one pod.
#[derive(Debug, Clone)]
pub(super) struct Jitter {
    seed: u64,
    drawn: u64,
}

impl Jitter {
    pub(super) fn of(uid: &str) -> Self {
        // FNV-1a
        let seed = uid.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { seed, drawn: 0 }
    }

    /// The next part of `width`, anywhere from nothing to all of it.
    pub(super) fn next(&mut self, width: Duration) -> Duration {
        self.drawn += 1;
        part(mix(self.seed.wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15))), width)
    }

    /// Where in `period` this pod's ticks lie.
    fn phase(&self, period: Duration) -> Duration {
        part(mix(self.seed), period)
    }

    /// The first tick of `period` after `time`.
    pub(super) fn tick_after(&self, time: Duration, period: Duration) -> Duration {
        self.tick_until(time, period).map_or_else(|| self.phase(period), |tick| tick + period)
    }

    /// The last tick of `period` that is not after `time`; `None` before the first one.
    fn tick_until(&self, time: Duration, period: Duration) -> Option<Duration> {
        let elapsed = time.checked_sub(self.phase(period))?.as_nanos();
        let within = elapsed.checked_rem(period.as_nanos()).unwrap_or(0);
        Some(time.saturating_sub(Duration::from_nanos(u64::try_from(within).unwrap_or(0))))
    }
}

fn part(hash: u64, width: Duration) -> Duration {
    let thousandths = u32::try_from(hash % 1000).unwrap_or(0);
    width * thousandths / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_a_period_apart_and_lie_elsewhere_for_each_pod() {
        let period = Duration::from_secs(1);
        let mut phases = std::collections::BTreeSet::new();
        for uid in ["a", "b", "c", "d"] {
            let jitter = Jitter::of(uid);
            let first = jitter.tick_after(Duration::ZERO, period);
            assert!(first <= period);
            assert_eq!(jitter.tick_until(first, period), Some(first));
            assert_eq!(jitter.tick_after(first, period), first + period);
            assert_eq!(jitter.tick_after(first + period / 2, period), first + period);
            phases.insert(first);
        }
        assert_eq!(phases.len(), 4);
    }

    #[test]
    fn jitter_stays_in_its_width_and_varies() {
        let width = Duration::from_secs(5);
        let mut jitter = Jitter::of("pod");
        let drawn: Vec<_> = (0..100).map(|_| jitter.next(width)).collect();
        assert!(drawn.iter().all(|part| *part < width));
        assert!(drawn.iter().any(|part| *part < width / 5));
        assert!(drawn.iter().any(|part| *part > width * 4 / 5));
    }
}
