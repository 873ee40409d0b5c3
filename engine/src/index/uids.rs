//! Sets of uids: nearly all have one, or a handful.

use std::collections::BTreeSet;

use smallvec::SmallVec;

use crate::objects::Uid;

/// Beyond so many a list in order takes too long to be kept in order.
const FEW: usize = 64;

/// Uids, in order.
#[derive(Clone, Debug)]
pub enum Uids {
    /// In a list; a tree has room for eleven as soon as it has one.
    Few(SmallVec<[Uid; 1]>),
    /// In a tree.
    Many(BTreeSet<Uid>),
}

impl Default for Uids {
    fn default() -> Self {
        Self::Few(SmallVec::new())
    }
}

impl Uids {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Few(uids) => uids.is_empty(),
            Self::Many(uids) => uids.is_empty(),
        }
    }

    /// Adds one, if it is not there.
    pub fn insert(&mut self, uid: Uid) {
        match self {
            Self::Few(uids) => {
                let Err(at) = uids.binary_search(&uid) else { return };
                if uids.len() >= FEW {
                    *self = Self::Many(uids.iter().copied().chain([uid]).collect());
                } else {
                    uids.reserve_exact(1);
                    uids.insert(at, uid);
                }
            }
            Self::Many(uids) => drop(uids.insert(uid)),
        }
    }

    /// Takes one away, if it is there.
    pub fn remove(&mut self, uid: Uid) {
        match self {
            Self::Few(uids) => {
                if let Ok(at) = uids.binary_search(&uid) {
                    uids.remove(at);
                }
            }
            Self::Many(uids) => drop(uids.remove(&uid)),
        }
    }

    /// All, in order.
    pub fn all(&self) -> impl Iterator<Item = Uid> {
        let (few, many) = match self {
            Self::Few(uids) => (Some(uids.iter()), None),
            Self::Many(uids) => (None, Some(uids.iter())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten()).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_is_the_same_however_many_it_has(steps in vec((any::<bool>(), 0_u128..200), 0..400)) {
            let (mut uids, mut plain) = (Uids::default(), BTreeSet::new());
            for (adds, number) in steps {
                let uid = Uid::from_u128(number);
                if adds {
                    uids.insert(uid);
                    plain.insert(uid);
                } else {
                    uids.remove(uid);
                    plain.remove(&uid);
                }
                prop_assert!(uids.all().eq(plain.iter().copied()));
                prop_assert_eq!(uids.is_empty(), plain.is_empty());
            }
        }
    }
}
