//! An object of the cluster in memory as clients read it. What Dislodge reads of it, read back, is what
//! the actors know.

use std::time::Duration;

use dislodge_engine::keys;
use dislodge_engine::objects::{
    self, Admission, ClusterQueue, Condition, Labels, LocalQueue, Meta, PodFailurePolicy, Policy,
    Quantity,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::kubelet::{ContainerKind, ContainerState, ContainerStatus, PodStatus, Terminated};
use crate::world::object::{Job, JobPlan, Object, Pod, Workload, whole_seconds};

/// What the objects alone do not tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    /// When the cluster began: the kubelets count from then.
    pub(super) start: Timestamp,
    /// The resource that jobs ask for.
    pub(super) resource: &'static str,
}

/// An object as clients read it, but for `apiVersion`, `kind` and `resourceVersion`.
pub(super) fn rendered(object: &Object, around: Surroundings) -> Value {
    match object {
        Object::Pod(pod) => of_pod(pod, around),
        Object::Job(job) => of_job(job, around),
        Object::Workload(workload) => of_workload(workload, around),
        Object::LocalQueue(queue) => of_local_queue(queue),
        Object::ClusterQueue(queue) => of_cluster_queue(queue),
        Object::Policy(policy) => of_policy(policy),
        Object::Node(node) => of_node(node),
    }
}

/// An object without the fields that are absent.
fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let there = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

fn text(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| json!(text))
}

fn count(number: u32) -> Option<Value> {
    (number > 0).then(|| json!(number))
}

fn list(values: Vec<Value>) -> Option<Value> {
    (!values.is_empty()).then_some(Value::Array(values))
}

fn time(at: Timestamp) -> Value {
    json!(at.to_string())
}

fn of_meta(meta: &Meta, more_labels: &[(&str, &str)]) -> Value {
    let mut labels = meta.labels.clone();
    labels.extend(more_labels.iter().copied());
    let owners = meta.owner_references.iter().map(|owner| {
        json!({"apiVersion": *owner.api_version, "kind": *owner.kind, "name": owner.name,
               "uid": owner.uid, "controller": owner.controller, "blockOwnerDeletion": true})
    });
    // As the kubelet's writes are noted: by these fields they are known under any name.
    let writes = meta.kubelet_wrote.iter().map(|at| {
        json!({"manager": "kubelet", "operation": "Update", "subresource": "status",
               "apiVersion": "v1", "time": time(*at), "fieldsType": "FieldsV1",
               "fieldsV1": {"f:status": {"f:containerStatuses": {}, "f:phase": {}}}})
    });
    object([
        ("name", text(&meta.name)),
        ("namespace", text(&meta.namespace)),
        ("uid", Some(json!(meta.uid))),
        ("generation", (meta.generation > 0).then(|| json!(meta.generation))),
        ("creationTimestamp", meta.creation_timestamp.map(time)),
        ("deletionTimestamp", meta.deletion_timestamp.map(time)),
        ("labels", of_labels(&labels)),
        ("annotations", of_labels(&meta.annotations)),
        ("ownerReferences", list(owners.collect())),
        ("managedFields", list(writes.collect())),
    ])
}

fn of_labels(labels: &Labels) -> Option<Value> {
    let pairs: Map<String, Value> =
        labels.pairs().map(|(key, value)| (key.to_owned(), json!(value))).collect();
    (!pairs.is_empty()).then_some(Value::Object(pairs))
}

fn of_conditions(conditions: &[Condition]) -> Vec<Value> {
    let one = |condition: &Condition| {
        object([
            ("type", Some(json!(*condition.kind))),
            ("status", Some(json!(*condition.status))),
            ("reason", text(&condition.reason)),
            ("lastTransitionTime", condition.last_transition_time.map(time)),
        ])
    };
    conditions.iter().map(one).collect()
}

/// What a Pod of that plan is made of.
fn of_template(plan: &JobPlan, around: Surroundings) -> (Vec<Value>, Option<Value>) {
    let of = |main: bool| -> Vec<Value> {
        let containers = plan.template.containers.iter();
        let own = containers.filter(move |c| (c.kind == ContainerKind::Main) == main);
        own.enumerate()
            .map(|(index, container)| {
                let policy = format!("{:?}", container.pull_policy);
                let sidecar = container.kind == ContainerKind::Sidecar;
                // One container asks for what the Pod is to have.
                let requests = (main && index == 0).then(|| {
                    let amount = json!({around.resource: plan.template.cpus.to_string()});
                    json!({"requests": amount, "limits": amount})
                });
                object([
                    ("name", Some(json!(&*container.name))),
                    ("image", Some(json!(&*container.image))),
                    ("imagePullPolicy", Some(json!(policy))),
                    ("restartPolicy", sidecar.then(|| json!("Always"))),
                    ("resources", requests),
                ])
            })
            .collect()
    };
    (of(true), list(of(false)))
}

