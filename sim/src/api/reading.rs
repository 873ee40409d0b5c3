//! Reading objects: one, all, or page by page.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::refusal::{Cause, Refusal};
use super::selector::Selector;
use super::views::shown;
use super::{Answer, Body, Call, Key, Method, Server};
use crate::store::Version;

/// What a list is asked for, and as of when.
enum AsOf {
    Now,
    /// Exactly that version.
    Exactly(Version),
    /// A list that goes on: its version, and the last object of the page before.
    After(Version, String),
}

impl Server {
    /// Answers with one object.
    pub(super) fn get(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let name = call.at.name.as_deref().unwrap_or_default();
        let (_, object) = self
            .store
            .get(&call.key(name))
            .ok_or_else(|| Refusal::not_found(call.at.kind, name))?;
        let object = shown(call.at.kind, call.at.version, &object.0);
        Ok(Answer::Done { code: 200, body: Body::Object(object) })
    }

    /// Answers with a list, or a page of one.
    pub(super) fn list(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let selector = call.selector()?;
        let limit = call.query.number("limit")?.filter(|limit| *limit > 0);
        let (version, after) = match self.as_of(call, limit.is_some())? {
            AsOf::Now => (self.version(), None),
            AsOf::Exactly(version) => (version, None),
            AsOf::After(version, path) => (version, Some(path)),
        };
        let too_old = || match after {
            Some(_) => Refusal::expired(
                "The provided continue parameter is too old to display a consistent list result. \
                 You can start a new list without the continue parameter.",
            ),
            None => Refusal::expired(format!("too old resource version: {}", version.0)),
        };
        let objects = self.store.list_at(version, call.keys()).map_err(|_| too_old())?;
        let rest = objects.iter().filter(|(key, _)| after.as_ref().is_none_or(|at| key.path > *at));
        let mut meant = rest
            .map(|(key, object)| (key, shown(call.at.kind, call.at.version, &object.0)))
            .filter(|(_, object)| selector.matches(object));
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let page: Vec<(&Key, Value)> = meant.by_ref().take(limit).collect();
        let left = meant.count();

        let mut metadata = Map::new();
        metadata.insert("resourceVersion".to_owned(), json!(version.0.to_string()));
        if let (Some((last, _)), true) = (page.last(), left > 0) {
            metadata.insert("continue".to_owned(), json!(format!("{}.{}", version.0, last.path)));
            if selector.is_everything() {
                metadata.insert("remainingItemCount".to_owned(), json!(left));
            }
        }
        let items = page.into_iter().map(|(_, mut object)| {
            // In lists of Kubernetes' own kinds the items don't say what they are.
            if let (false, Some(fields)) = (call.at.kind.custom, object.as_object_mut()) {
                fields.remove("kind");
                fields.remove("apiVersion");
            }
            object
        });
        let body = json!({
            "kind": format!("{}List", call.at.kind.name), "apiVersion": call.at.api_version(),
            "metadata": metadata, "items": items.collect::<Vec<_>>(),
        });
        Ok(Answer::Done { code: 200, body: Body::Object(body) })
    }

    /// As of when (Kubernetes: "Resource versions" in the documentation of API concepts).
    fn as_of(&self, call: &Call<'_>, paged: bool) -> Result<AsOf, Refusal> {
        if let Some(token) = call.query.get("continue") {
            let read = token.split_once('.').and_then(|(version, path)| {
                Some(AsOf::After(Version(version.parse().ok()?), path.to_owned()))
            });
            return read.ok_or_else(|| {
                Refusal::bad_request(format!("continue key is not valid: {token:?}"))
            });
        }
        let asked = call.version()?;
        let how = call.query.get("resourceVersionMatch");
        if how.is_some() && asked.is_none() {
            return Err(Refusal::options(
                Method::Get,
                &Cause::forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden unless resourceVersion is provided",
                ),
            ));
        }
        let Some(asked) = asked.filter(|asked| *asked > Version(0)) else { return Ok(AsOf::Now) };
        if asked > self.version() {
            return Err(Refusal::too_new(asked.0, self.version().0));
        }
        match how {
            Some("Exact") => Ok(AsOf::Exactly(asked)),
            None if paged => Ok(AsOf::Exactly(asked)),
            _ => Ok(AsOf::Now),
        }
    }
}

impl Call<'_> {
    /// The keys of all objects that the path names.
    pub(super) fn keys(&self) -> RangeInclusive<Key> {
        let stored = self.at.kind.stored;
        let (from, to) = match &self.at.namespace {
            // `/`, and the character after it.
            Some(namespace) => (format!("{namespace}/"), format!("{namespace}0")),
            None => (String::new(), char::MAX.to_string()),
        };
        Key { stored, path: from }..=Key { stored, path: to }
    }

    pub(super) fn selector(&self) -> Result<Selector, Refusal> {
        Selector::read(
            self.at.kind,
            self.query.get("labelSelector"),
            self.query.get("fieldSelector"),
        )
    }

    /// The version that is asked for.
    pub(super) fn version(&self) -> Result<Option<Version>, Refusal> {
        let Some(text) = self.query.get("resourceVersion") else { return Ok(None) };
        text.parse().map(|version| Some(Version(version))).map_err(|_| {
            Refusal::bad_request(format!(
                "invalid resource version: resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: \
                 invalid syntax"
            ))
        })
    }
}
