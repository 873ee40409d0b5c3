//! The taste of the API, checked over the schema that comes out.

use super::*;

/// Every field of the schema with its path, `spec` and `status` first.
fn fields(schema: &Value) -> Vec<(String, Value)> {
    fn walk(path: &str, schema: &Value, found: &mut Vec<(String, Value)>) {
        found.push((path.to_owned(), schema.clone()));
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{name}"), property, found);
        }
        if let Some(items) = schema.get("items") {
            walk(&format!("{path}[]"), items, found);
        }
    }
    let mut found = Vec::new();
    for part in ["spec", "status"] {
        walk(part, &schema["properties"][part], &mut found);
    }
    found
}

/// Fails with the paths of all fields that `complain` has something to say about.
fn every_field(complain: impl Fn(&str, &Value) -> Option<String>) {
    let complaints: Vec<String> = fields(&schema())
        .iter()
        .filter_map(|(path, field)| complain(path, field).map(|text| format!("{path}: {text}")))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_field_has_one_type_and_none_is_a_boolean_a_float_a_map_or_a_duration() {
    every_field(|_, field| match field["type"].as_str() {
        Some("object") if field.get("additionalProperties").is_some() => Some("a map".into()),
        Some("object" | "array" | "string" | "integer") => match field["format"].as_str() {
            None | Some("int32" | "int64" | "date-time") => None,
            Some(format) => Some(format!("format {format}")),
        },
        type_ => Some(format!("type {type_:?}")),
    });
}

#[test]
fn no_field_may_be_null_or_take_what_it_does_not_know() {
    every_field(|_, field| {
        [
            "nullable",
            "x-kubernetes-preserve-unknown-fields",
            "x-kubernetes-int-or-string",
            "oneOf",
            "anyOf",
            "$ref",
        ]
        .into_iter()
        .find(|key| field.get(*key).is_some())
        .map(str::to_owned)
    });
}

#[test]
fn every_string_list_and_number_is_bounded() {
    every_field(|_, field| {
        let has = |key: &str| field.get(key).is_some();
        match field["type"].as_str()? {
            "string" if has("enum") || field["format"] == "date-time" || has("maxLength") => None,
            "array" if has("maxItems") && has("x-kubernetes-list-type") => None,
            "integer" if has("minimum") => None,
            "object" => None,
            type_ => Some(format!("{type_} without bounds")),
        }
    });
    every_field(|path, field| {
        let written_by_people = path.starts_with("spec") && field["type"] == "integer";
        (written_by_people && field.get("maximum").is_none()).then(|| "no maximum".to_owned())
    });
}

#[test]
fn every_field_says_what_it_is_and_ends_its_text_as_a_sentence() {
    every_field(|path, field| {
        if path.ends_with("[]") {
            return None; // The list's text describes its items.
        }
        let text = field["description"].as_str().unwrap_or_default();
        (text.len() < 12 || !text.ends_with('.')).then(|| format!("text {text:?}"))
    });
}

#[test]
fn a_default_stands_in_the_text_exactly_as_in_the_schema() {
    every_field(|path, field| {
        if path.starts_with("status") {
            return None;
        }
        let text = field["description"].as_str().unwrap_or_default();
        let said = text.split_once("Default: ").map(|(_, default)| default.trim_end_matches('.'));
        let (Some(said), default) = (said, field.get("default")) else {
            return field.get("default").map(|default| format!("{default} is not in the text"));
        };
        match default {
            // The six default rules are not written into the object.
            None => (path != "spec.rules").then(|| format!("no default, but the text says {said}")),
            Some(default) => (flow(default) != sorted_flow(said))
                .then(|| format!("default {default}, but the text says {said}")),
        }
    });
}

/// A default as the texts write it: YAML's flow style, keys sorted.
fn flow(default: &Value) -> String {
    match default {
        Value::Object(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}: {}", flow(value))).collect();
            sorted_flow(&format!("{{{}}}", entries.join(", ")))
        }
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => default.to_string(),
    }
}

/// The same text with the entries of its braces in alphabetical order.
fn sorted_flow(text: &str) -> String {
    let Some(entries) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
        return text.to_owned();
    };
    let mut entries: Vec<&str> = entries.split(", ").collect();
    entries.sort_unstable();
    format!("{{{}}}", entries.join(", "))
}

#[test]
fn a_number_that_measures_time_has_its_unit_in_its_name() {
    every_field(|path, field| {
        let name = path.rsplit('.').next().unwrap_or(path);
        let text = field["description"].as_str().unwrap_or_default();
        let measures = field["type"] == "integer" && text.to_lowercase().contains("second");
        (measures && !name.ends_with("Seconds")).then(|| "seconds that the name hides".to_owned())
    });
    every_field(|path, field| {
        let time = field["format"] == "date-time";
        (time && !path.to_lowercase().ends_with("time"))
            .then(|| "a time by another name".to_owned())
    });
}

#[test]
fn every_rule_says_what_to_do() {
    every_field(|_, field| {
        field["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|rule| rule["message"].as_str().is_none_or(str::is_empty))
            .map(|rule| format!("no message: {rule}"))
    });
}

#[test]
fn a_rule_may_list_every_cause_but_the_kubelets_own_limit() {
    let schema = schema();
    let causes =
        &schema["properties"]["spec"]["properties"]["rules"]["items"]["properties"]["causes"];
    let listed: Vec<&str> =
        causes["items"]["enum"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(listed.len(), 19);
    assert!(!listed.contains(&"NodeThrottled"), "{listed:?}");
    assert_eq!(causes["maxItems"], 19);
}
