//! What no write of Dislodge may ever be, whatever happens around it.

use dislodge_testbed::audit::Request;
use serde_json::Value;

use super::actions::check as holds;
use crate::Outcome;

/// The fields of a Workload that are ours, by JSON pointer.
const WORKLOAD: [&str; 2] = ["/spec/active", "/metadata/annotations"];
/// The fields of Job and JobSet.
const JOB: [&str; 2] = ["/spec/suspend", "/metadata/annotations"];

/// Holds one write against all rules.
pub(super) fn check(request: &Request) -> Outcome {
    let Some(object) = &request.object_ref else { return Ok(()) };
    let none = Value::Null;
    let body = request.request_object.as_ref().unwrap_or(&none);
    let is = |resource: &str, subresource: &str| {
        object.resource == resource && object.subresource == subresource
    };
    let wrong = |what: &str| format!("{what}: {} {} {body}", request.verb, request.uri);
    if request.code() == 403 && request.request_object.is_none() {
        return Ok(()); // who has no right to it is refused before the body is read
    }
    let answer = request.response_status.as_ref().map_or("", |answer| answer.message.as_str());
    holds(!answer.contains("'dislodge-guard'"), || wrong("the guard refuses it"))?;
    holds(body.pointer("/status/phase").is_none(), || wrong("a phase is written"))?;
    if request.verb == "delete" {
        holds(is("pods", ""), || wrong("something else than a Pod is deleted"))?;
        // A deletion without both would also meet a Pod that has started, or another of that name.
        let pinned = ["uid", "resourceVersion"];
        let pinned = pinned.iter().all(|key| body["preconditions"][key].is_string());
        return holds(pinned, || wrong("a deletion is not pinned"));
    }
    if is("workloads", "status") {
        return Err(wrong("Kueue's status is written").into());
    }
    if is("workloads", "") {
        only(body, &WORKLOAD).map_err(|field| wrong(&field))?;
    }
    if is("jobs", "") || is("jobsets", "") {
        only(body, &JOB).map_err(|field| wrong(&field))?;
    }
    if is("jobs", "status") {
        let kinds = condition_types(body);
        let half = kinds.contains(&"FailureTarget") && !kinds.contains(&"Failed");
        holds(!half, || wrong("FailureTarget without Failed"))?;
    }
    if is("jobs", "status")
        || is("jobsets", "status")
        || is("workloads", "")
        || is("pods", "status")
    {
        let pinned = body["metadata"]["uid"].is_string();
        holds(pinned, || wrong("it is not pinned to a uid"))?;
    }
    let stops = body.pointer("/spec/active").or_else(|| body.pointer("/spec/suspend"));
    if stops.is_some() {
        let pinned = body["metadata"]["resourceVersion"].is_string();
        holds(pinned, || wrong("a lever is moved without its version"))?;
        let marked = body.pointer("/metadata/annotations/dislodge.dev~1hold").is_some();
        holds(marked, || wrong("a lever is moved and not marked"))?;
    }
    Ok(())
}

/// Nothing but these fields, our annotations among the annotations, and the preconditions.
fn only(body: &Value, fields: &[&str]) -> Result<(), String> {
    let annotations = body.pointer("/metadata/annotations").and_then(Value::as_object);
    if let Some(other) = annotations.into_iter().flat_map(|a| a.keys()).find(|k| !is_ours(k)) {
        return Err(format!("the annotation {other} is not ours"));
    }
    let mut rest = body.clone();
    for field in fields.iter().chain(&["/metadata/uid", "/metadata/resourceVersion"]) {
        let (parent, name) = field.rsplit_once('/').unwrap_or_default();
        if let Some(parent) = rest.pointer_mut(parent).and_then(Value::as_object_mut) {
            parent.remove(name);
        }
    }
    let empty = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
    let left = rest.as_object().and_then(|fields| fields.iter().find(|(_, v)| !empty(v)));
    match left {
        None => Ok(()),
        Some((field, value)) => Err(format!("{field} is not ours: {value}")),
    }
}

fn is_ours(annotation: &str) -> bool {
    annotation.starts_with("dislodge.dev/")
}

fn condition_types(body: &Value) -> Vec<&str> {
    let conditions = body["status"]["conditions"].as_array().into_iter().flatten();
    conditions.filter_map(|condition| condition["type"].as_str()).collect()
}
