//! What may depend on what, read from the manifests.

use super::{none, tree};

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
            if section.ends_with("dependencies") && SHELL.contains(&name.as_str()) {
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
            let models = name == "dislodge-sim" || name == "dislodge-testbed";
            if section == "dependencies" && models {
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

/// The entries of a manifest: section, key, and the rest of the line after the key.
fn entries(manifest: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut entries = Vec::new();
    for line in manifest.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
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
