//! The commands that look and steer, typed by people with the documented rights and no others.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use dislodge_testbed::Manifests;
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::actions::check;
use super::stage::{RESUME, Stage, hold_of, suspend_after};
use crate::Outcome;

super::scenarios![
    a_stuck_job_is_explained_as_far_as_its_owner_may_read,
    an_owner_without_rights_on_workloads_sees_the_hold_and_resumes,
    an_operator_pauses_a_policy_and_everything,
    a_right_that_is_missing_is_named_and_nothing_is_changed,
    an_installation_is_checked_as_far_as_the_rights_go,
    what_a_viewer_sees_is_recorded_reported_and_replayed,
];

/// Reads the policies of a namespace (deploy/people).
const VIEWER: &str = "dislodge-policy-viewer";

/// The rights of an owner of Jobs, and none on what Kueue has: it adds its own to `view` and `edit`.
async fn owner_role(stage: &Stage, verbs: &[&str]) -> Result<String, Failed> {
    let name = format!("{}-owner", stage.tenant.namespace());
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [
            {"apiGroups": [""], "resources": ["pods", "events"], "verbs": ["get", "list"]},
            {"apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": ["list"]},
            {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": verbs},
        ],
    });
    stage.tenant.apply(Manifests::from_objects(vec![role])).await?;
    Ok(name)
}

/// A person at a terminal that is none: nobody can be asked anything.
struct Person {
    kubeconfig: PathBuf,
}

/// What a command said, and how it ended.
struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Person {
    async fn new(stage: &Stage, name: &str, roles: &[&str]) -> Result<Self, Failed> {
        let cluster = &stage.world.cluster;
        let people = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/people");
        Manifests::load(&people, cluster.tools()).await?.apply(&stage.tenant.client()).await?;
        stage.tenant.person(cluster, name, roles).await?;
        Ok(Self { kubeconfig: stage.tenant.kubeconfig_of(cluster, name)? })
    }

    async fn types(&self, command: &[&str]) -> Result<Answer, Failed> {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_dislodge"))
            .args(command)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .output()
            .await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Ok(Answer { code, out: text(&output.stdout), err: text(&output.stderr) })
    }

    /// The same with `-o json`.
    async fn asks(&self, command: &[&str]) -> Result<(i32, Value), Failed> {
        let answer = self.types(&[command, &["-o", "json"]].concat()).await?;
        let value = serde_json::from_str(&answer.out)
            .map_err(|error| format!("{command:?}: {error}: {}{}", answer.out, answer.err))?;
        Ok((answer.code, value))
    }
}

impl Answer {
    fn is(&self, code: i32, parts: &[&str]) -> Outcome {
        let said = format!("{}{}", self.out, self.err);
        check(self.code == code, || format!("exit code {} and not {code}: {said}", self.code))?;
        match parts.iter().find(|part| !said.contains(**part)) {
            Some(missing) => Err(format!("it does not say {missing:?}: {said}").into()),
            None => Ok(()),
        }
    }
}

