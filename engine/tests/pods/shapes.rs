//! Pods in every shape that matters: what is read from each, and what is counted.

use std::time::Duration;

use dislodge_engine::cause::Cause;
use dislodge_engine::objects::Pod;
use dislodge_engine::observe::{Failure, ImageSeen, Observation, Standing, observe};
use dislodge_engine::record::{Arrival, PodHistory, Run, Runs};
use dislodge_engine::time::Now;
use dislodge_engine::timing::Timing;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// A line of `fixtures.jsonl`.
#[derive(Deserialize)]
struct Fixture {
    id: String,
    what: String,
    /// What is read; `None`: no failure of an image.
    cause: Option<String>,
    /// What becomes of the count.
    act: String,
    /// What was known before.
    #[serde(default)]
    before: Before,
    /// The image that it is about, where it is not the container's.
    image: Option<String>,
    pod: Value,
}

#[derive(Default, Deserialize)]
struct Before {
    cause: Option<String>,
    failures: Option<u32>,
}

fn fixtures() -> Vec<Fixture> {
    let lines = include_str!("fixtures.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn cause(name: &str) -> Cause {
    Cause::ALL.into_iter().find(|cause| cause.as_str() == name).unwrap()
}

fn failure(standing: Standing) -> Option<Failure> {
    match standing {
        Standing::Once(f) | Standing::Window(f) | Standing::Unasked(f) => Some(f),
        Standing::BackOff(f) => Some(f.unwrap_or(Failure { cause: Cause::Unknown })),
        Standing::Wanted
        | Standing::Blocked
        | Standing::Pulled
        | Standing::Crashing
        | Standing::Unclear => None,
    }
}

#[test]
fn each_shape_of_a_pod_is_read_as_it_is_meant() {
    let fixtures = fixtures();
    assert_eq!(fixtures.len(), 41);
    for Fixture { id, what, cause, before, image, pod, .. } in fixtures {
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let seen = observe(&pod);
        let failing: Vec<(&str, Cause)> = seen
            .iter()
            .flat_map(|seen| &seen.images)
            .filter_map(|image| Some((image.image, failure(image.standing)?.cause)))
            .collect();
        // A back-off without words: the cause is remembered from the window before.
        let cause =
            cause.map(|cause| if before.cause.is_some() { "Unknown".to_owned() } else { cause });
        let causes: Vec<String> = failing.iter().map(|(_, cause)| cause.to_string()).collect();
        assert_eq!(causes, Vec::from_iter(cause), "{id} {what}");
        if let Some(image) = image {
            assert_eq!(failing[0].0, image, "{id} {what}");
        }
    }
}

#[test]
fn each_shape_of_a_pod_counts_what_it_should() {
    let second = |s: i64| Timestamp::from_second(1_000_000 + s).unwrap();
    for Fixture { id, what, act, before, pod, cause: read, .. } in fixtures() {
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let mut history = PodHistory::default();
        let known = before.failures.unwrap_or_else(|| before.cause.iter().map(|_| 1).sum());
        let image = pod.spec.init_containers.iter().chain(&pod.spec.containers).next();
        let image = image.map(|container| container.image.clone()).unwrap_or_default();
        if known > 0 {
            let cause = before.cause.as_deref().map_or(Cause::NotFound, cause);
            let run = Run { cause, failed_pulls: known, first: second(0), last: second(70) };
            let mut shown = Observation::default();
            let standing = Standing::Wanted;
            shown.images.push(ImageSeen {
                image: &image,
                container: "",
                standing,
                always: false,
                started: None,
            });
            history.restore(&shown, 0, Runs::of(run));
        }
        let now = Now { elapsed: Duration::from_secs(100), wall: second(100) };
        let arrival = Arrival { listed: true, wrote: Some(second(99)) };
        if let Some(seen) = observe(&pod) {
            history.record(&seen, arrival, now, &Timing::kubelet(), |_| None);
        }
        let counted: u32 = history.tracks().map(|(_, track)| track.runs.failed_pulls()).sum();
        let expected = match act.as_str() {
            // Without a memory the failure of a back-off counts as one, of whatever cause.
            "count"
            | "count_if_first_sight"
            | "count_one_per_image"
            | "fast"
            | "hold_until_cause_known" => 1,
            "weight_0" | "ignore" | "done" | "reset_counters" | "reset_and_clear_condition" => 0,
            "no_new_count" | "hold_keep_counters" => known,
            // A pull may be running, or none was tried. What is seen for the first time counts.
            "hold" => u32::from(matches!(id.as_str(), "F32" | "F33")),
            other => panic!("{id}: {other} is no act"),
        };
        assert_eq!(counted, expected, "{id} {what}");
        let once = history.tracks().any(|(_, track)| track.once.is_some());
        assert_eq!(once, act == "fast", "{id} {what}");
        if let (Some(read), 1) = (read, expected) {
            let newest = history.tracks().find_map(|(_, track)| track.runs.newest_cause());
            assert_eq!(newest, Some(cause(&read)), "{id} {what}");
        }
    }
}
