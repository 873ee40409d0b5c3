//! One namespace floods with jobs that fail, and what that means for others: nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::enforce;
use super::stage::{JOB, POD, Stage, uid};
use crate::effect::{Effect, Outcome, Verb};
use crate::input::{Change, Input};
use crate::objects::{Job, Pod, Policy};

/// Jobs that fail in the namespace of that name, each with an image of its own: no sweep with one typo.
const FLOODING: &str = "flooding";
const FLOOD: u128 = 2000;
/// Jobs of another namespace that reach their threshold meanwhile.
const CALM: &str = "calm";
const OTHERS: u128 = 20;
/// What nobody is to read anywhere: a registry's token, as runtimes repeat it.
const SECRETS: [&str; 3] = ["hunter2", "dXNlcjpodW50ZXIy", "s3cr3tsig"];

/// Two namespaces, each with a policy for Jobs without a queue; effects are answered as an API server and its watches do.
struct Cluster {
    stage: Stage,
    policies: BTreeMap<String, Value>,
    answered: Vec<Effect>,
    notices: String,
}

fn number(namespace: &str, job: u128) -> u128 {
    if namespace == CALM { 100_000 + job } else { job }
}

impl Cluster {
    fn new() -> Self {
        let mut stage = Stage::new();
        stage.by_hand = true;
        let mut cluster =
            Self { stage, policies: BTreeMap::new(), answered: Vec::new(), notices: String::new() };
        for (at, namespace, pulls) in [(0, FLOODING, 1), (1, CALM, 2)] {
            let mut spec = enforce(pulls);
            spec["queues"] = json!([{"kind": "NoQueue"}]);
            let policy = json!({"metadata": {"name": "p", "namespace": namespace, "uid": uid(0x9000 + at),
                "generation": 1, "creationTimestamp": "2026-11-24T08:00:00Z"}, "spec": spec, "status": {}});
            cluster.policies.insert(namespace.to_owned(), policy);
            cluster.policy(namespace, |_| ());
        }
        cluster.answer();
        cluster
    }

    fn give(&mut self, input: Input) {
        self.stage.give(input);
        self.notices.extend(self.stage.engine.notices().map(|notice| format!("{notice:?}")));
    }

    fn policy(&mut self, namespace: &str, change: impl FnOnce(&mut Value)) {
        let version = self.stage.next_version();
        let policy = self.policies.get_mut(namespace).unwrap();
        change(policy);
        policy["metadata"]["resourceVersion"] = json!(version);
        let policy: Policy = serde_json::from_value(policy.clone()).unwrap();
        self.give(Input::Policy(Change::Seen(policy)));
    }

    fn job(&mut self, namespace: &str, job: u128, patch: &Value) {
        let number = number(namespace, job);
        let job: Job = serde_json::from_value(json!({
            "metadata": {"name": format!("j{job}"), "namespace": namespace, "uid": uid(JOB + number),
                "resourceVersion": self.stage.next_version(),
                "annotations": patch["metadata"]["annotations"]},
            "spec": {"suspend": patch["spec"]["suspend"] == true},
            "status": {"startTime": "2026-11-24T08:00:00Z", "active": 1},
        }))
        .unwrap();
        self.give(Input::Job(Change::Seen(job)));
    }

    fn pod(&mut self, namespace: &str, job: u128, reason: &str) {
        let number = number(namespace, job);
        let [password, basic, signature] = SECRETS;
        // What is no valid reference is shown, too.
        let login = if job == 7 { format!("https://robot:{password}@") } else { String::new() };
        let image = format!("{login}r.io/{namespace}/app:v{job}");
        let message = format!(
            "failed to pull and unpack image \"{image}\": failed to copy: httpReadSeeker: failed open: GET \
             https://robot:{password}@r.io/v2/app?X-Amz-Signature={signature} \
             (Authorization: Basic {basic}): {image}: not found"
        );
        let message = if reason == "ErrImagePull" { message } else { String::new() };
        let wrote = jiff::Timestamp::from_second(self.stage.now().wall.as_second()).unwrap();
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": format!("p{job}"), "namespace": namespace, "uid": uid(POD + number),
                "resourceVersion": self.stage.next_version(),
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": format!("j{job}"),
                                     "uid": uid(JOB + number), "controller": true}],
                "managedFields": [{"manager": "kubelet", "subresource": "status",
                                   "time": wrote.to_string()}]},
            "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": image}]},
            "status": {"phase": "Pending", "containerStatuses": [{"name": "main", "imageID": "",
                "state": {"waiting": {"reason": reason, "message": message}}}]},
        }))
        .unwrap();
        self.give(Input::Pod(Change::Seen(pod)));
    }

    fn all(&mut self, namespace: &str, count: u128, reason: &str) {
        for job in 0..count {
            self.pod(namespace, job, reason);
        }
    }

    /// Every open effect is carried out, and seen by its watch.
    fn answer(&mut self) {
        while !self.stage.open.is_empty() {
            self.answer_one(0);
        }
    }

    fn answer_one(&mut self, at: usize) {
        let (id, effect) = self.stage.open.remove(at);
        self.give(Input::Done(id, Outcome::Applied));
        match &effect {
            Effect::Reserve { target, budget } => {
                let budget = json!(budget);
                self.policy(&target.key.namespace, |policy| policy["status"]["budget"] = budget);
            }
            Effect::WriteStatus { target, status } => {
                let status = json!(status);
                self.policy(&target.key.namespace, |policy| {
                    let budget = policy["status"]["budget"].take();
                    policy["status"] = status;
                    policy["status"]["budget"] = budget;
                });
            }
            Effect::Lever { target, patch, .. } => {
                let (namespace, name) = (&target.key.namespace, &target.key.name);
                let job = name.trim_start_matches('j').parse().unwrap();
                self.job(namespace, job, &patch.body);
            }
            _ => {}
        }
        self.answered.push(effect);
    }

    /// The failed pull that reaches the threshold is followed by the stop, and nothing but slots of the policy's own budget
    /// comes before that: no effect of the flood is waited for.
    fn stops_at_once(&mut self, job: u128) {
        let before = self.stage.open.len();
        self.pod(CALM, job, "ErrImagePull");
        let new = self.stage.open.get(before..).unwrap();
        let slots = |(_, effect): &(_, Effect)| matches!(effect, Effect::Reserve { target, .. } if target.key.namespace == CALM);
        if let Some(at) = new.iter().position(slots) {
            self.answer_one(before + at);
        }
        let new = self.stage.open.get(before..).unwrap();
        assert!(new.iter().any(|(_, effect)| holds(effect, CALM)), "{new:?}");
    }

    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.stage.wait(1);
            self.answer();
        }
    }

    fn count(&self, what: impl Fn(&Effect) -> bool) -> usize {
        self.answered.iter().filter(|effect| what(effect)).count()
    }
}

