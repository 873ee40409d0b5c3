//! The controller uses exactly the rights that `deploy/` grants, and the CRD is what its table says.

use std::collections::BTreeSet;
use std::path::Path;

use dislodge_testbed::audit::{Request, granted, used};
use dislodge_testbed::product::{Controller, ControllerPlan};
use dislodge_testbed::queues::is_true;
use dislodge_testbed::{JobPlan, Manifests, Quota};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::actions::{check, ended};
use super::authors::{deciding, ours};
use super::kinds::{bare_pod, failed_by_us, job_set, job_sets};
use super::restraint::is_ours;
use super::stage::{RESUME, Stage, suspend_after, suspended};
use super::world::FAST;
use crate::Outcome;

super::scenarios![
    what_deploy_grants_is_what_the_controller_uses,
    with_the_rights_of_an_audit_a_policy_that_enforces_holds_nothing,
    the_deployment_passes_pod_security_restricted,
    the_real_api_server_judges_every_case_of_the_table_as_offline,
    the_guard_judges_every_case_of_its_table_as_offline,
];

async fn what_deploy_grants_is_what_the_controller_uses(stage: Stage) -> Outcome {
    let controller = stage.controller().await?;
    everything(&stage).await?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/base");
    let mut base = Manifests::load(&root, stage.world.cluster.tools()).await?;
    both_ways(&stage, controller, &bound_rules(base.objects_mut())?).await
}

/// Gives the controller a reason for everything that the profile Full lets it do.
pub(super) async fn everything(stage: &Stage) -> Outcome {
    stage.policy("gpu", suspend_after(1)).await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    let id = stage.held(&stuck, 60).await?;
    stage.annotate(stage.tenant.client(), &stuck, RESUME, &id).await?;
    stage.held_after(&stuck, &id, 60).await?;
    let mut failing = suspend_after(1);
    failing["queues"] = json!([{"kind": "NoQueue"}]);
    failing["rules"][0]["action"] = json!("FailJob");
    stage.policy("free", failing).await?;
    stage.create(&JobPlan::new("failing", &stage.missing())).await?;
    stage.job_when("failing", 60, "failed", |job| ended(job, "Failed").is_some()).await?;
    let plan = JobPlan::new("deciding", &stage.missing());
    stage.create(&deciding(plan, &json!([ours("FailJob")]))).await?;
    stage.job_when("deciding", 60, "failed", |job| ended(job, "Failed").is_some()).await?;
    job_set(stage, None, &[&stage.missing()], json!({})).await?;
    stage.object_when(job_sets(stage), "stuck", 60, "failed", failed_by_us).await?;
    stage.tenant.queue("pods", Quota::slots(1)).await?;
    let mut grouped = suspend_after(1);
    grouped["queues"][0]["name"] = json!("pods");
    grouped["rules"][0]["action"] = json!("FailJob");
    stage.policy("pods", grouped).await?;
    bare_pod(stage, ("one", "pods"), &stage.missing(), Some(("alone", 1))).await?;
    let finished = |workload: &DynamicObject| is_true(workload, "Finished");
    let workloads = stage.tenant.kueue("Workload");
    stage.object_when(workloads, "alone", 60, "finished", finished).await?;
    Ok(())
}

/// The rules that the ServiceAccount of `deploy/` gets by these objects.
pub(super) fn bound_rules(objects: &[Value]) -> Result<Vec<PolicyRule>, Failed> {
    let rules = crate::deploy::rights::bound(objects);
    Ok(rules.map(|rule| serde_json::from_value(rule.clone())).collect::<Result<_, _>>()?)
}

