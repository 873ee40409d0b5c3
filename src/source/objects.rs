//! The objects in YAML and JSON of other programs, one after the other: what is not kept takes no memory,
//! and what is kept has a bound, whatever the text may be.

use std::fmt;

use dislodge_engine::message;
use serde::Deserialize;
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::classify::shown::plain;

/// Lists in lists are read so deep.
const DEEPEST: usize = 4;
/// The longest object, in bytes of JSON: an API server takes requests of 3 MiB (`MaxRequestBodyBytes`).
const LONGEST: usize = 4 << 20;
/// So many values YAML may have.
const MOST_OF_YAML: usize = 16 << 20;
/// So many bytes aliases of YAML may repeat altogether.
const REPEATED: usize = 64 << 20;

/// What is kept at most of a text. A Pod of a real cluster takes 8 KB and has 300 values, of which 40 are
/// items of lists: 512 MiB of them are within.
const ROOM: Room = Room { objects: 400_000, values: 24_000_000, items: 4_000_000 };

/// An object, or what stands in its place.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// What it says that it is, or what the list of it says.
    pub(crate) kind: Option<String>,
    /// All of it.
    pub(crate) value: Value,
    /// Where it stands.
    pub(crate) place: &'a Place<'a>,
}

/// Where something stands: shown as `document 2: items[3]: `, or as nothing where there is but one.
#[derive(Debug)]
pub(crate) enum Place<'a> {
    /// The only document.
    Whole,
    /// One of several, counted from 1.
    Document(usize),
    /// In a list, counted from 0.
    Item(&'a Self, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Document(number) => write!(f, "document {number}: "),
            Self::Item(list, index) => write!(f, "{list}items[{index}]: "),
        }
    }
}

/// Why a text is not read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// All of it, as the end of a sentence that begins with the file.
    Text(String),
    /// An object that was refused, as whoever refused it says.
    Object(String),
}

impl Unreadable {
    /// The whole sentence.
    pub(crate) fn of(&self, file: &str) -> String {
        match self {
            Self::Text(why) => format!("{file} {why}"),
            Self::Object(why) => format!("{file}: {why}"),
        }
    }
}

/// Gives all objects of a text to `take`, in order; `take` says whether it keeps them, or why it cannot.
///
/// # Errors
///
/// Where the text is neither YAML nor JSON, an object is refused, or there is more than can be meant.
pub(crate) fn objects(
    text: &str,
    mut take: impl FnMut(Found<'_>) -> Result<bool, String>,
) -> Result<(), Unreadable> {
    let mut walk = Walk { room: ROOM, take: &mut take };
    // JSON is read as such, although it is YAML, too: that is many times faster.
    let documents = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    match documents.take(ROOM.objects).collect::<Result<Vec<_>, _>>() {
        Ok(documents) => walk.documents(documents.into_iter().map(RawValue::get)),
        Err(error) => {
            let documents = yaml(text, &error).map_err(Unreadable::Text)?;
            walk.documents(documents.into_iter().map(|document| document.to_string()))
        }
    }
}

fn yaml(text: &str, json: &serde_json::Error) -> Result<Vec<Value>, String> {
    // No file needs more than it has bytes, but for what aliases repeat.
    let most = text.len().saturating_add(REPEATED);
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: most,
            max_nodes: most.min(MOST_OF_YAML),
            max_documents: most,
            max_total_scalar_bytes: most,
        },
        with_snippet: false,
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|yaml| {
        let looks_like_json = text.trim_start().starts_with(['{', '[']);
        let problem = match yaml.to_string() {
            _ if looks_like_json => json.to_string(),
            yaml if yaml.contains("breached") || yaml.contains("too complex") => {
                return format!(
                    "is too deep, has more than {MOST_OF_YAML} values, or repeats too much of itself: give \
                     the objects as they are, and many of them as JSON"
                );
            }
            yaml => yaml,
        };
        format!("is neither YAML nor JSON: {}", harmless(&problem))
    })
}

/// A foreign text as it may be shown.
pub(crate) fn harmless(text: &str) -> String {
    plain(&message::mask(text)).into_owned()
}

/// What may still be kept.
struct Room {
    objects: usize,
    values: usize,
    items: usize,
}

impl Room {
    /// Counts a value and what is in it; `None`: it is too much.
    fn take(&mut self, value: &Value) -> Option<()> {
        self.values = self.values.checked_sub(1)?;
        match value {
            Value::Array(items) => {
                self.items = self.items.checked_sub(items.len())?;
                items.iter().try_for_each(|item| self.take(item))
            }
            Value::Object(fields) => fields.values().try_for_each(|field| self.take(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(()),
        }
    }
}

struct Walk<'a> {
    room: Room,
    take: &'a mut dyn FnMut(Found<'_>) -> Result<bool, String>,
}

