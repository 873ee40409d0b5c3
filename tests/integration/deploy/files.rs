//! Which file of `deploy/` is taken by whom.

use std::path::Path;

use serde_json::Value;

use super::{documents, files_below, report, root};
use crate::Outcome;

/// A file that no kustomization names is applied by nobody; one that is named has to be there.
pub(super) fn each_is_named() -> Outcome {
    let (mut named, mut wrong) = (Vec::new(), Vec::new());
    let files = files_below("deploy")?;
    for file in files.iter().filter(|file| file.ends_with("kustomization.yaml")) {
        let folder = file.parent().unwrap_or(file);
        for kustomization in documents(file)? {
            for path in paths(&kustomization) {
                let path = folder.join(&path);
                match path.canonicalize() {
                    Ok(path) => named.push(path),
                    Err(error) => {
                        wrong.push(format!("{}: {}: {error}", file.display(), path.display()));
                    }
                }
            }
        }
    }
    for file in &files {
        let is_script = file.extension().is_some_and(|extension| extension == "sh");
        let own =
            is_script || file.ends_with("kustomization.yaml") || file.ends_with("values.yaml");
        if !own && !file.starts_with(root().join("deploy/chart")) && !is_named(file, &named) {
            wrong.push(format!("{} is named by no kustomization", file.display()));
        }
        if file.ends_with("kustomization.yaml")
            && file.starts_with(root().join("deploy/components"))
        {
            let folder = file.parent().unwrap_or(file);
            let used = files.iter().any(|other| {
                other != file
                    && documents(other).is_ok_and(|all| all.iter().any(|k| uses(k, folder)))
            });
            // One of the two monitors is enough for the examples.
            if !used && !folder.ends_with("pod-monitor") {
                wrong.push(format!("{} is in no overlay", folder.display()));
            }
        }
    }
    report(&wrong)
}

fn is_named(file: &Path, named: &[std::path::PathBuf]) -> bool {
    file.canonicalize().is_ok_and(|file| named.contains(&file))
}

fn uses(kustomization: &Value, component: &Path) -> bool {
    let name = component.file_name().unwrap_or_default().to_string_lossy();
    paths(kustomization).iter().any(|path| path.ends_with(&format!("/{name}")))
}

fn paths(kustomization: &Value) -> Vec<String> {
    let generators = kustomization["configMapGenerator"].as_array().into_iter().flatten();
    ["resources", "components"]
        .iter()
        .filter_map(|list| kustomization[list].as_array())
        .chain(generators.filter_map(|generator| generator["files"].as_array()))
        .flatten()
        .filter_map(|path| path.as_str().map(str::to_owned))
        .collect()
}
