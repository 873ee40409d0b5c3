//! The one loop that owns the engine: inputs in, effects out, deadlines kept.

use std::time::Duration;

use dislodge_engine::Engine;
use dislodge_engine::effect::Effect;
use dislodge_engine::input::{Input, Kind};
use dislodge_engine::notice::Notice;
use dislodge_engine::objects::Uid;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::dispatch::{Dispatch, Told, Trigger};
use crate::health::Health;
use crate::metrics::{Depths, Metrics};
use crate::recording::Entry;
use crate::recording::rolling::Recorder;

/// How many inputs may wait: watches that are ahead of the engine wait in turn, and with them the
/// API server.
const WAITING: usize = 1024;
/// The longest time between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How often is measured how things stand.
const MEASURE: Duration = Duration::from_secs(5);
/// Pause before a recorder that is behind is looked at again.
const CATCH_UP: Duration = Duration::from_millis(10);
/// Pause before the same deadline is told again, so that one which does not move is no spin.
const SAME_DEADLINE: Duration = Duration::from_millis(100);
/// How long a stop waits for effects that are under way.
const DRAIN: Duration = Duration::from_secs(3);

/// What is told, and when it was received (as [`Clock::elapsed`]).
#[derive(Debug)]
struct Envelope {
    told: Message,
    received: Duration,
}

/// What an inbox takes.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are inputs: a box for each would cost more"
)]
enum Message {
    Input(Input),
    /// Objects of a list, of which is asked which ones have to be told.
    Listed {
        kind: Kind,
        heads: Vec<Head>,
        answer: oneshot::Sender<Vec<bool>>,
    },
}

/// Which object stands in a list, and in which version. Without both it has to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its uid.
    pub uid: Option<Uid>,
    /// Its version.
    pub version: Option<Box<str>>,
}

/// Where inputs go. Clones lead to the same engine.
#[derive(Clone, Debug)]
pub struct Inbox(mpsc::Sender<Envelope>);

/// The engine takes no more inputs: the process is about to end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the engine takes no more inputs")]
pub struct Closed;

/// The other end of an inbox, for whoever takes the inputs in place of an engine.
#[derive(Debug)]
pub struct Inputs {
    inbox: mpsc::Receiver<Envelope>,
    /// What it knows already.
    known: Vec<Head>,
}

impl Inputs {
    /// The next input; `None`: nobody sends any more.
    pub async fn next(&mut self) -> Option<Input> {
        loop {
            match self.inbox.recv().await?.told {
                Message::Input(input) => return Some(input),
                Message::Listed { heads, answer, .. } => {
                    let known = heads.iter().map(|head| self.known.contains(head)).collect();
                    let _gone = answer.send(known); // the watch has ended: nobody waits
                }
            }
        }
    }
}

#[cfg(test)]
impl Inputs {
    /// As if these had been told before.
    pub(crate) fn knows(&mut self, heads: impl IntoIterator<Item = Head>) {
        self.known.extend(heads);
    }
}

impl Inbox {
    /// An inbox that leads to no engine.
    pub fn to_nobody() -> (Self, Inputs) {
        let (sender, inbox) = mpsc::channel(WAITING);
        (Self(sender), Inputs { inbox, known: Vec::new() })
    }

    /// Tells the engine; waits while too many inputs wait already. `received` is when the process
    /// heard of it (as [`Clock::elapsed`]).
    ///
    /// # Errors
    ///
    /// Where the process is about to end.
    pub async fn send(&self, input: Input, received: Duration) -> Result<(), Closed> {
        let told = Message::Input(input);
        self.0.send(Envelope { told, received }).await.map_err(|_| Closed)
    }

    /// Tells the engine which objects a list has, and waits for its answer: whether it knows each of them in
    /// that very version. Those it does are told by that, and need not be decoded.
    ///
    /// # Errors
    ///
    /// Where the process is about to end.
    pub async fn listed(
        &self,
        kind: Kind,
        heads: Vec<Head>,
        received: Duration,
    ) -> Result<Vec<bool>, Closed> {
        let (answer, known) = oneshot::channel();
        let told = Message::Listed { kind, heads, answer };
        self.0.send(Envelope { told, received }).await.map_err(|_| Closed)?;
        Ok(known.await.unwrap_or_default())
    }
}

/// The driver's ends of all channels, and the engine.
#[derive(Debug)]
pub struct Driver {
    engine: Engine,
    clock: Clock,
    health: Health,
    metrics: Metrics,
    /// When is measured next.
    measure: Duration,
    inbox: mpsc::Receiver<Envelope>,
    told: UnboundedReceiver<Told>,
    dispatch: Dispatch,
    under_way: usize,
    /// The deadline that was told last, and when.
    last: Option<(Duration, Duration)>,
    /// Who is shown each turn.
    recorder: Option<Recorder>,
}

impl Driver {
    /// A driver for this engine, which tells how it fares. `dispatch` makes the performer of effects,
    /// given where outcomes go.
    pub fn new(
        engine: Engine,
        (clock, health, metrics): (Clock, Health, Metrics),
        dispatch: impl FnOnce(UnboundedSender<Told>) -> Dispatch,
    ) -> (Self, Inbox) {
        let (sender, inbox) = mpsc::channel(WAITING);
        // Outcomes are never held up: there are no more of them than effects under way.
        let (outcomes, told) = mpsc::unbounded_channel();
        let dispatch = dispatch(outcomes);
        let driver = Self {
            engine,
            clock,
            health,
            metrics,
            measure: Duration::ZERO,
            inbox,
            told,
            dispatch,
            under_way: 0,
            last: None,
            recorder: None,
        };
        (driver, Inbox(sender))
    }

