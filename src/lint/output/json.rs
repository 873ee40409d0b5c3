//! For programs: one object on one line.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::classify::shown;
use crate::lint::finding::{Finding, Tally, counts};

/// Of the output's form. A field may be added without a new version.
const VERSION: u32 = 1;

pub(super) fn write(findings: &[Finding], tally: &Tally, out: &mut impl Write) -> io::Result<()> {
    let listed: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "code": finding.code.id(),
                "name": finding.code.name(),
                "severity": finding.code.severity().as_str(),
                "file": finding.file,
                "line": finding.at.line,
                "column": finding.at.column,
                "field": finding.field,
                "message": finding.wrong,
                "advice": finding.advice,
            })
        })
        .collect();
    let counts: Value = counts(findings)
        .into_iter()
        .map(|(severity, count)| (severity.as_str().to_owned(), Value::from(count)))
        .collect();
    let answer =
        json!({"version": VERSION, "findings": listed, "counts": counts, "checked": tally});
    shown::json(&answer, out)
}
