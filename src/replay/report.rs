//! `--html`: one page with everything in it, for a browser without a network.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::Run;
use super::compare::{Comparison, Totals, difference};
use super::played::Decided;
use crate::classify::shown::plain;
use crate::explain::words::span;

/// How many bars a queue gets: a page of more is not looked at.
const MOST_BARS: usize = 400;

/// A text as it stands between tags or in quotes.
struct Safe<'a>(&'a str);

impl std::fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in plain(self.0).chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// The page. `compared`: for each run, what other policies would do.
pub(super) fn page(runs: &[Run], compared: &[Comparison], names: &[String; 2]) -> String {
    let mut page = String::from(HEAD);
    for (place, run) in runs.iter().enumerate() {
        section(run, &mut page);
        if let Some(comparison) = compared.get(place) {
            side_by_side(comparison, names, &mut page);
        }
    }
    page.push_str("</main></body></html>\n");
    page
}

macro_rules! add {
    ($page:expr, $($part:tt)*) => {{
        // Writing to a string cannot fail.
        let _ = writeln!($page, $($part)*);
    }};
}

fn section(run: &Run, page: &mut String) {
    let played = &run.played;
    let began = played.began.unwrap_or(run.started);
    let ended = played.ended.unwrap_or(run.started).max(began);
    let acts = played.decisions.iter().filter(|decided| decided.acts).count();
    add!(page, "<section><h2>{}</h2>", Safe(&run.files.join(", ")));
    add!(
        page,
        "<p>{} from {} on; {} decisions{}, {acts} of them actions, {} on jobs that started later by \
         themselves.{}</p>",
        span(ended.duration_since(began)),
        began.strftime("%F %T UTC"),
        played.decisions.len(),
        if run.verified {
            ""
        } else {
            " that these policies would have made, and nobody has carried out"
        },
        played.later_started.len(),
        if run.cut { " The recording has no end: it was cut." } else { "" },
    );
    if !played.wasted.is_empty() {
        add!(
            page,
            "<table><tr><th>quota held by stuck pulls</th><th>recorded</th><th>with these actions</th></tr>"
        );
        for (resource, wasted) in &played.wasted {
            let (recorded, until) = (wasted.recorded, wasted.until_action);
            add!(
                page,
                "<tr><td>{}-seconds</td><td>{recorded:.0}</td><td>{until:.0}</td></tr>",
                Safe(resource)
            );
        }
        add!(page, "</table>");
    }
    let mut queues: Vec<&str> = played.decisions.iter().map(queue).collect();
    queues.sort_unstable();
    queues.dedup();
    for name in queues {
        let of_queue = played.decisions.iter().filter(|decided| queue(decided) == name);
        let decisions: Vec<&Decided> = of_queue.collect();
        let title = match name.strip_suffix('/') {
            Some(namespace) => format!("jobs of {namespace} that no queue manages"),
            None => format!("queue {name}"),
        };
        add!(page, "<h3>{}</h3>", Safe(&title));
        timeline(run, &decisions, (began, ended), page);
        table(run, &decisions, page);
    }
    if !played.open.is_empty() {
        add!(page, "<h3>fails at the end, and nothing is done</h3>");
        add!(page, "<table><tr><th>job</th><th>cause</th><th>failed pulls</th><th>why</th></tr>");
        for open in &played.open {
            add!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                Safe(&open.job),
                open.cause.as_str(),
                open.failed_pulls,
                Safe(&open.why)
            );
        }
        add!(page, "</table>");
    }
    add!(page, "</section>");
}

fn queue(decided: &Decided) -> &str {
    decided.queue.as_deref().unwrap_or("jobs that are gone")
}

/// A bar for each decision: from the first failed pull to the decision, and from there to the end.
fn timeline(
    run: &Run,
    decisions: &[&Decided],
    (began, ended): (Timestamp, Timestamp),
    page: &mut String,
) {
    let whole = ended.duration_since(began).as_secs_f64().max(1.0);
    let place =
        |at: Timestamp| (at.duration_since(began).as_secs_f64() / whole * 100.0).clamp(0.0, 100.0);
    add!(page, "<div class=line role=img aria-label=\"timeline\">");
    for decided in decisions.iter().take(MOST_BARS) {
        let from = place(decided.first_failure.unwrap_or(decided.time));
        let at = place(decided.time);
        let kind = if !decided.acts {
            "report"
        } else if run.played.later_started.contains(&decided.uid) {
            "wrong"
        } else {
            "act"
        };
        add!(
            page,
            "<div class=row title=\"{}: {} at {}\"><span class=name>{}</span><span class=track><i class=fails \
             style=\"left:{from:.2}%;width:{:.2}%\"></i><i class={kind} style=\"left:{at:.2}%;width:{:.2}%\"></i>\
             </span></div>",
            Safe(&decided.job),
            decided.action,
            decided.time.strftime("%F %T UTC"),
            Safe(&decided.job),
            at - from,
            if decided.acts { 100.0 - at } else { 0.4 }
        );
    }
    add!(
        page,
        "<div class=row><span></span><span class=axis><span>{}</span><span>{}</span></span></div>",
        began.strftime("%F %T"),
        ended.strftime("%F %T UTC")
    );
    let (stopped, started) = if run.verified {
        ("stopped: its quota is free", "stopped, and it started later by itself")
    } else {
        ("would be stopped, and its quota free", "would be stopped, and it started later by itself")
    };
    if decisions.len() > MOST_BARS {
        add!(page, "<p>and {} more, in the table</p>", decisions.len() - MOST_BARS);
    }
    add!(
        page,
        "<p class=key><i class=fails></i> pulls fail <i class=act></i> {stopped} <i class=wrong></i> \
         {started} <i class=report></i> only reported</p></div>"
    );
}

