//! The cluster that Dislodge lives in, as models without client, clock, randomness or async.
//!
//! Everything here is driven from outside: `now` is a [`Duration`](std::time::Duration) since a
//! start that the driver chooses, jitter is a hash of the pod's uid and a counter, and what a
//! model wants to have done comes back as values. The same inputs give the same outputs.
//!
//! * [`kubelet`]: one node's kubelet, as far as pulling images, starting containers, writing pod
//!   statuses and ending pods go.
//! * [`registry`]: what the pulls of each image do, as data.
//! * [`store`]: what the cluster keeps, with its versions and changes.
//! * [`patch`]: how an API server applies patches.
//! * [`random`]: histories of such a cluster out of a seed, with [`chance`].
//! * [`api`]: an API server over the store, as requests and answers.
//! * [`policies`]: what our CRD says, for that server.
//! * [`world`]: the cluster in memory: all actors on one store, with Dislodge among them.

pub mod api;
pub mod chance;
pub mod kubelet;
pub mod patch;
pub mod policies;
pub mod random;
mod reference;
pub mod registry;
pub mod store;
pub mod world;
