//! What an actor has changed, brought into the object as clients see it: what others wrote there stays.

use serde_json::{Map, Value};

/// Changes `object` as `before` became `after`.
pub(super) fn overlay(object: &mut Value, before: &Value, after: &Value) {
    if before == after {
        return;
    }
    match (after, before) {
        (Value::Object(after), _) => {
            if let Value::Object(fields) = object {
                let none = Map::new();
                overlay_fields(fields, before.as_object().unwrap_or(&none), after);
                return;
            }
        }
        (Value::Array(after), _) => {
            let before = before.as_array().map(Vec::as_slice).unwrap_or_default();
            if let (Value::Array(items), true) = (&mut *object, after.iter().all(has_name)) {
                overlay_items(items, before, after);
                return;
            }
        }
        _ => {}
    }
    *object = after.clone();
}

fn overlay_fields(
    fields: &mut Map<String, Value>,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) {
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        // Of a list with names only what was the actor's goes.
        if let (Some(Value::Array(items)), Some(Value::Array(old))) =
            (fields.get_mut(name), before.get(name))
            && !old.is_empty()
            && old.iter().all(has_name)
        {
            overlay_items(items, old, &[]);
            if !items.is_empty() {
                continue;
            }
        }
        fields.remove(name);
    }
    for (name, value) in after {
        let old = before.get(name).unwrap_or(&Value::Null);
        match fields.get_mut(name) {
            Some(field) => overlay(field, old, value),
            None => drop(fields.insert(name.clone(), value.clone())),
        }
    }
}

/// Lists whose items are told apart by a name: conditions, and who manages which fields.
fn overlay_items(items: &mut Vec<Value>, before: &[Value], after: &[Value]) {
    let is_gone = |item: &Value| {
        before.iter().any(|old| is_same(old, item)) && !after.iter().any(|new| is_same(new, item))
    };
    items.retain(|item| !is_gone(item));
    for new in after {
        let old = before.iter().find(|old| is_same(old, new)).unwrap_or(&Value::Null);
        match items.iter_mut().find(|item| is_same(item, new)) {
            Some(item) => overlay(item, old, new),
            None => items.push(new.clone()),
        }
    }
}

/// What an item is known by.
const NAMES: [&str; 3] = ["type", "manager", "subresource"];

fn has_name(item: &Value) -> bool {
    item.get("type").or_else(|| item.get("manager")).is_some()
}

fn is_same(one: &Value, other: &Value) -> bool {
    NAMES.iter().all(|name| one.get(name) == other.get(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_actor_changes_leaves_alone_what_others_wrote() {
        for (object, before, after, expected) in [
            // Fields come, change and go; those of others stay.
            (
                json!({"a": 1, "b": 2, "theirs": 3}),
                json!({"a": 1, "b": 2}),
                json!({"a": 4, "c": 5}),
                json!({"a": 4, "c": 5, "theirs": 3}),
            ),
            // A value that was not changed is not written, whatever stands there.
            (json!({"a": 9}), json!({"a": 1}), json!({"a": 1}), json!({"a": 9})),
            // Conditions are told apart by their type.
            (
                json!([{"type": "Ours", "status": "True", "message": "why"}, {"type": "Theirs"}]),
                json!([{"type": "Ours", "status": "True"}]),
                json!([{"type": "Ours", "status": "False"}, {"type": "New"}]),
                json!([{"type": "Ours", "status": "False", "message": "why"}, {"type": "Theirs"},
                       {"type": "New"}]),
            ),
            // The last condition of an actor goes, that of somebody else does not.
            (
                json!({"conditions": [{"type": "Ours"}, {"type": "Theirs"}]}),
                json!({"conditions": [{"type": "Ours"}]}),
                json!({}),
                json!({"conditions": [{"type": "Theirs"}]}),
            ),
            // Lists without names are replaced.
            (json!([{"name": "a"}]), json!([{"name": "a"}]), json!([]), json!([])),
        ] {
            let mut changed = object.clone();
            overlay(&mut changed, &before, &after);
            assert_eq!(changed, expected, "{object}");
        }
    }
}
