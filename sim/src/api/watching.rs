//! Watches: what has changed since a version, as it is sent to one client.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::kinds::Kind;
use super::refusal::{Cause, Refusal};
use super::selector::Selector;
use super::views::{shown, unwritten};
use super::{Call, Key, Method, Object, Server, metadata};
use crate::store::{Change, Version, What};

/// How often a client that asked for bookmarks gets one (`cacher.go`, `defaultBookmarkFrequency`).
const BOOKMARKS: SignedDuration = SignedDuration::from_secs(60);
/// How long before the end of a watch it gets the last one (ibid., `bookmarkTimer`).
const LAST_BOOKMARK: SignedDuration = SignedDuration::from_secs(2);
/// Marks the bookmark after the objects that were there already.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// The name of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchId(u64);

/// What a watch has to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// The events, in order.
    pub events: Vec<Value>,
    /// The watch has ended; there will be no more.
    pub over: bool,
}

/// One open watch.
#[derive(Debug)]
pub(super) struct Watch {
    kind: &'static Kind,
    version: &'static str,
    keys: std::ops::RangeInclusive<Key>,
    selector: Selector,
    /// What is sent before the changes.
    initial: VecDeque<Value>,
    /// The newest change that was looked at.
    seen: Version,
    /// When the next bookmark is due; `None`: it gets none.
    bookmark: Option<Timestamp>,
    ends: Option<Timestamp>,
    over: bool,
}

impl Server {
    /// Opens a watch.
    pub(super) fn watch(&mut self, call: &Call<'_>) -> Result<WatchId, Refusal> {
        let selector = match &call.at.name {
            Some(name) => Selector::named(name),
            None => call.selector()?,
        };
        let list_first = self.lists_first(call)?;
        let bookmarks = call.query.is_set("allowWatchBookmarks");
        let asked = call.version()?.filter(|version| *version > Version(0));
        let ends = call.query.number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
        let ends = ends.and_then(|seconds| {
            let seconds = i64::try_from(seconds).ok()?;
            call.now.checked_add(SignedDuration::from_secs(seconds)).ok()
        });
        let mut watch = Watch {
            kind: call.at.kind,
            version: call.at.version,
            keys: call.keys(),
            selector,
            initial: VecDeque::new(),
            seen: self.version(),
            bookmark: None,
            ends,
            over: false,
        };
        watch.bookmark = bookmarks.then(|| watch.next_bookmark(call.now));
        match (list_first, asked) {
            (None | Some(false), Some(version)) => watch.seen = version,
            (Some(false), None) => {}
            // Without a version, the objects that are there come first.
            (None, None) | (Some(true), _) => {
                for (_, object) in self.store.list(watch.keys.clone()) {
                    let object = watch.shown(object);
                    if watch.selector.matches(&object) {
                        watch.initial.push_back(event("ADDED", &object));
                    }
                }
            }
        }
        if list_first == Some(true) && bookmarks {
            let mut end = watch.bookmark_at(watch.seen);
            if let Some(object) = end.get_mut("object") {
                metadata::set(object, "annotations", Some(json!({INITIAL_EVENTS_END: "true"})));
            }
            watch.initial.push_back(end);
        }
        self.opened += 1;
        let id = WatchId(self.opened);
        self.watches.insert(id, watch);
        Ok(id)
    }

