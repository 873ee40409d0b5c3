//! What was really asked of the API server, and by whom: its audit log.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::Client;
use serde::Deserialize;
use serde_json::Value;

use crate::deadline::until;
use crate::error::{Error, Result};

/// The audit policy: everything at `Metadata`, writes to what the controller may touch with their
/// bodies. Reads of the control plane itself are left out: nobody asks for them, and they are most.
pub(crate) const POLICY: &str = r#"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- level: None
  nonResourceURLs: ["/healthz*", "/livez*", "/readyz*"]
- level: None
  users: ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"]
  verbs: [get, list, watch]
- level: Request
  verbs: [create, update, patch, delete, deletecollection]
  resources:
  - {group: "", resources: ["pods", "pods/*", "events"]}
  - {group: "batch"}
  - {group: "dislodge.dev"}
  - {group: "events.k8s.io"}
  - {group: "jobset.x-k8s.io"}
  - {group: "kueue.x-k8s.io"}
- level: Metadata
"#;

/// One line of the audit log: one request at one stage.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The same for all stages of a request.
    #[serde(rename = "auditID")]
    pub id: String,
    /// How far the request had come.
    pub stage: Stage,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, ...
    pub verb: String,
    /// The path and query.
    #[serde(rename = "requestURI")]
    pub uri: String,
    /// Who asked.
    pub user: User,
    /// As whom, where the user impersonated another.
    #[serde(default)]
    pub impersonated_user: Option<User>,
    /// The program that asked, as it calls itself.
    #[serde(default)]
    pub user_agent: String,
    /// What was asked for; none for `/version` and its like.
    #[serde(default)]
    pub object_ref: Option<Object>,
    /// The answer.
    #[serde(default)]
    pub response_status: Option<Answer>,
    /// The body of a write, where the policy keeps it: the patch, or the object.
    #[serde(default)]
    pub request_object: Option<Value>,
    /// When the request came in, to the microsecond.
    pub request_received_timestamp: Timestamp,
    /// When it came to this stage, to the microsecond.
    pub stage_timestamp: Timestamp,
}

/// How far a request had come when its line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Stage {
    /// The answer has begun and goes on: a watch.
    ResponseStarted,
    /// It is answered.
    ResponseComplete,
    /// The API server failed over it.
    Panic,
}

/// Who asked.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct User {
    /// The user's name, such as `system:serviceaccount:<namespace>:<name>`.
    #[serde(default)]
    pub username: String,
    /// What else is known; a token's id stands under `authentication.kubernetes.io/credential-id`.
    #[serde(default)]
    extra: std::collections::BTreeMap<String, Vec<String>>,
}

/// The object or the collection that a request is about. Absent parts are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Object {
    /// The API group; empty for the core group.
    pub api_group: String,
    /// The plural name.
    pub resource: String,
    /// `status`, `token`, ...
    pub subresource: String,
    /// The namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
}

/// The status of an answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// The HTTP status code.
    pub code: u16,
    /// The reason in words, where it is a refusal.
    pub reason: String,
    /// The message, where it is a refusal.
    pub message: String,
}

impl Request {
    /// Whether it is answered. A watch that still runs is not.
    pub fn is_complete(&self) -> bool {
        self.stage == Stage::ResponseComplete
    }

    /// Whether it would change something, were it not refused.
    pub fn is_write(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
    }

    /// Whether the user asked, by himself or as an impersonator's other self.
    pub fn is_by(&self, username: &str) -> bool {
        self.impersonated_user.as_ref().unwrap_or(&self.user).username == username
    }

    /// Whether it came with the token of that id (see `Account::credential`).
    pub fn is_with(&self, credential: &str) -> bool {
        self.user
            .extra
            .get("authentication.kubernetes.io/credential-id")
            .is_some_and(|ids| ids.iter().any(|id| id == credential))
    }

    /// The id of the token that it came with.
    pub fn credential(&self) -> Option<&str> {
        let ids = self.user.extra.get("authentication.kubernetes.io/credential-id")?;
        ids.first().map(String::as_str)
    }

    /// Whether it is about objects of that group and plural name, the object itself or a subresource.
    pub fn is_on(&self, group: &str, resource: &str) -> bool {
        self.object_ref
            .as_ref()
            .is_some_and(|object| object.api_group == group && object.resource == resource)
    }

    /// Whether it is about that namespace, or an object in it.
    pub fn is_in(&self, namespace: &str) -> bool {
        self.object_ref.as_ref().is_some_and(|object| object.namespace == namespace)
    }

    /// The status code of the answer; 0 where there is none yet.
    pub fn code(&self) -> u16 {
        self.response_status.as_ref().map_or(0, |answer| answer.code)
    }

    /// The right that it needs; none for what is not about objects.
    pub fn right(&self) -> Option<Right> {
        self.object_ref.as_ref().map(|object| Right {
            group: object.api_group.clone(),
            resource: match object.subresource.as_str() {
                "" => object.resource.clone(),
                subresource => format!("{}/{subresource}", object.resource),
            },
            verb: self.verb.clone(),
        })
    }
}

/// One right, as RBAC grants it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural name, with `/<subresource>` where it is one.
    pub resource: String,
    /// The verb.
    pub verb: String,
}

impl std::fmt::Display for Right {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { group, resource, verb } = self;
        let group = if group.is_empty() { "core" } else { group };
        write!(formatter, "{verb} {resource} ({group})")
    }
}

