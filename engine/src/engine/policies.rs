//! Every policy: what was said of it last, the counters that only its status keeps, and the
//! checkpoint that its status is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::api::{
    Action, ActionCounts, AuditCounts, FailingJob, FailingState, ImagePullPolicyStatus,
    RecentAction, bounds, clip,
};
use crate::effect::Outcome;
use crate::engine::slots::Slots;
use crate::engine::{Due, Engine};
use crate::explain::HoldRecord;
use crate::keys;
use crate::message::mask;
use crate::notice::{Audited, Notice};
use crate::objects::{Key, Policy, Uid};
use crate::observe::Observation;
use crate::owner::Owner;
use crate::plan::Reported;
use crate::record::{Place, Run, Runs, Track};
use crate::time::Now;

/// One policy.
#[derive(Debug)]
pub(super) struct PolicyState {
    /// Its uid.
    pub(super) uid: Uid,
    /// It, as it was seen last.
    pub(super) policy: Policy,
    /// The status that the API server has, as far as is known.
    pub(super) written: ImagePullPolicyStatus,
    /// A write has no outcome yet.
    pub(super) writing: Option<Box<ImagePullPolicyStatus>>,
    /// When the last write was given.
    pub(super) wrote: Option<Duration>,
    /// When the status was composed last, for a write or not.
    pub(super) composed: Option<Duration>,
    /// Its budget at work.
    pub(super) slots: Slots,
    /// What only the status keeps.
    pub(super) counters: Counters,
    /// What the status said of failing jobs when it was first seen, until it is put back.
    checkpoint: Vec<FailingJob>,
    /// Jobs and their images, as the status shows them, on which Enforce would have acted.
    audited: BTreeSet<(Uid, String)>,
    /// How many Events have told of jobs that are held back, and since when they are counted.
    waits_told: (Duration, usize),
}

/// So many Events of one policy tell within [`WAITS_WINDOW`] of jobs that are held back: as many as its status
/// lists. Thousands may wait for one registry or one budget.
const WAITS_TOLD: usize = bounds::FAILING;
/// When they are counted anew.
const WAITS_WINDOW: Duration = Duration::from_secs(600);

/// What only the status keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) actions: ActionCounts,
    pub(super) audit: AuditCounts,
    pub(super) recent: Vec<RecentAction>,
}

impl Counters {
    fn read(status: &ImagePullPolicyStatus) -> Self {
        Self { actions: status.actions, audit: status.audit, recent: status.recent_actions.clone() }
    }

    /// Both count the same: the higher count has seen more.
    fn merge(&mut self, other: Self) {
        let (own, theirs) = (&mut self.actions, other.actions);
        own.failed = own.failed.max(theirs.failed);
        own.suspended = own.suspended.max(theirs.suspended);
        own.requeued = own.requeued.max(theirs.requeued);
        own.reported = own.reported.max(theirs.reported);
        let (own, theirs) = (&mut self.audit, other.audit);
        own.would_have_acted = own.would_have_acted.max(theirs.would_have_acted);
        own.later_started = own.later_started.max(theirs.later_started);
        let newest = |recent: &[RecentAction]| recent.first().map(|action| action.time);
        if newest(&other.recent) > newest(&self.recent) {
            self.recent = other.recent;
        }
    }

    fn remember(&mut self, action: RecentAction) {
        self.recent.insert(0, action);
        self.recent.truncate(MOST_RECENT);
    }
}

/// How many actions `status.recentActions` keeps.
const MOST_RECENT: usize = bounds::RECENT_ACTIONS;

