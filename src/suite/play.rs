//! A case played: what is decided of each job, and when; or what would be decided of objects.

use std::collections::BTreeMap;
use std::time::Duration;

use dislodge_engine::cause::Cause;
use dislodge_engine::engine::account::{Account, FailingImage, Prospect};
use dislodge_engine::message::mask;
use dislodge_engine::notice::Decision;
use dislodge_engine::objects::{Key, Uid};
use dislodge_sim::world::World;

use super::format::ExpectedAction;
use super::objects::Seen;
use super::read::{Case, Expected, Subject};
use super::reason;
use crate::classify::shown::quoted;
use crate::explain::words;
use crate::inspect::instant;
use crate::scenario::{Applied, Scenario, told};

/// So much may happen in a case.
const MOST_STEPS: usize = 500_000;
/// So many lines of what happened to a job are told, the first and the last.
const TOLD: (usize, usize) = (6, 8);

/// What came instead of what was expected, or as it was expected.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) action: ExpectedAction,
    pub(super) reason: &'static str,
    pub(super) cause: Option<Cause>,
    pub(super) rule: Option<String>,
    pub(super) policy: Option<String>,
    pub(super) failed_pulls: Option<u32>,
    /// When, from the job's submission on.
    pub(super) at: Option<Duration>,
    /// What the engine goes by, in words.
    pub(super) why: Vec<String>,
}

/// What came of a case, an entry an expectation.
#[derive(Debug)]
pub(super) struct Played<'a> {
    pub(super) got: Vec<Got>,
    world: Option<(World, &'a BTreeMap<Key, Duration>)>,
}

/// Plays a case.
///
/// # Errors
///
/// Where it cannot be played to its end, and why.
pub(super) fn play<'a>(case: &'a Case, policies: &[Applied]) -> Result<Played<'a>, String> {
    match &case.subject {
        Subject::Played { scenario, submitted } => {
            let run = Run::of(scenario, submitted, &case.expected, policies);
            let (world, got) = run.finish()?;
            Ok(Played { got, world: Some((world, submitted)) })
        }
        Subject::Seen(seen) => {
            let got = look_at(seen, &case.expected)?;
            Ok(Played { got, world: None })
        }
    }
}

/// A case that is being played.
struct Run<'a> {
    world: World,
    end: Duration,
    submitted: &'a BTreeMap<Key, Duration>,
    expected: &'a [Expected],
    got: Vec<Option<Got>>,
    /// When it is looked whether nothing was decided, and for which expectations.
    looks: BTreeMap<Duration, Vec<usize>>,
    /// So many decisions were seen.
    seen: usize,
}

impl<'a> Run<'a> {
    fn of(
        scenario: &Scenario,
        submitted: &'a BTreeMap<Key, Duration>,
        expected: &'a [Expected],
        policies: &[Applied],
    ) -> Self {
        let end = scenario.duration();
        let mut looks: BTreeMap<Duration, Vec<usize>> = BTreeMap::new();
        for (number, expected) in expected.iter().enumerate() {
            if expected.what.action == ExpectedAction::None {
                let begun = expected.job.as_ref().and_then(|job| submitted.get(job)).copied();
                let until = expected.what.before_seconds.map(Duration::from_secs);
                let at = until.map_or(end, |until| begun.unwrap_or_default() + until);
                looks.entry(at.min(end)).or_default().push(number);
            }
        }
        let got = vec![None; expected.len()];
        let world = scenario.cluster(Some(policies));
        Self { world, end, submitted, expected, got, looks, seen: 0 }
    }

    /// Plays until all is known that is expected, or the time is over.
    fn finish(mut self) -> Result<(World, Vec<Got>), String> {
        for _ in 0..MOST_STEPS {
            self.take_decisions();
            let next = self.world.next().filter(|at| *at <= self.end);
            let is_over = next.is_none() || self.got.iter().all(Option::is_some);
            if is_over {
                return Ok(self.rest());
            }
            let due = self.looks.first_key_value().map(|(at, _)| *at);
            match due.filter(|at| next.is_none_or(|next| *at < next)) {
                Some(at) => self.look(at),
                None => {
                    self.world.step();
                }
            }
        }
        Err(format!(
            "more than {MOST_STEPS} steps: give fewer jobs, or play a shorter time (forSeconds)"
        ))
    }

