//! Sums that can be taken apart again.

use crate::objects::Quantity;

/// A sum of quantities in thousandths. It is exact, so that subtracting gives back what was before;
/// those that could not be read are counted beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    milli: u128,
    unreadable: usize,
}

impl Amount {
    pub(super) fn of(quantity: Quantity) -> Self {
        match quantity.milli() {
            Some(milli) => Self { milli, unreadable: 0 },
            None => Self { milli: 0, unreadable: 1 },
        }
    }

    /// The thousandths, where all could be read.
    pub(super) fn known(self) -> Option<u128> {
        (self.unreadable == 0).then_some(self.milli)
    }

    /// No overflow: [`Quantity::LARGEST`] fits in 2^54 times.
    pub(super) fn add(&mut self, other: Self) {
        self.milli = self.milli.saturating_add(other.milli);
        self.unreadable = self.unreadable.saturating_add(other.unreadable);
    }

    pub(super) fn subtract(&mut self, other: Self) {
        self.milli = self.milli.saturating_sub(other.milli);
        self.unreadable = self.unreadable.saturating_sub(other.unreadable);
    }

    /// The larger of the two; what could not be read is above all.
    pub(super) fn max(self, other: Self) -> Self {
        let rank = |amount: Self| (amount.unreadable, amount.milli);
        if rank(self) < rank(other) { other } else { self }
    }

    /// What is above so many thousandths.
    pub(super) fn above(self, milli: u128) -> Self {
        Self { milli: self.milli.saturating_sub(milli), ..self }
    }
}
