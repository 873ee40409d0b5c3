//! Creating, replacing and patching.

use super::*;

const PODS: &str = "/api/v1/namespaces/a/pods";
const QUEUES: &str = "/apis/kueue.x-k8s.io/v1beta2/namespaces/a/localqueues";

#[test]
fn a_new_object_gets_what_the_api_server_gives() {
    let mut bench = Bench::new();
    let given = json!({"metadata": {"name": "p", "uid": "mine", "generation": 7, "resourceVersion": "",
                       "creationTimestamp": "2000-01-01T00:00:00Z"},
                       "spec": pod("")["spec"], "status": {"phase": "Running"}});
    let stored = bench.good("POST /api/v1/namespaces/a/pods?fieldManager=me", given);
    assert_eq!(stored["metadata"]["creationTimestamp"], "2026-01-01T00:00:00Z");
    assert_eq!(stored["metadata"]["generation"], 1);
    assert_eq!(stored["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert_eq!(stored["status"], json!({"phase": "Pending", "qosClass": "BestEffort"}));
    assert_eq!(stored["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
    assert_eq!(stored["spec"]["serviceAccountName"], "default");
    assert_eq!(stored["metadata"]["managedFields"][0]["manager"], "me");
    bench.play(vec![
        (
            "its name is taken",
            "POST /api/v1/namespaces/a/pods",
            pod("p"),
            409,
            json!({
            "/reason": "AlreadyExists", "/message": "pods \"p\" already exists",
            "/details/name": "p", "/details/kind": "pods"}),
        ),
        (
            "a name is needed",
            "POST /api/v1/namespaces/a/pods",
            pod(""),
            422,
            json!({
            "/reason": "Invalid", "/details/causes/0/field": "metadata.name"}),
        ),
        (
            "so is a namespace",
            "POST /api/v1/namespaces/none/pods",
            pod("p"),
            404,
            json!({
            "/message": "namespaces \"none\" not found"}),
        ),
        (
            "of another namespace",
            "POST /api/v1/namespaces/a/pods",
            json!({"metadata": {"name": "p", "namespace": "b"}}),
            400,
            json!({"/reason": "BadRequest"}),
        ),
        (
            "of another kind",
            "POST /api/v1/namespaces/a/pods",
            json!({"apiVersion": "v1", "kind": "Node"}),
            400,
            json!({"/reason": "BadRequest"}),
        ),
        (
            "in a dry run",
            "POST /api/v1/namespaces/a/pods?dryRun=All",
            pod("dry"),
            201,
            json!({
            "/status/phase": "Pending", "/metadata/resourceVersion": null}),
        ),
        (
            "of which nothing stays",
            "GET /api/v1/namespaces/a/pods/dry",
            Value::Null,
            404,
            json!({
            "/message": "pods \"dry\" not found", "/reason": "NotFound", "/status": "Failure"}),
        ),
        (
            "the status of a custom resource is dropped, too",
            "POST /apis/kueue.x-k8s.io/v1beta2/namespaces/a/localqueues",
            json!({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue",
                   "metadata": {"name": "q"}, "status": {"pendingWorkloads": 1}}),
            201,
            json!({"/status": null, "/metadata/generation": 1}),
        ),
        (
            "that of a Node is not",
            "POST /api/v1/nodes",
            json!({"metadata": {"name": "n"}, "status": {"capacity": {"cpu": "1"}}}),
            201,
            json!({"/status/allocatable/cpu": "1"}),
        ),
    ]);
    let named = json!({"metadata": {"generateName": "p-"}, "spec": pod("")["spec"]});
    let name = bench.good(&format!("POST {PODS}"), named)["metadata"]["name"].clone();
    assert_eq!(name.as_str().map(str::len), Some(7), "{name}");
}

#[test]
fn status_and_the_rest_are_written_apart() {
    let mut bench = Bench::new();
    bench.good(&format!("POST {QUEUES}"), queue("q"));
    bench.good(&format!("POST {PODS}"), pod("p"));
    let both = json!({"metadata": {"annotations": {"a": "1"}}, "spec": {"clusterQueue": "b"},
                      "status": {"pendingWorkloads": 3}});
    bench.play(vec![
        ("a main write leaves the status", "MERGE /apis/kueue.x-k8s.io/v1beta2/namespaces/a/localqueues/q",
            both.clone(), 200,
            json!({"/spec/clusterQueue": "b", "/status": null, "/metadata/generation": 2})),
        ("a write of the status leaves the rest", "MERGE /apis/kueue.x-k8s.io/v1beta2/namespaces/a/localqueues/q/status",
            json!({"metadata": {"annotations": {"a": "2"}}, "spec": {"clusterQueue": "c"},
                   "status": {"pendingWorkloads": 3}}), 200,
            json!({"/spec/clusterQueue": "b", "/status/pendingWorkloads": 3,
                   "/metadata/annotations/a": "1", "/metadata/generation": 2})),
        ("an annotation is not counted", "MERGE /apis/kueue.x-k8s.io/v1beta2/namespaces/a/localqueues/q",
            json!({"metadata": {"annotations": {"a": "3"}}}), 200, json!({"/metadata/generation": 2})),
        ("a built-in kind takes metadata with its status", "STRATEGIC /api/v1/namespaces/a/pods/p/status",
            json!({"metadata": {"annotations": {"a": "1"}}, "spec": {"nodeName": "n"},
                   "status": {"phase": "Running"}}), 200,
            json!({"/metadata/annotations/a": "1", "/spec/nodeName": null, "/status/phase": "Running",
                   "/status/qosClass": "BestEffort"})),
        ("a custom resource takes no strategic patch", "STRATEGIC /apis/kueue.x-k8s.io/v1beta2/namespaces/a/localqueues/q",
            json!({}), 415, json!({"/reason": "UnsupportedMediaType"})),
        ("the spec of a Pod stays", "MERGE /api/v1/namespaces/a/pods/p",
            json!({"spec": {"schedulerName": "x"}}), 422,
            json!({"/details/causes/0/field": "spec", "/details/causes/0/reason": "FieldValueForbidden"})),
        ("but for its images", "STRATEGIC /api/v1/namespaces/a/pods/p",
            json!({"spec": {"containers": [{"name": "c", "image": "i:2"}]}}), 200,
            json!({"/spec/containers/0/image": "i:2", "/metadata/generation": 2})),
    ]);
}

#[test]
fn a_write_may_be_pinned_to_what_was_seen() {
    let mut bench = Bench::new();
    let pod = bench.good(&format!("POST {PODS}"), pod("p"));
    let queue = bench.good(&format!("POST {QUEUES}"), queue("q"));
    let mut later = pod.clone();
    later["metadata"]["labels"] = json!({"a": "b"});
    let mut other = later.clone();
    other["metadata"]["uid"] = json!("another");
    let mut unversioned = later.clone();
    unversioned["metadata"]["resourceVersion"] = Value::Null;
    let mut queue_unversioned = queue.clone();
    queue_unversioned["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    bench.play(vec![
        ("the version that was seen", "PUT /api/v1/namespaces/a/pods/p", later.clone(), 200,
            json!({"/metadata/labels/a": "b"})),
        ("an old version", "PUT /api/v1/namespaces/a/pods/p", later.clone(), 409, json!({
            "/reason": "Conflict", "/message": "Operation cannot be fulfilled on pods \"p\": the object \
             has been modified; please apply your changes to the latest version and try again"})),
        ("another uid", "PUT /api/v1/namespaces/a/pods/p", other, 409, json!({"/reason": "Conflict"})),
        ("no version at all", "PUT /api/v1/namespaces/a/pods/p", unversioned, 200, json!({})),
        ("which a custom resource does not take",
            "PUT /apis/kueue.x-k8s.io/v1beta2/namespaces/a/localqueues/q", queue_unversioned, 422,
            json!({"/details/causes/0/field": "metadata.resourceVersion"})),
        ("a patch with an old version", "MERGE /api/v1/namespaces/a/pods/p",
            json!({"metadata": {"resourceVersion": "1", "labels": {"x": "y"}}}), 409,
            json!({"/reason": "Conflict", "/details/name": "p"})),
        ("a patch with another uid", "MERGE /api/v1/namespaces/a/pods/p",
            json!({"metadata": {"uid": "x"}}), 422, json!({"/reason": "Invalid",
            "/details/causes/0/field": "metadata.uid",
            "/details/causes/0/message": "Invalid value: \"x\": field is immutable"})),
        ("which the status of a custom resource does not compare",
            "MERGE /apis/kueue.x-k8s.io/v1beta2/namespaces/a/localqueues/q/status",
            json!({"metadata": {"uid": "x"}, "status": {"a": 1}}), 200, json!({"/status/a": 1})),
        ("a test that fails", "JSON /api/v1/namespaces/a/pods/p",
            json!([{"op": "test", "path": "/metadata/uid", "value": "x"}]), 422, json!({
            "/message": "the server rejected our request due to an error in our request",
            "/details/causes": null})),
        ("a patch of nothing", "MERGE /api/v1/namespaces/a/pods/none", json!({}), 404,
            json!({"/message": "pods \"none\" not found"})),
        ("no patch at all", "MERGE /api/v1/namespaces/a/pods/p", Value::Null, 400,
            json!({"/reason": "BadRequest"})),
    ]);
}

#[test]
fn a_write_that_changes_nothing_keeps_version_and_time() {
    let mut bench = Bench::new();
    let before = bench.good(&format!("POST {PODS}"), pod("p"));
    bench.pass(60);
    let after = bench.good(&format!("MERGE {PODS}/p"), json!({"metadata": {"name": "p"}}));
    assert_eq!(before, after);
}

#[test]
fn a_schema_is_asked_what_it_fills_in_and_refuses() {
    #[derive(Debug)]
    struct Named;
    impl Schema for Named {
        fn fill(&self, object: &mut Value) {
            object["spec"]["mode"] =
                object["spec"].get("mode").cloned().unwrap_or_else(|| json!("Audit"));
        }
        fn check(&self, object: &Value, stored: Option<&Value>, part: Part) -> Vec<Cause> {
            let bad = object["spec"]["mode"] == "No" && part == Part::Main && stored.is_some();
            if bad { vec![Cause::not_supported("spec.mode", "No", &["Audit"])] } else { Vec::new() }
        }
    }
    let mut bench = Bench::new();
    bench.server.define("imagepullpolicies", Arc::new(Named));
    let policy = json!({"apiVersion": "dislodge.dev/v1alpha1", "kind": "ImagePullPolicy",
                        "metadata": {"name": "p"}, "spec": {}});
    bench.play(vec![
        ("a default", "POST /apis/dislodge.dev/v1alpha1/namespaces/a/imagepullpolicies", policy, 201,
            json!({"/spec/mode": "Audit"})),
        ("a refusal", "MERGE /apis/dislodge.dev/v1alpha1/namespaces/a/imagepullpolicies/p",
            json!({"spec": {"mode": "No"}}), 422, json!({
            "/message": "ImagePullPolicy.dislodge.dev \"p\" is invalid: spec.mode: Unsupported value: \
             \"No\": supported values: \"Audit\""})),
    ]);
}