    /// Takes in what was decided meanwhile.
    fn take_decisions(&mut self) {
        if self.world.history().decisions().len() == self.seen {
            return;
        }
        self.seen = self.world.history().decisions().len();
        for (expected, got) in self.expected.iter().zip(&mut self.got) {
            let Some(job) = expected.job.as_ref().filter(|_| got.is_none()) else { continue };
            let of_job = self.world.history().decisions().iter().filter(|(_, decision)| {
                // What is decided of a hold that stands follows from what was decided before.
                decision.job == *job && decision.failed_pulls.is_some()
            });
            let begun = self.submitted.get(job).copied().unwrap_or_default();
            let mut decided = of_job.skip(expected.after).map(|(at, decision)| {
                let over =
                    decision.first_failure.map(|first| self.world.at(*at).duration_since(first));
                Got::decided(at.saturating_sub(begun), over, decision)
            });
            *got = decided.next();
        }
    }

    /// Looks why nothing was decided until then.
    fn look(&mut self, at: Duration) {
        self.world.run_until(at);
        for number in self.looks.remove(&at).unwrap_or_default() {
            self.stand(number);
        }
    }

    /// How the job of an expectation stands, on which nothing was decided.
    fn stand(&mut self, number: usize) {
        let Some(expected) = self.expected.get(number) else { return };
        let uid = expected.job.as_ref().and_then(|job| uid_of(&self.world, job));
        let account = uid.and_then(|uid| self.world.account(uid));
        if let Some(got) = self.got.get_mut(number) {
            got.get_or_insert_with(|| Got::undecided(account.as_ref()));
        }
    }

    /// What is left when the time is over.
    fn rest(mut self) -> (World, Vec<Got>) {
        while let Some((at, _)) = self.looks.first_key_value() {
            let at = *at;
            self.look(at);
        }
        let missing = self.got.iter().enumerate().filter(|(_, got)| got.is_none());
        let missing: Vec<usize> = missing.map(|(number, _)| number).collect();
        if !missing.is_empty() {
            self.world.run_until(self.end);
        }
        for number in missing {
            self.stand(number);
        }
        (self.world, self.got.into_iter().flatten().collect())
    }
}

fn uid_of(world: &World, job: &Key) -> Option<Uid> {
    world.job_named(&(job.namespace.clone(), job.name.clone()))
}

/// What would be decided of objects.
fn look_at(seen: &Seen, expected: &[Expected]) -> Result<Vec<Got>, String> {
    let now = instant(seen.now);
    let mut engine = seen.snapshot.engine(now);
    let units = engine.units();
    let accounts: Vec<Account> =
        units.into_iter().filter_map(|unit| engine.account(unit, now)).collect();
    let key = |account: &Account| account.owner.neighbour(account.owner.name());
    let all = || {
        let names: Vec<String> = accounts.iter().map(|account| key(account).to_string()).collect();
        names.join(", ")
    };
    let of = |expected: &Expected| match (&expected.job, accounts.as_slice()) {
        (Some(job), accounts) => {
            let found = accounts.iter().find(|account| key(account) == *job);
            found.ok_or_else(|| format!("there is no job {job} among the objects, but: {}", all()))
        }
        (None, [one]) => Ok(one),
        (None, []) => Err("there is no job among the objects".to_owned()),
        (None, _) => {
            Err(format!("the objects are of several jobs: say of which with `job`: {}", all()))
        }
    };
    expected.iter().map(|expected| of(expected).map(Got::prospective)).collect()
}

impl Got {
    const NOTHING: Self = Self {
        action: ExpectedAction::None,
        reason: "",
        cause: None,
        rule: None,
        policy: None,
        failed_pulls: None,
        at: None,
        why: Vec::new(),
    };

    fn decided(at: Duration, over: Option<jiff::SignedDuration>, decision: &Decision) -> Self {
        let Decision { policy, rule, image, cause, failed_pulls, action, reason, .. } = decision;
        let pulls = words::pulls(failed_pulls.unwrap_or(0));
        let over = over.map(|over| format!(" in {}", words::span(over))).unwrap_or_default();
        let by = rule.as_ref().map(|rule| format!("rule {} of ", quoted(rule))).unwrap_or_default();
        let why = format!(
            "at {} s {}, {reason}, by {by}policy {}: image {}, {pulls}{over}, {cause}",
            at.as_secs(),
            action.as_str(),
            quoted(policy),
            quoted(image),
        );
        Self {
            action: (*action).into(),
            reason: decision.reason,
            cause: Some(*cause),
            rule: rule.clone(),
            policy: Some(policy.clone()),
            failed_pulls: *failed_pulls,
            at: Some(at),
            why: vec![why],
        }
    }