/// What the controller has asked for is what these rules grant, no more and no less, and nothing was refused.
pub(super) async fn both_ways(
    stage: &Stage,
    controller: Controller,
    rules: &[PolicyRule],
) -> Outcome {
    // Its Lease is renewed by a patch, and read again after a restart.
    controller.kill().await;
    let controller = controller.restart().await?;
    controller.ready(60).await?;
    let log = stage.world.cluster.audit_log().settled(&stage.tenant.client()).await?;
    let requests: Vec<_> =
        log.iter().filter(|r| is_ours(r, controller.account().credential())).collect();
    if let Some(refused) = requests.iter().find(|r| r.code() == 403) {
        return Err(format!("refused: {} {}", refused.verb, refused.uri).into());
    }
    let text = |rights: BTreeSet<_>| -> BTreeSet<String> {
        rights.iter().map(|right: &dislodge_testbed::audit::Right| right.to_string()).collect()
    };
    let (granted, used) = (text(granted(rules)), text(used(requests)));
    let unused: Vec<_> = granted.difference(&used).collect();
    let beyond: Vec<_> = used.difference(&granted).collect();
    check(unused.is_empty() && beyond.is_empty(), || {
        format!("granted and never used: {unused:?}; used and not granted: {beyond:?}")
    })
}

/// The profile, not the policy: what the component `audit-only` leaves of the roles.
async fn with_the_rights_of_an_audit_a_policy_that_enforces_holds_nothing(stage: Stage) -> Outcome {
    const AUDITOR: &str = "auditor";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/overlays/audit-only");
    let tools = stage.world.cluster.tools();
    let mut bindings = Manifests::load(&folder, tools).await?.of_kinds(&["ClusterRoleBinding"]);
    for binding in bindings.objects_mut() {
        let name = binding["metadata"]["name"].as_str().unwrap_or_default();
        binding["metadata"]["name"] = format!("{AUDITOR}-{name}").into();
        binding["subjects"][0]["name"] = AUDITOR.into();
    }
    bindings.apply(&stage.tenant.client()).await?;
    stage.policy("gpu", suspend_after(1)).await?;
    let plan = ControllerPlan { account: AUDITOR, ..ControllerPlan::scaled(FAST) };
    let product = &stage.world.product;
    let controller = product.controller(&stage.world.cluster, &stage.tenant, plan).await?;
    let stuck = stage.admitted("stuck", &stage.missing()).await?;
    stage.failed_pulls(&stuck, 3, 60).await?;

    let log = stage.world.cluster.audit_log().settled(&stage.tenant.client()).await?;
    let mut refused = 0;
    let ours = |r: &&Request| is_ours(r, controller.account().credential()) && r.is_write();
    for write in log.iter().filter(ours) {
        if write.code() == 403 {
            refused += 1;
            continue;
        }
        let own = write.is_on("dislodge.dev", "imagepullpolicies")
            || write.is_on("events.k8s.io", "events")
            || write.is_on("coordination.k8s.io", "leases");
        check(own, || format!("{} {}", write.verb, write.uri))?;
    }
    check((1..=20).contains(&refused), || format!("{refused} writes were refused"))?;
    let job = stage.job_when("stuck", 5, "there", |_| true).await?;
    check(!suspended(&job), || "it was suspended".to_owned())
}

/// The namespace of `deploy/base` enforces the profile, so the API server itself is asked.
async fn the_deployment_passes_pod_security_restricted(stage: Stage) -> Outcome {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/base");
    let mut deployment =
        Manifests::load(&base, stage.world.cluster.tools()).await?.of_kinds(&["Deployment"]);
    let template = deployment.objects_mut()[0]["spec"]["template"].clone();
    let pods: Api<Pod> = Api::namespaced(stage.tenant.client(), "dislodge-system");
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let pod = |template: &Value| -> Result<Pod, serde_json::Error> {
        let mut pod = template.clone();
        pod["metadata"]["name"] = "restricted".into();
        serde_json::from_value(pod)
    };
    pods.create(&dry_run, &pod(&template)?).await?;

    // The question can be answered with no.
    let mut loose = template;
    loose["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
    match pods.create(&dry_run, &pod(&loose)?).await {
        Ok(_) => Err("the namespace does not enforce the profile".into()),
        Err(refusal) => {
            let text = refusal.to_string();
            check(text.contains("violates PodSecurity"), || text.clone())
        }
    }
}

async fn the_real_api_server_judges_every_case_of_the_table_as_offline(stage: Stage) -> Outcome {
    let failures = crate::crd::online::against(stage.tenant.client(), stage.tenant.namespace());
    crate::report(&failures.await)
}

async fn the_guard_judges_every_case_of_its_table_as_offline(stage: Stage) -> Outcome {
    crate::guard::online::every_case(&stage.world.cluster, &stage.tenant).await
}
