//! The program in a cluster of 10,000 Pods, with what holds on any machine: what it writes, what it reads
//! and what it keeps. What it costs is measured by `make bench-fleet`.

use std::time::Duration;

use dislodge_testbed::deadline::until;
use dislodge_testbed::fleet::{Asked, Churn, Fleet, Pending, Plan};
use dislodge_testbed::usage::Usage;
use dislodge_testbed::{Process, Program, ports, probe};

use crate::Outcome;
use crate::memory::{Folder, really, wall};

/// A test: its sentence as a name, and the check.
type Test = (&'static str, fn() -> Outcome);

/// All tests.
pub(crate) const ALL: &[Test] =
    &[("ten_thousand_pods_cost_two_writes_for_each_job_that_is_stopped", ten_thousand_pods)];

const PODS: usize = 10_000;
/// Jobs whose image does not exist.
const FAILING: usize = 10;
/// What the process may take for each Pod, with its share of Job and Workload, in bytes: several times what
/// it does take, and a fraction of what a store of Pods would (42 KB).
const BYTES_PER_POD: u64 = 4096;
/// What it may take besides, in KiB: the program itself, not optimised, and the pages of a list.
const BASE: u64 = 80 * 1024;
/// What a program does by itself is over after so long: statuses are written every 10 s at most.
const SETTLE: Duration = Duration::from_secs(15);

fn ten_thousand_pods() -> Outcome {
    really(async {
        let folder = Folder::new("fleet")?;
        let fleet = Fleet::new(Plan { pods: PODS, pending: Pending::Tenth, flood: 0 }, wall())?;
        let listening = fleet.listen().await?;
        let kubeconfig = folder.file("kubeconfig");
        listening.write_kubeconfig(&kubeconfig)?;
        let [port] = ports::free()?;
        let program = Program::new("dislodge", env!("CARGO_BIN_EXE_dislodge"), &folder.file(""))
            .arguments(["controller", "--lease-namespace", "default", "--identity", "a"])
            .arguments(["--probe-address".to_owned(), format!("127.0.0.1:{port}")])
            .arguments(["--metrics-address", "off"])
            .variable("KUBECONFIG", &kubeconfig);
        let process = Process::start(program).await?;
        probe::ready(&process, port, 120).await?;
        listed(&fleet).await?;
        tokio::time::sleep(SETTLE).await;

        let before = fleet.asked().len();
        let churn =
            Churn { rate: 500, lasts: Duration::from_secs(10), failing: FAILING, flood: false };
        fleet.churn(churn, 0).await;
        tokio::time::sleep(SETTLE).await;
        let asked = fleet.asked().split_off(before);
        let writes = asked.iter().filter(|asked| asked.writes_others()).count();
        same("Jobs that were stopped", fleet.reactions().len(), FAILING)?;
        same("writes to others' objects", writes, 2 * FAILING)?;
        same("objects that were read", asked.iter().filter(|asked| asked.reads_one()).count(), 0)?;

        let usage = Usage::new(process.pid());
        fleet.expire().await;
        listed(&fleet).await?;
        quiet(&fleet).await?;
        let (peak, most) = (usage.peak()?, BASE + PODS as u64 * BYTES_PER_POD / 1024);
        if peak > most {
            return Err(
                format!("{peak} KiB were taken at the peak, {most} KiB at most are right").into()
            );
        }
        process.kill().await;
        Ok(())
    })
}

/// Nothing is written any more. What the counts of before are saved as may still come: once, within a minute.
async fn quiet(fleet: &Fleet) -> Outcome {
    let mut written = Vec::new();
    for _ in 0..5 {
        let before = fleet.asked().len();
        tokio::time::sleep(SETTLE).await;
        written = fleet.asked().split_off(before);
        written.retain(Asked::writes);
        if written.is_empty() {
            return Ok(());
        }
    }
    Err(format!("written although nothing happens: {written:#?}").into())
}

async fn listed(fleet: &Fleet) -> Outcome {
    Ok(until(120, "everything being listed", || {
        let watched = fleet.is_watched();
        async move { if watched { Ok(()) } else { Err("not yet".to_owned()) } }
    })
    .await?)
}

fn same(what: &str, found: usize, expected: usize) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: {found}, not {expected}").into())
}
