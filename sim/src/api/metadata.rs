//! What the API server itself keeps in `metadata`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::refusal::Cause;

/// A time as objects have it: RFC 3339 in whole seconds.
pub(super) fn seconds(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// A text of the metadata; empty where it is not there.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    value(object, field).and_then(Value::as_str).unwrap_or_default()
}

/// A number of the metadata.
pub(super) fn number(object: &Value, field: &str) -> Option<i64> {
    value(object, field).and_then(Value::as_i64)
}

/// Any field of the metadata; one that is `null` is not there.
pub(super) fn value<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    object.get("metadata")?.get(field).filter(|value| !value.is_null())
}

/// Sets a field of the metadata; `None` takes it away.
pub(super) fn set(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(metadata) = within(object, "metadata") else { return };
    match value {
        Some(value) => {
            metadata.insert(field.to_owned(), value);
        }
        None => {
            metadata.remove(field);
        }
    }
}

/// The object of that name inside another, put in where there is none. `None`: the other is no object.
pub(super) fn within<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Map<String, Value>> {
    let inside = object.as_object_mut()?.entry(field).or_insert_with(|| json!({}));
    if inside.is_null() {
        *inside = json!({});
    }
    inside.as_object_mut()
}

/// The finalizers.
pub(super) fn finalizers(object: &Value) -> Vec<&str> {
    let list = value(object, "finalizers").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What is not allowed to change (`ValidateObjectMetaAccessorUpdate`).
pub(super) fn check_update(new: &Value, old: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let fixed = ["name", "namespace", "uid", "creationTimestamp"];
    let once_deleted = ["deletionTimestamp", "deletionGracePeriodSeconds"];
    if value(old, "deletionTimestamp").is_some() {
        let known = finalizers(old);
        let mut added: Vec<&str> = finalizers(new);
        added.retain(|finalizer| !known.contains(finalizer));
        if !added.is_empty() {
            let added: Vec<String> = added.iter().map(|one| format!("{one:?}")).collect();
            causes.push(Cause::forbidden(
                "metadata.finalizers",
                &format!(
                    "no new finalizers can be added if the object is being deleted, found new \
                     finalizers []string{{{}}}",
                    added.join(", ")
                ),
            ));
        }
    }
    for field in fixed.into_iter().chain(once_deleted) {
        if value(new, field) != value(old, field) {
            let value = value(new, field).map_or_else(|| "null".to_owned(), Value::to_string);
            let field = format!("metadata.{field}");
            causes.push(Cause::invalid(&field, Some(&value), "field is immutable"));
        }
    }
    causes
}
