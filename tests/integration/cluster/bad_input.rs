//! Bad input gets a message that says what, where and what to do; nothing spins, nothing dies silently.

use super::actions::check;
use super::stage::{Stage, suspend_after};
use crate::Outcome;

super::scenarios![
    a_policy_for_a_queue_that_does_not_exist_says_so_until_it_does,
    an_unknown_field_is_refused_by_name,
];

async fn a_policy_for_a_queue_that_does_not_exist_says_so_until_it_does(stage: Stage) -> Outcome {
    let mut spec = suspend_after(1);
    spec["queues"][0]["name"] = "typo".into();
    stage.policy("gpu", spec).await?;
    let _controller = stage.controller().await?;
    let policy = stage
        .policy_when("gpu", 30, "not found", |p| {
            p.data["status"]["queues"][0]["state"] == "NotFound"
        })
        .await?;
    let conditions = &policy.data["status"]["conditions"];
    check(
        conditions[0]["status"] == "False"
            && conditions[0]["reason"] == "QueueNotFound"
            && conditions[1]["type"] == "Stalled",
        || conditions.to_string(),
    )?;
    let message = conditions[0]["message"].to_string();
    check(message.contains("typo") && message.contains("create the LocalQueue"), || {
        message.clone()
    })?;
    stage.tenant.queue("typo", dislodge_testbed::Quota::slots(1)).await?;
    stage
        .policy_when("gpu", 30, "governed", |p| {
            p.data["status"]["queues"][0]["state"] == "Governed"
                && p.data["status"]["conditions"].as_array().is_some_and(|c| c.len() == 1)
        })
        .await?;
    Ok(())
}

async fn an_unknown_field_is_refused_by_name(stage: Stage) -> Outcome {
    let manifest = format!(
        "apiVersion: dislodge.dev/v1alpha1\nkind: ImagePullPolicy\nmetadata: {{name: gpu, namespace: {}}}\n\
         spec: {{queues: [{{kind: NoQueue}}], treshold: 3}}\n",
        stage.tenant.namespace()
    );
    let file = stage.world.cluster.folder().join("unknown-field.yaml");
    std::fs::write(&file, manifest)?;
    let file = file.to_string_lossy().into_owned();
    match stage.kubectl(&["create", "--validate=strict", "-f", &file]).await {
        Ok(text) => Err(format!("it was accepted: {text}").into()),
        Err(refusal) => {
            let text = refusal.message().unwrap_or_default().to_owned();
            check(text.contains("unknown field \"spec.treshold\""), || text.clone())
        }
    }
}
