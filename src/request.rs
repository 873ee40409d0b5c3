//! A write as a value, and what the answer to it means. What `apply` and `report` have in common.

use std::time::Duration;

use dislodge_engine::effect::{Merge, Outcome, Part, Patch, Target, TargetKind};
use dislodge_engine::objects::{Key, Uid};
use http::Method;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::{REQUEST_TIMEOUT, describe};
use crate::watch::kinds::Versions;

/// The name under which our fields stand in `managedFields`.
pub const FIELD_MANAGER: &str = "dislodge";

/// One request that writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `PATCH`, `POST` or `DELETE`.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// The body's media type.
    pub content_type: &'static str,
    /// The body.
    pub body: Value,
}

impl Request {
    /// A patch of the target, pinned to its uid and, where set, to its resourceVersion.
    pub fn patch(target: &Target, patch: &Patch, versions: &Versions) -> Self {
        let part = match patch.part {
            Part::Main => "",
            Part::Status => "/status",
        };
        let content_type = match patch.merge {
            Merge::Json => "application/merge-patch+json",
            Merge::Strategic => "application/strategic-merge-patch+json",
        };
        Self {
            method: Method::PATCH,
            path: format!("{}{part}?fieldManager={FIELD_MANAGER}", path(target, versions)),
            content_type,
            body: pinned(target, patch.body.clone()),
        }
    }

    /// A patch of the controller's Lease, pinned to its uid: the operators' brake is on it.
    pub fn lease(key: &Key, uid: Uid, patch: &Patch) -> Self {
        let Key { namespace, name } = key;
        let mut body = patch.body.clone();
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("uid".to_owned(), json!(uid));
        }
        Self {
            method: Method::PATCH,
            path: format!(
                "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}\
                 ?fieldManager={FIELD_MANAGER}"
            ),
            content_type: "application/merge-patch+json",
            body,
        }
    }

    /// The same in another's name: what a person writes is not the controller's.
    #[must_use]
    pub fn managed_by(mut self, manager: &str) -> Self {
        let ours = format!("fieldManager={FIELD_MANAGER}");
        self.path = self.path.replace(&ours, &format!("fieldManager={manager}"));
        self
    }

    /// New fields for the target's status, each in place of the whole old one, and pinned to its uid.
    /// A merge patch would do neither: it keeps what it does not name, and on the status of a custom
    /// resource the API server does not compare `metadata.uid`.
    pub fn status(target: &Target, fields: &Map<String, Value>, versions: &Versions) -> Self {
        let uid = json!({"op": "test", "path": "/metadata/uid", "value": target.uid});
        let fields = fields.iter().map(|(field, value)| {
            json!({"op": "add", "path": format!("/status/{field}"), "value": value})
        });
        Self {
            method: Method::PATCH,
            path: format!("{}/status?fieldManager={FIELD_MANAGER}", path(target, versions)),
            content_type: "application/json-patch+json",
            body: std::iter::once(uid).chain(fields).collect(),
        }
    }

    /// A deletion of the target as it was at that resourceVersion.
    pub fn delete(target: &Target, resource_version: Option<&str>, versions: &Versions) -> Self {
        let mut preconditions = json!({"uid": target.uid});
        if let (Some(version), Some(fields)) = (resource_version, preconditions.as_object_mut()) {
            fields.insert("resourceVersion".to_owned(), json!(version));
        }
        Self {
            method: Method::DELETE,
            path: path(target, versions),
            content_type: "application/json",
            body: json!({
                "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions,
            }),
        }
    }

    /// Sends it and reads the answer. Never repeats it.
    ///
    /// # Errors
    ///
    /// What the API server, the connection or the clock had against it.
    pub async fn send(&self, client: &Client) -> Result<Accepted, Refused> {
        let call = async {
            let request = http::Request::builder()
                .method(self.method.clone())
                .uri(&self.path)
                .header(CONTENT_TYPE, self.content_type)
                .body(Body::from(self.body.to_string().into_bytes()))
                .map_err(|error| Refused::new(Outcome::Rejected, error.to_string()))?;
            let answer = client.send(request).await.map_err(|error| lost(&error))?;
            let (head, body) = answer.into_parts();
            let body = body.collect_bytes().await.map_err(|error| lost(&error))?;
            if head.status.is_success() {
                // An answer that cannot be read is still a write that was accepted.
                let written: Written = serde_json::from_slice(&body).unwrap_or_default();
                return Ok(Accepted { resource_version: written.metadata.resource_version });
            }
            let retry_after = head.headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok());
            Err(Refused::read(head.status.as_u16(), &body, retry_after))
        };
        // The client's own limit ends with the answer's head; this one covers the body, too.
        match tokio::time::timeout(REQUEST_TIMEOUT, call).await {
            Ok(answer) => answer,
            Err(_) => Err(Refused::new(
                Outcome::Unavailable,
                format!("the API server did not answer within {REQUEST_TIMEOUT:?}"),
            )),
        }
    }
}

