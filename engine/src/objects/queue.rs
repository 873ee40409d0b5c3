//! Kueue's queues.

use serde::Deserialize;

use super::Meta;

/// A LocalQueue: what Jobs name, and what a policy governs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LocalQueue {
    /// The metadata.
    pub metadata: Meta,
    /// What is asked for.
    pub spec: LocalQueueSpec,
}

/// What is read of a LocalQueue's spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LocalQueueSpec {
    /// The ClusterQueue behind it.
    pub cluster_queue: String,
}

/// A ClusterQueue: where the quota is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ClusterQueue {
    /// The metadata.
    pub metadata: Meta,
}
