//! How things stand, for metrics. Looks at failing and held jobs, and at policies; never at all Pods.

use std::collections::BTreeMap;

use crate::api::{EVERY_LOCAL_QUEUE, FailingState, QueueKind};
use crate::engine::Engine;
use crate::engine::casebook::Case;
use crate::explain::HoldRecord;
use crate::gauges::{Gauges, PolicyGauges};
use crate::objects::{Quantity, Uid, Usage};
use crate::resolve::{Effective, Queue};
use crate::time::Now;

impl Engine {
    /// How things stand. Changes nothing.
    pub fn gauges(&self, now: Now) -> Gauges {
        let mut gauges = Gauges {
            acts: self.may_act(now),
            paused: self.paused.is_some(),
            pods: self.index.pod_count(),
            jobs: self.index.job_count(),
            workloads: self.index.workload_count(),
            ..Gauges::default()
        };
        for key in self.policy_states.keys() {
            let Some(policy) = self.policies.get(key) else { continue };
            gauges.policies.insert(key.clone(), self.policy_gauges(policy, now));
            for queue in self.governed_queues(policy) {
                gauges.queues.entry(queue).or_default();
            }
        }
        for (queue, pulls) in &self.silence.pulls {
            gauges.queues.entry(queue.clone()).or_default().silent += u64::from(*pulls);
        }
        for (job, case) in &self.cases {
            self.count_case(*job, case, &mut gauges);
        }
        gauges
    }

    fn policy_gauges(&self, policy: &Effective, now: Now) -> PolicyGauges {
        let slots = self.policy_states.get(&policy.policy).map(|state| &state.slots.budget);
        PolicyGauges {
            budget_left: slots.map_or(0, |budget| budget.left(&policy.budget, now)),
            outages: self.outages.open(&policy.policy).count() as u64,
        }
    }

    /// The queues that a policy claims, as far as they exist; `*` stands for many.
    fn governed_queues(&self, policy: &Effective) -> Vec<Queue> {
        let namespace = &policy.policy.namespace;
        let there = || self.local_queues.values().filter(|queue| queue.namespace == *namespace);
        let mut queues = Vec::new();
        for claim in policy.claims() {
            match (claim.kind, claim.name.as_deref()) {
                (QueueKind::NoQueue, _) => {
                    queues.push(Queue::None { namespace: namespace.clone() });
                }
                (QueueKind::LocalQueue, Some(EVERY_LOCAL_QUEUE)) => {
                    queues.extend(there().cloned().map(Queue::Local));
                }
                (QueueKind::LocalQueue, name) => {
                    let named = there().filter(|queue| Some(queue.name.as_str()) == name);
                    queues.extend(named.cloned().map(Queue::Local));
                }
            }
        }
        queues
    }

    fn count_case(&self, job: Uid, case: &Case, gauges: &mut Gauges) {
        if case.notes.is_empty() && case.held_by.is_none() {
            return;
        }
        let (Some(owner), Some(queue)) = (self.index.owner(job), self.queue_of(job)) else {
            return;
        };
        let workload = self.index.workload_of(job);
        let queue = gauges.queues.entry(queue).or_default();
        if case.held_by.is_some() {
            let marks =
                workload.as_ref().map_or_else(|| owner.meta(), |workload| &workload.metadata);
            if let Some(hold) = HoldRecord::of(job, marks) {
                *queue.held.entry(hold.action).or_default() += 1;
                let oldest = queue.oldest_hold.map_or(hold.at, |oldest| oldest.min(hold.at));
                queue.oldest_hold = Some(oldest);
            }
        } else {
            queue.failing += 1;
            let waits = case.notes.values().filter(|note| note.state == FailingState::Waiting);
            if let Some(reason) = waits.filter_map(|note| note.reason).min() {
                *gauges.waiting.entry(reason).or_default() += 1;
            }
        }
        let Some(workload) = workload else { return };
        for usage in self.wasted_by(job) {
            add(&mut queue.wasted, &usage.resource, usage.quantity);
        }
        if workload.reserved().is_none()
            && case.held_by.is_some()
            && let Some(requests) = self.ledger.requests(workload.metadata.uid)
        {
            for request in &requests.0 {
                add(&mut queue.returned, &request.resource, request.total);
            }
        }
    }

    /// The quota that a job wastes: what it holds while an image of it fails and no container runs. A
    /// row for each resource of each pod set.
    pub fn wasted_by(&self, job: Uid) -> &[Usage] {
        let case = self.cases.get(&job);
        let fails = case.is_some_and(|case| !case.notes.is_empty() || case.held_by.is_some());
        if !fails || self.index.pods_of(job).any(|(_, pod)| pod.running) {
            return &[];
        }
        let admission = self.index.reserved_by(job);
        admission.map_or(&[], |admission| &admission.usage)
    }
}

fn add(amounts: &mut BTreeMap<Box<str>, Quantity>, resource: &str, quantity: Quantity) {
    // What cannot be read would hide what can.
    if quantity != Quantity::UNREADABLE {
        let amount = amounts.entry(resource.into()).or_default();
        *amount = amount.saturating_add(quantity);
    }
}
