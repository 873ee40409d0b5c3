//! Step 5, plan: from a verdict to what is to be done about the job, and why nothing more.

use crate::api::{Action, Mode, RunningPeers};
use crate::judge::{Evidence, Verdict};
use crate::quota::{Admission, Foreign};
use crate::record::Closed;
use jiff::Timestamp;

/// What the plan depends on besides the verdict.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a circumstance of its own")]
pub struct Situation {
    /// Whether the policy acts.
    pub mode: Mode,
    /// Whether the job holds quota.
    pub admission: Admission,
    /// The job's owner has set `dislodge.dev/ignore`.
    pub ignored: bool,
    /// An operator has paused the policy, or everything.
    pub paused: bool,
    /// How often people have resumed the job.
    pub resumes: u32,
    /// A container of the job runs.
    pub running_peers: bool,
    /// The job's author decides what becomes of its failed Pods.
    pub decides_itself: bool,
    /// Whether it is a safe moment for the Pod that failed.
    pub moment: Result<(), Closed>,
}

/// What is to be done about one image of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan<'a> {
    /// Nothing: the threshold is not reached.
    Count,
    /// The threshold is reached; the action comes when this is over.
    Wait(Wait),
    /// Report the job, once an admission.
    Report(Reported),
    /// Do it.
    Act {
        /// What.
        action: Action,
        /// By which rule.
        rule: &'a str,
        /// Because of what.
        evidence: Evidence,
        /// For which admission.
        admission: Timestamp,
    },
}

/// What an action waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// The next failed pull: it is not known that none is running now.
    NextFailure,
    /// The other images of the Pod: one of them is still to be pulled.
    OtherImage,
    /// The clocks: ours and the API server's are too far apart to tell a safe moment.
    ClockSkew,
    /// The job's quota: it holds none, or is being stopped already.
    Quota,
    /// The operator who has paused.
    Paused,
}

/// Why a job is reported and nothing more is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reported {
    /// The rule says so.
    Rule,
    /// No rule lists the cause.
    NoRule,
    /// The policy is in mode Audit.
    Audit(Action),
    /// The job has a running container, and the rule spares it.
    PeersRunning,
    /// People have resumed the job twice.
    Overridden,
    /// The job's owner does not want it.
    Ignored,
    /// The action is not available yet.
    ActionUnavailable(Action),
    /// Somebody else runs the job.
    Foreign(Foreign),
}

impl Wait {
    /// The word in `status.failing[].reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NextFailure => "NextFailure",
            Self::OtherImage => "OtherImage",
            Self::ClockSkew => "ClockSkew",
            Self::Quota => "Quota",
            Self::Paused => "Paused",
        }
    }
}

impl Reported {
    /// The word in `status.failing[].reason` and in the Event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "Report",
            Self::NoRule => "NoRule",
            Self::Audit(_) => "Audit",
            Self::PeersRunning => "PeersRunning",
            Self::Overridden => "Overridden",
            Self::Ignored => "Ignored",
            Self::ActionUnavailable(_) => "ActionUnavailable",
            Self::Foreign(Foreign::MultiKueueWorker) => "MultiKueueWorker",
            Self::Foreign(Foreign::ForeignManager) => "ForeignManager",
        }
    }
}

/// People have the last word: after so many resumes a job is only reported.
pub const MOST_RESUMES: u32 = 2;

/// Actions that are carried out so far. The others are reported in their place.
pub const fn is_available(action: Action) -> bool {
    matches!(action, Action::FailJob | Action::SuspendJob | Action::Report)
}

