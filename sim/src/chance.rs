//! Numbers out of a seed: the same seed gives the same numbers, on every machine.

use std::ops::Range;
use std::time::Duration;

/// Spreads the bits of a number (Steele, Lea, Flood 2014: the finaliser of `SplitMix64`).
pub const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A stream of numbers, as `SplitMix64` gives them.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number of a range that is not empty.
    pub const fn within(&mut self, range: Range<u64>) -> u64 {
        let width = range.end.saturating_sub(range.start);
        if width == 0 { range.start } else { range.start + self.next() % width }
    }

    /// A small number of a range that is not empty.
    pub fn small(&mut self, range: Range<u32>) -> u32 {
        let number = self.within(u64::from(range.start)..u64::from(range.end));
        u32::try_from(number).unwrap_or(range.start)
    }

    /// Whether it happens, once in so many times.
    pub const fn one_in(&mut self, times: u64) -> bool {
        self.within(0..times) == 0
    }

    /// One of several; the default where there is none.
    pub fn pick<T: Clone + Default>(&mut self, of: &[T]) -> T {
        let index = usize::try_from(self.within(0..of.len() as u64)).unwrap_or(0);
        of.get(index).cloned().unwrap_or_default()
    }

    /// A time, in milliseconds.
    pub const fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    /// A time, in seconds and a part of one.
    pub const fn seconds(&mut self, range: Range<u64>) -> Duration {
        self.millis(range.start * 1000..range.end * 1000)
    }
}