impl Engine {
    pub(super) fn put_policy(&mut self, policy: Policy, now: Now) {
        let key = policy.metadata.key();
        // Most of what is heard of policies is what we have written to their statuses ourselves.
        let known = self.policy_states.get(&key).map(|state| &state.policy);
        if !known.is_some_and(|known| governs_alike(known, &policy)) {
            self.policies.put(&policy);
        }
        let leads = self.leader_until.is_some_and(|until| now.elapsed < until);
        match self.policy_states.get_mut(&key) {
            Some(state) if state.uid == policy.metadata.uid => {
                state.written = policy.status.clone();
                if !leads {
                    // Whoever leads counts; a standby takes the leader's word, and a leader that has
                    // lost its lease for a moment keeps what it has yet to write.
                    state.counters.merge(Counters::read(&policy.status));
                }
                state.policy = policy;
            }
            _ => {
                let state = PolicyState {
                    uid: policy.metadata.uid,
                    written: policy.status.clone(),
                    writing: None,
                    wrote: None,
                    composed: None,
                    slots: Slots::default(),
                    counters: Counters::read(&policy.status),
                    checkpoint: policy.status.failing.clone(),
                    audited: audited_before(&policy.status.failing),
                    waits_told: (now.elapsed, 0),
                    policy,
                };
                self.remember_reports(&state.checkpoint);
                self.outages.restore(&key, &state.written.outages, now);
                self.policy_states.insert(key.clone(), state);
            }
        }
        if let Some(state) = self.policy_states.get_mut(&key)
            && let Some(policy) = self.policies.get(&key)
        {
            state.slots.budget.observed(&state.written.budget, &policy.budget, now);
            state.slots.wanted = None; // it is asked for anew, on what was just seen
        }
        self.want_slots(&key);
        self.mark_namespace(&key.namespace);
    }

    /// This replica leads from now on: what the one before has learnt meanwhile, and this one can't
    /// have seen, stands in the policies' statuses.
    pub(super) fn take_over(&mut self, now: Now) {
        for key in self.policy_states.keys().cloned().collect::<Vec<Key>>() {
            let Some(state) = self.policy_states.get_mut(&key) else { continue };
            state.audited.extend(audited_before(&state.written.failing));
            let failing = state.written.failing.clone();
            self.outages.restore(&key, &state.written.outages, now);
            self.remember_reports(&failing);
        }
        if self.is_synced() {
            self.settle_audited();
        }
    }

    /// What an earlier life has reported is not reported again in the same admission.
    fn remember_reports(&mut self, checkpoint: &[FailingJob]) {
        let reported = checkpoint.iter().filter(|entry| entry.state == FailingState::Reported);
        for entry in reported {
            let Some(reason) = &entry.reason else { continue };
            let told = (Arc::from(entry.image.as_str()), reason.clone());
            self.reported_before.entry(Uid::parse(&entry.uid)).or_default().push(told);
        }
    }

    pub(super) fn drop_policy(&mut self, uid: Uid) {
        let found = self.policy_states.iter().find(|(_, state)| state.uid == uid);
        if let Some(key) = found.map(|(key, _)| key.clone()) {
            self.policy_states.remove(&key);
            self.policies.remove(&key);
            self.outages.forget_policy(&key);
            self.mark_namespace(&key.namespace);
        }
    }

    /// Jobs and policies of a namespace are to be looked at anew.
    pub(super) fn mark_namespace(&mut self, namespace: &str) {
        self.dirty_jobs.extend(self.index.jobs_in(namespace));
        self.mark_policies_of(namespace);
    }

    pub(super) fn mark_policies_of(&mut self, namespace: &str) {
        let keys = self.policy_states.keys().filter(|key| key.namespace == namespace);
        self.dirty_policies.extend(keys.cloned());
    }

    /// Whether one more Event may tell that a job of this policy is held back.
    pub(super) fn may_tell_of_wait(&mut self, policy: &Key, now: Now) -> bool {
        let Some(state) = self.policy_states.get_mut(policy) else { return false };
        let (since, told) = &mut state.waits_told;
        if now.elapsed.saturating_sub(*since) >= WAITS_WINDOW {
            (*since, *told) = (now.elapsed, 0);
        }
        *told = told.saturating_add(1);
        *told <= WAITS_TOLD
    }

    /// A hold was told of: it counts now.
    pub(super) fn record_hold(&mut self, job: Uid, acting: Option<RecentAction>) {
        let Some(owner) = self.index.owner(job) else { return };
        let workload = self.index.workload_of(job).map(|workload| workload.metadata);
        let marks = workload.as_ref().unwrap_or_else(|| owner.meta());
        let Some(hold) = HoldRecord::of(job, marks) else { return };
        let key = owner.neighbour(hold.policy.clone());
        let action = RecentAction {
            outcome: Outcome::Applied.as_str().to_owned(),
            ..acting.unwrap_or_else(|| RecentAction {
                time: hold.at,
                job: owner.name().to_owned(),
                pod: None,
                image: clip(&hold.image, bounds::IMAGE),
                cause: hold.cause,
                action: hold.action,
                outcome: String::new(),
            })
        };
        self.record_action(&key, action);
    }

