//! The kubelet's back-off (client-go: util/flowcontrol/backoff.go).

use std::collections::BTreeMap;
use std::time::Duration;

/// Back-off entries of one pod; the key is the image as it stands in the spec, or the container.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    first: Duration,
    max: Duration,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    backoff: Duration,
    updated: Duration,
}

impl Backoff {
    pub(super) const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, entries: BTreeMap::new() }
    }

    /// An attempt has ended in vain at `now`: the next back-off begins.
    pub(super) fn next(&mut self, key: &str, now: Duration) {
        let backoff = match self.entry(key, now) {
            Some(entry) => (entry.backoff * 2).min(self.max),
            None => self.first,
        };
        self.entries.insert(key.to_owned(), Entry { backoff, updated: now });
    }

    /// Whether `now` lies in the back-off that began with the last failed attempt.
    pub(super) fn holds_since_update(&self, key: &str, now: Duration) -> bool {
        self.entry(key, now).is_some_and(|entry| now < entry.updated + entry.backoff)
    }

    /// Whether `now` lies in the back-off counted from `event` (the end of a container).
    pub(super) fn holds_since(&self, key: &str, event: Duration, now: Duration) -> bool {
        self.entry(key, event).is_some_and(|entry| now < event + entry.backoff)
    }

    /// The back-off of the last failed attempt.
    pub(super) fn current(&self, key: &str) -> Duration {
        self.entries.get(key).map_or(Duration::ZERO, |entry| entry.backoff)
    }

    /// The entry, unless it has expired after twice the longest back-off.
    fn entry(&self, key: &str, now: Duration) -> Option<Entry> {
        let entry = self.entries.get(key).copied()?;
        (now.saturating_sub(entry.updated) <= self.max * 2).then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_back_off_doubles_from_ten_to_three_hundred_seconds() {
        let mut backoff = Backoff::new(seconds(10), seconds(300));
        let mut now = Duration::ZERO;
        let mut waits = Vec::new();
        for _ in 0..7 {
            backoff.next("image", now);
            let wait = backoff.current("image");
            assert!(backoff.holds_since_update("image", now + wait.saturating_sub(seconds(1))));
            assert!(!backoff.holds_since_update("image", now + wait));
            now += wait;
            waits.push(wait.as_secs());
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn an_entry_older_than_twice_the_longest_back_off_starts_again() {
        let mut backoff = Backoff::new(seconds(10), seconds(300));
        backoff.next("image", seconds(0));
        backoff.next("image", seconds(10));
        backoff.next("image", seconds(611));
        assert_eq!(backoff.current("image"), seconds(10));
    }

    #[test]
    fn another_image_has_its_own_back_off() {
        let mut backoff = Backoff::new(seconds(10), seconds(300));
        backoff.next("bad", seconds(0));
        assert!(!backoff.holds_since_update("good", seconds(1)));
    }
}
