//! Step 4, judge: do the failed pulls of an image reach the threshold of a rule?

use std::time::Duration;

use jiff::Timestamp;

use crate::api::Rule;
use crate::cause::Cause;
use crate::record::{Once, Runs};
use crate::time::Now;

/// The failures that a rule looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The cause of the newest.
    pub cause: Cause,
    /// How many in a row, all with causes of the rule.
    pub failed_pulls: u32,
    /// When the first of them was published.
    pub first: Timestamp,
    /// When the newest was published.
    pub last: Timestamp,
}

impl Evidence {
    /// How long it has been failing, from the first failed pull to the newest.
    pub fn failing(&self) -> Duration {
        Duration::try_from(self.last.duration_since(self.first)).unwrap_or_default()
    }
}

/// What the rules say of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// No rule lists the cause.
    NoRule(Evidence),
    /// The threshold is not reached.
    Counting {
        /// The rule.
        rule: &'a Rule,
        /// What it looked at.
        evidence: Evidence,
        /// When it will be reached without any further failure, as
        /// [`Now::elapsed`]: only for states that the kubelet writes once.
        due: Option<Duration>,
    },
    /// The threshold is reached.
    Reached {
        /// The rule.
        rule: &'a Rule,
        /// What it looked at.
        evidence: Evidence,
    },
}

/// Judges the failures of one image. `None` where nothing has failed.
///
/// More failures, or more time between them, never turn [`Verdict::Reached`] back.
pub fn judge<'a>(
    rules: &'a [Rule],
    runs: &Runs,
    once: Option<Once>,
    now: Now,
) -> Option<Verdict<'a>> {
    let cause = runs.newest_cause()?;
    let Some(rule) = rules.iter().find(|rule| rule.causes.contains(&cause)) else {
        return runs.newest_of(&[cause]).map(|run| Verdict::NoRule(evidence(run)));
    };
    let evidence = evidence(runs.newest_of(&rule.causes)?);
    let wanted = Duration::from_secs(u64::from(rule.threshold.failing_seconds));
    let (reached, due) = match once {
        Some(once) => {
            let due = once.seen + wanted.saturating_sub(once.age);
            (now.elapsed >= due, Some(due))
        }
        None => (
            evidence.failed_pulls >= rule.threshold.failed_pulls && evidence.failing() >= wanted,
            None,
        ),
    };
    Some(if reached {
        Verdict::Reached { rule, evidence }
    } else {
        Verdict::Counting { rule, evidence, due }
    })
}

fn evidence(run: crate::record::Run) -> Evidence {
    Evidence { cause: run.cause, failed_pulls: run.failed_pulls, first: run.first, last: run.last }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Action, RunningPeers, Threshold};

    fn rule(causes: &[Cause], failed_pulls: u32, failing_seconds: u32) -> Rule {
        Rule {
            name: "r".to_owned(),
            causes: causes.to_vec(),
            threshold: Threshold { failed_pulls, failing_seconds },
            action: Action::SuspendJob,
            running_peers: RunningPeers::Stop,
        }
    }

    fn runs(failures: &[(Cause, i64)]) -> Runs {
        let mut runs = Runs::default();
        for (cause, second) in failures {
            runs.push(*cause, Timestamp::from_second(*second).unwrap());
        }
        runs
    }

    fn now(seconds: u64) -> Now {
        Now { elapsed: Duration::from_secs(seconds), wall: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn both_thresholds_must_be_reached_by_the_failures_themselves() {
        let rules = [rule(&[Cause::NotFound], 2, 60)];
        for (failures, reached) in [
            (&[(Cause::NotFound, 0)][..], false),
            (&[(Cause::NotFound, 0), (Cause::NotFound, 13)], false),
            (&[(Cause::NotFound, 0), (Cause::NotFound, 13), (Cause::NotFound, 59)], false),
            (&[(Cause::NotFound, 0), (Cause::NotFound, 13), (Cause::NotFound, 60)], true),
        ] {
            let runs = runs(failures);
            let verdict = judge(&rules, &runs, None, now(100_000)).unwrap();
            assert_eq!(matches!(verdict, Verdict::Reached { .. }), reached, "{failures:?}");
        }
    }

    #[test]
    fn the_first_rule_that_lists_the_newest_cause_decides() {
        let rules = [rule(&[Cause::Unknown], 9, 0), rule(&[Cause::NotFound, Cause::Unknown], 1, 0)];
        let verdict =
            judge(&rules, &runs(&[(Cause::NotFound, 0), (Cause::Unknown, 1)]), None, now(2));
        assert!(
            matches!(verdict, Some(Verdict::Counting { rule, .. }) if rule.threshold.failed_pulls == 9)
        );
    }

    #[test]
    fn a_cause_that_no_rule_lists_has_no_rule() {
        let verdict = judge(&[], &runs(&[(Cause::Tls, 0)]), None, now(1));
        assert!(matches!(verdict, Some(Verdict::NoRule(e)) if e.cause == Cause::Tls));
    }

    #[test]
    fn a_state_that_is_written_once_reaches_any_count_and_waits_for_the_seconds_alone() {
        let rules = [rule(&[Cause::InvalidReference], 50, 30)];
        let once = Once { seen: Duration::from_secs(100), age: Duration::from_secs(10) };
        let runs = runs(&[(Cause::InvalidReference, 0)]);
        for (second, reached) in [(100, false), (119, false), (120, true)] {
            let verdict = judge(&rules, &runs, Some(once), now(second));
            assert_eq!(matches!(verdict, Some(Verdict::Reached { .. })), reached, "at {second}");
        }
    }
}
