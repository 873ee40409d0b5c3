//! What the core wants done, as values, and how it can turn out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::api::{BudgetUse, ImagePullPolicyStatus};
use crate::objects::{Key, Uid};

/// Names an effect until its outcome is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EffectId(pub u64);

/// The kinds of objects that are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum TargetKind {
    /// Kueue's Workload.
    Workload,
    /// A Job of the group `batch`.
    Job,
    /// A JobSet.
    JobSet,
    /// A Pod.
    Pod,
    /// Our policy.
    Policy,
}

impl TargetKind {
    /// The kind as kubectl takes it.
    pub const fn in_commands(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::Job => "job",
            Self::JobSet => "jobset",
            Self::Pod => "pod",
            Self::Policy => "imagepullpolicy",
        }
    }
}

/// The very object that a write is meant for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// What it is.
    pub kind: TargetKind,
    /// Namespace and name.
    pub key: Key,
    /// Another object of the same name is not meant.
    pub uid: Uid,
    /// Where set, the write is refused if the object has changed since.
    pub resource_version: Option<String>,
}

/// How a patch is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Merge {
    /// RFC 7386: the only one that custom resources take; replaces lists whole.
    Json,
    /// Kubernetes' strategic merge: keeps what it does not name in lists with keys.
    Strategic,
}

/// Which part of the object a patch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Part {
    /// Metadata and spec.
    Main,
    /// The subresource `status`.
    Status,
}

/// A patch, less the preconditions: they stand in the [`Target`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Patch {
    /// How it is merged.
    pub merge: Merge,
    /// What it is for.
    pub part: Part,
    /// The body.
    pub body: serde_json::Value,
}

/// What a write does with a lever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Verb {
    /// Stops the job, and marks the stop as ours.
    Hold,
    /// Starts a job that we hold, and takes the mark away.
    Resume,
    /// Takes the mark away from a job that a person has started.
    Clear,
    /// Ends a job that we hold as failed.
    Finish,
}

/// Whether an Event is a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum EventType {
    /// It is for information.
    Normal,
    /// Somebody should look.
    Warning,
}

/// An Event of `events.k8s.io/v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// The Event's own name. The same happening always gets the same name, so that telling it
    /// again after a crash changes nothing.
    pub name: String,
    /// The object that it is about.
    pub regarding: Target,
    /// Warning or not.
    pub kind: EventType,
    /// One CamelCase word: why.
    pub reason: &'static str,
    /// One CamelCase word: what was done.
    pub action: &'static str,
    /// The sentence; at most 1024 bytes.
    pub note: String,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Effect {
    /// Write to the object that carries a job's lever.
    Lever {
        /// To what end.
        verb: Verb,
        /// Where.
        target: Target,
        /// What.
        patch: Patch,
        /// The end of the safe moment that it is for, as [`crate::time::Now::elapsed`]: not to be
        /// sent, nor waited for, any longer. `None`: it needs no moment.
        until: Option<Duration>,
    },
    /// Set our condition on a Pod, then delete it, both pinned.
    EndPod {
        /// The Pod.
        target: Target,
        /// What has to stand on it before, the condition first; none where it stands there already.
        patches: Vec<Patch>,
        /// As with [`Effect::Lever`].
        until: Option<Duration>,
    },
    /// Take our condition from a Pod that was not ended.
    ClearPod {
        /// The Pod.
        target: Target,
        /// What takes it away.
        patch: Patch,
    },
    /// Tell the owner on the owner's own object, or take the word back.
    Explain {
        /// The owner's object.
        target: Target,
        /// The annotations.
        patch: Patch,
    },
    /// Publish an Event.
    Publish(Event),
    /// Write a policy's status.
    WriteStatus {
        /// The policy.
        target: Target,
        /// The whole status.
        status: Box<ImagePullPolicyStatus>,
    },
    /// Reserve slots of a policy's budget, before they are used.
    Reserve {
        /// The policy, pinned.
        target: Target,
        /// The budget's use once this is written.
        budget: BudgetUse,
    },
}

/// How an effect turned out. The name is the metric label and the reason, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// It was done.
    Applied,
    /// It had been done before.
    AlreadyDone,
    /// The object has changed since (409): decide anew.
    Conflict,
    /// The object is gone (404), or another one has its name.
    Gone,
    /// The right to do it is missing (401, 403).
    Forbidden,
    /// The API server or a webhook refuses the content (400, 422).
    Rejected,
    /// The API server asks for patience (429).
    Throttled,
    /// No answer, or a failing API server: it may have been done.
    Unavailable,
    /// The safe moment was over before it could be sent.
    TooLate,
}

impl Outcome {
    /// The name in metrics, reasons and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "Applied",
            Self::AlreadyDone => "AlreadyDone",
            Self::Conflict => "Conflict",
            Self::Gone => "Gone",
            Self::Forbidden => "Forbidden",
            Self::Rejected => "Rejected",
            Self::Throttled => "Throttled",
            Self::Unavailable => "Unavailable",
            Self::TooLate => "TooLate",
        }
    }

    /// Whether nothing was changed for sure: what was set aside for it is free again.
    pub const fn is_refused(self) -> bool {
        !self.is_done() && !matches!(self, Self::Unavailable)
    }

    /// Whether the version that a write was pinned to can be used once more: it was refused for
    /// another reason than its age.
    pub const fn spares_version(self) -> bool {
        !self.is_done() && !matches!(self, Self::Conflict | Self::Gone)
    }

    /// Whether what was wanted is now so.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Applied | Self::AlreadyDone)
    }
}
