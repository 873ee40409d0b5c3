//! Kueue, as read and measured (kueue.md 2, live.md 4): queues and their quota, cohorts, admission,
//! preemption, `active`, eviction and requeue.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dislodge_engine::input::Kind;
use dislodge_engine::keys;
use dislodge_engine::objects::{
    self, Admission, ClusterQueue, ClusterQueueSpec, FlavorQuotas, FlavorReservation, LocalQueue,
    LocalQueueSpec, Preemption, Quantity, ResourceGroup, ResourceQuota, ResourceReservation, Uid,
    Usage,
};

use super::object::{Object, Workload, holds, set_condition};
use super::{Id, World, owned_by};
use crate::store::{Change, What};

/// From a change to a reconcile (measured: 20 to 30 ms).
const WATCH: Duration = Duration::from_millis(20);
/// From quota that comes free to the next look at who waits (measured: 1.03 to 1.09 s).
const REQUEUE_BATCH: Duration = Duration::from_millis(1020);
/// The first pause of a Workload that was evicted because its Pods did not get ready (Kueue:
/// `requeuingStrategy.backoffBaseSeconds`, 60), doubled up to an hour.
const NOT_READY_PAUSE: Duration = Duration::from_secs(60);
const MOST_PAUSE: Duration = Duration::from_secs(3600);
/// The one flavor of the model.
const FLAVOR: &str = "default";

/// Kueue.
#[derive(Debug)]
pub(super) struct Kueue {
    agenda: BTreeSet<(Duration, Work)>,
    /// Workloads for which others make room: nobody else gets that.
    booked: BTreeSet<Uid>,
    pods_ready_timeout: Option<Duration>,
    /// The one resource of the model.
    resource: &'static str,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    /// A Job and its Workload are to be brought in line.
    Job(Uid),
    /// A Workload's own state.
    Workload(Uid),
    /// Who waits is looked at.
    Cycle,
    /// The status of the ClusterQueues.
    Totals,
}

impl Kueue {
    pub(super) const fn new(pods_ready_timeout: Option<Duration>, resource: &'static str) -> Self {
        Self { agenda: BTreeSet::new(), booked: BTreeSet::new(), pods_ready_timeout, resource }
    }

    /// What quota is counted in.
    pub(super) const fn resource(&self) -> &'static str {
        self.resource
    }

    pub(super) fn due(&self) -> Option<Duration> {
        self.agenda.first().map(|(at, _)| *at)
    }

    fn at(&mut self, at: Duration, work: Work) {
        self.agenda.insert((at, work));
    }
}

/// A ClusterQueue of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// The CPUs that are its own.
    pub cpus: u32,
    /// The cohort with which it shares what it does not use.
    pub cohort: Option<String>,
    /// `preemption.withinClusterQueue`; absent: `Never`.
    pub within_cluster_queue: Option<String>,
    /// `preemption.reclaimWithinCohort`; absent: `Never`.
    pub reclaim_within_cohort: Option<String>,
}

impl World {
    /// Adds a ClusterQueue.
    pub fn add_cluster_queue(&mut self, name: &str, quota: &Quota) {
        let metadata = self.new_meta("", name);
        let nominal = ResourceQuota {
            name: self.kueue.resource.into(),
            nominal_quota: cpus(quota.cpus),
            borrowing_limit: None,
        };
        let flavor = FlavorQuotas { name: FLAVOR.into(), resources: vec![nominal] };
        let preemption = Preemption {
            within_cluster_queue: quota.within_cluster_queue.as_deref().map(Into::into),
            reclaim_within_cohort: quota.reclaim_within_cohort.as_deref().map(Into::into),
        };
        let spec = ClusterQueueSpec {
            cohort_name: quota.cohort.as_deref().map(Into::into),
            preemption: Some(preemption),
            resource_groups: vec![ResourceGroup {
                covered_resources: vec![self.kueue.resource.into()],
                flavors: vec![flavor],
            }],
            ..ClusterQueueSpec::default()
        };
        let status = objects::ClusterQueueStatus::default();
        self.create(Object::ClusterQueue(ClusterQueue { metadata, spec, status }));
    }

    /// Adds a LocalQueue.
    pub fn add_queue(&mut self, namespace: &str, name: &str, cluster_queue: &str) {
        let metadata = self.new_meta(namespace, name);
        let spec = LocalQueueSpec { cluster_queue: cluster_queue.to_owned() };
        self.create(Object::LocalQueue(LocalQueue { metadata, spec }));
    }

