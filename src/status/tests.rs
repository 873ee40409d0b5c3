//! What is shown of a namespace, and how.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::overview::{Overview, overview};
use super::page;
use crate::inspect::Snapshot;
use crate::terminal::Screen;

const IMAGE: &str = "r.io/team/app:1";

fn uid(number: u32) -> String {
    format!("00000000-0000-0000-0000-{number:012x}")
}

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// A queue with one job that is stuck, one that is held, and one that runs.
fn seen() -> Snapshot {
    let told = json!({"dislodge.dev/hold": "7c692aab", "dislodge.dev/held": "3 failed pulls",
        "dislodge.dev/held-cause": "NotFound", "dislodge.dev/held-image": IMAGE,
        "dislodge.dev/held-rule": "missing", "dislodge.dev/held-at": "2026-11-24T08:09:00Z"});
    let mut held = told.clone();
    held["dislodge.dev/hold-policy"] = json!("gpu");
    let job = |name: &str, number: u32, annotations: &Value, suspend: bool| {
        object(json!({
            "metadata": {"name": name, "namespace": "a", "uid": uid(number), "annotations": annotations,
                "labels": {"kueue.x-k8s.io/queue-name": "gpu"}},
            "spec": {"suspend": suspend}, "status": {"startTime": "2026-11-24T08:05:00Z"},
        }))
    };
    let workload = |name: &str, number: u32, annotations: &Value, active: bool| {
        let reserved = if active { "True" } else { "False" };
        object(json!({
            "metadata": {"name": format!("job-{name}"), "namespace": "a", "uid": uid(number + 100),
                "annotations": annotations, "ownerReferences": [{"apiVersion": "batch/v1",
                    "kind": "Job", "name": name, "uid": uid(number), "controller": true}]},
            "spec": {"queueName": "gpu", "active": active},
            "status": {"conditions": [{"type": "QuotaReserved", "status": reserved,
                    "lastTransitionTime": "2026-11-24T08:05:00Z"}],
                "admission": {"clusterQueue": "all", "podSetAssignments": [{
                    "flavors": {"nvidia.com/gpu": "a100"}, "resourceUsage": {"nvidia.com/gpu": "8"}}]}},
        }))
    };
    let pod = |number: u32, state: Value| {
        object(json!({
            "metadata": {"name": format!("p{number}"), "namespace": "a", "uid": uid(number + 200),
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "x",
                    "uid": uid(number), "controller": true}]},
            "spec": {"nodeName": "n", "containers": [{"name": "main", "image": IMAGE}]},
            "status": {"phase": "Pending", "containerStatuses": [{"name": "main", "state": state}]},
        }))
    };
    let words = format!("failed to resolve reference \"{IMAGE}\": {IMAGE}: not found");
    let policy = object(json!({
        "metadata": {"name": "gpu", "namespace": "a", "uid": uid(300)},
        "spec": {"mode": "Enforce", "queues": [{"kind": "LocalQueue", "name": "gpu"}]},
        "status": {"observedGeneration": 1, "heldJobs": 1,
            "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1,
                "lastTransitionTime": "2026-11-24T08:00:00Z", "reason": "Governing", "message": ""}],
            "budget": {"windowStartTime": "2026-11-24T08:04:00Z", "reserved": 20},
            "actions": {"suspended": 4},
            "outages": [{"host": "down.example", "sinceTime": "2026-11-24T08:01:00Z",
                "distinctJobs": 5}],
            "recentActions": [{"time": "2026-11-24T08:09:00Z", "job": "sweep", "image": IMAGE,
                "cause": "NotFound", "action": "SuspendJob", "outcome": "Applied"}]},
    }));
    Snapshot {
        jobs: vec![
            job("train", 1, &json!({}), false),
            job("sweep", 2, &told, true),
            job("good", 3, &json!({}), false),
        ],
        workloads: vec![
            workload("train", 1, &json!({}), true),
            workload("sweep", 2, &held, false),
            workload("good", 3, &json!({}), true),
        ],
        pods: vec![
            pod(1, json!({"waiting": {"reason": "ErrImagePull", "message": words}})),
            pod(3, json!({"running": {}})),
        ],
        local_queues: vec![object(json!({
            "metadata": {"name": "gpu", "namespace": "a", "uid": uid(301)},
            "spec": {"clusterQueue": "all"}}))],
        policies: vec![policy],
        ..Snapshot::default()
    }
}

fn looked() -> Overview {
    let now: Timestamp = "2026-11-24T08:10:00Z".parse().unwrap();
    overview(&seen(), Some("a"), now)
}

#[test]
fn quota_is_held_back_by_stuck_jobs_alone() {
    let value = serde_json::to_value(looked()).unwrap();
    for (pointer, expected) in [
        ("/queues/0/name", json!("gpu")),
        ("/queues/0/clusterQueue", json!("all")),
        ("/queues/0/policy", json!("gpu")),
        ("/queues/0/stuckJobs", json!(1)),
        ("/queues/0/heldJobs", json!(1)),
        ("/queues/0/heldBack", json!({"nvidia.com/gpu": "8"})),
        ("/stuck/0/name", json!("train")),
        ("/stuck/0/threshold", json!(3)),
        ("/holds/0/name", json!("sweep")),
        ("/holds/0/action", json!("SuspendJob")),
        ("/policies/0/budget/reserved", json!(20)),
        ("/policies/0/budget/until", json!("2026-11-24T08:14:00Z")),
        ("/recent/0/policy", json!("gpu")),
    ] {
        assert_eq!(value.pointer(pointer), Some(&expected), "{pointer}: {value:#}");
    }
}

#[test]
fn the_page_has_a_table_for_each_and_fits_the_terminal() {
    for (width, wide) in [(Some(80), false), (Some(160), false), (None, true)] {
        let mut out = Vec::new();
        page::write(&looked(), wide, Screen { width, colours: false }, &mut out).unwrap();
        let page = String::from_utf8(out).unwrap();
        let flat = page.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "gpu Enforce yes 1 0 20/20, anew in 4 min 4 ",
            "gpu gpu 1 1 nvidia.com/gpu: 8",
            "train gpu 1 of 3 NotFound Counting",
            "sweep gpu 60 s ago NotFound waits for a person",
            "60 s ago sweep suspended gpu NotFound",
            "registry down.example counts as down since 08:01:00 UTC",
        ] {
            assert!(flat.contains(part), "{part:?} is not on the page:\n{page}");
        }
        if let Some(width) = width {
            let widest = page.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= width, "{widest} of {width}:\n{page}");
        }
    }
}

#[test]
fn a_frame_is_written_over_the_last_one_and_never_scrolls() {
    let text = |page: &str, rows| String::from_utf8(super::frame(page.as_bytes(), rows)).unwrap();
    assert_eq!(text("a\nb\n", Some(24)), "\u{1b}[Ha\u{1b}[K\nb\u{1b}[K\n\u{1b}[J");
    let cut = text(&"line\n".repeat(30), Some(24));
    assert_eq!(cut.matches('\n').count(), 23);
    assert!(cut.contains("... and 8 more lines"), "{cut:?}");
}
