//! From objects to a finding: pure, and by the engine's own steps.

use std::collections::BTreeMap;

use dislodge_engine::Engine;
use dislodge_engine::api::{Action, NOT_OBSERVED};
use dislodge_engine::cause::{Cause, Class};
use dislodge_engine::engine::account::{Account, FailingImage, Prospect};
use dislodge_engine::objects::Pod;
use dislodge_engine::owner::Owner;
use dislodge_engine::quota::Admission;
use dislodge_engine::resolve::Queue;
use dislodge_engine::time::Now;
use dislodge_engine::timing::Timing;
use dislodge_engine::{keys, message};
use jiff::{SignedDuration, Timestamp};

use crate::classify::failing::{self, Failing};
use crate::classify::shown::{plain, quoted};
use crate::explain::ended::ended;
use crate::explain::finding::{
    Finding, HoldPart, ImagePart, JobPart, PolicyPart, Pulls, RulePart, Source, State, StepPart,
};
use crate::explain::words;
use crate::explain::{pod, subject};
use crate::inspect::pulls::NextPull;
use crate::inspect::{Gap, Index, Snapshot, instant, pulls};

/// Answers what is asked about one object of a snapshot, as of `now`.
pub fn answer(seen: &Snapshot, asked: &subject::Found, now: Timestamp, program: &str) -> Finding {
    let mut engine = seen.engine(instant(now));
    answer_with(&mut engine, (seen, &seen.index()), asked, now, program)
}

/// The same, where the engine has seen it all already.
pub fn answer_with(
    engine: &mut Engine,
    (seen, index): (&Snapshot, &Index<'_>),
    asked: &subject::Found,
    now: Timestamp,
    program: &str,
) -> Finding {
    let unit = engine.unit_of(asked.uid);
    let account = engine.account(unit, instant(now));
    let pods = index.pods(engine.pods_of(unit).into_iter().chain([asked.uid]));
    let (account, now) = (account.as_ref(), instant(now));
    let asking = Asking { seen, index, asked, account, pods, now, program };
    asking.finding()
}

/// All that an answer is made of.
pub(super) struct Asking<'a> {
    pub(super) seen: &'a Snapshot,
    index: &'a Index<'a>,
    pub(super) asked: &'a subject::Found,
    pub(super) account: Option<&'a Account>,
    pods: Vec<&'a Pod>,
    pub(super) now: Now,
    program: &'a str,
}

/// A failed pull is counted, and the policy's status tells of it, within seconds.
const COUNTED: SignedDuration = SignedDuration::from_mins(2);
/// A Pod's status is written for other reasons, too, while a pull is waited for: for five minutes at most
/// (`MaxContainerBackOff`), and as long as it runs.
const SHOWN: SignedDuration = SignedDuration::from_mins(15);

