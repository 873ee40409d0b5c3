//! `examples/gitops`: what a platform team and its tenants keep in Git.

use serde_json::Value;

use super::{documents, files_below, report, root};
use crate::Outcome;
use crate::crd::cases::Write;
use crate::crd::offline;

const FOLDER: &str = "examples/gitops";

pub(super) fn policies_are_accepted() -> Outcome {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for file in files_below(&format!("{FOLDER}/teams"))? {
        for mut policy in documents(&file)?.into_iter().filter(|d| d["kind"] == "ImagePullPolicy") {
            seen += 1;
            // kustomize writes it.
            policy["metadata"]["namespace"] = "team".into();
            if let Err(refusals) = offline::verdict(Write::Create(policy)) {
                wrong.push(format!("{}: {refusals:?}", file.display()));
            }
        }
    }
    if seen == 0 {
        wrong.push("there is no policy".to_owned());
    }
    report(&wrong)
}

/// Every file is YAML; what a kustomization names is there; a policy claims a queue of its own folder;
/// whoever waits for another waits for one that there is.
pub(super) fn leads_somewhere() -> Outcome {
    let mut wrong = Vec::new();
    let files = files_below(FOLDER)?;
    let yaml = files.iter().filter(|file| file.extension().is_some_and(|kind| kind == "yaml"));
    let mut all: Vec<(&std::path::PathBuf, Value)> = Vec::new();
    for file in yaml {
        all.extend(documents(file)?.into_iter().map(|document| (file, document)));
    }
    let named = |kind: &str, name: &Value| {
        all.iter().any(|(_, object)| object["kind"] == kind && object["metadata"]["name"] == *name)
    };
    for (file, object) in &all {
        let folder = file.parent().unwrap_or(file);
        let told = |what: String| format!("{}: {what}", file.display());
        for path in object["resources"].as_array().into_iter().flatten() {
            if !folder.join(path.as_str().unwrap_or_default()).exists() {
                wrong.push(told(format!("{path} is not there")));
            }
        }
        if object["kind"] == "ImagePullPolicy" && folder.join("local_queue.yaml").exists() {
            let queues = documents(&folder.join("local_queue.yaml"))?;
            for claimed in object["spec"]["queues"].as_array().into_iter().flatten() {
                if !queues.iter().any(|queue| queue["metadata"]["name"] == claimed["name"]) {
                    wrong.push(told(format!("there is no LocalQueue {}", claimed["name"])));
                }
            }
        }
        for other in object["spec"]["dependsOn"].as_array().into_iter().flatten() {
            if !named("Kustomization", &other["name"]) {
                wrong.push(told(format!("there is no Kustomization {}", other["name"])));
            }
        }
        for team in
            object["spec"]["generators"][0]["list"]["elements"].as_array().into_iter().flatten()
        {
            let team = team["team"].as_str().unwrap_or_default();
            if !root().join(FOLDER).join("teams").join(team).is_dir() {
                wrong.push(told(format!("there is no team {team}")));
            }
        }
    }
    report(&wrong)
}
