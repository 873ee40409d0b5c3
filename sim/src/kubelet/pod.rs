//! A pod as the kubelet reads it from the API server.

use std::sync::Arc;
use std::time::Duration;

use super::status::PodStatus;

/// Which pod: a name can come back, a uid never does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodKey {
    /// `metadata.uid`
    pub uid: Arc<str>,
    /// `metadata.namespace`
    pub namespace: Arc<str>,
    /// `metadata.name`
    pub name: Arc<str>,
}

/// A pod that is bound to the node, as a watch event shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Which pod.
    pub key: PodKey,
    /// `metadata.generation`; it is copied into `status.observedGeneration`.
    pub generation: i64,
    /// `spec.restartPolicy`
    pub restart_policy: RestartPolicy,
    /// Init containers and sidecars in the order of the spec, then the regular containers.
    pub containers: Vec<Container>,
    /// Volumes of `spec.volumes` that are images.
    pub image_volumes: Vec<ImageVolume>,
    /// `spec.terminationGracePeriodSeconds`, in real time (see [`Timing::scaled`](super::Timing::scaled)).
    pub grace: Duration,
    /// `metadata.deletionGracePeriodSeconds` where `metadata.deletionTimestamp` is set, in real time.
    pub deletion: Option<Duration>,
    /// The status that the API server shows, in the kubelet's terms; `None` while no kubelet has
    /// written it (`status.startTime` is unset). Where it differs from what the kubelet wrote
    /// last, somebody else wrote it. Compared are what [`PodStatus::says_the_same`] compares.
    pub shown: Option<Arc<PodStatus>>,
}

impl Pod {
    /// A pod without containers, generation 1, restart policy `Never`, 30 s of grace.
    pub fn new(uid: &str, namespace: &str, name: &str) -> Self {
        Self {
            key: PodKey { uid: uid.into(), namespace: namespace.into(), name: name.into() },
            generation: 1,
            restart_policy: RestartPolicy::Never,
            containers: Vec::new(),
            image_volumes: Vec::new(),
            grace: Duration::from_secs(30),
            deletion: None,
            shown: None,
        }
    }

    /// The same pod with one more container.
    pub fn with(mut self, container: Container) -> Self {
        self.containers.push(container);
        self
    }

    /// Whether the kubelet's pod worker is told about the change from `self` to `newer`: a change
    /// of the status alone is only reconciled (kubelet: config.go `checkAndUpdatePod`).
    pub(super) fn differs_semantically(&self, newer: &Self) -> bool {
        self.generation != newer.generation
            || self.deletion != newer.deletion
            || self.containers != newer.containers
            || self.image_volumes != newer.image_volumes
    }
}

/// `spec.restartPolicy`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// A container that ends is not started again.
    Never,
    /// A container that ends with another exit code than 0 is started again.
    OnFailure,
    /// A container that ends is started again.
    Always,
}

/// A container of the pod's spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: Arc<str>,
    /// Where in the pod's life it runs.
    pub kind: ContainerKind,
    /// The image exactly as it stands in the spec.
    pub image: Arc<str>,
    /// `imagePullPolicy`
    pub pull_policy: PullPolicy,
    /// Names of the image volumes that it mounts.
    pub image_volumes: Vec<String>,
}

impl Container {
    /// A container with pull policy `IfNotPresent` that mounts no image volume.
    pub fn new(kind: ContainerKind, name: &str, image: &str) -> Self {
        Self {
            name: name.into(),
            kind,
            image: image.into(),
            pull_policy: PullPolicy::IfNotPresent,
            image_volumes: Vec::new(),
        }
    }
}

/// Where in the pod's life a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerKind {
    /// An entry of `spec.initContainers` that must end before the next one starts.
    Init,
    /// An entry of `spec.initContainers` with `restartPolicy: Always`.
    Sidecar,
    /// An entry of `spec.containers`.
    Main,
}

/// `imagePullPolicy`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    /// Pull before every start.
    Always,
    /// Pull unless the node has the image.
    IfNotPresent,
    /// Never pull.
    Never,
}

/// An entry of `spec.volumes` with an `image` source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageVolume {
    /// Its name.
    pub name: String,
    /// `image.reference`
    pub image: String,
    /// `image.pullPolicy`
    pub pull_policy: PullPolicy,
}
