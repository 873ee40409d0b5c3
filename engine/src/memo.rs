//! What was made of texts, for those who ask again: kubelets repeat themselves.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// So many values are kept at most, each in the place that its texts say: a new one takes the place over.
const PLACES: usize = 256;
/// Longer texts are not kept: hostile ones must not take the room of a thousand others.
const LONGEST: usize = 1024;

/// Values that hang on three texts and on nothing else.
#[derive(Debug)]
pub(crate) struct Memo<V> {
    /// Empty until the first value.
    places: Vec<Option<Entry<V>>>,
}

/// Three texts, and their value.
type Entry<V> = (Box<[Box<str>; 3]>, V);

impl<V> Default for Memo<V> {
    fn default() -> Self {
        Self { places: Vec::new() }
    }
}

impl<V: Clone> Memo<V> {
    /// The value of these texts, which `make` makes unless it is known.
    pub(crate) fn get(&mut self, texts: [&str; 3], make: impl FnOnce() -> V) -> V {
        if texts.iter().map(|text| text.len()).sum::<usize>() > LONGEST {
            return make();
        }
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let mut hasher = DefaultHasher::new();
        texts.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % PLACES as u64).unwrap_or(0);
        let Some(place) = self.places.get_mut(place) else { return make() };
        if let Some((known, value)) = place
            && known.iter().map(|text| &**text).eq(texts)
        {
            return value.clone();
        }
        let value = make();
        *place = Some((Box::new(texts.map(Into::into)), value.clone()));
        value
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_value_is_made_once_and_never_that_of_other_texts() {
        let mut memo = Memo::default();
        let made = Cell::new(0);
        let mut length = |a: &str, b: &str| {
            memo.get([a, b, ""], || {
                made.set(made.get() + 1);
                format!("{a}|{b}")
            })
        };
        assert_eq!((length("ab", "c"), length("ab", "c")), ("ab|c".into(), "ab|c".into()));
        assert_eq!(made.get(), 1);
        // The same letters, cut elsewhere, and more of them than there are places.
        assert_eq!(length("a", "bc"), "a|bc");
        for number in 0..4 * PLACES {
            let text = number.to_string();
            assert_eq!(length(&text, "c"), format!("{text}|c"));
        }
        assert_eq!(length("ab", "c"), "ab|c");
    }

    #[test]
    fn what_is_long_is_made_each_time_and_not_kept() {
        let mut memo = Memo::default();
        let long = "x".repeat(LONGEST + 1);
        for _ in 0..2 {
            memo.get([&long, "", ""], || ());
        }
        assert!(memo.places.is_empty());
    }
}
