//! Names that people choose, as label values: never more than a bound.

use std::collections::BTreeSet;

/// The names that have series of their own. Who comes first stays, until the room is needed and the
/// name is no longer in use.
#[derive(Clone, Debug)]
pub(super) struct Names<K> {
    known: BTreeSet<K>,
    most: usize,
}

impl<K: Ord + Clone> Names<K> {
    /// No names yet, and at most so many.
    pub(super) const fn new(most: usize) -> Self {
        Self { known: BTreeSet::new(), most }
    }

    /// These names are in use, and no others. Room is made where there is too little.
    pub(super) fn put<'k>(&mut self, in_use: impl Iterator<Item = &'k K> + Clone)
    where
        K: 'k,
    {
        let new = in_use.clone().filter(|name| !self.known.contains(name)).count();
        if self.known.len() + new > self.most {
            let in_use: BTreeSet<&K> = in_use.clone().collect();
            self.known.retain(|name| in_use.contains(name));
        }
        for name in in_use {
            self.admit(name);
        }
    }

    /// Whether the name has series of its own, from now on if there is room.
    pub(super) fn admit(&mut self, name: &K) -> bool {
        if self.known.contains(name) {
            return true;
        }
        let room = self.known.len() < self.most;
        if room {
            self.known.insert(name.clone());
        }
        room
    }

    /// Whether the name has series of its own.
    pub(super) fn has(&self, name: &K) -> bool {
        self.known.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_first_stays_and_who_is_gone_makes_room() {
        let mut names = Names::new(2);
        names.put([3, 1].iter());
        assert!(names.admit(&3) && names.admit(&1) && !names.admit(&2), "it is full");
        names.put([1, 2].iter());
        assert!(names.has(&1) && names.has(&2) && !names.has(&3), "3 is no longer in use");
        names.put([0, 1, 2].iter());
        assert!(names.has(&1) && names.has(&2) && !names.has(&0), "all of them are in use");
        names.put([].iter());
        assert!(names.has(&1), "the room is not needed");
    }
}
