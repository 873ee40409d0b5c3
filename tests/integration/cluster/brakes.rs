//! What holds the rules back: the budget, and a registry that is down.

use std::time::Duration;

use dislodge_sim::registry::{Fault, Runtime, Script};
use dislodge_testbed::JobPlan;
use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use super::actions::check;
use super::stage::{Stage, hold_of, missing, suspended};
use crate::Outcome;

super::scenarios![
    a_registry_that_is_down_stops_nothing_and_all_run_when_it_is_back,
    a_sweep_with_one_typo_is_stopped_whole_and_takes_one_slot,
    what_the_budget_holds_back_is_seen_and_left_alone,
];

/// A policy for Jobs that no queue manages, after two failed pulls.
fn policy(more: Value) -> Value {
    let mut spec = json!({
        "mode": "Enforce",
        "queues": [{"kind": "NoQueue"}],
        "rules": [{
            "name": "all",
            "causes": ["NotFound", "Network", "RegistryUnavailable"],
            "threshold": {"failedPulls": 2},
            "action": "SuspendJob",
        }],
    });
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    spec
}

/// Images of a registry of their own, which answers nobody.
fn unreachable(stage: &Stage, host: &str, number: usize) -> String {
    let image = format!("{host}/{}/app{number}:1", stage.tenant.namespace());
    let message = Fault::Unavailable.message(Runtime::Containerd2, &image);
    stage.world.node.registry().set(&image, Script::fails(Duration::from_millis(100), message));
    image
}

async fn a_registry_that_is_down_stops_nothing_and_all_run_when_it_is_back(
    stage: Stage,
) -> Outcome {
    stage.policy("free", policy(json!({}))).await?;
    let _controller = stage.controller().await?;
    let host = "down.example";
    let mut stuck = Vec::new();
    for number in 0..6 {
        let image = unreachable(&stage, host, number);
        let plan = JobPlan::new(&format!("stuck-{number}"), &image);
        stuck.push((stage.create(&plan).await?, image));
    }
    stage
        .policy_when("free", 60, "the breaker open", |p| {
            p.data["status"]["outages"][0]["host"] == host
        })
        .await?;
    // A typo at a registry that is well is still stopped.
    let typo = stage.missing();
    stage.create(&JobPlan::new("typo", &typo)).await?;
    stage.job_when("typo", 60, "held", |job| hold_of(job).is_some()).await?;
    for (job, _) in &stuck {
        stage.failed_pulls(job, 1, 120).await?;
    }
    let jobs = stage.tenant.api::<Job>().list(&kube::api::ListParams::default()).await?;
    let held: Vec<_> = jobs.items.iter().filter(|job| suspended(job)).collect();
    check(held.len() == 1, || format!("{} jobs are suspended, not the one", held.len()))?;

    let back = Script::succeeds(Duration::from_millis(200));
    for (_, image) in &stuck {
        stage.world.node.registry().set(image, back.clone());
    }
    for (job, _) in &stuck {
        stage.running(job, 120).await?;
    }
    stage
        .policy_when("free", 30, "the breaker closed", |p| {
            p.data["status"]["outages"] == json!([]) && p.data["status"]["heldJobs"] == 1
        })
        .await?;
    Ok(())
}

async fn a_sweep_with_one_typo_is_stopped_whole_and_takes_one_slot(stage: Stage) -> Outcome {
    let spec = policy(json!({"budget": {"actions": 1, "windowSeconds": 86400}}));
    stage.policy("free", spec).await?;
    let _controller = stage.controller().await?;
    let image = stage.missing();
    for number in 0..12 {
        stage.create(&JobPlan::new(&format!("sweep-{number}"), &image)).await?;
    }
    let policy = stage
        .policy_when("free", 120, "all suspended", |p| {
            p.data["status"]["actions"]["suspended"] == 12
        })
        .await?;
    let status = &policy.data["status"];
    check(status["budget"]["reserved"] == 1, || status["budget"].to_string())?;
    check(status["outages"] == json!([]), || status["outages"].to_string())
}

async fn what_the_budget_holds_back_is_seen_and_left_alone(stage: Stage) -> Outcome {
    let spec = policy(json!({"budget": {"actions": 2, "windowSeconds": 86400}}));
    stage.policy("free", spec).await?;
    let mut controller = stage.controller().await?;
    for number in 0..3 {
        let image = format!("registry.example/{}/other{number}:1", stage.tenant.namespace());
        stage.world.node.registry().set(&image, missing(&image));
        stage.create(&JobPlan::new(&format!("stuck-{number}"), &image)).await?;
    }
    let waits = |p: &kube::api::DynamicObject| {
        let status = &p.data["status"];
        status["heldJobs"] == 2 && status["failing"][0]["reason"] == "Budget"
    };
    stage.policy_when("free", 90, "two held, one waits", waits).await?;
    // A restart gives no new slots.
    controller.kill().await;
    controller = controller.restart().await?;
    controller.ready(60).await?;
    let left = stage.policy_when("free", 60, "two held, one waits", waits).await?;
    let name = left.data["status"]["failing"][0]["job"].as_str().unwrap_or_default().to_owned();
    let job = stage.job_when(&name, 5, "there", |_| true).await?;
    stage.failed_pulls(&job, 2, 180).await?;
    let job = stage.job_when(&name, 5, "there", |_| true).await?;
    check(!suspended(&job), || "it was stopped beyond the budget".to_owned())
}