fn holds(effect: &Effect, namespace: &str) -> bool {
    matches!(effect, Effect::Lever { verb: Verb::Hold, target, .. } if target.key.namespace == namespace)
}

/// A cluster in the midst of its flood: nothing of it has been answered yet. The others were stopped meanwhile.
fn flooded() -> Cluster {
    let mut cluster = Cluster::new();
    for job in 0..OTHERS {
        cluster.job(CALM, job, &Value::Null);
    }
    cluster.all(CALM, OTHERS, "ContainerCreating");
    cluster.wait(1);
    cluster.all(CALM, OTHERS, "ErrImagePull");
    cluster.wait(1);
    cluster.all(CALM, OTHERS, "ImagePullBackOff");
    for job in 0..FLOOD {
        cluster.job(FLOODING, job, &Value::Null);
    }
    cluster.all(FLOODING, FLOOD, "ContainerCreating");
    cluster.wait(20);
    for job in 0..FLOOD {
        cluster.pod(FLOODING, job, "ErrImagePull");
        if job % (FLOOD / OTHERS) == 0 {
            cluster.stops_at_once(job / (FLOOD / OTHERS));
        }
    }
    cluster
}

#[test]
fn whatever_floods_one_namespace_a_job_of_another_is_stopped_by_its_own_event() {
    let mut cluster = flooded();
    cluster.answer();
    assert_eq!(cluster.count(|effect| holds(effect, CALM)), 20);
}

/// What others wait for while the flood is taken in: counted in allocations, as a clock would tell of the machine.
#[test]
fn a_failed_pull_costs_no_more_after_two_thousand_others_than_after_a_few() {
    let mut cluster = Cluster::new();
    for job in 0..FLOOD {
        cluster.job(FLOODING, job, &Value::Null);
    }
    cluster.all(FLOODING, FLOOD, "ContainerCreating");
    cluster.wait(1);
    let mut costs = Vec::new();
    for job in 0..FLOOD {
        let cost = allocation_counter::measure(|| cluster.pod(FLOODING, job, "ErrImagePull"));
        costs.push(cost.count_total);
        cluster.answer();
    }
    let most = |from: usize| costs.iter().skip(from).take(40).max().copied().unwrap_or_default();
    let (few, many) = (most(40), most(costs.len() - 40));
    assert!(many <= 2 * few, "{many} allocations, {few} among the first");
}

/// Ten minutes of it: as many stops as the budget allows, an Event for each, and the status now and then.
#[test]
fn a_flood_of_two_thousand_jobs_makes_no_more_writes_than_the_budget_allows() {
    let mut cluster = flooded();
    cluster.answer();
    let began = cluster.stage.elapsed;
    for back_off in [20, 40, 80, 160, 240] {
        cluster.all(FLOODING, FLOOD, "ImagePullBackOff");
        cluster.wait(back_off);
        cluster.all(FLOODING, FLOOD, "ErrImagePull");
        cluster.answer();
    }
    let lasted = usize::try_from(cluster.stage.elapsed.saturating_sub(began).as_secs()).unwrap();
    assert!(lasted < 600, "within one window of the budget");
    assert_eq!(cluster.count(|effect| holds(effect, FLOODING)), 20, "budget.actions");
    let events = cluster.count(|effect| matches!(effect, Effect::Publish(event) if event.regarding.key.namespace == FLOODING));
    assert_eq!(events, 20 + 50, "one for each stop, and some tell of who waits for the budget");
    let statuses = cluster.count(|effect| {
        matches!(effect, Effect::WriteStatus { target, .. } if target.key.namespace == FLOODING)
    });
    assert!(statuses <= lasted / 10 + 5, "{statuses} in {lasted} s");
    let longest = cluster.answered.iter().filter_map(|effect| match effect {
        Effect::WriteStatus { status, .. } => Some(status.failing.len()),
        _ => None,
    });
    assert_eq!(longest.max(), Some(50), "jobs that a status lists");
}

#[test]
fn a_token_in_what_the_kubelet_says_is_in_no_effect_and_no_notice() {
    let mut cluster = flooded();
    cluster.answer();
    cluster.wait(20);
    let told = format!("{:?}{}", cluster.answered, cluster.notices);
    assert!(told.contains("does not exist in its registry (NotFound)"), "something is told");
    for secret in SECRETS {
        assert!(!told.contains(secret), "{secret}");
    }
}
