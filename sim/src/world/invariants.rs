//! What must hold in every history, checked after each step: I1 no false stop, I2 no write beyond a
//! policy's namespace, I3 one action an admission and none by a standby, I5 quota, I6 no fight with people,
//! I7 what has ended or runs is left alone, I8 the budget, I9 no count above the truth, I10 bounded writes,
//! I11 nothing is done in Audit or while paused, I13 no explanation without an action. Once all faults are
//! over for long: I12 no write that changes nothing. At the end of a history: I4 what is declared has come
//! about, I5, I10 nothing is known that is not there, I13 each hold is explained.
//!
//! The judge knows what nobody in the cluster does: whether a kubelet is pulling at this very moment,
//! and how often each Pod has really failed.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each rule is about some of the things that happen"
)]

mod bounds;
mod ending;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dislodge_engine::api::{Action, ImagePullPolicySpec, Mode, Rule, RunningPeers};
use dislodge_engine::effect::{Outcome, Part, Patch, Target, TargetKind};
use dislodge_engine::keys;
use dislodge_engine::objects::{Key, Uid};
use dislodge_engine::plan::MOST_RESUMES;
use jiff::Timestamp;
use serde_json::Value;

use super::World;
use super::history::{What, Written};
use super::object::holds;
use super::server::Write;

/// The safe moment, and what a watch event and a write need besides.
const MOMENT: Duration = Duration::from_millis(5_100);
/// What was true so long before a write was sent may not have been known to the writer.
const NEWS: Duration = Duration::from_secs(1);

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which: `I1` to `I13`.
    pub rule: &'static str,
    /// When.
    pub at: Duration,
    /// What happened.
    pub what: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {:.3} s: {}", self.rule, self.at.as_secs_f64(), self.what)
    }
}

/// The judge of one history.
#[derive(Debug, Default)]
pub struct Judge {
    /// How much of the history it has seen.
    entries: usize,
    writes: usize,
    /// Failed pulls of each Pod, and when the last was published.
    failed: BTreeMap<Uid, (u32, Duration)>,
    /// The Pods of each Job that have failed to pull: how often, the first time and the last.
    failed_of: BTreeMap<Uid, BTreeMap<Uid, Failures>>,
    /// How often each Job was admitted, and was held in this admission.
    admissions: BTreeMap<Uid, (u32, u32)>,
    /// Jobs that came back by themselves and have yet to get their quota.
    returned: BTreeMap<Uid, Duration>,
    /// Slots of each policy's budget: when, image and cause.
    slots: BTreeMap<Key, Vec<(Duration, String, String)>>,
    /// Holds by their ids.
    held: BTreeSet<String>,
    /// Jobs that were written to, and when last; and those to which a write was refused for good.
    touched: BTreeMap<Uid, Duration>,
    refused: BTreeSet<Uid>,
    /// Holds of each Job, and the Events that tell of one.
    holds_of: BTreeMap<Uid, (u32, u32)>,
    /// When a requeued job may come back, and how often it was requeued since a person resumed it.
    due: BTreeMap<Uid, Timestamp>,
    requeued: BTreeMap<Uid, u32>,
    /// Holds that people have ended, by Job: the hold's id and when.
    overruled: BTreeMap<Uid, BTreeMap<String, Duration>>,
    /// When each object was written to in the last minute.
    recent: bounds::Recent,
    /// Events that were told again.
    told_again: BTreeSet<String>,
    /// From then on nothing goes wrong any more.
    calm: Option<Duration>,
}

/// Failed pulls of one Pod.
#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    first: Duration,
    last: Duration,
}

impl Judge {
    /// A judge of a history in which nothing goes wrong from then on.
    pub fn calm_from(calm: Duration) -> Self {
        Self { calm: Some(calm), ..Self::default() }
    }

    /// How many holds there were.
    pub fn holds(&self) -> u64 {
        self.held.len() as u64
    }

