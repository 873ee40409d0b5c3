//! The Job controller, as measured with Kubernetes 1.36 (live.md 0.5, 3, 4, 7): what its Pods do is
//! taken in once a second, what is done to the Job at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dislodge_engine::input::Kind;
use dislodge_engine::keys;
use dislodge_engine::objects::{self, JobSpec, Meta, Uid};
use dislodge_engine::objects::{PodConditionPattern, PodFailurePolicy, PodFailureRule};

use super::object::{Author, Job, JobPlan, Object, Pod, holds, set_condition, whole_seconds};
use super::{Id, World, owned_by};
use crate::kubelet::{ContainerKind, PodKey};
use crate::store::{Change, What};

/// Changes of Pods are gathered (Kubernetes: `syncJobBatchPeriod`, 1 s).
const BATCH: Duration = Duration::from_secs(1);
/// From a change of the Job to its sync.
const WATCH: Duration = Duration::from_millis(10);
/// The pause before a failed Pod is replaced (Kubernetes: `DefaultJobPodFailureBackOff` 10 s,
/// `MaxJobPodFailureBackOff` 10 min).
const BACK_OFF: Duration = Duration::from_secs(10);
const MOST_BACK_OFF: Duration = Duration::from_secs(600);

/// The Job controller.
#[derive(Debug, Default)]
pub(super) struct JobController {
    queue: BTreeSet<(Duration, Uid)>,
    due: BTreeMap<Uid, Duration>,
    /// When a Pod of a Job failed last.
    failed: BTreeMap<Uid, Duration>,
}

impl JobController {
    pub(super) fn due(&self) -> Option<Duration> {
        self.queue.first().map(|(at, _)| *at)
    }

    fn at(&mut self, at: Duration, job: Uid) {
        match self.due.get(&job) {
            Some(planned) if *planned <= at => return,
            Some(planned) => drop(self.queue.remove(&(*planned, job))),
            None => {}
        }
        self.due.insert(job, at);
        self.queue.insert((at, job));
    }
}

/// What a sync found out about a Job's Pods.
#[derive(Default)]
struct Pods {
    active: Vec<Uid>,
    terminating: u32,
}

impl World {
    /// A Job is submitted.
    pub fn submit(&mut self, plan: JobPlan) -> Uid {
        let mut metadata = self.new_meta(&plan.namespace, &plan.name);
        if let Some(queue) = &plan.queue {
            metadata.labels.insert(keys::KUEUE_QUEUE, queue.as_str());
        }
        metadata.annotations.extend(plan.annotations.iter().cloned());
        self.submit_as(metadata, plan)
    }

    /// The same, with metadata that it has already.
    pub(super) fn submit_as(&mut self, metadata: Meta, plan: JobPlan) -> Uid {
        // Kueue's webhook suspends what is submitted to a queue.
        let spec = JobSpec {
            suspend: plan.queue.is_some(),
            pod_failure_policy: plan.author.map(|author| Box::new(about_our_condition(author))),
            ..JobSpec::default()
        };
        let seen = objects::Job { metadata, spec, status: objects::JobStatus::default() };
        self.create(Object::Job(Job { seen, plan: Arc::new(plan), succeeded: 0, failed: 0 }))
    }

    pub(super) fn jobs_see(&mut self, change: &Change<Id, Object>) {
        if let Some(pod) = change.object.as_pod() {
            self.jobs.at(self.now + BATCH, pod.job);
        } else if change.object.as_job().is_some() && change.what != What::Deleted {
            self.jobs.at(self.now + WATCH, change.key.1);
        }
    }

    pub(super) fn jobs_act(&mut self) {
        if let Some((_, job)) = self.jobs.queue.pop_first() {
            self.jobs.due.remove(&job);
            self.sync(job);
        }
    }

