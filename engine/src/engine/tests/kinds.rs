//! Jobs of other kinds than `Job`: what carries the lever, who is told, and what can't be done.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::stage::{JOB, MISSING, POD, Stage, WORKLOAD, short, uid};
use super::{enforce, marks_of, status_of};
use crate::effect::{Effect, Merge, Outcome, Part, Patch, Target, TargetKind};
use crate::input::{Change, Input, Kind};
use crate::objects::{Job, JobSet, Pod, Workload};

/// A JobSet, or whatever else owns the Workload.
pub(super) const OWNER: u128 = 0x5000;

pub(super) fn with_action(action: &str) -> Value {
    let mut spec = enforce(1);
    spec["rules"][0]["action"] = json!(action);
    spec
}

pub(super) fn reference(kind: &str, name: &str, number: u128) -> Value {
    let group = match kind {
        "Job" => "batch/v1",
        "JobSet" => "jobset.x-k8s.io/v1alpha2",
        _ => "kubeflow.org/v1",
    };
    json!([{"apiVersion": group, "kind": kind, "name": name, "uid": uid(number), "controller": true}])
}

/// The JobSet as it is with these annotations.
fn job_set(stage: &mut Stage, queue: bool, suspend: bool, annotations: &Value) {
    let labels = if queue { json!({"kueue.x-k8s.io/queue-name": "gpu"}) } else { json!({}) };
    let version = stage.next_version();
    let set: JobSet = serde_json::from_value(json!({
        "metadata": {"name": "llm", "namespace": "a", "uid": uid(OWNER), "labels": labels,
                     "resourceVersion": version, "annotations": annotations,
                     "creationTimestamp": "2026-11-24T08:00:00Z"},
        "spec": {"suspend": suspend},
        "status": {"conditions": [{"type": "StartupPolicyCompleted", "status": "True"}]},
    }))
    .unwrap();
    stage.give(Input::JobSet(Change::Seen(set)));
}

/// One of its Jobs.
fn child(stage: &mut Stage, suspend: bool, more: &Value) {
    let mut job = json!({
        "metadata": {"name": "llm-workers-0", "namespace": "a", "uid": uid(JOB),
                     "resourceVersion": stage.next_version(),
                     "ownerReferences": reference("JobSet", "llm", OWNER)},
        "spec": {"suspend": suspend},
        "status": if suspend { json!({}) } else { json!({"startTime": "2026-11-24T08:00:00Z"}) },
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        job["spec"][field] = value.clone();
    }
    let job: Job = serde_json::from_value(job).unwrap();
    stage.give(Input::Job(Change::Seen(job)));
}

pub(super) fn workload(stage: &mut Stage, owner: &Value, active: bool, annotations: &Value) {
    let reserved = json!([{"type": "QuotaReserved", "status": "True",
                           "lastTransitionTime": "2026-11-24T08:10:00Z"}]);
    let workload: Workload = serde_json::from_value(json!({
        "metadata": {"name": "w", "namespace": "a", "uid": uid(WORKLOAD), "generation": 1,
                     "resourceVersion": stage.next_version(), "annotations": annotations,
                     "ownerReferences": owner},
        "spec": {"queueName": "gpu", "active": active},
        "status": {"conditions": if active { reserved } else { json!([]) }},
    }))
    .unwrap();
    stage.give(Input::Workload(Change::Seen(workload)));
}

/// A Pod of an owner that is not looked at: it names its Workload.
fn foreign_pod(stage: &mut Stage, reason: &str, message: &str) {
    stage.next_version();
    let waits = json!({"waiting": {"reason": reason, "message": message}});
    let mut pod: Pod = stage.pod_object(POD, waits);
    pod.metadata.owner_references =
        serde_json::from_value(reference("PyTorchJob", "bert", OWNER)).unwrap();
    pod.metadata.annotations.insert("kueue.x-k8s.io/workload".to_owned(), "w".to_owned());
    stage.give(Input::Pod(Change::Seen(pod)));
}

fn lever(effects: &[Effect]) -> (&Target, &Patch) {
    let lever = effects.iter().find_map(|effect| match effect {
        Effect::Lever { target, patch, .. } => Some((target, patch)),
        _ => None,
    });
    lever.unwrap_or_else(|| panic!("{effects:?}"))
}

#[test]
fn a_job_set_without_a_queue_is_suspended_whole_and_told_in_one_patch() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    job_set(&mut stage, false, false, &json!({}));
    child(&mut stage, false, &json!({}));
    stage.pod(POD, "ContainerCreating", "");
    stage.first_failure(POD);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["hold JobSet"]);
    let (target, patch) = lever(&effects);
    assert_eq!((target.kind, target.uid.to_string()), (TargetKind::JobSet, uid(OWNER)));
    assert_eq!(patch.body["spec"], json!({"suspend": true}), "its Jobs follow by themselves");
    let marks = marks_of(&effects);
    job_set(&mut stage, false, true, &marks);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["event ImagePullFailed SuspendJob"]);
    let told = effects.iter().any(|effect| {
        matches!(effect, Effect::Publish(event)
            if event.note.contains("annotate jobset llm dislodge.dev/resume="))
    });
    assert!(told, "{effects:?}");
}

