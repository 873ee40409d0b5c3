//! Plays random histories on all cores: `histories FIRST COUNT`, by seeds from FIRST on. The first that
//! break a rule are made small and told step by step. Ends with 1 where any does.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use dislodge_sim::random::{Played, Recipe};
use dislodge_sim::world::Violation;

/// So many of those that break a rule are told.
const TOLD: usize = 3;
/// How often progress is said.
const PROGRESS: u64 = 5000;

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let (first, count) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(10_000));
    let started = std::time::Instant::now();
    let (next, sums, broken) =
        (AtomicU64::new(first), Mutex::new(Played::default()), Mutex::new(Vec::new()));
    let play = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            match Recipe::random(seed).play() {
                Ok(played) => sums.lock().unwrap_or_else(PoisonError::into_inner).add(played),
                Err(violation) => {
                    say(&format!("seed {seed}: {violation}"));
                    broken.lock().unwrap_or_else(PoisonError::into_inner).push((seed, violation));
                }
            }
            let done = seed + 1 - first;
            if done.is_multiple_of(PROGRESS) {
                let seconds = started.elapsed().as_secs();
                say(&format!("{done} of {count}, {} a second", done / seconds.max(1)));
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(play))));

    let broken = broken.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (seed, violation) in broken.iter().take(TOLD) {
        tell(*seed, violation);
    }
    let Played { steps, writes, holds } = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = count.saturating_mul(1000) / millis;
    say(&format!(
        "{count} histories on {threads} cores, {rate} a second: {steps} steps, {writes} writes, {holds} \
         holds, {} broken",
        broken.len()
    ));
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(seed: u64, violation: &Violation) {
    let small = Recipe::random(seed).shrink(violation.rule);
    say(&format!(
        "seed {seed}, made small: {}",
        small.play().err().unwrap_or_else(|| violation.clone())
    ));
    small.items.iter().for_each(|item| say(&format!("    {item:?}")));
    small.story().iter().for_each(|line| say(&format!("        {line}")));
}

fn say(line: &str) {
    let _closed = writeln!(std::io::stdout(), "{line}");
}
