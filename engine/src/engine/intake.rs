//! What comes in: rows are brought up to date, failed pulls counted, and what may have to be
//! decided anew is marked.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::effect::{EffectId, Outcome};
use crate::engine::flight::{Purpose, Step};
use crate::engine::{Due, Early, Engine};
use crate::index::{Origin, kind_of};
use crate::input::{Change, Input, Kind};
use crate::keys;
use crate::lever::Lever;
use crate::notice::Notice;
use crate::objects::{
    ClusterQueue, CronJob, Job, JobSet, Key, LocalQueue, Meta, Node, Object, Pod, Uid, Workload,
};
use crate::observe::{Observation, observe, observe_with};
use crate::record::{Arrival, Place};
use crate::time::Now;

impl Engine {
    pub(super) fn take(&mut self, input: Input, now: Now) {
        match input {
            Input::Pod(change) => {
                let put = |engine: &mut Self, pod, listed| engine.put_pod(&pod, listed, now);
                self.change(Kind::Pod, change, put, |engine, uid| engine.drop_pod(uid, now));
            }
            Input::Job(change) => {
                self.change(Kind::Job, change, |e, job, _| e.put_job(job), Self::drop_job);
            }
            Input::JobSet(change) => {
                self.change(Kind::JobSet, change, |e, set, _| e.put_job_set(set), Self::drop_job);
            }
            Input::CronJob(change) => {
                let put = |engine: &mut Self, cron: CronJob, _| engine.put_cron_job(&cron);
                self.change(Kind::CronJob, change, put, Self::drop_cron_job);
            }
            Input::Workload(change) => {
                let put = |engine: &mut Self, workload, _| engine.put_workload(workload);
                self.change(Kind::Workload, change, put, Self::drop_workload);
            }
            Input::LocalQueue(change) => {
                let put = |engine: &mut Self, queue, _| engine.put_queue(&queue);
                self.change(Kind::LocalQueue, change, put, Self::drop_queue);
            }
            Input::Policy(change) => {
                let put = |engine: &mut Self, policy, _| engine.put_policy(policy, now);
                self.change(Kind::Policy, change, put, Self::drop_policy);
            }
            Input::Node(change) => {
                let put = |engine: &mut Self, node: Node, _| engine.put_node(&node);
                self.change(Kind::Node, change, put, Self::drop_node);
            }
            Input::ClusterQueue(change) => {
                let put = |engine: &mut Self, queue, _| engine.put_cluster_queue(&queue);
                self.change(Kind::ClusterQueue, change, put, Self::drop_cluster_queue);
            }
            Input::Deadline => {}
            Input::ListBegun(kind) => {
                self.absent.remove(&kind);
                self.note_synced();
                self.listed.insert(kind, BTreeSet::new());
            }
            Input::Unchanged(kind, uids) => {
                if let Some(seen) = self.listed.get_mut(&kind) {
                    seen.extend(uids);
                }
            }
            Input::ListEnded(kind) => self.end_list(kind, false, now),
            Input::KindAbsent(kind) => self.end_list(kind, true, now),
            Input::Leadership(until) => {
                let before = self.leader_until.is_some_and(|until| now.elapsed < until);
                self.leader_until = until;
                if !before && until.is_some() {
                    self.take_over(now);
                    self.mark_all();
                }
            }
            Input::Paused(why) => {
                if self.paused != why {
                    self.paused = why;
                    self.mark_all();
                }
            }
            Input::Done(effect, outcome) => self.land(effect, outcome, now),
        }
    }

    fn change<T: Object>(
        &mut self,
        kind: Kind,
        change: Change<T>,
        put: impl FnOnce(&mut Self, T, bool),
        gone: impl FnOnce(&mut Self, Uid),
    ) {
        let (object, listed) = match change {
            Change::Listed(object) => (object, true),
            Change::Seen(object) => (object, false),
            Change::Gone(object) => return gone(self, object.meta().uid),
        };
        let uid = object.meta().uid;
        if uid == Uid::NIL {
            return;
        }
        if let Some(seen) = self.listed.get_mut(&kind) {
            seen.insert(uid);
        }
        put(self, object, listed);
    }

