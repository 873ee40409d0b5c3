//! Nodes: whether what their kubelet says can be believed.

use serde::{Deserialize, Serialize};

use super::{Condition, Meta, decode};

/// A Node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// The metadata.
    pub metadata: Meta,
    /// What its kubelet says, and what the node controller says of its silence.
    pub status: NodeStatus,
}

/// What is read of a Node's status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// Conditions.
    #[serde(deserialize_with = "decode::list")]
    pub conditions: Vec<Condition>,
}

impl Node {
    /// Whether its kubelet reports. A node without the condition is new, not broken.
    pub fn is_ready(&self) -> bool {
        self.status.conditions.iter().find(|c| c.kind == "Ready").is_none_or(|c| c.status == "True")
    }
}
