//! What the commands look at: the objects of a cluster at one instant, read with a person's own
//! rights or out of files, and fed to the very engine that the controller runs.

pub mod document;
pub mod gather;
pub mod place;
pub mod pulls;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dislodge_engine::api::reason;
use dislodge_engine::input::{Change, Input, Kind};
use dislodge_engine::objects::{
    ClusterQueue, CronJob, Job, JobSet, LocalQueue, Node, Object, Pod, Policy, Uid, Workload,
};
use dislodge_engine::record::Run;
use dislodge_engine::time::Now;
use dislodge_engine::{Config, Engine};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use serde::{Deserialize, Serialize};

use crate::watch::kinds::Followed;

/// Why a command cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no client.
    #[error(transparent)]
    Client(#[from] crate::client::ClientError),
    /// The API server refuses, or does not answer.
    #[error("{what} cannot be read: {why}")]
    Request {
        /// What was asked for.
        what: String,
        /// What was said, and what to do about it.
        why: String,
    },
    /// A right is missing without which there is no answer.
    #[error("{0}")]
    Right(String),
    /// What is asked about is not there.
    #[error("there is no {kind} {name} in {place}: {advice}")]
    Nothing {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Where it is not.
        place: String,
        /// How to find what there is.
        advice: String,
    },
    /// A recording cannot be played.
    #[error(transparent)]
    Recording(#[from] crate::recording::read::Error),
    /// A file cannot be read.
    #[error("{0}")]
    File(String),
    /// What was typed cannot be meant.
    #[error("{0}")]
    Meant(String),
    /// Standard output cannot be written to.
    #[error("standard output cannot be written to: {0}")]
    Output(#[source] std::io::Error),
    /// The operating system gives no threads.
    #[error("the command cannot start: {0}")]
    System(#[source] std::io::Error),
}

/// What could not be read, and what nobody can tell because of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// The right that is missing, as a role would grant it, or what is not installed.
    pub missing: String,
    /// What is not known.
    pub unknown: String,
}

/// The objects of a namespace, or of several.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Pods.
    pub pods: Vec<Pod>,
    /// Jobs.
    pub jobs: Vec<Job>,
    /// JobSets.
    pub job_sets: Vec<JobSet>,
    /// CronJobs.
    pub cron_jobs: Vec<CronJob>,
    /// Workloads.
    pub workloads: Vec<Workload>,
    /// LocalQueues.
    pub local_queues: Vec<LocalQueue>,
    /// ClusterQueues.
    pub cluster_queues: Vec<ClusterQueue>,
    /// Policies.
    pub policies: Vec<Policy>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Events on Pods.
    pub events: Vec<Event>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// When all of it was read, where that is known.
    pub read_at: Option<Timestamp>,
}

/// How the message begins where everything is paused.
const PAUSED_ALL: &str = "an operator has paused everything: ";

impl Snapshot {
    /// An engine that has seen all of it, and may do nothing.
    pub fn engine(&self, now: Now) -> Engine {
        let config = Config::kubelet();
        let mut engine = Engine::new(config);
        if let Some(why) = self.paused() {
            engine.handle(Input::Paused(Some(why.to_owned())), now);
        }
        // Policies before Pods: their statuses tell what was counted. Owners before what they own.
        feed(&mut engine, &self.nodes, now);
        feed(&mut engine, &self.policies, now);
        feed(&mut engine, &self.local_queues, now);
        feed(&mut engine, &self.cluster_queues, now);
        feed(&mut engine, &self.cron_jobs, now);
        feed(&mut engine, &self.job_sets, now);
        feed(&mut engine, &self.jobs, now);
        feed(&mut engine, &self.workloads, now);
        feed(&mut engine, &self.pods, now);
        let index = self.index();
        for pod in &self.pods {
            for (image, told) in index.told(pod) {
                if !self.is_counted(pod.metadata.uid, &image) {
                    engine.recall(pod, &image, told, now);
                }
            }
        }
        // What was recalled is decided on, too.
        engine.handle(Input::Deadline, now);
        engine
    }

    /// Where what belongs to a Pod is.
    pub fn index(&self) -> Index<'_> {
        let pods = self.pods.iter().enumerate();
        let pods = pods.map(|(place, pod)| (pod.metadata.uid, (place, pod))).collect();
        let mut events: BTreeMap<Uid, Vec<&Event>> = BTreeMap::new();
        for event in &self.events {
            let uid = event.involved_object.uid.as_deref().map_or(Uid::NIL, Uid::parse);
            if uid != Uid::NIL {
                events.entry(uid).or_default().push(event);
            }
        }
        Index { pods, events }
    }

    /// Takes away what is in it more than once: the last stays.
    fn drop_copies(&mut self) {
        once(&mut self.pods);
        once(&mut self.jobs);
        once(&mut self.job_sets);
        once(&mut self.cron_jobs);
        once(&mut self.workloads);
        once(&mut self.local_queues);
        once(&mut self.cluster_queues);
        once(&mut self.policies);
        once(&mut self.nodes);
        let mut seen = BTreeSet::new();
        self.events.retain(|event| {
            let meta = &event.metadata;
            // Two without a name need not be one.
            meta.name.is_none() || seen.insert((meta.namespace.clone(), meta.name.clone()))
        });
    }

    /// Why an operator has paused everything, as the policies' statuses say it: those who own jobs
    /// cannot read the controller's Lease.
    pub fn paused(&self) -> Option<&str> {
        let conditions = self.policies.iter().flat_map(|policy| &policy.status.conditions);
        let mut paused = conditions.filter(|condition| condition.reason == reason::PAUSED);
        paused.find_map(|condition| condition.message.strip_prefix(PAUSED_ALL))
    }

    /// Whether a policy's status says how often an image has failed in a Pod: then the controller
    /// counts, and what it counts is what matters.
    pub fn is_counted(&self, pod: Uid, image: &str) -> bool {
        self.entry(pod, image).is_some()
    }

    /// What a policy's status says of an image that fails in a Pod.
    pub fn entry(&self, pod: Uid, image: &str) -> Option<&dislodge_engine::api::FailingJob> {
        let uid = pod.to_string();
        let shown = dislodge_engine::api::clip(
            &dislodge_engine::message::mask(image),
            dislodge_engine::api::bounds::IMAGE,
        );
        let entries = self.policies.iter().flat_map(|policy| &policy.status.failing);
        entries.into_iter().find(|entry| entry.pod_uid == uid && entry.image == shown)
    }

    /// Keeps what is in a namespace, and what is in none.
    ///
    /// # Errors
    ///
    /// Where there is nothing of that namespace.
    pub fn keep(&mut self, namespace: &str) -> Result<(), Error> {
        fn retain<T: Object>(objects: &mut Vec<T>, namespace: &str) -> usize {
            objects.retain(|object| object.meta().namespace == namespace);
            objects.len()
        }
        let kept = retain(&mut self.pods, namespace)
            + retain(&mut self.jobs, namespace)
            + retain(&mut self.job_sets, namespace)
            + retain(&mut self.cron_jobs, namespace)
            + retain(&mut self.workloads, namespace)
            + retain(&mut self.local_queues, namespace)
            + retain(&mut self.policies, namespace);
        self.events.retain(|event| event.involved_object.namespace.as_deref() == Some(namespace));
        if kept == 0 {
            let why = format!("the files have nothing in them that is of namespace {namespace}");
            return Err(Error::File(why));
        }
        Ok(())
    }

    /// "Now", for what was saved some time ago: when it was read, else the newest time that anything in
    /// it tells of.
    pub fn newest(&self) -> Option<Timestamp> {
        if self.read_at.is_some() {
            return self.read_at;
        }
        let pods = self
            .pods
            .iter()
            .flat_map(|pod| [pod.metadata.kubelet_wrote, pod.metadata.creation_timestamp]);
        let jobs = self.jobs.iter().flat_map(|job| {
            let held = job.metadata.annotation(dislodge_engine::keys::HELD_AT);
            [job.status.start_time, held.and_then(|at| at.parse().ok())]
        });
        let events = self.events.iter().map(pulls::last_seen);
        let counted = self.policies.iter().flat_map(|policy| &policy.status.failing);
        let counted = counted.map(|entry| Some(entry.last_failure_time));
        pods.chain(jobs).chain(events).chain(counted).flatten().max()
    }
}

