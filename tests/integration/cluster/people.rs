//! People have the last word: they resume, and are not fought.

use std::time::Duration;

use dislodge_sim::registry::{Pull, Script};
use dislodge_testbed::JobPlan;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::actions::check;
use super::stage::{HOLD, RESUME, Stage, hold_of, missing, suspend_after, suspended};
use super::writes::Writes;
use crate::Outcome;

super::scenarios![
    an_owner_without_rights_on_workloads_resumes_and_whoever_activates_the_workload_is_not_fought,
    a_request_that_names_no_hold_is_answered,
    a_pushed_image_runs_after_the_resume,
    a_job_that_is_deleted_and_created_anew_is_another_job,
    what_people_stop_themselves_stays_stopped_and_unmarked,
    who_takes_the_time_off_a_hold_keeps_the_job_stopped,
    an_image_that_its_people_correct_on_the_pod_is_another_image,
];

async fn an_owner_without_rights_on_workloads_resumes_and_whoever_activates_the_workload_is_not_fought(
    stage: Stage,
) -> Outcome {
    stage.policy("gpu", suspend_after(2)).await?;
    let _controller = stage.controller().await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    let first = stage.held(&stuck, 60).await?;

    let roles = ["edit", "kueue-batch-user-role"];
    let owner = stage.tenant.person(&stage.world.cluster, "ada", &roles).await?;
    stage.annotate(owner, &stuck, RESUME, &first).await?;
    let job = stage
        .job_when("stuck", 20, "resumed by its owner", |job| {
            hold_of(job).is_none() && resumes(job) == "1" && !job.annotations().contains_key(RESUME)
        })
        .await?;
    check(!job.annotations().keys().any(|key| key.starts_with("dislodge.dev/held")), || {
        format!("the explanation is still there: {:?}", job.annotations())
    })?;
    stage
        .tenant
        .workload_when(&stuck, 10, "unmarked", |w| !w.annotations().contains_key(HOLD))
        .await?;

    // A fresh count: it takes two failed pulls of the new Pod again.
    stage.held_after(&stuck, &first, 60).await?;
    let job = stage.job_when("stuck", 5, "there", |_| true).await?;
    let told = job.annotations().get("dislodge.dev/held").cloned().unwrap_or_default();
    check(told.starts_with("2 failed pulls"), || format!("not a fresh count: {told}"))?;
    stage.released(&stuck, 20).await?;

    // Somebody who may edit Workloads activates this one.
    stage.patch_workload(&stuck, json!({"spec": {"active": true}})).await?;
    stage
        .job_when("stuck", 20, "resumed twice", |job| hold_of(job).is_none() && resumes(job) == "2")
        .await?;
    stage
        .tenant
        .workload_when(&stuck, 10, "unmarked", |w| !w.annotations().contains_key(HOLD))
        .await?;

    // After that it is only reported.
    stage
        .policy_when("gpu", 60, "overridden", |p| {
            p.data["status"]["failing"][0]["reason"] == "Overridden"
        })
        .await?;
    stage.failed_pulls(&stuck, 2, 60).await?;
    let active = |workload: &DynamicObject| workload.data["spec"]["active"] != json!(false);
    stage.tenant.workload_when(&stuck, 5, "active", active).await?;
    let job = stage.job_when("stuck", 5, "there", |_| true).await?;
    check(!suspended(&job), || "it was suspended a third time".to_owned())?;
    let events = stage.events(&stuck).await?;
    check(events.len() == 3, || format!("two holds and a report, not {} Events", events.len()))
}

async fn a_request_that_names_no_hold_is_answered(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(1)).await?;
    let _controller = stage.controller().await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    let id = stage.held(&stuck, 60).await?;
    stage.annotate(stage.tenant.client(), &stuck, RESUME, "please").await?;
    let job = stage
        .job_when("stuck", 20, "answered", |job| !job.annotations().contains_key(RESUME))
        .await?;
    check(suspended(&job) && hold_of(&job) == Some(&id), || "it was resumed".to_owned())?;
    let events = stage.events(&stuck).await?;
    let refused = events.iter().find(|e| e.reason.as_deref() == Some("ResumeRefused"));
    let note = refused.and_then(|e| e.note.clone()).unwrap_or_default();
    check(note.contains(&id), || format!("{} Events, {note:?}", events.len()))
}

async fn a_pushed_image_runs_after_the_resume(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(1)).await?;
    let _controller = stage.controller().await?;
    let image = stage.missing();
    let stuck = stage.admitted("stuck", &image).await?;
    let id = stage.held(&stuck, 60).await?;
    let pushed = Script::succeeds(Duration::from_millis(200));
    stage.world.node.registry().set(&image, pushed);
    stage.annotate(stage.tenant.client(), &stuck, RESUME, &id).await?;
    stage.running(&stuck, 30).await?;
    Ok(())
}

async fn a_job_that_is_deleted_and_created_anew_is_another_job(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(3)).await?;
    let _controller = stage.controller().await?;
    let image = stage.missing();
    let registry = stage.world.node.registry();
    let first = stage.admitted("stuck", &image).await?;
    stage.failed_pulls(&first, 2, 60).await?;
    delete(&stage, &first).await?;

    let before = registry.pulls(&image);
    let second = stage.admitted("stuck", &image).await?;
    let id = stage.held(&second, 60).await?;
    let own = registry.pulls(&image) - before;
    check(own >= 3, || format!("held after {own} pulls of its own"))?;
    let job = stage.job_when("stuck", 5, "there", |_| true).await?;
    let told = job.annotations().get("dislodge.dev/held").cloned().unwrap_or_default();
    check(told.starts_with("3 failed pulls"), || format!("not a fresh count: {told}"))?;
    delete(&stage, &second).await?;

    // A hold goes with its job, and its id says nothing to the next one.
    let pushed = Script::succeeds(Duration::from_millis(200));
    registry.set(&image, pushed);
    let third = stage.admitted("stuck", &image).await?;
    stage.running(&third, 30).await?;
    let job = stage.job_when("stuck", 5, "there", |_| true).await?;
    check(hold_of(&job).is_none() && !suspended(&job), || format!("the hold {id} outlived its job"))
}

