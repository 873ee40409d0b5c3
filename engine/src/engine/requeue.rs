//! The way back of a job that was requeued: when it is due, what it waits for then, and what a rule
//! asks of it when it fails again.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{Action, Requeue, Rule};
use crate::effect::{Effect, Target, Verb};
use crate::engine::casebook::Case;
use crate::engine::custody::{is_spent, pinned};
use crate::engine::flight::Step;
use crate::engine::{Due, Engine};
use crate::explain::{self, Await, HoldRecord, Return, seconds};
use crate::keys;
use crate::lever::{Annotations, Lever, annotations_patch};
use crate::name::hash;
use crate::notice::{Decision, reason};
use crate::objects::{Key, Meta, Prospect, Uid};
use crate::owner::Owner;
use crate::plan::{NoReturn, in_place};
use crate::quota::QuotaView;
use crate::resolve::{Effective, Queue};
use crate::time::Now;

/// How often Dislodge has requeued the job since a person resumed it last. The count stands on the
/// Job, which outlives its Workloads, and on the lever's object for those whose Job may not be written.
pub(super) fn requeues(job: &Owner, lever: &dyn Lever) -> u32 {
    marks(job, lever).map(|meta| number(meta, keys::REQUEUES)).max().unwrap_or(0)
}

/// Where the marks of a requeue stand. A person's resume takes them off the lever's object first: while
/// the Job still has them, it also lacks that resume.
fn marks<'a>(job: &'a Owner, lever: &'a dyn Lever) -> impl Iterator<Item = &'a Meta> {
    let is_behind = number(job.meta(), keys::RESUMES) < number(lever.meta(), keys::RESUMES);
    let owner = (!is_behind).then(|| job.meta());
    owner.into_iter().chain([lever.meta()])
}

/// The number that an annotation of ours says; 0 where there is none.
pub(super) fn number(meta: &Meta, key: &str) -> u32 {
    meta.annotation(key).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The rules as they are for this job: a job that came back has shown already that it fails, so
/// that fewer failed pulls suffice the same rule.
pub(super) fn rules_for<'p>(
    policy: &'p Effective,
    job: &Owner,
    lever: &dyn Lever,
) -> Cow<'p, [Rule]> {
    let by = marks(job, lever).find_map(|meta| meta.annotation(keys::REQUEUED_BY));
    let Some(by) = by else {
        return Cow::Borrowed(&policy.rules);
    };
    let mut rules = policy.rules.clone();
    for rule in rules.iter_mut().filter(|r| r.name == by && r.action == Action::RequeueJob) {
        rule.threshold.failed_pulls = policy.requeue.failed_pulls;
        rule.threshold.failing_seconds = 0;
    }
    Cow::Owned(rules)
}

/// When a job that is requeued now comes back.
pub(super) fn back(policy: &Effective, job: &Owner, lever: &dyn Lever, now: Timestamp) -> Return {
    let before = requeues(job, lever);
    let pause = pause(&policy.requeue, before, job.uid());
    // Rounded up: whole seconds are kept, and none is to be too short.
    let at = seconds(now.saturating_add(pause + Duration::from_millis(999)).unwrap_or(now));
    Return { at, number: before.saturating_add(1) }
}

/// The pause before a return: doubled with each, and shortened by up to a quarter, so that jobs
/// that went together don't come back together. The same job and attempt give the same pause.
fn pause(requeue: &Requeue, before: u32, job: Uid) -> Duration {
    let base = Duration::from_secs(requeue.backoff_base_seconds.into());
    let longest = Duration::from_secs(requeue.backoff_max_seconds.into());
    let whole = base.saturating_mul(1_u32.checked_shl(before).unwrap_or(u32::MAX)).min(longest);
    let parts = hash(&[&job.to_string(), &before.to_string()]) % 1000;
    whole.saturating_sub(whole / 4 * u32::try_from(parts).unwrap_or(0) / 1000)
}

/// A job that came back and has run for so long without a failed pull has shown that its image can be pulled:
/// a kubelet forgets its back-off after that time, too (kubelet.md 2.1).
const WELL: Duration = Duration::from_secs(600);
/// Kueue looks at who waits within a second or two after quota came free; who still waits after so long has
/// no use for it.
const SETTLED: Duration = Duration::from_secs(10);