    pub(super) fn kueue_sees(&mut self, change: &Change<Id, Object>) {
        let at = self.now + WATCH;
        let uid = change.key.1;
        let deleted = change.what == What::Deleted;
        if change.object.as_job().is_some_and(|job| job.plan.queue.is_some()) && !deleted {
            self.kueue.at(at, Work::Job(uid));
        }
        if let Some(workload) = change.object.as_workload() {
            self.kueue.at(at, Work::Totals);
            if deleted {
                self.kueue.at(self.now + REQUEUE_BATCH, Work::Cycle);
            } else {
                self.kueue.at(at, Work::Workload(uid));
                self.kueue.at(at, Work::Job(workload.job));
            }
        }
        if matches!(change.key.0, Kind::LocalQueue) {
            self.kueue.at(at, Work::Cycle);
        }
    }

    pub(super) fn kueue_acts(&mut self) {
        match self.kueue.agenda.pop_first() {
            Some((_, Work::Job(uid))) => self.reconcile_job(uid),
            Some((_, Work::Workload(uid))) => self.reconcile_workload(uid),
            Some((_, Work::Cycle)) => self.cycle(),
            Some((_, Work::Totals)) => self.write_totals(),
            None => {}
        }
    }

    fn reconcile_job(&mut self, uid: Uid) {
        let Some(object) = self.get(Kind::Job, uid).cloned() else { return };
        let Some(job) = object.as_job() else { return };
        let (wall, conditions) = (self.wall(), &job.seen.status.conditions);
        let has_ended = ["Failed", "Complete"].into_iter().find(|kind| holds(conditions, kind));
        let Some(workload) = self.workload_of.get(&uid).copied() else {
            if has_ended.is_none() && job.seen.metadata.deletion_timestamp.is_none() {
                self.make_workload(uid);
            }
            return;
        };
        let Some(object) = self.get(Kind::Workload, workload).cloned() else { return };
        let Some(w) = object.as_workload() else { return };
        let status = &w.seen.status.conditions;
        if let Some(kind) = has_ended {
            if !holds(status, "Finished") {
                let reason = if kind == "Complete" { "Succeeded" } else { "Failed" };
                self.change_workload(workload, |w| {
                    set_condition(&mut w.seen.status.conditions, "Finished", true, reason, wall);
                    w.seen.status.admission = None;
                });
                self.kueue.at(self.now + REQUEUE_BATCH, Work::Cycle);
            }
            return;
        }
        let reserved = holds(status, "QuotaReserved");
        if holds(status, "Evicted") {
            if !job.seen.spec.suspend {
                self.change_job(uid, |job| {
                    job.seen.spec.suspend = true;
                    job.seen.status.start_time = None;
                });
            } else if reserved && job.seen.status.active == 0 {
                self.end_eviction(workload, w);
            }
        } else if job.seen.spec.suspend == reserved {
            // Also what a person has suspended: it is undone (kueue.md 0.2).
            self.change_job(uid, |job| job.seen.spec.suspend = !reserved);
        }
    }

    /// The Pods of an evicted job are gone, or being deleted.
    fn end_eviction(&mut self, uid: Uid, w: &Workload) {
        let wall = self.wall();
        let reason = evicted_for(w);
        let back = reason == "Preempted";
        self.change_workload(uid, |w| {
            let conditions = &mut w.seen.status.conditions;
            set_condition(conditions, "Requeued", back, &reason, wall);
            set_condition(conditions, "QuotaReserved", false, "Pending", wall);
            set_condition(conditions, "Admitted", false, "NoReservation", wall);
            w.seen.status.admission = None;
        });
        self.kueue.at(self.now + REQUEUE_BATCH, Work::Cycle);
    }

    fn reconcile_workload(&mut self, uid: Uid) {
        let Some(object) = self.get(Kind::Workload, uid).cloned() else { return };
        let Some(w) = object.as_workload() else { return };
        let (now, wall, conditions) = (self.now, self.wall(), &w.seen.status.conditions);
        if holds(conditions, "Finished") {
            return;
        }
        let evicted = holds(conditions, "Evicted");
        let reserved = holds(conditions, "QuotaReserved");
        if !w.seen.is_active() {
            if !evicted {
                self.change_workload(uid, |w| {
                    let conditions = &mut w.seen.status.conditions;
                    set_condition(conditions, "Evicted", true, "Deactivated", wall);
                });
                // Its quota was free with the change of the spec already.
                self.kueue.at(now + REQUEUE_BATCH.saturating_sub(WATCH), Work::Cycle);
                if !reserved {
                    self.change_workload(uid, |w| {
                        let conditions = &mut w.seen.status.conditions;
                        set_condition(conditions, "Requeued", false, "Deactivated", wall);
                    });
                }
            }
            return;
        }
        if evicted && !reserved && !holds(conditions, "Requeued") {
            if evicted_for(w) == "PodsReadyTimeout" && w.requeued.1 > now {
                self.kueue.at(w.requeued.1, Work::Workload(uid));
                return;
            }
            self.change_workload(uid, |w| {
                let conditions = &mut w.seen.status.conditions;
                set_condition(conditions, "Requeued", true, "Reactivated", wall);
            });
        }
        if reserved && !evicted {
            self.watch_for_ready(uid, w);
        } else if !reserved {
            self.kueue.at(now, Work::Cycle);
        }
    }

