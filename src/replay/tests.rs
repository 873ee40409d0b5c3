//! What a real driver has recorded, played again.

use std::path::{Path, PathBuf};

use dislodge_engine::input::{Change, Input, Kind};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::driver::tests::stage::{Stage, uid};
use crate::recording::rolling::Place;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dislodge-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn place(&self, most: u64) -> Place {
        Place { folder: self.0.clone(), most, namespace: None }
    }

    /// The recordings, in order.
    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

fn object<T: DeserializeOwned>(value: Value) -> Change<T> {
    Change::Seen(serde_json::from_value(value).unwrap())
}

/// Jobs of three queues: one is stopped, one reported, one audited. Each has three images that fail.
async fn jobs(stage: &Stage, count: u128) {
    for (number, (mode, action)) in
        (10..).zip([("Enforce", "SuspendJob"), ("Enforce", "Report"), ("Audit", "FailJob")])
    {
        stage
            .tell(Input::Policy(object(json!({
                "metadata": {"name": format!("q{number}"), "namespace": "team", "uid": uid(number),
                             "generation": 1, "resourceVersion": "1"},
                "spec": {"mode": mode, "queues": [{"kind": "LocalQueue", "name": format!("q{number}")}],
                    "budget": {"actions": 1000, "windowSeconds": 60},
                    "outage": {"distinctJobs": 100, "windowSeconds": 1},
                    "rules": [{"name": "missing", "causes": ["NotFound"], "action": action,
                               "threshold": {"failedPulls": 1}, "runningPeers": "Stop"}]},
            }))))
            .await;
        let queue = json!({"metadata": {"name": format!("q{number}"), "namespace": "team",
                                        "uid": uid(number + 10)}, "spec": {"clusterQueue": "all"}});
        stage.tell(Input::LocalQueue(object(queue))).await;
    }
    rounds(stage, count, 1).await;
}

/// So often each of these jobs is admitted anew and fails again.
async fn rounds(stage: &Stage, count: u128, times: u32) {
    for round in 0..times {
        for number in 0..count {
            job(stage, number, round).await;
        }
        stage.wait(1).await;
    }
}

async fn job(stage: &Stage, number: u128, round: u32) {
    let (queue, [job, workload, pod]) =
        (format!("q{}", 10 + number % 3), [0, 1, 2].map(|part| uid(1000 + number * 3 + part)));
    let owner = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": format!("train-{number}"),
                        "uid": job, "controller": true}]);
    let meta = |kind: &str, uid: &str, version: u32| {
        json!({"name": format!("{kind}-{number}"), "namespace": "team", "uid": uid,
               "resourceVersion": (round * 10 + version).to_string(), "ownerReferences": owner,
               "labels": {"kueue.x-k8s.io/queue-name": queue}})
    };
    let mut own = meta("train", &job, 1);
    own["ownerReferences"] = json!([]);
    own["annotations"] = json!({"dislodge.dev/note": "password=hunter2"});
    let started = json!({"startTime": "2026-11-24T08:00:00Z", "active": 1});
    stage.tell(Input::Job(object(json!({"metadata": own, "status": started})))).await;
    stage
        .tell(Input::Workload(object(json!({
            "metadata": meta("job-train", &workload, 1), "spec": {"queueName": queue},
            "status": {"conditions": [{"type": "QuotaReserved", "status": "True",
                                       "lastTransitionTime": format!("2026-11-24T{:02}:{:02}:00Z", round / 60, round % 60)}],
                "admission": {"clusterQueue": "all", "podSetAssignments": [
                    {"flavors": {"cpu": "any"}, "resourceUsage": {"cpu": "2"}}]}},
        }))))
        .await;
    let images = ["a", "b", "c"].map(|name| format!("r{}.io/{name}:{number}", number % 97));
    for (version, reason) in [(1, "ContainerCreating"), (2, "ErrImagePull")] {
        let wrote = Timestamp::from_second(stage.clock.wall().as_second()).unwrap();
        let mut metadata = meta("train-x", &pod, version);
        metadata["managedFields"] = json!([{"manager": "kubelet", "subresource": "status",
                                            "time": wrote.to_string()}]);
        let container =
            |image: &String| json!({"name": image[..8].replace(['.', '/'], "-"), "image": image});
        let status = |image: &String| {
            let missing = format!("failed to resolve reference \"{image}\": {image}: not found");
            let message = if reason == "ErrImagePull" { missing } else { String::new() };
            let waiting = json!({"reason": reason, "message": message});
            json!({"name": container(image)["name"], "state": {"waiting": waiting}})
        };
        stage
            .tell(Input::Pod(object(json!({
                "metadata": metadata,
                "spec": {"nodeName": format!("n{}", number % 7),
                         "containers": images.iter().map(container).collect::<Vec<_>>()},
                "status": {"phase": "Pending",
                           "containerStatuses": images.iter().map(status).collect::<Vec<_>>()},
            }))))
            .await;
    }
}

fn replayed(files: &[PathBuf], choice: &Choice) -> Vec<Run> {
    play(open(files).unwrap(), choice).unwrap()
}

fn text(path: &Path) -> String {
    let mut reader = Reader::open(path).unwrap();
    let mut text = String::new();
    while let Some(Item::Standing(frame) | Item::Input(frame)) = reader.item().unwrap() {
        text.push_str(&frame.input.to_string());
    }
    text
}

