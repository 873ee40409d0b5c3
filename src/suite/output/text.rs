//! For people: a line that editors can jump to, and below it what differs, and why.

use std::io::{self, Write};

use super::summary;
use crate::classify::shown::plain;
use crate::suite::Report;
use crate::suite::compare::Failure;
use crate::terminal::{Screen, Tone};

pub(super) fn write(
    report: &Report,
    verbose: bool,
    screen: Screen,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut something = false;
    for suite in &report.suites {
        for (outcome, _) in &suite.outcomes {
            let place = format!("{}:{}:{}", suite.file, outcome.at.line, outcome.at.column);
            let name = plain(&outcome.name);
            if let Some(failure) = &outcome.failure {
                let at = failure.at.unwrap_or(outcome.at);
                let place = format!("{}:{}:{}", suite.file, at.line, at.column);
                let name = screen.paint(Tone::Strong, &name);
                writeln!(out, "{place}: {}: {name}", screen.paint(Tone::Bad, "FAIL"))?;
                details(failure, screen, out)?;
                something = true;
            } else if verbose {
                writeln!(out, "{place}: {}: {name}", screen.paint(Tone::Good, "ok"))?;
                something = true;
            }
        }
    }
    for mistake in &report.mistakes {
        let place = format!("{}:{}:{}", mistake.file, mistake.at.line, mistake.at.column);
        writeln!(out, "{place}: {}: {}", screen.paint(Tone::Bad, "error"), mistake.what)?;
        something = true;
    }
    if something {
        writeln!(out)?;
    }
    writeln!(out, "{}", summary(report))
}

fn details(failure: &Failure, screen: Screen, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "    {}", screen.paint(Tone::Faint, "- expected, + got"))?;
    for (sign, line) in &failure.diff {
        let tone = match sign {
            '-' => Tone::Bad,
            '+' => Tone::Good,
            _ => Tone::Plain,
        };
        writeln!(out, "    {}", screen.paint(tone, &format!("{sign} {line}")))?;
    }
    for why in &failure.why {
        let mut label = "why: ";
        for line in screen.lines(why, 9) {
            writeln!(out, "    {}{line}", screen.paint(Tone::Faint, label))?;
            label = "     ";
        }
    }
    if !failure.timeline.is_empty() {
        writeln!(out, "    {}", screen.paint(Tone::Faint, "what happened:"))?;
    }
    for line in &failure.timeline {
        let mut indent = 4;
        for line in screen.lines(line, 14) {
            writeln!(out, "{:indent$}{line}", "")?;
            indent = 14;
        }
    }
    Ok(())
}
