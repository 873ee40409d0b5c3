//! Whose a Pod is, and what can be done about the kinds that own one.

use serde_json::json;

use super::kinds::{OWNER, reference, with_action, workload};
use super::stage::{JOB, MISSING, POD, Stage, short, uid};
use super::{enforce, marks_of};
use crate::effect::Outcome;
use crate::input::{Change, Input};
use crate::objects::{Job, Pod};

/// The chains of owners that each kind's Pods have, from the Pod up to what Kueue admits, and whether the last
/// controls the Workload. A `Job` among them is looked at.
#[test]
fn each_kind_that_kueue_manages_is_decided_on_as_what_its_workload_stands_for() {
    let (stops, reports) = (Some("NoFailLever"), None);
    let rows: [(&[&str], bool, Option<&str>); 15] = [
        (&["PyTorchJob"], true, stops),
        (&["RayCluster"], true, stops),
        (&["RayCluster", "RayJob"], true, stops),
        (&["Job", "RayJob"], true, stops),
        (&["RayCluster", "RayService"], true, stops),
        (&["MPIJob"], true, stops),
        (&["Job", "MPIJob"], true, stops),
        (&["Job", "MPIJob", "AppWrapper"], true, stops),
        (&["PyTorchJob", "AppWrapper"], true, stops),
        (&["SparkApplication"], true, stops),
        (&["StatefulSet", "LeaderWorkerSet"], false, stops),
        (&["Job", "JobSet", "TrainJob"], true, stops),
        (&["StatefulSet"], false, reports),
        (&["DaemonSet"], true, reports),
        (&["ReplicaSet", "Deployment"], true, reports),
    ];
    for (chain, controls, fallback) in rows {
        let number =
            |place: usize| if place + 1 == chain.len() { OWNER } else { JOB + place as u128 };
        let above = |place: usize| reference(chain[place], "x", number(place));
        let mut owner = above(chain.len() - 1);
        owner[0]["controller"] = json!(controls);
        let mut stage = Stage::new();
        stage.policy(with_action("FailJob"));
        stage.queue();
        workload(&mut stage, &owner, true, &json!({}));
        for (place, kind) in chain.iter().enumerate().filter(|(place, _)| place + 1 < chain.len()) {
            let object = json!({"metadata": {"name": "x", "namespace": "a", "uid": uid(number(place)),
                                             "ownerReferences": above(place + 1)}});
            match *kind {
                "Job" => {
                    stage.give(Input::Job(Change::Seen(serde_json::from_value(object).unwrap())));
                }
                "JobSet" => {
                    stage
                        .give(Input::JobSet(Change::Seen(serde_json::from_value(object).unwrap())));
                }
                _ => {}
            }
        }
        for (reason, seconds) in [("ContainerCreating", 1), ("ErrImagePull", 0)] {
            stage.next_version();
            let waits = json!({"waiting": {"reason": reason, "message": MISSING}});
            let mut pod: Pod = stage.pod_object(POD, waits);
            pod.metadata.owner_references = serde_json::from_value(above(0)).unwrap();
            pod.metadata.annotations.insert("kueue.x-k8s.io/workload".to_owned(), "w".to_owned());
            stage.give(Input::Pod(Change::Seen(pod)));
            stage.wait(seconds);
        }
        let effects = stage.answer(Outcome::Applied);
        let expected =
            if fallback.is_some() { "hold Workload" } else { "event ImagePullFailed Report" };
        assert_eq!(short(&effects), [expected], "{chain:?}");
        if let Some(fallback) = fallback {
            let marks = marks_of(&effects);
            let word = marks["dislodge.dev/held"].as_str().unwrap();
            assert!(word.contains(fallback), "{chain:?}: {word}");
        }
    }
}

/// A copy of a running job's YAML, with another image: Kueue had written the name of the running job's
/// Workload into the template that was copied.
#[test]
fn a_copy_of_a_job_s_template_does_not_stop_the_job_whose_workload_it_names() {
    let copy = |kind: &str| reference(kind, "copy", JOB + 7);
    // Whose Workload it is; what makes the Pods of the copy; whether that is seen, and by whom it was made.
    let by_mpi = Some(reference("MPIJob", "mpi", 0x5009));
    let rows = [
        (reference("Job", "train", JOB), copy("Job"), Some(None)),
        (reference("Job", "train", JOB), copy("Job"), None),
        (reference("Job", "train", JOB), copy("ReplicaSet"), None),
        (
            reference("JobSet", "llm", OWNER),
            copy("Job"),
            Some(Some(reference("JobSet", "l2", 0x5008))),
        ),
        (reference("PyTorchJob", "bert", OWNER), copy("PyTorchJob"), None),
        (reference("PyTorchJob", "bert", OWNER), copy("Job"), Some(None)),
        (reference("MPIJob", "other", OWNER), copy("Job"), Some(by_mpi)),
    ];
    for (n, (owner, by, seen)) in rows.into_iter().enumerate() {
        for pod_first in [false, true] {
            let mut stage = Stage::new();
            stage.policy(
                json!({"mode": "Enforce", "queues": [{"kind": "LocalQueue", "name": "gpu"}],
                "rules": enforce(1)["rules"]}),
            );
            stage.queue();
            stage.job(json!({}));
            workload(&mut stage, &owner, true, &json!({}));
            let maker = seen.clone().map(|above| -> Job {
                serde_json::from_value(json!({
                    "metadata": {"name": "copy", "namespace": "a", "uid": uid(JOB + 7),
                                 "ownerReferences": above.unwrap_or_else(|| json!([]))},
                    "status": {"startTime": "2026-11-24T08:00:00Z"},
                }))
                .unwrap()
            });
            if let (Some(maker), false) = (&maker, pod_first) {
                stage.give(Input::Job(Change::Seen(maker.clone())));
            }
            for (reason, seconds) in [("ContainerCreating", 1), ("ErrImagePull", 0)] {
                stage.next_version();
                let waits = json!({"waiting": {"reason": reason, "message": MISSING}});
                let mut pod: Pod = stage.pod_object(POD, waits);
                pod.metadata.owner_references = serde_json::from_value(by.clone()).unwrap();
                pod.metadata
                    .annotations
                    .insert("kueue.x-k8s.io/workload".to_owned(), "w".to_owned());
                stage.give(Input::Pod(Change::Seen(pod)));
                if let (Some(maker), true) = (&maker, pod_first) {
                    stage.give(Input::Job(Change::Seen(maker.clone())));
                }
                stage.wait(seconds);
            }
            let effects = short(&stage.answer(Outcome::Applied));
            let stopped = effects.iter().any(|effect| effect.starts_with("hold"));
            assert!(!stopped, "row {n}, {pod_first}: {effects:?}");
        }
    }
}