    /// A list is whole, or the kind is not served: what was not in the list is gone.
    fn end_list(&mut self, kind: Kind, absent: bool, now: Now) {
        let seen = self.listed.remove(&kind).unwrap_or_default();
        let mut known: Vec<Uid> = match kind {
            Kind::Pod => self.index.pod_uids().collect(),
            Kind::Job => {
                self.index.jobs().filter(|(_, row)| row.job.is_some()).map(|(uid, _)| uid).collect()
            }
            Kind::JobSet => {
                let sets = self.index.jobs().filter(|(_, row)| row.job_set.is_some());
                sets.map(|(uid, _)| uid).collect()
            }
            Kind::Workload => self.index.workload_uids().collect(),
            Kind::LocalQueue => self.local_queues.keys().copied().collect(),
            Kind::Policy => self.policy_states.values().map(|state| state.uid).collect(),
            Kind::CronJob => self.waiting_cron_jobs.iter().copied().collect(),
            Kind::Node => self.nodes.keys().copied().collect(),
            Kind::ClusterQueue => self.cluster_queue_names.keys().copied().collect(),
        };
        known.retain(|uid| !seen.contains(uid));
        for uid in known {
            match kind {
                Kind::Pod => self.drop_pod(uid, now),
                Kind::Job | Kind::JobSet => self.drop_job(uid),
                Kind::Workload => self.drop_workload(uid),
                Kind::LocalQueue => self.drop_queue(uid),
                Kind::Policy => self.drop_policy(uid),
                Kind::CronJob => self.drop_cron_job(uid),
                Kind::Node => self.drop_node(uid),
                Kind::ClusterQueue => self.drop_cluster_queue(uid),
            }
        }
        let was_synced = self.is_synced();
        if absent {
            self.absent.insert(kind);
        } else {
            self.synced.insert(kind);
        }
        self.note_synced();
        if kind == Kind::LocalQueue {
            self.dirty_policies.extend(self.policy_states.keys().cloned());
        }
        if !was_synced && self.is_synced() {
            for Early { namespace, pod, steps } in std::mem::take(&mut self.early) {
                if let Some(job) = self.index.pod(pod).map(|row| row.job) {
                    self.note_failures(&namespace, (pod, job), &steps, now);
                }
            }
            self.bequeath_checkpoints();
            self.settle_audited();
            self.mark_all();
        }
    }

    /// Everything is to be decided anew.
    pub(super) fn mark_all(&mut self) {
        self.dirty_jobs.extend(self.index.jobs().map(|(uid, _)| uid));
        self.dirty_policies.extend(self.policy_states.keys().cloned());
    }

    fn put_pod(&mut self, pod: &Pod, listed: bool, now: Now) {
        let meta = &pod.metadata;
        let Some(origin) = origin(meta) else { return };
        let uid = meta.uid;
        let images: Vec<&str> = pod
            .spec
            .init_containers
            .iter()
            .chain(&pod.spec.containers)
            .map(|container| container.image.as_str())
            .chain(
                pod.spec.volumes.iter().filter_map(|v| Some(v.image.as_ref()?.reference.as_str())),
            )
            .collect();
        let (name, node) = (&meta.name, &pod.spec.node_name);
        let index = meta.annotation(keys::JOB_INDEX).and_then(|index| index.parse().ok());
        let place = Place { index, created: meta.creation_timestamp };
        let new = self.index.pod(uid).is_none();
        let job = self.index.put_pod(uid, origin, name, node, &images, place);
        self.dirty_jobs.insert(job);

        if let Some(row) = self.index.pod_mut(uid) {
            let marked = pod.status.is_marked && meta.deletion_timestamp.is_none();
            row.retriable = meta.annotation(keys::KUEUE_RETRIABLE) != Some("false");
            row.change_trouble(|trouble| {
                trouble.marked = marked.then(|| trouble.marked.unwrap_or(now.elapsed));
                trouble.version = marked.then(|| meta.resource_version.as_str().into());
            });
            row.listed |= new && listed;
            row.ignored = meta.annotations.contains_key(keys::IGNORE);
            // What a silent node's Pod shows is not taken in: it is to be told again.
            row.version = meta.version_number().filter(|_| !self.silent_nodes.contains(node));
        }
        if self.silent_nodes.contains(node) {
            // The status may be as old as the node's last word: what failed then may start by now. What ran
            // then may run still, cut off from the API server alone.
            if let Some(row) = self.index.pod_mut(uid) {
                match observe(pod) {
                    Some(seen) => (row.running, row.started) = (seen.running, seen.started),
                    None if has_ended(pod) => row.running = false,
                    None => {}
                }
            }
            return;
        }
        if let Some(seen) = observe_with(pod, &mut self.readings) {
            let arrival = Arrival { listed, wrote: meta.kubelet_wrote };
            self.count(&meta.namespace, (uid, job), &seen, arrival, now);
            if let Some(row) = self.index.pod_mut(uid)
                && row.history.tracks().next().is_some()
            {
                let version = meta.resource_version.as_str().into();
                row.change_trouble(|trouble| trouble.version = Some(version));
            }
        } else if meta.deletion_timestamp.is_some() || has_ended(pod) {
            self.vacate(uid, now);
        }
    }

