//! Two policies side by side, on the same recording.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;

use super::played::{Decided, Played};
use crate::classify::shown::plain;
use crate::explain::words::span;
use crate::status::table::{Fit, Table};
use crate::terminal::{Screen, Tone};

/// Two plays of one run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Comparison {
    pub(super) jobs: Vec<Pair>,
    pub(super) first: Totals,
    pub(super) second: Totals,
}

/// What comes of one job.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pair {
    pub(super) kind: String,
    pub(super) job: String,
    pub(super) uid: String,
    pub(super) first: Option<Fate>,
    pub(super) second: Option<Fate>,
    /// How much later the second acts than the first, where both act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) later_seconds: Option<i64>,
}

/// What is decided of a job first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fate {
    pub(super) time: Timestamp,
    pub(super) action: &'static str,
    pub(super) acts: bool,
}

/// What comes of all jobs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Totals {
    pub(super) jobs_stopped: usize,
    /// Of these, jobs that started later by themselves.
    pub(super) later_started: usize,
    /// Quota that stuck pulls hold in spite of it: units times seconds, by resource.
    pub(super) held: BTreeMap<String, f64>,
}

impl Fate {
    fn of(decided: &Decided) -> Self {
        Self { time: decided.time, action: decided.action, acts: decided.acts }
    }
}

/// Compares two plays.
pub(super) fn compare(first: &Played, second: &Played) -> Comparison {
    let (ours, theirs) = (fates(first), fates(second));
    let uids: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let mut jobs: Vec<Pair> = uids
        .into_iter()
        .filter_map(|uid| {
            let (first, second) = (ours.get(uid), theirs.get(uid));
            let (decided, _) = first.or(second)?;
            let fate = |known: Option<&(&Decided, Fate)>| known.map(|(_, fate)| *fate);
            let (first, second) = (fate(first), fate(second));
            let both = first.zip(second).filter(|(a, b)| a.acts && b.acts);
            Some(Pair {
                kind: decided.kind.clone(),
                job: decided.job.clone(),
                uid: uid.clone(),
                first,
                second,
                later_seconds: both.map(|(a, b)| b.time.duration_since(a.time).as_secs()),
            })
        })
        .collect();
    let begins =
        |pair: &Pair| pair.first.into_iter().chain(pair.second).map(|fate| fate.time).min();
    jobs.sort_by_key(|pair| (begins(pair), pair.uid.clone()));
    Comparison { jobs, first: totals(first), second: totals(second) }
}

/// The first action on each job, else the first report.
fn fates(played: &Played) -> BTreeMap<String, (&Decided, Fate)> {
    let mut fates: BTreeMap<String, (&Decided, Fate)> = BTreeMap::new();
    for decided in &played.decisions {
        let known = fates.get(&decided.uid);
        if known.is_none_or(|(_, fate)| decided.acts && !fate.acts) {
            fates.insert(decided.uid.clone(), (decided, Fate::of(decided)));
        }
    }
    fates
}

fn totals(played: &Played) -> Totals {
    let stopped: BTreeSet<&String> = played
        .decisions
        .iter()
        .filter(|decided| decided.acts)
        .map(|decided| &decided.uid)
        .collect();
    let held = played.wasted.iter();
    Totals {
        jobs_stopped: stopped.len(),
        later_started: played.later_started.len(),
        held: held.map(|(resource, wasted)| (resource.clone(), wasted.until_action)).collect(),
    }
}

/// Writes it for people.
pub(super) fn write(
    comparison: &Comparison,
    names: &[String; 2],
    screen: Screen,
    out: &mut impl Write,
) -> io::Result<()> {
    let heads = names.each_ref().map(|name| plain(name).to_uppercase());
    let mut table = Table::new(&["JOB", &heads[0], &heads[1], "DIFFERENCE"]);
    let fates = comparison.jobs.iter().flat_map(|pair| [pair.first, pair.second]);
    let days: BTreeSet<_> =
        fates.flatten().map(|fate| fate.time.strftime("%F").to_string()).collect();
    // The day would take the room of the difference, and tells nothing where there is one.
    let format = if days.len() > 1 { "%m-%d %T" } else { "%T" };
    for pair in &comparison.jobs {
        table.row(vec![
            plain(&pair.job).into_owned(),
            fate(pair.first, format),
            fate(pair.second, format),
            difference(pair),
        ]);
    }
    if !table.is_empty() {
        table.write(screen, Fit::Screen, out)?;
        writeln!(out)?;
    }
    let mut table = Table::new(&["TOTAL", &heads[0], &heads[1]]);
    let (first, second) = (&comparison.first, &comparison.second);
    let mut row =
        |what: String, first: String, second: String| table.row(vec![what, first, second]);
    let (a, b) = (first.jobs_stopped.to_string(), second.jobs_stopped.to_string());
    row("jobs stopped".to_owned(), a, b);
    let (a, b) = (first.later_started.to_string(), second.later_started.to_string());
    row("of these, started later by themselves".to_owned(), a, b);
    let resources: BTreeSet<&String> = first.held.keys().chain(second.held.keys()).collect();
    for resource in resources {
        let held = |totals: &Totals| format!("{:.0}", totals.held.get(resource).unwrap_or(&0.0));
        row(format!("{}-seconds held by stuck pulls", plain(resource)), held(first), held(second));
    }
    table.write(screen, Fit::Screen, out)?;
    if comparison.jobs.is_empty() {
        writeln!(out, "{}", screen.paint(Tone::Faint, "Neither decides anything."))?;
    }
    Ok(())
}

fn fate(fate: Option<Fate>, format: &str) -> String {
    match fate {
        None => "nothing".to_owned(),
        Some(fate) => format!("{} {}", fate.time.strftime(format), fate.action),
    }
}

/// How far apart the two are, in words.
pub(super) fn difference(pair: &Pair) -> String {
    match (pair.first, pair.second) {
        (Some(first), Some(second)) if first.acts && second.acts => {
            let when = match second.time.duration_since(first.time) {
                apart if apart.is_zero() => "at the same time".to_owned(),
                apart if apart.is_negative() => format!("{} sooner", span(-apart)),
                apart => format!("{} later", span(apart)),
            };
            if first.action == second.action { when } else { format!("another action, {when}") }
        }
        (first, second) => {
            let acts = |fate: Option<Fate>| fate.is_some_and(|fate| fate.acts);
            match (acts(first), acts(second)) {
                (true, _) => "only the first acts".to_owned(),
                (_, true) => "only the second acts".to_owned(),
                (false, false) => "none".to_owned(),
            }
        }
    }
}