    fn sync(&mut self, uid: Uid) {
        let Some(object) = self.get(Kind::Job, uid).cloned() else { return };
        let Some(job) = object.as_job() else { return };
        let (now, wall) = (self.now, self.wall());
        let mut next = job.clone();
        let has_ended =
            ["Failed", "Complete"].iter().any(|kind| holds(&job.seen.status.conditions, kind));
        self.account_for(uid, &mut next);
        let pods = self.pods_to_do(uid);
        let conditions = &mut next.seen.status.conditions;
        let fails = holds(conditions, "FailureTarget");
        let succeeds = holds(conditions, "SuccessCriteriaMet");
        let open_ended = job.plan.open_ended && next.succeeded > 0;
        // What a suspended Job has running is ended in this sync.
        let is_complete = next.succeeded >= job.plan.pods
            || open_ended && (pods.active.is_empty() || job.seen.spec.suspend);
        // Without a start it can't be ended, and that is tried for ever (live.md 0.4).
        let wedged = next.seen.status.start_time.is_none();
        if has_ended {
            self.delete_pods(&pods.active, false);
        } else if !succeeds && (fails || next.failed > job.plan.backoff_limit) {
            if !fails {
                set_condition(conditions, "FailureTarget", true, "BackoffLimitExceeded", wall);
            }
            self.delete_pods(&pods.active, false);
            let target = conditions.iter().find(|c| c.kind == "FailureTarget");
            let reason = target.map_or_else(String::new, |target| target.reason.to_string());
            if pods.active.is_empty() && pods.terminating == 0 && !wedged {
                set_condition(conditions, "Failed", true, &reason, wall);
            }
        } else if succeeds || is_complete {
            if !succeeds {
                set_condition(conditions, "SuccessCriteriaMet", true, "CompletionsReached", wall);
            }
            self.delete_pods(&pods.active, job.seen.spec.suspend);
            if pods.active.is_empty() && pods.terminating == 0 && !wedged {
                set_condition(conditions, "Complete", true, "CompletionsReached", wall);
            }
        } else if job.seen.spec.suspend {
            self.delete_pods(&pods.active, true);
            set_condition(conditions, "Suspended", true, "JobSuspended", wall);
            next.seen.status.start_time = None;
        } else {
            if next.seen.status.start_time.is_none() {
                next.seen.status.start_time = Some(whole_seconds(wall));
                if holds(conditions, "Suspended") {
                    set_condition(conditions, "Suspended", false, "JobResumed", wall);
                }
            }
            let wanted = if open_ended { 0 } else { job.plan.pods.saturating_sub(next.succeeded) };
            let missing =
                wanted.saturating_sub(u32::try_from(pods.active.len()).unwrap_or(u32::MAX));
            match self.pause(uid, next.failed) {
                Some(until) if missing > 0 && until > now => self.jobs.at(until, uid),
                _ => (0..missing).for_each(|_| self.make_pod(uid, job)),
            }
        }
        let after = self.pods_to_do(uid);
        next.seen.status.active = u32::try_from(after.active.len()).unwrap_or(u32::MAX);
        next.seen.status.terminating = after.terminating;
        self.change_job(uid, |job| {
            // Its own fields alone: somebody may have written the rest in this very sync.
            (job.succeeded, job.failed) = (next.succeeded, next.failed);
            job.seen.status = next.seen.status;
        });
    }

    /// Takes ended Pods into account, once each.
    fn account_for(&mut self, uid: Uid, job: &mut Job) {
        let ended = self.pods_of(uid).filter(|(_, pod)| pod.has_ended() && !pod.counted);
        let ended: Vec<(Uid, bool, bool)> = ended
            .map(|(pod, p)| (pod, p.seen.status.phase == "Succeeded", p.marked.is_some()))
            .collect();
        for (pod, succeeded, marked) in ended {
            match job.plan.author.filter(|_| marked) {
                _ if succeeded => job.succeeded += 1,
                Some(Author::Ignore) => {}
                Some(Author::Fail) => {
                    job.failed += 1;
                    let wall = self.wall();
                    let conditions = &mut job.seen.status.conditions;
                    set_condition(conditions, "FailureTarget", true, "PodFailurePolicy", wall);
                }
                None => {
                    job.failed += 1;
                    self.jobs.failed.insert(uid, self.now);
                }
            }
            self.change_pod(pod, |pod| pod.counted = true);
            self.reap(pod);
        }
    }

