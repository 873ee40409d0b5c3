//! The steps: a table of operations, for each of some kinds.

use http::Method;
use serde_json::{Value, json};

use super::{Body, Step};

/// A kind that the script is played for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) kind: &'static str,
    pub(crate) api_version: &'static str,
    /// Where its objects are, with `$ns`.
    pub(crate) collection: &'static str,
    spec: fn() -> Value,
    /// What may change, and what may not.
    allowed: fn() -> Value,
    forbidden: Option<fn() -> Value>,
    status: Option<fn() -> Value>,
    custom: bool,
}

/// Kinds of whose objects nobody but the script takes notice in a cluster.
pub(crate) const SUBJECTS: &[Subject] = &[
    Subject {
        kind: "Pod",
        api_version: "v1",
        collection: "/api/v1/namespaces/$ns/pods",
        spec: || {
            // Nobody schedules it.
            json!({"schedulerName": "nobody", "automountServiceAccountToken": false,
                   "containers": [{"name": "c", "image": "registry.example/a:1"}]})
        },
        allowed: || json!({"spec": {"activeDeadlineSeconds": 600}}),
        forbidden: Some(|| json!({"spec": {"schedulerName": "somebody"}})),
        status: Some(|| {
            json!({"status": {"phase": "Pending", "conditions": [
                {"type": "A", "status": "True", "reason": "r"}]}})
        }),
        custom: false,
    },
    Subject {
        kind: "Job",
        api_version: "batch/v1",
        collection: "/apis/batch/v1/namespaces/$ns/jobs",
        spec: || {
            // Another controller's Job is nobody's.
            json!({"managedBy": "example.com/nobody", "template": {"spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "c", "image": "registry.example/a:1"}]}}})
        },
        allowed: || json!({"spec": {"parallelism": 2}}),
        forbidden: Some(|| json!({"spec": {"completions": 5}})),
        status: Some(|| json!({"status": {"active": 1, "startTime": "2026-01-01T00:00:00Z"}})),
        custom: false,
    },
    Subject {
        kind: "CronJob",
        api_version: "batch/v1",
        collection: "/apis/batch/v1/namespaces/$ns/cronjobs",
        spec: || {
            json!({"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"template":
                {"spec": {"restartPolicy": "Never",
                          "containers": [{"name": "c", "image": "registry.example/a:1"}]}}}}})
        },
        allowed: || json!({"spec": {"successfulJobsHistoryLimit": 2}}),
        forbidden: None,
        status: Some(|| json!({"status": {"lastScheduleTime": "2026-01-01T00:00:00Z"}})),
        custom: false,
    },
    Subject {
        kind: "Lease",
        api_version: "coordination.k8s.io/v1",
        collection: "/apis/coordination.k8s.io/v1/namespaces/$ns/leases",
        spec: || json!({"holderIdentity": "a", "leaseDurationSeconds": 15, "leaseTransitions": 0}),
        allowed: || json!({"spec": {"holderIdentity": "b"}}),
        forbidden: None,
        status: None,
        custom: false,
    },
    Subject {
        kind: "ImagePullPolicy",
        api_version: "dislodge.dev/v1alpha1",
        collection: "/apis/dislodge.dev/v1alpha1/namespaces/$ns/imagepullpolicies",
        spec: || json!({"mode": "Audit", "queues": [{"kind": "LocalQueue", "name": "nobody"}]}),
        allowed: || json!({"spec": {"mode": "Enforce"}}),
        forbidden: Some(|| json!({"spec": {"mode": "Perhaps"}})),
        status: Some(|| {
            json!({"status": {"heldJobs": 1, "conditions": [
                {"type": "Ready", "status": "True", "reason": "Watching", "message": "m",
                 "lastTransitionTime": "2026-01-01T00:00:00Z"}]}})
        }),
        custom: true,
    },
];

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const OPERATIONS: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

impl Subject {
    fn object(&self, name: &str) -> Value {
        json!({"apiVersion": self.api_version, "kind": self.kind,
               "metadata": {"name": name, "labels": {"app": "script"}}, "spec": (self.spec)()})
    }

    fn applied(&self, labels: Value) -> Value {
        let mut object = self.object("one");
        object["metadata"]["labels"] = labels;
        if let Some(fields) = object.as_object_mut() {
            fields.remove("spec");
        }
        // A policy without queues is none.
        if self.custom {
            object["spec"] = json!({"queues": [{"kind": "LocalQueue", "name": "nobody"}]});
        }
        object
    }
}

/// Collects the steps of one subject.
struct Script<'a> {
    subject: &'a Subject,
    steps: Vec<Step>,
}

