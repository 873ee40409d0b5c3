//! What happens next, in words: prospects of the engine as sentences.

use dislodge_engine::api::{Action, Mode, Rule};
use dislodge_engine::engine::account::{FailingImage, Prospect};
use dislodge_engine::plan::{Fallback, MOST_RESUMES, NoReturn, Reported, Wait};
use dislodge_engine::quota::Foreign;
use dislodge_engine::resolve::Effective;
use jiff::{SignedDuration, Timestamp};

/// A span of time as people say it.
pub fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How long ago something was.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.duration_since(at) {
        past if past.as_secs() <= 0 => "just now".to_owned(),
        past => format!("{} ago", span(past)),
    }
}

/// When something will be.
pub fn ahead(at: Timestamp, now: Timestamp) -> String {
    match at.duration_since(now) {
        left if left.as_secs() <= 0 => "now".to_owned(),
        left => format!("in {}", span(left)),
    }
}

/// The clock's time in UTC, and the day where it is another one.
pub fn clock(at: Timestamp, now: Timestamp) -> String {
    let (day, today) = (at.strftime("%F").to_string(), now.strftime("%F").to_string());
    let time = at.strftime("%T UTC");
    if day == today { time.to_string() } else { format!("{day} {time}") }
}

/// `1 failed pull`, `3 failed pulls`.
pub fn pulls(count: u32) -> String {
    format!("{count} failed pull{}", if count == 1 { "" } else { "s" })
}

/// What becomes of a job because of one of its images.
pub fn next(image: &FailingImage, policy: Option<&Effective>, kind: &str) -> String {
    let then = || follows(image.then, image.rule.as_ref(), kind);
    match image.now {
        Prospect::Ungoverned => {
            "nothing: no policy governs this job; the kubelet tries the pull again and again"
                .to_owned()
        }
        Prospect::Count { due: Some(due) } => {
            let left = SignedDuration::try_from(due).unwrap_or(SignedDuration::MAX);
            format!("in {}, without another pull: {}", span(left), then())
        }
        Prospect::Count { due: None } => match &image.rule {
            Some(rule) => format!("{}: {}", missing(rule, image), then()),
            None => then(),
        },
        Prospect::Wait(Wait::NextFailure) if waits_for_a_moment(image.then) => format!(
            "the threshold is reached; at the next failed pull: {} (only right after a failed pull is \
             it sure that none is running)",
            then()
        ),
        Prospect::Wait(Wait::NextFailure) => then(),
        Prospect::Wait(wait) => format!("nothing yet: {}", waits(wait, policy)),
        now @ (Prospect::Report(_) | Prospect::EndPod | Prospect::Act { .. }) => {
            follows(now, image.rule.as_ref(), kind)
        }
    }
}

/// Whether what follows comes with the next failed pull, and not at any time.
fn waits_for_a_moment(then: Prospect) -> bool {
    matches!(then, Prospect::Act { .. } | Prospect::EndPod | Prospect::Report(Reported::Audit(_)))
}

/// What is missing from a threshold.
fn missing(rule: &Rule, image: &FailingImage) -> String {
    let pulls_left = rule.threshold.failed_pulls.saturating_sub(image.evidence.failed_pulls);
    let span_left = u64::from(rule.threshold.failing_seconds)
        .saturating_sub(image.evidence.failing().as_secs());
    match (pulls_left, span_left) {
        (0, 0) => "at the next failed pull".to_owned(),
        (0, _) => format!(
            "at the first failed pull that comes {} s after the first or later",
            rule.threshold.failing_seconds
        ),
        (left, 0) => {
            format!("after {left} more {}", pulls(left).split_once(' ').map_or("", |p| p.1))
        }
        (left, _) => format!(
            "after {left} more {}, and {} s after the first at the soonest",
            pulls(left).split_once(' ').map_or("", |p| p.1),
            rule.threshold.failing_seconds
        ),
    }
}