impl Walk<'_> {
    fn documents(
        &mut self,
        documents: impl ExactSizeIterator<Item = impl AsRef<str>>,
    ) -> Result<(), Unreadable> {
        let several = documents.len() > 1;
        for (index, document) in documents.enumerate() {
            let place = if several { Place::Document(index + 1) } else { Place::Whole };
            self.any(document.as_ref(), None, DEEPEST, &place)?;
        }
        Ok(())
    }

    /// Takes an object in, or those of a list. `kind`: that of a typed list's items, which do not say it
    /// themselves.
    fn any(
        &mut self,
        json: &str,
        kind: Option<&str>,
        depth: usize,
        place: &Place<'_>,
    ) -> Result<(), Unreadable> {
        let json = json.trim_start();
        if json.starts_with('[') {
            return self.items(json, None, depth, place);
        }
        let head = if json.starts_with('{') { Head::of(json) } else { Head::default() };
        let kind = head.kind.or_else(|| kind.map(str::to_owned));
        let listed = kind.as_deref().and_then(|kind| kind.strip_suffix("List"));
        match listed.zip(head.items) {
            Some((of, items)) => {
                self.items(items, Some(of).filter(|of| !of.is_empty()), depth, place)
            }
            None => self.one(json, kind, place),
        }
    }

    fn items(
        &mut self,
        json: &str,
        kind: Option<&str>,
        depth: usize,
        place: &Place<'_>,
    ) -> Result<(), Unreadable> {
        let Some(depth) = depth.checked_sub(1) else {
            let why = "has lists in lists in lists: give the objects themselves";
            return Err(Unreadable::Text(why.to_owned()));
        };
        let mut done = Ok(());
        let each = Each {
            take: |index, item: &str| self.any(item, kind, depth, &Place::Item(place, index)),
            done: &mut done,
        };
        let read = serde_json::Deserializer::from_str(json).deserialize_seq(each);
        done.and_then(|()| read.map_err(|error| refused(place, &error)))
    }

    fn one(
        &mut self,
        json: &str,
        kind: Option<String>,
        place: &Place<'_>,
    ) -> Result<(), Unreadable> {
        if json.len() > LONGEST {
            return Err(Unreadable::Text(format!(
                "has something of {} MiB in it{}: an API server holds no object of more than {}",
                json.len() >> 20,
                At(place),
                LONGEST >> 20
            )));
        }
        let value: Value = serde_json::from_str(json).map_err(|error| refused(place, &error))?;
        let mut left = Room { objects: self.room.objects.saturating_sub(1), ..self.room };
        let fits = left.take(&value).is_some() && self.room.objects > 0;
        let kept = (self.take)(Found { kind, value, place }).map_err(Unreadable::Object)?;
        if kept && !fits {
            let Room { objects, values, items } = ROOM;
            return Err(Unreadable::Text(format!(
                "has more in it than {objects} objects, {values} values or {items} items of lists: give less \
                 of it, one namespace for example"
            )));
        }
        if kept {
            self.room = left;
        }
        Ok(())
    }
}

/// What tells whether an object is a list.
#[derive(Default)]
struct Head<'a> {
    kind: Option<String>,
    /// They are an array.
    items: Option<&'a str>,
}

impl<'a> Head<'a> {
    fn of(json: &'a str) -> Self {
        #[derive(Deserialize)]
        struct Fields<'a> {
            #[serde(borrow)]
            kind: Option<&'a RawValue>,
            #[serde(borrow)]
            items: Option<&'a RawValue>,
        }
        // Whoever reads all of it says what is wrong.
        let Ok(Fields { kind, items }) = serde_json::from_str(json) else { return Self::default() };
        Self {
            kind: kind.and_then(|kind| serde_json::from_str(kind.get()).ok()),
            items: items.map(RawValue::get).filter(|items| items.starts_with('[')),
        }
    }
}

fn refused(place: &Place<'_>, error: &serde_json::Error) -> Unreadable {
    let why = harmless(&error.to_string());
    Unreadable::Text(format!("cannot be read{}: {why}", At(place)))
}

/// A place in the middle of a sentence.
struct At<'a>(&'a Place<'a>);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Place::Whole => Ok(()),
            place @ (Place::Document(_) | Place::Item(..)) => {
                write!(f, " at {}", place.to_string().trim_end_matches(": "))
            }
        }
    }
}