    /// `waitForPodsReady`: whoever has quota and does not start is evicted after a time.
    fn watch_for_ready(&mut self, uid: Uid, w: &Workload) {
        let Some(timeout) = self.kueue.pods_ready_timeout else { return };
        let (now, wall) = (self.now, self.wall());
        let Some(job) = self.job(w.job) else { return };
        let running = |phase: &str| matches!(phase, "Running" | "Succeeded");
        let ready = self.pods_of(w.job).filter(|(_, pod)| running(&pod.seen.status.phase)).count();
        if u32::try_from(ready).unwrap_or(u32::MAX) + job.succeeded >= job.plan.pods {
            return;
        }
        let since = w.seen.quota_reserved_since().unwrap_or(wall);
        let waited = Duration::try_from(wall.duration_since(since)).unwrap_or_default();
        if waited < timeout {
            self.kueue.at(now + timeout.saturating_sub(waited), Work::Workload(uid));
            return;
        }
        let pause = NOT_READY_PAUSE.saturating_mul(1 << w.requeued.0.min(6)).min(MOST_PAUSE);
        self.change_workload(uid, |w| {
            set_condition(&mut w.seen.status.conditions, "Evicted", true, "PodsReadyTimeout", wall);
            w.requeued = (w.requeued.0 + 1, now + pause);
        });
    }

    fn make_workload(&mut self, job_uid: Uid) {
        let Some(job) = self.job(job_uid).cloned() else { return };
        let plan = &job.plan;
        let name = format!("job-{}-{:05x}", plan.name, job_uid.as_u128());
        let mut metadata = self.new_meta(&plan.namespace, &name);
        let key = job.seen.metadata.key();
        metadata.owner_references.push(owned_by("batch/v1", "Job", &key, job_uid));
        metadata.labels.insert(keys::KUEUE_JOB_UID, job_uid.to_string());
        let spec = objects::WorkloadSpec {
            queue_name: plan.queue.clone().unwrap_or_default(),
            active: Some(true),
            priority: plan.priority,
            may_shrink: false,
        };
        let status = objects::WorkloadStatus::default();
        self.create(Object::Workload(Workload {
            seen: objects::Workload { metadata, spec, status },
            job: job_uid,
            cpus: plan.cpus(),
            priority: plan.priority,
            preempted_by: None,
            requeued: (0, Duration::ZERO),
        }));
    }

    /// Admits who waits and fits, the highest rank and the oldest first (Kueue: `BestEffortFIFO`). As
    /// in the real one, what borrows is looked at after all that does not.
    fn cycle(&mut self) {
        // Who would borrow comes last (Kueue: `entryOrdering`), or it would be admitted and displaced
        // for ever.
        let borrows = |w: &Workload| {
            self.cluster_queue_of(w).is_some_and(|queue| self.used(queue) + w.cpus > nominal(queue))
        };
        let waiting = self.workloads().filter(|(_, w)| waits(w));
        let mut waiting: Vec<_> =
            waiting.map(|(uid, w)| (borrows(w), Reverse(w.priority), uid)).collect();
        waiting.sort_unstable();
        for (_, _, uid) in waiting {
            let Some(object) = self.get(Kind::Workload, uid).cloned() else { continue };
            let Some(w) = object.as_workload() else { continue };
            let Some(queue) = self.cluster_queue_of(w).cloned() else { continue };
            if self.fits(&queue, w.cpus + self.booked_by_others(uid, &queue)) {
                self.admit(uid, &queue, w.cpus);
            } else if !self.kueue.booked.contains(&uid) && self.preempt_for(&queue, w) {
                self.kueue.booked.insert(uid);
            }
        }
    }

