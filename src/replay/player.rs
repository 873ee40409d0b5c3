//! Plays a recording through an engine: as it was, or with other policies.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use dislodge_engine::api::Mode;
use dislodge_engine::effect::{Effect, EffectId, Outcome};
use dislodge_engine::engine::account::Prospect;
use dislodge_engine::input::{Change, Input, Kind};
use dislodge_engine::keys;
use dislodge_engine::message::mask;
use dislodge_engine::notice::{Audited, Decision, Notice};
use dislodge_engine::objects::{Meta, Object, Policy, Uid};
use dislodge_engine::plan::Reported;
use dislodge_engine::resolve::Queue;
use dislodge_engine::time::Now;
use dislodge_engine::{Config, Engine};
use jiff::SignedDuration;

use super::played::{Decided, Difference, Open, Played};
use crate::dispatch::name;
use crate::explain::words;
use crate::recording::done;
use crate::recording::frame::{Done, Frame};

/// Pause before the same deadline is told again, as the driver has it.
const SAME_DEADLINE: Duration = Duration::from_millis(100);
/// So many deadlines are told between two inputs. Beyond, nothing was recorded for years.
const MOST_DEADLINES: usize = 100_000;
/// So many in all: a recording of a month has not as many.
const ALL_DEADLINES: usize = 5_000_000;

/// How a recording is played.
#[derive(Clone, Debug)]
pub(super) enum Manner {
    /// Input by input; what comes of each is held against what is recorded.
    AsItWas,
    /// With what these policies would do in mode Audit: nothing that is recorded changes by it.
    With(Vec<Policy>),
    /// The same with the policies that were recorded, as they were changed meanwhile.
    WithItsOwn,
}

/// An engine, and what has come of the inputs so far.
#[derive(Debug)]
pub(super) struct Player {
    engine: Engine,
    manner: Manner,
    last: Option<Now>,
    /// The deadline that was told last.
    told: Option<Duration>,
    /// How many more are told.
    deadlines_left: usize,
    /// Decisions whose outcome is open, by place.
    flights: BTreeMap<EffectId, usize>,
    /// Jobs that waste quota, and since when.
    wasting: BTreeMap<Uid, (Duration, Vec<(String, u128)>)>,
    /// Jobs that would have been stopped.
    stopped: BTreeSet<Uid>,
    played: Played,
}

impl Player {
    pub(super) fn new(config: Config, manner: Manner) -> Self {
        Self {
            engine: Engine::new(config),
            manner,
            last: None,
            told: None,
            deadlines_left: ALL_DEADLINES,
            flights: BTreeMap::new(),
            wasting: BTreeMap::new(),
            stopped: BTreeSet::new(),
            played: Played::default(),
        }
    }

    /// Whether what comes of an input is held against what is recorded.
    pub(super) const fn verifies(&self) -> bool {
        matches!(self.manner, Manner::AsItWas)
    }

