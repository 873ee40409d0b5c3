//! What the API server fills in: defaults of Kubernetes' own kinds, and what it decides itself about a
//! new object.
//!
//! Facts: `pkg/apis/{core,batch}/v1/defaults.go` and the `PrepareForCreate` of Kubernetes 1.36. Of the
//! admission plugins, `Priority` and `DefaultTolerationSeconds` are played; `ServiceAccount` is but for
//! the volume of the token.

use serde_json::{Map, Value, json};

use super::kinds::Kind;
use super::metadata::{text, within};

/// Fills in what a body leaves out.
pub(super) fn fill(kind: &Kind, object: &mut Value) {
    if kind.custom {
        return;
    }
    match kind.name {
        "Pod" => {
            if let Some(spec) = within(object, "spec") {
                fill_pod_spec(spec);
                default(spec, "enableServiceLinks", || json!(true));
                for container in containers(spec) {
                    fill_requests(container);
                }
            }
            if let Some(status) = within(object, "status") {
                default(status, "phase", || json!("Pending"));
            }
            fill_conditions(object);
        }
        "Job" => {
            fill_job(object);
            fill_conditions(object);
        }
        "CronJob" => fill_cron_job(object),
        "Namespace" => {
            let name = text(object, "name").to_owned();
            if let Some(metadata) = within(object, "metadata")
                && !name.is_empty()
            {
                let labels = metadata.entry("labels").or_insert_with(|| json!({}));
                if let Some(labels) = labels.as_object_mut() {
                    labels.insert("kubernetes.io/metadata.name".to_owned(), json!(name));
                }
            }
            if let Some(status) = within(object, "status") {
                default(status, "phase", || json!("Active"));
            }
        }
        "Node" => {
            if let Some(status) = within(object, "status")
                && let Some(capacity) = status.get("capacity").cloned()
            {
                default(status, "allocatable", || capacity);
            }
        }
        _ => {}
    }
}

/// What the API server decides about a new object. Nobody owns these fields.
pub(super) fn decide(kind: &Kind, object: &mut Value) {
    match (kind.custom, kind.name) {
        (false, "Pod") => {
            let class = quality(object.get("spec").unwrap_or(&Value::Null));
            if let Some(fields) = object.as_object_mut() {
                fields.insert("status".to_owned(), json!({"phase": "Pending", "qosClass": class}));
            }
            if let Some(spec) = within(object, "spec") {
                admit_pod(spec);
            }
        }
        (false, "Job") => {
            let uid = text(object, "uid").to_owned();
            let name = text(object, "name").to_owned();
            if let Some(spec) = within(object, "spec") {
                select_own_pods(spec, &name, &uid);
            }
        }
        (false, "Namespace") => {
            if let Some(spec) = within(object, "spec") {
                let known = spec.entry("finalizers").or_insert_with(|| json!([]));
                if let Some(list) = known.as_array_mut()
                    && !list.contains(&json!("kubernetes"))
                {
                    list.push(json!("kubernetes"));
                }
            }
            if let Some(fields) = object.as_object_mut() {
                fields.insert("status".to_owned(), json!({"phase": "Active"}));
            }
        }
        _ => {}
    }
}

fn default(fields: &mut Map<String, Value>, name: &str, value: impl FnOnce() -> Value) {
    if fields.get(name).is_none_or(Value::is_null) {
        fields.insert(name.to_owned(), value());
    }
}

/// Times that Go's types encode also where they are not set.
fn fill_conditions(object: &mut Value) {
    let conditions = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten().filter_map(Value::as_object_mut) {
        for time in ["lastProbeTime", "lastTransitionTime"] {
            condition.entry(time).or_insert(Value::Null);
        }
    }
}

fn fill_job(job: &mut Value) {
    if let Some(spec) = within(job, "spec") {
        fill_job_spec(spec);
    }
    // Labels that only the template has are the Job's, too.
    let labels = job.pointer("/spec/template/metadata/labels").cloned();
    let own = job.pointer("/metadata/labels").and_then(Value::as_object);
    if let (Some(labels), true) = (labels, own.is_none_or(Map::is_empty))
        && let Some(metadata) = within(job, "metadata")
    {
        metadata.insert("labels".to_owned(), labels);
    }
}

fn fill_job_spec(spec: &mut Map<String, Value>) {
    let is_set = |spec: &Map<String, Value>, field: &str| {
        spec.get(field).is_some_and(|value| !value.is_null())
    };
    if !is_set(spec, "completions") && !is_set(spec, "parallelism") {
        default(spec, "completions", || json!(1));
    }
    default(spec, "parallelism", || json!(1));
    let by_index = is_set(spec, "backoffLimitPerIndex");
    default(spec, "backoffLimit", || if by_index { json!(i32::MAX) } else { json!(6) });
    default(spec, "completionMode", || json!("NonIndexed"));
    default(spec, "suspend", || json!(false));
    default(spec, "manualSelector", || json!(false));
    let failed_only = is_set(spec, "podFailurePolicy");
    default(spec, "podReplacementPolicy", || {
        json!(if failed_only { "Failed" } else { "TerminatingOrFailed" })
    });
    let rules = spec.get_mut("podFailurePolicy").and_then(|policy| policy.get_mut("rules"));
    for rule in rules.and_then(Value::as_array_mut).into_iter().flatten() {
        let patterns = rule.get_mut("onPodConditions").and_then(Value::as_array_mut);
        for pattern in patterns.into_iter().flatten().filter_map(Value::as_object_mut) {
            default(pattern, "status", || json!("True"));
        }
    }
    fill_template(spec);
}

