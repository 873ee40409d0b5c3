//! What publishes a version: the workflow, and the manifest for krew.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::root;
use crate::Outcome;

/// krew's manifest is made out of the archives: name, platform, place and check sum of each.
pub(super) fn krew_manifest() -> Outcome {
    let folder = std::env::temp_dir().join(format!("dislodge-{}-krew", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let archives = [("linux", "amd64", "one"), ("darwin", "arm64", "two")];
    let file = |os: &str, arch: &str| folder.join(format!("kubectl-dislodge-{os}-{arch}.tar.gz"));
    for (os, arch, bytes) in archives {
        std::fs::write(file(os, arch), bytes)?;
    }
    let made = |archives: &[&Path]| {
        let script = root().join("deploy/krew/manifest.sh");
        Command::new(script)
            .args(["v1.2.3", "https://code.example/dislodge"])
            .args(archives)
            .output()
    };
    let output = made(&[&file("linux", "amd64"), &file("darwin", "arm64")])?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let manifest: Value = serde_saphyr::from_slice(&output.stdout)?;
    assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!(manifest["metadata"]["name"], "dislodge");
    assert_eq!(manifest["spec"]["version"], "v1.2.3");
    let platforms = manifest["spec"]["platforms"].as_array().ok_or("no platforms")?;
    assert_eq!(platforms.len(), archives.len());
    // sha256sum of "one" and of "two".
    let sums = [
        "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
        "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3",
    ];
    for ((platform, (os, arch, _)), sum) in platforms.iter().zip(archives).zip(sums) {
        assert_eq!(platform["selector"]["matchLabels"]["os"], os);
        assert_eq!(platform["selector"]["matchLabels"]["arch"], arch);
        let name = format!("kubectl-dislodge-{os}-{arch}.tar.gz");
        assert_eq!(
            platform["uri"],
            format!("https://code.example/dislodge/releases/download/v1.2.3/{name}")
        );
        assert_eq!(platform["sha256"], sum);
        assert_eq!(platform["bin"], "kubectl-dislodge");
    }
    let other = folder.join("other.zip");
    std::fs::write(&other, "")?;
    let refused = made(&[&other])?;
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("is not called kubectl-dislodge-OS-ARCH")
    );
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// What others write runs only as it was looked at; no step has more rights than it uses; what it calls
/// of the repository is there.
pub(super) fn workflow() -> Outcome {
    let text = std::fs::read_to_string(root().join(".github/workflows/release.yaml"))?;
    let workflow: Value = serde_saphyr::from_str(&text)?;
    assert_eq!(workflow["permissions"], serde_json::json!({}), "rights are given job by job");
    let jobs = workflow["jobs"].as_object().ok_or("no jobs")?;
    for (name, job) in jobs {
        assert!(job["permissions"].is_object(), "{name} says what it may");
        assert!(job["timeout-minutes"].is_u64(), "{name} ends");
        for step in job["steps"].as_array().ok_or("no steps")? {
            if let Some(action) = step["uses"].as_str() {
                let (_, commit) = action.split_once('@').ok_or("an action without a version")?;
                let is_commit = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
                assert!(is_commit, "{action} is not pinned to a commit");
                assert!(
                    text.contains(&format!("{action} # v")),
                    "{action} does not say its version"
                );
            }
            // An expression in a script is code of whoever sets it.
            let script = step["run"].as_str().unwrap_or_default();
            assert!(!script.contains("${{"), "{name}: {script}");
            for word in script.split(|c: char| c.is_whitespace() || "()\"'".contains(c)) {
                let is_ours = word.starts_with("deploy/") || word.starts_with(".ci/");
                assert!(!is_ours || root().join(word).exists(), "{name} calls {word}");
            }
        }
    }
    Ok(())
}
