//! What the kubelet wants to have done.

use std::sync::Arc;

use super::pod::PodKey;
use super::status::PodStatus;

/// A request of the kubelet to the API server, in the order of the outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Patch `pods/status`: the phase, the container statuses and the kubelet's own conditions
    /// are set, conditions of other types stay as they are.
    ///
    /// A write that fails need not be repeated: report the pod as the API server shows it, and
    /// the kubelet writes again at its next comparison.
    WriteStatus {
        /// Whose status.
        pod: PodKey,
        /// The whole status.
        status: Arc<PodStatus>,
    },
    /// Delete the pod with grace period 0 and its uid as precondition: it has ended. It is asked
    /// for once; the driver repeats what fails.
    Delete {
        /// Which pod.
        pod: PodKey,
    },
    /// Record an event on the pod; nothing depends on it.
    Event(Event),
}

/// A core/v1 Event of the kubelet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The pod it is about.
    pub pod: PodKey,
    /// The container it is about; `None` where it is about an image volume.
    pub container: Option<Arc<str>>,
    /// Its type and reason.
    pub kind: EventKind,
    /// Its message.
    pub message: Arc<str>,
}

/// Type and reason of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Normal: a pull begins.
    Pulling,
    /// Normal: the image is on the node.
    Pulled,
    /// Normal: the container runs.
    Started,
    /// Normal: a pull is not tried yet. Warning with the same reason: a restart is not.
    BackOff,
    /// Warning: a pull or a start failed.
    Failed,
    /// Warning: the image is absent and must not be pulled.
    ErrImageNeverPull,
    /// Warning: the image's name cannot be read.
    InspectFailed,
    /// Normal: a container is being ended.
    Killing,
}

impl EventKind {
    /// `reason` in the API.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Pulling => "Pulling",
            Self::Pulled => "Pulled",
            Self::Started => "Started",
            Self::BackOff => "BackOff",
            Self::Failed => "Failed",
            Self::ErrImageNeverPull => "ErrImageNeverPull",
            Self::InspectFailed => "InspectFailed",
            Self::Killing => "Killing",
        }
    }

    /// `type` in the API: `Normal` or `Warning`.
    pub const fn severity(self) -> &'static str {
        match self {
            Self::Pulling | Self::Pulled | Self::Started | Self::BackOff | Self::Killing => {
                "Normal"
            }
            Self::Failed | Self::ErrImageNeverPull | Self::InspectFailed => "Warning",
        }
    }
}