impl Script<'_> {
    fn add(&mut self, title: &str, method: Method, path: &str, kind: &'static str, body: Body) {
        self.steps.push(Step {
            title: format!("{}: {title}", self.subject.kind),
            method,
            path: format!("{}{path}", self.subject.collection),
            content_type: kind,
            body,
        });
    }

    fn get(&mut self, title: &str, path: &str) {
        self.add(title, Method::GET, path, JSON, Body::None);
    }

    fn post(&mut self, title: &str, path: &str, body: Value) {
        self.add(title, Method::POST, path, JSON, Body::Json(body));
    }

    fn put(&mut self, title: &str, path: &str, merged: Value) {
        self.add(title, Method::PUT, path, JSON, Body::Read(merged));
    }

    fn merge(&mut self, title: &str, path: &str, body: Value) {
        self.add(title, Method::PATCH, path, MERGE, Body::Json(body));
    }

    fn strategic(&mut self, title: &str, path: &str, body: Value) {
        self.add(title, Method::PATCH, path, STRATEGIC, Body::Json(body));
    }

    fn operations(&mut self, title: &str, path: &str, body: Value) {
        self.add(title, Method::PATCH, path, OPERATIONS, Body::Json(body));
    }

    fn apply(&mut self, title: &str, path: &str, body: Value) {
        self.add(title, Method::PATCH, path, APPLY, Body::Json(body));
    }

    fn delete(&mut self, title: &str, path: &str, body: Value) {
        let body = if body.is_null() { Body::None } else { Body::Json(body) };
        self.add(title, Method::DELETE, path, JSON, body);
    }
}

/// All steps for one kind.
pub(crate) fn steps(subject: &Subject) -> Vec<Step> {
    let mut script = Script { subject, steps: Vec::new() };
    creating(&mut script);
    replacing(&mut script);
    merging(&mut script);
    operating(&mut script);
    applying(&mut script);
    telling_the_status(&mut script);
    reading(&mut script);
    deleting(&mut script);
    script.steps
}

fn creating(s: &mut Script<'_>) {
    let object = s.subject.object("one");
    let with = |patch: fn(&mut Value)| {
        let mut object = object.clone();
        patch(&mut object);
        object
    };
    s.get("read before it is there", "/one");
    s.post("create in a dry run", "?dryRun=All", object.clone());
    s.post("create with an unknown dry run", "?dryRun=Some", object.clone());
    s.post("create without a name", "", with(|o| o["metadata"]["name"] = json!(null)));
    s.post("create with a bad name", "", with(|o| o["metadata"]["name"] = json!("Not/Good")));
    s.post("create elsewhere", "", with(|o| o["metadata"]["namespace"] = json!("default")));
    s.post("create another kind", "", with(|o| o["kind"] = json!("Secret")));
    s.post("create in another version", "", with(|o| o["apiVersion"] = json!("x.dev/v1")));
    s.post("create without a kind", "", with(|o| o["kind"] = json!(null)));
    s.add("create nothing", Method::POST, "", JSON, Body::Raw("{"));
    s.post("create", "?fieldManager=maker", object.clone());
    s.post("create again", "", object.clone());
    s.post("create one by its path", "/one", object.clone());
    s.get("read", "/one");
    s.get("list to watch from", "?labelSelector=app%3Dscript");
    let mut other = s.subject.object("two");
    other["metadata"]["annotations"] = json!({});
    other["metadata"]["finalizers"] = json!([]);
    other["metadata"]["generation"] = json!(7);
    other["metadata"]["creationTimestamp"] = json!("2020-01-01T00:00:00Z");
    s.post("create with what is not the maker's to say", "", other);
    s.get("read a part that there is not", "/one/nothing");
}

