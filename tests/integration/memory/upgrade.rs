//! An upgrade and a rollback: held jobs as each version has written them (`engine/tests/versions`) are taken up by
//! this build, and by the next process after it, and nothing is done twice.

use std::path::Path;
use std::time::Duration;

use dislodge_testbed::Memory;
use http::Method;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::program::{BATCH, KUEUE, POLICIES, Running, send};
use super::{Test, memory, really, wall};
use crate::Outcome;

/// The tests of this file.
pub(super) const ALL: &[Test] = &[
    ("a_hold_of_another_version_is_kept_until_its_owner_resumes_it", kept),
    ("a_return_that_another_version_has_promised_is_kept_once", returned),
    ("an_end_that_another_version_has_begun_is_finished_once", finished),
];

const VERSIONS: [&str; 1] = ["0.1.0"];
const WORKLOADS: &str = "/apis/kueue.x-k8s.io/v1beta2/namespaces/default/workloads";
/// What a program does by itself is over after so long; statuses are not looked at.
const SETTLE: Duration = Duration::from_secs(3);

fn read(version: &str, name: &str) -> Result<Value, Failed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("engine/tests/versions").join(version);
    Ok(serde_json::from_str(&std::fs::read_to_string(folder.join(format!("{name}.json")))?)?)
}

/// A cluster in which a version has left a held job of that name. No limit is set for holds: the files are old.
async fn left_by(version: &str, name: &str) -> Result<Memory, Failed> {
    let memory = memory(wall());
    let post = async |path: &str, body: Value| send(&memory, Method::POST, path, body).await;
    let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    post("/api/v1/nodes", json!({"metadata": {"name": "node"}, "status": ready})).await?;
    let flavor = json!({"name": "any", "resources": [{"name": "cpu", "nominalQuota": "1"}]});
    let group = json!({"coveredResources": ["cpu"], "flavors": [flavor]});
    let queue = json!({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue",
        "metadata": {"name": "all"}, "spec": {"resourceGroups": [group]}});
    post(&format!("{KUEUE}/clusterqueues"), queue).await?;
    let queue = json!({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue",
        "metadata": {"name": "gpu"}, "spec": {"clusterQueue": "all"}});
    post(&format!("{KUEUE}/namespaces/default/localqueues"), queue).await?;
    let mut spec = read(version, "policy")?["spec"].clone();
    spec["hold"]["maxSeconds"] = json!(0);
    let policy = json!({"apiVersion": "dislodge.dev/v1alpha1", "kind": "ImagePullPolicy",
        "metadata": {"name": "gpu"}, "spec": spec});
    post(POLICIES, policy).await?;

    let held = read(version, name)?;
    let marks = held["metadata"]["annotations"].clone();
    let template = json!({"spec": {"restartPolicy": "Never",
        "containers": [{"name": "main", "image": "r.io/team/app:1"}]}});
    let mut job = json!({"metadata": {"name": "train",
        "labels": {"kueue.x-k8s.io/queue-name": "gpu"}, "annotations": {}},
        "spec": {"suspend": true, "template": template}});
    // What the owner is told stands on the Job; the rest concerns the lever alone.
    for (key, value) in marks.as_object().into_iter().flatten() {
        if key.starts_with("dislodge.dev/held") || key == "dislodge.dev/hold" {
            job["metadata"]["annotations"][key] = value.clone();
        }
    }
    let job = post(BATCH, job).await?;
    let workload = json!({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "Workload",
        "metadata": {"name": "job-train", "annotations": marks,
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "train",
                "uid": job["metadata"]["uid"], "controller": true}]},
        "spec": {"queueName": "gpu", "active": true}});
    post(WORKLOADS, workload).await?;
    // As when it was stopped: this is the second generation of its spec.
    let stop = json!({"spec": {"active": false}});
    send(&memory, Method::PATCH, &format!("{WORKLOADS}/job-train"), stop).await?;
    Ok(memory)
}

