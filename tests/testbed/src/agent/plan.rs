//! A node as a test wants it.

use std::collections::BTreeMap;
use std::time::Duration;

use dislodge_sim::kubelet::{Timing, Version};

use super::images::Images;

/// A node to be started: room for everything, the kubelet of Kubernetes 1.36, a tenth of real time.
#[derive(Debug, Clone)]
pub struct NodePlan {
    pub(super) name: String,
    pub(super) millis_per_second: u32,
    pub(super) capacity: BTreeMap<String, String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) images: Images,
    pub(super) version: Version,
    pub(super) events: bool,
}

impl NodePlan {
    /// A node with this name, which is also its label `kubernetes.io/hostname`.
    pub fn new(name: &str) -> Self {
        let capacity =
            [("cpu", "1k"), ("memory", "4Ti"), ("ephemeral-storage", "8Ti"), ("pods", "1k")];
        let labels = [
            ("kubernetes.io/hostname", name),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            name: name.to_owned(),
            millis_per_second: 100,
            capacity: capacity.map(owned).into(),
            labels: labels.map(owned).into(),
            images: Images::default(),
            version: Version::V1_36,
            events: false,
        }
    }

    /// How many milliseconds a second of the kubelet's takes: 1000 is real time. Below about 20 the
    /// API server is no longer quick beside it.
    pub fn millis_per_second(mut self, millis: u32) -> Self {
        self.millis_per_second = millis;
        self
    }

    /// So much of a resource, such as `nvidia.com/gpu`, in place of what it has by default.
    pub fn capacity(mut self, resource: &str, quantity: &str) -> Self {
        self.capacity.insert(resource.to_owned(), quantity.to_owned());
        self
    }

    /// One more label.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The registries that it pulls from, for instance those of another node.
    pub fn images(mut self, images: &Images) -> Self {
        self.images = images.clone();
        self
    }

    /// The kubelet's version, as far as pull failures look different.
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// The kubelet also records its events on pods.
    pub fn with_events(mut self) -> Self {
        self.events = true;
        self
    }

    /// The kubelet's durations on this node.
    pub fn timing(&self) -> Timing {
        Timing::real().scaled(self.factor())
    }

    /// How long something that takes so long in real time takes on this node.
    pub fn scaled(&self, real: Duration) -> Duration {
        real.mul_f64(self.factor())
    }

    fn factor(&self) -> f64 {
        f64::from(self.millis_per_second) / 1000.0
    }
}
