//! What Dislodge does: the story of two Jobs in one queue, and its variants.

use std::time::Duration;

use dislodge_sim::registry::Script;
use dislodge_testbed::JobPlan;
use dislodge_testbed::queues::is_true;
use dislodge_testbed::watching::watch_until;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use serde_json::json;

use super::requeues::is_failed_by_us;
use super::stage::{QUEUE, Stage, hold_of, phase, policy, suspend_after, suspended};
use super::writes::Writes;
use crate::Outcome;

super::scenarios![
    a_stuck_image_gives_its_quota_to_the_next_job,
    without_a_policy_the_next_job_waits,
    twelve_queues_are_freed_at_once,
    an_image_that_can_never_be_valid_needs_no_second_failure,
    a_job_is_failed_after_its_quota_was_given_back,
    a_job_that_no_queue_manages_is_failed_with_three_pods,
    a_job_that_no_queue_manages_is_suspended_itself,
    a_hold_that_lasts_too_long_ends_the_job,
    a_job_that_would_block_a_schedule_is_failed_and_the_next_one_starts,
    the_older_of_two_policies_governs_and_the_younger_says_so,
];

async fn a_stuck_image_gives_its_quota_to_the_next_job(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(2)).await?;
    let _controller = stage.controller().await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    let next = stage.job("next", &stage.good()).await?;
    stage.waits(&next).await?;
    stage.running(&next, 60).await?;
    let id = stage.held(&stuck, 10).await?;
    stage.released(&stuck, 20).await?;

    // It stays so, and everybody was told once.
    let policy = stage
        .policy_when("gpu", 20, "one suspended", |p| p.data["status"]["actions"]["suspended"] == 1)
        .await?;
    let status = &policy.data["status"];
    check(status["heldJobs"] == 1, || format!("heldJobs: {status}"))?;
    check(status["recentActions"][0]["job"] == "stuck", || format!("recentActions: {status}"))?;
    check(status["failing"] == json!([]), || format!("a held job is not failing: {status}"))?;
    let events = stage.events(&stuck).await?;
    check(events.len() == 1, || format!("one Event an action, not {}", events.len()))?;
    let note = events.first().and_then(|e| e.note.clone()).unwrap_or_default();
    for word in ["missing:1", "NotFound", "2 failed pulls", "push the image, then resume"] {
        check(note.contains(word), || format!("the Event does not say {word:?}: {note}"))?;
    }

    // The owner can read why, also when no Event is left.
    let events = stage.tenant.api::<Event>();
    events.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    let described = stage.kubectl(&["describe", "job", "stuck"]).await?;
    for word in ["missing:1", "NotFound", "2 failed pulls", &format!("dislodge.dev/resume={id}")] {
        check(described.contains(word), || {
            format!("describe does not say {word:?}:\n{described}")
        })?;
    }
    let listed = stage.kubectl(&["get", "ipp"]).await?;
    check(listed.contains("gpu") && listed.contains("Enforce"), || listed.clone())?;
    Ok(())
}

async fn without_a_policy_the_next_job_waits(stage: Stage) -> Outcome {
    let _controller = stage.controller().await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    let next = stage.job("next", &stage.good()).await?;
    stage.failed_pulls(&stuck, 4, 120).await?;
    stage.waits(&next).await?;
    let job = stage.job_when("stuck", 5, "there", |_| true).await?;
    check(!suspended(&job) && hold_of(&job).is_none(), || "it was touched".to_owned())
}

async fn twelve_queues_are_freed_at_once(stage: Stage) -> Outcome {
    stage.policy("gpu", json!({
        "mode": "Enforce",
        "queues": [{"kind": "LocalQueue", "name": "*"}],
        "rules": [{"name": "missing", "causes": ["NotFound"], "threshold": {"failedPulls": 2}, "action": "SuspendJob"}],
    })).await?;
    let _controller = stage.controller().await?;
    let stories = (0..12).map(|n| {
        let stage = &stage;
        async move {
            let queue = format!("queue-{n}");
            stage.tenant.queue(&queue, dislodge_testbed::Quota::slots(1)).await?;
            let plan =
                |name: &str, image: &str| JobPlan::new(&format!("{name}-{n}"), image).queue(&queue);
            let stuck = stage.create(&plan("stuck", &stage.missing())).await?;
            stage.tenant.admitted(&stuck).await?;
            let next = stage.create(&plan("next", &stage.good())).await?;
            stage.running(&next, 120).await?;
            stage.held(&stuck, 30).await?;
            Ok::<(), libtest_mimic::Failed>(())
        }
    });
    futures::future::try_join_all(stories).await?;
    stage
        .policy_when("gpu", 30, "twelve suspended", |p| {
            p.data["status"]["actions"]["suspended"] == 12 && p.data["status"]["heldJobs"] == 12
        })
        .await?;
    Ok(())
}

