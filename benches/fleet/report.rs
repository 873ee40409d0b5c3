//! The table: what was measured, next to its goal.

#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::fmt;
use std::time::Duration;

use dislodge_testbed::fleet::{Asked, PODS_PER_JOB};

use super::measure::{FLOOD, Flooded, Load, Measured};

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) pods: usize,
    pub(crate) load: Load,
    /// A tenth of the Pods wait for an image.
    pub(crate) dislodge: Measured,
    /// All of them do.
    pub(crate) pending: Measured,
    pub(crate) echo: Measured,
    pub(crate) store: Measured,
    pub(crate) flooded: Flooded,
}

/// One line: what, the figure with its unit, and the goal.
struct Line<'a>(&'a str, f64, &'a str, Option<f64>);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(what, figure, unit, goal) = self;
        write!(f, "  {what:<52} {figure:>9.2} {unit:<4}")?;
        match goal {
            Some(goal) if figure <= goal => writeln!(f, "  goal {goal:>7.2}  ok"),
            Some(goal) => writeln!(f, "  goal {goal:>7.2}  MISSED"),
            None => writeln!(f),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = self.pods.div_ceil(PODS_PER_JOB);
        writeln!(f, "\ndislodge, {} Pods, {jobs} Jobs, {jobs} Workloads:", self.pods)?;
        self.size().iter().try_for_each(|line| write!(f, "{line}"))?;
        self.pace().iter().try_for_each(|line| write!(f, "{line}"))?;
        self.requests().iter().try_for_each(|line| write!(f, "{line}"))?;
        writeln!(f, "\nJobs of other namespaces, while one floods with {FLOOD} that fail:")?;
        self.flood().iter().try_for_each(|line| write!(f, "{line}"))?;
        writeln!(f, "\na client that only echoes, same server, same events:")?;
        self.echoed().iter().try_for_each(|line| write!(f, "{line}"))?;
        let stored = self.stored();
        writeln!(
            f,
            "\nkube's typed reflector stores, {stored} Pods with their Jobs and Workloads:"
        )?;
        self.reflected().iter().try_for_each(|line| write!(f, "{line}"))
    }
}

impl Report {
    fn size(&self) -> [Line<'static>; 5] {
        let (tenth, all) = (&self.dislodge, &self.pending);
        [
            Line(
                "resident, a tenth of the Pods pending",
                mib(tenth.first.resident),
                "MiB",
                Some(64.0),
            ),
            Line("resident, all Pods pending", mib(all.first.resident), "MiB", Some(128.0)),
            Line("peak at relist, a tenth", mib(tenth.again.peak), "MiB", Some(1.5 * 64.0)),
            Line("peak at relist, all", mib(all.again.peak), "MiB", Some(1.5 * 128.0)),
            Line(
                "resident after events and a relist, a tenth",
                mib(tenth.again.resident),
                "MiB",
                None,
            ),
        ]
    }

    fn pace(&self) -> [Line<'static>; 11] {
        let of = &self.dislodge;
        let seen = millis(&of.reactions);
        [
            Line("start to ready: CPU", seconds(of.first.processor), "s", Some(4.0)),
            Line("start to ready: wall", seconds(of.first.wall), "s", None),
            Line("relist: CPU", seconds(of.again.processor), "s", Some(4.0)),
            Line("relist: wall", seconds(of.again.wall), "s", None),
            Line("CPU at these events, of one core", self.share(of), "", Some(0.5)),
            Line("event to patch in the process, p50", percentile(&of.within, 50), "ms", None),
            Line("event to patch in the process, p99", percentile(&of.within, 99), "ms", Some(5.0)),
            Line("event to patch by the server, p50", percentile(&seen, 50), "ms", None),
            Line("event to patch by the server, p99", percentile(&seen, 99), "ms", None),
            Line("events sent, a second", self.rate(), "", None),
            Line("the stream behind, at most", seconds(of.churned.behind) * 1e3, "ms", None),
        ]
    }

