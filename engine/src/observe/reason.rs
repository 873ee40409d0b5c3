//! From one container's status to how its image stands.

use super::{Failure, Standing, message, reference};
use crate::cause::Cause;
use crate::objects::{Container, ContainerStatus, ImageVolume};

/// What the status of `container` says, and about which image: its own, or that of a volume which
/// the words name.
pub(super) fn read<'a>(
    container: &'a Container,
    volumes: impl Iterator<Item = &'a ImageVolume>,
    status: Option<&ContainerStatus>,
    blocked: bool,
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
            _ => Standing::Pulled,
        };
        return (own, standing);
    };

    let about = volumes
        .map(|volume| volume.reference.as_str())
        .find(|volume| *volume != own && reference::is_named(text, volume))
        .unwrap_or(own);
    if reference::names_another(text, about) {
        return (about, Standing::Unclear);
    }
    (about, shape.standing(reason, text, about))
}

/// The three ways in which the kubelet tells of an image failure.
enum Shape {
    Once,
    Window,
    BackOff,
}

impl Shape {
    /// Kubelet: `pkg/kubelet/images/types.go` and `cri-api/pkg/errors`. From 1.33 on a raw error
    /// can stand in place of a reason, equal to the message: the pull secret cannot be read.
    fn of(reason: &str, text: &str) -> Option<Self> {
        match reason {
            "ErrImagePull"
            | "RegistryUnavailable"
            | "SignatureValidationFailed"
            | "ImageInspectError" => Some(Self::Window),
            "ImagePullBackOff" => Some(Self::BackOff),
            "InvalidImageName" | "ErrImageNeverPull" => Some(Self::Once),
            sentence if sentence.contains(' ') && sentence == text => Some(Self::Once),
            _ => None,
        }
    }

    fn standing(&self, reason: &str, text: &str, image: &str) -> Standing {
        let failure = |cause| Failure { cause };
        match self {
            Self::Once => Standing::Once(failure(match reason {
                "InvalidImageName" => Cause::InvalidReference,
                "ErrImageNeverPull" => Cause::NeverPullAbsent,
                _ => Cause::Unknown,
            })),
            Self::Window => Standing::Window(failure(message::cause(text, image))),
            Self::BackOff => Standing::BackOff(
                message::repeated(text).map(|t| failure(message::cause(t, image))),
            ),
        }
    }
}