async fn an_image_that_can_never_be_valid_needs_no_second_failure(stage: Stage) -> Outcome {
    stage.policy("gpu", json!({
        "mode": "Enforce",
        "queues": [{"kind": "LocalQueue", "name": QUEUE}],
        "rules": [{"name": "invalid", "causes": ["InvalidReference"], "threshold": {"failedPulls": 9}, "action": "SuspendJob"}],
    })).await?;
    let _controller = stage.controller().await?;
    let stuck = stage.admitted("stuck", "registry.example/Team/App:v1").await?;
    stage.held(&stuck, 60).await?;
    Ok(())
}

/// Whether a Job has this condition, and with which reason and message.
pub(super) fn ended<'j>(job: &'j Job, kind: &str) -> Option<(&'j str, &'j str)> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|c| c.type_ == kind && c.status == "True")?;
    Some((found.reason.as_deref()?, found.message.as_deref()?))
}

async fn a_job_is_failed_after_its_quota_was_given_back(stage: Stage) -> Outcome {
    let mut spec = suspend_after(2);
    spec["rules"][0]["action"] = json!("FailJob");
    stage.policy("gpu", spec).await?;
    let _controller = stage.controller().await?;
    let plan = JobPlan::new("stuck", &stage.missing()).queue(QUEUE);
    let stuck = stage.create(&plan).await?;
    stage.tenant.admitted(&stuck).await?;
    let next = stage.job("next", &stage.good()).await?;
    stage.running(&next, 60).await?;
    let job = stage.job_when("stuck", 60, "failed", |job| ended(job, "Failed").is_some()).await?;
    for kind in ["Failed", "FailureTarget"] {
        let (reason, message) = ended(&job, kind).unwrap_or_default();
        check(reason == "ImagePullFailed", || format!("{kind}: {reason}"))?;
        for word in ["missing:1", "NotFound", "2 failed pulls", "create the job anew"] {
            check(message.contains(word), || format!("{kind} does not say {word:?}: {message}"))?;
        }
    }
    // Kueue knows, and nothing is left behind.
    stage
        .tenant
        .workload_when(&stuck, 20, "finished", |workload| is_true(workload, "Finished"))
        .await?;
    let policy = stage
        .policy_when("gpu", 20, "one failed", |p| {
            p.data["status"]["actions"]["failed"] == 1 && p.data["status"]["heldJobs"] == 0
        })
        .await?;
    let action = &policy.data["status"]["recentActions"][0];
    check(action["action"] == "FailJob", || action.to_string())?;
    let events = stage.events(&stuck).await?;
    check(events.len() == 1, || format!("one Event an action, not {}", events.len()))
}

async fn a_job_that_no_queue_manages_is_failed_with_three_pods(stage: Stage) -> Outcome {
    let mut spec = suspend_after(2);
    spec["queues"] = json!([{"kind": "NoQueue"}]);
    spec["rules"][0]["action"] = json!("FailJob");
    stage.policy("free", spec).await?;
    let _controller = stage.controller().await?;
    let plan = JobPlan::new("stuck", &stage.missing()).pods(3);
    stage.create(&plan).await?;
    let job = stage.job_when("stuck", 90, "failed", |job| ended(job, "Failed").is_some()).await?;
    let failed = job.status.as_ref().and_then(|status| status.failed).unwrap_or_default();
    check(failed == 0, || format!("{failed} Pods counted as failed: it was not suspended first"))
}

async fn a_job_that_no_queue_manages_is_suspended_itself(stage: Stage) -> Outcome {
    let mut spec = suspend_after(2);
    spec["queues"] = json!([{"kind": "NoQueue"}]);
    stage.policy("free", spec).await?;
    let _controller = stage.controller().await?;
    let stuck = stage.create(&JobPlan::new("stuck", &stage.missing())).await?;
    let job =
        stage.job_when("stuck", 60, "held", |job| hold_of(job).is_some() && suspended(job)).await?;
    let id = hold_of(&job).unwrap_or_default().to_owned();
    stage.annotate(stage.tenant.client(), &stuck, super::stage::RESUME, &id).await?;
    let job = stage.job_when("stuck", 20, "resumed", |job| !suspended(job)).await?;
    check(hold_of(&job).is_none(), || "the mark is still there".to_owned())?;
    check(job.annotations().get("dislodge.dev/resumes").is_some_and(|n| n == "1"), || {
        format!("{:?}", job.annotations())
    })
}

