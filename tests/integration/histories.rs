//! Random histories by the real program: all of the shell between the API server in memory and the engine.

#[path = "../../examples/histories-shell/play.rs"]
mod play;
#[path = "../../examples/histories-shell/troubles.rs"]
mod troubles;

use dislodge_sim::random::Recipe;

use crate::Outcome;

type Test = (&'static str, fn() -> Outcome);

/// The tests of this file.
pub(crate) const ALL: &[Test] = &[
    ("no_rule_is_broken", no_rule_is_broken),
    ("a_seed_is_always_played_in_the_same_way", is_always_the_same),
];

/// So many are played in each run of the tests.
const PLAYED: u64 = 8;

fn no_rule_is_broken() -> Outcome {
    let (mut writes, mut holds) = (0, 0);
    for seed in 0..PLAYED {
        let shown = play::play(&Recipe::random(seed));
        let played = shown.outcome.map_err(|violation| {
            format!("seed {seed} (cargo run --release --example histories-shell -- {seed} 1): {violation}")
        })?;
        (writes, holds) = (writes + played.writes, holds + played.holds);
    }
    // Where nothing is held, nothing was tested.
    if writes < 10 * PLAYED || holds < PLAYED {
        return Err(format!("{writes} writes and {holds} holds only").into());
    }
    Ok(())
}

fn is_always_the_same() -> Outcome {
    for seed in 0..2 {
        let recipe = Recipe::random(seed);
        let (one, other) = (play::play(&recipe), play::play(&recipe));
        if one != other {
            let lines = one.story.iter().zip(&other.story);
            let first = lines
                .filter(|(one, other)| one != other)
                .map(|(one, other)| format!("{one}\n{other}"))
                .next();
            return Err(format!("seed {seed}: {}", first.unwrap_or_default()).into());
        }
        if one.story.len() < 10 {
            return Err(format!("seed {seed}: {} lines only", one.story.len()).into());
        }
    }
    let digest = |seed| play::play(&Recipe::random(seed)).digest;
    if digest(0) == digest(1) { Err("the digest tells nothing".into()) } else { Ok(()) }
}
