//! A value against its schema: types, enums and bounds.
//!
//! The words come from kube-openapi (`pkg/validation/errors/schema.go`), turned into field errors
//! by apiextensions-apiserver (`kubeOpenAPIResultToFieldErrors`).

use std::collections::BTreeSet;

use serde_json::{Number, Value};

use super::{child, properties};
use crate::crd::Refusal;

/// Checks a value and all inside it. As in the server, all checks that fit the value's own type
/// are made, whatever type the schema wants.
pub(super) fn check(path: &str, schema: &Value, value: &Value, refusals: &mut BTreeSet<Refusal>) {
    let mut mistakes: Vec<String> = [wrong_type(path, schema, value), not_in_enum(schema, value)]
        .into_iter()
        .flatten()
        .collect();
    match value {
        Value::String(text) => mistakes.extend(of_text(path, schema, text)),
        Value::Number(number) => {
            if let Some(text) = fraction(path, schema, number) {
                refusals.insert(Refusal::new("<nil>", text));
            }
            mistakes.extend(of_number(path, schema, number));
        }
        Value::Array(items) => {
            mistakes.extend(of_list(path, schema, items.len()));
            for (index, item) in items.iter().enumerate() {
                check(&format!("{path}[{index}]"), &schema["items"], item, refusals);
            }
        }
        Value::Object(fields) => {
            let required = schema["required"].as_array().into_iter().flatten();
            for name in required.filter_map(Value::as_str) {
                if !fields.contains_key(name) {
                    refusals.insert(Refusal::new(&child(path, name), "Required value"));
                }
            }
            for (name, schema) in properties(schema) {
                if let Some(value) = fields.get(name) {
                    check(&child(path, name), schema, value, refusals);
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
    refusals.extend(mistakes.into_iter().map(|text| Refusal::new(path, text)));
}

/// After these mistakes the server evaluates no rules (`hasBlockingErr`).
pub(super) fn blocks_rules(refusal: &Refusal) -> bool {
    let kinds = ["Required value", "Unsupported value", "Too long", "Too many"];
    kinds.iter().any(|kind| refusal.message.starts_with(kind))
        || refusal.message.contains(" in body must be of type ")
}

fn wrong_type(path: &str, schema: &Value, value: &Value) -> Option<String> {
    let wanted = schema["type"].as_str()?;
    let (found, format) = match value {
        Value::Null => ("null", ""),
        Value::Bool(_) => ("boolean", ""),
        Value::String(_) => ("string", ""),
        Value::Array(_) => ("array", ""),
        Value::Object(_) => ("object", ""),
        Value::Number(number) if number.is_f64() => ("number", "float64"),
        Value::Number(_) => ("integer", "int64"),
    };
    let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
    if found == wanted || (wanted == "integer" && found == "number" && whole) {
        return None;
    }
    // Where the schema has a format, a number is told by its format.
    let (wanted, found) = match schema["format"].as_str() {
        Some(wanted) if !format.is_empty() => (wanted, format),
        _ => (wanted, found),
    };
    Some(format!(
        "Invalid value: \"{found}\": {path} in body must be of type {wanted}: \"{found}\""
    ))
}

fn not_in_enum(schema: &Value, value: &Value) -> Option<String> {
    let allowed = schema["enum"].as_array().filter(|allowed| !allowed.contains(value))?;
    let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
    Some(format!("Unsupported value: {value}: supported values: {}", allowed.join(", ")))
}

fn of_text(path: &str, schema: &Value, text: &str) -> impl Iterator<Item = String> {
    let length = text.chars().count() as u64;
    let too_long = schema["maxLength"].as_u64().filter(|max| length > *max);
    let too_short = schema["minLength"].as_u64().filter(|min| length < *min);
    let no_time = schema["format"] == "date-time" && text.parse::<jiff::Timestamp>().is_err();
    let invalid = |problem: String| format!("Invalid value: {text:?}: {path} in body {problem}");
    [
        // The server counts characters and says bytes.
        too_long.map(|max| format!("Too long: may not be more than {max} bytes")),
        too_short.map(|min| invalid(format!("should be at least {min} chars long"))),
        no_time.then(|| invalid(format!("must be of type date-time: {text:?}"))),
    ]
    .into_iter()
    .flatten()
}

fn of_number(path: &str, schema: &Value, number: &Number) -> impl Iterator<Item = String> {
    let value = number.as_f64().unwrap_or(f64::NAN);
    let too_big = schema["maximum"].as_f64().filter(|max| value > *max);
    let too_small = schema["minimum"].as_f64().filter(|min| value < *min);
    let invalid = |problem: String| format!("Invalid value: {number}: {path} in body {problem}");
    [
        too_big.map(|max| invalid(format!("should be less than or equal to {max}"))),
        too_small.map(|min| invalid(format!("should be greater than or equal to {min}"))),
    ]
    .into_iter()
    .flatten()
}

/// The server's remark, beside the wrong type, about a number with a fraction where a whole one is
/// wanted. It names no field.
fn fraction(path: &str, schema: &Value, number: &Number) -> Option<String> {
    let fraction = number.as_f64().is_some_and(|number| number.fract() != 0.0);
    let format = schema["format"].as_str().filter(|_| fraction && schema["type"] == "integer")?;
    let wanted = format!("type integer with format {format} in {path}");
    Some(format!("Invalid value: \"\": Checked value must be of {wanted}"))
}

fn of_list(path: &str, schema: &Value, count: usize) -> impl Iterator<Item = String> {
    let length = count as u64;
    let too_few = schema["minItems"].as_u64().filter(|min| length < *min);
    let too_many = schema["maxItems"].as_u64().filter(|max| length > *max);
    [
        too_few.map(|min| {
            format!("Invalid value: {count}: {path} in body should have at least {min} items")
        }),
        too_many.map(|max| format!("Too many: {count}: must have at most {max} items")),
    ]
    .into_iter()
    .flatten()
}
