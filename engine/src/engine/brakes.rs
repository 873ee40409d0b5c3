//! The brakes at work: what fails and what starts is told to them, and an action asks for its slot.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::Mode;
use crate::brake::{Answer, Proof, Reserve, Slot, State, repository};
use crate::cause::Class;
use crate::effect::{Effect, EffectId, Outcome, Target, TargetKind};
use crate::engine::flight::Purpose;
use crate::engine::{Due, Engine};
use crate::objects::{Key, Uid};
use crate::observe::{Observation, registry_host};
use crate::plan::Wait;
use crate::record::Step;
use crate::resolve::Effective;
use crate::time::Now;

/// How soon a reservation that was refused is tried again, where nothing else happens.
const RESERVE_AGAIN: Duration = Duration::from_millis(250);

/// An image of a Pod that failed before its newest status.
pub(super) type Failed = Vec<Arc<str>>;

impl Engine {
    /// The images of a Pod that have failed with a cause by which registries are counted as down.
    pub(super) fn counted_failures(&self, pod: Uid) -> Failed {
        let tracks = self.index.pod(pod).into_iter().flat_map(|row| row.history.tracks());
        let counts = tracks.filter(|(_, track)| {
            track.runs.newest_cause().is_some_and(|cause| match cause.class() {
                Class::Permanent | Class::Credentials | Class::Transient => true,
                Class::Node | Class::Unknown => false,
            })
        });
        counts.map(|(image, _)| Arc::clone(image)).collect()
    }

    /// Pulls of a Pod have failed: is a registry down?
    pub(super) fn note_failures(
        &mut self,
        namespace: &str,
        (pod, job): (Uid, Uid),
        steps: &[(Arc<str>, Step)],
        now: Now,
    ) {
        if self.policies.in_namespace(namespace).next().is_none() {
            return;
        }
        for (image, step) in steps {
            if !matches!(step, Step::Failed { .. }) {
                continue;
            }
            let Some(row) = self.index.pod(pod) else { return };
            let runs = row.history.track(image).map(|track| &track.runs);
            let Some((cause, first)) = runs.and_then(|r| r.newest_cause().zip(r.first())) else {
                continue;
            };
            // When a Pod that a list showed first began to fail, nobody knows: it may have been
            // failing for days. Causes that don't pass by themselves count from its creation, so that
            // old mistakes don't look like an outage of today.
            let began = if row.listed && cause.class() != Class::Transient {
                row.place.created.map_or(first, |created| created.min(first))
            } else {
                first
            };
            let (host, repository) = (registry_host(image), repository(image));
            if self.outages.failed(namespace, host, job, repository, cause, began) {
                self.assess_all(namespace, host, now);
            }
        }
    }

    /// Has a failure opened a breaker of any policy of the namespace?
    fn assess_all(&mut self, namespace: &str, host: &str, now: Now) {
        for policy in self.policies.in_namespace(namespace) {
            let state = self.outages.assess(&policy.policy, &policy.outage, host, now);
            if state != State::Closed {
                self.dirty_policies.insert(policy.policy.clone());
            }
        }
    }

    /// Whether nothing is to be stopped because of this image: its registry counts as down.
    pub(super) fn is_down(&mut self, policy: &Effective, job: Uid, image: &str, now: Now) -> bool {
        let (key, host) = (&policy.policy, registry_host(image));
        match self.outages.assess(key, &policy.outage, host, now) {
            State::Open { .. } => {
                if let Some(at) = self.outages.overdue_at(key, &policy.outage, host) {
                    self.wake_job(job, at, now);
                }
                true
            }
            State::Overdue => false,
            State::Closed => {
                let state = self.policy_states.get(key);
                if state.is_some_and(|s| s.written.outages.iter().any(|o| o.host == host)) {
                    self.dirty_policies.insert(key.clone()); // it has just closed
                }
                false
            }
        }
    }

    /// A job is to be decided again at a time of the wall clock, not sooner than in a second.
    fn wake_job(&mut self, job: Uid, at: Timestamp, now: Now) {
        let left = Duration::try_from(at.duration_since(now.wall)).unwrap_or_default();
        let at = now.elapsed.saturating_add(left.max(Duration::from_secs(1)));
        self.deadlines.insert((at, Due::Job(job)));
    }