    /// Whether the objects that are there are asked for (`sendInitialEvents`); `None`: nothing is said.
    fn lists_first(&self, call: &Call<'_>) -> Result<Option<bool>, Refusal> {
        let said = call.query.get("sendInitialEvents").map(|said| said == "true" || said == "1");
        let how = call.query.get("resourceVersionMatch");
        let options = |why: &str| {
            Err(Refusal::options(Method::Get, &Cause::forbidden("resourceVersionMatch", why)))
        };
        match (said, how) {
            (Some(_), how) if how != Some("NotOlderThan") => {
                options("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
            }
            (None, Some(_)) => options(
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ),
            (said, _) => {
                let asked = call.version()?.unwrap_or_default();
                if said == Some(true) && asked > self.version() {
                    return Err(Refusal::too_new(asked.0, self.version().0));
                }
                Ok(said)
            }
        }
    }

    /// What there is to send to a watch at that time. One that is over is forgotten.
    pub fn poll(&mut self, id: WatchId, now: Timestamp) -> Polled {
        let Some(watch) = self.watches.get_mut(&id) else {
            return Polled { events: Vec::new(), over: true };
        };
        let mut events: Vec<Value> = watch.initial.drain(..).collect();
        if let Ok(changes) = self.store.changes_after(watch.seen) {
            let news = changes.filter(|change| watch.keys.contains(&change.key));
            events.extend(news.filter_map(|change| watch.event(change)));
            watch.seen = watch.seen.max(self.store.version());
        } else {
            let (seen, now) = (watch.seen.0, self.store.version().0);
            let message = format!("too old resource version: {seen} ({now})");
            if let Refusal::Status(status) = Refusal::expired(message) {
                events.push(event("ERROR", &status.object()));
            }
            watch.over = true;
        }
        if !watch.over && watch.bookmark.is_some_and(|due| due <= now) {
            events.push(watch.bookmark_at(watch.seen));
            watch.bookmark = Some(watch.next_bookmark(now));
        }
        watch.over |= watch.ends.is_some_and(|ends| ends <= now);
        let over = watch.over;
        if over {
            self.watches.remove(&id);
        }
        Polled { events, over }
    }

    /// When a watch has something to send, or ends, though nothing has changed.
    pub fn next_deadline(&self, id: WatchId) -> Option<Timestamp> {
        let watch = self.watches.get(&id)?;
        watch.ends.into_iter().chain(watch.bookmark).min()
    }

    /// The client is gone.
    pub fn close(&mut self, id: WatchId) {
        self.watches.remove(&id);
    }

    /// How many watches are open.
    pub fn open_watches(&self) -> usize {
        self.watches.len()
    }
}

impl Watch {
    fn shown(&self, object: &Object) -> Value {
        shown(self.kind, self.version, &object.0)
    }

    /// What a change is to this client: an object that leaves its selection is gone.
    fn event(&self, change: &Change<Key, Object>) -> Option<Value> {
        let selected = |object: &Object| {
            let object = self.shown(object);
            self.selector.matches(&object).then_some(object)
        };
        let before = change.before.as_deref().and_then(selected);
        let after = match change.what {
            What::Created | What::Replaced => selected(&change.object),
            What::Deleted => None,
        };
        match (before, after) {
            (None, None) => None,
            (None, Some(after)) => Some(event("ADDED", &after)),
            (Some(_), Some(after)) => Some(event("MODIFIED", &after)),
            (Some(mut before), None) => {
                let version = json!(change.version.0.to_string());
                metadata::set(&mut before, "resourceVersion", Some(version));
                Some(event("DELETED", &before))
            }
        }
    }

    fn bookmark_at(&self, version: Version) -> Value {
        // Of Kubernetes' own kinds, an object without anything.
        let mut object = if self.kind.custom { json!({}) } else { unwritten(self.kind) };
        if let Some(fields) = object.as_object_mut() {
            let api_version = self.kind.api_version(self.version);
            let metadata = json!({"resourceVersion": version.0.to_string()});
            fields.insert("kind".to_owned(), json!(self.kind.name));
            fields.insert("apiVersion".to_owned(), json!(api_version));
            fields.insert("metadata".to_owned(), metadata);
        }
        event("BOOKMARK", &object)
    }

    fn next_bookmark(&self, now: Timestamp) -> Timestamp {
        let usual = now.saturating_add(BOOKMARKS).unwrap_or(now);
        let last = self.ends.and_then(|ends| ends.checked_sub(LAST_BOOKMARK).ok());
        match last {
            Some(last) if last > now && last < usual => last,
            _ => usual,
        }
    }
}

fn event(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}
