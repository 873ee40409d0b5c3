//! A watch on an API server that answers by a script, and what it tells.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use dislodge_engine::input::Kind;
use dislodge_engine::objects::{Object, Pod, Uid};
use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::driver::{Inbox, Inputs};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::watch::kinds::Versions;

/// Answers in turn, and what was asked for. Without an answer a request hangs.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    answers: VecDeque<(u16, String)>,
    asked: Vec<String>,
}

impl Script {
    fn of<const N: usize>(answers: [(u16, Value); N]) -> Self {
        let text = |value: Value| match value.as_array() {
            Some(lines) => {
                let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
                lines.join("\n") + "\n"
            }
            None => value.to_string(),
        };
        let answers = answers.into_iter().map(|(code, value)| (code, text(value))).collect();
        Self(Arc::new(Mutex::new(Lines { answers, asked: Vec::new() })))
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let answer = {
            let mut script = self.0.lock().unwrap();
            let query = request.uri().query().unwrap_or_default();
            let told = |name: &str| {
                let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).collect::<String>()
            };
            script.asked.push(match told("watch").as_str() {
                "true" => format!("watch from {}", told("resourceVersion")),
                _ => format!("list {}", told("continue")).trim_end().to_owned(),
            });
            script.answers.pop_front()
        };
        let Some((code, text)) = answer else { return std::future::pending().await };
        let mut response = Response::new(Body::from(text.into_bytes()));
        *response.status_mut() = StatusCode::from_u16(code).unwrap();
        Ok(response)
    }

    /// Watches Pods by it until nothing is told for an hour: what was told, and what was asked for.
    async fn watch(self, known: impl IntoIterator<Item = Head>) -> (Vec<String>, Vec<String>) {
        let (inbox, inputs) = Inbox::to_nobody();
        let clock = Clock::start();
        let health = Health::new(clock);
        let script = self.clone();
        let server = tower::service_fn(move |request| script.clone().answer(request));
        let context = Context {
            client: Client::new(server, "default"),
            namespace: None,
            inbox,
            clock,
            health: health.clone(),
            metrics: Metrics::new(health),
            versions: Versions::default(),
        };
        let watching =
            tokio::spawn(async move { follow(context.api::<Pod>("v1"), &context).await });
        let told = told(inputs, known).await;
        watching.abort();
        let asked = std::mem::take(&mut self.0.lock().unwrap().asked);
        (told, asked)
    }
}

async fn told(mut inputs: Inputs, known: impl IntoIterator<Item = Head>) -> Vec<String> {
    inputs.knows(known);
    let mut told = Vec::new();
    let hour = Duration::from_secs(3600);
    while let Ok(Some(input)) = tokio::time::timeout(hour, inputs.next()).await {
        told.push(if let Input::Pod(change) = &input {
            let (what, pod) = match change {
                Change::Listed(pod) => ("listed", pod),
                Change::Seen(pod) => ("seen", pod),
                Change::Gone(pod) => ("gone", pod),
            };
            format!("{what} {}", pod.meta().name)
        } else if input == Input::ListBegun(Kind::Pod) {
            "begun".to_owned()
        } else if input == Input::ListEnded(Kind::Pod) {
            "ended".to_owned()
        } else {
            format!("{input:?}")
        });
    }
    told
}

fn pod(number: u32, version: u32) -> Value {
    let uid = Uid::from_u128(number.into());
    json!({"metadata": {"name": format!("p{number}"), "uid": uid, "resourceVersion": version.to_string()}})
}

fn page(pods: &[Value], next: &str, version: &str) -> (u16, Value) {
    (200, json!({"metadata": {"continue": next, "resourceVersion": version}, "items": pods}))
}

fn refused(code: u16) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "status": "Failure", "code": code, "reason": "R", "message": "m"}),
    )
}

fn events<const N: usize>(events: [(&str, Value); N]) -> (u16, Value) {
    (
        200,
        events.into_iter().map(|(kind, object)| json!({"type": kind, "object": object})).collect(),
    )
}

fn head(number: u32, version: u32) -> Head {
    let uid = Uid::from_u128(number.into());
    Head { uid: Some(uid), version: Some(version.to_string().into()) }
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_a_list_is_told_apart_from_what_happens() {
    let bookmark = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}});
    let script = Script::of([
        page(&[pod(1, 1)], "more", ""),
        page(&[pod(2, 2)], "", "5"),
        events([("ADDED", pod(3, 6)), ("MODIFIED", pod(1, 7)), ("DELETED", pod(2, 8))]),
        events([("BOOKMARK", bookmark)]),
        events([]),
    ]);
    let (told, asked) = script.watch([]).await;
    assert_eq!(told, ["begun", "listed p1", "listed p2", "ended", "seen p3", "seen p1", "gone p2"]);
    let from =
        ["list", "list more", "watch from 5", "watch from 8", "watch from 9", "watch from 9"];
    assert_eq!(asked[..6], from);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_too_old_is_listed_anew_and_what_is_known_is_not_told_again() {
    let expired = json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired"});
    for watch in [refused(410), events([("ERROR", expired)])] {
        let script = Script::of([
            page(&[pod(1, 1), pod(2, 2), pod(3, 3)], "", "5"),
            watch,
            page(&[pod(1, 1), pod(2, 6)], "more", ""),
            page(&[pod(4, 4)], "", "7"),
        ]);
        // All that was told, and what other kinds of them may be known.
        let known = [head(1, 1), head(2, 2), head(3, 3), head(9, 4)];
        let (told, asked) = script.watch(known).await;
        let first = ["begun", "listed p1", "listed p2", "listed p3", "ended"];
        assert_eq!(told[..5], first, "what is listed first is told, without being asked for");
        assert_eq!(told[5..], ["begun", "listed p2", "listed p4", "ended"]);
        assert_eq!(asked, ["list", "watch from 5", "list", "list more", "watch from 7"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_in_the_middle_begins_anew_and_a_watch_goes_on() {
    let script = Script::of([
        page(&[pod(1, 1)], "more", ""),
        refused(500),
        page(&[pod(1, 1), pod(2, 2)], "", "5"),
        refused(503),
        events([("MODIFIED", pod(2, 6)), ("ERROR", refused(500).1)]),
        (200, json!(["{"])),
    ]);
    let (told, asked) = script.watch([head(1, 1)]).await;
    assert_eq!(told, ["begun", "listed p1", "begun", "listed p2", "ended", "seen p2"]);
    let from = ["list", "list more", "list", "watch from 5", "watch from 5", "watch from 6"];
    assert_eq!(asked[..6], from);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_version_is_no_list() {
    let script = Script::of([page(&[], "", ""), page(&[], "", "5")]);
    let (told, asked) = script.watch([]).await;
    assert_eq!(told, ["begun", "begun", "ended"]);
    assert_eq!(asked, ["list", "list", "watch from 5"]);
}
