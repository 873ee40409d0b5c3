//! What the story is played with: the cluster, its people, and what the images do.

use std::time::Duration;

use dislodge_sim::registry::{Fault, OnSigterm, Pull, Registry, Run, Runtime, Script};
use dislodge_sim::world::{Plan, Quota, World};
use http::Method;
use serde_json::{Value, json};

use super::Failure;
use super::shell::Shell;

/// The image of A, that nobody has pushed.
pub(crate) const MISSING: &str = "registry.example/vision/train:v2";
/// GPUs of the queue of team-a, and of each of its two jobs.
pub(crate) const GPUS: u32 = 8;
/// The jobs of team-b whose registry is down.
pub(crate) const MANY: usize = 20;
/// Their registry answers 404 to everything from then, and until then.
pub(crate) const DOWN: Duration = Duration::from_secs(120);
pub(crate) const UP: Duration = Duration::from_secs(720);
/// How long the slow pull takes.
pub(crate) const SLOW: Duration = Duration::from_secs(720);
/// How often the registry says that there are too many requests.
pub(crate) const LIMITED: usize = 4;

/// What a registry takes to say no, and a healthy pull.
const QUICK: Duration = Duration::from_millis(300);
const HEALTHY: Duration = Duration::from_secs(8);
/// How long containers run.
const RUNS: Run = Run {
    lasts: Some(Duration::from_secs(900)),
    exit_code: 0,
    on_sigterm: OnSigterm::Ends { exit_code: 143 },
};

/// The image of one of the many jobs.
fn behind_proxy(number: usize) -> String {
    format!("proxy.example/sweep-{number:02}/train:v1")
}

fn fails(fault: Fault, image: &str) -> Script {
    Script::fails(QUICK, fault.message(Runtime::Containerd2, image)).runs(RUNS)
}

/// Pulls that go well after this time, and a container that runs.
fn works(after: Duration) -> Script {
    Script::succeeds(after).runs(RUNS)
}

/// The cluster: two nodes, two teams with a queue each.
pub(crate) fn cluster() -> World {
    let slow = "registry.example/data/huge:v1";
    let limited = "registry.example/data/popular:v1";
    let registry = Registry::new(works(HEALTHY))
        .with(MISSING, fails(Fault::NotFound, MISSING))
        .with(slow, fails(Fault::Unavailable, slow).then(Pull::Succeeds { after: SLOW }))
        .with(
            limited,
            fails(Fault::RateLimited, limited)
                .times(LIMITED)
                .then(Pull::Succeeds { after: HEALTHY }),
        );
    let nodes = vec![("gpu-0".to_owned(), GPUS), ("gpu-1".to_owned(), 24)];
    let mut world = World::new(Plan {
        nodes,
        registry,
        pods_ready_timeout: None,
        resource: "nvidia.com/gpu",
        ..Plan::default()
    });
    world.add_cluster_queue("team-a", &Quota { cpus: GPUS, ..Quota::default() });
    world.add_queue("team-a", "gpu", "team-a");
    world.add_cluster_queue("team-b", &Quota { cpus: 24, ..Quota::default() });
    world.add_queue("team-b", "gpu", "team-b");
    world
}

