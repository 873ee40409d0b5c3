//! What checkov, which looks for weaknesses, says of what is rendered. No check is left out as a whole: what is so on
//! purpose says on the object why, and what an installation has to mend is mended in `overlays/production`.

use std::collections::BTreeSet;
use std::process::Command;

use dislodge_testbed::python;
use libtest_mimic::Failed;
use serde_json::Value;

use super::render::folder;
use super::report;
use crate::Outcome;
use crate::memory::Folder;

/// The Deployment has the reasons as annotations: no CPU limit, and a token.
const ON_PURPOSE: [&str; 2] = ["CKV_K8S_11", "CKV_K8S_38"];
/// The image of one's own by its digest (then it need not be asked for at each start), and a network policy, which has
/// to say where the API server is.
const FOR_INSTALLERS: [&str; 3] = ["CKV2_K8S_6", "CKV_K8S_15", "CKV_K8S_43"];

/// Those that differ in what runs, or in whose rights there are; each with what is to be said of it.
const RENDERED: [(&str, &[&str], &[&str]); 4] = [
    ("base", &FOR_INSTALLERS, &ON_PURPOSE),
    ("overlays/one-namespace", &FOR_INSTALLERS, &ON_PURPOSE),
    ("overlays/production", &[], &ON_PURPOSE),
    ("people", &[], &[]),
];

pub(super) fn of_each_kind() -> Outcome {
    let mut wrong = Vec::new();
    for (name, failed, skipped) in RENDERED {
        let said = scan(&folder(&format!("deploy/{name}"))?)?;
        for (list, expected) in [("failed_checks", failed), ("skipped_checks", skipped)] {
            let checks = said[list].as_array().into_iter().flatten();
            let found: BTreeSet<&str> = checks.filter_map(|c| c["check_id"].as_str()).collect();
            if found != expected.iter().copied().collect() {
                wrong.push(format!("{name}: {list}: {found:?}, not {expected:?}"));
            }
        }
    }
    report(&wrong)
}

/// What is said of these objects. They are scanned by themselves: checks look from one to the other.
fn scan(objects: &[Value]) -> Result<Value, Failed> {
    let stay = Folder::new("scanned")?;
    let checkov = tokio::runtime::Runtime::new()?.block_on(python::checkov())?;
    let file = stay.file("rendered.yaml");
    let documents: Vec<String> = objects.iter().map(ToString::to_string).collect();
    std::fs::write(&file, documents.join("\n---\n"))?;
    let output = Command::new(checkov)
        .args(["--framework", "kubernetes", "--output", "json", "--compact", "--soft-fail"])
        // Nothing is asked for over the network.
        .arg("--skip-download")
        .env("BC_SKIP_MAPPING", "TRUE")
        .arg("--file")
        .arg(&file)
        .output()?;
    let answer: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let read = answer["summary"]["resource_count"].as_u64().unwrap_or_default();
    if answer["summary"]["parsing_errors"] == 0 && read > 0 {
        return Ok(answer["results"].clone());
    }
    Err(format!("checkov has read {read} objects: {}", answer["summary"]).into())
}
