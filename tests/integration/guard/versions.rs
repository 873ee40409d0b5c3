//! Which versions of Kubernetes can evaluate the guard: docs/security.md says so by the functions that it calls.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::policy;
use crate::Outcome;

/// Functions and macros of CEL itself, which are there as long as the kind is. Those of Kubernetes' own libraries came
/// one by one (`k8s.io/apiserver/pkg/cel/environment/base.go`): `ip` in 1.30, `format` in 1.31, two variables in `all`
/// in 1.33. Whoever calls one here raises the version that the guard needs.
const FROM_THE_BEGINNING: [&str; 5] = ["all", "exists", "filter", "has", "startsWith"];

pub(super) fn calls_nothing_newer() -> Outcome {
    let policy = policy()?;
    let called: BTreeSet<String> = expressions(&policy["spec"]).flat_map(called_in).collect();
    let expected: BTreeSet<String> = FROM_THE_BEGINNING.map(str::to_owned).into();
    if called != expected {
        return Err(format!("it calls {called:?}, not {expected:?}").into());
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md");
    let page = std::fs::read_to_string(page)?;
    let listed = FROM_THE_BEGINNING.map(|name| format!("`{name}`")).join(", ");
    if page.contains(&listed) {
        return Ok(());
    }
    Err(format!("docs/security.md does not list {listed}").into())
}

fn expressions(spec: &Value) -> impl Iterator<Item = &str> {
    let lists = ["matchConditions", "variables", "validations"];
    let items = lists.into_iter().filter_map(|list| spec[list].as_array()).flatten();
    let texts = items.flat_map(|item| [&item["expression"], &item["messageExpression"]]);
    texts.filter_map(Value::as_str)
}

/// The names before an opening bracket, outside of texts.
fn called_in(expression: &str) -> BTreeSet<String> {
    let outside = expression.split('\'').step_by(2);
    let parts = outside.flat_map(|code| {
        let mut parts: Vec<&str> = code.split('(').collect();
        parts.pop();
        parts
    });
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names = parts.filter_map(|part| {
        let begin = part.rfind(|c| !is_name(c)).map_or(0, |at| at + 1);
        part.get(begin..).filter(|name| !name.is_empty() && *name != "in")
    });
    names.map(str::to_owned).collect()
}
