//! For GitHub: an annotation each.

use std::io::{self, Write};

use crate::annotation::Annotation;
use crate::lint::code::Severity;
use crate::lint::finding::Finding;

pub(super) fn write(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    for finding in findings {
        let command = match finding.code.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Advice => "notice",
        };
        let annotation = Annotation {
            command,
            file: &finding.file,
            line: finding.at.line,
            column: finding.at.column,
            title: &format!("{} {}", finding.code.id(), finding.code.name()),
            text: &finding.sentence(),
        };
        writeln!(out, "{annotation}")?;
    }
    Ok(())
}
