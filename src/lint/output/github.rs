//! For GitHub: workflow commands, which it shows at the lines of a pull request.

use std::io::{self, Write};

use crate::lint::code::Severity;
use crate::lint::finding::Finding;

pub(super) fn write(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    for finding in findings {
        let command = match finding.code.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Advice => "notice",
        };
        writeln!(
            out,
            "::{command} file={},line={},col={},title={} {}::{}",
            property(&finding.file),
            finding.at.line,
            finding.at.column,
            finding.code.id(),
            finding.code.name(),
            data(&finding.sentence()),
        )?;
    }
    Ok(())
}

/// What would end a command is escaped (actions/toolkit: `core/src/command.ts`).
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_cannot_end_the_command_that_names_it() {
        assert_eq!(property("a,b:c%\n::error::x"), "a%2Cb%3Ac%25%0A%3A%3Aerror%3A%3Ax");
    }
}