#[tokio::test(start_paused = true)]
async fn the_first_lists_of_a_large_cluster_are_recorded_whole() {
    const NODES: u128 = 100_000;
    let folder = Folder::new("first-lists");
    let stage = Stage::unlisted((200, ""), Some(folder.place(64 << 20)));
    stage.tell(Input::ListBegun(Kind::Node)).await;
    for number in 1..=NODES {
        let labels = json!({"kubernetes.io/hostname": format!("node-{number}")});
        let metadata =
            json!({"name": format!("node-{number}"), "uid": uid(number), "labels": labels});
        stage.tell(Input::Node(object(json!({"metadata": metadata})))).await;
    }
    stage.tell(Input::ListEnded(Kind::Node)).await;
    stage.taken().await;
    assert!(stage.metrics.text().unwrap().contains("dislodge_recording 1\n"));
    stage.end().await;
    let mut recorded = 0;
    for file in folder.files() {
        let mut reader = Reader::open(&file).unwrap();
        while let Some(item) = reader.item().unwrap() {
            recorded += u128::from(matches!(item, Item::Input(_)));
        }
    }
    assert!(recorded >= NODES + 2, "{recorded}");
}

#[tokio::test(start_paused = true)]
async fn a_replay_of_ten_thousand_decisions_is_the_same_to_the_bit() {
    let folder = Folder::new("replay");
    let stage = Stage::shown_to((200, ""), Some(folder.place(8 << 20))).await;
    jobs(&stage, 60).await;
    rounds(&stage, 60, 175).await;
    stage.wait(120).await;
    stage.end().await;
    let files = folder.files();
    assert!(files.len() > 2, "{files:?}");
    let runs = replayed(&files, &Choice::AsItWas);
    let [run] = &runs[..] else { panic!("{} runs", runs.len()) };
    assert!(run.verified && !run.cut && !run.begins_in_the_middle);
    assert_eq!(run.played.difference, None);
    let decisions = run.played.decisions.len();
    assert!(decisions >= 10_000, "{decisions} decisions");
    let acts = run.played.decisions.iter().filter(|decided| decided.acts).count();
    assert!(acts >= 20, "{acts} actions");
    for file in &files {
        let text = text(file);
        assert!(text.contains("password=***") && !text.contains("hunter2"), "a secret is in it");
    }

    // Without the files before it the last one tells what stands, and is played by itself.
    let runs = replayed(&files[files.len() - 1..], &Choice::AsItWas);
    assert!(!runs[0].verified && runs[0].begins_in_the_middle && runs[0].played.synced);
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_decides_otherwise_says_where() {
    let folder = Folder::new("replay-differs");
    let stage = Stage::shown_to((200, ""), Some(folder.place(64 << 20))).await;
    jobs(&stage, 4).await;
    stage.wait(20).await;
    stage.end().await;
    let files = folder.files();
    let run = &replayed(&files, &Choice::AsItWas)[0];
    assert_eq!(run.played.difference, None);
    let mut player = Player::new(crate::driver::tests::stage::config(), Manner::AsItWas);
    let mut reader = Reader::open(&files[0]).unwrap();
    let mut inputs = 0;
    while let Some(Item::Standing(frame) | Item::Input(frame)) = reader.item().unwrap() {
        // One job is not admitted.
        let text = frame.input.to_string();
        if text.contains("job-train-3") {
            continue;
        }
        inputs += 1;
        player.play(&frame).unwrap();
    }
    let difference = player.end().difference.expect("another decision");
    assert!(difference.input <= inputs && !difference.recorded.is_empty(), "{difference:?}");
}

#[tokio::test(start_paused = true)]
async fn other_policies_decide_what_they_would_have_done() {
    let folder = Folder::new("replay-with");
    let stage = Stage::shown_to((200, ""), Some(folder.place(64 << 20))).await;
    jobs(&stage, 9).await;
    stage.wait(20).await;
    stage.end().await;
    let policy = |causes: &str| {
        let policy = json!({
            "metadata": {"name": "new", "namespace": "team", "uid": uid(7), "resourceVersion": "1"},
            "spec": {"queues": [{"kind": "LocalQueue", "name": "*"}],
                "rules": [{"name": "r", "causes": [causes], "action": "RequeueJob",
                           "threshold": {"failedPulls": 1}}]},
        });
        Choice::Given(vec![serde_json::from_value(policy).unwrap()])
    };
    let run = &replayed(&folder.files(), &policy("NotFound"))[0];
    let acts = run.played.decisions.iter().filter(|decided| decided.acts);
    let acts: Vec<(&str, &str)> =
        acts.map(|decided| (decided.action, decided.policy.as_str())).collect();
    assert_eq!(acts.len(), 9, "each job once, whichever image fails: {:?}", run.played);
    assert!(acts.iter().all(|act| *act == ("RequeueJob", "new")), "{acts:?}");
    let run = &replayed(&folder.files(), &policy("Unauthorized"))[0];
    assert!(run.played.decisions.iter().all(|decided| !decided.acts), "no rule lists the cause");
    let wasted = run.played.wasted.get("cpu").unwrap();
    assert!(wasted.recorded > 0.0 && wasted.until_action >= wasted.recorded, "{wasted:?}");

    // The one beside the other.
    let (ours, theirs) = (policy("NotFound"), policy("Unauthorized"));
    let (ours, theirs) = (replayed(&folder.files(), &ours), replayed(&folder.files(), &theirs));
    let both = compare::compare(&ours[0].played, &theirs[0].played);
    assert_eq!((both.first.jobs_stopped, both.second.jobs_stopped, both.jobs.len()), (9, 0, 9));
    assert!(both.first.held["cpu"] < both.second.held["cpu"], "{both:?}");
    let page = report::page(&ours, &[both], &["a", "b"].map(str::to_owned));
    for part in ["queue team/q10", "team/train-0", "jobs stopped</th><td>9</td><td>0</td>"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("http://") && !page.contains("src="), "it loads nothing");
}
