//! The handle of a node, as a test holds it.

use std::time::Duration;

use kube::Client;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::drive::{Command, Driver};
use super::history::{History, Written};
use super::images::Images;
use super::object::{self, Readiness};
use super::plan::NodePlan;
use crate::cluster::Cluster;
use crate::error::Result;
use crate::kubeconfig;

/// A node with its kubelet, at work until it is dropped. Its pods then stay as they are, and nothing
/// new is bound to it.
#[derive(Debug)]
pub struct Node {
    plan: NodePlan,
    client: NodeClient,
    history: History,
    commands: UnboundedSender<Command>,
    task: JoinHandle<()>,
    end: DropGuard,
}

struct NodeClient(Client);

impl std::fmt::Debug for NodeClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("NodeClient")
    }
}

impl Node {
    /// Registers a node and starts its kubelet, which takes up the pods that are bound to it already.
    ///
    /// It acts as `system:node:<name>` of the group `system:nodes`, so the API server grants it what
    /// it grants a kubelet; its status writes stand in `managedFields` under `kubelet`.
    ///
    /// # Errors
    /// When there is such a node already, or the API server refuses it.
    pub async fn start(cluster: &Cluster, plan: NodePlan) -> Result<Self> {
        let user = format!("system:node:{}", plan.name);
        let groups = ["system:nodes", "system:authenticated"];
        let client = kubeconfig::impersonating(cluster.kubeconfig(), &user, &groups).await?;
        object::register(&client, &cluster.client(), &plan).await?;
        let history = History::default();
        let (commands, commanded) = mpsc::unbounded_channel();
        let end = CancellationToken::new();
        let driver = Driver::new(&plan, client.clone(), cluster.client(), history.clone());
        let task = tokio::spawn(Box::pin(driver.run(commanded, end.clone())));
        let client = NodeClient(client);
        Ok(Self { plan, client, history, commands, task, end: end.drop_guard() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// The registries that it pulls from.
    pub const fn registry(&self) -> &Images {
        &self.plan.images
    }

    /// The plan that it was started with.
    pub const fn plan(&self) -> &NodePlan {
        &self.plan
    }

    /// How long something that takes so long in real time takes on this node.
    pub fn scaled(&self, real: Duration) -> Duration {
        self.plan.scaled(real)
    }

    /// Puts an image on the node, as if another pod had pulled it.
    pub fn load(&self, image: &str) {
        self.tell(Command::Load(image.to_owned()));
    }

    /// The kubelet's process ends: no status is written and no pod ended until it starts again.
    pub fn stop_kubelet(&self) {
        self.tell(Command::Stop);
    }

    /// The kubelet's process starts after [`Node::stop_kubelet`].
    pub fn start_kubelet(&self) {
        self.tell(Command::Start);
    }

    /// The kubelet is restarted quickly: back-offs, reasons and pulls in flight are lost.
    pub fn restart_kubelet(&self) {
        self.tell(Command::Start);
    }

    /// Writes the node's condition `Ready`. The kubelet goes on with its pods.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn set_readiness(&self, readiness: Readiness) -> Result<()> {
        object::set_readiness(&self.client.0, self.name(), readiness).await
    }

    /// [`Node::set_readiness`] with `True` or `False`.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn set_ready(&self, ready: bool) -> Result<()> {
        let readiness = if ready { Readiness::Ready } else { Readiness::NotReady };
        self.set_readiness(readiness).await
    }

    /// Everything that the kubelet has asked of the API server about pods so far, in the order of
    /// the answers.
    pub fn writes(&self) -> Vec<Written> {
        self.history.all()
    }

    /// Ends the kubelet and cordons the node, and returns when both is done.
    pub async fn stop(self) {
        drop(self.end);
        // It panics only where the runtime is at its end too.
        let _ended = self.task.await;
    }

    fn tell(&self, command: Command) {
        // The driver listens as long as this handle lives.
        let _never = self.commands.send(command);
    }
}