fn of_pod(pod: &Pod, around: Surroundings) -> Value {
    let (job, seen) = (pod.seen.metadata.controller(), &pod.seen);
    let job_name = job.map(|job| job.name.clone()).unwrap_or_default();
    let labels = [("batch.kubernetes.io/job-name", job_name.as_str())];
    let plan = JobPlan { template: pod.template.clone(), ..JobPlan::new("", "", "") };
    let (containers, init) = of_template(&plan, around);
    let mut conditions: Vec<Value> = Vec::new();
    let since = |at: Duration| time(moment(around, at));
    if let Some(status) = &pod.status {
        conditions.extend(status.conditions.iter().map(|condition| {
            let status = if condition.status { "True" } else { "False" };
            object([
                ("type", Some(json!(condition.kind.as_str()))),
                ("status", Some(json!(status))),
                ("reason", text(&condition.reason)),
                ("message", text(&condition.message)),
                ("lastTransitionTime", Some(since(condition.since))),
            ])
        }));
    }
    if let Some(reason) = &pod.marked {
        conditions.push(object([
            ("type", Some(json!(keys::POD_CONDITION))),
            ("status", Some(json!("True"))),
            ("reason", text(reason)),
        ]));
    }
    let status = pod.status.as_ref();
    json!({
        "metadata": of_meta(&seen.metadata, &labels),
        "spec": object([
            ("nodeName", text(&seen.spec.node_name)),
            ("restartPolicy", Some(json!("Never"))),
            ("containers", Some(json!(containers))),
            ("initContainers", init),
        ]),
        "status": object([
            ("phase", text(&seen.status.phase)),
            ("observedGeneration", (seen.status.observed_generation != 0)
                .then(|| json!(seen.status.observed_generation))),
            ("startTime", status.map(|status| since(status.start_time))),
            ("conditions", list(conditions)),
            ("containerStatuses", status.and_then(|s| list(of_containers(s, true, around)))),
            ("initContainerStatuses", status.and_then(|s| list(of_containers(s, false, around)))),
        ]),
    })
}

fn moment(around: Surroundings, at: Duration) -> Timestamp {
    whole_seconds(around.start.checked_add(at).unwrap_or(Timestamp::MAX))
}

fn of_containers(status: &PodStatus, main: bool, around: Surroundings) -> Vec<Value> {
    let own = status.containers.iter().filter(|c| (c.kind == ContainerKind::Main) == main);
    own.map(|container| of_container(container, around)).collect()
}

fn of_container(container: &ContainerStatus, around: Surroundings) -> Value {
    let terminated = |end: &Terminated| {
        let at = |at: Option<Duration>| at.map(|at| time(moment(around, at)));
        let end = object([
            ("exitCode", Some(json!(end.exit_code))),
            ("reason", text(&end.reason)),
            ("message", text(&end.message)),
            ("startedAt", at(end.started_at)),
            ("finishedAt", at(end.finished_at)),
        ]);
        json!({"terminated": end})
    };
    let state = match &container.state {
        ContainerState::Waiting(why) => {
            let why = object([("reason", text(&why.reason)), ("message", text(&why.message))]);
            json!({"waiting": why})
        }
        ContainerState::Running { started_at } => {
            json!({"running": {"startedAt": time(moment(around, *started_at))}})
        }
        ContainerState::Terminated(end) => terminated(end),
    };
    json!({
        "name": &*container.name,
        "image": &*container.image,
        "imageID": &*container.image_id,
        "ready": container.ready,
        "started": container.started,
        "restartCount": container.restart_count,
        "state": state,
        "lastState": container.last_terminated.as_ref().map_or_else(|| json!({}), terminated),
    })
}

fn of_job(job: &Job, around: Surroundings) -> Value {
    let (seen, plan) = (&job.seen, &job.plan);
    let (containers, init) = of_template(plan, around);
    let template = object([
        ("restartPolicy", Some(json!("Never"))),
        ("containers", Some(json!(containers))),
        ("initContainers", init),
    ]);
    json!({
        "metadata": of_meta(&seen.metadata, &[]),
        "spec": object([
            ("suspend", Some(json!(seen.spec.suspend))),
            ("parallelism", Some(json!(plan.pods))),
            ("completions", (!plan.open_ended).then(|| json!(plan.pods))),
            ("completionMode", Some(json!("NonIndexed"))),
            ("backoffLimit", Some(json!(plan.backoff_limit))),
            ("podFailurePolicy", seen.spec.pod_failure_policy.as_deref().map(of_failure_policy)),
            ("template", Some(json!({"metadata": {}, "spec": template}))),
        ]),
        "status": object([
            ("startTime", seen.status.start_time.map(time)),
            ("active", count(seen.status.active)),
            ("terminating", count(seen.status.terminating)),
            ("succeeded", count(job.succeeded)),
            ("failed", count(job.failed)),
            ("conditions", list(of_conditions(&seen.status.conditions))),
        ]),
    })
}

