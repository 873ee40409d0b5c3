//! The cluster in memory: objects, the actors that work on them, and replicas of Dislodge, in virtual
//! time.
//!
//! One step is one thing that an actor does when it is due. What it changes in the store is told to
//! all others, who plan what they do about it, each after the delay that was measured (live.md,
//! kueue.md). Nothing else moves the time, so that a history is the same each time it is played.

mod dislodge;
mod history;
mod invariants;
mod jobs;
mod kueue;
mod mistakes;
mod nodes;
pub mod object;
mod people;
mod placing;
mod served;
mod server;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dislodge_engine::input::Kind;
use dislodge_engine::objects::{Key, Meta, OwnerReference, Uid};
use jiff::Timestamp;

pub use dislodge::{Replica, ReplicaPlan};
pub use history::{Entry, History, What};
pub use invariants::{Judge, Violation};
pub use kueue::Quota;
pub use mistakes::Mistake;
pub use object::{Author, Job, JobPlan, Object, Pod, Template, Workload};
pub use people::Deed;
pub use served::{Sent, Served};
pub use trouble::{Site, Trouble};

use crate::kubelet::Kubelet;
use crate::registry::Registry;
use crate::store::{Change, Store, Version};

/// Which object.
pub type Id = (Kind, Uid);

/// All changes are kept until they are told, which is before the next step: one step can make thousands,
/// and none may be lost.
const KEPT: usize = usize::MAX;

/// What a cluster is made of, before anything happens in it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The wall clock at the beginning.
    pub start: Timestamp,
    /// The CPUs of each node, by name.
    pub nodes: Vec<(String, u32)>,
    /// The kubelets' durations.
    pub timing: crate::kubelet::Timing,
    /// Which kubelet.
    pub kubelet: crate::kubelet::Version,
    /// What the pulls do.
    pub registry: Registry,
    /// After how long Kueue evicts a job whose Pods do not get ready (`waitForPodsReady.timeout`;
    /// Kueue: 30 min); `None`: never.
    pub pods_ready_timeout: Option<Duration>,
    /// What quota is counted in: the resource that the CPUs of jobs and queues stand for.
    pub resource: &'static str,
    /// Moves all that jitters.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            start: Timestamp::from_second(1_795_500_000).unwrap_or_default(),
            nodes: vec![("node-0".to_owned(), 64)],
            timing: crate::kubelet::Timing::real(),
            kubelet: crate::kubelet::Version::V1_36,
            registry: Registry::new(crate::registry::Script::succeeds(Duration::from_secs(2))),
            pods_ready_timeout: Some(Duration::from_secs(30 * 60)),
            resource: "cpu",
            seed: 0,
        }
    }
}

/// The cluster.
#[derive(Debug)]
pub struct World {
    now: Duration,
    start: Timestamp,
    store: Store<Id, Object>,
    /// The newest change that all actors were told of.
    told: Version,
    /// What clients have yet to be shown, where there are any.
    unshown: Option<Vec<Change<Id, Object>>>,
    /// The last uid that was given out. The kubelets' jitter hangs on it, and with it on the seed.
    uids: u128,
    pods_of: BTreeMap<Uid, BTreeSet<Uid>>,
    workload_of: BTreeMap<Uid, Uid>,
    nodes: Vec<nodes::Node>,
    registry: Registry,
    jobs: jobs::JobController,
    kueue: kueue::Kueue,
    placing: placing::Scheduler,
    people: people::People,
    replicas: Vec<Replica>,
    history: History,
}

/// Who is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Actor {
    People,
    Node(usize),
    Jobs,
    Kueue,
    Scheduler,
    Replica(usize),
}

impl World {
    /// A cluster in which nothing has happened.
    pub fn new(plan: Plan) -> Self {
        let mut world = Self {
            now: Duration::ZERO,
            start: plan.start,
            store: Store::new(KEPT),
            told: Version::default(),
            unshown: None,
            uids: u128::from(plan.seed) << 64,
            pods_of: BTreeMap::new(),
            workload_of: BTreeMap::new(),
            nodes: Vec::new(),
            registry: plan.registry,
            jobs: jobs::JobController::default(),
            kueue: kueue::Kueue::new(plan.pods_ready_timeout, plan.resource),
            placing: placing::Scheduler::default(),
            people: people::People::default(),
            replicas: Vec::new(),
            history: History::default(),
        };
        for (name, cpus) in plan.nodes {
            let kubelet = Kubelet::new(plan.timing).version(plan.kubelet);
            world.add_node(&name, cpus, kubelet);
        }
        world
    }