async fn a_stuck_job_is_explained_as_far_as_its_owner_may_read(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(90)).await?;
    let _controller = stage.controller().await?;
    stage.admitted("stuck", &stage.missing()).await?;
    let counted = |policy: &DynamicObject| {
        policy.data["status"]["failing"][0]["failedPulls"].as_u64().is_some_and(|n| n >= 2)
    };
    stage.policy_when("gpu", 60, "counting", counted).await?;

    let role = owner_role(&stage, &["get", "list"]).await?;
    let ada = Person::new(&stage, "ada", &[VIEWER, &role]).await?;
    let (code, found) = ada.asks(&["explain", "job/stuck"]).await?;
    let image = &found["images"][0];
    for (what, is, expected) in [
        ("the exit code", &json!(code), json!(2)),
        ("the state", &found["state"], json!("Stuck")),
        ("the cause", &image["cause"], json!("NotFound")),
        ("who counts", &image["failedPulls"]["source"], json!("Controller")),
        ("the policy", &found["policy"]["name"], json!("gpu")),
        ("the rule", &image["rule"]["name"], json!("missing")),
        ("the threshold", &image["rule"]["failedPulls"], json!(90)),
        ("the queue", &found["job"]["queue"], json!("gpu")),
    ] {
        check(*is == expected, || format!("{what} is {is} and not {expected}: {found:#}"))?;
    }
    let gaps = found["unknown"].to_string();
    check(gaps.contains("list workloads.kueue.x-k8s.io"), || format!("no word of it: {gaps}"))?;
    ada.types(&["explain", "stuck"]).await?.is(
        2,
        &["more failed pulls: the job is suspended", "push the image", "not known", "workloads"],
    )?;
    ada.types(&["status"]).await?.is(0, &["gpu", "Enforce", "stuck", "NotFound", "Counting"])?;

    // With the documented ones, to which Kueue adds its own, it is known, too, what the job holds.
    let bob = Person::new(&stage, "bob", &["view", VIEWER]).await?;
    let (_, found) = bob.asks(&["explain", "stuck"]).await?;
    let told = found["job"]["admittedSince"].is_string() && found["job"]["workload"].is_string();
    check(told && found["unknown"] == json!([]), || format!("the quota is not told: {found:#}"))?;
    let (_, seen) = bob.asks(&["status"]).await?;
    let held_back = &seen["queues"][0]["heldBack"];
    check(held_back.as_object().is_some_and(|h| !h.is_empty()), || format!("nothing: {seen:#}"))
}

async fn an_owner_without_rights_on_workloads_sees_the_hold_and_resumes(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(1)).await?;
    let _controller = stage.controller().await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    let id = stage.held(&stuck, 60).await?;

    let role = owner_role(&stage, &["get", "list", "patch"]).await?;
    let ada = Person::new(&stage, "ada", &[VIEWER, &role]).await?;
    ada.types(&["explain", "stuck"]).await?.is(3, &["is held by Dislodge", "resume stuck -n"])?;
    ada.types(&["holds"]).await?.is(0, &["stuck", "gpu", "NotFound", "workloads.kueue"])?;
    let dry = ["resume", "--queue", "gpu", "--cause", "NotFound", "--since", "1h", "--dry-run"];
    ada.types(&dry).await?.is(0, &["Would be resumed", "job/stuck", &id])?;
    ada.types(&["resume", "--cause", "Tls"]).await?.is(0, &["nothing is resumed"])?;
    let job = stage.job_when("stuck", 5, "there", |_| true).await?;
    check(hold_of(&job) == Some(&id), || "a dry run has resumed it".to_owned())?;

    ada.types(&["resume", "stuck"]).await?.is(0, &["resume asked for", &id])?;
    stage
        .job_when("stuck", 20, "resumed", |job| {
            let resumes = job.annotations().get("dislodge.dev/resumes").map(String::as_str);
            resumes == Some("1") && !job.annotations().contains_key(RESUME)
        })
        .await?;
    stage.held_after(&stuck, &id, 60).await?;
    ada.types(&["resume", "nothing"])
        .await?
        .is(1, &["there is no Job nothing", "kubectl get jobs"])?;

    // Whoever owns the job can keep Dislodge off it.
    ada.types(&["ignore", "stuck", "--reason", "debugging"]).await?.is(0, &["no new action"])?;
    ada.types(&["resume", "--all", "--yes"]).await?.is(0, &["resume asked for"])?;
    let ignored =
        |policy: &DynamicObject| policy.data["status"]["failing"][0]["reason"] == "Ignored";
    stage.policy_when("gpu", 60, "ignoring the job", ignored).await?;
    ada.types(&["explain", "stuck"]).await?.is(2, &["debugging", "keeps Dislodge off it"])?;
    ada.types(&["ignore", "stuck", "--remove"]).await?.is(0, &["looks after it again"])
}

