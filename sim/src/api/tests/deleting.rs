//! Deletion.

use super::*;

const PODS: &str = "/api/v1/namespaces/a/pods";

fn bound(name: &str) -> Value {
    let mut pod = pod(name);
    pod["spec"]["nodeName"] = json!("n");
    pod
}

#[test]
fn a_pod_on_a_node_ends_when_its_node_says_so() {
    let mut bench = Bench::new();
    bench.good(&format!("POST {PODS}"), bound("p"));
    bench.good(&format!("POST {PODS}"), pod("unbound"));
    bench.play(vec![
        (
            "it gets time to end",
            "DELETE /api/v1/namespaces/a/pods/p",
            Value::Null,
            200,
            json!({
            "/kind": "Pod", "/metadata/deletionTimestamp": "2026-01-01T00:00:30Z",
            "/metadata/deletionGracePeriodSeconds": 30, "/metadata/generation": 2}),
        ),
        (
            "asked again nothing changes",
            "DELETE /api/v1/namespaces/a/pods/p",
            Value::Null,
            200,
            json!({
            "/metadata/deletionGracePeriodSeconds": 30, "/metadata/generation": 2}),
        ),
        (
            "a shorter time is granted",
            "DELETE /api/v1/namespaces/a/pods/p",
            json!({"gracePeriodSeconds": 10}),
            200,
            json!({
            "/metadata/deletionTimestamp": "2026-01-01T00:00:10Z",
            "/metadata/deletionGracePeriodSeconds": 10}),
        ),
        (
            "a longer one is not",
            "DELETE /api/v1/namespaces/a/pods/p?gracePeriodSeconds=60",
            Value::Null,
            200,
            json!({"/metadata/deletionGracePeriodSeconds": 10}),
        ),
        (
            "the node ends it",
            "DELETE /api/v1/namespaces/a/pods/p",
            json!({"gracePeriodSeconds": 0}),
            200,
            json!({"/kind": "Pod"}),
        ),
        ("and it is gone", "GET /api/v1/namespaces/a/pods/p", Value::Null, 404, json!({})),
        (
            "one that has no node goes at once",
            "DELETE /api/v1/namespaces/a/pods/unbound",
            Value::Null,
            200,
            json!({"/kind": "Pod"}),
        ),
        ("and is gone", "GET /api/v1/namespaces/a/pods/unbound", Value::Null, 404, json!({})),
        (
            "twice is once too often",
            "DELETE /api/v1/namespaces/a/pods/unbound",
            Value::Null,
            404,
            json!({"/message": "pods \"unbound\" not found"}),
        ),
    ]);
}

#[test]
fn a_deletion_may_be_pinned_to_uid_and_version() {
    let mut bench = Bench::new();
    let pod = bench.good(&format!("POST {PODS}"), pod("p"));
    let (uid, version) = (&pod["metadata"]["uid"], &pod["metadata"]["resourceVersion"]);
    let (uid, version) = (uid.as_str().unwrap(), version.as_str().unwrap());
    bench.play(vec![
        ("another uid", "DELETE /api/v1/namespaces/a/pods/p", json!({"preconditions": {"uid": "x"}}), 409,
            json!({"/reason": "Conflict", "/details/kind": "Pod", "/message": format!(
            "Operation cannot be fulfilled on Pod \"p\": the UID in the precondition (x) does not match \
             the UID in record ({uid}). The object might have been deleted and then recreated")})),
        ("another version", "DELETE /api/v1/namespaces/a/pods/p",
            json!({"preconditions": {"uid": uid, "resourceVersion": "1"}}), 409,
            json!({"/message": format!(
            "Operation cannot be fulfilled on Pod \"p\": the ResourceVersion in the precondition (1) does \
             not match the ResourceVersion in record ({version}). The object might have been modified")})),
        ("a dry run", "DELETE /api/v1/namespaces/a/pods/p?dryRun=All", Value::Null, 200, json!({})),
        ("both are right", "DELETE /api/v1/namespaces/a/pods/p",
            json!({"preconditions": {"uid": uid, "resourceVersion": version}}), 200, json!({})),
        ("and it is gone", "GET /api/v1/namespaces/a/pods/p", Value::Null, 404, json!({})),
    ]);
}

