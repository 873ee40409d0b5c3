//! What was decided of a job that fails or is held, as far as its objects don't say it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{FailingState, RecentAction};
use crate::brake::Slot;
use crate::explain::PodEnded;
use crate::few::Few;
use crate::judge::Evidence;
use crate::notice::Decision;
use crate::objects::{Key, Uid};

/// What was decided of one job.
#[derive(Clone, Debug, Default)]
pub(super) struct Case {
    /// An effect has no outcome yet: one at a time for each job.
    pub(super) busy: bool,
    /// The version of the lever's object that a write was pinned to. A version is used once:
    /// until a newer one is seen, what is known may be older than our own write.
    pub(super) spent: Option<String>,
    /// The hold that the owner was told of by this process.
    pub(super) told: Option<String>,
    /// The hold whose end the owner was told of by this process.
    pub(super) untold: Option<String>,
    /// The hold whose word was taken back last, also when it stands there again.
    pub(super) taken_back: Option<String>,
    /// The hold that this process has ended at a person's word.
    pub(super) resumed: Option<String>,
    /// The hold that has been counted and published.
    pub(super) accounted: Option<String>,
    /// The version of the Job that its end was pinned to.
    pub(super) finished: Option<String>,
    /// The Pod that was ended last, and at which version: a version is used once.
    pub(super) ended: Option<(Uid, Box<str>)>,
    /// A Pod that was ended, until its Event is out.
    pub(super) to_tell: Option<Box<ToTell>>,
    /// The slot of the budget that the action under way has taken.
    pub(super) slot: Option<Box<(Key, Slot)>>,
    /// Reports given, by admission, image and reason.
    pub(super) reported: BTreeSet<Report>,
    /// The hold of a job that is due and can't come back, and since when.
    pub(super) stuck: Option<(String, Duration)>,
    /// The hold of a job that is due and waits for its quota, and since when.
    pub(super) awaits: Option<(String, Duration)>,
    /// The hold of which that was told.
    pub(super) wait_told: Option<String>,
    /// Since when a job that came back has gone well.
    pub(super) well: Option<Duration>,
    /// The version of the owner's object from which what is told of its returns was taken away.
    pub(super) settled: Option<String>,
    /// The request to resume that was answered with a refusal.
    pub(super) refused: Option<String>,
    /// The refused request that was taken away.
    pub(super) withdrawn: Option<String>,
    /// Where each failing image stands, for the policy's status.
    pub(super) notes: Few<Arc<str>, Note>,
    /// The policy that counts the hold, while there is one.
    pub(super) held_by: Option<Key>,
    /// The pauses after effects that were refused.
    pub(super) pauses: Pauses,
    /// The same after reports: no action waits for these.
    pub(super) report_pauses: Pauses,
    /// Where a safe moment is open: what is known of the Pod for the record of the action.
    pub(super) acting: Option<Box<RecentAction>>,
    /// What the effect that is being given carries out.
    pub(super) decision: Option<Box<Decision>>,
    /// When the hold was decided whose quota has not been seen to be free, as
    /// [`crate::time::Now::elapsed`].
    pub(super) stopping: Option<Duration>,
}

/// A Pod that was ended, and who is to be told.
#[derive(Clone, Debug)]
pub(super) struct ToTell {
    /// What is said of it.
    pub(super) ended: PodEnded,
    /// What the policy's status says of it.
    pub(super) action: RecentAction,
    /// The policy.
    pub(super) policy: Key,
    /// The API server has said that it is done. Where the answer was lost, the Pod itself tells.
    pub(super) done: bool,
}

/// A report: the admission that it was given in, the image and the reason.
pub(super) type Report = (Option<Timestamp>, Arc<str>, String);

/// Where one failing image of a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// The policy whose status shows it.
    pub(super) policy: Key,
    /// The Pod that has the count.
    pub(super) pod: Uid,
    /// The failures.
    pub(super) evidence: Evidence,
    /// What becomes of it.
    pub(super) state: FailingState,
    /// Why, in a word.
    pub(super) reason: Option<&'static str>,
    /// Failed pulls that are missing from the threshold.
    pub(super) missing: u32,
}

/// The first pause after an effect that was refused; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Growing pauses between tries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pauses {
    /// Failed tries in a row.
    tries: u32,
    /// No try before then.
    not_before: Option<Duration>,
}

impl Pauses {
    /// Until when there is to be no try.
    pub(super) fn end(&self, now: Duration) -> Option<Duration> {
        self.not_before.filter(|at| *at > now)
    }

    /// A try was refused or lost: says when the next may be.
    pub(super) fn pause(&mut self, now: Duration) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.tries.min(12)).min(LONGEST_PAUSE);
        self.tries = self.tries.saturating_add(1);
        let at = now + pause;
        self.not_before = Some(at);
        at
    }

    /// A try has succeeded, or somebody new asks.
    pub(super) fn proceed(&mut self) {
        *self = Self::default();
    }
}

impl Case {
    /// What is left to be done once the job has ended or is gone: to tell of a Pod that was ended.
    pub(super) fn close(&mut self) {
        *self = Self {
            busy: self.busy,
            pauses: self.pauses,
            slot: self.slot.take(),
            to_tell: self.to_tell.take(),
            ..Self::default()
        };
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_empty(&self) -> bool {
        !self.busy
            && self.notes.is_empty()
            && self.held_by.is_none()
            && self.reported.is_empty()
            && self.spent.is_none()
            && self.told.is_none()
            && self.untold.is_none()
            && self.taken_back.is_none()
            && self.resumed.is_none()
            && self.refused.is_none()
            && self.stuck.is_none()
            && self.awaits.is_none()
            && self.wait_told.is_none()
            && self.well.is_none()
            && self.ended.is_none()
            && self.to_tell.is_none()
            && self.pauses.not_before.is_none()
            && self.report_pauses.not_before.is_none()
    }
}