    /// Plays one input.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn play(&mut self, frame: &Frame) -> Result<(), String> {
        let (input, now) = (frame.input().map_err(|error| error.to_string())?, frame.now());
        if !is_sane(now) {
            return Err(format!("nothing was recorded at {}", now.wall));
        }
        if self.last.is_some_and(|last| now.elapsed < last.elapsed) {
            return Err("time goes back".to_owned());
        }
        self.played.began.get_or_insert(now.wall);
        self.played.inputs += 1;
        match &self.manner {
            Manner::AsItWas => {
                self.settle(&input);
                let (effects, notices) = self.turn(input, now);
                let replayed = done(&effects, &notices).map_err(|error| error.to_string())?;
                self.compare(frame, replayed);
            }
            Manner::With(_) | Manner::WithItsOwn => {
                self.pass_time(now);
                if self.last.is_none() {
                    self.begin(now);
                }
                if let Some(input) = self.imagined(input) {
                    self.tell(input, now);
                }
            }
        }
        self.last = Some(now);
        self.played.ended = Some(now.wall);
        Ok(())
    }

    /// What has come of it.
    pub(super) fn end(mut self) -> Played {
        let Some(now) = self.last else { return self.played };
        for job in self.wasting.keys().copied().collect::<Vec<_>>() {
            self.account_for(job, now.elapsed, true);
        }
        self.played.synced = self.engine.is_synced();
        for job in self.engine.units() {
            if self.stopped.contains(&job) {
                continue;
            }
            let Some(account) = self.engine.account(job, now) else { continue };
            let kind = account.owner.kind().to_owned();
            for image in &account.images {
                if matches!(image.now, Prospect::Act { .. } | Prospect::EndPod) {
                    continue;
                }
                self.played.open.push(Open {
                    job: account.owner.neighbour(account.owner.name()).to_string(),
                    kind: kind.clone(),
                    image: mask(&image.image).into_owned(),
                    cause: image.evidence.cause,
                    failed_pulls: image.evidence.failed_pulls,
                    why: words::next(image, account.policy.as_ref(), &kind),
                });
            }
        }
        self.played
    }

    /// An outcome that is told belongs to a decision.
    fn settle(&mut self, input: &Input) {
        if let Input::Done(id, outcome) = input
            && let Some(place) = self.flights.remove(id)
            && let Some(decided) = self.played.decisions.get_mut(place)
        {
            decided.outcome = Some(outcome.as_str());
        }
    }

    fn compare(&mut self, frame: &Frame, replayed: Option<Done>) {
        if let Some(done) = &replayed {
            self.played.effects += done.effects.len() as u64;
        }
        if self.played.difference.is_none() && replayed != frame.done {
            let effects = |done: Option<Done>| done.map(|done| done.effects).unwrap_or_default();
            self.played.difference = Some(Difference {
                at: frame.wall,
                input: self.played.inputs,
                recorded: effects(frame.done.clone()),
                replayed: effects(replayed),
            });
        }
    }

    /// Everything is listed in any order; this replica leads, and nobody has paused.
    fn begin(&mut self, now: Now) {
        self.tell(Input::Leadership(Some(Duration::MAX)), now);
        if let Manner::With(policies) = &self.manner {
            let policies = policies.clone();
            self.tell(Input::ListBegun(Kind::Policy), now);
            for policy in policies {
                self.tell(Input::Policy(Change::Listed(auditing(policy))), now);
            }
            self.tell(Input::ListEnded(Kind::Policy), now);
        }
    }

    /// Tells the deadlines that come before an input.
    fn pass_time(&mut self, until: Now) {
        let Some(last) = self.last else { return };
        for _ in 0..MOST_DEADLINES.min(self.deadlines_left) {
            let Some(due) = self.engine.next_deadline() else { return };
            let at = if self.told == Some(due) { due + SAME_DEADLINE } else { due };
            let at = at.max(self.last.map_or(last.elapsed, |last| last.elapsed));
            if at >= until.elapsed {
                return;
            }
            let passed = SignedDuration::try_from(at.saturating_sub(last.elapsed));
            let wall = passed.ok().and_then(|passed| last.wall.checked_add(passed).ok());
            let now = Now { elapsed: at, wall: wall.unwrap_or(until.wall) };
            self.told = Some(due);
            self.deadlines_left -= 1;
            self.last = Some(now);
            self.tell(Input::Deadline, now);
        }
    }

    /// The input as it would have been without us; `None`: it would not have been.
    fn imagined(&self, input: Input) -> Option<Input> {
        let given = matches!(self.manner, Manner::With(_));
        Some(match input {
            Input::Done(..) | Input::Leadership(_) | Input::Paused(_) | Input::Deadline => {
                return None;
            }
            Input::ListBegun(Kind::Policy)
            | Input::Unchanged(Kind::Policy, _)
            | Input::ListEnded(Kind::Policy)
            | Input::KindAbsent(Kind::Policy)
            | Input::Policy(_)
                if given =>
            {
                return None;
            }
            Input::Policy(change) => Input::Policy(map(change, auditing)),
            Input::Job(change) => Input::Job(map(change, |mut job| {
                unmark(&mut job.metadata);
                job
            })),
            Input::JobSet(change) => Input::JobSet(map(change, |mut set| {
                unmark(&mut set.metadata);
                set
            })),
            Input::Workload(change) => Input::Workload(map(change, |mut workload| {
                unmark(&mut workload.metadata);
                workload
            })),
            Input::Pod(change) => Input::Pod(map(change, |mut pod| {
                pod.status.is_marked = false;
                pod
            })),
            input @ (Input::CronJob(_)
            | Input::LocalQueue(_)
            | Input::ClusterQueue(_)
            | Input::Node(_)
            | Input::ListBegun(_)
            | Input::Unchanged(..)
            | Input::ListEnded(_)
            | Input::KindAbsent(_)) => input,
        })
    }

    /// Tells the engine, and that everything that it wants done is done.
    fn tell(&mut self, input: Input, now: Now) {
        let mut waiting = VecDeque::from([input]);
        while let Some(input) = waiting.pop_front() {
            let (effects, _) = self.turn(input, now);
            let outcomes = effects.iter().map(|(id, _)| Input::Done(*id, Outcome::Applied));
            waiting.extend(outcomes);
        }
    }

    /// One turn of the engine, and what it decides.
    fn turn(&mut self, input: Input, now: Now) -> (Vec<(EffectId, Effect)>, Vec<Notice>) {
        let about = about(&input);
        let before = about.map(|uid| self.engine.unit_of(uid));
        let effects = self.engine.handle(input, now);
        let notices: Vec<Notice> = self.engine.notices().collect();
        let after = about.map(|uid| self.engine.unit_of(uid));
        for notice in &notices {
            match notice {
                Notice::Decided(id, decision) => {
                    let effect = effects.iter().find(|(of, _)| of == id);
                    self.decided(*id, effect.map(|(_, effect)| effect), decision, now);
                }
                Notice::Audited { outcome: Audited::LaterStarted, .. } => {
                    self.played.later_started.extend(after.map(|job| job.to_string()));
                }
                Notice::Audited { .. } | Notice::FailedPull(_) | Notice::Released(_) => {}
            }
        }
        for job in before.into_iter().chain(after.filter(|after| Some(*after) != before)) {
            self.account_for(job, now.elapsed, false);
        }
        (effects, notices)
    }

    fn decided(&mut self, id: EffectId, effect: Option<&Effect>, decision: &Decision, now: Now) {
        let imagined = !self.verifies();
        // To ask for an account may change what follows, which must not be where it is as it was.
        let account = if imagined { self.engine.account(decision.uid, now) } else { None };
        let would = account.as_ref().and_then(|account| {
            account.images.iter().find_map(|image| {
                let Prospect::Report(Reported::Audit(action)) = image.now else { return None };
                (mask(&image.image) == decision.image).then_some(action)
            })
        });
        let is_audit = decision.reason == Reported::AUDIT;
        let acts = imagined && is_audit;
        if acts && self.stopped.contains(&decision.uid) {
            // Another image of a job that would have been stopped by then.
            return;
        }
        let action = would.filter(|_| is_audit).unwrap_or(decision.action);
        if acts {
            self.account_for(decision.uid, now.elapsed, false);
            self.stopped.insert(decision.uid);
        }
        self.flights.insert(id, self.played.decisions.len());
        self.played.decisions.push(Decided {
            time: now.wall,
            kind: decision.kind.clone(),
            job: decision.job.to_string(),
            uid: decision.uid.to_string(),
            queue: self.engine.queue_of(decision.uid).map(|queue| match queue {
                Queue::Local(key) => key.to_string(),
                Queue::None { namespace } => format!("{namespace}/"),
            }),
            image: decision.image.clone(),
            cause: decision.cause,
            failed_pulls: decision.failed_pulls,
            first_failure: decision.first_failure,
            policy: decision.policy.clone(),
            rule: decision.rule.clone(),
            action: action.as_str(),
            acts: acts || effect.is_some_and(|effect| !matches!(effect, Effect::Publish(_))),
            reason: if acts { dislodge_engine::notice::reason::THRESHOLD } else { decision.reason },
            effect: effect.filter(|_| !imagined).map(|effect| name(effect, true)),
            outcome: None,
        });
    }

    /// Adds up the quota that a job has wasted until now.
    fn account_for(&mut self, job: Uid, elapsed: Duration, ends: bool) {
        if let Some((since, amounts)) = self.wasting.remove(&job) {
            let seconds = elapsed.saturating_sub(since).as_secs_f64();
            let stopped = self.stopped.contains(&job);
            for (resource, milli) in &amounts {
                let wasted = self.played.wasted.entry(resource.clone()).or_default();
                #[expect(clippy::cast_precision_loss, reason = "amounts of quota for people")]
                let amount = *milli as f64 / 1000.0 * seconds;
                wasted.recorded += amount;
                if !stopped {
                    wasted.until_action += amount;
                }
            }
        }
        let mut amounts: BTreeMap<String, u128> = BTreeMap::new();
        for usage in self.engine.wasted_by(job).iter().filter(|_| !ends) {
            let milli = usage.quantity.milli().unwrap_or_default();
            let amount = amounts.entry(usage.resource.to_string()).or_default();
            *amount = amount.saturating_add(milli);
        }
        if !amounts.is_empty() {
            self.wasting.insert(job, (elapsed, amounts.into_iter().collect()));
        }
    }
}

