//! The log line of an effect: one a decision, with all that was decided; one for whatever else went
//! wrong.

use std::time::Duration;

use dislodge_engine::effect::{Effect, Outcome, Target, TargetKind, Verb};
use dislodge_engine::message::mask;
use dislodge_engine::notice::Decision;
use dislodge_engine::objects::Key;

use super::kind_name;
use crate::clock::millis;

/// What is logged of an effect. The keys are stable: people, tools and benchmarks read them.
pub(super) struct Line<'a> {
    /// As [`name`] has it.
    pub(super) name: &'static str,
    pub(super) effect: &'a Effect,
    /// What it carries out.
    pub(super) decision: Option<&'a Decision>,
    pub(super) outcome: Outcome,
    /// What the API server or the connection has said.
    pub(super) error: Option<String>,
    /// From the event that led to it to the request.
    pub(super) event_to_patch: Duration,
    /// From the decision to the outcome.
    pub(super) elapsed: Duration,
}

impl Line<'_> {
    /// Logs a decision always, and anything else for debugging or where it went wrong.
    pub(super) fn log(&self) {
        let (target, Key { namespace, name: object }) = target(self.effect);
        let (effect, target, outcome) = (self.name, kind_name(target), self.outcome.as_str());
        // An API server repeats what it refuses.
        let error = self.error.as_deref().map(mask);
        let error = error.as_deref();
        let elapsed_ms = millis(self.elapsed);
        // Only where quota waits for it does the time to the patch mean anything.
        let acts = acts(self.effect);
        let event_to_patch_ms = acts.then(|| millis(self.event_to_patch));
        let decision = self.decision;
        let uid = decision.map(|decision| decision.uid.to_string());
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    effect,
                    target_kind = target,
                    target_name = object,
                    namespace,
                    kind = decision.map(|decision| decision.kind.as_str()),
                    job = decision.map(|decision| decision.job.name.as_str()),
                    uid,
                    image = decision.map(|decision| decision.image.as_str()),
                    cause = decision.map(|decision| decision.cause.as_str()),
                    failed_pulls = decision.and_then(|decision| decision.failed_pulls),
                    policy = decision.map(|decision| decision.policy.as_str()),
                    rule = decision.and_then(|decision| decision.rule.as_deref()),
                    action = decision.map(|decision| decision.action.as_str()),
                    reason = decision.map(|decision| decision.reason),
                    outcome,
                    event_to_patch_ms,
                    elapsed_ms,
                    error,
                    "{effect} {target} {namespace}/{object}: {outcome}"
                )
            };
        }
        match self.outcome {
            Outcome::Applied | Outcome::AlreadyDone if acts || decision.is_some() => line!(info),
            Outcome::Applied | Outcome::AlreadyDone => line!(debug),
            Outcome::Conflict | Outcome::Gone | Outcome::TooLate => line!(info),
            Outcome::Throttled | Outcome::Unavailable => line!(warn),
            Outcome::Forbidden | Outcome::Rejected => line!(error),
        }
    }
}

/// The effect's name in logs and metrics. An Event that tells of a decision is a report.
pub(crate) const fn name(effect: &Effect, is_decision: bool) -> &'static str {
    match effect {
        Effect::Lever { verb: Verb::Hold, .. } => "Hold",
        Effect::Lever { verb: Verb::Resume, .. } => "Resume",
        Effect::Lever { verb: Verb::Clear, .. } => "Clear",
        Effect::Lever { verb: Verb::Finish, .. } => "Finish",
        Effect::EndPod { .. } => "EndPod",
        Effect::ClearPod { .. } => "ClearPod",
        Effect::Explain { .. } => "Explain",
        Effect::Publish(_) if is_decision => "Report",
        Effect::Publish(_) => "Publish",
        Effect::WriteStatus { .. } => "WriteStatus",
        Effect::Reserve { .. } => "Reserve",
    }
}

/// Whether an effect stops a job, or ends a Pod of it.
pub(super) const fn stops(effect: &Effect) -> bool {
    matches!(effect, Effect::Lever { verb: Verb::Hold, .. } | Effect::EndPod { .. })
}

/// Whether an effect changes what somebody else owns and quota depends on.
const fn acts(effect: &Effect) -> bool {
    match effect {
        Effect::Lever { .. } | Effect::EndPod { .. } | Effect::ClearPod { .. } => true,
        Effect::Explain { .. }
        | Effect::Publish(_)
        | Effect::WriteStatus { .. }
        | Effect::Reserve { .. } => false,
    }
}

/// What an effect is about.
pub(crate) fn target(effect: &Effect) -> (TargetKind, &Key) {
    const fn of(target: &Target) -> (TargetKind, &Key) {
        (target.kind, &target.key)
    }
    match effect {
        Effect::Lever { target, .. }
        | Effect::EndPod { target, .. }
        | Effect::ClearPod { target, .. }
        | Effect::Explain { target, .. }
        | Effect::WriteStatus { target, .. }
        | Effect::Reserve { target, .. } => of(target),
        Effect::Publish(event) => of(&event.regarding),
    }
}
