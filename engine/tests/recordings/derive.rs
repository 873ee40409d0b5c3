//! Makes the files in `data` out of recorded watch streams:
//!
//! ```text
//! TRACES=<folder of .jsonl files> cargo test -p dislodge-engine --test recordings -- --ignored derive
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use crate::recording::file;
use crate::truth::Oracle;

#[test]
#[ignore = "writes tests/recordings/data; needs the recorded streams"]
fn derive() {
    let traces = std::env::var("TRACES").expect("set TRACES to the folder of the recorded streams");
    for entry in std::fs::read_dir(Path::new(&traces)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            let case = path.file_stem().unwrap().to_str().unwrap();
            let stream = std::fs::read_to_string(&path).unwrap();
            std::fs::write(file(case), derived(case, &stream)).unwrap();
        }
    }
}

/// The Pod of a watch event.
struct Seen {
    at: u64,
    event: String,
    uid: String,
    pod: Value,
}

fn derived(case: &str, stream: &str) -> String {
    let lines = stream.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let seen: Vec<Seen> = lines
        .filter(|line| line["kind"] == "Pod")
        .map(|line| Seen {
            at: line["t_ms"].as_u64().unwrap(),
            event: line["type"].as_str().unwrap().to_lowercase(),
            uid: line["object"]["metadata"]["uid"].as_str().unwrap().to_owned(),
            pod: line["object"].clone(),
        })
        .collect();

    let wall = wall(&seen);
    let second = |time: i64| time - wall.div_euclid(1000);
    let mut text = format!("# {case}: recorded on kubelet 1.36.2 and containerd 1.6.20\n");
    writeln!(text, "wall\t{wall}").unwrap();
    let mut messages = Vec::new();
    for message in seen.iter().flat_map(|seen| statuses(&seen.pod)).filter_map(message) {
        if !messages.contains(&message) {
            assert!(!message.contains(['\t', '\n']), "{case}: {message}");
            writeln!(text, "message\t{}\t{message}", messages.len()).unwrap();
            messages.push(message);
        }
    }

    let mut pods: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    let mut truths: Vec<Oracle> = Vec::new();
    for Seen { at, event, uid, pod } in &seen {
        if !pods.contains_key(uid.as_str()) {
            let created = second(time(&pod["metadata"]["creationTimestamp"]));
            let name = pod["metadata"]["name"].as_str().unwrap();
            writeln!(text, "pod\t{}\t{name}\t{created}", pods.len()).unwrap();
            pods.insert(uid, (pods.len(), String::new()));
            truths.push(Oracle::default());
        }
        let (number, spec) = pods.get_mut(uid.as_str()).unwrap();
        let newest = self::spec(pod, &mounts(&seen, uid));
        if *spec != newest {
            write!(text, "spec\t{number}\n{newest}").unwrap();
            *spec = newest;
        }
        write!(text, "{at}\t{event}\t{number}\t{}", head(pod)).unwrap();
        write!(text, "\t{}", writers(pod).map_or_else(|| "-".to_owned(), second_text(&second)))
            .unwrap();
        for status in statuses(pod) {
            write!(text, "\t{}", state(status, &messages)).unwrap();
        }
        text.push('\n');
        if event != "deleted" {
            truths[*number].see(pod, *at);
        }
    }
    for (uid, (number, _)) in &pods {
        for truth in &truths[*number].truths {
            let then = seen.iter().filter(|seen| seen.at == truth.at && seen.uid == *uid);
            assert_eq!(then.count(), 1, "{case}: the time does not tell the event: {truth:?}");
        }
    }
    for (number, oracle) in truths.iter().enumerate() {
        for truth in &oracle.truths {
            writeln!(text, "{}\t{number}\t{}\t{}", truth.what, truth.image, truth.at).unwrap();
        }
    }
    text
}

/// The wall clock at millisecond 0: as early as it can have been. Nothing was seen before the
/// second in which it was written, and some things were seen right after their second began.
fn wall(seen: &[Seen]) -> i64 {
    let earliest = |seen: &Seen| {
        let created = time(&seen.pod["metadata"]["creationTimestamp"]);
        let wrote = writers(&seen.pod).map_or(created, |(kubelet, _)| kubelet.max(created));
        wrote * 1000 - i64::try_from(seen.at).unwrap()
    };
    seen.iter().map(earliest).max().unwrap()
}

fn time(value: &Value) -> i64 {
    value.as_str().unwrap().parse::<Timestamp>().unwrap().as_second()
}

