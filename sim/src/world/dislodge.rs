//! A replica of Dislodge: the engine with its watches, its writes under way and its lease.

#![expect(clippy::wildcard_enum_match_arm, reason = "each place looks for its own troubles")]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use dislodge_engine::effect::{Effect, EffectId, Outcome};
use dislodge_engine::input::{Input, Kind};
use dislodge_engine::time::Now;
use dislodge_engine::{Config, Engine};
use jiff::SignedDuration;

use super::object::{How, Object};
use super::server::Write;
use super::{Id, World};
use crate::store::{Change, Version, What};

/// From a change to the engine's knowing it.
const WATCH: Duration = Duration::from_millis(8);
/// A write's way to the API server, and that of the answer back.
const WAY: Duration = Duration::from_millis(2);
/// A start, until the first list is asked for.
const START: Duration = Duration::from_millis(300);
/// The lease and its renewal (client-go: `LeaseDuration` 15 s; renewed less often here, as nobody
/// contends).
const LEASE: Duration = Duration::from_secs(15);
const RENEWAL: Duration = Duration::from_secs(10);

/// How a replica is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaPlan {
    /// When it is started.
    pub starts: Duration,
    /// Whether it holds the lease, or believes to.
    pub leads: bool,
    /// What goes wrong around it, from when until when.
    pub troubles: Vec<(Duration, Duration, Trouble)>,
}

/// What goes wrong around a replica for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Changes of a kind become known so much later; `None`: of all kinds.
    WatchLags(Option<Kind>, Duration),
    /// Each watch event comes twice.
    WatchRepeats,
    /// The watch of a kind is broken: what happens meanwhile is not seen, and then all is listed anew.
    WatchBreaks(Kind),
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
    /// It dies at its next write: before the API server has it, or after.
    Dies {
        /// The API server has taken the write.
        taken: bool,
    },
}

/// How long a process that died is away.
const AWAY: Duration = Duration::from_secs(3);

/// A replica.
#[derive(Debug)]
pub struct Replica {
    plan: ReplicaPlan,
    /// `None` while it is not running.
    life: Option<Life>,
}

/// What a process knows, and what ends with it.
#[derive(Debug)]
struct Life {
    engine: Engine,
    born: Duration,
    /// What comes next, when it comes, and when it was so.
    watches: BTreeMap<Kind, VecDeque<(Duration, Duration, Input)>>,
    /// Where each watch goes on after its list; `None`: it is not listed yet.
    listed: Option<Version>,
    list_at: Duration,
    renew_at: Duration,
    /// Writes on the way, by the time of their arrival.
    sent: BTreeMap<(Duration, EffectId), Sent>,
    answers: BTreeMap<(Duration, EffectId), Outcome>,
    /// The deadline that was told last.
    passed: Option<Duration>,
    /// Kinds whose watch is broken, when they are listed anew, and since when nothing is seen.
    broken: BTreeMap<Kind, (Duration, Duration)>,
}

/// Writes of one effect that have yet to arrive.
#[derive(Debug)]
struct Sent {
    writes: VecDeque<Write>,
    /// When the first of them was sent, and how far the watches were behind then.
    at: Duration,
    behind: Duration,
    /// Nothing is sent after that, as the process counts time.
    until: Option<Duration>,
}

/// What a replica does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    List,
    Lease,
    Relist(Kind),
    Watch(Kind),
    Arrival(EffectId),
    Answer(EffectId),
    Deadline,
}

impl Replica {
    pub(super) fn due(&self) -> Option<Duration> {
        let (at, _) = self.life.as_ref().and_then(Life::next)?;
        let frozen = self.plan.troubles.iter().find(|(from, until, trouble)| {
            *trouble == Trouble::Frozen && (*from..*until).contains(&at)
        });
        Some(frozen.map_or(at, |(_, until, _)| *until))
    }

    /// What goes wrong now.
    fn troubles(&self, now: Duration) -> impl Iterator<Item = (Duration, Trouble)> + '_ {
        let now = self
            .plan
            .troubles
            .iter()
            .filter(move |(from, until, _)| (*from..*until).contains(&now));
        now.map(|(_, until, trouble)| (*until, *trouble))
    }

    pub(super) fn sees(&mut self, now: Duration, change: &Change<Id, Object>) {
        let (kind, mut lag, mut times, mut broken) = (change.key.0, WATCH, 1, None);
        for (until, trouble) in self.troubles(now) {
            match trouble {
                Trouble::WatchLags(of, by) if of.is_none_or(|of| of == kind) => lag += by,
                Trouble::WatchRepeats => times = 2,
                Trouble::WatchBreaks(of) if of == kind => broken = Some(until),
                _ => {}
            }
        }
        let Some(life) = &mut self.life else { return };
        if life.listed.is_none_or(|listed| change.version <= listed) {
            return;
        }
        if let Some(until) = broken {
            life.broken.entry(kind).or_insert((until + lag, now));
            return;
        }
        let gone = change.what == What::Deleted || !change.object.is_shown();
        let how = if gone { How::Gone } else { How::Seen };
        let watch = life.watches.entry(kind).or_default();
        // In order, however late.
        let at = watch.back().map_or(Duration::ZERO, |(at, ..)| *at).max(now + lag);
        for _ in 0..times {
            watch.push_back((at, now, change.object.input(how)));
        }
    }
}

