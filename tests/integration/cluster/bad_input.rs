//! Bad input gets a message that says what, where and what to do; nothing spins, nothing dies silently.

use std::path::Path;

use dislodge_testbed::watching::watch_kind_until;
use dislodge_testbed::{BareServer, Manifests, Program, Restartable};
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::watcher;
use serde_json::{Value, json};

use super::actions::check;
use super::stage::{Stage, policy_kind, suspend_after};
use crate::Outcome;

super::scenarios![
    a_policy_for_a_queue_that_does_not_exist_says_so_until_it_does,
    an_unknown_field_is_refused_by_name,
    a_cluster_where_nothing_is_installed_yet_is_waited_for,
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

/// Neither our CRD nor Kueue's: the controller says what is missing, waits, and goes on by itself.
async fn a_cluster_where_nothing_is_installed_yet_is_waited_for(stage: Stage) -> Outcome {
    let mut bare = BareServer::start().await?;
    let program = Program::new("dislodge", env!("CARGO_BIN_EXE_dislodge"), &bare.logs())
        .arguments(["controller", "--namespace", "default", "--lease-namespace", "default"])
        .arguments(["--log-format", "json", "--probe-address", "off", "--metrics-address", "off"])
        .variable("KUBECONFIG", bare.kubeconfig());
    let controller = Restartable::start(program).await?;
    controller.logged("apply crds/", 20).await?;
    controller.logged("the CRDs of Kueue are not installed", 20).await?;

    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let manifests = Manifests::load(&crds, stage.world.cluster.tools()).await?;
    manifests.apply(&bare.client()).await?;
    let policy = json!({
        "apiVersion": "dislodge.dev/v1alpha1", "kind": "ImagePullPolicy",
        "metadata": {"name": "gpu", "namespace": "default"}, "spec": suspend_after(1),
    });
    Manifests::from_objects(vec![policy]).apply(&bare.client()).await?;
    let api: Api<DynamicObject> = Api::namespaced_with(bare.client(), "default", &policy_kind());
    let ready = |message: &'static str| {
        let api = api.clone();
        async move {
            let what = format!("a policy whose Ready says {message:?}");
            let look = |seen: &dislodge_testbed::watching::Seen<DynamicObject>| {
                let said = |p: &DynamicObject| -> Value {
                    p.data["status"]["conditions"][0]["message"].clone()
                };
                seen.values().any(|p| said(p).to_string().contains(message)).then_some(())
            };
            watch_kind_until(api, watcher::Config::default(), 60, &what, look).await
        }
    };
    ready("Kueue's CRDs are not installed").await?;

    bare.define_kueue().await?;
    let queue = json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue",
        "metadata": {"name": "gpu", "namespace": "default"}, "spec": {"clusterQueue": "all"},
    });
    Manifests::from_objects(vec![queue]).apply(&bare.client()).await?;
    ready("mode Enforce").await?;
    controller.kill().await;
    bare.stop().await?;
    Ok(())
}
