//! An object as it is once a configuration is applied to it.

use serde_json::{Map, Value};

use super::fields::Fields;
use crate::api::kinds::Kind;
use crate::api::shape::{Shape, item_name, shape};

/// Merging for objects of one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Merge<'a> {
    pub(super) kind: &'a Kind,
}

impl Merge<'_> {
    /// The object with what is applied. One that is `null` is one that is not there yet.
    pub(super) fn objects(self, live: &Value, applied: &Value) -> Value {
        let mut merged = if live.is_null() { Value::Object(Map::new()) } else { live.clone() };
        self.values("", &mut merged, applied);
        merged
    }

    fn values(self, field: &str, live: &mut Value, applied: &Value) {
        let shape = shape(self.kind, field, applied);
        match (shape, live, applied) {
            (Shape::Fields, Value::Object(live), Value::Object(applied)) => {
                for (name, value) in applied {
                    match live.get_mut(name) {
                        Some(known) => self.values(name, known, value),
                        None => {
                            live.insert(name.clone(), value.clone());
                        }
                    }
                }
            }
            (Shape::Keyed(_) | Shape::Set, Value::Array(live), Value::Array(applied)) => {
                for item in applied {
                    let name = item_name(shape, item);
                    match live.iter_mut().find(|known| item_name(shape, known) == name) {
                        Some(known) if shape == Shape::Set || field == "ownerReferences" => {
                            known.clone_from(item);
                        }
                        Some(known) => self.values("", known, item),
                        None => live.push(item.clone()),
                    }
                }
            }
            (_, live, applied) => live.clone_from(applied),
        }
    }

    /// Takes fields out. A map of one of Kubernetes' own kinds that becomes empty by that goes, too.
    pub(super) fn remove(self, object: &mut Value, gone: &Fields) {
        self.remove_inside("", object, gone);
    }

    fn remove_inside(self, field: &str, value: &mut Value, gone: &Fields) {
        let form = shape(self.kind, field, value);
        match value {
            Value::Object(fields) => {
                for (name, inside) in &gone.inner {
                    let Some(name) = name.strip_prefix("f:") else { continue };
                    if inside.itself {
                        fields.remove(name);
                    } else if let Some(value) = fields.get_mut(name) {
                        self.remove_inside(name, value, inside);
                        if !self.kind.custom && is_empty(value) {
                            fields.remove(name);
                        }
                    }
                }
            }
            Value::Array(items) => {
                items.retain_mut(|item| match gone.inner.get(&item_name(form, item)) {
                    Some(inside) if inside.itself => false,
                    Some(inside) => {
                        self.remove_inside("", item, inside);
                        true
                    }
                    None => true,
                });
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}
