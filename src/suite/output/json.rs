//! For programs: one object on one line.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::classify::shown;
use crate::suite::Report;

/// Of the output's form. A field may be added without a new version.
const VERSION: u32 = 1;

pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let suites = report.suites.iter().map(|suite| {
        let cases = suite.outcomes.iter().map(|(outcome, took)| {
            let mut case = json!({
                "name": outcome.name,
                "line": outcome.at.line,
                "column": outcome.at.column,
                "outcome": if outcome.failure.is_some() { "failed" } else { "passed" },
                "seconds": took.as_secs_f64(),
            });
            if let (Some(failure), Some(case)) = (&outcome.failure, case.as_object_mut()) {
                let at = failure.at.unwrap_or(outcome.at);
                let diff = failure.diff.iter().map(|(sign, line)| format!("{sign} {line}"));
                let failure = json!({
                    "line": at.line,
                    "column": at.column,
                    "diff": diff.collect::<Vec<String>>(),
                    "why": failure.why,
                    "timeline": failure.timeline,
                });
                case.insert("failure".to_owned(), failure);
            }
            case
        });
        json!({"file": suite.file, "cases": cases.collect::<Vec<Value>>()})
    });
    let mistakes = report.mistakes.iter().map(|mistake| {
        json!({
            "file": mistake.file,
            "line": mistake.at.line,
            "column": mistake.at.column,
            "message": mistake.what,
        })
    });
    let (passed, failed) = report.counts();
    let answer = json!({
        "version": VERSION,
        "suites": suites.collect::<Vec<Value>>(),
        "mistakes": mistakes.collect::<Vec<Value>>(),
        "counts": {"passed": passed, "failed": failed, "mistakes": report.mistakes.len()},
        "seconds": report.elapsed.as_secs_f64(),
    });
    shown::json(&answer, out)
}
