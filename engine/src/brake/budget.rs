//! How much one policy does at most: slots that are reserved in its status before they are used.
//!
//! Two leaders, and two lives of one, share a window through `status.budget`: a slot belongs to the
//! process whose guarded write reserved it, and to nobody after that process. Windows tumble: one
//! begins with the first reservation after the last one ended. Within a process a window is timed
//! by the clock that never jumps; the wall clock says only how old it was when it became known.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{later, seconds};
use crate::api::{self, BudgetUse};
use crate::cause::{Cause, Class};
use crate::time::Now;

/// So many slots are reserved at once at most: one write for several actions, and few slots lost
/// with a process that ends.
const BLOCK: u32 = 5;

/// Whether an action may be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes: [`Budget::take`] it.
    Go,
    /// When this is written, guarded by the resourceVersion that [`Budget::observed`] last saw or
    /// [`Budget::reserved_done`] came of.
    Reserve(Reserve),
    /// Not in this window.
    Exhausted {
        /// When the window ends, by the wall clock: never before now.
        until: Timestamp,
    },
}

/// A reservation to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// What `status.budget` is to say.
    pub budget: BudgetUse,
    /// How many of the reserved are new, and ours once they are written.
    pub slots: u32,
    /// What it rests on.
    before: BudgetUse,
}

/// A slot that an action has taken, or shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    window: Timestamp,
    sweep: Option<(Arc<str>, Cause)>,
}

/// The budget of one policy.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    /// As in the status.
    reserved: u32,
    window: Option<Window>,
    /// Reserved by this process in this window, and not taken yet.
    granted: u32,
    /// Actions that share a slot, by what they share.
    sweeps: BTreeMap<(Arc<str>, Cause), u32>,
}

/// A window, and when it became known.
#[derive(Clone, Copy, Debug)]
struct Window {
    start: Timestamp,
    known: Now,
}

impl Window {
    /// How long it still lasts. A start that lay in the future by more than a window is a clock
    /// that was wrong, and no window.
    fn left(self, limits: api::Budget, now: Now) -> Option<SignedDuration> {
        let length = seconds(limits.window_seconds);
        let then = self.known.wall.duration_since(self.start);
        let since = now.elapsed.saturating_sub(self.known.elapsed);
        let age = then.checked_add(SignedDuration::try_from(since).ok()?)?;
        (then >= -length && age < length).then(|| length - age)
    }
}

impl Budget {
    /// Whether an action may be carried out now. A further job with the same image and the same
    /// permanent cause, or `MissingOrDenied`, takes no slot of its own: a sweep of 500 jobs with
    /// one typo is one mistake. That is known in memory alone: after a restart a sweep takes one
    /// slot more.
    pub fn ask(&self, limits: &api::Budget, image: &Arc<str>, cause: Cause, now: Now) -> Answer {
        let left = self.window.and_then(|window| window.left(*limits, now));
        let Some(left) = left else {
            return self.reserve(now.wall, 0, BLOCK.min(limits.actions));
        };
        let sweep = sweep(image, cause);
        let shares = sweep.is_some_and(|sweep| self.sweeps.contains_key(&sweep));
        // What others have reserved counts as used.
        let used = self.reserved.saturating_sub(self.granted);
        if shares || self.granted > 0 && used < limits.actions {
            return Answer::Go;
        }
        let room = limits.actions.saturating_sub(self.reserved);
        match self.window {
            Some(window) if room > 0 => self.reserve(window.start, self.reserved, BLOCK.min(room)),
            _ => Answer::Exhausted { until: later(now.wall, left) },
        }
    }

    fn reserve(&self, start: Timestamp, reserved: u32, slots: u32) -> Answer {
        if slots == 0 {
            // The API asks for one action at least; without any, there is nothing to wait for.
            return Answer::Exhausted { until: Timestamp::MAX };
        }
        let reserved = reserved.saturating_add(slots);
        let budget = BudgetUse { window_start_time: Some(start), reserved };
        Answer::Reserve(Reserve { budget, slots, before: self.in_use() })
    }

