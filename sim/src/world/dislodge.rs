//! A replica of Dislodge: the engine with its watches, its writes under way and its lease.

#![expect(clippy::wildcard_enum_match_arm, reason = "each place looks for its own troubles")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dislodge_engine::effect::{Effect, EffectId, Outcome};
use dislodge_engine::engine::account::Account;
use dislodge_engine::input::{Input, Kind};
use dislodge_engine::notice::{Decision, Notice};
use dislodge_engine::objects::Uid;
use dislodge_engine::time::Now;
use dislodge_engine::{Config, Engine};
use jiff::SignedDuration;

use super::history::Sending;
use super::mistakes::{Mistake, Mistaken};
use super::object::{How, Object};
use super::server::Write;
use super::trouble::Trouble;
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
    /// What is wrong in it.
    pub mistake: Option<Mistake>,
}

/// How long a list that is not true is believed.
const DOUBT: Duration = Duration::from_secs(5);
/// How long a process that died is away.
const AWAY: Duration = Duration::from_secs(3);

/// A replica.
#[derive(Debug)]
pub struct Replica {
    plan: ReplicaPlan,
    /// `None` while it is not running.
    life: Option<Life>,
    /// What the cluster was when an API server fell behind, and when that was.
    remembered: (Duration, Vec<(Kind, Arc<Object>)>),
    /// How many of its writes have arrived.
    arrived: u32,
}

/// What a process knows, and what ends with it.
#[derive(Debug)]
struct Life {
    engine: Engine,
    mistaken: Option<Mistaken>,
    born: Duration,
    /// How many times faster than the API server's its clock runs.
    rate: u32,
    /// Until when it holds the lease.
    lease: Option<Duration>,
    /// By how many seconds its wall clock is ahead.
    ahead: i64,
    /// What comes next, when it comes, and when it was so.
    watches: BTreeMap<Kind, VecDeque<(Duration, Duration, Input)>>,
    /// Where each watch goes on after its list; `None`: it is not listed yet.
    listed: Option<Version>,
    list_at: Duration,
    renew_at: Duration,
    /// Writes on the way, by the time of their arrival.
    sent: BTreeMap<(Duration, EffectId), Sent>,
    answers: BTreeMap<(Duration, EffectId), Outcome>,
    /// What was decided when, until it is known how it turned out.
    decided: BTreeMap<EffectId, (Duration, Decision)>,
    /// The deadline that was told last.
    passed: Option<Duration>,
    /// Kinds whose watch is broken, when they are listed anew, and since when nothing is seen.
    broken: BTreeMap<Kind, (Duration, Duration)>,
    /// The same where all but something is seen.
    doubtful: BTreeMap<Kind, (Duration, Duration)>,
}

