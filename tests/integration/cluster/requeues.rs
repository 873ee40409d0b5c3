//! RequeueJob: back into the queue, and back out of it by itself.

use dislodge_sim::registry::Script;
use dislodge_testbed::queues::is_true;
use dislodge_testbed::{JobPlan, Manifests, Quota};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::actions::check;
use super::kinds::{is_held, job_set, job_sets};
use super::stage::{HOLD, QUEUE, Stage, hold_of, suspend_after, suspended};
use super::writes::Writes;
use crate::Outcome;

super::scenarios![
    a_job_goes_back_and_runs_after_its_return_because_the_tag_was_pushed,
    a_job_that_fails_again_goes_back_until_its_returns_are_used_up,
    a_job_whose_returns_are_used_up_is_ended_where_its_policy_says_so,
    a_job_set_goes_back_and_comes_back_by_itself,
    a_return_takes_nothing_from_work_that_runs,
    a_job_that_no_queue_manages_goes_and_comes_back,
    what_kueue_preempts_is_kueue_s_until_it_has_quota_again,
    what_kueue_evicts_for_its_own_time_limit_goes_on_being_counted,
];

/// A policy that requeues after two failed pulls.
fn requeue(requeue: Value) -> Value {
    let mut spec = suspend_after(2);
    spec["rules"][0]["action"] = json!("RequeueJob");
    spec["requeue"] = requeue;
    spec
}

fn requeues(job: &Job) -> &str {
    job.annotations().get("dislodge.dev/requeues").map(String::as_str).unwrap_or_default()
}

async fn a_job_goes_back_and_runs_after_its_return_because_the_tag_was_pushed(
    stage: Stage,
) -> Outcome {
    stage.policy("gpu", requeue(json!({"backoffBaseSeconds": 8}))).await?;
    let _controller = stage.controller().await?;
    let image = stage.missing();
    let stuck = stage.admitted("stuck", &image).await?;
    stage.held(&stuck, 60).await?;
    stage.released(&stuck, 20).await?;
    let job = stage.job_when("stuck", 10, "told", |job| requeues(job) == "1").await?;
    let held = job.annotations().get("dislodge.dev/held").cloned().unwrap_or_default();
    for word in ["2 failed pulls", "return 1 not before", "missing:1", "NotFound"] {
        check(held.contains(word), || format!("the owner is not told {word:?}: {held}"))?;
    }
    stage.image("missing", Script::succeeds(std::time::Duration::from_millis(200)));
    stage.running(&stuck, 60).await?;
    let job =
        stage.job_when("stuck", 10, "told that it is over", |job| hold_of(job).is_none()).await?;
    check(
        requeues(&job) == "1" && !job.annotations().contains_key("dislodge.dev/resumes"),
        || format!("{:?}", job.annotations()),
    )?;
    let events = stage.events(&stuck).await?;
    check(events.len() == 1, || format!("one Event an action, not {}", events.len()))?;
    let policy = stage
        .policy_when("gpu", 20, "one requeued", |p| {
            p.data["status"]["actions"]["requeued"] == 1 && p.data["status"]["heldJobs"] == 0
        })
        .await?;
    let action = &policy.data["status"]["recentActions"][0];
    check(action["action"] == "RequeueJob", || action.to_string())
}

async fn a_job_that_fails_again_goes_back_until_its_returns_are_used_up(stage: Stage) -> Outcome {
    let plan = json!({"backoffBaseSeconds": 1, "maxRequeues": 2, "failedPulls": 1});
    stage.policy("gpu", requeue(plan)).await?;
    let _controller = stage.controller().await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    let mut last = String::from("no hold");
    for number in ["1", "2"] {
        last = stage.held_after(&stuck, &last, 60).await?;
        stage.job_when("stuck", 10, "told", |job| requeues(job) == number).await?;
    }
    stage.held_after(&stuck, &last, 60).await?;
    let workload = stage.tenant.workload_when(&stuck, 5, "held", |_| true).await?;
    check(!workload.annotations().contains_key("dislodge.dev/resume-at"), || {
        format!("{:?}", workload.annotations())
    })?;
    let word = workload.annotations().get("dislodge.dev/held").cloned().unwrap_or_default();
    check(word.contains("RequeuesExhausted"), || word.clone())?;
    let policy = stage
        .policy_when("gpu", 20, "suspended at last", |p| {
            p.data["status"]["actions"]["suspended"] == 1
        })
        .await?;
    let status = &policy.data["status"];
    check(status["actions"]["requeued"] == 2, || status["actions"].to_string())
}

