//! Patches: what kind of patch it is, and what comes of it.

use serde_json::{Value, json};

use super::kinds::Kind;
use super::metadata::{self, text};
use super::ownership::{Writer, apply};
use super::refusal::{Cause, Refusal};
use super::validation::Part;
use super::views::shown;
use super::writing::Made;
use super::{Answer, Call, Method, Server};
use crate::patch::{self, Patch};

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

impl Server {
    /// Changes an object; an apply also creates it.
    pub(super) fn patch(&mut self, call: &Call<'_>) -> Result<Answer, Refusal> {
        match call.request.media_type() {
            APPLY => self.apply(call),
            kind @ (JSON_PATCH | MERGE_PATCH | STRATEGIC)
                if !(call.at.kind.custom && kind == STRATEGIC) =>
            {
                self.patch_stored(call, kind)
            }
            _ => Err(Refusal::media_type(call.at.kind)),
        }
    }

    fn patch_stored(&mut self, call: &Call<'_>, media_type: &str) -> Result<Answer, Refusal> {
        let kind = call.at.kind;
        let body = |error: serde_json::Error| {
            Refusal::bad_request(format!("error decoding patch: {error}"))
        };
        let bytes = &call.request.body;
        let patch = match media_type {
            JSON_PATCH => Patch::Operations(serde_json::from_slice(bytes).map_err(body)?),
            MERGE_PATCH => Patch::Merge(object(bytes)?),
            _ => Patch::Strategic(object(bytes)?),
        };
        let name = call.at.name.as_deref().unwrap_or_default();
        let key = call.key(name);
        let (version, old) = self.store.get(&key).ok_or_else(|| Refusal::not_found(kind, name))?;
        let old = shown(kind, call.at.version, &old.0);
        let mut new = old.clone();
        patch::apply(&mut new, &patch).map_err(|why| match patch {
            Patch::Operations(_) => Refusal::unfit(),
            Patch::Merge(_) | Patch::Strategic(_) => Refusal::internal(why.0),
        })?;
        if let Some(said) =
            new.get("kind").and_then(Value::as_str).filter(|said| *said != kind.name)
        {
            return Err(Refusal::kind_patched(kind, said, name));
        }
        call.check_type(&new)?;
        call.place(&mut new, name)?;
        self.update(call, &key, version, &old, Made::ByHand(new))
    }

    fn apply(&mut self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let kind = call.at.kind;
        let mut configuration = call.body()?;
        if call.query.get("fieldManager").is_none() {
            let cause = Cause::required("fieldManager", "is required for apply patch");
            return Err(Refusal::options(Method::Patch, &cause));
        }
        call.check_type(&configuration)?;
        if metadata::value(&configuration, "managedFields").is_some() {
            return Err(Refusal::bad_request("metadata.managedFields must be nil"));
        }
        let name = call.at.name.clone().unwrap_or_default();
        call.place(&mut configuration, &name)?;
        reset(kind, call.at.part, &mut configuration);
        let key = call.key(&name);
        let (manager, api_version) = (call.manager(), call.at.api_version());
        let writer = Writer {
            manager: &manager,
            api_version: &api_version,
            subresource: &call.at.subresource,
            now: call.now,
        };
        let force = call.query.is_set("force");
        let stored = self.store.get(&key).map(|(version, old)| (version, old.clone()));
        let Some((version, old)) = stored else {
            if call.at.part == Part::Status {
                return Err(Refusal::not_found(kind, &name));
            }
            let uid = text(&configuration, "uid");
            if !uid.is_empty() {
                return Err(Refusal::no_such_uid(kind, &name, uid));
            }
            let made = apply(kind, &Value::Null, &configuration, &writer, force);
            let made = made.map_err(|(message, causes)| Refusal::owned(message, &causes))?;
            return self.create_object(call, Made::Applied(made));
        };
        let old = shown(kind, call.at.version, &old.0);
        let made = apply(kind, &old, &configuration, &writer, force);
        let made = made.map_err(|(message, causes)| Refusal::owned(message, &causes))?;
        self.update(call, &key, version, &old, Made::Applied(made))
    }
}

/// A patch that is an object.
fn object(bytes: &[u8]) -> Result<Value, Refusal> {
    let patch: Value = serde_json::from_slice(bytes)
        .map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
    let found = match patch {
        Value::Object(_) => return Ok(patch),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) | Value::Null => "bool",
    };
    Err(Refusal::bad_request(format!(
        "error decoding patch: json: cannot unmarshal {found} into Go value of type \
         map[string]interface {{}}"
    )))
}

impl Call<'_> {
    /// Whether the body is of the kind that the path names.
    pub(super) fn check_type(&self, body: &Value) -> Result<(), Refusal> {
        let said = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default();
        let (kind, api_version) = (said("kind"), said("apiVersion"));
        let wanted = self.at.api_version();
        if kind.is_empty() && self.at.kind.custom {
            return Err(Refusal::bad_request("Object 'Kind' is missing"));
        }
        if !api_version.is_empty() && api_version != wanted {
            return Err(Refusal::bad_request(format!(
                "the API version in the data ({api_version}) does not match the expected API version \
                 ({wanted})"
            )));
        }
        if !kind.is_empty() && kind != self.at.kind.name {
            return Err(Refusal::other_kind(self.at.kind, kind, text(body, "name")));
        }
        Ok(())
    }

    /// Puts namespace and name of the path into a body that leaves them out.
    pub(super) fn place(&self, body: &mut Value, name: &str) -> Result<(), Refusal> {
        let (said, wanted) = (text(body, "namespace"), self.at.namespace.as_deref());
        if !said.is_empty() && Some(said) != wanted {
            return Err(Refusal::bad_request(
                "the namespace of the provided object does not match the namespace sent on the \
                 request",
            ));
        }
        let said = text(body, "name");
        if !said.is_empty() && said != name && !name.is_empty() {
            return Err(Refusal::bad_request(format!(
                "the name of the object ({said}) does not match the name on the URL ({name})"
            )));
        }
        if let Some(namespace) = wanted {
            metadata::set(body, "namespace", Some(json!(namespace)));
        }
        if !name.is_empty() {
            metadata::set(body, "name", Some(json!(name)));
        }
        if let Some(fields) = body.as_object_mut() {
            fields.insert("kind".to_owned(), json!(self.at.kind.name));
            fields.insert("apiVersion".to_owned(), json!(self.at.api_version()));
        }
        Ok(())
    }
}

/// Takes out of a configuration what its path does not write (`GetResetFields`).
fn reset(kind: &Kind, part: Part, configuration: &mut Value) {
    let Some(fields) = configuration.as_object_mut() else { return };
    match part {
        Part::Main if kind.status => {
            fields.remove("status");
        }
        Part::Main => {}
        Part::Status if kind.custom => {
            fields.retain(|name, _| {
                matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status")
            });
            if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.retain(|name, _| {
                    matches!(name.as_str(), "name" | "namespace" | "uid" | "resourceVersion")
                });
            }
        }
        Part::Status => {
            fields.remove("spec");
        }
    }
}
