//! A list, page by page, of which no more is decoded than has to be told.
//!
//! Not kube's own list: it copies each page three times and decodes all of it, which took most of the time
//! and of the memory of a start and of a relist.

use dislodge_engine::objects::Uid;
use futures::AsyncBufReadExt;
use kube::Client;
use kube::api::{ListParams, Request};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::driver::Head;

/// A page of a list: the texts of its objects, as they came.
#[derive(Debug, Deserialize)]
pub(super) struct Page<'a> {
    #[serde(default)]
    metadata: PageMeta,
    /// The texts; Go writes `null` for none.
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PageMeta {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    next: Option<String>,
}

impl<'a> Page<'a> {
    /// Reads the answer to a list.
    pub(super) fn read(answer: &'a [u8]) -> Result<Self, kube::Error> {
        serde_json::from_slice(answer).map_err(kube::Error::SerdeError)
    }

    /// The texts of the objects.
    pub(super) fn texts(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a, '_> {
        self.items.as_deref().unwrap_or_default().iter().map(|item| item.get())
    }

    /// Where the next page begins; `None`: this is the last one.
    pub(super) fn next(&self) -> Option<String> {
        self.metadata.next.clone().filter(|next| !next.is_empty())
    }

    /// As of when the list is.
    pub(super) fn version(&self) -> Option<String> {
        self.metadata.resource_version.clone().filter(|version| !version.is_empty())
    }
}

/// Asks for a page; its text is written to `page` in place of what is there.
pub(super) async fn ask(
    client: &Client,
    path: &str,
    params: &ListParams,
    page: &mut Vec<u8>,
) -> Result<(), kube::Error> {
    let request = Request::new(path).list(params).map_err(kube::Error::BuildRequest)?;
    let mut answer = client.request_stream(request).await?;
    page.clear();
    loop {
        let part = answer.fill_buf().await.map_err(|error| kube::Error::Service(error.into()))?;
        if part.is_empty() {
            return Ok(());
        }
        page.extend_from_slice(part);
        let length = part.len();
        answer.consume_unpin(length);
    }
}

/// What an object's text says of uid and version. Reads no further than these: they stand at its beginning.
pub(super) fn head(text: &str) -> Head {
    let mut head = Head::default();
    // That it ends early is an error, and so is what cannot be read: then something is missing.
    let _early = Outer(&mut head).deserialize(&mut serde_json::Deserializer::from_str(text));
    head
}

/// Looks for the metadata in an object.
struct Outer<'h>(&'h mut Head);

impl<'de> DeserializeSeed<'de> for Outer<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Outer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(field) = fields.next_key::<&str>()? {
            if field == "metadata" {
                return fields.next_value_seed(Inner(self.0));
            }
            fields.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Looks for uid and version in the metadata.
struct Inner<'h>(&'h mut Head);

impl<'de> DeserializeSeed<'de> for Inner<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Inner<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object's metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let head = self.0;
        while let Some(field) = fields.next_key::<&str>()? {
            match field {
                "uid" => head.uid = Some(Uid::parse(fields.next_value()?)),
                "resourceVersion" => head.version = Some(fields.next_value::<&str>()?.into()),
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
            if head.uid.is_some() && head.version.is_some() {
                return Err(A::Error::custom("no more is needed"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "5e7595d6-d828-4f9a-81e2-13e9233e05fc";

    #[test]
    fn uid_and_version_are_read_wherever_they_stand_and_nothing_after_them() {
        let whole = Head { uid: Some(Uid::parse(UID)), version: Some("7".into()) };
        let rows = [
            (format!(r#"{{"metadata":{{"uid":"{UID}","resourceVersion":"7"}}}}"#), whole.clone()),
            (
                format!(
                    r#"{{"apiVersion":"v1","spec":{{"metadata":{{"uid":"x"}}}},"metadata":
                    {{"a":[1],"resourceVersion":"7","labels":{{"uid":"y"}},"uid":"{UID}","#
                ),
                whole.clone(),
            ),
            (
                format!(r#"{{"metadata":{{"uid":"{UID}"}}}}"#),
                Head { version: None, ..whole.clone() },
            ),
            (r#"{"metadata":{"resourceVersion":"7"}}"#.to_owned(), Head { uid: None, ..whole }),
            (r#"{"metadata":{"uid":7}}"#.to_owned(), Head::default()),
            (r#"{"metadata":null}"#.to_owned(), Head::default()),
            ("[]".to_owned(), Head::default()),
            (String::new(), Head::default()),
        ];
        for (text, expected) in rows {
            assert_eq!(head(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_page_says_where_the_next_one_begins() {
        let page = |text: &'static str| Page::read(text.as_bytes()).unwrap();
        let first = page(r#"{"kind":"PodList","metadata":{"continue":"c"},"items":[{"a":1},{}]}"#);
        assert_eq!(first.texts().collect::<Vec<_>>(), [r#"{"a":1}"#, "{}"]);
        assert_eq!((first.next().as_deref(), first.version()), (Some("c"), None));
        let last = page(r#"{"items":null,"metadata":{"continue":"","resourceVersion":"9"}}"#);
        assert_eq!((last.texts().len(), last.next()), (0, None));
        assert_eq!(last.version().as_deref(), Some("9"));
        assert!(Page::read(b"<html>").is_err());
    }
}
