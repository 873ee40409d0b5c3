//! Custody: the life of a hold, from the moment it stands on the lever to the moment it is gone.
//!
//! Everything is read off the objects, so that a crash between two writes is gone on from:
//! held and not told -> publish, then tell the owner; held and asked for -> resume; told, to be
//! failed, and its Pods gone -> finish; started by somebody else -> tell, then clear; told and no
//! longer held -> take the word back. What says that it is of another job is a copy: it is taken away, and
//! nothing else is done because of it.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::{Action, Mode};
use crate::effect::{Effect, Outcome, Target, Verb};
use crate::engine::casebook::Case;
use crate::engine::decide::resumes;
use crate::engine::flight::Step;
use crate::engine::{Due, Engine};
use crate::explain::{self, HoldRecord, seconds};
use crate::keys;
use crate::lever::{Annotations, Lever, annotations_patch, end_patch, finish_patch};
use crate::name::is_of_another;
use crate::notice::{Decision, Notice, reason};
use crate::objects::{Ending, Meta, Uid};
use crate::owner::Owner;
use crate::quota::QuotaView;
use crate::resolve::{Effective, Queue};
use crate::time::Now;

/// `Some` where the hold decides what happens next, be it nothing.
type Next = Option<Option<(Step, Effect)>>;

impl Engine {
    /// Looks after the hold of a job. `None` where there is none, and its images may be judged.
    pub(super) fn keep(
        &mut self,
        job: &Owner,
        (lever, quota): (&dyn Lever, &dyn QuotaView),
        case: &mut Case,
        idle: bool,
        now: Now,
    ) -> Next {
        let asked = job.meta().annotation(keys::RESUME);
        let told = job.meta().annotation(keys::HOLD).filter(|_| !lever.is_on(job.meta().uid));
        case.held_by = None;
        if lever.hold().is_some_and(|id| is_of_another(id, job.uid())) {
            return Some(idle.then(|| disown(lever, case)).flatten());
        }
        let hold = HoldRecord::of(job.uid(), lever.meta());
        // What the Job itself says by now needs not be remembered.
        if case.told.as_deref() == told {
            case.told = None;
        }
        if told.is_none() && asked.is_none() && lever.hold().is_none() {
            (case.untold, case.resumed) = (None, None);
        }
        match (lever.hold(), lever.is_stopped()) {
            (Some(id), true) => {
                if let Some(hold) = &hold {
                    case.held_by = Some(job.neighbour(hold.policy.clone()));
                }
                self.notice_release(quota, case, now);
                if !idle {
                    return Some(None);
                }
                // A person's word comes first: it must not wait for an Event that cannot be written.
                if asked == Some(id) {
                    case.decision = on_hold(job, hold.as_ref(), reason::REQUESTED);
                    return Some(resume(job, lever, id, case));
                }
                if let Some(hold) = &hold {
                    let step = self.tell(job, lever, told, hold, case);
                    let next = || match hold.action {
                        _ if job.is_finished() => self.let_end(job, hold, case, now),
                        Action::RequeueJob => self.send_back(job, (lever, quota), hold, case, now),
                        Action::FailJob | Action::SuspendJob | Action::Report => {
                            self.finish(job, hold, case, now)
                        }
                    };
                    if let Some(step) = step.or_else(next) {
                        return Some(Some(step));
                    }
                }
                Some(asked.and_then(|asked| refuse(job, asked, id, case)))
            }
            (Some(id), false) => {
                // Somebody else has started it: a person has the last word.
                if !idle {
                    return Some(None);
                }
                let open = told == Some(id) || !is_counted(job.meta(), id);
                if !lever.is_on(job.meta().uid) && open && case.untold.as_deref() != Some(id) {
                    return Some(Some(untell(job, lever, id, true)));
                }
                case.decision = on_hold(job, hold.as_ref(), reason::STARTED);
                Some(clear(job, lever, id, case))
            }
            (None, _) => {
                // Told, or resumed before it could be told.
                let early = asked.filter(|id| case.resumed.as_deref() == Some(*id));
                let over = told.or(early);
                match over {
                    Some(id) if case.untold.as_deref() != Some(id) => {
                        Some(idle.then(|| untell(job, lever, id, asked == Some(id))))
                    }
                    _ => None,
                }
            }
        }
    }

