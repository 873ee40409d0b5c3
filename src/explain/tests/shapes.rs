//! Pods in every shape that matters, alone and as a Job's under a policy.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::scene::{JOB, job, merge, policy, seen};
use super::{found, is_answer};
use crate::explain::finding::{Finding, State};

/// The shapes that the engine's own tests read, a line each.
const SHAPES: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/engine/tests/pods/fixtures.jsonl"));

/// The Pod by itself, and as the Pod of a Job that a policy governs with the default rules.
pub(super) fn both(pod: &Value, now: Timestamp) -> [Finding; 2] {
    let name = pod["metadata"]["name"].as_str().unwrap();
    let mut owned = pod.clone();
    let by = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "train", "uid": JOB,
        "controller": true}]);
    merge(&mut owned["metadata"], json!({"namespace": "team-a", "ownerReferences": by}));
    let governed = policy(json!({"rules": null}), json!({}));
    let alone = seen(std::slice::from_ref(pod));
    let under = seen(&[job(None, json!({}), json!({})), owned, governed]);
    [found(&alone, &format!("pod/{name}"), now), found(&under, "job/train", now)]
}

#[test]
fn each_shape_of_a_pod_gets_an_answer() {
    let now: Timestamp = "2026-11-24T08:10:00Z".parse().unwrap();
    let mut count = 0;
    for line in SHAPES.lines() {
        let shape: Value = serde_json::from_str(line).unwrap();
        let (id, what) = (&shape["id"], &shape["what"]);
        let findings = both(&shape["pod"], now);
        for (finding, governed) in findings.iter().zip([false, true]) {
            is_answer(finding, governed).unwrap_or_else(|wrong| panic!("{id} {what}: {wrong}"));
            // What is read as an image failure is stuck, and nothing else is.
            let fails = !shape["cause"].is_null();
            assert_eq!(finding.state == State::Stuck, fails, "{id} {what}: {finding:#?}");
            let says = finding
                .images
                .iter()
                .any(|image| image.evidence.is_some() || image.cause.as_str() == "Unknown");
            let known = shape.get("before").is_none();
            assert!(!fails || says || !known, "{id} {what}: no evidence: {finding:#?}");
        }
        count += 1;
    }
    assert_eq!(count, 41);
}
