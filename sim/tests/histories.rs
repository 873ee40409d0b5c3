//! A slice of random histories: what must hold in each, whatever goes wrong. `make histories` plays a
//! million.

use dislodge_sim::random::{Played, Recipe};
use rayon::prelude::*;

/// So many histories in this slice.
const SLICE: u64 = 3000;

#[test]
fn no_history_breaks_a_rule() {
    let seeds: Vec<u64> = (0..SLICE).collect();
    let played = seeds.par_iter().map(|seed| Recipe::random(*seed).play()).collect::<Vec<_>>();
    let all: Vec<_> = seeds.into_iter().zip(played).collect();
    let broken: Vec<String> = all
        .iter()
        .filter_map(|(seed, played)| Some(format!("seed {seed}: {}", played.as_ref().err()?)))
        .collect();
    assert!(broken.is_empty(), "{} of {SLICE}:\n{}", broken.len(), broken.join("\n"));
    let sum = |of: fn(&Played) -> u64| {
        all.iter().filter_map(|(_, p)| p.as_ref().ok().map(of)).sum::<u64>()
    };
    let (holds, writes) = (sum(|played| played.holds), sum(|played| played.writes));
    // A simulator in which nothing happens proves nothing.
    assert!(holds > SLICE && writes > 10 * SLICE, "{holds} holds, {writes} writes");
}

#[test]
fn a_history_is_the_same_each_time_it_is_played() {
    for seed in [7, 49, 957, 1381] {
        let story = || Recipe::random(seed).story();
        assert_eq!(story(), story(), "seed {seed}");
    }
}
