//! Mistakes that controllers make, built into a replica's edge: what the engine is told, what becomes of
//! what it wants done, what it hears of the outcome. The engine has no other way to the cluster, so that
//! whatever a mistake inside it could do to a cluster can be done here, and the product's code is left
//! alone. A judge that lets one of them through is not strict enough.

#![expect(clippy::wildcard_enum_match_arm, reason = "each mistake is about a few things")]

mod reading;
mod writing;

use std::collections::{BTreeMap, BTreeSet};

use dislodge_engine::api::ImagePullPolicySpec;
use dislodge_engine::effect::{Effect, Outcome};
use dislodge_engine::input::{Input, Kind};
use dislodge_engine::objects::Uid;

macro_rules! mistakes {
    ($($(#[doc = $what:literal])+ $name:ident,)*) => {
        /// A mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mistake {
            $($(#[doc = $what])+ $name,)*
        }

        impl Mistake {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What is wrong.
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($what),+),)*
                }
            }
        }
    };
}
mistakes! {
    /// Mode Audit acts.
    ActsInAudit,
    /// A paused policy acts.
    IgnoresPause,
    /// A policy that is deleted acts on.
    KeepsDeletedPolicies,
    /// A policy that is changed acts as before.
    KeepsOldSpecs,
    /// A policy governs jobs of other namespaces.
    GovernsOtherNamespaces,
    /// A rule that only reports stops jobs.
    ActsWhereRulesReport,
    /// A threshold is one failed pull too low.
    ActsOnePullEarly,
    /// Jobs that partly run are stopped.
    StopsRunningPeers,
    /// The budget has no end.
    IgnoresBudget,
    /// What the budget has reserved is forgotten.
    ForgetsReservations,
    /// Slots are used that were never reserved.
    SkipsReservations,
    /// The annotation `ignore` is not read.
    IgnoresIgnore,
    /// The annotation `resume` is not read.
    ForgetsRequests,
    /// How often people have resumed a job is not read.
    ForgetsPeoplesResumes,
    /// How often a job was requeued is not read.
    ForgetsRequeues,
    /// A job that was requeued comes back before it is due.
    ReturnsEarly,
    /// It comes back before Kueue has given its quota back.
    ReturnsBeforeRelease,
    /// It comes back over Pods that have yet to end.
    ReturnsOverPods,
    /// It comes back without a look at who would have to make room.
    ReturnsIntoRunningWork,
    /// It never comes back.
    NeverReturns,
    /// A job that is to be failed never is.
    NeverFinishes,
    /// Whoever has stopped a job, it is taken for a hold.
    TakesAnyStopForOurs,
    /// The first version that is seen of a Workload is the last.
    KeepsFirstWorkloads,
    /// After a start, holds of an earlier life are not known.
    ForgetsHoldsAtStart,
    /// Each status that shows a failed pull counts twice.
    CountsStatusWrites,
    /// Failed pulls of all Pods of a job are one count.
    CountsPodsTogether,
    /// After a start, what the checkpoint says counts twice.
    DoublesCheckpoints,
    /// A back-off is taken for a pull that has just failed.
    TrustsBackOff,
    /// A status is taken to be as new as its arrival.
    TrustsArrival,
    /// What a list shows is taken for news.
    TakesListsForNews,
    /// Nothing is waited for before the first action.
    ActsBeforeSynced,
    /// What is deleted stays known.
    KeepsDeletedObjects,
    /// What a list lacks stays known.
    KeepsWhatListsLack,
    /// Some watch events are lost.
    LosesEvents,
    /// A standby acts.
    ActsWithoutLease,
    /// A lease that is lost is kept.
    KeepsLeading,
    /// Durations are measured by the wall clock.
    MeasuresByWallClock,
    /// Levers are written to whatever their version is.
    DropsVersions,
    /// Pods are ended whatever their version is.
    DropsVersionsOfPods,
    /// Objects are written to by name, whatever their uid and version are.
    WritesByName,
    /// A write that meets a newer version is done over it.
    OverwritesOnConflict,
    /// A hold is not marked as ours.
    HoldsWithoutMark,
    /// A Workload's job is stopped by its own `suspend`.
    SuspendsUnderKueue,
    /// The marks of a hold stay when it ends.
    NeverClearsMarks,
    /// The owner is never told.
    NeverTellsOwners,
    /// No Event is published.
    NeverPublishes,
    /// Each Event that is told again gets a new name.
    PublishesUnderNewNames,
    /// A Job is ended by `FailureTarget` alone.
    SetsFailureTargetAlone,
    /// A Pod is deleted without the condition that its author asks for.
    DeletesWithoutCondition,
    /// A Pod gets the condition and is not deleted.
    MarksWithoutDeleting,
    /// The condition stays on a Pod that lives on.
    LeavesConditions,
    /// A status is written again and again.
    WritesUnchangedStatus,
    /// A refusal is taken for done.
    TakesRefusalsForDone,
    /// An outcome is never heard of.
    LosesOutcomes,
    /// What fails is tried again at once.
    RetriesWithoutPause,
}

/// A mistake at work in a process.
#[derive(Debug)]
pub(super) struct Mistaken {
    which: Mistake,
    /// Objects that were seen.
    known: BTreeSet<(Kind, Uid)>,
    /// Kinds that were listed.
    listed: BTreeSet<Kind>,
    /// The Pod that stands for all of a job.
    stands_for: BTreeMap<Uid, Uid>,
    /// What policies asked for first.
    specs: BTreeMap<Uid, ImagePullPolicySpec>,
    /// The status that was written last.
    status: Option<Effect>,
    /// How often something was done.
    times: u64,
}

impl Mistaken {
    pub(super) const fn new(which: Mistake) -> Self {
        Self {
            which,
            known: BTreeSet::new(),
            listed: BTreeSet::new(),
            stands_for: BTreeMap::new(),
            specs: BTreeMap::new(),
            status: None,
            times: 0,
        }
    }

    pub(super) const fn which(&self) -> Mistake {
        self.which
    }

    /// What the process makes of the outcome of a write; `None`: nothing.
    pub(super) const fn outcome(&self, outcome: Outcome) -> Option<Outcome> {
        match self.which {
            Mistake::LosesOutcomes if !outcome.is_done() => None,
            Mistake::TakesRefusalsForDone => Some(Outcome::Applied),
            _ => Some(outcome),
        }
    }

    /// Whether the process takes itself for the leader: `leads` by its lease.
    pub(super) fn leads(&mut self, leads: bool) -> bool {
        match self.which {
            Mistake::ActsWithoutLease => true,
            Mistake::KeepsLeading => {
                self.times += u64::from(leads);
                self.times > 0
            }
            _ => leads,
        }
    }

    /// Whether an input is the first of its object; it is not from then on.
    fn is_first(&mut self, kind: Kind, uid: Uid) -> bool {
        self.known.insert((kind, uid))
    }

    /// Whether it happens this time: once in so many times.
    const fn once_in(&mut self, times: u64) -> bool {
        self.times += 1;
        self.times.is_multiple_of(times)
    }
}

/// The kind of a list's beginning or end.
const fn list_of(input: &Input) -> Option<Kind> {
    match input {
        Input::ListBegun(kind) | Input::ListEnded(kind) => Some(*kind),
        _ => None,
    }
}
