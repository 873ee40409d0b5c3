//! What the API server refuses to store.
//!
//! For Kubernetes' own kinds this is what somebody in the cluster relies on, in the words of
//! `pkg/apis/{core,batch}/validation` of Kubernetes 1.36; the rest of their rules is not played. What a
//! CRD says is not known here: whoever starts the server hands it in as a [`Schema`].

mod job;
mod pod;

use std::fmt::Debug;

use serde_json::Value;

use super::kinds::Kind;
use super::metadata;
use super::refusal::Cause;

/// Which part of an object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All but the status, where that is written by itself.
    Main,
    /// The status.
    Status,
}

/// What a CRD says of its objects: structural schema, defaults and CEL rules.
pub trait Schema: Debug + Send + Sync {
    /// Fills in defaults and takes out what the schema does not have.
    fn fill(&self, object: &mut Value);

    /// What is wrong with an object that is about to be stored in the place of `stored`.
    fn check(&self, object: &Value, stored: Option<&Value>, part: Part) -> Vec<Cause>;
}

/// What is wrong with an object of one of Kubernetes' own kinds.
pub(super) fn check(kind: &Kind, new: &Value, old: Option<&Value>, part: Part) -> Vec<Cause> {
    let mut causes = Vec::new();
    if old.is_none() {
        causes.extend(check_name(kind, metadata::text(new, "name")));
    }
    if kind.custom {
        return causes;
    }
    match (kind.name, old, part) {
        ("Pod", None, _) => causes.extend(pod::check_new(new)),
        ("Pod", Some(old), Part::Main) => causes.extend(pod::check_update(new, old)),
        ("Job", old, Part::Main) => causes.extend(job::check(new, old)),
        ("Job", Some(old), Part::Status) => causes.extend(job::check_status(new, old)),
        _ => {}
    }
    causes
}

/// A DNS subdomain, of which a namespace's name has no dots.
fn check_name(kind: &Kind, name: &str) -> Option<Cause> {
    if name.is_empty() {
        return Some(Cause::required("metadata.name", "name or generateName is required"));
    }
    let label = kind.name == "Namespace";
    let alike = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let inside = |part: &str| {
        part.starts_with(alike)
            && part.ends_with(alike)
            && part.chars().all(|c| alike(c) || c == '-')
    };
    let good = if label { inside(name) } else { name.split('.').all(inside) };
    if good && name.len() <= if label { 63 } else { 253 } {
        return None;
    }
    let why = if label {
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and \
         must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex \
         used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    } else {
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
         '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used \
         for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    };
    Some(Cause::invalid("metadata.name", Some(&format!("{name:?}")), why))
}
