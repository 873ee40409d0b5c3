//! From what is written to what is validated: unknown fields, nulls, defaults.

use serde_json::Value;

use super::{Problem, Refusals, child, item, properties};

/// Fields of every object, which the schema does not have.
const OF_EVERY_OBJECT: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Strict decoding: fields that the schema does not have.
pub(super) fn find_unknown_fields(
    path: &str,
    schema: &Value,
    value: &Value,
    refusals: &mut Refusals,
) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = child(path, name);
                if let Some(schema) = schema["properties"].get(name) {
                    find_unknown_fields(&path, schema, value, refusals);
                } else if !OF_EVERY_OBJECT.contains(&path.as_str()) {
                    let known = properties(schema).map(|(name, _)| name.clone()).collect();
                    refusals.add(path, Problem::UnknownField { known });
                }
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                find_unknown_fields(&item(path, index), &schema["items"], value, refusals);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Takes fields out that the schema does not have.
pub(super) fn prune(path: &str, schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| {
                schema["properties"].get(name).is_some()
                    || OF_EVERY_OBJECT.contains(&child(path, name).as_str())
            });
            for (name, value) in fields {
                if let Some(schema) = schema["properties"].get(name) {
                    prune(&child(path, name), schema, value);
                }
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter_mut().enumerate() {
                prune(&item(path, index), &schema["items"], value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Takes nulls out and puts defaults in, from the outside inwards.
pub(super) fn apply_defaults(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, schema) in properties(schema) {
                if fields.get(name).is_some_and(Value::is_null) {
                    fields.remove(name);
                }
                if let (None, Some(default)) = (fields.get(name), schema.get("default")) {
                    fields.insert(name.clone(), default.clone());
                }
                if let Some(value) = fields.get_mut(name) {
                    apply_defaults(schema, value);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                apply_defaults(&schema["items"], item);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Writes `3.0` as `3`, as the server stores it.
pub(super) fn whole_numbers(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Number(number) if number.is_f64() => {
            let whole = number.to_string().strip_suffix(".0").and_then(|n| n.parse::<i64>().ok());
            if let Some(whole) = whole {
                *number = whole.into();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
