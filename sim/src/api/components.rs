//! What the cluster's own components do in the store.
//!
//! Requests go through defaults, rules and the noting of who wrote what. Components that are played
//! elsewhere know what they write, and put it here as it is to stand. Kinds are named as in URLs, places
//! by namespace and name, the namespace empty where there is none.

use dislodge_engine::objects::Key as Place;
use serde_json::Value;

use super::kinds::{KINDS, Kind};
use super::{Key, Object, Server, defaults};
use crate::store::{Expired, Version, What};

/// A change of an object.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Its kind, by its name in URLs.
    pub plural: &'static str,
    /// What became of it.
    pub what: What,
    /// The object as it was left, or as it was last.
    pub object: Value,
}

impl Server {
    /// An object as it stands.
    pub fn stored(&self, plural: &str, place: &Place) -> Option<&Value> {
        let kind = KINDS.iter().find(|kind| kind.plural == plural)?;
        let (_, object) = self.store.get(&key(kind, place))?;
        Some(&object.0)
    }

    /// All objects of a kind, in the order of their places.
    pub fn all(&self, plural: &'static str) -> impl Iterator<Item = &Value> {
        let first = Key { stored: plural, path: String::new() };
        let of_kind = self.store.list(first..).take_while(move |(key, _)| key.stored == plural);
        of_kind.map(|(_, object)| &object.0)
    }

    /// Puts an object where it belongs, with what an API server fills in; one that is as it was is no change.
    /// Kinds that are not served are passed over.
    pub fn put(&mut self, plural: &str, place: &Place, mut object: Value) {
        let Some(kind) = KINDS.iter().find(|kind| kind.plural == plural) else { return };
        let key = key(kind, place);
        defaults::fill(kind, &mut object);
        let _same_or_new = match self.store.get(&key) {
            Some(_) => self.store.replace(&key, None, Object(object)),
            None => self.store.create(key, Object(object)),
        };
    }

    /// Takes an object away, whatever keeps it.
    pub fn take_away(&mut self, plural: &str, place: &Place) {
        if let Some(kind) = KINDS.iter().find(|kind| kind.plural == plural) {
            let _gone_or_absent = self.store.delete(&key(kind, place), None);
        }
    }

    /// What has changed after a version, in order.
    ///
    /// # Errors
    /// Some of it is forgotten.
    pub fn changed_after(&self, version: Version) -> Result<Vec<Changed>, Expired> {
        let changes = self.store.changes_after(version)?;
        Ok(changes
            .map(|change| Changed {
                plural: change.key.stored,
                what: change.what,
                object: change.object.0.clone(),
            })
            .collect())
    }
}

fn key(kind: &Kind, place: &Place) -> Key {
    let path = match place.namespace.as_str() {
        "" => place.name.clone(),
        namespace => format!("{namespace}/{}", place.name),
    };
    Key { stored: kind.stored, path }
}
