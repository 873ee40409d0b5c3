//! Random histories: a cluster, what people do in it and what goes wrong, out of a seed.
//!
//! A history is a list of items, so that one that breaks a rule can be made small: items are left out
//! as long as the rule is still broken.

mod faults;
mod jobs;
mod staged;
mod table;

use std::time::Duration;

use dislodge_engine::api::{Action, ImagePullPolicySpec};
use serde_json::json;

pub use staged::Staged;
pub use table::{FAULTS, Fault, Tier};

use crate::chance::Chance;
use crate::registry::{Registry, Script};
use crate::world::{
    Deed, JobPlan, Judge, Mistake, Plan, Quota, ReplicaPlan, Trouble, Violation, World,
};

/// Faults happen before that, people act before that.
const BUSY: u64 = 1200;
/// The consequences of all that went wrong are over then.
const CALM: Duration = Duration::from_secs(BUSY + 300);
/// A history ends then: whatever went wrong is over for long.
const END: Duration = Duration::from_secs(BUSY + 1500);

/// More steps than any history needs.
const MOST_STEPS: u64 = 100_000;

/// One thing of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A Job is submitted.
    Job(Duration, JobPlan),
    /// The pulls of an image go like this.
    Image(String, Script),
    /// Somebody does something.
    Deed(Duration, Deed),
    /// Something goes wrong around a replica.
    Trouble(usize, Duration, Duration, Trouble),
}

/// A history that can be played.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The seed that it comes from.
    pub seed: u64,
    queues: Vec<(String, String, String)>,
    cluster_queues: Vec<(String, Quota)>,
    replicas: usize,
    mistake: Option<Mistake>,
    /// What happens.
    pub items: Vec<Item>,
}

/// How a history went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Steps.
    pub steps: u64,
    /// Writes of Dislodge that the API server has taken.
    pub writes: u64,
    /// Jobs that were held.
    pub holds: u64,
}

impl Played {
    /// Adds another history.
    pub const fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.writes += other.writes;
        self.holds += other.holds;
    }
}

impl Recipe {
    /// The history of a seed.
    pub fn random(seed: u64) -> Self {
        let (mut recipe, mut chance) = Self::without_faults(seed);
        recipe.add_faults(&mut chance);
        recipe
    }

    /// The history of a seed in which all rules have the same action, and these faults alone happen.
    pub fn with(seed: u64, action: Action, faults: &[&Fault]) -> Self {
        let (mut recipe, mut chance) = Self::without_faults(seed);
        for item in &mut recipe.items {
            if let Item::Deed(_, Deed::Apply { spec, .. }) = item {
                spec.rules.iter_mut().flatten().for_each(|rule| rule.action = action);
            }
        }
        for fault in faults {
            fault.add(&mut recipe, &mut chance);
        }
        recipe
    }

    /// The same history with a mistake in every replica.
    #[must_use]
    pub fn mistaken(mut self, mistake: Mistake) -> Self {
        self.mistake = Some(mistake);
        self
    }

    fn without_faults(seed: u64) -> (Self, Chance) {
        let mut chance = Chance::new(seed);
        let mut recipe = Self {
            seed,
            queues: Vec::new(),
            cluster_queues: Vec::new(),
            replicas: if chance.one_in(4) { 2 } else { 1 },
            mistake: None,
            items: Vec::new(),
        };
        recipe.add_queues(&mut chance);
        recipe.add_policies(&mut chance);
        recipe.add_jobs(&mut chance);
        (recipe, chance)
    }

    fn add_queues(&mut self, chance: &mut Chance) {
        let cohort = chance.one_in(3).then(|| "cohort".to_owned());
        for (namespace, queue) in [("a", "gpu"), ("a", "cpu"), ("b", "gpu")] {
            let behind = format!("{namespace}-{queue}");
            let within =
                chance.pick(&["Never", "Never", "LowerPriority", "LowerOrNewerEqualPriority"]);
            let reclaim = chance.pick(&["Never", "Any"]);
            let quota = Quota {
                cpus: chance.small(1..5),
                cohort: cohort.clone(),
                within_cluster_queue: Some(within.to_owned()),
                reclaim_within_cohort: Some(reclaim.to_owned()),
            };
            self.cluster_queues.push((behind.clone(), quota));
            self.queues.push((namespace.to_owned(), queue.to_owned(), behind));
        }
    }