/// Gives each item of an array away, until one is refused.
struct Each<'a, T> {
    take: T,
    done: &'a mut Result<(), Unreadable>,
}

impl<'de, T: FnMut(usize, &str) -> Result<(), Unreadable>> Visitor<'de> for Each<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(item) = items.next_element::<&RawValue>()? {
            *self.done = (self.take)(index, item.get());
            if self.done.is_err() {
                break;
            }
            index += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found, as its kind and place, and why no more.
    fn found(text: &str) -> (Vec<String>, Result<(), String>) {
        let mut seen = Vec::new();
        let done = objects(text, |found| {
            seen.push(format!("{}{}", found.place, found.kind.as_deref().unwrap_or("?")));
            Ok(true)
        });
        (seen, done.map_err(|why| why.of("it")))
    }

    #[test]
    fn objects_are_found_in_every_form_in_which_kubectl_writes_them() {
        for (text, expected) in [
            (r#"{"kind":"Pod"}"#, &["Pod"][..]),
            ("kind: Pod\n", &["Pod"]),
            ("# a comment\n---\nkind: Pod\n---\n", &["Pod"]),
            ("kind: Pod\n---\nkind: Job\n", &["document 1: Pod", "document 2: Job"]),
            (r#"{"kind":"Pod"} {"kind":"Job"}"#, &["document 1: Pod", "document 2: Job"]),
            (r#" [{"kind":"Pod"}, 7]"#, &["items[0]: Pod", "items[1]: ?"]),
            (r#"{"items":[{"a":1}],"kind":"PodList"}"#, &["items[0]: Pod"]),
            ("kind: List\nitems:\n- kind: Pod\n- {}\n", &["items[0]: Pod", "items[1]: ?"]),
            (
                r#"{"kind":"List","items":[{"kind":"PodList","items":[{}]}]}"#,
                &["items[0]: items[0]: Pod"],
            ),
            (r#"{"kind":"List"}"#, &["List"]),
            (r#"{"kind":"List","items":5}"#, &["List"]),
            (r#"{"kind":"Foo","items":[{"kind":"Pod"}]}"#, &["Foo"]),
        ] {
            let (seen, done) = found(text);
            assert_eq!(done, Ok(()), "{text}");
            assert_eq!(seen, expected, "{text}");
        }
    }

    #[test]
    fn what_is_neither_yaml_nor_json_says_where_and_gives_nothing() {
        for text in ["{\"kind\": \"Pod\"}\n{\"spec\": {", "kind: Pod\n---\nspec: [\n"] {
            let (seen, done) = found(text);
            let why = done.unwrap_err();
            assert!(seen.is_empty() && why.contains("line "), "{seen:?} {why}");
        }
    }

    #[test]
    fn lists_in_lists_and_depth_have_an_end() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(found(&nested(DEEPEST)).1, Ok(()));
        assert!(found(&nested(DEEPEST + 1)).1.unwrap_err().contains("lists in lists"));
        let deep = format!(r#"[{{"kind":"Pod","a":{}}}]"#, nested(100_000));
        assert!(
            found(&deep)
                .1
                .unwrap_err()
                .starts_with("it cannot be read at items[0]: recursion limit")
        );
    }

    #[test]
    fn an_object_that_no_api_server_holds_is_refused() {
        let long = format!(r#"[{{}}, {{"kind":"Pod","a":"{}"}}]"#, "a".repeat(LONGEST));
        assert!(
            found(&long)
                .1
                .unwrap_err()
                .starts_with("it has something of 4 MiB in it at items[1]: ")
        );
    }

    #[test]
    fn what_is_kept_has_a_bound_and_what_is_not_kept_has_none() {
        let many = format!("[{}7]", "7,".repeat(ROOM.objects));
        assert!(found(&many).1.unwrap_err().starts_with("it has more in it than 400000 objects"));
        assert_eq!(objects(&many, |_| Ok(false)), Ok(()));
        let pod = format!(r#"{{"kind":"Pod","a":[{}7]}}"#, "7,".repeat(99_999));
        for (count, fits) in [(40, true), (41, false)] {
            assert_eq!(
                found(&format!("[{}]", vec![&*pod; count].join(","))).1.is_ok(),
                fits,
                "{count}"
            );
        }
    }

    #[test]
    fn the_first_refusal_ends_it() {
        let mut asked = 0;
        let done = objects("[1, 2, 3]", |_| {
            asked += 1;
            if asked == 2 { Err("a two".to_owned()) } else { Ok(true) }
        });
        assert_eq!((asked, done.unwrap_err().of("it")), (2, "it: a two".to_owned()));
    }
}
