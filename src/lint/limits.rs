//! Hold, requeue, outage and budget that will not do what they seem to.

use dislodge_engine::api::{Action, Afterwards, Requeue, Rule};

use super::code::Code;
use super::document::Policy;
use super::schedule::in_words;

/// A hold that is shorter leaves nobody the time to mend anything.
const SHORT_HOLD: u32 = 600;
/// A job that is sent back for longer is sent back for ever.
const LONGEST_REQUEUE: u64 = 7 * 86_400;

/// Looks at what bounds the actions of a policy. `width` is how many jobs its widest queue runs at
/// once, where that is known.
pub(super) fn check(
    policy: &Policy,
    width: Option<u32>,
    report: &mut impl FnMut(Code, &str, &str, &str),
) {
    let spec = &policy.spec;
    let rules = spec.effective_rules();
    let does = |action: Action| rules.iter().any(|rule: &Rule| rule.action == action);
    let is_set = |field: &str| policy.written.pointer(field).is_some_and(|value| !value.is_null());

    let requeues = does(Action::RequeueJob);
    let holds =
        does(Action::SuspendJob) || requeues && spec.requeue.afterwards == Afterwards::SuspendJob;
    let hold = spec.hold.max_seconds;
    if hold > 0 && !holds {
        let wrong = "no rule suspends a job, so that none is held until a person resumes it";
        report(Code::UnusedHold, "spec.hold.maxSeconds", wrong, "remove it");
    } else if hold > 0 && hold < SHORT_HOLD {
        report(
            Code::ShortHold,
            "spec.hold.maxSeconds",
            &format!("a job is failed {} after it was held", in_words(u64::from(hold))),
            "give its owner time (86400 is a day), or use FailJob",
        );
    }

    if is_set("/spec/requeue") && !requeues {
        report(Code::UnusedRequeue, "spec.requeue", "no rule has action RequeueJob", "remove it");
    } else if requeues && longest(&spec.requeue) > LONGEST_REQUEUE {
        report(
            Code::EndlessRequeue,
            "spec.requeue",
            &format!(
                "{} returns take {} before afterwards applies",
                spec.requeue.max_requeues,
                in_words(longest(&spec.requeue))
            ),
            "lower maxRequeues or backoffMaxSeconds",
        );
    }

    let acts = rules.iter().any(|rule| rule.action != Action::Report);
    if acts {
        budget(policy, width, report);
    }
}

/// Seconds of waiting until the returns are used up.
fn longest(requeue: &Requeue) -> u64 {
    let most = u64::from(requeue.backoff_max_seconds);
    let mut pause = u64::from(requeue.backoff_base_seconds);
    let mut sum = 0;
    for _ in 0..requeue.max_requeues {
        sum += pause.min(most);
        pause = pause.saturating_mul(2);
    }
    sum
}

fn budget(policy: &Policy, width: Option<u32>, report: &mut impl FnMut(Code, &str, &str, &str)) {
    let (budget, outage) = (policy.spec.budget, policy.spec.outage);
    let actions = budget.actions;
    if let Some(width) = width.filter(|width| *width > actions) {
        let windows = u64::from(width.div_ceil(actions));
        report(
            Code::NarrowBudget,
            "spec.budget.actions",
            &format!(
                "a mistake in all {width} jobs of the queue is undone in {windows} windows, which take {}",
                in_words((windows - 1) * u64::from(budget.window_seconds))
            ),
            &format!("raise it to {width}, or leave it as the brake that it is"),
        );
    } else if policy.spec.queues.len() > actions as usize {
        report(
            Code::NarrowBudget,
            "spec.budget.actions",
            &format!("{actions} actions in a window for {} queues", policy.spec.queues.len()),
            "raise it to one for each queue, or leave it as the brake that it is",
        );
    }
    if outage.distinct_jobs > actions {
        report(
            Code::BudgetBeforeOutage,
            "spec.outage.distinctJobs",
            &format!(
                "a registry counts as down after {} jobs, and {actions} may have been stopped for it by then",
                outage.distinct_jobs
            ),
            &format!("lower it to {actions} or less"),
        );
    }
}