impl Asking<'_> {
    fn finding(&self) -> Finding {
        let images = self.images();
        let hold = self.hold();
        let (state, sentence, next) = self.verdict(&images, hold.as_ref());
        Finding {
            time: self.now.wall,
            subject: self.asked.subject.clone(),
            state,
            sentence,
            job: self.account.map(Self::job),
            policy: self.policy(),
            steps: self.steps(state, &images, hold.as_ref()),
            images: if state == State::Stuck { images } else { Vec::new() },
            hold,
            next,
            unknown: self.unknown(),
        }
    }

    pub(super) fn owner(&self) -> Option<&Owner> {
        self.account.map(|account| &account.owner)
    }

    /// The images that fail, the most failed pulls first.
    fn images(&self) -> Vec<ImagePart> {
        let mut by_image: BTreeMap<String, Vec<(&Pod, Failing)>> = BTreeMap::new();
        for pod in &self.pods {
            for failing in failing::failing(pod).unwrap_or_default() {
                by_image.entry(failing.image.clone()).or_default().push((pod, failing));
            }
        }
        let mut parts: Vec<ImagePart> =
            by_image.into_values().filter_map(|shown| self.image(&shown)).collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.failed_pulls.count));
        parts
    }

    fn image(&self, shown: &[(&Pod, Failing)]) -> Option<ImagePart> {
        let (_, any) = shown.first()?;
        let known = self.account.into_iter().flat_map(|account| &account.images);
        let known = known.clone().find(|known| message::mask(&known.image) == any.image.as_str());
        // The Pod whose count it is, where it still shows the failure.
        let (pod, failing) = known
            .and_then(|known| shown.iter().find(|(pod, _)| Some(pod.metadata.uid) == known.pod))
            .or_else(|| shown.first())?;
        let cause = match known.map(|known| known.evidence.cause) {
            // An older kubelet's back-off does not say why: what was counted before does.
            Some(counted) if failing.is_silent && counted != Cause::Unknown => counted,
            _ => failing.cause,
        };
        let count = self.count(pod, failing, known);
        let is_final = known.is_some_and(|known| known.is_final)
            || failing.standing == failing::WITHOUT_A_PULL;
        let uncounted = known.and_then(|known| self.uncounted(pod, failing, known));
        let next_pull = if is_final {
            NextPull::Never
        } else if uncounted.is_some() {
            // What was counted is older than the newest pull.
            NextPull::Soon
        } else {
            let sure = count.source != Source::Status;
            pulls::next(&Timing::kubelet(), count.count, count.last, sure, self.now.wall)
        };
        let policy = self.account.and_then(|account| account.policy.as_ref());
        let kind = self.owner().map_or("Pod", Owner::kind);
        let next = match known {
            Some(known) => words::next(&self.as_told(pod, known), policy, kind),
            None => self.unweighed(),
        };
        let next = match uncounted {
            Some(since) => format!(
                "nothing, as long as no controller counts: the last of the pulls has failed by {}, and it \
                 is not counted yet (`{} check` tells of the controller); else {next}",
                words::clock(since, self.now.wall),
                self.program
            ),
            None => next,
        };
        Some(ImagePart {
            image: harmless(&failing.image),
            container: harmless(&failing.container),
            pod: harmless(&pod.metadata.name),
            pods: shown.len(),
            cause,
            class: cause.class().as_str(),
            sentence: sentence(&failing.image, cause),
            reason: harmless(&failing.reason),
            message: harmless(&failing.finding.message),
            evidence: failing.finding.evidence.as_deref().map(harmless),
            failed_pulls: count,
            uncounted,
            next_pull,
            rule: known.and_then(|known| known.rule.as_ref()).map(|rule| RulePart {
                name: rule.name.clone(),
                failed_pulls: rule.threshold.failed_pulls,
                failing_seconds: rule.threshold.failing_seconds,
                action: rule.action,
            }),
            next,
        })
    }

    /// What the controller's own word says that a look at the objects cannot tell.
    fn as_told(&self, pod: &Pod, known: &FailingImage) -> FailingImage {
        let told = self.seen.entry(pod.metadata.uid, &known.image);
        let word = told.and_then(|entry| entry.reason.as_deref());
        match word.and_then(words::controllers_word) {
            Some(prospect) => FailingImage { now: prospect, ..known.clone() },
            None => known.clone(),
        }
    }

    /// When the kubelet wrote of a failed pull that the controller should have counted by now: it may be
    /// gone, or stuck, though nothing else here says so.
    fn uncounted(&self, pod: &Pod, failing: &Failing, known: &FailingImage) -> Option<Timestamp> {
        let entry = self.seen.entry(pod.metadata.uid, &known.image)?;
        let wrote = failing.status_written?;
        let late = if failing.reason == "ErrImagePull" { COUNTED } else { SHOWN };
        (wrote.duration_since(entry.last_failure_time) > late).then_some(wrote)
    }

    /// Why nothing is decided of an image that was not weighed.
    fn unweighed(&self) -> String {
        if self.account.is_some() {
            "nothing: this failure is not counted (the node limits its own pulls, or its runtime \
             could not be asked)"
                .to_owned()
        } else {
            "nothing: the Pod is of no Job and of no Workload, so that no policy governs it; the \
             kubelet tries the pull again and again"
                .to_owned()
        }
    }

    fn count(&self, pod: &Pod, failing: &Failing, known: Option<&FailingImage>) -> Pulls {
        let entry = known.and_then(|known| self.seen.entry(pod.metadata.uid, &known.image));
        let events = self.index.told(pod).into_iter();
        let events = events.map(|(image, run)| (message::mask(&image).into_owned(), run));
        let told = events.into_iter().find(|(image, _)| *image == failing.image);
        let evidence = known.map(|known| known.evidence);
        if let (Some(entry), Some(evidence)) = (entry, evidence) {
            return Pulls {
                count: evidence.failed_pulls.max(entry.failed_pulls),
                source: Source::Controller,
                first: evidence.first.min(entry.first_failure_time),
                last: evidence.last.max(entry.last_failure_time),
            };
        }
        if let Some((_, run)) = told {
            let count = evidence.map_or(run.failed_pulls, |evidence| evidence.failed_pulls);
            let (first, last) = (run.first, run.last);
            return Pulls { count, source: Source::Events, first, last };
        }
        let at = failing.status_written.unwrap_or(self.now.wall);
        Pulls { count: 1, source: Source::Status, first: at, last: at }
    }

    /// State, sentence, and what happens next.
    fn verdict(&self, images: &[ImagePart], hold: Option<&HoldPart>) -> (State, String, String) {
        let subject = harmless(&self.asked.subject.to_string());
        // Whatever was asked about, it is the job that is held, or has ended.
        let job = self.owner().map(|owner| {
            harmless(&format!("{} {}/{}", owner.kind(), owner.namespace(), owner.name()))
        });
        let job = job.unwrap_or_else(|| subject.clone());
        if let Some(owner) = self.owner()
            && (owner.is_finished() || owner.is_deleted())
        {
            return ended(owner, &job);
        }
        if let Some(hold) = hold {
            let why = sentence(&hold.image, hold.cause);
            let sentence = format!("{job} is held by Dislodge: {why} ({})", hold.cause);
            return (State::Held, sentence, self.after_hold(hold));
        }
        if let Some(worst) = images.first() {
            let sentence = format!("{subject} is stuck: {} ({})", worst.sentence, worst.cause);
            return (State::Stuck, sentence, worst.next.clone());
        }
        let stands = self.stands();
        let next = "nothing: no image keeps it from running".to_owned();
        (State::Healthy, format!("{subject} {stands}"), next)
    }

    /// How it stands where no image fails and nothing of ours holds it.
    fn stands(&self) -> String {
        if let Some(account) = self.account
            && self.asked.subject.kind != "Pod"
        {
            let is_workload = account.workload.is_some();
            if account.is_stopped && is_workload {
                return "is stopped, and not by Dislodge: its Workload has spec.active: false"
                    .to_owned();
            }
            if let (Queue::Local(queue), Admission::None, true) =
                (&account.queue, account.admission, is_workload)
            {
                return format!(
                    "has no quota: it waits in LocalQueue {}, or is being stopped",
                    harmless(&queue.name)
                );
            }
            if account.is_stopped {
                return "is suspended, and not by Dislodge: its queue, or a person, starts it"
                    .to_owned();
            }
            if self.pods.is_empty() {
                return "has no Pod now".to_owned();
            }
            if let Some(known) = account.images.first() {
                return format!(
                    "waits for image {}: {} before, and none is shown now; a pull may be running",
                    quoted(&message::mask(&known.image)),
                    words::pulls(known.evidence.failed_pulls)
                );
            }
        }
        let mut stands: BTreeMap<String, usize> = BTreeMap::new();
        for pod in &self.pods {
            *stands.entry(pod::stands(pod, self.now.wall)).or_default() += 1;
        }
        if self.asked.subject.kind == "Pod" || stands.len() == 1 {
            let how = stands.into_keys().next().unwrap_or_else(|| "has no Pod now".to_owned());
            return if self.asked.subject.kind == "Pod" {
                how
            } else {
                format!("is well: its Pod {how}")
            };
        }
        let parts: Vec<String> = stands
            .into_iter()
            .map(|(how, count)| format!("{count} of its Pods: it {how}"))
            .collect();
        format!("is well: {}", parts.join("; "))
    }

    fn job(account: &Account) -> JobPart {
        let owner = &account.owner;
        let queue = match &account.queue {
            Queue::Local(key) => Some(harmless(&key.name)),
            Queue::None { .. } => None,
        };
        JobPart {
            kind: harmless(owner.kind()),
            name: harmless(owner.name()),
            queue,
            workload: account.workload.as_ref().map(|w| harmless(&w.metadata.name)),
            admitted_since: match account.admission {
                Admission::Since(at) => Some(at),
                Admission::None | Admission::Foreign(_) => None,
            },
            resumes: account.resumes,
            requeues: account.requeues,
            ignored: owner.meta().annotation(keys::IGNORE).map(harmless),
        }
    }

    fn policy(&self) -> Option<PolicyPart> {
        let policy = self.account?.policy.as_ref()?;
        let object = self.seen.policies.iter().find(|p| p.metadata.uid == policy.uid);
        let observed =
            object.is_some_and(|object| object.status.observed_generation != NOT_OBSERVED);
        let paused = policy.paused.as_deref().or_else(|| self.seen.paused());
        Some(PolicyPart {
            name: harmless(&policy.policy.name),
            mode: policy.mode,
            paused: paused.map(harmless),
            observed,
        })
    }

    /// What its owner can do, with the command to type.
    fn steps(&self, state: State, images: &[ImagePart], hold: Option<&HoldPart>) -> Vec<StepPart> {
        let mut steps = Vec::new();
        let name = self.owner().map(Self::command_name);
        match (state, hold) {
            (State::Held, Some(hold)) => {
                let name = name.unwrap_or_default();
                let what = hold.cause.remedy();
                steps.push(StepPart { what: what.to_owned(), command: None });
                let what = match hold.action {
                    Some(Action::RequeueJob) => "resume it sooner",
                    _ => "resume it then",
                };
                steps.push(self.step(what, &format!("resume {name}")));
            }
            (State::Stuck, _) => {
                let causes: Vec<Cause> = images.iter().map(|image| image.cause).collect();
                for (place, cause) in causes.iter().enumerate() {
                    if !causes.iter().take(place).any(|known| known == cause) {
                        steps.push(StepPart { what: remedy(*cause), command: None });
                    }
                }
                let threatened = self
                    .account
                    .is_some_and(|account| account.images.iter().any(|image| may_act(image.then)));
                if let (Some(name), true) = (name, threatened) {
                    steps.push(
                        self.step("keep Dislodge off it", &format!("ignore {name} --reason 'why'")),
                    );
                }
            }
            (State::Failed, _) => steps.push(StepPart {
                what: "mend the image, then create the job anew".to_owned(),
                command: None,
            }),
            (State::Healthy | State::Held, _) => {}
        }
        steps
    }

    /// How the commands name a job: a Job by its name alone.
    fn command_name(owner: &Owner) -> String {
        let target = owner.target();
        let name = typed(&target.key.name);
        match owner {
            Owner::Job(_) => name,
            Owner::JobSet(_) | Owner::Other(_) => format!("{}/{name}", target.kind.in_commands()),
        }
    }

    fn step(&self, what: &str, command: &str) -> StepPart {
        let namespace = typed(&self.asked.subject.namespace);
        StepPart {
            what: what.to_owned(),
            command: Some(format!("{} {command} -n {namespace}", self.program)),
        }
    }

    /// Gaps, and what they mean here.
    fn unknown(&self) -> Vec<Gap> {
        let mut gaps = self.seen.gaps.clone();
        // Whoever may read Workloads and sees none is told, too.
        if let Some(account) = self.account
            && account.workload.is_none()
            && matches!(account.queue, Queue::Local(_))
            && !gaps.iter().any(|gap| gap.missing.contains("workloads"))
        {
            gaps.push(Gap {
                missing: "its Workload: Kueue has not made one, or it is not among what was read"
                    .to_owned(),
                unknown: "whether the job holds quota".to_owned(),
            });
        }
        gaps
    }
}

/// A name as it can be pasted into a shell: in files it may be anything.
fn typed(name: &str) -> String {
    let is_usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/');
    let name = harmless(name);
    if name.chars().all(is_usual) { name } else { format!("'{}'", name.replace('\'', "'\\''")) }
}

/// Whether a prospect is one that an owner may want to keep off.
fn may_act(then: Prospect) -> bool {
    matches!(then, Prospect::Act { .. } | Prospect::EndPod | Prospect::Wait(_))
}

/// What can be done about a cause while the kubelet still tries.
fn remedy(cause: Cause) -> String {
    let remedy = cause.remedy();
    let mendable = matches!(cause.class(), Class::Permanent | Class::Credentials);
    if mendable && cause != Cause::InvalidReference {
        format!("{remedy}; the kubelet finds it at its next pull")
    } else {
        remedy.to_owned()
    }
}

/// What a cause says of an image.
pub(super) fn sentence(image: &str, cause: Cause) -> String {
    format!("image {} {}", quoted(image), cause.sentence())
}

/// A foreign text as it may be shown.
pub(super) fn harmless(text: &str) -> String {
    plain(&message::mask(text)).into_owned()
}
