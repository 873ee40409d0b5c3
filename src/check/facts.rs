//! What is known of a cluster, before anything is made of it.

use std::collections::BTreeMap;

use dislodge_engine::objects::{LocalQueue, Policy};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::Value;

/// Something that was to be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Read<T> {
    /// It was.
    There(T),
    /// There is none.
    Absent,
    /// A right is missing: so a role would grant it.
    Forbidden(&'static str),
}

/// The cluster, as far as it could be read.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// The namespace that Dislodge is, or will be, installed in.
    pub(super) home: String,
    /// Version of the API server.
    pub(super) server: Version,
    /// How far this machine's clock is before the API server's.
    pub(super) clock_ahead: Option<SignedDuration>,
    /// When it was looked at, by the API server's clock where that is known.
    pub(super) now: Timestamp,
    /// The CRD of `ImagePullPolicy`.
    pub(super) crd: Read<Value>,
    /// The guard's `ValidatingAdmissionPolicy`.
    pub(super) guard: Read<Value>,
    /// The Lease whose holder acts.
    pub(super) lease: Read<Lease>,
    /// All Deployments of this name in the cluster.
    pub(super) installations: Read<Vec<Installation>>,
    /// When the node's kubelet last wrote its Lease, by its own clock.
    pub(super) heartbeats: Read<BTreeMap<String, Timestamp>>,
    /// What the roles of Dislodge grant, and whether its account may.
    pub(super) rights: Vec<Right>,
    /// Kueue.
    pub(super) kueue: Read<Kueue>,
    /// Whether Kueue's kinds are served.
    pub(super) kueue_is_served: bool,
    /// Descheduler policies that name pulls of images, by the ConfigMap that they stand in.
    pub(super) deschedulers: Read<Vec<String>>,
    /// Policies, of a namespace or of all.
    pub(super) policies: Read<Vec<Policy>>,
    /// Queues, of a namespace or of all.
    pub(super) queues: Read<Vec<LocalQueue>>,
}

/// Version of an API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) text: String,
}

/// The controller's Lease.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lease {
    pub(super) holder: Option<String>,
    pub(super) renewed: Option<Timestamp>,
    pub(super) seconds: i32,
}

/// A Deployment of Dislodge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Installation {
    pub(super) namespace: String,
    pub(super) image: String,
    pub(super) wanted: i32,
    pub(super) ready: i32,
    /// Whether it looks at one namespace alone.
    pub(super) namespaced: bool,
}

/// A right of the controller's account.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Right {
    /// The role that grants it.
    pub(super) role: String,
    pub(super) rule: PolicyRule,
    /// `None`: nobody would say.
    pub(super) granted: Option<bool>,
}

/// What is known of Kueue.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kueue {
    /// Tag of its image.
    pub(super) version: Option<String>,
    /// Its configuration; absent: by default, or nobody knows where it stands.
    pub(super) configuration: Read<Value>,
}
