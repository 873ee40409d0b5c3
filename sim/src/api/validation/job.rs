//! Jobs (`pkg/apis/batch/validation` and `pkg/registry/batch/job/strategy.go`).

use serde_json::{Map, Value, json};

use super::pod;
use crate::api::refusal::Cause;

/// What is wrong with a Job that is new, or that replaces another.
pub(super) fn check(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = check_spec(new);
    if let Some(old) = old {
        causes.extend(check_changes(new, old));
    }
    causes
}

fn check_spec(job: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = job.get("spec").unwrap_or(&Value::Null);
    for field in ["parallelism", "completions", "backoffLimit", "ttlSecondsAfterFinished"] {
        if let Some(number) = spec.get(field).and_then(Value::as_i64).filter(|number| *number < 0) {
            causes.push(Cause::invalid(
                &format!("spec.{field}"),
                Some(&number.to_string()),
                "must be greater than or equal to 0",
            ));
        }
    }
    let indexed = spec.get("completionMode").is_some_and(|mode| mode == "Indexed");
    if indexed && spec.get("completions").is_none_or(Value::is_null) {
        causes.push(Cause::required("spec.completions", "when completion mode is Indexed"));
    }
    if let (false, Some(limit)) = (indexed, set(spec, "backoffLimitPerIndex")) {
        causes.push(Cause::invalid(
            "spec.backoffLimitPerIndex",
            Some(&limit.to_string()),
            "requires indexed completion mode",
        ));
    }
    let template = spec.pointer("/template/spec").unwrap_or(&Value::Null);
    causes.extend(pod::check_spec(template, "spec.template.spec"));
    let policy = template.get("restartPolicy").and_then(Value::as_str).unwrap_or_default();
    let field = "spec.template.spec.restartPolicy";
    match policy {
        "" | "Always" => {
            causes.push(Cause::required(field, "valid values: \"OnFailure\", \"Never\""));
        }
        "OnFailure" if set(spec, "podFailurePolicy").is_some() => causes.push(Cause::invalid(
            field,
            Some("\"OnFailure\""),
            "only \"Never\" is supported when podFailurePolicy is specified",
        )),
        "OnFailure" | "Never" => {}
        other => causes.push(Cause::not_supported(field, other, &["OnFailure", "Never"])),
    }
    causes
}

fn set<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    value.get(field).filter(|value| !value.is_null())
}

/// What of a Job does not change. Its template does while it is suspended and nothing of it runs: the
/// directives for the scheduler, and the resources of its containers.
fn check_changes(new: &Value, old: &Value) -> Vec<Cause> {
    let (new_spec, old_spec) = (spec(new), spec(old));
    let mut causes = Vec::new();
    let mut fixed = |field: &str, new: Option<&Value>, old: Option<&Value>| {
        if new != old {
            let value = new.map_or_else(|| "null".to_owned(), Value::to_string);
            causes.push(Cause::invalid(
                &format!("spec.{field}"),
                Some(&value),
                "field is immutable",
            ));
        }
    };
    let indexed = new_spec.get("completionMode").is_some_and(|mode| mode == "Indexed");
    let scaled = set(new_spec, "completions") == set(new_spec, "parallelism");
    if !(indexed && scaled) {
        fixed("completions", set(new_spec, "completions"), set(old_spec, "completions"));
    }
    fixed("selector", set(new_spec, "selector"), set(old_spec, "selector"));
    let (mut template, mut before) = (template(new), template(old));
    let open = is_set(old_spec, "suspend")
        && number(old, "active") == 0
        && (status(old, "startTime").is_none() || condition(old, "Suspended"));
    if open {
        for template in [&mut template, &mut before] {
            take_out_what_may_change(template);
        }
    }
    let path = if open { "template.spec" } else { "template" };
    fixed(path, Some(&template), Some(&before));
    for field in
        ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"]
    {
        fixed(field, set(new_spec, field), set(old_spec, field));
    }
    causes
}

fn spec(job: &Value) -> &Value {
    job.get("spec").unwrap_or(&Value::Null)
}

fn template(job: &Value) -> Value {
    spec(job).get("template").cloned().unwrap_or_default()
}

fn take_out_what_may_change(template: &mut Value) {
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("labels");
        metadata.remove("annotations");
    }
    let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for field in ["nodeSelector", "tolerations", "schedulingGates", "affinity"] {
        spec.remove(field);
    }
    for list in ["containers", "initContainers"] {
        let items = spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for container in items.filter_map(Value::as_object_mut) {
            container.remove("resources");
        }
    }
}

/// What is wrong with the status of a Job. What was wrong before and has not changed passes.
pub(super) fn check_status(new: &Value, old: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for field in ["active", "succeeded", "failed", "ready", "terminating"] {
        let count = number(new, field);
        if count < 0 {
            let why = "must be greater than or equal to 0";
            causes.push(invalid(field, Some(&json!(count)), why));
        }
    }
    let rules = check_conditions(new, old).into_iter().chain(check_changed(new, old));
    causes.extend(rules.filter(|(broken, _)| *broken).map(|(_, cause)| cause));
    causes
}

fn invalid(field: &str, value: Option<&Value>, why: &str) -> Cause {
    let value = value.map(Value::to_string);
    Cause::invalid(&format!("status.{field}"), value.as_deref(), why)
}

