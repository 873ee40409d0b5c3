//! Sets of uids: nearly all have one, or a handful.

use std::collections::BTreeSet;

use crate::objects::Uid;

/// Beyond so many a list in order takes too long to be kept in order.
const FEW: usize = 64;

/// Uids, in order. Each kind of it takes no more room than it needs: there are several for each job.
#[derive(Clone, Debug, Default)]
pub enum Uids {
    /// None.
    #[default]
    None,
    /// One.
    One(Uid),
    /// In a list; a tree has room for eleven as soon as it has one.
    Few(Box<[Uid]>),
    /// In a tree.
    Many(Box<BTreeSet<Uid>>),
}

impl Uids {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Adds one, if it is not there.
    pub fn insert(&mut self, uid: Uid) {
        if let Self::Many(uids) = self {
            uids.insert(uid);
            return;
        }
        let few = self.few();
        let Err(at) = few.binary_search(&uid) else { return };
        let (before, after) = few.split_at(at);
        let all = before.iter().chain([&uid]).chain(after).copied();
        *self = if few.len() < FEW {
            Self::of_few(all.collect())
        } else {
            Self::Many(Box::new(all.collect()))
        };
    }

    /// Takes one away, if it is there.
    pub fn remove(&mut self, uid: Uid) {
        if let Self::Many(uids) = self {
            uids.remove(&uid);
            if uids.len() < FEW / 2 {
                *self = Self::of_few(uids.iter().copied().collect());
            }
        } else if self.few().binary_search(&uid).is_ok() {
            *self =
                Self::of_few(self.few().iter().copied().filter(|known| *known != uid).collect());
        }
    }

    /// All, in order.
    pub fn all(&self) -> impl Iterator<Item = Uid> {
        let many = if let Self::Many(uids) = self { Some(uids.iter()) } else { None };
        self.few().iter().chain(many.into_iter().flatten()).copied()
    }

    fn of_few(uids: Vec<Uid>) -> Self {
        match *uids {
            [] => Self::None,
            [one] => Self::One(one),
            _ => Self::Few(uids.into_boxed_slice()),
        }
    }

    /// Those that are not in a tree.
    fn few(&self) -> &[Uid] {
        match self {
            Self::None | Self::Many(_) => &[],
            Self::One(uid) => std::slice::from_ref(uid),
            Self::Few(uids) => uids,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_set_takes_no_more_room_beside_what_it_holds_than_a_uid_and_its_kind() {
        assert_eq!(size_of::<Uids>(), 24);
    }

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
