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
/// The safe moment, in seconds of the kubelet's; and what the ways of the news and of the request add to it. With
/// three times as many rows at once as cores, the latest stop of 160 came 0.85 s after its failed pull, where the
/// safe moment takes 1 s.
const SAFE_MOMENT: u32 = 5;
const ON_THE_WAY: f64 = 0.6;
/// A run with more failed Pods than this has tests that stop jobs.
const MANY_FAILED: usize = 50;
/// Where the Lease of a controller lies that is there for the whole cluster.
const HOME: &str = "dislodge-system";
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
        "\"phase\":\"Failed\"",
        "\"active\":",
        "\"suspend\":",
    ];
    let log = world.cluster.audit_log();
    let log = log.settled_where(&client, |line| telling.iter().any(|t| line.contains(t))).await?;
    let (mut broken, [stops, resumes], latest) = judge(&log);
    let _unread = writeln!(
        std::io::stderr(),
        "the whole run: {stops} stops and {resumes} resumes by Dislodge held against the rules; the latest stop came \
         {latest:.2} s after its safe moment, by the clock of the audit log"
    );
    broken.extend(wedged(&client).await?);
    Ok(broken)
}

/// Jobs that were told to end and have not.
async fn wedged(client: &Client) -> Result<Vec<String>, kube::Error> {
    let mut wedged = Vec::new();
    for _ in 0..20 {
        let jobs = Api::<Job>::all(client.clone()).list(&ListParams::default()).await?;
        wedged = jobs.items.iter().filter(|job| has_half_an_end(job)).map(name).collect();
        if wedged.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(wedged)
}

fn has_half_an_end(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    let has = |kind: &str| {
        conditions.into_iter().flatten().any(|c| c.type_ == kind && c.status == "True")
    };
    has("FailureTarget") && !has("Failed") || has("SuccessCriteriaMet") && !has("Complete")
}

fn name(job: &Job) -> String {
    let namespace = job.namespace().unwrap_or_default();
    format!(
        "Job {namespace}/{} has FailureTarget without Failed, or SuccessCriteriaMet without Complete",
        job.name_any()
    )
}

/// Holds a log against the rules; tells also how many stops and resumes of ours stand in it, and how late the
/// latest stop was.
fn judge(log: &[Request]) -> (Vec<String>, [u32; 2], f64) {
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
    let alive = seen.deleted.iter();
    broken.extend(alive.map(|(of, pod)| format!("Pod {of}/{pod} was ended and is not Failed")));
    if seen.failed.len() > MANY_FAILED && seen.looked_at[0] == 0 {
        broken.push("many pulls failed, and no stop was seen: who writes is not recognised".into());
    }
    (broken, seen.looked_at, seen.latest.unwrap_or_default())
}

/// What the log has told so far.
#[derive(Default)]
struct Seen {
    /// The namespace where a controller's Lease lies, by its credential.
    homes: BTreeMap<String, String>,
    /// The mode of each policy, by namespace and name.
    modes: BTreeMap<(String, String), String>,
    /// Until when a policy was in mode Enforce, by namespace and name.
    enforced: BTreeMap<(String, String), Timestamp>,
    /// When a Pod's failed pull was last published, by namespace and name.
    failed: BTreeMap<(String, String), Timestamp>,
    /// Containers whose newest status is a failed pull: it may be written again.
    open: BTreeSet<(String, String, String)>,
    /// Pods that we have deleted, until they have ended as `Failed`.
    deleted: BTreeSet<(String, String)>,
    /// Pods whose image is bad without a pull: none can be running.
    unpullable: BTreeSet<(String, String)>,
    /// Who stopped an object last: whether it was Dislodge.
    stopped: BTreeMap<(String, String, String), bool>,
    /// The uids of what came back by itself.
    returned: BTreeSet<String>,
    /// Stops and resumes of ours.
    looked_at: [u32; 2],
    /// The longest time from a failed pull to a stop because of it, in seconds, less the safe moment.
    latest: Option<f64>,
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
        if let Some(credential) = request.credential() {
            // Nobody writes before it leads.
            let home =
                self.homes.entry(credential.to_owned()).or_insert_with(|| object.namespace.clone());
            if *home != object.namespace && home != HOME {
                return Some(format!("a controller of {home} writes elsewhere"));
            }
        }
        match stops(object, body) {
            stop if stop == Some(true) || request.verb == "delete" => {
                self.looked_at[0] += 1;
                if request.verb == "delete" {
                    self.deleted.insert((object.namespace.clone(), object.name.clone()));
                }
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
                    Some(false) if by_person => None,
                    _ => Some("what a person has stopped is resumed".to_owned()),
                }
            }
            _ => None,
        }
    }

    fn stop(&mut self, request: &Request, object: &Object) -> Option<String> {
        let at = request.request_received_timestamp;
        let by = request.request_object.as_ref().and_then(|body| {
            body.pointer("/metadata/annotations/dislodge.dev~1hold-policy").and_then(Value::as_str)
        });
        if !self.is_enforced(&object.namespace, by, at) {
            let by = by.unwrap_or("any");
            return Some(format!("an action where the policy ({by}) is not in mode Enforce"));
        }
        let pods = self.pods_of(object);
        if pods.iter().any(|pod| self.unpullable.contains(pod)) {
            return None;
        }
        let newest = pods.iter().filter_map(|pod| self.failed.get(pod)).max();
        let age = newest.map(|newest| at.duration_since(*newest).as_secs_f64());
        let scaled =
            |seconds: u32| f64::from(seconds * millis_per_second(&object.namespace)) / 1000.0;
        let longest = scaled(LEAST_BACK_OFF).min(scaled(SAFE_MOMENT) + ON_THE_WAY);
        let late = age.map(|age| age - scaled(SAFE_MOMENT));
        self.latest = match (self.latest, late) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        };
        match age {
            Some(age) if age < longest => None,
            age => Some(format!("the newest failed pull is {age:?} s old, and another may run")),
        }
    }

    /// Whether the policy of that name, or any where none is named, was in mode Enforce then.
    fn is_enforced(&self, namespace: &str, name: Option<&str>, at: Timestamp) -> bool {
        let is_it = |(of, policy): &(String, String)| {
            of == namespace && name.is_none_or(|name| policy == name)
        };
        let late = |until: &Timestamp| at.duration_since(*until) <= UNDER_WAY;
        self.modes.iter().any(|(policy, mode)| is_it(policy) && mode == "Enforce")
            || self.enforced.iter().any(|(policy, until)| is_it(policy) && late(until))
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
        let named: Vec<_> = here.clone().filter(|(_, pod)| is_of(pod, base)).cloned().collect();
        if named.is_empty() { here.cloned().collect() } else { named }
    }

    /// Any write that was done, also of ours: what does it tell? And what does it break?
    fn anybodys(&mut self, request: &Request, object: &Object) -> Option<String> {
        let (body, none) = (request.request_object.as_ref(), Value::Null);
        let body = body.unwrap_or(&none);
        let of = (object.namespace.clone(), object.name.clone());
        match (object.resource.as_str(), object.subresource.as_str()) {
            ("imagepullpolicies", "") => {
                if self.modes.get(&of).is_some_and(|mode| mode == "Enforce") {
                    self.enforced.insert(of.clone(), request.stage_timestamp);
                }
                if request.verb == "delete" {
                    self.modes.remove(&of);
                } else if let Some(mode) = body["spec"]["mode"].as_str() {
                    self.modes.insert(of, mode.to_owned());
                }
            }
            ("pods", "status") => self.status(&of, body, request.stage_timestamp),
            ("workloads", "status") => return self.preempts(request, body),
            (_, "") => {
                let ours = request.user_agent.starts_with("dislodge/");
                let annotations = body["metadata"]["annotations"].as_object();
                let keeps = annotations.and_then(|all| all.get("dislodge.dev/resume-at"));
                if stops(object, body) == Some(true) {
                    self.stopped.insert(key(object), ours);
                } else if !ours && keeps.is_some_and(Value::is_null) {
                    // Whoever takes the time away wants it to stay stopped.
                    self.stopped.insert(key(object), false);
                }
            }
            _ => {}
        }
        None
    }

    /// A Pod's status: which of its containers have just failed to get their image? The words of a
    /// back-off's message tell nothing of that.
    fn status(&mut self, of: &(String, String), body: &Value, at: Timestamp) {
        if body["status"]["phase"] == "Failed" {
            self.deleted.remove(of);
        }
        for field in ["initContainerStatuses", "containerStatuses"] {
            for container in body["status"][field].as_array().into_iter().flatten() {
                let name = container["name"].as_str().unwrap_or_default().to_owned();
                let which = (of.0.clone(), of.1.clone(), name);
                match container["state"]["waiting"]["reason"].as_str() {
                    Some("ErrImagePull") => {
                        if self.open.insert(which) {
                            self.failed.insert(of.clone(), at);
                        }
                    }
                    Some("InvalidImageName" | "ErrImageNeverPull") => {
                        self.unpullable.insert(of.clone());
                    }
                    _ => drop(self.open.remove(&which)),
                }
            }
        }
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

/// Whether a Pod has the name, or one that begins with it as those of its controller do.
fn is_of(pod: &str, base: &str) -> bool {
    pod.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
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
    let waits = |second, reason: &str| {
        let waiting = json!({"waiting": {"reason": reason, "message": "ErrImagePull: gone"}});
        let body = json!({"status": {"containerStatuses": [{"name": "main", "state": waiting}]}});
        line(second, "kubelet", "pods", "status", &body)
    };
    let failed = waits(1, "ErrImagePull");
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
    let deleted = {
        let mut line = line(2, "kubectl", "imagepullpolicies", "", &Value::Null);
        line["verb"] = json!("delete");
        line
    };
    let keeps = line(
        2,
        "kubectl",
        "workloads",
        "",
        &json!({"metadata": {"annotations":
        {"dislodge.dev/resume-at": null}}}),
    );
    let mut refused = stop(2, "dislodge/1");
    refused["responseStatus"] =
        json!({"code": 403, "message": "policy 'dislodge-guard' denied request: a word"});
    let cases: [(&str, Vec<Value>, &[&str]); 10] = [
        ("what the guard refuses", vec![policy("Enforce"), failed.clone(), refused], &["guard"]),
        (
            "as it should be",
            vec![policy("Enforce"), failed.clone(), stop(2, "dislodge/1"), back.clone()],
            &[],
        ),
        ("in Audit", vec![policy("Audit"), failed.clone(), stop(2, "dislodge/1")], &["Enforce"]),
        ("late", vec![policy("Enforce"), failed.clone(), stop(4, "dislodge/1")], &["failed pull"]),
        (
            "late, while the back-off is written again",
            vec![
                policy("Enforce"),
                failed.clone(),
                waits(2, "ImagePullBackOff"),
                waits(4, "ImagePullBackOff"),
                stop(4, "dislodge/1"),
            ],
            &["failed pull"],
        ),
        (
            "long after its policy was deleted",
            vec![policy("Enforce"), deleted, waits(9, "ErrImagePull"), stop(9, "dislodge/1")],
            &["Enforce"],
        ),
        (
            "a return that a person has called off",
            vec![policy("Enforce"), failed.clone(), stop(2, "dislodge/1"), keeps, back.clone()],
            &["person"],
        ),
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
        let (broken, ..) = judge(&log?);
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
