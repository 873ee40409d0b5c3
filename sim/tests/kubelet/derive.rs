//! Makes the files in `tests/data` out of recorded watch streams:
//!
//! ```text
//! TRACES=<folder of .jsonl files> cargo test -p dislodge-sim --test kubelet -- --ignored derive
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use dislodge_sim::kubelet::{Container, ContainerKind, Pod};
use dislodge_sim::registry::{Pull, Run};
use serde_json::Value;

use crate::bench::{ms, s};
use crate::recording::{Line, Recording, policy};

/// A pull as it was played; the message of a failed one is taken from the stream.
enum Played {
    Fails(u64),
    Succeeds(u64),
    Hangs,
}
use Played::{Fails, Hangs, Succeeds};

/// The pulls of a case's images: of those whose name contains the text.
type Images = &'static [(&'static str, &'static [Played])];

const CASES: [(&str, Images); 18] = [
    ("tag-not-found", &[("no-such-tag", &[Fails(60)])]),
    ("server-503", &[("down/app", &[Fails(60)])]),
    ("blip-then-slow-pull", &[("blip/", &[Fails(60), Succeeds(190_000)])]),
    ("slow-first-pull", &[("slow/", &[Succeeds(149_900)])]),
    ("appears-after-3-failures", &[("late3/", &[Fails(60), Fails(60), Fails(60), Succeeds(100)])]),
    ("invalid-image-name", &[]),
    ("err-image-never-pull", &[]),
    ("init-bad", &[("no-such-tag", &[Fails(60)])]),
    ("init-good-main-bad", &[("no-such-tag", &[Fails(60)]), ("busybox", &[Succeeds(30)])]),
    ("two-same-image", &[("no-such-tag", &[Fails(60)])]),
    ("running-plus-bad", &[("no-such-tag", &[Fails(60)])]),
    ("hang-forever", &[("hang", &[Hangs])]),
    ("hang-45s-reset", &[("hang45/", &[Fails(90_000)])]),
    ("deleted-while-backing-off", &[("no-such-tag", &[Fails(60)])]),
    ("cond-delete-during-slow-pull", &[("slow/", &[Succeeds(150_300)])]),
    ("phase-failed-plain-backing-off", &[("no-such-tag", &[Fails(60)])]),
    ("image-edited", &[("no-such-tag", &[Fails(60)])]),
    ("cond-delete-running-peer", &[("no-such-tag", &[Fails(60)])]),
];

/// Images whose containers end by themselves: case, part of the name, after how long, exit code.
const ENDING: [(&str, &str, u64, i32); 2] = [
    ("init-good-main-bad", "busybox", 1700, 0),
    ("cond-delete-during-slow-pull", "slow/", 3000, 0),
];

#[test]
#[ignore = "writes tests/data; needs the recorded streams"]
fn derive() {
    let traces = std::env::var("TRACES").expect("set TRACES to the folder of the recorded streams");
    for (case, played) in CASES {
        let stream =
            std::fs::read_to_string(Path::new(&traces).join(format!("{case}.jsonl"))).unwrap();
        let mut text = format!("# {case}: recorded on kubelet 1.36.2 and containerd 1.6.20\n");
        for recording in recordings(case, &stream, played) {
            text.push_str(&recording.write());
        }
        let file = format!("{}/tests/data/{case}.tsv", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(file, text).unwrap();
    }
}

fn recordings(case: &str, stream: &str, played: &[(&str, &[Played])]) -> Vec<Recording> {
    let mut created = BTreeMap::new();
    let mut recordings: BTreeMap<String, Recording> = BTreeMap::new();
    for line in stream.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let at = line["t_ms"].as_u64().unwrap();
        let object = &line["object"];
        if line["kind"] == "Action" {
            let what = object["what"].as_str().unwrap();
            let name = object["name"].as_str().unwrap();
            if what == "create pod" {
                created.insert(name.to_owned(), at);
            } else {
                for (pod, recording) in &mut recordings {
                    if name == "*" || name == pod {
                        let action = action(what, &recording.pod);
                        recording.lines.extend(action.map(|line| (ms(at - created[pod]), line)));
                    }
                }
            }
            continue;
        }
        let name = object["metadata"]["name"].as_str().unwrap();
        let recording = recordings.entry(name.to_owned()).or_insert_with(|| begin(name, object));
        note_messages(recording, object, played);
        let state =
            if line["type"] == "DELETED" { Some("deleted".to_owned()) } else { state(object) };
        let Some(line) = state.map(Line::Seen) else { continue };
        let mut seen =
            recording.lines.iter().rev().filter(|(_, line)| matches!(line, Line::Seen(_)));
        if seen.next().is_none_or(|(_, last)| *last != line) {
            recording.lines.push((ms(at - created[name]), line));
        }
    }
    let mut recordings: Vec<_> = recordings.into_values().collect();
    for recording in &mut recordings {
        let images = images(&recording.pod);
        for (_, part, lasts, exit_code) in ENDING.iter().filter(|(of, ..)| *of == case) {
            let run = Run::lasting(ms(*lasts), *exit_code);
            let image = images.iter().find(|image| image.contains(part));
            recording.runs.extend(image.map(|image| (image.clone(), run)));
        }
    }
    recordings
}