/// Writes of one effect that have yet to arrive.
#[derive(Debug)]
struct Sent {
    writes: VecDeque<Write>,
    /// When the next of them was sent, and what its writer was then.
    sending: Sending,
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
        let (kind, mut lag, mut times) = (change.key.0, WATCH, 1);
        let (mut broken, mut dropped) = (None, None);
        for (until, trouble) in self.troubles(now) {
            match trouble {
                Trouble::WatchLags(of, by) if of.is_none_or(|of| of == kind) => lag += by,
                Trouble::WatchRepeats => times = 2,
                Trouble::WatchBreaks(of) if of == kind => broken = Some(until),
                Trouble::WatchDrops(of, what) if of == kind && what == change.what => {
                    dropped = Some(until);
                }
                _ => {}
            }
        }
        let Some(life) = &mut self.life else { return };
        if life.listed.is_none_or(|listed| change.version <= listed) {
            return;
        }
        if let Some(until) = dropped {
            life.doubtful.entry(kind).or_insert((until + lag, now));
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
    fn new(now: Duration, plan: &ReplicaPlan) -> Self {
        let fast = plan.troubles.iter().any(|(.., trouble)| *trouble == Trouble::ClockRunsFast);
        Self {
            engine: Engine::new(Config::kubelet()),
            mistaken: plan.mistake.map(Mistaken::new),
            born: now,
            rate: if fast { 2 } else { 1 },
            lease: None,
            ahead: 0,
            watches: BTreeMap::new(),
            listed: None,
            list_at: now + START,
            renew_at: now + START,
            sent: BTreeMap::new(),
            answers: BTreeMap::new(),
            decided: BTreeMap::new(),
            passed: None,
            broken: BTreeMap::new(),
            doubtful: BTreeMap::new(),
        }
    }

    /// How long it has been running, by its own clock.
    fn elapsed(&self, at: Duration) -> Duration {
        at.saturating_sub(self.born) * self.rate
    }

    fn next(&self) -> Option<(Duration, Next)> {
        let list = self.listed.is_none().then_some((self.list_at, Next::List));
        let deadline = self.engine.next_deadline().map(|due| self.born + due / self.rate);
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
        let lists = self.broken.iter().chain(&self.doubtful);
        let relist = lists.map(|(kind, (at, _))| (*at, Next::Relist(*kind))).min();
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
        let missed = self.broken.values().chain(self.doubtful.values()).map(|(_, since)| *since);
        queued.chain(missed).min().map_or(Duration::ZERO, |oldest| now.saturating_sub(oldest))
    }

    /// Tells the process something, which makes of it what it should, or something else.
    fn handle(&mut self, input: Input, now: Now, way: (Duration, Duration)) {
        let Some(mistaken) = &mut self.mistaken else { return self.decide(input, now, way) };
        let more = mistaken.more(&input);
        for input in mistaken.inputs(input, now) {
            self.decide(input, now, way);
        }
        if let Some(write) = more {
            // No effect has that name: its outcome is told to nobody.
            self.send(EffectId(u64::MAX), vec![write], None, way);
        }
    }

    /// Tells the engine something; what it wants done is sent.
    fn decide(&mut self, input: Input, now: Now, way: (Duration, Duration)) {
        for (id, effect) in self.engine.handle(input, now) {
            let until = match &effect {
                Effect::Lever { until, .. } | Effect::EndPod { until, .. } => *until,
                Effect::ClearPod { .. }
                | Effect::Explain { .. }
                | Effect::Publish(_)
                | Effect::WriteStatus { .. }
                | Effect::Reserve { .. } => None,
            };
            let writes = match &mut self.mistaken {
                Some(mistaken) => mistaken.writes(effect),
                None => Write::all(effect),
            };
            if writes.is_empty() {
                self.answers.insert((way.0 + WAY, id), Outcome::Applied);
            } else {
                self.send(id, writes, until, way);
            }
        }
        for notice in self.engine.notices() {
            if let Notice::Decided(id, decision) = notice {
                self.decided.insert(id, (way.0, *decision));
            }
        }
    }

    fn send(
        &mut self,
        id: EffectId,
        writes: Vec<Write>,
        until: Option<Duration>,
        (at, way): (Duration, Duration),
    ) {
        let leads = self.lease.is_some_and(|lease| at < lease);
        let sending = Sending { sent: at, behind: self.behind(at), leads, ahead: self.ahead };
        self.sent.insert((at + way, id), Sent { writes: writes.into(), sending, until });
    }
}

impl World {
    /// Adds a replica of Dislodge.
    pub fn add_replica(&mut self, plan: ReplicaPlan) -> usize {
        let (index, starts) = (self.replicas.len(), plan.starts);
        let remembered = (Duration::ZERO, Vec::new());
        self.replicas.push(Replica { plan, life: None, remembered, arrived: 0 });
        self.plan(starts, super::Deed::Start(index));
        index
    }

    /// What a running replica knows of a Job and would do about it now.
    pub fn account(&mut self, job: Uid) -> Option<Account> {
        let (at, wall) = (self.now, self.wall());
        let life = self.replicas.iter_mut().find_map(|replica| replica.life.as_mut())?;
        let now = Now { elapsed: at.saturating_sub(life.born), wall };
        life.engine.account(job, now)
    }

    pub(super) fn kill(&mut self, index: usize) {
        if let Some(replica) = self.replicas.get_mut(index) {
            replica.life = None;
        }
    }

    pub(super) fn start(&mut self, index: usize) {
        let now = self.now;
        if let Some(replica) = self.replicas.get_mut(index) {
            replica.life.get_or_insert_with(|| Life::new(now, &replica.plan));
        }
    }

    /// What the cluster is now is what an API server shows that has fallen behind.
    pub(super) fn remember(&mut self, index: usize) {
        let all = Kind::ALL.into_iter();
        let all = all.flat_map(|kind| self.of_kind(kind).map(move |(_, o)| (kind, Arc::clone(o))));
        let all = (self.now, all.collect());
        if let Some(replica) = self.replicas.get_mut(index) {
            replica.remembered = all;
        }
    }

