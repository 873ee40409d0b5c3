//! Jobs whose author has said what becomes of a Pod that is ended because of its image.

use dislodge_sim::registry::Script;
use dislodge_testbed::JobPlan;
use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use super::actions::{check, ended};
use super::stage::{QUEUE, Stage, hold_of, suspend_after, suspended};
use crate::Outcome;

super::scenarios![
    the_author_s_rule_fails_the_job_and_its_quota_goes_to_the_next,
    the_author_s_rule_fails_one_index_and_the_others_go_on,
    a_rule_that_would_make_the_pod_anew_for_ever_is_left_alone,
    a_rule_about_exit_codes_that_stands_first_is_seen,
];

/// A policy that fails after two failed pulls, also with Pods that run.
fn failing(queue: &Value) -> Value {
    let mut spec = suspend_after(2);
    spec["queues"][0] = queue.clone();
    spec["rules"][0]["action"] = json!("FailJob");
    spec["rules"][0]["runningPeers"] = json!("Stop");
    spec
}

/// A rule about our condition.
pub(super) fn ours(action: &str) -> Value {
    json!({"action": action,
           "onPodConditions": [{"type": "dislodge.dev/ImagePullFailed", "status": "True"}]})
}

/// A Job with these rules.
pub(super) fn deciding(plan: JobPlan, rules: &Value) -> JobPlan {
    plan.with(json!({"spec": {"podFailurePolicy": {"rules": rules}}}))
}

fn failed_indexes(job: &Job) -> &str {
    job.status.as_ref().and_then(|status| status.failed_indexes.as_deref()).unwrap_or_default()
}

async fn the_author_s_rule_fails_the_job_and_its_quota_goes_to_the_next(stage: Stage) -> Outcome {
    stage.policy("gpu", failing(&json!({"kind": "LocalQueue", "name": QUEUE}))).await?;
    let _controller = stage.controller().await?;
    let plan = JobPlan::new("stuck", &stage.missing()).queue(QUEUE);
    let stuck = stage.create(&deciding(plan, &json!([ours("FailJob")]))).await?;
    stage.tenant.admitted(&stuck).await?;
    let next = stage.job("next", &stage.good()).await?;
    let job = stage.job_when("stuck", 60, "failed", |job| ended(job, "Failed").is_some()).await?;
    let (reason, message) = ended(&job, "Failed").unwrap_or_default();
    check(reason == "PodFailurePolicy", || reason.to_owned())?;
    check(message.contains("dislodge.dev/ImagePullFailed"), || message.to_owned())?;
    check(hold_of(&job).is_none(), || "it was held".to_owned())?;
    stage.running(&next, 60).await?;
    let events = stage.events(&stuck).await?;
    let note = events.first().and_then(|e| e.note.clone()).unwrap_or_default();
    check(events.len() == 1, || format!("one Event an action, not {}", events.len()))?;
    for word in ["ended", "podFailurePolicy", "missing:1", "NotFound", "2 failed pulls"] {
        check(note.contains(word), || format!("the Event does not say {word:?}: {note}"))?;
    }
    stage
        .policy_when("gpu", 20, "one failed", |p| {
            let status = &p.data["status"];
            status["actions"]["failed"] == 1 && status["failing"] == json!([])
        })
        .await?;
    Ok(())
}

async fn the_author_s_rule_fails_one_index_and_the_others_go_on(stage: Stage) -> Outcome {
    stage.policy("free", failing(&json!({"kind": "NoQueue"}))).await?;
    let _controller = stage.controller().await?;
    // Each index pulls what all pull; the tag comes when one index has failed.
    let plan = JobPlan::new("stuck", &stage.missing())
        .pods(2)
        .with(json!({"spec": {"completionMode": "Indexed", "backoffLimitPerIndex": 1}}));
    stage.create(&deciding(plan, &json!([ours("FailIndex")]))).await?;
    let job = stage
        .job_when("stuck", 90, "an index has failed", |job| !failed_indexes(job).is_empty())
        .await?;
    check(!suspended(&job) && hold_of(&job).is_none(), || "it was held".to_owned())?;
    let job = stage.job_when("stuck", 90, "ended", |job| ended(job, "Failed").is_some()).await?;
    check(failed_indexes(&job) == "0,1", || failed_indexes(&job).to_owned())
}

async fn a_rule_that_would_make_the_pod_anew_for_ever_is_left_alone(stage: Stage) -> Outcome {
    Box::pin(left_alone(stage, json!([ours("Ignore")]))).await
}

async fn a_rule_about_exit_codes_that_stands_first_is_seen(stage: Stage) -> Outcome {
    let codes = json!({"action": "Ignore", "onExitCodes": {"operator": "In", "values": [137]}});
    Box::pin(left_alone(stage, json!([codes, ours("FailJob")]))).await
}

async fn left_alone(stage: Stage, rules: Value) -> Outcome {
    stage.policy("free", failing(&json!({"kind": "NoQueue"}))).await?;
    let _controller = stage.controller().await?;
    let plan = JobPlan::new("stuck", &stage.missing());
    let stuck = stage.create(&deciding(plan, &rules)).await?;
    let policy = stage
        .policy_when("free", 60, "reported", |p| p.data["status"]["actions"]["reported"] == 1)
        .await?;
    let failing = &policy.data["status"]["failing"][0];
    check(failing["reason"] == "IgnoredByJob", || failing.to_string())?;
    // It is as it was: the same Pod runs when the tag is there.
    let pod = stage.pod_when(&stuck, 5, "there", |_| true).await?;
    stage.image("missing", Script::succeeds(std::time::Duration::from_millis(200)));
    let runs = stage.running(&stuck, 60).await?;
    check(runs.metadata.uid == pod.metadata.uid, || "it was made anew".to_owned())
}
