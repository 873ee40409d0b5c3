//! What is known of one image in one Pod.

use std::time::Duration;

use jiff::Timestamp;

use super::Runs;
use crate::cause::{Cause, Class};
use crate::observe::Standing;

/// The history of one image in one Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// Failed pulls in a row.
    pub runs: Runs,
    /// What the newest status said.
    stage: Stage,
    /// Set while the image is found bad without a pull.
    pub once: Option<Once>,
    /// Where the newest counted failure leaves a safe moment: since when.
    pub opened: Option<Duration>,
    /// The newest window could not be timed: the kubelet seems to have written in the future.
    pub skewed: bool,
    /// Windows of the image that were counted in this very Pod.
    pub windows: u32,
    /// Where its registry was down and has come back while this was counted: what failed since. A
    /// restart forgets it, and one failed pull is enough again.
    pub since_outage: Option<SinceOutage>,
}

/// The failed pulls of an image since its registry has come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinceOutage {
    /// How many.
    pub failed_pulls: u32,
    /// The first of them.
    pub first: Option<Timestamp>,
}

/// After an outage an image has to fail so often again, whatever was counted before: the first
/// failed pull may have begun while the registry was still down.
const AGAIN: u32 = 2;

/// What the newest status said of the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// No failure so far, or none any more.
    #[default]
    Quiet,
    /// A pull had just failed.
    Window,
    /// The kubelet waited or pulled.
    BackOff,
}

/// A state that the kubelet writes once: it has no windows to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once {
    /// When it was seen first, as [`crate::time::Now::elapsed`].
    pub seen: Duration,
    /// How old it was then, by the kubelet's status write.
    pub age: Duration,
}

/// What a status added to a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// A failed pull was counted. `window`: its window has just opened.
    Failed {
        /// Whether the status shows the window, and not the back-off after it.
        window: bool,
    },
}

impl Track {
    /// Takes in how the image stands in a new status that was written `at`.
    ///
    /// One more failed pull is counted on each transition into a window; `ImagePullBackOff` alone
    /// only at first sight (kubelet.md 3.2: each failed pull yields exactly one window).
    /// `pull QPS exceeded` neither counts nor hides what was known.
    pub fn step(
        &mut self,
        standing: Standing,
        at: Timestamp,
        seen: Duration,
        age: Duration,
    ) -> Step {
        let was = self.stage;
        let first_sight = was == Stage::Quiet && self.runs.is_empty();
        match standing {
            Standing::Pulled => {
                *self = Self::default();
                return Step::Nothing;
            }
            Standing::Wanted | Standing::Blocked | Standing::Unclear | Standing::Unasked(_) => {
                return Step::Nothing;
            }
            Standing::Crashing => {
                if was == Stage::Window {
                    self.stage = Stage::BackOff;
                }
                return Step::Nothing;
            }
            Standing::Once(failure) => {
                let new = self.once.is_none();
                self.once.get_or_insert(Once { seen, age });
                self.stage = Stage::Window;
                if new && self.runs.newest_cause() != Some(failure.cause) {
                    self.runs.push(failure.cause, at);
                    return Step::Failed { window: false };
                }
                return Step::Nothing;
            }
            Standing::Window(failure) => {
                // It is pulled again: what was bad without a pull (a secret) has been mended, and this is a
                // failed pull of its own.
                let mended = self.once.take().is_some();
                self.stage = Stage::Window;
                let new = was != Stage::Window || mended;
                if new && failure.cause != Cause::NodeThrottled {
                    self.runs.push(failure.cause, at);
                    return Step::Failed { window: true };
                }
            }
            Standing::BackOff(failure) => {
                self.once = None;
                self.stage = Stage::BackOff;
                let cause = failure.as_ref().map_or(Cause::Unknown, |f| f.cause);
                if first_sight && cause != Cause::NodeThrottled {
                    self.runs.push(cause, at);
                    return Step::Failed { window: false };
                }
            }
        }
        Step::Nothing
    }

    /// What a checkpoint holds of a Pod that is gone.
    pub fn of(runs: Runs) -> Self {
        Self { runs, ..Self::default() }
    }

    /// Starts the count anew and keeps what the status shows now. What was found bad without a pull has no
    /// count, and is not told again: it may be of a Pod that was made after the resume that is only seen now.
    pub fn forgive(&mut self) {
        if self.once.is_some() {
            return;
        }
        // A forgiven window is still open: it must not count when it is seen again.
        *self = Self { stage: self.stage, windows: self.windows, ..Self::default() };
    }

    /// The image's registry was down, by a policy's breaker, and is back. That it could not answer
    /// says nothing of the image. An answer that it gave stays counted, but an ingress may have given
    /// it in the registry's place: it has to be given again ([`Self::is_confirmed`]).
    pub fn registry_is_back(&mut self) {
        if self.once.is_some() {
            return; // nobody was asked
        }
        self.runs.forget(|cause| matches!(cause.class(), Class::Transient | Class::Unknown));
        if self.runs.is_empty() {
            self.forgive();
        } else {
            (self.opened, self.since_outage) = (None, Some(SinceOutage::default()));
        }
    }

    /// Whether it was found bad without a pull, and none can follow.
    pub fn is_without_a_pull(&self) -> bool {
        self.once.is_some() && self.runs.newest_cause().is_some_and(Cause::is_without_a_pull)
    }

    /// Whether what was counted may be acted on: after an outage so many failed pulls as the rule
    /// wants, and two at most, are to be newer than it.
    pub fn is_confirmed(&self, wanted: u32) -> bool {
        let again = |since: SinceOutage| since.failed_pulls >= wanted.min(AGAIN);
        self.once.is_some() || self.since_outage.is_none_or(again)
    }

    /// When it began to fail: for the first time that is known, or again after an outage.
    pub fn began(&self) -> Option<Timestamp> {
        self.since_outage.map_or_else(|| self.runs.first(), |since| since.first)
    }

    /// One more failed pull was counted, published at this time.
    pub fn failed_again(&mut self, at: Timestamp) {
        if let Some(since) = &mut self.since_outage {
            since.failed_pulls = since.failed_pulls.saturating_add(1);
            since.first.get_or_insert(at);
        }
    }

    /// Whether there is anything to remember.
    pub fn is_known(&self) -> bool {
        self.stage != Stage::Quiet || !self.runs.is_empty()
    }

    /// The Pod replaces another, which had counted this.
    pub fn inherit(&mut self, left: Self) {
        let since = std::mem::replace(&mut self.runs, left.runs);
        self.runs.append(since);
        self.since_outage = left.since_outage;
    }
}
