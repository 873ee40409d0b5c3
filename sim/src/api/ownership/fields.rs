//! Sets of fields, and how they are written (`FieldsV1`).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::owned_part;
use crate::api::kinds::Kind;
use crate::api::shape::{Shape, item_name, shape};

/// A set of fields: the tree of their paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct Fields {
    /// Whether the path that ends here is in the set.
    pub(super) itself: bool,
    /// By `f:name`, `k:{...}` or `v:...`.
    pub(super) inner: BTreeMap<String, Self>,
}

impl Fields {
    pub(super) fn only_itself() -> Self {
        Self { itself: true, inner: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.itself && self.inner.is_empty()
    }

    pub(super) fn read(value: &Value) -> Self {
        let Some(entries) = value.as_object() else { return Self::default() };
        let mut fields = Self { itself: entries.is_empty(), inner: BTreeMap::new() };
        for (name, inside) in entries {
            if name == "." {
                fields.itself = true;
            } else {
                fields.inner.insert(name.clone(), Self::read(inside));
            }
        }
        fields
    }

    pub(super) fn write(&self) -> Value {
        let mut entries: Map<String, Value> =
            self.inner.iter().map(|(name, inside)| (name.clone(), inside.write())).collect();
        if self.itself && !entries.is_empty() {
            entries.insert(".".to_owned(), Value::Object(Map::new()));
        }
        Value::Object(entries)
    }

    /// What is in one of both.
    pub(super) fn with(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.itself |= other.itself;
        for (name, inside) in &other.inner {
            let known = sum.inner.entry(name.clone()).or_default();
            *known = known.with(inside);
        }
        sum
    }

    /// What is here and not there.
    pub(super) fn without(&self, other: &Self) -> Self {
        let left = |(name, inside): (&String, &Self)| {
            let left = match other.inner.get(name) {
                Some(gone) => inside.without(gone),
                None => inside.clone(),
            };
            (!left.is_empty()).then(|| (name.clone(), left))
        };
        Self {
            itself: self.itself && !other.itself,
            inner: self.inner.iter().filter_map(left).collect(),
        }
    }

    /// What is in both.
    pub(super) fn common(&self, other: &Self) -> Self {
        let both = |(name, inside): (&String, &Self)| {
            let both = inside.common(other.inner.get(name)?);
            (!both.is_empty()).then(|| (name.clone(), both))
        };
        Self {
            itself: self.itself && other.itself,
            inner: self.inner.iter().filter_map(both).collect(),
        }
    }

    /// The paths, for people: `.spec.containers[name="a"].image`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.add_paths("", &mut paths);
        paths
    }

    fn add_paths(&self, above: &str, paths: &mut Vec<String>) {
        if self.itself {
            paths.push(above.to_owned());
        }
        for (name, inside) in &self.inner {
            inside.add_paths(&format!("{above}{}", step(name)), paths);
        }
    }
}

fn step(name: &str) -> String {
    match name.split_once(':') {
        Some(("f", field)) => format!(".{field}"),
        Some(("k", key)) => {
            let key: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
            let parts: Vec<String> = key.iter().map(|(f, v)| format!("{f}={v}")).collect();
            format!("[{}]", parts.join(","))
        }
        Some((_, value)) => format!("[={value}]"),
        None => name.to_owned(),
    }
}

/// All fields of an object that is applied.
pub(super) fn of_object(kind: &Kind, object: &Value) -> Fields {
    let mut fields = of(kind, "", &owned_part(object));
    // An empty metadata is nobody's either.
    if let Some(metadata) = fields.inner.get_mut("f:metadata") {
        metadata.itself = false;
    }
    fields.inner.retain(|_, inside| !inside.is_empty());
    fields
}

fn of(kind: &Kind, field: &str, value: &Value) -> Fields {
    let shape = shape(kind, field, value);
    let inner = match (shape, value) {
        (Shape::Fields, Value::Object(inside)) => {
            let fields = inside.iter().map(|(name, value)| {
                let mut fields = of(kind, name, value);
                fields.itself |= value.is_null() || value.as_object().is_some_and(Map::is_empty);
                (format!("f:{name}"), fields)
            });
            fields.filter(|(_, fields)| !fields.is_empty()).collect()
        }
        (Shape::Keyed(_) | Shape::Set, Value::Array(items)) => {
            let items = items.iter().map(|item| {
                let inside =
                    if shape == Shape::Set { Fields::default() } else { of(kind, "", item) };
                // The references to owners are taken apart no further.
                let inside = if field == "ownerReferences" { Fields::default() } else { inside };
                (item_name(shape, item), Fields { itself: true, ..inside })
            });
            items.collect()
        }
        _ => return Fields::only_itself(),
    };
    Fields { itself: false, inner }
}
