//! Pods: which images they name and what their containers say.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Meta, decode, encode};

/// A Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// The metadata.
    pub metadata: Meta,
    /// What is asked for.
    pub spec: PodSpec,
    /// What the kubelet says.
    pub status: PodStatus,
}

/// What is read of a Pod's spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// The node that it is bound to; empty before.
    pub node_name: String,
    /// Regular containers.
    #[serde(deserialize_with = "decode::list")]
    pub containers: Vec<Container>,
    /// Init containers, sidecars among them.
    #[serde(deserialize_with = "decode::list")]
    pub init_containers: Vec<Container>,
    /// Volumes; only image volumes matter here.
    #[serde(deserialize_with = "decode::list")]
    pub volumes: Vec<Volume>,
}

/// A container of the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image, as written.
    pub image: String,
    /// `Always`, `IfNotPresent` or `Never`.
    pub image_pull_policy: String,
    /// `Always` makes an init container a sidecar (KEP-753).
    pub restart_policy: Option<String>,
    /// The volumes that it mounts.
    #[serde(deserialize_with = "decode::list")]
    pub volume_mounts: Vec<VolumeMount>,
}

impl Container {
    /// Whether it is a restartable init container (KEP-753).
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

/// A mount of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeMount {
    /// The volume's name.
    pub name: String,
}

/// A volume of the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Set where the volume is an image (KEP-4639).
    pub image: Option<ImageVolume>,
}

/// An image that is mounted as a volume (KEP-4639).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageVolume {
    /// The image.
    pub reference: String,
    /// `Always`, `IfNotPresent` or `Never`.
    pub pull_policy: String,
}

/// What is read of a Pod's status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: String,
    /// Whether it carries our condition ([`crate::keys::POD_CONDITION`]).
    #[serde(
        rename = "conditions",
        deserialize_with = "decode::our_condition",
        serialize_with = "encode::our_condition"
    )]
    pub is_marked: bool,
    /// The generation that the kubelet had seen; 0 where it does not say (before 1.34).
    pub observed_generation: i64,
    /// States of the regular containers.
    #[serde(deserialize_with = "decode::list")]
    pub container_statuses: Vec<ContainerStatus>,
    /// States of the init containers.
    #[serde(deserialize_with = "decode::list")]
    pub init_container_statuses: Vec<ContainerStatus>,
}

/// The state of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// The container's name.
    pub name: String,
    /// The image's id on the node; empty as long as no pull went through.
    #[serde(rename = "imageID")]
    pub image_id: String,
    /// What it is doing.
    pub state: ContainerState,
    /// What it did before the last restart.
    pub last_state: ContainerState,
}

/// What a container is doing. At most one of the three is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    /// It waits, for this reason.
    pub waiting: Option<Waiting>,
    /// It runs.
    pub running: Option<Started>,
    /// It has ended.
    pub terminated: Option<Started>,
}

impl ContainerState {
    /// When it started, where it has.
    pub fn started(&self) -> Option<Timestamp> {
        self.running.or(self.terminated)?.started_at
    }
}

/// What is read of a container that runs or has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Started {
    /// When it started; absent where it never has.
    pub started_at: Option<Timestamp>,
}

/// Why a container waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Waiting {
    /// Mostly one word; a sentence where the kubelet passes a raw error on.
    pub reason: String,
    /// What the container runtime or the kubelet said.
    pub message: String,
}
