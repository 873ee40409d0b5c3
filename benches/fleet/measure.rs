//! One program beside one server: started, listed, loaded, made to list anew, and left alone.

use std::path::PathBuf;
use std::time::Duration;

use dislodge::clock::Clock;
use dislodge_testbed::fleet::{Asked, Churn, Churned, Fleet, Pending, Plan};
use dislodge_testbed::usage::Usage;
use dislodge_testbed::{Process, Program, ports, probe};
use tokio::time::Instant;

use super::Failure;

/// The least time after which what a program does by itself is over.
const SETTLE: Duration = Duration::from_secs(15);

/// What happens after the first list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) rate: u32,
    pub(crate) lasts: Duration,
    pub(crate) failing: usize,
    pub(crate) quiet: Duration,
}

impl Load {
    /// Nothing does.
    pub(crate) const fn without_events(self) -> Self {
        Self { lasts: Duration::ZERO, failing: 0, quiet: Duration::ZERO, ..self }
    }
}

/// What it takes to list everything.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Listing {
    pub(crate) processor: Duration,
    pub(crate) wall: Duration,
    /// In KiB.
    pub(crate) peak: u64,
    /// In KiB, when it is over.
    pub(crate) resident: u64,
}

impl std::fmt::Display for Listing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (processor, wall) = (self.processor.as_secs_f64(), self.wall.as_secs_f64());
        let (peak, resident) = (self.peak / 1024, self.resident / 1024);
        write!(
            f,
            "{processor:.2} s of CPU in {wall:.1} s, {peak} MiB at the peak, {resident} MiB steady"
        )
    }
}

/// What was measured of one program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) plan: Option<Plan>,
    pub(crate) first: Listing,
    pub(crate) again: Listing,
    pub(crate) churned: Churned,
    /// Processor time during the events.
    pub(crate) processor: Duration,
    /// From the events' being sent to the patch, by the server, sorted.
    pub(crate) reactions: Vec<Duration>,
    /// From the event's being received to the patch's being handed over, by the program's own log, in
    /// milliseconds, sorted.
    pub(crate) within: Vec<f64>,
    /// Requests during the events and a while after.
    pub(crate) asked: Vec<Asked>,
    /// Writes in the quiet time.
    pub(crate) quiet: Vec<Asked>,
}

/// A program and the server that it talks to.
struct Running {
    fleet: Fleet,
    process: Process,
    usage: Usage,
    /// When the process was started.
    began: Instant,
    folder: PathBuf,
    _listening: dislodge_testbed::memory::Listening,
}

impl Measured {
    /// Dislodge itself.
    pub(crate) async fn controller(plan: Plan, load: Load) -> Result<Self, Failure> {
        Running::controller(plan).await?.measure(plan, load).await
    }

    /// One of the programs that it is compared with: this very one, in another role.
    pub(crate) async fn other(role: &'static str, plan: Plan, load: Load) -> Result<Self, Failure> {
        let running = Running::start(role, plan, |program, _, server| {
            program.arguments([role.to_owned(), server.to_owned()])
        })
        .await?;
        running.measure(plan, load).await
    }
}

/// How long Jobs of other namespaces wait for their stop, by the server, sorted: before a namespace floods with
/// [`FLOOD`] Jobs that fail, and meanwhile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flooded {
    pub(crate) before: Vec<Duration>,
    pub(crate) meanwhile: Vec<Duration>,
}

/// Jobs that fail within a second.
pub(crate) const FLOOD: usize = 2000;

impl Flooded {
    /// Measures it in a cluster of so many Pods, at 500 events a second.
    pub(crate) async fn measure(pods: usize) -> Result<Self, Failure> {
        let plan = Plan { pods, pending: Pending::Tenth, flood: FLOOD };
        let running = Running::controller(plan).await?;
        running.listed().await?;
        tokio::time::sleep(SETTLE).await;
        let failing = running.fleet.ready_to_fail() / 2;
        let churn = Churn { rate: 500, lasts: Duration::from_secs(20), failing, flood: false };
        running.fleet.churn(churn, 0).await;
        tokio::time::sleep(SETTLE).await;
        let mut before = running.fleet.reactions();
        running.fleet.churn(Churn { flood: true, ..churn }, failing).await;
        tokio::time::sleep(SETTLE).await;
        let mut meanwhile = running.fleet.reactions().split_off(before.len());
        before.sort();
        meanwhile.sort();
        running.process.terminate(Duration::from_secs(10)).await?;
        // Left over where it cannot be removed; nothing depends on it.
        let _left = std::fs::remove_dir_all(&running.folder);
        Ok(Self { before, meanwhile })
    }
}