    fn add_policies(&mut self, chance: &mut Chance) {
        for namespace in ["a", "b"] {
            // Not the same name in both: a hold names its policy, and that is in its own namespace.
            let (namespace, name) = (namespace.to_owned(), format!("policy-{namespace}"));
            let apply = |spec| Deed::Apply {
                namespace: namespace.clone(),
                name: name.clone(),
                spec: Box::new(spec),
            };
            let at = chance.millis(0..30_000);
            self.items.push(Item::Deed(at, apply(policy(chance))));
            if chance.one_in(3) {
                let at = chance.seconds(60..BUSY);
                let deed = if chance.one_in(3) {
                    Deed::Withdraw { namespace: namespace.clone(), name: name.clone() }
                } else {
                    apply(policy(chance))
                };
                self.items.push(Item::Deed(at, deed));
            }
            if chance.one_in(4) {
                let from = chance.seconds(60..BUSY - 300);
                let until = from + chance.seconds(10..300);
                for (at, paused) in [(from, true), (until, false)] {
                    let (namespace, name) = (namespace.clone(), name.clone());
                    self.items.push(Item::Deed(at, Deed::Pause { namespace, name, paused }));
                }
            }
        }
    }

    /// Somebody changes a namespace's policy, or deletes it.
    fn change_policy(&mut self, namespace: &str, chance: &mut Chance) {
        let (namespace, name) = (namespace.to_owned(), format!("policy-{namespace}"));
        let deed = if chance.one_in(4) {
            Deed::Withdraw { namespace, name }
        } else {
            Deed::Apply { namespace, name, spec: Box::new(policy(chance)) }
        };
        self.items.push(Item::Deed(chance.seconds(30..BUSY), deed));
    }

    /// The cluster of the recipe.
    pub fn cluster(&self) -> World {
        let mut registry = Registry::new(Script::succeeds(Duration::from_secs(2)));
        for item in &self.items {
            if let Item::Image(image, script) = item {
                registry.play(image, script.clone());
            }
        }
        let nodes = vec![("node-0".to_owned(), 40), ("node-1".to_owned(), 40)];
        let mut world = World::new(Plan { registry, nodes, seed: self.seed, ..Plan::default() });
        for (name, quota) in &self.cluster_queues {
            world.add_cluster_queue(name, quota);
        }
        for (namespace, name, behind) in &self.queues {
            world.add_queue(namespace, name, behind);
        }
        for replica in 0..self.replicas {
            let troubles = self.items.iter().filter_map(|item| {
                let Item::Trouble(of, from, until, trouble) = item else { return None };
                (*of == replica).then_some((*from, *until, *trouble))
            });
            let troubles = troubles.collect();
            world.add_replica(ReplicaPlan {
                starts: Duration::from_secs(1),
                leads: replica == 0,
                troubles,
                mistake: self.mistake,
            });
        }
        for item in &self.items {
            match item {
                Item::Job(at, plan) => world.plan(*at, Deed::Submit(Box::new(plan.clone()))),
                Item::Deed(at, deed) => world.plan(*at, deed.clone()),
                Item::Image(..) | Item::Trouble(..) => {}
            }
        }
        world
    }

    fn judge(&self) -> Judge {
        // A process whose clock runs fast has a short lease and short moments for good. What is due while a
        // wall clock is behind is put off by as much, and nothing tells when the clock is right again.
        let off = |item: &Item| {
            matches!(item, Item::Trouble(.., Trouble::ClockRunsFast | Trouble::WallIsOff(_)))
        };
        if self.items.iter().any(off) { Judge::default() } else { Judge::calm_from(CALM) }
    }