/// Decides. Pure, total, and in the order in which a reader would ask.
pub fn plan<'a>(verdict: Verdict<'a>, situation: &Situation) -> Plan<'a> {
    let (rule, evidence) = match verdict {
        Verdict::Counting { .. } => return Plan::Count,
        Verdict::NoRule(_) | Verdict::Reached { .. } if situation.admission == Admission::None => {
            return Plan::Wait(Wait::Quota);
        }
        Verdict::NoRule(_) => return Plan::Report(Reported::NoRule),
        Verdict::Reached { rule, evidence } => (rule, evidence),
    };
    let report = |reason| Plan::Report(reason);
    if situation.ignored {
        return report(Reported::Ignored);
    }
    if rule.action == Action::Report {
        return report(Reported::Rule);
    }
    let admission = match situation.admission {
        Admission::Since(admission) => admission,
        Admission::None => return Plan::Wait(Wait::Quota),
        Admission::Foreign(why) => return report(Reported::Foreign(why)),
    };
    if situation.resumes >= MOST_RESUMES {
        return report(Reported::Overridden);
    }
    if situation.running_peers && rule.running_peers == RunningPeers::Spare {
        return report(Reported::PeersRunning);
    }
    match situation.moment {
        Err(Closed::Late) => return Plan::Wait(Wait::NextFailure),
        Err(Closed::StillPulling) => return Plan::Wait(Wait::OtherImage),
        Err(Closed::ClockSkew) => return Plan::Wait(Wait::ClockSkew),
        Ok(()) => {}
    }
    if situation.mode == Mode::Audit {
        return report(Reported::Audit(rule.action));
    }
    let ends_pod = rule.action == Action::FailJob && situation.decides_itself;
    if !is_available(rule.action) || ends_pod {
        return report(Reported::ActionUnavailable(rule.action));
    }
    if situation.paused {
        return Plan::Wait(Wait::Paused);
    }
    Plan::Act { action: rule.action, rule: &rule.name, evidence, admission }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Rule, Threshold};
    use crate::cause::Cause;

    /// What a row changes of the plain situation and rule.
    type Change = fn(&mut Situation, &mut Rule);

    fn decide(change: Change) -> String {
        let at = Timestamp::UNIX_EPOCH;
        let mut rule = Rule {
            name: "r".to_owned(),
            causes: vec![Cause::NotFound],
            threshold: Threshold { failed_pulls: 1, failing_seconds: 0 },
            action: Action::SuspendJob,
            running_peers: RunningPeers::Spare,
        };
        let mut situation = Situation {
            mode: Mode::Enforce,
            admission: Admission::Since(at),
            ignored: false,
            paused: false,
            resumes: 0,
            running_peers: false,
            decides_itself: false,
            moment: Ok(()),
        };
        change(&mut situation, &mut rule);
        let evidence = Evidence { cause: Cause::NotFound, failed_pulls: 1, first: at, last: at };
        match plan(Verdict::Reached { rule: &rule, evidence }, &situation) {
            Plan::Count => "count".to_owned(),
            Plan::Wait(wait) => format!("wait {}", wait.as_str()),
            Plan::Report(reported) => format!("report {}", reported.as_str()),
            Plan::Act { action, .. } => format!("act {action:?}"),
        }
    }

    #[test]
    fn each_circumstance_has_its_say_and_no_other_is_asked_before_it() {
        let rows: [(Change, &str); 18] = [
            (|_, _| {}, "act SuspendJob"),
            (|s, _| s.ignored = true, "report Ignored"),
            (|_, r| r.action = Action::Report, "report Report"),
            (|s, _| s.admission = Admission::None, "wait Quota"),
            (
                |s, _| s.admission = Admission::Foreign(Foreign::MultiKueueWorker),
                "report MultiKueueWorker",
            ),
            (|s, _| s.resumes = 1, "act SuspendJob"),
            (|s, _| s.resumes = 2, "report Overridden"),
            (|s, _| s.running_peers = true, "report PeersRunning"),
            (
                |s, r| (s.running_peers, r.running_peers) = (true, RunningPeers::Stop),
                "act SuspendJob",
            ),
            (|s, _| s.moment = Err(Closed::Late), "wait NextFailure"),
            (|s, _| s.moment = Err(Closed::StillPulling), "wait OtherImage"),
            (|s, _| s.moment = Err(Closed::ClockSkew), "wait ClockSkew"),
            (|s, _| s.mode = Mode::Audit, "report Audit"),
            (|_, r| r.action = Action::FailJob, "act FailJob"),
            (
                |s, r| (s.decides_itself, r.action) = (true, Action::FailJob),
                "report ActionUnavailable",
            ),
            (|s, _| s.decides_itself = true, "act SuspendJob"),
            (|_, r| r.action = Action::RequeueJob, "report ActionUnavailable"),
            (|s, _| s.paused = true, "wait Paused"),
        ];
        for (n, (change, expected)) in rows.into_iter().enumerate() {
            assert_eq!(decide(change), expected, "row {n}");
        }
    }

    #[test]
    fn a_late_verdict_waits_also_in_audit_so_that_audit_tells_what_enforce_would_do() {
        let late: Change = |s, _| (s.mode, s.moment) = (Mode::Audit, Err(Closed::Late));
        assert_eq!(decide(late), "wait NextFailure");
    }
}
