//! Plays random histories with each seeded mistake until one breaks a rule: `seeded-bugs MOST NAME`, at
//! most so many (100,000), of the mistakes whose names contain NAME. Prints what caught what, and how
//! small the history could be made; ends with 1 where a mistake was not caught.

use std::io::Write as _;
use std::process::ExitCode;

use dislodge_sim::random::Recipe;
use dislodge_sim::world::{Mistake, Violation};
use rayon::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// So many are played at once.
const AT_ONCE: u64 = 64;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let most = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let part = arguments.next().unwrap_or_default();
    let mut missed = 0;
    let mut all = 0;
    say(&format!(
        "{:<25}{:<5}{:>8}{:>8}{:>7}  {}",
        "mistake", "rule", "seed", "items", "writes", "what"
    ));
    for mistake in Mistake::ALL.iter().filter(|mistake| format!("{mistake:?}").contains(&part)) {
        all += 1;
        let Some((seed, violation)) = caught(*mistake, most) else {
            missed += 1;
            say(&format!("{:<25}not caught in {most} histories", format!("{mistake:?}")));
            continue;
        };
        let small = Recipe::random(seed).mistaken(*mistake).shrink(violation.rule);
        let story = small.story();
        let writes = story.iter().filter(|line| line.contains(": Ok(")).count();
        let what = small.play().err().unwrap_or(violation);
        say(&format!(
            "{:<25}{:<5}{seed:>8}{:>8}{writes:>7}  {}",
            format!("{mistake:?}"),
            what.rule,
            small.items.len(),
            what.what
        ));
    }
    say(&format!("{} of {all} mistakes caught", all - missed));
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The first seed with which a mistake breaks a rule.
fn caught(mistake: Mistake, most: u64) -> Option<(u64, Violation)> {
    for first in (0..most).step_by(usize::try_from(AT_ONCE).unwrap_or(1)) {
        let seeds: Vec<u64> = (first..most.min(first + AT_ONCE)).collect();
        let played = seeds
            .par_iter()
            .map(|seed| Recipe::random(*seed).mistaken(mistake).play())
            .collect::<Vec<_>>();
        let broken = seeds.into_iter().zip(played).find_map(|(seed, p)| Some((seed, p.err()?)));
        if broken.is_some() {
            return broken;
        }
    }
    None
}

fn say(line: &str) {
    let _closed = writeln!(std::io::stdout(), "{line}");
}
