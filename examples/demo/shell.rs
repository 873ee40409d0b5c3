//! The real controller on the cluster in memory: one process, no socket, virtual time.
//!
//! All from the client inward is the controller's own code: watches, Lease, driver, engine, writes.
//! Where time is waited for, it passes at once.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dislodge::client;
use dislodge::clock::Clock;
use dislodge::run::Replica;
use dislodge::settings::Settings;
use dislodge_engine::objects::Uid;
use dislodge_sim::api::Server;
use dislodge_sim::world::{Entry, Served, World};
use dislodge_testbed::Memory;
use dislodge_testbed::wire::{Fate, Faults, Wire};
use http::request::Parts;
use http::{Method, Request};
use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::Failure;

/// So many changes can be watched back.
const KEPT: usize = 10_000;
/// How long a killed controller is away.
pub(crate) const AWAY: Duration = Duration::from_secs(3);

/// Plays something in virtual time.
pub(crate) fn virtually<T>(play: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build()?.block_on(play)
}

/// A write of the controller, but for those of its Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) method: Method,
    pub(crate) path: String,
}

/// At which of its writes the controller dies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Death {
    /// At none.
    #[default]
    Never,
    /// At one of them.
    At {
        /// Part of the paths that count; empty: all.
        path: &'static str,
        /// How many such writes come before.
        number: usize,
        /// Whether the API server carries it out.
        taken: bool,
    },
}

/// What the controller does, as seen from outside.
#[derive(Debug, Default)]
struct Watched {
    writes: Vec<Write>,
    death: Death,
    /// When it died.
    died: Vec<Timestamp>,
}

/// A cluster in memory with the controller in it. Dropped, all of it ends.
pub(crate) struct Shell {
    memory: Memory<Served>,
    watched: Arc<Mutex<Watched>>,
    replica: Arc<Mutex<Option<Replica>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Shell {
    /// Starts the controller in a cluster; it is started again whenever it has died.
    pub(crate) async fn start(world: World, death: Death) -> Result<Self, Failure> {
        let (epoch, seed) = (world.wall(), 1);
        let server = Server::new(KEPT, seed, epoch);
        let memory = Memory::new(Served::new(world, server), epoch);
        let watched = Arc::new(Mutex::new(Watched { death, ..Watched::default() }));
        let replica = Arc::new(Mutex::new(None));
        let actors = memory.clone();
        let life = {
            let (memory, watched, replica) = (memory.clone(), watched.clone(), replica.clone());
            async move { keep_alive(&memory, &watched, &replica).await }
        };
        let tasks = vec![tokio::spawn(async move { actors.live().await }), tokio::spawn(life)];
        let shell = Self { memory, watched, replica, tasks };
        let namespace = json!({"metadata": {"name": "dislodge-system"}});
        shell.send(Method::POST, "/api/v1/namespaces", &namespace).await?;
        Ok(shell)
    }

    /// Lets that much time pass.
    pub(crate) async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Lets time pass until the cluster is so old.
    pub(crate) async fn wait_until(&self, age: Duration) {
        tokio::time::sleep(age.saturating_sub(self.age())).await;
    }

    /// How long the cluster has been going.
    pub(crate) fn age(&self) -> Duration {
        self.age_at(self.memory.now())
    }

    /// When that was, as the age of the cluster.
    pub(crate) fn age_at(&self, at: Timestamp) -> Duration {
        let start = self.memory.with(|served, _| served.world().at(Duration::ZERO));
        Duration::try_from(at.duration_since(start)).unwrap_or_default()
    }

    /// Does something in the cluster that is no request: at a registry, at a node.
    pub(crate) fn act<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        self.memory.with(|served, now| served.act(now, act))
    }

    /// What has happened to a Job.
    pub(crate) fn history(&self, job: &Value) -> Vec<Entry> {
        let uid = Uid::parse(job["metadata"]["uid"].as_str().unwrap_or_default());
        self.memory.with(|served, _| {
            let all = served.world().history().entries().iter();
            all.filter(|entry| entry.job == uid).cloned().collect()
        })
    }

    /// The writes of the controller so far, but for its Lease.
    pub(crate) fn writes(&self) -> Vec<Write> {
        lock(&self.watched).writes.clone()
    }

    /// When the controller has died, as the age of the cluster.
    pub(crate) fn died(&self) -> Vec<Duration> {
        let died = lock(&self.watched).died.clone();
        died.into_iter().map(|at| self.age_at(at)).collect()
    }

    /// Kills the controller where it stands.
    pub(crate) fn kill(&self) {
        if let Some(replica) = &*lock(&self.replica) {
            lock(&self.watched).died.push(self.memory.now());
            replica.tasks.kill();
        }
    }

    /// A request of a person, as kubectl sends it.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Value, Failure> {
        let kind = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let client: Client = self.memory.client();
        Ok(client.request(request.body(body)?).await?)
    }

    /// Reads an object or a list.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path, &Value::Null).await
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        if let Some(replica) = &*lock(&self.replica) {
            replica.tasks.kill();
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the controller, and again after each death.
async fn keep_alive(
    memory: &Memory<Served>,
    watched: &Arc<Mutex<Watched>>,
    current: &Mutex<Option<Replica>>,
) {
    loop {
        let replica = Replica::new(Clock::start_at(memory.now()));
        let (metrics, clock) = (replica.metrics.clone(), replica.clock);
        *lock(current) = Some(replica.clone());
        let connection = client::through(wire(memory, watched, &replica), metrics, clock);
        let ended = replica.run(&settings(), connection).await;
        if lock(watched).died.is_empty() {
            // The story goes on without it, and so does not come true.
            tracing::error!(?ended, "the controller has ended by itself");
            return;
        }
        tokio::time::sleep(AWAY).await;
    }
}

/// The way of a controller to the API server.
fn wire(memory: &Memory<Served>, watched: &Arc<Mutex<Watched>>, replica: &Replica) -> Wire<Served> {
    let kill = {
        let (watched, memory) = (Arc::clone(watched), memory.clone());
        let tasks = replica.tasks.clone();
        move || {
            lock(&watched).died.push(memory.now());
            tasks.kill();
        }
    };
    Wire::new(memory.clone(), Noted(Arc::clone(watched)), kill)
}

/// What the controller writes is noted, and it dies where it is to.
struct Noted(Arc<Mutex<Watched>>);

impl Faults for Noted {
    fn request(&mut self, head: &Parts) -> Fate {
        let path = head.uri.path();
        if head.method == Method::GET || path.contains("/leases") {
            return Fate::Answered;
        }
        let mut watched = lock(&self.0);
        watched.writes.push(Write { method: head.method.clone(), path: path.to_owned() });
        let Death::At { path: of, number, taken } = watched.death else { return Fate::Answered };
        let count = watched.writes.iter().filter(|write| write.path.contains(of)).count();
        if !path.contains(of) || count != number + 1 {
            return Fate::Answered;
        }
        Fate::Dies { taken }
    }
}

/// As `deploy/` sets the controller up.
fn settings() -> Settings {
    Settings::in_process("dislodge-0", "dislodge-system", "dislodge")
}
