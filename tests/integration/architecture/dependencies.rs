//! What may depend on what, read from the manifests.

use super::{none, tree};

/// All that the core and the models may be built on: values, and how they are read and written. One
/// more is a decision about the architecture.
const CORE: [&str; 8] = [
    "aho-corasick",
    "dislodge-engine",
    "jiff",
    "json-patch",
    "schemars",
    "serde",
    "serde_json",
    "smallvec",
];
/// Whoever depends on one of these can reach a cluster, a clock or a terminal.
const SHELL: [&str; 13] = [
    "axum",
    "dislodge",
    "dislodge-testbed",
    "futures",
    "http",
    "hyper",
    "k8s-openapi",
    "kube",
    "kube-runtime",
    "tokio",
    "tokio-util",
    "tower",
    "tracing",
];

pub(super) fn the_core_knows_no_client() -> Result<(), String> {
    let mut found = Vec::new();
    for manifest in ["engine/Cargo.toml", "sim/Cargo.toml"] {
        for (section, name, _) in entries(&tree::read(manifest)?) {
            let name = name.as_str();
            let strange = is_program(&section) && !CORE.contains(&name);
            if strange || section.ends_with("dependencies") && SHELL.contains(&name) {
                found.push(format!("{manifest}: [{section}] {name}"));
            }
        }
    }
    none(&found)
}

pub(super) fn the_program_has_no_test_code() -> Result<(), String> {
    let mut found = Vec::new();
    for manifest in ["Cargo.toml", "engine/Cargo.toml"] {
        for (section, name, _) in entries(&tree::read(manifest)?) {
            // `dislodge simulate` and `dislodge test` play on the models; the engine knows none.
            let models = name == "dislodge-sim" && manifest != "Cargo.toml";
            if is_program(&section) && (models || name == "dislodge-testbed") {
                found.push(format!("{manifest}: [{section}] {name}"));
            }
        }
    }
    none(&found)
}

pub(super) fn each_has_a_reason() -> Result<(), String> {
    let mut found = Vec::new();
    for manifest in
        ["Cargo.toml", "engine/Cargo.toml", "sim/Cargo.toml", "tests/testbed/Cargo.toml"]
    {
        for (section, name, rest) in entries(&tree::read(manifest)?) {
            let ours = name.starts_with("dislodge-");
            if section == "workspace.dependencies" && !ours && !rest.contains(" # ") {
                found.push(format!("{manifest}: {name}: say what it is for, behind a #"));
            }
            let member = section.ends_with("dependencies") && section != "workspace.dependencies";
            if member && !rest.starts_with(".workspace") && !rest.contains("workspace = true") {
                found
                    .push(format!("{manifest}: [{section}] {name}: write {name}.workspace = true"));
            }
        }
    }
    none(&found)
}

/// Whether a section of a member's manifest says what the program itself is built of.
fn is_program(section: &str) -> bool {
    section.ends_with("dependencies")
        && !section.ends_with("dev-dependencies")
        && section != "workspace.dependencies"
}

/// The entries of a manifest: section, key, and the rest of the line after the key.
fn entries(manifest: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut entries = Vec::new();
    for line in manifest.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
            // A dependency can be a section of its own, too: `[dependencies.kube]`.
            if let Some((kind, name)) = name.rsplit_once('.')
                && kind.ends_with("dependencies")
            {
                entries.push((kind.to_owned(), name.to_owned(), String::new()));
            }
            continue;
        }
        let name: String =
            line.chars().take_while(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect();
        if !name.is_empty() {
            let rest = line.get(name.len()..).unwrap_or_default().to_owned();
            entries.push((section.clone(), name, rest));
        }
    }
    entries
}