    /// The same, whose turns are recorded.
    #[must_use]
    pub fn recorded(mut self, recorder: Recorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Runs until `stop`, then lets the effects that are under way end.
    pub async fn run(mut self, stop: &CancellationToken) {
        loop {
            self.health.beat();
            self.measure();
            // Before the inbox, so that a flood of events does not hold up what is due.
            let wake = self.deadline();
            let waits = self.waits_for_recorder();
            let wake = if waits { wake.min(self.clock.elapsed() + CATCH_UP) } else { wake };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(told) = self.told.recv() => self.finish(told),
                Some(Envelope { told, received }) = self.inbox.recv(), if !waits => match told {
                    Message::Input(input) => self.handle(input, received),
                    Message::Listed { kind, heads, answer } => {
                        let known = self.recognise(kind, &heads, received);
                        let _gone = answer.send(known); // the watch has ended: nobody waits
                    }
                },
                () = self.clock.sleep_until(wake) => {}
            }
        }
        self.drain().await;
    }

    /// The first lists of a large cluster come faster than they are recorded, and nothing is decided
    /// before they are through. Later on the recording waits for nobody, and nobody waits for it.
    fn waits_for_recorder(&self) -> bool {
        !self.engine.is_synced() && self.recorder.as_ref().is_some_and(Recorder::is_behind)
    }

    /// Tells a deadline that is due; returns when to look again.
    fn deadline(&mut self) -> Duration {
        for _ in 0..2 {
            let now = self.clock.elapsed();
            let heartbeat = now + HEARTBEAT;
            let Some(due) = self.engine.next_deadline() else { return heartbeat };
            let due = match self.last {
                Some((last, told)) if last == due => told + SAME_DEADLINE,
                _ => due,
            };
            if due > now {
                return due.min(heartbeat);
            }
            self.last = self.engine.next_deadline().map(|due| (due, now));
            self.handle(Input::Deadline, due);
        }
        // Two were due at once: the inbox and the outcomes get their turn before a third.
        self.clock.elapsed()
    }

    /// Which objects of a list need not be told.
    fn recognise(&mut self, kind: Kind, heads: &[Head], received: Duration) -> Vec<bool> {
        let uid_if_known = |head: &Head| {
            let (uid, version) = (head.uid?, head.version.as_deref()?);
            self.engine.knows(kind, uid, version).then_some(uid)
        };
        let known: Vec<Option<Uid>> = heads.iter().map(uid_if_known).collect();
        let unchanged: Vec<Uid> = known.iter().copied().flatten().collect();
        if !unchanged.is_empty() {
            self.handle(Input::Unchanged(kind, unchanged), received);
        }
        known.iter().map(Option::is_some).collect()
    }

    fn handle(&mut self, input: Input, received: Duration) {
        let now = self.clock.now();
        let recorder = self.recorder.as_mut().filter(|recorder| recorder.is_on());
        let told = recorder.is_some().then(|| input.clone());
        let mut effects = self.engine.handle(input, now);
        let notices: Vec<Notice> = self.engine.notices().collect();
        if let (Some(recorder), Some(input)) = (recorder, told) {
            let (effects, notices) = (effects.clone(), notices.clone());
            recorder.take(Entry { now, input, effects, notices });
        }
        // What frees quota goes first.
        effects.sort_by_key(|(_, effect)| !is_urgent(effect));
        let mut decisions = Vec::new();
        for notice in notices {
            match notice {
                Notice::Decided(id, decision) => decisions.push((id, decision)),
                other @ (Notice::FailedPull(_) | Notice::Audited { .. } | Notice::Released(_)) => {
                    self.metrics.note(&other);
                }
            }
        }
        for (id, effect) in effects {
            self.under_way += 1;
            let decided = decisions.iter().position(|(of, _)| *of == id);
            let decision = decided.map(|at| decisions.swap_remove(at).1);
            let trigger = Trigger { received, decided: now.elapsed };
            self.dispatch.start(id, effect, decision, trigger);
        }
    }

    /// Measures how things stand, every now and then.
    fn measure(&mut self) {
        if self.clock.elapsed() < self.measure {
            return;
        }
        let now = self.clock.now();
        self.measure = now.elapsed + MEASURE;
        let depths = Depths { inputs: self.inbox.len(), effects: self.under_way };
        self.metrics.measure(self.engine.gauges(now), depths, now.elapsed);
    }

    fn finish(&mut self, told: Told) {
        self.under_way = self.under_way.saturating_sub(1);
        self.handle(Input::Done(told.id, told.outcome), self.clock.elapsed());
    }

    /// Takes outcomes, and nothing else, until no effect is under way: a hold that was just taken
    /// is still explained.
    async fn drain(mut self) {
        let until = self.clock.elapsed() + DRAIN;
        while self.under_way > 0 {
            tokio::select! {
                biased;
                Some(told) = self.told.recv() => self.finish(told),
                () = self.clock.sleep_until(until) => {
                    let left = self.under_way;
                    tracing::warn!(left, "stopping with effects under way; the next start decides anew");
                    return;
                }
            }
        }
    }
}

/// Whether quota waits for it.
fn is_urgent(effect: &Effect) -> bool {
    match effect {
        Effect::Lever { .. }
        | Effect::EndPod { .. }
        | Effect::ClearPod { .. }
        | Effect::Reserve { .. } => true,
        Effect::Explain { .. } | Effect::Publish(_) | Effect::WriteStatus { .. } => false,
    }
}

#[cfg(test)]
pub(crate) mod tests;