    /// Takes a slot, or a share of one, for an action that is about to be sent. `None` where
    /// [`Self::ask`] would not say [`Answer::Go`].
    pub fn take(
        &mut self,
        limits: &api::Budget,
        image: &Arc<str>,
        cause: Cause,
        now: Now,
    ) -> Option<Slot> {
        if self.ask(limits, image, cause, now) != Answer::Go {
            return None;
        }
        let slot = Slot { window: self.window?.start, sweep: sweep(image, cause) };
        let sharing = slot.sweep.as_ref().and_then(|sweep| self.sweeps.get_mut(sweep));
        if let Some(actions) = sharing {
            *actions += 1;
        } else {
            self.granted = self.granted.saturating_sub(1);
            if let Some(sweep) = &slot.sweep {
                self.sweeps.insert(sweep.clone(), 1);
            }
        }
        Some(slot)
    }

    /// The action was refused, and nothing was changed: the slot can be taken again in the same
    /// window. A slot that others share is theirs. Not for an outcome that is unknown.
    pub fn give_back(&mut self, slot: &Slot) {
        if self.window.is_none_or(|window| window.start != slot.window) {
            return;
        }
        if let Some(sweep) = &slot.sweep {
            let Some(actions) = self.sweeps.get_mut(sweep) else { return };
            *actions -= 1;
            if *actions > 0 {
                return;
            }
            self.sweeps.remove(sweep);
        }
        self.granted = self.granted.saturating_add(1).min(self.reserved);
    }

    /// The guarded write of a reservation was accepted: its new slots are ours, unless somebody
    /// began another window since.
    pub fn reserved_done(&mut self, reserve: &Reserve, now: Now) {
        let Some(start) = reserve.budget.window_start_time else { return };
        if self.window.is_some_and(|window| window.start == start) {
            // The watch may have told of it before.
            self.reserved = self.reserved.max(reserve.budget.reserved);
            self.granted = self.granted.saturating_add(reserve.slots).min(self.reserved);
        } else if self.in_use() == reserve.before {
            self.begin(start, reserve.budget.reserved, now);
            self.granted = reserve.slots;
        }
    }

    /// The status as the watch shows it. What others have reserved is used, and not ours; an event
    /// that is older than our own write takes nothing back.
    pub fn observed(&mut self, seen: &BudgetUse, limits: &api::Budget, now: Now) {
        let Some(start) = seen.window_start_time else { return };
        let ours = self.window.filter(|window| window.left(*limits, now).is_some());
        if self.window.is_some_and(|window| window.start == start) {
            self.reserved = self.reserved.max(seen.reserved);
        } else if (Window { start, known: now }).left(*limits, now).is_some() {
            match ours {
                // Two windows at once: clocks that differ. Neither may be used twice.
                Some(window) if window.start > start => {
                    self.reserved = self.reserved.max(seen.reserved);
                    self.granted = 0;
                }
                Some(_) => self.begin(start, self.reserved.max(seen.reserved), now),
                None => self.begin(start, seen.reserved, now),
            }
        }
    }

    /// How many slots are not used in this window. What others have reserved counts as used.
    pub fn left(&self, limits: &api::Budget, now: Now) -> u32 {
        let runs = self.window.is_some_and(|window| window.left(*limits, now).is_some());
        let used = if runs { self.reserved.saturating_sub(self.granted) } else { 0 };
        limits.actions.saturating_sub(used)
    }

    /// What `status.budget` is to say.
    pub fn in_use(&self) -> BudgetUse {
        BudgetUse {
            window_start_time: self.window.map(|window| window.start),
            reserved: self.reserved,
        }
    }

    fn begin(&mut self, start: Timestamp, reserved: u32, now: Now) {
        self.window = Some(Window { start, known: now });
        self.reserved = reserved;
        self.granted = 0;
        self.sweeps.clear();
    }
}

/// What jobs with one and the same mistake share.
fn sweep(image: &Arc<str>, cause: Cause) -> Option<(Arc<str>, Cause)> {
    let one_mistake = cause.class() == Class::Permanent || cause == Cause::MissingOrDenied;
    one_mistake.then(|| (Arc::clone(image), cause))
}

#[cfg(test)]
mod tests;
