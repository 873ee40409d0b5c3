//! How much later the quota comes back than by hand, for each action: 15 interleaved rounds on the
//! real control plane.
//!
//! It fails where a goal is missed. Each round plays the story in a queue of one slot once for each
//! [`Way`]: Dislodge acts on the stuck Job in one of four ways, or a bare `active: false` patch does,
//! sent the moment a client's watch shows the failed pull that reaches the threshold. All are stamped
//! on the same client's watches, from the status that reaches the threshold to `QuotaReserved` of the
//! next Workload. `make bench-release` prints the table.

#![expect(clippy::indexing_slicing, reason = "JSON reads as null where nothing is")]

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use dislodge_testbed::agent::{Node, NodePlan};
use dislodge_testbed::product::{Controller, ControllerPlan, Product};
use dislodge_testbed::queues::is_true;
use dislodge_testbed::watching::{Seen, watch_until};
use dislodge_testbed::{Cluster, JobPlan, Manifests, Options, Quota, Tenant, supervise};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher;
use serde_json::json;
use tokio::time::Instant;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How many rounds.
const ROUNDS: usize = 15;
/// The length of the kubelet's second in milliseconds.
const MILLIS: u32 = 200;
/// Failed pulls that reach the threshold.
const THRESHOLD: u32 = 2;
/// The goal for the difference between the medians of the suspension and of the patch by hand, in
/// seconds.
const GOAL: f64 = 0.2;
/// The goal for the median from the watch event to the patch, in milliseconds.
const LATENCY_GOAL: f64 = 5.0;

fn main() -> ExitCode {
    supervise::run_if_asked();
    let outcome = tokio::runtime::Runtime::new()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(Box::pin(run())));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format!("FAILED: {failure}"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let cluster = Cluster::start(Options::default()).await?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let product = Product::install(&cluster, root, env!("CARGO_BIN_EXE_dislodge")).await?;
    let node = Node::start(&cluster, NodePlan::new("fast").millis_per_second(MILLIS)).await?;
    let controller = product.cluster_controller(&cluster, ControllerPlan::scaled(MILLIS)).await?;

    let mut taken: Vec<Vec<f64>> = vec![Vec::new(); Way::ALL.len()];
    say(&format!("{:>5}{}", "round", row(&Way::ALL.map(|way| way.name().to_owned()))));
    for round in 1..=ROUNDS {
        for (way, taken) in Way::ALL.into_iter().zip(&mut taken) {
            taken.push(Box::pin(once(&cluster, &node, way)).await?);
        }
        let last = Way::ALL.map(|way| format!("{:.3}", taken[way as usize][round - 1]));
        say(&format!("{round:>5}{}", row(&last)));
    }
    say("\nseconds from the threshold to the next QuotaReserved (min / median / max):");
    let spreads = Way::ALL.map(|way| spread(&mut taken[way as usize]));
    let floor = spreads[Way::ByHand as usize].1;
    for (way, (min, median, max)) in Way::ALL.into_iter().zip(spreads) {
        let more = median - floor;
        say(&format!("{:>12}  {min:.3} / {median:.3} / {max:.3}  {more:+.3}", way.name()));
    }
    let difference = spreads[Way::Suspend as usize].1 - floor;
    say(&format!("suspended, not by hand: {difference:+.3} s (goal: at most {GOAL} s)"));
    let latency = say_latency(&controller)?;
    drop(node);
    cluster.stop().await?;
    if difference <= GOAL && latency <= LATENCY_GOAL {
        Ok(())
    } else {
        Err("a goal is missed".into())
    }
}

/// Who gives the quota back, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A client that patches the Workload: the floor.
    ByHand,
    Suspend,
    Requeue,
    Fail,
    /// The Pod is ended, and the Job's `podFailurePolicy` ends the Job.
    EndPod,
}

impl Way {
    const ALL: [Self; 5] = [Self::ByHand, Self::Suspend, Self::Requeue, Self::Fail, Self::EndPod];

    fn name(self) -> &'static str {
        match self {
            Self::ByHand => "by hand",
            Self::Suspend => "SuspendJob",
            Self::Requeue => "RequeueJob",
            Self::Fail => "FailJob",
            Self::EndPod => "author's end",
        }
    }

    /// The rule's action; none where there is no policy.
    fn action(self) -> Option<&'static str> {
        match self {
            Self::ByHand => None,
            Self::Suspend => Some("SuspendJob"),
            Self::Requeue => Some("RequeueJob"),
            Self::Fail | Self::EndPod => Some("FailJob"),
        }
    }
}

