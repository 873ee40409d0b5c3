//! What a node has asked of the API server, for tests that compare with it.

use std::sync::{Arc, Mutex, PoisonError};

use dislodge_sim::kubelet::{PodKey, PodStatus};
use jiff::Timestamp;

/// One request of the kubelet about a pod, with its exact times: those in the API are whole seconds.
#[derive(Debug, Clone)]
pub struct Written {
    /// Which pod.
    pub pod: PodKey,
    /// What was asked.
    pub asked: Asked,
    /// When the kubelet wanted it.
    pub decided: Timestamp,
    /// When the API server had answered.
    pub answered: Timestamp,
    /// The answer.
    pub outcome: Outcome,
}

/// What a kubelet asks about a pod, events aside.
#[derive(Debug, Clone)]
pub enum Asked {
    /// A patch of `pods/status`.
    Status(Arc<PodStatus>),
    /// A deletion with grace period 0.
    Delete,
}

/// How a request ended. One that failed for a moment was repeated, and is here once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// The pod is gone, or another one has its name.
    Gone,
    /// It was refused, with the error's text.
    Refused(String),
}

/// The list, which the node's tasks and the test share.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    list: Arc<Mutex<Vec<Written>>>,
}

impl History {
    pub(super) fn add(&self, written: Written) {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).push(written);
    }

    pub(super) fn all(&self) -> Vec<Written> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
