//! An overview as people read it.

use std::io::{self, Write};

use dislodge_engine::api::reason;
use jiff::Timestamp;

use crate::explain::words::{ago, ahead, clock, mode};
use crate::status::overview::{Overview, PolicyRow, QueueRow, done};
use crate::status::table::{Fit, Table};
use crate::steer::holds;
use crate::terminal::{Screen, Tone};

/// Writes it.
pub(super) fn write(
    overview: &Overview,
    wide: bool,
    screen: Screen,
    out: &mut impl Write,
) -> io::Result<()> {
    let everywhere = overview.namespace.is_none();
    let now = overview.time;
    let place = overview
        .namespace
        .as_ref()
        .map_or_else(|| "all namespaces".to_owned(), |namespace| format!("namespace {namespace}"));
    writeln!(out, "{}", screen.paint(Tone::Strong, &format!("{place}, {}", clock(now, now))))?;
    if let Some(why) = &overview.paused {
        writeln!(out, "{}", screen.paint(Tone::Waiting, &format!("everything is paused: {why}")))?;
    }
    let fit = if wide { Fit::Whole } else { Fit::Screen };
    let mut section = |title: &str, empty: &str, table: &Table| -> io::Result<()> {
        writeln!(out)?;
        if table.is_empty() {
            return writeln!(out, "{}", screen.paint(Tone::Faint, &format!("{title}: {empty}")));
        }
        writeln!(out, "{}", screen.paint(Tone::Strong, title))?;
        table.write(screen, fit, out)
    };
    section("Policies", "none", &policies(overview, everywhere, wide))?;
    section("Queues", "none", &queues(overview, everywhere))?;
    section("Stuck jobs", "none", &stuck(overview, everywhere))?;
    section("Held jobs", "none", &holds::table(&overview.holds, everywhere, wide, now))?;
    section("Newest actions", "none", &recent(overview, everywhere))?;
    let down: Vec<String> = overview
        .policies
        .iter()
        .flat_map(|policy| policy.outages.iter().map(move |outage| (policy, outage)))
        .map(|(policy, outage)| {
            format!(
                "registry {} counts as down since {} for policy {}/{}: nothing is stopped because of it",
                crate::classify::shown::plain(&outage.host),
                clock(outage.since_time, now),
                policy.namespace,
                policy.name
            )
        })
        .collect();
    for text in &down {
        for line in screen.lines(text, 0) {
            writeln!(out, "{}", screen.paint(Tone::Waiting, &line))?;
        }
    }
    if !overview.unknown.is_empty() {
        writeln!(out)?;
    }
    for gap in &overview.unknown {
        let text = format!("not known: {}: what is missing is {}", gap.unknown, gap.missing);
        for line in screen.lines(&text, 0) {
            writeln!(out, "{}", screen.paint(Tone::Faint, &line))?;
        }
    }
    Ok(())
}

fn with_namespace(everywhere: bool, namespace: &str, mut row: Vec<String>) -> Vec<String> {
    if everywhere {
        row.insert(0, namespace.to_owned());
    }
    row
}

fn heads<'a>(everywhere: bool, heads: &[&'a str]) -> Vec<&'a str> {
    let first = everywhere.then_some("NAMESPACE");
    first.into_iter().chain(heads.iter().copied()).collect()
}

fn policies(overview: &Overview, everywhere: bool, wide: bool) -> Table {
    let mut columns = vec!["POLICY", "MODE", "READY", "HELD", "FAILING", "BUDGET", "DONE"];
    if wide {
        columns.push("AUDIT");
    }
    columns.push("QUEUES");
    let mut table = Table::new(&heads(everywhere, &columns));
    for policy in &overview.policies {
        let mut row = vec![
            policy.name.clone(),
            policy.mode.map_or("-", mode).to_owned(),
            ready(policy),
            policy.held_jobs.to_string(),
            policy.failing_jobs.to_string(),
            budget(policy, overview.time),
            (policy.actions.failed + policy.actions.suspended + policy.actions.requeued)
                .to_string(),
        ];
        if wide {
            let audit = policy.audit;
            row.push(format!("{} ({} started later)", audit.would_have_acted, audit.later_started));
        }
        row.push(policy.queues.join(", "));
        table.row(with_namespace(everywhere, &policy.namespace, row));
    }
    table
}

fn ready(policy: &PolicyRow) -> String {
    match &policy.ready {
        None => "no controller yet".to_owned(),
        Some(ready) if ready.status && ready.reason == reason::GOVERNING => "yes".to_owned(),
        Some(ready) if ready.status => ready.reason.clone(),
        Some(ready) => format!("no: {}", ready.reason),
    }
}

fn budget(policy: &PolicyRow, now: Timestamp) -> String {
    let budget = policy.budget;
    let anew = budget.until.filter(|_| budget.reserved >= budget.actions);
    let anew = anew.map(|until| format!(", anew {}", ahead(until, now)));
    format!("{}/{}{}", budget.reserved, budget.actions, anew.unwrap_or_default())
}

fn queues(overview: &Overview, everywhere: bool) -> Table {
    let columns = ["QUEUE", "POLICY", "STUCK", "HELD", "HELD BACK BY STUCK JOBS"];
    let mut table = Table::new(&heads(everywhere, &columns));
    for queue in &overview.queues {
        let row = vec![
            queue.name.clone().unwrap_or_else(|| "(no queue)".to_owned()),
            queue.policy.clone().unwrap_or_else(|| "none".to_owned()),
            queue.stuck_jobs.to_string(),
            queue.held_jobs.to_string(),
            held_back(queue),
        ];
        table.row(with_namespace(everywhere, &queue.namespace, row));
    }
    table
}

fn held_back(queue: &QueueRow) -> String {
    if queue.held_back.is_empty() {
        return "-".to_owned();
    }
    let parts: Vec<String> =
        queue.held_back.iter().map(|(resource, amount)| format!("{resource}: {amount}")).collect();
    parts.join(", ")
}

fn stuck(overview: &Overview, everywhere: bool) -> Table {
    let columns = ["JOB", "QUEUE", "FAILED", "CAUSE", "STATE", "IMAGE"];
    let mut table = Table::new(&heads(everywhere, &columns));
    for job in &overview.stuck {
        let name = if job.kind == "Job" {
            job.name.clone()
        } else {
            format!("{}/{}", job.kind.to_lowercase(), job.name)
        };
        let failed = match job.threshold {
            Some(threshold) => format!("{} of {threshold}", job.failed_pulls),
            None => job.failed_pulls.to_string(),
        };
        let queue = job.queue.clone().unwrap_or_else(|| "-".to_owned());
        let row =
            vec![name, queue, failed, job.cause.to_string(), job.state.clone(), job.image.clone()];
        table.row(with_namespace(everywhere, &job.namespace, row));
    }
    table
}

fn recent(overview: &Overview, everywhere: bool) -> Table {
    let columns = ["WHEN", "JOB", "WAS", "BY", "CAUSE", "IMAGE"];
    let mut table = Table::new(&heads(everywhere, &columns));
    for recent in &overview.recent {
        let action = &recent.action;
        let row = vec![
            ago(action.time, overview.time),
            action.job.clone(),
            done(action.action).to_owned(),
            recent.policy.clone(),
            action.cause.to_string(),
            action.image.clone(),
        ];
        table.row(with_namespace(everywhere, &recent.namespace, row));
    }
    table
}
