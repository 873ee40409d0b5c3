//! What an API server answers where it does not do what it is asked for: a `Status`.
//!
//! Codes, reasons and words are those of `k8s.io/apimachinery/pkg/api/errors`.

use serde_json::{Map, Value, json};

use super::Method;
use super::kinds::Kind;

/// An answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A `Status`.
    Status(Box<Status>),
    /// Nothing is served under that path: plain text.
    NoPath,
}

/// What a `Status` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The HTTP code.
    pub code: u16,
    /// One word of a closed list.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// Which object, and what is wrong with it.
    pub details: Value,
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What kind of mistake: `FieldValueInvalid`, `FieldValueRequired`, ...
    pub reason: &'static str,
    /// What is wrong.
    pub message: String,
    /// The path of the field.
    pub field: String,
}

impl Cause {
    /// A value that is not allowed. `value` as Go prints it; `None`: the value is not told.
    pub fn invalid(field: &str, value: Option<&str>, why: &str) -> Self {
        let message = match value {
            Some(value) => format!("Invalid value: {value}: {why}"),
            None => format!("Invalid value: {why}"),
        };
        Self { reason: "FieldValueInvalid", message, field: field.to_owned() }
    }

    /// A value that is missing.
    pub fn required(field: &str, why: &str) -> Self {
        let message = if why.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {why}")
        };
        Self { reason: "FieldValueRequired", message, field: field.to_owned() }
    }

    /// A field that may not be set, or not be changed.
    pub fn forbidden(field: &str, why: &str) -> Self {
        let message = format!("Forbidden: {why}");
        Self { reason: "FieldValueForbidden", message, field: field.to_owned() }
    }

    /// A value that is none of those that there are.
    pub fn not_supported(field: &str, value: &str, known: &[&str]) -> Self {
        let known: Vec<String> = known.iter().map(|known| format!("{known:?}")).collect();
        let message =
            format!("Unsupported value: {value:?}: supported values: {}", known.join(", "));
        Self { reason: "FieldValueNotSupported", message, field: field.to_owned() }
    }

    fn text(&self) -> String {
        format!("{}: {}", self.field, self.message)
    }
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>, details: Value) -> Self {
        Self::Status(Box::new(Status { code, reason, message: message.into(), details }))
    }

    /// The resource of that path is not known, though its group is.
    pub(super) fn no_resource() -> Self {
        let message = "the server could not find the requested resource";
        Self::new(404, "NotFound", message, json!({}))
    }

    /// The resource does not have that verb.
    pub(super) fn no_method() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message, json!({}))
    }

    /// There is no such object.
    pub(super) fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} {name:?} not found", kind.resource());
        Self::new(404, "NotFound", message, of_resource(kind, name))
    }

    /// There is an object of that name, and it is about to go.
    pub(super) fn still_exists(kind: &Kind, name: &str) -> Self {
        let message =
            format!("object is being deleted: {} {name:?} already exists", kind.resource());
        Self::new(409, "AlreadyExists", message, of_resource(kind, name))
    }

    /// There is an object of that name.
    pub(super) fn exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", kind.resource());
        Self::new(409, "AlreadyExists", message, of_resource(kind, name))
    }

    /// The object was changed since.
    pub(super) fn changed(kind: &Kind, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version \
                   and try again";
        let message =
            format!("Operation cannot be fulfilled on {} {name:?}: {why}", kind.resource());
        Self::new(409, "Conflict", message, of_resource(kind, name))
    }

    /// An update of an object with another uid (etcd's own precondition).
    pub(super) fn other_uid(kind: &Kind, path: &str, name: &str, wanted: &str, is: &str) -> Self {
        let group = if kind.custom { format!("{}/", kind.group) } else { String::new() };
        let stored = if kind.stored == "nodes" { "minions" } else { kind.stored };
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: StorageError: invalid object, Code: 4, \
             Key: /registry/{group}{stored}/{path}, ResourceVersion: 0, AdditionalErrorMsg: \
             Precondition failed: UID in precondition: {wanted}, UID in object meta: {is}",
            kind.resource()
        );
        Self::new(409, "Conflict", message, of_resource(kind, name))
    }

    /// A deletion whose precondition does not hold. Here, and only here, the kind's name stands in
    /// the place of the resource's.
    pub(super) fn precondition(kind: &Kind, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} {name:?}: {why}", kind.qualified());
        Self::new(409, "Conflict", message, of_kind(kind, name))
    }

    /// Fields that another manager has.
    pub(super) fn owned(message: String, causes: &[Cause]) -> Self {
        Self::new(
            409,
            "Conflict",
            message,
            json!({"causes": causes.iter().map(cause).collect::<Vec<_>>()}),
        )
    }

    /// The object is not as it has to be.
    pub(super) fn invalid(kind: &Kind, name: &str, causes: &[Cause]) -> Self {
        let mut texts: Vec<String> = Vec::new();
        for text in causes.iter().map(Cause::text) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let told = match texts.as_slice() {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let mut details = of_kind(kind, name);
        if let Some(fields) = details.as_object_mut() {
            fields.insert("causes".to_owned(), causes.iter().map(cause).collect());
        }
        let message = format!("{} {name:?} is invalid: {told}", kind.qualified());
        Self::new(422, "Invalid", message, details)
    }

    /// The request itself cannot be understood.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message, Value::Null)
    }

    /// A parameter that is not allowed.
    pub(super) fn options(method: Method, wrong: &Cause) -> Self {
        let kind = match method {
            Method::Get => "ListOptions",
            Method::Post => "CreateOptions",
            Method::Put => "UpdateOptions",
            Method::Patch => "PatchOptions",
            Method::Delete => "DeleteOptions",
        };
        let message = format!("{kind}.meta.k8s.io \"\" is invalid: {}", wrong.text());
        let details = json!({"group": "meta.k8s.io", "kind": kind, "causes": [cause(wrong)]});
        Self::new(422, "Invalid", message, details)
    }

    /// An update that does not say which version it goes out from, where it has to. Here, and only
    /// here, the resource's name stands in the place of the kind's.
    pub(super) fn unversioned(kind: &Kind, name: &str) -> Self {
        let field = "metadata.resourceVersion";
        let wrong = Cause::invalid(field, Some("0"), "must be specified for an update");
        let message = format!("{} {name:?} is invalid: {}", kind.resource(), wrong.text());
        let mut details = of_resource(kind, name);
        if let Some(fields) = details.as_object_mut() {
            fields.insert("causes".to_owned(), json!([cause(&wrong)]));
        }
        Self::new(422, "Invalid", message, details)
    }

    /// A patch that makes another kind of the object.
    pub(super) fn kind_patched(kind: &Kind, said: &str, name: &str) -> Self {
        if kind.custom {
            return Self::other_kind(kind, said, name);
        }
        let wrong = Cause::invalid("patch", None, &format!("no kind {said:?} is registered"));
        let message = format!(" \"\" is invalid: {}", wrong.text());
        Self::new(422, "Invalid", message, json!({"causes": [cause(&wrong)]}))
    }

    /// An object of another kind than the path names.
    pub(super) fn other_kind(kind: &Kind, said: &str, name: &str) -> Self {
        if !kind.custom {
            return Self::bad_request(format!(
                "{said} in version {:?} cannot be handled as a {}: unknown conversion",
                kind.versions.first().copied().unwrap_or_default(),
                kind.name
            ));
        }
        let why = format!("must be {}", kind.name);
        let wrong = Cause::invalid("kind", Some(&format!("{said:?}")), &why);
        let message = format!("{said}.{} {name:?} is invalid: {}", kind.group, wrong.text());
        let mut details = of(kind.group, said, name);
        if let Some(fields) = details.as_object_mut() {
            fields.insert("causes".to_owned(), json!([cause(&wrong)]));
        }
        Self::new(422, "Invalid", message, details)
    }

    /// An object is applied that has been somewhere else before.
    pub(super) fn no_such_uid(kind: &Kind, name: &str, uid: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: uid mismatch: the provided object \
             specified uid {uid}, and no existing object was found",
            kind.resource()
        );
        Self::new(409, "Conflict", message, of_resource(kind, name))
    }

    /// What the API server did not foresee.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message, Value::Null)
    }

    /// A JSON patch that does not fit the object: the API server does not say why.
    pub(super) fn unfit() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::new(422, "Invalid", message, json!({}))
    }

    /// A body that the resource does not take.
    pub(super) fn media_type(kind: &Kind) -> Self {
        if !kind.custom {
            let message = "415: Unsupported Media Type";
            return Self::new(415, "UnsupportedMediaType", message, json!({}));
        }
        let message = "the body of the request was in an unknown format - accepted media types \
                       include: application/json-patch+json, application/merge-patch+json, \
                       application/apply-patch+yaml";
        Self::new(415, "UnsupportedMediaType", message, Value::Null)
    }

    /// Something is created in a namespace that is about to go.
    pub(super) fn terminating(kind: &Kind, name: &str, namespace: &str) -> Self {
        let why = format!("namespace {namespace} is being terminated");
        let message = format!(
            "{} {name:?} is forbidden: unable to create new content in namespace {namespace} \
             because it is being terminated",
            kind.resource()
        );
        let mut details = of_resource(kind, name);
        if let Some(fields) = details.as_object_mut() {
            fields.insert(
                "causes".to_owned(),
                json!([{"reason": "NamespaceTerminating", "message": why,
                        "field": "metadata.namespace"}]),
            );
        }
        Self::new(403, "Forbidden", message, details)
    }

    /// The version that is asked for is forgotten.
    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message, Value::Null)
    }

    /// The version that is asked for has not been yet.
    pub(super) fn too_new(asked: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {asked}, current: {current}");
        let details = json!({
            "retryAfterSeconds": 1,
            "causes": [{"reason": "ResourceVersionTooLarge",
                        "message": "Too large resource version"}],
        });
        Self::new(504, "Timeout", format!("Timeout: {message}"), details)
    }

    /// The code of the answer.
    pub fn code(&self) -> u16 {
        match self {
            Self::Status(status) => status.code,
            Self::NoPath => 404,
        }
    }
}

