//! A slice of random histories: what must hold in each, whatever goes wrong. `make histories` plays a
//! million.

use std::thread;

use dislodge_sim::random::{Played, Recipe};

/// So many histories in this slice.
const SLICE: u64 = 3000;
/// One thread a core of a small machine.
const THREADS: u64 = 2;

#[test]
fn no_history_breaks_a_rule() {
    let play = |thread: u64| {
        let seeds = (0..SLICE).filter(move |seed| seed % THREADS == thread);
        let played: Vec<(u64, _)> = seeds.map(|seed| (seed, Recipe::random(seed).play())).collect();
        played
    };
    let all: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || play(n))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
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
