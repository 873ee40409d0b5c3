//! What the engine knows of one job and would do about it, for people who ask.
//!
//! The same steps as in a decision, with the same code: the images that fail, the rule that judges
//! each, and the plan. Nothing is given to be done.

use std::sync::Arc;
use std::time::Duration;

use crate::api::{Action, Rule};
use crate::engine::Engine;
use crate::engine::decide::{Failing, evidence, handles, resumes};
use crate::engine::requeue::{requeues, rules_for};
use crate::explain::HoldRecord;
use crate::judge::{Evidence, Verdict, judge};
use crate::keys;
use crate::lever::Lever;
use crate::objects::{Key, Pod, Uid, Workload};
use crate::observe::observe;
use crate::owner::Owner;
use crate::plan::{Fallback, Plan, Reported, Situation, Wait, plan};
use crate::quota::{Admission, QuotaView, Unmanaged};
use crate::record::{Closed, Run, Runs};
use crate::resolve::{Effective, Queue};
use crate::time::Now;

/// One job, as the engine sees it.
#[derive(Clone, Debug)]
pub struct Account {
    /// The object that a person made.
    pub owner: Owner,
    /// The queue that it stands in.
    pub queue: Queue,
    /// Its Workload, where one was seen.
    pub workload: Option<Workload>,
    /// The policy that governs the queue.
    pub policy: Option<Effective>,
    /// Whether it holds quota. Where a queue is named and no Workload was seen, as the job itself
    /// tells: it was started.
    pub admission: Admission,
    /// Its hold, as the object that carries the lever says, or else the owner's own.
    pub hold: Option<HoldRecord>,
    /// Whether it is kept from running, whoever has set it so.
    pub is_stopped: bool,
    /// How often people have resumed it.
    pub resumes: u32,
    /// How often Dislodge has requeued it since.
    pub requeues: u32,
    /// Its images that fail.
    pub images: Vec<FailingImage>,
}

/// One image of a job that fails.
#[derive(Clone, Debug)]
pub struct FailingImage {
    /// The image.
    pub image: Arc<str>,
    /// The Pod that has failed it most often.
    pub pod: Option<Uid>,
    /// Its failures, as the rule sees them; without a rule, the newest in a row of one cause.
    pub evidence: Evidence,
    /// The kubelet has found it bad without a pull, and tries none.
    pub is_final: bool,
    /// The rule that decides, with the threshold as it is for this job.
    pub rule: Option<Rule>,
    /// What is done now.
    pub now: Prospect,
    /// What is done once the threshold is reached and the moment is safe.
    pub then: Prospect,
}

/// A [`Plan`] on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// No policy governs the job.
    Ungoverned,
    /// It is counted on. `due`: how long until the threshold is reached without another failure.
    Count {
        /// Only for what the kubelet has found bad without a pull.
        due: Option<Duration>,
    },
    /// The action waits for that.
    Wait(Wait),
    /// It is reported, and nothing more.
    Report(Reported),
    /// The Pod is ended; the job's author has said what follows.
    EndPod,
    /// That is done.
    Act {
        /// What.
        action: Action,
        /// Where that is not what the rule says: why.
        fallback: Option<Fallback>,
    },
}

impl Prospect {
    fn of(plan: Plan<'_>, due: Option<Duration>) -> Self {
        match plan {
            Plan::Count => Self::Count { due },
            Plan::Wait(wait) => Self::Wait(wait),
            Plan::Report(reported) => Self::Report(reported),
            Plan::EndPod { .. } => Self::EndPod,
            Plan::Act { action, fallback, .. } => Self::Act { action, fallback },
        }
    }
}

impl Engine {
    /// The uid of the job that is decided on as one with this Pod, Workload, Job or JobSet.
    pub fn unit_of(&self, uid: Uid) -> Uid {
        self.index.unit_of(uid)
    }

    /// All jobs that are decided on as one.
    pub fn units(&self) -> Vec<Uid> {
        let known = self.index.jobs().map(|(uid, _)| uid);
        known.filter(|uid| self.index.owner(*uid).is_some()).collect()
    }

    /// The policy that governs a queue.
    pub fn policy_of(&self, queue: &Queue) -> Option<&Effective> {
        self.policies.governing(queue).map(Arc::as_ref)
    }

    /// What is known of a job and would be done about it; `None` where no such job was seen.
    pub fn account(&mut self, uid: Uid, now: Now) -> Option<Account> {
        let owner = self.index.owner(uid)?;
        let workload = self.index.workload_of(uid);
        let (unmanaged, unseen) = (Unmanaged(&owner), Unseen::of(&owner));
        let (lever, quota) = handles(&owner, workload.as_ref(), &unmanaged)
            .or_else(|| unseen.as_ref().and_then(Unseen::handles))?;
        let queue = quota.queue();
        let policy = self.policies.governing(&queue).map(|policy| Effective::clone(policy));
        let images = self.failing_images(&owner, (lever, quota), policy.as_ref(), now);
        let hold = HoldRecord::of(uid, lever.meta()).or_else(|| HoldRecord::of(uid, owner.meta()));
        Some(Account {
            queue,
            policy,
            admission: quota.admission(),
            hold,
            is_stopped: lever.is_stopped(),
            resumes: resumes(&owner, lever),
            requeues: requeues(&owner, lever),
            images,
            workload: workload.clone(),
            owner: owner.clone(),
        })
    }

