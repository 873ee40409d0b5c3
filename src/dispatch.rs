//! A task for each effect; its outcome is told to the engine, to the log and to the metrics.

mod line;

use std::sync::Arc;
use std::time::Duration;

use dislodge_engine::effect::{Effect, EffectId, Outcome, TargetKind};
use dislodge_engine::notice::Decision;
use kube::Client;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;

use self::line::{Line, stops};
pub(crate) use self::line::{name, target};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::request::{Accepted, Refused};
use crate::tasks::Tasks;
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
    metrics: Metrics,
    tasks: Tasks,
    told: UnboundedSender<Told>,
}

impl std::fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatch").finish_non_exhaustive()
    }
}

impl Dispatch {
    /// Each effect is one of `tasks`; outcomes go to `told`.
    pub const fn new(
        writer: Writer,
        metrics: Metrics,
        tasks: Tasks,
        told: UnboundedSender<Told>,
    ) -> Self {
        Self { writer, metrics, tasks, told }
    }

    /// Starts an effect, and says which decision it carries out. Its outcome is told exactly once,
    /// whatever happens.
    pub fn start(
        &self,
        id: EffectId,
        effect: Effect,
        decision: Option<Box<Decision>>,
        trigger: Trigger,
    ) {
        let (writer, metrics) = (self.writer.clone(), self.metrics.clone());
        let promise = Promise { id, outcome: Outcome::Unavailable, told: self.told.clone() };
        self.tasks.start(async move {
            let name = name(&effect, decision.is_some());
            let event_to_patch = writer.clock.elapsed().saturating_sub(trigger.received);
            if let Some(decision) = &decision {
                metrics.decided(name, decision, event_to_patch);
            }
            let answer = perform(&effect, &writer).await;
            let outcome = match &answer {
                Ok(_) => Outcome::Applied,
                Err(refused) => refused.outcome,
            };
            promise.keep(outcome);
            metrics.landed(name, outcome);
            if let Some(decision) = decision.as_ref().filter(|_| stops(&effect)) {
                let first = decision.first_failure.filter(|_| outcome.is_done());
                let detection = first.map(|first| writer.clock.wall().duration_since(first));
                let detection = detection.and_then(|span| Duration::try_from(span).ok());
                metrics.acted(decision, outcome, detection);
            }
            let line = Line {
                name,
                effect: &effect,
                decision: decision.as_deref(),
                outcome,
                error: answer.err().map(|refused| refused.message),
                event_to_patch,
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
}
