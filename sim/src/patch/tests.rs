//! Objects, patches, and what comes of them.

use serde_json::{Value, from_value, json};

use super::*;

type Row = (&'static str, fn(Value) -> Patch, Value, Value, Result<Value, &'static str>);

fn operations(patch: Value) -> Patch {
    Patch::Operations(from_value(patch).unwrap())
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn every_patch_comes_out_as_an_api_server_has_it() {
    let pod = json!({"status": {"conditions": [{"type": "A", "status": "True", "reason": "r"}]}});
    let rows: Vec<Row> = vec![
        (
            "a field is set, another stays",
            Patch::Merge,
            json!({"spec": {"a": 1, "b": 2}}),
            json!({"spec": {"a": 3}}),
            Ok(json!({"spec": {"a": 3, "b": 2}})),
        ),
        (
            "null removes",
            Patch::Merge,
            json!({"metadata": {"annotations": {"a": "1", "b": "2"}}}),
            json!({"metadata": {"annotations": {"a": null}}}),
            Ok(json!({"metadata": {"annotations": {"b": "2"}}})),
        ),
        (
            "a list is replaced",
            Patch::Merge,
            pod.clone(),
            json!({"status": {"conditions": [{"type": "B"}]}}),
            Ok(json!({"status": {"conditions": [{"type": "B"}]}})),
        ),
        (
            "a condition is added, and stands first",
            Patch::Strategic,
            pod.clone(),
            json!({"status": {"conditions": [{"type": "B", "status": "True"}]}}),
            Ok(json!({"status": {"conditions": [
                {"type": "B", "status": "True"}, {"type": "A", "status": "True", "reason": "r"}]}})),
        ),
        (
            "a condition is changed in its place",
            Patch::Strategic,
            pod.clone(),
            json!({"status": {"conditions": [{"type": "A", "status": "False"}]}}),
            Ok(
                json!({"status": {"conditions": [{"type": "A", "status": "False", "reason": "r"}]}}),
            ),
        ),
        (
            "a condition is taken away",
            Patch::Strategic,
            pod.clone(),
            json!({"status": {"conditions": [{"type": "A", "$patch": "delete"}]}}),
            Ok(json!({"status": {"conditions": []}})),
        ),
        (
            "all conditions are replaced",
            Patch::Strategic,
            pod.clone(),
            json!({"status": {"conditions": [{"$patch": "replace"}, {"type": "B"}]}}),
            Ok(json!({"status": {"conditions": [{"type": "B"}]}})),
        ),
        (
            "an order is kept",
            Patch::Strategic,
            pod.clone(),
            json!({"status": {"$setElementOrder/conditions": [{"type": "B"}, {"type": "A"}],
                           "conditions": [{"type": "B"}]}}),
            Ok(json!({"status": {"conditions": [{"type": "B"},
                                             {"type": "A", "status": "True", "reason": "r"}]}})),
        ),
        (
            "an item without its key",
            Patch::Strategic,
            pod.clone(),
            json!({"status": {"conditions": [{"status": "True"}]}}),
            Err("merge key: type"),
        ),
        (
            "a list without keys is replaced",
            Patch::Strategic,
            json!({"status": {"containerStatuses": [{"name": "a", "ready": true}]}}),
            json!({"status": {"containerStatuses": [{"name": "a"}]}}),
            Ok(json!({"status": {"containerStatuses": [{"name": "a"}]}})),
        ),
        (
            "finalizers are a set",
            Patch::Strategic,
            json!({"metadata": {"finalizers": ["a"]}}),
            json!({"metadata": {"finalizers": ["a", "b"]}}),
            Ok(json!({"metadata": {"finalizers": ["a", "b"]}})),
        ),
        (
            "a finalizer is taken away",
            Patch::Strategic,
            json!({"metadata": {"finalizers": ["a", "b"]}}),
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}),
            Ok(json!({"metadata": {"finalizers": ["b"]}})),
        ),
        (
            "an object is replaced",
            Patch::Strategic,
            json!({"spec": {"a": 1, "b": 2}}),
            json!({"spec": {"$patch": "replace", "c": 3}}),
            Ok(json!({"spec": {"c": 3}})),
        ),
        (
            "no such directive",
            Patch::Strategic,
            pod.clone(),
            json!({"status": {"$patch": "forget"}}),
            Err("Unknown patch type found: forget"),
        ),
        (
            "an operation",
            operations,
            json!({"spec": {"a": 1}}),
            json!([{"op": "add", "path": "/spec/b", "value": 2}]),
            Ok(json!({"spec": {"a": 1, "b": 2}})),
        ),
        (
            "what is not there is replaced all the same",
            operations,
            json!({"spec": {"a": 1}}),
            json!([{"op": "replace", "path": "/spec/b", "value": 2}]),
            Ok(json!({"spec": {"a": 1, "b": 2}})),
        ),
        (
            "a test that fails undoes all",
            operations,
            json!({"spec": {"a": 1}}),
            json!([{"op": "remove", "path": "/spec/a"}, {"op": "test", "path": "/spec", "value": 1}]),
            Err("/spec"),
        ),
    ];
    for (name, kind, before, patch, expected) in rows {
        let mut object = before.clone();
        let outcome = apply(&mut object, &kind(patch));
        match expected {
            Ok(expected) => assert_eq!((outcome, object), (Ok(()), expected), "{name}"),
            Err(word) => {
                let told = outcome.unwrap_err().0;
                assert!(told.contains(word), "{name}: {told}");
                assert_eq!(object, before, "{name}: it was changed");
            }
        }
    }
}