fn replacing(s: &mut Script<'_>) {
    let of = |metadata: Value| json!({"metadata": metadata});
    s.put("replace by the same", "/one", json!({}));
    s.put("replace a label", "/one?fieldManager=putter", of(json!({"labels": {"put": "1"}})));
    s.put("replace in a dry run", "/one?dryRun=All", of(json!({"labels": {"dry": "1"}})));
    s.put("replace an old version", "/one", of(json!({"resourceVersion": "1"})));
    s.put("replace the version zero", "/one", of(json!({"resourceVersion": "0"})));
    s.put(
        "replace no version",
        "/one",
        of(json!({"resourceVersion": null, "labels": {"put": "2"}})),
    );
    s.get("read to replace", "/one");
    let uid = "00000000-0000-4000-8000-000000000000";
    s.put("replace another uid", "/one", of(json!({"uid": uid})));
    s.put("replace no uid", "/one", of(json!({"uid": null, "labels": {"put": "3"}})));
    s.put("replace another name", "/one", of(json!({"name": "other"})));
    s.put("replace another namespace", "/one", of(json!({"namespace": "default"})));
    s.put("replace what is not there", "/none", of(json!({"name": "none", "uid": null})));
    s.put("replace another kind", "/one", json!({"kind": "Secret"}));
    s.put(
        "replace the time of creation",
        "/one",
        of(json!({"creationTimestamp": "2020-01-01T00:00:00Z"})),
    );
    s.put("replace the generation", "/one", of(json!({"generation": 70})));
    s.put("replace without labels", "/one", of(json!({"labels": {"put": null, "gone": null}})));
}

fn merging(s: &mut Script<'_>) {
    let of = |metadata: Value| json!({"metadata": metadata});
    s.merge(
        "merge annotations",
        "/one?fieldManager=merger",
        of(json!({"annotations": {"a": "1", "b": "2"}})),
    );
    s.merge("merge the same", "/one?fieldManager=other", of(json!({"annotations": {"a": "1"}})));
    s.merge(
        "merge another value",
        "/one?fieldManager=other",
        of(json!({"annotations": {"a": "3"}})),
    );
    s.merge("merge null", "/one", of(json!({"annotations": {"b": null}})));
    s.merge("merge all annotations away", "/one", of(json!({"annotations": null})));
    s.merge("merge a finalizer", "/one", of(json!({"finalizers": ["example.com/a"]})));
    s.merge("merge the finalizers away", "/one", of(json!({"finalizers": null})));
    s.merge(
        "merge with the version",
        "/one",
        of(json!({"resourceVersion": "$rv", "labels": {"m": "1"}})),
    );
    s.merge(
        "merge with an old version",
        "/one",
        of(json!({"resourceVersion": "1", "labels": {"m": "2"}})),
    );
    s.merge("merge with the uid", "/one", of(json!({"uid": "$uid", "labels": {"m": "3"}})));
    s.merge("merge with another uid", "/one", of(json!({"uid": "another"})));
    s.merge("merge with no uid", "/one", of(json!({"uid": null})));
    s.merge("merge another name", "/one", of(json!({"name": "other"})));
    s.merge("merge another namespace", "/one", of(json!({"namespace": "default"})));
    s.merge("merge another kind", "/one", json!({"kind": "Secret"}));
    s.merge("merge the generation", "/one", of(json!({"generation": 70})));
    s.merge(
        "merge a time of deletion",
        "/one",
        of(json!({"deletionTimestamp": "2026-01-01T00:00:00Z"})),
    );
    s.merge("merge in a dry run", "/one?dryRun=All", of(json!({"labels": {"dry": "1"}})));
    s.merge("merge into what is not there", "/none", of(json!({})));
    s.merge("merge what is allowed", "/one?fieldManager=specifier", (s.subject.allowed)());
    if let Some(forbidden) = s.subject.forbidden {
        s.merge("merge what is forbidden", "/one", forbidden());
    }
    s.merge("merge a status from the side", "/one", json!({"status": {"heldJobs": 7}}));
    s.merge("merge a list", "/one", json!([1]));
    s.add("merge no JSON", Method::PATCH, "/one", MERGE, Body::Raw("{"));
    s.add("patch in no known way", Method::PATCH, "/one", JSON, Body::Json(json!({})));
    s.strategic("merge strategically", "/one", of(json!({"labels": {"s": "1"}})));
    s.strategic("merge items into a set", "/one", of(json!({"finalizers": ["example.com/b"]})));
    s.strategic(
        "delete items from a set",
        "/one",
        of(json!({"$deleteFromPrimitiveList/finalizers": ["example.com/b"]})),
    );
    let owner = json!({"apiVersion": "v1", "kind": "Namespace", "name": "$ns", "uid": "$uid"});
    s.strategic("merge an owner", "/one?dryRun=All", of(json!({"ownerReferences": [owner]})));
}

