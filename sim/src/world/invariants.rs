//! What must hold in every history, checked after each step: I1 no false stop, I3 one action an
//! admission, I5 quota, I6 no fight with people, I7 what has ended or runs is left alone, I8 the
//! budget, I9 no count above the truth, I11 nothing is done in Audit. At the end of a history: I4 no
//! job half ended, I5, I13 each hold is explained. Not checked are I2 (isolation), I10 beyond a bound on
//! steps, I12 (quiet), and that a job which has to be stopped is (the rest of I4).
//!
//! The judge knows what nobody in the cluster does: whether a kubelet is pulling at this very moment,
//! and how often each Pod has really failed.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each rule is about some of the things that happen"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dislodge_engine::api::{Action, ImagePullPolicySpec, Mode, RunningPeers};
use dislodge_engine::effect::{Outcome, Part, Patch, Target, TargetKind};
use dislodge_engine::keys;
use dislodge_engine::objects::{Key, Uid};
use serde_json::Value;

use super::World;
use super::history::{What, Written};
use super::object::holds;
use super::server::Write;

/// The safe moment, and what a watch event and a write need besides.
const MOMENT: Duration = Duration::from_millis(5_100);
/// What was true so long before a write was sent may not have been known to the writer.
const NEWS: Duration = Duration::from_secs(1);

/// What was done so short a time ago may still have its consequences to come.
const REST: Duration = Duration::from_secs(120);

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
    /// Failed pulls of each Job, all of its Pods together.
    failed_of: BTreeMap<Uid, u32>,
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
}