impl Life {
    fn new(now: Duration) -> Self {
        Self {
            engine: Engine::new(Config::kubelet()),
            born: now,
            watches: BTreeMap::new(),
            listed: None,
            list_at: now + START,
            renew_at: now + START,
            sent: BTreeMap::new(),
            answers: BTreeMap::new(),
            passed: None,
            broken: BTreeMap::new(),
        }
    }

    fn next(&self) -> Option<(Duration, Next)> {
        let list = self.listed.is_none().then_some((self.list_at, Next::List));
        let deadline = self.engine.next_deadline().map(|due| self.born + due);
        let deadline = deadline.map(|at| match self.passed {
            // The engine may want to be asked again about the same time: not without a pause.
            Some(passed) if at <= passed => (passed + Duration::from_millis(100), Next::Deadline),
            _ => (at, Next::Deadline),
        });
        let watches = self
            .watches
            .iter()
            .filter_map(|(kind, watch)| Some((watch.front()?.0, Next::Watch(*kind))));
        let arrival = self.sent.first_key_value().map(|((at, id), _)| (*at, Next::Arrival(*id)));
        let answer = self.answers.first_key_value().map(|((at, id), _)| (*at, Next::Answer(*id)));
        let lease = Some((self.renew_at, Next::Lease));
        let relist = self.broken.iter().map(|(kind, (at, _))| (*at, Next::Relist(*kind))).min();
        list.into_iter()
            .chain(relist)
            .chain(deadline)
            .chain(watches)
            .chain(arrival)
            .chain(answer)
            .chain(lease)
            .min()
    }

    /// How old the oldest change is that the watches have yet to deliver.
    fn behind(&self, now: Duration) -> Duration {
        let queued = self.watches.values().filter_map(|watch| Some(watch.front()?.1));
        let missed = self.broken.values().map(|(_, since)| *since);
        queued.chain(missed).min().map_or(Duration::ZERO, |oldest| now.saturating_sub(oldest))
    }

    /// Tells the engine something; what it wants done is sent.
    fn handle(&mut self, input: Input, now: Now, (at, way): (Duration, Duration)) {
        for (id, effect) in self.engine.handle(input, now) {
            let until = match &effect {
                Effect::Lever { until, .. } | Effect::EndPod { until, .. } => *until,
                Effect::ClearPod { .. }
                | Effect::Explain { .. }
                | Effect::Publish(_)
                | Effect::WriteStatus { .. }
                | Effect::Reserve { .. } => None,
            };
            let behind = self.behind(at);
            let sent = Sent { writes: Write::all(effect).into(), at, behind, until };
            self.sent.insert((at + way, id), sent);
        }
    }
}

impl World {
    /// Adds a replica of Dislodge.
    pub fn add_replica(&mut self, plan: ReplicaPlan) -> usize {
        let (index, starts) = (self.replicas.len(), plan.starts);
        self.replicas.push(Replica { plan, life: None });
        self.plan(starts, super::Deed::Start(index));
        index
    }

    pub(super) fn kill(&mut self, index: usize) {
        if let Some(replica) = self.replicas.get_mut(index) {
            replica.life = None;
        }
    }

    pub(super) fn start(&mut self, index: usize) {
        let now = self.now;
        if let Some(replica) = self.replicas.get_mut(index) {
            replica.life.get_or_insert_with(|| Life::new(now));
        }
    }

