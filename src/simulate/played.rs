//! One run of a scenario, measured.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dislodge_engine::objects::Uid;
use dislodge_sim::world::{Entry, JobPlan, What, World};
use serde::Serialize;

use crate::scenario::{Scenario, told};

/// What came of a run.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Played {
    /// The queues, and as one the jobs that no queue manages.
    pub(super) queues: BTreeMap<String, Measures>,
    /// Everything that happened.
    pub(super) timeline: Vec<Line>,
    /// How much of each queue was used, and how much of it by stuck pulls, since when.
    pub(super) use_over_time: BTreeMap<String, Vec<Use>>,
    /// Jobs whose first container ran before Kueue or anybody else stopped them.
    #[serde(skip)]
    ran: BTreeSet<String>,
}

/// What came of one queue.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Measures {
    pub(super) jobs: u32,
    pub(super) finished: u32,
    pub(super) running: u32,
    pub(super) waiting: u32,
    pub(super) held: u32,
    pub(super) failed: u32,
    /// From a job's submission to its first quota, or to the end.
    pub(super) mean_wait_seconds: u64,
    /// Quota that was held while pulls failed: CPUs times seconds.
    pub(super) wasted_cpu_seconds: u64,
    /// Actions, by `<action> (<cause>)`.
    pub(super) actions: BTreeMap<String, u32>,
    /// Jobs that were stopped, and had started by themselves without policies.
    pub(super) false_stops: u32,
    #[serde(skip)]
    waits: u64,
    #[serde(skip)]
    stopped: BTreeSet<String>,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    pub(super) at_seconds: u64,
    pub(super) job: String,
    pub(super) what: String,
}

/// The use of a queue from a time on, in CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Use {
    pub(super) at_seconds: u64,
    pub(super) used: u32,
    pub(super) stuck: u32,
}

/// How a job stands.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Standing {
    queue: String,
    name: String,
    cpus: u32,
    submitted: Duration,
    first_admitted: Option<Duration>,
    admitted: bool,
    failing: Option<Duration>,
    running: bool,
    was_stopped: bool,
    held: bool,
    end: Option<bool>,
    /// An action that was told of, until its hold tells the cause.
    action: Option<&'static str>,
}

/// Plays a scenario to its end.
pub(super) fn play(scenario: &Scenario, with_policies: bool) -> Played {
    let policies = scenario.policies();
    let mut world = scenario.cluster(with_policies.then_some(&policies));
    let mut plans: BTreeMap<Uid, std::sync::Arc<JobPlan>> = BTreeMap::new();
    let mut seen = 0;
    while world.next().is_some_and(|at| at <= scenario.duration()) {
        world.step();
        // Deleted jobs are remembered.
        for entry in world.history().entries().get(seen..).unwrap_or_default() {
            if let Some(job) = world.job(entry.job) {
                plans.entry(entry.job).or_insert_with(|| std::sync::Arc::clone(&job.plan));
            }
        }
        seen = world.history().entries().len();
    }
    measure(&world, &plans, scenario)
}

fn measure(
    world: &World,
    plans: &BTreeMap<Uid, std::sync::Arc<JobPlan>>,
    scenario: &Scenario,
) -> Played {
    let mut played = Played::default();
    for queue in &scenario.queues {
        let name = format!("{}/{}", queue.namespace, queue.name);
        played.queues.entry(name.clone()).or_default();
        played.use_over_time.insert(name, vec![Use { at_seconds: 0, used: 0, stuck: 0 }]);
    }
    let mut jobs: BTreeMap<Uid, Standing> = BTreeMap::new();
    for entry in world.history().entries() {
        let Some(plan) = plans.get(&entry.job) else { continue };
        let job = jobs.entry(entry.job).or_insert_with(|| Standing::of(plan, entry.at));
        if let Some(what) = job.take(entry, &mut played) {
            let name = format!("{}/{}", plan.namespace, plan.name);
            played.timeline.push(Line { at_seconds: entry.at.as_secs(), job: name, what });
        }
        let queue = job.queue.clone();
        if let Some(uses) = played.use_over_time.get_mut(&queue) {
            let here = jobs.values().filter(|job| job.queue == queue && job.admitted);
            let (mut used, mut stuck) = (0, 0);
            for job in here {
                used += job.cpus;
                stuck += if job.failing.is_some() { job.cpus } else { 0 };
            }
            let now = Use { at_seconds: entry.at.as_secs(), used, stuck };
            if uses.last().is_none_or(|last| (last.used, last.stuck) != (used, stuck)) {
                uses.push(now);
            }
        }
    }
    let end = scenario.duration();
    for job in jobs.values_mut() {
        job.stop_failing(end, &mut played);
        job.count_action(&mut played);
        let measures = played.queues.entry(job.queue.clone()).or_default();
        measures.jobs += 1;
        let waited = job.first_admitted.unwrap_or(end).saturating_sub(job.submitted);
        measures.waits += waited.as_secs();
        match job.end {
            Some(true) => measures.finished += 1,
            Some(false) => measures.failed += 1,
            None if job.held => measures.held += 1,
            None if job.running => measures.running += 1,
            None => measures.waiting += 1,
        }
    }
    for measures in played.queues.values_mut() {
        measures.mean_wait_seconds =
            measures.waits.checked_div(u64::from(measures.jobs)).unwrap_or(0);
    }
    played
}

