//! Lists that are sets or maps: no two items may be alike.

use serde_json::Value;

use super::{Problem, Refusals, child, item, properties};

/// Beyond so many items a list is not searched for items that are alike. No list of the schema may
/// have as many.
const MOST: usize = 1000;

/// Checks all lists in a value.
pub(super) fn check(path: &str, schema: &Value, value: &Value, refusals: &mut Refusals) {
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
                    refusals.add(item(path, index), Problem::Duplicate(identity.clone()));
                }
            }
            for (index, value) in items.iter().enumerate() {
                check(&item(path, index), &schema["items"], value, refusals);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What tells each item from the others; nothing for a list that may repeat itself.
fn identities(schema: &Value, items: &[Value]) -> Vec<Value> {
    // Each is compared with each: a list that is far too long is told as such, and no more.
    if items.len() > MOST {
        return Vec::new();
    }
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