impl Judge {
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
                    *self.failed_of.entry(entry.job).or_default() += 1;
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
            let uid = written.write.target().map(|target| target.uid);
            let job = uid.map(|uid| world.workload(uid).map_or(uid, |w| w.job));
            if let Some(job) = job {
                self.touched.insert(job, written.at);
                if matches!(written.outcome, Err(Outcome::Rejected | Outcome::Forbidden)) {
                    self.refused.insert(job);
                }
            }
            if written.outcome.is_ok() {
                self.judge(world, written)?;
            }
        }
        Ok(())
    }

    fn judge(&mut self, world: &World, written: &Written) -> Result<(), Violation> {
        match &written.write {
            Write::Patch(target, patch) => self.judge_patch(world, written, target, patch),
            Write::Delete(target) => {
                let reason = world.pod(target.uid).and_then(|pod| pod.marked.as_deref());
                if reason.is_some_and(needs_no_pull) {
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
        if patch.part == Part::Status && target.kind == TargetKind::Job {
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
                    if written.behind.is_zero() {
                        self.returned.insert(job, written.at);
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
        // What a watch has not delivered nobody can know.
        let from = written.sent.saturating_sub(written.behind + NEWS);
        let specs: Vec<Option<&ImagePullPolicySpec>> =
            world.history().specs(&policy, from, written.at).collect();
        let enforced = specs.iter().flatten().find(|spec| {
            spec.mode == Mode::Enforce && spec.effective_rules().iter().any(|r| r.name == rule)
        });
        let Some(spec) = enforced else {
            return broken(
                "I11",
                format!("held by {policy}, which does not enforce a rule {rule}"),
            );
        };
        let rules = spec.effective_rules();
        let Some(rule) = rules.iter().find(|r| r.name == rule) else { return Ok(()) };
        if rule.action == Action::Report {
            return broken("I1", format!("rule {} only reports", rule.name));
        }
        let Some(seen) = world.job(job) else { return broken("I7", "its Job is gone".to_owned()) };
        let conditions = &seen.seen.status.conditions;
        if holds(conditions, "Failed") || holds(conditions, "Complete") {
            return broken("I7", "it had ended".to_owned());
        }
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
            if since.is_none_or(|since| since + written.behind + NEWS < written.sent) {
                return broken("I7", format!("{running} of its Pods run, and the rule spares it"));
            }
        }
        let told: u32 =
            mark(keys::HELD).split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let really = self.failed_of.get(&job).copied().unwrap_or_default();
        if !needs_no_pull(&cause) {
            if told > really {
                return broken(
                    "I9",
                    format!("{told} failed pulls were counted, and there were {really}"),
                );
            }
            let requeued = seen.seen.metadata.annotations.contains_key(keys::REQUEUES)
                || world
                    .workload_of(job)
                    .is_some_and(|w| w.seen.metadata.annotations.contains_key(keys::REQUEUES));
            let least = if requeued {
                spec.requeue.failed_pulls.min(rule.threshold.failed_pulls)
            } else {
                rule.threshold.failed_pulls
            };
            if told < least {
                return broken("I1", format!("{told} failed pulls, and the rule wants {least}"));
            }
            let pods: Vec<Uid> = world.pods_of(job).map(|(uid, _)| uid).collect();
            self.is_safe(world, written, job, &pods)?;
        }
        let window = Duration::from_secs(u64::from(spec.budget.window_seconds));
        // A window that began before the policy was changed goes on with what it had reserved.
        let since = written.at.saturating_sub(window * 2);
        let specs = world.history().specs(&policy, since, written.at).flatten();
        let most = specs.map(|spec| spec.budget.actions).max().unwrap_or(0);
        self.within_budget((most, window), &policy, written.at, image, cause)
    }

    /// One of these Pods has failed a moment ago, and is pulling nothing now.
    fn is_safe(
        &self,
        world: &World,
        written: &Written,
        of: Uid,
        pods: &[Uid],
    ) -> Result<(), Violation> {
        let slow = written.at.saturating_sub(written.sent) > Duration::from_millis(100);
        let safe = pods.iter().any(|pod| {
            let last = self.failed.get(pod).map(|(_, last)| *last);
            let fresh = last.is_some_and(|last| written.sent.saturating_sub(last) <= MOMENT);
            fresh && (slow || !world.is_pulling(*pod))
        });
        if safe {
            return Ok(());
        }
        let pulls = pods.iter().any(|pod| world.is_pulling(*pod));
        let last = pods.iter().filter_map(|pod| self.failed.get(pod)).map(|(_, last)| *last).max();
        let age = last.map(|last| written.sent.saturating_sub(last));
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

    /// Looks at how the history has ended, long after the last fault: what should have been done by
    /// now is done, and is explained.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn conclude(&self, world: &World) -> Result<(), Violation> {
        let at = world.now();
        let fresh =
            |uid: &Uid| self.touched.get(uid).is_some_and(|last| at.saturating_sub(*last) < REST);
        for (uid, job) in world.jobs().filter(|(uid, _)| !fresh(uid)) {
            let name = &job.plan.name;
            let broken = |rule, what: String| {
                Err(Violation { rule, at, what: format!("job {name}: {what}") })
            };
            let workload = world.workload_of(uid);
            let lever = workload.map_or(&job.seen.metadata, |w| &w.seen.metadata);
            let hold = lever.annotation(keys::HOLD);
            let told = job.seen.metadata.annotation(keys::HOLD);
            let conditions = &job.seen.status.conditions;
            let has_ended = holds(conditions, "Failed") || holds(conditions, "Complete");
            if holds(conditions, "FailureTarget") && !holds(conditions, "Failed") {
                return broken("I4", "it has FailureTarget and never failed".to_owned());
            }
            // Who was refused for good does not ask again.
            let refused = self.refused.contains(&uid);
            if hold != told && !has_ended && !refused {
                return broken(
                    "I13",
                    format!("held as {hold:?}, and its owner was told of {told:?}"),
                );
            }
            if hold.is_some() && !has_ended {
                if workload.is_some_and(super::kueue::takes_quota) {
                    return broken("I5", "held, and it has its quota".to_owned());
                }
                if world.pods_of(uid).any(|(_, pod)| !pod.has_ended() && !pod.is_deleted()) {
                    return broken("I5", "held, and it has Pods".to_owned());
                }
            }
        }
        Ok(())
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