#[test]
fn what_has_a_finalizer_stays_until_the_last_is_gone() {
    let mut bench = Bench::new();
    let mut pod = pod("p");
    pod["metadata"]["finalizers"] = json!(["x.dev/a", "x.dev/b"]);
    bench.good(&format!("POST {PODS}"), pod);
    bench.play(vec![
        (
            "it is marked",
            "DELETE /api/v1/namespaces/a/pods/p",
            Value::Null,
            200,
            json!({
            "/metadata/deletionTimestamp": "2026-01-01T00:00:00Z",
            "/metadata/deletionGracePeriodSeconds": 0}),
        ),
        (
            "no finalizer is added",
            "MERGE /api/v1/namespaces/a/pods/p",
            json!({"metadata": {"finalizers": ["x.dev/a", "x.dev/b", "x.dev/c"]}}),
            422,
            json!({"/details/causes/0/field": "metadata.finalizers"}),
        ),
        (
            "one goes",
            "MERGE /api/v1/namespaces/a/pods/p",
            json!({"metadata": {"finalizers": ["x.dev/a"]}}),
            200,
            json!({"/metadata/finalizers": ["x.dev/a"]}),
        ),
        (
            "the last goes",
            "MERGE /api/v1/namespaces/a/pods/p",
            json!({"metadata": {"finalizers": null}}),
            200,
            json!({}),
        ),
        ("and it is gone", "GET /api/v1/namespaces/a/pods/p", Value::Null, 404, json!({})),
    ]);
}

#[test]
fn the_garbage_collector_is_told_by_finalizers() {
    let mut bench = Bench::new();
    for name in ["orphans", "background", "foreground"] {
        bench.good("POST /apis/batch/v1/namespaces/a/jobs", job(name));
    }
    bench.good("POST /apis/kueue.x-k8s.io/v1beta2/namespaces/a/localqueues", queue("q"));
    bench.play(vec![
        (
            "a Job leaves its Pods behind",
            "DELETE /apis/batch/v1/namespaces/a/jobs/orphans",
            Value::Null,
            200,
            json!({"/metadata/finalizers": ["orphan"], "/metadata/generation": 2}),
        ),
        (
            "unless it is told otherwise",
            "DELETE /apis/batch/v1/namespaces/a/jobs/background",
            json!({"propagationPolicy": "Background"}),
            200,
            json!({"/kind": "Status", "/status": "Success", "/details/group": "batch",
                   "/details/kind": "jobs", "/details/name": "background"}),
        ),
        (
            "in the foreground",
            "DELETE /apis/batch/v1/namespaces/a/jobs/foreground?propagationPolicy=Foreground",
            Value::Null,
            200,
            json!({"/metadata/finalizers": ["foregroundDeletion"]}),
        ),
        (
            "a custom resource goes",
            "DELETE /apis/kueue.x-k8s.io/v1beta2/namespaces/a/localqueues/q",
            Value::Null,
            200,
            json!({"/status": "Success", "/details/kind": "localqueues"}),
        ),
    ]);
}

#[test]
fn a_namespace_ends_when_it_is_finalized() {
    let mut bench = Bench::new();
    let gone = bench.good("DELETE /api/v1/namespaces/a", Value::Null);
    assert_eq!(gone["status"]["phase"], "Terminating");
    let mut free = gone.clone();
    free["spec"]["finalizers"] = json!([]);
    bench.play(vec![
        (
            "nothing new comes into it",
            "POST /api/v1/namespaces/a/pods",
            pod("p"),
            403,
            json!({
            "/reason": "Forbidden", "/details/causes/0/reason": "NamespaceTerminating"}),
        ),
        ("it is finalized", "PUT /api/v1/namespaces/a/finalize", free, 200, json!({})),
        ("and gone", "GET /api/v1/namespaces/a", Value::Null, 404, json!({})),
    ]);
}
