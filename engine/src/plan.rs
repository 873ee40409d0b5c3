//! Step 5, plan: from a verdict to what is to be done about the job, and why nothing more.

use crate::api::{Action, Mode, RunningPeers};
use crate::judge::{Evidence, Verdict};
use crate::objects::PodEnd;
use crate::owner::Reach;
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
    /// Another node could pull the image after it failed here.
    pub node_local: bool,
    /// The image's registry counts as down.
    pub outage: bool,
    /// The image has failed often enough since its registry was last back
    /// ([`crate::record::Track::is_confirmed`]).
    pub confirmed: bool,
    /// A container of the job runs.
    pub running_peers: bool,
    /// A CronJob makes no new Job while this one has not ended: held, it would block the schedule.
    pub blocks_schedule: bool,
    /// Where the job can't be requeued: why, and what is done in place of that.
    pub no_return: Option<(NoReturn, Action)>,
    /// Where the job's author decides what becomes of Pods that are ended because of their image:
    /// what that is.
    pub author: Option<PodEnd>,
    /// What can be done about jobs of that kind.
    pub reach: Reach,
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
    /// End the Pod: the job's author has said what is to become of the job then.
    EndPod {
        /// By which rule.
        rule: &'a str,
        /// Because of what.
        evidence: Evidence,
    },
    /// Do it.
    Act {
        /// What.
        action: Action,
        /// Where that is not what the rule says: why.
        fallback: Option<Fallback>,
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
    /// The registry: it counts as down, and nothing is stopped because of it.
    Outage,
    /// The policy's budget: it is used up.
    Budget,
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
    /// Another node could pull the image: it is this node's fault.
    NodeLocal,
    /// The kubelet could not try a pull, and by now one may run that nothing shows.
    PullMayRun,
    /// People have resumed the job twice.
    Overridden,
    /// The job's owner does not want it.
    Ignored,
    /// The job can't be requeued.
    NoReturn(NoReturn),
    /// The Job's `podFailurePolicy` would make the Pod anew for ever.
    IgnoredByJob,
    /// Somebody else runs the job.
    Foreign(Foreign),
    /// A Deployment or the like makes its Pods anew for ever, or something may that is not known.
    NotAJob,
    /// To stop Pods that nothing makes anew would delete them for good.
    WouldDeletePods,
}

/// Why a job can't be requeued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoReturn {
    /// It was, as often as the policy allows.
    Exhausted,
    /// Its queue preempts, and what the job asks for is not known: its return could displace work
    /// that runs.
    RequestUnknown,
}

/// Why another action is taken than the rule's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fallback {
    /// It can't be requeued.
    NoReturn(NoReturn),
    /// Held, it would block its CronJob's schedule.
    BlocksSchedule,
    /// Dislodge knows no way to end a job of that kind.
    NoFailLever,
}

impl NoReturn {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "RequeuesExhausted",
            Self::RequestUnknown => "RequestUnknown",
        }
    }
}

impl Fallback {
    /// The word for it in a hold's sentence.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoReturn(why) => why.as_str(),
            Self::BlocksSchedule => "BlocksSchedule",
            Self::NoFailLever => "NoFailLever",
        }
    }
}

impl Plan<'_> {
    /// Whether it changes anything of the job.
    pub const fn acts(&self) -> bool {
        matches!(self, Self::EndPod { .. } | Self::Act { .. })
    }
}

impl Wait {
    /// The word while its own write is under way.
    pub const ACTING: &str = "Acting";

    /// The word in `status.failing[].reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NextFailure => "NextFailure",
            Self::OtherImage => "OtherImage",
            Self::ClockSkew => "ClockSkew",
            Self::Quota => "Quota",
            Self::Outage => "Outage",
            Self::Budget => "Budget",
            Self::Paused => "Paused",
        }
    }
}

impl Reported {
    /// The word of mode Audit: a checkpoint with it is what `status.audit` goes on from.
    pub const AUDIT: &str = "Audit";

