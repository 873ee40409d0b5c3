//! One thing that was found, and where.

use dislodge_engine::api::clip;
use serde::Serialize;

use super::code::{Code, Severity};
use crate::classify::shown::plain;
use crate::source::tree::Position;

/// So many characters of a text are shown: values of a hostile file can be megabytes.
const SHOWN: usize = 600;

/// One thing that was found. Its texts are harmless to a terminal.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) code: Code,
    pub(super) file: String,
    pub(super) at: Position,
    /// Path of the field, as the API server writes it; empty where it is about none.
    pub(super) field: String,
    /// What is wrong.
    pub(super) wrong: String,
    /// What was expected, or what to do.
    pub(super) advice: String,
}

impl Finding {
    pub(super) fn new(
        code: Code,
        file: &str,
        at: Position,
        field: &str,
        wrong: &str,
        advice: &str,
    ) -> Self {
        let shown = |text: &str| plain(&clip(text, SHOWN)).into_owned();
        Self {
            code,
            file: shown(file),
            at,
            field: shown(field),
            wrong: shown(wrong),
            advice: shown(advice),
        }
    }

    /// The finding in one sentence.
    pub(super) fn sentence(&self) -> String {
        let Self { field, wrong, advice, .. } = self;
        let colon = if field.is_empty() { "" } else { ": " };
        format!("{field}{colon}{wrong}: {advice}")
    }
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Tally {
    pub(super) files: usize,
    pub(super) policies: usize,
    /// Documents of other kinds.
    pub(super) others: usize,
}

/// How many findings there are of each severity.
pub(super) fn counts(findings: &[Finding]) -> [(Severity, usize); 3] {
    [Severity::Error, Severity::Warning, Severity::Advice].map(|severity| {
        (severity, findings.iter().filter(|finding| finding.code.severity() == severity).count())
    })
}
