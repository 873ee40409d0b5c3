//! Waiting for what objects become, by watching them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Result};

/// How much of each object an error shows.
const SHOWN: usize = 600;

/// The objects of a watch, by `<namespace>/<name>`.
pub type Seen<K> = BTreeMap<String, K>;

/// Watches objects until `look` finds what it looks for among all that exist, so many seconds at most.
/// It looks once after the first list, and after each event.
///
/// # Errors
/// [`Error::Late`] with `what` and the last state of the objects.
pub async fn watch_until<K, T>(
    api: Api<K>,
    which: watcher::Config,
    seconds: u64,
    what: &str,
    mut look: impl FnMut(&Seen<K>) -> Option<T>,
) -> Result<T>
where
    K: Resource + Clone + DeserializeOwned + Serialize + Debug + Send + 'static,
    K::DynamicType: Default + Clone,
{
    watch_kind_until(api, which, seconds, what, &mut look).await
}

/// The same for kinds that are known only when the program runs.
///
/// # Errors
/// As [`watch_until`].
pub async fn watch_kind_until<K, T>(
    api: Api<K>,
    which: watcher::Config,
    seconds: u64,
    what: &str,
    mut look: impl FnMut(&Seen<K>) -> Option<T>,
) -> Result<T>
where
    K: Resource + Clone + DeserializeOwned + Serialize + Debug + Send + 'static,
{
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut events = pin!(watcher::watcher(api, which).default_backoff());
    let mut seen = Seen::new();
    let mut failure = None;
    loop {
        let complete = match timeout_at(end, events.next()).await {
            Ok(Some(Ok(event))) => note(&mut seen, event),
            Ok(Some(Err(error))) => {
                // The watch goes on by itself; the error matters only if nothing better comes.
                failure = Some(error.to_string());
                false
            }
            Ok(None) | Err(_) => {
                let last = failure.unwrap_or_else(|| show(&seen));
                return Err(Error::Late { what: what.to_owned(), seconds, last });
            }
        };
        if complete && let Some(found) = look(&seen) {
            return Ok(found);
        }
    }
}

/// Takes an event in. Whether `seen` is then complete.
fn note<K: Resource>(seen: &mut Seen<K>, event: Event<K>) -> bool {
    let key =
        |object: &K| format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
    match event {
        Event::Init => {
            seen.clear();
            false
        }
        Event::InitApply(object) => {
            seen.insert(key(&object), object);
            false
        }
        Event::InitDone => true,
        Event::Apply(object) => {
            seen.insert(key(&object), object);
            true
        }
        Event::Delete(object) => {
            seen.remove(&key(&object));
            true
        }
    }
}

fn show<K: Serialize>(seen: &Seen<K>) -> String {
    if seen.is_empty() {
        return "no such object was seen".to_owned();
    }
    seen.iter()
        .map(|(key, object)| {
            let object = serde_json::to_value(object).unwrap_or_default();
            let status = object.get("status").map(ToString::to_string).unwrap_or_default();
            format!("{key}: {}", status.chars().take(SHOWN).collect::<String>())
        })
        .collect::<Vec<_>>()
        .join("\n")
}
