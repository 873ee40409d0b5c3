//! The CEL rules of the CRD, each with its twin in Rust.
//!
//! The core evaluates no CEL: an interpreter would be its largest dependency by far, for seven rules.
//! Each rule of the schema needs a twin here, which tests hold to it: that there is one for each,
//! and that a CEL interpreter and a real API server say the same on the CRD's table and on what
//! comes of changing its cases.

use serde_json::Value;

use super::{Problem, Refusals, child, item, properties};
use crate::api::rule::node_rule;

/// Whether a rule holds for a value. Where the value is not of the shape that the schema wants, it
/// holds: that is told otherwise.
type Twin = fn(&Value) -> bool;

/// The rules whose text does not depend on the causes.
const TWINS: [(&str, Twin); 6] = [
    (
        "self == '*' || self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
        |name| name.as_str().is_none_or(|name| name == "*" || is_dns_subdomain(name)),
    ),
    ("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')", |name| {
        name.as_str().is_none_or(is_dns_label)
    }),
    ("self.kind != 'LocalQueue' || has(self.name)", |queue| {
        queue["kind"] != "LocalQueue" || queue.get("name").is_some()
    }),
    ("self.kind != 'NoQueue' || !has(self.name)", |queue| {
        queue["kind"] != "NoQueue" || queue.get("name").is_none()
    }),
    (
        "self.all(a, self.exists_one(b, a.kind == b.kind && (has(a.name) ? a.name : '') == (has(b.name) ? b.name : '')))",
        no_two_queues_are_alike,
    ),
    ("self.backoffBaseSeconds <= self.backoffMaxSeconds", |requeue| {
        let seconds = |field: &str| requeue.get(field).and_then(Value::as_f64);
        match (seconds("backoffBaseSeconds"), seconds("backoffMaxSeconds")) {
            (Some(base), Some(max)) => base <= max,
            _ => true,
        }
    }),
];

/// The twin of a rule.
fn twin(rule: &str) -> Option<Twin> {
    let known = TWINS.iter().find(|(text, _)| *text == rule).map(|(_, twin)| *twin);
    known.or_else(|| (rule == node_rule()).then_some(the_node_is_not_blamed_on_the_job as Twin))
}

/// Evaluates the rules of a value and of all inside it.
pub(super) fn check(path: &str, schema: &Value, value: &Value, refusals: &mut Refusals) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let holds = rule["rule"].as_str().and_then(twin).is_none_or(|holds| holds(value));
        if !holds {
            let text = |name: &str| rule[name].as_str().unwrap_or_default().to_owned();
            let below = text("fieldPath");
            let problem = match rule["reason"].as_str() {
                Some("FieldValueRequired") => Problem::Required(Some(text("message"))),
                Some("FieldValueForbidden") => Problem::Forbidden(text("message")),
                // Only a rule of the field itself tells the field's value.
                _ => {
                    let told = below.is_empty() && !value.is_array() && !value.is_object();
                    Problem::Rule { value: told.then(|| value.clone()), text: text("message") }
                }
            };
            refusals.add(format!("{path}{below}"), problem);
        }
    }
    match value {
        Value::Object(fields) => {
            for (name, schema) in properties(schema) {
                if let Some(value) = fields.get(name) {
                    check(&child(path, name), schema, value, refusals);
                }
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                check(&item(path, index), &schema["items"], value, refusals);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a name is RFC 1123 labels, with a dot between each two, as the names of most objects are.
pub fn is_dns_subdomain(name: &str) -> bool {
    name.split('.').all(is_dns_label)
}

/// Lower-case letters, digits and hyphens, with no hyphen at an end.
fn is_dns_label(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.starts_with(alphanumeric)
        && name.ends_with(alphanumeric)
        && name.chars().all(|c| alphanumeric(c) || c == '-')
}

fn no_two_queues_are_alike(queues: &Value) -> bool {
    let Some(queues) = queues.as_array() else { return true };
    let identity = |queue: &Value| {
        let text = |field: &str| queue.get(field).and_then(Value::as_str).map(str::to_owned);
        text("kind").map(|kind| (kind, text("name").unwrap_or_default()))
    };
    let mut identities: Vec<_> = queues.iter().filter_map(identity).collect();
    let all = identities.len();
    identities.sort_unstable();
    identities.dedup();
    identities.len() == all
}

fn the_node_is_not_blamed_on_the_job(rule: &Value) -> bool {
    use crate::cause::{Cause, Class};
    let stops = ["FailJob", "SuspendJob"].iter().any(|action| rule["action"] == **action);
    let causes = rule["causes"].as_array().into_iter().flatten();
    let mut names = causes.filter_map(Value::as_str);
    // The kubelet's own limit is no cause that a rule may list.
    let listable = Cause::ALL.into_iter().filter(|cause| *cause != Cause::NodeThrottled);
    let of_the_node: Vec<&str> =
        listable.filter(|cause| cause.class() == Class::Node).map(Cause::as_str).collect();
    !stops || !names.any(|name| of_the_node.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of all rules of a schema.
    fn rules(schema: &Value) -> Vec<String> {
        let own = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
        let mut found: Vec<String> =
            own.filter_map(|rule| rule["rule"].as_str().map(str::to_owned)).collect();
        found.extend(properties(schema).flat_map(|(_, schema)| rules(schema)));
        found.extend(schema.get("items").into_iter().flat_map(rules));
        found
    }

    #[test]
    fn every_rule_of_the_schema_has_a_twin_and_every_twin_a_rule() {
        let rules = rules(&crate::api::schema());
        let alone: Vec<&String> = rules.iter().filter(|rule| twin(rule).is_none()).collect();
        assert!(alone.is_empty(), "no twin of: {alone:?}");
        for (text, _) in TWINS {
            assert!(rules.iter().any(|rule| rule == text), "no rule of the schema: {text}");
        }
        assert_eq!(rules.len(), TWINS.len() + 1);
    }
}
