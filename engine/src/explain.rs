//! The words for people: what stands on the objects and in the Events.

mod waiting;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::api::Action;
use crate::cause::Cause;
use crate::effect::{Event, EventType, Merge, Part, Patch, Target};
use crate::judge::Evidence;
use crate::keys;
use crate::lever::Annotations;
use crate::message::mask;
use crate::name::{digest, hold_id, is_of_another};
use crate::objects::{Meta, Uid};
use crate::owner::{Owner, Reach};
use crate::plan::{Fallback, NoReturn, Reported};

pub use waiting::{Await, held_back_event, waits_event};

/// The value of [`keys::THEN`] for a hold that leads to the end of the job.
const FAIL: &str = "Fail";

/// The reason of all our Events, and of a Job that we end.
pub const REASON: &str = "ImagePullFailed";

/// The longest part of an image reference that is repeated to people, in bytes.
const MOST_IMAGE: usize = 300;

/// A hold, as it stands on the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRecord {
    /// The hold's id.
    pub id: String,
    /// The policy's name.
    pub policy: String,
    /// The rule's name.
    pub rule: String,
    /// What it leads to: `SuspendJob` waits for a person, `FailJob` ends the job as failed,
    /// `RequeueJob` ends by itself.
    pub action: Action,
    /// For `RequeueJob`: when it ends by itself.
    pub back: Option<Return>,
    /// The image.
    pub image: String,
    /// The cause.
    pub cause: Cause,
    /// The sentence. What stands nowhere else comes first: `kubectl describe` cuts annotations off
    /// after 140 characters.
    pub sentence: String,
    /// When it was decided, in whole seconds.
    pub at: Timestamp,
}

/// How a job that is requeued comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Return {
    /// Not before then, in whole seconds.
    pub at: Timestamp,
    /// Which of its returns this will be, from 1 on.
    pub number: u32,
}

/// What a hold is decided on.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'a> {
    /// The policy's name.
    pub policy: &'a str,
    /// The rule's name.
    pub rule: &'a str,
    /// What it is to lead to.
    pub action: Action,
    /// Where that is not what the rule says: why.
    pub fallback: Option<Fallback>,
    /// For `RequeueJob`: when the job comes back.
    pub back: Option<Return>,
    /// The image.
    pub image: &'a str,
    /// Its failures.
    pub evidence: &'a Evidence,
    /// The admission that is ended.
    pub admission: Timestamp,
}

impl HoldRecord {
    /// A new hold of `job`.
    pub fn new(job: &Owner, grounds: &Grounds<'_>, now: Timestamp) -> Self {
        let Grounds { policy, rule, action, fallback, back, image, evidence, admission } = *grounds;
        let id = hold_id(job.uid(), &[&admission.to_string(), &now.to_string()]);
        Self {
            policy: policy.to_owned(),
            rule: rule.to_owned(),
            action,
            back,
            image: mask(image).into_owned(),
            cause: evidence.cause,
            sentence: format!(
                "{}; {}: {}{}",
                pulls(evidence),
                advice(action, back, evidence.cause, &id),
                what(image, evidence.cause),
                fallback.map(|why| instead(why, job.kind())).unwrap_or_default(),
            ),
            id,
            at: seconds(now),
        }
    }

    /// The hold that takes this one's place where the job can't come back: another action, and so an
    /// id and a word of its own. `why` it can't, and for how long that was waited for.
    #[must_use]
    pub fn in_its_place(
        &self,
        job: Uid,
        action: Action,
        (why, waited): (&str, Duration),
        now: Timestamp,
    ) -> Self {
        let id = hold_id(job, &[&self.id, &now.to_string()]);
        let sentence = format!(
            "not requeued, {why} for {} s; {}: {}",
            waited.as_secs(),
            advice(action, None, self.cause, &id),
            what(&self.image, self.cause),
        );
        Self { id, action, back: None, sentence, at: seconds(now), ..self.clone() }
    }

    /// The hold of the job with this uid, read back from the object that carries the lever. `None` where
    /// there is none, or another job's: a copy, or what a backup has restored.
    pub fn of(job: Uid, lever: &Meta) -> Option<Self> {
        Self::read(lever).filter(|hold| !is_of_another(&hold.id, job))
    }