impl Running {
    /// Dislodge itself, ready.
    async fn controller(plan: Plan) -> Result<Self, Failure> {
        let [port] = ports::free()?;
        let running = Self::start("dislodge", plan, |program, kubeconfig, _| {
            program
                .arguments(["controller", "--lease-namespace", "default", "--identity", "a"])
                .arguments(["--log-format", "json", "--metrics-address", "off"])
                .arguments(["--probe-address".to_owned(), format!("127.0.0.1:{port}")])
                .variable("KUBECONFIG", kubeconfig)
        })
        .await?;
        probe::ready(&running.process, port, 300).await?;
        Ok(running)
    }

    async fn start(
        name: &'static str,
        plan: Plan,
        arguments: impl FnOnce(Program, &PathBuf, &str) -> Program,
    ) -> Result<Self, Failure> {
        let folder =
            std::env::temp_dir().join(format!("dislodge-fleet-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let fleet = Fleet::new(plan, Clock::start().wall())?;
        let listening = fleet.listen().await?;
        let kubeconfig = folder.join("kubeconfig");
        listening.write_kubeconfig(&kubeconfig)?;
        let executable = match name {
            "dislodge" => PathBuf::from(env!("CARGO_BIN_EXE_dislodge")),
            _ => std::env::current_exe()?,
        };
        let server = format!("http://{}", listening.address());
        let program = arguments(Program::new(name, executable, &folder), &kubeconfig, &server);
        let (began, process) = (Instant::now(), Process::start(program).await?);
        let usage = Usage::new(process.pid());
        Ok(Self { fleet, process, usage, began, folder, _listening: listening })
    }

    async fn measure(self, plan: Plan, load: Load) -> Result<Measured, Failure> {
        let mut measured = Measured { plan: Some(plan), ..Measured::default() };
        self.listed().await?;
        measured.first = self.listing(Duration::ZERO, self.began).await?;

        let (before, processor) = (self.fleet.asked().len(), self.usage.processor()?);
        let (rate, lasts, failing) = (load.rate, load.lasts, load.failing);
        let churn = Churn { rate, lasts, failing, flood: false };
        measured.churned = self.fleet.churn(churn, 0).await;
        measured.processor = self.usage.processor()?.saturating_sub(processor);
        tokio::time::sleep(SETTLE).await;
        measured.asked = self.fleet.asked().split_off(before);
        measured.reactions = self.fleet.reactions();
        measured.reactions.sort();

        self.usage.forget_peak()?;
        let (processor, began) = (self.usage.processor()?, Instant::now());
        self.fleet.expire().await;
        self.listed().await?;
        measured.again = self.listing(processor, began).await?;

        let before = self.fleet.asked().len();
        let nothing = Churn { rate: 0, lasts: load.quiet, failing: 0, flood: false };
        self.fleet.churn(nothing, 0).await;
        measured.quiet = self.fleet.asked().split_off(before);
        measured.quiet.retain(Asked::writes);

        self.process.terminate(Duration::from_secs(10)).await?;
        measured.within = within(&self.process.read_log()?);
        // Left over where it cannot be removed; nothing depends on it.
        let _left = std::fs::remove_dir_all(&self.folder);
        Ok(measured)
    }

    /// Waits until all that is listed is watched.
    async fn listed(&self) -> Result<(), Failure> {
        while !self.fleet.is_watched() {
            self.process.check()?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// What a list took that is over now, from this processor time and moment on.
    async fn listing(&self, processor: Duration, began: Instant) -> Result<Listing, Failure> {
        let taken = (self.usage.processor()?.saturating_sub(processor), began.elapsed());
        tokio::time::sleep(SETTLE).await;
        Ok(Listing {
            processor: taken.0,
            wall: taken.1,
            peak: self.usage.peak()?,
            resident: self.usage.resident()?,
        })
    }
}

/// How long the holds of a log took from the event to the patch, in milliseconds, sorted.
fn within(log: &str) -> Vec<f64> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let holds = lines.filter(|line| line.get("effect").is_some_and(|effect| effect == "Hold"));
    let mut all: Vec<f64> =
        holds.filter_map(|line| line.get("event_to_patch_ms")?.as_f64()).collect();
    all.sort_by(f64::total_cmp);
    all
}
