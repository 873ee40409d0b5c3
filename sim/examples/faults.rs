//! Plays each fault of the table alone, with each action, and all pairs of them: `faults SEEDS PAIRS`
//! (100 and 10), so many seeds each. Prints the table; ends with 1 where a rule is broken.

use std::io::Write as _;
use std::process::ExitCode;

use dislodge_engine::api::Action;
use dislodge_sim::random::{FAULTS, Fault, Played, Recipe, Tier};
use dislodge_sim::world::Violation;
use rayon::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ACTIONS: [Action; 4] =
    [Action::FailJob, Action::SuspendJob, Action::RequeueJob, Action::Report];
/// So many of those that break a rule are made small.
const TOLD: usize = 5;

/// One history to be played.
struct Play {
    faults: Vec<&'static Fault>,
    action: Action,
    seed: u64,
}

impl Play {
    fn recipe(&self) -> Recipe {
        Recipe::with(self.seed, self.action, &self.faults)
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let (seeds, pairs) = (numbers.next().unwrap_or(100), numbers.next().unwrap_or(10));
    let started = std::time::Instant::now();
    let played =
        |faults: &[&'static Fault], action, seed| Play { faults: faults.to_vec(), action, seed };
    let in_engine = || FAULTS.iter().filter(|fault| matches!(fault.tier, Tier::Engine(_)));
    let mut broken: Vec<(Play, Violation)> = Vec::new();
    let mut count = 0;

    say(&format!(
        "{:<5}{:<62}{:>10}{:>8}{:>8}{:>8}",
        "", "fault", "histories", "writes", "holds", "broken"
    ));
    for fault in &FAULTS {
        let name = format!("F{}", fault.number);
        if let Tier::Elsewhere(why) = fault.tier {
            say(&format!("{name:<5}{:<62}  not here: {why}", fault.name));
            continue;
        }
        let alone = ACTIONS
            .into_iter()
            .flat_map(|action| (0..seeds).map(move |seed| played(&[fault], action, seed)));
        let alone: Vec<Play> = alone.collect();
        count += alone.len();
        let (sum, found) = play(alone);
        say(&format!(
            "{name:<5}{:<62}{:>10}{:>8}{:>8}{:>8}",
            fault.name,
            seeds * ACTIONS.len() as u64,
            sum.writes,
            sum.holds,
            found.len()
        ));
        broken.extend(found);
    }
    let both = in_engine().flat_map(|one| {
        in_engine().filter(|other| other.number > one.number).map(move |other| [one, other])
    });
    let both: Vec<Play> = both
        .flat_map(|pair| {
            let actions = ACTIONS.into_iter().cycle();
            (0..pairs).zip(actions).map(move |(seed, action)| played(&pair, action, seed))
        })
        .collect();
    let number = both.len();
    count += number;
    let (sum, found) = play(both);
    say(&format!(
        "{:<5}{:<62}{number:>10}{:>8}{:>8}{:>8}",
        "",
        "all pairs",
        sum.writes,
        sum.holds,
        found.len()
    ));
    broken.extend(found);
    for (play, violation) in &broken {
        let names: Vec<String> = play.faults.iter().map(|f| format!("F{}", f.number)).collect();
        say(&format!("{} {:?} seed {}: {violation}", names.join(" "), play.action, play.seed));
    }
    for (play, violation) in broken.iter().take(TOLD) {
        let small = play.recipe().shrink(violation.rule);
        say(&format!("{:?} seed {}, made small:", play.action, play.seed));
        small.items.iter().for_each(|item| say(&format!("    {item:?}")));
        small.story().iter().for_each(|line| say(&format!("        {line}")));
    }
    let seconds = started.elapsed().as_secs_f64();
    let rate = f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / seconds;
    say(&format!(
        "{count} histories in {seconds:.0} s, {rate:.0} a second, {} broken",
        broken.len()
    ));
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn play(plays: Vec<Play>) -> (Played, Vec<(Play, Violation)>) {
    let results = plays.par_iter().map(|play| play.recipe().play()).collect::<Vec<_>>();
    let mut sum = Played::default();
    let mut broken = Vec::new();
    for (play, result) in plays.into_iter().zip(results) {
        match result {
            Ok(played) => sum.add(played),
            Err(violation) => broken.push((play, violation)),
        }
    }
    (sum, broken)
}

fn say(line: &str) {
    let _closed = writeln!(std::io::stdout(), "{line}");
}
