//! A cluster of any size, served from a formula: Pods, Jobs and Workloads of realistic size and shape,
//! and a stream of watch events about them.
//!
//! A real API server cannot hold 150,000 Pods beside the program that is measured, nor can the model of
//! `sim/`: here no object exists until its bytes are asked for. Only what is patched is kept. All other
//! kinds (queues, policies, Leases, Events, discovery) are the model's, behind the same address.
//!
//! Three Pods make a [Job](PODS_PER_JOB), each Job has its Workload, 250 Jobs a namespace with its queue
//! and its policy. A tenth of the Jobs, or all, wait for images that they are not allowed to pull; every
//! hundredth is still creating its containers, and stands ready to fail ([`Fleet::churn`]).

mod churn;
mod formula;
mod server;
mod template;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use dislodge_sim::api::{Answer, Body, Method, Request, Server};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

pub use self::churn::{Churn, Churned};
use self::formula::{Formula, Kind};
use crate::error::{Error, Result};
use crate::memory::Memory;

/// Pods of each Job.
pub const PODS_PER_JOB: usize = 3;
/// Failed pulls that reach the threshold of the policies.
const THRESHOLD: u32 = 2;
/// Chunks of events that wait for a client; then the stream waits.
const WAITING: usize = 256;

/// How large the cluster is, and how it fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Pods, three of each Job; each Job has a Workload.
    pub pods: usize,
    /// How many of them wait for an image.
    pub pending: Pending,
    /// So many Jobs, the first ones, all lie in the first namespace, and stand ready to fail.
    pub flood: usize,
}

/// How many Pods wait for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Every tenth.
    Tenth,
    /// All.
    All,
}

/// A request, as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The HTTP method.
    pub method: http::Method,
    /// The path, without query.
    pub path: String,
}

impl Asked {
    /// Whether it changes something that is not Dislodge's own: neither its policies, its Lease, nor an
    /// Event.
    pub fn writes_others(&self) -> bool {
        let own = ["/imagepullpolicies/", "/leases", "/events"];
        self.writes() && !own.iter().any(|own| self.path.contains(own))
    }

    /// Whether it changes anything but the Lease, which is renewed as long as the program runs.
    pub fn writes(&self) -> bool {
        self.method != http::Method::GET && !self.path.contains("/leases")
    }

    /// Whether it reads a single object, the Lease aside.
    pub fn reads_one(&self) -> bool {
        let parts = self.path.split('/').filter(|part| !part.is_empty());
        let below = parts.skip_while(|part| *part != "namespaces").count();
        self.method == http::Method::GET && below > 3 && !self.path.contains("/leases/")
    }
}

/// The cluster. Clones share it.
#[derive(Clone, Debug)]
pub struct Fleet(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    formula: Formula,
    memory: Memory,
    state: Mutex<State>,
}

/// What has happened.
#[derive(Debug, Default)]
struct State {
    /// The newest version.
    version: u64,
    /// What is no longer as the formula has it.
    changed: BTreeMap<(Kind, usize), Change>,
    /// What was patched, whole.
    patched: BTreeMap<(Kind, usize), Value>,
    watches: Vec<Open>,
    asked: Vec<Asked>,
    /// When the failed pull was sent that reaches the threshold, by Job.
    ripe: BTreeMap<usize, Instant>,
    reactions: Vec<Duration>,
}

/// What differs of an object from what the formula has.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    version: u64,
    /// How often it was replaced by another of the same place.
    life: u32,
    /// What the kubelet says, where it has changed.
    status: Option<formula::Status>,
    /// When it was made, where it is not as old as all.
    born: Option<Timestamp>,
    /// When its status was written last.
    wrote: Option<Timestamp>,
}

/// A watch that somebody reads.
#[derive(Debug)]
struct Open {
    kind: Kind,
    lines: mpsc::Sender<Bytes>,
}

impl Fleet {
    /// A cluster as the plan wants it. It is `epoch` now.
    ///
    /// # Errors
    /// When queues and policies cannot be made.
    pub fn new(plan: Plan, epoch: Timestamp) -> Result<Self> {
        let formula = Formula::new(plan, epoch)?;
        let memory = Memory::new(Server::new(10_000, 1, epoch), epoch);
        let state = State { version: 1_000_000, ..State::default() };
        let fleet = Self(Arc::new(Shared { formula, memory, state: Mutex::new(state) }));
        fleet.furnish()?;
        Ok(fleet)
    }

    /// How many Jobs there are.
    pub fn jobs(&self) -> usize {
        self.0.formula.count(Kind::Job)
    }

    /// How many Jobs stand ready to fail, those that flood a namespace left out.
    pub fn ready_to_fail(&self) -> usize {
        let formula = &self.0.formula;
        let ready = |job: &usize| formula.is_ready_to_fail(*job) && !formula.is_flooding(*job);
        (0..self.jobs()).filter(ready).count()
    }