    /// What others have made room for, in the same queue or cohort.
    fn booked_by_others(&self, but: Uid, queue: &ClusterQueue) -> u32 {
        let others = self.kueue.booked.iter().filter(|uid| **uid != but);
        let others = others.filter_map(|uid| self.workload(*uid)).filter(|w| waits(w));
        let share = |of: &ClusterQueue| {
            of.metadata.uid == queue.metadata.uid
                || of.is_in_cohort() && of.spec.cohort_name == queue.spec.cohort_name
        };
        others.filter(|w| self.cluster_queue_of(w).is_some_and(share)).map(|w| w.cpus).sum()
    }

    fn admit(&mut self, uid: Uid, queue: &ClusterQueue, wanted: u32) {
        let wall = self.wall();
        self.kueue.booked.remove(&uid);
        let usage = Usage {
            flavor: FLAVOR.into(),
            resource: self.kueue.resource.into(),
            quantity: cpus(wanted),
        };
        let admission = Admission {
            cluster_queue: queue.metadata.name.as_str().into(),
            usage: Box::new([usage]),
            pod_sets: 1,
            by_topology: false,
        };
        self.change_workload(uid, |w| {
            let conditions = &mut w.seen.status.conditions;
            set_condition(conditions, "QuotaReserved", true, "QuotaReserved", wall);
            set_condition(conditions, "Admitted", true, "Admitted", wall);
            for over in ["Evicted", "Preempted"] {
                if holds(conditions, over) {
                    set_condition(conditions, over, false, "QuotaReserved", wall);
                }
            }
            w.seen.status.admission = Some(Arc::new(admission));
        });
    }

    /// Whether so many CPUs are free: of its own quota, or of what the cohort does not use.
    fn fits(&self, queue: &ClusterQueue, wanted: u32) -> bool {
        let own = self.used(queue) + wanted <= nominal(queue);
        match queue.spec.cohort_name.as_deref().filter(|name| !name.is_empty()) {
            None => own,
            Some(cohort) => {
                let members =
                    self.cluster_queues().filter(|q| q.spec.cohort_name.as_deref() == Some(cohort));
                let (mut all, mut used) = (0, 0);
                for member in members {
                    all += nominal(member);
                    used += self.used(member);
                }
                used + wanted <= all
            }
        }
    }

    /// Evicts whom a Workload may displace, where that makes room for it. Says whether it does.
    fn preempt_for(&mut self, queue: &ClusterQueue, w: &Workload) -> bool {
        let preemption = queue.spec.preemption.clone().unwrap_or_default();
        let within = preemption.within_cluster_queue.as_deref().unwrap_or("Never");
        let reclaim = preemption.reclaim_within_cohort.as_deref().unwrap_or("Never");
        let own_quota = self.used(queue) + w.cpus <= nominal(queue);
        let mut victims: Vec<(Uid, Workload)> = Vec::new();
        for (uid, other) in self.workloads().filter(|(_, other)| takes_quota(other)) {
            let Some(theirs) = self.cluster_queue_of(other) else { continue };
            let may = if theirs.metadata.uid == queue.metadata.uid {
                match within {
                    "LowerPriority" => other.priority < w.priority,
                    "LowerOrNewerEqualPriority" => {
                        other.priority < w.priority
                            || other.priority == w.priority
                                && other.seen.metadata.uid > w.seen.metadata.uid
                    }
                    _ => false,
                }
            } else {
                let borrows = self.used(theirs) > nominal(theirs);
                let same =
                    theirs.is_in_cohort() && theirs.spec.cohort_name == queue.spec.cohort_name;
                let ranks =
                    reclaim == "Any" || reclaim == "LowerPriority" && other.priority < w.priority;
                same && borrows && own_quota && ranks
            };
            if may {
                victims.push((uid, other.clone()));
            }
        }
        // The lowest rank first, and of these the newest. Who makes room does so for a job that does
        // not borrow (Kueue: `borrowWithinCohort`, `Never`), and a queue gives up what it borrows alone.
        victims.sort_by_key(|(uid, other)| (other.priority, Reverse(*uid)));
        let (mut freed, mut freed_here, mut chosen) = (0, 0, Vec::new());
        let fits = |freed: u32, here: u32| {
            (self.used(queue) + w.cpus).saturating_sub(here) <= nominal(queue)
                && self.fits(queue, w.cpus.saturating_sub(freed))
        };
        for (uid, other) in victims {
            if fits(freed, freed_here) {
                break;
            }
            if self.cluster_queue_of(&other).is_some_and(|of| of.metadata.uid == queue.metadata.uid)
            {
                freed_here += other.cpus;
            }
            freed += other.cpus;
            chosen.push(uid);
        }
        if chosen.is_empty() || !fits(freed, freed_here) {
            return false;
        }
        let wall = self.wall();
        let by = w.job;
        for uid in chosen {
            self.change_workload(uid, |victim| {
                let conditions = &mut victim.seen.status.conditions;
                set_condition(conditions, "Evicted", true, "Preempted", wall);
                set_condition(conditions, "Preempted", true, "InClusterQueue", wall);
                victim.preempted_by = Some(by);
            });
        }
        true
    }