    /// An action was carried out, and is told by its policy's status from now on.
    pub(super) fn record_action(&mut self, policy: &Key, action: RecentAction) {
        if let Some(state) = self.policy_states.get_mut(policy) {
            let counts = &mut state.counters.actions;
            match action.action {
                Action::FailJob => counts.failed += 1,
                Action::SuspendJob => counts.suspended += 1,
                Action::RequeueJob => counts.requeued += 1,
                Action::Report => counts.reported += 1,
            }
            state.counters.remember(action);
            self.dirty_policies.insert(policy.clone());
        }
    }

    /// Whether a hold of an earlier life has been counted: it is among the newest actions, or older
    /// than all of them.
    pub(super) fn is_on_record(&self, job: &Owner, hold: &HoldRecord) -> bool {
        let key = job.neighbour(hold.policy.clone());
        let Some(state) = self.policy_states.get(&key) else { return false };
        let recent = &state.counters.recent;
        let listed = recent.iter().any(|a| a.job == job.name() && a.time == hold.at);
        let older = recent.len() >= MOST_RECENT && recent.last().is_some_and(|a| hold.at <= a.time);
        listed || older
    }

    /// An image of a job was reported.
    pub(super) fn record_report(&mut self, policy: &Key, job: Uid, image: &str, audit: bool) {
        if let Some(state) = self.policy_states.get_mut(policy) {
            if audit {
                state.counters.audit.would_have_acted += 1;
                state.audited.insert((job, shown(image)));
                self.notices.push(audited(policy, Audited::WouldHaveActed));
            } else {
                state.counters.actions.reported += 1;
            }
            self.dirty_policies.insert(policy.clone());
        }
    }

    /// An image has started in a job. Where Audit would have acted, that would have been wrong.
    pub(super) fn started_after_audit(&mut self, job: Uid, image: &str) {
        for (key, state) in &mut self.policy_states {
            if is_audited(&state.audited, job) && state.audited.remove(&(job, shown(image))) {
                state.counters.audit.later_started += 1;
                self.notices.push(audited(key, Audited::LaterStarted));
                self.dirty_policies.insert(key.clone());
            }
        }
    }

    /// A job is gone: nothing more is learnt of it.
    pub(super) fn forget_audited(&mut self, job: Uid) {
        for state in self.policy_states.values_mut() {
            if is_audited(&state.audited, job) {
                state.audited.retain(|(audited, _)| *audited != job);
            }
        }
    }

    /// What has started while no process was there: Pods that have all their images by the time
    /// when everything has been listed, as they may have been listed before the policies were.
    pub(super) fn settle_audited(&mut self) {
        let index = &self.index;
        for (key, state) in &mut self.policy_states {
            // A job that is gone tells nothing more.
            state.audited.retain(|(job, _)| index.owner(*job).is_some());
            let before = state.audited.len();
            state.audited.retain(|(job, image)| {
                !index.pods_of(*job).any(|(_, pod)| {
                    let images: BTreeSet<&str> = pod.images.iter().map(|image| &**image).collect();
                    pod.history.has_pulled(images.len())
                        && images.iter().any(|pulled| shown(pulled) == *image)
                })
            });
            let started = before - state.audited.len();
            if started > 0 {
                state.counters.audit.later_started += started as u64;
                let notice = audited(key, Audited::LaterStarted);
                self.notices.extend(std::iter::repeat_n(notice, started));
                self.dirty_policies.insert(key.clone());
            }
        }
    }