/// The rights that rules grant, written out. A rule for `resourceNames` counts as a whole one.
pub fn granted(rules: &[PolicyRule]) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for rule in rules {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for verb in &rule.verbs {
                    rights.insert(Right {
                        group: group.clone(),
                        resource: resource.clone(),
                        verb: verb.clone(),
                    });
                }
            }
        }
    }
    rights
}

/// The rights that requests needed, refused ones included.
pub fn used<'a>(requests: impl IntoIterator<Item = &'a Request>) -> BTreeSet<Right> {
    requests.into_iter().filter_map(Request::right).collect()
}

/// The audit log of a cluster.
#[derive(Debug, Clone)]
pub struct AuditLog {
    path: PathBuf,
}

impl AuditLog {
    /// A log that an API server writes to `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All lines so far. A request that is being answered may not be in it yet: see [`AuditLog::settled`].
    ///
    /// # Errors
    /// When the file cannot be read, or a line is no audit event.
    pub fn read(&self) -> Result<Vec<Request>> {
        parse(&self.text()?, |_| true)
    }

    /// All lines, up to and with a request that is made now: whatever was answered before this call
    /// is in it.
    ///
    /// # Errors
    /// As [`AuditLog::read`], or when the request does not show up within 30 s.
    pub async fn settled(&self, client: &Client) -> Result<Vec<Request>> {
        self.settled_about(client, "").await
    }

    /// The same, of the lines in which this text stands: a namespace's name, for instance. Most of a
    /// long log is passed over by that.
    ///
    /// # Errors
    /// As [`AuditLog::settled`].
    pub async fn settled_about(&self, client: &Client, about: &str) -> Result<Vec<Request>> {
        self.settled_where(client, |line| line.contains(about)).await
    }

    /// The same, of the lines that `keep` wants.
    ///
    /// # Errors
    /// As [`AuditLog::settled`].
    pub async fn settled_where(
        &self,
        client: &Client,
        keep: impl Fn(&str) -> bool,
    ) -> Result<Vec<Request>> {
        static MARKS: AtomicU64 = AtomicU64::new(0);
        let mark = format!(
            "/version?mark={}-{}-",
            std::process::id(),
            MARKS.fetch_add(1, Ordering::Relaxed)
        );
        let request = http::Request::get(&mark)
            .body(Vec::new())
            .map_err(|error| Error::malformed(mark.as_str(), error))?;
        client.request_text(request).await.map_err(Error::api("leave a mark in the audit log"))?;
        let text = self.text_with(&mark).await?;
        parse(&text, keep)
    }

    async fn text_with(&self, mark: &str) -> Result<String> {
        until(30, "the mark in the audit log", async || {
            let text = self.text().map_err(|error| error.to_string())?;
            // Beyond the line break: the whole line is there.
            match text.find(mark).and_then(|at| text.get(at..)?.find('\n')) {
                Some(_) => Ok(text),
                None => Err(format!("{} bytes without it", text.len())),
            }
        })
        .await
    }

    fn text(&self) -> Result<String> {
        let bytes = std::fs::read(&self.path).map_err(Error::file("read", &self.path))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The lines that `keep` wants.
fn parse(text: &str, keep: impl Fn(&str) -> bool) -> Result<Vec<Request>> {
    // What stands after the last line break is still being written.
    let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
    complete
        .lines()
        .filter(|line| keep(line))
        .map(|line| {
            serde_json::from_str(line).map_err(|error| {
                Error::malformed("a line of the audit log", format!("{error}: {line}"))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"a","stage":"ResponseComplete","requestURI":"/apis/batch/v1/namespaces/t/jobs/j/status","verb":"patch","user":{"username":"u","groups":["g"],"extra":{"authentication.kubernetes.io/credential-id":["JTI=1"]}},"sourceIPs":["127.0.0.1"],"objectRef":{"resource":"jobs","namespace":"t","name":"j","apiGroup":"batch","apiVersion":"v1","subresource":"status"},"responseStatus":{"metadata":{},"status":"Failure","reason":"Conflict","code":409},"requestObject":{"status":{}},"requestReceivedTimestamp":"2026-11-23T10:00:00.000001Z","stageTimestamp":"2026-11-23T10:00:00.500000Z"}"#;

    #[test]
    fn a_line_says_who_asked_what_and_what_the_answer_was() {
        let requests = parse(&format!("{PATCH}\n"), |_| true).unwrap();
        let request = &requests[0];
        assert!(request.is_complete() && request.is_write());
        assert!(request.is_by("u") && request.is_with("JTI=1") && !request.is_with("JTI=2"));
        assert!(request.is_on("batch", "jobs") && request.is_in("t"));
        assert_eq!(request.code(), 409);
        assert!(parse(&format!("{PATCH}\n"), |line| line.contains("/other/")).unwrap().is_empty());
        let used = used(&requests);
        let [right] = Vec::from_iter(used).try_into().unwrap();
        assert_eq!(right.to_string(), "patch jobs/status (batch)");
    }

    #[test]
    fn a_line_that_is_still_being_written_is_left_for_later() {
        assert_eq!(parse(&format!("{PATCH}\n{{\"kind\""), |_| true).unwrap().len(), 1);
        assert_eq!(parse("{", |_| true).unwrap().len(), 0);
    }

    #[test]
    fn granted_rights_are_written_out() {
        let rule = PolicyRule {
            api_groups: Some(vec!["batch".into()]),
            resources: Some(vec!["jobs".into(), "jobs/status".into()]),
            verbs: vec!["get".into(), "patch".into()],
            ..PolicyRule::default()
        };
        assert_eq!(granted(&[rule]).len(), 4);
    }
}