    /// Nothing was decided of the job so far.
    fn undecided(account: Option<&Account>) -> Self {
        let Some(account) = account else {
            let why = vec!["the job is not there".to_owned()];
            return Self { reason: reason::ENDED, why, ..Self::NOTHING };
        };
        let Some(image) = weightiest(account, |image| image.now) else {
            return Self::at_rest(account);
        };
        let (_, reason) = reason::of(image.now);
        Self { reason, ..Self::of_image(account, image) }
    }

    /// What is decided once the threshold is reached and the moment is safe: nobody can tell from one look
    /// whether it is.
    fn prospective(account: &Account) -> Self {
        let Some(image) = weightiest(account, |image| image.then) else {
            return Self::at_rest(account);
        };
        let (action, reason) = reason::of(image.then);
        Self { action, reason, ..Self::of_image(account, image) }
    }

    fn of_image(account: &Account, image: &FailingImage) -> Self {
        let why = account.images.iter().map(|image| {
            let rule = image.rule.as_ref().map(|rule| format!(", rule {}", quoted(&rule.name)));
            let kind = account.owner.kind();
            format!(
                "image {}: {}, {}{}; next: {}",
                quoted(&mask(&image.image)),
                words::pulls(image.evidence.failed_pulls),
                image.evidence.cause,
                rule.unwrap_or_default(),
                words::next(image, account.policy.as_ref(), kind),
            )
        });
        Self {
            cause: Some(image.evidence.cause),
            rule: image.rule.as_ref().map(|rule| rule.name.clone()),
            policy: account.policy.as_ref().map(|policy| policy.policy.name.clone()),
            failed_pulls: Some(image.evidence.failed_pulls),
            why: why.collect(),
            ..Self::NOTHING
        }
    }

    /// No image of the job is weighed.
    fn at_rest(account: &Account) -> Self {
        let hold = account.hold.as_ref();
        let reason = reason::of_rest(account);
        let why = match hold {
            Some(hold) => format!("it is held by rule {}: {}", quoted(&hold.rule), hold.cause),
            None if reason == reason::ENDED => "it has ended".to_owned(),
            None => "no image of it fails".to_owned(),
        };
        Self {
            reason,
            cause: hold.map(|hold| hold.cause),
            rule: hold.map(|hold| hold.rule.clone()),
            policy: hold.map(|hold| hold.policy.clone()),
            why: vec![why],
            ..Self::NOTHING
        }
    }
}

/// The failing image that matters most: one that leads to an action, else the one that has failed most often.
fn weightiest(account: &Account, of: fn(&FailingImage) -> Prospect) -> Option<&FailingImage> {
    if account.hold.is_some() || account.owner.is_finished() {
        return None;
    }
    account.images.iter().max_by_key(|image| {
        let (action, _) = reason::of(of(image));
        let acts = !matches!(action, ExpectedAction::None | ExpectedAction::Report);
        (acts, image.evidence.failed_pulls)
    })
}

impl Played<'_> {
    /// What happened to a job, in lines, each with its time from the job's submission on.
    pub(super) fn timeline(&self, job: Option<&Key>) -> Vec<String> {
        let Some(((world, submitted), job)) = self.world.as_ref().zip(job) else {
            return Vec::new();
        };
        let (uid, begun) = (uid_of(world, job), submitted.get(job).copied().unwrap_or_default());
        let entries = world.history().entries().iter().filter(|entry| Some(entry.job) == uid);
        let mut lines: Vec<String> = entries
            .filter_map(|entry| {
                let at = entry.at.saturating_sub(begun).as_secs();
                Some(format!("{at:>6} s  {}", told(&entry.what)?))
            })
            .collect();
        let (first, last) = TOLD;
        if lines.len() > first + last + 1 {
            let left_out = lines.len() - first - last;
            let said = format!("     …    {left_out} more");
            drop(lines.splice(first..first + left_out, [said]));
        }
        lines
    }
}