    /// Reads it back from the object that carries the lever, whosever it is.
    pub fn read(lever: &Meta) -> Option<Self> {
        let text = |key| lever.annotation(key).map(str::to_owned);
        let cause = lever
            .annotation(keys::HELD_CAUSE)
            .and_then(|name| Cause::ALL.into_iter().find(|cause| cause.as_str() == name));
        Some(Self {
            id: text(keys::HOLD)?,
            policy: text(keys::HOLD_POLICY).unwrap_or_default(),
            rule: text(keys::HELD_RULE).unwrap_or_default(),
            action: match (lever.annotation(keys::THEN), lever.annotation(keys::RESUME_AT)) {
                (Some(FAIL), _) => Action::FailJob,
                (_, Some(_)) => Action::RequeueJob,
                _ => Action::SuspendJob,
            },
            back: lever.annotation(keys::RESUME_AT).and_then(|at| {
                let number = lever.annotation(keys::REQUEUES)?.parse().ok()?;
                Some(Return { at: at.parse().ok()?, number })
            }),
            image: text(keys::HELD_IMAGE).unwrap_or_default(),
            cause: cause.unwrap_or(Cause::Unknown),
            sentence: text(keys::HELD).unwrap_or_default(),
            at: lever.annotation(keys::HELD_AT)?.parse().ok()?,
        })
    }

    /// What stands on the object that carries the lever. All of it, so that the owner can still
    /// be told after a crash, and where the owner's object is of a kind that we don't write to.
    pub fn on_lever(&self) -> Annotations {
        let mut marks = self.on_owner();
        marks.insert(keys::HOLD_POLICY, Some(self.policy.clone()));
        if self.action == Action::FailJob {
            marks.insert(keys::THEN, Some(FAIL.to_owned()));
        }
        if let Some(back) = self.back {
            marks.insert(keys::RESUME_AT, Some(back.at.to_string()));
        }
        marks
    }

    /// What stands on the owner's object.
    pub fn on_owner(&self) -> Annotations {
        let back = self.back.map(|back| {
            [(keys::REQUEUES, back.number.to_string()), (keys::REQUEUED_BY, self.rule.clone())]
        });
        [
            (keys::HOLD, self.id.clone()),
            (keys::HELD, self.sentence.clone()),
            (keys::HELD_CAUSE, self.cause.to_string()),
            (keys::HELD_IMAGE, self.image.clone()),
            (keys::HELD_RULE, self.rule.clone()),
            (keys::HELD_AT, self.at.to_string()),
        ]
        .into_iter()
        .chain(back.into_iter().flatten())
        .map(|(key, value)| (key, Some(value)))
        .collect()
    }

    /// What a person types to resume it.
    fn resume_command(&self, job: &Target) -> String {
        format!(
            "kubectl -n {} annotate {} {} {}={}",
            job.key.namespace,
            job.kind.in_commands(),
            job.key.name,
            keys::RESUME,
            self.id
        )
    }

    /// The Event that tells of it.
    pub fn event(&self, job: Target) -> Event {
        let name = event_name(&job, &[&self.id]);
        let command = self.resume_command(&job);
        let (lead, command) = match self.action {
            Action::FailJob => ("Stopped, its quota is given back, to be ended as failed", None),
            Action::RequeueJob => (
                "Requeued, its quota is given back",
                Some(format!(". To resume sooner: {command}")),
            ),
            Action::SuspendJob | Action::Report => {
                ("Suspended, its quota is given back", Some(format!(". To resume: {command}")))
            }
        };
        let command = command.unwrap_or_default();
        Event {
            name,
            regarding: job,
            kind: EventType::Warning,
            reason: REASON,
            action: self.action.as_str(),
            note: format!("{lead}. {}{command}", self.sentence),
        }
    }
}

/// What is said of a Pod that is ended, as its condition and in an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodEnded {
    /// The Pod's name.
    pub pod: String,
    /// The Pod's uid.
    pub uid: Uid,
    /// The image.
    pub image: String,
    /// The cause.
    pub cause: Cause,
    /// The sentence.
    pub sentence: String,
}

impl PodEnded {
    /// A Pod that is ended because of this image.
    pub fn new(pod: &str, uid: Uid, image: &str, evidence: &Evidence) -> Self {
        let cause = evidence.cause;
        let (pulls, what) = (pulls(evidence), what(image, cause));
        Self {
            pod: pod.to_owned(),
            uid,
            image: mask(image).into_owned(),
            cause,
            sentence: format!("{pulls}; {}: {what}", cause.remedy()),
        }
    }

    /// Our condition on the Pod, which the `podFailurePolicy` of its Job can match.
    pub fn condition(&self, now: Timestamp) -> Patch {
        let condition = json!({
            "type": keys::POD_CONDITION, "status": "True", "reason": self.cause,
            "message": self.sentence, "lastTransitionTime": seconds(now),
        });
        let body = json!({"status": {"conditions": [condition]}});
        Patch { merge: Merge::Strategic, part: Part::Status, body }
    }

