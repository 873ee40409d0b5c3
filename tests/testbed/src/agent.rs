//! A node of the test cluster: what plays the kubelet there.
//!
//! [`Node::start`] registers a node, watches the pods that the scheduler binds to it, and gives what
//! it sees to the kubelet of `dislodge-sim`, which says what a kubelet would write and when. Pulls are
//! played from scripts ([`Images`]); nothing is pulled, and no container runs.
//!
//! All of the kubelet's durations and all durations of the scripts are real ones, shortened by the
//! node's own scale: several nodes with different scales can live in one cluster, and a Job chooses
//! with [`JobPlan::on`](crate::JobPlan::on).

mod clock;
mod drive;
mod events;
mod history;
mod images;
mod node;
mod object;
mod plan;
mod read;
mod render;
mod write;

pub use history::{Asked, Outcome, Written};
pub use images::{Images, usual_script};
pub use node::Node;
pub use object::Readiness;
pub use plan::NodePlan;