fn operating(s: &mut Script<'_>) {
    s.operations(
        "add by operations",
        "/one",
        json!([{"op": "add", "path": "/metadata/annotations", "value": {"o": "1"}}]),
    );
    s.operations(
        "test and replace",
        "/one",
        json!([
        {"op": "test", "path": "/metadata/uid", "value": "$uid"},
        {"op": "replace", "path": "/metadata/annotations/o", "value": "2"}]),
    );
    s.operations(
        "copy and move",
        "/one",
        json!([
        {"op": "copy", "from": "/metadata/annotations/o", "path": "/metadata/annotations/p"},
        {"op": "move", "from": "/metadata/annotations/p", "path": "/metadata/annotations/q"}]),
    );
    s.operations(
        "test what is not so",
        "/one",
        json!([{"op": "test", "path": "/metadata/uid", "value": "x"}]),
    );
    s.operations(
        "remove what is not there",
        "/one",
        json!([{"op": "remove", "path": "/metadata/annotations/x"}]),
    );
    s.operations(
        "replace what is not there",
        "/one",
        json!([{"op": "replace", "path": "/metadata/annotations/x", "value": "1"}]),
    );
    s.operations(
        "operate on another version",
        "/one",
        json!([
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}]),
    );
    s.operations("operations that are none", "/one", json!({"op": "add"}));
    s.operations("remove all", "/one", json!([{"op": "remove", "path": "/metadata/annotations"}]));
}

fn applying(s: &mut Script<'_>) {
    let with = |labels: Value| s.subject.applied(labels);
    let (one, less, other) =
        (with(json!({"x": "1", "y": "1"})), with(json!({"x": "1"})), with(json!({"x": "2"})));
    let none = with(json!({}));
    let mut old = less.clone();
    old["metadata"]["resourceVersion"] = json!("1");
    let mut managed = less.clone();
    managed["metadata"]["managedFields"] = json!([{"manager": "x"}]);
    let mut named = less.clone();
    named["metadata"]["name"] = json!("other");
    let mut fresh = s.subject.object("three");
    fresh["metadata"]["labels"]["fresh"] = json!("1");
    let mut known = fresh.clone();
    known["metadata"]["name"] = json!("four");
    known["metadata"]["uid"] = json!("00000000-0000-4000-8000-000000000000");
    s.apply("apply by nobody", "/one", less.clone());
    s.apply("apply", "/one?fieldManager=first", one.clone());
    s.apply("apply the same", "/one?fieldManager=first", one);
    s.apply("apply the same by another", "/one?fieldManager=second", less.clone());
    s.apply("apply another value", "/one?fieldManager=second", other.clone());
    s.apply(
        "apply another value in a dry run by force",
        "/one?fieldManager=second&force=true&dryRun=All",
        other.clone(),
    );
    s.apply("apply by force", "/one?fieldManager=second&force=true", other);
    s.apply("apply less", "/one?fieldManager=first&force=true", less.clone());
    s.apply("apply nothing", "/one?fieldManager=first", none.clone());
    s.apply("apply nothing by another", "/one?fieldManager=second", none);
    s.apply("apply an old version", "/one?fieldManager=first", old);
    s.apply("apply managed fields", "/one?fieldManager=first", managed);
    s.apply("apply another name", "/one?fieldManager=first", named);
    s.apply("apply what is new", "/three?fieldManager=first", fresh.clone());
    s.apply("apply what was new", "/three?fieldManager=first", fresh);
    s.apply("apply what had a uid", "/four?fieldManager=first", known);
    s.get("read what was applied", "/one");
}

