//! What is unpacked is what was packed.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::keys;

const UID: Uid = Uid::from_u128(7);

fn time() -> impl Strategy<Value = Option<jiff::Timestamp>> {
    let seconds = prop_oneof![1_700_000_000_i64..1_900_000_000, -9_000_000_000_i64..9_000_000_000];
    let rest = prop_oneof![9 => Just(0_i32), 1 => -999_999_999..999_999_999];
    option::of((seconds, rest).prop_map(|(seconds, rest)| {
        let rest = if seconds < 0 { -rest.abs() } else { rest.abs() };
        jiff::Timestamp::new(seconds, rest).unwrap()
    }))
}

fn word() -> impl Strategy<Value = crate::objects::Word> {
    prop_oneof!["", "True", "Job", "CompletionsReached", "[a-zä]{1,300}"]
        .prop_map(|word: String| word.as_str().into())
}

fn labels() -> impl Strategy<Value = Labels> {
    let key = prop_oneof![
        Just(keys::KUEUE_QUEUE.to_owned()),
        Just(keys::HOLD.to_owned()),
        Just(keys::YUNIKORN_APP.to_owned()),
        "[a-z]{0,9}",
    ];
    vec((key, ".{0,200}"), 0..4).prop_map(|pairs| pairs.into_iter().collect())
}

fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    let condition = (word(), word(), word(), time()).prop_map(|(kind, status, reason, time)| {
        Condition { kind, status, reason, last_transition_time: time }
    });
    vec(condition, 0..5)
}

fn meta() -> impl Strategy<Value = Meta> {
    let owner = (word(), word(), ".{0,60}", any::<u128>(), any::<bool>()).prop_map(
        |(api_version, kind, name, uid, controller)| {
            let uid = Uid::from_u128(uid);
            OwnerReference { api_version, kind, name, uid, controller }
        },
    );
    let text = (".{0,260}", "[a-z]{0,9}", "[0-9]{0,20}", any::<i64>());
    let times = (time(), time(), time());
    (text, times, labels(), labels(), vec(owner, 0..3)).prop_map(
        |(text, times, labels, annotations, owner_references)| {
            let (name, namespace, resource_version, generation) = text;
            let (creation_timestamp, deletion_timestamp, kubelet_wrote) = times;
            Meta {
                name,
                namespace,
                uid: UID,
                resource_version,
                generation,
                creation_timestamp,
                deletion_timestamp,
                labels,
                annotations,
                owner_references,
                kubelet_wrote,
            }
        },
    )
}

fn job() -> impl Strategy<Value = Job> {
    let spec = (any::<bool>(), option::of(".{0,20}"), labels(), labels(), word());
    let status = (time(), any::<u32>(), any::<u32>(), conditions());
    let policy = option::of(Just(PodFailurePolicy::default()));
    (meta(), spec, status, policy).prop_map(|(metadata, spec, status, policy)| {
        let (suspend, managed_by, labels, annotations, scheduler_name) = spec;
        let (start_time, active, terminating, conditions) = status;
        let template = PodTemplate {
            metadata: TemplateMeta { labels, annotations },
            spec: PodTemplateSpec { scheduler_name },
        };
        let pod_failure_policy = policy.map(Box::new);
        Job {
            metadata,
            spec: JobSpec { suspend, managed_by, template, pod_failure_policy },
            status: JobStatus { start_time, active, terminating, conditions },
        }
    })
}

fn workload() -> impl Strategy<Value = Workload> {
    let spec = (".{0,60}", option::of(any::<bool>()), any::<i32>(), any::<bool>());
    let given = option::of(Just(Admission { cluster_queue: "q".into(), ..Admission::default() }));
    (meta(), spec, conditions(), given).prop_map(|(metadata, spec, conditions, given)| {
        let (queue_name, active, priority, may_shrink) = spec;
        let spec = WorkloadSpec { queue_name, active, priority, may_shrink };
        let status = WorkloadStatus { conditions, admission: given.map(Arc::new) };
        Workload { metadata, spec, status }
    })
}

proptest! {
    #[test]
    fn a_job_is_unpacked_as_it_was_packed(job in job()) {
        let packed = PackedJob::new(job.clone());
        prop_assert_eq!(packed.version(), &job.metadata.resource_version);
        prop_assert_eq!(packed.namespace(), &job.metadata.namespace);
        prop_assert_eq!(packed.unpack(UID), job);
    }

    #[test]
    fn a_workload_is_unpacked_as_it_was_packed(workload in workload()) {
        let packed = PackedWorkload::new(workload.clone());
        prop_assert_eq!(packed.version(), &workload.metadata.resource_version);
        prop_assert_eq!(packed.reserved(), workload.reserved());
        prop_assert_eq!(packed.is_waiting(), workload.is_waiting());
        prop_assert_eq!(packed.namespace(), &workload.metadata.namespace);
        prop_assert_eq!(packed.unpack(UID), workload);
    }
}

/// What the metadata of a job in a cluster of 50,000 looks like.
fn usual(name: &str, owners: &Value) -> Value {
    json!({"name": name, "namespace": "team-17", "uid": UID, "resourceVersion": "482934723",
           "generation": 1, "creationTimestamp": "2026-11-24T08:00:00Z",
           "labels": {keys::KUEUE_QUEUE: "gpu-queue"}, "ownerReferences": owners})
}

#[test]
fn a_usual_job_and_its_workload_take_few_bytes() {
    let since = "2026-11-24T08:00:01Z";
    let job: Job = serde_json::from_value(json!({
        "metadata": usual("train-resnet-sweep-00417", &json!([])),
        "spec": {"suspend": false, "template": {"metadata": {"labels": {}}}},
        "status": {"startTime": since, "active": 3},
    }))
    .unwrap();
    let conditions: Vec<Value> = ["QuotaReserved", "Admitted", "PodsReady"]
        .iter()
        .map(|kind| json!({"type": kind, "status": "True", "reason": kind, "lastTransitionTime": since}))
        .collect();
    let owners = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "train-resnet-sweep-00417",
                         "uid": UID, "controller": true}]);
    let workload: Workload = serde_json::from_value(json!({
        "metadata": usual("job-train-resnet-sweep-00417-3f2a1", &owners),
        "spec": {"queueName": "gpu-queue", "active": true, "priority": 100},
        "status": {"conditions": conditions},
    }))
    .unwrap();
    let (job, workload) =
        (PackedJob::new(job).bytes.len(), PackedWorkload::new(workload).bytes.len());
    assert!(job <= 96, "a Job takes {job} bytes");
    assert!(workload <= 176, "a Workload takes {workload} bytes");
}
