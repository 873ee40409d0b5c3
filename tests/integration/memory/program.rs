//! The program itself against the API server in memory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dislodge_testbed::deadline::until;
use dislodge_testbed::memory::Listening;
use dislodge_testbed::{Memory, Process, Program, ports, probe};
use http::Method;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::{Test, memory, really, wall};
use crate::{Outcome, uninstall};

/// The tests of this file.
pub(super) const ALL: &[Test] = &[
    ("the_program_becomes_ready_and_takes_its_lease", becomes_ready),
    ("the_program_holds_a_job_whose_image_does_not_exist", holds_a_job),
    ("what_the_program_and_a_person_record_is_replayed", records_itself),
    ("who_leaves_by_the_documented_steps_leaves_no_job_held", leaves),
];

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("dislodge-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left over where it cannot be removed; nothing depends on it.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// The program beside its API server. Dropped, both end.
pub(super) struct Running {
    pub(super) memory: Memory,
    pub(super) process: Process,
    /// The port of its metrics.
    pub(super) metrics: u16,
    _listening: Listening,
    folder: Folder,
}

impl Running {
    /// Starts it, and returns when it is ready.
    pub(super) async fn start(name: &str) -> Result<Self, Failed> {
        Self::on(&memory(wall()), name).await
    }

    /// The same on an API server that has objects already.
    pub(super) async fn on(memory: &Memory, name: &str) -> Result<Self, Failed> {
        Self::on_with(memory, name, |_| Vec::new()).await
    }

    /// The same, with more flags.
    async fn on_with(
        memory: &Memory,
        name: &str,
        flags: impl FnOnce(&Folder) -> Vec<String>,
    ) -> Result<Self, Failed> {
        let folder = Folder::new(name)?;
        let listening = memory.listen().await?;
        let kubeconfig = folder.file("kubeconfig");
        listening.write_kubeconfig(&kubeconfig)?;
        let [probes, metrics] = ports::free()?;
        let program = Program::new("dislodge", env!("CARGO_BIN_EXE_dislodge"), &folder.0)
            .arguments(["controller", "--lease-namespace", "default", "--identity", "a"])
            .arguments(["--probe-address".to_owned(), format!("127.0.0.1:{probes}")])
            .arguments(["--metrics-address".to_owned(), format!("127.0.0.1:{metrics}")])
            .arguments(flags(&folder))
            .variable("DISLODGE_LOG_LEVEL", "debug")
            .variable("KUBECONFIG", &kubeconfig);
        let process = Process::start(program).await?;
        let running =
            Self { memory: memory.clone(), process, metrics, _listening: listening, folder };
        probe::ready(&running.process, probes, 60).await?;
        Ok(running)
    }

    /// Asks the API server, as whoever else there is in the cluster.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Value, Failed> {
        send(&self.memory, method, path, body).await
    }

    /// Waits until an object is as `look` wants it.
    pub(super) async fn when(
        &self,
        path: &str,
        what: &str,
        look: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failed> {
        let found = until(20, what, || async {
            let object = self.send(Method::GET, path, Value::Null).await;
            let object = object.map_err(|failed| format!("{failed:?}"))?;
            if look(&object) { Ok(object) } else { Err(object.to_string()) }
        });
        Ok(found.await?)
    }
}

/// Asks an API server, as whoever there is in the cluster.
pub(super) async fn send(
    memory: &Memory,
    method: Method,
    path: &str,
    body: Value,
) -> Result<Value, Failed> {
    let kind = if method != Method::PATCH {
        "application/json"
    } else if path.starts_with(KUEUE) {
        // Custom resources take no other patch.
        "application/merge-patch+json"
    } else {
        "application/strategic-merge-patch+json"
    };
    let request = http::Request::builder().method(method).uri(path);
    let request = request.header("content-type", kind).body(body.to_string().into_bytes())?;
    Ok(memory.client().request(request).await?)
}

fn becomes_ready() -> Outcome {
    really(async {
        let running = Running::start("memory-ready").await?;
        let path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/dislodge";
        running.when(path, "its Lease", |lease| lease["spec"]["holderIdentity"] == "a").await?;
        running.process.kill().await;
        Ok(())
    })
}

pub(super) const BATCH: &str = "/apis/batch/v1/namespaces/default/jobs";
pub(super) const KUEUE: &str = "/apis/kueue.x-k8s.io/v1beta2";
const PODS: &str = "/api/v1/namespaces/default/pods";
pub(super) const POLICIES: &str =
    "/apis/dislodge.dev/v1alpha1/namespaces/default/imagepullpolicies";
pub(super) const IMAGE: &str = "registry.example/train:1";

/// Creates what a person, Kueue and the Job controller create. Returns the uid of the Job.
async fn admit(running: &Running) -> Outcome {
    let owned = |kind: &str, name: &str, uid: &Value| {
        json!([{"apiVersion": "batch/v1", "kind": kind, "name": name, "uid": uid,
                "controller": true}])
    };
    let spec = json!({"restartPolicy": "Never", "nodeName": "node",
                      "containers": [{"name": "main", "image": IMAGE}]});
    let queue = json!({"kueue.x-k8s.io/queue-name": "gpu"});
    let node = json!({"metadata": {"name": "node"},
                      "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    running.send(Method::POST, "/api/v1/nodes", node).await?;
    let local = json!({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue",
                       "metadata": {"name": "gpu"}, "spec": {"clusterQueue": "all"}});
    let path = format!("{KUEUE}/namespaces/default/localqueues");
    running.send(Method::POST, &path, local).await?;
    let policy = json!({
        "apiVersion": "dislodge.dev/v1alpha1", "kind": "ImagePullPolicy",
        "metadata": {"name": "gpu"},
        "spec": {"mode": "Enforce", "queues": [{"kind": "LocalQueue", "name": "gpu"}],
                 "rules": [{"name": "missing", "causes": ["NotFound"], "action": "SuspendJob",
                            "threshold": {"failedPulls": 1}}]},
    });
    running.send(Method::POST, POLICIES, policy).await?;
    let job = json!({"metadata": {"name": "train", "labels": queue},
                     "spec": {"template": {"spec": spec}}});
    let job = running.send(Method::POST, BATCH, job).await?;
    let workload = json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "Workload",
        "metadata": {"name": "job-train",
                     "ownerReferences": owned("Job", "train", &job["metadata"]["uid"])},
        "spec": {"queueName": "gpu", "active": true},
    });
    let path = format!("{KUEUE}/namespaces/default/workloads");
    let mut workload = running.send(Method::POST, &path, workload).await?;
    workload["status"] = json!({
        "conditions": [{"type": "QuotaReserved", "status": "True", "reason": "QuotaReserved",
                        "message": "", "lastTransitionTime": running.memory.now().to_string()}],
        "admission": {"clusterQueue": "all", "podSetAssignments": []},
    });
    running.send(Method::PUT, &format!("{path}/job-train/status"), workload).await?;
    let pod = json!({
        "metadata": {"name": "train-x",
                     "labels": {"batch.kubernetes.io/job-name": "train",
                                "kueue.x-k8s.io/queue-name": "gpu"},
                     "ownerReferences": owned("Job", "train", &job["metadata"]["uid"])},
        "spec": spec,
    });
    running.send(Method::POST, PODS, pod).await.map(drop)
}

/// What the kubelet writes.
async fn waiting(running: &Running, reason: &str, message: &str) -> Outcome {
    let status = json!({"status": {"containerStatuses": [{
        "name": "main", "image": IMAGE, "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}},
    }]}});
    let path = format!("{PODS}/train-x/status?fieldManager=kubelet");
    running.send(Method::PATCH, &path, status).await.map(drop)
}

/// Lets the image fail until the job is held and its owner was told. Returns the hold's id.
async fn hold(running: &Running) -> Result<Value, Failed> {
    let missing = format!(
        "failed to pull and unpack image \"{IMAGE}\": failed to resolve reference \"{IMAGE}\": \
             {IMAGE}: not found"
    );
    hold_after(running, &missing).await
}

/// The same after this message of the kubelet's.
pub(super) async fn hold_after(running: &Running, missing: &str) -> Result<Value, Failed> {
    admit(running).await?;
    running
        .when(&format!("{POLICIES}/gpu"), "the policy being looked at", |policy| {
            policy["status"]["queues"][0]["state"] == "Governed"
        })
        .await?;
    waiting(running, "ContainerCreating", "").await?;
    let path = format!("{KUEUE}/namespaces/default/workloads/job-train");
    // A safe moment that a busy machine misses comes again, as with a kubelet.
    let held = until(60, "the hold", async || {
        let again = async {
            waiting(running, "ErrImagePull", missing).await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let workload = running.send(Method::GET, &path, Value::Null).await?;
            if workload["spec"]["active"] != false {
                waiting(running, "ImagePullBackOff", missing).await?;
            }
            Ok::<Value, Failed>(workload)
        };
        let workload = again.await.map_err(|failed| format!("{failed:?}"))?;
        let stopped = workload["spec"]["active"] == false;
        if stopped { Ok(workload) } else { Err(workload.to_string()) }
    })
    .await?;
    let id = held["metadata"]["annotations"]["dislodge.dev/hold"].clone();
    let explained = |job: &Value| job["metadata"]["annotations"]["dislodge.dev/hold"] == id;
    running.when(&format!("{BATCH}/train"), "the owner being told", explained).await?;
    let events = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dtrain";
    let published = |events: &Value| events["items"][0]["reason"].is_string();
    running.when(events, "the Event", published).await?;
    if id.is_string() { Ok(id) } else { Err(format!("no word of the hold: {held}").into()) }
}

fn holds_a_job() -> Outcome {
    really(async {
        let running = Running::start("memory-hold").await?;
        hold(&running).await?;
        running.process.kill().await;
        Ok(())
    })
}

/// All namespaces at once, which a shared cluster does not allow. kubectl is not asked for.
fn leaves() -> Outcome {
    really(async {
        let running = Running::start("memory-leave").await?;
        hold(&running).await?;
        let (folder, kubeconfig) = (&running.folder.0, running.folder.file("kubeconfig"));
        for part in ["dislodge pause", "dislodge resume"] {
            let step = uninstall::step(part)?.replace("dislodge-system", "default");
            uninstall::type_in(&step, folder, &kubeconfig, Path::new("kubectl")).await?;
        }
        let path = format!("{KUEUE}/namespaces/default/workloads/job-train");
        let workload = running.send(Method::GET, &path, Value::Null).await?;
        let job = running.send(Method::GET, &format!("{BATCH}/train"), Value::Null).await?;
        running.process.kill().await;
        let marks = [&workload, &job].map(|object| &object["metadata"]["annotations"]);
        let left = marks.iter().any(|marks| marks["dislodge.dev/hold"].is_string());
        if workload["spec"]["active"] == true && !left {
            return Ok(());
        }
        Err(format!("left: {workload}\n{job}").into())
    })
}

/// Runs the program to its end, in the test's folder.
async fn dislodge(running: &Running, arguments: &[&str]) -> Result<String, Failed> {
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_dislodge"));
    program.args(arguments).current_dir(&running.folder.0).kill_on_drop(true);
    let said = program.env("KUBECONFIG", running.folder.file("kubeconfig")).output().await?;
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    let all = format!("{out}{err}");
    if said.status.success() { Ok(all) } else { Err(format!("{arguments:?}: {all}").into()) }
}

fn has(text: &str, parts: &[&str]) -> Outcome {
    match parts.iter().find(|part| !text.contains(**part)) {
        None => Ok(()),
        Some(part) => Err(format!("{part:?} is missing:\n{text}").into()),
    }
}

fn records_itself() -> Outcome {
    really(async {
        let running = Running::on_with(&memory(wall()), "memory-record", |folder| {
            vec!["--record".to_owned(), folder.0.to_string_lossy().into_owned()]
        })
        .await?;
        let policy = running.folder.file("policy.yaml");
        std::fs::write(&policy, POLICY)?;
        // What a person may see, at the same time.
        let own = running.folder.file("own.gz");
        let program = Program::new("record", env!("CARGO_BIN_EXE_dislodge"), &running.folder.0)
            .arguments(["record", "-n", "default", "--for", "60s", "-o"])
            .argument(&own)
            .variable("KUBECONFIG", running.folder.file("kubeconfig"));
        let person = Process::start(program).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        if !hold(&running).await?.is_string() {
            return Err("no hold".into());
        }
        person.terminate(Duration::from_secs(5)).await?;
        has(
            &person.read_log()?,
            &["recording namespace default into ", "recorded ", " inputs in "],
        )?;
        // Whatever was fed three seconds ago survives.
        tokio::time::sleep(Duration::from_secs(3)).await;
        running.process.kill().await;
        let files = std::fs::read_dir(&running.folder.0)?;
        let mut names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        let name = names.find(|name| name.ends_with(".jsonl.gz"));
        let name = name.ok_or("there is no recording")?;
        let said = dislodge(&running, &["replay", &name]).await?;
        let all =
            ["default/train", "Hold for SuspendJob (ThresholdReached): Applied", "bit for bit"];
        has(&said, &all)?;
        for file in [name.as_str(), "own.gz"] {
            let said = dislodge(&running, &["replay", file, "-f", "policy.yaml"]).await?;
            has(&said, &["default/train", "would FailJob"])?;
        }
        reports(&running, &name).await?;
        let again = dislodge(&running, &["record", "-o", "own.gz", "--for", "1s"]).await;
        match again {
            Err(failed) => has(&format!("{failed:?}"), &["name a file that does not exist yet"]),
            Ok(said) => Err(format!("a file was overwritten: {said}").into()),
        }
    })
}

/// A report of the same, with the controller's own recording in it, is read without the cluster.
async fn reports(running: &Running, recording: &str) -> Outcome {
    let typed =
        ["report", "-n", "default", "-o", "report.tar.gz", "--for", "0s", "--recording", recording];
    let said = dislodge(running, &typed).await?;
    // The API server in memory has no Pod of the controller, and so no log of it.
    let no_log =
        "not in it: what the controller has logged (a Pod of Dislodge in namespace dislodge-system";
    has(
        &said,
        &["reading the objects of namespace default", no_log, "wrote report.tar.gz, ", "1 Job,"],
    )?;
    // Exit code 3: a job is held.
    let explained = dislodge(running, &["explain", "-f", "report.tar.gz", "job/train"]).await;
    let explained = format!("{explained:?}");
    has(&explained, &["Job default/train is held"])?;
    if explained.contains("not known") {
        return Err(format!("something is missing in the report: {explained}").into());
    }
    let replayed = dislodge(running, &["replay", "report.tar.gz"]).await?;
    let both = [
        "report.tar.gz: recordings/report.jsonl.gz",
        "report.tar.gz: recordings/0000.jsonl.gz",
        "bit for bit",
    ];
    has(&replayed, &both)?;
    match dislodge(running, &typed).await {
        Err(failed) => {
            has(&format!("{failed:?}"), &["name a file that does not exist yet with -o"])
        }
        Ok(said) => Err(format!("a file was overwritten: {said}").into()),
    }
}

const POLICY: &str = "apiVersion: dislodge.dev/v1alpha1\nkind: ImagePullPolicy\n\
    metadata: {name: other, namespace: default}\nspec:\n  queues: [{kind: LocalQueue, name: gpu}]\n  \
    rules: [{name: r, causes: [NotFound], action: FailJob, threshold: {failedPulls: 1}}]\n";
