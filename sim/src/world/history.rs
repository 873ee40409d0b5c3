//! What has happened in a cluster, for those who judge it or show it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dislodge_engine::api::ImagePullPolicySpec;
use dislodge_engine::effect::{Event, Outcome};
use dislodge_engine::keys;
use dislodge_engine::notice::Decision;
use dislodge_engine::objects::{Key, Uid};

use super::kueue::takes_quota;
use super::object::{Job, Object, Pod, Workload};
use super::server::Write;
use super::{Id, World};
use crate::store::{self, Change};

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Duration,
    /// To which Job.
    pub job: Uid,
    /// What.
    pub what: What,
}

/// What can happen to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It was submitted.
    Submitted,
    /// It got its quota.
    Admitted,
    /// It has no quota any more.
    Released,
    /// Kueue evicted it, for this reason.
    Evicted(String),
    /// This Pod of it failed to pull its image.
    PullFailed(Uid),
    /// This Pod of it runs.
    Running(Uid),
    /// Dislodge holds it.
    Held {
        /// The sentence that its owner reads.
        sentence: String,
        /// Why the pulls fail.
        cause: String,
    },
    /// A hold of it ended.
    Resumed,
    /// Dislodge has published an Event about it: reason, action and note.
    Told(&'static str, &'static str, String),
    /// It has failed, for this reason.
    Failed(String),
    /// It is complete.
    Complete,
    /// It was deleted.
    Deleted,
}

/// Everything that has happened.
#[derive(Debug, Default)]
pub struct History {
    entries: Vec<Entry>,
    jobs: BTreeMap<Uid, JobState>,
    /// The Job of each Workload.
    workloads: BTreeMap<Uid, Uid>,
    /// Pods that wait in `ErrImagePull`, and those that run.
    failing: BTreeSet<Uid>,
    running: BTreeSet<Uid>,
    events: BTreeSet<String>,
    policies: Vec<Governed>,
    /// Levers that a person has moved last, and whether so that the job may run.
    persons: BTreeMap<Uid, bool>,
    writes: Vec<Written>,
    decisions: Vec<(Duration, Decision)>,
}

/// What is remembered of a job to see what changes.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct JobState {
    admitted: bool,
    held: bool,
    ended: bool,
    evicted: bool,
    /// Since when its owner wants it left alone.
    ignored: Option<Duration>,
}

/// What a policy asked for since when.
#[derive(Clone, Debug)]
pub(super) struct Governed {
    pub(super) at: Duration,
    key: Key,
    /// `None`: it was deleted.
    pub(super) spec: Option<ImagePullPolicySpec>,
    /// An operator had paused it.
    pub(super) paused: bool,
}

/// When a write was sent, and what its writer was then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    pub(super) sent: Duration,
    /// How old the oldest change was by then that the writer's watches had yet to deliver.
    pub(super) behind: Duration,
    /// Whether the writer held the lease.
    pub(super) leads: bool,
    /// By how many seconds the writer's wall clock was ahead.
    pub(super) ahead: i64,
}

/// A write of Dislodge that has arrived.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) sending: Sending,
    /// When it arrived.
    pub(super) at: Duration,
    pub(super) write: Write,
    pub(super) outcome: Result<store::Version, Outcome>,
    /// Whether anything is another than before.
    pub(super) news: bool,
}

impl Written {
    /// What had happened before then was known to the writer, or could have been.
    pub(super) fn known_by(&self, slack: Duration) -> Duration {
        self.sending.sent.saturating_sub(self.sending.behind + slack)
    }
}

impl History {
    /// What happened, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What Dislodge has decided and carried out, and when it was decided.
    pub fn decisions(&self) -> &[(Duration, Decision)] {
        &self.decisions
    }

    pub(super) fn carried_out(&mut self, decided: Option<(Duration, Decision)>) {
        self.decisions.extend(decided);
    }

