//! Objects as an API server gives them, made for a test.

#![expect(clippy::needless_pass_by_value, reason = "values are written where they are passed")]

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::inspect::Snapshot;

pub(super) const JOB: &str = "00000000-0000-0000-0000-0000000000aa";
pub(super) const POD: &str = "00000000-0000-0000-0000-0000000000bb";
pub(super) const IMAGE: &str = "r.io/team/app:1";

/// When everything of a scene is looked at.
pub(super) fn now() -> Timestamp {
    "2026-11-24T08:10:00Z".parse().unwrap()
}

/// So many seconds ago.
pub(super) fn ago(seconds: i64) -> String {
    now().checked_sub(SignedDuration::from_secs(seconds)).unwrap().to_string()
}

/// A Job in the namespace `team-a`.
pub(super) fn job(queue: Option<&str>, annotations: Value, more: Value) -> Value {
    let labels =
        queue.map_or_else(|| json!({}), |queue| json!({"kueue.x-k8s.io/queue-name": queue}));
    let mut job = json!({
        "metadata": {"name": "train", "namespace": "team-a", "uid": JOB, "labels": labels,
            "annotations": annotations, "creationTimestamp": ago(300)},
        "spec": {}, "status": {"startTime": ago(290), "active": 1},
    });
    merge(&mut job, more);
    job
}

/// Its Pod, whose container waits for that reason.
pub(super) fn pod(reason: &str, message: &str) -> Value {
    json!({
        "metadata": {"name": "train-x7k2p", "namespace": "team-a", "uid": POD,
            "creationTimestamp": ago(280),
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "train",
                "uid": JOB, "controller": true}],
            "managedFields": [{"manager": "kubelet", "subresource": "status", "time": ago(20),
                "fieldsV1": {"f:status": {"f:containerStatuses": {}}}}]},
        "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": IMAGE}]},
        "status": {"phase": "Pending", "containerStatuses": [{"name": "main", "imageID": "",
            "state": {"waiting": {"reason": reason, "message": message}}}]},
    })
}

/// The same, of an image that is not there.
pub(super) fn missing() -> Value {
    pod("ErrImagePull", &format!("failed to resolve reference \"{IMAGE}\": {IMAGE}: not found"))
}

/// A policy for the queue `gpu` and for Jobs without one.
pub(super) fn policy(spec: Value, status: Value) -> Value {
    let mut policy = json!({
        "metadata": {"name": "gpu", "namespace": "team-a",
            "uid": "00000000-0000-0000-0000-0000000000cc"},
        "spec": {
            "mode": "Enforce",
            "queues": [{"kind": "LocalQueue", "name": "gpu"}, {"kind": "NoQueue"}],
            "rules": [{"name": "missing", "causes": ["NotFound"], "threshold": {"failedPulls": 3},
                "action": "SuspendJob", "runningPeers": "Stop"}],
        },
        "status": {"observedGeneration": 1},
    });
    merge(&mut policy["spec"], spec);
    merge(&mut policy["status"], status);
    policy
}

/// What the policy's status says of the Pod's image.
pub(super) fn counted(failed_pulls: u32, state: &str, reason: Option<&str>) -> Value {
    json!({"observedGeneration": 1, "failing": [{
        "job": "train", "uid": JOB, "podUid": POD, "image": IMAGE, "cause": "NotFound",
        "failedPulls": failed_pulls, "firstFailureTime": ago(100), "lastFailureTime": ago(20),
        "state": state, "reason": reason,
    }]})
}

/// The Workload of the Job.
pub(super) fn workload(active: bool, annotations: Value) -> Value {
    let condition = |kind: &str| {
        json!({"type": kind, "status": "True", "reason": kind, "message": "",
        "lastTransitionTime": ago(280)})
    };
    let conditions = if active { json!([condition("QuotaReserved")]) } else { json!([]) };
    json!({
        "metadata": {"name": "job-train-1", "namespace": "team-a", "annotations": annotations,
            "uid": "00000000-0000-0000-0000-0000000000dd",
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "train",
                "uid": JOB, "controller": true}]},
        "spec": {"queueName": "gpu", "active": active},
        "status": {"conditions": conditions, "admission": {"clusterQueue": "all",
            "podSetAssignments": [{"flavors": {"nvidia.com/gpu": "a100"},
                "resourceUsage": {"nvidia.com/gpu": "8"}}]}},
    })
}

/// The annotations of a hold, as they stand on the owner's object.
pub(super) fn told() -> Value {
    json!({"dislodge.dev/hold": "7c692aab", "dislodge.dev/held": "3 failed pulls in 40 s",
        "dislodge.dev/held-cause": "NotFound", "dislodge.dev/held-image": IMAGE,
        "dislodge.dev/held-rule": "missing", "dislodge.dev/held-at": ago(60)})
}

/// The same on the object that carries the lever.
pub(super) fn held(more: Value) -> Value {
    let mut marks = told();
    merge(&mut marks, json!({"dislodge.dev/hold-policy": "gpu"}));
    merge(&mut marks, more);
    marks
}

/// An Event of a failed pull.
pub(super) fn failed(count: u32) -> Value {
    json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "uid": POD},
        "reason": "Failed", "message": format!("Failed to pull image \"{IMAGE}\": {IMAGE}: not found"),
        "count": count, "firstTimestamp": ago(100), "lastTimestamp": ago(20)})
}

/// A snapshot of objects: Jobs, Pods, policies, Workloads and Events, by their shape.
pub(super) fn seen(objects: &[Value]) -> Snapshot {
    let mut seen = Snapshot::default();
    for object in objects {
        let object = object.clone();
        if object.get("involvedObject").is_some() {
            seen.events.push(serde_json::from_value(object).unwrap());
        } else if object["spec"].get("containers").is_some() {
            seen.pods.push(serde_json::from_value(object).unwrap());
        } else if object["spec"].get("queues").is_some() {
            seen.policies.push(serde_json::from_value(object).unwrap());
        } else if object["spec"].get("queueName").is_some() {
            seen.workloads.push(serde_json::from_value(object).unwrap());
        } else {
            seen.jobs.push(serde_json::from_value(object).unwrap());
        }
    }
    seen
}

pub(super) fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}
