//! How lists and maps are taken apart: by the items' keys, as sets, or not at all.
//!
//! As the schemas say with `x-kubernetes-list-type`, `x-kubernetes-list-map-keys` and
//! `x-kubernetes-map-type`: Kubernetes' own (`api/openapi-spec`), Kueue's and JobSet's CRDs, and ours.
//! Only fields that somebody in the cluster writes are listed; what is not listed is the usual: maps
//! by their fields, lists as a whole.

use serde_json::{Map, Value};

use super::kinds::Kind;

/// How a value is taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Not at all.
    Whole,
    /// By its fields.
    Fields,
    /// By its items, which these fields tell apart. Where a field is left out, the second is meant.
    Keyed(&'static [(&'static str, &'static str)]),
    /// By its items, which are values.
    Set,
}

/// How the value of a field is taken apart.
pub(super) fn shape(kind: &Kind, field: &str, value: &Value) -> Shape {
    match value {
        Value::Object(_) if is_whole(kind, field) => Shape::Whole,
        Value::Object(_) => Shape::Fields,
        Value::Array(_) => list(kind, field),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Shape::Whole,
    }
}

/// Maps that are no more than one value (`x-kubernetes-map-type: atomic`).
fn is_whole(kind: &Kind, field: &str) -> bool {
    const ALWAYS: [&str; 11] = [
        "selector",
        "nodeSelector",
        "namespaceSelector",
        "labelSelector",
        "secretKeyRef",
        "configMapKeyRef",
        "fieldRef",
        "resourceFieldRef",
        "involvedObject",
        "regarding",
        "related",
    ];
    ALWAYS.contains(&field) || (field, kind.name) == ("nodeLabels", "ResourceFlavor")
}

/// Lists of objects that are told apart by their names, in objects of every kind, and in those of one.
const NAMED: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "containers",
            "initContainers",
            "ephemeralContainers",
            "volumes",
            "env",
            "imagePullSecrets",
            "resourceClaims",
            "schedulingGates",
        ],
    ),
    (
        "Workload",
        &[
            "podSets",
            "podSetAssignments",
            "admissionChecks",
            "reclaimablePods",
            "preemptionGates",
            "resourceRequests",
            "unhealthyNodes",
        ],
    ),
    ("LocalQueue", &["flavorsReservation", "flavorsUsage", "resources"]),
    (
        "ClusterQueue",
        &["flavorsReservation", "flavorsUsage", "resources", "flavors", "admissionChecks"],
    ),
    ("JobSet", &["replicatedJobs", "replicatedJobsStatus", "dependsOn"]),
    ("ImagePullPolicy", &["rules"]),
];

fn list(kind: &Kind, field: &str) -> Shape {
    let is_named = NAMED
        .iter()
        .any(|(of, fields)| (of.is_empty() || *of == kind.name) && fields.contains(&field));
    if is_named {
        return Shape::Keyed(&[("name", "")]);
    }
    match (field, kind.name) {
        // The one kind whose conditions are no map for who owns them.
        ("conditions", "Job") => Shape::Whole,
        ("conditions" | "addresses", _) => Shape::Keyed(&[("type", "")]),
        ("ownerReferences", _) => Shape::Keyed(&[("uid", "")]),
        ("ports", _) => Shape::Keyed(&[("containerPort", ""), ("protocol", "TCP")]),
        ("volumeMounts", _) => Shape::Keyed(&[("mountPath", "")]),
        ("volumeDevices", _) => Shape::Keyed(&[("devicePath", "")]),
        ("podIPs" | "hostAliases", _) => Shape::Keyed(&[("ip", "")]),
        ("topologySpreadConstraints", _) => {
            Shape::Keyed(&[("topologyKey", ""), ("whenUnsatisfiable", "")])
        }
        ("finalizers", _) | ("causes", "ImagePullPolicy") | ("onFlavors", "ClusterQueue") => {
            Shape::Set
        }
        _ => Shape::Whole,
    }
}

/// The name of an item in `fieldsV1`: `k:{"name":"x"}` or `v:"x"`.
pub(super) fn item_name(shape: Shape, item: &Value) -> String {
    match shape {
        Shape::Keyed(keys) => {
            let key: Map<String, Value> = keys
                .iter()
                .filter_map(|(field, usual)| {
                    let value = item.get(field).cloned().or_else(|| {
                        (!usual.is_empty()).then(|| Value::String((*usual).to_owned()))
                    });
                    value.map(|value| ((*field).to_owned(), value))
                })
                .collect();
            format!("k:{}", Value::Object(key))
        }
        Shape::Set | Shape::Fields | Shape::Whole => format!("v:{item}"),
    }
}
