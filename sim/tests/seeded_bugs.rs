//! A slice of the seeded mistakes: those that a few histories catch. `make seeded-bugs` finds all of them.

use dislodge_sim::random::Recipe;
use dislodge_sim::world::Mistake;
use rayon::prelude::*;

/// A mistake, and the rule that it breaks.
const ROWS: &[(Mistake, &str)] = &[
    (Mistake::ActsInAudit, "I11"),
    (Mistake::IgnoresPause, "I11"),
    (Mistake::GovernsOtherNamespaces, "I2"),
    (Mistake::ActsOnePullEarly, "I1"),
    (Mistake::CountsStatusWrites, "I9"),
    (Mistake::NeverTellsOwners, "I13"),
    (Mistake::NeverFinishes, "I4"),
    (Mistake::WritesUnchangedStatus, "I12"),
    (Mistake::KeepsDeletedObjects, "I10"),
    (Mistake::IgnoresIgnore, "I6"),
    (Mistake::ReturnsEarly, "I5"),
    (Mistake::SkipsReservations, "I8"),
    (Mistake::ActsWithoutLease, "I3"),
];
/// So many histories are enough for each.
const HISTORIES: u64 = 60;

#[test]
fn a_mistake_is_caught_by_the_rule_that_forbids_it() {
    for (mistake, rule) in ROWS {
        let seeds: Vec<u64> = (0..HISTORIES).collect();
        let played = seeds
            .par_iter()
            .map(|seed| Recipe::random(*seed).mistaken(*mistake).play().err())
            .collect::<Vec<_>>();
        let caught: Vec<&str> =
            played.into_iter().flatten().map(|violation| violation.rule).collect();
        assert!(caught.contains(rule), "{mistake:?}: {caught:?}, and not {rule}");
    }
}
