//! A node in virtual time: an API server that stores statuses, and a log of what was seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dislodge_sim::kubelet::{
    Container, ContainerKind, EventKind, Kubelet, Output, Pod, PodStatus, Timing,
};
use dislodge_sim::registry::{Fault, Pull, Registry, Runtime, Script};

pub(crate) const BAD: &str = "registry.example:5000/team/app:no-such-tag";
pub(crate) const GOOD: &str = "registry.example:5000/ok/busybox:1";

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The failed pull of most tests.
pub(crate) fn not_found() -> Pull {
    Pull::Fails { after: ms(60), message: Fault::NotFound.message(Runtime::Containerd16, BAD) }
}

/// A pod with one container.
pub(crate) fn pod(uid: &str, image: &str) -> Pod {
    Pod::new(uid, "team", uid).with(Container::new(ContainerKind::Main, "main", image))
}

/// The pods that every statement about times is checked with.
pub(crate) fn uids() -> impl Iterator<Item = String> {
    (0..40).map(|number| format!("uid-{number}"))
}

pub(crate) fn within(value: Duration, from: Duration, to: Duration) -> bool {
    from <= value && value <= to
}

/// Whether `later` comes at least `from` and at most `to` after `earlier`.
pub(crate) fn apart(earlier: Duration, later: Duration, from: Duration, to: Duration) -> bool {
    within(later, earlier + from, earlier + to)
}

/// What a watcher of the API server sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Status(Arc<PodStatus>),
    Deleted,
}

#[derive(Debug, Clone)]
pub(crate) struct Bench {
    pub(crate) kubelet: Kubelet,
    pub(crate) registry: Registry,
    pub(crate) now: Duration,
    pub(crate) pods: BTreeMap<Arc<str>, Pod>,
    pub(crate) seen: Vec<(Duration, Arc<str>, Seen)>,
    pub(crate) events: Vec<(Duration, EventKind, Arc<str>)>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Kubelet::new(Timing::real()))
    }

    pub(crate) fn with(kubelet: Kubelet) -> Self {
        let registry =
            Registry::new(Script::succeeds(ms(40))).with(BAD, Script::always(not_found()));
        let (pods, seen, events) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { kubelet, registry, now: Duration::ZERO, pods, seen, events }
    }

    /// A person or a controller changes the pod, or creates it.
    pub(crate) fn put(&mut self, pod: Pod) {
        self.pods.insert(pod.key.uid.clone(), pod.clone());
        self.kubelet.pod_seen(self.now, pod);
        self.settle();
    }

    pub(crate) fn edit(&mut self, uid: &str, change: impl FnOnce(&mut Pod)) {
        let mut pod = self.pods[uid].clone();
        change(&mut pod);
        self.put(pod);
    }

    pub(crate) fn delete(&mut self, uid: &str, grace: Duration) {
        self.edit(uid, |pod| {
            pod.generation += 1;
            pod.deletion = Some(grace);
        });
    }

    /// Somebody writes the status.
    pub(crate) fn write(&mut self, uid: &str, change: impl FnOnce(&mut PodStatus)) {
        self.edit(uid, |pod| change(Arc::make_mut(pod.shown.as_mut().unwrap())));
        let status = self.pods[uid].shown.clone().unwrap();
        self.seen.push((self.now, uid.into(), Seen::Status(status)));
    }

    /// The kubelet is stopped and starts again `later`.
    pub(crate) fn restart(&mut self, later: Duration) {
        self.kubelet.stopped(self.now);
        self.run_until(self.now + later);
        self.kubelet.started(self.now);
        self.settle();
    }

    /// Lets time pass up to `until`.
    pub(crate) fn run_until(&mut self, until: Duration) {
        while let Some(due) = self.kubelet.next_deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.settle();
        }
        self.now = until;
    }

    /// Lets time pass until the newest status of the pod meets `wanted`.
    pub(crate) fn run_while(&mut self, uid: &str, unwanted: impl Fn(&PodStatus) -> bool) {
        for _ in 0..10_000 {
            if self.pods[uid].shown.as_ref().is_some_and(|status| !unwanted(status)) {
                return;
            }
            let due = self.kubelet.next_deadline().unwrap();
            self.run_until(due);
        }
        panic!("the status of {uid} stays {:?}", self.pods[uid].shown);
    }

    /// Lets time pass until the container's state has this reason.
    pub(crate) fn run_to(&mut self, uid: &str, container: &str, reason: &str) {
        self.run_while(uid, |status| status.container(container).unwrap().state.reason() != reason);
    }

    fn settle(&mut self) {
        for output in self.kubelet.advance(self.now, &mut self.registry) {
            match output {
                Output::WriteStatus { pod: key, status } => {
                    if let Some(pod) = self.pods.get_mut(&key.uid) {
                        pod.shown = Some(Arc::clone(&status));
                        let pod = pod.clone();
                        self.kubelet.pod_seen(self.now, pod);
                    }
                    self.seen.push((self.now, key.uid, Seen::Status(status)));
                }
                Output::Delete { pod: key } => {
                    self.pods.remove(&key.uid);
                    self.kubelet.pod_gone(self.now, &key.uid);
                    self.seen.push((self.now, key.uid, Seen::Deleted));
                }
                Output::Event(event) => self.events.push((self.now, event.kind, event.message)),
            }
        }
        if self.kubelet.next_deadline().is_some_and(|due| due <= self.now) {
            self.settle();
        }
    }

    /// What was seen of a container: each change of its reason, with the pod's phase.
    pub(crate) fn story(&self, uid: &str, container: &str) -> Vec<(Duration, String)> {
        let mut story: Vec<(Duration, String)> = Vec::new();
        for (at, of, seen) in &self.seen {
            let reason = match seen {
                _ if **of != *uid => continue,
                Seen::Status(status) => status.container(container).unwrap().state.reason(),
                Seen::Deleted => "deleted",
            };
            if story.last().is_none_or(|(_, last)| last != reason) {
                story.push((*at, reason.to_owned()));
            }
        }
        story
    }

    pub(crate) fn reasons(&self, uid: &str, container: &str) -> Vec<String> {
        self.story(uid, container).into_iter().map(|(_, reason)| reason).collect()
    }

    /// When windows of a reason opened.
    pub(crate) fn windows(&self, uid: &str, container: &str, wanted: &str) -> Vec<Duration> {
        let story = self.story(uid, container).into_iter();
        story.filter(|(_, reason)| reason == wanted).map(|(at, _)| at).collect()
    }

    /// The newest status that the API server shows.
    pub(crate) fn status(&self, uid: &str) -> &PodStatus {
        self.pods[uid].shown.as_ref().unwrap()
    }

    pub(crate) fn message(&self, uid: &str, container: &str) -> String {
        use dislodge_sim::kubelet::ContainerState;
        match &self.status(uid).container(container).unwrap().state {
            ContainerState::Waiting(waiting) => waiting.message.to_string(),
            ContainerState::Running { .. } => String::new(),
            ContainerState::Terminated(terminated) => terminated.message.clone(),
        }
    }

    /// When events of a kind were recorded.
    pub(crate) fn event_times(&self, wanted: EventKind) -> Vec<Duration> {
        self.events.iter().filter(|(_, kind, _)| *kind == wanted).map(|(at, _, _)| *at).collect()
    }
}
