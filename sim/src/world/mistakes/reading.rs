//! What a mistaken process makes of what it is told.

use dislodge_engine::api::{Action, Mode, RunningPeers};
use dislodge_engine::input::{Change, Input, Kind};
use dislodge_engine::keys;
use dislodge_engine::objects::{Meta, Pod, Policy, Workload};
use dislodge_engine::time::Now;

use super::{Mistake, Mistaken, list_of};

/// A time that is long over.
const LONG_AGO: &str = "2020-01-01T00:00:00Z";

impl Mistaken {
    /// What the process takes an input for.
    pub(in crate::world) fn inputs(&mut self, mut input: Input, now: Now) -> Vec<Input> {
        use Mistake::{
            ActsBeforeSynced, CountsStatusWrites, GovernsOtherNamespaces, KeepsDeletedObjects,
            KeepsDeletedPolicies, KeepsFirstWorkloads, KeepsWhatListsLack, LosesEvents,
            ReturnsOverPods, TakesListsForNews,
        };
        match self.which {
            KeepsDeletedPolicies if matches!(input, Input::Policy(Change::Gone(_))) => {
                return vec![];
            }
            KeepsDeletedObjects
                if matches!(
                    input,
                    Input::Pod(Change::Gone(_))
                        | Input::Job(Change::Gone(_))
                        | Input::Workload(Change::Gone(_))
                ) =>
            {
                return vec![];
            }
            KeepsWhatListsLack | TakesListsForNews => {
                let known = list_of(&input).is_some_and(|kind| self.listed.contains(&kind));
                if known {
                    return vec![]; // and what it shows is news
                }
                if let Input::ListEnded(kind) = &input {
                    self.listed.insert(*kind);
                }
            }
            ActsBeforeSynced => return self.unsynced(input),
            KeepsFirstWorkloads => {
                if let Input::Workload(Change::Seen(w) | Change::Listed(w)) = &input {
                    let uid = w.metadata.uid;
                    if !self.is_first(Kind::Workload, uid) {
                        return vec![];
                    }
                }
            }
            LosesEvents => {
                let event = matches!(
                    input,
                    Input::Pod(Change::Seen(_) | Change::Gone(_))
                        | Input::Job(Change::Seen(_) | Change::Gone(_))
                        | Input::Workload(Change::Seen(_) | Change::Gone(_))
                );
                if event && self.once_in(9) {
                    return vec![];
                }
            }
            CountsStatusWrites => {
                if let Input::Pod(Change::Seen(pod)) = &input
                    && waits(pod, "ErrImagePull")
                {
                    let mut between = pod.clone();
                    rename(&mut between, "ErrImagePull", "ImagePullBackOff");
                    let between = Input::Pod(Change::Seen(between));
                    return vec![input.clone(), between, input];
                }
            }
            GovernsOtherNamespaces => {
                if let Input::Policy(Change::Seen(policy) | Change::Listed(policy)) = &input {
                    let mut policy = policy.clone();
                    "c".clone_into(&mut policy.metadata.namespace);
                    return vec![input, Input::Policy(Change::Seen(policy))];
                }
            }
            ReturnsOverPods => {
                if let Input::Pod(Change::Seen(pod) | Change::Listed(pod)) = &input
                    && pod.metadata.deletion_timestamp.is_some()
                {
                    return vec![Input::Pod(Change::Gone(pod.clone()))];
                }
            }
            _ => {}
        }
        match &mut input {
            Input::Policy(Change::Seen(policy)) => self.policy(policy, false),
            Input::Policy(Change::Listed(policy)) => self.policy(policy, true),
            Input::Pod(Change::Seen(pod)) => self.pod(pod, false, now),
            Input::Pod(Change::Listed(pod)) => self.pod(pod, true, now),
            Input::Workload(Change::Seen(workload)) => self.workload(workload, false),
            Input::Workload(Change::Listed(workload)) => self.workload(workload, true),
            Input::Job(Change::Seen(job)) => {
                self.marks(&mut job.metadata, false);
                if self.which == ReturnsOverPods {
                    (job.status.active, job.status.terminating) = (0, 0);
                }
            }
            Input::Job(Change::Listed(job)) => self.marks(&mut job.metadata, true),
            Input::ClusterQueue(Change::Seen(queue) | Change::Listed(queue))
                if self.which == Mistake::ReturnsIntoRunningWork =>
            {
                queue.spec.preemption = None;
            }
            _ => {}
        }
        let news = matches!(self.which, TakesListsForNews | KeepsWhatListsLack);
        vec![if news { as_news(input) } else { input }]
    }

    /// All lists are over before they have begun.
    fn unsynced(&mut self, input: Input) -> Vec<Input> {
        match list_of(&input) {
            Some(_) if !self.listed.is_empty() => vec![],
            Some(_) => {
                self.listed.extend(Kind::ALL);
                let empty = |kind| [Input::ListBegun(kind), Input::ListEnded(kind)];
                Kind::ALL.into_iter().flat_map(empty).collect()
            }
            None => vec![as_news(input)],
        }
    }