/// What a prospect comes to.
fn follows(prospect: Prospect, rule: Option<&Rule>, kind: &str) -> String {
    match prospect {
        Prospect::Act { action, fallback } => {
            let why = fallback.map(|why| format!(" ({})", because(why, rule, kind)));
            format!("the job {}{}", done(action), why.unwrap_or_default())
        }
        Prospect::EndPod => {
            "the Pod is ended with the condition dislodge.dev/ImagePullFailed, and \
                             the podFailurePolicy of its Job, or its Pod group, says what follows"
                .to_owned()
        }
        Prospect::Report(reported) => reports(reported),
        Prospect::Wait(wait) => format!("nothing yet: {}", waits(wait, None)),
        Prospect::Count { .. } => "it is counted on".to_owned(),
        Prospect::Ungoverned => "nothing: no policy governs this job".to_owned(),
    }
}

/// What an action does to a job.
fn done(action: Action) -> &'static str {
    match action {
        Action::FailJob => "is stopped, gives its quota back, and is ended as failed",
        Action::SuspendJob => "is suspended and gives its quota back, until a person resumes it",
        Action::RequeueJob => "is stopped, gives its quota back, and comes back later by itself",
        Action::Report => "is reported",
    }
}

fn because(why: Fallback, rule: Option<&Rule>, kind: &str) -> String {
    let says = rule.map(|rule| format!("the rule says {}, but ", rule.action.as_str()));
    let reason = dislodge_engine::explain::because(why, kind);
    format!("{}{reason}", says.unwrap_or_default())
}

fn reports(reported: Reported) -> String {
    let why = match reported {
        Reported::Audit(action) => {
            return format!(
                "nothing is changed: the policy's mode is Audit; in mode Enforce the job {}",
                match action {
                    Action::FailJob => "would be failed",
                    Action::SuspendJob => "would be suspended",
                    Action::RequeueJob => "would be requeued",
                    Action::Report => "would be reported",
                }
            );
        }
        Reported::Rule => "the rule says so",
        Reported::NoRule => "no rule of the policy lists this cause",
        Reported::PeersRunning => "a container of the job runs, and the rule spares such jobs",
        Reported::NodeLocal => "another node could pull the image, so the fault is this node's",
        Reported::PullMayRun => {
            "the kubelet could not try a pull, and would not show one that runs by now"
        }
        Reported::Overridden => {
            return format!(
                "it is reported, and nothing more: people have resumed it {MOST_RESUMES} times, \
                 and have the last word"
            );
        }
        Reported::Ignored => "its owner keeps Dislodge off it (dislodge.dev/ignore)",
        Reported::NoReturn(NoReturn::Exhausted) => "it was requeued as often as the policy allows",
        Reported::NoReturn(NoReturn::RequestUnknown) => {
            "requeued, it could displace work that runs, as what it asks for is not known"
        }
        Reported::IgnoredByJob => {
            "the Job's podFailurePolicy ignores the condition, and would make the Pod anew for ever"
        }
        Reported::Foreign(Foreign::MultiKueueWorker) => {
            "its Workload is a copy that a MultiKueue manager owns"
        }
        Reported::Foreign(Foreign::ForeignManager) => "another system runs this job",
        Reported::NotAJob => "something else runs the Pod, and may make it anew for ever",
        Reported::WouldDeletePods => {
            "to stop Pods that nothing makes anew would delete them for good"
        }
    };
    format!("it is reported, and nothing more: {why}")
}

/// What an action waits for.
fn waits(wait: Wait, policy: Option<&Effective>) -> String {
    let said = match wait {
        Wait::NextFailure => "it waits for the next failed pull",
        Wait::OtherImage => "another image of the Pod is still to be pulled",
        Wait::ClockSkew => {
            "the controller's clock and the API server's differ too much to tell a safe moment"
        }
        Wait::Quota => "the job holds no quota, or is being stopped already",
        Wait::Outage => {
            "its registry counts as down, and nothing is stopped because of it until a pull there \
             succeeds"
        }
        Wait::Budget => {
            return match policy.map(|policy| policy.budget) {
                Some(budget) => format!(
                    "the policy's budget is used up ({} actions in {} s)",
                    budget.actions, budget.window_seconds
                ),
                None => "the policy's budget is used up".to_owned(),
            };
        }
        Wait::Paused => {
            return match policy.and_then(|policy| policy.paused.as_deref()) {
                Some(why) => format!(
                    "an operator has paused the policy ({})",
                    crate::classify::shown::plain(why)
                ),
                None => "an operator has paused everything".to_owned(),
            };
        }
    };
    said.to_owned()
}

