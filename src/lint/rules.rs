//! Rules that will not do what they seem to.

use std::collections::BTreeMap;

use dislodge_engine::api::{Action, Rule};
use dislodge_engine::cause::{Cause, Class};

use super::code::Code;
use super::document::Policy;
use super::schedule::{first_pull_after, in_words, seconds_to};

/// A rule that cannot act sooner is late.
const LATE: u64 = 3600;
/// So many seconds a rule may act later than it says: one more pull never comes to the second.
const LATER: u64 = 60;

/// Looks at the rules of a policy. The six default ones are nobody's mistake.
pub(super) fn check(policy: &Policy, report: &mut impl FnMut(Code, &str, &str, &str)) {
    let Some(rules) = &policy.spec.rules else { return };
    unreachable(rules, report);
    for (index, rule) in rules.iter().enumerate() {
        let field = format!("spec.rules[{index}]");
        threshold(&field, rule, report);
        action(&field, rule, report);
        let again = policy.spec.requeue.failed_pulls;
        if rule.action == Action::RequeueJob && rule.threshold.failed_pulls < again {
            let pulls = rule.threshold.failed_pulls;
            report(
                Code::StricterAfterRequeue,
                &format!("{field}.threshold.failedPulls"),
                &format!(
                    "a job goes back after {pulls} failed pulls, but needs {again} once it came back"
                ),
                &format!("raise it to {again}, or lower requeue.failedPulls to {pulls}"),
            );
        }
    }
}

fn unreachable(rules: &[Rule], report: &mut impl FnMut(Code, &str, &str, &str)) {
    let mut decided_by: BTreeMap<Cause, &str> = BTreeMap::new();
    for (index, rule) in rules.iter().enumerate() {
        let earlier: Vec<(usize, Cause, &str)> = (0..)
            .zip(&rule.causes)
            .filter_map(|(at, cause)| Some((at, *cause, *decided_by.get(cause)?)))
            .collect();
        if !earlier.is_empty() && earlier.len() == rule.causes.len() {
            let mut names: Vec<&str> = earlier.iter().map(|(_, _, rule)| *rule).collect();
            names.dedup();
            report(
                Code::UnreachableRule,
                &format!("spec.rules[{index}]"),
                &format!(
                    "rule {:?} never decides: {} before it lists all of its causes",
                    rule.name,
                    names.join(", ")
                ),
                "move it up, remove it, or take its causes out of the rules before it",
            );
        } else {
            for (at, cause, by) in earlier {
                report(
                    Code::UnreachableCause,
                    &format!("spec.rules[{index}].causes[{at}]"),
                    &format!(
                        "{cause} is decided by rule {by:?}, which stands before {:?}",
                        rule.name
                    ),
                    "leave it in one of the two",
                );
            }
        }
        for cause in &rule.causes {
            decided_by.entry(*cause).or_insert(&rule.name);
        }
    }
    let undecided: Vec<&str> = Cause::ALL
        .into_iter()
        .filter(|cause| *cause != Cause::NodeThrottled && !decided_by.contains_key(cause))
        .map(Cause::as_str)
        .collect();
    if !undecided.is_empty() {
        report(
            Code::CauseWithoutRule,
            "spec.rules",
            &format!("no rule lists {}: such jobs are only reported", undecided.join(", ")),
            "add a rule for them; one with action Report says that it is meant",
        );
    }
}

/// Whether the kubelet says so once and never again, so that any number of pulls is reached.
fn is_written_once(cause: Cause) -> bool {
    matches!(cause, Cause::InvalidReference | Cause::NeverPullAbsent)
}

fn threshold(field: &str, rule: &Rule, report: &mut impl FnMut(Code, &str, &str, &str)) {
    if rule.causes.iter().all(|cause| is_written_once(*cause)) {
        return;
    }
    let pulls = rule.threshold.failed_pulls;
    let (written, by_pulls) = (u64::from(rule.threshold.failing_seconds), seconds_to(pulls));
    let seconds_field = format!("{field}.threshold.failingSeconds");
    let deciding = pulls.max(first_pull_after(written));
    let earliest = seconds_to(deciding);
    if written > 0 && written <= by_pulls {
        report(
            Code::FailingSecondsWithoutEffect,
            &seconds_field,
            &format!(
                "{pulls} failed pulls take {by_pulls} s at least: {written} s are always reached"
            ),
            &format!("remove it, or set more than {by_pulls}"),
        );
    } else if written > 0 && earliest > written + LATER {
        report(
            Code::LaterThanWritten,
            &seconds_field,
            &format!(
                "acts at the failed pull number {deciding}, {earliest} s after the first at the earliest"
            ),
            &format!("write {earliest}, or {} for the pull before", seconds_to(deciding - 1)),
        );
    }
    if earliest > LATE && rule.action != Action::Report {
        let field = if by_pulls >= written { "failedPulls" } else { "failingSeconds" };
        report(
            Code::LateRule,
            &format!(
                "{}.threshold.{field}",
                seconds_field.trim_end_matches(".threshold.failingSeconds")
            ),
            &format!(
                "rule {:?} cannot act before the failed pull number {deciding}, {} after the first",
                rule.name,
                in_words(earliest)
            ),
            "lower it: 9 failed pulls take 20 minutes",
        );
    }
}

fn action(field: &str, rule: &Rule, report: &mut impl FnMut(Code, &str, &str, &str)) {
    let named = |is: &dyn Fn(Cause) -> bool| {
        let causes = rule.causes.iter().filter(|cause| is(**cause));
        causes.map(|cause| cause.as_str()).collect::<Vec<_>>().join(", ")
    };
    let transient = named(&|cause| matches!(cause.class(), Class::Transient | Class::Unknown));
    let hopeless =
        named(&|cause| matches!(cause, Cause::InvalidReference | Cause::ManifestUnsupported));
    let mut say = |code: Code, causes: &str, wrong: &str, advice: &str| {
        if !causes.is_empty() {
            let verb = if causes.contains(',') { "are" } else { "is" };
            let wrong = format!("{} for {causes}, which {verb} {wrong}", rule.action.as_str());
            report(code, &format!("{field}.action"), &wrong, advice);
        }
    };
    match rule.action {
        Action::FailJob => say(
            Code::FailedAlthoughTransient,
            &transient,
            "likely to mend itself",
            "use RequeueJob, with requeue.afterwards: FailJob where the job is to fail in the end",
        ),
        Action::SuspendJob => say(
            Code::SuspendedAlthoughTransient,
            &transient,
            "likely to mend itself",
            "use RequeueJob, which suspends the job once its returns are used up",
        ),
        Action::RequeueJob => say(
            Code::HopelessRequeue,
            &hopeless,
            "the same after each return, on every node",
            "use FailJob or SuspendJob",
        ),
        Action::Report => {}
    }
    if rule.threshold.failed_pulls == 1 && rule.action != Action::Report {
        let helped = named(&|cause| cause.can_waiting_help());
        if !helped.is_empty() && rule.threshold.failing_seconds == 0 {
            report(
                Code::SinglePull,
                &format!("{field}.threshold.failedPulls"),
                &format!("one failed pull is enough to stop a job for {helped}"),
                "write 3 or more: two more pulls take half a minute",
            );
        }
    }
}