fn fill_template(spec: &mut Map<String, Value>) {
    let template = spec.entry("template").or_insert_with(|| json!({}));
    within(template, "metadata");
    if let Some(spec) = within(template, "spec") {
        fill_pod_spec(spec);
    }
}

fn fill_cron_job(object: &mut Value) {
    let Some(spec) = within(object, "spec") else { return };
    default(spec, "concurrencyPolicy", || json!("Allow"));
    default(spec, "suspend", || json!(false));
    default(spec, "successfulJobsHistoryLimit", || json!(3));
    default(spec, "failedJobsHistoryLimit", || json!(1));
    let template = spec.entry("jobTemplate").or_insert_with(|| json!({}));
    within(template, "metadata");
    if let Some(spec) = within(template, "spec") {
        // The Job's own defaults come with the Job; only those of its Pods stand here already.
        fill_template(spec);
    }
}

fn fill_pod_spec(spec: &mut Map<String, Value>) {
    default(spec, "dnsPolicy", || json!("ClusterFirst"));
    default(spec, "restartPolicy", || json!("Always"));
    default(spec, "schedulerName", || json!("default-scheduler"));
    default(spec, "securityContext", || json!({}));
    default(spec, "terminationGracePeriodSeconds", || json!(30));
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        spec.insert("serviceAccount".to_owned(), account);
    }
    for container in containers(spec) {
        let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
        let policy = if is_latest(image) { "Always" } else { "IfNotPresent" };
        default(container, "imagePullPolicy", || json!(policy));
        default(container, "terminationMessagePath", || json!("/dev/termination-log"));
        default(container, "terminationMessagePolicy", || json!("File"));
        default(container, "resources", || json!({}));
        let ports = container.get_mut("ports").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
            default(port, "protocol", || json!("TCP"));
        }
    }
}

/// The containers and init containers of a Pod.
fn containers(spec: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    let lists = spec
        .iter_mut()
        .filter(|(name, _)| name.as_str() == "containers" || name.as_str() == "initContainers");
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten().filter_map(Value::as_object_mut)
}

/// Limits without a request are requested.
fn fill_requests(container: &mut Map<String, Value>) {
    let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut) else {
        return;
    };
    let Some(Value::Object(limits)) = resources.get("limits").cloned() else { return };
    let requests = resources.entry("requests").or_insert_with(|| json!({}));
    if let Some(requests) = requests.as_object_mut() {
        for (name, limit) in limits {
            requests.entry(name).or_insert(limit);
        }
    }
}

fn is_latest(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    !name.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn admit_pod(spec: &mut Map<String, Value>) {
    default(spec, "serviceAccountName", || json!("default"));
    default(spec, "serviceAccount", || json!("default"));
    default(spec, "priority", || json!(0));
    default(spec, "preemptionPolicy", || json!("PreemptLowerPriority"));
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    if let Some(list) = tolerations.as_array_mut() {
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            if !list.iter().any(|known| known.get("key").is_some_and(|known| known == key)) {
                list.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute",
                                 "tolerationSeconds": 300}));
            }
        }
    }
}

/// The quality-of-service class, as far as Pods without limits and Pods with equal ones go.
fn quality(spec: &Value) -> &'static str {
    let lists = ["containers", "initContainers"].map(|name| spec.get(name));
    let containers: Vec<&Value> =
        lists.into_iter().flatten().filter_map(Value::as_array).flatten().collect();
    let amounts = |container: &Value, which: &str| {
        let found = container.get("resources").and_then(|resources| resources.get(which));
        let found = found.and_then(Value::as_object).cloned().unwrap_or_default();
        let counted = found.into_iter().filter(|(name, _)| name == "cpu" || name == "memory");
        counted.collect::<Map<_, _>>()
    };
    let none = |container: &&Value| {
        amounts(container, "requests").is_empty() && amounts(container, "limits").is_empty()
    };
    if containers.iter().all(none) {
        return "BestEffort";
    }
    let guaranteed = containers.iter().all(|container| {
        let limits = amounts(container, "limits");
        limits.len() == 2 && limits == amounts(container, "requests")
    });
    if guaranteed { "Guaranteed" } else { "Burstable" }
}

/// A Job selects its Pods by its own uid.
fn select_own_pods(spec: &mut Map<String, Value>, name: &str, uid: &str) {
    if spec.get("manualSelector") == Some(&json!(true)) {
        return;
    }
    let template = spec.entry("template").or_insert_with(|| json!({}));
    if let Some(metadata) = within(template, "metadata") {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            for (label, value) in [
                ("job-name", name),
                ("batch.kubernetes.io/job-name", name),
                ("controller-uid", uid),
                (CONTROLLER_UID, uid),
            ] {
                default(labels, label, || json!(value));
            }
        }
    }
    let selector = spec.entry("selector").or_insert_with(|| json!({}));
    if let Some(wanted) = within(selector, "matchLabels") {
        default(wanted, CONTROLLER_UID, || json!(uid));
    }
}

/// The label with the uid of the Job that made a Pod.
const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
