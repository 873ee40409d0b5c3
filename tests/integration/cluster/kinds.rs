//! Jobs of other kinds than `Job`: JobSets with the real controller, and a kind that Kueue alone knows.

use std::time::Duration;

use dislodge_sim::registry::Script;
use dislodge_testbed::queues::is_true;
use dislodge_testbed::{JobPlan, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use serde_json::{Value, json};

use super::actions::check;
use super::stage::{HOLD, QUEUE, RESUME, Stage, suspend_after};
use crate::Outcome;

super::scenarios![
    a_job_set_gives_its_quota_back_and_goes_on_at_its_owner_s_word,
    a_job_set_that_no_queue_manages_is_suspended_whole,
    a_job_set_is_ended_as_failed_whatever_its_failure_policy,
    a_job_set_that_no_queue_manages_is_ended_as_failed,
    what_kueue_alone_knows_is_stopped_by_its_workload,
    a_pod_that_nothing_makes_anew_is_ended_as_failed,
    a_pod_group_ends_when_its_pods_are_ended,
    a_deployment_is_only_reported,
    the_copy_of_a_job_on_a_multi_kueue_worker_is_only_reported,
    what_another_controller_runs_is_only_reported,
];

fn kind(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

fn api(stage: &Stage, kind: &ApiResource) -> Api<DynamicObject> {
    Api::namespaced_with(stage.tenant.client(), stage.tenant.namespace(), kind)
}

pub(super) fn job_sets(stage: &Stage) -> Api<DynamicObject> {
    api(stage, &kind("jobset.x-k8s.io", "v1alpha2", "JobSet", "jobsets"))
}

/// A JobSet with one Job an image; under the queue where it has one.
pub(super) async fn job_set(
    stage: &Stage,
    queue: Option<&str>,
    images: &[&str],
    more: Value,
) -> Result<DynamicObject, kube::Error> {
    let template = |image: &str| {
        JobPlan::new("part", image).on(&stage.world.node).manifest()["spec"]["template"].clone()
    };
    let jobs: Vec<Value> = images
        .iter()
        .enumerate()
        .map(|(n, image)| {
            json!({"name": format!("part{n}"),
                   "template": {"spec": {"template": template(image)}}})
        })
        .collect();
    let labels = queue.map(|name| json!({"kueue.x-k8s.io/queue-name": name}));
    let mut spec = json!({"replicatedJobs": jobs});
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    let set = json!({"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet",
                     "metadata": {"name": "stuck", "labels": labels}, "spec": spec});
    let set: DynamicObject = serde_json::from_value(set).map_err(kube::Error::SerdeError)?;
    job_sets(stage).create(&PostParams::default(), &set).await
}

pub(super) fn is_held(set: &DynamicObject) -> bool {
    set.annotations().contains_key(HOLD)
}

pub(super) fn failed_by_us(set: &DynamicObject) -> bool {
    let conditions = set.data["status"]["conditions"].as_array().into_iter().flatten();
    let ours = |c: &Value| c["type"] == "Failed" && c["reason"] == "ImagePullFailed";
    set.data["status"]["terminalState"] == "Failed" && conditions.into_iter().any(ours)
}

async fn a_job_set_gives_its_quota_back_and_goes_on_at_its_owner_s_word(stage: Stage) -> Outcome {
    stage.policy("gpu", suspend_after(2)).await?;
    let _controller = stage.controller().await?;
    let image = stage.missing();
    let set = job_set(&stage, Some(QUEUE), &[&image], json!({})).await?;
    stage.tenant.admitted(&set).await?;
    let next = stage.job("next", &stage.good()).await?;
    stage.running(&next, 60).await?;
    let told = stage.object_when(job_sets(&stage), "stuck", 20, "told", is_held).await?;
    for word in ["missing:1", "NotFound", "2 failed pulls", "push the image, then resume"] {
        let held = told.annotations().get("dislodge.dev/held").cloned().unwrap_or_default();
        check(held.contains(word), || format!("the JobSet does not say {word:?}: {held}"))?;
    }
    let id = told.annotations().get(HOLD).cloned().unwrap_or_default();

    // The tag is pushed, the queue is free again, and the owner resumes it.
    stage.world.node.registry().set(&image, Script::succeeds(Duration::from_millis(200)));
    let jobs = stage.tenant.api::<k8s_openapi::api::batch::v1::Job>();
    jobs.delete("next", &DeleteParams::background()).await?;
    let patch = Patch::Merge(json!({"metadata": {"annotations": {RESUME: id}}}));
    job_sets(&stage).patch("stuck", &PatchParams::default(), &patch).await?;
    stage
        .object_when(job_sets(&stage), "stuck", 60, "running, without our words", |set| {
            !is_held(set)
                && set.data["spec"]["suspend"] == false
                && set.data["status"]["replicatedJobsStatus"][0]["active"] == 1
                && set.annotations().get("dislodge.dev/resumes").is_some_and(|n| n == "1")
        })
        .await?;
    Ok(())
}

async fn a_job_set_that_no_queue_manages_is_suspended_whole(stage: Stage) -> Outcome {
    let mut spec = suspend_after(2);
    spec["queues"] = json!([{"kind": "NoQueue"}]);
    spec["rules"][0]["runningPeers"] = json!("Stop");
    stage.policy("free", spec).await?;
    let _controller = stage.controller().await?;
    job_set(&stage, None, &[&stage.good(), &stage.missing()], json!({})).await?;
    let suspended = |set: &DynamicObject| {
        let parts = set.data["status"]["replicatedJobsStatus"].as_array();
        is_held(set)
            && set.data["spec"]["suspend"] == true
            && parts.is_some_and(|parts| parts.iter().all(|part| part["suspended"] == 1))
    };
    stage.object_when(job_sets(&stage), "stuck", 60, "suspended whole", suspended).await?;
    // Nobody undoes it.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let set = job_sets(&stage).get("stuck").await?;
    check(suspended(&set), || format!("{:#}", set.data))
}

async fn a_job_set_is_ended_as_failed_whatever_its_failure_policy(stage: Stage) -> Outcome {
    let mut spec = suspend_after(2);
    spec["rules"][0]["action"] = json!("FailJob");
    stage.policy("gpu", spec).await?;
    let _controller = stage.controller().await?;
    let restarts = json!({"failurePolicy": {"maxRestarts": 2}});
    let set = job_set(&stage, Some(QUEUE), &[&stage.missing()], restarts).await?;
    stage.tenant.admitted(&set).await?;
    let next = stage.job("next", &stage.good()).await?;
    stage.running(&next, 60).await?;
    let set = stage.object_when(job_sets(&stage), "stuck", 60, "failed", failed_by_us).await?;
    check(set.data["status"]["restarts"].as_u64().unwrap_or(0) == 0, || {
        format!("it was restarted: {}", set.data["status"])
    })?;
    stage.tenant.workload_when(&set, 20, "finished", |w| is_true(w, "Finished")).await?;
    Ok(())
}

async fn a_job_set_that_no_queue_manages_is_ended_as_failed(stage: Stage) -> Outcome {
    let mut spec = suspend_after(2);
    spec["queues"] = json!([{"kind": "NoQueue"}]);
    spec["rules"][0]["action"] = json!("FailJob");
    stage.policy("free", spec).await?;
    let _controller = stage.controller().await?;
    job_set(&stage, None, &[&stage.missing(), &stage.missing()], json!({})).await?;
    stage.object_when(job_sets(&stage), "stuck", 60, "failed", failed_by_us).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let set = job_sets(&stage).get("stuck").await?;
    check(failed_by_us(&set), || format!("{:#}", set.data["status"]))
}

/// The operator of `PyTorchJob`, as far as Kueue can tell: a Pod while the job is not suspended.
struct Operator<'a> {
    stage: &'a Stage,
    jobs: Api<DynamicObject>,
}

impl Operator<'_> {
    /// A job with one worker, suspended as Kueue wants it.
    async fn submit(&self, image: &str) -> Result<DynamicObject, kube::Error> {
        let template =
            JobPlan::new("x", image).on(&self.stage.world.node).manifest()["spec"]["template"]
                .clone();
        let mut template = template;
        template["spec"]["containers"][0]["name"] = json!("pytorch");
        let job = json!({"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob",
            "metadata": {"name": "stuck", "labels": {"kueue.x-k8s.io/queue-name": QUEUE}},
            "spec": {"runPolicy": {"suspend": true}, "pytorchReplicaSpecs": {"Worker":
                {"replicas": 1, "restartPolicy": "OnFailure", "template": template}}}});
        let job: DynamicObject = serde_json::from_value(job).map_err(kube::Error::SerdeError)?;
        self.jobs.create(&PostParams::default(), &job).await
    }

    /// Starts the worker, once Kueue lets it, as Kueue has made its template.
    async fn start(&self) -> Result<(), libtest_mimic::Failed> {
        let job = self
            .stage
            .object_when(self.jobs.clone(), "stuck", 60, "let go by Kueue", |job| {
                job.data["spec"]["runPolicy"]["suspend"] == false
            })
            .await?;
        let template = &job.data["spec"]["pytorchReplicaSpecs"]["Worker"]["template"];
        let mut pod = template.clone();
        pod["metadata"]["name"] = json!("stuck-worker-0");
        pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "kubeflow.org/v1",
            "kind": "PyTorchJob", "name": "stuck", "uid": job.uid(), "controller": true}]);
        let pod: Pod = serde_json::from_value(pod)?;
        self.stage.tenant.api::<Pod>().create(&PostParams::default(), &pod).await?;
        self.active(1).await?;
        Ok(())
    }

    /// Ends the worker, once Kueue has suspended the job.
    async fn stop(&self) -> Result<(), libtest_mimic::Failed> {
        self.stage
            .object_when(self.jobs.clone(), "stuck", 60, "suspended by Kueue", |job| {
                job.data["spec"]["runPolicy"]["suspend"] == true
            })
            .await?;
        let pods = self.stage.tenant.api::<Pod>();
        pods.delete("stuck-worker-0", &DeleteParams::default()).await?;
        self.active(0).await?;
        Ok(())
    }

    async fn active(&self, count: u32) -> Result<(), kube::Error> {
        let status = json!({"status": {"conditions": [],
                            "replicaStatuses": {"Worker": {"active": count}}}});
        let patch = Patch::Merge(status);
        self.jobs.patch_status("stuck", &PatchParams::default(), &patch).await.map(drop)
    }
}

