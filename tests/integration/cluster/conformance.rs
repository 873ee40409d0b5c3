//! The models of `sim/` beside the real API server: the same requests, the same outcome.

use dislodge_sim::patch::{Patch, apply};
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use libtest_mimic::Failed;
use serde_json::{Value, from_value, json};

use super::actions::check;
use super::stage::Stage;
use crate::Outcome;
use crate::memory::script::{self, Player};

super::scenarios![
    a_pod_is_patched_as_the_model_has_it,
    the_api_server_in_memory_answers_as_the_real_one
];

/// The subresource, the patch, and whether it applies.
type Step = (&'static str, Patch, bool);

fn steps() -> Result<Vec<Step>, serde_json::Error> {
    let merge = |patch| ("", Patch::Merge(patch), true);
    let strategic = |patch| ("", Patch::Strategic(patch), true);
    let status = |patch| ("status", Patch::Strategic(patch), true);
    let conditions = |items: Value| status(json!({"status": {"conditions": items}}));
    let operations = |patch, applies| {
        Ok::<_, serde_json::Error>(("", Patch::Operations(from_value(patch)?), applies))
    };
    Ok(vec![
        merge(json!({"metadata": {"annotations": {"a": "1", "b": "2"}}})),
        merge(json!({"metadata": {"annotations": {"a": null, "c": "3"}}})),
        merge(json!({"metadata": {"labels": null}})),
        merge(json!({"metadata": {"finalizers": ["example.com/a"]}})),
        strategic(json!({"metadata": {"finalizers": ["example.com/a", "example.com/b"]}})),
        strategic(json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a"]}})),
        strategic(json!({"metadata": {"annotations": {"$patch": "replace", "d": "4"}}})),
        strategic(json!({"metadata": {"annotations": {"$patch": "delete"}}})),
        strategic(
            json!({"spec": {"containers": [{"name": "two", "image": "registry.example/c:1"}]}}),
        ),
        operations(
            json!([{"op": "add", "path": "/metadata/annotations", "value": {"e": "5"}}]),
            true,
        )?,
        operations(
            json!([{"op": "test", "path": "/metadata/annotations/e", "value": "5"},
                          {"op": "replace", "path": "/metadata/annotations/e", "value": "6"}]),
            true,
        )?,
        operations(
            json!([{"op": "remove", "path": "/metadata/annotations/e"},
                          {"op": "test", "path": "/metadata/name", "value": "x"}]),
            false,
        )?,
        conditions(json!([{"type": "A", "status": "True", "reason": "r"}])),
        conditions(json!([{"type": "B", "status": "False"}])),
        conditions(json!([{"type": "A", "status": "False"}])),
        (
            "status",
            Patch::Strategic(json!({"status": {"conditions": [{"status": "True"}]}})),
            false,
        ),
        status(json!({"status": {"$setElementOrder/conditions": [{"type": "B"}, {"type": "A"}],
                                 "conditions": [{"type": "B", "message": "m"}]}})),
        conditions(json!([{"type": "A", "$patch": "delete"}])),
        conditions(json!([{"$patch": "replace"}, {"type": "C", "status": "True"}])),
        status(json!({"status": {"podIPs": [{"ip": "10.0.0.1"}], "podIP": "10.0.0.1"}})),
        status(json!({"status": {"containerStatuses": [container("one"), container("two")]}})),
        status(json!({"status": {"containerStatuses": [container("two")]}})),
        ("status", Patch::Strategic(json!({"status": {"$patch": "forget"}})), false),
    ])
}

fn container(name: &str) -> Value {
    json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0})
}

async fn a_pod_is_patched_as_the_model_has_it(stage: Stage) -> Outcome {
    let container = |name: &str| json!({"name": name, "image": "registry.example/a:1"});
    let pod: Pod = from_value(json!({
        "metadata": {"name": "model", "labels": {"app": "model"}},
        // Nobody schedules it, so nobody else writes to it.
        "spec": {"schedulerName": "nobody", "containers": [container("one"), container("two")]},
    }))?;
    stage.tenant.api::<Pod>().create(&PostParams::default(), &pod).await?;
    let mut before = read(&stage).await?;
    for (number, (subresource, patch, applies)) in steps()?.into_iter().enumerate() {
        let real = send(&stage, subresource, &patch).await;
        let after = read(&stage).await?;
        let mut model = before.clone();
        let modelled = apply(&mut model, &patch);
        let agree = real.is_ok() == applies && modelled.is_ok() == applies;
        check(agree, || format!("step {number}, {patch:?}: {real:?}, the model: {modelled:?}"))?;
        check(lasting(&model) == lasting(&after), || {
            let (model, real) = (lasting(&model), lasting(&after));
            format!("step {number}, {patch:?}:\n the model {model}\n      real {real}")
        })?;
        before = after;
    }
    stage
        .kubectl(&[
            "patch",
            "pod",
            "model",
            "--type=merge",
            "-p",
            r#"{"metadata":{"finalizers":null}}"#,
        ])
        .await
        .map(drop)
}

/// Plays the script on both servers, and tells every difference.
async fn the_api_server_in_memory_answers_as_the_real_one(stage: Stage) -> Outcome {
    let namespace = stage.tenant.namespace();
    let memory = script::memory(namespace).await?;
    let (mut played, mut different) = (0, Vec::new());
    for subject in script::SUBJECTS {
        let mut real = Player::new(stage.tenant.client(), namespace);
        let mut model = Player::new(memory.client(), namespace);
        for step in script::steps(subject) {
            played += 1;
            let (real, model) = (real.play(&step).await?, model.play(&step).await?);
            different.extend(script::difference(&step, &real, &model));
        }
    }
    let count = different.len();
    check(different.is_empty(), || {
        format!("{count} of {played} steps differ:\n{}", different.join("\n"))
    })
}

const PATH: &str = "pods/model";

async fn read(stage: &Stage) -> Result<Value, Failed> {
    let uri = format!("/api/v1/namespaces/{}/{PATH}", stage.tenant.namespace());
    Ok(stage.tenant.client().request(http::Request::get(uri).body(Vec::new())?).await?)
}

async fn send(stage: &Stage, subresource: &str, patch: &Patch) -> Result<Value, kube::Error> {
    let (kind, body) = match patch {
        Patch::Merge(body) => ("application/merge-patch+json", body.to_string()),
        Patch::Strategic(body) => ("application/strategic-merge-patch+json", body.to_string()),
        Patch::Operations(body) => {
            ("application/json-patch+json", serde_json::to_string(body).unwrap_or_default())
        }
    };
    let uri = format!("/api/v1/namespaces/{}/{PATH}/{subresource}", stage.tenant.namespace());
    let request = http::Request::patch(uri.trim_end_matches('/')).header("content-type", kind);
    let request = request.body(body.into_bytes()).map_err(kube::Error::HttpError)?;
    stage.tenant.client().request(request).await
}

/// What of an object the API server does not count or date itself. A field that is empty is none.
fn lasting(object: &Value) -> Value {
    let mut object = object.clone();
    for field in ["resourceVersion", "generation", "managedFields"] {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove(field);
        }
    }
    without_empty(&object)
}

fn without_empty(value: &Value) -> Value {
    let is_there = |value: &Value| {
        !(value.is_null()
            || value.as_object().is_some_and(serde_json::Map::is_empty)
            || value.as_array().is_some_and(Vec::is_empty))
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), without_empty(value)))
            .filter(|(_, value)| is_there(value))
            .collect(),
        Value::Array(items) => items.iter().map(without_empty).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
