//! What was expected beside what came of it.

use std::fmt;

use similar::{ChangeTag, TextDiff};

use super::format::{Expectation, ExpectedAction};
use super::play::{Got, Played};
use super::read::{Case, Expected};
use crate::classify::shown::plain;
use crate::source::tree::Position;

/// What came of a case.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) at: Position,
    pub(super) failure: Option<Failure>,
}

/// How a case failed. Its texts are harmless.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure {
    /// Where the first field stands that differs.
    pub(super) at: Option<Position>,
    /// What was expected (`-`), what came (`+`), and what is the same.
    pub(super) diff: Vec<(char, String)>,
    /// What the engine goes by.
    pub(super) why: Vec<String>,
    /// What happened to the job.
    pub(super) timeline: Vec<String>,
}

impl fmt::Display for Failure {
    /// In plain lines, for whoever shows no more than text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("- expected, + got")?;
        for (sign, line) in &self.diff {
            write!(f, "\n{sign} {line}")?;
        }
        for why in &self.why {
            write!(f, "\nwhy: {why}")?;
        }
        if !self.timeline.is_empty() {
            write!(f, "\nwhat happened:\n{}", self.timeline.join("\n"))?;
        }
        Ok(())
    }
}

/// Compares what came of a case.
pub(super) fn compare(case: &Case, played: &Played<'_>) -> Option<Failure> {
    let several = case.expected.len() > 1;
    let mut failure = Failure::default();
    let (mut expected, mut got) = (String::new(), String::new());
    for (one, came) in case.expected.iter().zip(&played.got) {
        let rows = rows(&one.what, came);
        let wrong = rows.iter().find(|row| row.expected != row.got);
        let job = one.what.job.as_ref().map(|job| format!("job: {}", plain(job)));
        let of = |side: fn(&Row) -> Option<&String>| -> Vec<String> {
            job.iter().chain(rows.iter().filter_map(side)).cloned().collect()
        };
        write(&mut expected, &of(|row| row.expected.as_ref()), several);
        write(&mut got, &of(|row| row.got.as_ref()), several);
        if let Some(wrong) = wrong
            && failure.at.is_none()
        {
            failure = said(one, wrong.field, came, played);
        }
    }
    failure.at?;
    let diff = TextDiff::from_lines(&expected, &got);
    failure.diff = diff
        .iter_all_changes()
        .map(|change| {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            (sign, change.value().trim_end_matches('\n').to_owned())
        })
        .collect();
    Some(failure)
}

/// The first that differs, in words.
fn said(expected: &Expected, field: &str, got: &Got, played: &Played<'_>) -> Failure {
    let harmless = |lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| plain(line).into_owned()).collect()
    };
    Failure {
        at: Some(expected.place(field)),
        diff: Vec::new(),
        why: harmless(&got.why),
        timeline: harmless(&played.timeline(expected.job.as_ref())),
    }
}

/// A field as it was expected and as it came, as lines.
struct Row {
    field: &'static str,
    expected: Option<String>,
    got: Option<String>,
}

/// The fields that are expected.
fn rows(what: &Expectation, got: &Got) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |field: &'static str, expected: Option<String>, got: Option<String>| {
        if let Some(expected) = expected {
            let line = |value: String| format!("{field}: {}", plain(&value));
            rows.push(Row { field, expected: Some(line(expected)), got: got.map(line) });
        }
    };
    let text = |word: &str| Some(word.to_owned());
    row("action", text(what.action.as_str()), text(got.action.as_str()));
    row("reason", what.reason.clone(), text(got.reason));
    let cause =
        |cause: &Option<_>| cause.map(|cause: dislodge_engine::cause::Cause| cause.to_string());
    row("cause", cause(&what.cause), cause(&got.cause));
    row("rule", what.rule.clone(), got.rule.clone());
    row("policy", what.policy.clone(), got.policy.clone());
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    row("failedPulls", number(what.failed_pulls), number(got.failed_pulls));
    rows.extend(times(what, got));
    rows
}

/// A field with a time: its name, what was expected, and whether a time keeps to that.
type Bound = (&'static str, Option<u64>, fn(u64, u64) -> bool);

/// The times that are expected. Where one is missed, the time itself stands in its place.
fn times(what: &Expectation, got: &Got) -> impl Iterator<Item = Row> {
    let at = got.at.map(|at| at.as_secs());
    let nothing = what.action == ExpectedAction::None;
    let kept = |is: fn(u64, u64) -> bool, wanted: u64| match at {
        Some(at) => !nothing && is(at, wanted),
        None => nothing,
    };
    let rows: [Bound; 3] = [
        ("atSeconds", what.at_seconds, |at, wanted| at == wanted),
        ("beforeSeconds", what.before_seconds, |at, wanted| at <= wanted),
        ("afterSeconds", what.after_seconds, |at, wanted| at >= wanted),
    ];
    let compared = rows.map(|(field, wanted, is)| {
        let wanted = wanted?;
        let expected = Some(format!("{field}: {wanted}"));
        let got = if kept(is, wanted) {
            expected.clone()
        } else {
            at.map(|at| format!("atSeconds: {at}"))
        };
        Some(Row { field, expected, got })
    });
    compared.into_iter().flatten()
}

/// An entry as YAML has it: alone, or as an item of a list.
fn write(text: &mut String, lines: &[String], is_item: bool) {
    for (number, line) in lines.iter().enumerate() {
        text.push_str(match (is_item, number) {
            (false, _) => "",
            (true, 0) => "- ",
            (true, _) => "  ",
        });
        text.push_str(line);
        text.push('\n');
    }
}
