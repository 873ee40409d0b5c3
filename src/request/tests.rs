//! What is sent for an effect, and what each answer means.

use dislodge_engine::objects::{Key, Uid};

use super::*;

const UID: &str = "5e7595d6-d828-4f9a-81e2-13e9233e05fc";

fn target(kind: TargetKind, resource_version: Option<&str>) -> Target {
    Target {
        kind,
        key: Key::new("team-a", "train"),
        uid: Uid::parse(UID),
        resource_version: resource_version.map(str::to_owned),
    }
}

fn patch(merge: Merge, part: Part, body: Value) -> Patch {
    Patch { merge, part, body }
}

#[test]
fn a_hold_on_a_workload_is_a_json_merge_patch_pinned_to_uid_and_version() {
    let body = json!({"spec": {"active": false}, "metadata": {"annotations": {"a": "b"}}});
    let request = Request::patch(
        &target(TargetKind::Workload, Some("41")),
        &patch(Merge::Json, Part::Main, body),
        &Versions::default(),
    );
    assert_eq!(request.method, Method::PATCH);
    assert_eq!(
        request.path,
        "/apis/kueue.x-k8s.io/v1beta2/namespaces/team-a/workloads/train?fieldManager=dislodge"
    );
    assert_eq!(request.content_type, "application/merge-patch+json");
    assert_eq!(
        request.body,
        json!({
            "spec": {"active": false},
            "metadata": {"annotations": {"a": "b"}, "uid": UID, "resourceVersion": "41"},
        })
    );
}

#[test]
fn each_kind_and_part_has_its_own_path() {
    let status = patch(Merge::Strategic, Part::Status, json!({}));
    for (kind, path) in [
        (TargetKind::Pod, "/api/v1/namespaces/team-a/pods/train/status"),
        (TargetKind::Job, "/apis/batch/v1/namespaces/team-a/jobs/train/status"),
        (
            TargetKind::JobSet,
            "/apis/jobset.x-k8s.io/v1alpha2/namespaces/team-a/jobsets/train/status",
        ),
        (
            TargetKind::Policy,
            "/apis/dislodge.dev/v1alpha1/namespaces/team-a/imagepullpolicies/train/status",
        ),
    ] {
        let request = Request::patch(&target(kind, None), &status, &Versions::default());
        assert_eq!(request.path, format!("{path}?fieldManager=dislodge"));
        assert_eq!(request.content_type, "application/strategic-merge-patch+json");
        assert_eq!(request.body, json!({"metadata": {"uid": UID}}));
    }
}

#[test]
fn each_field_of_a_status_replaces_the_old_one_of_the_same_object() {
    let versions = Versions::default();
    let fields = [("heldJobs".to_owned(), json!(1))].into_iter().collect();
    let request = Request::status(&target(TargetKind::Policy, None), &fields, &versions);
    assert!(request.path.ends_with("/imagepullpolicies/train/status?fieldManager=dislodge"));
    assert_eq!(request.content_type, "application/json-patch+json");
    assert_eq!(
        request.body,
        json!([
            {"op": "test", "path": "/metadata/uid", "value": UID},
            {"op": "add", "path": "/status/heldJobs", "value": 1},
        ])
    );
}

#[test]
fn an_older_kueue_is_written_to_in_its_own_version() {
    let versions = Versions::default();
    versions.set_workload("v1beta1");
    let request = Request::patch(
        &target(TargetKind::Workload, None),
        &patch(Merge::Json, Part::Main, json!({})),
        &versions,
    );
    assert!(request.path.starts_with("/apis/kueue.x-k8s.io/v1beta1/"), "{}", request.path);
}

#[test]
fn a_deletion_is_pinned_to_the_version_that_the_patch_left() {
    let request =
        Request::delete(&target(TargetKind::Pod, Some("41")), Some("42"), &Versions::default());
    assert_eq!(request.method, Method::DELETE);
    assert_eq!(request.path, "/api/v1/namespaces/team-a/pods/train");
    assert_eq!(request.body["preconditions"], json!({"uid": UID, "resourceVersion": "42"}));
}

#[test]
fn every_refusal_has_one_meaning() {
    let plain = |reason: &str, message: &str| json!({"reason": reason, "message": message});
    let table = [
        (409, plain("Conflict", "the object has been modified"), Outcome::Conflict),
        (
            409,
            plain("Conflict", "Precondition failed: UID in precondition: a, UID in object meta: b"),
            Outcome::Gone,
        ),
        (
            409,
            plain("Conflict", "the UID in the precondition (a) does not match the UID in record"),
            Outcome::Gone,
        ),
        (
            422,
            plain("Invalid", "the server rejected our request due to an error in our request"),
            Outcome::Gone,
        ),
        (409, plain("AlreadyExists", "events \"x\" already exists"), Outcome::AlreadyDone),
        (404, plain("NotFound", "jobs.batch \"train\" not found"), Outcome::Gone),
        (401, plain("Unauthorized", "Unauthorized"), Outcome::Forbidden),
        (403, plain("Forbidden", "User \"x\" cannot patch resource"), Outcome::Forbidden),
        (
            403,
            plain("Forbidden", "admission webhook \"w\" denied the request: no"),
            Outcome::Rejected,
        ),
        (
            403,
            json!({"reason": "Forbidden", "details": {"causes": [{"reason": "NamespaceTerminating"}]}}),
            Outcome::Gone,
        ),
        (400, plain("BadRequest", "x"), Outcome::Rejected),
        (422, plain("Invalid", "x"), Outcome::Rejected),
        (
            422,
            json!({"reason": "Invalid", "details": {"causes": [{"field": "metadata.uid"}]}}),
            Outcome::Gone,
        ),
        (429, plain("TooManyRequests", "x"), Outcome::Throttled),
        (500, plain("InternalError", "failed calling webhook"), Outcome::Unavailable),
        (503, plain("ServiceUnavailable", "x"), Outcome::Unavailable),
        (504, plain("Timeout", "x"), Outcome::Unavailable),
    ];
    for (code, body, outcome) in table {
        let refused = Refused::read(code, body.to_string().as_bytes(), None);
        assert_eq!(refused.outcome, outcome, "{code} {body}");
    }
}

#[test]
fn the_servers_wish_to_be_left_alone_is_read_from_header_or_body() {
    let body = json!({"details": {"retryAfterSeconds": 7}}).to_string();
    let wait = |header| Refused::read(429, body.as_bytes(), header).retry_after;
    assert_eq!(wait(Some("3")), Some(Duration::from_secs(3)));
    assert_eq!(wait(None), Some(Duration::from_secs(7)));
    assert_eq!(Refused::read(429, b"{}", None).retry_after, None);
}

#[test]
fn an_answer_that_is_no_status_is_quoted() {
    let refused = Refused::read(502, b"<html>bad gateway</html>", None);
    assert_eq!(refused.outcome, Outcome::Unavailable);
    assert!(refused.message.contains("bad gateway"), "{}", refused.message);
}