async fn an_operator_pauses_a_policy_and_everything(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(90)).await?;
    let _controller = stage.controller().await?;
    let reason = |policy: &DynamicObject| {
        let conditions = policy.data["status"]["conditions"].as_array();
        let ready = conditions.into_iter().flatten().find(|c| c["type"] == "Ready");
        ready.and_then(|ready| ready["reason"].as_str()).unwrap_or_default().to_owned()
    };
    stage.policy_when("gpu", 60, "governing", |p| reason(p) == "Governing").await?;
    let roles = ["view", VIEWER, "dislodge-policy-editor", "dislodge-operator"];
    let olga = Person::new(&stage, "olga", &roles).await?;

    olga.types(&["pause", "gpu", "--reason", "drill"]).await?.is(0, &["paused"])?;
    stage.policy_when("gpu", 30, "paused", |p| reason(p) == "Paused").await?;
    olga.types(&["status"]).await?.is(0, &["Paused"])?;
    olga.types(&["unpause", "gpu"]).await?.is(0, &["acts again"])?;
    stage.policy_when("gpu", 30, "governing", |p| reason(p) == "Governing").await?;

    let lease = ["--lease-namespace", stage.tenant.namespace()];
    let pause = [&["pause", "--reason", "incident"][..], &lease].concat();
    olga.types(&pause).await?.is(1, &["no terminal", "--yes"])?;
    olga.types(&[&pause[..], &["--yes"]].concat()).await?.is(0, &["everything", "paused"])?;
    stage.policy_when("gpu", 30, "paused", |p| reason(p) == "Paused").await?;
    olga.types(&["status"]).await?.is(0, &["everything is paused: incident"])?;
    olga.types(&[&["unpause", "--yes"][..], &lease].concat()).await?.is(0, &["acts again"])?;
    stage.policy_when("gpu", 30, "governing", |p| reason(p) == "Governing").await?;
    olga.types(&["pause", "cpu", "--reason", "x"]).await?.is(1, &["no ImagePullPolicy cpu"])
}

async fn a_right_that_is_missing_is_named_and_nothing_is_changed(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(1)).await?;
    let _controller = stage.controller().await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    let id = stage.held(&stuck, 60).await?;

    let eve = Person::new(&stage, "eve", &[VIEWER]).await?;
    eve.types(&["explain", "stuck"])
        .await?
        .is(1, &["the right to list jobs.batch in namespace"])?;
    eve.types(&["resume", "stuck"]).await?.is(1, &["the right to get jobs.batch in namespace"])?;
    eve.types(&["holds", "-A"])
        .await?
        .is(0, &["what is missing is the right to list jobs.batch"])?;
    let vera = Person::new(&stage, "vera", &["view", VIEWER]).await?;
    vera.types(&["resume", "stuck"])
        .await?
        .is(1, &["the right to patch jobs", "nothing was changed"])?;
    vera.types(&["pause", "gpu", "--reason", "x"])
        .await?
        .is(1, &["the right to patch", "is missing"])?;
    vera.types(&["pause", "--reason", "x", "--yes"])
        .await?
        .is(1, &["get leases.coordination.k8s.io"])?;
    let job = stage.job_when("stuck", 5, "there", |_| true).await?;
    let asked = job.annotations().contains_key(RESUME);
    check(hold_of(&job) == Some(&id) && !asked, || "something was changed".to_owned())
}