#[test]
fn a_job_set_under_kueue_is_stopped_by_its_workload_and_told_on_itself() {
    for pod_first in [false, true] {
        let mut stage = Stage::new();
        stage.policy(enforce(1));
        stage.queue();
        if pod_first {
            stage.pod(POD, "ContainerCreating", "");
        }
        child(&mut stage, false, &json!({}));
        job_set(&mut stage, true, false, &json!({}));
        workload(&mut stage, &reference("JobSet", "llm", OWNER), true, &json!({}));
        if !pod_first {
            stage.pod(POD, "ContainerCreating", "");
        }
        stage.first_failure(POD);
        let effects = stage.answer(Outcome::Applied);
        assert_eq!(short(&effects), ["hold Workload"]);
        let marks = marks_of(&effects);
        workload(&mut stage, &reference("JobSet", "llm", OWNER), false, &marks);
        let effects = stage.answer(Outcome::Applied);
        assert_eq!(short(&effects), ["event ImagePullFailed SuspendJob", "explain +6 -0"]);
        let on_set = effects.iter().any(|effect| {
            matches!(effect, Effect::Explain { target, .. } if target.uid.to_string() == uid(OWNER))
        });
        assert!(on_set, "{effects:?}");
    }
}

#[test]
fn a_job_set_is_ended_in_one_patch_once_its_jobs_are_suspended_and_its_pods_gone() {
    let mut stage = Stage::new();
    stage.policy(with_action("FailJob"));
    job_set(&mut stage, false, false, &json!({}));
    child(&mut stage, false, &json!({}));
    stage.pod(POD, "ContainerCreating", "");
    stage.first_failure(POD);
    let marks = marks_of(&stage.answer(Outcome::Applied));
    job_set(&mut stage, false, true, &marks);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["event ImagePullFailed FailJob"]);
    stage.no_pod(POD);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "its Job is not suspended yet");
    child(&mut stage, true, &json!({}));
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["finish JobSet"]);
    let (target, patch) = lever(&effects);
    assert!(target.resource_version.is_some(), "pinned");
    assert_eq!((patch.merge, patch.part), (Merge::Json, Part::Status));
    let status = &patch.body["status"];
    assert_eq!(status["terminalState"], "Failed");
    let conditions = status["conditions"].as_array().unwrap();
    let kinds: Vec<&Value> = conditions.iter().map(|condition| &condition["type"]).collect();
    assert_eq!(kinds, ["StartupPolicyCompleted", "Failed"], "a merge patch replaces the list");
}

#[test]
fn the_author_of_a_job_set_decides_by_the_policy_of_the_job_whose_pod_failed() {
    let mut stage = Stage::new();
    stage.policy(with_action("FailJob"));
    job_set(&mut stage, false, false, &json!({}));
    let decides = json!({"podFailurePolicy": {"rules": [{"action": "FailJob",
        "onPodConditions": [{"type": "dislodge.dev/ImagePullFailed", "status": "True"}]}]}});
    child(&mut stage, false, &decides);
    stage.pod(POD, "ContainerCreating", "");
    stage.first_failure(POD);
    let effects = short(&stage.answer(Outcome::Applied));
    assert_eq!(effects, ["end Pod", "event ImagePullFailed FailJob"]);
}