    fn policy(&mut self, policy: &mut Policy, listed: bool) {
        match self.which {
            Mistake::IgnoresPause => policy.metadata.annotations.remove(keys::PAUSED),
            Mistake::ForgetsReservations => policy.status.budget = <_>::default(),
            Mistake::DoublesCheckpoints if listed => {
                for failing in &mut policy.status.failing {
                    failing.failed_pulls *= 2;
                }
            }
            _ => {}
        }
        let uid = policy.metadata.uid;
        let Ok(spec) = &mut policy.spec else { return };
        match self.which {
            Mistake::KeepsOldSpecs => {
                *spec = self.specs.entry(uid).or_insert_with(|| spec.clone()).clone();
            }
            Mistake::ActsInAudit => spec.mode = Mode::Enforce,
            Mistake::IgnoresBudget => spec.budget.actions = 1000,
            _ => {}
        }
        for rule in spec.rules.iter_mut().flatten() {
            match self.which {
                Mistake::ActsWhereRulesReport if rule.action == Action::Report => {
                    rule.action = Action::SuspendJob;
                }
                Mistake::ActsOnePullEarly => {
                    let least = rule.threshold.failed_pulls.saturating_sub(1).max(1);
                    rule.threshold.failed_pulls = least;
                }
                Mistake::StopsRunningPeers => rule.running_peers = RunningPeers::Stop,
                _ => {}
            }
        }
    }

    fn pod(&mut self, pod: &mut Pod, listed: bool, now: Now) {
        match self.which {
            Mistake::TrustsArrival => pod.metadata.kubelet_wrote = Some(now.wall),
            Mistake::TakesListsForNews if listed => pod.metadata.kubelet_wrote = Some(now.wall),
            Mistake::TrustsBackOff if waits(pod, "ImagePullBackOff") => {
                rename(pod, "ImagePullBackOff", "ErrImagePull");
                pod.metadata.kubelet_wrote = Some(now.wall);
            }
            Mistake::CountsPodsTogether => {
                if let Some(job) = pod.metadata.controller().map(|by| by.uid) {
                    let uid = pod.metadata.uid;
                    pod.metadata.uid = *self.stands_for.entry(job).or_insert(uid);
                }
            }
            _ => {}
        }
    }

    fn workload(&mut self, workload: &mut Workload, listed: bool) {
        self.marks(&mut workload.metadata, listed);
        if workload.is_active() {
            return;
        }
        match self.which {
            Mistake::ReturnsBeforeRelease => {
                workload.status.conditions.retain(|condition| condition.kind != "QuotaReserved");
                workload.status.admission = None;
            }
            Mistake::TakesAnyStopForOurs => {
                let annotations = &mut workload.metadata.annotations;
                if !annotations.contains_key(keys::HOLD) {
                    for (key, value) in [
                        (keys::HOLD, "0123456789abcdef"),
                        (keys::HELD, "1 failed pull"),
                        (keys::HELD_AT, LONG_AGO),
                        (keys::RESUME_AT, LONG_AGO),
                        (keys::REQUEUES, "1"),
                        (keys::HOLD_POLICY, "policy"),
                    ] {
                        annotations.insert(key.to_owned(), value.to_owned());
                    }
                }
            }
            _ => {}
        }
    }

    /// The marks on a Job or a Workload.
    fn marks(&self, meta: &mut Meta, listed: bool) {
        let annotations = &mut meta.annotations;
        let without: &[&str] = match self.which {
            Mistake::IgnoresIgnore => &[keys::IGNORE],
            Mistake::ForgetsRequests => &[keys::RESUME],
            Mistake::ForgetsPeoplesResumes => &[keys::RESUMES, keys::RESUMED],
            Mistake::ForgetsRequeues => &[keys::REQUEUED_BY],
            Mistake::ForgetsHoldsAtStart if listed => &keys::HOLD_KEYS,
            _ => &[],
        };
        for key in without {
            annotations.remove(key);
        }
        match self.which {
            // Without a number nothing is read of a return.
            Mistake::ForgetsRequeues if annotations.contains_key(keys::REQUEUES) => {
                annotations.insert(keys::REQUEUES, "0");
            }
            Mistake::ReturnsEarly if annotations.contains_key(keys::RESUME_AT) => {
                annotations.insert(keys::RESUME_AT, LONG_AGO);
            }
            _ => {}
        }
    }
}

fn as_news(input: Input) -> Input {
    match input {
        Input::Pod(Change::Listed(object)) => Input::Pod(Change::Seen(object)),
        Input::Job(Change::Listed(object)) => Input::Job(Change::Seen(object)),
        Input::Workload(Change::Listed(object)) => Input::Workload(Change::Seen(object)),
        Input::LocalQueue(Change::Listed(object)) => Input::LocalQueue(Change::Seen(object)),
        Input::ClusterQueue(Change::Listed(object)) => Input::ClusterQueue(Change::Seen(object)),
        Input::Policy(Change::Listed(object)) => Input::Policy(Change::Seen(object)),
        Input::Node(Change::Listed(object)) => Input::Node(Change::Seen(object)),
        other => other,
    }
}

fn waits(pod: &Pod, reason: &str) -> bool {
    let waiting = pod.status.container_statuses.iter().filter_map(|c| c.state.waiting.as_ref());
    waiting.into_iter().any(|waiting| waiting.reason == reason)
}

fn rename(pod: &mut Pod, from: &str, to: &str) {
    let containers = pod.status.container_statuses.iter_mut();
    for waiting in containers.filter_map(|c| c.state.waiting.as_mut()) {
        if waiting.reason == from {
            to.clone_into(&mut waiting.reason);
        }
    }
}
