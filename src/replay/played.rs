//! What has come of a replay, as data.

use std::collections::{BTreeMap, BTreeSet};

use dislodge_engine::cause::Cause;
use jiff::Timestamp;
use serde::Serialize;

/// What has come of a run.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Played {
    /// The times of the first and of the last input.
    pub(super) began: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    pub(super) inputs: u64,
    /// Whether everything was listed by the end: before, nothing is decided.
    pub(super) synced: bool,
    /// What was decided, in order.
    pub(super) decisions: Vec<Decided>,
    /// Images that fail at the end and about which nothing was done.
    pub(super) open: Vec<Open>,
    /// Effects that were held against the recorded ones.
    pub(super) effects: u64,
    /// The first input of which something else came than is recorded.
    pub(super) difference: Option<Difference>,
    /// Uids of jobs that would have been stopped, and started later by themselves.
    pub(super) later_started: BTreeSet<String>,
    /// Quota that jobs held whose image could not be pulled, by resource: its units times seconds.
    pub(super) wasted: BTreeMap<String, Wasted>,
}

/// Quota that was held in vain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wasted {
    /// As it was recorded.
    pub(super) recorded: f64,
    /// Without that of jobs that would have been stopped by then.
    pub(super) until_action: f64,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Decided {
    pub(super) time: Timestamp,
    pub(super) kind: String,
    pub(super) job: String,
    pub(super) uid: String,
    /// Namespace and LocalQueue; without a name for Jobs that no queue system manages.
    pub(super) queue: Option<String>,
    pub(super) image: String,
    pub(super) cause: Cause,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failed_pulls: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_failure: Option<Timestamp>,
    pub(super) policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<String>,
    pub(super) action: &'static str,
    /// Whether anything is done, or would be, beside telling.
    pub(super) acts: bool,
    pub(super) reason: &'static str,
    /// The effect that carried it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) effect: Option<&'static str>,
    /// How that turned out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<&'static str>,
}

/// An image that fails, about which nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Open {
    pub(super) job: String,
    pub(super) kind: String,
    pub(super) image: String,
    pub(super) cause: Cause,
    pub(super) failed_pulls: u32,
    /// What comes next, or why nothing does.
    pub(super) why: String,
}

/// The first input of which something else came than is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Difference {
    pub(super) at: Timestamp,
    /// The input, counted from 1 in its run.
    pub(super) input: u64,
    pub(super) recorded: Vec<String>,
    pub(super) replayed: Vec<String>,
}