    /// How many objects a running replica knows, where it has nothing more to hear of.
    pub(super) fn known_by(&self, index: usize) -> Option<(usize, usize)> {
        let life = self.replicas.get(index)?.life.as_ref()?;
        let now = Now { elapsed: life.elapsed(self.now), wall: self.wall() };
        let gauges = life.engine.gauges(now);
        let idle = life.engine.is_synced() && life.behind(self.now).is_zero();
        idle.then_some((gauges.pods, gauges.workloads))
    }

    /// How many effects of a replica have no outcome.
    pub(super) fn under_way(&self, index: usize) -> usize {
        let life = self.replicas.get(index).and_then(|replica| replica.life.as_ref());
        life.map_or(0, |life| life.sent.len() + life.answers.len())
    }

    pub(super) const fn replica_count(&self) -> usize {
        self.replicas.len()
    }

    pub(super) fn replica_acts(&mut self, index: usize) {
        let (at, wall) = (self.now, self.wall());
        let Some(replica) = self.replicas.get_mut(index) else { return };
        let (mut way, mut leads, mut off) = (WAY, replica.plan.leads, 0);
        let (mut dies, mut late) = (false, None);
        for (until, trouble) in replica.troubles(at) {
            match trouble {
                Trouble::WritesLag(by) => way += by,
                Trouble::NoLease => leads = false,
                Trouble::LeadsToo => leads = true,
                Trouble::WallIsOff(seconds) => off = seconds,
                Trouble::DiesListing => dies = true,
                Trouble::ListLags(kind) => late = Some((kind, until)),
                _ => {}
            }
        }
        let Some(life) = &mut replica.life else { return };
        let Some((_, next)) = life.next() else { return };
        let wall = wall.checked_add(SignedDuration::from_secs(off)).unwrap_or(wall);
        life.ahead = off;
        let mut elapsed = life.elapsed(at);
        if life.mistaken.as_ref().is_some_and(|m| m.which() == Mistake::MeasuresByWallClock) {
            let since = Duration::try_from(wall.duration_since(self.start));
            elapsed = since.unwrap_or_default().saturating_sub(life.born);
        }
        let now = Now { elapsed, wall };
        match next {
            Next::List | Next::Relist(_) if dies => {
                replica.plan.troubles.retain(|(.., trouble)| *trouble != Trouble::DiesListing);
                self.kill(index);
                self.plan(at + AWAY, super::Deed::Start(index));
            }
            Next::List => {
                life.listed = Some(self.store.version());
                let late = late.filter(|(_, until)| *until > at);
                if let Some((kind, until)) = late {
                    life.broken.insert(kind, (until, at));
                }
                let late = late.map(|(kind, _)| kind);
                let kinds = Kind::ALL.into_iter().filter(|kind| Some(*kind) != late);
                self.list(index, &kinds.collect::<Vec<Kind>>(), now, (at, way));
            }
            Next::Relist(kind) => {
                life.broken.remove(&kind);
                life.doubtful.remove(&kind);
                life.watches.remove(&kind);
                self.list(index, &[kind], now, (at, way));
            }
            Next::Lease => {
                life.renew_at = at + RENEWAL;
                life.lease = leads.then(|| at + LEASE);
                let leads = life.mistaken.as_mut().map_or(leads, |m| m.leads(leads));
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
                let mistaken = life.mistaken.as_ref();
                let heard = first.and_then(|(_, outcome)| {
                    mistaken.map_or(Some(outcome), |m| m.outcome(outcome))
                });
                if let Some(outcome) = heard {
                    let decided = life.decided.remove(&id).filter(|_| outcome.is_done());
                    self.history.carried_out(decided);
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
        let Some(mut write) = sent.writes.pop_front() else { return };
        let Some(replica) = self.replicas.get_mut(index) else { return };
        let Some(life) = &replica.life else { return };
        let late = sent.until.is_some_and(|until| life.elapsed(sent.sending.sent) >= until);
        let which = life.mistaken.as_ref().map(Mistaken::which);
        replica.arrived += 1;
        let (mut answers, mut lost, mut dies) = (None, false, None);
        for (_, trouble) in replica.troubles(at) {
            match trouble {
                Trouble::Answers(outcome) => answers = Some(outcome),
                Trouble::AnswersAreLost => lost = true,
                Trouble::Dies { taken } => dies = Some(taken),
                Trouble::DiesAt(site, taken) if site.is(&write) => dies = Some(taken),
                Trouble::DiesAgain(times) if replica.arrived.is_multiple_of(times) => {
                    dies = Some(replica.arrived.is_multiple_of(2));
                }
                _ => {}
            }
        }
        if dies.is_some() {
            // Once.
            replica.plan.troubles.retain(|(_, _, trouble)| {
                !matches!(trouble, Trouble::Dies { .. } | Trouble::DiesAt(..))
            });
        }
        if answers == Some(Outcome::Conflict) {
            self.write_first(&write);
        }
        if let Some(mistake) = which {
            self.mistake_target(mistake, &mut write);
        }
        let outcome = match (late, answers, dies) {
            (true, _, _) => Err(Outcome::TooLate),
            (_, _, Some(false)) => Err(Outcome::Unavailable),
            (_, Some(outcome), _) => {
                self.history.wrote((sent.sending, at), &write, Err(outcome), false);
                Err(outcome)
            }
            _ => {
                let before = self.store.version();
                let mut outcome = self.take_write(&write);
                if which == Some(Mistake::OverwritesOnConflict) && outcome == Err(Outcome::Conflict)
                {
                    write = write.unpinned();
                    outcome = self.take_write(&write);
                }
                let told = matches!(write, Write::Publish(_)) && outcome.is_ok();
                let news = told || self.store.version() > before;
                self.history.wrote((sent.sending, at), &write, outcome, news);
                if lost { Err(Outcome::Unavailable) } else { outcome }
            }
        };
        if dies.is_some() {
            self.kill(index);
            self.plan(at + AWAY, super::Deed::Start(index));
            return;
        }
        let Some(life) = self.replicas.get_mut(index).and_then(|r| r.life.as_mut()) else { return };
        if let (Err(outcome), Some(mistaken)) = (outcome, &mut life.mistaken)
            && mistaken.tries_again(outcome)
        {
            sent.writes.push_front(write);
            life.sent.insert((at + WAY, id), sent);
            return;
        }
        match outcome {
            Ok(version) if !sent.writes.is_empty() => {
                if let Some(next) = sent.writes.pop_front() {
                    sent.writes.push_front(next.pinned_to(version));
                }
                sent.sending.sent = at + WAY;
                life.sent.insert((at + WAY * 2, id), sent);
            }
            Ok(_) => drop(life.answers.insert((at + WAY, id), Outcome::Applied)),
            Err(outcome) => drop(life.answers.insert((at + WAY, id), outcome)),
        }
    }

    /// Lists kinds whole.
    fn list(&mut self, index: usize, kinds: &[Kind], now: Now, way: (Duration, Duration)) {
        let at = self.now;
        let Some(replica) = self.replicas.get(index) else { return };
        let (mut nothing, mut old) = (None, None);
        for (_, trouble) in replica.troubles(at) {
            match trouble {
                Trouble::ListsNothing(kind) => nothing = Some(kind),
                Trouble::ListsOld(kind) => old = Some(kind),
                _ => {}
            }
        }
        let (since, remembered) = &replica.remembered;
        let since = if old.is_some() { *since } else { at };
        let remembered = remembered.iter().map(|(kind, object)| (*kind, object));
        let remembered = remembered.filter(|(kind, _)| Some(*kind) == old);
        let is_true = |kind: &&Kind| Some(**kind) != nothing && Some(**kind) != old;
        let stored = kinds.iter().filter(is_true);
        let stored =
            stored.flat_map(|kind| self.of_kind(*kind).map(move |(_, object)| (*kind, object)));
        let shown: Vec<(Kind, Input)> = remembered
            .filter(|(kind, _)| kinds.contains(kind))
            .chain(stored)
            .filter(|(_, object)| object.is_shown())
            .map(|(kind, object)| (kind, object.input(How::Listed)))
            .collect();
        let Some(life) = self.replicas.get_mut(index).and_then(|r| r.life.as_mut()) else { return };
        for kind in kinds {
            if nothing == Some(*kind) || old == Some(*kind) {
                life.doubtful.insert(*kind, (at + DOUBT, since));
            }
            life.handle(Input::ListBegun(*kind), now, way);
            for (_, input) in shown.iter().filter(|(of, _)| of == kind) {
                life.handle(input.clone(), now, way);
            }
            life.handle(Input::ListEnded(*kind), now, way);
        }
    }
}
