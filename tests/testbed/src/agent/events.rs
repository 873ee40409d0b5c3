//! The kubelet's events, with the counting and the limit of its recorder.

use std::collections::BTreeMap;
use std::time::Duration;

use dislodge_sim::kubelet::Event;
use k8s_openapi::api::core::v1 as api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::clock::wall_now;
use super::render::{FIELD_MANAGER, second};

/// client-go: tools/record/events_cache.go, `defaultSpamBurst` and `defaultSpamQPS`.
const BURST: u32 = 25;
const REFILL: Duration = Duration::from_secs(300);

/// What the recorder is told.
#[derive(Debug)]
pub(super) enum Note {
    /// The kubelet has an event about a container (`spec.containers{main}`) or the whole pod.
    Event { event: Event, field_path: Option<String>, at: Duration },
    /// The kubelet was restarted: what it counted is lost.
    Restart,
}

/// The recorder of one node. Nothing depends on an event, so one that cannot be written is lost.
pub(super) async fn record(
    client: Client,
    node: String,
    refill: f64,
    mut notes: UnboundedReceiver<Note>,
) {
    let mut counter = Counter::new(REFILL.mul_f64(refill));
    while let Some(note) = notes.recv().await {
        match note {
            Note::Restart => counter = Counter::new(counter.refill),
            Note::Event { event, field_path, at } => {
                let Some(count) = counter.count(&event, field_path.as_deref(), at) else {
                    continue;
                };
                let _lost = write(&client, &node, &event, field_path.as_deref(), &count).await;
            }
        }
    }
}

async fn write(
    client: &Client,
    node: &str,
    event: &Event,
    field_path: Option<&str>,
    count: &Count,
) -> kube::Result<()> {
    let events: Api<api::Event> = Api::namespaced(client.clone(), &event.pod.namespace);
    if count.times > 1 {
        let patch =
            Patch::Strategic(json!({"count": count.times, "lastTimestamp": second(wall_now())}));
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        match events.patch(&count.name, &parameters, &patch).await {
            // The first ones were too many (client-go: tools/record/event.go `recordEvent`).
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            outcome => return outcome.map(drop),
        }
    }
    let object = serde_json::from_value(manifest(node, event, field_path, count))
        .map_err(kube::Error::SerdeError)?;
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.into()), dry_run: false };
    events.create(&parameters, &object).await.map(drop)
}

fn manifest(node: &str, event: &Event, field_path: Option<&str>, count: &Count) -> Value {
    let now = second(wall_now());
    json!({
        "metadata": {"name": count.name, "namespace": &*event.pod.namespace},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": &*event.pod.namespace,
            "name": &*event.pod.name, "uid": &*event.pod.uid, "fieldPath": field_path},
        "reason": event.kind.reason(), "message": &*event.message, "type": event.kind.severity(),
        "source": {"component": "kubelet", "host": node},
        "reportingComponent": "kubelet", "reportingInstance": node,
        "firstTimestamp": now, "lastTimestamp": now, "count": count.times,
    })
}

/// How often an event has happened, and under which name it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Count {
    name: String,
    times: u32,
}

/// Equal events are one object with a count; each pod has a bucket for each type, so that a pod that
/// fails for long goes silent (measured: after about 200 s).
#[derive(Debug)]
struct Counter {
    refill: Duration,
    counts: BTreeMap<String, Count>,
    buckets: BTreeMap<(String, &'static str), (Duration, f64)>,
    named: u32,
}

impl Counter {
    const fn new(refill: Duration) -> Self {
        Self { refill, counts: BTreeMap::new(), buckets: BTreeMap::new(), named: 0 }
    }

    /// The event's count; nothing where it is one too many.
    fn count(&mut self, event: &Event, field_path: Option<&str>, at: Duration) -> Option<Count> {
        let pod = &event.pod;
        let full = (at, f64::from(BURST));
        let (last, tokens) =
            self.buckets.entry((pod.uid.to_string(), event.kind.severity())).or_insert(full);
        let gained = at.saturating_sub(*last).as_secs_f64() / self.refill.as_secs_f64();
        (*last, *tokens) = (at, (*tokens + gained).min(f64::from(BURST)));
        let key = format!("{} {field_path:?} {} {}", pod.uid, event.kind.reason(), event.message);
        self.named += 1;
        let fresh = || Count {
            name: format!("{}.{:x}{:x}", pod.name, wall_now().as_microsecond(), self.named),
            times: 0,
        };
        let count = self.counts.entry(key).or_insert_with(fresh);
        // Counted before it is dropped, so that the next one that is written makes up for it.
        count.times += 1;
        if *tokens < 1.0 {
            return None;
        }
        *tokens -= 1.0;
        Some(count.clone())
    }
}

#[cfg(test)]
mod tests {
    use dislodge_sim::kubelet::{EventKind, PodKey};

    use super::*;

    fn event(kind: EventKind) -> Event {
        Event {
            pod: PodKey { uid: "u".into(), namespace: "n".into(), name: "p".into() },
            container: Some("main".into()),
            kind,
            message: "text".into(),
        }
    }

    #[test]
    fn equal_events_are_counted_in_one_object() {
        let mut counter = Counter::new(REFILL);
        let mut count = |kind| counter.count(&event(kind), None, Duration::ZERO).unwrap();
        let first = count(EventKind::Pulling);
        assert_eq!(count(EventKind::Pulling), Count { times: 2, ..first.clone() });
        assert_eq!(count(EventKind::Failed).times, 1);
    }

    #[test]
    fn a_pod_that_has_said_too_much_is_silent_until_its_bucket_fills_again() {
        let mut counter = Counter::new(REFILL);
        let mut written = |at| counter.count(&event(EventKind::BackOff), None, at).is_some();
        let all = (0..40).filter(|_| written(Duration::ZERO)).count();
        assert_eq!(all, 25);
        assert!(!written(Duration::from_secs(299)));
        assert!(written(Duration::from_secs(301)));
        assert!(!written(Duration::from_secs(302)));
    }

    #[test]
    fn an_event_that_is_not_written_is_counted_all_the_same() {
        let mut counter = Counter::new(REFILL);
        let mut count = |at| counter.count(&event(EventKind::BackOff), None, at);
        (0..40).for_each(|_| drop(count(Duration::ZERO)));
        assert_eq!(count(Duration::from_secs(301)).unwrap().times, 41);
    }
}