    /// Plays it.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn play(&self) -> Result<Played, Violation> {
        let mut world = self.cluster();
        let mut judge = self.judge();
        let mut played = Played::default();
        while world.step_until(END) {
            played.steps += 1;
            if played.steps > MOST_STEPS {
                let what = format!("{MOST_STEPS} steps, and no end");
                return Err(Violation { rule: "I10", at: world.now(), what });
            }
            judge.look(&world)?;
        }
        judge.conclude(&world)?;
        played.writes = world.history().writes() as u64;
        played.holds = judge.holds();
        Ok(played)
    }

    /// What happens in it, as lines for people, until a rule is broken.
    pub fn story(&self) -> Vec<String> {
        let mut world = self.cluster();
        let mut judge = self.judge();
        while world.step_until(END) {
            if judge.look(&world).is_err() {
                break;
            }
        }
        world.story()
    }

    /// The smallest history that breaks the same rule, by leaving out one item after the other.
    pub fn shrink(&self, rule: &str) -> Self {
        self.shrink_by(|recipe| recipe.play().is_err_and(|violation| violation.rule == rule))
    }

    /// The smallest history of which that can be said, as it can of this one.
    pub fn shrink_by(&self, breaks: impl Fn(&Self) -> bool) -> Self {
        let mut small = self.clone();
        let mut index = small.items.len();
        while index > 0 {
            index -= 1;
            let mut less = small.clone();
            less.items.remove(index);
            if breaks(&less) {
                small = less;
                index = index.min(small.items.len());
            }
        }
        if small.replicas > 1 {
            let one = Self { replicas: 1, ..small.clone() };
            if breaks(&one) {
                small = one;
            }
        }
        small
    }
}

fn policy(chance: &mut Chance) -> ImagePullPolicySpec {
    let actions = ["FailJob", "SuspendJob", "RequeueJob", "RequeueJob", "Report"];
    let peers = ["Stop", "Stop", "Spare"];
    let mode = chance.pick(&["Enforce", "Enforce", "Enforce", "Audit"]);
    let bad = json!({"name": "bad", "causes": ["NotFound", "MissingOrDenied", "InvalidReference"],
        "threshold": {"failedPulls": chance.within(1..5)},
        "action": chance.pick(&actions), "runningPeers": chance.pick(&peers)});
    let secret = json!({"name": "secret", "causes": ["Unauthorized", "AccessDenied"],
        "threshold": {"failedPulls": chance.within(1..4), "failingSeconds": chance.pick(&[0, 0, 60, 300])},
        "action": chance.pick(&actions), "runningPeers": chance.pick(&peers)});
    let registry = json!({"name": "registry", "causes": ["RateLimited", "RegistryUnavailable", "Network"],
        "threshold": {"failedPulls": chance.within(2..7), "failingSeconds": chance.pick(&[0, 120])},
        "action": chance.pick(&actions), "runningPeers": chance.pick(&peers)});
    let afterwards = chance.pick(&["SuspendJob", "FailJob", "Report"]);
    let spec = json!({
        "mode": mode,
        "queues": [{"kind": "LocalQueue", "name": "*"}, {"kind": "NoQueue"}],
        "rules": [bad, secret, registry],
        "requeue": {"backoffBaseSeconds": chance.within(20..120), "maxRequeues": chance.within(1..4),
                    "failedPulls": chance.within(1..3), "afterwards": afterwards},
        "outage": {"distinctJobs": chance.within(3..6), "windowSeconds": 300},
        "budget": {"actions": chance.pick(&[1, 2, 20, 20]), "windowSeconds": 600},
        "hold": {"maxSeconds": chance.pick(&[0, 0, 0, 300])},
    });
    serde_json::from_value(spec).unwrap_or_else(|_| ImagePullPolicySpec::for_queues(Vec::new()))
}