    fn used(&self, queue: &ClusterQueue) -> u32 {
        let own = self.workloads().filter(|(_, w)| takes_quota(w));
        let own = own.filter(|(_, w)| {
            self.cluster_queue_of(w).is_some_and(|of| of.metadata.uid == queue.metadata.uid)
        });
        own.map(|(_, w)| w.cpus).sum()
    }

    /// Whether nobody has or wants quota, and a Workload needs none but that of its own queue: what comes
    /// back by itself borrows nothing.
    pub(super) fn has_room_alone(&self, w: &Workload) -> bool {
        let over = |w: &Workload| !w.seen.is_active() || w.seen.is_finished();
        let own = self.cluster_queue_of(w).is_some_and(|queue| w.cpus <= nominal(queue));
        own && self.workloads().all(|(_, other)| over(other))
    }

    fn cluster_queues(&self) -> impl Iterator<Item = &ClusterQueue> {
        self.of_kind(Kind::ClusterQueue).filter_map(|(_, object)| object.as_cluster_queue())
    }

    fn cluster_queue_of(&self, w: &Workload) -> Option<&ClusterQueue> {
        let (namespace, name) = (&w.seen.metadata.namespace, &w.seen.spec.queue_name);
        let mut queues =
            self.of_kind(Kind::LocalQueue).filter_map(|(_, object)| object.as_local_queue());
        let queue = queues
            .find(|queue| queue.metadata.name == *name && queue.metadata.namespace == *namespace)?;
        self.cluster_queues().find(|behind| behind.metadata.name == queue.spec.cluster_queue)
    }

    fn write_totals(&mut self) {
        let mut totals: BTreeMap<Uid, u32> =
            self.cluster_queues().map(|queue| (queue.metadata.uid, 0)).collect();
        for (_, w) in self.workloads().filter(|(_, w)| takes_quota(w)) {
            let queue = self.cluster_queue_of(w).map(|queue| queue.metadata.uid);
            if let Some(used) = queue.and_then(|queue| totals.get_mut(&queue)) {
                *used += w.cpus;
            }
        }
        let says = |queue: &ClusterQueue| {
            let flavor = queue.status.flavors_reservation.first()?;
            Some(flavor.resources.first()?.total)
        };
        for (uid, used) in totals {
            let queue =
                self.get(Kind::ClusterQueue, uid).and_then(|object| object.as_cluster_queue());
            if queue.and_then(says) == Some(cpus(used)) {
                continue;
            }
            let resource = self.kueue.resource;
            self.change(Kind::ClusterQueue, uid, |object| {
                if let Object::ClusterQueue(queue) = object {
                    let total = ResourceReservation { name: resource.into(), total: cpus(used) };
                    queue.status.flavors_reservation =
                        vec![FlavorReservation { name: FLAVOR.into(), resources: vec![total] }];
                }
            });
        }
    }
}

/// Whether it waits for quota and may have some.
fn waits(w: &Workload) -> bool {
    let conditions = &w.seen.status.conditions;
    w.seen.is_active()
        && !holds(conditions, "Finished")
        && !holds(conditions, "QuotaReserved")
        && (!holds(conditions, "Evicted") || holds(conditions, "Requeued"))
}

/// Whether Kueue's cache counts its quota: a deactivated one is out at once, an evicted one only when
/// its job has stopped.
pub(super) fn takes_quota(w: &Workload) -> bool {
    let conditions = &w.seen.status.conditions;
    w.seen.is_active() && holds(conditions, "QuotaReserved") && !holds(conditions, "Finished")
}

fn evicted_for(w: &Workload) -> String {
    let evicted = w.seen.status.conditions.iter().find(|c| c.kind == "Evicted");
    evicted.map(|evicted| evicted.reason.to_string()).unwrap_or_default()
}

fn nominal(queue: &ClusterQueue) -> u32 {
    let quotas = queue.spec.resource_groups.iter().flat_map(|group| &group.flavors);
    let milli = quotas.flat_map(|flavor| &flavor.resources).filter_map(|r| r.nominal_quota.milli());
    u32::try_from(milli.sum::<u128>() / 1000).unwrap_or(u32::MAX)
}

fn cpus(count: u32) -> Quantity {
    Quantity::from_milli(u128::from(count) * 1000)
}
