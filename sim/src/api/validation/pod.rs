//! Pods (`pkg/apis/core/validation`).

use serde_json::{Map, Value};

use crate::api::refusal::Cause;

/// What is wrong with a new Pod.
pub(super) fn check_new(pod: &Value) -> Vec<Cause> {
    check_spec(pod.get("spec").unwrap_or(&Value::Null), "spec")
}

/// What is wrong with the spec of a Pod, or with that of a template.
pub(super) fn check_spec(spec: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let containers = spec.get("containers").and_then(Value::as_array);
    let containers = containers.map_or(&[][..], Vec::as_slice);
    if containers.is_empty() {
        causes.push(Cause::required(&format!("{path}.containers"), ""));
    }
    let text = |container: &Value, field: &str| {
        container.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut seen: Vec<String> = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        let at = format!("{path}.containers[{index}]");
        let name = text(container, "name");
        if name.is_empty() {
            causes.push(Cause::required(&format!("{at}.name"), ""));
        } else if seen.contains(&name) {
            causes.push(Cause {
                reason: "FieldValueDuplicate",
                message: format!("Duplicate value: {name:?}"),
                field: format!("{at}.name"),
            });
        }
        seen.push(name);
        if text(container, "image").is_empty() {
            causes.push(Cause::required(&format!("{at}.image"), ""));
        }
    }
    causes
}

/// What is wrong with a Pod that replaces another. The words end before the difference that the API
/// server prints.
pub(super) fn check_update(new: &Value, old: &Value) -> Vec<Cause> {
    let spec = |pod: &Value| changeless(pod.get("spec").cloned().unwrap_or_default());
    if spec(new) == spec(old) {
        return Vec::new();
    }
    vec![Cause::forbidden(
        "spec",
        "pod updates may not change fields other than `spec.containers[*].image`,\
         `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only \
         additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set \
         to 1 if it was previously negative)",
    )]
}

/// The spec without what may change.
fn changeless(mut spec: Value) -> Value {
    let Some(fields) = spec.as_object_mut() else { return spec };
    for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        fields.remove(field);
    }
    for list in ["containers", "initContainers"] {
        let items = fields.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for container in items.filter_map(Value::as_object_mut) {
            container.remove("image");
        }
    }
    fields.retain(|_, value| {
        !(value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty))
    });
    spec
}
