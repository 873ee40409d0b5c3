//! What must never have happened in the whole run, whatever a single test looked at: held against
//! the audit log and what is left in the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::time::Duration;

use dislodge_testbed::audit::{Object, Request};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use super::many;
use super::rules;
use super::world::{FAST, World};
use crate::Outcome;

/// The kubelet's shortest back-off (kubelet: `backOffPeriod` 10 s): the next pull begins no sooner
/// after a failed one was published.
const LEAST_BACK_OFF: u32 = 10;
/// A write may be under way when a policy is switched.
const UNDER_WAY: SignedDuration = SignedDuration::from_secs(2);

/// Looks at all that the controllers of the run have done, and says how much that was. Each text is a
/// rule that was broken.
pub(super) async fn check(world: &World) -> Vec<String> {
    match look(world).await {
        Ok(broken) => broken,
        Err(failure) => vec![failure.message().unwrap_or("it could not be looked at").to_owned()],
    }
}

async fn look(world: &World) -> Result<Vec<String>, libtest_mimic::Failed> {
    let client = world.cluster.client();
    let telling = [
        "dislodge/",
        "imagepullpolicies",
        "ErrImagePull",
        "InvalidImageName",
        "Preempted",
        "\"active\":",
        "\"suspend\":",
    ];
    let log = world.cluster.audit_log();
    let log = log.settled_where(&client, |line| telling.iter().any(|t| line.contains(t))).await?;
    let (mut broken, [stops, resumes]) = judge(&log);
    let _unread = writeln!(
        std::io::stderr(),
        "the whole run: {stops} stops and {resumes} resumes by Dislodge held against the rules"
    );
    broken.extend(wedged(&client).await?);
    Ok(broken)
}