    fn count(
        &mut self,
        namespace: &str,
        (uid, job): (Uid, Uid),
        seen: &Observation<'_>,
        arrival: Arrival,
        now: Now,
    ) {
        let failed = self.counted_failures(uid);
        let Some(mut vacated) = self.index.job_mut(job).map(|row| std::mem::take(&mut row.vacated))
        else {
            return;
        };
        let timing = self.config.timing;
        // What the first status shows may be in the checkpoint already; what comes later is not.
        let known = self.index.pod(uid).is_some_and(|row| row.history.is_known());
        if known {
            self.restore_pod(uid, seen, now);
        }
        let (mut steps, mut pulled) = (Vec::new(), Vec::new());
        if let Some(row) = self.index.pod_mut(uid) {
            (row.running, row.started) = (seen.running, seen.started);
            row.ending = false;
            let awaits =
                !row.node.is_empty() && seen.images.iter().any(|i| i.standing.is_awaited());
            let since = awaits.then(|| arrival.wrote.unwrap_or(now.wall));
            row.change_trouble(|trouble| trouble.awaits_since = since);
            self.silence.expected |= awaits;
            for (image, track) in vacated.reclaim(uid) {
                row.history.put_back(image, track);
            }
            let place = row.place;
            steps =
                row.history.record(seen, arrival, now, &timing, |image| vacated.take(image, place));
            // When what a list shows has failed, nobody knows.
            if !arrival.listed {
                let causes = steps.iter().filter_map(|(image, _)| row.history.track(image));
                let causes = causes.filter_map(|track| track.runs.newest_cause());
                self.notices.extend(causes.map(Notice::FailedPull));
            }
            let started: Vec<&str> = row.history.newly_pulled(seen).collect();
            for image in started {
                vacated.settle(image);
                pulled.extend(row.images.iter().find(|known| ***known == *image).cloned());
            }
        }
        for image in &pulled {
            self.started_after_audit(job, image);
        }
        if !known {
            self.restore_pod(uid, seen, now);
        }
        if let Some(row) = self.index.job_mut(job) {
            row.vacated = vacated;
        }
        if self.is_synced() {
            self.note_failures(namespace, (uid, job), &steps, now);
        } else if !steps.is_empty() {
            self.early.push(Early { namespace: namespace.to_owned(), pod: uid, steps });
        }
        // What a list shows on a node may have been there for long.
        if !arrival.listed {
            self.note_pulled(namespace, uid, seen, (&pulled, &failed));
        }
    }

    /// A Pod is ending: what it has counted waits for the one that replaces it.
    fn vacate(&mut self, uid: Uid, now: Now) {
        let Some(row) = self.index.pod_mut(uid) else { return };
        row.ending = true;
        row.running = false;
        row.change_trouble(|trouble| trouble.awaits_since = None);
        let (job, place, history) = (row.job, row.place, std::mem::take(&mut row.history));
        if let Some(row) = self.index.job_mut(job) {
            for (image, track) in history.into_tracks() {
                row.vacated.leave((uid, place), now.wall, image, track);
            }
        }
    }

