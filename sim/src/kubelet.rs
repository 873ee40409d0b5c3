//! One node's kubelet as a state machine without clock, client or threads.
//!
//! The driver reports what the API server shows ([`Kubelet::pod_seen`], [`Kubelet::pod_gone`]),
//! lets time pass ([`Kubelet::advance`]) and does what comes back ([`Output`]). It calls `advance`
//! after every report and when [`Kubelet::next_deadline`] is reached. A late call changes nothing
//! but the moment at which the outputs appear: what was due is done in the order and at the times
//! at which it was due.
//!
//! What is modelled, as read in Kubernetes 1.28 to 1.36 and measured on 1.36.2 with containerd 1.6
//! and 2.3: the status of a sync is written before it pulls, so that a failure is seen at the next
//! sync and a running pull freezes the status; image back-off from 10 s to 300 s; one extra sync
//! when a sandbox or a container starts or ends; pods that end, also with a pull in flight;
//! statuses that others wrote and that are written back.
//!
//! What is not: probes, volumes other than images, serial pulls and `registryPullQPS`
//! ([`Fault::QpsExceeded`](crate::registry::Fault::QpsExceeded) has its text), limits of
//! downloads in the runtime, ephemeral containers, and restarts of a running container whose
//! image is edited.

mod backoff;
mod image;
mod jitter;
mod output;
mod pod;
mod report;
mod runtime;
mod status;
mod stop;
mod sync;
mod timing;
mod worker;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub use output::{Event, EventKind, Output};
pub use pod::{Container, ContainerKind, ImageVolume, Pod, PodKey, PullPolicy, RestartPolicy};
pub use status::{
    Condition, ConditionType, ContainerState, ContainerStatus, Phase, PodStatus, Terminated,
    Waiting,
};
pub use timing::Timing;

use crate::registry::Registry;
use worker::Worker;

/// The kubelet of one node.
#[derive(Debug, Clone)]
pub struct Kubelet {
    config: Config,
    /// Images that the node has.
    images: BTreeSet<String>,
    /// By pod uid.
    workers: BTreeMap<Arc<str>, Worker>,
    /// When which worker has something to do.
    agenda: BTreeSet<(Duration, Arc<str>)>,
    /// Reports that `advance` has not taken in yet, in the order of their times.
    inbox: VecDeque<(Duration, Report)>,
    /// Whether the process is stopped.
    down: bool,
}

/// What does not change while the kubelet runs.
#[derive(Debug, Clone, Copy)]
struct Config {
    timing: Timing,
    version: Version,
}

/// Which kubelet, as far as pull failures look different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1.28 to 1.31: `ImagePullBackOff` says nothing about the cause.
    V1_31,
    /// 1.32 to 1.35: the message of `ImagePullBackOff` ends with the last error.
    V1_32,
    /// 1.36: the sandbox is published as soon as it is there, not at the next sync.
    V1_36,
}

#[derive(Debug, Clone)]
enum Report {
    Seen(Box<Pod>),
    Gone(Arc<str>),
    Stopped,
    Started,
}

/// What the pods of a node share while one of them works.
#[derive(Debug)]
struct Node<'a> {
    config: &'a Config,
    images: &'a mut BTreeSet<String>,
    registry: &'a mut Registry,
    outputs: &'a mut Vec<Output>,
}

impl Kubelet {
    /// A kubelet of version [`Version::V1_36`] on a node without pods and images.
    pub const fn new(timing: Timing) -> Self {
        Self {
            config: Config { timing, version: Version::V1_36 },
            images: BTreeSet::new(),
            workers: BTreeMap::new(),
            agenda: BTreeSet::new(),
            inbox: VecDeque::new(),
            down: false,
        }
    }

    /// The same kubelet in another version.
    pub const fn version(mut self, version: Version) -> Self {
        self.config.version = version;
        self
    }

    /// Puts an image on the node, as if another pod had pulled it.
    pub fn load(&mut self, image: &str) {
        self.images.insert(image.to_owned());
    }