impl Engine {
    /// Takes what is told of a job's returns away once it has gone well for long: what fails later is another
    /// story, and gets the whole threshold and all returns.
    pub(super) fn settle(
        &mut self,
        job: &Owner,
        (lever, quota): (&dyn Lever, &dyn QuotaView),
        case: &mut Case,
        idle: bool,
        now: Now,
    ) -> Option<(Step, Effect)> {
        let marked = |meta: &Meta| {
            [keys::REQUEUES, keys::REQUEUED_BY].iter().any(|key| meta.annotation(key).is_some())
        };
        let on_owner = marked(job.meta());
        if !on_owner && !marked(lever.meta())
            || !self.is_well(job.uid())
            || self.policies.governing(&quota.queue()).is_none()
        {
            case.well = None;
            return None;
        }
        let end = case.well.get_or_insert(now.elapsed).saturating_add(WELL);
        if now.elapsed < end {
            self.wake(end, Due::Job(job.uid()));
            return None;
        }
        let version = Some(job.meta().resource_version.clone());
        if !idle || on_owner && case.settled == version {
            return None;
        }
        let past: Annotations = [(keys::REQUEUES, None), (keys::REQUEUED_BY, None)].into();
        let patch = annotations_patch(&past);
        if on_owner {
            case.settled.clone_from(&version);
            let target = Target { resource_version: version, ..job.target() };
            return Some((Step::Settle, Effect::Explain { target, patch }));
        }
        pinned(lever, case, Verb::Clear, Step::Settle, patch, None)
    }

    /// Whether a job's Pods run, and none of them fails or waits.
    fn is_well(&self, job: Uid) -> bool {
        let mut any = false;
        for (_, pod) in self.index.pods_of(job).filter(|(_, pod)| !pod.ending) {
            let waits = pod.trouble().is_some_and(|trouble| trouble.awaits_since.is_some());
            if !pod.running || waits || pod.history.tracks().next().is_some() {
                return false;
            }
            any = true;
        }
        any
    }

    /// Lets a requeued job go on once it is due, its Pods are gone and its quota is free. Where its
    /// Pods don't end for too long, another hold takes the place of this one.
    pub(super) fn send_back(
        &mut self,
        job: &Owner,
        (lever, quota): (&dyn Lever, &dyn QuotaView),
        hold: &HoldRecord,
        case: &mut Case,
        now: Now,
    ) -> Option<(Step, Effect)> {
        let back = hold.back?;
        let uid = job.uid();
        let left = now.until(back.at);
        if left > Duration::ZERO {
            self.wake(now.elapsed + left, Due::Job(uid));
            return None;
        }
        let key = job.neighbour(hold.policy.clone());
        // A policy that is deleted or in Audit takes no new action; what it holds still comes back.
        let policy = self.policies.get(&key).cloned();
        let paused = policy.as_deref().is_some_and(|policy| policy.paused.is_some());
        if paused || self.paused.is_some() || is_spent(lever, case) {
            return None;
        }
        let gone = self.is_quiet(job) && self.index.pods_of(uid).next().is_none();
        if !gone || !quota.is_released() {
            let why = "its Pods have not ended";
            return self.outwait(job, lever, (hold, why), case, policy.as_deref(), now);
        }
        let target = lever.meta().uid;
        let queue = match quota.queue() {
            Queue::Local(key) => {
                let Some(name) = self.cluster_queues.get(&key) else {
                    let why = Await::Queue;
                    return self.await_quota(job, hold, why, case, policy.as_deref(), now);
                };
                Some(name.clone())
            }
            Queue::None { .. } => None,
        };
        if let Some(queue) = &queue {
            // Where an answer was lost, it must not be in its own way.
            if self.ledger.withdraw(target) {
                self.quota_is_free();
            }
            let requests = self.ledger.requests(target).cloned().unwrap_or_default();
            if requests.is_unknown() && self.ledger.preempts(queue) {
                let why = "what it asks for has not been known";
                return self.outwait(job, lever, (hold, why), case, policy.as_deref(), now);
            }
            let waits_for = if !self.ledger.may_return(queue, &requests) {
                Some(Await::Quota)
            } else if self.ledger.preempts(queue) && self.others_come_first(uid, target, queue, now)
            {
                Some(Await::Others)
            } else {
                None
            };
            if let Some(why) = waits_for {
                return self.await_quota(job, hold, why, case, policy.as_deref(), now);
            }
            // Whoever is asked next must not count on the same quota.
            self.ledger.promise(target, queue, requests);
        }
        (case.stuck, case.awaits, case.wait_told) = (None, None, None);
        case.decision = Some(Box::new(Decision::on_hold(job, hold, reason::DUE)));
        let patch = lever.resume_patch(Annotations::new());
        pinned(lever, case, Verb::Resume, Step::Return(target), patch, None)
    }

    /// Whether somebody else waits for the same quota and comes before this one: what is free now goes
    /// there, and this one would displace running work for itself. Who can't be admitted takes nothing,
    /// and who has been looked at and still waits has no use for what is free. In a strict queue nobody
    /// is looked at behind one that waits.
    fn others_come_first(&mut self, job: Uid, workload: Uid, queue: &str, now: Now) -> bool {
        let Some(own) = self.index.workload(workload) else { return false };
        let settled = self.quota_moved.saturating_add(SETTLED);
        let mut until = None;
        let first = self.index.waiting_workloads().any(|other| {
            if other.metadata.uid == workload || !other.is_before(&own) {
                return false;
            }
            let key = Key::new(other.metadata.namespace.as_str(), other.spec.queue_name.as_str());
            let Some(of) = self.cluster_queues.get(&key) else { return false };
            if !self.ledger.share(of, queue) {
                return false;
            }
            let blocks = of == queue && self.ledger.is_strict(queue);
            match other.prospect() {
                Prospect::OutOfTheQueue => false,
                Prospect::NeverFits => blocks,
                Prospect::WaitsForQuota if blocks => true,
                Prospect::WaitsForQuota => {
                    until = Some(settled);
                    now.elapsed < settled
                }
                Prospect::Unknown => true,
            }
        });
        if let Some(until) = until.filter(|until| now.elapsed < *until) {
            self.wake(until, Due::Job(job));
        }
        first
    }