/// The API group, version and plural name under which a kind is served.
pub fn resource(kind: TargetKind, versions: &Versions) -> (String, &'static str) {
    use dislodge_engine::api;
    match kind {
        TargetKind::Workload => (format!("kueue.x-k8s.io/{}", versions.workload()), "workloads"),
        TargetKind::Job => ("batch/v1".to_owned(), "jobs"),
        TargetKind::JobSet => ("jobset.x-k8s.io/v1alpha2".to_owned(), "jobsets"),
        TargetKind::Pod => ("v1".to_owned(), "pods"),
        TargetKind::Policy => (api::API_VERSION.to_owned(), api::PLURAL),
    }
}

fn path(target: &Target, versions: &Versions) -> String {
    let (api_version, plural) = resource(target.kind, versions);
    // Only the core group is served without a group's name, and under another root.
    let root = if api_version.contains('/') { "apis" } else { "api" };
    let (namespace, name) = (&target.key.namespace, &target.key.name);
    format!("/{root}/{api_version}/namespaces/{namespace}/{plural}/{name}")
}

/// Puts the preconditions into the body: the API server compares `metadata.uid` and
/// `metadata.resourceVersion` of a patch with what is stored.
fn pinned(target: &Target, mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("uid".to_owned(), json!(target.uid));
            if let Some(version) = &target.resource_version {
                metadata.insert("resourceVersion".to_owned(), json!(version));
            }
        }
    }
    body
}

/// A write that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The object's version afterwards.
    pub resource_version: Option<String>,
}

/// A write that was not accepted, or of which nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What that means.
    pub outcome: Outcome,
    /// What the API server or the connection said.
    pub message: String,
    /// How long the API server wants to be left alone.
    pub retry_after: Option<Duration>,
}

#[derive(Default, Deserialize)]
struct Written {
    #[serde(default)]
    metadata: WrittenMeta,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WrittenMeta {
    resource_version: Option<String>,
}

/// The part of `metav1.Status` that says why.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    reason: String,
    message: String,
    details: Option<Details>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Details {
    retry_after_seconds: u64,
    causes: Vec<Cause>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cause {
    reason: String,
    field: String,
}

impl Refused {
    fn new(outcome: Outcome, message: String) -> Self {
        Self { outcome, message, retry_after: None }
    }

    /// A write that was refused before it was sent, or got no answer in time.
    pub fn unsent(outcome: Outcome, why: impl Into<String>) -> Self {
        Self::new(outcome, why.into())
    }

    /// Reads an answer that is no success.
    fn read(code: u16, body: &[u8], retry_after: Option<&str>) -> Self {
        let status: Status = serde_json::from_slice(body).unwrap_or_else(|_| Status {
            message: String::from_utf8_lossy(body).chars().take(500).collect(),
            ..Status::default()
        });
        let asked = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        let retry_after = retry_after.and_then(|value| value.trim().parse().ok()).unwrap_or(asked);
        Self {
            outcome: outcome(code, &status),
            message: format!("{} ({code} {})", status.message, status.reason),
            retry_after: (retry_after > 0).then(|| Duration::from_secs(retry_after)),
        }
    }

    /// Whether the same write may well be accepted later.
    pub fn is_transient(&self) -> bool {
        matches!(self.outcome, Outcome::Throttled | Outcome::Unavailable)
    }
}

fn outcome(code: u16, status: &Status) -> Outcome {
    let cause = |test: fn(&Cause) -> bool| {
        status.details.as_ref().and_then(|details| details.causes.iter().find(|cause| test(cause)))
    };
    match code {
        404 => Outcome::Gone,
        409 if status.reason == "AlreadyExists" => Outcome::AlreadyDone,
        // Another object has the name: its uid is not the one that the write was pinned to.
        409 if status.message.contains("UID in precondition")
            || status.message.contains("UID in the precondition") =>
        {
            Outcome::Gone
        }
        422 if cause(|cause| cause.field == "metadata.uid").is_some() => Outcome::Gone,
        // A JSON patch of ours whose test of the uid failed; the API server names no cause.
        422 if cause(|_| true).is_none() && status.message.contains("error in our request") => {
            Outcome::Gone
        }
        409 => Outcome::Conflict,
        403 if cause(|cause| cause.reason == "NamespaceTerminating").is_some() => Outcome::Gone,
        // Admission answers with any code that it likes, 403 among them.
        403 if status.message.contains("denied the request")
            || status.message.contains("denied request") =>
        {
            Outcome::Rejected
        }
        401 | 403 => Outcome::Forbidden,
        429 => Outcome::Throttled,
        408 | 500.. => Outcome::Unavailable,
        _ => Outcome::Rejected,
    }
}

/// A request without an answer: it may have been carried out.
fn lost(error: &kube::Error) -> Refused {
    Refused::new(Outcome::Unavailable, describe(error))
}

#[cfg(test)]
mod tests;