#[test]
fn a_job_set_that_another_system_runs_is_only_reported() {
    for change in [
        json!({"managedBy": "kueue.x-k8s.io/multikueue"}),
        json!({"replicatedJobs": [{"template": {"spec": {"template": {"spec":
            {"schedulerName": "volcano"}}}}}]}),
    ] {
        let mut stage = Stage::new();
        stage.policy(enforce(1));
        job_set(&mut stage, false, false, &json!({}));
        let set: JobSet = serde_json::from_value(json!({
            "metadata": {"name": "llm", "namespace": "a", "uid": uid(OWNER),
                         "creationTimestamp": "2026-11-24T08:00:00Z"},
            "spec": change,
        }))
        .unwrap();
        stage.give(Input::JobSet(Change::Seen(set)));
        child(&mut stage, false, &json!({}));
        stage.pod(POD, "ContainerCreating", "");
        stage.first_failure(POD);
        assert_eq!(short(&stage.answer(Outcome::Applied)), ["event ImagePullFailed Report"]);
    }
}

#[test]
fn what_kueue_alone_knows_is_stopped_by_its_workload_where_all_is_told() {
    let owner = reference("PyTorchJob", "bert", OWNER);
    for (action, pod_first) in [("SuspendJob", false), ("SuspendJob", true), ("FailJob", false)] {
        let mut stage = Stage::new();
        stage.policy(with_action(action));
        stage.queue();
        if pod_first {
            foreign_pod(&mut stage, "ContainerCreating", "");
        }
        workload(&mut stage, &owner, true, &json!({}));
        foreign_pod(&mut stage, "ContainerCreating", "");
        stage.wait(1);
        foreign_pod(&mut stage, "ErrImagePull", MISSING);
        let effects = stage.answer(Outcome::Applied);
        assert_eq!(short(&effects), ["hold Workload"], "{action}");
        assert_eq!(lever(&effects).0.uid.to_string(), uid(WORKLOAD));
        let marks = marks_of(&effects);
        let word = marks["dislodge.dev/held"].as_str().unwrap();
        let why = word.contains("NoFailLever: Dislodge knows no way to end a PyTorchJob");
        assert_eq!(why, action == "FailJob", "{word}");
        workload(&mut stage, &owner, false, &marks);
        let effects = stage.answer(Outcome::Applied);
        assert_eq!(short(&effects), ["event ImagePullFailed SuspendJob"], "told by the one patch");
        stage.wait(10);
        let later = stage.answer(Outcome::Applied);
        let status = status_of(&later).or_else(|| status_of(&effects)).unwrap();
        assert_eq!(status.recent_actions[0].job, "bert", "as its people know it");
        assert_eq!((status.held_jobs, status.actions.suspended), (1, 1));
        let mut asked = marks;
        asked["dislodge.dev/resume"] = asked["dislodge.dev/hold"].clone();
        workload(&mut stage, &owner, false, &asked);
        assert_eq!(short(&stage.answer(Outcome::Applied)), ["resume Workload"]);
    }
}

/// A Pod that Kueue manages itself; with what controls it, if anything does.
fn bare_pod(stage: &mut Stage, pod: u128, by: Option<&str>, reason: &str, marks: &Value) {
    stage.next_version();
    let waits = json!({"waiting": {"reason": reason, "message": MISSING}});
    let mut pod: Pod = stage.pod_object(pod, waits);
    let by = by.map_or_else(|| json!([]), |kind| reference(kind, "x", 0x5002));
    pod.metadata.owner_references = serde_json::from_value(by).unwrap();
    let marks: BTreeMap<String, String> = serde_json::from_value(marks.clone()).unwrap();
    pod.metadata.annotations = marks.into_iter().collect();
    pod.metadata.annotations.insert("kueue.x-k8s.io/workload".to_owned(), "w".to_owned());
    stage.give(Input::Pod(Change::Seen(pod)));
}

/// The owners of the Workload of a Pod alone, and of a group of two.
fn pod_owner(group: bool) -> Value {
    let owner = |pod: u128| {
        json!({"apiVersion": "v1", "kind": "Pod", "name": format!("train-{pod:x}"),
               "uid": uid(pod), "controller": !group})
    };
    if group { json!([owner(POD), owner(POD + 1)]) } else { json!([owner(POD)]) }
}

