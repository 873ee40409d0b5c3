//! From one container's status to how its image stands.

use super::{Failure, Reading, Readings, Standing, reference};
use crate::cause::Cause;
use crate::message;
use crate::objects::{Container, ContainerStatus, ImageVolume};

/// What the status of `container` says, and about which image: its own, or that of a volume which
/// the words name.
pub(super) fn read<'a>(
    container: &'a Container,
    volumes: impl Iterator<Item = &'a ImageVolume>,
    status: Option<&ContainerStatus>,
    blocked: bool,
    readings: &mut Readings,
) -> (&'a str, Standing) {
    let own = container.image.as_str();
    let idle = if blocked { Standing::Blocked } else { Standing::Wanted };
    let Some(status) = status else { return (own, idle) };
    let Some(waiting) = &status.state.waiting else {
        let started = status.state.running.is_some() || status.state.terminated.is_some();
        return (own, if started { Standing::Pulled } else { idle });
    };
    let (reason, text) = (waiting.reason.as_str(), waiting.message.as_str());
    let Some(shape) = Shape::of(reason, text) else {
        let standing = match reason {
            "ContainerCreating" | "PodInitializing" | "" if status.image_id.is_empty() => idle,
            "CrashLoopBackOff" => Standing::Crashing,
            _ if AFTER_PULL.contains(&reason) || !status.image_id.is_empty() => Standing::Pulled,
            _ => Standing::Unclear,
        };
        return (own, standing);
    };

    let about = volumes
        .map(|volume| volume.reference.as_str())
        .find(|volume| *volume != own && reference::is_named(text, volume))
        .unwrap_or(own);
    let says = readings.0.get([reason, text, about], || {
        if reference::names_another(text, about) {
            Reading::OfAnother
        } else if matches!(shape, Shape::BackOff) && message::repeated(text).is_none() {
            Reading::Why(None)
        } else {
            let cause = message::read(Some(reason), text, Some(about)).cause;
            Reading::Why(Some(cause.unwrap_or(Cause::Unknown)))
        }
    });
    match says {
        Reading::OfAnother => (about, Standing::Unclear),
        Reading::Why(cause) => (about, shape.standing(cause.map(|cause| Failure { cause }))),
    }
}

/// Kubelet: reasons of containers whose image is on the node: it is pulled before all else
/// (pkg/kubelet/kuberuntime/kuberuntime_container.go `startContainer`).
const AFTER_PULL: [&str; 8] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "PreCreateHookError",
    "PreStartHookError",
    "PostStartHookError",
    "RunContainerError",
    "RestartingAllContainers",
    "StartError",
];

/// The ways in which the kubelet tells of an image failure.
#[derive(Clone, Copy)]
enum Shape {
    Once,
    Unasked,
    Window,
    BackOff,
}

impl Shape {
    /// Kubelet: `pkg/kubelet/images/types.go` and `cri-api/pkg/errors`. From 1.33 on a raw error
    /// can stand in place of a reason: equal to the message where the pull secret cannot be read,
    /// and where the kubelet cannot note that it pulls (KEP-2535).
    fn of(reason: &str, text: &str) -> Option<Self> {
        match reason {
            "ErrImagePull" | "RegistryUnavailable" | "SignatureValidationFailed" => {
                Some(Self::Window)
            }
            "ImageInspectError" => Some(Self::Unasked),
            "ImagePullBackOff" => Some(Self::BackOff),
            "InvalidImageName" | "ErrImageNeverPull" => Some(Self::Once),
            sentence
                if sentence.contains(' ')
                    && (sentence == text
                        || sentence.starts_with("failed to record image pull intent")) =>
            {
                Some(Self::Once)
            }
            _ => None,
        }
    }

    /// `None`: the words do not say why.
    fn standing(self, failure: Option<Failure>) -> Standing {
        let Some(failure) = failure else { return Standing::BackOff(None) };
        match self {
            Self::Once => Standing::Once(failure),
            // CRI-O: a short name that it may not complete. It is asked for again and again, and
            // the answer stays the same.
            Self::Unasked if failure.cause == Cause::InvalidReference => Standing::Once(failure),
            Self::Unasked => Standing::Unasked(failure),
            Self::Window => Standing::Window(failure),
            Self::BackOff => Standing::BackOff(Some(failure)),
        }
    }
}