impl Status {
    /// The object that is sent.
    pub(super) fn object(&self) -> Value {
        let mut object = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let (Some(fields), false) = (object.as_object_mut(), self.details.is_null()) {
            fields.insert("details".to_owned(), self.details.clone());
        }
        object
    }
}

/// A deletion that is done, where the object is not what is answered.
pub(super) fn success(kind: &Kind, name: &str, uid: &Value) -> Value {
    let mut details = of_resource(kind, name);
    if let Some(fields) = details.as_object_mut() {
        fields.insert("uid".to_owned(), uid.clone());
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
           "details": details})
}

fn of_resource(kind: &Kind, name: &str) -> Value {
    of(kind.group, kind.plural, name)
}

fn of_kind(kind: &Kind, name: &str) -> Value {
    of(kind.group, kind.name, name)
}

fn of(group: &str, kind: &str, name: &str) -> Value {
    let fields = [("name", name), ("group", group), ("kind", kind)];
    let told = fields.into_iter().filter(|(_, value)| !value.is_empty());
    Value::Object(
        told.map(|(field, value)| (field.to_owned(), json!(value))).collect::<Map<_, _>>(),
    )
}

fn cause(cause: &Cause) -> Value {
    json!({"reason": cause.reason, "message": cause.message, "field": cause.field})
}
