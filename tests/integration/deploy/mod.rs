//! What a platform team installs: `deploy/` by kustomize and by Helm, and `examples/gitops`.

#![expect(clippy::indexing_slicing, reason = "JSON reads as null where nothing is")]

mod files;
mod generated;
mod gitops;
mod health;
mod parity;
mod random;
mod references;
mod release;
mod render;
pub(crate) mod rights;
mod scanned;
mod schemas;
mod values;

pub(crate) use self::render::OVERLAYS;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Outcome;

/// A test: its sentence as a name, and the test.
type Test = (&'static str, fn() -> Outcome);

/// Tests that need programs in Python beside those of the cluster.
pub(crate) const CHECKED: &[Test] = &[
    ("a_scanner_says_nothing_that_is_not_on_purpose", scanned::of_each_kind),
    ("every_manifest_is_valid_for_kubernetes_1_32_to_1_37", schemas::of_each_version),
];

/// Tests that read files alone.
pub(crate) const ALL: &[Test] = &[
    ("every_file_is_named_by_a_kustomization", files::each_is_named),
    ("no_role_has_a_wildcard_or_reads_a_secret", rights::are_plain),
    ("each_profile_has_the_rights_that_its_table_says", rights::by_profile),
    ("no_write_that_a_role_grants_is_unknown_to_the_guard", rights::are_guarded),
    ("the_policies_of_the_gitops_example_are_accepted", gitops::policies_are_accepted),
    ("every_file_of_the_gitops_example_leads_somewhere", gitops::leads_somewhere),
    ("the_manifest_for_krew_names_each_archive_with_its_check_sum", release::krew_manifest),
    ("the_release_workflow_is_pinned_and_calls_what_is_there", release::workflow),
    ("argo_cd_reads_the_health_of_a_policy_as_kstatus_does", health::every_case),
];

/// What `make generate` writes and `make verify` checks.
pub(crate) const GENERATED: &[Test] = &[
    ("what_the_chart_takes_from_the_base_is_current", generated::is_current),
    ("the_values_and_their_table_are_those_of_the_schema", values::are_current),
];

/// Tests that render: they need kubectl and Helm, which are built where they are not there.
pub(crate) const RENDERED: &[Test] = &[
    ("helm_and_kustomize_give_the_same_objects", parity::every_overlay),
    ("every_reference_of_what_is_rendered_resolves", references::of_every_overlay),
    ("every_reference_resolves_whatever_the_release_is_called", references::of_any_release),
    ("values_that_cannot_be_meant_are_refused", parity::wrong_values),
    ("every_reference_of_a_hundred_random_releases_resolves", references::of_random_releases),
];

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder of the repository, in order.
pub(crate) fn files_below(folder: &str) -> Result<Vec<PathBuf>, std::io::Error> {
    let (mut open, mut found) = (vec![root().join(folder)], Vec::new());
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}

/// The documents of a YAML file.
pub(crate) fn documents(path: &Path) -> Result<Vec<Value>, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).map_err(|error| named(&error))?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// Fails with all that is wrong, a line each.
pub(crate) fn report(wrong: &[String]) -> Outcome {
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// The fields of `wanted` that `found` does not have with the same value, as JSON pointers. Fields that
/// only `found` has are somebody else's: defaults, or what the API server writes.
pub(crate) fn missing(wanted: &Value, found: &Value) -> Vec<String> {
    let mut fields = Vec::new();
    compare(wanted, found, "", &mut fields);
    fields
}

fn compare(wanted: &Value, found: &Value, at: &str, fields: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (name, value) in wanted {
                let none = Value::Null;
                compare(value, found.get(name).unwrap_or(&none), &format!("{at}/{name}"), fields);
            }
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            for (index, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                compare(wanted, found, &format!("{at}/{index}"), fields);
            }
        }
        _ if wanted == found => {}
        _ => fields.push(format!("{at} is {found}, not {wanted}")),
    }
}
