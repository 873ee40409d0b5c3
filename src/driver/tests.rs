//! What the driver makes of inputs, on an API server that answers everything alike.

pub(crate) mod stage;

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tracing_subscriber::EnvFilter;

use self::stage::{Answer, IMAGE, Stage};
use crate::telemetry;

/// Where log lines go.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Keys of each decision.
const KEYS: [&str; 19] = [
    "action",
    "cause",
    "effect",
    "elapsed_ms",
    "failed_pulls",
    "image",
    "job",
    "kind",
    "level",
    "message",
    "namespace",
    "outcome",
    "policy",
    "reason",
    "target",
    "target_kind",
    "target_name",
    "timestamp",
    "uid",
];

#[tokio::test(start_paused = true)]
async fn each_decision_has_one_log_line_with_all_its_keys_and_no_secret() {
    const SECRET: &str = "https://me:hunter2@r.io/team/app:missing";
    type Row = (&'static str, Answer, &'static str, &'static [&'static str], &'static str);
    let rows: [Row; 4] = [
        ("Enforce", (200, ""), IMAGE, &["event_to_patch_ms", "rule"], "Hold Applied"),
        ("Enforce", (200, ""), SECRET, &["event_to_patch_ms", "rule"], "Hold Applied"),
        ("Audit", (200, ""), IMAGE, &["rule"], "Report Applied"),
        ("Audit", (403, "no: password=hunter2"), IMAGE, &["error", "rule"], "Report Forbidden"),
    ];
    for (mode, answer, image, more, expected) in rows {
        let log = Log::default();
        let writer = log.clone();
        let lines = telemetry::json(EnvFilter::new("debug"), move || writer.clone());
        let guard = tracing::subscriber::set_default(lines);
        let stage = Stage::new(answer).await;
        stage.policy(mode).await;
        stage.admitted().await;
        stage.fail(image).await;
        drop(guard);
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let decisions: Vec<Value> = lines.filter(|line| line["uid"].is_string()).collect();
        let [line] = &decisions[..] else { panic!("{mode} {answer:?}: {decisions:?}\n{text}") };
        let mut keys: Vec<&str> = KEYS.iter().chain(more).copied().collect();
        keys.sort_unstable();
        let mut found: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, keys, "{line}");
        let said =
            format!("{} {}", line["effect"].as_str().unwrap(), line["outcome"].as_str().unwrap());
        assert_eq!(said, expected);
        assert_eq!(line["failed_pulls"], 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_listed_in_a_known_version_need_not_be_told_and_stays() {
    use dislodge_engine::input::{Change, Input, Kind};
    use dislodge_engine::objects::Uid;

    use crate::driver::Head;

    let stage = Stage::new((200, "")).await;
    let pod = |number: u128, version: u32| {
        let pod = serde_json::json!({
            "metadata": {"name": format!("p{number}"), "namespace": "team", "uid": stage::uid(number),
                         "resourceVersion": version.to_string(),
                         "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "j",
                                              "uid": stage::uid(90), "controller": true}]},
            "spec": {"nodeName": "n", "containers": [{"name": "main", "image": IMAGE}]},
        });
        serde_json::from_value(pod).unwrap()
    };
    let head = |number: u128, version: &str| Head {
        uid: Some(Uid::from_u128(number)),
        version: Some(version.into()),
    };
    for number in 1..=4 {
        stage.give(Input::Pod(Change::Seen(pod(number, 7)))).await;
    }
    stage.give(Input::Pod(Change::Seen(pod(2, 8)))).await;
    stage.give(Input::ListBegun(Kind::Pod)).await;
    let heads = vec![head(1, "7"), head(2, "7"), head(3, "x"), head(5, "7"), Head::default()];
    assert_eq!(stage.listed(Kind::Pod, heads.clone()).await, [true, false, false, false, false]);
    assert!(!stage.listed(Kind::Job, heads).await.contains(&true), "other kinds know none of them");
    stage.give(Input::Pod(Change::Listed(pod(2, 9)))).await;
    stage.give(Input::ListEnded(Kind::Pod)).await;
    stage.wait(6).await; // how things stand is measured every now and then
    stage.give(Input::Deadline).await;
    let text = stage.metrics.text().unwrap();
    assert!(text.contains("dislodge_tracked_objects{kind=\"Pod\"} 2"), "{text}");
}
