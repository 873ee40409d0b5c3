//! What cannot be derived of writing an object so that it reads back the same: each function is the
//! other way round of its namesake in `decode.rs`.

use jiff::Timestamp;
use serde::Serializer;
use serde_json::json;

use crate::keys;

/// Managed fields of which [`super::decode::kubelet_write`] reads that time.
#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
pub(super) fn kubelet_write<S>(wrote: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error>
where
    S: Serializer,
{
    let entry = |at| json!({"manager": "kubelet", "subresource": "status", "time": at});
    serializer.collect_seq(wrote.map(entry))
}

/// Conditions in which [`super::decode::our_condition`] finds ours, where it was set.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
pub(super) fn our_condition<S: Serializer>(
    marked: &bool,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let ours = || json!({"type": keys::POD_CONDITION, "status": "True"});
    serializer.collect_seq(marked.then(ours))
}

/// Pod sets, of which one has a `minCount` where the Workload may shrink.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
pub(super) fn min_count<S: Serializer>(shrinks: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(shrinks.then(|| json!({"minCount": 1})))
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use crate::objects::{
        ClusterQueue, CronJob, Job, JobSet, LocalQueue, Node, Object, Pod, Policy, Workload,
    };

    fn survives<T>(object: &Value)
    where
        T: Object + DeserializeOwned + serde::Serialize + PartialEq + std::fmt::Debug,
    {
        let read: T = serde_json::from_value(object.clone()).unwrap();
        let written = serde_json::to_string(&read).unwrap();
        let again: T = serde_json::from_str(&written).unwrap();
        assert_eq!(again, read, "{written}");
    }

    fn meta() -> Value {
        json!({
            "name": "a", "namespace": "team", "uid": "5e7595d6-d828-4f9a-81e2-13e9233e05fc",
            "resourceVersion": "7", "generation": 3, "creationTimestamp": "2026-11-24T08:00:00Z",
            "deletionTimestamp": "2026-11-24T08:00:00.000000001Z",
            "labels": {"kueue.x-k8s.io/queue-name": "gpu", "other": "dropped"},
            "annotations": {"dislodge.dev/ignore": "mine"},
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "j",
                                 "uid": "5e7595d6-d828-4f9a-81e2-13e9233e05fd", "controller": true}],
            "managedFields": [{"manager": "kubelet", "subresource": "status",
                               "time": "2026-11-24T08:00:01Z"}],
        })
    }

    #[test]
    fn objects_read_back_as_they_were_written() {
        let condition = |kind: &str| {
            json!([{"type": kind, "status": "True", "reason": "x",
            "lastTransitionTime": "2026-11-24T08:00:00Z"}])
        };
        for object in [
            json!({}),
            json!({"metadata": meta(), "spec": {"nodeName": "n",
                "containers": [{"name": "m", "image": "i", "volumeMounts": [{"name": "v"}]}],
                "initContainers": [{"name": "s", "restartPolicy": "Always"}],
                "volumes": [{"name": "v", "image": {"reference": "r", "pullPolicy": "Never"}},
                            {"name": "w"}]},
                "status": {"phase": "Pending", "observedGeneration": 2,
                "conditions": condition("dislodge.dev/ImagePullFailed"),
                "containerStatuses": [{"name": "m", "imageID": "x",
                    "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}},
                    "lastState": {"terminated": {"startedAt": "2026-11-24T08:00:00Z"}}},
                    {"name": "n", "state": {"running": {}}}]}}),
        ] {
            survives::<Pod>(&object);
        }
        let job = json!({"suspend": true, "managedBy": "x", "template": {"metadata": meta(),
            "spec": {"schedulerName": "s"}}, "podFailurePolicy": {"rules": [
            {"action": "Count", "onExitCodes": {"operator": "In", "values": [1]},
             "onPodConditions": [{"type": "x", "status": "False"}, {"type": "y"}]}]}});
        survives::<Job>(&json!({"metadata": meta(), "spec": job, "status": {"active": 2,
            "startTime": "2026-11-24T08:00:00Z", "conditions": condition("Failed")}}));
        survives::<JobSet>(&json!({"spec": {"replicatedJobs": [{"template": {"spec": job}}]},
            "status": {"terminalState": "Failed", "conditions": condition("Failed")}}));
        survives::<CronJob>(&json!({"metadata": meta(), "spec": {"concurrencyPolicy": "Forbid"}}));
        survives::<Node>(
            &json!({"metadata": meta(), "status": {"conditions": condition("Ready")}}),
        );
        survives::<LocalQueue>(&json!({"metadata": meta(), "spec": {"clusterQueue": "all"}}));
    }

    #[test]
    fn amounts_of_quota_read_back_to_the_thousandth() {
        let admission = |assignments: Value| {
            json!({"metadata": meta(), "spec": {"queueName": "q", "active": false, "priority": 7,
                "podSets": [{"minCount": 2}]}, "status": {"conditions": [],
                "admission": {"clusterQueue": "all", "podSetAssignments": assignments}}})
        };
        let given = |of: Value, usage: Value| json!({"flavors": of, "resourceUsage": usage});
        let all = json!({"cpu": "x", "gpu": "y", "memory": "x"});
        for assignments in [
            json!([]),
            json!([given(json!({}), json!({}))]),
            json!([given(all.clone(), json!({"cpu": "1500m", "gpu": 8, "memory": "3Gi"}))]),
            json!([
                given(all.clone(), json!({"cpu": "1", "gpu": "x"})),
                given(json!({}), json!({})),
                given(all.clone(), json!({"gpu": "9E", "memory": "1n"})),
                given(all.clone(), json!({"cpu": "0"}))
            ]),
            json!([{"topologyAssignment": {"levels": []}, "flavors": {"cpu": "x"},
                    "resourceUsage": {"cpu": "-1"}}]),
        ] {
            survives::<Workload>(&admission(assignments));
        }
        let quota =
            |limit: Value| json!({"name": "cpu", "nominalQuota": "2", "borrowingLimit": limit});
        for limit in [Value::Null, json!("1m"), json!("x"), json!(2.5)] {
            survives::<ClusterQueue>(&json!({"metadata": meta(), "spec": {"cohort": "c",
                "preemption": {"withinClusterQueue": "LowerPriority"},
                "resourceGroups": [{"coveredResources": ["cpu"], "flavors": [
                    {"name": "x", "resources": [quota(limit)]}]}]},
                "status": {"flavorsReservation": [{"name": "x",
                    "resources": [{"name": "cpu", "total": "1"}]}]}}));
        }
    }

    #[test]
    fn policies_read_back_the_unreadable_ones_too() {
        let rule = json!({"name": "r", "causes": ["NotFound"], "action": "SuspendJob",
                          "threshold": {"failedPulls": 1}});
        for spec in [
            json!({"queues": [{"kind": "LocalQueue", "name": "gpu"}]}),
            json!({"mode": "Enforce", "queues": [{"kind": "NoQueue"}], "rules": [rule],
                   "budget": {"maxJobs": 2, "windowSeconds": 60}, "hold": {"maxSeconds": 60}}),
            json!({"mode": 7}),
            json!(null),
        ] {
            survives::<Policy>(&json!({"metadata": meta(), "spec": spec, "status": {
                "observedGeneration": 4, "actions": {"failed": 1}}}));
        }
    }
}
