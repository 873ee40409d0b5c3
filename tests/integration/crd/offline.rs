//! What the API server does with a custom resource that is written, as far as our CRD needs it.
//!
//! The order is the server's: unknown fields (strict decoding), nulls and defaults, the schema,
//! lists that are sets or maps, and, unless a mistake so far blocks it, CEL. The words are those of
//! Kubernetes 1.36: apiextensions-apiserver `pkg/registry/customresource/strategy.go`,
//! `pkg/apiserver/schema/{defaulting,cel}`, `pkg/apiserver/validation/validation.go`. The online
//! runner holds this file to them.

mod lists;
mod schema;

use std::collections::BTreeSet;

use kube_cel::Validator;
use serde_json::{Map, Value};

use super::cases::{Case, Write, load};
use super::{Failure, Refusal, Verdict};

/// Runs the whole table against the schema of the CRD.
pub(crate) fn run(schema: &Value) -> Vec<Failure> {
    let cases = match load() {
        Ok(cases) => cases,
        Err(text) => return vec![Failure { case: "the table".to_owned(), text }],
    };
    cases.iter().filter_map(|case| run_one(schema, case).err()).collect()
}

/// Runs one case.
///
/// # Errors
/// How it came out otherwise than the table says.
pub(crate) fn run_one(schema: &Value, case: &Case) -> Result<(), Failure> {
    case.check(&verdict(schema, case.write()))
        .map_err(|text| Failure { case: case.name.clone(), text })
}

/// What the API server would say.
pub(crate) fn verdict(schema: &Value, write: Write) -> Verdict {
    match write {
        Write::Create(new) => admit(schema, new, Part::Object, |new| {
            // The status subresource is on: a status in the body is dropped.
            new.remove("status");
        }),
        Write::Update { old, new } => {
            let mut old = admit(schema, old, Part::Object, |_| {})?;
            admit(schema, new, Part::Object, |new| {
                if let Some(status) = old.get_mut("status") {
                    new.insert("status".to_owned(), status.take());
                }
            })
        }
        Write::Status { old, status } => {
            let mut written = admit(schema, old, Part::Object, |_| {})?;
            // The write is a merge patch: what it leaves out stays.
            if let (Some(Value::Object(stored)), Value::Object(fields)) =
                (written.get_mut("status"), status)
            {
                stored.extend(fields);
            }
            admit(schema, written, Part::Status, |_| {})
        }
    }
}

/// What of an object is validated against the schema.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Object,
    /// Its texts name fields from the status on.
    Status,
}

/// Decodes, prepares and validates one object.
fn admit(
    schema: &Value,
    mut object: Value,
    part: Part,
    prepare: impl FnOnce(&mut Map<String, Value>),
) -> Verdict {
    let mut refusals = BTreeSet::new();
    find_unknown_fields("", schema, &object, &mut refusals);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    apply_defaults(schema, &mut object);
    object.as_object_mut().map(prepare);
    apply_defaults(schema, &mut object);
    match part {
        Part::Object => schema::check("", schema, &object, &mut refusals),
        Part::Status => {
            let mut found = BTreeSet::new();
            if let Some((schema, status)) = at(schema, &object, "status") {
                schema::check("", schema, status, &mut found);
            }
            refusals.extend(found.into_iter().map(|refusal| {
                Refusal::new(&format!("status.{}", refusal.field), refusal.message)
            }));
        }
    }
    lists::check("", schema, &object, &mut refusals);
    if refusals.iter().any(schema::blocks_rules) {
        refusals.insert(Refusal::new("<nil>", Refusal::NOT_CHECKED));
    } else {
        check_rules(schema, &object, &mut refusals);
    }
    if refusals.is_empty() { Ok(object) } else { Err(refusals) }
}

/// Strict decoding: fields that the schema does not have.
fn find_unknown_fields(
    path: &str,
    schema: &Value,
    value: &Value,
    refusals: &mut BTreeSet<Refusal>,
) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = child(path, name);
                if let Some(schema) = schema["properties"].get(name) {
                    find_unknown_fields(&path, schema, value, refusals);
                } else if !["apiVersion", "kind", "metadata"].contains(&path.as_str()) {
                    refusals.insert(Refusal::new(&path, "unknown field"));
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                find_unknown_fields(&path, &schema["items"], item, refusals);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Takes nulls out and puts defaults in, from the outside inwards.
fn apply_defaults(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, schema) in properties(schema) {
                if fields.get(name).is_some_and(Value::is_null) {
                    fields.remove(name);
                }
                if let (None, Some(default)) = (fields.get(name), schema.get("default")) {
                    fields.insert(name.clone(), default.clone());
                }
                if let Some(value) = fields.get_mut(name) {
                    apply_defaults(schema, value);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                apply_defaults(&schema["items"], item);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Evaluates the CEL rules.
fn check_rules(schema: &Value, object: &Value, refusals: &mut BTreeSet<Refusal>) {
    let Err(errors) = Validator::new().validate(schema, object, None) else { return };
    for error in errors.into_vec() {
        let (field, text) = (error.field_path, error.message);
        let message = match error.reason.as_deref() {
            Some("FieldValueRequired") => format!("Required value: {text}"),
            Some("FieldValueForbidden") => format!("Forbidden: {text}"),
            // Only a rule of the field itself tells the field's value.
            _ => match at(schema, object, &field) {
                Some((schema, value)) if has_rule(schema, &error.rule) && is_scalar(value) => {
                    format!("Invalid value: {value}: {text}")
                }
                _ => format!("Invalid value: {text}"),
            },
        };
        refusals.insert(Refusal::new(&field, message));
    }
}

fn has_rule(schema: &Value, rule: &str) -> bool {
    let mut rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    rules.any(|entry| entry["rule"] == rule)
}

fn is_scalar(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_boolean()
}

/// The value at a path such as `spec.rules[0].name`, and its schema.
fn at<'a>(schema: &'a Value, object: &'a Value, path: &str) -> Option<(&'a Value, &'a Value)> {
    let mut found = (schema, object);
    for step in path.split(['.', '[']) {
        found = match step.strip_suffix(']') {
            Some(index) => (found.0.get("items")?, found.1.get(index.parse::<usize>().ok()?)?),
            None => (found.0.get("properties")?.get(step)?, found.1.get(step)?),
        };
    }
    Some(found)
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
