//! Names of metrics in the code, the documents, the alerts and the dashboard: one set.

use std::collections::{BTreeMap, BTreeSet};

use dislodge::metrics::definitions::{ALL, Definition, Type};
use dislodge_engine::cause::Cause;

use super::expressions::{Matcher, OURS, parts, word};
use super::{alerts, dashboard, reasons};
use crate::Outcome;
use crate::deploy::{files_below, report, root};

/// Labels that Prometheus gives to what it reads from a Pod or a Service.
const OF_THE_TARGET: [&str; 7] =
    ["namespace", "pod", "job", "instance", "container", "service", "endpoint"];
/// Documents of the root that name metrics.
const OF_THE_ROOT: [&str; 3] = ["README.md", "CHANGELOG.md", "ARCHITECTURE.md"];

/// The definition of a series by its name, and the label that it has besides.
fn definition(series: &str) -> Option<(Definition, Option<&'static str>)> {
    ALL.into_iter().find_map(|of| match series.strip_prefix(of.name)? {
        "" if of.kind != Type::Histogram => Some((of, None)),
        "_bucket" if of.kind == Type::Histogram => Some((of, Some("le"))),
        "_count" | "_sum" if of.kind == Type::Histogram => Some((of, None)),
        _ => None,
    })
}

/// Every expression that people look at, with where it stands.
fn expressions() -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::new();
    for alert in alerts::all()? {
        all.push((format!("alert {}", alert.name), alert.expression));
    }
    for (place, expression) in dashboard::expressions()? {
        all.push((format!("dashboard, {place}"), expression));
    }
    Ok(all)
}

pub(super) fn exist() -> Outcome {
    let mut wrong = Vec::new();
    for (place, expression) in expressions()? {
        let parts = parts(&expression);
        if parts.metrics.is_empty() {
            wrong.push(format!("{place} looks at no metric"));
        }
        let mut known: BTreeSet<&str> = OF_THE_TARGET.into();
        for (series, matchers) in &parts.metrics {
            let Some((of, more)) = definition(series) else {
                wrong.push(format!("{place}: there is no metric {series}"));
                continue;
            };
            known.extend(of.labels.iter().map(|label| label.name).chain(more));
            for matcher in matchers {
                wrong
                    .extend(unmeant(&of, matcher).map(|what| format!("{place}: {series}: {what}")));
            }
        }
        let strange = parts.grouped.iter().filter(|label| !known.contains(label.as_str()));
        wrong.extend(strange.map(|label| format!("{place}: nothing there has the label {label}")));
    }
    report(&wrong)
}

/// What is asked of a label that the metric does not have, or that never has this value.
fn unmeant(of: &Definition, matcher: &Matcher) -> Option<String> {
    let label = of.labels.iter().find(|label| label.name == matcher.label);
    let Some(label) = label else {
        let known = OF_THE_TARGET.contains(&matcher.label.as_str()) || matcher.label == "le";
        return (!known).then(|| format!("it has no label {}", matcher.label));
    };
    // Between backticks is every second part.
    let words: BTreeSet<&str> = label.meaning.split('`').skip(1).step_by(2).collect();
    let closed = !label.meaning.contains("overflow");
    let is_word = |value: &str| {
        words.contains(value)
            || (words.contains("5xx") && value.len() == 3 && value.ends_with("xx"))
            || (label.name == "reason" && reasons::all().is_ok_and(|all| all.contains(value)))
            || (label.name == "cause" && Cause::ALL.iter().any(|cause| cause.as_str() == value))
    };
    let value = matcher.values.iter().find(|value| closed && !is_word(value))?;
    Some(format!("{} is never {value}", label.name))
}

pub(super) fn are_on_the_dashboard() -> Outcome {
    let expressions = dashboard::expressions()?;
    let shown: BTreeSet<&str> = expressions
        .iter()
        .flat_map(|(_, expression)| parts(expression).metrics)
        .filter_map(|(series, _)| definition(&series).map(|(of, _)| of.name))
        .collect();
    let missing = ALL.iter().filter(|of| !shown.contains(of.name));
    report(&missing.map(|of| format!("{} is in no panel", of.name)).collect::<Vec<_>>())
}

pub(super) fn in_documents() -> Outcome {
    let mut files = files_below("docs")?;
    files.extend(OF_THE_ROOT.map(|file| root().join(file)));
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for file in files.iter().filter(|file| file.extension().is_some_and(|kind| kind == "md")) {
        let text = std::fs::read_to_string(file)?;
        let found = text.match_indices(OURS).filter_map(|(at, _)| text.get(at..)).map(word);
        for (series, _) in found {
            seen += 1;
            // A histogram is also named as a whole.
            if definition(series).is_none() && ALL.iter().all(|of| of.name != series) {
                wrong.push(format!("{}: there is no metric {series}", file.display()));
            }
        }
    }
    if seen < ALL.len() {
        wrong.push(format!("{seen} metrics are named, fewer than there are"));
    }
    report(&wrong)
}

pub(super) fn of_alerts() -> Outcome {
    let mut looking: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for alert in alerts::all()? {
        for (series, _) in parts(&alert.expression).metrics {
            if let Some((of, _)) = definition(&series) {
                looking.entry(of.name).or_default().insert(alert.name.clone());
            }
        }
    }
    let mut wrong = Vec::new();
    for of in ALL {
        let told: BTreeSet<String> = of.alerts.iter().map(|&alert| alert.to_owned()).collect();
        let found = looking.remove(of.name).unwrap_or_default();
        if told != found {
            wrong.push(format!("{}: {told:?} in the code, {found:?} look at it", of.name));
        }
    }
    report(&wrong)
}
