//! A policy's status, composed from what is known, and when it is worth a write.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{
    Condition, ConditionStatus, EVERY_LOCAL_QUEUE, FailingJob, ImagePullPolicySpec,
    ImagePullPolicyStatus, QueueKind, QueueRef, QueueState, QueueStatus, READY, STALLED, bounds,
    clip, reason,
};
use crate::effect::{Effect, EffectId, Target, TargetKind};
use crate::engine::brakes::SOON;
use crate::engine::casebook::Case;
use crate::engine::flight::Purpose;
use crate::engine::policies::{PolicyState, shown};
use crate::engine::{Due, Engine};
use crate::explain::seconds;
use crate::input::Kind;
use crate::memo::Memo;
use crate::objects::{Key, Uid};
use crate::time::Now;

/// Also what matters is not written more often than this.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

impl Engine {
    /// Composes the status of a policy and gives the write, where one is due.
    pub(super) fn summarise(&mut self, key: &Key, now: Now, effects: &mut Vec<(EffectId, Effect)>) {
        if !self.may_act(now) {
            return;
        }
        let Some(state) = self.policy_states.get(key) else { return };
        if state.writing.is_some() || state.slots.under_way.is_some() {
            return; // the outcome brings us back
        }
        // Every case is asked: a flood of them is not gone through for each that changes, or what happens in other
        // namespaces would wait for it.
        let cases = self.shown_by.get(key).map_or(0, BTreeSet::len);
        let again = state.composed.map_or(now.elapsed, |composed| composed + LEAST_PAUSE);
        if cases > bounds::FAILING && again > now.elapsed {
            self.wake(again, Due::Policy(key.clone()));
            return;
        }
        let mut shown = std::mem::take(&mut self.shown_images);
        let status = self.compose(key, state, now, &mut shown);
        self.shown_images = shown;
        if let Some(state) = self.policy_states.get_mut(key) {
            state.composed = Some(now.elapsed);
        }
        let Some(state) = self.policy_states.get(key) else { return };
        if status == state.written {
            return;
        }
        let interval = if is_checkpoint_only(&status, &state.written) {
            self.config.status_interval
        } else {
            LEAST_PAUSE
        };
        let due = state.wrote.map_or(now.elapsed, |wrote| wrote + interval);
        if due > now.elapsed {
            self.wake(due, Due::Policy(key.clone()));
            return;
        }
        let target = Target {
            kind: TargetKind::Policy,
            key: key.clone(),
            uid: state.uid,
            resource_version: None,
        };
        let status = Box::new(status);
        if let Some(state) = self.policy_states.get_mut(key) {
            state.wrote = Some(now.elapsed);
            state.writing = Some(status.clone());
        }
        let effect = Effect::WriteStatus { target, status };
        self.flights.launch(Purpose::Status(key.clone()), effect, effects);
    }

    /// Breakers of a policy whose registries nobody asks any more close by themselves.
    pub(super) fn close_quiet(&mut self, key: &Key, now: Now) {
        let Some(limits) = self.policies.get(key).map(|policy| policy.outage) else { return };
        for host in self.outages.close_quiet(key, &limits, now) {
            self.registry_is_back(key, &host);
        }
        let open = self.outages.open(key);
        let ends = open.filter_map(|outage| self.outages.quiet_at(key, &limits, &outage.host));
        if let Some(first) = ends.min() {
            self.wake(now.elapsed + now.until(first).max(SOON), Due::Policy(key.clone()));
        }
    }

    fn compose(
        &self,
        key: &Key,
        state: &PolicyState,
        now: Now,
        shown: &mut Memo<Arc<str>>,
    ) -> ImagePullPolicyStatus {
        let meta = &state.policy.metadata;
        let queues = match &state.policy.spec {
            Ok(spec) => spec.queues.iter().map(|claim| self.queue_status(key, claim)).collect(),
            Err(_) => Vec::new(),
        };
        let conditions = self.conditions(state, &queues, now.wall);
        ImagePullPolicyStatus {
            observed_generation: meta.generation,
            conditions,
            queues,
            held_jobs: u32::try_from(self.held_by(key)).unwrap_or(u32::MAX),
            actions: state.counters.actions,
            audit: state.counters.audit,
            // Written by reservations alone, which are guarded.
            budget: state.written.budget,
            failing: self.failing_jobs(key, shown),
            outages: self.outages.open(key).collect(),
            silent_pulls: self.silent_pulls(key),
            recent_actions: state.counters.recent.clone(),
        }
    }

    fn held_by(&self, key: &Key) -> usize {
        self.cases_of(key).filter(|(_, case)| case.held_by.as_ref() == Some(key)).count()
    }

    /// The cases that a policy's status shows, in the order of their jobs.
    fn cases_of(&self, key: &Key) -> impl Iterator<Item = (Uid, &Case)> {
        let jobs = self.shown_by.get(key).into_iter().flatten();
        jobs.filter_map(|uid| self.cases.get(uid).map(|case| (*uid, &**case)))
    }

    /// Failing jobs without a hold, the nearest to an action first.
    fn failing_jobs(&self, key: &Key, images: &mut Memo<Arc<str>>) -> Vec<FailingJob> {
        let mut entries: Vec<(u32, FailingJob)> = Vec::new();
        for (uid, case) in self.cases_of(key) {
            let Some(job) = self.index.job_key(uid) else { continue };
            for (image, note) in case.notes.pairs().filter(|(_, note)| note.policy == *key) {
                let entry = FailingJob {
                    job: job.name.clone(),
                    uid: uid.to_string(),
                    pod_uid: note.pod.to_string(),
                    image: images.get([&**image, "", ""], || shown(image).into()).to_string(),
                    cause: note.evidence.cause,
                    failed_pulls: note.evidence.failed_pulls,
                    first_failure_time: seconds(note.evidence.first),
                    last_failure_time: seconds(note.evidence.last),
                    state: note.state,
                    reason: note.reason.map(str::to_owned),
                };
                entries.push((note.missing, entry));
            }
        }
        entries.sort_by(|(a, x), (b, y)| {
            (a, x.state, &x.job, &x.image).cmp(&(b, y.state, &y.job, &y.image))
        });
        entries.truncate(bounds::FAILING);
        entries.into_iter().map(|(_, entry)| entry).collect()
    }

