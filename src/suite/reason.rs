//! The words for why something is decided, or why nothing is.

use dislodge_engine::engine::account::{Account, Prospect};
use dislodge_engine::notice::reason::THRESHOLD;
use dislodge_engine::plan::{Fallback, NoReturn, Reported, Wait};
use dislodge_engine::quota::Foreign;

use super::format::ExpectedAction;

/// The threshold is not reached.
const COUNTING: &str = "Counting";
/// No policy governs the job.
const UNGOVERNED: &str = "Ungoverned";
/// No image of it fails.
const NO_FAILURE: &str = "NoFailure";
/// It is held already.
const HELD: &str = "Held";
/// It has ended.
pub(super) const ENDED: &str = "Ended";

/// All words, those for a decision first.
pub(super) const ALL: [&str; 30] = [
    THRESHOLD,
    Fallback::BlocksSchedule.as_str(),
    Fallback::NoFailLever.as_str(),
    NoReturn::Exhausted.as_str(),
    NoReturn::RequestUnknown.as_str(),
    Reported::Rule.as_str(),
    Reported::NoRule.as_str(),
    Reported::AUDIT,
    Reported::PeersRunning.as_str(),
    Reported::NodeLocal.as_str(),
    Reported::PullMayRun.as_str(),
    Reported::Overridden.as_str(),
    Reported::Ignored.as_str(),
    Reported::IgnoredByJob.as_str(),
    Reported::Foreign(Foreign::MultiKueueWorker).as_str(),
    Reported::Foreign(Foreign::ForeignManager).as_str(),
    Reported::NotAJob.as_str(),
    Reported::WouldDeletePods.as_str(),
    Wait::NextFailure.as_str(),
    Wait::OtherImage.as_str(),
    Wait::ClockSkew.as_str(),
    Wait::Quota.as_str(),
    Wait::Outage.as_str(),
    Wait::Budget.as_str(),
    Wait::Paused.as_str(),
    COUNTING,
    UNGOVERNED,
    NO_FAILURE,
    HELD,
    ENDED,
];

/// What a prospect comes to, and why.
pub(super) fn of(prospect: Prospect) -> (ExpectedAction, &'static str) {
    match prospect {
        Prospect::Ungoverned => (ExpectedAction::None, UNGOVERNED),
        Prospect::Count { .. } => (ExpectedAction::None, COUNTING),
        Prospect::Wait(wait) => (ExpectedAction::None, wait.as_str()),
        Prospect::Report(reported) => (ExpectedAction::Report, reported.as_str()),
        Prospect::EndPod => (ExpectedAction::FailJob, THRESHOLD),
        Prospect::Act { action, fallback } => {
            (action.into(), fallback.map_or(THRESHOLD, Fallback::as_str))
        }
    }
}

/// Why nothing is decided of a job whose images all are well, or that is held.
pub(super) fn of_rest(account: &Account) -> &'static str {
    if account.owner.is_finished() || account.owner.is_deleted() {
        ENDED
    } else if account.hold.is_some() {
        HELD
    } else {
        NO_FAILURE
    }
}
