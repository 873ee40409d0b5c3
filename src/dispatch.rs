//! A task for each effect, and one log line for each outcome.

use std::sync::Arc;
use std::time::Duration;

use dislodge_engine::effect::{Effect, EffectId, Outcome, Patch, Target, TargetKind, Verb};
use dislodge_engine::keys;
use dislodge_engine::objects::Key;
use kube::Client;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;

use crate::clock::{Clock, millis};
use crate::request::{Accepted, Refused};
use crate::watch::kinds::Versions;
use crate::{apply, report};

/// How many requests of `report` may be under way. Levers are never counted and never wait.
const REPORTS: usize = 8;

/// What both writers need.
#[derive(Clone)]
pub struct Writer {
    /// The client.
    pub client: Client,
    /// The versions of kinds that have more than one.
    pub versions: Versions,
    /// Name of this replica, for Events.
    pub identity: String,
    /// For the time of Events, and to measure.
    pub clock: Clock,
    /// One permit a request of `report`.
    pub reports: Arc<Semaphore>,
}

impl Writer {
    /// A writer on this client.
    pub fn new(client: Client, versions: Versions, identity: String, clock: Clock) -> Self {
        Self { client, versions, identity, clock, reports: Arc::new(Semaphore::new(REPORTS)) }
    }
}

/// How an effect turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The effect.
    pub id: EffectId,
    /// Its outcome.
    pub outcome: Outcome,
}

/// What led to an effect, as times since the process began.
#[derive(Clone, Copy, Debug)]
pub struct Trigger {
    /// When the process received the event that led to it.
    pub received: Duration,
    /// When the engine was asked.
    pub decided: Duration,
}

/// Performs effects and tells their outcomes.
#[derive(Clone)]
pub struct Dispatch {
    writer: Writer,
    told: UnboundedSender<Told>,
}

impl std::fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatch").finish_non_exhaustive()
    }
}

impl Dispatch {
    /// Outcomes go to `told`.
    pub const fn new(writer: Writer, told: UnboundedSender<Told>) -> Self {
        Self { writer, told }
    }

    /// Starts an effect. Its outcome is told exactly once, whatever happens.
    pub fn start(&self, id: EffectId, effect: Effect, trigger: Trigger) {
        let writer = self.writer.clone();
        let promise = Promise { id, outcome: Outcome::Unavailable, told: self.told.clone() };
        tokio::spawn(async move {
            let sent = writer.clock.elapsed();
            let answer = perform(&effect, &writer).await;
            let outcome = match &answer {
                Ok(_) => Outcome::Applied,
                Err(refused) => refused.outcome,
            };
            promise.keep(outcome);
            let line = Line {
                effect: &effect,
                outcome,
                error: answer.err().map(|refused| refused.message),
                event_to_patch: sent.saturating_sub(trigger.received),
                elapsed: writer.clock.elapsed().saturating_sub(trigger.decided),
            };
            line.log();
        });
    }
}

async fn perform(effect: &Effect, writer: &Writer) -> Result<Accepted, Refused> {
    match effect {
        Effect::Lever { target, patch, until, .. } => {
            apply::patch(target, patch, *until, writer).await
        }
        Effect::ClearPod { target, patch } => apply::patch(target, patch, None, writer).await,
        Effect::EndPod { target, patches, until } => {
            apply::end_pod(target, patches, *until, writer).await
        }
        Effect::Explain { target, patch } => report::explain(target, patch, writer).await,
        Effect::Publish(event) => report::publish(event, writer).await,
        Effect::WriteStatus { target, status } => {
            report::write_status(target, status, writer).await
        }
        Effect::Reserve { target, budget } => report::reserve(target, budget, writer).await,
    }
}

/// Tells an outcome when it is dropped, so also where the task that made it panics.
struct Promise {
    id: EffectId,
    outcome: Outcome,
    told: UnboundedSender<Told>,
}

impl Promise {
    fn keep(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        // Nobody listens any more where the process is about to end.
        let _ = self.told.send(Told { id: self.id, outcome: self.outcome });
    }
}

/// What is logged of an effect. The keys are stable: people and benchmarks read them.
struct Line<'a> {
    effect: &'a Effect,
    outcome: Outcome,
    error: Option<String>,
    event_to_patch: Duration,
    elapsed: Duration,
}

