//! The state machine: one input at a time, effects out, and the time of the next deadline.

pub mod account;
mod brakes;
mod casebook;
mod custody;
mod decide;
mod flight;
mod intake;
mod measure;
mod pods;
mod policies;
mod requeue;
mod silence;
mod slots;
mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::brake::{Elsewhere, Outages};
use crate::effect::{Effect, EffectId};
use crate::index::Index;
use crate::input::{Input, Kind};
use crate::memo::Memo;
use crate::notice::Notice;
use crate::objects::{Key, Uid, version_number};
use crate::observe::Readings;
use crate::quota::Ledger;
use crate::record::Step;
use crate::resolve::Policies;
use crate::time::Now;
use crate::timing::Timing;

use casebook::Case;
use flight::Flights;
use policies::PolicyState;
use silence::Silence;

/// What the engine is told once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The kubelet's schedule.
    pub timing: Timing,
    /// The least time between two writes of a policy's status that only move the checkpoint.
    pub status_interval: Duration,
}

impl Config {
    /// What fits to a kubelet's own clock.
    pub const fn kubelet() -> Self {
        Self { timing: Timing::kubelet(), status_interval: Duration::from_secs(10) }
    }
}

/// The state machine.
///
/// Counting needs no leadership, acting does: a replica that is told of no leadership takes
/// everything in and gives no effects.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    /// What is known of the cluster.
    index: Index,
    /// The policies that can be read.
    policies: Policies,
    /// Every policy, and what was said of it last.
    policy_states: BTreeMap<Key, PolicyState>,
    /// The LocalQueues that exist.
    local_queues: BTreeMap<Uid, Key>,
    /// The ClusterQueue behind each LocalQueue.
    cluster_queues: BTreeMap<Key, String>,
    /// The ClusterQueues that exist.
    cluster_queue_names: BTreeMap<Uid, String>,
    /// What is free of the ClusterQueues' quota.
    ledger: Ledger,
    /// The newest input has freed quota, or let somebody leave the queue.
    quota_moves: bool,
    /// When that was so last, as [`Now::elapsed`].
    quota_moved: Duration,
    /// Requeued jobs that are due and wait for quota.
    waiting_for_quota: BTreeSet<Uid>,
    /// The CronJobs that make no new Job while an old one has not ended.
    waiting_cron_jobs: BTreeSet<Uid>,
    /// The nodes' names.
    nodes: BTreeMap<Uid, String>,
    /// Names of nodes whose kubelets do not report: what is said of their Pods is not believed.
    silent_nodes: BTreeSet<String>,
    /// The registries that are down, or may be.
    outages: Outages,
    /// Which images other nodes could pull.
    elsewhere: Elsewhere,
    /// What was decided of jobs that fail or are held.
    cases: BTreeMap<Uid, Box<Case>>,
    /// The jobs whose cases a policy's status shows, so that composing it asks no other.
    shown_by: BTreeMap<Key, BTreeSet<Uid>>,
    /// What an earlier life of the controller has reported, by job: image and reason.
    reported_before: BTreeMap<Uid, Vec<(Arc<str>, String)>>,
    /// Pulls that show nothing for long.
    silence: Silence,
    /// What messages were read to say, and images as statuses show them.
    readings: Readings,
    shown_images: Memo<Arc<str>>,
    /// Effects without an outcome.
    flights: Flights,
    /// What the newest input gave for logs and metrics.
    notices: Vec<Notice>,
    /// Failures that were seen before everything was listed: whose they are is known after.
    early: Vec<Early>,
    /// Kinds whose first list is whole.
    synced: BTreeSet<Kind>,
    /// All are, or are absent: asked for with each input, and for each job that is decided.
    is_synced: bool,
    /// Kinds that the cluster does not serve.
    absent: BTreeSet<Kind>,
    /// Objects seen in a list that is not whole yet.
    listed: BTreeMap<Kind, BTreeSet<Uid>>,
    /// Until when this replica may act.
    leader_until: Option<Duration>,
    /// An operator has paused everything, and why.
    paused: Option<String>,
    /// Jobs to be decided.
    dirty_jobs: BTreeSet<Uid>,
    /// Policies whose status may have changed.
    dirty_policies: BTreeSet<Key>,
    /// Policies whose budget is asked for a reservation.
    dirty_budgets: BTreeSet<Key>,
    /// What is to be looked at again, and when.
    deadlines: BTreeSet<(Duration, Due)>,
}

/// Failures of a Pod that were seen before everything was listed.
#[derive(Debug)]
struct Early {
    namespace: String,
    pod: Uid,
    steps: Vec<(Arc<str>, Step)>,
}

/// What a deadline is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Job(Uid),
    Policy(Key),
    Silence,
}