fn table(run: &Run, decisions: &[&Decided], page: &mut String) {
    add!(
        page,
        "<table><tr><th>time</th><th>job</th><th>image</th><th>cause</th><th>failed pulls</th><th>policy</th>\
         <th>rule</th><th>decision</th></tr>"
    );
    for decided in decisions {
        let started = run.played.later_started.contains(&decided.uid);
        let outcome = match decided.outcome {
            Some(outcome) if run.verified => outcome,
            _ if started => "started later by itself",
            _ => "",
        };
        let would = match (run.verified, decided.acts) {
            (true, _) => "",
            (false, true) => "would ",
            (false, false) => "would only ",
        };
        let pulls = decided.failed_pulls.map_or_else(String::new, |pulls| pulls.to_string());
        add!(
            page,
            "<tr><td><time>{}</time></td><td>{}</td><td>{}</td><td>{}</td><td>{pulls}</td><td>{}</td><td>{}</td><td>{would}{} ({}) \
             {outcome}</td></tr>",
            decided.time.strftime("%F %T"),
            Safe(&decided.job),
            Safe(&decided.image),
            decided.cause.as_str(),
            Safe(&decided.policy),
            Safe(decided.rule.as_deref().unwrap_or("")),
            decided.action,
            decided.reason
        );
    }
    add!(page, "</table>");
}

fn side_by_side(comparison: &Comparison, names: &[String; 2], page: &mut String) {
    add!(page, "<section><h2>Side by side</h2><table>");
    add!(
        page,
        "<tr><th>job</th><th>{}</th><th>{}</th><th>difference</th></tr>",
        Safe(&names[0]),
        Safe(&names[1])
    );
    for pair in &comparison.jobs {
        let fate = |fate: Option<super::compare::Fate>| match fate {
            None => "nothing".to_owned(),
            Some(fate) => format!("{} {}", fate.time.strftime("%F %T"), fate.action),
        };
        let apart = difference(pair);
        let (first, second) = (fate(pair.first), fate(pair.second));
        add!(
            page,
            "<tr><td>{}</td><td>{first}</td><td>{second}</td><td>{apart}</td></tr>",
            Safe(&pair.job)
        );
    }
    let (first, second) = (&comparison.first, &comparison.second);
    add!(
        page,
        "<tr><th>jobs stopped</th><td>{}</td><td>{}</td><td></td></tr>",
        first.jobs_stopped,
        second.jobs_stopped
    );
    add!(
        page,
        "<tr><th>of these, started later by themselves</th><td>{}</td><td>{}</td><td></td></tr>",
        first.later_started,
        second.later_started
    );
    let resources: BTreeSet<&String> = first.held.keys().chain(second.held.keys()).collect();
    for resource in resources {
        let of = |totals: &Totals| totals.held.get(resource).copied().unwrap_or_default();
        let (held, other) = (of(first), of(second));
        add!(
            page,
            "<tr><th>{}-seconds held by stuck pulls</th><td>{held:.0}</td><td>{other:.0}</td><td></td></tr>",
            Safe(resource)
        );
    }
    add!(page, "</table></section>");
}

/// No script, nothing from elsewhere: the policy says so to the browser, too.
const HEAD: &str = "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\n\
<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
<meta name=viewport content=\"width=device-width,initial-scale=1\">\n\
<title>Dislodge replay</title>\n<style>\n\
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#57606a;--edge:#d0d7de;--fails:#bf8700;--act:#1a7f37;\
--wrong:#cf222e;--report:#0969da;--track:#f0f2f5}\n\
@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#8d96a0;--edge:#30363d;--fails:#d29922;\
--act:#3fb950;--wrong:#f85149;--report:#58a6ff;--track:#161b22}}\n\
body{background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif;margin:0}\n\
main{max-width:72rem;margin:0 auto;padding:1.5rem}\nh2{margin:2rem 0 .5rem;overflow-wrap:anywhere}\n\
table{border-collapse:collapse;margin:.75rem 0;display:block;overflow-x:auto}\n\
th,td{border-bottom:1px solid var(--edge);padding:.3rem .7rem .3rem 0;text-align:left;vertical-align:top;\
font-variant-numeric:tabular-nums}\ntime{white-space:nowrap}\nth{color:var(--dim);font-weight:600}\n\
.row{display:grid;grid-template-columns:minmax(8rem,18rem) 1fr;gap:.75rem;align-items:center;margin:.2rem 0}\n\
.name{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}\n\
.track{position:relative;height:.9rem;background:var(--track);border-radius:3px;overflow:hidden}\n\
.axis{display:flex;justify-content:space-between;color:var(--dim);font-size:.85em}\n\
i{display:block}\n.track i{position:absolute;top:0;bottom:0;min-width:3px}\n\
.fails{background:var(--fails)}.act{background:var(--act)}.wrong{background:var(--wrong)}.report{background:\
var(--report)}\n.key{color:var(--dim);font-size:.9em}\n.key i{display:inline-block;width:.9em;height:.9em;\
border-radius:3px;margin:0 .15em 0 1em;vertical-align:-.1em}\n</style></head>\n<body><main><h1>Dislodge replay</h1>\n";