    /// Images were pulled: a registry answers, and what fails elsewhere may be the node's fault.
    pub(super) fn note_pulled(
        &mut self,
        namespace: &str,
        pod: Uid,
        seen: &Observation<'_>,
        (pulled, failed): (&[Arc<str>], &Failed),
        at: Timestamp,
    ) {
        for image in pulled {
            let always = seen.images.iter().any(|i| i.image == &**image && i.always);
            let proof = Proof { had_failed: failed.contains(image), always };
            if self.outages.pulled(namespace, registry_host(image), proof, at) {
                self.mark_namespace(namespace);
            }
            if always && let Some(row) = self.index.pod(pod) {
                self.elsewhere.pulled(image, &row.node, at);
            }
        }
    }

    /// Asks for a slot of the policy's budget.
    ///
    /// # Errors
    /// What the action waits for: `None` for a reservation that is under way, after which the job
    /// is decided again.
    pub(super) fn take_slot(
        &mut self,
        policy: &Effective,
        job: Uid,
        image: &Arc<str>,
        cause: crate::cause::Cause,
        now: Now,
    ) -> Result<Slot, Option<Wait>> {
        let state = self.policy_states.get_mut(&policy.policy).ok_or(None)?;
        match state.budget.ask(&policy.budget, image, cause, now) {
            Answer::Go => state.budget.take(&policy.budget, image, cause, now).ok_or(None),
            Answer::Exhausted { until } => {
                // States that are written once need no further failure.
                self.wake_job(job, until, now);
                Err(Some(Wait::Budget))
            }
            Answer::Reserve(reserve) => {
                state.wanting_slots.insert(job);
                if !state.reserve_in_flight {
                    // In place of an older one, which rests on a count that has been overtaken.
                    state.reserving = Some(reserve);
                }
                self.dirty_budgets.insert(policy.policy.clone());
                Err(None)
            }
        }
    }

    /// The next failed pull of this image leads to an action: its slot is reserved by then, so that
    /// the action does not wait for the write.
    pub(super) fn prepare_slot(
        &mut self,
        policy: &Effective,
        image: &Arc<str>,
        cause: crate::cause::Cause,
        now: Now,
    ) {
        if policy.mode == Mode::Audit || !self.may_act(now) {
            return;
        }
        let Some(state) = self.policy_states.get_mut(&policy.policy) else { return };
        if let Answer::Reserve(reserve) = state.budget.ask(&policy.budget, image, cause, now)
            && !state.reserve_in_flight
        {
            state.reserving = Some(reserve);
            self.dirty_budgets.insert(policy.policy.clone());
        }
    }

    /// Gives the reservations that jobs have asked for in this turn.
    pub(super) fn reserve(&mut self, effects: &mut Vec<(EffectId, Effect)>) {
        for key in std::mem::take(&mut self.dirty_budgets) {
            let Some(state) = self.policy_states.get_mut(&key) else { continue };
            let version = state.policy.metadata.resource_version.clone();
            // A version is used once: until a newer one is seen, ours is older than our own write.
            let refused = state.reserved_at.as_ref() == Some(&version);
            // Our own write of the status would make it older, too; its outcome brings us back.
            if state.reserve_in_flight || state.writing.is_some() || refused {
                continue;
            }
            let Some(Reserve { budget, .. }) = state.reserving.clone() else { continue };
            state.reserve_in_flight = true;
            state.reserved_at = Some(version.clone());
            let target = Target {
                kind: TargetKind::Policy,
                key: key.clone(),
                uid: state.uid,
                resource_version: Some(version),
            };
            let effect = Effect::Reserve { target, budget };
            self.flights.launch(Purpose::Reserve(key), effect, effects);
        }
    }

    /// A reservation has its outcome: the jobs that wait for it are decided again.
    pub(super) fn land_reserve(&mut self, key: &Key, outcome: Outcome, now: Now) {
        let Some(state) = self.policy_states.get_mut(key) else { return };
        state.reserve_in_flight = false;
        self.dirty_policies.insert(key.clone());
        let reserve = state.reserving.take();
        if outcome.is_done() {
            if let Some(reserve) = &reserve {
                state.budget.reserved_done(reserve, now);
            }
            self.want_slots(key);
        } else if outcome != Outcome::Conflict {
            // Nobody's version was used; what was refused for another reason is tried again soon.
            state.reserved_at = None;
            let at = now.elapsed + RESERVE_AGAIN;
            let jobs = std::mem::take(&mut state.wanting_slots);
            self.deadlines.extend(jobs.into_iter().map(|job| (at, Due::Job(job))));
        }
    }

    /// The jobs that wait for a reservation are decided again.
    pub(super) fn want_slots(&mut self, key: &Key) {
        if let Some(state) = self.policy_states.get_mut(key) {
            self.dirty_jobs.append(&mut state.wanting_slots);
        }
    }
}