    fn queue_status(&self, key: &Key, claim: &QueueRef) -> QueueStatus {
        let winner = self.policies.governing_claim(&key.namespace, claim);
        let contested = winner.filter(|policy| policy.policy != *key);
        let state = if contested.is_some() {
            QueueState::Contested
        } else if self.exists(&key.namespace, claim) {
            QueueState::Governed
        } else {
            QueueState::NotFound
        };
        QueueStatus {
            kind: claim.kind,
            name: claim.name.clone(),
            state,
            contested_by: contested.map(|policy| policy.policy.name.clone()),
        }
    }

    fn exists(&self, namespace: &str, claim: &QueueRef) -> bool {
        match (claim.kind, claim.name.as_deref()) {
            (QueueKind::NoQueue, _) | (QueueKind::LocalQueue, Some(EVERY_LOCAL_QUEUE)) => true,
            (QueueKind::LocalQueue, name) => self
                .local_queues
                .values()
                .any(|queue| queue.namespace == namespace && Some(queue.name.as_str()) == name),
        }
    }

    fn conditions(
        &self,
        state: &PolicyState,
        queues: &[QueueStatus],
        now: Timestamp,
    ) -> Vec<Condition> {
        let (reason, message, ready) = match &state.policy.spec {
            Err(error) => {
                (reason::UNREADABLE, format!("this version cannot read the spec: {error}"), false)
            }
            Ok(spec) => self.readiness(state, spec, queues),
        };
        let mut conditions = vec![(READY, ready, reason, message.clone())];
        if !ready {
            conditions.push((STALLED, true, reason, message));
        }
        conditions
            .into_iter()
            .map(|(kind, holds, reason, message)| {
                let status = if holds { ConditionStatus::True } else { ConditionStatus::False };
                let old = state.written.conditions.iter().find(|c| c.type_ == kind);
                let since = old.filter(|c| c.status == status).map(|c| c.last_transition_time);
                Condition {
                    type_: kind.to_owned(),
                    status,
                    observed_generation: state.policy.metadata.generation,
                    last_transition_time: since.unwrap_or_else(|| seconds(now)),
                    reason: reason.to_owned(),
                    message: clip(&message, bounds::CONDITION_MESSAGE),
                }
            })
            .collect()
    }

    fn readiness(
        &self,
        state: &PolicyState,
        spec: &ImagePullPolicySpec,
        queues: &[QueueStatus],
    ) -> (&'static str, String, bool) {
        let named = |wanted: QueueState| -> Vec<String> {
            let found = queues.iter().filter(|queue| queue.state == wanted);
            found
                .map(|queue| {
                    let name = queue.name.as_deref().unwrap_or("NoQueue");
                    match &queue.contested_by {
                        Some(other) => format!("{name} (by policy {other})"),
                        None => name.to_owned(),
                    }
                })
                .collect()
        };
        let contested = named(QueueState::Contested);
        if !contested.is_empty() {
            let text = format!(
                "another policy governs {}: remove the queue from one of the two",
                contested.join(", ")
            );
            return (reason::QUEUE_CONTESTED, text, false);
        }
        let missing = named(QueueState::NotFound);
        if !missing.is_empty() {
            let hint = if self.absent.contains(&Kind::LocalQueue) {
                "Kueue's CRDs are not installed in this cluster"
            } else {
                "create the LocalQueue in this namespace, or correct the name"
            };
            let text = format!("no such LocalQueue: {}; {hint}", missing.join(", "));
            return (reason::QUEUE_NOT_FOUND, text, false);
        }
        if let Some(why) = self.paused.as_ref() {
            return (reason::PAUSED, format!("an operator has paused everything: {why}"), true);
        }
        if let Some(why) = state.policy.metadata.annotation(crate::keys::PAUSED) {
            return (reason::PAUSED, format!("an operator has paused this policy: {why}"), true);
        }
        (reason::GOVERNING, format!("mode {:?}", spec.mode), true)
    }
}

/// Whether the same registries are down: that more jobs wait for them is no news.
fn same_outages(new: &ImagePullPolicyStatus, old: &ImagePullPolicyStatus) -> bool {
    fn which(status: &ImagePullPolicyStatus) -> impl Iterator<Item = (&str, Timestamp)> {
        status.outages.iter().map(|outage| (outage.host.as_str(), outage.since_time))
    }
    which(new).eq(which(old))
}

/// Whether two statuses differ in no more than the checkpoint.
fn is_checkpoint_only(new: &ImagePullPolicyStatus, old: &ImagePullPolicyStatus) -> bool {
    let ImagePullPolicyStatus {
        observed_generation,
        conditions,
        queues,
        held_jobs,
        actions,
        audit,
        budget,
        failing: _,
        outages: _,
        silent_pulls: _,
        recent_actions,
    } = new;
    same_outages(new, old)
        && (*observed_generation, *held_jobs) == (old.observed_generation, old.held_jobs)
        && (*actions, *audit, *budget) == (old.actions, old.audit, old.budget)
        && (conditions, queues) == (&old.conditions, &old.queues)
        && *recent_actions == old.recent_actions
}