    /// Tells of a hold what has not been told yet: the Event first, because its name makes it safe
    /// to repeat; the owner's annotations last, because they say that all was told.
    fn tell(
        &self,
        job: &Owner,
        lever: &dyn Lever,
        told: Option<&str>,
        hold: &HoldRecord,
        case: &mut Case,
    ) -> Option<(Step, Effect)> {
        if case.accounted.as_deref() != Some(hold.id.as_str()) {
            if case.acting.is_none() && self.is_on_record(job, hold) {
                case.accounted = Some(hold.id.clone());
            } else {
                let event = hold.event(job.target());
                return Some((Step::HoldEvent(hold.id.clone()), Effect::Publish(event)));
            }
        }
        let known = told == Some(hold.id.as_str()) || case.told.as_ref() == Some(&hold.id);
        if known || lever.is_on(job.meta().uid) {
            return None;
        }
        let patch = annotations_patch(&hold.on_owner());
        // As it was seen: where another replica believes to lead, too, one of them tells.
        let mut target = job.target();
        target.resource_version = Some(job.meta().resource_version.clone());
        Some((Step::Tell(hold.id.clone()), Effect::Explain { target, patch }))
    }

    /// Whether nothing new may be done to a job that this policy holds.
    pub(super) fn forbids_action(&self, policy: &Effective, job: &Owner) -> bool {
        policy.mode == Mode::Audit
            || policy.paused.is_some()
            || self.paused.is_some()
            || job.meta().annotations.contains_key(keys::IGNORE)
    }

    /// Ends a held job as failed, where its hold leads to that: once its Pods are gone, and not
    /// while its policy or somebody else forbids new actions.
    fn finish(
        &mut self,
        job: &Owner,
        hold: &HoldRecord,
        case: &mut Case,
        now: Now,
    ) -> Option<(Step, Effect)> {
        let key = job.neighbour(hold.policy.clone());
        let policy = self.policies.get(&key)?;
        if self.forbids_action(policy, job) {
            return None;
        }
        let longest = Duration::from_secs(policy.hold.max_seconds.into());
        let why = match hold.action {
            Action::FailJob => reason::PODS_GONE,
            Action::SuspendJob if longest > Duration::ZERO => {
                let left = now.until(hold.at.saturating_add(longest).unwrap_or(Timestamp::MAX));
                if left > Duration::ZERO {
                    self.wake(now.elapsed + left, Due::Job(job.uid()));
                    return None;
                }
                reason::LONGEST_HOLD
            }
            Action::SuspendJob | Action::RequeueJob | Action::Report => return None,
        };
        let version = Some(job.meta().resource_version.clone());
        if !self.is_quiet(job) || case.finished == version {
            return None;
        }
        let patch = finish_patch(job, explain::REASON, &hold.sentence, seconds(now.wall))?;
        case.finished.clone_from(&version);
        case.decision = on_hold(job, Some(hold), why);
        let target = Target { resource_version: version, ..job.target() };
        let effect = Effect::Lever { verb: Verb::Finish, target, patch, until: None };
        Some((Step::Finish, effect))
    }

    /// Ends a held Job that was ending by itself when it was stopped. The Job controller has said how and why
    /// (`FailureTarget`, `SuccessCriteriaMet`) and cannot say that it has ended: that needs a start, and Kueue has
    /// taken it away when it stopped the Job (live.md 0.4). It would be neither, for ever.
    fn let_end(
        &self,
        job: &Owner,
        hold: &HoldRecord,
        case: &mut Case,
        now: Now,
    ) -> Option<(Step, Effect)> {
        let Owner::Job(ending) = job else { return None };
        let policy = self.policies.get(&job.neighbour(hold.policy.clone()));
        let paused = self.paused.is_some() || policy.is_some_and(|policy| policy.paused.is_some());
        let version = Some(job.meta().resource_version.clone());
        // With a start the Job controller ends it by itself.
        let stuck = ending.is_quiet() && ending.status.start_time.is_none();
        if paused || !stuck || case.finished == version {
            return None;
        }
        let why = match ending.ending()?.0 {
            Ending::Failed => reason::FAILING,
            Ending::Complete => reason::COMPLETING,
        };
        let patch = end_patch(ending, &hold.sentence, seconds(now.wall))?;
        case.finished.clone_from(&version);
        case.decision = on_hold(job, Some(hold), why);
        let target = Target { resource_version: version, ..job.target() };
        let effect = Effect::Lever { verb: Verb::Finish, target, patch, until: None };
        Some((Step::Finish, effect))
    }