/// A policy as it counts what it would do, and does nothing. What its status says was of another life.
fn auditing(mut policy: Policy) -> Policy {
    if let Ok(spec) = &mut policy.spec {
        spec.mode = Mode::Audit;
    }
    policy.status = dislodge_engine::api::ImagePullPolicyStatus::default();
    policy
}

fn map<T>(change: Change<T>, with: impl FnOnce(T) -> T) -> Change<T> {
    match change {
        Change::Listed(object) => Change::Listed(with(object)),
        Change::Seen(object) => Change::Seen(with(object)),
        Change::Gone(object) => Change::Gone(with(object)),
    }
}

/// Takes away what says that we have stopped a job.
fn unmark(meta: &mut Meta) {
    for key in keys::HOLD_KEYS {
        meta.annotations.remove(key);
    }
}

/// Whether a recording can have been made then.
fn is_sane(now: Now) -> bool {
    let year = now.wall.to_zoned(jiff::tz::TimeZone::UTC).year();
    (2020..2200).contains(&year) && now.elapsed < Duration::from_secs(100 * 366 * 86_400)
}

/// The uid of the job's object that an input is about.
fn about(input: &Input) -> Option<Uid> {
    fn of<T: Object>(change: &Change<T>) -> Uid {
        let (Change::Listed(object) | Change::Seen(object) | Change::Gone(object)) = change;
        object.meta().uid
    }
    match input {
        Input::Pod(change) => Some(of(change)),
        Input::Job(change) => Some(of(change)),
        Input::JobSet(change) => Some(of(change)),
        Input::Workload(change) => Some(of(change)),
        Input::CronJob(_)
        | Input::LocalQueue(_)
        | Input::ClusterQueue(_)
        | Input::Policy(_)
        | Input::Node(_)
        | Input::ListBegun(_)
        | Input::Unchanged(..)
        | Input::ListEnded(_)
        | Input::KindAbsent(_)
        | Input::Leadership(_)
        | Input::Paused(_)
        | Input::Done(..)
        | Input::Deadline => None,
    }
}