fn row(cells: &[String; 5]) -> String {
    cells.iter().fold(String::new(), |row, cell| row + &format!("{cell:>14}"))
}

/// Plays the story once; returns the seconds from the threshold to the next Job's quota.
async fn once(cluster: &Cluster, node: &Node, way: Way) -> Result<f64, Failure> {
    let tenant = Tenant::create(cluster, "way").await?;
    tenant.queue("gpu", Quota::slots(1)).await?;
    if let Some(action) = way.action() {
        let manifest = json!({
            "apiVersion": "dislodge.dev/v1alpha1",
            "kind": "ImagePullPolicy",
            "metadata": {"name": "gpu", "namespace": tenant.namespace()},
            "spec": {"mode": "Enforce", "queues": [{"kind": "LocalQueue", "name": "gpu"}],
                "rules": [{"name": "missing", "causes": ["NotFound"],
                    "threshold": {"failedPulls": THRESHOLD}, "action": action}]},
        });
        tenant.apply(Manifests::from_objects(vec![manifest])).await?;
    }
    let job = |name: &str, image: &str| {
        let image = format!("registry.example/{}/{image}:1", tenant.namespace());
        JobPlan::new(name, &image).queue("gpu").on(node)
    };
    let mut plan = job("stuck", "missing");
    if way == Way::EndPod {
        let ours = json!([{"type": "dislodge.dev/ImagePullFailed", "status": "True"}]);
        let rules = json!([{"action": "FailJob", "onPodConditions": ours}]);
        plan = plan.with(json!({"spec": {"podFailurePolicy": {"rules": rules}}}));
    }
    let stuck = tenant.job(&plan).await?;
    let workload = tenant.admitted(&stuck).await?;
    let next = tenant.job(&job("next", "good")).await?;

    // One client watches both: the status that reaches the threshold, and the quota.
    let quota = {
        let tenant = tenant.clone();
        tokio::spawn(async move {
            tenant.workload_when(&next, 120, "quota", |w| is_true(w, "QuotaReserved")).await?;
            Ok::<Instant, dislodge_testbed::Error>(Instant::now())
        })
    };
    let reached = threshold(&tenant, &stuck).await?;
    if way == Way::ByHand {
        let patch = Patch::Merge(json!({"spec": {"active": false}}));
        let workloads = tenant.kueue("Workload");
        workloads.patch(&workload.name_any(), &PatchParams::default(), &patch).await?;
    }
    Ok(quota.await??.duration_since(reached).as_secs_f64())
}

/// Waits for the failed pull that reaches the threshold.
async fn threshold(tenant: &Tenant, job: &Job) -> Result<Instant, Failure> {
    let uid = job.uid().unwrap_or_default();
    let which =
        watcher::Config::default().labels(&format!("batch.kubernetes.io/controller-uid={uid}"));
    let (mut counted, mut open) = (0, false);
    let look = |seen: &Seen<Pod>| {
        let failed = seen.values().any(|pod| waits_for(pod) == Some("ErrImagePull"));
        counted += u32::from(failed && !open);
        open = failed;
        (counted >= THRESHOLD).then(Instant::now)
    };
    Ok(watch_until(tenant.api::<Pod>(), which, 120, "the threshold", look).await?)
}

fn waits_for(pod: &Pod) -> Option<&str> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.first()?.state.as_ref()?.waiting.as_ref()?.reason.as_deref()
}

/// Prints how long the controller itself took, from the watch event to the patch being sent.
fn say_latency(controller: &Controller) -> Result<f64, Failure> {
    let log = controller.process().log()?;
    let mut latencies: Vec<f64> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|line| line["effect"] == "Hold")
        .filter_map(|line| line["event_to_patch_ms"].as_f64())
        .collect();
    let count = latencies.len();
    let (min, median, max) = spread(&mut latencies);
    say(&format!(
        "inside the process, from the watch event to the patch (min / p50 / max of {count}): \
         {min:.2} / {median:.2} / {max:.2} ms (goal: p50 at most {LATENCY_GOAL} ms)"
    ));
    Ok(median)
}

/// Least, median and greatest.
fn spread(values: &mut [f64]) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    (at(0), at(values.len() / 2), at(values.len().saturating_sub(1)))
}

fn say(line: &str) {
    // Where standard output is closed nobody listens.
    let _unread = writeln!(std::io::stdout(), "{line}");
}
