//! What goes wrong around a replica of Dislodge.

use std::time::Duration;

use dislodge_engine::effect::{Outcome, Part, TargetKind};
use dislodge_engine::input::Kind;
use serde_json::Value;

use super::World;
use super::mistakes::Mistake;
use super::server::Write;
use crate::store::What;

/// What goes wrong around a replica for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Changes of a kind become known so much later; `None`: of all kinds.
    WatchLags(Option<Kind>, Duration),
    /// Each watch event comes twice.
    WatchRepeats,
    /// The watch of a kind is broken: what happens meanwhile is not seen, and then all is listed anew.
    WatchBreaks(Kind),
    /// Watch events of a kind that say this are lost; in the end all is listed anew.
    WatchDrops(Kind, What),
    /// A list of a kind is empty, and soon made again.
    ListsNothing(Kind),
    /// A list of a kind comes from an API server that has fallen behind
    /// ([`Deed::Remember`](super::Deed::Remember)), and is soon made again.
    ListsOld(Kind),
    /// The first list of a kind comes late.
    ListLags(Kind),
    /// Writes are not done, and this is the answer.
    Answers(Outcome),
    /// Writes are done, and no answer comes.
    AnswersAreLost,
    /// Writes take so much longer to arrive.
    WritesLag(Duration),
    /// The lease cannot be renewed.
    NoLease,
    /// It leads beside another, as after a lease that has expired unnoticed.
    LeadsToo,
    /// The process stands still.
    Frozen,
    /// The process's wall clock is off by so many seconds.
    WallIsOff(i64),
    /// The process's own clock runs at double speed, from its start on.
    ClockRunsFast,
    /// It dies at its next write: before the API server has it, or after.
    Dies {
        /// The API server has taken the write.
        taken: bool,
    },
    /// The same at its next write of a sort.
    DiesAt(Site, bool),
    /// It dies at each so many-th write, before or after the API server has it.
    DiesAgain(u32),
    /// It dies within its next list.
    DiesListing,
}

/// A sort of write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// A job is stopped.
    Hold,
    /// A job is started again.
    Resume,
    /// A Job is ended as failed.
    Finish,
    /// A Pod gets our condition.
    Mark,
    /// A Pod is deleted.
    Delete,
    /// The owner is told.
    Tell,
    /// An Event.
    Event,
    /// A policy's status.
    Status,
    /// A policy's budget.
    Reserve,
}

impl Site {
    pub(super) fn is(self, write: &Write) -> bool {
        let sort = match write {
            Write::Patch(target, patch) => match (target.kind, patch.part) {
                (TargetKind::Pod, _) => Self::Mark,
                (TargetKind::Job, Part::Status) => Self::Finish,
                _ => {
                    let flag = |pointer| patch.body.pointer(pointer).and_then(Value::as_bool);
                    let stops = flag("/spec/active").map(|active| !active);
                    match stops.or_else(|| flag("/spec/suspend")) {
                        Some(true) => Self::Hold,
                        Some(false) => Self::Resume,
                        None => Self::Tell,
                    }
                }
            },
            Write::Delete(_) => Self::Delete,
            Write::Publish(_) => Self::Event,
            Write::Status(..) => Self::Status,
            Write::Reserve(..) => Self::Reserve,
        };
        sort == self
    }
}

impl World {
    /// A mistake about which object a write is for.
    pub(super) fn mistake_target(&self, mistake: Mistake, write: &mut Write) {
        let Some(target) = write.target_mut() else { return };
        let named =
            |namespace: &str, name: &str| self.job_named(&(namespace.to_owned(), name.to_owned()));
        match (mistake, target.kind) {
            (Mistake::WritesByName, TargetKind::Job) => {
                if let Some(uid) = named(&target.key.namespace, &target.key.name) {
                    (target.uid, target.resource_version) = (uid, None);
                }
            }
            (Mistake::WritesByName, TargetKind::Workload) => {
                // A Workload's name holds the Job's, and ends with what tells them apart.
                let name = target.key.name.strip_prefix("job-").and_then(|n| n.rsplit_once('-'));
                let job = name.and_then(|(name, _)| named(&target.key.namespace, name));
                if let Some(uid) = job.and_then(|job| self.workload_of.get(&job).copied()) {
                    (target.uid, target.resource_version) = (uid, None);
                }
            }
            (Mistake::SuspendsUnderKueue, TargetKind::Workload) => {
                let Some(job) = self.workload(target.uid).map(|workload| workload.job) else {
                    return;
                };
                if let Write::Patch(target, patch) = write
                    && let Some(active) =
                        patch.body.pointer("/spec/active").and_then(Value::as_bool)
                {
                    (target.kind, target.uid, target.resource_version) =
                        (TargetKind::Job, job, None);
                    if let Some(spec) = patch.body.pointer_mut("/spec") {
                        *spec = serde_json::json!({"suspend": !active});
                    }
                }
            }
            _ => {}
        }
    }
}
