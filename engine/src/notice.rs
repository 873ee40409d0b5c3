//! What logs and metrics tell of: values that the engine gives beside its effects. Nothing follows
//! from them, and whoever does not want them leaves them.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::api::Action;
use crate::cause::Cause;
use crate::effect::EffectId;
use crate::explain::HoldRecord;
use crate::judge::Evidence;
use crate::message::mask;
use crate::objects::{Key, Uid};
use crate::owner::Owner;
use crate::plan::{Plan, Reported};

/// Something that was decided or has happened, told once by the replica that acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Notice {
    /// The effect carries out this decision.
    Decided(EffectId, Box<Decision>),
    /// A pull was seen to fail. What a list shows is left out: nothing says when it failed.
    FailedPull(Cause),
    /// A policy of this namespace in mode Audit has learnt something.
    Audited {
        /// The namespace.
        namespace: String,
        /// What.
        outcome: Audited,
    },
    /// The quota of a job is seen to be free, so long after its hold was decided.
    Released(Duration),
}

/// What mode Audit learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Audited {
    /// Enforce would have acted on a job.
    WouldHaveActed,
    /// Such a job has started by itself later: to act would have been wrong.
    LaterStarted,
}

impl Audited {
    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WouldHaveActed => "WouldHaveActed",
            Self::LaterStarted => "LaterStarted",
        }
    }
}

/// Why something was decided, where neither a report nor a fallback says so. Together with
/// [`Reported::as_str`] and [`crate::plan::Fallback::as_str`] these are all reasons that there are.
pub mod reason {
    /// The failed pulls have reached the threshold of a rule.
    pub const THRESHOLD: &str = "ThresholdReached";
    /// The job's Pods are gone: it can be ended.
    pub const PODS_GONE: &str = "PodsGone";
    /// The hold has lasted as long as `hold.maxSeconds` allows.
    pub const LONGEST_HOLD: &str = "HeldTooLong";
    /// The pause of a requeued job is over, and its quota is free.
    pub const DUE: &str = "Due";
    /// A requeued job could not come back for too long.
    pub const STUCK: &str = "CannotReturn";
    /// The job was failing by itself when it was stopped.
    pub const FAILING: &str = "FailingByItself";
    /// The job was completing by itself when it was stopped.
    pub const COMPLETING: &str = "CompletingByItself";
    /// A person asks for it by annotation.
    pub const REQUESTED: &str = "Requested";
    /// Somebody else has started the job.
    pub const STARTED: &str = "StartedByOthers";
}

/// What was decided of a job. The keys of a log line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The job's kind, as its people know it.
    pub kind: String,
    /// The job's namespace and name, as its people know it.
    pub job: Key,
    /// The job's uid.
    pub uid: Uid,
    /// The policy by which it was decided, by name.
    pub policy: String,
    /// The rule; `None` where no rule lists the cause.
    pub rule: Option<String>,
    /// The image that cannot be pulled, without secrets.
    pub image: String,
    /// Why it cannot be pulled.
    pub cause: Cause,
    /// How often in a row it has failed; `None` where the decision is about a hold that stands.
    pub failed_pulls: Option<u32>,
    /// When the first of these failed, by the API server's clock.
    pub first_failure: Option<Timestamp>,
    /// What is done, or what the hold leads to.
    pub action: Action,
    /// Why, in a word: one of a closed set.
    pub reason: &'static str,
}

impl Decision {
    /// A decision on an image that fails. `None` for a plan that does nothing.
    pub fn on_image(
        job: &Owner,
        (policy, rule): (&str, Option<&str>),
        image: &str,
        evidence: &Evidence,
        plan: &Plan<'_>,
    ) -> Option<Self> {
        let (action, reason) = match plan {
            Plan::Count | Plan::Wait(_) => return None,
            Plan::Report(why) => (Action::Report, Reported::as_str(*why)),
            Plan::EndPod { .. } => (Action::FailJob, reason::THRESHOLD),
            Plan::Act { action, fallback, .. } => {
                (*action, fallback.map_or(reason::THRESHOLD, crate::plan::Fallback::as_str))
            }
        };
        Some(Self {
            kind: job.kind().to_owned(),
            job: job.neighbour(job.name()),
            uid: job.uid(),
            policy: policy.to_owned(),
            rule: rule.map(str::to_owned),
            image: mask(image).into_owned(),
            cause: evidence.cause,
            failed_pulls: Some(evidence.failed_pulls),
            first_failure: Some(evidence.first),
            action,
            reason,
        })
    }

    /// A decision on a hold that stands, or takes the place of one.
    pub fn on_hold(job: &Owner, hold: &HoldRecord, reason: &'static str) -> Self {
        Self {
            kind: job.kind().to_owned(),
            job: job.neighbour(job.name()),
            uid: job.uid(),
            policy: hold.policy.clone(),
            rule: Some(hold.rule.clone()),
            // It stands on an object that others can write to.
            image: mask(&hold.image).into_owned(),
            cause: hold.cause,
            failed_pulls: None,
            first_failure: None,
            action: hold.action,
            reason,
        }
    }
}