    fn pods_to_do(&self, uid: Uid) -> Pods {
        let mut pods = Pods::default();
        for (pod, p) in self.pods_of(uid).filter(|(_, pod)| !pod.has_ended()) {
            if p.is_deleted() {
                pods.terminating += 1;
            } else {
                pods.active.push(pod);
            }
        }
        pods
    }

    /// Deletes Pods; those of a suspended Job are not counted as failures.
    pub(super) fn delete_pods(&mut self, pods: &[Uid], uncounted: bool) {
        let at = whole_seconds(self.wall());
        for pod in pods {
            self.change_pod(*pod, |pod| {
                pod.seen.metadata.deletion_timestamp.get_or_insert(at);
                pod.counted |= uncounted;
            });
            self.remove_if_unplaced(*pod);
        }
    }

    /// A Pod that no kubelet has is removed at once.
    pub(super) fn remove_if_unplaced(&mut self, uid: Uid) {
        if self.pod(uid).is_some_and(|pod| pod.seen.spec.node_name.is_empty()) {
            self.change_pod(uid, |pod| (pod.ended, pod.counted) = (true, true));
            self.reap(uid);
        }
    }

    fn pause(&self, uid: Uid, failed: u32) -> Option<Duration> {
        let last = self.jobs.failed.get(&uid)?;
        let doubled = BACK_OFF.saturating_mul(1_u32 << failed.saturating_sub(1).min(10));
        Some(*last + doubled.min(MOST_BACK_OFF))
    }

    fn make_pod(&mut self, uid: Uid, job: &Job) {
        let plan = &job.plan;
        let mut metadata = self.new_meta(&plan.namespace, &plan.name);
        metadata.name = format!("{}-{:05x}", plan.name, metadata.uid.as_u128());
        let key = job.seen.metadata.key();
        metadata.owner_references.push(owned_by("batch/v1", "Job", &key, uid));
        if let (Some(queue), Some(workload)) = (&plan.queue, self.workload_of(uid)) {
            let name = workload.seen.metadata.name.clone();
            metadata.annotations.insert(keys::KUEUE_WORKLOAD, name);
            metadata.labels.insert(keys::KUEUE_QUEUE, queue.as_str());
        }
        let of = |main: bool| {
            let own = plan
                .template
                .containers
                .iter()
                .filter(move |c| (c.kind == ContainerKind::Main) == main);
            own.map(|container| objects::Container {
                name: container.name.to_string(),
                image: container.image.to_string(),
                image_pull_policy: format!("{:?}", container.pull_policy),
                restart_policy: (container.kind == ContainerKind::Sidecar)
                    .then(|| "Always".to_owned()),
                volume_mounts: Vec::new(),
            })
            .collect()
        };
        let spec = objects::PodSpec {
            containers: of(true),
            init_containers: of(false),
            ..objects::PodSpec::default()
        };
        let status =
            objects::PodStatus { phase: "Pending".to_owned(), ..objects::PodStatus::default() };
        let pod = PodKey {
            uid: metadata.uid.to_string().into(),
            namespace: metadata.namespace.as_str().into(),
            name: metadata.name.as_str().into(),
        };
        self.create(Object::Pod(Pod {
            key: pod,
            seen: objects::Pod { metadata, spec, status },
            job: uid,
            template: Arc::clone(&plan.template),
            status: None,
            counted: false,
            ended: false,
            marked: None,
        }));
        self.tell();
    }
}

fn about_our_condition(author: Author) -> PodFailurePolicy {
    let pattern = PodConditionPattern {
        kind: keys::POD_CONDITION.to_owned(),
        status: Some("True".to_owned()),
    };
    let action = match author {
        Author::Fail => "FailJob",
        Author::Ignore => "Ignore",
    };
    PodFailurePolicy {
        rules: vec![PodFailureRule {
            action: action.to_owned(),
            on_pod_conditions: vec![pattern],
            ..PodFailureRule::default()
        }],
    }
}