impl Standing {
    fn of(plan: &JobPlan, submitted: Duration) -> Self {
        let queue = match &plan.queue {
            Some(queue) => format!("{}/{queue}", plan.namespace),
            None => format!("{} (no queue)", plan.namespace),
        };
        let name = format!("{}/{}", plan.namespace, plan.name);
        // Nobody counts the quota of a job without a queue: it has it at once.
        let admitted = plan.queue.is_none();
        let first_admitted = admitted.then_some(submitted);
        Self {
            queue,
            name,
            cpus: plan.cpus(),
            submitted,
            admitted,
            first_admitted,
            ..Self::default()
        }
    }

    /// Takes in what happened; the words for it, where people want to read of it.
    fn take(&mut self, entry: &Entry, played: &mut Played) -> Option<String> {
        let at = entry.at;
        match &entry.what {
            What::Submitted => {}
            What::Admitted => {
                self.admitted = true;
                self.first_admitted.get_or_insert(at);
            }
            What::Released => {
                self.stop_failing(at, played);
                (self.admitted, self.running) = (false, false);
            }
            What::Evicted(_) => self.was_stopped = true,
            What::PullFailed(_) => {
                if !self.running {
                    self.failing.get_or_insert(at);
                }
            }
            What::Running(_) => {
                self.stop_failing(at, played);
                self.running = true;
                if !self.was_stopped {
                    played.ran.insert(self.name.clone());
                }
            }
            What::Held { cause, .. } => {
                self.held = true;
                let measures = played.queues.entry(self.queue.clone()).or_default();
                if let Some(action) = self.action.take() {
                    *measures.actions.entry(format!("{action} ({cause})")).or_default() += 1;
                }
                measures.stopped.insert(self.name.clone());
            }
            What::Resumed => self.held = false,
            What::Told(reason, action, _) => {
                if *reason == "ImagePullFailed" {
                    self.count_action(played);
                    self.action = Some(action);
                }
            }
            What::Failed(_) => {
                self.stop_failing(at, played);
                (self.end, self.running) = (Some(false), false);
            }
            What::Complete => (self.end, self.running) = (Some(true), false),
            What::Deleted => {
                self.stop_failing(at, played);
                (self.end, self.running, self.held) = (Some(false), false, false);
            }
        }
        told(&entry.what)
    }

    /// Counts an action that no hold has followed: a report, or a Pod that was ended.
    fn count_action(&mut self, played: &mut Played) {
        if let Some(action) = self.action.take() {
            let measures = played.queues.entry(self.queue.clone()).or_default();
            *measures.actions.entry(action.to_owned()).or_default() += 1;
        }
    }

    fn stop_failing(&mut self, at: Duration, played: &mut Played) {
        if let Some(since) = self.failing.take().filter(|_| self.admitted) {
            let measures = played.queues.entry(self.queue.clone()).or_default();
            let seconds = at.saturating_sub(since).as_secs();
            measures.wasted_cpu_seconds += seconds * u64::from(self.cpus);
        }
    }
}

impl Played {
    /// Which stops were wrong: without policies the job had run before anybody stopped it.
    pub(super) fn find_false_stops(&mut self, without: &Self) {
        for measures in self.queues.values_mut() {
            let wrong = measures.stopped.iter().filter(|job| without.ran.contains(*job)).count();
            measures.false_stops = u32::try_from(wrong).unwrap_or(u32::MAX);
        }
    }
}
