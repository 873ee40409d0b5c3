//! How things stand, in numbers: what metrics show of the engine.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::Action;
use crate::objects::{Key, Quantity};
use crate::resolve::Queue;

/// How things stand at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// This replica acts: it leads, and everything has been listed.
    pub acts: bool,
    /// An operator has paused everything.
    pub paused: bool,
    /// Pods that are tracked.
    pub pods: usize,
    /// Jobs that are tracked.
    pub jobs: usize,
    /// Workloads that are tracked.
    pub workloads: usize,
    /// Each queue that a policy governs, or where a job is held.
    pub queues: BTreeMap<Queue, QueueGauges>,
    /// Each policy that can be read.
    pub policies: BTreeMap<Key, PolicyGauges>,
    /// Jobs with an image whose action waits, by what it waits for.
    pub waiting: BTreeMap<&'static str, u64>,
}

/// One queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueGauges {
    /// Jobs with failed pulls that are not held.
    pub failing: u64,
    /// Pods with an image that nothing has been said of for 15 minutes, as they were counted last.
    pub silent: u64,
    /// Jobs that are held, by what the hold leads to.
    pub held: BTreeMap<Action, u64>,
    /// When the oldest of these holds was decided.
    pub oldest_hold: Option<Timestamp>,
    /// Quota that is wasted: held by jobs of which an image fails and no container runs. Amounts of
    /// what Kueue counts; nobody counts any other.
    pub wasted: BTreeMap<Box<str>, Quantity>,
    /// Quota that held jobs have given back, as far as is known what they ask for.
    pub returned: BTreeMap<Box<str>, Quantity>,
}

/// One policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyGauges {
    /// How many jobs it may still stop in this window.
    pub budget_left: u32,
    /// Registries that count as down.
    pub outages: u64,
}
