//! A slice of the table of faults: each alone, with each action. `make faults` plays more, and the pairs.

use std::collections::BTreeSet;

use dislodge_engine::api::Action;
use dislodge_sim::random::{FAULTS, Played, Recipe, Tier};
use rayon::prelude::*;

/// So many seeds for each fault and action.
const SEEDS: u64 = 3;
const ACTIONS: [Action; 4] =
    [Action::FailJob, Action::SuspendJob, Action::RequeueJob, Action::Report];

#[test]
fn no_fault_alone_breaks_a_rule_whatever_the_action() {
    let mut plays = Vec::new();
    for fault in FAULTS.iter().filter(|fault| matches!(fault.tier, Tier::Engine(_))) {
        for action in ACTIONS {
            plays.extend((0..SEEDS).map(|seed| (fault, action, seed)));
        }
    }
    let played = plays
        .par_iter()
        .map(|(fault, action, seed)| Recipe::with(*seed, *action, &[*fault]).play())
        .collect::<Vec<_>>();
    let mut sum = Played::default();
    let mut broken = Vec::new();
    for ((fault, action, seed), played) in plays.iter().zip(played) {
        match played {
            Ok(played) => sum.add(played),
            Err(violation) => {
                broken.push(format!("F{} {action:?} seed {seed}: {violation}", fault.number));
            }
        }
    }
    assert!(broken.is_empty(), "{} of {}:\n{}", broken.len(), plays.len(), broken.join("\n"));
    let most = plays.len() as u64;
    assert!(sum.holds > most / 2 && sum.writes > 5 * most, "{sum:?}");
}

#[test]
fn the_table_names_each_fault_once_and_says_where_it_is_played() {
    let numbers: BTreeSet<u8> = FAULTS.iter().map(|fault| fault.number).collect();
    assert!(numbers.into_iter().eq(1..=48));
    for fault in &FAULTS {
        assert!(!fault.name.is_empty());
        if let Tier::Elsewhere(why) = fault.tier {
            assert!(!why.is_empty(), "F{}", fault.number);
        }
    }
}