    /// The API server shows a pod that is bound to this node: a new one, or a new version of it.
    ///
    /// `now` must not be before the `now` of an earlier report.
    pub fn pod_seen(&mut self, now: Duration, pod: Pod) {
        self.inbox.push_back((now, Report::Seen(Box::new(pod))));
    }

    /// The pod with this uid is gone from the API server.
    pub fn pod_gone(&mut self, now: Duration, uid: &str) {
        self.inbox.push_back((now, Report::Gone(uid.into())));
    }

    /// The kubelet's process ends: nothing is done until it starts again, but containers run on.
    pub fn stopped(&mut self, now: Duration) {
        self.inbox.push_back((now, Report::Stopped));
    }

    /// The kubelet's process starts, after [`Kubelet::stopped`] or as a quick restart: what it kept
    /// in memory is lost (back-off, reasons, pulls in flight); containers and images are not.
    pub fn started(&mut self, now: Duration) {
        self.inbox.push_back((now, Report::Started));
    }

    /// Does everything that is due until `now`.
    pub fn advance(&mut self, now: Duration, registry: &mut Registry) -> Vec<Output> {
        let mut outputs = Vec::new();
        loop {
            let reported = self.inbox.front().map(|(at, _)| *at);
            let planned = self.agenda.first().map(|(at, _)| *at);
            match (reported, planned) {
                (Some(at), _) if at <= now && planned.is_none_or(|planned| at <= planned) => {
                    if let Some((at, report)) = self.inbox.pop_front() {
                        self.take_in(at, report);
                    }
                }
                (_, Some(at)) if at <= now => {
                    if let Some((at, uid)) = self.agenda.pop_first() {
                        self.work(at, &uid, registry, &mut outputs);
                    }
                }
                _ => return outputs,
            }
        }
    }

    /// When `advance` has something to do next; `None`: not before the next report.
    pub fn next_deadline(&self) -> Option<Duration> {
        let reported = self.inbox.front().map(|(at, _)| *at);
        let planned = self.agenda.first().map(|(at, _)| *at);
        reported.into_iter().chain(planned).min()
    }

    fn take_in(&mut self, now: Duration, report: Report) {
        match report {
            Report::Seen(pod) => {
                let uid = pod.key.uid.clone();
                self.forget_plan(&uid);
                match self.workers.get_mut(&uid) {
                    Some(worker) => worker.reported(now, *pod, &self.config),
                    None => {
                        self.workers.insert(Arc::clone(&uid), Worker::new(now, *pod, &self.config));
                    }
                }
                self.plan(&uid);
            }
            Report::Gone(uid) => {
                self.forget_plan(&uid);
                self.workers.remove(&uid);
            }
            Report::Stopped => {
                self.down = true;
                self.agenda.clear();
            }
            Report::Started => {
                self.down = false;
                self.agenda.clear();
                for worker in self.workers.values_mut() {
                    worker.restart(now, &self.config);
                }
                let uids: Vec<_> = self.workers.keys().cloned().collect();
                for uid in &uids {
                    self.plan(uid);
                }
            }
        }
    }

    fn work(
        &mut self,
        at: Duration,
        uid: &Arc<str>,
        registry: &mut Registry,
        outputs: &mut Vec<Output>,
    ) {
        if let Some(worker) = self.workers.get_mut(uid) {
            let (config, images) = (&self.config, &mut self.images);
            worker.work(at, &mut Node { config, images, registry, outputs });
        }
        self.plan(uid);
    }

    fn plan(&mut self, uid: &Arc<str>) {
        if self.down {
            return;
        }
        if let Some(at) = self.workers.get(uid).and_then(|worker| worker.due(&self.config)) {
            self.agenda.insert((at, Arc::clone(uid)));
        }
    }

    fn forget_plan(&mut self, uid: &Arc<str>) {
        if let Some(at) = self.workers.get(uid).and_then(|worker| worker.due(&self.config)) {
            self.agenda.remove(&(at, Arc::clone(uid)));
        }
    }
}