    /// The Event that tells of it, on the object that its people look at.
    pub fn event(&self, owner: &Owner) -> Event {
        let job = owner.target();
        let lead = match owner.reach() {
            Reach::PodsAlone { group: false } => "ended as failed, its quota is given back",
            Reach::PodsAlone { group: true } => {
                "ended as failed; its group gives its quota back once all its Pods have ended"
            }
            Reach::Whole | Reach::StopAlone | Reach::Nothing => {
                "ended; the Job's podFailurePolicy decides what follows"
            }
        };
        Event {
            name: event_name(&job, &["pod", &self.uid.to_string()]),
            regarding: job,
            kind: EventType::Warning,
            reason: REASON,
            action: Action::FailJob.as_str(),
            note: format!("Pod {} {lead}. {}", self.pod, self.sentence),
        }
    }
}

/// Takes our condition from a Pod that lives on.
pub fn uncondition() -> Patch {
    let gone = json!({"$patch": "delete", "type": keys::POD_CONDITION});
    let body = json!({"status": {"conditions": [gone]}});
    Patch { merge: Merge::Strategic, part: Part::Status, body }
}

/// The Event of a job that is only reported: at most one for each admission and reason.
pub fn report_event(
    job: Target,
    admission: Option<Timestamp>,
    image: &str,
    evidence: &Evidence,
    reported: Reported,
) -> Event {
    let admission = admission.map(|a| a.to_string()).unwrap_or_default();
    let lead = match reported {
        Reported::Rule => "Reported, as the rule says".to_owned(),
        Reported::NoRule => "Reported only: no rule of the policy lists this cause".to_owned(),
        Reported::Audit(action) => {
            format!("Audit: in mode Enforce this would be {}", verb(action))
        }
        Reported::PeersRunning => {
            "Reported only: a container of the job runs, and the rule spares it".to_owned()
        }
        Reported::NodeLocal => {
            "Reported only: another node could pull the image, so the fault is the node's"
                .to_owned()
        }
        Reported::PullMayRun => {
            "Reported only: once what keeps the kubelet from pulling is mended, it pulls and shows nothing of \
             it, so that a pull may run"
                .to_owned()
        }
        Reported::Overridden => "Reported only: people have resumed it twice".to_owned(),
        Reported::Ignored => format!("Reported only: {} is set", keys::IGNORE),
        Reported::NoReturn(NoReturn::Exhausted) => {
            "Reported only: it was requeued as often as the policy allows".to_owned()
        }
        Reported::NoReturn(NoReturn::RequestUnknown) => {
            "Reported only: requeued, it could displace work that runs, as its queue preempts and \
             what it asks for is not known"
                .to_owned()
        }
        Reported::IgnoredByJob => {
            "Reported only: the Job's podFailurePolicy would make the Pod anew for ever".to_owned()
        }
        Reported::Foreign(_) => "Reported only: another system runs this job".to_owned(),
        Reported::NotAJob => {
            "Reported only: something else runs this Pod, and may make it anew for ever".to_owned()
        }
        Reported::WouldDeletePods => {
            "Reported only: to stop Pods that nothing makes anew would delete them for good"
                .to_owned()
        }
    };
    Event {
        name: event_name(&job, &[&admission, image, reported.as_str()]),
        regarding: job,
        kind: EventType::Warning,
        reason: REASON,
        action: "Report",
        note: format!(
            "{lead}. {}; {}: {}",
            pulls(evidence),
            evidence.cause.next_step(),
            what(image, evidence.cause)
        ),
    }
}

/// The Event for a resume request that names another hold than the job's.
pub fn refused_resume_event(job: Target, asked: &str, hold: &str) -> Event {
    Event {
        name: event_name(&job, &["resume", asked, hold]),
        regarding: job,
        kind: EventType::Warning,
        reason: "ResumeRefused",
        action: "Report",
        note: format!("{}={asked} names no hold of this job: the hold is {hold}", keys::RESUME),
    }
}

fn event_name(job: &Target, parts: &[&str]) -> String {
    let uid = job.uid.to_string();
    let all: Vec<&str> = std::iter::once(uid.as_str()).chain(parts.iter().copied()).collect();
    // Names of Jobs have at most 63 characters (Kubernetes: they become a label's value).
    format!("{}.{}", job.key.name, digest(&all))
}

/// What the owner can do, in few words.
fn advice(action: Action, back: Option<Return>, cause: Cause, hold: &str) -> String {
    match action {
        Action::RequeueJob if back.is_some() => {
            let back = back.map(|Return { at, number }| format!("return {number} not before {at}"));
            let sooner = format!("sooner by annotation {}={hold}", keys::RESUME);
            format!("{}, {sooner}; {}", back.unwrap_or_default(), cause.remedy())
        }
        Action::FailJob if cause.remedy() == cause.next_step() => cause.remedy().to_owned(),
        Action::FailJob => format!("{}, then create the job anew", cause.remedy()),
        Action::SuspendJob | Action::RequeueJob | Action::Report => {
            format!("{} (annotation {}={hold})", cause.next_step(), keys::RESUME)
        }
    }
}

/// The same in brackets, behind its word.
fn instead(why: Fallback, kind: &str) -> String {
    format!(" ({}: {})", why.as_str(), because(why, kind))
}

