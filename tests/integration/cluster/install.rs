//! What `deploy/` says, put into a real API server.

use std::path::Path;

use dislodge_testbed::product::HOME;
use dislodge_testbed::{Manifests, tools};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::rbac::v1::{ClusterRole, Role};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::actions::check;
use super::stage::Stage;
use crate::Outcome;
use crate::deploy::OVERLAYS;

super::scenarios![
    what_is_applied_is_read_back_and_stays,
    every_overlay_is_taken_as_kubectl_and_helm_hand_it_over,
    helm_installs_one_release_a_namespace_and_takes_it_away_whole,
];

/// What GitOps needs: what is rendered is what is stored, field by field, and to apply it once more
/// changes nothing.
async fn what_is_applied_is_read_back_and_stays(stage: Stage) -> Outcome {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/overlays/production");
    let mut rendered = Manifests::load(&folder, stage.world.cluster.tools()).await?;
    let mut wrong = Vec::new();
    for object in rendered.objects_mut() {
        // Their kinds are the Prometheus operator's.
        if object["apiVersion"] == "monitoring.coreos.com/v1" {
            continue;
        }
        let object: DynamicObject = serde_json::from_value(object.clone())?;
        let what = format!("{:?} {:?}", object.types, object.metadata.name);
        let first = apply_dry(&stage, &object).await?;
        let missing = crate::deploy::missing(&json!(object), &json!(first));
        wrong.extend(missing.into_iter().map(|field| format!("{what}: {field}")));
    }
    check(wrong.is_empty(), || wrong.join("\n"))
}

async fn apply_dry(stage: &Stage, object: &DynamicObject) -> Result<DynamicObject, Failed> {
    let types = object.types.clone().unwrap_or_default();
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types)?);
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(stage.tenant.client(), namespace, &resource),
        None => Api::all_with(stage.tenant.client(), &resource),
    };
    let params = PatchParams { dry_run: true, ..PatchParams::apply("gitops").force() };
    let name = object.metadata.name.as_deref().unwrap_or_default();
    Ok(api.patch(name, &params, &Patch::Apply(object)).await?)
}

/// As in docs/install.md, but that nothing is kept. What an overlay expects to be there already is put there.
async fn every_overlay_is_taken_as_kubectl_and_helm_hand_it_over(stage: Stage) -> Outcome {
    let mut there: Vec<Value> = OVERLAYS
        .iter()
        .filter(|(_, namespace)| *namespace != HOME)
        .map(|(_, namespace)| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
        .collect();
    there.extend(["ServiceMonitor", "PrometheusRule"].map(foreign));
    Manifests::from_objects(there).apply(&stage.tenant.client()).await?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let chart = root.join("deploy/chart").display().to_string();
    let kubectl = stage.world.cluster.tools().kubectl().await?;
    for (overlay, namespace) in OVERLAYS {
        let folder =
            if overlay.is_empty() { "base".to_owned() } else { format!("overlays/{overlay}") };
        let folder = root.join("deploy").join(folder);
        let apply =
            ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--kustomize"];
        let output = tokio::process::Command::new(&kubectl)
            .arg("--kubeconfig")
            .arg(stage.world.cluster.kubeconfig())
            .args(apply)
            .arg(&folder)
            .output()
            .await?;
        check(output.status.success(), || {
            format!("kubectl, {overlay}: {}", String::from_utf8_lossy(&output.stderr))
        })?;
        let values = folder.join("values.yaml").display().to_string();
        let mut install = vec!["install", "try", &chart, "--dry-run=server"];
        if !overlay.is_empty() {
            install.extend(["--values", &values]);
        }
        // The CRD is there already, and nobody's release.
        install.extend(["--set", "crds.enabled=false"]);
        helm(&stage, namespace, &install).await?;
    }
    Ok(())
}

/// The definition of a kind of the Prometheus operator's, as loose as can be.
fn foreign(kind: &str) -> Value {
    let singular = kind.to_lowercase();
    let plural = format!("{singular}s");
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.monitoring.coreos.com")},
        "spec": {"group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": singular},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema}}]}})
}

/// One team's release. No replica: nobody could pull the image here.
async fn helm_installs_one_release_a_namespace_and_takes_it_away_whole(stage: Stage) -> Outcome {
    const VALUES: [&str; 4] =
        ["scope=Namespace", "crds.enabled=false", "rbac.policyRoles=false", "replicaCount=0"];
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/chart");
    let chart = chart.display().to_string();
    let mut set: Vec<&str> = vec![&chart];
    set.extend(VALUES.iter().flat_map(|value| ["--set", *value]));
    helm(&stage, stage.tenant.namespace(), &[&["install", "team"], &set[..]].concat()).await?;
    let deployments = stage.tenant.api::<Deployment>();
    let first = deployments.get("team-dislodge").await?.metadata.generation;
    helm(&stage, stage.tenant.namespace(), &[&["upgrade", "team"], &set[..]].concat()).await?;
    let second = deployments.get("team-dislodge").await?.metadata.generation;
    check(first == second, || "an upgrade to the same changes the Deployment".to_owned())?;

    helm(&stage, stage.tenant.namespace(), &["uninstall", "team"]).await?;
    let ours = ListParams::default().labels("app.kubernetes.io/instance=team");
    let roles = stage.tenant.api::<Role>().list(&ours).await?.items.len();
    let cluster_roles: Api<ClusterRole> = Api::all(stage.tenant.client());
    let cluster_roles = cluster_roles.list(&ours).await?.items.len();
    check(roles + cluster_roles == 0, || {
        format!("left: {roles} Roles, {cluster_roles} ClusterRoles")
    })
}

async fn helm(stage: &Stage, namespace: &str, arguments: &[&str]) -> Result<(), Failed> {
    let output = tokio::process::Command::new(tools::helm().await?)
        .args(arguments)
        .args(["--namespace", namespace, "--kubeconfig"])
        .arg(stage.world.cluster.kubeconfig())
        // What Helm caches and reads of the user's own has no place here.
        .env("HELM_CACHE_HOME", stage.world.cluster.folder().join("helm/cache"))
        .env("HELM_CONFIG_HOME", stage.world.cluster.folder().join("helm/config"))
        .env("HELM_DATA_HOME", stage.world.cluster.folder().join("helm/data"))
        .output()
        .await?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("helm {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}
