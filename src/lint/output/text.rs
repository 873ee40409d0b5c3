//! For people: a line that editors can jump to, and below it what to do.

use std::io::{self, Write};

use clap::builder::styling::{AnsiColor, Style};

use crate::lint::code::Severity;
use crate::lint::finding::{Finding, Tally, counts};

pub(super) fn write(
    findings: &[Finding],
    tally: &Tally,
    styled: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let style = |style: Style| if styled { style } else { Style::new() };
    let strong = style(Style::new().bold());
    for finding in findings {
        let Finding { code, file, at, field, wrong, advice } = finding;
        let severity = code.severity();
        let colour = style(colour(severity));
        let place = if field.is_empty() { String::new() } else { format!("{field}: ") };
        writeln!(
            out,
            "{file}:{}:{}: {colour}{}[{}]{colour:#}: {strong}{place}{wrong}{strong:#}\n    {advice}",
            at.line,
            at.column,
            severity.as_str(),
            code.id(),
        )?;
    }
    if !findings.is_empty() {
        writeln!(out)?;
    }
    let counted: Vec<String> = counts(findings)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| match (severity, count) {
            (Severity::Advice, count) => format!("{count} advice"),
            (severity, count) => number(count, severity.as_str(), "s"),
        })
        .collect();
    let said = if counted.is_empty() { "nothing to say".to_owned() } else { counted.join(", ") };
    let policies = match tally.policies {
        1 => "1 policy".to_owned(),
        count => format!("{count} policies"),
    };
    writeln!(out, "{policies} in {}: {said}", number(tally.files, "file", "s"))?;
    if let Some(finding) = findings.first() {
        let id = finding.code.id();
        writeln!(out, "Why a finding matters: dislodge lint --explain {id}")?;
    }
    Ok(())
}

fn colour(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Advice => AnsiColor::Cyan,
    };
    Style::new().bold().fg_color(Some(colour.into()))
}

fn number(count: usize, word: &str, plural: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { plural })
}