/// Jobs that were told to fail and have not.
async fn wedged(client: &Client) -> Result<Vec<String>, kube::Error> {
    let mut wedged = Vec::new();
    for _ in 0..20 {
        let jobs = Api::<Job>::all(client.clone()).list(&ListParams::default()).await?;
        wedged = jobs.items.iter().filter(|job| is_half_failed(job)).map(name).collect();
        if wedged.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(wedged)
}

fn is_half_failed(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    let has = |kind: &str| {
        conditions.into_iter().flatten().any(|c| c.type_ == kind && c.status == "True")
    };
    has("FailureTarget") && !has("Failed")
}

fn name(job: &Job) -> String {
    let namespace = job.namespace().unwrap_or_default();
    format!("Job {namespace}/{} has FailureTarget without Failed", job.name_any())
}

/// Holds a log against the rules; tells also how many stops and resumes of ours stand in it.
fn judge(log: &[Request]) -> (Vec<String>, [u32; 2]) {
    let mut log: Vec<&Request> = log.iter().filter(|r| r.is_write() && r.is_complete()).collect();
    log.sort_by_key(|request| request.stage_timestamp);
    let mut seen = Seen::default();
    let mut broken = Vec::new();
    for request in log {
        let Some(object) = &request.object_ref else { continue };
        if request.user_agent.starts_with("dislodge/") {
            let told = |failure: libtest_mimic::Failed| failure.message().map(str::to_owned);
            broken.extend(rules::check(request).err().and_then(told));
            if (200..300).contains(&request.code()) {
                let wrong = seen.ours(request, object);
                broken.extend(wrong.map(|what| {
                    format!(
                        "{what}: {} {} at {}",
                        request.verb, request.uri, request.stage_timestamp
                    )
                }));
            }
        }
        if (200..300).contains(&request.code()) {
            broken.extend(seen.anybodys(request, object));
        }
    }
    (broken, seen.looked_at)
}

/// What the log has told so far.
#[derive(Default)]
struct Seen {
    /// The namespace that a controller writes in, by its credential.
    homes: BTreeMap<String, String>,
    /// The mode of each policy, by namespace and name.
    modes: BTreeMap<(String, String), String>,
    /// When a policy of a namespace was last in mode Enforce.
    enforced: BTreeMap<String, Timestamp>,
    /// When a Pod's failed pull was last published, by namespace and name.
    failed: BTreeMap<(String, String), Timestamp>,
    /// Pods whose image is bad without a pull: none can be running.
    unpullable: BTreeSet<(String, String)>,
    /// Who stopped an object last: whether it was Dislodge.
    stopped: BTreeMap<(String, String, String), bool>,
    /// The uids of what came back by itself.
    returned: BTreeSet<String>,
    /// Stops and resumes of ours.
    looked_at: [u32; 2],
}

/// Whether a body stops what it is written to, or lets it run.
fn stops(object: &Object, body: &Value) -> Option<bool> {
    let flag = |pointer| body.pointer(pointer).and_then(Value::as_bool);
    match object.resource.as_str() {
        "workloads" => flag("/spec/active").map(|active| !active),
        "jobs" | "jobsets" => flag("/spec/suspend"),
        _ => None,
    }
}

impl Seen {
    /// A write of ours that was done: which rule does it break?
    fn ours(&mut self, request: &Request, object: &Object) -> Option<String> {
        let (body, none) = (request.request_object.as_ref(), Value::Null);
        let body = body.unwrap_or(&none);
        if object.resource != "leases"
            && let Some(credential) = request.credential()
        {
            let home =
                self.homes.entry(credential.to_owned()).or_insert_with(|| object.namespace.clone());
            if *home != object.namespace {
                return Some(format!("a controller of {home} writes elsewhere"));
            }
        }
        match stops(object, body) {
            stop if stop == Some(true) || request.verb == "delete" => {
                self.looked_at[0] += 1;
                self.stop(request, object)
            }
            Some(false) => {
                self.looked_at[1] += 1;
                let by_person = body
                    .pointer("/metadata/annotations/dislodge.dev~1resumes")
                    .is_some_and(Value::is_string);
                if !by_person && let Some(uid) = body["metadata"]["uid"].as_str() {
                    self.returned.insert(uid.to_owned());
                }
                match self.stopped.get(&key(object)) {
                    Some(true) => None,
                    _ => Some("what a person has stopped is resumed".to_owned()),
                }
            }
            _ => None,
        }
    }

    fn stop(&self, request: &Request, object: &Object) -> Option<String> {
        let at = request.request_received_timestamp;
        let enforced = self.enforced.get(&object.namespace);
        if enforced.is_none_or(|last| at.duration_since(*last) > UNDER_WAY)
            && !self.is_enforced(&object.namespace)
        {
            return Some("an action where no policy is in mode Enforce".to_owned());
        }
        let pods = self.pods_of(object);
        if pods.iter().any(|pod| self.unpullable.contains(pod)) {
            return None;
        }
        let newest = pods.iter().filter_map(|pod| self.failed.get(pod)).max();
        let age = newest.map(|newest| at.duration_since(*newest).as_secs_f64());
        let back_off = f64::from(LEAST_BACK_OFF * millis_per_second(&object.namespace)) / 1000.0;
        match age {
            Some(age) if age < back_off => None,
            age => Some(format!("the newest failed pull is {age:?} s old, and another may run")),
        }
    }

    fn is_enforced(&self, namespace: &str) -> bool {
        self.modes.iter().any(|((of, _), mode)| of == namespace && mode == "Enforce")
    }

    /// The failing Pods that a stop can be about, by their names; all of the namespace where those
    /// tell nothing.
    fn pods_of(&self, object: &Object) -> Vec<(String, String)> {
        let base = match object.resource.as_str() {
            // Kueue: `<kind>-<name>-<hash>`.
            "workloads" => {
                let name = object.name.split_once('-').map_or("", |(_, rest)| rest);
                name.rsplit_once('-').map_or(name, |(name, _)| name)
            }
            _ => &object.name,
        };
        let failing = || self.failed.keys().chain(&self.unpullable);
        let here = failing().filter(|(namespace, _)| *namespace == object.namespace);
        let named: Vec<_> =
            here.clone().filter(|(_, pod)| pod.starts_with(base)).cloned().collect();
        if named.is_empty() { here.cloned().collect() } else { named }
    }

    /// Any write that was done, also of ours: what does it tell? And what does it break?
    fn anybodys(&mut self, request: &Request, object: &Object) -> Option<String> {
        let body = request.request_object.as_ref()?;
        let of = (object.namespace.clone(), object.name.clone());
        match (object.resource.as_str(), object.subresource.as_str()) {
            ("imagepullpolicies", "") => {
                if self.is_enforced(&object.namespace) {
                    self.enforced.insert(object.namespace.clone(), request.stage_timestamp);
                }
                if request.verb == "delete" {
                    self.modes.remove(&of);
                } else if let Some(mode) = body["spec"]["mode"].as_str() {
                    self.modes.insert(of, mode.to_owned());
                }
            }
            ("pods", "status") => {
                let text = body.to_string();
                if text.contains("ErrImagePull") {
                    self.failed.insert(of, request.stage_timestamp);
                } else if text.contains("InvalidImageName") || text.contains("ErrImageNeverPull") {
                    self.unpullable.insert(of);
                }
            }
            ("workloads", "status") => return self.preempts(request, body),
            (_, "") => {
                if let Some(stop) = stops(object, body) {
                    let ours = request.user_agent.starts_with("dislodge/");
                    if stop {
                        self.stopped.insert(key(object), ours);
                    }
                }
            }
            _ => {}
        }
        None
    }

    /// Kueue preempts work: for something that Dislodge let go by itself?
    fn preempts(&self, request: &Request, body: &Value) -> Option<String> {
        let conditions = body["status"]["conditions"].as_array().into_iter().flatten();
        let preempted = |c: &&Value| c["type"] == "Preempted" && c["status"] == "True";
        let message = conditions.into_iter().find(preempted)?["message"].as_str()?;
        let by = self.returned.iter().find(|uid| message.contains(uid.as_str()))?;
        Some(format!(
            "running work is preempted by {by}, which came back by itself: {}",
            request.uri
        ))
    }
}

fn key(object: &Object) -> (String, String, String) {
    (object.namespace.clone(), object.resource.clone(), object.name.clone())
}

/// The length of the kubelet's second in a test's namespace.
fn millis_per_second(namespace: &str) -> u32 {
    let slow =
        many::ALL.iter().any(|(test, _)| namespace.starts_with(&test.replace('_', "-")[..20]));
    if slow { 1000 } else { FAST }
}

/// The rules see what they forbid.
pub(crate) fn each_rule_catches_what_it_forbids() -> Outcome {
    let policy =
        |mode: &str| line(0, "kubectl", "imagepullpolicies", "", &json!({"spec": {"mode": mode}}));
    let failed = line(1, "kubelet", "pods", "status", &json!({"why": "ErrImagePull"}));
    let stop = |second, agent| line(second, agent, "workloads", "", &lever(false));
    let back = line(3, "dislodge/1", "workloads", "", &lever(true));
    let preempted = line(
        4,
        "kueue",
        "workloads",
        "status",
        &json!({"status": {"conditions":
        [{"type": "Preempted", "status": "True", "message": "to accommodate (UID: u)"}]}}),
    );
    let cases: [(&str, Vec<Value>, &[&str]); 6] = [
        (
            "as it should be",
            vec![policy("Enforce"), failed.clone(), stop(2, "dislodge/1"), back.clone()],
            &[],
        ),
        ("in Audit", vec![policy("Audit"), failed.clone(), stop(2, "dislodge/1")], &["Enforce"]),
        ("late", vec![policy("Enforce"), failed.clone(), stop(4, "dislodge/1")], &["failed pull"]),
        ("never failed", vec![policy("Enforce"), stop(2, "dislodge/1")], &["failed pull"]),
        (
            "a person's stop",
            vec![policy("Enforce"), failed.clone(), stop(2, "kubectl"), back.clone()],
            &["person"],
        ),
        (
            "preemption",
            vec![policy("Enforce"), failed, stop(2, "dislodge/1"), back, preempted],
            &["preempted"],
        ),
    ];
    for (case, lines, words) in cases {
        let log: Result<Vec<Request>, _> = lines.into_iter().map(serde_json::from_value).collect();
        let (broken, _) = judge(&log?);
        let caught = words.iter().zip(&broken).all(|(word, broken)| broken.contains(word));
        if !caught || broken.len() != words.len() {
            return Err(format!("{case}: {broken:?}").into());
        }
    }
    Ok(())
}

fn lever(active: bool) -> Value {
    json!({"metadata": {"uid": "u", "resourceVersion": "1",
        "annotations": {"dislodge.dev/hold": null}}, "spec": {"active": active}})
}

/// A line of the audit log.
fn line(second: i64, agent: &str, resource: &str, subresource: &str, body: &Value) -> Value {
    let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
    json!({
        "auditID": "a", "stage": "ResponseComplete", "verb": "patch", "requestURI": "/x",
        "user": {}, "userAgent": agent, "responseStatus": {"code": 200}, "requestObject": body,
        "objectRef": {"resource": resource, "subresource": subresource, "namespace": "n", "name": "job-x-1"},
        "requestReceivedTimestamp": at.to_string(), "stageTimestamp": at.to_string(),
    })
}
