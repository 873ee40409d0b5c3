//! What an API server does with an `ImagePullPolicy` that is written, as a pure function of the
//! object: it is stored, with its defaults, or refused for reasons.
//!
//! The order is the server's: unknown fields (strict decoding), nulls and defaults, metadata, the
//! schema, lists that are sets or maps, and, unless a mistake so far blocks it, the CEL rules. Order
//! and words are those of Kubernetes 1.36: apiextensions-apiserver
//! `pkg/registry/customresource/strategy.go`, `pkg/apiserver/schema/{defaulting,cel}`,
//! `pkg/apiserver/validation/validation.go`. `tests/integration/crd` holds all of it to a table, and
//! the table to a real API server.
//!
//! Who writes a policy by hand wants to hear of everything at once: [`every_mistake`] goes on where
//! the server stops.

mod decode;
mod lists;
mod metadata;
mod refusal;
mod rules;
mod shape;

pub use refusal::{Kind, Problem, Refusal, Words};
pub use rules::is_dns_subdomain;

use std::sync::LazyLock;

use serde_json::{Map, Value};

/// What comes of a policy that is written: what is stored, or why it is refused.
pub type Verdict = Result<Value, Vec<Refusal>>;

/// The schema, made once: it depends on nothing.
static SCHEMA: LazyLock<Value> = LazyLock::new(super::schema);

/// A new policy. A status in the body is dropped, as the status has its own subresource.
///
/// # Errors
///
/// Why it is refused.
pub fn create(new: Value) -> Verdict {
    admit(new, Part::Object, |new| {
        new.remove("status");
    })
}

/// A policy in place of a stored one, whose status stays. The stored one is taken as it is.
///
/// # Errors
///
/// Why it is refused.
pub fn update(stored: &Value, new: Value) -> Verdict {
    admit(new, Part::Object, |new| {
        new.remove("status");
        if let Some(status) = stored.get("status") {
            new.insert("status".to_owned(), status.clone());
        }
    })
}

/// A stored policy whose status has been written through the subresource: all but the status has to
/// be as it was stored.
///
/// # Errors
///
/// Why it is refused.
pub fn status(written: Value) -> Verdict {
    admit(written, Part::Status, |_| {})
}

/// Takes nulls out and puts the CRD's defaults in.
pub fn apply_defaults(object: &mut Value) {
    decode::apply_defaults(&SCHEMA, object);
}

/// All that is wrong with a new policy, each field once a kind of mistake: also what the server
/// would tell only after the first mistakes are mended. It is accepted where nothing is.
pub fn every_mistake(object: &Value) -> Vec<Refusal> {
    let mut refusals = Refusals::default();
    decode::find_unknown_fields("", &SCHEMA, object, &mut refusals);
    let mut known = object.clone();
    decode::prune("", &SCHEMA, &mut known);
    decode::apply_defaults(&SCHEMA, &mut known);
    if let Some(known) = known.as_object_mut() {
        known.remove("status");
    }
    decode::apply_defaults(&SCHEMA, &mut known);
    metadata::check(&known, &mut refusals);
    shape::check("", &SCHEMA, &known, &mut refusals);
    lists::check("", &SCHEMA, &known, &mut refusals);
    rules::check("", &SCHEMA, &known, &mut refusals);
    refusals.found.retain(|refusal| !refusal.is_remark());
    refusals.found
}

/// What of an object is validated against the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Object,
    /// The server's texts name fields from the status on.
    Status,
}

/// So many refusals are told of one object: whoever made more needs no longer list.
const MOST: usize = 500;

/// Refusals in the order in which they are found, each once, and no more than [`MOST`].
#[derive(Debug, Default)]
struct Refusals {
    found: Vec<Refusal>,
}

impl Refusals {
    fn add(&mut self, field: impl Into<String>, problem: Problem) {
        let refusal = Refusal::new(field.into(), problem);
        if self.found.len() < MOST && !self.found.contains(&refusal) {
            self.found.push(refusal);
        }
    }
}

/// Decodes, prepares and validates one object.
fn admit(mut object: Value, part: Part, prepare: impl FnOnce(&mut Map<String, Value>)) -> Verdict {
    let mut refusals = Refusals::default();
    decode::find_unknown_fields("", &SCHEMA, &object, &mut refusals);
    if !refusals.found.is_empty() {
        return Err(refusals.found);
    }
    decode::apply_defaults(&SCHEMA, &mut object);
    object.as_object_mut().map(prepare);
    decode::apply_defaults(&SCHEMA, &mut object);
    match part {
        Part::Object => {
            metadata::check(&object, &mut refusals);
            shape::check("", &SCHEMA, &object, &mut refusals);
        }
        Part::Status => {
            if let (Some(schema), Some(status)) =
                (SCHEMA.pointer("/properties/status"), object.get("status"))
            {
                shape::check("", schema, status, &mut refusals);
            }
            refusals.found = refusals.found.into_iter().map(Refusal::below_status).collect();
        }
    }
    lists::check("", &SCHEMA, &object, &mut refusals);
    if refusals.found.iter().any(Refusal::blocks_rules) {
        refusals.add(Refusal::NO_FIELD, Problem::NotChecked);
    } else {
        rules::check("", &SCHEMA, &object, &mut refusals);
    }
    if refusals.found.is_empty() {
        decode::whole_numbers(&mut object);
        Ok(object)
    } else {
        Err(refusals.found)
    }
}

/// The path of a field inside of another.
fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The path of an item of a list.
fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// The fields of an object's schema.
fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

#[cfg(test)]
mod tests;