#[test]
fn pods_that_nothing_makes_anew_are_ended_and_never_stopped() {
    for (group, action, expected) in [
        (false, "FailJob", ["end Pod", "event ImagePullFailed FailJob"].as_slice()),
        (true, "FailJob", &["end Pod", "event ImagePullFailed FailJob"]),
        (false, "SuspendJob", &["event ImagePullFailed Report"]),
        (true, "RequeueJob", &["event ImagePullFailed Report"]),
    ] {
        let mut stage = Stage::new();
        stage.policy(with_action(action));
        stage.queue();
        workload(&mut stage, &pod_owner(group), true, &json!({}));
        bare_pod(&mut stage, POD, None, "ContainerCreating", &json!({}));
        stage.wait(1);
        bare_pod(&mut stage, POD, None, "ErrImagePull", &json!({}));
        let effects = stage.answer(Outcome::Applied);
        assert_eq!(short(&effects), expected, "{group} {action}");
        for effect in &effects {
            match effect {
                Effect::EndPod { patches, .. } => {
                    let marks = patches.get(1).map(|p| &p.body["metadata"]["annotations"]);
                    let lets_end = json!({"kueue.x-k8s.io/retriable-in-group": "false"});
                    assert_eq!(marks, group.then_some(&lets_end));
                    let condition = &patches[0].body["status"]["conditions"][0];
                    assert_eq!(condition["type"], "dislodge.dev/ImagePullFailed");
                }
                Effect::Publish(event) => {
                    let kind = if group { TargetKind::Workload } else { TargetKind::Pod };
                    assert_eq!(event.regarding.kind, kind);
                    let why = event.note.contains("would delete them for good");
                    assert_eq!(why, action != "FailJob", "{}", event.note);
                    let later = event.note.contains("once all its Pods have ended");
                    assert_eq!(later, group && action == "FailJob", "{}", event.note);
                }
                _ => {}
            }
        }
    }
}

/// A Pod of the group as it is, with our condition on it or not, and who lets the group end.
fn member(stage: &mut Stage, marked: bool, unretriable: bool) {
    stage.next_version();
    let waits = json!({"waiting": {"reason": "ErrImagePull", "message": MISSING}});
    let mut pod: Pod = stage.pod_object(POD, waits);
    pod.metadata.owner_references = Vec::new();
    let word =
        unretriable.then(|| ("kueue.x-k8s.io/retriable-in-group".to_owned(), "false".into()));
    let names = ("kueue.x-k8s.io/workload".to_owned(), "w".to_owned());
    pod.metadata.annotations = [names].into_iter().chain(word).collect();
    pod.status.is_marked = marked;
    stage.give(Input::Pod(Change::Seen(pod)));
}

#[test]
fn of_a_member_that_lives_on_our_condition_alone_is_taken_away() {
    for theirs in [false, true] {
        let mut stage = Stage::new();
        stage.policy(with_action("FailJob"));
        stage.queue();
        workload(&mut stage, &pod_owner(true), true, &json!({}));
        bare_pod(&mut stage, POD, None, "ContainerCreating", &json!({}));
        stage.wait(1);
        member(&mut stage, false, theirs);
        let ends = stage.answer(Outcome::Conflict);
        let said = ends.iter().find_map(|effect| match effect {
            Effect::EndPod { patches, .. } => Some(patches.len()),
            _ => None,
        });
        assert_eq!(said, Some(if theirs { 1 } else { 2 }), "{ends:?}");
        stage.policy(enforce(50)); // nothing is to be done any more
        member(&mut stage, true, true);
        stage.wait(10);
        let effects = stage.answer(Outcome::Applied);
        let clears = effects.iter().find_map(|effect| match effect {
            Effect::ClearPod { patch, .. } => Some(&patch.body),
            _ => None,
        });
        let annotations = clears.map(|body| body.pointer("/metadata/annotations"));
        assert_eq!(annotations, Some(None), "Kueue refuses to take back the group's word");
    }
}

#[test]
fn a_copy_of_a_pod_that_names_a_workload_of_others_is_of_no_job() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.admitted();
    stage.next_version();
    let mut copy: Pod =
        stage.pod_object(POD + 7, json!({"waiting": {"reason": "ContainerCreating"}}));
    copy.metadata.owner_references = Vec::new();
    let names = ("kueue.x-k8s.io/workload".to_owned(), "job-train".to_owned());
    copy.metadata.annotations = [names].into_iter().collect();
    stage.give(Input::Pod(Change::Seen(copy.clone())));
    stage.wait(1);
    stage.next_version();
    let fails = json!({"waiting": {"reason": "ErrImagePull", "message": MISSING}});
    copy.status = stage.pod_object(POD + 7, fails).status;
    stage.give(Input::Pod(Change::Seen(copy)));
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
}