    /// The job is looked at again when quota becomes free. When that lasts longer than the longest pause,
    /// its people are told: nothing else would say why it does not come back.
    fn await_quota(
        &mut self,
        job: &Owner,
        hold: &HoldRecord,
        why: Await,
        case: &mut Case,
        policy: Option<&Effective>,
        now: Now,
    ) -> Option<(Step, Effect)> {
        let uid = job.uid();
        self.waiting_for_quota.insert(uid);
        if case.wait_told.as_ref() == Some(&hold.id) {
            return None;
        }
        let longest = policy.map_or_else(
            || Requeue::default().backoff_max_seconds,
            |policy| policy.requeue.backoff_max_seconds,
        );
        let known = case.awaits.take().filter(|(id, _)| *id == hold.id);
        let (_, since) =
            case.awaits.insert(known.unwrap_or_else(|| (hold.id.clone(), now.elapsed)));
        let end = since.saturating_add(Duration::from_secs(longest.into()));
        if now.elapsed < end {
            self.wake(end, Due::Job(uid));
            return None;
        }
        let event = explain::waits_event(job.target(), hold, why);
        Some((Step::WaitEvent(hold.id.clone()), Effect::Publish(event)))
    }

    /// A job is due and can't come back: over Pods that have not ended it is never let go. When that
    /// lasts, another hold takes the place of this one. The time counts from when this process saw
    /// it first: while nobody looked, nobody waited.
    fn outwait(
        &mut self,
        job: &Owner,
        lever: &dyn Lever,
        (hold, why): (&HoldRecord, &'static str),
        case: &mut Case,
        policy: Option<&Effective>,
        now: Now,
    ) -> Option<(Step, Effect)> {
        let (policy, uid) = (policy?, job.uid());
        if self.forbids_action(policy, job) {
            return None;
        }
        let longest = Duration::from_secs(policy.requeue.backoff_max_seconds.into());
        let stuck = case.stuck.take().filter(|(id, _)| *id == hold.id);
        let new = || (hold.id.clone(), now.elapsed);
        let (_, since) = case.stuck.insert(stuck.unwrap_or_else(new));
        let end = since.saturating_add(longest);
        if now.elapsed < end {
            self.wake(end, Due::Job(uid));
            return None;
        }
        let action = Action::from(policy.requeue.afterwards);
        let other = in_place(action, self.blocks_schedule(job), job.reach());
        let action = other.map_or(action, |(action, _)| action);
        if action == Action::Report {
            return None; // it waits on
        }
        let image = hold.image.as_str().into();
        let slot = self.take_slot(policy, uid, &image, hold.cause, now).ok()?;
        let hold = hold.in_its_place(uid, action, (why, longest), now.wall);
        case.decision = Some(Box::new(Decision::on_hold(job, &hold, reason::STUCK)));
        let mut marks = hold.on_lever();
        marks.extend([(keys::RESUME_AT, None), (keys::HELD_QUOTA, None)]);
        let patch = lever.hold_patch(&marks);
        let step = pinned(lever, case, Verb::Hold, Step::Hold, patch, None);
        self.spend(&policy.policy, slot, case, step)
    }

    /// Whether a job that a rule would requeue can't be, and what is done in place of that.
    pub(super) fn no_return(
        &self,
        policy: &Effective,
        job: &Owner,
        (lever, quota): (&dyn Lever, &dyn QuotaView),
    ) -> Option<(NoReturn, Action)> {
        let afterwards = Action::from(policy.requeue.afterwards);
        if requeues(job, lever) >= policy.requeue.max_requeues {
            return Some((NoReturn::Exhausted, afterwards));
        }
        let Queue::Local(key) = quota.queue() else { return None };
        let queue = self.cluster_queues.get(&key)?;
        (self.ledger.preempts(queue) && !lever.knows_asks())
            .then_some((NoReturn::RequestUnknown, afterwards))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_limit_and_is_shortened_by_no_more_than_a_quarter() {
        let requeue = Requeue::default();
        for (before, whole) in [(0, 60), (1, 120), (5, 1920), (6, 3600), (31, 3600), (99, 3600)] {
            let pauses: Vec<Duration> =
                (1..200).map(|job| pause(&requeue, before, Uid::from_u128(job))).collect();
            let (least, most) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
            let whole = Duration::from_secs(whole);
            assert!(*most <= whole && *least >= whole * 3 / 4, "{before}: {least:?} to {most:?}");
            assert!(*least + whole / 5 < *most, "{before}: jobs come back together");
        }
    }
}