/// Where what belongs to a Pod is, so that thousands of answers do not search all of it each.
#[derive(Debug)]
pub struct Index<'a> {
    /// The Pods by their uids, each with its place.
    pods: BTreeMap<Uid, (usize, &'a Pod)>,
    /// The Events on each Pod.
    events: BTreeMap<Uid, Vec<&'a Event>>,
}

impl<'a> Index<'a> {
    /// The Pods with these uids, each once and in their order in the snapshot.
    pub fn pods(&self, uids: impl IntoIterator<Item = Uid>) -> Vec<&'a Pod> {
        let found = uids.into_iter().filter_map(|uid| self.pods.get(&uid).copied());
        let found: BTreeMap<usize, &Pod> = found.collect();
        found.into_values().collect()
    }

    /// The failed pulls of each image of a Pod, as its Events tell ([`pulls::told`]).
    pub fn told(&self, pod: &Pod) -> Vec<(String, Run)> {
        self.events.get(&pod.metadata.uid).map_or_else(Vec::new, |events| pulls::told(events))
    }
}

/// Keeps the last of those that are one object. What has no name is nobody's copy.
fn once<T: Object>(objects: &mut Vec<T>) {
    let mut seen = BTreeSet::new();
    objects.reverse();
    objects.retain(|object| {
        let meta = object.meta();
        meta.name.is_empty() || seen.insert((meta.key(), meta.uid))
    });
    objects.reverse();
}

/// Tells the engine of all objects of a kind, as a list that is whole.
fn feed<T: Followed>(engine: &mut Engine, objects: &[T], now: Now) {
    let kind: Kind = T::SOURCE.kind;
    engine.handle(Input::ListBegun(kind), now);
    for object in objects {
        engine.handle(T::input(Change::Listed(object.clone())), now);
    }
    engine.handle(Input::ListEnded(kind), now);
}

/// A time for the engine: what was before this instant is not known to have been watched.
pub fn instant(wall: Timestamp) -> Now {
    Now { elapsed: Duration::from_secs(3600), wall }
}