async fn what_kueue_alone_knows_is_stopped_by_its_workload(stage: Stage) -> Outcome {
    let mut spec = suspend_after(2);
    spec["rules"][0]["action"] = json!("FailJob");
    stage.policy("gpu", spec).await?;
    let _controller = stage.controller().await?;
    let jobs = api(&stage, &kind("kubeflow.org", "v1", "PyTorchJob", "pytorchjobs"));
    let operator = Operator { stage: &stage, jobs };
    let job = operator.submit(&stage.missing()).await?;
    operator.start().await?;
    let next = stage.job("next", &stage.good()).await?;
    operator.stop().await?;
    stage.running(&next, 60).await?;
    let workload = stage
        .tenant
        .workload_when(&job, 20, "held", |workload| {
            workload.data["spec"]["active"] == false && is_held(workload)
        })
        .await?;
    let held = workload.annotations().get("dislodge.dev/held").cloned().unwrap_or_default();
    for word in ["NotFound", "NoFailLever", "no way to end a PyTorchJob"] {
        check(held.contains(word), || format!("the Workload does not say {word:?}: {held}"))?;
    }
    let job = operator.jobs.get("stuck").await?;
    let ours = job.annotations().keys().any(|key| key.starts_with("dislodge.dev/"));
    check(!ours, || "it was written to: no right to that is granted".to_owned())?;
    stage
        .policy_when("gpu", 20, "one suspended", |p| {
            let status = &p.data["status"];
            status["actions"]["suspended"] == 1 && status["recentActions"][0]["job"] == "stuck"
        })
        .await?;
    Ok(())
}