fn of_failure_policy(policy: &PodFailurePolicy) -> Value {
    let rules = policy.rules.iter().map(|rule| {
        let patterns = rule.on_pod_conditions.iter().map(|pattern| {
            object([
                ("type", Some(json!(pattern.kind))),
                ("status", pattern.status.as_deref().map(|status| json!(status))),
            ])
        });
        json!({"action": rule.action, "onPodConditions": patterns.collect::<Vec<_>>()})
    });
    json!({"rules": rules.collect::<Vec<_>>()})
}

fn of_workload(workload: &Workload, around: Surroundings) -> Value {
    let seen = &workload.seen;
    let pods = json!({"name": "main", "count": 1, "template": {"spec": {"containers": [{
        "name": "main", "image": "",
        "resources": {"requests": {around.resource: workload.cpus.to_string()}},
    }]}}});
    json!({
        "metadata": of_meta(&seen.metadata, &[]),
        "spec": object([
            ("queueName", text(&seen.spec.queue_name)),
            ("active", seen.spec.active.map(|active| json!(active))),
            ("priority", Some(json!(seen.spec.priority))),
            ("podSets", Some(json!([pods]))),
        ]),
        "status": object([
            ("conditions", list(of_conditions(&seen.status.conditions))),
            ("admission", seen.status.admission.as_deref().map(of_admission)),
        ]),
    })
}

fn of_admission(admission: &Admission) -> Value {
    let flavors: Map<String, Value> = admission
        .usage
        .iter()
        .map(|usage| (usage.resource.to_string(), json!(usage.flavor)))
        .collect();
    let used: Map<String, Value> = admission
        .usage
        .iter()
        .map(|usage| (usage.resource.to_string(), json!(amount(usage.quantity))))
        .collect();
    json!({
        "clusterQueue": admission.cluster_queue,
        "podSetAssignments": [{"name": "main", "count": 1, "flavors": flavors,
                               "resourceUsage": used}],
    })
}

/// An amount as Kubernetes writes it.
fn amount(quantity: Quantity) -> String {
    let milli = quantity.milli().unwrap_or_default();
    if milli.is_multiple_of(1000) { (milli / 1000).to_string() } else { format!("{milli}m") }
}

fn of_local_queue(queue: &LocalQueue) -> Value {
    json!({
        "metadata": of_meta(&queue.metadata, &[]),
        "spec": {"clusterQueue": queue.spec.cluster_queue},
    })
}

fn of_cluster_queue(queue: &ClusterQueue) -> Value {
    let groups = queue.spec.resource_groups.iter().map(|group| {
        let flavors = group.flavors.iter().map(|flavor| {
            let resources = flavor.resources.iter().map(|resource| {
                object([
                    ("name", Some(json!(resource.name))),
                    ("nominalQuota", Some(json!(amount(resource.nominal_quota)))),
                    ("borrowingLimit", resource.borrowing_limit.map(|q| json!(amount(q)))),
                ])
            });
            json!({"name": flavor.name, "resources": resources.collect::<Vec<_>>()})
        });
        json!({"coveredResources": group.covered_resources, "flavors": flavors.collect::<Vec<_>>()})
    });
    let reservations = queue.status.flavors_reservation.iter().map(|flavor| {
        let resources = flavor
            .resources
            .iter()
            .map(|resource| json!({"name": resource.name, "total": amount(resource.total)}));
        json!({"name": flavor.name, "resources": resources.collect::<Vec<_>>()})
    });
    let preemption = queue.spec.preemption.as_ref().map(|preemption| {
        object([
            ("withinClusterQueue", preemption.within_cluster_queue.as_ref().map(|p| json!(p))),
            ("reclaimWithinCohort", preemption.reclaim_within_cohort.as_ref().map(|p| json!(p))),
        ])
    });
    json!({
        "metadata": of_meta(&queue.metadata, &[]),
        "spec": object([
            ("cohortName", queue.spec.cohort_name.as_ref().map(|cohort| json!(cohort))),
            ("preemption", preemption),
            ("resourceGroups", list(groups.collect())),
        ]),
        "status": object([("flavorsReservation", list(reservations.collect()))]),
    })
}

fn of_policy(policy: &Policy) -> Value {
    // What cannot be read is not written either: the model makes no such policy.
    let spec = policy.spec.as_ref().map(|spec| json!(spec)).unwrap_or_default();
    json!({"metadata": of_meta(&policy.metadata, &[]), "spec": spec, "status": policy.status})
}

fn of_node(node: &objects::Node) -> Value {
    json!({
        "metadata": of_meta(&node.metadata, &[]),
        "status": {"conditions": of_conditions(&node.status.conditions)},
    })
}