    /// How many writes of Dislodge the API server has taken.
    pub fn writes(&self) -> usize {
        self.writes.iter().filter(|written| written.outcome.is_ok()).count()
    }

    pub(super) fn written(&self) -> &[Written] {
        &self.writes
    }

    fn note(&mut self, at: Duration, job: Uid, what: What) {
        self.entries.push(Entry { at, job, what });
    }

    /// A person has moved a lever.
    pub(super) fn person(&mut self, lever: Uid, may_run: bool) {
        self.persons.insert(lever, may_run);
    }

    /// Whether the last who moved the lever was a person who stopped the job.
    pub(super) fn is_stopped_by_person(&self, lever: Uid) -> bool {
        self.persons.get(&lever) == Some(&false)
    }

    pub(super) fn wrote(
        &mut self,
        (sending, at): (Sending, Duration),
        write: &Write,
        outcome: Result<store::Version, Outcome>,
        news: bool,
    ) {
        self.writes.push(Written { sending, at, write: write.clone(), outcome, news });
    }

    /// Since when a job's owner wants it left alone.
    pub(super) fn ignored_since(&self, job: Uid) -> Option<Duration> {
        self.jobs.get(&job)?.ignored
    }

    /// The Job that a Workload stands for, or stood for.
    pub(super) fn job_of(&self, uid: Uid) -> Uid {
        self.workloads.get(&uid).copied().unwrap_or(uid)
    }

    /// Whether there ever was a policy in a namespace, of that name where one is given.
    pub(super) fn had_policy(&self, namespace: &str, name: Option<&str>) -> bool {
        let mut there = self.policies.iter().filter(|known| known.key.namespace == namespace);
        there.any(|known| name.is_none_or(|name| known.key.name == name))
    }

    /// An Event arrives; says whether it is a new one.
    pub(super) fn told(&mut self, at: Duration, event: &Event) -> bool {
        let new = self.events.insert(event.name.clone());
        if new {
            let job = self.job_of(event.regarding.uid);
            self.note(at, job, What::Told(event.reason, event.action, event.note.clone()));
        }
        new
    }

    pub(super) fn sees(&mut self, at: Duration, change: &Change<Id, Object>) {
        if let Some(pod) = change.object.as_pod() {
            self.sees_pod(at, change, pod);
        } else if let Some(job) = change.object.as_job() {
            self.sees_job(at, change, job);
        } else if let Some(workload) = change.object.as_workload() {
            self.sees_workload(at, change, workload);
        } else if let Some(policy) = change.object.as_policy() {
            let spec = policy.spec.as_ref().ok().filter(|_| change.what != store::What::Deleted);
            let paused = policy.metadata.annotations.contains_key(keys::PAUSED);
            let key = policy.metadata.key();
            let known = self.policies.iter().rev().find(|known| known.key == key);
            if known.is_none_or(|last| last.spec.as_ref() != spec || last.paused != paused) {
                self.policies.push(Governed { at, key, spec: spec.cloned(), paused });
            }
        }
    }

    /// What a policy asked for at some time between two moments, the newest first.
    pub(super) fn specs(
        &self,
        key: &Key,
        from: Duration,
        to: Duration,
    ) -> impl Iterator<Item = &Governed> {
        let of = self.policies.iter().rev().filter(move |known| known.key == *key);
        let mut later = Duration::MAX;
        of.filter(move |known| {
            let ended = std::mem::replace(&mut later, known.at);
            known.at <= to && ended >= from
        })
    }

    fn sees_pod(&mut self, at: Duration, change: &Change<Id, Object>, pod: &Pod) {
        let (uid, deleted) = (change.key.1, change.what == store::What::Deleted);
        if !deleted && pod.waits_for("ErrImagePull") {
            if self.failing.insert(uid) {
                self.note(at, pod.job, What::PullFailed(uid));
            }
        } else {
            self.failing.remove(&uid);
        }
        if !deleted && pod.seen.status.phase == "Running" {
            if self.running.insert(uid) {
                self.note(at, pod.job, What::Running(uid));
            }
        } else {
            self.running.remove(&uid);
        }
    }