fn begin(name: &str, object: &Value) -> Recording {
    let spec = &object["spec"];
    let mut pod = Pod::new(name, "recorded", name);
    pod.grace = s(spec["terminationGracePeriodSeconds"].as_u64().unwrap());
    for (list, kind) in
        [("initContainers", ContainerKind::Init), ("containers", ContainerKind::Main)]
    {
        for container in spec[list].as_array().into_iter().flatten() {
            let text = |field: &str| container[field].as_str().unwrap();
            let mut spec = Container::new(kind, text("name"), text("image"));
            spec.pull_policy = policy(text("imagePullPolicy"));
            pod.containers.push(spec);
        }
    }
    Recording { pod, pulls: Vec::new(), runs: Vec::new(), lines: Vec::new() }
}

fn images(pod: &Pod) -> Vec<String> {
    pod.containers.iter().map(|container| container.image.to_string()).collect()
}

/// Adds the pulls of the pod's images once their error is known, or where there is none.
fn note_messages(recording: &mut Recording, object: &Value, played: &[(&str, &[Played])]) {
    let statuses =
        ["initContainerStatuses", "containerStatuses"].map(|list| &object["status"][list]);
    for image in images(&recording.pod) {
        let Some((_, pulls)) = played.iter().find(|(part, _)| image.contains(part)) else {
            continue;
        };
        if recording.pulls.iter().any(|(known, _)| *known == image) {
            continue;
        }
        let waiting = statuses
            .iter()
            .flat_map(|list| list.as_array().into_iter().flatten())
            .filter(|status| status["image"] == image.as_str())
            .map(|status| &status["state"]["waiting"])
            .find(|waiting| waiting["reason"] == "ErrImagePull");
        let message = waiting.and_then(|waiting| waiting["message"].as_str());
        if message.is_none() && pulls.iter().any(|pull| matches!(pull, Fails(_))) {
            continue;
        }
        recording.pulls.extend(pulls.iter().map(|pull| {
            let pull = match pull {
                Fails(after) => {
                    Pull::Fails { after: ms(*after), message: message.unwrap().to_owned() }
                }
                Succeeds(after) => Pull::Succeeds { after: ms(*after) },
                Hangs => Pull::Hangs,
            };
            (image.clone(), pull)
        }));
    }
}

fn action(what: &str, pod: &Pod) -> Option<Line> {
    match what {
        "delete pod" => Some(Line::Delete(pod.grace)),
        "patch pod status: phase=Failed" => Some(Line::Fail),
        "patch pod spec image -> good" => Some(Line::Edit(crate::bench::GOOD.to_owned())),
        "kubelet stopped" => Some(Line::Stopped),
        "kubelet started" => Some(Line::Started),
        _ => None,
    }
}

/// The phase and the reason of each container; nothing before the kubelet's first status.
fn state(object: &Value) -> Option<String> {
    let status = &object["status"];
    status["startTime"].as_str()?;
    let mut text = status["phase"].as_str()?.to_owned();
    for list in ["initContainerStatuses", "containerStatuses"] {
        for container in status[list].as_array().into_iter().flatten() {
            let (state, detail) = container["state"].as_object()?.iter().next()?;
            let reason = if state == "running" { "Running" } else { detail["reason"].as_str()? };
            text.extend([" ", container["name"].as_str()?, "=", reason]);
        }
    }
    Some(text)
}