async fn a_job_whose_returns_are_used_up_is_ended_where_its_policy_says_so(
    stage: Stage,
) -> Outcome {
    let plan = json!({"backoffBaseSeconds": 1, "maxRequeues": 1, "failedPulls": 1,
                      "afterwards": "FailJob"});
    stage.policy("gpu", requeue(plan)).await?;
    let controller = stage.controller().await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    let job = stage.job_when("stuck", 120, "failed", is_failed_by_us).await?;
    check(requeues(&job) == "1", || format!("{:?}", job.annotations()))?;
    let workload =
        stage.tenant.workload_when(&stuck, 20, "over", |w| is_true(w, "Finished")).await?;
    let word = workload.annotations().get("dislodge.dev/held").cloned().unwrap_or_default();
    check(word.contains("RequeuesExhausted"), || word.clone())?;
    let next = stage.job("next", &stage.good()).await?;
    stage.running(&next, 60).await?;
    stage
        .policy_when("gpu", 20, "requeued once, then failed", |p| {
            let actions = &p.data["status"]["actions"];
            actions["requeued"] == 1 && actions["failed"] == 1 && p.data["status"]["heldJobs"] == 0
        })
        .await?;
    let writes = Writes::of(&stage, &[controller]).await?;
    check(writes.events == 2, || format!("{} Events of two actions", writes.events))
}

/// Whether a Job has failed for our reason.
pub(super) fn is_failed_by_us(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|c| {
        c.type_ == "Failed" && c.status == "True" && c.reason.as_deref() == Some("ImagePullFailed")
    })
}

async fn a_job_set_goes_back_and_comes_back_by_itself(stage: Stage) -> Outcome {
    stage.policy("gpu", requeue(json!({"backoffBaseSeconds": 4}))).await?;
    let _controller = stage.controller().await?;
    let set = job_set(&stage, Some(QUEUE), &[&stage.missing()], json!({})).await?;
    stage.tenant.admitted(&set).await?;
    let told = stage.object_when(job_sets(&stage), "stuck", 60, "told", is_held).await?;
    let back = told.annotations().get("dislodge.dev/requeues").cloned().unwrap_or_default();
    check(back == "1", || format!("{:?}", told.annotations()))?;
    stage.image("missing", Script::succeeds(std::time::Duration::from_millis(200)));
    let set = stage
        .object_when(job_sets(&stage), "stuck", 60, "running, without our words", |set| {
            !is_held(set)
                && set.data["spec"]["suspend"] == false
                && set.data["status"]["replicatedJobsStatus"][0]["active"] == 1
        })
        .await?;
    let by_itself = !set.annotations().contains_key("dislodge.dev/resumes");
    check(by_itself, || format!("{:?}", set.annotations()))?;
    let workload = stage.tenant.workload_when(&set, 5, "there", |_| true).await?;
    check(!workload.annotations().contains_key(HOLD), || format!("{:?}", workload.annotations()))
}

async fn a_return_takes_nothing_from_work_that_runs(stage: Stage) -> Outcome {
    // A job that comes back stands at its old place, before all that came later.
    let preempts = json!({"preemption": {"withinClusterQueue": "LowerOrNewerEqualPriority"}});
    stage.tenant.queue("eager", Quota::slots(1).with(preempts)).await?;
    let mut spec = requeue(json!({"backoffBaseSeconds": 2}));
    spec["queues"][0]["name"] = json!("eager");
    stage.policy("gpu", spec).await?;
    let _controller = stage.controller().await?;
    let stuck = stage.create(&JobPlan::new("stuck", &stage.missing()).queue("eager")).await?;
    stage.tenant.admitted(&stuck).await?;
    let next = stage.create(&JobPlan::new("next", &stage.good()).queue("eager")).await?;
    stage.running(&next, 60).await?;
    stage.held(&stuck, 10).await?;

    // It is due after 2 s and waits, because `next` has what it would need.
    tokio::time::sleep(std::time::Duration::from_secs(8)).await;
    let held = stage.tenant.workload_when(&stuck, 5, "there", |_| true).await?;
    check(held.annotations().contains_key(HOLD), || "it came back".to_owned())?;
    let working = stage.tenant.workload_when(&next, 5, "there", |_| true).await?;
    check(!is_true(&working, "Preempted"), || "running work was preempted".to_owned())?;

    let jobs = stage.tenant.api::<Job>();
    jobs.delete("next", &DeleteParams::background()).await?;
    stage.tenant.admitted(&stuck).await?;
    stage.job_when("stuck", 20, "back", |job| hold_of(job).is_none()).await?;
    Ok(())
}

