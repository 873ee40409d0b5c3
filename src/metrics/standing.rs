//! How things stand, as it was measured last: gauges of the engine and of the watches, and what is
//! summed up from one measurement to the next.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dislodge_engine::gauges::{Gauges, QueueGauges};
use dislodge_engine::notice::Audited;
use dislodge_engine::objects::{Key, Quantity};
use dislodge_engine::resolve::Queue;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::definitions::{self, MOST_NAMES, MOST_RESOURCES, OVERFLOW};
use super::labels::{Name, OfAudit, OfDepth, OfHeld, OfKind, OfPolicy, OfQueue, OfQuota, OfReason};
use super::names::Names;
use super::page::Page;
use crate::health::Health;

/// What waits inside the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depths {
    /// Inputs that wait for the engine.
    pub inputs: usize,
    /// Effects without an outcome.
    pub effects: usize,
}

/// How things stand. Clones share one value.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    health: Health,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// When it was measured last, and whether this replica acted then.
    measured: Option<(Duration, bool)>,
    acting: bool,
    paused: bool,
    tracked: [(&'static str, usize); 3],
    depths: Depths,
    waiting: BTreeMap<&'static str, u64>,
    queues: BTreeMap<OfQueue, QueueGauges>,
    policies: BTreeMap<OfPolicy, (u64, u64)>,
    audited: BTreeMap<OfAudit, u64>,
    /// Units of a resource times seconds.
    wasted: BTreeMap<OfQuota, f64>,
    returned: BTreeMap<OfQuota, f64>,
    queue_names: Names<Queue>,
    policy_names: Names<Key>,
    namespaces: Names<String>,
    resources: Names<Box<str>>,
}

impl Standing {
    /// Nothing has been measured yet.
    pub(super) fn new(health: Health) -> Self {
        let state = State {
            measured: None,
            acting: false,
            paused: false,
            tracked: [("Pod", 0), ("Job", 0), ("Workload", 0)],
            depths: Depths::default(),
            waiting: BTreeMap::new(),
            queues: BTreeMap::new(),
            policies: BTreeMap::new(),
            audited: BTreeMap::new(),
            wasted: BTreeMap::new(),
            returned: BTreeMap::new(),
            queue_names: Names::new(MOST_NAMES),
            policy_names: Names::new(MOST_NAMES),
            namespaces: Names::new(MOST_NAMES),
            resources: Names::new(MOST_RESOURCES),
        };
        Self { health, state: Arc::new(Mutex::new(state)) }
    }

    /// How things stand by now.
    pub(super) fn measure(&self, gauges: Gauges, depths: Depths, elapsed: Duration) {
        self.state().measure(gauges, depths, elapsed);
    }

    /// A policy in mode Audit has learnt something.
    pub(super) fn audited(&self, namespace: &String, outcome: Audited) {
        let mut state = self.state();
        let known = state.namespaces.admit(namespace);
        let namespace = label(known, namespace);
        *state.audited.entry(OfAudit { namespace, outcome: outcome.as_str() }).or_default() += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn measure(&mut self, gauges: Gauges, depths: Depths, elapsed: Duration) {
        self.queue_names.put(gauges.queues.keys());
        self.policy_names.put(gauges.policies.keys());
        self.namespaces.put(gauges.policies.keys().map(|key| &key.namespace));
        let resources =
            gauges.queues.values().flat_map(|q| q.wasted.keys().chain(q.returned.keys()));
        self.resources.put(resources);

        self.queues.clear();
        for (queue, values) in gauges.queues {
            let labels = self.queue_labels(&queue);
            merge(self.queues.entry(labels).or_default(), values);
        }
        self.policies.clear();
        for (policy, values) in gauges.policies {
            let known = self.policy_names.has(&policy);
            let labels = OfPolicy {
                namespace: label(known, &policy.namespace),
                policy: label(known, &policy.name),
            };
            let entry = self.policies.entry(labels).or_default();
            entry.0 += u64::from(values.budget_left);
            entry.1 += values.outages;
        }
        self.forget();

        // Only the replica that acts sums up, so that the sum over all replicas is right.
        if let Some((before, true)) = self.measured
            && gauges.acts
        {
            self.sum_up(elapsed.saturating_sub(before));
        }
        self.measured = Some((elapsed, gauges.acts));
        self.acting = gauges.acts;
        self.paused = gauges.paused;
        self.tracked = [("Pod", gauges.pods), ("Job", gauges.jobs), ("Workload", gauges.workloads)];
        self.depths = depths;
        self.waiting = gauges.waiting;
    }

    /// Sums of queues and namespaces that have lost their names are dropped with them.
    fn forget(&mut self) {
        let overflow = |name: &Name| &**name == OVERFLOW;
        let queues = &self.queue_names;
        let is_known = |labels: &OfQuota| {
            overflow(&labels.namespace)
                || queues.has(&queue(&labels.namespace, &labels.local_queue))
        };
        self.wasted.retain(|labels, _| is_known(labels));
        self.returned.retain(|labels, _| is_known(labels));
        let namespaces = &self.namespaces;
        self.audited.retain(|labels, _| {
            overflow(&labels.namespace) || namespaces.has(&(*labels.namespace).to_owned())
        });
    }

    fn sum_up(&mut self, span: Duration) {
        let resources = &self.resources;
        let add = |sums: &mut BTreeMap<OfQuota, f64>, of: &OfQueue, name: &str, held| {
            let labels = OfQuota {
                namespace: Arc::clone(&of.namespace),
                local_queue: Arc::clone(&of.local_queue),
                resource: label(resources.has(&Box::from(name)), name),
            };
            *sums.entry(labels).or_default() += units(held) * span.as_secs_f64();
        };
        for (of, values) in &self.queues {
            for (name, held) in &values.wasted {
                add(&mut self.wasted, of, name, *held);
            }
            for (name, held) in &values.returned {
                add(&mut self.returned, of, name, *held);
            }
        }
    }

    fn queue_labels(&self, queue: &Queue) -> OfQueue {
        let known = self.queue_names.has(queue);
        let local_queue = match queue {
            Queue::Local(key) => key.name.as_str(),
            Queue::None { .. } => "",
        };
        OfQueue {
            namespace: label(known, queue.namespace()),
            local_queue: label(known, local_queue),
        }
    }
}

fn label(known: bool, name: &str) -> Name {
    Name::from(if known { name } else { OVERFLOW })
}

fn queue(namespace: &str, local_queue: &str) -> Queue {
    if local_queue.is_empty() {
        Queue::None { namespace: namespace.to_owned() }
    } else {
        Queue::Local(Key::new(namespace, local_queue))
    }
}

fn merge(into: &mut QueueGauges, values: QueueGauges) {
    into.failing += values.failing;
    into.silent += values.silent;
    for (action, jobs) in values.held {
        *into.held.entry(action).or_default() += jobs;
    }
    into.oldest_hold = into.oldest_hold.into_iter().chain(values.oldest_hold).min();
    for (resource, amount) in values.wasted {
        let sum = into.wasted.entry(resource).or_default();
        *sum = sum.saturating_add(amount);
    }
    for (resource, amount) in values.returned {
        let sum = into.returned.entry(resource).or_default();
        *sum = sum.saturating_add(amount);
    }
}

/// An amount in the resource's own unit.
#[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
fn units(quantity: Quantity) -> f64 {
    quantity.milli().unwrap_or(0) as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a float; until 2242 it is exact")]
fn unix_seconds(at: jiff::Timestamp) -> f64 {
    at.as_second() as f64
}

impl Collector for Standing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let watches = self.health.watches();
        let state = self.state();
        let mut page = Page::new(&mut encoder);
        let queues = || state.queues.iter();
        page.gauges(definitions::FAILING, queues().map(|(of, q)| (of.clone(), q.failing)))?;
        let silent = queues().map(|(of, queue)| (of.clone(), queue.silent));
        page.gauges(definitions::SILENT, silent)?;
        let waiting = state.waiting.iter();
        page.gauges(definitions::WAITING, waiting.map(|(reason, n)| (OfReason { reason }, *n)))?;
        let held = queues().flat_map(|(of, queue)| {
            queue.held.iter().map(|(action, jobs)| {
                let (namespace, local_queue) = (of.namespace.clone(), of.local_queue.clone());
                (OfHeld { namespace, local_queue, action: action.as_str() }, *jobs)
            })
        });
        page.gauges(definitions::HELD, held)?;
        let oldest = queues().filter_map(|(of, queue)| Some((of.clone(), queue.oldest_hold?)));
        page.gauges(definitions::OLDEST_HOLD, oldest.map(|(of, at)| (of, unix_seconds(at))))?;
        page.counters(definitions::QUOTA_WASTED, state.wasted.iter())?;
        page.counters(definitions::QUOTA_RETURNED, state.returned.iter())?;
        page.counters(definitions::AUDIT, state.audited.iter())?;
        let policies = || state.policies.iter();
        page.gauges(
            definitions::BUDGET_LEFT,
            policies().map(|(of, (left, _))| (of.clone(), *left)),
        )?;
        page.gauges(definitions::OUTAGES, policies().map(|(of, (_, open))| (of.clone(), *open)))?;
        page.gauge(definitions::ACTING, u64::from(state.acting))?;
        page.gauge(definitions::PAUSED, u64::from(state.paused))?;
        let watches = watches.iter();
        let up = watches.map(|(kind, up)| (OfKind { kind: kind.as_str() }, u64::from(*up)));
        page.gauges(definitions::WATCH_UP, up)?;
        let tracked = state.tracked.iter();
        page.gauges(
            definitions::TRACKED,
            tracked.map(|(kind, objects)| (OfKind { kind }, *objects as u64)),
        )?;
        let depths = [("inputs", state.depths.inputs), ("effects", state.depths.effects)];
        let depths = depths.into_iter();
        page.gauges(
            definitions::DEPTH_OF,
            depths.map(|(queue, depth)| (OfDepth { queue }, depth as u64)),
        )
    }
}
