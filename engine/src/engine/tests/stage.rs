//! A small stage for tests of the engine: objects as JSON, virtual time, effects answered.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::effect::{Effect, EffectId, Outcome};
use crate::input::{Change, Input};
use crate::objects::{ClusterQueue, CronJob, Job, LocalQueue, Node, Pod, Policy, Workload};
use crate::time::Now;
use crate::{Config, Engine};

pub(super) const JOB: u128 = 0x1000;
pub(super) const WORKLOAD: u128 = 0x2000;
pub(super) const POD: u128 = 0x3000;
pub(super) const IMAGE: &str = "r.io/team/app:missing";
pub(super) const MISSING: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \"r.io/team/app:missing\": failed to resolve reference \"r.io/team/app:missing\": r.io/team/app:missing: not found";

pub(super) fn uid(n: u128) -> String {
    crate::objects::Uid::from_u128(n).to_string()
}

/// An engine, its clock, and the effects that wait for an answer.
pub(super) struct Stage {
    pub(super) engine: Engine,
    pub(super) elapsed: Duration,
    start: Timestamp,
    pub(super) open: Vec<(EffectId, Effect)>,
    version: u64,
    /// The policy as the API server has it.
    pub(super) policy: Option<Value>,
    /// Reservations of budget are answered by the story itself.
    pub(super) by_hand: bool,
    /// The Job's Pods are placed by topology.
    pub(super) by_topology: bool,
    /// The Job belongs to this CronJob.
    pub(super) cron_job: Option<u128>,
}

impl Stage {
    /// Everything is listed empty, and this replica leads.
    pub(super) fn new() -> Self {
        let mut stage = Self::unsynced();
        for kind in crate::input::Kind::ALL {
            stage.give(Input::ListBegun(kind));
            stage.give(Input::ListEnded(kind));
        }
        stage.lead();
        stage
    }

    pub(super) fn unsynced() -> Self {
        Self {
            engine: Engine::new(Config::kubelet()),
            elapsed: Duration::from_secs(1000),
            start: "2026-11-24T08:00:00Z".parse().unwrap(),
            open: Vec::new(),
            version: 100,
            policy: None,
            by_hand: false,
            by_topology: false,
            cron_job: None,
        }
    }

    pub(super) fn lead(&mut self) {
        self.give(Input::Leadership(Some(Duration::MAX)));
    }

    pub(super) fn now(&self) -> Now {
        Now { elapsed: self.elapsed, wall: self.start + self.elapsed }
    }

    /// The wall clock is set a little, as no two clocks go alike.
    pub(super) fn drift(&mut self, nanos: i64) {
        self.start += jiff::SignedDuration::from_nanos(nanos);
    }