    fn drop_pod(&mut self, uid: Uid, now: Now) {
        self.vacate(uid, now);
        if let Some(row) = self.index.remove_pod(uid) {
            self.dirty_jobs.insert(row.job);
        }
    }

    fn put_job(&mut self, job: Job) {
        let uid = job.metadata.uid;
        let news = News::of(self.index.job_itself(uid).as_ref(), &job);
        // A JobSet is ended once its Jobs are quiet.
        self.dirty_jobs.extend(job.metadata.controller().map(|by| by.uid));
        let touched = self.index.put_job(job);
        self.dirty_jobs.extend(touched);
        self.hear(uid, news);
    }

    fn put_job_set(&mut self, set: JobSet) {
        let uid = set.metadata.uid;
        let news = News::of(self.index.job(uid).and_then(|row| row.job_set.as_deref()), &set);
        let touched = self.index.put_job_set(set);
        self.dirty_jobs.extend(touched);
        self.hear(uid, news);
    }

    fn drop_job(&mut self, uid: Uid) {
        let touched = self.index.remove_job(uid);
        self.dirty_jobs.extend(touched);
        self.reported_before.remove(&uid);
        self.dirty_jobs.insert(uid);
    }

    fn put_workload(&mut self, mut workload: Workload) {
        self.index.share(&mut workload);
        let before = self.index.workload(workload.metadata.uid);
        let news = News::of(before.as_ref(), &workload);
        // Who waits no longer is in nobody's way.
        let left = before.is_some_and(|before| before.is_waiting()) && !workload.is_waiting();
        if self.ledger.put_workload(&workload) || left {
            self.quota_is_free();
        }
        let (job, touched) = self.index.put_workload(workload);
        self.dirty_jobs.extend(touched);
        self.hear(job, news);
    }

    fn drop_workload(&mut self, uid: Uid) {
        let left = self.index.workload(uid).is_some_and(|workload| workload.is_waiting());
        if self.ledger.remove_workload(uid) || left {
            self.quota_is_free();
        }
        if let Some((job, touched)) = self.index.remove_workload(uid) {
            self.dirty_jobs.insert(job);
            self.dirty_jobs.extend(touched);
        }
    }

    /// A newer version of an object that people and levers write to was seen.
    fn hear(&mut self, job: Uid, news: News) {
        self.dirty_jobs.insert(job);
        if news.asked
            && let Some(case) = self.cases.get_mut(&job)
        {
            case.pauses.proceed(); // a person does not wait for our pauses
        }
        if news.resumed {
            self.forgive(job);
        }
    }

    fn put_queue(&mut self, queue: &LocalQueue) {
        let key = queue.metadata.key();
        self.mark_policies_of(&key.namespace);
        let behind = queue.spec.cluster_queue.clone();
        // Kueue writes its counters to a queue all the time.
        if self.cluster_queues.insert(key.clone(), behind.clone()) != Some(behind) {
            self.quota_is_free();
        }
        self.local_queues.insert(queue.metadata.uid, key);
    }

    fn drop_queue(&mut self, uid: Uid) {
        if let Some(key) = self.local_queues.remove(&uid) {
            self.cluster_queues.remove(&key);
            self.mark_policies_of(&key.namespace);
        }
    }

    fn put_cluster_queue(&mut self, queue: &ClusterQueue) {
        self.cluster_queue_names.insert(queue.metadata.uid, queue.metadata.name.clone());
        if self.ledger.put_queue(queue) {
            self.quota_is_free();
        }
    }

    fn drop_cluster_queue(&mut self, uid: Uid) {
        if let Some(name) = self.cluster_queue_names.remove(&uid) {
            self.ledger.remove_queue(&name);
        }
    }

    /// Jobs that wait for quota are to be looked at again.
    pub(super) fn quota_is_free(&mut self) {
        self.quota_moves = true;
        self.dirty_jobs.append(&mut self.waiting_for_quota);
    }

    fn put_cron_job(&mut self, cron: &CronJob) {
        if cron.waits_for_its_jobs() {
            self.waiting_cron_jobs.insert(cron.metadata.uid);
        } else {
            self.waiting_cron_jobs.remove(&cron.metadata.uid);
        }
    }

    fn drop_cron_job(&mut self, uid: Uid) {
        self.waiting_cron_jobs.remove(&uid);
    }

