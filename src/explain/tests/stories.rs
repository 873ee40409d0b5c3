//! Each way in which a job stands, and what its owner is told.

use serde_json::{Value, json};

use super::scene::{
    IMAGE, ago, counted, failed, held, job, missing, now, pod, policy, seen, told, workload,
};
use super::{found, is_answer, shown};
use crate::explain::finding::{Source, State};
use crate::explain::subject::find;

/// A Job without a queue, its Pod, and a policy.
fn plain(policy: Value) -> Vec<Value> {
    vec![job(None, json!({}), json!({})), missing(), policy]
}

/// A story: objects, how the Job stands, and what is said somewhere on the page.
type Story = (&'static str, Vec<Value>, State, &'static [&'static str]);

#[expect(clippy::too_many_lines, reason = "a table")]
fn stories() -> Vec<Story> {
    let none = || json!({});
    let suspended =
        || json!({"spec": {"suspend": true}, "status": {"startTime": null, "active": 0}});
    let ended = || {
        json!({"status": {"conditions": [
            {"type": "Failed", "status": "True", "reason": "ImagePullFailed"}]}})
    };
    let paused = json!({"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1,
        "lastTransitionTime": ago(9), "reason": "Paused",
        "message": "an operator has paused everything: drill"}]});
    vec![
        (
            "first sight alone",
            plain(policy(none(), none())),
            State::Stuck,
            &[
                "1 failed pull or more",
                "after 2 more failed pulls: the job is suspended",
                "within 5 minutes",
                "push the image",
                "dislodge ignore train",
            ],
        ),
        (
            "the controller counts",
            plain(policy(none(), counted(2, "Counting", None))),
            State::Stuck,
            &[
                "2 failed pulls in 80 s; the newest 20 s ago",
                "after 1 more failed pull: the job",
                "about 08:10:00 UTC (now)",
                "\"missing\": SuspendJob after 3 failed pulls",
            ],
        ),
        (
            "the controller counts no more",
            plain(policy(none(), {
                let mut counted = counted(2, "Counting", None);
                counted["failing"][0]["firstFailureTime"] = json!(ago(280));
                counted["failing"][0]["lastFailureTime"] = json!(ago(200));
                counted
            })),
            State::Stuck,
            &[
                "2 failed pulls in 80 s; the newest 3 min ago",
                "nothing, as long as no controller counts: the last of the pulls has failed by 08:09:40 UTC",
                "`dislodge check` tells of the controller",
                "next pull within 5 minutes",
            ],
        ),
        (
            "the threshold is reached",
            plain(policy(none(), counted(3, "Waiting", Some("NextFailure")))),
            State::Stuck,
            &["the threshold is reached; at the next failed pull: the job is suspended", "in 20 s"],
        ),
        (
            "the kubelet's Events count where no controller does",
            [plain(policy(none(), none())), vec![failed(2)]].concat(),
            State::Stuck,
            &["2 failed pulls in 80 s, as the kubelet's Events tell", "after 1 more failed pull"],
        ),
        (
            "Audit",
            plain(policy(json!({"mode": "Audit"}), counted(1, "Counting", None))),
            State::Stuck,
            &["gpu (Audit)", "in mode Enforce the job would be suspended"],
        ),
        (
            "no policy",
            vec![job(None, none(), none()), missing()],
            State::Stuck,
            &["no policy governs this job"],
        ),
        (
            "no rule lists the cause",
            plain(policy(
                json!({"rules": [{"name": "tls", "causes": ["Tls"],
                "threshold": {"failedPulls": 1}, "action": "SuspendJob"}]}),
                none(),
            )),
            State::Stuck,
            &["no rule of the policy lists this cause"],
        ),
        (
            "a policy that no controller has seen",
            plain(policy(none(), json!({"observedGeneration": -1}))),
            State::Stuck,
            &["no controller has looked at yet"],
        ),
        (
            "everything is paused",
            plain(policy(none(), paused)),
            State::Stuck,
            &["paused: drill", "nothing yet: an operator has paused everything"],
        ),
        (
            "the budget, as the controller alone knows",
            plain(policy(none(), counted(3, "Waiting", Some("Budget")))),
            State::Stuck,
            &["the policy's budget is used up (20 actions in 600 s)"],
        ),
        (
            "its owner ignores it",
            vec![
                job(None, json!({"dislodge.dev/ignore": "debugging"}), none()),
                missing(),
                policy(none(), counted(3, "Reported", Some("Ignored"))),
            ],
            State::Stuck,
            &["debugging", "its owner keeps Dislodge off it"],
        ),
        (
            "people have resumed it twice",
            vec![
                job(None, json!({"dislodge.dev/resumes": "2"}), none()),
                missing(),
                policy(none(), counted(3, "Reported", Some("Overridden"))),
            ],
            State::Stuck,
            &["have the last word", "resumed by people 2 times"],
        ),
        (
            "an image that no registry is asked for",
            vec![
                job(None, none(), none()),
                pod("InvalidImageName", ""),
                policy(
                    json!({"rules": [{"name": "invalid", "causes": ["InvalidReference"],
                    "threshold": {"failedPulls": 2, "failingSeconds": 80}, "action": "FailJob"}]}),
                    none(),
                ),
            ],
            State::Stuck,
            &["without asking a registry", "in 60 s, without another pull: the job is stopped"],
        ),
        (
            "a queue without a word of its Workload",
            vec![job(Some("gpu"), none(), none()), missing(), policy(none(), none())],
            State::Stuck,
            &["LocalQueue gpu", "not known", "whether the job holds quota"],
        ),
        (
            "a queue",
            vec![
                job(Some("gpu"), none(), none()),
                missing(),
                policy(none(), none()),
                workload(true, none()),
            ],
            State::Stuck,
            &["LocalQueue gpu, holds quota since 08:05:20 UTC (4 min ago)"],
        ),
        (
            "held until a person resumes it",
            vec![
                job(Some("gpu"), told(), suspended()),
                policy(none(), none()),
                workload(false, held(none())),
            ],
            State::Held,
            &[
                "is held by Dislodge",
                "policy gpu, rule \"missing\"",
                "until a person resumes it",
                "dislodge resume train -n team-a",
                "push the image",
            ],
        ),
        (
            "held, by a person who may not read Workloads",
            vec![job(Some("gpu"), told(), suspended()), policy(none(), none())],
            State::Held,
            &["dislodge resume train -n team-a", "which may not be read here"],
        ),
        (
            "held, to come back",
            vec![
                job(Some("gpu"), told(), suspended()),
                policy(none(), none()),
                workload(
                    false,
                    held(json!({"dislodge.dev/resume-at": "2026-11-24T08:30:00Z",
                    "dislodge.dev/requeues": "1"})),
                ),
            ],
            State::Held,
            &["not before 08:30:00 UTC (in 20 min)", "resume it sooner"],
        ),
        (
            "held, to be failed",
            vec![
                job(Some("gpu"), told(), suspended()),
                policy(none(), none()),
                workload(false, held(json!({"dislodge.dev/then": "Fail"}))),
            ],
            State::Held,
            &["ended as failed once its Pods are gone"],
        ),
        (
            "held, to be failed, but Audit does nothing new",
            vec![
                job(Some("gpu"), told(), suspended()),
                policy(json!({"mode": "Audit"}), none()),
                workload(false, held(json!({"dislodge.dev/then": "Fail"}))),
            ],
            State::Held,
            &["it is not ended as failed, as its policy is not in mode Enforce"],
        ),
        (
            "held, no longer than the policy says",
            vec![
                job(Some("gpu"), told(), suspended()),
                policy(json!({"hold": {"maxSeconds": 660}}), none()),
                workload(false, held(none())),
            ],
            State::Held,
            &["ended as failed at 08:20:00 UTC (in 10 min)"],
        ),
        (
            "held, and its resume is asked for",
            vec![
                {
                    let mut asked = told();
                    asked["dislodge.dev/resume"] = json!("7c692aab");
                    job(Some("gpu"), asked, suspended())
                },
                policy(none(), none()),
                workload(false, held(none())),
            ],
            State::Held,
            &["that was asked for"],
        ),
        (
            "ended by Dislodge",
            vec![job(None, told(), ended())],
            State::Failed,
            &["was ended as failed by Dislodge", "create the job anew"],
        ),
        (
            "failed by itself",
            vec![job(
                None,
                none(),
                json!({"status": {"conditions": [
                {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}}),
            )],
            State::Healthy,
            &["has failed (BackoffLimitExceeded)"],
        ),
        (
            "complete",
            vec![job(
                None,
                none(),
                json!({"status": {"conditions": [
                {"type": "Complete", "status": "True", "reason": ""}]}}),
            )],
            State::Healthy,
            &["has ended"],
        ),
        (
            "waits for quota",
            vec![job(Some("gpu"), none(), suspended()), {
                let mut waiting = workload(true, none());
                waiting["status"]["conditions"] = json!([]);
                waiting
            }],
            State::Healthy,
            &["has no quota: it waits in LocalQueue gpu"],
        ),
        (
            "stopped by somebody else",
            vec![job(Some("gpu"), none(), suspended()), workload(false, none())],
            State::Healthy,
            &["is stopped, and not by Dislodge"],
        ),
        (
            "suspended by a person",
            vec![job(None, none(), suspended())],
            State::Healthy,
            &["is suspended, and not by Dislodge"],
        ),
        ("no Pod yet", vec![job(None, none(), none())], State::Healthy, &["has no Pod now"]),
        (
            "pulls again, after failures that were counted",
            vec![
                job(None, none(), none()),
                pod("ContainerCreating", ""),
                policy(none(), counted(2, "Counting", None)),
            ],
            State::Healthy,
            &["2 failed pulls before, and none is shown now"],
        ),
        (
            "pulls",
            vec![job(None, none(), none()), pod("ContainerCreating", "")],
            State::Healthy,
            &["is well: its Pod waits for its images, for 20 s: no pull has failed"],
        ),
    ]
}

#[test]
fn a_name_in_two_namespaces_is_not_guessed() {
    let mut other = job(None, json!({}), json!({}));
    other["metadata"]["namespace"] = json!("team-b");
    other["metadata"]["uid"] = json!("00000000-0000-0000-0000-0000000000ab");
    let objects = [plain(policy(json!({}), json!({}))), vec![other]].concat();
    let job = "job/train".parse().unwrap();
    let both = find(&seen(&objects), &job, None).unwrap_err().to_string();
    assert!(both.contains("namespaces: team-a, team-b; choose one with -n"), "{both}");
    for (namespace, is_stuck) in [("team-a", true), ("team-b", false)] {
        let mut seen = seen(&objects);
        seen.keep(namespace).unwrap();
        let finding = found(&seen, "job/train", now());
        assert_eq!(finding.subject.namespace, namespace);
        assert_eq!(finding.state == State::Stuck, is_stuck, "{finding:#?}");
    }
    assert!(seen(&objects).keep("team-c").is_err());
}

#[test]
fn each_way_in_which_a_job_stands_is_told_with_what_follows_and_what_to_do() {
    for (story, objects, state, says) in stories() {
        let finding = found(&seen(&objects), "job/train", now());
        assert_eq!(finding.state, state, "{story}: {finding:#?}");
        let governed = finding.policy.is_some();
        is_answer(&finding, governed).unwrap_or_else(|wrong| panic!("{story}: {wrong}"));
        let page = shown(&finding);
        let words: Vec<&str> = page.split_whitespace().collect();
        let flat = words.join(" ");
        for part in says {
            assert!(flat.contains(part), "{story}: {part:?} is not on the page:\n{page}");
        }
    }
}

#[test]
fn the_exit_code_tells_the_state() {
    let codes = [State::Healthy, State::Stuck, State::Failed, State::Held].map(State::exit_code);
    assert_eq!(codes, [0, 2, 2, 3]);
}

#[test]
fn a_pod_and_a_workload_lead_to_the_same_job() {
    let objects = vec![
        job(Some("gpu"), json!({}), json!({})),
        missing(),
        policy(json!({}), counted(2, "Counting", None)),
        workload(true, json!({})),
    ];
    let seen = seen(&objects);
    let of_job = found(&seen, "train", now());
    for named in ["pod/train-x7k2p", "workload/job-train-1"] {
        let finding = found(&seen, named, now());
        assert_eq!(finding.job, of_job.job, "{named}");
        assert_eq!((finding.state, &finding.next), (of_job.state, &of_job.next), "{named}");
    }
}

#[test]
fn many_pods_that_fail_alike_are_one_image() {
    let mut objects = plain(policy(json!({}), json!({})));
    for number in 1..4 {
        let mut other = missing();
        other["metadata"]["uid"] = json!(format!("00000000-0000-0000-0000-00000000010{number}"));
        other["metadata"]["name"] = json!(format!("train-{number}"));
        objects.push(other);
    }
    let finding = found(&seen(&objects), "train", now());
    assert_eq!((finding.images.len(), finding.images[0].pods), (1, 4));
    assert!(shown(&finding).contains("and 3 more Pods"), "{}", shown(&finding));
}

#[test]
fn the_controllers_count_goes_before_the_events() {
    let mut objects = plain(policy(json!({}), counted(2, "Counting", None)));
    objects.push(failed(9));
    let finding = found(&seen(&objects), "train", now());
    let pulls = finding.images[0].failed_pulls;
    assert_eq!((pulls.count, pulls.source), (2, Source::Controller));
}

#[test]
fn nothing_that_a_terminal_obeys_and_no_secret_gets_through() {
    let evil = "\u{1b}[2J\u{9b}31m password=hunter2 not found";
    let mut annotations = told();
    annotations["dislodge.dev/ignore"] = json!(evil);
    annotations["dislodge.dev/held"] = json!(evil);
    annotations["dislodge.dev/held-image"] = json!("https://bob:hunter2@r.io/a:1");
    let mut stuck = pod("ErrImagePull", evil);
    stuck["spec"]["containers"][0]["image"] = json!("bob:hunter2@r.io/a:1");
    let suspended = json!({"spec": {"suspend": true}});
    for objects in [
        vec![job(None, annotations.clone(), json!({})), stuck, policy(json!({}), json!({}))],
        vec![job(Some("gpu"), annotations, suspended), policy(json!({}), json!({}))],
    ] {
        let finding = found(&seen(&objects), "train", now());
        assert_ne!(finding.state, State::Healthy);
        let mut json = Vec::new();
        crate::explain::data(&finding, crate::explain::Form::Json, &mut json).unwrap();
        let mut yaml = Vec::new();
        crate::explain::data(&finding, crate::explain::Form::Yaml, &mut yaml).unwrap();
        for text in [shown(&finding).into_bytes(), json, yaml] {
            let text = String::from_utf8(text).unwrap();
            for part in ["\u{1b}", "\u{9b}", "hunter2"] {
                assert!(!text.contains(part), "{text:?}");
            }
        }
    }
}

#[test]
fn the_fields_of_json_are_these() {
    let finding =
        found(&seen(&plain(policy(json!({}), counted(2, "Counting", None)))), "train", now());
    let value = serde_json::to_value(&finding).unwrap();
    for (pointer, expected) in [
        ("/state", json!("Stuck")),
        ("/subject/kind", json!("Job")),
        ("/job/name", json!("train")),
        ("/policy/mode", json!("Enforce")),
        ("/images/0/image", json!(IMAGE)),
        ("/images/0/container", json!("main")),
        ("/images/0/cause", json!("NotFound")),
        ("/images/0/evidence", json!("not found")),
        ("/images/0/failedPulls/count", json!(2)),
        ("/images/0/failedPulls/source", json!("Controller")),
        ("/images/0/nextPull/when", json!("about")),
        ("/images/0/rule/name", json!("missing")),
        ("/images/0/rule/failedPulls", json!(3)),
        ("/steps/1/command", json!("dislodge ignore train --reason 'why' -n team-a")),
    ] {
        assert_eq!(value.pointer(pointer), Some(&expected), "{pointer}: {value:#}");
    }
}