fn telling_the_status(s: &mut Script<'_>) {
    let Some(status) = s.subject.status else {
        s.get("read a status that there is not", "/one/status");
        return;
    };
    let both = |metadata: Value| {
        let mut body = status();
        body["metadata"] = metadata;
        body
    };
    s.get("read the status", "/one/status");
    s.merge("merge the status", "/one/status?fieldManager=teller", status());
    s.merge("merge the same status", "/one/status?fieldManager=teller", status());
    s.merge("merge the spec through the status", "/one/status", (s.subject.allowed)());
    s.merge(
        "merge a label through the status",
        "/one/status",
        both(json!({"labels": {"st": "1"}})),
    );
    s.merge("merge the status with another uid", "/one/status", both(json!({"uid": "another"})));
    s.merge(
        "merge the status with an old version",
        "/one/status",
        both(json!({"resourceVersion": "1"})),
    );
    s.merge(
        "merge the status with the version",
        "/one/status",
        both(json!({"resourceVersion": "$rv"})),
    );
    s.merge("merge the status of nothing", "/none/status", status());
    s.strategic("merge the status strategically", "/one/status", status());
    s.operations(
        "test a uid and add to the status",
        "/one/status",
        json!([
        {"op": "test", "path": "/metadata/uid", "value": "$uid"},
        {"op": "add", "path": "/status", "value": status()["status"]}]),
    );
    s.put("replace the status", "/one/status", json!({"metadata": {"annotations": {"put": "1"}}}));
    s.delete("delete the status", "/one/status", Value::Null);
    s.merge(
        "merge the status in a dry run",
        "/one/status?dryRun=All",
        json!({"status": {"conditions": null}}),
    );
    if s.subject.kind == "Job" {
        finishing(s);
    }
    s.get("read what was told", "/one");
}

fn finishing(s: &mut Script<'_>) {
    let conditions = |kinds: &[&str]| {
        let items = kinds
            .iter()
            .map(|kind| json!({"type": kind, "status": "True", "reason": "ImagePullFailed"}));
        json!({"status": {"conditions": items.collect::<Vec<_>>()}})
    };
    let with = |mut body: Value, field: &str, value: Value| {
        body["status"][field] = value;
        body
    };
    let both = conditions(&["FailureTarget", "Failed"]);
    s.strategic("fail while Pods are active", "/one/status", both.clone());
    s.strategic(
        "no Pod is active",
        "/one/status",
        json!({"status": {"active": 0, "terminating": 1}}),
    );
    s.strategic("fail while Pods end", "/one/status", both.clone());
    s.strategic("more are ready than active", "/one/status", json!({"status": {"ready": 2}}));
    s.strategic("fewer than none", "/one/status", json!({"status": {"failed": -1}}));
    s.strategic(
        "the start changes",
        "/one/status",
        json!({"status": {"startTime": "2026-02-01T00:00:00Z"}}),
    );
    s.strategic("the Pods have ended", "/one/status", json!({"status": {"terminating": 0}}));
    s.strategic("fail without the target", "/one/status", conditions(&["Failed"]));
    s.strategic(
        "complete without its time",
        "/one/status",
        conditions(&["SuccessCriteriaMet", "Complete"]),
    );
    s.strategic(
        "complete and fail",
        "/one/status",
        conditions(&["SuccessCriteriaMet", "Complete", "FailureTarget", "Failed"]),
    );
    s.strategic(
        "a time of completion alone",
        "/one/status",
        json!({"status": {"completionTime": "2026-01-02T00:00:00Z"}}),
    );
    s.strategic(
        "fail without a start",
        "/one/status",
        with(both.clone(), "startTime", Value::Null),
    );
    s.strategic("suspend it", "/one", json!({"spec": {"suspend": true}}));
    s.strategic("held without a start", "/one/status", json!({"status": {"startTime": null, "conditions": [{"type": "Suspended", "status": "True"}]}}));
    s.strategic(
        "the template of a held Job",
        "/one",
        json!({"spec": {"template": {"spec": {"nodeSelector": {"zone": "a"}}}}}),
    );
    s.strategic(
        "the image of a held Job",
        "/one",
        json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "other"}]}}}}),
    );
    s.strategic("the resources of a held Job", "/one", json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}}}}));
    s.strategic("fail while held, without a start", "/one/status", both.clone());
    s.strategic(
        "fail while held",
        "/one/status",
        with(both, "startTime", json!("2026-01-01T00:00:00Z")),
    );
    s.strategic(
        "fail no more",
        "/one/status",
        json!({"status": {"conditions": [{"type": "Failed", "status": "False"}]}}),
    );
    s.strategic("resume a failed Job", "/one", json!({"spec": {"suspend": false}}));
}