impl Shell {
    /// Somebody submits a Job.
    async fn submit(&self, team: &str, name: &str, image: &str, gpus: u32) -> Result<(), Failure> {
        let amount = json!({"nvidia.com/gpu": gpus.to_string()});
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": name, "labels": {"kueue.x-k8s.io/queue-name": "gpu"}},
            "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [
                {"name": "train", "image": image,
                 "resources": {"requests": amount, "limits": amount}}]}}},
        });
        let path = format!("/apis/batch/v1/namespaces/{team}/jobs");
        self.send(Method::POST, &path, &job).await.map(drop)
    }

    /// Both teams apply a policy with the rules that come by default.
    pub(crate) async fn apply_policies(&self, mode: &str) -> Result<(), Failure> {
        for team in ["team-a", "team-b"] {
            let policy = json!({
                "apiVersion": "dislodge.dev/v1alpha1", "kind": "ImagePullPolicy",
                "metadata": {"name": "gpu"},
                "spec": {"mode": mode, "queues": [{"kind": "LocalQueue", "name": "gpu"}]},
            });
            self.send(Method::POST, &policies(team), &policy).await?;
        }
        Ok(())
    }

    /// A takes the queue, and B comes behind it.
    pub(crate) async fn submit_a_and_b(&self) -> Result<(), Failure> {
        self.wait_until(Duration::from_secs(10)).await;
        self.submit("team-a", "a", MISSING, GPUS).await?;
        self.wait_until(Duration::from_secs(20)).await;
        self.submit("team-a", "b", "registry.example/vision/train:v1", GPUS).await
    }

    /// Everything begins to go wrong for team-b.
    pub(crate) async fn trouble_team_b(&self) -> Result<(), Failure> {
        self.wait_until(Duration::from_secs(60)).await;
        self.submit("team-b", "popular", "registry.example/data/popular:v1", 1).await?;
        self.submit("team-b", "huge", "registry.example/data/huge:v1", 1).await?;
        self.wait_until(DOWN).await;
        for number in 1..=MANY {
            let image = behind_proxy(number);
            self.act(|world| world.registry().play(&image, fails(Fault::NotFound, &image)));
        }
        for number in 1..=MANY {
            let (image, name) = (behind_proxy(number), format!("sweep-{number:02}"));
            self.submit("team-b", &name, &image, 1).await?;
            self.wait(Duration::from_secs(3)).await;
        }
        Ok(())
    }

    /// The registry of the many jobs comes back.
    pub(crate) async fn end_outage(&self) {
        self.wait_until(UP).await;
        for number in 1..=MANY {
            let image = behind_proxy(number);
            self.act(|world| world.registry().play(&image, works(HEALTHY)));
        }
    }

    /// Somebody pushes A's image.
    pub(crate) fn push(&self) {
        self.act(|world| world.registry().play(MISSING, works(HEALTHY)));
    }

    /// A's owner resumes it: `kubectl annotate job a dislodge.dev/resume=<hold>`.
    pub(crate) async fn resume(&self, hold: &str) -> Result<(), Failure> {
        let annotation = json!({"metadata": {"annotations": {"dislodge.dev/resume": hold}}});
        self.send(Method::PATCH, &job("team-a", "a"), &annotation).await.map(drop)
    }

    /// A Job.
    pub(crate) async fn job(&self, team: &str, name: &str) -> Result<Value, Failure> {
        self.get(&job(team, name)).await
    }

    /// The policy of a team.
    pub(crate) async fn policy(&self, team: &str) -> Result<Value, Failure> {
        self.get(&format!("{}/gpu", policies(team))).await
    }

    /// The Pods of a Job.
    pub(crate) async fn pods(&self, team: &str, name: &str) -> Result<Vec<Value>, Failure> {
        let of = "labelSelector=batch.kubernetes.io/job-name%3D";
        let path = format!("/api/v1/namespaces/{team}/pods?{of}{name}");
        Ok(items(&self.get(&path).await?))
    }

    /// The Workload of a Job.
    pub(crate) async fn workload(&self, team: &str, name: &str) -> Result<Value, Failure> {
        let path = format!("/apis/kueue.x-k8s.io/v1beta2/namespaces/{team}/workloads");
        let all = items(&self.get(&path).await?);
        let of = |w: &Value| w["metadata"]["ownerReferences"][0]["name"] == name;
        all.into_iter().find(of).ok_or_else(|| format!("{team}/{name} has no Workload").into())
    }

    /// What Dislodge has published about an object, the oldest first.
    pub(crate) async fn events(&self, team: &str, about: &str) -> Result<Vec<Value>, Failure> {
        let path = format!("/apis/events.k8s.io/v1/namespaces/{team}/events");
        let mut events = items(&self.get(&path).await?);
        events.retain(|event| event["regarding"]["name"] == about);
        events.sort_by_key(|event| event["eventTime"].as_str().map(str::to_owned));
        Ok(events)
    }
}

fn job(team: &str, name: &str) -> String {
    format!("/apis/batch/v1/namespaces/{team}/jobs/{name}")
}

fn policies(team: &str) -> String {
    format!("/apis/dislodge.dev/v1alpha1/namespaces/{team}/imagepullpolicies")
}

fn items(list: &Value) -> Vec<Value> {
    list["items"].as_array().cloned().unwrap_or_default()
}
