//! What clients have written, as the actors know it.

use std::sync::Arc;

use dislodge_engine::input::Kind;
use dislodge_engine::keys;
use dislodge_engine::objects::{self, Meta, Uid};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Served;
use crate::api::Changed;
use crate::kubelet::{Container, ContainerKind, PullPolicy};
use crate::store::What;
use crate::world::World;
use crate::world::object::{Author, JobPlan, Object, Template};

impl Served {
    /// Tells the actors what clients have written.
    pub(super) fn take(&mut self) {
        // One request changes less than the server keeps.
        for changed in self.server.changed_after(self.taken).unwrap_or_default() {
            let before = self.world.store.version();
            match (kind(changed.plural), changed.what) {
                (None, _) => {}
                (Some(kind), What::Replaced) => {
                    self.world.take_changed(kind, &changed);
                    // It is what clients see already.
                    if self.world.store.version() > before {
                        self.from_clients.insert(self.world.store.version());
                    }
                }
                (Some(kind), What::Created) => self.world.take_created(kind, &changed.object),
                (Some(kind), What::Deleted) => self.world.take_deleted(kind, &changed.object),
            }
        }
        self.taken = self.server.version();
    }
}

/// The kinds that the actors know.
fn kind(plural: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| super::plural(*kind) == Some(plural))
}

/// What Dislodge would read of an object.
fn read<T: DeserializeOwned>(object: &Value) -> Option<T> {
    serde_json::from_value(object.clone()).ok()
}

pub(super) fn uid(object: &Value) -> Uid {
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
    Uid::parse(uid.unwrap_or_default())
}

impl World {
    fn take_changed(&mut self, kind: Kind, changed: &Changed) {
        let value = &changed.object;
        let uid = uid(value);
        let Some(object) = self.get(kind, uid) else { return };
        let mut next = Object::clone(object);
        match &mut next {
            Object::Pod(pod) => {
                if let Some(seen) = read(value) {
                    pod.seen = seen;
                    pod.marked = marked(value);
                }
            }
            Object::Job(job) => job.seen = read(value).unwrap_or_else(|| job.seen.clone()),
            Object::Workload(workload) => {
                workload.seen = read(value).unwrap_or_else(|| workload.seen.clone());
            }
            Object::Policy(policy) => {
                if let Some(seen) = read(value) {
                    **policy = seen;
                }
            }
            // Nobody but their own actors writes these.
            Object::LocalQueue(_) | Object::ClusterQueue(_) | Object::Node(_) => {}
        }
        // As it is: the server has counted its generation.
        let _same_or_new = self.store.replace(&(kind, uid), None, next);
    }

    /// A client has created something that actors act on.
    fn take_created(&mut self, kind: Kind, value: &Value) {
        match kind {
            Kind::Job => {
                let read = read::<objects::Job>(value);
                if let Some(job) = read {
                    let plan = plan(value, &job.metadata);
                    let uid = self.submit_as(job.metadata, plan);
                    // With what the API server has filled in.
                    self.change_job(uid, |made| {
                        let suspend = made.seen.spec.suspend;
                        made.seen.spec = objects::JobSpec { suspend, ..job.spec };
                    });
                }
            }
            Kind::Policy => {
                if let Some(policy) = read::<objects::Policy>(value) {
                    self.create(Object::Policy(Box::new(policy)));
                }
            }
            // Created by their controllers alone.
            Kind::Pod
            | Kind::Workload
            | Kind::LocalQueue
            | Kind::ClusterQueue
            | Kind::Node
            | Kind::JobSet
            | Kind::CronJob => {}
        }
    }

    /// A client has deleted something that is gone at once.
    fn take_deleted(&mut self, kind: Kind, value: &Value) {
        let uid = uid(value);
        match kind {
            Kind::Job => self.delete_job(uid),
            Kind::Pod => {
                self.change_pod(uid, |pod| (pod.ended, pod.counted) = (true, true));
                self.reap(uid);
            }
            Kind::JobSet
            | Kind::CronJob
            | Kind::Workload
            | Kind::LocalQueue
            | Kind::ClusterQueue
            | Kind::Policy
            | Kind::Node => {
                let _gone = self.store.delete(&(kind, uid), None);
            }
        }
    }
}

/// The reason of our condition on a Pod.
fn marked(pod: &Value) -> Option<String> {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let is_ours = |c: &&Value| c["type"] == keys::POD_CONDITION && c["status"] == "True";
    let ours = conditions.into_iter().flatten().find(is_ours)?;
    Some(ours["reason"].as_str().unwrap_or_default().to_owned())
}

/// What a Job was submitted with.
fn plan(job: &Value, metadata: &Meta) -> JobPlan {
    let number = |pointer: &str| {
        let number = job.pointer(pointer).and_then(Value::as_u64);
        number.and_then(|number| u32::try_from(number).ok())
    };
    let list = |pointer: &str| job.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let containers = list("/spec/template/spec/initContainers").map(|c| (c, false));
    let containers = containers.chain(list("/spec/template/spec/containers").map(|c| (c, true)));
    let containers: Vec<Container> =
        containers.map(|(value, main)| container(value, main)).collect();
    let cpus = list("/spec/template/spec/containers").map(asks_for).sum::<u32>().max(1);
    let rules = list("/spec/podFailurePolicy/rules");
    let about_ours = |rule: &&Value| rule.to_string().contains(keys::POD_CONDITION);
    let author = rules
        .into_iter()
        .find(about_ours)
        .map(|rule| if rule["action"] == "Ignore" { Author::Ignore } else { Author::Fail });
    let completions = number("/spec/completions");
    JobPlan {
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
        queue: metadata.label(keys::KUEUE_QUEUE).map(str::to_owned),
        template: Arc::new(Template { containers, cpus }),
        pods: completions.or_else(|| number("/spec/parallelism")).unwrap_or(1),
        open_ended: completions.is_none(),
        backoff_limit: number("/spec/backoffLimit").unwrap_or(6),
        priority: 0,
        author,
        annotations: Vec::new(),
    }
}

fn container(value: &Value, main: bool) -> Container {
    let text = |field: &str| value[field].as_str().unwrap_or_default();
    let kind = match (main, text("restartPolicy")) {
        (true, _) => ContainerKind::Main,
        (false, "Always") => ContainerKind::Sidecar,
        (false, _) => ContainerKind::Init,
    };
    let mut container = Container::new(kind, text("name"), text("image"));
    container.pull_policy = match text("imagePullPolicy") {
        "Always" => PullPolicy::Always,
        "Never" => PullPolicy::Never,
        _ => PullPolicy::IfNotPresent,
    };
    container
}

/// The whole units of the first resource that a container asks for: the model counts one.
fn asks_for(container: &Value) -> u32 {
    let requests = container.pointer("/resources/requests").and_then(Value::as_object);
    let first = requests.and_then(|requests| requests.values().next());
    let text =
        first.map(|amount| amount.as_str().map_or_else(|| amount.to_string(), str::to_owned));
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}