    /// How long it has been going.
    pub const fn now(&self) -> Duration {
        self.now
    }

    /// What time it is.
    pub fn wall(&self) -> Timestamp {
        self.at(self.now)
    }

    /// What time it is at a moment.
    pub fn at(&self, moment: Duration) -> Timestamp {
        self.start.checked_add(moment).unwrap_or(Timestamp::MAX)
    }

    /// What has happened.
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// The registry: what pulls do from now on.
    pub const fn registry(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// When something happens next; `None`: never.
    pub fn next(&self) -> Option<Duration> {
        self.who().map(|(at, _)| at)
    }

    /// Lets time pass until then.
    pub fn run_until(&mut self, end: Duration) {
        while self.step_until(end) {}
        self.now = self.now.max(end);
    }

    /// Lets one actor do one thing. Says whether there was anything to do.
    pub fn step(&mut self) -> bool {
        self.step_until(Duration::MAX)
    }

    /// Lets one actor do one thing that is due by then. Says whether there was anything to do.
    pub fn step_until(&mut self, end: Duration) -> bool {
        self.tell();
        let Some((at, actor)) = self.who().filter(|(at, _)| *at <= end) else { return false };
        self.now = self.now.max(at);
        match actor {
            Actor::People => self.people_act(),
            Actor::Node(index) => self.node_acts(index),
            Actor::Jobs => self.jobs_act(),
            Actor::Kueue => self.kueue_acts(),
            Actor::Scheduler => self.scheduler_acts(),
            Actor::Replica(index) => self.replica_acts(index),
        }
        self.tell();
        true
    }

    fn who(&self) -> Option<(Duration, Actor)> {
        let nodes = self.nodes.iter().enumerate();
        let replicas = self.replicas.iter().enumerate();
        [
            (self.people.due(), Actor::People),
            (self.jobs.due(), Actor::Jobs),
            (self.kueue.due(), Actor::Kueue),
            (self.placing.due(), Actor::Scheduler),
        ]
        .into_iter()
        .chain(nodes.map(|(index, node)| (node.due(), Actor::Node(index))))
        .chain(replicas.map(|(index, replica)| (replica.due(), Actor::Replica(index))))
        .filter_map(|(due, actor)| Some((due?.max(self.now), actor)))
        .min()
    }

    /// Tells all actors what has changed in the store.
    fn tell(&mut self) {
        while self.told < self.store.version() {
            // Nobody else asks for them, and they would keep every object that ever was.
            for change in self.store.take_changes() {
                self.told = change.version;
                self.index(&change);
                self.nodes_see(&change);
                self.jobs_see(&change);
                self.kueue_sees(&change);
                self.scheduler_sees(&change);
                for replica in &mut self.replicas {
                    replica.sees(self.now, &change);
                }
                self.history.sees(self.now, &change);
                if let Some(unshown) = &mut self.unshown {
                    unshown.push(change);
                }
            }
        }
    }

    fn index(&mut self, change: &Change<Id, Object>) {
        use crate::store::What;
        let (uid, deleted) = (change.key.1, change.what == What::Deleted);
        if let Some(pod) = change.object.as_pod() {
            let pods = self.pods_of.entry(pod.job).or_default();
            if deleted {
                pods.remove(&uid);
            } else {
                pods.insert(uid);
            }
        }
        if let Some(workload) = change.object.as_workload() {
            if deleted {
                self.workload_of.remove(&workload.job);
            } else {
                self.workload_of.insert(workload.job, uid);
            }
        }
    }

    /// A number that is new.
    fn new_uid(&mut self) -> Uid {
        self.uids += 1;
        Uid::from_u128(self.uids)
    }

    /// The metadata of a new object.
    fn new_meta(&mut self, namespace: &str, name: &str) -> Meta {
        Meta {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            uid: self.new_uid(),
            generation: 1,
            creation_timestamp: Some(object::whole_seconds(self.wall())),
            ..Meta::default()
        }
    }

    /// Stores a new object.
    fn create(&mut self, object: Object) -> Uid {
        let uid = object.meta().uid;
        let _new = self.store.create((object.kind(), uid), object);
        uid
    }

    /// An object of any kind.
    fn get(&self, kind: Kind, uid: Uid) -> Option<&Arc<Object>> {
        self.store.get(&(kind, uid)).map(|(_, object)| object)
    }

    /// A Job.
    pub fn job(&self, uid: Uid) -> Option<&Job> {
        self.get(Kind::Job, uid)?.as_job()
    }

    /// The Workload of a Job.
    pub fn workload_of(&self, job: Uid) -> Option<&Workload> {
        self.workload(*self.workload_of.get(&job)?)
    }

    /// A Workload.
    pub fn workload(&self, uid: Uid) -> Option<&Workload> {
        self.get(Kind::Workload, uid)?.as_workload()
    }

    /// A Pod.
    pub fn pod(&self, uid: Uid) -> Option<&Pod> {
        self.get(Kind::Pod, uid)?.as_pod()
    }

    /// The Pods of a Job, oldest first.
    pub fn pods_of(&self, job: Uid) -> impl Iterator<Item = (Uid, &Pod)> {
        let uids = self.pods_of.get(&job).into_iter().flatten();
        uids.filter_map(|uid| Some((*uid, self.pod(*uid)?)))
    }

    /// The Jobs, oldest first.
    pub fn jobs(&self) -> impl Iterator<Item = (Uid, &Job)> {
        self.of_kind(Kind::Job).filter_map(|(uid, object)| Some((uid, object.as_job()?)))
    }

    /// The Workloads, oldest first.
    pub fn workloads(&self) -> impl Iterator<Item = (Uid, &Workload)> {
        let all = self.of_kind(Kind::Workload);
        all.filter_map(|(uid, object)| Some((uid, object.as_workload()?)))
    }

    /// The policies.
    pub fn policies(&self) -> impl Iterator<Item = (Uid, &dislodge_engine::objects::Policy)> {
        self.of_kind(Kind::Policy).filter_map(|(uid, object)| Some((uid, object.as_policy()?)))
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (Uid, &Arc<Object>)> {
        let (first, last) = (Uid::from_u128(0), Uid::from_u128(u128::MAX));
        self.store.list((kind, first)..=(kind, last)).map(|((_, uid), object)| (*uid, object))
    }

    /// Changes an object as the actor who owns the fields does: on what is stored now.
    fn change(&mut self, kind: Kind, uid: Uid, with: impl FnOnce(&mut Object)) {
        let Some(before) = self.get(kind, uid) else { return };
        let mut object = Object::clone(before);
        with(&mut object);
        object.count_generation(before);
        let _same_or_new = self.store.replace(&(kind, uid), None, object);
    }

    fn change_pod(&mut self, uid: Uid, with: impl FnOnce(&mut Pod)) {
        self.change(Kind::Pod, uid, |object| {
            if let Object::Pod(pod) = object {
                with(pod);
            }
        });
    }

    fn change_job(&mut self, uid: Uid, with: impl FnOnce(&mut Job)) {
        self.change(Kind::Job, uid, |object| {
            if let Object::Job(job) = object {
                with(job);
            }
        });
    }

    fn change_workload(&mut self, uid: Uid, with: impl FnOnce(&mut Workload)) {
        self.change(Kind::Workload, uid, |object| {
            if let Object::Workload(workload) = object {
                with(workload);
            }
        });
    }

    /// A Pod that has ended, is accounted for and not kept by anybody is gone.
    fn reap(&mut self, uid: Uid) {
        if self.pod(uid).is_some_and(|pod| pod.ended && pod.counted) {
            let _gone = self.store.delete(&(Kind::Pod, uid), None);
        }
    }
}

/// The reference of what a controller makes.
fn owned_by(api_version: &str, kind: &str, key: &Key, uid: Uid) -> OwnerReference {
    OwnerReference {
        api_version: api_version.into(),
        kind: kind.into(),
        name: key.name.clone(),
        uid,
        controller: true,
    }
}

#[cfg(test)]
mod tests;