    /// Whether somebody watches each kind: all has been listed.
    pub fn is_watched(&self) -> bool {
        let state = self.state();
        let open =
            |kind| state.watches.iter().any(|open| open.kind == kind && !open.lines.is_closed());
        Kind::ALL.into_iter().all(open)
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    /// How long after the deciding failed pull was sent each stop of a Job was received. Jobs that flood a namespace are
    /// left out.
    pub fn reactions(&self) -> Vec<Duration> {
        self.state().reactions.clone()
    }

    /// Ends all watches as too old, so that everything is listed anew.
    pub async fn expire(&self) {
        let watches = std::mem::take(&mut self.state().watches);
        let gone = json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "message": "too old resource version", "reason": "Expired", "code": 410}});
        for open in watches {
            // Nobody reads it any more: then there is nothing to end.
            let _closed = open.lines.send(Bytes::from(format!("{gone}\n"))).await;
        }
    }

    /// Namespaces, their queues and policies.
    fn furnish(&self) -> Result<()> {
        let kueue = "/apis/kueue.x-k8s.io/v1beta2";
        for number in 0..self.0.formula.namespaces() {
            let (namespace, queue) = (formula::namespace(number), formula::cluster_queue(number));
            self.create(
                "/api/v1/namespaces",
                json!({"kind": "Namespace", "metadata": {"name": namespace}}),
            )?;
            let total = |quota: &str| json!({"name": quota, "nominalQuota": 100_000});
            let quotas: Vec<Value> = ["cpu", "memory", "nvidia.com/gpu"].map(total).into();
            self.create(
                &format!("{kueue}/clusterqueues"),
                json!({"kind": "ClusterQueue", "metadata": {"name": queue},
                    "spec": {"resourceGroups": [{"coveredResources": ["cpu", "memory", "nvidia.com/gpu"],
                        "flavors": [{"name": "a100", "resources": quotas}]}]}}),
            )?;
            self.create(
                &format!("{kueue}/namespaces/{namespace}/localqueues"),
                json!({"kind": "LocalQueue", "metadata": {"name": "gpu"}, "spec": {"clusterQueue": queue}}),
            )?;
            let policies =
                format!("/apis/dislodge.dev/v1alpha1/namespaces/{namespace}/imagepullpolicies");
            let rule = |name: &str, cause: &str, pulls: u32, action: &str| {
                json!({"name": name, "causes": [cause], "threshold": {"failedPulls": pulls},
                    "action": action, "runningPeers": "Stop"})
            };
            // Where a flood comes, the budget is the default one.
            let actions = if number == 0 && self.0.formula.is_flooding(0) { 20 } else { 10_000 };
            self.create(
                &policies,
                json!({"kind": "ImagePullPolicy", "metadata": {"name": "default"}, "spec": {"mode": "Enforce",
                    "queues": [{"kind": "LocalQueue", "name": "gpu"}],
                    "rules": [rule("missing", "NotFound", THRESHOLD, "SuspendJob"),
                        rule("credentials", "MissingOrDenied", 5, "SuspendJob")],
                    "budget": {"actions": actions, "windowSeconds": 600}}}),
            )?;
            // The CRD gives each policy an empty status, which is written into.
            self.ask(Request {
                content_type: "application/merge-patch+json".to_owned(),
                ..Request::json(
                    Method::Patch,
                    &format!("{policies}/default/status"),
                    &json!({"status": {}}),
                )
            })?;
        }
        Ok(())
    }

    fn create(&self, path: &str, mut object: Value) -> Result<()> {
        let parts: Vec<&str> = path.split('/').collect();
        let version = match parts.as_slice() {
            [_, "apis", group, version, ..] => format!("{group}/{version}"),
            _ => "v1".to_owned(),
        };
        if let Some(fields) = object.as_object_mut() {
            fields.insert("apiVersion".to_owned(), json!(version));
        }
        self.ask(Request::json(Method::Post, path, &object))
    }

    /// Has the model do something.
    fn ask(&self, request: Request) -> Result<()> {
        let said = self.0.memory.with(|server, now| server.handle(&request, now));
        match said {
            Answer::Done { code: 200 | 201, .. } => Ok(()),
            Answer::Done { body: Body::Object(said), .. } => {
                Err(Error::malformed(request.path, said))
            }
            Answer::Done { .. } | Answer::Watch(_) => {
                Err(Error::malformed(request.path, "no object"))
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes one object as it is now behind `out`.
    fn write(&self, state: &State, (kind, index): (Kind, usize), out: &mut Vec<u8>) {
        if let Some(object) = state.patched.get(&(kind, index)) {
            out.extend_from_slice(object.to_string().as_bytes());
        } else {
            let change = state.changed.get(&(kind, index)).copied().unwrap_or_default();
            self.0.formula.write((kind, index), change, out);
        }
    }

    /// The object has another version: the newest.
    fn touch(state: &mut State, at: (Kind, usize), now: Timestamp) {
        state.version += 1;
        let version = state.version;
        let change = state.changed.entry(at).or_default();
        (change.version, change.wrote) = (version, Some(now));
        if let Some(object) = state.patched.get_mut(&at)
            && let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.insert("resourceVersion".to_owned(), json!(version.to_string()));
        }
    }
}