impl Engine {
    /// A new engine that has seen nothing.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            index: Index::default(),
            policies: Policies::default(),
            policy_states: BTreeMap::new(),
            local_queues: BTreeMap::new(),
            cluster_queues: BTreeMap::new(),
            cluster_queue_names: BTreeMap::new(),
            ledger: Ledger::default(),
            quota_moves: false,
            quota_moved: Duration::ZERO,
            waiting_for_quota: BTreeSet::new(),
            outages: Outages::default(),
            elsewhere: Elsewhere::default(),
            waiting_cron_jobs: BTreeSet::new(),
            nodes: BTreeMap::new(),
            silent_nodes: BTreeSet::new(),
            cases: BTreeMap::new(),
            shown_by: BTreeMap::new(),
            reported_before: BTreeMap::new(),
            silence: Silence::default(),
            readings: Readings::default(),
            shown_images: Memo::default(),
            flights: Flights::default(),
            notices: Vec::new(),
            early: Vec::new(),
            synced: BTreeSet::new(),
            is_synced: false,
            absent: BTreeSet::new(),
            listed: BTreeMap::new(),
            leader_until: None,
            paused: None,
            dirty_jobs: BTreeSet::new(),
            dirty_policies: BTreeSet::new(),
            dirty_budgets: BTreeSet::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// Takes one input and says what is to be done. Never fails and never waits: the same inputs
    /// give the same effects, in the same order.
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<(EffectId, Effect)> {
        let mut effects = Vec::new();
        self.notices.clear();
        self.take(input, now);
        if std::mem::take(&mut self.quota_moves) {
            self.quota_moved = now.elapsed;
        }
        self.expect_silence(now);
        self.pass_deadlines(now);
        for policy in self.dirty_policies.clone() {
            self.close_quiet(&policy, now); // before its jobs are decided
        }
        for job in std::mem::take(&mut self.dirty_jobs) {
            self.decide(job, now, &mut effects);
        }
        self.reserve(&mut effects);
        for policy in std::mem::take(&mut self.dirty_policies) {
            self.summarise(&policy, now, &mut effects);
        }
        if !self.may_act(now) {
            self.notices.clear(); // all replicas see the same: one of them tells
        }
        effects
    }

    /// Whether this very version of an object has been taken in, so that a list which shows it again tells
    /// nothing ([`Input::Unchanged`]). No version comes twice, but where etcd is restored from a backup
    /// without `--bump-revision`, after which every controller is to be started anew (etcd: "Restoring with
    /// revision bump").
    pub fn knows(&self, kind: Kind, uid: Uid, version: &str) -> bool {
        match kind {
            Kind::Pod => {
                let known = self.index.pod(uid).and_then(|row| row.version);
                known.is_some() && known == version_number(version)
            }
            Kind::Job => self.index.has_job(uid, version),
            Kind::Workload => self.index.has_workload(uid, version),
            // Each one that is told has all jobs of its namespace decided anew.
            Kind::Policy => self.policy_states.values().any(|state| {
                let meta = &state.policy.metadata;
                meta.uid == uid && meta.resource_version == version
            }),
            // There are few of these, and not all that is needed of them is kept.
            Kind::JobSet | Kind::CronJob | Kind::LocalQueue | Kind::ClusterQueue | Kind::Node => {
                false
            }
        }
    }

    /// What the newest input gave for logs and metrics. What is not taken is dropped with the next.
    pub fn notices(&mut self) -> impl Iterator<Item = Notice> {
        self.notices.drain(..)
    }

    /// When [`Input::Deadline`] is due, as [`Now::elapsed`].
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Whether every kind has been listed whole: acting on the absence of what has not been read yet is
    /// the classic mistake.
    pub fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// A kind was listed whole, or is absent, or may no longer be.
    fn note_synced(&mut self) {
        let known = |kind| self.synced.contains(kind) || self.absent.contains(kind);
        self.is_synced = Kind::ALL.iter().all(known);
    }

    /// Whether effects may be given.
    fn may_act(&self, now: Now) -> bool {
        self.is_synced() && self.leader_until.is_some_and(|until| now.elapsed < until)
    }

    /// Has something looked at again at that time. Rounded up to a millisecond, so that a time of the
    /// wall clock that is asked for again and again is kept once.
    fn wake(&mut self, at: Duration, due: Due) {
        let millis = u64::try_from(at.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        self.deadlines.insert((Duration::from_millis(millis), due));
    }

    fn pass_deadlines(&mut self, now: Now) {
        while let Some((at, _)) = self.deadlines.first()
            && *at <= now.elapsed
        {
            match self.deadlines.pop_first() {
                Some((_, Due::Job(uid))) => drop(self.dirty_jobs.insert(uid)),
                Some((_, Due::Policy(key))) => drop(self.dirty_policies.insert(key)),
                Some((_, Due::Silence)) => self.count_silence(now),
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests;
