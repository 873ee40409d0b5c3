//! One copy of what many rows say alike: nodes, images, names of Workloads.

use std::collections::BTreeSet;
use std::sync::Arc;

/// How many values are kept before is looked for the first time for those that nobody has any more.
const FIRST_SWEEP: usize = 1024;

/// The one copy of each value. What no row has any more is dropped now and then.
#[derive(Debug)]
pub(super) struct Interner<T: Ord + ?Sized> {
    known: BTreeSet<Arc<T>>,
    /// So many make it worth a look.
    sweep: usize,
}

impl<T: Ord + ?Sized> Clone for Interner<T> {
    fn clone(&self) -> Self {
        Self { known: self.known.clone(), sweep: self.sweep }
    }
}

impl<T: Ord + ?Sized> Default for Interner<T> {
    fn default() -> Self {
        Self { known: BTreeSet::new(), sweep: FIRST_SWEEP }
    }
}

impl<T: Ord + ?Sized> Interner<T> {
    /// The one copy of a value, which `make` makes if there is none yet.
    pub(super) fn get(&mut self, value: &T, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
        if let Some(known) = self.known.get(value) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.sweep {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.sweep = FIRST_SWEEP.max(2 * self.known.len());
        }
        let new = make();
        self.known.insert(Arc::clone(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_kept_once_and_as_long_as_somebody_has_it() {
        let mut texts = Interner::<str>::default();
        let mut get = |text: &str| texts.get(text, || text.into());
        let kept = get("kept");
        assert!(Arc::ptr_eq(&kept, &get("kept")));
        for number in 0..10 * FIRST_SWEEP {
            get(&number.to_string());
        }
        assert!(Arc::ptr_eq(&kept, &get("kept")));
        assert!(texts.known.len() <= FIRST_SWEEP, "{}", texts.known.len());
    }
}