    fn requests(&self) -> [Line<'static>; 5] {
        let of = &self.dislodge;
        let actions = of.reactions.len() as f64;
        let count = |what: fn(&Asked) -> bool| {
            of.asked.iter().filter(|asked| what(asked)).count() as f64 / actions.max(1.0)
        };
        [
            Line("actions", actions, "", None),
            Line(
                "writes to others' objects, an action",
                count(Asked::writes_others),
                "",
                Some(2.0),
            ),
            Line("reads of an object, an action", count(Asked::reads_one), "", Some(0.0)),
            Line("writes of all kinds, an action", count(Asked::writes), "", None),
            Line("writes in the quiet time", of.quiet.len() as f64, "", Some(0.0)),
        ]
    }

    fn flood(&self) -> [Line<'static>; 5] {
        let [before, meanwhile] =
            [&self.flooded.before, &self.flooded.meanwhile].map(|times| millis(times));
        let ratio = percentile(&meanwhile, 99) / percentile(&before, 99);
        [
            Line("of these, before and meanwhile", before.len() as f64, "", None),
            Line("event to patch by the server, p99, before", percentile(&before, 99), "ms", None),
            Line("event to patch by the server, p99", percentile(&meanwhile, 99), "ms", None),
            Line("how many times as long", ratio, "", Some(2.0)),
            Line("stops that did not come", missing(&before, &meanwhile), "", Some(0.0)),
        ]
    }

    fn echoed(&self) -> [Line<'static>; 3] {
        let seen = millis(&self.echo.reactions);
        [
            Line("event to patch by the server, p50", percentile(&seen, 50), "ms", None),
            Line("event to patch by the server, p99", percentile(&seen, 99), "ms", None),
            Line("CPU at these events, of one core", self.share(&self.echo), "", None),
        ]
    }

    fn reflected(&self) -> [Line<'static>; 5] {
        let (of, more) = (&self.store, self.pods as f64 / self.stored() as f64);
        [
            Line("resident", mib(of.first.resident), "MiB", None),
            Line(
                "resident, times what it takes for all Pods",
                more * mib(of.first.resident),
                "MiB",
                None,
            ),
            Line("peak at relist, likewise", more * mib(of.again.peak), "MiB", None),
            Line("relist: CPU, likewise", more * seconds(of.again.processor), "s", None),
            Line("CPU at these events, of one core", self.share(of), "", None),
        ]
    }

    /// Pods in the stores.
    fn stored(&self) -> usize {
        self.store.plan.map_or(1, |plan| plan.pods)
    }

    fn share(&self, of: &Measured) -> f64 {
        seconds(of.processor) / seconds(self.load.lasts).max(1.0)
    }

    fn rate(&self) -> f64 {
        self.dislodge.churned.events as f64 / seconds(self.load.lasts).max(1.0)
    }

    /// What is broken that has nothing to do with the machine.
    pub(crate) fn broken(&self) -> Option<String> {
        let of = &self.dislodge;
        let actions = of.reactions.len();
        let writes = of.asked.iter().filter(|asked| asked.writes_others()).count();
        if actions == 0 {
            return Some("no Job was stopped".to_owned());
        }
        if writes != 2 * actions {
            return Some(format!("{writes} writes to others' objects for {actions} actions"));
        }
        if let Some(read) = of.asked.iter().find(|asked| asked.reads_one()) {
            return Some(format!("{} was read", read.path));
        }
        let write = of.quiet.first()?;
        Some(format!("{} {} although nothing had happened", write.method, write.path))
    }
}

/// How many fewer there are.
fn missing(before: &[f64], meanwhile: &[f64]) -> f64 {
    before.len().saturating_sub(meanwhile.len()) as f64
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn millis(times: &[Duration]) -> Vec<f64> {
    times.iter().map(|time| time.as_secs_f64() * 1e3).collect()
}

/// The value below which so many of a hundred are, of a sorted list.
fn percentile(sorted: &[f64], of: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * of / 100).min(last)).copied().unwrap_or(f64::NAN)
}
