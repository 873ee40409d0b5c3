//! For GitHub: an annotation for each failure, at the line that is not as it came.

use std::io::{self, Write};

use crate::annotation::Annotation;
use crate::classify::shown::plain;
use crate::suite::Report;

pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut annotate = |file: &str, at: crate::source::tree::Position, title: &str, text: &str| {
        let (line, column) = (at.line, at.column);
        writeln!(out, "{}", Annotation { command: "error", file, line, column, title, text })
    };
    for suite in &report.suites {
        for (outcome, _) in &suite.outcomes {
            let Some(failure) = &outcome.failure else { continue };
            let at = failure.at.unwrap_or(outcome.at);
            annotate(&suite.file, at, &plain(&outcome.name), &failure.to_string())?;
        }
    }
    for mistake in &report.mistakes {
        annotate(&mistake.file, mistake.at, "the suite cannot be run", &mistake.what)?;
    }
    Ok(())
}
