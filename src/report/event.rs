//! Events of `events.k8s.io/v1`, one for each happening, under a name that it alone has.

use dislodge_engine::effect::{Event, EventType};
use http::Method;
use jiff::Timestamp;
use serde_json::json;

use crate::dispatch::kind_name;
use crate::request::{FIELD_MANAGER, Request, resource};
use crate::watch::kinds::Versions;

/// Who reports (Kubernetes: `reportingController`, a qualified name).
const CONTROLLER: &str = "dislodge.dev/controller";
/// The longest note (Kubernetes: pkg/apis/core/validation/events.go, `NoteLengthLimit`).
const NOTE: usize = 1024;
/// The longest name of a replica (ibid., `ReportingInstanceLengthLimit`).
const INSTANCE: usize = 128;

/// The request that creates the Event.
pub(super) fn request(
    event: &Event,
    identity: &str,
    now: Timestamp,
    versions: &Versions,
) -> Request {
    let regarding = &event.regarding;
    let namespace = &regarding.key.namespace;
    let (api_version, _) = resource(regarding.kind, versions);
    let kind = match event.kind {
        EventType::Normal => "Normal",
        EventType::Warning => "Warning",
    };
    Request {
        method: Method::POST,
        path: format!(
            "/apis/events.k8s.io/v1/namespaces/{namespace}/events?fieldManager={FIELD_MANAGER}"
        ),
        content_type: "application/json",
        body: json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": event.name, "namespace": namespace},
            // MicroTime takes no more than six digits of a second.
            "eventTime": format!("{now:.6}"),
            "type": kind,
            "reason": event.reason,
            "action": event.action,
            "note": clip(&event.note, NOTE),
            "reportingController": CONTROLLER,
            "reportingInstance": clip(identity, INSTANCE),
            "regarding": {
                "apiVersion": api_version,
                "kind": kind_name(regarding.kind),
                "namespace": namespace,
                "name": regarding.key.name,
                "uid": regarding.uid,
            },
        }),
    }
}

/// At most so many bytes of a text, and no half of a character.
fn clip(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use dislodge_engine::effect::{Target, TargetKind};
    use dislodge_engine::objects::{Key, Uid};

    use super::*;

    fn event(note: &str) -> Event {
        Event {
            name: "train.5e7595d6.held".to_owned(),
            regarding: Target {
                kind: TargetKind::Job,
                key: Key::new("team-a", "train"),
                uid: Uid::from_u128(7),
                resource_version: None,
            },
            kind: EventType::Warning,
            reason: "Suspended",
            action: "SuspendJob",
            note: note.to_owned(),
        }
    }

    #[test]
    fn an_event_is_created_beside_what_it_is_about() {
        let now: Timestamp = "2026-01-02T03:04:05.123456789Z".parse().unwrap();
        let request = request(&event("why"), "pod-1", now, &Versions::default());
        assert_eq!(request.method, Method::POST);
        assert_eq!(
            request.path,
            "/apis/events.k8s.io/v1/namespaces/team-a/events?fieldManager=dislodge"
        );
        assert_eq!(request.body["eventTime"], "2026-01-02T03:04:05.123456Z");
        assert_eq!(request.body["regarding"]["apiVersion"], "batch/v1");
        assert_eq!(request.body["regarding"]["kind"], "Job");
        assert_eq!(request.body["reportingInstance"], "pod-1");
        assert_eq!(request.body["note"], "why");
    }

    #[test]
    fn a_long_note_is_cut_before_the_character_that_does_not_fit() {
        let note = format!("{}é", "a".repeat(1023));
        let request = request(&event(&note), "pod-1", Timestamp::UNIX_EPOCH, &Versions::default());
        assert_eq!(request.body["note"], "a".repeat(1023));
        assert_eq!(clip("short", 1024), "short");
        assert_eq!(clip(&"é".repeat(512), 1024).len(), 1024);
    }
}
