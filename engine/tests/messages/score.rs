//! How well the corpus is read, as tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use dislodge_engine::cause::Cause;

use crate::corpus::Row;

/// Counts over the corpus.
#[derive(Default)]
pub(crate) struct Score {
    rows: usize,
    right: usize,
    /// Rows where neither truth nor another supported cause is `Unknown`, and the answer is.
    needlessly_unknown: usize,
    readable: usize,
    /// Right and all, by runtime.
    runtimes: BTreeMap<String, (usize, usize)>,
    /// Truth and answer to how often.
    confusion: BTreeMap<(String, String), usize>,
    /// What was read wrong.
    wrong: Vec<String>,
}

fn name(cause: Option<Cause>) -> String {
    cause.map_or("none", Cause::as_str).to_owned()
}

impl Score {
    pub(crate) fn of<'r>(answers: impl Iterator<Item = (&'r Row, Option<Cause>)>) -> Self {
        let mut score = Self::default();
        for (row, answer) in answers {
            let right = row.accepts(answer);
            let unknown = Some(Cause::Unknown);
            score.rows += 1;
            score.right += usize::from(right);
            if !row.accepts(unknown) {
                score.readable += 1;
                score.needlessly_unknown += usize::from(answer == unknown);
            }
            let runtime = row.runtime.split(' ').next().unwrap_or_default().to_owned();
            let runtime = score.runtimes.entry(runtime).or_default();
            runtime.0 += usize::from(right);
            runtime.1 += 1;
            *score.confusion.entry((name(row.cause), name(answer))).or_default() += 1;
            if !right {
                score.wrong.push(format!(
                    "{} read as {}: {} ({}, {}): {}",
                    name(row.cause),
                    name(answer),
                    row.reason,
                    row.runtime,
                    row.fault,
                    row.message
                ));
            }
        }
        score
    }

    /// The share of right answers.
    pub(crate) fn exact(&self) -> f64 {
        share(self.right, self.rows)
    }

    /// The share of `Unknown` among the rows that can be read.
    pub(crate) fn unknown(&self) -> f64 {
        share(self.needlessly_unknown, self.readable)
    }
}

fn share(part: usize, all: usize) -> f64 {
    f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(all.max(1)).unwrap())
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} of {} right, {} needlessly Unknown",
            self.right, self.rows, self.needlessly_unknown
        )?;
        writeln!(f, "\nruntime             right")?;
        for (runtime, (right, all)) in &self.runtimes {
            writeln!(f, "{runtime:<18} {right:>3} of {all}")?;
        }
        writeln!(
            f,
            "\ntruth (down) and answer (other than the truth: right where the text supports it too)"
        )?;
        let truths: BTreeSet<&String> = self.confusion.keys().map(|(truth, _)| truth).collect();
        for truth in truths {
            let answers = self.confusion.iter().filter(|((t, _), _)| t == truth);
            let answers: Vec<String> =
                answers.map(|((_, answer), count)| format!("{answer} {count}")).collect();
            writeln!(f, "{truth:<20} {}", answers.join(", "))?;
        }
        for wrong in &self.wrong {
            writeln!(f, "\n{wrong}")?;
        }
        Ok(())
    }
}
