//! The store's contract.

use proptest::prelude::*;

use super::*;

/// A text, and the version that stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Note(&'static str, Version);

impl Versioned for Note {
    fn set_version(&mut self, version: Version) {
        self.1 = version;
    }
}

fn note(text: &'static str) -> Note {
    Note(text, Version::default())
}

fn store() -> Store<&'static str, Note> {
    let mut store = Store::new(100);
    store.create("a", note("first")).unwrap();
    store
}

#[test]
fn each_change_counts_once_and_stands_in_the_object() {
    let mut store = store();
    assert_eq!(store.replace(&"a", None, note("second")), Ok(Version(2)));
    assert_eq!(**store.get(&"a").unwrap().1, Note("second", Version(2)));
    assert_eq!(store.delete(&"a", None).map(|last| last.1), Ok(Version(3)));
    assert!(store.get(&"a").is_none());
}

#[test]
fn a_write_that_changes_nothing_is_none() {
    let mut store = store();
    assert_eq!(store.replace(&"a", None, note("first")), Ok(Version(1)));
    assert_eq!(store.changes_after(Version(1)).unwrap().count(), 0);
}

#[test]
fn a_writer_who_has_seen_another_version_is_refused() {
    let mut store = store();
    store.replace(&"a", Some(Version(1)), note("second")).unwrap();
    assert_eq!(store.replace(&"a", Some(Version(1)), note("third")), Err(Refused::Changed));
    // Also where it would change nothing.
    assert_eq!(store.replace(&"a", Some(Version(1)), note("second")), Err(Refused::Changed));
    assert_eq!(store.delete(&"a", Some(Version(1))), Err(Refused::Changed));
    assert_eq!(store.create("a", note("third")), Err(Refused::Exists));
    assert_eq!(store.replace(&"b", None, note("third")), Err(Refused::Missing));
}

#[test]
fn changes_that_are_forgotten_are_not_passed_over() {
    let mut store = Store::new(2);
    for key in ["a", "b", "c"] {
        store.create(key, note("x")).unwrap();
    }
    assert!(matches!(store.changes_after(Version(0)), Err(Expired)));
    assert_eq!(store.changes_after(Version(1)).unwrap().count(), 2);
    store.forget();
    assert!(matches!(store.changes_after(Version(2)), Err(Expired)));
    assert_eq!(store.changes_after(Version(3)).unwrap().count(), 0);
}

#[test]
fn a_list_is_in_the_order_of_the_keys() {
    let mut store = Store::new(9);
    for key in ["b", "c", "a"] {
        store.create(key, note("x")).unwrap();
    }
    let keys: Vec<_> = store.list("b"..).map(|(key, _)| *key).collect();
    assert_eq!(keys, ["b", "c"]);
}

proptest! {
    /// Who lists, and follows the changes from there, sees what there is.
    #[test]
    fn a_list_and_the_changes_after_it_give_the_store(
        steps in prop::collection::vec((0..4_u8, 0..3_u8, 0..3_usize), 1..60),
        listed in 0..60_usize,
    ) {
        let texts = ["x", "y", "z"];
        let mut store = Store::new(1000);
        let (mut seen, mut from) = (BTreeMap::new(), Version::default());
        for (at, (what, key, text)) in steps.into_iter().enumerate() {
            if at == listed {
                seen = store.list(..).map(|(key, object)| (*key, Arc::clone(object))).collect();
                from = store.version();
            }
            let before = store.version();
            let done = match what {
                0 => store.create(key, note(texts[text])).is_ok(),
                1 => store.delete(&key, None).is_ok(),
                _ => store.replace(&key, None, note(texts[text])).is_ok_and(|now| now > before),
            };
            prop_assert_eq!(store.version().0 - before.0, u64::from(done));
        }
        for change in store.changes_after(from).unwrap() {
            match change.what {
                What::Created => {
                    prop_assert!(seen.insert(change.key, Arc::clone(&change.object)).is_none());
                }
                What::Replaced => {
                    prop_assert!(seen.insert(change.key, Arc::clone(&change.object)).is_some());
                }
                What::Deleted => prop_assert!(seen.remove(&change.key).is_some()),
            }
        }
        let now: BTreeMap<_, _> =
            store.list(..).map(|(key, object)| (*key, Arc::clone(object))).collect();
        prop_assert_eq!(seen, now);
    }
}
