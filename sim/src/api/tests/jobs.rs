//! What the API server holds Jobs to.

use super::*;

const JOBS: &str = "/apis/batch/v1/namespaces/a/jobs";

fn finish() -> Value {
    json!({"status": {"conditions": [
        {"type": "FailureTarget", "status": "True", "reason": "ImagePullFailed"},
        {"type": "Failed", "status": "True", "reason": "ImagePullFailed"}]}})
}

#[test]
fn a_job_selects_its_own_pods_and_has_its_defaults() {
    let mut bench = Bench::new();
    let job = bench.good(&format!("POST {JOBS}"), job("j"));
    let uid = &job["metadata"]["uid"];
    let spec = &job["spec"];
    assert_eq!(spec["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"], *uid);
    assert_eq!(spec["template"]["metadata"]["labels"]["job-name"], "j");
    assert_eq!((&spec["backoffLimit"], &spec["suspend"]), (&json!(6), &json!(false)));
    assert_eq!(job["status"], json!({}));
}

#[test]
fn a_held_job_is_finished_by_one_patch_with_its_start_and_both_conditions() {
    let mut bench = Bench::new();
    let mut held = job("j");
    held["spec"]["suspend"] = json!(true);
    bench.good(&format!("POST {JOBS}"), held);
    let with_start = |mut patch: Value| {
        patch["status"]["startTime"] = json!("2026-01-01T00:00:00Z");
        patch
    };
    let mut failed_alone = with_start(finish());
    failed_alone["status"]["conditions"].as_array_mut().unwrap().remove(0);
    let at = "STRATEGIC /apis/batch/v1/namespaces/a/jobs/j/status";
    bench.play(vec![
        ("without a start", at, finish(), 422, json!({
            "/message": "Job.batch \"j\" is invalid: status.startTime: Required value: startTime is \
             required for finished job", "/details/causes/0/reason": "FieldValueRequired"})),
        ("without its target", at, failed_alone, 422, json!({"/details/causes/0/message":
            "Invalid value: cannot set Failed=True condition without the FailureTarget=true condition"})),
        ("a Pod is still there", at, json!({"status": {"active": 1, "terminating": 1}}), 200, json!({})),
        ("it is refused for it", at, with_start(finish()), 422, json!({
            "/details/causes/0/field": "status.active",
            "/details/causes/0/message": "Invalid value: 1: active>0 is invalid for finished job",
            "/details/causes/1/field": "status.terminating"})),
        ("the Pod is gone", at, json!({"status": {"active": null, "terminating": 0}}), 200, json!({})),
        ("now it is finished", at, with_start(finish()), 200, json!({"/status/conditions/0/status": "True"})),
        ("and stays so", at, json!({"status": {"conditions": [{"type": "Failed", "status": "False"}]}}), 422,
            json!({"/reason": "Invalid"})),
    ]);
}

#[test]
fn the_template_of_a_job_changes_only_while_it_is_held() {
    let mut bench = Bench::new();
    bench.good(&format!("POST {JOBS}"), job("j"));
    let at = "STRATEGIC /apis/batch/v1/namespaces/a/jobs/j";
    let selector = json!({"spec": {"template": {"spec": {"nodeSelector": {"zone": "a"}}}}});
    let image =
        json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i:2"}]}}}});
    bench.play(vec![
        (
            "it runs",
            at,
            selector.clone(),
            422,
            json!({
            "/details/causes/0/field": "spec.template"}),
        ),
        (
            "it is held",
            at,
            json!({"spec": {"suspend": true}}),
            200,
            json!({"/metadata/generation": 2}),
        ),
        ("where its Pods go may change", at, selector, 200, json!({"/metadata/generation": 3})),
        (
            "its images may not",
            at,
            image,
            422,
            json!({"/details/causes/0/field": "spec.template.spec"}),
        ),
        (
            "nor how much there is to do",
            at,
            json!({"spec": {"completions": 5}}),
            422,
            json!({"/details/causes/0/field": "spec.completions"}),
        ),
    ]);
}

#[test]
fn a_job_whose_pods_restart_for_ever_is_refused() {
    let mut bench = Bench::new();
    let mut forever = job("j");
    forever["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
    bench.play(vec![("for ever", "POST /apis/batch/v1/namespaces/a/jobs", forever, 422, json!({
        "/message": "Job.batch \"j\" is invalid: spec.template.spec.restartPolicy: Required value: valid \
         values: \"OnFailure\", \"Never\""}))]);
}