async fn a_job_that_no_queue_manages_goes_and_comes_back(stage: Stage) -> Outcome {
    let mut spec = requeue(json!({"backoffBaseSeconds": 3}));
    spec["queues"] = json!([{"kind": "NoQueue"}]);
    stage.policy("free", spec).await?;
    let _controller = stage.controller().await?;
    let stuck = stage.create(&JobPlan::new("stuck", &stage.missing())).await?;
    stage.job_when("stuck", 60, "held", |job| hold_of(job).is_some() && suspended(job)).await?;
    stage.image("missing", Script::succeeds(std::time::Duration::from_millis(200)));
    stage.running(&stuck, 60).await?;
    let job = stage.job_when("stuck", 5, "there", |_| true).await?;
    check(requeues(&job) == "1" && hold_of(&job).is_none(), || format!("{:?}", job.annotations()))
}

async fn what_kueue_preempts_is_kueue_s_until_it_has_quota_again(stage: Stage) -> Outcome {
    let preempts = json!({"preemption": {"withinClusterQueue": "LowerPriority"}});
    stage.tenant.queue("eager", Quota::slots(1).with(preempts)).await?;
    let mut spec = suspend_after(3);
    spec["queues"][0]["name"] = json!("eager");
    stage.policy("gpu", spec).await?;
    let controller = stage.controller().await?;
    let class = format!("{}-urgent", stage.tenant.namespace());
    let classes = json!({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "WorkloadPriorityClass",
        "metadata": {"name": class}, "value": 1000});
    stage.tenant.apply(Manifests::from_objects(vec![classes])).await?;
    let stuck = stage.create(&JobPlan::new("stuck", &stage.missing()).queue("eager")).await?;
    stage.tenant.admitted(&stuck).await?;
    stage.failed_pulls(&stuck, 1, 60).await?;
    let label = json!({"metadata": {"labels": {"kueue.x-k8s.io/priority-class": class}}});
    let urgent = JobPlan::new("urgent", &stage.good()).queue("eager").with(label);
    let urgent = stage.create(&urgent).await?;
    stage.running(&urgent, 60).await?;
    let evicted = stage
        .tenant
        .workload_when(&stuck, 20, "evicted", |w| {
            is_true(w, "Preempted") && !is_true(w, "QuotaReserved")
        })
        .await?;
    let untouched =
        evicted.data["spec"]["active"] != json!(false) && !evicted.annotations().contains_key(HOLD);
    check(untouched, || format!("it was stopped as well: {:?}", evicted.annotations()))?;

    stage.tenant.api::<Job>().delete("urgent", &DeleteParams::background()).await?;
    stage.tenant.admitted(&stuck).await?;
    stage.held(&stuck, 120).await?;
    let writes = Writes::of(&stage, &[controller]).await?;
    check(writes.on_objects.values().all(|count| *count == 1), || {
        format!("{:?}", writes.on_objects)
    })?;
    check(writes.events == 1, || format!("{} Events", writes.events))
}

/// Kueue's own time limit is half an hour and one for the whole cluster: the test says in Kueue's words that it is
/// over, and Kueue does the rest.
async fn what_kueue_evicts_for_its_own_time_limit_goes_on_being_counted(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(4)).await?;
    let controller = stage.controller().await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    stage.failed_pulls(&stuck, 2, 60).await?;
    let workload = stage.tenant.workload_when(&stuck, 5, "there", |_| true).await?;
    let now = workload.data["status"]["conditions"][0]["lastTransitionTime"].clone();
    let mut conditions = workload.data["status"]["conditions"].clone();
    if let Some(conditions) = conditions.as_array_mut() {
        conditions.push(json!({"type": "Evicted", "status": "True", "reason": "PodsReadyTimeout",
            "message": "Exceeded the PodsReady timeout", "lastTransitionTime": now}));
    }
    let patch = Patch::Merge(json!({"status": {"conditions": conditions}}));
    let workloads = stage.tenant.kueue("Workload");
    workloads.patch_status(&workload.name_any(), &PatchParams::default(), &patch).await?;
    stage.job_when("stuck", 30, "stopped by Kueue", suspended).await?;
    // Kueue has it come back by itself; no hold of ours is on it meanwhile.
    stage.job_when("stuck", 60, "back", |job| !suspended(job) && hold_of(job).is_none()).await?;
    stage.held(&stuck, 120).await?;
    let job = stage.job_when("stuck", 5, "there", |_| true).await?;
    let held = job.annotations().get("dislodge.dev/held").cloned().unwrap_or_default();
    check(held.contains("4 failed pulls"), || format!("not counted on: {held}"))?;
    let writes = Writes::of(&stage, &[controller]).await?;
    check(writes.on_objects.values().all(|count| *count == 1), || {
        format!("{:?}", writes.on_objects)
    })?;
    check(writes.events == 1, || format!("{} Events", writes.events))
}