/// A Pod under a queue, as its people write it; of a group where it has one.
pub(super) async fn bare_pod(
    stage: &Stage,
    (name, queue): (&str, &str),
    image: &str,
    group: Option<(&str, u32)>,
) -> Result<Pod, libtest_mimic::Failed> {
    let plan = JobPlan::new(name, image).on(&stage.world.node);
    let mut pod = plan.manifest()["spec"]["template"].clone();
    pod["metadata"] = json!({"name": name, "labels": {"kueue.x-k8s.io/queue-name": queue}});
    if let Some((group, count)) = group {
        pod["metadata"]["labels"]["kueue.x-k8s.io/pod-group-name"] = json!(group);
        pod["metadata"]["annotations"] =
            json!({"kueue.x-k8s.io/pod-group-total-count": count.to_string()});
    }
    let pod: Pod = serde_json::from_value(pod)?;
    Ok(stage.tenant.api::<Pod>().create(&PostParams::default(), &pod).await?)
}

fn fail_after_two() -> Value {
    let mut spec = suspend_after(2);
    spec["rules"][0]["action"] = json!("FailJob");
    spec
}

async fn a_pod_that_nothing_makes_anew_is_ended_as_failed(stage: Stage) -> Outcome {
    stage.policy("gpu", fail_after_two()).await?;
    let _controller = stage.controller().await?;
    let pod = bare_pod(&stage, ("stuck", QUEUE), &stage.missing(), None).await?;
    stage.tenant.admitted(&pod).await?;
    let next = stage.job("next", &stage.good()).await?;
    stage.running(&next, 60).await?;
    let note = stage.event_note(&pod.uid().unwrap_or_default(), 20).await?;
    for word in ["Pod stuck ended as failed", "missing:1", "NotFound", "2 failed pulls"] {
        check(note.contains(word), || format!("the Event does not say {word:?}: {note}"))?;
    }
    let failed = |p: &DynamicObject| {
        let status = &p.data["status"];
        status["actions"]["failed"] == 1 && status["recentActions"][0]["pod"] == "stuck"
    };
    stage.policy_when("gpu", 20, "one failed", failed).await?;
    Ok(())
}