async fn an_installation_is_checked_as_far_as_the_rights_go(stage: Stage) -> Outcome {
    let namespace = stage.tenant.namespace();
    let administrator = Person { kubeconfig: stage.world.cluster.kubeconfig().to_owned() };
    let results = async |person: &Person| -> Result<(i32, Vec<(String, String)>), Failed> {
        let (code, answer) = person.asks(&["check", "-n", namespace]).await?;
        let findings = answer["findings"].as_array().ok_or("no findings")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok((code, findings.iter().map(|it| (text(&it["check"]), text(&it["result"]))).collect()))
    };
    let expect = |(code, results): &(i32, Vec<(String, String)>),
                  is: i32,
                  rows: &[(&str, &str)]| {
        check(*code == is, || format!("exit code {code} and not {is}: {results:?}"))?;
        let found =
            |(name, result): &(&str, &str)| results.iter().any(|(a, b)| a == name && b == result);
        match rows.iter().find(|row| !found(row)) {
            Some(row) => Err(Failed::from(format!("{row:?} is not among {results:?}"))),
            None => Ok(()),
        }
    };
    // The controllers of this cluster are processes, so that no Deployment is there to be found.
    let installed = [("kubernetes", "Ok"), ("crd", "Ok"), ("guard", "Ok"), ("rights", "Ok")];
    let rows = [
        &installed[..],
        &[("controller", "Problem"), ("policies", "Advice"), ("queues", "Advice")],
    ];
    expect(&results(&administrator).await?, 2, &rows.concat())?;

    stage.policy("gpu", suspend_after(3)).await?;
    let _controller = stage.controller().await?;
    stage
        .policy_when("gpu", 60, "ready", |policy| {
            policy.data["status"]["conditions"][0]["status"] == "True"
        })
        .await?;
    let rows = [&installed[..], &[("policies", "Ok"), ("queues", "Ok")]];
    expect(&results(&administrator).await?, 2, &rows.concat())?;

    let bob = Person::new(&stage, "bob", &["view", VIEWER]).await?;
    let rows = [("policies", "Ok"), ("queues", "Ok"), ("crd", "Unknown"), ("rights", "Unknown")];
    expect(&results(&bob).await?, 0, &rows)?;
    bob.types(&["check", "-n", namespace])
        .await?
        .is(0, &["the right to get customresourcedefinitions"])
}

async fn what_a_viewer_sees_is_recorded_reported_and_replayed(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(90)).await?;
    let _controller = stage.controller().await?;
    stage.admitted("stuck", &stage.missing()).await?;
    let namespace = stage.tenant.namespace();
    let vera = Person::new(&stage, "vera", &["view", VIEWER]).await?;
    let file = |name: &str| {
        let path = vera.kubeconfig.with_file_name(format!("{namespace}-{name}"));
        path.to_string_lossy().into_owned()
    };
    let (recording, report, policy) = (file("seen.gz"), file("report.tar.gz"), file("gpu.yaml"));
    let other = json!({
        "apiVersion": "dislodge.dev/v1alpha1", "kind": "ImagePullPolicy",
        "metadata": {"name": "gpu", "namespace": namespace}, "spec": suspend_after(2),
    });
    std::fs::write(&policy, other.to_string())?;

    let nodes = "the right to list nodes is missing";
    vera.types(&["record", "-o", &recording, "--for", "30s"])
        .await?
        .is(0, &[nodes, "recording namespace", " inputs in 30 s"])?;
    let logs = "the right to list pods in namespace dislodge-system";
    vera.types(&["report", "-o", &report, "--for", "1s", "--recording", &recording])
        .await?
        .is(0, &[logs, "wrote ", "1 Pod, 1 Job, 1 Workload", "1 ImagePullPolicy"])?;

    // From here on without the cluster.
    let nobody = Person { kubeconfig: PathBuf::from("/dev/null") };
    nobody
        .types(&["explain", "-f", &report, "job/stuck"])
        .await?
        .is(2, &["is stuck", "NotFound", "90 failed pulls", "push the image"])?;
    nobody.types(&["status", "-f", &report]).await?.is(0, &["gpu", "stuck", "NotFound"])?;
    nobody
        .types(&["replay", &report, "-f", &policy])
        .await?
        .is(0, &["recordings/report.jsonl.gz", "recordings/0000.jsonl.gz", "would SuspendJob"])
}