fn reading(s: &mut Script<'_>) {
    s.get(
        "watch since the list",
        "?labelSelector=app%3Dscript&watch=true&resourceVersion=$list&timeoutSeconds=1",
    );
    s.get("list by a label", "?labelSelector=app%3Dscript");
    s.get("list by labels in a set", "?labelSelector=app%20in%20(script%2Cx)%2Cfresh");
    s.get("list by a label that is missing", "?labelSelector=app%3Dscript%2C!fresh");
    s.get("list by name", "?fieldSelector=metadata.name%3Dtwo");
    s.get("list all but a name", "?fieldSelector=metadata.name!%3Dtwo&labelSelector=app");
    s.get("list by a field that is none", "?fieldSelector=spec.nothing%3Dx");
    s.get("list by a field without a value", "?fieldSelector=metadata.name");
    s.get("list by nonsense", "?labelSelector=a%20b");
    s.get("list one", "?limit=1");
    s.get("list the next", "?limit=1&continue=$continue");
    s.get("list the rest", "?continue=$continue");
    s.get("list a selected page", "?limit=1&labelSelector=app%3Dscript");
    s.get("list from a bad token", "?limit=1&continue=nonsense");
    s.get("list as of any version", "?resourceVersion=0&labelSelector=app%3Dscript");
    s.get("list as of nonsense", "?resourceVersion=x");
    s.get("list as of how alone", "?resourceVersionMatch=Exact");
    s.get("list with a limit that is none", "?limit=x");
    s.get("watch what is there", "?labelSelector=fresh&watch=true&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
    s.get("watch by name", "?fieldSelector=metadata.name%3Done&watch=true&timeoutSeconds=1");
    s.get("watch without saying how", "?watch=true&timeoutSeconds=1&sendInitialEvents=true");
    s.get("watch with how alone", "?watch=true&timeoutSeconds=1&resourceVersionMatch=NotOlderThan");
    s.get("watch since nonsense", "?watch=true&resourceVersion=x&timeoutSeconds=1");
    s.add(
        "delete none in particular, by a verb that is none",
        Method::PUT,
        "",
        JSON,
        Body::Json(json!({})),
    );
}

fn deleting(s: &mut Script<'_>) {
    let pinned = |uid: &str, version: &str| json!({"preconditions": {"uid": uid, "resourceVersion": version}});
    let metadata = |metadata: Value| json!({"metadata": metadata});
    s.get("read to delete", "/one");
    s.delete("delete another uid", "/one", json!({"preconditions": {"uid": "another"}}));
    s.delete("delete an old version", "/one", pinned("$uid", "1"));
    s.delete("delete in a dry run", "/one?dryRun=All&propagationPolicy=Background", Value::Null);
    s.delete("delete what is not there", "/none", Value::Null);
    s.delete("delete by a policy that is none", "/one", json!({"propagationPolicy": "Perhaps"}));
    s.merge(
        "merge two finalizers",
        "/one",
        metadata(json!({"finalizers": ["example.com/a", "example.com/b"]})),
    );
    s.delete("delete what has finalizers", "/one", json!({"propagationPolicy": "Background"}));
    s.delete("delete it again", "/one", json!({"propagationPolicy": "Background"}));
    s.merge("label what is being deleted", "/one", metadata(json!({"labels": {"late": "1"}})));
    s.merge(
        "one more finalizer",
        "/one",
        metadata(json!({"finalizers": ["example.com/a", "example.com/b", "example.com/c"]})),
    );
    s.merge("one finalizer goes", "/one", metadata(json!({"finalizers": ["example.com/b"]})));
    s.merge("undo the deletion", "/one", metadata(json!({"deletionTimestamp": null})));
    s.post("create while it goes", "", s.subject.object("one"));
    s.merge("the last finalizer goes", "/one", metadata(json!({"finalizers": null})));
    s.get("read what is gone", "/one");
    s.merge("merge into what is gone", "/one", metadata(json!({})));
    s.get("read the second", "/two");
    s.delete(
        "delete the second",
        "/two?propagationPolicy=Background&gracePeriodSeconds=0",
        Value::Null,
    );
    s.delete(
        "delete the third",
        "/three",
        json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}),
    );
    s.get("list what is left", "?labelSelector=app%3Dscript");
    s.get(
        "watch the end",
        "?labelSelector=app%3Dscript&watch=true&resourceVersion=$list&timeoutSeconds=1",
    );
}
