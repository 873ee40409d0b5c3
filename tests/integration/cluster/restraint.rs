//! What Dislodge does not do.

use std::time::Duration;

use dislodge_sim::registry::{Fault, Pull, Runtime, Script};
use dislodge_testbed::audit::Request;
use dislodge_testbed::deadline::until;
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use serde_json::json;

use super::actions::check;
use super::stage::{RESUME, Stage, hold_of, policy, suspend_after, suspended};
use crate::Outcome;

super::scenarios![
    audit_changes_nothing_but_our_own_status_events_and_lease,
    a_long_pull_after_failures_is_left_alone,
    an_image_that_appears_below_the_threshold_just_runs,
    an_unknown_cause_without_a_rule_is_only_reported,
    a_replica_that_does_not_hold_the_lease_counts_and_takes_over,
    what_audit_would_have_stopped_and_starts_by_itself_is_counted,
    a_policy_that_is_deleted_or_goes_to_audit_stops_nobody_and_its_holds_can_be_resumed,
];

async fn audit_changes_nothing_but_our_own_status_events_and_lease(stage: Stage) -> Outcome {
    stage.policy("gpu", policy("Audit", 2, 0)).await?;
    let controller = stage.controller().await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    let next = stage.job("next", &stage.good()).await?;
    stage
        .policy_when("gpu", 60, "audited", |p| p.data["status"]["audit"]["wouldHaveActed"] == 1)
        .await?;
    stage.failed_pulls(&stuck, 2, 60).await?;
    stage.waits(&next).await?;
    let job = stage.job_when("stuck", 5, "there", |_| true).await?;
    check(!suspended(&job) && hold_of(&job).is_none(), || "it was touched".to_owned())?;

    let log = stage.world.cluster.audit_log().settled(&stage.tenant.client()).await?;
    let credential = controller.account().credential();
    let writes: Vec<_> = log.iter().filter(|r| is_ours(r, credential) && r.is_write()).collect();
    check(!writes.is_empty(), || "the audit log shows no write at all".to_owned())?;
    for write in writes {
        let ours = write.is_on("dislodge.dev", "imagepullpolicies")
            && write.object_ref.as_ref().is_some_and(|o| o.subresource == "status")
            || write.is_on("events.k8s.io", "events")
            || write.is_on("coordination.k8s.io", "leases");
        check(ours, || format!("{} {}", write.verb, write.uri))?;
    }
    Ok(())
}

/// A request of the controller: the harness uses its token once, too.
pub(super) fn is_ours(request: &Request, credential: &str) -> bool {
    request.is_with(credential) && request.user_agent.starts_with("dislodge/")
}

/// The kubelet shows `ImagePullBackOff` for as long as the third pull runs, 90 s of its time, while
/// the threshold has long been reached: the policy comes when no moment is open any more.
async fn a_long_pull_after_failures_is_left_alone(stage: Stage) -> Outcome {
    let _controller = stage.controller().await?;
    let image = format!("registry.example/{}/slow:1", stage.tenant.namespace());
    let message = Fault::NotFound.message(Runtime::Containerd2, &image);
    let script = Script::fails(Duration::from_millis(100), message)
        .times(2)
        .then(Pull::Succeeds { after: Duration::from_secs(90) });
    stage.world.node.registry().set(&image, script);
    let slow = stage.admitted("slow", &image).await?;
    stage.failed_pulls(&slow, 2, 60).await?;
    until(60, "the third pull being under way", async || {
        let pulls = stage.world.node.registry().pulls(&image);
        if pulls >= 3 { Ok(()) } else { Err(format!("{pulls} pulls")) }
    })
    .await?;
    stage.policy("gpu", suspend_after(1)).await?;
    stage
        .policy_when("gpu", 30, "waiting for the next failure", |p| {
            let failing = &p.data["status"]["failing"][0];
            failing["failedPulls"] == 2 && failing["reason"] == "NextFailure"
        })
        .await?;
    let pod = stage.running(&slow, 120).await?;
    check(pod.metadata.deletion_timestamp.is_none(), || "its Pod was deleted".to_owned())?;
    let job = stage.job_when("slow", 5, "there", |_| true).await?;
    check(!suspended(&job) && hold_of(&job).is_none(), || "it was held".to_owned())?;
    let events = stage.events(&slow).await?;
    check(events.is_empty(), || format!("{} Events", events.len()))
}