impl Line<'_> {
    fn log(&self) {
        let (name, target, patch) = parts(self.effect);
        let (kind, Key { namespace, name: object }) = target;
        let cause = patch.and_then(cause);
        let (outcome, error) = (self.outcome.as_str(), self.error.as_deref());
        let elapsed_ms = millis(self.elapsed);
        // Only where quota waits for it does the time to the patch mean anything.
        let acts = acts(self.effect);
        let event_to_patch_ms = acts.then(|| millis(self.event_to_patch));
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    effect = name,
                    kind = kind_name(kind),
                    namespace,
                    name = object,
                    cause,
                    outcome,
                    event_to_patch_ms,
                    elapsed_ms,
                    error,
                    "{name} {} {namespace}/{object}: {outcome}",
                    kind_name(kind)
                )
            };
        }
        match self.outcome {
            Outcome::Applied | Outcome::AlreadyDone if acts => line!(info),
            Outcome::Applied | Outcome::AlreadyDone => line!(debug),
            Outcome::Conflict | Outcome::Gone | Outcome::TooLate => line!(info),
            Outcome::Throttled | Outcome::Unavailable => line!(warn),
            Outcome::Forbidden | Outcome::Rejected => line!(error),
        }
    }
}

/// Whether an effect changes what somebody else owns and quota depends on.
fn acts(effect: &Effect) -> bool {
    match effect {
        Effect::Lever { .. } | Effect::EndPod { .. } | Effect::ClearPod { .. } => true,
        Effect::Explain { .. }
        | Effect::Publish(_)
        | Effect::WriteStatus { .. }
        | Effect::Reserve { .. } => false,
    }
}

fn parts(effect: &Effect) -> (&'static str, (TargetKind, &Key), Option<&Patch>) {
    fn of(target: &Target) -> (TargetKind, &Key) {
        (target.kind, &target.key)
    }
    match effect {
        Effect::Lever { verb, target, patch, .. } => {
            let name = match verb {
                Verb::Hold => "Hold",
                Verb::Resume => "Resume",
                Verb::Clear => "Clear",
                Verb::Finish => "Finish",
            };
            (name, of(target), Some(patch))
        }
        Effect::EndPod { target, patches, .. } => ("EndPod", of(target), patches.first()),
        Effect::ClearPod { target, patch } => ("ClearPod", of(target), Some(patch)),
        Effect::Explain { target, patch } => ("Explain", of(target), Some(patch)),
        Effect::Publish(event) => ("Publish", of(&event.regarding), None),
        Effect::WriteStatus { target, .. } => ("WriteStatus", of(target), None),
        Effect::Reserve { target, .. } => ("Reserve", of(target), None),
    }
}

fn cause(patch: &Patch) -> Option<&str> {
    patch.body.get("metadata")?.get("annotations")?.get(keys::HELD_CAUSE)?.as_str()
}

/// The kind's name as the API has it.
pub const fn kind_name(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Workload => "Workload",
        TargetKind::Job => "Job",
        TargetKind::JobSet => "JobSet",
        TargetKind::Pod => "Pod",
        TargetKind::Policy => dislodge_engine::api::KIND,
    }
}

#[cfg(test)]
mod tests {
    use dislodge_engine::effect::{Merge, Part};
    use serde_json::json;
    use tokio::sync::mpsc;

    use super::*;

    fn promise() -> (Promise, mpsc::UnboundedReceiver<Told>) {
        let (told, outcomes) = mpsc::unbounded_channel();
        (Promise { id: EffectId(7), outcome: Outcome::Unavailable, told }, outcomes)
    }

    #[test]
    fn an_outcome_is_told_once_and_not_before_it_is_known() {
        let (promise, mut outcomes) = promise();
        assert!(outcomes.try_recv().is_err());
        promise.keep(Outcome::Conflict);
        assert_eq!(outcomes.try_recv(), Ok(Told { id: EffectId(7), outcome: Outcome::Conflict }));
        assert!(outcomes.try_recv().is_err());
    }

    #[tokio::test]
    async fn an_effect_whose_task_panics_may_have_been_carried_out() {
        let (promise, mut outcomes) = promise();
        let task = tokio::spawn(async move {
            let _promise = promise;
            panic!("on purpose");
        });
        assert!(task.await.is_err());
        assert_eq!(outcomes.recv().await.map(|told| told.outcome), Some(Outcome::Unavailable));
    }

    #[test]
    fn the_cause_is_read_from_the_explanation() {
        let body = json!({"metadata": {"annotations": {"dislodge.dev/held-cause": "NotFound"}}});
        let patch = |body| Patch { merge: Merge::Json, part: Part::Main, body };
        assert_eq!(cause(&patch(body)), Some("NotFound"));
        assert_eq!(cause(&patch(json!({"spec": {"active": true}}))), None);
    }
}