fn list<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    object[field].as_array().into_iter().flatten()
}

fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    let status = &pod["status"];
    list(status, "initContainerStatuses").chain(list(status, "containerStatuses"))
}

fn message(status: &Value) -> Option<String> {
    Some(status["state"]["waiting"]["message"].as_str()?.to_owned())
}

/// The image volumes that the containers of a Pod mount: the streams have them in the status.
fn mounts(seen: &[Seen], uid: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut mounts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Seen { pod, .. } in seen.iter().filter(|seen| seen.uid == uid) {
        let images: Vec<&str> = list(&pod["spec"], "volumes")
            .filter(|volume| volume["image"].is_object())
            .map(|volume| volume["name"].as_str().unwrap())
            .collect();
        for status in statuses(pod) {
            let names = list(status, "volumeMounts").map(|mount| mount["name"].as_str().unwrap());
            let names = names.filter(|name| images.contains(name)).map(str::to_owned);
            let container = status["name"].as_str().unwrap().to_owned();
            mounts.entry(container).or_default().extend(names);
        }
    }
    mounts
}

fn spec(pod: &Value, mounts: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut text = String::new();
    for (field, kind) in [("initContainers", "init"), ("containers", "main")] {
        for container in list(&pod["spec"], field) {
            let name = container["name"].as_str().unwrap();
            let kind = if container["restartPolicy"] == "Always" { "sidecar" } else { kind };
            let policy = container["imagePullPolicy"].as_str().unwrap();
            let image = container["image"].as_str().unwrap();
            write!(text, "{kind}\t{name}\t{policy}\t{image}").unwrap();
            if let Some(volumes) = mounts.get(name).filter(|volumes| !volumes.is_empty()) {
                let volumes: Vec<&str> = volumes.iter().map(String::as_str).collect();
                write!(text, "\t{}", volumes.join(",")).unwrap();
            }
            text.push('\n');
        }
    }
    for volume in list(&pod["spec"], "volumes").filter(|volume| volume["image"].is_object()) {
        let name = volume["name"].as_str().unwrap();
        let reference = volume["image"]["reference"].as_str().unwrap();
        let policy = volume["image"]["pullPolicy"].as_str().unwrap();
        writeln!(text, "volume\t{name}\t{policy}\t{reference}").unwrap();
    }
    text
}

/// Phase and generation.
fn head(pod: &Value) -> String {
    let mut text = pod["status"]["phase"].as_str().unwrap().to_owned();
    if pod["metadata"]["deletionTimestamp"].is_string() {
        text.push('!');
    }
    let generation = pod["metadata"]["generation"].as_i64().unwrap();
    write!(text, "\t{generation}").unwrap();
    match pod["status"]["observedGeneration"].as_i64() {
        None => text.push_str("/-"),
        Some(observed) if observed == generation => {}
        Some(observed) => write!(text, "/{observed}").unwrap(),
    }
    text
}

/// When the kubelet last wrote the status, and when somebody else last did.
fn writers(pod: &Value) -> Option<(i64, Option<i64>)> {
    let newest = |kubelet: bool| {
        list(&pod["metadata"], "statusWriters")
            .filter(|writer| writer["subresource"] == "status")
            .filter(|writer| (writer["manager"] == "kubelet") == kubelet)
            .map(|writer| time(&writer["time"]))
            .max()
    };
    Some((newest(true)?, newest(false)))
}

fn second_text(second: &impl Fn(i64) -> i64) -> impl Fn((i64, Option<i64>)) -> String {
    move |(kubelet, other)| {
        let other = other.map(|other| format!("+{}", second(other))).unwrap_or_default();
        format!("{}{other}", second(kubelet))
    }
}

fn state(status: &Value, messages: &[String]) -> String {
    let state = &status["state"];
    let mut text = format!("{}=", status["name"].as_str().unwrap());
    if let Some(waiting) = state["waiting"].as_object() {
        let reason = waiting["reason"].as_str().unwrap();
        assert!(!reason.contains(['#', '@', '\t']), "{reason}");
        text.push_str(reason);
        if let Some(message) = message(status) {
            let number = messages.iter().position(|known| *known == message).unwrap();
            write!(text, "#{number}").unwrap();
        }
    } else {
        let running = state["running"].is_object();
        text.push_str(if running { "running" } else { "terminated" });
    }
    if status["imageID"].as_str().is_some_and(|id| !id.is_empty()) {
        text.push('@');
    }
    text
}