async fn an_image_that_appears_below_the_threshold_just_runs(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(4)).await?;
    let _controller = stage.controller().await?;
    let image = format!("registry.example/{}/late:1", stage.tenant.namespace());
    let message = Fault::NotFound.message(Runtime::Containerd2, &image);
    let script = Script::fails(Duration::from_millis(100), message)
        .times(3)
        .then(Pull::Succeeds { after: Duration::from_millis(200) });
    stage.world.node.registry().set(&image, script);
    let late = stage.admitted("late", &image).await?;
    stage.running(&late, 120).await?;
    stage
        .policy_when("gpu", 30, "nothing failing", |p| {
            p.data["status"]["failing"] == json!([]) && p.data["status"]["heldJobs"] == 0
        })
        .await?;
    Ok(())
}

async fn an_unknown_cause_without_a_rule_is_only_reported(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(1)).await?;
    let _controller = stage.controller().await?;
    let image = format!("registry.example/{}/limited:1", stage.tenant.namespace());
    let message = Fault::RateLimited.message(Runtime::Containerd2, &image);
    stage.world.node.registry().set(&image, Script::fails(Duration::from_millis(100), message));
    let stuck = stage.admitted("stuck", &image).await?;
    stage
        .policy_when("gpu", 60, "no rule", |p| p.data["status"]["failing"][0]["reason"] == "NoRule")
        .await?;
    stage.failed_pulls(&stuck, 3, 120).await?;
    let job = stage.job_when(&stuck.name_any(), 5, "there", |_| true).await?;
    check(!suspended(&job), || "it was suspended".to_owned())
}

async fn a_replica_that_does_not_hold_the_lease_counts_and_takes_over(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(5)).await?;
    let leader = stage.replica("a").await?;
    let standby = stage.replica("b").await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    stage.failed_pulls(&stuck, 2, 60).await?;
    // It gives the Lease back, so that the other one needs not wait until it runs out.
    leader.stop(Duration::from_secs(5)).await?;
    stage.held(&stuck, 120).await?;
    let log = stage.world.cluster.audit_log().settled(&stage.tenant.client()).await?;
    let holds = |credential: &str| {
        log.iter()
            .filter(|r| {
                r.is_with(credential) && r.is_write() && r.is_on("kueue.x-k8s.io", "workloads")
            })
            .count()
    };
    let (a, b) = (holds(leader.account().credential()), holds(standby.account().credential()));
    check((a, b) == (0, 1), || format!("writes on Workloads: {a} by the first, {b} by the second"))
}

async fn what_audit_would_have_stopped_and_starts_by_itself_is_counted(stage: Stage) -> Outcome {
    stage.policy("gpu", policy("Audit", 1, 0)).await?;
    let _controller = stage.controller().await?;
    let late = stage.admitted("late", &stage.missing()).await?;
    stage
        .policy_when("gpu", 60, "audited", |p| p.data["status"]["audit"]["wouldHaveActed"] == 1)
        .await?;
    stage.image("missing", Script::succeeds(Duration::from_millis(200)));
    stage.running(&late, 60).await?;
    stage
        .policy_when("gpu", 30, "told", |p| p.data["status"]["audit"]["laterStarted"] == 1)
        .await?;
    Ok(())
}

async fn a_policy_that_is_deleted_or_goes_to_audit_stops_nobody_and_its_holds_can_be_resumed(
    stage: Stage,
) -> Outcome {
    stage.policy("gpu", suspend_after(3)).await?;
    let _controller = stage.controller().await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    stage.failed_pulls(&stuck, 2, 60).await?;
    stage.policies().delete("gpu", &DeleteParams::default()).await?;
    stage.failed_pulls(&stuck, 2, 120).await?;
    let job = stage.job_when("stuck", 5, "there", |_| true).await?;
    check(!suspended(&job) && hold_of(&job).is_none(), || "no policy, and stopped".to_owned())?;

    stage.policy("gpu", policy("Audit", 3, 0)).await?;
    stage
        .policy_when("gpu", 120, "audited", |p| p.data["status"]["audit"]["wouldHaveActed"] == 1)
        .await?;
    stage.policy("gpu", suspend_after(3)).await?;
    let id = stage.held(&stuck, 120).await?;

    // A hold outlives its policy.
    stage.policies().delete("gpu", &DeleteParams::default()).await?;
    stage.image("missing", Script::succeeds(Duration::from_millis(200)));
    stage.annotate(stage.tenant.client(), &stuck, RESUME, &id).await?;
    stage.running(&stuck, 60).await?;
    let job = stage.job_when("stuck", 10, "resumed", |job| hold_of(job).is_none()).await?;
    check(!suspended(&job), || "it runs and is suspended".to_owned())
}
