//! Lists that are sets or maps hold nothing twice (apiextensions-apiserver:
//! `pkg/apiserver/schema/listtype/validation.go`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::{child, properties};
use crate::crd::Refusal;

/// Checks all lists in a value.
pub(super) fn check(path: &str, schema: &Value, value: &Value, refusals: &mut BTreeSet<Refusal>) {
    match value {
        Value::Object(fields) => {
            for (name, schema) in properties(schema) {
                if let Some(value) = fields.get(name) {
                    check(&child(path, name), schema, value, refusals);
                }
            }
        }
        Value::Array(items) => {
            let identities = identities(schema, items);
            for (index, identity) in identities.iter().enumerate() {
                // The second one is told, further ones are not.
                if identities.iter().take(index).filter(|earlier| *earlier == identity).count() == 1
                {
                    let path = format!("{path}[{index}]");
                    refusals.insert(Refusal::new(&path, format!("Duplicate value: {identity}")));
                }
            }
            for (index, item) in items.iter().enumerate() {
                check(&format!("{path}[{index}]"), &schema["items"], item, refusals);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What tells each item from the others; nothing for a list that may repeat itself.
fn identities(schema: &Value, items: &[Value]) -> Vec<Value> {
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => items.to_vec(),
        Some("map") => items.iter().map(|item| map_key(schema, item)).collect(),
        _ => Vec::new(),
    }
}

fn map_key(schema: &Value, item: &Value) -> Value {
    let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
    let names = keys.filter_map(Value::as_str);
    names.filter_map(|name| Some((name.to_owned(), item.get(name)?.clone()))).collect()
}
