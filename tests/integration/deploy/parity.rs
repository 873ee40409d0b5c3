//! Helm and kustomize, side by side.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::render::{OVERLAYS, Release, helm, kustomize};
use super::report;
use crate::Outcome;

/// Labels by which Helm knows its own; kustomize has none of them.
const HELM: [&str; 4] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
];

pub(super) fn every_overlay() -> Outcome {
    let mut wrong = Vec::new();
    for (overlay, namespace) in OVERLAYS {
        let values = json!({});
        let release = Release { name: "dislodge", namespace, overlay, values: &values };
        let (ours, theirs) = (by_name(helm(&release)?), by_name(kustomize(overlay)?));
        let overlay = if overlay.is_empty() { "base" } else { overlay };
        for (name, object) in &theirs {
            match ours.get(name) {
                None => wrong.push(format!("{overlay}: Helm has no {name}")),
                Some(other) if other == object => {}
                Some(other) => {
                    let mut fields = super::missing(object, other);
                    fields.extend(super::missing(other, object));
                    wrong.push(format!("{overlay}: {name}: {}", fields.join("; ")));
                }
            }
        }
        let more = ours.keys().filter(|name| !theirs.contains_key(*name));
        wrong.extend(more.map(|name| format!("{overlay}: kustomize has no {name}")));
    }
    report(&wrong)
}

/// The objects by kind, namespace and name, without what one of the two alone can have.
fn by_name(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let objects = objects.into_iter().filter(|object| {
        // Helm makes it with --create-namespace.
        object["kind"] != "Namespace"
    });
    objects
        .map(|mut object| {
            let annotations = object.pointer_mut("/metadata/annotations");
            if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
                annotations.remove("helm.sh/resource-policy");
            }
            let (kind, metadata) = (&object["kind"], &object["metadata"]);
            let name = format!("{kind} {}/{}", metadata["namespace"], metadata["name"]);
            (name.replace('"', ""), plain(&object))
        })
        .collect()
}

/// Without Helm's labels, wherever they stand, and without what is empty.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !HELM.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), plain(value)))
            .filter(|(_, value)| !value.as_object().is_some_and(serde_json::Map::is_empty))
            .collect(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// The schema is asked before anything is rendered.
pub(super) fn wrong_values() -> Outcome {
    let mut wrong = Vec::new();
    for (values, word) in [
        (json!({"profile": "Everything"}), "profile"),
        (json!({"replicas": 2}), "replicas"),
        (json!({"image": {"digest": "latest"}}), "digest"),
        (json!({"networkPolicy": {"apiServer": {"ports": []}}}), "ports"),
    ] {
        let release = Release { name: "a", namespace: "b", overlay: "", values: &values };
        match helm(&release) {
            Ok(_) => wrong.push(format!("{values} is accepted")),
            Err(refusal) if refusal.message().is_some_and(|text| text.contains(word)) => {}
            Err(refusal) => wrong.push(format!("{values}: {refusal:?}")),
        }
    }
    report(&wrong)
}