    /// The word in `status.failing[].reason` and in the Event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "Report",
            Self::NoRule => "NoRule",
            Self::Audit(_) => Self::AUDIT,
            Self::PeersRunning => "PeersRunning",
            Self::NodeLocal => "NodeLocal",
            Self::PullMayRun => "PullMayRun",
            Self::Overridden => "Overridden",
            Self::Ignored => "Ignored",
            Self::NoReturn(why) => why.as_str(),
            Self::IgnoredByJob => "IgnoredByJob",
            Self::Foreign(Foreign::MultiKueueWorker) => "MultiKueueWorker",
            Self::Foreign(Foreign::ForeignManager) => "ForeignManager",
            Self::NotAJob => "NotAJob",
            Self::WouldDeletePods => "WouldDeletePods",
        }
    }
}

/// People have the last word: after so many resumes a job is only reported.
pub const MOST_RESUMES: u32 = 2;

/// What is done in place of a hold that would block a CronJob's schedule, or of an end that is out of
/// reach; `None` where the action can be taken as it is.
pub const fn in_place(
    action: Action,
    blocks_schedule: bool,
    reach: Reach,
) -> Option<(Action, Fallback)> {
    match action {
        Action::SuspendJob if blocks_schedule && matches!(reach, Reach::Whole) => {
            Some((Action::FailJob, Fallback::BlocksSchedule))
        }
        Action::FailJob if matches!(reach, Reach::StopAlone) => {
            Some((Action::SuspendJob, Fallback::NoFailLever))
        }
        Action::FailJob | Action::SuspendJob | Action::RequeueJob | Action::Report => None,
    }
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
    let (action, fallback) = match (rule.action, situation.no_return) {
        (Action::Report, _) => return report(Reported::Rule),
        (Action::RequeueJob, Some((why, Action::Report))) => {
            return report(Reported::NoReturn(why));
        }
        (Action::RequeueJob, Some((why, afterwards))) => {
            (afterwards, Some(Fallback::NoReturn(why)))
        }
        (action, _) => (action, None),
    };
    let (action, fallback) = match in_place(action, situation.blocks_schedule, situation.reach) {
        Some((action, why)) => (action, Some(why)),
        None => (action, fallback),
    };
    let admission = match situation.admission {
        Admission::Since(admission) => admission,
        Admission::None => return Plan::Wait(Wait::Quota),
        Admission::Foreign(why) => return report(Reported::Foreign(why)),
    };
    let ends_pod = match situation.reach {
        Reach::Nothing => return report(Reported::NotAJob),
        Reach::PodsAlone { .. } if action != Action::FailJob => {
            return report(Reported::WouldDeletePods);
        }
        Reach::PodsAlone { .. } => Some(PodEnd::Decided),
        Reach::Whole | Reach::StopAlone => situation.author.filter(|_| action == Action::FailJob),
    };
    if situation.resumes >= MOST_RESUMES {
        return report(Reported::Overridden);
    }
    if situation.node_local {
        return report(Reported::NodeLocal);
    }
    if situation.running_peers && rule.running_peers == RunningPeers::Spare {
        return report(Reported::PeersRunning);
    }
    if ends_pod == Some(PodEnd::Ignored) {
        return report(Reported::IgnoredByJob);
    }
    if situation.outage {
        return Plan::Wait(Wait::Outage);
    }
    if situation.paused && situation.mode != Mode::Audit {
        return Plan::Wait(Wait::Paused);
    }
    if !situation.confirmed {
        return Plan::Wait(Wait::NextFailure);
    }
    match situation.moment {
        Err(Closed::Late) => return Plan::Wait(Wait::NextFailure),
        Err(Closed::StillPulling) => return Plan::Wait(Wait::OtherImage),
        Err(Closed::ClockSkew) => return Plan::Wait(Wait::ClockSkew),
        // No failed pull tells, so that there is none to wait for.
        Err(Closed::Unshown) => return report(Reported::PullMayRun),
        Ok(()) => {}
    }
    if situation.mode == Mode::Audit {
        return report(Reported::Audit(action));
    }
    if ends_pod.is_some() {
        return Plan::EndPod { rule: &rule.name, evidence };
    }
    Plan::Act { action, fallback, rule: &rule.name, evidence, admission }
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
            node_local: false,
            outage: false,
            confirmed: true,
            running_peers: false,
            blocks_schedule: false,
            no_return: None,
            author: None,
            reach: Reach::Whole,
            moment: Ok(()),
        };
        change(&mut situation, &mut rule);
        let evidence = Evidence { cause: Cause::NotFound, failed_pulls: 1, first: at, last: at };
        match plan(Verdict::Reached { rule: &rule, evidence }, &situation) {
            Plan::Count => "count".to_owned(),
            Plan::Wait(wait) => format!("wait {}", wait.as_str()),
            Plan::Report(reported) => format!("report {}", reported.as_str()),
            Plan::EndPod { .. } => "end the Pod".to_owned(),
            Plan::Act { action, fallback, .. } => {
                let why = fallback.map(|why| format!(" for {}", why.as_str())).unwrap_or_default();
                format!("act {action:?}{why}")
            }
        }
    }

    const fn exhausted(afterwards: Action) -> (NoReturn, Action) {
        (NoReturn::Exhausted, afterwards)
    }

    #[test]
    fn each_circumstance_has_its_say_and_no_other_is_asked_before_it() {
        let rows: [(Change, &str); 38] = [
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
            (|s, _| s.node_local = true, "report NodeLocal"),
            (|s, _| (s.outage, s.moment) = (true, Err(Closed::Late)), "wait Outage"),
            (|s, _| s.running_peers = true, "report PeersRunning"),
            (
                |s, r| (s.running_peers, r.running_peers) = (true, RunningPeers::Stop),
                "act SuspendJob",
            ),
            (|s, _| s.moment = Err(Closed::Late), "wait NextFailure"),
            (|s, _| s.confirmed = false, "wait NextFailure"),
            (|s, _| (s.confirmed, s.mode) = (false, Mode::Audit), "wait NextFailure"),
            (|s, _| s.moment = Err(Closed::StillPulling), "wait OtherImage"),
            (|s, _| s.moment = Err(Closed::ClockSkew), "wait ClockSkew"),
            (|s, _| s.moment = Err(Closed::Unshown), "report PullMayRun"),
            (|s, _| (s.moment, s.mode) = (Err(Closed::Unshown), Mode::Audit), "report PullMayRun"),
            (|s, _| s.mode = Mode::Audit, "report Audit"),
            (|_, r| r.action = Action::FailJob, "act FailJob"),
            (|s, r| (s.author, r.action) = (Some(PodEnd::Decided), Action::FailJob), "end the Pod"),
            (
                |s, r| (s.author, r.action) = (Some(PodEnd::Ignored), Action::FailJob),
                "report IgnoredByJob",
            ),
            (|s, _| s.author = Some(PodEnd::Ignored), "act SuspendJob"),
            (
                |s, r| {
                    (s.author, s.moment, r.action) =
                        (Some(PodEnd::Ignored), Err(Closed::Late), Action::FailJob);
                },
                "report IgnoredByJob",
            ),
            (|_, r| r.action = Action::RequeueJob, "act RequeueJob"),
            (
                |s, r| {
                    (s.no_return, r.action) =
                        (Some(exhausted(Action::FailJob)), Action::RequeueJob);
                },
                "act FailJob for RequeuesExhausted",
            ),
            (
                |s, r| {
                    (s.no_return, r.action) = (Some(exhausted(Action::Report)), Action::RequeueJob);
                },
                "report RequeuesExhausted",
            ),
            (|s, _| s.no_return = Some(exhausted(Action::FailJob)), "act SuspendJob"),
            (|s, _| s.blocks_schedule = true, "act FailJob for BlocksSchedule"),
            (
                |s, r| (s.reach, r.action) = (Reach::StopAlone, Action::FailJob),
                "act SuspendJob for NoFailLever",
            ),
            (|s, _| (s.reach, s.blocks_schedule) = (Reach::StopAlone, true), "act SuspendJob"),
            (|s, _| s.reach = Reach::Nothing, "report NotAJob"),
            (|s, _| s.reach = Reach::PodsAlone { group: true }, "report WouldDeletePods"),
            (
                |s, r| {
                    (s.reach, r.action) = (Reach::PodsAlone { group: false }, Action::FailJob);
                },
                "end the Pod",
            ),
            (|s, r| (s.blocks_schedule, r.action) = (true, Action::RequeueJob), "act RequeueJob"),
            (|s, _| s.paused = true, "wait Paused"),
            (|s, _| (s.paused, s.moment) = (true, Err(Closed::Late)), "wait Paused"),
            (|s, _| (s.paused, s.mode) = (true, Mode::Audit), "report Audit"),
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
