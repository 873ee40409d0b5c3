//! What Dislodge costs in a cluster of 150,000 Pods, 50,000 Jobs and as many Workloads, at 5,000 watch
//! events a second: the release binary against a server on loopback, each figure next to its goal, next to
//! a client that only echoes, and next to kube's typed reflector stores.
//!
//! `make bench-fleet` runs it, in about ten minutes. `FLEET_PODS`, `FLEET_SECONDS` (of events) and
//! `FLEET_QUIET` (seconds without any) make it smaller or larger; with `FLEET_ALONE` Dislodge's own memory and
//! times are all that is measured. It fails where a rule is broken that has
//! nothing to do with the machine: a read or a superfluous write. Goals that are missed are shown.

mod echo;
mod measure;
mod report;
mod store;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use dislodge_testbed::fleet::{Pending, Plan};
use dislodge_testbed::supervise;

use self::measure::{Flooded, Load, Measured};
use self::report::Report;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Pods of which the stores of kube are measured: at 42 KB each, all of them would need 10 GB.
const STORED: usize = 15_000;

/// Pods of the cluster of which one namespace floods: enough others that fail meanwhile, for a p99.
const FLOODED: usize = 60_000;

fn main() -> ExitCode {
    supervise::run_if_asked();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [role, server] if role == "echo" => runtime.block_on(echo::run(server)),
        [role, server] if role == "store" => runtime.block_on(store::run(server)),
        _ => runtime.block_on(Box::pin(run())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failed(&failure),
    }
}

async fn run() -> Result<(), Failure> {
    let pods = setting("FLEET_PODS", 150_000)?;
    let load = Load {
        rate: 5000,
        lasts: Duration::from_secs(setting("FLEET_SECONDS", 60)?),
        failing: 200,
        quiet: Duration::from_secs(setting("FLEET_QUIET", 300)?),
    };
    let plan = |pods, pending| Plan { pods, pending, flood: 0 };
    say(&format!("{pods} Pods, {} events a second for {} s", load.rate, load.lasts.as_secs()));
    let dislodge = Measured::controller(plan(pods, Pending::Tenth), load).await?;
    say(&format!("a tenth pending: {}, then {}", dislodge.first, dislodge.again));
    let pending = Measured::controller(plan(pods, Pending::All), load.without_events()).await?;
    say(&format!("all pending: {}, then {}", pending.first, pending.again));
    if std::env::var_os("FLEET_ALONE").is_some() {
        return Ok(());
    }
    let echo = Measured::other("echo", plan(pods, Pending::Tenth), load).await?;
    let store = Measured::other("store", plan(STORED.min(pods), Pending::Tenth), load).await?;
    let flooded = Flooded::measure(pods.clamp(15_000, FLOODED)).await?;
    let report = Report { pods, load, dislodge, pending, echo, store, flooded };
    say(&report.to_string());
    report.broken().map_or(Ok(()), |broken| Err(broken.into()))
}

/// A whole number out of the environment.
fn setting<T: std::str::FromStr>(name: &str, otherwise: T) -> Result<T, Failure> {
    match std::env::var(name) {
        Ok(text) => text.parse().map_err(|_| format!("{name}={text} is no whole number").into()),
        Err(_) => Ok(otherwise),
    }
}

fn failed(failure: &Failure) -> ExitCode {
    say(&format!("FAILED: {failure}"));
    ExitCode::FAILURE
}

/// Prints a line; a closed pipe is nobody's fault.
fn say(line: &str) {
    let _closed = writeln!(std::io::stdout(), "{line}");
}