    fn failing_images(
        &mut self,
        owner: &Owner,
        handles: (&dyn Lever, &dyn QuotaView),
        policy: Option<&Effective>,
        now: Now,
    ) -> Vec<FailingImage> {
        let Some(policy) = policy else {
            let failing = self.failing(owner.uid(), &[], now);
            return failing.iter().filter_map(|image| ungoverned(image, now)).collect();
        };
        let rules = rules_for(policy, owner, handles.0);
        let mut images = Vec::new();
        for failing in self.failing(owner.uid(), &rules, now) {
            let track = &failing.track;
            let Some(verdict) = judge(&rules, &track.runs, track.once, now) else { continue };
            let situation = self.situation(owner, handles, policy, &failing, verdict, now);
            let (rule, due) = match verdict {
                Verdict::NoRule(_) => (None, None),
                Verdict::Counting { rule, due, .. } => (Some(rule), due),
                Verdict::Reached { rule, .. } => (Some(rule), None),
            };
            let evidence = evidence(verdict);
            let reached = match rule {
                Some(rule) => Verdict::Reached { rule, evidence },
                None => verdict,
            };
            // Without a failed pull no moment comes.
            let unshown = track.once.is_some() && !track.is_without_a_pull();
            let moment = if unshown { Err(Closed::Unshown) } else { Ok(()) };
            let safe = Situation { moment, confirmed: true, ..situation };
            images.push(FailingImage {
                image: Arc::clone(&failing.image),
                pod: failing.pod,
                evidence,
                is_final: track.once.is_some(),
                rule: rule.cloned(),
                now: Prospect::of(
                    plan(verdict, &situation),
                    due.map(|due| due.saturating_sub(now.elapsed)),
                ),
                then: Prospect::of(plan(reached, &safe), None),
            });
        }
        images
    }

    /// What the kubelet's Events tell of the failed pulls of an image in a Pod that was seen: it counts
    /// where it is more than what is known, and no more than the kubelet's schedule allows.
    pub fn recall(&mut self, pod: &Pod, image: &str, told: Run, now: Now) {
        let uid = pod.metadata.uid;
        let most = self.most_failed_pulls(uid, now).max(1);
        let Some(seen) = observe(pod) else { return };
        let place = seen.images.iter().position(|seen| seen.image == image);
        if let (Some(row), Some(place)) = (self.index.pod_mut(uid), place) {
            let mut runs = Runs::of(told);
            runs.cap(most);
            row.history.restore(&seen, place, runs);
        }
    }

    /// The uids of the Pods of a job.
    pub fn pods_of(&self, job: Uid) -> Vec<Uid> {
        self.index.pods_of(job).map(|(uid, _)| uid).collect()
    }

    /// The ClusterQueue behind a LocalQueue.
    pub fn cluster_queue_of(&self, queue: &Key) -> Option<&str> {
        self.cluster_queues.get(queue).map(String::as_str)
    }
}

/// A job that names a queue and whose Workload was not seen: its own object stands in.
struct Unseen<'a> {
    owner: &'a Owner,
    queue: Key,
}

impl<'a> Unseen<'a> {
    fn of(owner: &'a Owner) -> Option<Self> {
        let queue = owner.neighbour(owner.meta().label(keys::KUEUE_QUEUE)?);
        Some(Self { owner, queue })
    }

    fn handles(&self) -> Option<(&dyn Lever, &dyn QuotaView)> {
        match self.owner {
            Owner::Job(job) => Some((&**job, self)),
            Owner::JobSet(set) => Some((&**set, self)),
            Owner::Other(_) => None,
        }
    }
}

impl QuotaView for Unseen<'_> {
    fn queue(&self) -> Queue {
        Queue::Local(self.queue.clone())
    }

    /// Kueue starts a job when it has its quota, and suspends it when it takes it away.
    fn admission(&self) -> Admission {
        let since = match self.owner {
            Owner::Job(job) => job.status.start_time.filter(|_| !job.spec.suspend),
            Owner::JobSet(set) => set.running_since().filter(|_| !set.spec.suspend),
            Owner::Other(_) => None,
        };
        since.map_or(Admission::None, Admission::Since)
    }

    fn is_released(&self) -> bool {
        self.admission() == Admission::None
    }
}

fn ungoverned(failing: &Failing, now: Now) -> Option<FailingImage> {
    let verdict = judge(&[], &failing.track.runs, failing.track.once, now)?;
    Some(FailingImage {
        image: Arc::clone(&failing.image),
        pod: failing.pod,
        evidence: evidence(verdict),
        is_final: failing.track.once.is_some(),
        rule: None,
        now: Prospect::Ungoverned,
        then: Prospect::Ungoverned,
    })
}
