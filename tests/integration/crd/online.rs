//! The table against a real API server, and the real one against the product's own judgement.

use std::collections::BTreeSet;

use dislodge::crd::{custom_resource_definition, render};
use http::{Method, Request};
use kube::Client;
use serde_json::Value;

use super::cases::{Case, Write, load};
use super::offline;
use super::{Failure, Refusal, Verdict};

const NOT_STORED: &str = "dryRun=All&fieldValidation=Strict";

/// Runs the whole table, and compares the stored CRD with ours, in a namespace where our CRD is established. All writes but the stored
/// policies of updates are dry runs; those policies are deleted again.
pub(crate) async fn against(client: Client, namespace: &str) -> Vec<Failure> {
    let path = format!("/apis/dislodge.dev/v1alpha1/namespaces/{namespace}/imagepullpolicies");
    let server = Server { client, path };
    let cases = match load() {
        Ok(cases) => cases,
        Err(text) => return vec![Failure { case: "the table".to_owned(), text }],
    };
    let mut failures = Vec::new();
    if let Err(text) = server.compare_definition().await {
        failures.push(Failure { case: "the CRD is read back as it was written".to_owned(), text });
    }
    for case in &cases {
        if let Err(text) = server.run(case).await {
            failures.push(Failure { case: case.name.clone(), text });
        }
    }
    failures
}

/// The schema that the CRD holds.
pub(crate) fn schema() -> Value {
    let definition = serde_json::to_value(custom_resource_definition()).unwrap_or_default();
    definition.pointer("/spec/versions/0/schema/openAPIV3Schema").cloned().unwrap_or_default()
}

struct Server {
    client: Client,
    path: String,
}

impl Server {
    /// A CRD to which the server adds something stays "out of sync" for ever in GitOps tools.
    async fn compare_definition(&self) -> Result<(), String> {
        let ours: Value = serde_saphyr::from_str(&render()).map_err(|error| error.to_string())?;
        let name = ours.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        let stored = self.send(Method::GET, &path, &Value::Null).await?;
        let stored = stored.map_err(|refusals| format!("{refusals:?}"))?;
        let spec = |definition: &Value| definition.get("spec").cloned().unwrap_or_default();
        match first_difference("spec", &spec(&ours), &spec(&stored)) {
            None => Ok(()),
            Some(difference) => Err(difference),
        }
    }

    async fn run(&self, case: &Case) -> Result<(), String> {
        let online = self.write(case.write()).await?;
        case.check(&online).map_err(|text| format!("the API server: {text}"))?;
        let offline = offline::verdict(case.write());
        let said = |verdict: &Verdict| match verdict {
            Ok(_) => "accepted".to_owned(),
            Err(refusals) => {
                refusals.iter().map(Refusal::to_string).collect::<Vec<_>>().join("\n  ")
            }
        };
        if said(&online) == said(&offline) {
            return Ok(());
        }
        Err(format!(
            "the API server says\n  {}\nbut offline it is\n  {}",
            said(&online),
            said(&offline)
        ))
    }

    /// Carries one write out as a dry run.
    async fn write(&self, write: Write) -> Result<Verdict, String> {
        match write {
            Write::Create(new) => {
                self.send(Method::POST, &format!("{}?{NOT_STORED}", self.path), &new).await
            }
            Write::Update { old, mut new } => {
                let (path, version) = self.store(&old).await?;
                if let Some(metadata) = new.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.insert("resourceVersion".to_owned(), version);
                }
                let verdict = self.send(Method::PUT, &format!("{path}?{NOT_STORED}"), &new).await;
                self.delete(&path).await?;
                verdict
            }
            Write::Status { old, status } => {
                let (path, _) = self.store(&old).await?;
                let body = serde_json::json!({"status": status});
                let target = format!("{path}/status?{NOT_STORED}");
                let verdict = self.send(Method::PATCH, &target, &body).await;
                self.delete(&path).await?;
                verdict
            }
        }
    }

    /// Stores a policy; its path and resourceVersion.
    async fn store(&self, object: &Value) -> Result<(String, Value), String> {
        let stored = self
            .send(Method::POST, &self.path, object)
            .await?
            .map_err(|refusals| format!("the stored policy was refused: {refusals:?}"))?;
        let name = stored.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let version = stored.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
        Ok((format!("{}/{name}", self.path), version))
    }

    async fn delete(&self, path: &str) -> Result<(), String> {
        self.send(Method::DELETE, path, &serde_json::json!({}))
            .await?
            .map(|_| ())
            .map_err(|refusals| format!("the stored policy was not deleted: {refusals:?}"))
    }

    async fn send(&self, method: Method, target: &str, body: &Value) -> Result<Verdict, String> {
        let patch = method == Method::PATCH;
        let content = if patch { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("Content-Type", content)
            .body(body.to_string().into_bytes())
            .map_err(|error| error.to_string())?;
        match self.client.request::<Value>(request).await {
            Ok(stored) => Ok(Ok(stored)),
            Err(kube::Error::Api(status)) if [400, 422].contains(&status.code) => {
                Ok(Err(refusals(&status)))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The reasons that an API server gives: as a list where it validated, in the text where it could
/// not even decode.
fn refusals(status: &kube::core::Status) -> BTreeSet<Refusal> {
    let causes = || status.details.iter().flat_map(|details| &details.causes);
    let decoding = std::iter::once(&status.message).chain(causes().map(|cause| &cause.message));
    let unknown: BTreeSet<Refusal> = decoding
        .filter_map(|text| text.split_once("strict decoding error: "))
        .flat_map(|(_, text)| text.split("unknown field \"").skip(1))
        .filter_map(|text| text.split_once('"'))
        .map(|(field, _)| Refusal::new(field, "unknown field"))
        .collect();
    if !unknown.is_empty() {
        return unknown;
    }
    let listed: BTreeSet<Refusal> =
        causes().map(|cause| Refusal::new(&cause.field, cause.message.clone())).collect();
    if listed.is_empty() {
        return BTreeSet::from([Refusal::new("", status.message.clone())]);
    }
    listed
}

/// The first place where two values differ, and how.
fn first_difference(path: &str, ours: &Value, stored: &Value) -> Option<String> {
    match (ours, stored) {
        (Value::Object(ours), Value::Object(stored)) => {
            let names: BTreeSet<&String> = ours.keys().chain(stored.keys()).collect();
            names.into_iter().find_map(|name| {
                let field = |fields: &serde_json::Map<String, Value>| {
                    fields.get(name).cloned().unwrap_or_default()
                };
                first_difference(&format!("{path}.{name}"), &field(ours), &field(stored))
            })
        }
        (Value::Array(ours), Value::Array(stored)) if ours.len() == stored.len() => {
            ours.iter().zip(stored).enumerate().find_map(|(index, (ours, stored))| {
                first_difference(&format!("{path}[{index}]"), ours, stored)
            })
        }
        _ if ours == stored => None,
        _ => Some(format!("{path}: written {ours}, stored {stored}")),
    }
}
