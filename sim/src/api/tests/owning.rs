//! Who owns which field.

use super::*;

const PODS: &str = "/api/v1/namespaces/a/pods";
const QUEUES: &str = "/apis/kueue.x-k8s.io/v1beta2/namespaces/a/localqueues";

fn entry<'a>(object: &'a Value, manager: &str) -> Option<&'a Value> {
    let entries = object["metadata"]["managedFields"].as_array()?;
    entries.iter().find(|entry| entry["manager"] == manager)
}

#[test]
fn a_kubelet_s_write_is_noted_with_its_time_and_as_one_of_the_status() {
    let mut bench = Bench::new();
    bench.good(&format!("POST {PODS}"), pod("p"));
    bench.pass(7);
    let waiting = json!({"status": {"containerStatuses": [{"name": "c", "ready": false}]}});
    let line = format!("STRATEGIC {PODS}/p/status?fieldManager=kubelet");
    let written = bench.good(&line, waiting.clone());
    let kubelet = entry(&written, "kubelet").unwrap();
    assert_eq!(kubelet["time"], "2026-01-01T00:00:07Z");
    assert_eq!(
        (&kubelet["subresource"], &kubelet["operation"]),
        (&json!("status"), &json!("Update"))
    );
    assert_eq!(kubelet["fieldsV1"], json!({"f:status": {"f:containerStatuses": {}}}));
    // Nobody else's write moves that time, and a write of the same is none.
    bench.pass(5);
    let labelled =
        bench.good(&format!("MERGE {PODS}/p"), json!({"metadata": {"labels": {"a": "b"}}}));
    assert_eq!(entry(&labelled, "kubelet"), Some(kubelet));
    assert_eq!(entry(&labelled, "test").unwrap()["time"], "2026-01-01T00:00:12Z");
    assert_eq!(bench.good(&line, waiting), labelled);
}

#[test]
fn who_changes_a_field_takes_it_from_its_owner() {
    let mut bench = Bench::new();
    let conditions = |status: &str| json!({"status": {"conditions": [{"type": "A", "status": status, "reason": "r"}]}});
    bench.good(&format!("POST {PODS}"), pod("p"));
    bench.good(&format!("STRATEGIC {PODS}/p/status?fieldManager=one"), conditions("True"));
    let both =
        bench.good(&format!("STRATEGIC {PODS}/p/status?fieldManager=two"), conditions("False"));
    let item = r#"k:{"type":"A"}"#;
    assert_eq!(
        entry(&both, "one").unwrap()["fieldsV1"],
        json!({"f:status": {"f:conditions": {".": {}, item: {
            ".": {}, "f:reason": {}, "f:type": {}, "f:lastProbeTime": {}, "f:lastTransitionTime": {}}}}})
    );
    assert_eq!(
        entry(&both, "two").unwrap()["fieldsV1"],
        json!({"f:status": {"f:conditions": {item: {"f:status": {}}}}})
    );
    let gone = bench.good(
        &format!("STRATEGIC {PODS}/p/status?fieldManager=two"),
        json!({"status": {"conditions": [{"type": "A", "$patch": "delete"}]}}),
    );
    assert_eq!(entry(&gone, "two"), None);
}

fn applied(fields: Value) -> Value {
    let mut queue = queue("q");
    queue["metadata"]["labels"] = fields;
    queue
}

#[test]
fn what_is_applied_is_owned_and_what_is_no_longer_applied_goes() {
    let mut bench = Bench::new();
    let apply = |who: &str| format!("APPLY {QUEUES}/q?fieldManager={who}");
    let (code, created) = bench.send(&apply("me"), applied(json!({"a": "1", "b": "2"})));
    assert_eq!(code, 201, "{created}");
    assert_eq!(
        entry(&created, "me").unwrap()["fieldsV1"],
        json!({"f:metadata": {"f:labels": {"f:a": {}, "f:b": {}}}, "f:spec": {"f:clusterQueue": {}}})
    );
    assert_eq!(bench.good(&apply("me"), applied(json!({"a": "1", "b": "2"}))), created);
    bench.good(&format!("MERGE {QUEUES}/q"), json!({"metadata": {"labels": {"c": "3"}}}));
    let less = bench.good(&apply("me"), applied(json!({"a": "1"})));
    assert_eq!(less["metadata"]["labels"], json!({"a": "1", "c": "3"}));
    // Two who apply the same both own it; it goes with the last.
    bench.good(&apply("you"), applied(json!({"a": "1"})));
    let kept = bench.good(&apply("me"), applied(json!({})));
    assert_eq!(kept["metadata"]["labels"], json!({"a": "1", "c": "3"}));
    let gone = bench.good(&apply("you"), applied(json!({})));
    assert_eq!(gone["metadata"]["labels"], json!({"c": "3"}));
}

#[test]
fn what_another_owns_is_applied_by_force_alone() {
    let mut bench = Bench::new();
    bench.good(&format!("POST {QUEUES}?fieldManager=you"), applied(json!({"a": "1"})));
    let apply = format!("APPLY {QUEUES}/q?fieldManager=me");
    let forced = format!("{apply}&force=true");
    bench.play(vec![
        ("not without", &apply, applied(json!({"a": "2"})), 409, json!({
            "/reason": "Conflict", "/message": "Apply failed with 1 conflict: conflict with \"you\" using \
             kueue.x-k8s.io/v1beta2: .metadata.labels.a",
            "/details/causes/0/reason": "FieldManagerConflict",
            "/details/causes/0/field": ".metadata.labels.a"})),
        ("by force", &forced, applied(json!({"a": "2"})), 200, json!({"/metadata/labels/a": "2"})),
        ("from then on without", &apply, applied(json!({"a": "3"})), 200, json!({"/metadata/labels/a": "3"})),
        ("by nobody in particular", "APPLY /apis/kueue.x-k8s.io/v1beta2/namespaces/a/localqueues/q",
            applied(json!({})), 422, json!({"/reason": "Invalid"})),
    ]);
    let after = bench.good(&format!("GET {QUEUES}/q"), Value::Null);
    assert_eq!(
        entry(&after, "you").unwrap()["fieldsV1"],
        json!({"f:metadata": {"f:labels": {}}, "f:spec": {".": {}, "f:clusterQueue": {}}})
    );
}

#[test]
fn items_of_a_list_have_owners_of_their_own() {
    let mut bench = Bench::new();
    bench.good(&format!("POST {QUEUES}"), queue("q"));
    let status = |kind: &str, status: &str| {
        json!({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue",
               "status": {"conditions": [{"type": kind, "status": status}]}})
    };
    let apply = |who: &str| format!("APPLY {QUEUES}/q/status?fieldManager={who}");
    bench.good(&apply("one"), status("A", "True"));
    let both = bench.good(&apply("two"), status("B", "True"));
    assert_eq!(both["status"]["conditions"].as_array().unwrap().len(), 2);
    let one = bench.good(&apply("one"), status("C", "True"));
    let kinds: Vec<_> =
        one["status"]["conditions"].as_array().unwrap().iter().map(|c| c["type"].clone()).collect();
    assert_eq!(kinds, ["B", "C"]);
}
