//! Each smaller profile grants what the controller uses under it, both ways. That of the profile Full is
//! `rights::what_deploy_grants_is_what_the_controller_uses`.

use std::path::Path;

use dislodge_testbed::Manifests;
use dislodge_testbed::product::{ACCOUNT, Controller, ControllerPlan, HOME};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::ResourceExt as _;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::kinds::{is_held, job_set, job_sets};
use super::rights::{both_ways, bound_rules, everything};
use super::stage::{Stage, policy, suspend_after};
use super::world::FAST;
use crate::Outcome;

super::scenarios![
    the_profile_audit_grants_what_the_controller_uses,
    the_profile_suspend_grants_what_the_controller_uses,
    the_profile_of_one_namespace_grants_what_the_controller_uses,
];

async fn the_profile_audit_grants_what_the_controller_uses(stage: Stage) -> Outcome {
    let (controller, rules) = under(&stage, "audit-only", "audits").await?;
    stage.policy("gpu", policy("Audit", 1, 0)).await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    stage.event_note(&stuck.uid().unwrap_or_default(), 60).await?;
    both_ways(&stage, controller, &rules).await
}

async fn the_profile_suspend_grants_what_the_controller_uses(stage: Stage) -> Outcome {
    let (controller, rules) = under(&stage, "suspend-only", "suspends").await?;
    stage.policy("gpu", suspend_after(1)).await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    stage.held(&stuck, 60).await?;
    let mut free = suspend_after(1);
    free["queues"] = json!([{"kind": "NoQueue"}]);
    stage.policy("free", free).await?;
    job_set(&stage, None, &[&stage.missing()], json!({})).await?;
    stage.object_when(job_sets(&stage), "stuck", 60, "held", is_held).await?;
    both_ways(&stage, controller, &rules).await
}

/// Roles in place of ClusterRoles: a list in the cluster as a whole would be refused.
async fn the_profile_of_one_namespace_grants_what_the_controller_uses(stage: Stage) -> Outcome {
    let (controller, rules) = under(&stage, "one-namespace", "alone").await?;
    everything(&stage).await?;
    both_ways(&stage, controller, &rules).await
}

/// A controller with an account of its own, that has the rights of an overlay and no others; and these rights.
async fn under(
    stage: &Stage,
    overlay: &str,
    account: &'static str,
) -> Result<(Controller, Vec<PolicyRule>), Failed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/overlays").join(overlay);
    let mut all = Manifests::load(&folder, stage.world.cluster.tools()).await?;
    let rules = bound_rules(all.objects_mut())?;
    // Those of the Lease come with the controller, those for people are theirs.
    let is_its_own = |object: &Value| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        name != ACCOUNT && !name.contains("policy")
    };
    let kinds = ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];
    let (mut own, _) = all.of_kinds(&kinds).split(is_its_own);
    for object in own.objects_mut() {
        if object["metadata"]["namespace"].is_string() {
            object["metadata"]["namespace"] = json!(stage.tenant.namespace());
        } else {
            rename(&mut object["metadata"]["name"], account);
        }
        if object["roleRef"]["kind"] == "ClusterRole" {
            rename(&mut object["roleRef"]["name"], account);
        }
        let subjects = object.get_mut("subjects").and_then(Value::as_array_mut);
        for subject in subjects.into_iter().flatten() {
            (subject["name"], subject["namespace"]) = (json!(account), json!(HOME));
        }
    }
    own.apply(&stage.tenant.client()).await?;
    let plan = ControllerPlan { account, ..ControllerPlan::scaled(FAST) };
    let product = &stage.world.product;
    let controller = product.controller(&stage.world.cluster, &stage.tenant, plan).await?;
    Ok((controller, rules))
}

/// The objects without a namespace that the whole cluster shares are left as they are.
fn rename(name: &mut Value, account: &str) {
    *name = format!("{account}-{}", name.as_str().unwrap_or_default()).into();
}
