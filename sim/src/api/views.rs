//! Objects as they are stored, and as they are sent in each version.
//!
//! Kinds with several versions differ in no field that anybody in the cluster uses, but in their
//! `apiVersion`. Events alone are two kinds in one: the fields of `v1` have other names in
//! `events.k8s.io/v1`, in which they are stored.

use serde_json::{Value, json};

use super::kinds::Kind;

/// The names of an Event's fields: as stored, and in the core group.
const EVENT: &[(&str, &str)] = &[
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("reportingController", "reportingComponent"),
];

/// A stored object as it is sent in that version.
pub(super) fn shown(kind: &Kind, version: &str, stored: &Value) -> Value {
    let mut object = stored.clone();
    name_version(&mut object, &kind.api_version(version));
    if is_core_event(kind) {
        rename(&mut object, |(stored, core)| (stored, core));
    }
    object
}

/// An object of that kind as it is stored.
pub(super) fn stored(kind: &Kind, mut object: Value) -> Value {
    let version = kind.versions.first().copied().unwrap_or_default();
    if is_core_event(kind) {
        rename(&mut object, |(stored, core)| (core, stored));
        name_version(&mut object, "events.k8s.io/v1");
    } else {
        name_version(&mut object, &kind.api_version(version));
    }
    object
}

/// An object of which nothing has been written yet: what Go's zero value of the type encodes to.
pub(super) fn unwritten(kind: &Kind) -> Value {
    let pod = || json!({"metadata": {}, "spec": {"containers": null}});
    match kind.name {
        _ if kind.custom => json!({"metadata": {}}),
        "Pod" => json!({"metadata": {}, "spec": {"containers": null}, "status": {}}),
        "Job" => json!({"metadata": {}, "spec": {"template": pod()}, "status": {}}),
        "CronJob" => json!({
            "metadata": {},
            "spec": {"schedule": "", "jobTemplate": {"metadata": {}, "spec": {"template": pod()}}},
            "status": {},
        }),
        "Lease" => json!({"metadata": {}, "spec": {}}),
        "Event" => json!({"metadata": {}, "eventTime": null, "regarding": {}, "involvedObject": {},
                          "deprecatedSource": {}, "source": {}}),
        _ => json!({"metadata": {}, "spec": {}, "status": {}}),
    }
}

fn is_core_event(kind: &Kind) -> bool {
    kind.name == "Event" && kind.group.is_empty()
}

fn name_version(object: &mut Value, api_version: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".to_owned(), json!(api_version));
    }
}

fn rename(
    object: &mut Value,
    pair: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str),
) {
    let Some(fields) = object.as_object_mut() else { return };
    for (from, to) in EVENT.iter().copied().map(pair) {
        if let Some(value) = fields.remove(from) {
            fields.insert(to.to_owned(), value);
        }
    }
}
