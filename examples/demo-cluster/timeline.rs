//! Two columns of what happened, printed as it happens.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use tokio::time::Instant;

use crate::Failure;
use crate::lane::Milestone;

/// Width of a column.
const WIDTH: usize = 44;

/// What has happened so far.
pub(crate) struct Timeline {
    begun: Instant,
    at: BTreeMap<(usize, Milestone), Instant>,
}

impl Timeline {
    /// Prints the head.
    pub(crate) fn begin() -> Self {
        say(&format!("{:>8}   {:WIDTH$} {}", "seconds", "without a policy", "with the policy"));
        say(&format!("{:>8}   {} {}", "-------", "-".repeat(WIDTH), "-".repeat(WIDTH)));
        Self { begun: Instant::now(), at: BTreeMap::new() }
    }

    /// Prints one happening.
    pub(crate) fn show(&mut self, column: usize, milestone: Milestone, at: Instant) {
        self.at.entry((column, milestone)).or_insert(at);
        let seconds = at.duration_since(self.begun).as_secs_f64();
        let text = milestone.text();
        let (left, right) = if column == 0 { (text.as_str(), "") } else { ("", text.as_str()) };
        say(format!("{seconds:>8.2}   {left:WIDTH$} {right}").trim_end());
    }

    /// Whether something has happened.
    pub(crate) fn has(&self, column: usize, milestone: Milestone) -> bool {
        self.at.contains_key(&(column, milestone))
    }

    /// Prints the end of the column that goes on for ever.
    pub(crate) fn close(&self) {
        let seconds = self.begun.elapsed().as_secs_f64();
        say(&format!("{seconds:>8.2}   {:WIDTH$}", "B still waits, and would for ever"));
    }

    /// Prints the measured seconds, and checks that they are what is promised.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        let at = |milestone| {
            self.at.get(&(1, milestone)).copied().ok_or_else(|| -> Failure {
                format!("it was never seen that: {}", milestone.text()).into()
            })
        };
        let decisive = at(Milestone::DecisiveFailure)?;
        let since = |milestone| at(milestone).map(|at| at.saturating_duration_since(decisive));
        let (held, quota, runs) =
            (since(Milestone::Held)?, since(Milestone::NextHasQuota)?, since(Milestone::NextRuns)?);
        say(&format!(
            "\nFrom the failed pull that reached the threshold: A was stopped after {}, B had the \
             quota after {}, B ran after {}.",
            text(held),
            text(quota),
            text(runs)
        ));
        if runs > Duration::from_secs(10) {
            return Err("B ran, but later than ten seconds after the threshold".into());
        }
        Ok(())
    }
}

fn text(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// Prints a line.
pub(crate) fn say(line: &str) {
    // Where standard output is closed nobody listens.
    let _unread = writeln!(std::io::stdout(), "{line}");
}
