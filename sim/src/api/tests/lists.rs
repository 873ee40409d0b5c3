//! Lists and watches.

use super::*;

const PODS: &str = "/api/v1/namespaces/a/pods";

fn told(kind: &str, name: &str, version: u64) -> (String, String, String) {
    (kind.to_owned(), name.to_owned(), version.to_string())
}

/// A bench with the Pods `p1` to `p5` at the versions 4 to 8.
fn five() -> Bench {
    let mut bench = Bench::new();
    for number in 1..=5 {
        bench.good(&format!("POST {PODS}"), pod(&format!("p{number}")));
    }
    assert_eq!(bench.server.version(), Version(8));
    bench
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

#[test]
fn pages_show_what_there_was_when_the_first_was_read() {
    let mut bench = five();
    let first = bench.good("GET /api/v1/pods?limit=2", Value::Null);
    assert_eq!(names(&first), ["p1", "p2"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    assert_eq!((&first["kind"], &first["items"][0]["kind"]), (&json!("PodList"), &Value::Null));
    bench.good(&format!("DELETE {PODS}/p3"), Value::Null);
    bench.good(&format!("POST {PODS}"), pod("p9"));
    let token = first["metadata"]["continue"].as_str().unwrap().to_owned();
    let next = format!("GET /api/v1/pods?limit=2&continue={token}");
    let second = bench.good(&next, Value::Null);
    assert_eq!(names(&second), ["p3", "p4"]);
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    bench.server.forget();
    bench.play(vec![(
        "they are forgotten with the changes since",
        &next,
        Value::Null,
        410,
        json!({"/reason": "Expired"}),
    )]);
}

#[test]
fn a_list_says_as_of_when_it_is() {
    let mut bench = five();
    bench.good(&format!("DELETE {PODS}/p1"), Value::Null);
    bench.play(vec![
        ("now", "GET /api/v1/pods", Value::Null, 200, json!({"/metadata/resourceVersion": "9",
            "/items/0/metadata/name": "p2"})),
        ("any will do", "GET /api/v1/pods?resourceVersion=0", Value::Null, 200,
            json!({"/metadata/resourceVersion": "9"})),
        ("then", "GET /api/v1/pods?resourceVersion=4&resourceVersionMatch=Exact", Value::Null, 200,
            json!({"/metadata/resourceVersion": "4", "/items/0/metadata/name": "p1", "/items/1": null})),
        ("no older", "GET /api/v1/pods?resourceVersion=4&resourceVersionMatch=NotOlderThan", Value::Null,
            200, json!({"/metadata/resourceVersion": "9"})),
        ("one that has not been", "GET /api/v1/pods?resourceVersion=99", Value::Null, 504,
            json!({"/reason": "Timeout", "/details/causes/0/reason": "ResourceVersionTooLarge"})),
        ("of another namespace", "GET /api/v1/namespaces/default/pods", Value::Null, 200,
            json!({"/items": []})),
        ("selected", "GET /api/v1/pods?fieldSelector=metadata.name%3Dp4", Value::Null, 200,
            json!({"/items/0/metadata/name": "p4", "/items/1": null})),
        ("selected by what nobody can", "GET /api/v1/pods?fieldSelector=spec.image%3Dx", Value::Null, 400,
            json!({"/reason": "BadRequest"})),
        ("custom resources say what they are", "GET /apis/kueue.x-k8s.io/v1beta1/workloads", Value::Null,
            200, json!({"/kind": "WorkloadList", "/apiVersion": "kueue.x-k8s.io/v1beta1"})),
    ]);
}

#[test]
fn a_watch_tells_what_has_changed_since_a_version() {
    let mut bench = five();
    let id = bench.watch("/api/v1/pods?watch=true&resourceVersion=7");
    assert_eq!(bench.events(id), [told("ADDED", "p5", 8)]);
    assert_eq!(bench.events(id), []);
    bench.good(&format!("MERGE {PODS}/p1"), json!({"metadata": {"labels": {"a": "b"}}}));
    bench.good(&format!("DELETE {PODS}/p2"), Value::Null);
    bench.good("POST /apis/batch/v1/namespaces/a/jobs", job("j"));
    assert_eq!(bench.events(id), [told("MODIFIED", "p1", 9), told("DELETED", "p2", 10)]);
    bench.server.close(id);
    assert!(bench.server.poll(id, bench.now).over);
}

#[test]
fn a_watch_without_a_version_begins_with_what_is_there() {
    let mut bench = Bench::new();
    bench.good(&format!("POST {PODS}"), pod("p"));
    for query in ["watch=true", "watch=1&resourceVersion=0"] {
        let id = bench.watch(&format!("{PODS}?{query}"));
        assert_eq!(bench.events(id), [told("ADDED", "p", 4)], "{query}");
    }
    let id = bench.watch(&format!(
        "{PODS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan\
         &allowWatchBookmarks=true"
    ));
    let events = bench.server.poll(id, bench.now).events;
    assert_eq!(events.len(), 2);
    let end = &events[1]["object"]["metadata"];
    assert_eq!(end["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(end["resourceVersion"], "4");
    bench.play(vec![
        (
            "it has to say how",
            "GET /api/v1/pods?watch=true&sendInitialEvents=true",
            Value::Null,
            422,
            json!({"/details/causes/0/field": "resourceVersionMatch"}),
        ),
        (
            "and nothing else",
            "GET /api/v1/pods?watch=true&resourceVersionMatch=Exact&resourceVersion=1",
            Value::Null,
            422,
            json!({"/reason": "Invalid"}),
        ),
    ]);
}

#[test]
fn an_object_comes_and_goes_with_the_selection() {
    let mut bench = Bench::new();
    bench.good(&format!("POST {PODS}"), pod("p"));
    let id = bench
        .watch("/api/v1/pods?watch=true&resourceVersion=4&fieldSelector=status.phase!%3DFailed");
    let to = |bench: &mut Bench, phase: &str| {
        bench.good(&format!("MERGE {PODS}/p/status"), json!({"status": {"phase": phase}}));
    };
    to(&mut bench, "Running");
    to(&mut bench, "Failed");
    assert_eq!(bench.events(id), [told("MODIFIED", "p", 5), told("DELETED", "p", 6)]);
    bench.good(&format!("MERGE {PODS}/p"), json!({"metadata": {"labels": {"a": "b"}}}));
    to(&mut bench, "Pending");
    assert_eq!(bench.events(id), [told("ADDED", "p", 8)]);
}

#[test]
fn a_watch_that_begins_before_what_is_known_ends_with_an_error() {
    let mut bench = five();
    bench.server.forget();
    let id = bench.watch("/api/v1/pods?watch=true&resourceVersion=5");
    let polled = bench.server.poll(id, bench.now);
    assert_eq!(polled.events[0]["type"], "ERROR");
    assert_eq!(polled.events[0]["object"]["code"], 410);
    assert_eq!(polled.events[0]["object"]["reason"], "Expired");
    assert!(polled.over);
    assert_eq!(bench.server.open_watches(), 0);
}

#[test]
fn bookmarks_come_each_minute_and_before_the_end() {
    let mut bench = Bench::new();
    let id = bench.watch(
        "/api/v1/pods?watch=true&resourceVersion=3&allowWatchBookmarks=true&timeoutSeconds=90",
    );
    let plain = bench.watch("/api/v1/pods?watch=true&resourceVersion=3");
    let mut seen = Vec::new();
    for _ in 0..90 {
        bench.pass(1);
        let polled = bench.server.poll(id, bench.now);
        let second = bench.now.as_second() % 3600;
        seen.extend(polled.events.iter().map(|event| (second, event["type"].clone())));
        if polled.over {
            seen.push((second, json!("over")));
        }
    }
    assert_eq!(seen, [(60, json!("BOOKMARK")), (88, json!("BOOKMARK")), (90, json!("over"))]);
    assert_eq!(bench.server.poll(plain, bench.now), Polled::default());
    assert_eq!(bench.server.next_deadline(plain), None);
}
