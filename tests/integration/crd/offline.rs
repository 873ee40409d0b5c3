//! The table against the product's own judgement, and that against an interpreter of CEL.
//!
//! [`dislodge_engine::api::validate`] does what the API server does with a custom resource, so that
//! the table runs in milliseconds and without Go. Its twins of the CEL rules are held to the rules
//! themselves here, on the cases and on what comes of changing each at one place.

use std::collections::BTreeSet;

use dislodge_engine::api::validate::{self, Refusal as Found};
use kube_cel::Validator;
use serde_json::{Value, json};

use super::cases::{Case, Write, load};
use super::{Failure, Refusal, Verdict};

/// Runs the whole table.
pub(crate) fn run() -> Vec<Failure> {
    let cases = match load() {
        Ok(cases) => cases,
        Err(text) => return vec![Failure { case: "the table".to_owned(), text }],
    };
    cases.iter().filter_map(|case| run_one(case).err()).collect()
}

fn run_one(case: &Case) -> Result<(), Failure> {
    case.check(&verdict(case.write())).map_err(|text| Failure { case: case.name.clone(), text })
}

/// What the API server would say.
pub(crate) fn verdict(write: Write) -> Verdict {
    match write {
        Write::Create(new) => validate::create(new),
        Write::Update { old, new } => {
            validate::create(old).and_then(|stored| validate::update(&stored, new))
        }
        Write::Status { old, status } => validate::create(old).and_then(|mut written| {
            // The write is a merge patch: what it leaves out stays.
            if let (Some(Value::Object(stored)), Value::Object(fields)) =
                (written.get_mut("status"), status)
            {
                stored.extend(fields);
            }
            validate::status(written)
        }),
    }
    .map_err(|found| found.iter().map(text).collect())
}

fn text(found: &Found) -> Refusal {
    Refusal::new(&found.field, found.message())
}

/// Compares the twins with the CEL rules: on every case that is a new policy, and on each with one
/// of its values replaced by another.
pub(crate) fn compare_with_cel(schema: &Value) -> Vec<Failure> {
    let cases = match load() {
        Ok(cases) => cases,
        Err(text) => return vec![Failure { case: "the table".to_owned(), text }],
    };
    let validator = Validator::new();
    let mut failures = Vec::new();
    let mut compared = 0;
    for case in cases {
        let (Write::Create(object) | Write::Update { new: object, .. }) = case.write() else {
            continue;
        };
        let mut pointers = Vec::new();
        collect_pointers("", &object, &mut pointers);
        let changed =
            pointers.iter().filter(|pointer| pointer.starts_with("/spec/")).flat_map(|pointer| {
                let object = &object;
                others().into_iter().filter_map(move |other| {
                    let mut object = object.clone();
                    *object.pointer_mut(pointer)? = other;
                    Some(object)
                })
            });
        for object in std::iter::once(object.clone()).chain(changed) {
            // Only what passes the rest comes to the rules.
            let said = match validate::create(object.clone()) {
                Ok(_) => BTreeSet::new(),
                Err(found) if found.iter().all(Found::is_of_a_rule) => {
                    found.iter().map(text).collect()
                }
                Err(_) => continue,
            };
            compared += 1;
            let expected = by_cel(&validator, schema, object.clone());
            let fields = |refusals: &BTreeSet<Refusal>| -> BTreeSet<String> {
                refusals.iter().map(|refusal| refusal.field.clone()).collect()
            };
            if fields(&said) != fields(&expected) {
                let text = format!("{object}\nthe twins say {said:?}\nCEL says {expected:?}");
                failures.push(Failure { case: case.name.clone(), text });
            }
        }
    }
    if compared < 500 {
        let text = format!("only {compared} policies were compared");
        failures.push(Failure { case: "the comparison".to_owned(), text });
    }
    failures
}

/// What a value is replaced by.
fn others() -> Vec<Value> {
    [
        "*",
        "a.b",
        "a..b",
        "-",
        "",
        "a-",
        "A",
        "LocalQueue",
        "NoQueue",
        "FailJob",
        "DiskFull",
        "NotFound",
        "RequeueJob",
    ]
    .into_iter()
    .map(Value::from)
    .chain([json!(1), json!(3600), json!(86_400), json!(3.0)])
    .collect()
}

fn collect_pointers(path: &str, value: &Value, pointers: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                collect_pointers(&format!("{path}/{name}"), value, pointers);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate().take(3) {
                collect_pointers(&format!("{path}/{index}"), value, pointers);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            pointers.push(path.to_owned());
        }
    }
}

/// What the rules themselves say, of an object with its defaults.
fn by_cel(validator: &Validator, schema: &Value, mut object: Value) -> BTreeSet<Refusal> {
    validate::apply_defaults(&mut object);
    match validator.validate(schema, &object, None) {
        Ok(()) => BTreeSet::new(),
        Err(errors) => errors
            .into_vec()
            .into_iter()
            .map(|error| Refusal::new(&error.field_path, error.message))
            .collect(),
    }
}