    pub(super) fn replica_acts(&mut self, index: usize) {
        let (at, wall) = (self.now, self.wall());
        let Some(replica) = self.replicas.get_mut(index) else { return };
        let (mut way, mut leads, mut off) = (WAY, replica.plan.leads, 0);
        for (_, trouble) in replica.troubles(at) {
            match trouble {
                Trouble::WritesLag(by) => way += by,
                Trouble::NoLease => leads = false,
                Trouble::LeadsToo => leads = true,
                Trouble::WallIsOff(seconds) => off = seconds,
                _ => {}
            }
        }
        let Some(life) = &mut replica.life else { return };
        let Some((_, next)) = life.next() else { return };
        let wall = wall.checked_add(SignedDuration::from_secs(off)).unwrap_or(wall);
        let now = Now { elapsed: at.saturating_sub(life.born), wall };
        match next {
            Next::List => {
                life.listed = Some(self.store.version());
                self.list(index, &Kind::ALL, now, (at, way));
            }
            Next::Relist(kind) => {
                life.broken.remove(&kind);
                life.watches.remove(&kind);
                self.list(index, &[kind], now, (at, way));
            }
            Next::Lease => {
                life.renew_at = at + RENEWAL;
                let until = leads.then(|| now.elapsed + LEASE);
                life.handle(Input::Leadership(until), now, (at, way));
            }
            Next::Watch(kind) => {
                let first = life.watches.get_mut(&kind).and_then(VecDeque::pop_front);
                if let Some((.., input)) = first {
                    life.handle(input, now, (at, way));
                }
            }
            Next::Deadline => {
                life.passed = Some(at);
                life.handle(Input::Deadline, now, (at, way));
            }
            Next::Answer(id) => {
                let first = life.answers.pop_first();
                if let Some((_, outcome)) = first {
                    life.handle(Input::Done(id, outcome), now, (at, way));
                }
            }
            Next::Arrival(id) => {
                if let Some((_, sent)) = life.sent.pop_first() {
                    self.arrive(index, id, sent);
                }
            }
        }
    }

    /// A write arrives at the API server, and its answer, or the next write of the effect, is on the
    /// way back.
    fn arrive(&mut self, index: usize, id: EffectId, mut sent: Sent) {
        let at = self.now;
        let Some(write) = sent.writes.pop_front() else { return };
        let Some(replica) = self.replicas.get_mut(index) else { return };
        let Some(born) = replica.life.as_ref().map(|life| life.born) else { return };
        let (mut answers, mut lost, mut dies) = (None, false, None);
        for (_, trouble) in replica.troubles(at) {
            match trouble {
                Trouble::Answers(outcome) => answers = Some(outcome),
                Trouble::AnswersAreLost => lost = true,
                Trouble::Dies { taken } => dies = Some(taken),
                _ => {}
            }
        }
        if dies.is_some() {
            // Once.
            replica
                .plan
                .troubles
                .retain(|(_, _, trouble)| !matches!(trouble, Trouble::Dies { .. }));
        }
        let late = sent.until.is_some_and(|until| sent.at.saturating_sub(born) >= until);
        let outcome = match (late, answers, dies) {
            (true, _, _) => Err(Outcome::TooLate),
            (_, _, Some(false)) => Err(Outcome::Unavailable),
            (_, Some(outcome), _) => {
                self.history.wrote((sent.at, at, sent.behind), &write, Err(outcome));
                Err(outcome)
            }
            _ => {
                let outcome = self.take_write(&write);
                self.history.wrote((sent.at, at, sent.behind), &write, outcome);
                if lost { Err(Outcome::Unavailable) } else { outcome }
            }
        };
        if dies.is_some() {
            self.kill(index);
            self.plan(at + AWAY, super::Deed::Start(index));
            return;
        }
        let Some(life) = self.replicas.get_mut(index).and_then(|r| r.life.as_mut()) else { return };
        match outcome {
            Ok(version) if !sent.writes.is_empty() => {
                if let Some(next) = sent.writes.pop_front() {
                    sent.writes.push_front(next.pinned_to(version));
                }
                sent.at = at + WAY;
                life.sent.insert((at + WAY * 2, id), sent);
            }
            Ok(_) => drop(life.answers.insert((at + WAY, id), Outcome::Applied)),
            Err(outcome) => drop(life.answers.insert((at + WAY, id), outcome)),
        }
    }

    /// Lists kinds whole.
    fn list(&mut self, index: usize, kinds: &[Kind], now: Now, way: (Duration, Duration)) {
        let shown: Vec<(Kind, Input)> = kinds
            .iter()
            .flat_map(|kind| self.of_kind(*kind).map(move |(_, object)| (*kind, object)))
            .filter(|(_, object)| object.is_shown())
            .map(|(kind, object)| (kind, object.input(How::Listed)))
            .collect();
        let Some(life) = self.replicas.get_mut(index).and_then(|r| r.life.as_mut()) else { return };
        for kind in kinds {
            life.handle(Input::ListBegun(*kind), now, way);
            for (_, input) in shown.iter().filter(|(of, _)| of == kind) {
                life.handle(input.clone(), now, way);
            }
            life.handle(Input::ListEnded(*kind), now, way);
        }
    }
}
