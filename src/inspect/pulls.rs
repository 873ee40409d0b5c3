//! What the kubelet's Events tell of failed pulls, and when the next pull is due.

use std::time::Duration;

use dislodge_engine::cause::Cause;
use dislodge_engine::message;
use dislodge_engine::record::Run;
use dislodge_engine::timing::Timing;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use serde::Serialize;

/// A pull begins at the kubelet's sync after its pause, so much later at most.
const SYNC: Duration = Duration::from_secs(15);

/// The failed pulls of each image of a Pod, as the kubelet's Events on it tell. They stop after some
/// minutes, so it may have been more; never fewer. The kubelet's own limit on pulls and Events
/// that were combined do not count (kubelet: `image_manager.go`; client-go: `events_cache.go`).
pub fn told(of_pod: &[&Event]) -> Vec<(String, Run)> {
    let failed = |event: &&&Event| event.reason.as_deref() == Some("Failed");
    let mut runs: Vec<(String, Run)> = Vec::new();
    for event in of_pod.iter().filter(failed) {
        let text = event.message.as_deref().unwrap_or_default();
        let Some((image, why)) = failed_image(text) else { continue };
        let Some(last) = last_seen(event) else { continue };
        let first = event.first_timestamp.as_ref().map_or(last, |time| time.0);
        let cause = message::read(Some("ErrImagePull"), why, Some(image)).cause;
        let cause = cause.unwrap_or(Cause::Unknown);
        if cause == Cause::NodeThrottled {
            continue;
        }
        let failed_pulls = count(event);
        match runs.iter_mut().find(|(known, _)| known == image) {
            Some((_, run)) => {
                if last >= run.last {
                    run.cause = cause;
                }
                run.failed_pulls = run.failed_pulls.saturating_add(failed_pulls);
                run.first = run.first.min(first);
                run.last = run.last.max(last);
            }
            None => runs.push((image.to_owned(), Run { cause, failed_pulls, first, last })),
        }
    }
    runs
}

/// The image of an Event of a failed pull, and what the container's status says of it, too.
fn failed_image(text: &str) -> Option<(&str, &str)> {
    let (image, why) = text.strip_prefix("Failed to pull image \"")?.split_once('"')?;
    Some((image, why.trim_start_matches([':', ' '])))
}

fn count(event: &Event) -> u32 {
    let series = event.series.as_ref().and_then(|series| series.count);
    let count = series.or(event.count).unwrap_or(1);
    u32::try_from(count).unwrap_or(1).max(1)
}

/// When it happened last.
pub fn last_seen(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let at = event.event_time.as_ref().map(|time| time.0);
    series.map(|time| time.0).into_iter().chain(last).chain(at).max()
}

/// When an image that has failed is pulled next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "when")]
pub enum NextPull {
    /// Never: the kubelet has found it bad without asking a registry.
    Never,
    /// About then.
    About {
        /// Seconds more or less do not matter: the kubelet looks every ten to fifteen.
        at: Timestamp,
    },
    /// It was due then, and may be running: the kubelet's status is frozen while it pulls.
    Overdue {
        /// When it was due.
        since: Timestamp,
    },
    /// Within five minutes: how often it has failed is not known.
    Soon,
}

/// When the next pull is due. `known`: the count and the times are the Pod's own, and not what one
/// look at it shows.
pub fn next(
    timing: &Timing,
    failed_pulls: u32,
    last: Timestamp,
    known: bool,
    now: Timestamp,
) -> NextPull {
    if !known {
        return NextPull::Soon;
    }
    let pause = timing.pause_after(failed_pulls);
    let at = last.saturating_add(pause).unwrap_or(Timestamp::MAX);
    let latest = at.saturating_add(2 * SYNC).unwrap_or(Timestamp::MAX);
    if now > latest { NextPull::Overdue { since: at } } else { NextPull::About { at } }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::inspect::Snapshot;

    const UID: &str = "5e7595d6-d828-4f9a-81e2-13e9233e05fc";

    fn event(message: &str, count: i32, more: Value) -> Event {
        let mut event = json!({
            "metadata": {"name": "e"}, "involvedObject": {"uid": UID}, "reason": "Failed",
            "message": message, "count": count,
            "firstTimestamp": "2026-11-24T08:00:00Z", "lastTimestamp": "2026-11-24T08:05:00Z",
        });
        if let (Value::Object(event), Value::Object(more)) = (&mut event, more) {
            event.extend(more);
        }
        serde_json::from_value(event).unwrap()
    }

    /// What they tell of the Pod that has that uid.
    fn told_of(events: &[Event]) -> Vec<(String, Run)> {
        let pod = serde_json::from_value(json!({"metadata": {"uid": UID}})).unwrap();
        let seen = Snapshot { pods: vec![pod], events: events.to_vec(), ..Snapshot::default() };
        seen.index().told(&seen.pods[0])
    }

    #[test]
    fn events_of_failed_pulls_are_summed_by_image_and_no_others() {
        let failed = |image: &str, why: &str| format!("Failed to pull image \"{image}\": {why}");
        let events = [
            event(&failed("r.io/a:1", "not found"), 3, json!({})),
            event(
                &failed("r.io/a:1", "429 Too Many Requests"),
                2,
                json!({"lastTimestamp": "2026-11-24T08:07:00Z"}),
            ),
            event(
                &failed(
                    "r.io/b:1",
                    "failed to resolve reference \"r.io/b:1\": r.io/b:1: not found",
                ),
                1,
                json!({}),
            ),
            event(&failed("r.io/a:1", "pull QPS exceeded"), 9, json!({})),
            event("Error: ErrImagePull", 9, json!({})),
            event(
                "(combined from similar events): Failed to pull image \"r.io/a:1\": x",
                9,
                json!({}),
            ),
            event(&failed("r.io/a:1", "not found"), 9, json!({"involvedObject": {"uid": "other"}})),
            event(&failed("r.io/a:1", "not found"), 9, json!({"reason": "BackOff"})),
        ];
        let told = told_of(&events);
        let counted: Vec<_> =
            told.iter().map(|(image, run)| (image.as_str(), run.failed_pulls, run.cause)).collect();
        assert_eq!(
            counted,
            [("r.io/a:1", 5, Cause::RateLimited), ("r.io/b:1", 1, Cause::NotFound)]
        );
    }

    #[test]
    fn the_next_pull_follows_the_kubelets_schedule() {
        let second = |s: i64| Timestamp::from_second(1_000_000 + s).unwrap();
        let next = |n, now| next(&Timing::kubelet(), n, second(0), true, second(now));
        assert_eq!(next(1, 3), NextPull::About { at: second(10) });
        assert_eq!(next(4, 3), NextPull::About { at: second(80) });
        assert_eq!(next(20, 3), NextPull::About { at: second(300) });
        assert_eq!(next(1, 40), NextPull::About { at: second(10) });
        assert_eq!(next(1, 41), NextPull::Overdue { since: second(10) });
        let unknown = super::next(&Timing::kubelet(), 1, second(0), false, second(9));
        assert_eq!(unknown, NextPull::Soon);
    }
}