async fn a_job_that_would_block_a_schedule_is_failed_and_the_next_one_starts(
    stage: Stage,
) -> Outcome {
    let mut spec = suspend_after(2);
    spec["queues"] = json!([{"kind": "NoQueue"}]);
    stage.policy("free", spec).await?;
    let _controller = stage.controller().await?;
    // Suspended, so that it makes no Job of its own: the test makes it.
    let cron = json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": "nightly"},
        "spec": {"schedule": "0 0 * * *", "suspend": true, "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never",
                "nodeSelector": {"kubernetes.io/hostname": stage.world.node.name()},
                "containers": [{"name": "main", "image": stage.missing()}]}}}}},
    });
    let cron: CronJob = serde_json::from_value(cron)?;
    let cron = stage.tenant.api::<CronJob>().create(&PostParams::default(), &cron).await?;
    let owner = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly",
                        "uid": cron.uid(), "controller": true}]);
    let plan = JobPlan::new("tonight", &stage.missing());
    stage.create(&plan.with(json!({"metadata": {"ownerReferences": owner}}))).await?;
    let job = stage.job_when("tonight", 60, "failed", |job| ended(job, "Failed").is_some()).await?;
    let (reason, message) = ended(&job, "Failed").unwrap_or_default();
    check(reason == "ImagePullFailed", || reason.to_owned())?;
    check(message.contains("BlocksSchedule"), || message.to_owned())?;

    stage.image("missing", Script::succeeds(Duration::from_millis(200)));
    let on = Patch::Merge(json!({"spec": {"schedule": "* * * * *", "suspend": false}}));
    stage.tenant.api::<CronJob>().patch("nightly", &PatchParams::default(), &on).await?;
    let (pods, all) = (stage.tenant.api::<Pod>(), watcher::Config::default());
    let what = "the Pod of the schedule's next Job running";
    Box::pin(watch_until(pods, all, 90, what, |seen| {
        let running = |pod: &&Pod| phase(pod) == "Running";
        seen.values().any(|pod| running(&pod)).then_some(())
    }))
    .await?;
    Ok(())
}

async fn the_older_of_two_policies_governs_and_the_younger_says_so(stage: Stage) -> Outcome {
    stage.policy("older", policy("Audit", 1, 0)).await?;
    // The API server keeps creation times in whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    stage.policy("younger", suspend_after(1)).await?;
    let _controller = stage.controller().await?;
    let younger = stage
        .policy_when("younger", 30, "contested", |p| {
            p.data["status"]["conditions"][0]["reason"] == "QueueContested"
        })
        .await?;
    let queue = &younger.data["status"]["queues"][0];
    check(queue["contestedBy"] == "older", || queue.to_string())?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    stage
        .policy_when("older", 60, "audited", |p| p.data["status"]["audit"]["wouldHaveActed"] == 1)
        .await?;
    let job = stage.job_when(&stuck.name_any(), 5, "there", |_| true).await?;
    check(!suspended(&job), || "the younger one acted".to_owned())
}

/// Fails with a text where something is not so.
pub(super) fn check(holds: bool, what: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(what().into()) }
}

async fn a_hold_that_lasts_too_long_ends_the_job(stage: Stage) -> Outcome {
    let mut spec = suspend_after(2);
    spec["hold"] = json!({"maxSeconds": 10});
    stage.policy("gpu", spec).await?;
    let controller = stage.controller().await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    let id = stage.held(&stuck, 60).await?;
    let held = tokio::time::Instant::now();
    let job = stage.job_when("stuck", 60, "failed", is_failed_by_us).await?;
    let after = held.elapsed();
    check(after >= Duration::from_secs(8), || format!("ended {after:?} after its owner was told"))?;
    check(hold_of(&job) == Some(&id), || format!("not as held: {:?}", job.annotations()))?;
    stage.tenant.workload_when(&stuck, 20, "over", |w| is_true(w, "Finished")).await?;
    stage.policy_when("gpu", 20, "none held", |p| p.data["status"]["heldJobs"] == 0).await?;
    // One hold, told once, and one end.
    let writes = Writes::of(&stage, &[controller]).await?;
    check(writes.events == 1, || format!("{} Events", writes.events))?;
    let on_objects: Vec<u32> = writes.on_objects.values().copied().collect();
    check(on_objects == [2, 1], || format!("{:?}", writes.on_objects))
}
