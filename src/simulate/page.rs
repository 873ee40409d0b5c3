//! What came of a scenario, for people.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::played::{Measures, Played};
use crate::scenario::Scenario;

/// The page.
pub(super) fn text(scenario: &Scenario, without: &Played, with: &Played, timeline: bool) -> String {
    let mut page = String::new();
    let jobs: u32 = without.queues.values().map(|queue| queue.jobs).sum();
    let (queues, policies) = (scenario.queues.len(), scenario.policies.len());
    let _ = writeln!(
        page,
        "{} of a simulated cluster with {}, {} and {}, in virtual time: once without policies, once with them.",
        span(scenario.duration_seconds),
        count(queues, "queue", "queues"),
        count(jobs as usize, "job", "jobs"),
        count(policies, "policy", "policies"),
    );
    let names: BTreeSet<&String> = without.queues.keys().chain(with.queues.keys()).collect();
    let none = Measures::default();
    for name in names {
        let one = without.queues.get(name).unwrap_or(&none);
        let two = with.queues.get(name).unwrap_or(&none);
        let _ = writeln!(page, "\n{name:<38} {:>12} {:>12}", "without", "with");
        let mut row = |label: &str, one: String, two: String| {
            let _ = writeln!(page, "  {label:<36} {one:>12} {two:>12}");
        };
        let number = |label: &str, of: fn(&Measures) -> u32| (label.to_owned(), of(one), of(two));
        for (label, one, two) in [
            number("jobs finished", |m| m.finished),
            number("running at the end", |m| m.running),
            number("waiting or stuck at the end", |m| m.waiting),
            number("held at the end", |m| m.held),
            number("failed or deleted", |m| m.failed),
        ] {
            row(&label, one.to_string(), two.to_string());
        }
        row("mean wait for quota", span(one.mean_wait_seconds), span(two.mean_wait_seconds));
        row(
            "CPU-hours held by stuck pulls",
            hours(one.wasted_cpu_seconds),
            hours(two.wasted_cpu_seconds),
        );
        row("stopped, but would have started", "-".to_owned(), two.false_stops.to_string());
        for (action, times) in &two.actions {
            row(action, "-".to_owned(), times.to_string());
        }
    }
    if timeline {
        for (title, played) in [("without policies", without), ("with policies", with)] {
            let _ = writeln!(page, "\nTimeline {title}");
            for line in &played.timeline {
                let _ =
                    writeln!(page, "  {}  {:<28} {}", clock(line.at_seconds), line.job, line.what);
            }
        }
    }
    page
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Two units at most: `2 h 5 min`.
fn span(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

fn clock(seconds: u64) -> String {
    format!("{:>3}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// CPU-seconds as hours with two digits.
fn hours(cpu_seconds: u64) -> String {
    let hundredths = cpu_seconds.saturating_mul(100) / 3600;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_two_units_at_most() {
        for (seconds, said) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3600, "1 h"),
            (7325, "2 h 2 min"),
        ] {
            assert_eq!(span(seconds), said);
        }
        assert_eq!((hours(5400), hours(36)), ("1.50".to_owned(), "0.01".to_owned()));
    }
}