/// What the controller's own word for an image means, where a look at the objects cannot tell the same.
pub fn controllers_word(reason: &str) -> Option<Prospect> {
    [Wait::Budget, Wait::ClockSkew, Wait::OtherImage, Wait::Outage]
        .into_iter()
        .find(|wait| wait.as_str() == reason)
        .map(Prospect::Wait)
        .or_else(|| {
            let node_local = Reported::NodeLocal;
            (node_local.as_str() == reason).then_some(Prospect::Report(node_local))
        })
}

/// A policy's mode, as a word.
pub const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Audit => "Audit",
        Mode::Enforce => "Enforce",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use dislodge_engine::api::{RunningPeers, Threshold};
    use dislodge_engine::cause::Cause;
    use dislodge_engine::judge::Evidence;

    use super::*;

    fn image(now: Prospect, then: Prospect, (pulls, seconds): (u32, u32)) -> FailingImage {
        let at = |second| Timestamp::from_second(second).unwrap();
        let (first, last) = (at(0), at(40));
        FailingImage {
            image: Arc::from("r.io/a:1"),
            pod: None,
            evidence: Evidence { cause: Cause::NotFound, failed_pulls: 2, first, last },
            is_final: false,
            rule: Some(Rule {
                name: "missing".to_owned(),
                causes: vec![Cause::NotFound],
                threshold: Threshold { failed_pulls: pulls, failing_seconds: seconds },
                action: Action::RequeueJob,
                running_peers: RunningPeers::Stop,
            }),
            now,
            then,
        }
    }

    #[test]
    fn each_prospect_says_what_happens_and_when_or_why_nothing_does() {
        let act = |action| Prospect::Act { action, fallback: None };
        let count = Prospect::Count { due: None };
        let suspend = act(Action::SuspendJob);
        let wait = Prospect::Wait;
        let exhausted = Fallback::NoReturn(NoReturn::Exhausted);
        for (now, then, threshold, says) in [
            (count, suspend, (3, 0), "after 1 more failed pull: the job is suspended"),
            (count, suspend, (5, 300), "after 3 more failed pulls, and 300 s after the first at"),
            (count, suspend, (2, 300), "at the first failed pull that comes 300 s after the first"),
            (
                Prospect::Count { due: Some(Duration::from_secs(90)) },
                act(Action::FailJob),
                (2, 0),
                "in 90 s, without another pull: the job is stopped",
            ),
            (wait(Wait::NextFailure), suspend, (2, 0), "at the next failed pull: the job is susp"),
            (
                wait(Wait::NextFailure),
                Prospect::Report(Reported::Audit(Action::SuspendJob)),
                (2, 0),
                "mode is Audit; in mode Enforce the job would be suspended",
            ),
            (
                wait(Wait::NextFailure),
                Prospect::Report(Reported::Ignored),
                (2, 0),
                "it is reported, and nothing more: its owner",
            ),
            (wait(Wait::Outage), suspend, (2, 0), "nothing yet: its registry counts as down"),
            (wait(Wait::Quota), wait(Wait::Quota), (2, 0), "holds no quota"),
            (
                count,
                Prospect::Act { action: Action::FailJob, fallback: Some(exhausted) },
                (3, 0),
                "(the rule says RequeueJob, but it was requeued as often",
            ),
            (Prospect::Ungoverned, Prospect::Ungoverned, (2, 0), "no policy governs"),
            (Prospect::EndPod, Prospect::EndPod, (2, 0), "podFailurePolicy"),
        ] {
            let said = next(&image(now, then, threshold), None, "RayJob");
            assert!(said.contains(says), "{says:?} is not in {said:?}");
        }
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(ago(at(0), at(0)), "just now");
        assert_eq!(ago(at(0), at(119)), "119 s ago");
        assert_eq!(ago(at(0), at(3600)), "60 min ago");
        assert_eq!(ahead(at(3 * 86_400), at(0)), "in 3 days");
        assert_eq!(clock(at(86_399), at(0)), "23:59:59 UTC");
        assert_eq!(clock(at(86_400), at(0)), "1970-01-02 00:00:00 UTC");
    }
}