async fn a_pod_group_ends_when_its_pods_are_ended(stage: Stage) -> Outcome {
    stage.tenant.queue("pair", dislodge_testbed::Quota::slots(2)).await?;
    let mut spec = fail_after_two();
    spec["queues"][0]["name"] = json!("pair");
    stage.policy("gpu", spec).await?;
    let _controller = stage.controller().await?;
    for name in ["left", "right"] {
        bare_pod(&stage, (name, "pair"), &stage.missing(), Some(("both", 2))).await?;
    }
    let workloads = stage.tenant.kueue("Workload");
    stage
        .object_when(workloads.clone(), "both", 60, "admitted", |w| is_true(w, "QuotaReserved"))
        .await?;
    let plan = JobPlan::new("next", &stage.good()).queue("pair").pods(2);
    let next = stage.create(&plan).await?;
    // It goes with its Pods, soon after.
    stage.object_when(workloads, "both", 90, "finished", |w| is_true(w, "Finished")).await?;
    stage.running(&next, 30).await?;
    Ok(())
}

async fn a_deployment_is_only_reported(stage: Stage) -> Outcome {
    stage.policy("gpu", fail_after_two()).await?;
    let _controller = stage.controller().await?;
    let plan = JobPlan::new("web", &stage.missing()).on(&stage.world.node);
    let mut template = plan.manifest()["spec"]["template"].clone();
    template["metadata"] = json!({"labels": {"app": "web", "kueue.x-k8s.io/queue-name": QUEUE}});
    template["spec"]["restartPolicy"] = json!("Always");
    let deployment = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template},
    }))?;
    let deployments = stage.tenant.api::<k8s_openapi::api::apps::v1::Deployment>();
    deployments.create(&PostParams::default(), &deployment).await?;
    stage
        .policy_when("gpu", 60, "reported", |p| {
            let failing = &p.data["status"]["failing"][0];
            failing["state"] == "Reported" && failing["reason"] == "NotAJob"
        })
        .await?;
    let pods = stage.tenant.api::<Pod>().list(&kube::api::ListParams::default()).await?;
    let whole = pods.items.len() == 1
        && pods.items.iter().all(|pod| pod.metadata.deletion_timestamp.is_none());
    check(whole, || format!("{:?}", pods.items))
}

