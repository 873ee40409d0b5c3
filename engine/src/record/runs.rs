//! Failed pulls in a row, in little room.

use jiff::Timestamp;

use crate::cause::Cause;

/// At most so many runs are kept: the oldest go, which under-counts and never over-counts.
const MOST_RUNS: usize = 16;

/// Consecutive failed pulls with one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The cause.
    pub cause: Cause,
    /// How many.
    pub failed_pulls: u32,
    /// When the first of them was published.
    pub first: Timestamp,
    /// When the newest of them was published.
    pub last: Timestamp,
}

/// The failed pulls of one image, oldest first, with nothing but failures between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs(Vec<Run>);

impl Runs {
    /// One run, as a checkpoint keeps it.
    pub fn of(run: Run) -> Self {
        Self(vec![run])
    }

    /// Adds a failed pull.
    pub fn push(&mut self, cause: Cause, at: Timestamp) {
        match self.0.last_mut() {
            Some(run) if run.cause == cause => {
                run.failed_pulls = run.failed_pulls.saturating_add(1);
                run.last = run.last.max(at);
            }
            _ => {
                if self.0.len() == MOST_RUNS {
                    self.0.remove(0);
                }
                self.0.reserve_exact(1);
                self.0.push(Run { cause, failed_pulls: 1, first: at, last: at });
            }
        }
    }

    /// When the oldest failure that is known was published.
    pub fn first(&self) -> Option<Timestamp> {
        self.0.iter().map(|run| run.first).min()
    }

    /// Adds what failed later.
    pub fn append(&mut self, later: Self) {
        for run in later.0 {
            self.push(run.cause, run.first);
            if let Some(newest) = self.0.last_mut() {
                newest.failed_pulls = newest.failed_pulls.saturating_add(run.failed_pulls - 1);
                newest.last = newest.last.max(run.last);
            }
        }
    }

    /// Whether nothing has failed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All failed pulls.
    pub fn failed_pulls(&self) -> u32 {
        self.0.iter().fold(0, |sum, run| sum.saturating_add(run.failed_pulls))
    }

    /// The cause of the newest.
    pub fn newest_cause(&self) -> Option<Cause> {
        self.newest().map(|run| run.cause)
    }

    /// The newest run.
    pub fn newest(&self) -> Option<Run> {
        self.0.last().copied()
    }

    /// The newest consecutive ones with these causes, as one run with the newest cause.
    pub fn newest_of(&self, causes: &[Cause]) -> Option<Run> {
        let mut suffix = self.0.iter().rev().take_while(|run| causes.contains(&run.cause));
        let newest = *suffix.next()?;
        Some(suffix.fold(newest, |sum, run| Run {
            failed_pulls: sum.failed_pulls.saturating_add(run.failed_pulls),
            first: run.first,
            ..sum
        }))
    }

    /// Drops the failures with these causes.
    pub fn forget(&mut self, which: impl Fn(Cause) -> bool) {
        self.0.retain(|run| !which(run.cause));
    }

    /// No more than so many failed pulls: what exceeds it is taken from the oldest.
    pub fn cap(&mut self, most: u32) {
        let mut room = most;
        for run in self.0.iter_mut().rev() {
            run.failed_pulls = run.failed_pulls.min(room);
            room -= run.failed_pulls;
        }
        self.0.retain(|run| run.failed_pulls > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn runs(failures: &[(Cause, i64)]) -> Runs {
        let mut runs = Runs::default();
        for (cause, second) in failures {
            runs.push(*cause, at(*second));
        }
        runs
    }

    #[test]
    fn a_rule_sees_the_newest_consecutive_failures_whose_causes_it_lists() {
        use Cause::{NotFound, RateLimited, Unknown};
        let runs = runs(&[(NotFound, 0), (RateLimited, 10), (Unknown, 30), (Unknown, 70)]);
        for (causes, pulls, first) in [
            (&[Unknown][..], Some(2), 30),
            (&[Unknown, RateLimited], Some(3), 10),
            (&[Unknown, NotFound], Some(2), 30),
            (&[NotFound], None, 0),
            (&[Unknown, RateLimited, NotFound], Some(4), 0),
        ] {
            let run = runs.newest_of(causes);
            assert_eq!(run.map(|r| r.failed_pulls), pulls, "{causes:?}");
            assert!(run.is_none_or(|r| r.first == at(first) && r.last == at(70)), "{causes:?}");
        }
    }

    #[test]
    fn failures_with_one_cause_are_one_run_however_many() {
        let runs = runs(&[(Cause::NotFound, 5); 100]);
        assert_eq!((runs.0.len(), runs.failed_pulls()), (1, 100));
    }

    #[test]
    fn a_cap_takes_from_the_oldest() {
        let mut runs = runs(&[(Cause::NotFound, 0), (Cause::NotFound, 10), (Cause::Unknown, 30)]);
        runs.cap(2);
        assert_eq!(runs.failed_pulls(), 2);
        assert_eq!(runs.newest_cause(), Some(Cause::Unknown));
        runs.cap(0);
        assert!(runs.is_empty());
    }

    #[test]
    fn alternating_causes_do_not_grow_without_bound() {
        let mut runs = Runs::default();
        for n in 0..1000 {
            runs.push(if n % 2 == 0 { Cause::Unknown } else { Cause::NotFound }, at(n));
        }
        assert!(runs.0.len() <= MOST_RUNS);
    }
}