    fn sees_job(&mut self, at: Duration, change: &Change<Id, Object>, job: &Job) {
        let uid = change.key.1;
        if change.what == store::What::Deleted {
            self.note(at, uid, What::Deleted);
            return;
        }
        if change.what == store::What::Created {
            self.note(at, uid, What::Submitted);
        }
        let held = job.seen.metadata.annotation(keys::HELD);
        let ignored = job.seen.metadata.annotations.contains_key(keys::IGNORE);
        let state = self.jobs.entry(uid).or_default();
        state.ignored = ignored.then(|| state.ignored.unwrap_or(at));
        let was = std::mem::replace(&mut state.held, held.is_some());
        match held {
            Some(sentence) if !was => {
                let cause = job.seen.metadata.annotation(keys::HELD_CAUSE).unwrap_or_default();
                let (sentence, cause) = (sentence.to_owned(), cause.to_owned());
                self.note(at, uid, What::Held { sentence, cause });
            }
            None if was => self.note(at, uid, What::Resumed),
            _ => {}
        }
        let conditions = &job.seen.status.conditions;
        let ended = conditions
            .iter()
            .find(|c| matches!(c.kind.as_str(), "Failed" | "Complete") && c.status == "True");
        let state = self.jobs.entry(uid).or_default();
        if let Some(ended) = ended
            && !std::mem::replace(&mut state.ended, true)
        {
            let failed = ended.kind == "Failed";
            let what = if failed { What::Failed(ended.reason.to_string()) } else { What::Complete };
            self.note(at, uid, what);
        }
    }

    fn sees_workload(&mut self, at: Duration, change: &Change<Id, Object>, workload: &Workload) {
        self.workloads.insert(change.key.1, workload.job);
        let admitted = change.what != store::What::Deleted && takes_quota(workload);
        let conditions = &workload.seen.status.conditions;
        let evicted = conditions.iter().find(|c| c.kind == "Evicted" && c.status == "True");
        let state = self.jobs.entry(workload.job).or_default();
        let was = std::mem::replace(&mut state.admitted, admitted);
        let knew = std::mem::replace(&mut state.evicted, evicted.is_some());
        if let Some(evicted) = evicted.filter(|_| !knew) {
            self.note(at, workload.job, What::Evicted(evicted.reason.to_string()));
        }
        if admitted != was {
            self.note(at, workload.job, if admitted { What::Admitted } else { What::Released });
        }
    }
}

impl World {
    /// What has happened, with the writes of Dislodge, as lines for people.
    pub fn story(&self) -> Vec<String> {
        let name = |job| self.job(job).map_or_else(|| job.to_string(), |job| job.plan.name.clone());
        let entries = self.history().entries().iter();
        let entries = entries.map(|e| (e.at, format!("{} {:?}", name(e.job), e.what)));
        let writes = self.history().written().iter().map(|written| {
            let write = match &written.write {
                Write::Patch(target, patch) => {
                    format!("patch {} {:?} {}", target.key, patch.part, patch.body)
                }
                Write::Delete(target) => format!("delete {}", target.key),
                Write::Publish(event) => format!("event {}", event.reason),
                Write::Status(target, _) => format!("status of {}", target.key),
                Write::Reserve(target, budget) => {
                    format!("reserve {} {}", target.key, budget.reserved)
                }
            };
            (written.at, format!("    {write}: {:?}", written.outcome))
        });
        let mut lines: Vec<(Duration, String)> = entries.chain(writes).collect();
        lines.sort_by_key(|(at, _)| *at);
        lines.into_iter().map(|(at, line)| format!("{:>9.3} {line}", at.as_secs_f64())).collect()
    }
}
