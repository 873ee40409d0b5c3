//! Effects without an outcome, and what each was for.

use std::collections::BTreeMap;

use crate::effect::{Effect, EffectId};
use crate::engine::casebook::Report;
use crate::objects::{Key, Uid};

/// What an effect was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A step of a job's case.
    Case(Uid, Step),
    /// A policy's status.
    Status(Key),
    /// Slots of a policy's budget.
    Reserve(Key),
}

/// A step of a job's case that waits for its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The hold itself.
    Hold,
    /// A person's resume, carried out for them, with the hold's id.
    Resume(String),
    /// A requeued job let go on, with the uid of its lever's object.
    Return(Uid),
    /// Our mark taken from a job that a person has started.
    Clear,
    /// The Event that tells of a hold, with its id.
    HoldEvent(String),
    /// The hold told to the owner, with its id.
    Tell(String),
    /// The word taken back from the owner, with the hold's id.
    Untell(String),
    /// A Pod ended, whose job's author has said what follows.
    EndPod,
    /// The Event that tells of it.
    PodEvent,
    /// Our condition taken from a Pod that lives on.
    ClearPod(Uid),
    /// A held job ended as failed.
    Finish,
    /// A resume request that names no hold is taken away.
    RefuseResume(String),
    /// The Event for such a request.
    RefusedEvent(String),
    /// The Event of a job that a brake keeps from what its rule says.
    HeldBack(Report),
    /// The Event of a requeued job that is due for long and still waits, with the hold's id.
    WaitEvent(String),
    /// What is told of a job's returns is taken away: it has gone well since.
    Settle,
    /// The Event of a job that is only reported.
    Report {
        /// The policy that counts it.
        policy: Key,
        /// What was reported.
        report: Report,
        /// Whether mode Audit was the reason.
        audit: bool,
    },
}

impl Step {
    /// Whether nothing else is done about the job until it has its outcome. A report changes
    /// nothing, and must not keep a hold from its moment.
    pub(super) const fn is_exclusive(&self) -> bool {
        !matches!(self, Self::Report { .. } | Self::HeldBack(_))
    }
}

/// All effects without an outcome.
#[derive(Debug, Default)]
pub(super) struct Flights {
    next: u64,
    open: BTreeMap<EffectId, Purpose>,
}

impl Flights {
    /// Gives an effect its id and remembers what it is for.
    pub(super) fn launch(
        &mut self,
        purpose: Purpose,
        effect: Effect,
        effects: &mut Vec<(EffectId, Effect)>,
    ) -> EffectId {
        self.next += 1;
        let id = EffectId(self.next);
        self.open.insert(id, purpose);
        effects.push((id, effect));
        id
    }

    /// An effect has its outcome.
    pub(super) fn land(&mut self, id: EffectId) -> Option<Purpose> {
        self.open.remove(&id)
    }
}
