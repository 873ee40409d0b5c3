//! The API server in memory, as clients see it: kube, the built program, and kubectl.

#![expect(clippy::indexing_slicing, reason = "JSON reads as null where nothing is")]

mod client;
mod kubectl;
mod program;
pub(crate) mod script;
mod secrets;
mod upgrade;

use std::future::Future;

use dislodge_sim::api::Server;
use dislodge_sim::policies;
use dislodge_testbed::Memory;
use jiff::Timestamp;
use libtest_mimic::Trial;

pub(crate) use self::program::Folder;
use crate::Outcome;

/// A test: its sentence as a name, and the check.
type Test = (&'static str, fn() -> Outcome);

/// All tests.
pub(crate) fn trials() -> Vec<Trial> {
    let named = |(name, test): &Test| Trial::test(format!("memory::{name}"), *test);
    let mut trials: Vec<Trial> = [client::ALL, program::ALL, secrets::ALL, upgrade::ALL]
        .into_iter()
        .flatten()
        .map(named)
        .collect();
    // Where there is no kubectl, they are shown as ignored.
    let missing = !kubectl::is_there();
    trials.extend(kubectl::ALL.iter().map(|test| named(test).with_ignored_flag(missing)));
    trials
}

/// An API server in memory at that time, with the rules of our CRD.
pub(crate) fn memory(now: Timestamp) -> Memory {
    let mut server = Server::new(10_000, 1, now);
    server.define("imagepullpolicies", policies::schema());
    Memory::new(server, now)
}

/// Plays a test in virtual time.
fn virtually(test: impl Future<Output = Outcome>) -> Outcome {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build()?.block_on(test)
}

/// Plays a test in real time.
pub(crate) fn really(test: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(test)
}

/// The time that it is.
pub(crate) fn wall() -> Timestamp {
    dislodge::clock::Clock::start().wall()
}
