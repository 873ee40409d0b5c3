//! What all tests share: the cluster, Dislodge installed in it, and the nodes.

use std::path::Path;
use std::sync::Arc;

use dislodge_testbed::agent::{Node, NodePlan};
use dislodge_testbed::product::Product;
use dislodge_testbed::{Cluster, Options, Result};

/// The length of the kubelet's second in most tests, in milliseconds: its first back-off of 10 s takes
/// 2 s, its safe moment of 5 s takes 1 s.
pub(crate) const FAST: u32 = 200;

/// The shared part.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) product: Product,
    /// A node with a [`FAST`] clock.
    pub(crate) node: Node,
}

impl World {
    /// Starts everything. The error is a text, because every test that needs the cluster gets it.
    pub(crate) async fn start() -> std::result::Result<Arc<Self>, String> {
        Self::try_start().await.map(Arc::new).map_err(|error| error.to_string())
    }

    async fn try_start() -> Result<Self> {
        let cluster = Cluster::start(Options::default()).await?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let product = Product::install(&cluster, root, env!("CARGO_BIN_EXE_dislodge")).await?;
        let node = Node::start(&cluster, NodePlan::new("fast").millis_per_second(FAST)).await?;
        Ok(Self { cluster, product, node })
    }

    /// Ends everything, where no test holds on to it any more.
    pub(crate) async fn stop(world: Arc<Self>) {
        if let Some(world) = Arc::into_inner(world) {
            drop(world.node);
            // What is left is ended by the supervisors.
            let _ = world.cluster.stop().await;
        }
    }
}
