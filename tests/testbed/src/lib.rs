//! A real control plane on loopback for Dislodge's tests and its demo.
//!
//! etcd, kube-apiserver, kube-controller-manager, kube-scheduler and Kueue are built from their Go
//! modules, started without a container, and end with the process that started them. See
//! [`Cluster::start`]. A program that uses it calls [`supervise::run_if_asked`] first thing in `main`.

pub mod account;
mod addon;
pub mod agent;
pub mod audit;
pub mod bare;
pub mod certificates;
pub mod cluster;
mod control_plane;
pub mod deadline;
mod error;
pub mod fleet;
mod foreign;
mod go;
pub mod job;
mod jobset;
pub mod kubeconfig;
mod kueue;
pub mod manifests;
pub mod memory;
mod modules;
pub mod ports;
pub mod probe;
pub mod process;
pub mod product;
mod progress;
pub mod python;
pub mod queues;
pub mod restart;
pub mod supervise;
pub mod tenant;
pub mod text;
pub mod tools;
pub mod usage;
pub mod watching;
pub mod wire;
mod work_folder;

pub use account::Account;
pub use agent::{Node, NodePlan};
pub use bare::BareServer;
pub use cluster::{Cluster, Options};
pub use error::{Error, Result};
pub use fleet::Fleet;
pub use job::JobPlan;
pub use manifests::Manifests;
pub use memory::Memory;
pub use process::{Process, Program, Signal};
pub use queues::Quota;
pub use restart::Restartable;
pub use tenant::Tenant;
