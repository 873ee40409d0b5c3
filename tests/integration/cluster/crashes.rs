//! Crashes: `kill -9` at any moment ends in the same state, with one action.

use std::time::Duration;

use dislodge_sim::registry::Script;
use dislodge_testbed::Signal;
use dislodge_testbed::product::Controller;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use serde_json::json;

use super::actions::check;
use super::stage::{HOLD, RESUME, Stage, hold_of, missing, suspend_after};
use super::writes::Writes;
use crate::Outcome;

super::scenarios![
    killed_at_ten_moments_it_ends_in_the_same_state_with_one_action,
    killed_while_it_resumes_it_ends_resumed_once_with_nothing_left_behind,
    the_count_survives_a_restart,
    killed_at_its_return_a_job_comes_back_once,
    a_leader_that_stands_still_beyond_its_lease_is_followed_and_does_nothing_afterwards,
];

/// When the controller is killed, counted from the failed pull that reaches the threshold.
const MOMENTS: [u64; 10] = [0, 2, 5, 10, 15, 25, 40, 80, 200, 1200];

async fn killed_at_ten_moments_it_ends_in_the_same_state_with_one_action(stage: Stage) -> Outcome {
    let mut spec = suspend_after(2);
    // Each life loses what it has reserved and not used.
    spec["budget"] = json!({"actions": 1000});
    stage.policy("gpu", spec).await?;
    let mut controller = stage.controller().await?;
    for (round, millis) in (1_u64..).zip(MOMENTS) {
        let stuck = stage.admitted(&format!("stuck-{millis}"), &stage.missing()).await?;
        stage.failed_pulls(&stuck, 2, 60).await?;
        // The one place where a test waits by the clock: the moment is what is tried.
        tokio::time::sleep(Duration::from_millis(millis)).await;
        controller.kill().await;
        controller = controller.restart().await?;
        controller.ready(60).await?;
        let context = format!("killed {millis} ms after the threshold");
        stage.held(&stuck, 120).await?;
        stage.released(&stuck, 20).await?;
        stage
            .policy_when("gpu", 30, &context, |p| {
                p.data["status"]["actions"]["suspended"] == round
                    && p.data["status"]["heldJobs"] == round
            })
            .await?;
        one_action(&stage, &stuck, &controller, &context).await?;
    }
    Ok(())
}

async fn killed_while_it_resumes_it_ends_resumed_once_with_nothing_left_behind(
    stage: Stage,
) -> Outcome {
    stage.policy("gpu", suspend_after(1)).await?;
    let mut controller = stage.controller().await?;
    for millis in [0, 5, 15, 40] {
        let name = format!("stuck-{millis}");
        let image = format!("registry.example/{}/{name}:1", stage.tenant.namespace());
        stage.image(&name, missing(&image));
        let stuck = stage.admitted(&name, &image).await?;
        let id = stage.held(&stuck, 60).await?;
        stage.released(&stuck, 20).await?;
        stage.image(&name, Script::succeeds(Duration::from_millis(200)));
        stage.annotate(stage.tenant.client(), &stuck, RESUME, &id).await?;
        // The one place where a test waits by the clock: the moment is what is tried.
        tokio::time::sleep(Duration::from_millis(millis)).await;
        controller.kill().await;
        controller = controller.restart().await?;
        controller.ready(60).await?;
        stage.running(&stuck, 60).await?;
        let context = format!("killed {millis} ms after the request");
        let clean = |job: &Job| {
            let ours = job.annotations().iter().filter(|(key, _)| key.starts_with("dislodge.dev/"));
            let ours: Vec<_> = ours.map(|(key, value)| (key.as_str(), value.as_str())).collect();
            ours == [("dislodge.dev/resumed", id.as_str()), ("dislodge.dev/resumes", "1")]
        };
        stage.job_when(&name, 30, &context, clean).await?;
        stage
            .tenant
            .workload_when(&stuck, 10, &context, |w| !w.annotations().contains_key(HOLD))
            .await?;
        stage.tenant.api::<Job>().delete(&name, &DeleteParams::background()).await?;
    }
    Ok(())
}