    /// How long it took until the quota of a job that this process has stopped is free.
    fn notice_release(&mut self, quota: &dyn QuotaView, case: &mut Case, now: Now) {
        // Where nobody counts the quota, nobody says when it is free.
        if matches!(quota.queue(), Queue::Local(_))
            && quota.is_released()
            && let Some(since) = case.stopping.take()
        {
            self.notices.push(Notice::Released(now.elapsed.saturating_sub(since)));
        }
    }

    /// Whether none of a stopped job's Pods is left, as far as its Jobs say. Of other kinds its
    /// Pods alone tell.
    pub(super) fn is_quiet(&self, owner: &Owner) -> bool {
        match owner {
            Owner::Job(job) => job.is_quiet(),
            Owner::JobSet(set) => {
                let uid = set.metadata.uid;
                let pods_end = self.index.pods_of(uid).next().is_none();
                // One that had ended before is not suspended any more (JobSet: `suspendJobs`).
                let mut jobs = self.index.jobs_of(uid);
                set.spec.suspend && pods_end && jobs.all(|job| job.is_quiet() || job.has_ended())
            }
            Owner::Other(_) => true,
        }
    }

    /// What follows from the outcome of a step.
    pub(super) fn conclude(&mut self, job: Uid, step: &Step, outcome: Outcome) {
        let mut case = self.cases.remove(&job).unwrap_or_default();
        let done = outcome.is_done();
        let slot = case.slot.take_if(|_| matches!(step, Step::Hold | Step::EndPod));
        if let Some((policy, slot)) = slot.map(|slot| *slot)
            && outcome.is_refused()
        {
            self.give_back(&policy, &slot);
        }
        if *step == Step::Hold && outcome.is_refused() {
            case.stopping = None;
        }
        match step {
            Step::Hold | Step::Resume(_) | Step::Return(_) | Step::Clear => {
                if outcome.spares_version() {
                    case.spent = None;
                }
                if let Step::Return(target) = step
                    && outcome.is_refused()
                {
                    self.ledger.withdraw(*target);
                    self.quota_is_free();
                }
                if let (Step::Resume(id), true) = (step, done) {
                    case.resumed = Some(id.clone());
                }
                // Also where nobody saw the hold begin.
                if done && *step != Step::Hold {
                    self.forgive(job);
                }
            }
            Step::HoldEvent(id) => {
                if done || is_final(outcome) {
                    case.accounted = Some(id.clone());
                    self.record_hold(job, case.acting.take().map(|acting| *acting));
                }
            }
            Step::EndPod => {
                if let Some(to_tell) = &mut case.to_tell {
                    to_tell.done = done;
                }
                if outcome.is_refused() {
                    case.to_tell = None;
                }
                if outcome.spares_version() {
                    case.ended = None;
                }
            }
            Step::PodEvent => {
                if done || is_final(outcome) {
                    self.record_pod(&mut case);
                }
            }
            Step::ClearPod(pod) => {
                if (done || is_final(outcome))
                    && let Some(row) = self.index.pod_mut(*pod)
                {
                    row.change_trouble(|trouble| trouble.marked = None);
                }
            }
            Step::Finish if outcome.spares_version() => case.finished = None,
            Step::Tell(id) => {
                // Who may not tell goes on without: the hold can still be resumed.
                if done || is_final(outcome) {
                    case.told = Some(id.clone());
                    case.untold = None;
                }
            }
            Step::Untell(id) => {
                if done || is_final(outcome) {
                    case.untold = Some(id.clone());
                    case.told = None;
                }
            }
            Step::RefusedEvent(asked) => {
                if done || is_final(outcome) {
                    case.refused = Some(asked.clone());
                }
            }
            Step::RefuseResume(asked) => {
                if done || is_final(outcome) {
                    case.withdrawn = Some(asked.clone());
                }
            }
            Step::HeldBack(_) if done || is_final(outcome) => {}
            Step::HeldBack(report) => drop(case.reported.remove(report)),
            Step::WaitEvent(id) => {
                case.wait_told = (done || is_final(outcome)).then(|| id.clone());
            }
            Step::Settle if outcome.spares_version() => (case.settled, case.spent) = (None, None),
            Step::Finish | Step::Settle => {}
            Step::Report { policy, report, audit } => {
                // Told before means counted before.
                if outcome == Outcome::Applied {
                    self.record_report(policy, job, &report.1, *audit);
                } else if !done && !is_final(outcome) {
                    case.reported.remove(report);
                }
            }
        }
        self.cases.insert(job, case);
    }
}