    /// Reservations of budget are accepted at once, unless the story is about them.
    pub(super) fn give(&mut self, input: Input) {
        let mut inputs = std::collections::VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for (id, effect) in self.engine.handle(input, self.now()) {
                if matches!(effect, Effect::Reserve { .. }) && !self.by_hand {
                    inputs.push_back(Input::Done(id, Outcome::Applied));
                    inputs.extend(self.written(&effect));
                } else {
                    self.open.push((id, effect));
                }
            }
        }
    }

    /// The policy as the watch shows it once this was written.
    fn written(&mut self, effect: &Effect) -> Option<Input> {
        let version = self.next_version();
        let policy = self.policy.as_mut()?;
        match effect {
            Effect::WriteStatus { status, .. } => {
                let budget = policy["status"].get("budget").cloned();
                policy["status"] = json!(status);
                policy["status"]["budget"] = budget.unwrap_or_else(|| json!({}));
            }
            Effect::Reserve { budget, .. } => policy["status"]["budget"] = json!(budget),
            _ => return None,
        }
        policy["metadata"]["resourceVersion"] = json!(version);
        Some(Input::Policy(Change::Seen(serde_json::from_value(policy.clone()).unwrap())))
    }

    fn land(&mut self, id: EffectId, effect: &Effect, outcome: Outcome) {
        self.give(Input::Done(id, outcome));
        if outcome.is_done()
            && let Some(seen) = self.written(effect)
        {
            self.give(seen);
        }
    }

    /// Lets time pass, deadline by deadline.
    pub(super) fn wait(&mut self, seconds: u64) {
        let end = self.elapsed + Duration::from_secs(seconds);
        while let Some(at) = self.engine.next_deadline()
            && at <= end
        {
            self.elapsed = self.elapsed.max(at);
            self.give(Input::Deadline);
        }
        self.elapsed = end;
    }

    /// Answers every open effect, and what follows from it; returns them in order.
    pub(super) fn answer(&mut self, outcome: Outcome) -> Vec<Effect> {
        self.answer_up_to(100, outcome)
    }

    /// The same for a story of so many effects.
    pub(super) fn answer_up_to(&mut self, most: usize, outcome: Outcome) -> Vec<Effect> {
        let mut given = Vec::new();
        while !self.open.is_empty() {
            let (id, effect) = self.open.remove(0);
            self.land(id, &effect, outcome);
            given.push(effect);
            assert!(given.len() < most, "it never comes to rest: {:?}", short(&given));
        }
        given
    }

    /// Answers the first open effect alone.
    pub(super) fn give_next(&mut self, outcome: Outcome) {
        let (id, effect) = self.open.remove(0);
        self.land(id, &effect, outcome);
    }

    pub(super) fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    pub(super) fn policy(&mut self, spec: Value) {
        self.policy_with_status(spec, json!({"observedGeneration": -1}));
    }

    pub(super) fn policy_with_status(&mut self, spec: Value, status: Value) {
        let policy = json!({
            "metadata": {"name": "gpu", "namespace": "a", "uid": uid(0x9000), "generation": 1,
                         "resourceVersion": self.next_version(),
                         "creationTimestamp": "2026-11-24T08:00:00Z"},
            "spec": spec, "status": status,
        });
        self.policy = Some(policy.clone());
        let policy: Policy = serde_json::from_value(policy).unwrap();
        self.give(Input::Policy(Change::Seen(policy)));
    }

    pub(super) fn no_policy(&mut self) {
        let policy: Policy = serde_json::from_value(json!({
            "metadata": {"name": "gpu", "namespace": "a", "uid": uid(0x9000)}, "spec": {},
        }))
        .unwrap();
        self.policy = None;
        self.give(Input::Policy(Change::Gone(policy)));
    }

    pub(super) fn queue(&mut self) {
        let queue: LocalQueue = serde_json::from_value(json!({
            "metadata": {"name": "gpu", "namespace": "a", "uid": uid(0x8000)},
            "spec": {"clusterQueue": "all"},
        }))
        .unwrap();
        self.give(Input::LocalQueue(Change::Seen(queue)));
        self.cluster_queue("Never", 0);
    }

    /// The ClusterQueue behind the queue, with one CPU, and how many of it are taken.
    pub(super) fn cluster_queue(&mut self, preempts: &str, taken: u32) {
        let queue: ClusterQueue = serde_json::from_value(json!({
            "metadata": {"name": "all", "uid": uid(0x8100)},
            "spec": {"preemption": {"withinClusterQueue": preempts}, "resourceGroups": [
                {"coveredResources": ["cpu"], "flavors": [
                    {"name": "any", "resources": [{"name": "cpu", "nominalQuota": "1"}]}]}]},
            "status": {"flavorsReservation": [
                {"name": "any", "resources": [{"name": "cpu", "total": taken}]}]},
        }))
        .unwrap();
        self.give(Input::ClusterQueue(Change::Seen(queue)));
    }

    pub(super) fn job(&mut self, annotations: Value) {
        self.job_with(json!({"kueue.x-k8s.io/queue-name": "gpu"}), annotations, json!({}));
    }

    pub(super) fn job_with(&mut self, labels: Value, annotations: Value, spec: Value) {
        let status = json!({"startTime": "2026-11-24T08:00:00Z", "active": 1});
        self.job_in(labels, annotations, spec, status);
    }

    /// The Job under its queue, suspended by Kueue, with so many Pods that are still ending.
    pub(super) fn suspended_job(&mut self, annotations: Value, terminating: u32) {
        let queue = json!({"kueue.x-k8s.io/queue-name": "gpu"});
        let status = json!({"terminating": terminating});
        self.job_in(queue, annotations, json!({"suspend": true}), status);
    }

    pub(super) fn job_in(&mut self, labels: Value, annotations: Value, spec: Value, status: Value) {
        let version = self.next_version();
        let owner = self.cron_job.map(|cron| {
            json!({"apiVersion": "batch/v1", "kind": "CronJob",
            "name": "nightly", "uid": uid(cron), "controller": true})
        });
        let job: Job = serde_json::from_value(json!({
            "metadata": {"ownerReferences": owner.into_iter().collect::<Vec<_>>(), "name": "train", "namespace": "a", "uid": uid(JOB), "resourceVersion": version,
                         "labels": labels, "annotations": merged(annotations)},
            "spec": spec, "status": status,
        }))
        .unwrap();
        self.give(Input::Job(Change::Seen(job)));
    }

    pub(super) fn workload(&mut self, active: bool, reserved: Option<&str>, annotations: Value) {
        let version = self.next_version();
        let place = self.by_topology.then(|| json!({"levels": ["rack"]}));
        let admission = json!({"clusterQueue": "all", "podSetAssignments": [
            {"flavors": {"cpu": "any"}, "resourceUsage": {"cpu": "1"},
             "topologyAssignment": place}]});
        let admission = reserved.map(|_| admission);
        let conditions = match reserved {
            Some(at) => {
                json!([{"type": "QuotaReserved", "status": "True", "lastTransitionTime": at}])
            }
            None => json!([]),
        };
        let workload: Workload = serde_json::from_value(json!({
            "metadata": {"name": "job-train", "namespace": "a", "uid": uid(WORKLOAD),
                "creationTimestamp": "2026-11-24T08:00:00Z",
                "resourceVersion": version, "generation": if active { 1 } else { 2 },
                "annotations": merged(annotations),
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "train",
                                     "uid": uid(JOB), "controller": true}]},
            "spec": {"queueName": "gpu", "active": active}, "status": {"conditions": conditions, "admission": admission},
        }))
        .unwrap();
        self.give(Input::Workload(Change::Seen(workload)));
    }

    /// A job that Kueue has admitted, with one Pod that waits for its image.
    pub(super) fn admitted(&mut self) {
        self.queue();
        self.job(json!({}));
        self.workload(true, Some("2026-11-24T08:10:00Z"), json!({}));
        self.pod(POD, "ContainerCreating", "");
    }

    /// Gives back the version that the Pod has then.
    pub(super) fn pod(&mut self, pod: u128, reason: &str, message: &str) -> String {
        let version = self.next_version();
        let pod = self.pod_object(pod, json!({"waiting": {"reason": reason, "message": message}}));
        self.give(Input::Pod(Change::Seen(pod)));
        version
    }

    /// A CronJob that makes no new Job while an old one has not ended.
    pub(super) fn forbidding_cron_job(&mut self, cron: u128) {
        let cron: CronJob = serde_json::from_value(json!({
            "metadata": {"name": "nightly", "namespace": "a", "uid": uid(cron)},
            "spec": {"concurrencyPolicy": "Forbid"},
        }))
        .unwrap();
        self.give(Input::CronJob(Change::Seen(cron)));
    }

    pub(super) fn node(&mut self, name: &str, ready: &str) {
        let node: Node = serde_json::from_value(json!({
            "metadata": {"name": name, "uid": uid(0x7000)},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }))
        .unwrap();
        self.give(Input::Node(Change::Seen(node)));
    }

    pub(super) fn no_pod(&mut self, pod: u128) {
        let pod = self.pod_object(pod, json!({}));
        self.give(Input::Pod(Change::Gone(pod)));
    }

    pub(super) fn pod_object(&self, pod: u128, state: Value) -> Pod {
        let wrote = Timestamp::from_second(self.now().wall.as_second()).unwrap();
        serde_json::from_value(json!({
            "metadata": {"name": format!("train-{pod:x}"), "namespace": "a", "uid": uid(pod),
                "resourceVersion": self.version.to_string(),
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "train",
                                     "uid": uid(JOB), "controller": true}],
                "managedFields": [{"manager": "kubelet", "subresource": "status",
                                   "time": wrote.to_string()}]},
            "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": IMAGE}]},
            "status": {"phase": "Pending", "containerStatuses": [
                {"name": "main", "imageID": "", "state": state}]},
        }))
        .unwrap()
    }

    /// The kubelet's next window: back-off, then a failed pull 20 s later.
    pub(super) fn fail(&mut self, pod: u128) {
        self.pod(pod, "ImagePullBackOff", "Back-off pulling image \"r.io/team/app:missing\"");
        self.wait(20);
        self.pod(pod, "ErrImagePull", MISSING);
    }

    /// The first window of a Pod, a second after it was made.
    pub(super) fn first_failure(&mut self, pod: u128) -> String {
        self.wait(1);
        self.pod(pod, "ErrImagePull", MISSING)
    }
}

/// Annotations as they stand once a merge patch with them was applied.
fn merged(mut annotations: Value) -> Value {
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.retain(|_, value| !value.is_null());
    }
    annotations
}

/// The short form of effects, for comparing: what and on what.
pub(super) fn short(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .filter(|effect| !matches!(effect, Effect::WriteStatus { .. }))
        .map(|effect| match effect {
            Effect::Lever { verb, target, .. } => {
                format!("{} {:?}", format!("{verb:?}").to_lowercase(), target.kind)
            }
            Effect::Explain { patch, .. } => {
                let all = patch.body["metadata"]["annotations"].as_object().unwrap();
                let set = all.values().filter(|v| !v.is_null()).count();
                format!("explain +{set} -{}", all.len() - set)
            }
            Effect::Publish(event) => format!("event {} {}", event.reason, event.action),
            Effect::Reserve { budget, .. } => format!("reserve {}", budget.reserved),
            Effect::EndPod { .. } => "end Pod".to_owned(),
            Effect::ClearPod { .. } => "clear Pod".to_owned(),
            Effect::WriteStatus { .. } => "status".to_owned(),
        })
        .collect()
}
