//! Results for people, programs and platforms.

mod github;
mod json;
mod junit;
mod text;

use std::io::{self, Write};

use super::{Report, TestArgs, TestOutput};
use crate::terminal::Screen;

/// Writes all results.
pub(super) fn write(args: &TestArgs, report: &Report, out: &mut impl Write) -> io::Result<()> {
    match args.output {
        TestOutput::Text => text::write(report, args.verbose, Screen::stdout(), out),
        TestOutput::Junit => junit::write(report, out),
        TestOutput::Json => json::write(report, out),
        TestOutput::Github => {
            github::write(report, out)?;
            writeln!(out, "{}", summary(report))
        }
    }
}

/// All results in a line.
fn summary(report: &Report) -> String {
    let (passed, failed) = report.counts();
    let number =
        |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let mut parts = vec![format!("{passed} passed")];
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    if !report.mistakes.is_empty() {
        parts.push(number(report.mistakes.len(), "mistake"));
    }
    format!(
        "{} in {}: {} ({:.3} s)",
        number(passed + failed, "case"),
        number(report.suites.len(), "suite"),
        parts.join(", "),
        report.elapsed.as_secs_f64(),
    )
}
