//! Leaving and coming back, by the steps of docs/uninstall.md as they stand there.

use std::time::Duration;

use dislodge_sim::registry::Script;
use dislodge_testbed::JobPlan;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use serde_json::json;

use super::actions::check;
use super::stage::{HOLD, Stage, hold_of, suspend_after, suspended};
use crate::{Outcome, uninstall};

super::scenarios![
    who_leaves_by_the_documented_steps_leaves_no_job_held,
    a_job_that_is_left_held_says_so_and_a_reinstall_takes_it_up_again,
];

const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// Carries out the step with this in it. The cluster is shared: where the page means all of it, the test means its
/// namespace, in which its Lease stands, too.
async fn play(stage: &Stage, part: &str) -> Outcome {
    let namespace = stage.tenant.namespace();
    let step = uninstall::step(part)?
        // A list of one namespace does not say which.
        .replace("holds -A | tail -n +2", &format!("holds -A | tail -n +2 | sed 's/^/{namespace} /'"))
        .replace(" -A", &format!(" -n {namespace}"))
        .replace("dislodge-system", namespace);
    type_in(stage, &step).await
}

async fn type_in(stage: &Stage, commands: &str) -> Outcome {
    let cluster = &stage.world.cluster;
    let folder = cluster.folder().join(format!("leaving-{}", stage.tenant.namespace()));
    std::fs::create_dir_all(&folder)?;
    let kubectl = cluster.tools().kubectl().await?;
    uninstall::type_in(commands, &folder, cluster.kubeconfig(), &kubectl).await
}

fn explained(job: &Job) -> &str {
    job.annotations().get("dislodge.dev/held").map_or("", String::as_str)
}

async fn who_leaves_by_the_documented_steps_leaves_no_job_held(stage: Stage) -> Outcome {
    let mut spec = suspend_after(1);
    spec["queues"] = json!([{"kind": "LocalQueue", "name": "gpu"}, {"kind": "NoQueue"}]);
    stage.policy("gpu", spec).await?;
    let controller = stage.controller().await?;
    let queued = stage.admitted("queued", &stage.missing()).await?;
    stage.held(&queued, 60).await?;
    let free = stage.create(&JobPlan::new("free", &stage.missing())).await?;
    let held = |job: &Job| hold_of(job).is_some() && suspended(job);
    stage.job_when("free", 60, "held", held).await?;

    play(&stage, "dislodge pause").await?;
    play(&stage, "dislodge resume").await?;
    // The commands have waited: it is so now.
    let job = stage.job_when("free", 10, "there", |_| true).await?;
    check(!suspended(&job) && hold_of(&job).is_none(), || format!("{:?}", job.annotations()))?;
    let free_again = |job: &Job| !suspended(job) && explained(job).is_empty();
    stage.job_when("queued", 30, "let go and admitted", free_again).await?;
    // Both fail again, and stay as they are.
    stage.failed_pulls(&queued, 2, 60).await?;
    stage.failed_pulls(&free, 2, 60).await?;
    controller.stop(STOPS_WITHIN).await?;
    for name in ["queued", "free"] {
        let job = stage.job_when(name, 10, "there", |_| true).await?;
        check(!held(&job) && explained(&job).is_empty(), || format!("{:?}", job.annotations()))?;
    }
    let workload = stage.tenant.workload_when(&queued, 10, "there", |_| true).await?;
    let active = workload.data["spec"]["active"] != json!(false);
    check(active && !workload.annotations().contains_key(HOLD), || {
        format!("still held: {:?}", workload.annotations())
    })
}

async fn a_job_that_is_left_held_says_so_and_a_reinstall_takes_it_up_again(
    stage: Stage,
) -> Outcome {
    stage.policy("gpu", suspend_after(1)).await?;
    let controller = stage.controller().await?;
    let image = stage.missing();
    let stuck = stage.admitted("stuck", &image).await?;
    let id = stage.held(&stuck, 60).await?;

    play(&stage, "dislodge pause").await?;
    controller.stop(STOPS_WITHIN).await?;
    play(&stage, "kubectl -n \"$namespace\" annotate").await?;
    let told = |job: &Job| explained(job).starts_with("Dislodge has been removed");
    let job = stage.job_when("stuck", 10, "telling what is to be done", told).await?;
    check(suspended(&job), || "it was started".to_owned())?;
    // The rest of what is removed is the test's own; the pause goes with the Lease.
    stage.kubectl(&["delete", "lease", "dislodge"]).await?;

    let _controller = stage.replica("b").await?;
    stage.image("missing", Script::succeeds(Duration::from_millis(200)));
    let resume = format!("dislodge resume stuck -n {}", stage.tenant.namespace());
    type_in(&stage, &resume).await?;
    stage.running(&stuck, 60).await?;
    let job = stage.job_when("stuck", 20, "let go", |job| hold_of(job).is_none()).await?;
    let resumes = job.annotations().get("dislodge.dev/resumes").map(String::as_str);
    check(resumes == Some("1") && explained(&job).is_empty(), || {
        format!("hold {id}: {:?}", job.annotations())
    })
}
