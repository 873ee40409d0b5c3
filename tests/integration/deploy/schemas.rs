//! Whether each version of Kubernetes would take what is rendered: kubernetes-validate has the schemas of all.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use dislodge_testbed::python;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::render::{OVERLAYS, Release, everything, folder, helm, kustomize};
use super::report;
use crate::Outcome;
use crate::memory::Folder;

const VERSIONS: [&str; 6] = ["1.32", "1.33", "1.34", "1.35", "1.36", "1.37"];
/// The Prometheus operator's: Kubernetes has no schema for them.
const OTHERS: &str = "monitoring.coreos.com/v1";

pub(super) fn of_each_version() -> Outcome {
    let mut all = Vec::new();
    for (overlay, namespace) in OVERLAYS {
        all.extend(kustomize(overlay)?);
        let values = json!({});
        all.extend(helm(&Release { name: "dislodge", namespace, overlay, values: &values })?);
    }
    let values = everything();
    all.extend(helm(&Release { name: "all", namespace: "a", overlay: "", values: &values })?);
    all.extend(folder("deploy/people")?);
    // What the overlays have in common is looked at once.
    let all: BTreeMap<String, Value> =
        all.into_iter().map(|object| (object.to_string(), object)).collect();
    let all: Vec<Value> = all.into_values().collect();
    report(&invalid(&all)?)?;

    // The question can be answered with no.
    let Some(deployment) = all.iter().find(|object| object["kind"] == "Deployment") else {
        return Err("there is no Deployment".into());
    };
    let mut wrong = deployment.clone();
    wrong["spec"]["replica"] = json!(1);
    let refused = invalid(&[wrong])?;
    if refused.len() == VERSIONS.len() && refused.iter().all(|line| line.contains("'replica'")) {
        return Ok(());
    }
    Err(format!("a field that no version has: {refused:?}").into())
}

/// What is said against the objects, a line for each version. Whatever is not looked at is said, too.
fn invalid(objects: &[Value]) -> Result<Vec<String>, Failed> {
    let stay = Folder::new("schemas")?;
    let file = stay.file("rendered.yaml");
    let mut text = String::new();
    for object in objects {
        writeln!(text, "---\n{object}")?;
    }
    std::fs::write(&file, text)?;
    let validate = tokio::runtime::Runtime::new()?.block_on(python::kubernetes_validate())?;
    let said = run(&validate, &file)?;
    let ours = objects.iter().filter(|object| object["apiVersion"] != OTHERS).count();
    let passed = said.lines().filter(|line| line.starts_with("INFO")).count();
    let mut wrong: Vec<String> = said
        .lines()
        .filter(|line| !line.starts_with("INFO") && !line.contains(OTHERS))
        .map(str::to_owned)
        .collect();
    if wrong.is_empty() && passed != ours * VERSIONS.len() {
        wrong.push(format!("{passed} times something passed, not {ours} for each version"));
    }
    Ok(wrong)
}

fn run(validate: &Path, file: &Path) -> Result<String, Failed> {
    let versions = VERSIONS.iter().flat_map(|version| ["--kubernetes-version", version]);
    let output = Command::new(validate).arg("--strict").args(versions).arg(file).output()?;
    Ok(String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?)
}
