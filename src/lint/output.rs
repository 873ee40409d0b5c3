//! Findings for people, programs and platforms.

mod github;
mod json;
mod sarif;
mod text;

use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};

use super::finding::{Finding, Tally};
use crate::args::LintOutput;

/// Whether colours are wanted: standard output is a terminal, and `NO_COLOR` is not set.
pub(super) fn is_styled(stdout: &io::Stdout) -> bool {
    AutoStream::choice(stdout) != ColorChoice::Never
}

/// Writes all findings.
pub(super) fn write(
    form: LintOutput,
    findings: &[Finding],
    tally: &Tally,
    styled: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    match form {
        LintOutput::Text => text::write(findings, tally, styled, out),
        LintOutput::Json => json::write(findings, tally, out),
        LintOutput::Github => github::write(findings, out),
        LintOutput::Sarif => sarif::write(findings, out),
    }
}