    /// Looks at what the last step has added.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn look(&mut self, world: &World) -> Result<(), Violation> {
        let history = world.history();
        for entry in history.entries().get(self.entries..).unwrap_or_default() {
            match &entry.what {
                What::PullFailed(pod) => {
                    let (count, last) = self.failed.entry(*pod).or_default();
                    (*count, *last) = (*count + 1, entry.at);
                    let of_job = self.failed_of.entry(entry.job).or_default();
                    let new = Failures { count: 0, first: entry.at, last: entry.at };
                    let failures = of_job.entry(*pod).or_insert(new);
                    (failures.count, failures.last) = (failures.count + 1, entry.at);
                }
                What::Told(_, action, note) if tells_of_hold(action, note) => {
                    let (holds, told) = self.holds_of.entry(entry.job).or_default();
                    *told += 1;
                    if *told > *holds {
                        let what = format!("{}: told of {told} holds, of {holds}", entry.job);
                        return Err(Violation { rule: "I13", at: entry.at, what });
                    }
                }
                What::Admitted => {
                    self.returned.remove(&entry.job);
                    let (admissions, holds) = self.admissions.entry(entry.job).or_default();
                    (*admissions, *holds) = (*admissions + 1, 0);
                }
                What::Evicted(reason) if reason == "Preempted" => {
                    self.preempted(world, entry.job, entry.at)?;
                }
                _ => {}
            }
        }
        self.entries = history.entries().len();
        let new = history.written().get(self.writes..).unwrap_or_default();
        self.writes = history.written().len();
        for written in new {
            let about = match &written.write {
                Write::Publish(event) => &event.regarding,
                Write::Patch(target, _)
                | Write::Delete(target)
                | Write::Status(target, _)
                | Write::Reserve(target, _) => target,
            };
            let job = history.job_of(about.uid);
            self.touched.insert(job, written.at);
            if matches!(written.outcome, Err(Outcome::Rejected | Outcome::Forbidden)) {
                self.refused.insert(job);
            }
            self.within_bounds(world, written, about)?;
            if written.outcome.is_ok() {
                if !history.had_policy(&about.key.namespace, None) {
                    let what = format!("{} was written to, and no policy is there", about.key);
                    return Err(Violation { rule: "I2", at: written.at, what });
                }
                self.judge(world, written)?;
            }
        }
        Ok(())
    }

    fn judge(&mut self, world: &World, written: &Written) -> Result<(), Violation> {
        match &written.write {
            Write::Patch(target, patch) => self.judge_patch(world, written, target, patch),
            Write::Delete(target) => {
                let Some(pod) = world.pod(target.uid) else { return Ok(()) };
                let broken = |rule, what: &str| {
                    let what = format!("Pod {}: {what}", target.key);
                    Err(Violation { rule, at: written.at, what })
                };
                let Some(reason) = &pod.marked else {
                    return broken("I13", "deleted, and nothing on it says why");
                };
                let running = world
                    .history()
                    .entries()
                    .iter()
                    .rev()
                    .find(|entry| matches!(entry.what, What::Running(of) if of == target.uid));
                if running.is_some_and(|since| since.at < written.known_by(NEWS)) {
                    return broken("I7", "deleted, and it runs");
                }
                if needs_no_pull(reason) {
                    return Ok(());
                }
                self.is_safe(world, written, target.uid, &[target.uid])
            }
            Write::Publish(_) | Write::Status(..) | Write::Reserve(..) => Ok(()),
        }
    }

    fn judge_patch(
        &mut self,
        world: &World,
        written: &Written,
        target: &Target,
        patch: &Patch,
    ) -> Result<(), Violation> {
        let broken = |rule, what: String| {
            Err(Violation {
                rule,
                at: written.at,
                what: format!("{} {}: {what}", target.kind.in_commands(), target.key),
            })
        };
        let flag = |pointer| patch.body.pointer(pointer).and_then(Value::as_bool);
        let stop = match target.kind {
            TargetKind::Workload => flag("/spec/active").map(|active| !active),
            TargetKind::Job => flag("/spec/suspend"),
            _ => None,
        };
        let job = match target.kind {
            TargetKind::Workload => world.workload(target.uid).map(|w| w.job),
            _ => Some(target.uid),
        };
        let Some(job) = job else { return Ok(()) };
        self.note_overruled(job, written.at, patch);
        if self.forgets_returns(world, job, patch) {
            return broken("I4", "its returns are forgotten, and it has never run".to_owned());
        }
        if patch.part == Part::Status && target.kind == TargetKind::Job {
            let ended = |entry: &super::Entry| {
                entry.job == job && matches!(entry.what, What::Failed(_) | What::Complete)
            };
            let mut before = world.history().entries().iter().filter(|entry| ended(entry));
            if before.next().is_some_and(|end| end.at < written.known_by(NEWS)) {
                return broken("I7", "ended, and it had ended".to_owned());
            }
            // Under Kueue the lever is the Workload: it undoes what is done to the Job.
            let lever = world.workload_of(job).map_or(job, |w| w.seen.metadata.uid);
            return if world.history().is_stopped_by_person(lever) {
                broken("I6", "ended although a person has the lever".to_owned())
            } else {
                Ok(())
            };
        }
        match stop {
            None => Ok(()),
            Some(true) => self.judge_hold(world, written, (target, job), patch),
            Some(false) => {
                if world.history().is_stopped_by_person(target.uid) {
                    return broken("I6", "resumed, and a person has stopped it".to_owned());
                }
                let annotations = patch.body.pointer("/metadata/annotations");
                let by_person = annotations.is_some_and(|a| a[keys::RESUMES].is_string());
                if !by_person {
                    // Who decided before all was delivered could not know who has the quota.
                    if written.sending.behind.is_zero() {
                        self.returned.insert(job, written.at);
                    }
                    let left = |due: &Timestamp| due.duration_since(world.at(written.at)).as_secs();
                    if self.due.get(&job).map_or(0, left) > written.sending.ahead {
                        return broken("I5", "resumed before it was due".to_owned());
                    }
                    if world.pods_of(job).any(|(_, pod)| !pod.has_ended()) {
                        return broken("I5", "resumed over Pods that have not ended".to_owned());
                    }
                    if world
                        .workload_of(job)
                        .is_some_and(|w| holds(&w.seen.status.conditions, "QuotaReserved"))
                    {
                        return broken("I5", "resumed before its quota was given back".to_owned());
                    }
                }
                Ok(())
            }
        }
    }

    fn judge_hold(
        &mut self,
        world: &World,
        written: &Written,
        (target, job): (&Target, Uid),
        patch: &Patch,
    ) -> Result<(), Violation> {
        let broken = |rule, what: String| {
            Err(Violation {
                rule,
                at: written.at,
                what: format!("{} {}: {what}", target.kind.in_commands(), target.key),
            })
        };
        let mark = |key: &str| {
            let annotations = patch.body.pointer("/metadata/annotations");
            annotations.and_then(|a| a[key].as_str()).unwrap_or_default().to_owned()
        };
        let (cause, rule, image) =
            (mark(keys::HELD_CAUSE), mark(keys::HELD_RULE), mark(keys::HELD_IMAGE));
        let policy = Key::new(target.key.namespace.clone(), mark(keys::HOLD_POLICY));
        if !policy.name.is_empty()
            && !world.history().had_policy(&policy.namespace, Some(&policy.name))
        {
            return broken("I2", format!("held by {policy}, which is not there"));
        }
        // What a watch has not delivered nobody can know.
        let from = written.known_by(NEWS);
        let specs: Vec<&ImagePullPolicySpec> = world
            .history()
            .specs(&policy, from, written.at)
            .filter(|known| !known.paused)
            .filter_map(|known| known.spec.as_ref())
            .collect();
        let enforced = specs.iter().find(|spec| {
            spec.mode == Mode::Enforce && spec.effective_rules().iter().any(|r| r.name == rule)
        });
        let Some(spec) = enforced else {
            return broken(
                "I11",
                format!("held by {policy}, which does not enforce a rule {rule} now"),
            );
        };
        let rules = spec.effective_rules();
        let Some(rule) = rules.iter().find(|r| r.name == rule) else { return Ok(()) };
        if rule.action == Action::Report {
            return broken("I1", format!("rule {} only reports", rule.name));
        }
        self.may_be_held(world, job, from).or_else(|(rule, what)| broken(rule, what.to_owned()))?;
        self.holds_of.entry(job).or_default().0 += 1;
        let before = self.admissions.entry(job).or_default();
        before.1 += 1;
        if before.1 > 1 && world.workload_of(job).is_some() {
            return broken("I3", format!("held {} times in one admission", before.1));
        }
        if !self.held.insert(mark(keys::HOLD)) {
            return broken("I3", format!("the hold {} was taken twice", mark(keys::HOLD)));
        }
        let running = world.pods_of(job).filter(|(_, pod)| pod.seen.status.phase == "Running");
        let running = running.filter(|(_, pod)| !pod.is_deleted()).count();
        if rule.running_peers == RunningPeers::Spare && running > 0 {
            let since = last_running(world, job);
            if since.is_none_or(|since| since < from) {
                return broken("I7", format!("{running} of its Pods run, and the rule spares it"));
            }
        }
        let told: u32 =
            mark(keys::HELD).split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        if !needs_no_pull(&cause) {
            self.counted(job, told, (spec, rule)).or_else(|(rule, what)| broken(rule, what))?;
            let pods: Vec<Uid> = world.pods_of(job).map(|(uid, _)| uid).collect();
            self.is_safe(world, written, job, &pods)?;
        }
        self.judge_requeue(world, written, (job, &policy), &mark, spec.requeue)?;
        Self::reserved(world, written, &policy)?;
        let window = Duration::from_secs(u64::from(spec.budget.window_seconds));
        // A window that began before the policy was changed goes on with what it had reserved.
        let since = written.at.saturating_sub(window * 2);
        let specs = world.history().specs(&policy, since, written.at);
        let specs = specs.filter_map(|known| known.spec.as_ref());
        let most = specs.map(|spec| spec.budget.actions).max().unwrap_or(0);
        self.within_budget((most, window), &policy, written.at, image, cause)
    }

    /// Nothing about a job forbids a hold that was known of then.
    fn may_be_held(
        &self,
        world: &World,
        job: Uid,
        from: Duration,
    ) -> Result<(), (&'static str, &'static str)> {
        let Some(seen) = world.job(job) else { return Err(("I7", "its Job is gone")) };
        let conditions = &seen.seen.status.conditions;
        if holds(conditions, "Failed") || holds(conditions, "Complete") {
            return Err(("I7", "it had ended"));
        }
        if world.history().ignored_since(job).is_some_and(|since| since < from) {
            return Err(("I6", "held, and its owner wants it left alone"));
        }
        let overruled = self.overruled.get(&job).into_iter().flatten();
        if overruled.filter(|(_, at)| **at < from).count() >= MOST_RESUMES as usize {
            return Err(("I6", "held, and people have resumed it as often as they need to"));
        }
        Ok(())
    }

    /// As many failed pulls as the rule wants were counted, and no more than there were.
    fn counted(
        &self,
        job: Uid,
        told: u32,
        (spec, rule): (&ImagePullPolicySpec, &Rule),
    ) -> Result<(), (&'static str, String)> {
        let really = self.failed_of.get(&job).map(longest_run).unwrap_or_default();
        if told > really {
            return Err((
                "I9",
                format!("{told} failed pulls were counted, and there were {really}"),
            ));
        }
        let wanted = rule.threshold.failed_pulls;
        let requeued = self.requeued.get(&job).is_some_and(|times| *times > 0);
        let least = if requeued { spec.requeue.failed_pulls.min(wanted) } else { wanted };
        if told < least {
            return Err(("I1", format!("{told} failed pulls, and the rule wants {least}")));
        }
        Ok(())
    }

    /// One of these Pods has failed a moment ago, and is pulling nothing now.
    fn is_safe(
        &self,
        world: &World,
        written: &Written,
        of: Uid,
        pods: &[Uid],
    ) -> Result<(), Violation> {
        let sent = written.sending.sent;
        let slow = written.at.saturating_sub(sent) > Duration::from_millis(100);
        let safe = pods.iter().any(|pod| {
            let last = self.failed.get(pod).map(|(_, last)| *last);
            let fresh = last.is_some_and(|last| sent.saturating_sub(last) <= MOMENT);
            fresh && (slow || !world.is_pulling(*pod))
        });
        if safe {
            return Ok(());
        }
        let pulls = pods.iter().any(|pod| world.is_pulling(*pod));
        let last = pods.iter().filter_map(|pod| self.failed.get(pod)).map(|(_, last)| *last).max();
        let age = last.map(|last| sent.saturating_sub(last));
        let what =
            format!("{of}: its last failed pull was {age:?} ago; a pull is under way: {pulls}");
        Err(Violation { rule: "I1", at: written.at, what })
    }

    /// A sweep with one mistake counts once.
    fn within_budget(
        &mut self,
        (most, window): (u32, Duration),
        policy: &Key,
        at: Duration,
        image: String,
        cause: String,
    ) -> Result<(), Violation> {
        let slots = self.slots.entry(policy.clone()).or_default();
        slots.push((at, image, cause));
        let within: BTreeSet<(&str, &str)> = slots
            .iter()
            .filter(|(then, ..)| at.saturating_sub(*then) < window)
            .map(|(_, image, cause)| (image.as_str(), cause.as_str()))
            .collect();
        // A window of the budget begins with its first action: two of them meet in one of ours.
        if within.len() > 2 * most as usize {
            let what = format!(
                "{policy}: {} different mistakes acted on in {window:?}, of {most}",
                within.len()
            );
            return Err(Violation { rule: "I8", at, what });
        }
        Ok(())
    }

    /// Running work makes room for somebody: who came back by itself must not be the reason.
    fn preempted(&self, world: &World, job: Uid, at: Duration) -> Result<(), Violation> {
        let running = world.pods_of(job).any(|(_, pod)| pod.seen.status.phase == "Running");
        let by = world.workload_of(job).and_then(|w| w.preempted_by);
        match by.filter(|by| running && self.returned.contains_key(by)) {
            Some(by) => {
                let what =
                    format!("running work of {job} makes room for {by}, which came back by itself");
                Err(Violation { rule: "I5", at, what })
            }
            None => Ok(()),
        }
    }
}

