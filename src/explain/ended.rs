//! A job that has ended, or is about to.

use dislodge_engine::cause::Cause;
use dislodge_engine::explain::REASON;
use dislodge_engine::keys;
use dislodge_engine::objects::Condition;
use dislodge_engine::owner::Owner;

use crate::explain::answer::{harmless, sentence};
use crate::explain::finding::State;

/// State, sentence, and what happens next.
pub(super) fn ended(owner: &Owner, subject: &str) -> (State, String, String) {
    let nothing = |why: &str| format!("nothing: {why}");
    if owner.is_deleted() {
        return (State::Healthy, format!("{subject} is being deleted"), nothing("it goes"));
    }
    let failed = failed_because(owner);
    let Some(failed) = failed else {
        return (State::Healthy, format!("{subject} has ended"), nothing("it has ended"));
    };
    if failed == REASON {
        let meta = owner.meta();
        let image = meta.annotation(keys::HELD_IMAGE).map(str::to_owned).unwrap_or_default();
        let cause = meta.annotation(keys::HELD_CAUSE).and_then(cause_named);
        let why = cause.map(|cause| format!(": {} ({cause})", sentence(&image, cause)));
        let said = format!("{subject} was ended as failed by Dislodge{}", why.unwrap_or_default());
        return (State::Failed, said, nothing("it has ended, and its quota is given back"));
    }
    let said = format!("{subject} has failed ({})", harmless(&failed));
    (State::Healthy, said, nothing("it has ended, and not because of an image that Dislodge saw"))
}

/// The reason of a job that has failed, or is about to; `None` where it has not.
fn failed_because(owner: &Owner) -> Option<String> {
    let conditions: &[Condition] = match owner {
        Owner::Job(job) => &job.status.conditions,
        Owner::JobSet(set) => {
            let says = |condition: &&serde_json::Value, field: &str, value: &str| {
                condition.get(field).and_then(serde_json::Value::as_str) == Some(value)
            };
            let mut conditions = set.status.conditions.iter();
            let failed =
                conditions.find(|c| says(c, "type", "Failed") && says(c, "status", "True"));
            let reason = failed?.get("reason").and_then(serde_json::Value::as_str);
            return Some(reason.unwrap_or_default().to_owned());
        }
        Owner::Other(other) => &other.workload.status.conditions,
    };
    let failed = Condition::find_true(conditions, "Failed")
        .or_else(|| Condition::find_true(conditions, "FailureTarget"));
    failed.map(|failed| failed.reason.to_string())
}

/// A cause by its name.
pub fn cause_named(name: &str) -> Option<Cause> {
    Cause::ALL.into_iter().find(|cause| cause.as_str() == name)
}
