//! Whether an image is on the node, may be pulled, and what a pull came to (kubelet:
//! pkg/kubelet/images/image_manager.go `EnsureImageExists`).

use std::sync::Arc;
use std::time::Duration;

use super::output::{Event, EventKind, Output};
use super::pod::PullPolicy;
use super::status::Waiting;
use super::worker::Worker;
use super::{Node, Version};
use crate::reference::Reference;
use crate::registry::Pull;

/// An image that a container or an image volume needs.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) image: Arc<str>,
    pub(super) policy: PullPolicy,
    /// The container that events are about.
    pub(super) container: Option<Arc<str>>,
}

/// What is known without waiting.
#[derive(Debug, Clone)]
pub(super) enum Ensured {
    Present,
    Refused(Waiting),
    Pulling { until: Option<Duration>, pull: Pull },
}

impl Worker {
    /// Looks for an image, and begins to pull it where that is needed and allowed.
    pub(super) fn ensure(
        &mut self,
        now: Duration,
        wanted: &Wanted,
        node: &mut Node<'_>,
    ) -> Ensured {
        let image = &*wanted.image;
        if let Err(error) = Reference::parse(image) {
            let message: Arc<str> = format!(
                "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": {error}"
            )
            .into();
            self.event(wanted, EventKind::InspectFailed, message.clone(), node);
            return Ensured::Refused(Waiting::new("InvalidImageName", message));
        }
        if wanted.policy != PullPolicy::Always && node.images.contains(image) {
            let message = format!("Container image \"{image}\" already present on machine");
            self.event(wanted, EventKind::Pulled, message, node);
            return Ensured::Present;
        }
        if wanted.policy == PullPolicy::Never {
            let message: Arc<str> =
                format!("Container image \"{image}\" is not present with pull policy of Never")
                    .into();
            self.event(wanted, EventKind::ErrImageNeverPull, message.clone(), node);
            return Ensured::Refused(Waiting::new("ErrImageNeverPull", message));
        }
        if self.pulls.holds_since_update(image, now) {
            let (event, waiting) = match self.pull_errors.get(image) {
                Some((event, waiting)) => (Arc::clone(event), waiting.clone()),
                None => back_off(image, None),
            };
            self.event(wanted, EventKind::BackOff, event, node);
            return Ensured::Refused(waiting);
        }
        let pull = node.registry.pull(&self.pod.key.uid, image);
        let after = match &pull {
            Pull::SecretUnreadable { message } => {
                return Ensured::Refused(Waiting::new(message.as_str(), message.as_str()));
            }
            Pull::Succeeds { after } | Pull::Fails { after, .. } => Some(*after),
            Pull::Hangs => None,
        };
        self.pull_errors.remove(image);
        self.event(wanted, EventKind::Pulling, format!("Pulling image \"{image}\""), node);
        Ensured::Pulling { until: after.map(|after| now + node.config.timing.scale(after)), pull }
    }

    /// A pull has ended at `now`.
    pub(super) fn pulled(
        &mut self,
        now: Duration,
        wanted: &Wanted,
        pull: &Pull,
        node: &mut Node<'_>,
    ) -> Result<(), Waiting> {
        let image = &*wanted.image;
        let Pull::Fails { message, .. } = pull else {
            node.images.insert(image.to_owned());
            self.event(
                wanted,
                EventKind::Pulled,
                format!("Successfully pulled image \"{image}\""),
                node,
            );
            return Ok(());
        };
        self.event(
            wanted,
            EventKind::Failed,
            format!("Failed to pull image \"{image}\": {message}"),
            node,
        );
        self.pulls.next(image, now);
        let error = evaluate(image, message);
        let cause = (node.config.version >= Version::V1_32).then_some(&error);
        self.pull_errors.insert(Arc::clone(&wanted.image), back_off(image, cause));
        Err(error)
    }

    pub(super) fn event(
        &self,
        wanted: &Wanted,
        kind: EventKind,
        message: impl Into<Arc<str>>,
        node: &mut Node<'_>,
    ) {
        let message = message.into();
        let (pod, container) = (self.pod.key.clone(), wanted.container.clone());
        node.outputs.push(Output::Event(Event { pod, container, kind, message }));
    }
}

/// What is said while a pull is not tried again: by an event, and by the container's state.
fn back_off(image: &str, cause: Option<&Waiting>) -> (Arc<str>, Waiting) {
    let event: Arc<str> = format!("Back-off pulling image \"{image}\"").into();
    let message = match cause {
        Some(cause) => format!("{event}: {}: {}", cause.reason, cause.message).into(),
        None => Arc::clone(&event),
    };
    (event, Waiting::new("ImagePullBackOff", message))
}

/// The reason of an error: two words at its beginning are reasons of their own (`evalCRIPullErr`).
fn evaluate(image: &str, message: &str) -> Waiting {
    let reasons = [
        ("RegistryUnavailable", "the registry is unavailable"),
        ("SignatureValidationFailed", "the signature validation failed"),
    ];
    for (reason, because) in reasons {
        if let Some(detail) = message.strip_prefix(reason) {
            return Waiting::new(
                reason,
                format!("image pull failed for {image} because {because}{detail}"),
            );
        }
    }
    Waiting::new("ErrImagePull", message)
}

/// The `imageID` that a pulled image is published with.
pub(super) fn image_id(image: &str) -> Arc<str> {
    let digest = |seed: u64| {
        image
            .bytes()
            .fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    };
    let repository = Reference::parse(image).map_or_else(
        |_| image.to_owned(),
        |reference| format!("{}/{}", reference.host, reference.repository),
    );
    let [a, b, c, d] = [digest(1), digest(2), digest(3), digest(4)];
    format!("{repository}@sha256:{a:016x}{b:016x}{c:016x}{d:016x}").into()
}
