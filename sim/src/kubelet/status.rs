//! The part of a pod's status that the kubelet owns.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::pod::ContainerKind;

/// `status` of a pod, without what plays no part here (addresses, resources, QoS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodStatus {
    /// `phase`
    pub phase: Phase,
    /// `observedGeneration`
    pub observed_generation: i64,
    /// `startTime`: when the kubelet saw the pod first.
    pub start_time: Duration,
    /// The four conditions that the kubelet owns; those of others are never in here and must be
    /// left alone by whoever writes this.
    pub conditions: Vec<Condition>,
    /// `initContainerStatuses` in the order of the spec, then `containerStatuses` by name.
    pub containers: Vec<ContainerStatus>,
}

impl PodStatus {
    /// The status of one container.
    pub fn container(&self, name: &str) -> Option<&ContainerStatus> {
        self.containers.iter().find(|container| *container.name == *name)
    }

    /// The condition of one type.
    pub fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Whether both say the same about the pod: phase, state of the conditions, and name, image and
    /// state of the containers. Times, the observed generation and texts of conditions do not count.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let same_condition = |own: &Condition| {
            other.condition(own.kind).is_some_and(|theirs| theirs.status == own.status)
        };
        self.phase == other.phase
            && self.conditions.len() == other.conditions.len()
            && self.conditions.iter().all(same_condition)
            && self.containers.len() == other.containers.len()
            && self.containers.iter().zip(&other.containers).all(|(a, b)| a.says_the_same(b))
    }
}

/// `status.phase`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not all containers have been started.
    Pending,
    /// All have been, and at least one runs or will be started again.
    Running,
    /// All have ended with exit code 0 and stay so.
    Succeeded,
    /// All have ended, and one in failure.
    Failed,
}

impl Phase {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }

    /// Whether the pod has ended for good.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// The types of conditions that the kubelet owns (kubelet: types/pod_status.go).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionType {
    /// The sandbox is there and has an address.
    PodReadyToStartContainers,
    /// All init containers are done, all sidecars started.
    Initialized,
    /// The pod is ready.
    Ready,
    /// All containers are ready.
    ContainersReady,
}

impl ConditionType {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PodReadyToStartContainers => "PodReadyToStartContainers",
            Self::Initialized => "Initialized",
            Self::Ready => "Ready",
            Self::ContainersReady => "ContainersReady",
        }
    }
}

/// An entry of `status.conditions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `type`
    pub kind: ConditionType,
    /// `status`: `True` or `False`.
    pub status: bool,
    /// `reason`; empty where there is none.
    pub reason: Cow<'static, str>,
    /// `message`; empty where there is none.
    pub message: String,
    /// `lastTransitionTime`
    pub since: Duration,
}

/// An entry of `initContainerStatuses` or `containerStatuses`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerStatus {
    /// `name`
    pub name: Arc<str>,
    /// Which of the two lists it belongs to: `Init` and `Sidecar` to the first.
    pub kind: ContainerKind,
    /// `image`: as in the spec.
    pub image: Arc<str>,
    /// `imageID`; empty before the first start.
    pub image_id: Arc<str>,
    /// `state`
    pub state: ContainerState,
    /// `lastState.terminated`
    pub last_terminated: Option<Terminated>,
    /// `ready`
    pub ready: bool,
    /// `started`
    pub started: bool,
    /// `restartCount`
    pub restart_count: u32,
}

impl ContainerStatus {
    fn says_the_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.image == other.image
            && self.state.says_the_same(&other.state)
    }
}

/// `state` of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerState {
    /// `waiting`
    Waiting(Waiting),
    /// `running`
    Running {
        /// `startedAt`
        started_at: Duration,
    },
    /// `terminated`
    Terminated(Terminated),
}

impl ContainerState {
    /// The reason of a waiting or terminated container, `Running` of a running one.
    pub fn reason(&self) -> &str {
        match self {
            Self::Waiting(waiting) => &waiting.reason,
            Self::Running { .. } => "Running",
            Self::Terminated(terminated) => &terminated.reason,
        }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Waiting(a), Self::Waiting(b)) => a == b,
            (Self::Running { .. }, Self::Running { .. }) => true,
            (Self::Terminated(a), Self::Terminated(b)) => {
                (a.exit_code, &a.reason, &a.message) == (b.exit_code, &b.reason, &b.message)
            }
            _ => false,
        }
    }
}

/// `state.waiting`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// `reason`: the text of a Go error, normally one word but not always.
    pub reason: Arc<str>,
    /// `message`; empty where there is none.
    pub message: Arc<str>,
}

impl Waiting {
    pub(super) fn new(reason: impl Into<Arc<str>>, message: impl Into<Arc<str>>) -> Self {
        Self { reason: reason.into(), message: message.into() }
    }
}

/// `state.terminated`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminated {
    /// `exitCode`
    pub exit_code: i32,
    /// `reason`
    pub reason: String,
    /// `message`; empty where there is none.
    pub message: String,
    /// `startedAt`; `None` for a container that never started.
    pub started_at: Option<Duration>,
    /// `finishedAt`; `None` for a container that never started.
    pub finished_at: Option<Duration>,
}
