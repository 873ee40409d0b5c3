//! kubectl against the API server in memory.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::process::Command;

use super::program::Folder;
use super::{Test, memory, really, wall};
use crate::Outcome;

/// The tests of this file.
pub(super) const ALL: &[Test] =
    &[("kubectl_applies_shows_changes_and_deletes_what_is_kept_in_memory", kubectl)];

/// Whether there is a kubectl on the `PATH`.
pub(super) fn is_there() -> bool {
    let version = ["version", "--client"];
    let tried = std::process::Command::new("kubectl").args(version).output();
    tried.is_ok_and(|output| output.status.success())
}

const JOB: &str = r#"{"apiVersion": "batch/v1", "kind": "Job",
  "metadata": {"name": "train", "labels": {"team": "a"}},
  "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never",
    "containers": [{"name": "main", "image": "registry.example/train:1"}]}}}}"#;

const QUEUE: &str = r#"{"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue",
  "metadata": {"name": "gpu"}, "spec": {"clusterQueue": "all"}}"#;

struct Kubectl {
    kubeconfig: PathBuf,
    cache: PathBuf,
}

impl Kubectl {
    async fn run(&self, line: &str) -> Result<String, libtest_mimic::Failed> {
        let output = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .arg("--cache-dir")
            .arg(&self.cache)
            .args(line.split(' '))
            .env_remove("KUBECONFIG")
            .kill_on_drop(true)
            .output()
            .await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("kubectl {line}: {said}{text}").into())
    }

    async fn says(&self, line: &str, part: &str) -> Outcome {
        let text = self.run(line).await?;
        if text.contains(part) {
            return Ok(());
        }
        Err(format!("kubectl {line} does not say {part:?}: {text}").into())
    }
}

fn write(file: &Path, text: &str) -> Result<String, std::io::Error> {
    std::fs::write(file, text)?;
    Ok(file.display().to_string())
}

fn kubectl() -> Outcome {
    really(async {
        let folder = Folder::new("memory-kubectl")?;
        let memory = memory(wall());
        let listening = memory.listen().await?;
        let kubectl =
            Kubectl { kubeconfig: folder.file("kubeconfig"), cache: folder.file("cache") };
        listening.write_kubeconfig(&kubectl.kubeconfig)?;
        let (job, queue) =
            (write(&folder.file("job.json"), JOB)?, write(&folder.file("queue.json"), QUEUE)?);

        kubectl.says("auth can-i create jobs", "yes").await?;
        kubectl.says(&format!("apply -f {job}"), "job.batch/train created").await?;
        kubectl.says(&format!("apply -f {job}"), "job.batch/train unchanged").await?;
        std::fs::write(folder.file("job.json"), JOB.replace("\"team\": \"a\"", "\"team\": \"b\""))?;
        kubectl.says(&format!("apply -f {job}"), "job.batch/train configured").await?;
        kubectl.says("get jobs -l team=b", "train").await?;
        kubectl
            .says(
                &format!("apply --server-side -f {queue}"),
                "localqueue.kueue.x-k8s.io/gpu serverside-applied",
            )
            .await?;
        kubectl.says(&format!("diff -f {queue}"), "").await?;
        kubectl.says("annotate lq gpu note=x", "annotated").await?;
        kubectl.says("get lq gpu -o jsonpath={.metadata.annotations.note}", "x").await?;
        kubectl.says("describe job train", "Suspend:").await?;
        let text = kubectl.run("get job train -o json").await?;
        let job: Value = serde_json::from_str(&text)?;
        if job["spec"]["suspend"] != true || job["metadata"]["labels"]["team"] != "b" {
            return Err(format!("the Job is another: {job}").into());
        }
        kubectl
            .says("patch job train --type merge -p {\"spec\":{\"suspend\":false}}", "patched")
            .await?;
        kubectl.says("delete job train --cascade=background", "deleted").await?;
        kubectl.says("delete lq gpu", "deleted").await?;
        kubectl.says("get jobs,lq -o name", "").await
    })
}
