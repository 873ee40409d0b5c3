//! A replay as people read it.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::classify::shown::plain;
use crate::explain::words::span;
use crate::recording::frame::Source;
use crate::status::table::{Fit, Table};
use crate::terminal::{Screen, Tone};

use super::Run;
use super::played::{Decided, Played};

pub(super) fn write(
    runs: &[Run],
    with_its_own: bool,
    screen: Screen,
    out: &mut impl Write,
) -> io::Result<()> {
    for (place, run) in runs.iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        head(run, screen, out)?;
        decisions(run, screen, out)?;
        open(&run.played, screen, out)?;
        foot(run, with_its_own, screen, out)?;
    }
    Ok(())
}

fn head(run: &Run, screen: Screen, out: &mut impl Write) -> io::Result<()> {
    let played = &run.played;
    let by = match run.source {
        Source::Controller => format!("the controller of dislodge {}", run.program),
        Source::Person => format!("dislodge {} record", run.program),
    };
    let of = run.namespace.as_deref().map_or_else(
        || "all namespaces".to_owned(),
        |namespace| format!("namespace {}", plain(namespace)),
    );
    let files = run.files.join(", ");
    writeln!(out, "{}", screen.paint(Tone::Strong, &files))?;
    let (began, ended) = (played.began.unwrap_or(run.started), played.ended.unwrap_or(run.started));
    let line = format!(
        "{} of {of}, recorded by {by} from {} on",
        span(ended.duration_since(began)),
        began.strftime("%F %T UTC"),
    );
    say(&line, screen, out)?;
    if run.cut {
        say(
            "It has no end: it was cut, or the process was killed. Everything up to there is here.",
            screen,
            out,
        )?;
    }
    writeln!(out)
}

fn decisions(run: &Run, screen: Screen, out: &mut impl Write) -> io::Result<()> {
    let heads = ["TIME", "JOB", "DECISION", "CAUSE", "PULLS", "POLICY", "RULE"];
    let mut table = Table::new(&heads);
    for decided in &run.played.decisions {
        let pulls = decided.failed_pulls.map_or_else(|| "-".to_owned(), |pulls| pulls.to_string());
        table.row(vec![
            decided.time.strftime("%m-%d %T").to_string(),
            plain(&decided.job).into_owned(),
            said(decided, run),
            decided.cause.as_str().to_owned(),
            pulls,
            plain(&decided.policy).into_owned(),
            plain(decided.rule.as_deref().unwrap_or("-")).into_owned(),
        ]);
    }
    if table.is_empty() {
        return Ok(());
    }
    table.write(screen, Fit::Screen, out)?;
    writeln!(out)
}

/// `Hold for SuspendJob: Applied`, `would SuspendJob, and started later by itself`, `Report: NoRule`.
fn said(decided: &Decided, run: &Run) -> String {
    if run.verified {
        let effect = decided.effect.unwrap_or_default();
        let to = if decided.acts { format!(" for {}", decided.action) } else { String::new() };
        let outcome = decided.outcome.unwrap_or("no outcome");
        format!("{effect}{to} ({}): {outcome}", decided.reason)
    } else if decided.acts {
        let started = run.played.later_started.contains(&decided.uid);
        let started = if started { ", and it started later by itself" } else { "" };
        format!("would {}{started}", decided.action)
    } else {
        format!("would only report ({})", decided.reason)
    }
}

fn open(played: &Played, screen: Screen, out: &mut impl Write) -> io::Result<()> {
    if played.open.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["FAILS AT THE END", "CAUSE", "PULLS", "WHY NOTHING IS DONE"]);
    for open in &played.open {
        table.row(vec![
            plain(&open.job).into_owned(),
            open.cause.as_str().to_owned(),
            open.failed_pulls.to_string(),
            plain(&open.why).into_owned(),
        ]);
    }
    table.write(screen, Fit::Screen, out)?;
    writeln!(out)
}

fn foot(run: &Run, with_its_own: bool, screen: Screen, out: &mut impl Write) -> io::Result<()> {
    let played = &run.played;
    let count = played.decisions.len();
    let decisions = format!("{count} decision{}", if count == 1 { "" } else { "s" });
    if run.verified {
        return verdict(run, &decisions, screen, out);
    }
    if run.begins_in_the_middle && with_its_own && run.source == Source::Controller {
        say(
            "The first files of this run are missing, so that nothing can be compared: this is what \
             its policies decide from what stood when the first file here was begun.",
            screen,
            out,
        )?;
    }
    if !played.synced {
        say(
            "The recording ends before everything was listed: nothing can be decided.",
            screen,
            out,
        )?;
    }
    let acts = played.decisions.iter().filter(|decided| decided.acts).count();
    let mut line = format!(
        "{decisions}: {acts} action{}, {} of them on jobs that started later by themselves.",
        if acts == 1 { "" } else { "s" },
        played.later_started.len()
    );
    for (resource, wasted) in &played.wasted {
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            " {}-seconds held by stuck pulls: {:.0} recorded, {:.0} with these actions.",
            plain(resource),
            wasted.recorded,
            wasted.until_action
        );
    }
    say(&line, screen, out)
}

fn verdict(run: &Run, decisions: &str, screen: Screen, out: &mut impl Write) -> io::Result<()> {
    let played = &run.played;
    let Some(difference) = &played.difference else {
        let line = format!(
            "The same {decisions} and {}, bit for bit, out of {}.",
            counted(played.effects, "effect"),
            counted(played.inputs, "input")
        );
        return writeln!(out, "{}", screen.paint(Tone::Good, &line));
    };
    let line = format!(
        "Not the same: at {} (input {}) something else was decided than is recorded.",
        difference.at.strftime("%F %T%.3f UTC"),
        difference.input
    );
    writeln!(out, "{}", screen.paint(Tone::Bad, &line))?;
    for (label, effects) in [("recorded", &difference.recorded), ("replayed", &difference.replayed)]
    {
        if effects.is_empty() {
            writeln!(out, "  {label}  nothing")?;
        }
        for effect in effects {
            writeln!(out, "  {label}  {}", plain(effect))?;
        }
    }
    if difference.recorded == difference.replayed {
        say("The effects have the same names: what they write differs.", screen, out)?;
    }
    let program = env!("CARGO_PKG_VERSION");
    if run.program != program {
        let line = format!(
            "It was recorded by version {}, and this is {program}: replay it with that one to compare.",
            run.program
        );
        say(&line, screen, out)?;
    }
    Ok(())
}

/// `1 effect`, `2 effects`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn say(text: &str, screen: Screen, out: &mut impl Write) -> io::Result<()> {
    screen.lines(text, 0).iter().try_for_each(|line| writeln!(out, "{line}"))
}