/// Deletes a Job as `kubectl delete` does, and waits until it is gone.
async fn delete(stage: &Stage, job: &Job) -> Outcome {
    stage.kubectl(&["delete", "job", &job.name_any(), "--wait=true", "--timeout=60s"]).await?;
    Ok(())
}

fn resumes(job: &Job) -> &str {
    job.annotations().get("dislodge.dev/resumes").map_or("0", String::as_str)
}

/// How long nothing has to happen: thirty seconds of the kubelet's.
const QUIET: Duration = Duration::from_secs(6);

/// Both kinds of queues under one policy.
fn everywhere(mut spec: Value) -> Value {
    spec["queues"] = json!([{"kind": "LocalQueue", "name": "gpu"}, {"kind": "NoQueue"}]);
    spec
}

async fn patch_job(stage: &Stage, name: &str, patch: Value) -> Result<Job, kube::Error> {
    let jobs = stage.tenant.api::<Job>();
    jobs.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await
}

async fn what_people_stop_themselves_stays_stopped_and_unmarked(stage: Stage) -> Outcome {
    stage.policy("gpu", everywhere(suspend_after(3))).await?;
    let controller = stage.controller().await?;
    let queued = stage.admitted("queued", &stage.missing()).await?;
    let free = stage.create(&JobPlan::new("free", &stage.missing())).await?;
    stage.failed_pulls(&queued, 1, 60).await?;
    stage.patch_workload(&queued, json!({"spec": {"active": false}})).await?;
    stage.failed_pulls(&free, 1, 60).await?;
    patch_job(&stage, "free", json!({"spec": {"suspend": true}})).await?;
    stage.released(&queued, 20).await?;
    tokio::time::sleep(QUIET).await;
    let workload = stage.tenant.workload_when(&queued, 5, "there", |_| true).await?;
    check(workload.data["spec"]["active"] == json!(false), || "it was activated".to_owned())?;
    let job = stage.job_when("free", 5, "there", |_| true).await?;
    check(suspended(&job) && hold_of(&job).is_none(), || format!("{:?}", job.annotations()))?;
    let writes = Writes::of(&stage, &[controller]).await?;
    check(writes.on_objects.is_empty(), || format!("{:?}", writes.on_objects))
}

async fn who_takes_the_time_off_a_hold_keeps_the_job_stopped(stage: Stage) -> Outcome {
    let mut spec = everywhere(suspend_after(1));
    spec["rules"][0]["action"] = json!("RequeueJob");
    spec["requeue"] = json!({"backoffBaseSeconds": 8});
    stage.policy("gpu", spec).await?;
    let _controller = stage.controller().await?;
    let queued = stage.admitted("queued", &stage.missing()).await?;
    let off = json!({"metadata": {"annotations": {"dislodge.dev/resume-at": null}}});
    let id = stage.held(&queued, 60).await?;
    stage.patch_workload(&queued, off.clone()).await?;
    stage.create(&JobPlan::new("free", &stage.missing())).await?;
    stage.job_when("free", 60, "held", |job| hold_of(job).is_some()).await?;
    patch_job(&stage, "free", off).await?;
    // They would have come back after 8 s.
    tokio::time::sleep(QUIET + QUIET).await;
    let workload = stage.tenant.workload_when(&queued, 5, "there", |_| true).await?;
    let stays = workload.data["spec"]["active"] == json!(false)
        && workload.annotations().get(HOLD) == Some(&id);
    check(stays, || format!("it came back: {:?}", workload.annotations()))?;
    let job = stage.job_when("free", 5, "there", |_| true).await?;
    check(suspended(&job) && hold_of(&job).is_some(), || "the plain Job came back".to_owned())?;

    stage.image("missing", Script::succeeds(Duration::from_millis(200)));
    stage.annotate(stage.tenant.client(), &queued, RESUME, &id).await?;
    stage.running(&queued, 60).await?;
    Ok(())
}

async fn an_image_that_its_people_correct_on_the_pod_is_another_image(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(3)).await?;
    let _controller = stage.controller().await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    stage.failed_pulls(&stuck, 2, 60).await?;
    let pod = stage.pod_when(&stuck, 5, "there", |_| true).await?;
    // It fails twice itself: with what the old one has failed, that would be four times.
    let image = format!("registry.example/{}/mended:1", stage.tenant.namespace());
    let twice = missing(&image).times(2).then(Pull::Succeeds { after: Duration::from_millis(200) });
    stage.world.node.registry().set(&image, twice);
    let mended = Patch::Strategic(json!({"spec": {"containers": [
        {"name": "main", "image": image}]}}));
    let pods = stage.tenant.api::<Pod>();
    pods.patch(&pod.name_any(), &PatchParams::default(), &mended).await?;
    stage.running(&stuck, 60).await?;
    stage
        .policy_when("gpu", 30, "nothing failing", |p| p.data["status"]["failing"] == json!([]))
        .await?;
    let job = stage.job_when("stuck", 5, "there", |_| true).await?;
    check(!suspended(&job) && hold_of(&job).is_none(), || "it was stopped".to_owned())
}
