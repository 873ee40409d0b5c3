//! The table on the real API server: each write is a dry run, in the name of the controller's
//! ServiceAccount and with all rights, so that nothing but the guard can refuse it.

use std::time::Duration;

use dislodge_testbed::kubeconfig::impersonating;
use dislodge_testbed::{Cluster, Manifests, Tenant};
use kube::Client;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams,
    PostParams, Preconditions,
};
use libtest_mimic::Failed;
use serde_json::json;

use super::cases::{self, Case, Verdict};
use crate::Outcome;

/// The user that the guard looks at.
const USER: &str = "system:serviceaccount:dislodge-system:dislodge";

/// Plays every case in a namespace of its own.
pub(crate) async fn every_case(cluster: &Cluster, tenant: &Tenant) -> Outcome {
    let client = impersonating(cluster.kubeconfig(), USER, &["system:masters"]).await?;
    works(&client, tenant).await?;
    let mut wrong = Vec::new();
    for (number, case) in cases::load()?.iter().enumerate() {
        let verdict = play(case, number, &client, tenant).await.map_err(|failure| {
            format!("{}: {}", case.name, failure.message().unwrap_or_default())
        })?;
        wrong.extend(case.judge(&verdict).err());
    }
    super::report(wrong.into_iter())
}

/// Waits until the API server has taken the guard up: some hundred milliseconds after it was applied.
async fn works(client: &Client, tenant: &Tenant) -> Outcome {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "ConfigMap"));
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), tenant.namespace(), &resource);
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let object = DynamicObject::new("guarded", &resource);
    for _ in 0..100 {
        if api.create(&params, &object).await.is_err() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err("the guard has not been taken up within 10 s".into())
}

async fn play(
    case: &Case,
    number: usize,
    client: &Client,
    tenant: &Tenant,
) -> Result<Verdict, Failed> {
    let mut object = case.object.clone();
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    // A Lease is told by its name; all others are used once.
    let name = if case.resource == "leases" { name } else { format!("{name}-{number}") };
    object["metadata"]["name"] = json!(name);
    object["metadata"]["namespace"] = json!(tenant.namespace());
    if object["regarding"].is_object() {
        object["regarding"]["namespace"] = json!(tenant.namespace());
    }
    let (version, kind) = (object["apiVersion"].as_str(), object["kind"].as_str());
    let version = version.unwrap_or_default();
    let version = version.rsplit('/').next().unwrap_or_default();
    let kind = GroupVersionKind::gvk(&case.group, version, kind.unwrap_or_default());
    let resource = ApiResource::from_gvk_with_plural(&kind, &case.resource);
    let of = |client: Client| -> Api<DynamicObject> {
        Api::namespaced_with(client, tenant.namespace(), &resource)
    };
    let (admin, api) = (of(tenant.client()), of(client.clone()));
    if case.operation != "CREATE" {
        let status = object["status"].take();
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        tenant.apply(Manifests::from_objects(vec![object.clone()])).await?;
        if !status.is_null() {
            let patch = Patch::Merge(json!({"status": status}));
            admin.patch_status(&name, &PatchParams::default(), &patch).await?;
        }
    }
    let patch =
        if case.is_built_in() { Patch::Strategic(&case.patch) } else { Patch::Merge(&case.patch) };
    let dry_run = PatchParams { dry_run: true, ..PatchParams::default() };
    let answer = match (case.operation.as_str(), case.subresource.as_str()) {
        ("CREATE", _) => {
            case.write(&mut object)?;
            let params = PostParams { dry_run: true, ..PostParams::default() };
            api.create(&params, &serde_json::from_value(object)?).await.map(drop)
        }
        ("DELETE", _) => {
            let stored = admin.get(&name).await?.metadata;
            let asked = |option: &str| case.options.iter().any(|asked| asked == option);
            let preconditions = Preconditions {
                uid: stored.uid.filter(|_| asked("uid")),
                resource_version: stored.resource_version.filter(|_| asked("resourceVersion")),
            };
            let preconditions = (!case.options.is_empty()).then_some(preconditions);
            let params = DeleteParams { dry_run: true, preconditions, ..DeleteParams::default() };
            api.delete(&name, &params).await.map(drop)
        }
        (_, "status") => api.patch_status(&name, &dry_run, &patch).await.map(drop),
        _ => api.patch(&name, &dry_run, &patch).await.map(drop),
    };
    // One that fails and never ends is what the whole run is held against.
    if case.operation != "CREATE" && case.resource == "jobs" {
        admin.delete(&name, &DeleteParams::background()).await?;
    }
    match answer {
        Ok(()) => Ok(Verdict::Passes),
        Err(kube::Error::Api(status)) => Ok(Verdict::Refused(status.message.clone())),
        Err(error) => Err(error.into()),
    }
}
