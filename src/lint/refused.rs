//! What the API server refuses, as findings.

use dislodge_engine::api::validate::{self, Problem, Refusal};
use serde_json::Value;

use super::code::Code;
use super::nearest::nearest;

/// Finds all that is refused.
pub(super) fn check(policy: &Value, report: &mut impl FnMut(Code, &str, &str, &str)) {
    for refusal in validate::every_mistake(policy) {
        let words = refusal.words();
        let advice = match (meant(&refusal), is_reason(&refusal)) {
            (Some(meant), _) => format!("did you mean {meant}? Else {}", words.advice),
            (None, true) => format!(
                "it is a reason of the kubelet, which says no cause: `dislodge classify` tells the \
                 cause of a message; {}",
                words.advice
            ),
            (None, false) => words.advice,
        };
        report(code(&refusal.problem), &refusal.field, &words.wrong, &advice);
    }
    if policy.pointer("/spec").is_some_and(Value::is_object)
        && policy.pointer("/spec/mode").is_none_or(Value::is_null)
    {
        let wrong = "`mode` is not set: the policy decides and reports, and changes nothing";
        report(Code::AuditByDefault, "spec", wrong, "write mode: Audit, or mode: Enforce");
    }
}

/// Finds fields that are nobody's to write.
pub(super) fn check_server_written(
    policy: &Value,
    report: &mut impl FnMut(Code, &str, &str, &str),
) {
    for field in ["status", "metadata.uid", "metadata.resourceVersion", "metadata.managedFields"] {
        if policy.pointer(&format!("/{}", field.replace('.', "/"))).is_some() {
            let wrong = "is written by the API server or the controller";
            report(Code::ServerWritten, field, wrong, "remove it from the file");
        }
    }
}

fn code(problem: &Problem) -> Code {
    match problem {
        Problem::UnknownField { .. } => Code::UnknownField,
        Problem::Required(None) => Code::MissingField,
        Problem::Required(Some(_)) | Problem::Forbidden(_) | Problem::Rule { .. } => {
            Code::BrokenRule
        }
        Problem::WrongType { .. } => Code::WrongType,
        Problem::Unsupported { .. } | Problem::NoTime(_) => Code::WrongValue,
        Problem::TooLong(_)
        | Problem::TooShort(..)
        | Problem::TooBig(..)
        | Problem::TooSmall(..)
        | Problem::TooFew(..)
        | Problem::TooMany(..)
        | Problem::Misfit { .. }
        | Problem::NotChecked => Code::OutOfBounds,
        Problem::Duplicate(_) => Code::Duplicate,
    }
}

/// Whether a reason of the kubelet was written where a cause belongs.
fn is_reason(refusal: &Refusal) -> bool {
    let Problem::Unsupported { found, .. } = &refusal.problem else { return false };
    let reasons = [
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
    ];
    found.as_str().is_some_and(|found| reasons.contains(&found))
}

/// What was most likely meant.
fn meant(refusal: &Refusal) -> Option<String> {
    if let Problem::UnknownField { known } = &refusal.problem {
        let name = refusal.field.rsplit(['.', '[']).next()?;
        let known = nearest(name, known.iter().map(String::as_str))?;
        Some(format!("`{known}`"))
    } else if let Problem::Unsupported { found, allowed } = &refusal.problem {
        let meant = nearest(found.as_str()?, allowed.iter().filter_map(Value::as_str))?;
        Some(format!("{meant:?}"))
    } else {
        None
    }
}
