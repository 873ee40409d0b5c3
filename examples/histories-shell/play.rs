//! One history, played by the real program in virtual time, and judged.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dislodge::client;
use dislodge::clock::Clock;
use dislodge::run::Replica;
use dislodge::settings::Settings;
use dislodge_sim::api::{Method, Request, Server};
use dislodge_sim::random::{Played, Recipe, Staged};
use dislodge_sim::world::{ReplicaPlan, Served, Violation};
use dislodge_testbed::Memory;
use dislodge_testbed::wire::Wire;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::troubles::Troubles;

/// So many changes can be watched back.
const KEPT: usize = 10_000;
/// How long a process that died is away.
const AWAY: Duration = Duration::from_secs(3);
/// Replicas keep their Leases there.
const NAMESPACE: &str = "dislodge-system";

/// How a history went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// What it came to, or the first rule that was broken.
    pub(crate) outcome: Result<Played, Violation>,
    /// What happened in it, as lines for people.
    pub(crate) story: Vec<String>,
    /// A number out of all requests and their times: another where one of them is.
    pub(crate) digest: u64,
}

/// Plays a history. The same one is always played in the same way: all of it happens on this thread, in virtual
/// time, and what is left to chance in the program is drawn from the seed.
pub(crate) fn play(recipe: &Recipe) -> Shown {
    fastrand::seed(recipe.seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    match runtime {
        Ok(runtime) => runtime.block_on(live(recipe.staged())),
        Err(error) => {
            let what = error.to_string();
            let outcome = Err(Violation { rule: "runtime", at: Duration::ZERO, what });
            Shown { outcome, story: Vec::new(), digest: 0 }
        }
    }
}

async fn live(staged: Staged) -> Shown {
    let Staged { world, replicas, lives, judge, end } = staged;
    let epoch = world.wall();
    let served = Served::new(world, Server::new(KEPT, 1, epoch)).judged(judge);
    let memory = Memory::new(served, epoch);
    memory.with(|served, now| {
        let namespace = json!({"metadata": {"name": NAMESPACE}});
        served.handle(&Request::json(Method::Post, "/api/v1/namespaces", &namespace), now)
    });
    let processes: Vec<Arc<Process>> = replicas
        .iter()
        .enumerate()
        .map(|(index, plan)| Arc::new(Process::new(index, plan, memory.clone())))
        .collect();
    let mut tasks = vec![{
        let memory = memory.clone();
        tokio::spawn(async move { memory.live().await })
    }];
    for process in &processes {
        let process = Arc::clone(process);
        tasks.push(tokio::spawn(async move { process.live().await }));
    }
    let began = Instant::now();
    for (at, replica, starts) in lives {
        tokio::time::sleep_until(began + at).await;
        if let Some(process) = processes.get(replica) {
            process.allow(starts);
        }
    }
    tokio::time::sleep_until(began + end).await;
    for task in tasks {
        task.abort();
    }
    for process in &processes {
        process.allow(false);
    }
    let mut digest = DefaultHasher::new();
    for process in &processes {
        digest.write_u64(process.troubles.digest());
    }
    memory.with(|served, now| {
        served.run_until(now);
        let writes = served.world().history().writes() as u64;
        let outcome = served.conclude().map(|()| Played {
            writes,
            holds: served.holds(),
            ..Played::default()
        });
        Shown { outcome, story: served.world().story(), digest: digest.finish() }
    })
}

/// A process that is started again whenever it dies, as long as it is allowed to run.
struct Process {
    identity: String,
    starts: Duration,
    troubles: Troubles,
    memory: Memory<Served>,
    allowed: watch::Sender<bool>,
    replica: Mutex<Option<Replica>>,
}

impl Process {
    fn new(index: usize, plan: &ReplicaPlan, memory: Memory<Served>) -> Self {
        Self {
            identity: format!("dislodge-{index}"),
            starts: plan.starts,
            troubles: Troubles::new(plan.leads, &plan.troubles),
            memory,
            allowed: watch::Sender::new(true),
            replica: Mutex::new(None),
        }
    }

    /// Kills it, or lets it be started.
    fn allow(&self, runs: bool) {
        self.allowed.send_replace(runs);
        if let (false, Some(replica)) = (runs, &*self.current()) {
            replica.tasks.kill();
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Replica>> {
        self.replica.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn live(&self) {
        tokio::time::sleep(self.starts).await;
        let mut allowed = self.allowed.subscribe();
        // Each has its own Lease, so that two can lead at once.
        let settings = Settings::in_process(&self.identity, NAMESPACE, &self.identity);
        while allowed.wait_for(|allowed| *allowed).await.is_ok() {
            self.troubles.begin();
            let replica = Replica::new(Clock::start_at(self.memory.now()));
            *self.current() = Some(replica.clone());
            let tasks = replica.tasks.clone();
            let wire = Wire::new(self.memory.clone(), self.troubles.clone(), move || tasks.kill());
            let (metrics, clock) = (replica.metrics.clone(), replica.clock);
            let connection = client::through(wire, metrics, clock);
            let _killed = replica.run(&settings, connection).await;
            if *self.allowed.borrow() {
                tokio::time::sleep(AWAY).await;
            }
        }
    }
}