    fn put_node(&mut self, node: &Node) {
        let (uid, name) = (node.metadata.uid, node.metadata.name.clone());
        if node.is_ready() {
            self.silent_nodes.remove(&name);
        } else {
            self.silent_nodes.insert(name.clone());
        }
        self.nodes.insert(uid, name);
    }

    fn drop_node(&mut self, uid: Uid) {
        if let Some(name) = self.nodes.remove(&uid) {
            self.silent_nodes.remove(&name);
        }
    }

    /// An effect has its outcome.
    fn land(&mut self, effect: EffectId, outcome: Outcome, now: Now) {
        match self.flights.land(effect) {
            Some(Purpose::Case(job, step)) => self.land_step(job, &step, outcome, now),
            Some(Purpose::Status(key)) => self.land_status(&key, outcome, now),
            Some(Purpose::Reserve(key)) => self.land_reserve(&key, outcome, now),
            None => {}
        }
    }

    fn land_step(&mut self, job: Uid, step: &Step, outcome: Outcome, now: Now) {
        self.dirty_jobs.insert(job);
        let case = self.cases.entry(job).or_default();
        if step.is_exclusive() {
            case.busy = false;
            if !outcome.is_done() {
                let at = case.pauses.pause(now.elapsed);
                self.wake(at, Due::Job(job));
            } else if let Step::Untell(id) = step
                && case.taken_back.replace(id.clone()).as_ref() == Some(id)
            {
                // Another replica that leads, too, knows better and tells anew, or the reverse: growing
                // pauses, or the two take turns as fast as they can write.
                let at = case.pauses.pause(now.elapsed);
                self.wake(at, Due::Job(job));
            } else if !matches!(step, Step::ClearPod(_)) {
                // That a condition was taken away says nothing of what it was set for.
                self.cases.entry(job).or_default().pauses.proceed();
            }
        }
        if !step.is_exclusive() {
            let case = self.cases.entry(job).or_default();
            if outcome.is_done() {
                case.report_pauses.proceed();
            } else {
                let at = case.report_pauses.pause(now.elapsed);
                self.wake(at, Due::Job(job));
            }
        }
        self.conclude(job, step, outcome);
    }

    /// A held job was started again by a person, or at a person's word: it gets a fresh count. Seen
    /// on the objects, so that a standby and a lost answer come to the same.
    pub(super) fn forgive(&mut self, job: Uid) {
        let pods: Vec<Uid> = self.index.pods_of(job).map(|(uid, _)| uid).collect();
        for pod in pods {
            if let Some(row) = self.index.pod_mut(pod) {
                row.history.forgive();
            }
        }
        if let Some(row) = self.index.job_mut(job) {
            row.vacated.clear();
        }
    }
}

/// What has changed between two versions of an object that people and levers write to.
#[derive(Clone, Copy)]
struct News {
    /// A hold of ours has ended.
    resumed: bool,
    /// A person asks for a resume.
    asked: bool,
}

impl News {
    fn of(old: Option<&impl Lever>, new: &impl Lever) -> Self {
        let held = |lever: &dyn Lever| lever.hold().is_some() && lever.is_stopped();
        let asks = |lever: &dyn Lever| lever.meta().annotations.contains_key(keys::RESUME);
        Self {
            resumed: old.is_some_and(|old| held(old) && !held(new)),
            asked: asks(new) && !old.is_some_and(|old| asks(old)),
        }
    }
}

/// Whether a Pod is done for good.
fn has_ended(pod: &Pod) -> bool {
    matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
}

/// Where a Pod comes from; `None` where it is of no job.
fn origin(meta: &Meta) -> Option<Origin> {
    let by = meta.controller();
    let of_job = by.is_some_and(|by| by.kind == "Job" && by.api_version == "batch/v1");
    let workload = meta.annotation(keys::KUEUE_WORKLOAD);
    let workload = workload.map(|name| Arc::new(Key::new(meta.namespace.clone(), name)));
    let kind = by.map(kind_of).unwrap_or_default();
    let origin = Origin { controller: by.map(|by| by.uid), kind, workload };
    (of_job || origin.workload.is_some()).then_some(origin)
}
