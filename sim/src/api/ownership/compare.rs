//! What has become of an object's fields.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::fields::Fields;
use super::owned_part;
use crate::api::kinds::Kind;
use crate::api::shape::{Shape, item_name, shape};
use crate::api::views::unwritten;

/// The fields that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    added: Fields,
    modified: Fields,
    pub(super) removed: Fields,
}

impl Changes {
    /// What somebody has written who made the change.
    pub(super) fn written(&self) -> Fields {
        self.added.with(&self.modified)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }
}

/// What differs between two objects. One that is `null` is one that is not there yet.
pub(super) fn objects(kind: &Kind, old: &Value, new: &Value) -> Changes {
    let old = if old.is_null() { owned_part(&unwritten(kind)) } else { owned_part(old) };
    let mut changes = values(kind, "", Some(&old), Some(&owned_part(new)));
    for fields in [&mut changes.added, &mut changes.modified, &mut changes.removed] {
        if let Some(metadata) = fields.inner.get_mut("f:metadata") {
            metadata.itself = false;
        }
        fields.inner.retain(|_, inside| !inside.is_empty());
    }
    changes
}

fn values(kind: &Kind, field: &str, old: Option<&Value>, new: Option<&Value>) -> Changes {
    let Some(shaped) = new.or(old) else { return Changes::default() };
    let form = shape(kind, field, shaped);
    let both_empty = old.is_some_and(is_empty) && new.is_some_and(is_empty);
    let same_type = match (old, new) {
        (Some(Value::Null), _) | (_, Some(Value::Null)) => true,
        (Some(old), Some(new)) => {
            old.is_object() == new.is_object() && old.is_array() == new.is_array()
        }
        _ => true,
    };
    if form == Shape::Whole || both_empty || !same_type {
        return leaf(old, new);
    }
    let mut changes = Changes::default();
    let mut note = |name: String, inside: Changes| {
        for (into, from) in [
            (&mut changes.added, inside.added),
            (&mut changes.modified, inside.modified),
            (&mut changes.removed, inside.removed),
        ] {
            if !from.is_empty() {
                into.inner.insert(name.clone(), from);
            }
        }
    };
    if form == Shape::Fields {
        let empty = Map::new();
        let fields = |value: Option<&Value>| value.and_then(Value::as_object).cloned();
        let (old, new) = (fields(old), fields(new));
        let (old, new) = (old.as_ref().unwrap_or(&empty), new.as_ref().unwrap_or(&empty));
        for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            note(format!("f:{name}"), values(kind, name, old.get(name), new.get(name)));
        }
    } else {
        let items = |value: Option<&Value>| {
            let items = value.and_then(Value::as_array).into_iter().flatten();
            items.map(|item| (item_name(form, item), item.clone())).collect::<Vec<_>>()
        };
        let (old, new) = (items(old), items(new));
        let find = |items: &[(String, Value)], name: &str| {
            items.iter().find(|(known, _)| known == name).map(|(_, item)| item.clone())
        };
        for name in old.iter().chain(&new).map(|(name, _)| name).collect::<BTreeSet<_>>() {
            let (old, new) = (find(&old, name), find(&new, name));
            let inside = if form == Shape::Set || field == "ownerReferences" {
                leaf(old.as_ref(), new.as_ref())
            } else {
                values(kind, "", old.as_ref(), new.as_ref())
            };
            note(name.clone(), inside);
        }
    }
    changes.added.itself |= old.is_none();
    changes.removed.itself |= new.is_none();
    changes
}

fn leaf(old: Option<&Value>, new: Option<&Value>) -> Changes {
    let mut changes = Changes::default();
    match (old, new) {
        (None, Some(_)) => changes.added.itself = true,
        (Some(_), None) => changes.removed.itself = true,
        (Some(old), Some(new)) if old != new => changes.modified.itself = true,
        _ => {}
    }
    changes
}

fn is_empty(value: &Value) -> bool {
    value.is_null()
        || value.as_object().is_some_and(Map::is_empty)
        || value.as_array().is_some_and(Vec::is_empty)
}
