//! A value against its schema: types, enums and bounds.
//!
//! What is checked, in which case and in which words comes from kube-openapi (`pkg/validation`),
//! turned into field errors by apiextensions-apiserver (`kubeOpenAPIResultToFieldErrors`).

use serde_json::{Number, Value};

use super::{Kind, Problem, Refusal, Refusals, child, item, properties};

/// Checks a value and all inside it. As in the server, all checks that fit the value's own type
/// are made, whatever type the schema wants.
pub(super) fn check(path: &str, schema: &Value, value: &Value, refusals: &mut Refusals) {
    for problem in wrong_type(schema, value).into_iter().chain(not_in_enum(schema, value)) {
        refusals.add(path, problem);
    }
    match value {
        Value::String(text) => of_text(path, schema, text, refusals),
        Value::Number(number) => of_number(path, schema, number, refusals),
        Value::Array(items) => {
            of_list(path, schema, items.len(), refusals);
            for (index, value) in items.iter().enumerate() {
                check(&item(path, index), &schema["items"], value, refusals);
            }
        }
        Value::Object(fields) => {
            let required = schema["required"].as_array().into_iter().flatten();
            for name in required.filter_map(Value::as_str) {
                if !fields.contains_key(name) {
                    refusals.add(child(path, name), Problem::Required(None));
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
}

fn wrong_type(schema: &Value, value: &Value) -> Option<Problem> {
    let wanted = Kind::named(schema["type"].as_str()?)?;
    let found = Kind::of(value);
    let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
    if found == wanted || (wanted == Kind::Integer && found == Kind::Number && whole) {
        return None;
    }
    let format = match found {
        Kind::Number => Some("float64"),
        Kind::Integer => Some("int64"),
        Kind::Null | Kind::Boolean | Kind::String | Kind::Array | Kind::Object => None,
    };
    // Where the schema has a format, a number is told by its format.
    let named = match (schema["format"].as_str(), format) {
        (Some(wanted), Some(found)) => (wanted, found),
        _ => (wanted.as_str(), found.as_str()),
    };
    Some(Problem::WrongType { wanted, found, named: (named.0.to_owned(), named.1.to_owned()) })
}

fn not_in_enum(schema: &Value, value: &Value) -> Option<Problem> {
    let allowed = schema["enum"].as_array().filter(|allowed| !allowed.contains(value))?;
    Some(Problem::Unsupported { found: value.clone(), allowed: allowed.clone() })
}

fn of_text(path: &str, schema: &Value, text: &str, refusals: &mut Refusals) {
    let length = text.chars().count() as u64;
    if let Some(max) = schema["maxLength"].as_u64().filter(|max| length > *max) {
        refusals.add(path, Problem::TooLong(max));
    }
    if let Some(min) = schema["minLength"].as_u64().filter(|min| length < *min) {
        refusals.add(path, Problem::TooShort(text.to_owned(), min));
    }
    if schema["format"] == "date-time" && text.parse::<jiff::Timestamp>().is_err() {
        refusals.add(path, Problem::NoTime(text.to_owned()));
    }
}

fn of_number(path: &str, schema: &Value, number: &Number, refusals: &mut Refusals) {
    if let Some(format) = schema["format"].as_str().filter(|format| !fits(format, number)) {
        let (path, format) = (path.to_owned(), format.to_owned());
        refusals.add(Refusal::NO_FIELD, Problem::Misfit { path, format });
    }
    let value = number.as_f64().unwrap_or(f64::NAN);
    if let Some(max) = schema["maximum"].as_f64().filter(|max| value > *max) {
        refusals.add(path, Problem::TooBig(number.clone(), max));
    }
    if let Some(min) = schema["minimum"].as_f64().filter(|min| value < *min) {
        refusals.add(path, Problem::TooSmall(number.clone(), min));
    }
}

/// Whether a number is one of its format (`IsValueValidAgainstRange`).
fn fits(format: &str, number: &Number) -> bool {
    // A float without a fraction is written without one.
    let text = number.to_string();
    let text = text.strip_suffix(".0").unwrap_or(&text);
    match format {
        "int32" => text.parse::<i32>().is_ok(),
        "int64" => text.parse::<i64>().is_ok(),
        _ => true,
    }
}

fn of_list(path: &str, schema: &Value, count: usize, refusals: &mut Refusals) {
    let length = count as u64;
    if let Some(min) = schema["minItems"].as_u64().filter(|min| length < *min) {
        refusals.add(path, Problem::TooFew(count, min));
    }
    if let Some(max) = schema["maxItems"].as_u64().filter(|max| length > *max) {
        refusals.add(path, Problem::TooMany(count, max));
    }
}