/// What is decided of a hold that can be read.
fn on_hold(job: &Owner, hold: Option<&HoldRecord>, why: &'static str) -> Option<Box<Decision>> {
    hold.map(|hold| Box::new(Decision::on_hold(job, hold, why)))
}

/// Whether the same request will get the same answer.
const fn is_final(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Rejected | Outcome::Forbidden | Outcome::Gone)
}

/// Carries a person's request out: one patch starts the job and takes the mark away.
fn resume(job: &Owner, lever: &dyn Lever, id: &str, case: &mut Case) -> Option<(Step, Effect)> {
    let patch = lever.resume_patch(counted(job, lever, id));
    pinned(lever, case, Verb::Resume, Step::Resume(id.to_owned()), patch, None)
}

/// Takes our mark from a job that somebody else has started.
fn clear(job: &Owner, lever: &dyn Lever, id: &str, case: &mut Case) -> Option<(Step, Effect)> {
    let patch = lever.clear_patch(counted(job, lever, id));
    pinned(lever, case, Verb::Clear, Step::Clear, patch, None)
}

/// Takes the marks of another job's hold away, and what else they tell of that job's past. The job stays as
/// its maker wrote it, also where that is stopped: nobody knows whether a person wants it so.
fn disown(lever: &dyn Lever, case: &mut Case) -> Option<(Step, Effect)> {
    let past = keys::PAST.into_iter().map(|key| (key, None)).collect();
    pinned(lever, case, Verb::Clear, Step::Clear, lever.clear_patch(past), None)
}

/// A write to the lever's object, pinned to the version that was seen, which no other write has used.
pub(super) fn pinned(
    lever: &dyn Lever,
    case: &mut Case,
    verb: Verb,
    step: Step,
    patch: crate::effect::Patch,
    until: Option<Duration>,
) -> Option<(Step, Effect)> {
    if is_spent(lever, case) {
        return None;
    }
    let target = lever.target();
    case.spent.clone_from(&target.resource_version);
    Some((step, Effect::Lever { verb, target, patch, until }))
}

/// Whether a write has used the version that was seen: until a newer one is, what is known may be
/// older than our own write.
pub(super) fn is_spent(lever: &dyn Lever, case: &Case) -> bool {
    case.spent.as_deref() == Some(lever.meta().resource_version.as_str())
}

/// Takes the word back from the owner. `by_person`: counts a resume.
fn untell(job: &Owner, lever: &dyn Lever, id: &str, by_person: bool) -> (Step, Effect) {
    let mut annotations: Annotations =
        keys::EXPLANATION.into_iter().map(|key| (key, None)).collect();
    if by_person {
        annotations.extend(counted(job, lever, id));
    } else if is_of_another(id, job.uid()) {
        annotations.extend(keys::PAST.into_iter().map(|key| (key, None)));
    }
    let patch = annotations_patch(&annotations);
    (Step::Untell(id.to_owned()), Effect::Explain { target: job.target(), patch })
}

/// Whether the end of this hold by a person stands in an object's count.
fn is_counted(on: &Meta, id: &str) -> bool {
    on.annotation(keys::RESUMED) == Some(id)
}

/// One more resume by a person, unless this one is counted, and the request for it answered. It
/// stands on the Job, and once more on the lever's object for those whose Job may not be written.
fn counted(job: &Owner, lever: &dyn Lever, id: &str) -> Annotations {
    let more = u32::from(!is_counted(job.meta(), id) && !is_counted(lever.meta(), id));
    let resumes = resumes(job, lever).saturating_add(more).to_string();
    let last = Some(id.to_owned());
    [
        (keys::RESUMES, Some(resumes)),
        (keys::RESUMED, last),
        (keys::RESUME, None),
        // What Dislodge did before is over: its returns count anew, too.
        (keys::REQUEUES, None),
        (keys::REQUEUED_BY, None),
    ]
    .into()
}

/// A request that names no hold of the job: says so once, then takes it away.
fn refuse(job: &Owner, asked: &str, hold: &str, case: &mut Case) -> Option<(Step, Effect)> {
    if case.refused.as_deref() != Some(asked) {
        let event = explain::refused_resume_event(job.target(), asked, hold);
        return Some((Step::RefusedEvent(asked.to_owned()), Effect::Publish(event)));
    }
    if case.withdrawn.as_deref() == Some(asked) {
        return None; // taken away; the watch has yet to show it
    }
    let patch = annotations_patch(&[(keys::RESUME, None)].into());
    Some((Step::RefuseResume(asked.to_owned()), Effect::Explain { target: job.target(), patch }))
}