/// Each rule about how a Job ends, in the order of `validateJobStatus`: whether it is broken, and the
/// words for it.
fn check_conditions(new: &Value, old: &Value) -> Vec<(bool, Cause)> {
    let is = |kind: &str| condition(new, kind);
    let became = |kind: &str| condition(new, kind) != condition(old, kind);
    let changed = |field: &str| status(new, field) != status(old, field);
    let ended = |job: &Value| condition(job, "Complete") || condition(job, "Failed");
    let (finished, finishing) = (ended(new), ended(new) != ended(old));
    let (complete, failed, target, met) =
        (is("Complete"), is("Failed"), is("FailureTarget"), is("SuccessCriteriaMet"));
    let completing = became("Complete") || changed("completionTime");
    let completed_at = status(new, "completionTime");
    let nothing_to_do = is_set(spec(new), "suspend")
        && spec(new).get("completions").is_some_and(|completions| *completions == json!(0));
    let counted = |field: &str| number(new, field) > 0 && finished && (finishing || changed(field));
    let conditions = |why: &str| invalid("conditions", None, why);
    let count = |field: &str, why: &str| invalid(field, Some(&json!(number(new, field))), why);
    vec![
        (
            (became("Complete") || became("Failed")) && complete && failed,
            conditions("cannot set Complete=True and Failed=true conditions"),
        ),
        (
            (became("Complete") || became("FailureTarget")) && complete && target,
            conditions("cannot set Complete=True and FailureTarget=true conditions"),
        ),
        (
            completing && !complete && completed_at.is_some(),
            invalid(
                "completionTime",
                completed_at,
                "cannot set completionTime when there is no Complete=True condition",
            ),
        ),
        (
            completing && complete && completed_at.is_none(),
            Cause::required(
                "status.completionTime",
                "completionTime is required for Complete jobs",
            ),
        ),
        (
            became("Failed") && failed && !target,
            conditions("cannot set Failed=True condition without the FailureTarget=true condition"),
        ),
        (
            (became("Complete") || became("SuccessCriteriaMet")) && complete && !met,
            conditions(
                "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
            ),
        ),
        (counted("active"), count("active", "active>0 is invalid for finished job")),
        (
            (finishing || changed("startTime"))
                && !nothing_to_do
                && finished
                && status(new, "startTime").is_none(),
            Cause::required("status.startTime", "startTime is required for finished job"),
        ),
        (counted("terminating"), count("terminating", "terminating>0 is invalid for finished job")),
        (
            (changed("ready") || changed("active")) && number(new, "ready") > number(new, "active"),
            count("ready", "cannot set more ready pods than active"),
        ),
        (
            met && failed,
            conditions("cannot set SuccessCriteriaMet=True and Failed=true conditions"),
        ),
        (
            met && target,
            conditions("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"),
        ),
    ]
}

/// The same for what never changes back (`ValidateJobStatusUpdate`).
fn check_changed(new: &Value, old: &Value) -> Vec<(bool, Cause)> {
    let disabled = |kind: &str| condition(old, kind) && !condition(new, kind);
    let conditions = |why: &str| invalid("conditions", None, why);
    let started = status(new, "startTime");
    // A Job that is resumed gets a new start; the condition may come after the spec.
    let resuming = condition(old, "Suspended") && holds(new, "Suspended", "False");
    let mut rules: Vec<(bool, Cause)> = ["Failed", "Complete", "FailureTarget"]
        .into_iter()
        .map(|kind| {
            let why = format!("cannot disable the terminal {kind}=True condition");
            (disabled(kind), conditions(&why))
        })
        .collect();
    rules.push((
        number(new, "failed") < number(old, "failed"),
        invalid(
            "failed",
            Some(&json!(number(new, "failed"))),
            "cannot decrease the failed counter",
        ),
    ));
    rules.push((
        started != status(old, "startTime")
            && !resuming
            && !is_set(spec(new), "suspend")
            && status(old, "startTime").is_some(),
        invalid(
            "startTime",
            Some(started.unwrap_or(&Value::Null)),
            "field is immutable for unsuspended job once set",
        ),
    ));
    rules.push((
        disabled("SuccessCriteriaMet"),
        conditions("cannot disable the SuccessCriteriaMet=True condition"),
    ));
    rules
}

fn status<'a>(job: &'a Value, field: &str) -> Option<&'a Value> {
    job.get("status")?.get(field).filter(|value| !value.is_null())
}

fn number(job: &Value, field: &str) -> i64 {
    status(job, field).and_then(Value::as_i64).unwrap_or_default()
}

fn is_set(fields: &Value, field: &str) -> bool {
    fields.get(field).is_some_and(|value| *value == json!(true))
}

fn condition(job: &Value, kind: &str) -> bool {
    holds(job, kind, "True")
}

fn holds(job: &Value, kind: &str, wanted: &str) -> bool {
    let conditions = status(job, "conditions").and_then(Value::as_array);
    let holds = |condition: &Map<String, Value>| {
        let is = |field: &str, wanted: &str| condition.get(field).is_some_and(|v| v == wanted);
        is("type", kind) && is("status", wanted)
    };
    conditions.into_iter().flatten().filter_map(Value::as_object).any(holds)
}
