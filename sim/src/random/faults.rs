//! What goes wrong: one fault or more in each history, all of them over before it ends.

use std::time::Duration;

use dislodge_engine::effect::Outcome;
use dislodge_engine::input::Kind;

use super::{BUSY, Item, Recipe};
use crate::chance::Chance;
use crate::world::{Deed, Trouble};

impl Recipe {
    pub(super) fn add_faults(&mut self, chance: &mut Chance) {
        for replica in 1..self.replicas {
            let from = chance.seconds(5..BUSY - 200);
            let until = from + chance.seconds(10..200);
            self.items.push(Item::Trouble(replica, from, until, Trouble::LeadsToo));
        }
        for _ in 0..chance.within(1..4) {
            let replica = usize::try_from(chance.within(0..self.replicas as u64)).unwrap_or(0);
            let from = chance.seconds(5..BUSY - 200);
            let (lasts, trouble) = match chance.within(0..15) {
                0 | 1 => {
                    // It is killed, and comes back.
                    self.items.push(Item::Deed(from, Deed::Kill(replica)));
                    let back = from + chance.seconds(1..60);
                    self.items.push(Item::Deed(back, Deed::Start(replica)));
                    continue;
                }
                2 => (Duration::from_secs(180), Trouble::Dies { taken: false }),
                3 => (Duration::from_secs(180), Trouble::Dies { taken: true }),
                4 => (chance.seconds(5..120), Trouble::WatchLags(None, chance.millis(100..8000))),
                5 => {
                    let kind = kind(chance);
                    (
                        chance.seconds(5..180),
                        Trouble::WatchLags(Some(kind), chance.millis(100..60_000)),
                    )
                }
                6 => (chance.seconds(5..180), Trouble::WatchRepeats),
                13 => (chance.seconds(60..180), Trouble::DiesAgain(chance.small(2..8))),
                7 | 8 => (chance.seconds(1..90), Trouble::WatchBreaks(kind(chance))),
                9 => (chance.seconds(5..120), Trouble::Answers(answer(chance))),
                10 => (chance.seconds(5..60), Trouble::AnswersAreLost),
                11 => (chance.seconds(5..60), Trouble::WritesLag(chance.millis(100..60_000))),
                12 => (chance.seconds(1..60), Trouble::Frozen),
                _ if chance.one_in(2) => (chance.seconds(10..180), Trouble::NoLease),
                _ => {
                    let off = chance.within(1..3600);
                    let off =
                        i64::try_from(off).unwrap_or(1) * if chance.one_in(2) { 1 } else { -1 };
                    (chance.seconds(10..180), Trouble::WallIsOff(off))
                }
            };
            self.items.push(Item::Trouble(replica, from, from + lasts, trouble));
        }
    }
}

/// From when until when.
pub(super) type Span = (Duration, Duration);

/// A time in which something goes wrong, so many seconds long, while there is something to do.
pub(super) const fn span(chance: &mut Chance, seconds: std::ops::Range<u64>) -> Span {
    let from = chance.seconds(5..BUSY - 200);
    (from, from.saturating_add(chance.seconds(seconds)))
}

pub(super) fn kind(chance: &mut Chance) -> Kind {
    let index = usize::try_from(chance.within(0..5)).unwrap_or(0);
    let kinds = [Kind::Pod, Kind::Pod, Kind::Job, Kind::Workload, Kind::Policy];
    kinds.get(index).copied().unwrap_or(Kind::Pod)
}

fn answer(chance: &mut Chance) -> Outcome {
    let answers = [
        Outcome::Conflict,
        Outcome::Throttled,
        Outcome::Unavailable,
        Outcome::Forbidden,
        Outcome::Rejected,
    ];
    let index = usize::try_from(chance.within(0..answers.len() as u64)).unwrap_or(0);
    answers.get(index).copied().unwrap_or(Outcome::Unavailable)
}
