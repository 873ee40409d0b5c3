//! A policy's budget at work: an action asks for its slot, and slots are reserved before they are used.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::api::Mode;
use crate::brake::{Answer, Budget, Reserve, Slot};
use crate::cause::Cause;
use crate::effect::{Effect, EffectId, Outcome, Target, TargetKind};
use crate::engine::brakes::SOON;
use crate::engine::casebook::{Case, Pauses};
use crate::engine::flight::{Purpose, Step};
use crate::engine::{Due, Engine};
use crate::objects::{Key, Uid};
use crate::plan::Wait;
use crate::resolve::Effective;
use crate::time::Now;

/// A policy's budget, and the reservation that is asked for.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// How much the policy may still do.
    pub(super) budget: Budget,
    /// A reservation to be written.
    pub(super) wanted: Option<Reserve>,
    /// The one that has no outcome yet.
    pub(super) under_way: Option<Reserve>,
    /// The version of the policy that the last one was pinned to: a version is used once.
    used: Option<String>,
    /// Jobs that are decided again once there are slots.
    jobs: BTreeSet<Uid>,
    /// The pauses after reservations that were refused.
    pauses: Pauses,
}

impl Engine {
    /// Asks for a slot of the policy's budget.
    ///
    /// # Errors
    /// What the action waits for: `None` for a reservation, after which the job is decided again.
    pub(super) fn take_slot(
        &mut self,
        policy: &Effective,
        job: Uid,
        image: &Arc<str>,
        cause: Cause,
        now: Now,
    ) -> Result<Slot, Option<Wait>> {
        let state = self.policy_states.get_mut(&policy.policy).ok_or(None)?;
        let slots = &mut state.slots;
        match slots.budget.ask(&policy.budget, image, cause, now) {
            Answer::Go => slots.budget.take(&policy.budget, image, cause, now).ok_or(None),
            Answer::Exhausted { until } => {
                // States that are written once need no further failure.
                self.wake(now.elapsed + now.until(until).max(SOON), Due::Job(job));
                Err(Some(Wait::Budget))
            }
            Answer::Reserve(reserve) => {
                slots.jobs.insert(job);
                if let Some(at) = slots.pauses.end(now.elapsed) {
                    self.wake(at, Due::Job(job));
                } else {
                    self.want(&policy.policy, reserve);
                }
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
        cause: Cause,
        now: Now,
    ) {
        if policy.mode == Mode::Audit || !self.may_act(now) {
            return;
        }
        let Some(state) = self.policy_states.get(&policy.policy) else { return };
        if state.slots.pauses.end(now.elapsed).is_none()
            && let Answer::Reserve(reserve) =
                state.slots.budget.ask(&policy.budget, image, cause, now)
        {
            self.want(&policy.policy, reserve);
        }
    }

    /// A reservation is to be written, in place of an older one that rests on an older count.
    fn want(&mut self, policy: &Key, reserve: Reserve) {
        if let Some(state) = self.policy_states.get_mut(policy) {
            state.slots.wanted = Some(reserve);
            self.dirty_budgets.insert(policy.clone());
        }
    }

    /// Gives the reservations that were asked for in this turn.
    pub(super) fn reserve(&mut self, effects: &mut Vec<(EffectId, Effect)>) {
        for key in std::mem::take(&mut self.dirty_budgets) {
            let Some(state) = self.policy_states.get_mut(&key) else { continue };
            let version = state.policy.metadata.resource_version.clone();
            let slots = &mut state.slots;
            // Its outcome, or a newer version, brings us back.
            if slots.under_way.is_some() || slots.used.as_ref() == Some(&version) {
                continue;
            }
            let Some(reserve) = slots.wanted.take() else { continue };
            let budget = reserve.budget;
            slots.under_way = Some(reserve);
            slots.used = Some(version.clone());
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
        let slots = &mut state.slots;
        let reserve = slots.under_way.take();
        if outcome.is_done() {
            slots.pauses.proceed();
            if let Some(reserve) = &reserve {
                slots.budget.reserved_done(reserve, now);
            }
        } else if outcome.spares_version() {
            slots.used = None;
            slots.pauses.pause(now.elapsed);
        }
        self.want_slots(key);
        self.dirty_policies.insert(key.clone());
    }

    /// The jobs that wait for slots are decided again.
    pub(super) fn want_slots(&mut self, key: &Key) {
        if let Some(state) = self.policy_states.get_mut(key) {
            self.dirty_jobs.append(&mut state.slots.jobs);
        }
    }

    /// A slot goes with its action, or back where there is none after all.
    pub(super) fn spend(
        &mut self,
        policy: &Key,
        slot: Slot,
        case: &mut Case,
        step: Option<(Step, Effect)>,
    ) -> Option<(Step, Effect)> {
        if step.is_some() {
            case.slot = Some(Box::new((policy.clone(), slot)));
        } else {
            self.give_back(policy, &slot);
        }
        step
    }

    /// Nothing was done with a slot.
    pub(super) fn give_back(&mut self, policy: &Key, slot: &Slot) {
        if let Some(state) = self.policy_states.get_mut(policy) {
            state.slots.budget.give_back(slot);
        }
    }
}
