//! Nodes: the kubelet of each, with what the API server tells it and takes from it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dislodge_engine::objects::{self, Condition, Uid};

use super::object::{Object, Pod};
use super::{Id, World};
use crate::kubelet::{self, EventKind, Kubelet, Output, PodKey, RestartPolicy};
use crate::store::{Change, What};

/// From a change in the API server to the kubelet's knowing it.
const WATCH: Duration = Duration::from_millis(20);
/// How long a Pod may take to end (Kubernetes: `terminationGracePeriodSeconds`, 30 s).
const GRACE: Duration = Duration::from_secs(30);

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    /// Its name.
    pub(super) name: String,
    /// The CPUs that Pods can ask for.
    pub(super) cpus: u32,
    kubelet: Kubelet,
    /// Pods with an image that is being pulled.
    pulling: BTreeSet<(Uid, Arc<str>)>,
}

impl Node {
    pub(super) fn due(&self) -> Option<Duration> {
        self.kubelet.next_deadline()
    }

    /// Whether a pull of a Pod's image is under way.
    pub(super) fn is_pulling(&self, pod: Uid) -> bool {
        self.pulling.iter().any(|(uid, _)| *uid == pod)
    }
}

impl World {
    pub(super) fn add_node(&mut self, name: &str, cpus: u32, kubelet: Kubelet) {
        let ready =
            Condition { kind: "Ready".into(), status: "True".into(), ..Condition::default() };
        let metadata = self.new_meta("", name);
        let status = objects::NodeStatus { conditions: vec![ready] };
        self.create(Object::Node(objects::Node { metadata, status }));
        self.nodes.push(Node { name: name.to_owned(), cpus, kubelet, pulling: BTreeSet::new() });
    }

    /// The kubelet of a node ends and starts again: it forgets its back-off.
    pub fn restart_kubelet(&mut self, node: usize) {
        let now = self.now;
        if let Some(node) = self.nodes.get_mut(node) {
            node.kubelet.started(now);
            node.pulling.clear();
        }
    }

    /// Whether the kubelet is pulling an image of a Pod at this very moment, whatever its status says.
    pub fn is_pulling(&self, pod: Uid) -> bool {
        self.nodes.iter().any(|node| node.is_pulling(pod))
    }

    pub(super) fn nodes_see(&mut self, change: &Change<Id, Object>) {
        let Object::Pod(pod) = &*change.object else { return };
        let Some(node) = self.nodes.iter_mut().find(|node| node.name == pod.seen.spec.node_name)
        else {
            return;
        };
        let uid = change.key.1;
        if change.what == What::Deleted {
            node.kubelet.pod_gone(self.now + WATCH, &pod.key.uid);
            node.pulling.retain(|(of, _)| *of != uid);
        } else {
            node.kubelet.pod_seen(self.now + WATCH, as_kubelet_reads(pod));
        }
    }

    pub(super) fn node_acts(&mut self, index: usize) {
        let (now, wall, start) = (self.now, self.wall(), self.start);
        let Some(node) = self.nodes.get_mut(index) else { return };
        for output in node.kubelet.advance(now, &mut self.registry) {
            match output {
                Output::WriteStatus { pod, status } => {
                    self.change_pod(uid_of(&pod), |pod| pod.wrote(status, wall, start));
                }
                Output::Delete { pod } => {
                    let uid = uid_of(&pod);
                    self.change_pod(uid, |pod| pod.ended = true);
                    self.reap(uid);
                }
                Output::Event(event) => {
                    let which = (uid_of(&event.pod), event.container.unwrap_or_else(|| "".into()));
                    let Some(node) = self.nodes.get_mut(index) else { return };
                    match event.kind {
                        EventKind::Pulling => {
                            node.pulling.insert(which);
                        }
                        EventKind::Pulled | EventKind::Failed => {
                            node.pulling.remove(&which);
                        }
                        EventKind::Started
                        | EventKind::BackOff
                        | EventKind::ErrImageNeverPull
                        | EventKind::InspectFailed
                        | EventKind::Killing => {}
                    }
                }
            }
        }
    }
}

fn as_kubelet_reads(pod: &Pod) -> kubelet::Pod {
    let meta = &pod.seen.metadata;
    kubelet::Pod {
        key: pod.key.clone(),
        generation: meta.generation,
        restart_policy: RestartPolicy::Never,
        containers: pod.template.containers.clone(),
        image_volumes: Vec::new(),
        grace: GRACE,
        deletion: pod.is_deleted().then_some(GRACE),
        shown: pod.status.clone(),
    }
}

fn uid_of(pod: &PodKey) -> Uid {
    Uid::parse(&pod.uid)
}
