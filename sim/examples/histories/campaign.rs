//! Plays random histories on all cores, by seeds one after the other. The first that break a rule are made small
//! and told step by step.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use dislodge_sim::random::{Played, Recipe};
use dislodge_sim::world::Violation;

/// So many of those that break a rule are told.
const TOLD: usize = 3;

/// How histories are played.
pub(crate) struct Campaign<P, S> {
    /// So many, where the command line does not say.
    pub(crate) usual: u64,
    /// After so many it is said how far it is.
    pub(crate) progress: u64,
    /// Plays one.
    pub(crate) play: P,
    /// What happens in one, line by line.
    pub(crate) story: S,
}

impl<P, S> Campaign<P, S>
where
    P: Fn(&Recipe) -> Result<Played, Violation> + Sync,
    S: Fn(&Recipe) -> Vec<String> + Sync,
{
    /// Plays `FIRST COUNT` of the command line. Ends with 1 where one breaks a rule.
    #[expect(clippy::disallowed_methods, reason = "a measurement")]
    pub(crate) fn run(&self) -> ExitCode {
        let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
        let (first, count) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(self.usual));
        let started = std::time::Instant::now();
        let (next, sums, broken) =
            (AtomicU64::new(first), Mutex::new(Played::default()), Mutex::new(Vec::new()));
        let play = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + count {
                    return;
                }
                match (self.play)(&Recipe::random(seed)) {
                    Ok(played) => sums.lock().unwrap_or_else(PoisonError::into_inner).add(played),
                    Err(violation) => {
                        say(&format!("seed {seed}: {violation}"));
                        let mut broken = broken.lock().unwrap_or_else(PoisonError::into_inner);
                        broken.push((seed, violation));
                    }
                }
                let done = seed + 1 - first;
                if done.is_multiple_of(self.progress) {
                    let seconds = started.elapsed().as_secs();
                    say(&format!("{done} of {count}, {} a second", done / seconds.max(1)));
                }
            }
        };
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(play))));
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);

        let mut broken = broken.into_inner().unwrap_or_else(PoisonError::into_inner);
        broken.sort_by_key(|(seed, _)| *seed);
        for (seed, violation) in broken.iter().take(TOLD) {
            self.tell(*seed, violation);
        }
        let sums = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Played { steps, writes, holds } = sums;
        let rate = count.saturating_mul(1000) / millis;
        // The program takes no steps: it is no model.
        let steps = if steps > 0 { format!("{steps} steps, ") } else { String::new() };
        say(&format!(
            "{count} histories on {threads} cores, {rate} a second: {steps}{writes} writes, {holds} holds, \
             {} broken",
            broken.len()
        ));
        if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn tell(&self, seed: u64, violation: &Violation) {
        let breaks =
            |recipe: &Recipe| (self.play)(recipe).is_err_and(|again| again.rule == violation.rule);
        let small = Recipe::random(seed).shrink_by(breaks);
        let broken = (self.play)(&small).err().unwrap_or_else(|| violation.clone());
        say(&format!("seed {seed}, made small: {broken}"));
        for item in &small.items {
            say(&format!("    {item:?}"));
        }
        for line in (self.story)(&small) {
            say(&format!("        {line}"));
        }
    }
}

fn say(line: &str) {
    let _closed = writeln!(std::io::stdout(), "{line}");
}