    /// Puts back what the checkpoints say of a Pod that has just been seen.
    pub(super) fn restore_pod(&mut self, pod: Uid, seen: &Observation<'_>, now: Now) {
        if self.policy_states.values().all(|state| state.checkpoint.is_empty()) {
            return;
        }
        let uid = pod.to_string();
        let most = self.most_failed_pulls(pod, now);
        for state in self.policy_states.values_mut() {
            let found = state.checkpoint.extract_if(.., |entry| entry.pod_uid == uid);
            for entry in found {
                let place = seen.images.iter().position(|i| shown(i.image) == entry.image);
                if let (Some(row), Some(place)) = (self.index.pod_mut(pod), place) {
                    row.history.restore(seen, place, checkpoint_runs(&entry, most));
                }
            }
        }
    }

    /// What is left of the checkpoints belongs to Pods that are gone: those that replace them take
    /// it over. Called once, when everything has been listed.
    pub(super) fn bequeath_checkpoints(&mut self) {
        let index = &self.index;
        // What a living Pod had counted is put back when its next status is seen.
        let is_gone = |entry: &mut FailingJob| {
            index.pod(Uid::parse(&entry.pod_uid)).is_none_or(|row| row.ending)
        };
        let states = self.policy_states.values_mut();
        let left: Vec<FailingJob> =
            states.flat_map(|state| state.checkpoint.extract_if(.., is_gone)).collect();
        for entry in left {
            let pod = Uid::parse(&entry.pod_uid);
            if let Some(row) = self.index.job_mut(Uid::parse(&entry.uid)) {
                let image = Arc::from(entry.image.as_str());
                let track = Track::of(checkpoint_runs(&entry, u32::MAX));
                row.vacated.leave((pod, Place::default()), entry.last_failure_time, image, track);
            }
        }
    }

    /// The most failed pulls that a Pod can have by now, by the kubelet's schedule.
    pub(super) fn most_failed_pulls(&self, pod: Uid, now: Now) -> u32 {
        let created = self.index.pod(pod).and_then(|row| row.place.created);
        let age = created.and_then(|at| Duration::try_from(now.wall.duration_since(at)).ok());
        age.map_or(u32::MAX, |age| self.config.timing.most_failed_pulls(age))
    }

    /// A write of a status has its outcome.
    pub(super) fn land_status(&mut self, key: &Key, outcome: Outcome, now: Now) {
        let Some(state) = self.policy_states.get_mut(key) else { return };
        if let Some(status) = state.writing.take()
            && outcome.is_done()
        {
            state.written = *status;
        }
        if outcome.is_done() {
            self.dirty_policies.insert(key.clone());
        } else {
            self.wake(now.elapsed + self.config.status_interval, Due::Policy(key.clone()));
        }
    }
}

/// Whether nothing has changed of a policy by which it governs queues.
fn governs_alike(known: &Policy, new: &Policy) -> bool {
    let paused = |policy: &Policy| policy.metadata.annotation(keys::PAUSED).map(str::to_owned);
    known.metadata.uid == new.metadata.uid && known.spec == new.spec && paused(known) == paused(new)
}

/// An image as a status shows it: without secrets, and no longer than allowed.
pub(super) fn shown(image: &str) -> String {
    clip(&mask(image), bounds::IMAGE)
}

/// On what an earlier life has said that Enforce would have acted.
fn audited_before(checkpoint: &[FailingJob]) -> BTreeSet<(Uid, String)> {
    let reported = checkpoint.iter().filter(|entry| entry.state == FailingState::Reported);
    let audited = reported.filter(|entry| entry.reason.as_deref() == Some(Reported::AUDIT));
    audited.map(|entry| (Uid::parse(&entry.uid), entry.image.clone())).collect()
}

fn audited(policy: &Key, outcome: Audited) -> Notice {
    Notice::Audited { namespace: policy.namespace.clone(), outcome }
}

fn is_audited(audited: &BTreeSet<(Uid, String)>, job: Uid) -> bool {
    audited.range((job, String::new())..).next().is_some_and(|(first, _)| *first == job)
}

fn checkpoint_runs(entry: &FailingJob, most: u32) -> Runs {
    let mut runs = Runs::of(Run {
        cause: entry.cause,
        failed_pulls: entry.failed_pulls.max(1),
        first: entry.first_failure_time,
        last: entry.last_failure_time.max(entry.first_failure_time),
    });
    runs.cap(most.max(1));
    runs
}