#[test]
fn a_job_below_what_is_not_looked_at_is_found_by_the_workload_that_its_pod_names() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.queue();
    let wrapper = reference("AppWrapper", "bundle", OWNER);
    workload(&mut stage, &wrapper, true, &json!({}));
    let launcher: Job = serde_json::from_value(json!({
        "metadata": {"name": "launcher", "namespace": "a", "uid": uid(JOB),
                     "ownerReferences": reference("MPIJob", "mpi", 0x5009)},
        "status": {"startTime": "2026-11-24T08:00:00Z"},
    }))
    .unwrap();
    stage.give(Input::Job(Change::Seen(launcher)));
    for (reason, seconds) in [("ContainerCreating", 1), ("ErrImagePull", 0)] {
        stage.next_version();
        let waits = json!({"waiting": {"reason": reason, "message": MISSING}});
        let mut pod: Pod = stage.pod_object(POD, waits);
        pod.metadata.annotations.insert("kueue.x-k8s.io/workload".to_owned(), "w".to_owned());
        stage.give(Input::Pod(Change::Seen(pod)));
        stage.wait(seconds);
    }
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["hold Workload"]);
}

#[test]
fn a_person_who_starts_what_is_held_by_its_workload_leaves_nothing_of_the_hold_behind() {
    let owner = reference("PyTorchJob", "bert", OWNER);
    let mut stage = Stage::new();
    stage.policy(with_action("RequeueJob"));
    stage.queue();
    workload(&mut stage, &owner, true, &json!({}));
    foreign_pod(&mut stage, "ContainerCreating", "");
    stage.wait(1);
    foreign_pod(&mut stage, "ErrImagePull", MISSING);
    let marks = marks_of(&stage.answer(Outcome::Applied));
    workload(&mut stage, &owner, false, &marks);
    stage.answer(Outcome::Applied);
    workload(&mut stage, &owner, true, &marks);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["clear Workload"], "one patch, and pinned");
    let annotations = &lever(&effects).1.body["metadata"]["annotations"];
    for mark in ["hold", "hold-policy", "resume-at", "held"] {
        assert!(annotations[format!("dislodge.dev/{mark}")].is_null(), "{mark}: {annotations}");
        assert!(annotations.get(format!("dislodge.dev/{mark}")).is_some(), "{mark}");
    }
}

#[test]
fn a_job_set_of_which_one_job_has_ended_before_is_ended_all_the_same() {
    let mut stage = Stage::new();
    stage.policy(with_action("FailJob"));
    job_set(&mut stage, false, false, &json!({}));
    child(&mut stage, false, &json!({}));
    let initializer = |condition: &str| -> Job {
        serde_json::from_value(json!({
            "metadata": {"name": "llm-init-0", "namespace": "a", "uid": uid(JOB + 1),
                         "ownerReferences": reference("JobSet", "llm", OWNER)},
            "status": {"conditions": [{"type": condition, "status": "True"}]},
        }))
        .unwrap()
    };
    stage.pod(POD, "ContainerCreating", "");
    stage.first_failure(POD);
    let marks = marks_of(&stage.answer(Outcome::Applied));
    job_set(&mut stage, false, true, &marks);
    stage.answer(Outcome::Applied);
    stage.no_pod(POD);
    child(&mut stage, true, &json!({}));
    // About to fail is not failed.
    for (condition, ends) in [("FailureTarget", false), ("Complete", true)] {
        let mut fresh = stage_with_child(&marks, initializer(condition));
        let effects = short(&fresh.answer(Outcome::Applied));
        assert_eq!(effects.contains(&"finish JobSet".to_owned()), ends, "{condition}: {effects:?}");
    }
}

/// A held JobSet whose Pods are gone, as a new life finds it, with one more Job.
fn stage_with_child(marks: &Value, other: Job) -> Stage {
    let mut stage = Stage::new();
    stage.policy(with_action("FailJob"));
    stage.give(Input::Job(Change::Seen(other)));
    child(&mut stage, true, &json!({}));
    job_set(&mut stage, false, true, marks);
    stage
}