/// Whether the kubelet finds the image bad without a pull, so that none can be under way.
fn needs_no_pull(cause: &str) -> bool {
    matches!(cause, "InvalidReference" | "NeverPullAbsent")
}

/// When a Pod of a Job last began to run.
fn last_running(world: &World, job: Uid) -> Option<Duration> {
    let mut newest = world.history().entries().iter().rev();
    newest.find(|e| e.job == job && matches!(e.what, What::Running(_))).map(|e| e.at)
}

/// The most failed pulls that Pods can have which were there one after another: the count of a Pod goes
/// over to the one that takes its place, and never to one beside it.
fn longest_run(pods: &BTreeMap<Uid, Failures>) -> u32 {
    let mut pods: Vec<&Failures> = pods.values().collect();
    pods.sort_unstable_by_key(|pod| pod.last);
    let mut runs: Vec<(Duration, u32)> = Vec::new();
    for pod in pods {
        let before = runs.iter().filter(|(last, _)| *last < pod.first).map(|(_, count)| *count);
        runs.push((pod.last, before.max().unwrap_or(0) + pod.count));
    }
    runs.into_iter().map(|(_, count)| count).max().unwrap_or(0)
}

/// Whether an Event tells of a hold, and not of a report or a Pod.
fn tells_of_hold(action: &str, note: &str) -> bool {
    let holds = ["Stopped", "Requeued", "Suspended"];
    action != "Report" && holds.iter().any(|lead| note.starts_with(lead))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_from_pod_to_pod_and_are_never_added_up_beside_each_other() {
        let of = |spans: &[(u64, u64, u32)]| {
            let seconds = Duration::from_secs;
            let pods = spans.iter().enumerate().map(|(number, (first, last, count))| {
                let failures =
                    Failures { count: *count, first: seconds(*first), last: seconds(*last) };
                (Uid::from_u128(number as u128), failures)
            });
            longest_run(&pods.collect())
        };
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[(0, 10, 2), (5, 20, 3)]), 3);
        assert_eq!(of(&[(0, 10, 2), (5, 20, 3), (11, 30, 2)]), 4);
        assert_eq!(of(&[(0, 10, 2), (11, 20, 3), (21, 30, 2), (0, 30, 6)]), 7);
    }
}
