//! Tests on the real control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and
//! Kueue, the controller with exactly the rights that `deploy/` grants, and a node whose kubelet is
//! played.

#![expect(clippy::indexing_slicing, reason = "JSON reads as null where nothing is")]

mod actions;
mod authors;
mod bad_input;
mod brakes;
mod commands;
mod conformance;
mod crashes;
mod image;
mod install;
mod kinds;
mod leaving;
mod many;
mod people;
mod profiles;
mod requeues;
mod restraint;
mod rights;
mod rules;
mod stage;
mod table;
pub(crate) mod whole_run;
mod world;
mod writes;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use libtest_mimic::Trial;
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, RwLock};

use crate::Outcome;
use stage::Stage;
use world::World;

/// How many tests run at once.
pub(crate) const AT_ONCE: usize = 10;

/// A scenario: its sentence as a name, and what happens.
type Scenario = (&'static str, fn(Stage) -> Played);
/// A scenario that is being played.
type Played = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Makes a table of scenarios out of async functions; their names are the tests' names.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        /// The scenarios of this file.
        pub(super) const ALL: &[super::Scenario] =
            &[$((stringify!($name), |stage| Box::pin($name(stage)))),*];
    };
}
use scenarios;

/// The one cluster of the run, started when the first test asks for it.
pub(crate) struct Shared {
    runtime: Arc<Runtime>,
    world: Arc<OnceCell<Result<Arc<World>, String>>>,
    /// Read by a test that leaves room for others, written by one that takes all of the machine.
    room: Arc<RwLock<()>>,
}

impl Shared {
    /// Nothing is started yet.
    pub(crate) fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok(Self {
            runtime: Arc::new(runtime),
            world: Arc::new(OnceCell::new()),
            room: Arc::default(),
        })
    }

    /// All tests of this folder.
    pub(crate) fn trials(&self) -> Vec<Trial> {
        let scenarios = [
            // First, and each alone: they take all of the machine.
            ("many", many::ALL),
            ("actions", actions::ALL),
            ("authors", authors::ALL),
            ("bad_input", bad_input::ALL),
            ("brakes", brakes::ALL),
            ("commands", commands::ALL),
            ("conformance", conformance::ALL),
            ("crashes", crashes::ALL),
            ("install", install::ALL),
            ("kinds", kinds::ALL),
            ("leaving", leaving::ALL),
            ("people", people::ALL),
            ("profiles", profiles::ALL),
            ("requeues", requeues::ALL),
            ("restraint", restraint::ALL),
            ("rights", rights::ALL),
        ]
        .into_iter()
        .flat_map(|(file, scenarios)| scenarios.iter().map(move |scenario| (file, scenario)))
        .map(|(file, (name, scenario))| self.trial(file, (*name).to_owned(), *scenario));
        let rows = table::all().map(|(name, row)| {
            self.trial("table", name, move |stage| Box::pin(table::play(row, stage)))
        });
        let troubled = table::troubled().map(|(name, row)| {
            let play = move |stage| -> Played { Box::pin(table::play(row, stage)) };
            self.trial("troubled", name, play).with_ignored_flag(true)
        });
        let image = image::ALL.iter().map(|(name, scenario)| {
            self.trial("image", (*name).to_owned(), *scenario).with_ignored_flag(true)
        });
        scenarios.chain(rows).chain(troubled).chain(image).collect()
    }

    fn trial(
        &self,
        file: &str,
        name: String,
        scenario: impl FnOnce(Stage) -> Played + Send + 'static,
    ) -> Trial {
        let (runtime, world) = (Arc::clone(&self.runtime), Arc::clone(&self.world));
        let room = Arc::clone(&self.room);
        let alone = file == "many";
        Trial::test(format!("cluster::{file}::{name}"), move || {
            runtime.block_on(async {
                let world = world.get_or_init(World::start).await.clone()?;
                let _alone = if alone { Some(room.write().await) } else { None };
                let _shared = if alone { None } else { Some(room.read().await) };
                let stage = Stage::new(world, &name).await?;
                let witness = stage.witness();
                scenario(stage).await.map_err(|failure| witness.complete(&failure))
            })
        })
    }

    /// Ends the cluster, if there is one. Each text is a rule that something in the run has broken.
    pub(crate) fn stop(self) -> Vec<String> {
        let world = Arc::into_inner(self.world).and_then(OnceCell::into_inner);
        let Some(Ok(world)) = world else { return Vec::new() };
        self.runtime.block_on(async {
            let broken = whole_run::check(&world).await;
            World::stop(world).await;
            broken
        })
    }
}
