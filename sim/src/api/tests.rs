//! Scripts: requests one after the other, and what of each answer has to be so.

use super::*;

mod deleting;
mod jobs;
mod lists;
mod owning;
mod writing;

/// A step: what holds, the request line, its body, the code, and texts or values of the answer by their
/// JSON pointers. A value of `null` is one that is not there.
type Row<'a> = (&'a str, &'a str, Value, u16, Value);

/// A server with a namespace, and its time.
struct Bench {
    server: Server,
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut bench = Self { server: Server::new(1000, 1, now), now };
        bench.send("POST /api/v1/namespaces", json!({"metadata": {"name": "a"}}));
        bench
    }

    fn pass(&mut self, seconds: i64) {
        self.now = self.now.saturating_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
    }

    /// The verb says which kind of patch it is.
    fn request(line: &str, body: &Value) -> Request {
        let (verb, path) = line.split_once(' ').unwrap();
        let (method, kind) = match verb {
            "GET" => (Method::Get, ""),
            "POST" => (Method::Post, "application/json"),
            "PUT" => (Method::Put, "application/json"),
            "DELETE" => (Method::Delete, "application/json"),
            "MERGE" => (Method::Patch, "application/merge-patch+json"),
            "STRATEGIC" => (Method::Patch, "application/strategic-merge-patch+json"),
            "JSON" => (Method::Patch, "application/json-patch+json; charset=utf-8"),
            "APPLY" => (Method::Patch, "application/apply-patch+yaml"),
            other => panic!("{other}"),
        };
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let (path, content_type) = (path.to_owned(), kind.to_owned());
        Request { method, path, content_type, agent: "test/1.0".to_owned(), body }
    }

    #[expect(clippy::needless_pass_by_value, reason = "bodies are written in place")]
    fn send(&mut self, line: &str, body: Value) -> (u16, Value) {
        match self.server.handle(&Self::request(line, &body), self.now) {
            Answer::Done { code, body: Body::Object(body) } => (code, body),
            Answer::Done { code, body: Body::Text(text) } => (code, json!(text)),
            Answer::Watch(_) => panic!("{line} opened a watch"),
        }
    }

    fn good(&mut self, line: &str, body: Value) -> Value {
        let (code, answer) = self.send(line, body);
        assert!(code < 300, "{line}: {answer}");
        answer
    }

    fn watch(&mut self, path: &str) -> WatchId {
        let request = Self::request(&format!("GET {path}"), &Value::Null);
        match self.server.handle(&request, self.now) {
            Answer::Watch(id) => id,
            Answer::Done { body, .. } => panic!("{path}: {body:?}"),
        }
    }

    /// What a watch sends, each event as its type, the object's name and its version.
    fn events(&mut self, id: WatchId) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let polled = self.server.poll(id, self.now);
        let told = polled.events.iter().map(|event| {
            let metadata = &event["object"]["metadata"];
            (text(&event["type"]), text(&metadata["name"]), text(&metadata["resourceVersion"]))
        });
        told.collect()
    }

    fn play(&mut self, rows: Vec<Row<'_>>) {
        for (holds, line, body, code, expected) in rows {
            let (is, answer) = self.send(line, body);
            assert_eq!(is, code, "{holds}: {line}: {answer}");
            for (at, wanted) in expected.as_object().unwrap() {
                let found = answer.pointer(at).cloned().unwrap_or_default();
                assert_eq!(found, *wanted, "{holds}: {line}: {at} of {answer:#}");
            }
        }
    }
}

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}})
}

fn job(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}}}})
}

fn queue(name: &str) -> Value {
    json!({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue",
           "metadata": {"name": name}, "spec": {"clusterQueue": "all"}})
}

#[test]
fn the_same_requests_get_the_same_answers() {
    let play = || {
        let mut bench = Bench::new();
        let name = json!({"metadata": {"generateName": "p-"}, "spec": pod("")["spec"]});
        (0..3)
            .map(|_| bench.good("POST /api/v1/namespaces/a/pods", name.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(play(), play());
    assert_ne!(play()[0]["metadata"]["uid"], play()[1]["metadata"]["uid"]);
}

#[test]
fn kube_and_kubectl_learn_what_is_served() {
    let mut bench = Bench::new();
    bench.server.serve("kueue.x-k8s.io", "v1beta2", false);
    bench.play(vec![
        ("it is ready", "GET /readyz", Value::Null, 200, json!({"": "ok"})),
        ("it has a version", "GET /version", Value::Null, 200, json!({"/minor": "36"})),
        (
            "a group has the versions that are served",
            "GET /apis/kueue.x-k8s.io",
            Value::Null,
            200,
            json!({"/kind": "APIGroup", "/preferredVersion/version": "v1beta1", "/versions/1": null}),
        ),
        (
            "a version has its kinds",
            "GET /apis/kueue.x-k8s.io/v1beta1?timeout=32s",
            Value::Null,
            200,
            json!({"/resources/0/name": "workloads", "/resources/1/name": "workloads/status",
                   "/resources/0/shortNames/0": "kwl", "/groupVersion": "kueue.x-k8s.io/v1beta1"}),
        ),
        (
            "what is not served is no path",
            "GET /apis/kueue.x-k8s.io/v1beta2",
            Value::Null,
            404,
            json!({"": "404 page not found\n"}),
        ),
        (
            "nor are its objects",
            "GET /apis/kueue.x-k8s.io/v1beta2/workloads",
            Value::Null,
            404,
            json!({"": "404 page not found\n"}),
        ),
        ("the core group", "GET /api/v1", Value::Null, 200, json!({"/resources/0/kind": "Pod"})),
        (
            "everybody may do everything",
            "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            json!({"spec": {"resourceAttributes": {"verb": "list"}}}),
            201,
            json!({"/status/allowed": true}),
        ),
        ("a verb that is none", "POST /version", json!({}), 405, json!({})),
        ("a kind that is none", "GET /api/v1/secrets", Value::Null, 404, json!({
            "/reason": "NotFound", "/message": "the server could not find the requested resource"})),
    ]);
}

#[test]
fn an_object_is_the_same_in_each_version_of_its_kind() {
    let mut bench = Bench::new();
    bench.good("POST /apis/kueue.x-k8s.io/v1beta2/namespaces/a/localqueues", queue("q"));
    bench.play(vec![
        (
            "another version",
            "GET /apis/kueue.x-k8s.io/v1beta1/namespaces/a/localqueues/q",
            Value::Null,
            200,
            json!({"/apiVersion": "kueue.x-k8s.io/v1beta1", "/spec/clusterQueue": "all"}),
        ),
        (
            "an Event is written in one group",
            "POST /apis/events.k8s.io/v1/namespaces/a/events",
            json!({"metadata": {"name": "e"}, "note": "why", "reason": "Held",
                   "regarding": {"kind": "Job", "name": "j", "uid": "7"}}),
            201,
            json!({"/note": "why"}),
        ),
        (
            "and read in the other, as kubectl describe does",
            "GET /api/v1/namespaces/a/events?fieldSelector=involvedObject.uid%3D7%2Creason%3DHeld",
            Value::Null,
            200,
            json!({"/items/0/message": "why", "/items/0/involvedObject/name": "j",
                   "/items/0/note": null}),
        ),
    ]);
}