/// What a MultiKueue manager makes on a worker: a Job that names its Workload, and both marked
/// (facts: Kueue's `MultiKueueOriginLabel` and `PrebuiltWorkloadLabel`).
async fn the_copy_of_a_job_on_a_multi_kueue_worker_is_only_reported(stage: Stage) -> Outcome {
    stage.policy("gpu", fail_after_two()).await?;
    let _controller = stage.controller().await?;
    let origin = "kueue.x-k8s.io/multikueue-origin";
    let plan = JobPlan::new("copy", &stage.missing()).queue(QUEUE).with(json!({
        "metadata": {"labels": {origin: "manager", "kueue.x-k8s.io/prebuilt-workload-name": "copy"}},
    }));
    let job = stage.create(&plan).await?;
    // The template as the API server has completed it: Kueue compares the two.
    let mut template = serde_json::to_value(&job)?["spec"]["template"].clone();
    template["metadata"] = json!({});
    let workload = json!({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "Workload",
        "metadata": {"name": "copy", "labels": {origin: "manager"}},
        "spec": {"queueName": QUEUE,
                 "podSets": [{"name": "main", "count": 1, "template": template}]}});
    let workload: DynamicObject = serde_json::from_value(workload)?;
    stage.tenant.kueue("Workload").create(&PostParams::default(), &workload).await?;
    stage.failed_pulls(&job, 2, 60).await?;
    stage
        .policy_when("gpu", 20, "reported", |p| {
            let failing = &p.data["status"]["failing"][0];
            failing["state"] == "Reported" && failing["reason"] == "MultiKueueWorker"
        })
        .await?;
    stage.failed_pulls(&job, 2, 60).await?;
    let workload = stage.tenant.kueue("Workload").get("copy").await?;
    let left_alone = workload.data["spec"]["active"] != false && !is_held(&workload);
    check(left_alone, || format!("{:#}", workload.data["spec"]))?;
    let job = stage.job_when("copy", 5, "there", |_| true).await?;
    check(!super::stage::suspended(&job), || "it was suspended".to_owned())?;
    let events = stage.events(&job).await?;
    check(events.len() == 1, || format!("{} Events", events.len()))
}

/// Kubernetes' own controller leaves a Job with another `managedBy` alone (KEP-4368); whoever it is, `spec.suspend` may
/// mean nothing to it.
async fn what_another_controller_runs_is_only_reported(stage: Stage) -> Outcome {
    let mut spec = fail_after_two();
    spec["queues"] = json!([{"kind": "NoQueue"}]);
    stage.policy("free", spec).await?;
    let _controller = stage.controller().await?;
    let by = json!({"spec": {"managedBy": "example.com/runner"}});
    let plan = JobPlan::new("foreign", &stage.missing()).with(by);
    let job = stage.create(&plan).await?;
    let uid = job.uid().unwrap_or_default();
    let mut pod = serde_json::to_value(&job)?["spec"]["template"].clone();
    pod["metadata"] = json!({"name": "foreign-0", "labels": {"batch.kubernetes.io/controller-uid": uid,
        "job-name": "foreign"}, "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job",
        "name": "foreign", "uid": uid, "controller": true}]});
    let pod: Pod = serde_json::from_value(pod)?;
    stage.tenant.api::<Pod>().create(&PostParams::default(), &pod).await?;
    stage
        .policy_when("free", 60, "reported", |p| {
            let failing = &p.data["status"]["failing"][0];
            failing["state"] == "Reported" && failing["reason"] == "ForeignManager"
        })
        .await?;
    stage.failed_pulls(&job, 2, 60).await?;
    let job = stage.job_when("foreign", 5, "there", |_| true).await?;
    let marked = job.annotations().keys().any(|key| key.starts_with("dislodge.dev/"));
    check(!super::stage::suspended(&job) && !marked, || format!("{:?}", job.annotations()))?;
    let events = stage.events(&job).await?;
    check(events.len() == 1, || format!("{} Events", events.len()))
}
