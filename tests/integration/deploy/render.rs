//! Manifests as kustomize and Helm render them.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use dislodge_testbed::tools;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::root;

/// The overlays, each with the namespace that it is installed in; the empty name is the base.
pub(crate) const OVERLAYS: [(&str, &str); 7] = [
    ("", "dislodge-system"),
    ("audit-only", "dislodge-system"),
    ("one-namespace", "team-a"),
    ("other-namespace", "batch-platform"),
    ("production", "dislodge-system"),
    ("suspend-only", "dislodge-system"),
    ("without-guard", "dislodge-system"),
];

/// What `kubectl kustomize` gives for the base (the empty name) or an overlay.
pub(super) fn kustomize(overlay: &str) -> Result<Vec<Value>, Failed> {
    match overlay {
        "" => folder("deploy/base"),
        overlay => folder(&format!("deploy/overlays/{overlay}")),
    }
}

/// What `kubectl kustomize` gives for a folder.
pub(super) fn folder(folder: &str) -> Result<Vec<Value>, Failed> {
    let kubectl = tokio::runtime::Runtime::new()?.block_on(tools::kubectl())?;
    run(kubectl.as_os_str(), ["kustomize".as_ref(), root().join(folder).as_os_str()])
}

/// Values with which the chart has every object that it can have.
pub(super) fn everything() -> Value {
    json!({
        "metrics": {"serviceMonitor": {"enabled": true}, "podMonitor": {"enabled": true},
                    "prometheusRule": {"enabled": true}, "grafanaDashboard": {"enabled": true}},
        "networkPolicy": {"enabled": true},
        "podDisruptionBudget": {"enabled": true},
        "podLabels": {"team": "batch"},
        "commonLabels": {"cost-centre": "7"},
    })
}

/// A release to be rendered.
pub(super) struct Release<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Its namespace.
    pub(super) namespace: &'a str,
    /// The overlay whose `values.yaml` is taken; empty for none.
    pub(super) overlay: &'a str,
    /// Values on top of that, as JSON.
    pub(super) values: &'a Value,
}

/// What `helm template` gives for a release.
pub(super) fn helm(release: &Release<'_>) -> Result<Vec<Value>, Failed> {
    let helm = tokio::runtime::Runtime::new()?.block_on(tools::helm())?;
    let chart = root().join("deploy/chart");
    let values = root().join("deploy/overlays").join(release.overlay).join("values.yaml");
    let mut arguments = vec!["template".to_owned(), release.name.to_owned()];
    arguments.extend([path(&chart), "--namespace".to_owned(), release.namespace.to_owned()]);
    if !release.overlay.is_empty() {
        arguments.extend(["--values".to_owned(), path(&values)]);
    }
    for (name, value) in release.values.as_object().into_iter().flatten() {
        arguments.extend(["--set-json".to_owned(), format!("{name}={value}")]);
    }
    run(helm.as_os_str(), arguments.iter().map(AsRef::as_ref))
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn run<'a>(
    program: &OsStr,
    arguments: impl IntoIterator<Item = &'a OsStr>,
) -> Result<Vec<Value>, Failed> {
    let output = Command::new(program).args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let documents: Vec<Value> = serde_saphyr::from_multiple(&String::from_utf8(output.stdout)?)?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}