/// Why another action is taken than the rule's: a clause about a job of this kind.
pub fn because(why: Fallback, kind: &str) -> String {
    match why {
        Fallback::NoReturn(NoReturn::Exhausted) => {
            "it was requeued as often as the policy allows".to_owned()
        }
        Fallback::NoReturn(NoReturn::RequestUnknown) => {
            "requeued, it could displace work that runs".to_owned()
        }
        Fallback::BlocksSchedule => "suspended, it would block its CronJob's schedule".to_owned(),
        Fallback::NoFailLever => format!("Dislodge knows no way to end a {kind} as failed"),
    }
}

/// How often it failed: `3 failed pulls in 40 s`.
fn pulls(evidence: &Evidence) -> String {
    let plural = if evidence.failed_pulls == 1 { "" } else { "s" };
    let span = match evidence.failing() {
        Duration::ZERO => String::new(),
        failing => format!(" in {} s", failing.as_secs()),
    };
    format!("{} failed pull{plural}{span}", evidence.failed_pulls)
}

/// What failed, and why: `image "x" does not exist in its registry (NotFound)`.
fn what(image: &str, cause: Cause) -> String {
    let image = crate::api::clip(&mask(image), MOST_IMAGE);
    format!("image \"{image}\" {} ({cause})", cause.sentence())
}

fn verb(action: Action) -> &'static str {
    match action {
        Action::FailJob => "failed",
        Action::SuspendJob => "suspended",
        Action::RequeueJob => "requeued",
        Action::Report => "reported",
    }
}

/// Kubernetes keeps times in whole seconds.
pub(crate) fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner::Job(std::sync::Arc::default())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn back(action: Action) -> Option<Return> {
        (action == Action::RequeueJob).then(|| Return { at: at(900), number: 3 })
    }

    fn grounds<'a>(
        action: Action,
        back: Option<Return>,
        image: &'a str,
        evidence: &'a Evidence,
    ) -> Grounds<'a> {
        Grounds {
            policy: "p",
            rule: "r",
            action,
            fallback: None,
            back,
            image,
            evidence,
            admission: at(1),
        }
    }

    #[test]
    fn kubectl_describe_shows_how_often_and_what_to_do_for_every_cause() {
        for cause in Cause::ALL {
            let evidence = Evidence { cause, failed_pulls: 100, first: at(0), last: at(86_400) };
            let job = owner();
            let [hold, failed, requeued] =
                [Action::SuspendJob, Action::FailJob, Action::RequeueJob].map(|action| {
                    let back = back(action);
                    HoldRecord::new(&job, &grounds(action, back, "image", &evidence), at(2))
                });
            let shown: String = failed.sentence.chars().take(140).collect();
            assert!(shown.contains("100 failed pulls") && shown.contains(": image"), "{shown}");
            let shown: String = hold.sentence.chars().take(140).collect();
            for part in ["100 failed pulls", cause.next_step(), &hold.id] {
                assert!(shown.contains(part), "{cause}: {part} is cut off: {shown}");
            }
            let shown: String = requeued.sentence.chars().take(140).collect();
            for part in ["100 failed pulls", "return 3 not before 1970", &requeued.id] {
                assert!(shown.contains(part), "{cause}: {part} is cut off: {shown}");
            }
        }
    }

    #[test]
    fn a_password_in_a_reference_is_told_to_nobody() {
        let evidence =
            Evidence { cause: Cause::InvalidReference, failed_pulls: 2, first: at(0), last: at(9) };
        let (job, image) = (owner(), "https://bob:hunter2@r.io/app:1");
        let grounds = grounds(Action::SuspendJob, None, image, &evidence);
        let hold = HoldRecord::new(&job, &grounds, at(2));
        let target = Target {
            kind: crate::effect::TargetKind::Job,
            key: job.meta().key(),
            uid: job.uid(),
            resource_version: None,
        };
        let texts = [
            format!("{:?}", hold.on_lever()),
            hold.event(target.clone()).note,
            report_event(target, None, image, &evidence, Reported::Rule).note,
        ];
        for text in texts {
            assert!(text.contains("r.io/app:1") && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn what_stands_on_the_lever_is_read_back_as_it_was() {
        let evidence =
            Evidence { cause: Cause::NotFound, failed_pulls: 3, first: at(0), last: at(40) };
        for action in [Action::SuspendJob, Action::FailJob, Action::RequeueJob] {
            let job = owner();
            let back = back(action);
            let hold = HoldRecord::new(&job, &grounds(action, back, "image", &evidence), at(2));
            let marks = hold.on_lever().into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?)));
            let lever = Meta { annotations: marks.collect(), ..Meta::default() };
            assert_eq!(HoldRecord::read(&lever), Some(hold));
        }
    }
}
