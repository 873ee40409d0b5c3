//! Marks of a hold on another object than the one that was held: a job created anew from its own YAML, or what
//! a backup has restored.

use serde_json::{Value, json};

use super::stage::{JOB, POD, Stage, short, uid};
use super::{enforce, marks_of};
use crate::effect::{Effect, Outcome};
use crate::input::{Change, Input};
use crate::objects::Job;

/// The Job that its maker has created anew.
const AGAIN: u128 = JOB + 1;

fn with(action: &str, max_seconds: u32) -> Value {
    let mut spec = enforce(1);
    spec["rules"][0]["action"] = json!(action);
    spec["hold"] = json!({"maxSeconds": max_seconds});
    spec
}

/// What stands on a Job without a queue that was held by this policy.
fn marks(spec: &Value) -> Value {
    let mut stage = Stage::new();
    stage.policy(spec.clone());
    stage.job_with(json!({}), json!({}), json!({}));
    stage.pod(POD, "ContainerCreating", "");
    stage.first_failure(POD);
    marks_of(&stage.answer(Outcome::Applied))
}

fn again(stage: &mut Stage, labels: &Value, annotations: &Value, suspend: bool) {
    let mut annotations = annotations.clone();
    annotations.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let job: Job = serde_json::from_value(json!({
        "metadata": {"name": "train", "namespace": "a", "uid": uid(AGAIN), "labels": labels,
                     "resourceVersion": stage.next_version(), "annotations": annotations},
        "spec": {"suspend": suspend}, "status": {},
    }))
    .unwrap();
    stage.give(Input::Job(Change::Seen(job)));
}

#[test]
fn a_job_created_anew_from_its_own_yaml_is_neither_ended_nor_started_by_the_old_hold() {
    let rows = [("FailJob", 0), ("SuspendJob", 600), ("RequeueJob", 0)];
    for (action, max_seconds) in rows {
        let spec = with(action, max_seconds);
        let mut copied = marks(&spec);
        copied["dislodge.dev/resumes"] = json!("2");
        copied["dislodge.dev/resumed"] = copied["dislodge.dev/hold"].clone();
        let mut stage = Stage::new();
        stage.policy(spec);
        again(&mut stage, &json!({}), &copied, true);
        let effects = stage.answer(Outcome::Applied);
        assert_eq!(short(&effects), ["clear Job"], "{action}");
        let patch = effects.iter().find_map(|effect| match effect {
            Effect::Lever { patch, .. } => Some(patch),
            _ => None,
        });
        let patch = patch.unwrap();
        assert_eq!(patch.body.get("spec"), None, "{action}: it stays as its maker wrote it");
        let cleared = patch.body["metadata"]["annotations"].as_object().unwrap();
        for mark in ["hold", "then", "resume-at", "held", "resumes", "resumed", "requeues"] {
            assert_eq!(cleared[&format!("dislodge.dev/{mark}")], Value::Null, "{action} {mark}");
        }
        stage.wait(3600);
        assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "{action}: until it is seen");
        again(&mut stage, &json!({}), &json!({}), true);
        stage.wait(3600);
        assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "{action}: nor afterwards");
    }
}

#[test]
fn what_a_job_under_a_queue_was_told_before_it_was_created_anew_is_taken_back() {
    let mut told = marks(&with("SuspendJob", 0));
    told["dislodge.dev/resumes"] = json!("2");
    let mut stage = Stage::new();
    stage.policy(with("SuspendJob", 0));
    stage.queue();
    let queue = json!({"kueue.x-k8s.io/queue-name": "gpu"});
    again(&mut stage, &queue, &told, true);
    stage.admitted(); // another job of the namespace, for a Workload that is not this one's
    let effects = short(&stage.answer(Outcome::Applied));
    assert!(!effects.iter().any(|effect| effect.starts_with("finish")), "{effects:?}");
}

#[test]
fn a_hold_of_a_version_that_did_not_say_whose_it_is_counts_as_the_job_s_own() {
    let mut old = marks(&with("FailJob", 0));
    old["dislodge.dev/hold"] = json!("00f1c2d3e4b5a697");
    let mut stage = Stage::new();
    stage.policy(with("FailJob", 0));
    again(&mut stage, &json!({}), &old, true);
    let effects = short(&stage.answer(Outcome::Applied));
    assert_eq!(effects, ["event ImagePullFailed FailJob", "finish Job"]);
}
