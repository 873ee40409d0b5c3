//! The reference documentation of `ImagePullPolicy`, from the same schema as the CRD.

use std::fmt::Write;

use dislodge_engine::api::{self, Rule, RunningPeers, default_rules};
use serde_json::Value;

use super::canonical;

const HEAD: &str = "\
<!-- Generated from the types in engine/src/api by `BLESS=1 cargo test --lib crd`. Change those, not this file. -->
";

/// The page as Markdown.
pub fn reference() -> String {
    let schema = canonical(api::schema());
    let part = |pointer| schema.pointer(pointer).unwrap_or(&Value::Null);
    let (spec, status) = (part("/properties/spec"), part("/properties/status"));
    let mut rules = Vec::new();
    collect_rules("spec", spec, &mut rules);
    [
        HEAD.to_owned(),
        format!("# {} (`{}`)", api::KIND, api::API_VERSION),
        text(&schema).replace('\n', "\n\n"),
        format!(
            "Namespaced; short name `{}`; listed by `kubectl get {}`.",
            api::SHORT_NAME,
            api::CATEGORY
        ),
        "## spec".to_owned(),
        table("spec", spec),
        "### What is checked beyond single fields".to_owned(),
        rules.join("\n"),
        "### The default rules".to_owned(),
        "A policy without `rules` has exactly these:".to_owned(),
        format!("```yaml\nrules:\n{}```", default_rules().iter().map(line).collect::<String>()),
        "## status".to_owned(),
        table("status", status),
    ]
    .join("\n\n")
        + "\n"
}

/// A table of all fields inside one schema.
fn table(path: &str, schema: &Value) -> String {
    let mut rows = "| Field | Type | Meaning |\n|---|---|---|".to_owned();
    collect_rows(path, schema, &mut rows);
    rows
}

fn collect_rows(path: &str, schema: &Value, rows: &mut String) {
    let required = schema["required"].as_array().into_iter().flatten();
    let required: Vec<&str> = required.filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let need = if required.contains(&name.as_str()) { "; required" } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(rows, "\n| `{path}` | {}{need} | {} |", type_of(field), text(field));
        collect_rows(&path, field, rows);
        if let Some(items) = field.get("items") {
            collect_rows(&format!("{path}[]"), items, rows);
        }
    }
}

/// The CEL rules' messages as a list, each with the field that it is about.
fn collect_rules(path: &str, schema: &Value, rules: &mut Vec<String>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let below = rule["fieldPath"].as_str().unwrap_or_default();
        let message = plain(rule["message"].as_str().unwrap_or_default());
        rules.push(format!("- `{path}{below}`: {message}"));
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        collect_rules(&format!("{path}.{name}"), field, rules);
    }
    if let Some(items) = schema.get("items") {
        collect_rules(&format!("{path}[]"), items, rules);
    }
}

/// A field's type with its bounds, in words.
fn type_of(field: &Value) -> String {
    let bound = |key: &str| field.get(key).and_then(Value::as_f64).map(|bound| bound.to_string());
    let range = |least: Option<String>, most: Option<String>| match (least, most) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => String::new(),
    };
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<String> =
            values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect();
        return values.join(", ");
    }
    match field["type"].as_str().unwrap_or_default() {
        "integer" => format!("integer, {}", range(bound("minimum"), bound("maximum"))),
        "string" if field["format"] == "date-time" => "time".to_owned(),
        "string" => {
            format!("string, {} characters", range(bound("minLength"), bound("maxLength")))
        }
        "array" => {
            let range = range(bound("minItems"), bound("maxItems"));
            match field.pointer("/items/enum") {
                None => format!("list, {range} items"),
                Some(_) => format!("list, {range} of {}", type_of(&field["items"])),
            }
        }
        other => other.to_owned(),
    }
}

fn text(field: &Value) -> String {
    plain(field["description"].as_str().unwrap_or_default())
}

/// Text in which Markdown finds nothing to emphasise.
fn plain(text: &str) -> String {
    text.replace('*', "\\*").replace('|', "\\|")
}

/// A rule as one line of YAML.
fn line(rule: &Rule) -> String {
    let causes: Vec<&str> = rule.causes.iter().map(|cause| cause.as_str()).collect();
    let threshold = match rule.threshold.failing_seconds {
        0 => format!("failedPulls: {}", rule.threshold.failed_pulls),
        seconds => {
            format!("failedPulls: {}, failingSeconds: {seconds}", rule.threshold.failed_pulls)
        }
    };
    let peers = match rule.running_peers {
        RunningPeers::Spare => "",
        RunningPeers::Stop => ", runningPeers: Stop",
    };
    format!(
        "- {{name: {}, causes: [{}], threshold: {{{threshold}}}, action: {:?}{peers}}}\n",
        rule.name,
        causes.join(", "),
        rule.action
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_on_the_page_are_the_default_rules() {
        let page = reference();
        let yaml = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
        let rules: std::collections::BTreeMap<String, Vec<Rule>> =
            serde_saphyr::from_str(yaml.unwrap()).unwrap();
        assert_eq!(rules["rules"], default_rules());
    }

    #[test]
    fn the_page_has_a_row_for_each_field() {
        let page = reference();
        for field in ["spec.queues[].name", "spec.rules[].threshold.failedPulls", "status.audit"] {
            assert!(page.contains(&format!("| `{field}` | ")), "{field} is missing");
        }
    }
}
