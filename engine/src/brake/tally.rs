//! Who has failed, each counted once, at its first failure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

/// At most so many are remembered: twice what `outage.distinctJobs` can ask for.
pub(super) const MOST: usize = 2000;

/// Who has failed, and when first and last. Who goes on failing stays known, so that its next
/// failure is no first one.
#[derive(Clone, Debug)]
pub(super) struct Tally<K> {
    seen: BTreeMap<K, Span>,
    by_first: BTreeSet<(Timestamp, K)>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    first: Timestamp,
    last: Timestamp,
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self { seen: BTreeMap::new(), by_first: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Tally<K> {
    /// Notes a failure, and says whether it is a first one: nothing of the same key is known, or
    /// nothing nearer than `keep`.
    pub(super) fn note(&mut self, key: K, at: Timestamp, keep: SignedDuration) -> bool {
        let known = self.seen.get(&key).copied();
        let ongoing = known.filter(|span| {
            at.duration_since(span.last) <= keep && span.first.duration_since(at) <= keep
        });
        let span = ongoing.map_or(Span { first: at, last: at }, |span| Span {
            first: span.first.min(at),
            last: span.last.max(at),
        });
        if let Some(known) = known {
            self.by_first.remove(&(known.first, key.clone()));
        }
        self.by_first.insert((span.first, key.clone()));
        self.seen.insert(key, span);
        if self.seen.len() > MOST
            && let Some((_, oldest)) = self.by_first.pop_first()
        {
            self.seen.remove(&oldest);
        }
        ongoing.is_none()
    }

    /// How many have failed first within the window before now. Node clocks may be ahead: so much
    /// after now counts too, and more is a clock that has jumped.
    pub(super) fn within(&self, now: Timestamp, window: SignedDuration) -> u32 {
        let firsts = self.by_first.iter().rev().map(|(first, _)| now.duration_since(*first));
        let count = firsts.skip_while(|age| *age < -window).take_while(|age| *age <= window);
        u32::try_from(count.count()).unwrap_or(u32::MAX)
    }

    /// Forgets who has failed first by then.
    pub(super) fn forget_until(&mut self, at: Timestamp) {
        while self.by_first.first().is_some_and(|(first, _)| *first <= at) {
            if let Some((_, key)) = self.by_first.pop_first() {
                self.seen.remove(&key);
            }
        }
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.seen.len(), self.by_first.len(), "the two agree");
        self.seen.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: SignedDuration = SignedDuration::from_secs(100);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_episode_has_one_first_failure_in_whatever_order_it_is_told() {
        for (seconds, firsts, first) in [
            (&[1000, 1050, 1150][..], 1, 1000),
            (&[1000, 1100, 1200], 1, 1000),
            (&[1000, 1101], 2, 1101),
            (&[1000, 950], 1, 950),
            (&[1000, 900], 1, 900),
            (&[1000, 899], 2, 899), // a clock that has jumped back
            (&[1000, 1090, 1010, 1190], 1, 1000),
        ] {
            let mut tally = Tally::default();
            let counted = seconds.iter().filter(|second| tally.note("a", at(**second), KEEP));
            assert_eq!(counted.count(), firsts, "{seconds:?}");
            assert_eq!(tally.by_first.iter().collect::<Vec<_>>(), [&(at(first), "a")]);
            assert_eq!(tally.len(), 1);
        }
    }

    #[test]
    fn what_began_at_the_very_moment_is_forgotten_too() {
        let mut tally = Tally::default();
        for second in [8, 9, 10] {
            tally.note(second, at(second), KEEP);
        }
        tally.forget_until(at(9));
        assert_eq!(tally.len(), 1);
        assert!(tally.seen.contains_key(&10));
    }
}