/// One Event, and one write that set `active: false`, over all lives of the controller.
async fn one_action(stage: &Stage, job: &Job, controller: &Controller, context: &str) -> Outcome {
    let events = stage.events(job).await?;
    check(events.len() == 1, || format!("{context}: {} Events", events.len()))?;
    let workload = stage.tenant.workload_when(job, 10, "there", |_| true).await?;
    let name = workload.metadata.name.unwrap_or_default();
    let log = stage.world.cluster.audit_log().settled(&stage.tenant.client()).await?;
    let holds = log.iter().filter(|request| {
        request.is_with(controller.account().credential())
            && request.is_write()
            && request
                .object_ref
                .as_ref()
                .is_some_and(|o| o.resource == "workloads" && o.name == name)
            && request.request_object.as_ref().is_some_and(|o| o["spec"]["active"] == json!(false))
    });
    // A request whose sender was killed may have been carried out without an answer.
    let codes: Vec<u16> = holds.map(dislodge_testbed::audit::Request::code).collect();
    let done = codes.iter().filter(|code| **code == 200).count();
    let unknown = codes.iter().filter(|code| !(200..500).contains(*code)).count();
    check(done <= 1 && done + unknown >= 1, || format!("{context}: answers to holds: {codes:?}"))
}

async fn the_count_survives_a_restart(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(4)).await?;
    let controller = stage.controller().await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    stage
        .policy_when("gpu", 60, "two failed pulls", |p| {
            p.data["status"]["failing"][0]["failedPulls"].as_u64() >= Some(2)
        })
        .await?;
    controller.kill().await;
    let controller = controller.restart().await?;
    controller.ready(60).await?;
    let policy = stage
        .policy_when("gpu", 60, "counting on", |p| {
            p.data["status"]["failing"][0]["failedPulls"].as_u64() >= Some(3)
        })
        .await?;
    let entry = &policy.data["status"]["failing"][0];
    check(entry["failedPulls"] == 3 && entry["state"] == "Counting", || entry.to_string())?;
    stage.held(&stuck, 120).await?;
    Ok(())
}

async fn killed_at_its_return_a_job_comes_back_once(stage: Stage) -> Outcome {
    let mut spec = suspend_after(1);
    spec["rules"][0]["action"] = json!("RequeueJob");
    spec["requeue"] = json!({"backoffBaseSeconds": 3});
    stage.policy("gpu", spec).await?;
    let mut controller = stage.controller().await?;
    for (round, millis) in (1_u64..).zip([2000, 2700, 3000, 3300]) {
        let name = format!("stuck-{millis}");
        let image = format!("registry.example/{}/{name}:1", stage.tenant.namespace());
        stage.image(&name, missing(&image));
        let stuck = stage.admitted(&name, &image).await?;
        stage.held(&stuck, 60).await?;
        stage.image(&name, Script::succeeds(Duration::from_millis(200)));
        // The one place where a test waits by the clock: the moment is what is tried.
        tokio::time::sleep(Duration::from_millis(millis)).await;
        controller.kill().await;
        controller = controller.restart().await?;
        controller.ready(60).await?;
        stage.running(&stuck, 60).await?;
        let context = format!("killed {millis} ms after the hold");
        let back = |job: &Job| {
            let mark = |key: &str| job.annotations().get(key).map(String::as_str);
            mark("dislodge.dev/held").is_none() && mark("dislodge.dev/requeues") == Some("1")
        };
        stage.job_when(&name, 30, &context, back).await?;
        stage
            .policy_when("gpu", 30, &context, |p| {
                p.data["status"]["actions"]["requeued"] == round
                    && p.data["status"]["heldJobs"] == 0
            })
            .await?;
        stage.tenant.api::<Job>().delete(&name, &DeleteParams::background()).await?;
    }
    Ok(())
}

/// The Lease runs out while its holder stands still (SIGSTOP), and another takes it.
async fn a_leader_that_stands_still_beyond_its_lease_is_followed_and_does_nothing_afterwards(
    stage: Stage,
) -> Outcome {
    stage.policy("gpu", suspend_after(2)).await?;
    let leader = stage.replica("a").await?;
    let standby = stage.replica("b").await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    stage.failed_pulls(&stuck, 1, 60).await?;
    leader.process().process().signal(Signal::Stop).await?;
    let id = stage.held(&stuck, 180).await?;
    stage.released(&stuck, 20).await?;
    leader.process().process().signal(Signal::Continue).await?;
    // It has a backlog of what it did not see, and believes for a moment that it leads.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let job = stage.job_when("stuck", 5, "there", |_| true).await?;
    check(hold_of(&job) == Some(&id), || format!("{:?}", job.annotations()))?;
    let events = stage.events(&job).await?;
    check(events.len() == 1, || format!("{} Events", events.len()))?;
    let writes = Writes::of(&stage, &[leader, standby]).await?;
    let few = writes.on_objects.values().all(|count| *count == 1);
    check(few, || format!("{:?}", writes.on_objects))
}