#[test]
fn pods_that_are_listed_before_their_job_set_are_one_job_to_the_breaker() {
    let mut stage = Stage::unsynced();
    let refused = "failed to pull and unpack image: failed to do request: Head \"https://r.io/v2/\": \
                   dial tcp 10.0.0.1:443: connect: connection refused";
    stage.lead();
    stage.policy(json!({"mode": "Enforce", "queues": [{"kind": "NoQueue"}], "rules": [
        {"name": "net", "causes": ["Network"], "threshold": {"failedPulls": 50}, "action": "SuspendJob"}]}));
    for kind in Kind::ALL {
        stage.give(Input::ListBegun(kind));
    }
    for n in 0..6 {
        let waits = json!({"waiting": {"reason": "ErrImagePull", "message": refused}});
        let mut pod: Pod = stage.pod_object(POD + n, waits);
        pod.metadata.owner_references =
            serde_json::from_value(reference("Job", "llm", JOB + n)).unwrap();
        stage.give(Input::Pod(Change::Listed(pod)));
    }
    for n in 0..6 {
        let job: Job = serde_json::from_value(json!({
            "metadata": {"name": format!("llm-{n}"), "namespace": "a", "uid": uid(JOB + n),
                         "ownerReferences": reference("JobSet", "llm", OWNER)},
        }))
        .unwrap();
        stage.give(Input::Job(Change::Listed(job)));
    }
    job_set(&mut stage, false, false, &json!({}));
    for kind in Kind::ALL {
        if kind != Kind::Policy {
            stage.give(Input::ListEnded(kind));
        }
    }
    stage.policy(json!({"mode": "Enforce", "queues": [{"kind": "NoQueue"}], "rules": [
        {"name": "net", "causes": ["Network"], "threshold": {"failedPulls": 50}, "action": "SuspendJob"}]}));
    stage.give(Input::ListEnded(Kind::Policy));
    stage.wait(20);
    let effects = stage.answer(Outcome::Applied);
    let status = status_of(&effects).unwrap();
    assert!(status.outages.is_empty(), "{:?}", status.outages);
    assert!(!status.failing.is_empty(), "they are seen");
}

#[test]
fn each_pod_of_a_group_that_fails_is_ended() {
    let mut stage = Stage::new();
    stage.policy(with_action("FailJob"));
    stage.queue();
    workload(&mut stage, &pod_owner(true), true, &json!({}));
    for pod in [POD, POD + 1] {
        bare_pod(&mut stage, pod, None, "ContainerCreating", &json!({}));
    }
    stage.wait(1);
    for pod in [POD, POD + 1] {
        bare_pod(&mut stage, pod, None, "ErrImagePull", &json!({}));
    }
    let mut ended = Vec::new();
    for _ in 0..3 {
        for effect in stage.answer(Outcome::Applied) {
            if let Effect::EndPod { target, .. } = effect {
                ended.push(target.uid);
                stage.no_pod(u128::from_str_radix(&target.key.name[6..], 16).unwrap());
            }
        }
        stage.wait(1);
    }
    assert_eq!(ended.len(), 2, "{ended:?}");
}

#[test]
fn the_people_of_a_bare_pod_keep_it_by_a_word_on_it() {
    let mut stage = Stage::new();
    stage.policy(with_action("FailJob"));
    stage.queue();
    workload(&mut stage, &pod_owner(false), true, &json!({}));
    let ignore = json!({"dislodge.dev/ignore": "mine"});
    bare_pod(&mut stage, POD, None, "ContainerCreating", &ignore);
    stage.wait(1);
    bare_pod(&mut stage, POD, None, "ErrImagePull", &ignore);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["event ImagePullFailed Report"]);
}

#[test]
fn what_makes_its_pods_anew_for_ever_is_only_reported() {
    let set = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web",
                      "uid": uid(0x5002)}]);
    for (owner, by) in [(pod_owner(false), "ReplicaSet"), (set, "StatefulSet")] {
        for action in ["FailJob", "SuspendJob", "RequeueJob"] {
            let mut stage = Stage::new();
            stage.policy(with_action(action));
            stage.queue();
            workload(&mut stage, &owner, true, &json!({}));
            bare_pod(&mut stage, POD, Some(by), "ContainerCreating", &json!({}));
            stage.wait(1);
            bare_pod(&mut stage, POD, Some(by), "ErrImagePull", &json!({}));
            let effects = short(&stage.answer(Outcome::Applied));
            assert_eq!(effects, ["event ImagePullFailed Report"], "{by} {action}");
        }
    }
}

#[test]
fn a_pod_whose_workload_goes_is_of_no_job_any_more() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.queue();
    let owner = reference("PyTorchJob", "bert", OWNER);
    workload(&mut stage, &owner, true, &json!({}));
    foreign_pod(&mut stage, "ContainerCreating", "");
    let gone: Workload = serde_json::from_value(json!({
        "metadata": {"name": "w", "namespace": "a", "uid": uid(WORKLOAD)},
    }))
    .unwrap();
    stage.give(Input::Workload(Change::Gone(gone)));
    stage.wait(1);
    foreign_pod(&mut stage, "ErrImagePull", MISSING);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
}
