//! The Node object and its Lease.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::clock::wall_now;
use super::plan::NodePlan;
use super::render::{FIELD_MANAGER, second};
use crate::error::{Error, Result};

/// The node's address; one of those that are kept for documentation (RFC 5737).
pub(super) const ADDRESS: &str = "192.0.2.1";

/// What the condition `Ready` of a node says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// `True`
    Ready,
    /// `False`: the kubelet says that it is not.
    NotReady,
    /// `Unknown`: the node lifecycle controller has heard nothing of the kubelet.
    Unknown,
}

impl Readiness {
    fn condition(self, now: Timestamp) -> Value {
        let (status, reason, message) = match self {
            Self::Ready => ("True", "KubeletReady", "kubelet is posting ready status"),
            Self::NotReady => ("False", "KubeletNotReady", "container runtime is down"),
            // kube-controller-manager: node_lifecycle_controller.go
            Self::Unknown => {
                ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
            }
        };
        json!({"type": "Ready", "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": second(now), "lastTransitionTime": second(now)})
    }
}

/// Registers the node, and takes off the taint that the API server puts onto every new node
/// (admission plugin TaintNodesByCondition); the controller that would do it does not run here.
pub(super) async fn register(client: &Client, admin: &Client, plan: &NodePlan) -> Result<()> {
    let doing = |verb: &str| Error::api(format!("{verb} the node {}", plan.name));
    let nodes: Api<Node> = Api::all(client.clone());
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.into()), dry_run: false };
    let node = serde_json::from_value(manifest(plan))
        .map_err(|error| Error::malformed(format!("the node {}", plan.name), error))?;
    nodes.create(&parameters, &node).await.map_err(doing("create"))?;
    renew(client, &plan.name).await?;
    let untainted = Patch::Merge(json!({"spec": {"taints": null}}));
    let nodes: Api<Node> = Api::all(admin.clone());
    nodes
        .patch(&plan.name, &PatchParams::default(), &untainted)
        .await
        .map(drop)
        .map_err(doing("take the taint off"))
}

fn manifest(plan: &NodePlan) -> Value {
    json!({
        "metadata": {"name": plan.name, "labels": plan.labels},
        "status": {
            "capacity": plan.capacity,
            "allocatable": plan.capacity,
            "addresses": [
                {"type": "InternalIP", "address": ADDRESS},
                {"type": "Hostname", "address": plan.name},
            ],
            "conditions": [Readiness::Ready.condition(wall_now())],
            "nodeInfo": {
                "architecture": "amd64", "operatingSystem": "linux",
                "kubeletVersion": "v1.36.3", "kubeProxyVersion": "",
                "containerRuntimeVersion": "containerd://2.3.4",
                "machineID": plan.name, "systemUUID": plan.name, "bootID": plan.name,
                "kernelVersion": "", "osImage": "",
            },
        },
    })
}

/// Writes the condition `Ready`.
pub(super) async fn set_readiness(client: &Client, node: &str, readiness: Readiness) -> Result<()> {
    let patch =
        Patch::Strategic(json!({"status": {"conditions": [readiness.condition(wall_now())]}}));
    let nodes: Api<Node> = Api::all(client.clone());
    nodes
        .patch_status(
            node,
            &PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() },
            &patch,
        )
        .await
        .map(drop)
        .map_err(Error::api(format!("write the status of the node {node}")))
}

/// Nothing new is bound to the node any more.
pub(super) async fn cordon(admin: &Client, node: &str) -> Result<()> {
    let patch = Patch::Merge(json!({"spec": {"unschedulable": true}}));
    let nodes: Api<Node> = Api::all(admin.clone());
    nodes
        .patch(node, &PatchParams::default(), &patch)
        .await
        .map(drop)
        .map_err(Error::api(format!("cordon the node {node}")))
}

/// Creates or renews the node's Lease.
pub(super) async fn renew(client: &Client, node: &str) -> Result<()> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-node-lease");
    let doing = || Error::api(format!("renew the lease of the node {node}"));
    let spec = json!({"holderIdentity": node, "leaseDurationSeconds": 40,
        "renewTime": format!("{:.6}", wall_now())});
    let patch = Patch::Merge(json!({"spec": spec}));
    match leases.patch(node, &PatchParams::default(), &patch).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {
            let lease = serde_json::from_value(json!({"metadata": {"name": node}, "spec": spec}))
                .map_err(|error| Error::malformed("a lease", error))?;
            leases.create(&PostParams::default(), &lease).await.map(drop).map_err(doing())
        }
        outcome => outcome.map(drop).map_err(doing()),
    }
}
