//! Findings as people read them.

use std::io::{self, Write};

use super::{Finding, Judgement};
use crate::classify::shown::plain;
use crate::terminal::{Screen, Tone};

/// Room for the name of a check.
const NAMES: usize = 14;
/// Room for how it went.
const RESULTS: usize = 9;

/// Writes them, and in the last line how many of what.
pub(super) fn write(
    findings: &[Finding],
    address: &str,
    screen: Screen,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "{}", screen.paint(Tone::Strong, &plain(address)))?;
    for finding in findings {
        let (word, tone) = word(finding.result);
        let head =
            format!("{:NAMES$}{}", finding.check, screen.paint(tone, &format!("{word:RESULTS$}")));
        let mut first = Some(head);
        let indented = NAMES + RESULTS;
        let blank = " ".repeat(indented);
        let message = plain(&finding.message);
        let advice = finding.advice.as_deref().map(|advice| format!("-> {}", plain(advice)));
        for text in [Some(message.into_owned()), advice].into_iter().flatten() {
            for line in screen.lines(&text, indented) {
                writeln!(out, "{}{line}", first.take().unwrap_or_else(|| blank.clone()))?;
            }
        }
    }
    let count = |result| findings.iter().filter(|finding| finding.result == result).count();
    let of = |many: usize, one: &str, more: &str| match many {
        0 => None,
        1 => Some(format!("1 {one}")),
        many => Some(format!("{many} {more}")),
    };
    let all: Vec<String> = [
        of(count(Judgement::Problem), "problem", "problems"),
        of(count(Judgement::Advice), "piece of advice", "pieces of advice"),
        of(count(Judgement::Unknown), "check could not be made", "checks could not be made"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let last = if all.is_empty() { "all is well".to_owned() } else { all.join(", ") };
    writeln!(out, "\n{}", screen.paint(Tone::Strong, &last))
}

const fn word(result: Judgement) -> (&'static str, Tone) {
    match result {
        Judgement::Problem => ("problem", Tone::Bad),
        Judgement::Advice => ("advice", Tone::Waiting),
        Judgement::Unknown => ("unknown", Tone::Faint),
        Judgement::Ok => ("ok", Tone::Good),
    }
}