/// Job and Workload, as they are.
async fn both(memory: &Memory) -> Result<[Value; 2], Failed> {
    let get = |path: String| async move { send(memory, Method::GET, &path, Value::Null).await };
    Ok([get(format!("{BATCH}/train")).await?, get(format!("{WORKLOADS}/job-train")).await?])
}

/// The next process finds nothing to do to either of them.
async fn stays(memory: &Memory, name: &str) -> Outcome {
    let before = both(memory).await?;
    let running = Running::on(memory, &format!("{name}-next")).await?;
    tokio::time::sleep(SETTLE).await;
    running.process.kill().await;
    let after = both(memory).await?;
    if before == after { Ok(()) } else { Err(format!("{before:#?}\nbecame\n{after:#?}").into()) }
}

async fn events(memory: &Memory) -> Result<usize, Failed> {
    let path = "/apis/events.k8s.io/v1/namespaces/default/events";
    let events = send(memory, Method::GET, path, Value::Null).await?;
    Ok(events["items"].as_array().map_or(0, Vec::len))
}

fn kept() -> Outcome {
    really(async {
        for version in VERSIONS {
            let memory = left_by(version, "suspended").await?;
            let before = both(&memory).await?;
            let running = Running::on(&memory, "memory-upgrade").await?;
            let counted = |policy: &Value| policy["status"]["heldJobs"] == 1;
            running.when(&format!("{POLICIES}/gpu"), "the hold being counted", counted).await?;
            tokio::time::sleep(SETTLE).await;
            running.process.kill().await;
            if both(&memory).await? != before {
                return Err(format!("{before:#?}\nbecame\n{:#?}", both(&memory).await?).into());
            }
            stays(&memory, "memory-upgrade").await?;

            let running = Running::on(&memory, "memory-upgrade").await?;
            let id = &before[0]["metadata"]["annotations"]["dislodge.dev/hold"];
            let word = json!({"metadata": {"annotations": {"dislodge.dev/resume": id}}});
            running.send(Method::PATCH, &format!("{BATCH}/train"), word).await?;
            let path = format!("{WORKLOADS}/job-train");
            running.when(&path, "resumed", |workload| workload["spec"]["active"] == true).await?;
            let silent = |job: &Value| {
                let marks = job["metadata"]["annotations"].as_object();
                marks.is_some_and(|marks| !marks.contains_key("dislodge.dev/hold"))
            };
            running.when(&format!("{BATCH}/train"), "the word taken back", silent).await?;
            running.process.kill().await;
            stays(&memory, "memory-upgrade").await?;
        }
        Ok(())
    })
}

fn returned() -> Outcome {
    really(async {
        for version in VERSIONS {
            let memory = left_by(version, "requeued").await?;
            let running = Running::on(&memory, "memory-return").await?;
            let back = |workload: &Value| {
                workload["spec"]["active"] == true
                    && workload["metadata"]["annotations"]["dislodge.dev/requeues"] == "2"
            };
            running.when(&format!("{WORKLOADS}/job-train"), "its return", back).await?;
            tokio::time::sleep(SETTLE).await;
            running.process.kill().await;
            stays(&memory, "memory-return").await?;
        }
        Ok(())
    })
}

fn finished() -> Outcome {
    really(async {
        for version in VERSIONS {
            let memory = left_by(version, "to-be-failed").await?;
            let running = Running::on(&memory, "memory-finish").await?;
            let failed = |job: &Value| {
                let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
                conditions.into_iter().any(|c| {
                    c["type"] == "Failed"
                        && c["status"] == "True"
                        && c["reason"] == "ImagePullFailed"
                })
            };
            running.when(&format!("{BATCH}/train"), "its end", failed).await?;
            tokio::time::sleep(SETTLE).await;
            running.process.kill().await;
            let told = events(&memory).await?;
            stays(&memory, "memory-finish").await?;
            if events(&memory).await? != told {
                return Err("the end was told twice".into());
            }
        }
        Ok(())
    })
}
