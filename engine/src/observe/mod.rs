//! Step 1, observe: what one Pod says about its images, at one instant.
//!
//! The evidence is `waiting.reason` and `waiting.message` of init and regular containers. The
//! phase is none (kubelet.md 3.5: a re-pull can fail in phase `Running`), ephemeral containers
//! and mirror Pods are none either.

mod reason;
mod reference;

use jiff::Timestamp;
use smallvec::SmallVec;

use crate::cause::Cause;
use crate::keys;
use crate::memo::Memo;
use crate::objects::{Container, ContainerStatus, Pod};

pub use reference::registry_host;

/// What one Pod says about its images. Of a Pod with few images it is made without an allocation:
/// nearly all that a busy cluster sends is about Pods that are well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Observation<'p> {
    /// Each image that the spec names, once.
    pub images: SmallVec<[ImageSeen<'p>; 8]>,
    /// A regular container runs. Sidecars do not count: they run until the others have ended.
    pub running: bool,
    /// A container runs, a sidecar included, or a regular one has ended.
    pub started: bool,
    /// An init container has ended: the kubelet then publishes the first failure of the next
    /// image up to 15 s late (live.md 1).
    pub init_completed: bool,
    /// The containers wait, and no pull has been tried as far as the status says.
    pub creating: bool,
}

/// One image, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSeen<'p> {
    /// The image as the spec writes it.
    pub image: &'p str,
    /// The container whose status says so; the first of several.
    pub container: &'p str,
    /// How it stands.
    pub standing: Standing,
    /// Some container of it has `imagePullPolicy: Always`: that it started proves a pull.
    pub always: bool,
    /// When a container of it started last, by the node's clock, as far as the status says.
    pub started: Option<Timestamp>,
}

/// How an image stands in a Pod. Where containers share an image, the first of these that
/// applies to any of them holds (the kubelet keys its back-off by Pod and image).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Found bad before any pull; the kubelet writes this once and never again.
    Once(Failure),
    /// A pull has just failed.
    Window(Failure),
    /// The runtime could not be asked whether it has the image (`ImageInspectError`): no pull was
    /// tried, and the next sync may begin one.
    Unasked(Failure),
    /// The kubelet waits before the next pull, or runs it: the status is frozen meanwhile. From
    /// 1.32 on the message repeats why the last one failed.
    BackOff(Option<Failure>),
    /// It is still to be pulled.
    Wanted,
    /// Its container waits for an init container that has not ended.
    Blocked,
    /// It is on the node.
    Pulled,
    /// The crash back-off hides what became of the last pull (live.md 0.10): it is asked before
    /// the next pull is, so the window before is over.
    Crashing,
    /// The status says nothing about it now: its words are about another image, or the spec has
    /// changed since.
    Unclear,
}

/// A failure, as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub cause: Cause,
}

impl Standing {
    fn rank(self) -> u8 {
        match self {
            Self::Window(_) => 0,
            Self::BackOff(Some(_)) => 1,
            Self::BackOff(None) => 2,
            Self::Unasked(_) => 3,
            Self::Wanted => 4,
            // Another container may well pull what this one may not (`imagePullPolicy: Never`).
            Self::Once(_) => 5,
            Self::Crashing => 6,
            Self::Unclear => 7,
            Self::Pulled => 8,
            Self::Blocked => 9,
        }
    }

    /// Whether the image is still to come: nothing says that its pull is not running, or hanging.
    pub fn is_awaited(self) -> bool {
        matches!(self, Self::Wanted | Self::Unasked(_) | Self::BackOff(_))
    }

    /// Whether a pull of the image may begin at any time, or be running already.
    pub fn may_be_pulled(self) -> bool {
        matches!(self, Self::Wanted | Self::Unasked(_) | Self::Unclear)
    }
}

/// What messages were found to say. A kubelet repeats what it says for as long as it waits, and all Pods of
/// an image say the same.
#[derive(Debug, Default)]
pub(crate) struct Readings(Memo<Reading>);

/// What a message says about one image.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading {
    /// It is about another one.
    OfAnother,
    /// Why its pull failed; `None` where a back-off does not say.
    Why(Option<Cause>),
}

/// Reads a Pod. `None` where it says nothing that counts: it is a mirror Pod, is being deleted, or
/// has ended. A status that is older than the spec says nothing of any image.
pub fn observe(pod: &Pod) -> Option<Observation<'_>> {
    observe_with(pod, &mut Readings::default())
}

/// The same, with what was read before.
pub(crate) fn observe_with<'p>(pod: &'p Pod, readings: &mut Readings) -> Option<Observation<'p>> {
    let meta = &pod.metadata;
    let said = &pod.status;
    if meta.deletion_timestamp.is_some()
        || matches!(said.phase.as_str(), "Succeeded" | "Failed")
        || meta.annotations.contains_key(keys::MIRROR_POD)
    {
        return None;
    }

    let mut seen = Observation::default();
    let mut blocked = false;
    let mut any_waiting = false;
    for container in &pod.spec.init_containers {
        let state = find(&said.init_container_statuses, container);
        let ended = state.is_some_and(|s| s.state.terminated.is_some());
        let running = state.is_some_and(|s| s.state.running.is_some());
        seen.init_completed |= ended;
        seen.started |= running;
        any_waiting |= state.is_some_and(|s| s.state.waiting.is_some());
        seen.add(pod, container, state, blocked, readings);
        blocked |= !(ended || container.is_sidecar() && running);
    }
    for container in &pod.spec.containers {
        let state = find(&said.container_statuses, container);
        seen.running |= state.is_some_and(|s| s.state.running.is_some());
        seen.started |=
            state.is_some_and(|s| s.state.running.is_some() || s.state.terminated.is_some());
        any_waiting |= state.is_some_and(|s| s.state.waiting.is_some());
        seen.add(pod, container, state, blocked, readings);
    }
    if said.observed_generation != 0 && said.observed_generation < meta.generation {
        seen.images.iter_mut().for_each(|image| image.standing = Standing::Unclear);
    }
    seen.creating = any_waiting
        && seen
            .images
            .iter()
            .all(|i| matches!(i.standing, Standing::Wanted | Standing::Blocked | Standing::Pulled));
    Some(seen)
}

fn find<'a>(statuses: &'a [ContainerStatus], container: &Container) -> Option<&'a ContainerStatus> {
    statuses.iter().find(|status| status.name == container.name)
}

impl<'p> Observation<'p> {
    /// Notes what a container says, about its own image and about images that it mounts.
    fn add(
        &mut self,
        pod: &'p Pod,
        container: &'p Container,
        status: Option<&ContainerStatus>,
        blocked: bool,
        readings: &mut Readings,
    ) {
        let volumes = pod.spec.volumes.iter().filter(|volume| volume.image.is_some());
        let images = volumes.clone().filter_map(|volume| volume.image.as_ref());
        let (about, standing) = reason::read(container, images, status, blocked, readings);
        let name = container.name.as_str();
        let started = status.and_then(|status| status.state.started());
        for volume in volumes {
            let mounted = container.volume_mounts.iter().any(|mount| mount.name == volume.name);
            let Some(volume) = volume.image.as_ref() else { continue };
            if !mounted && about != volume.reference {
                continue;
            }
            let its = if about == volume.reference {
                standing
            } else if standing == Standing::Pulled {
                Standing::Pulled
            } else if blocked {
                Standing::Blocked
            } else if about == container.image && standing != Standing::Wanted {
                // Volumes are pulled before the container's image (kubelet: SyncPod).
                Standing::Pulled
            } else {
                Standing::Wanted
            };
            self.put(&volume.reference, name, its, (volume.pull_policy == "Always", started));
        }
        let own = if about == container.image { standing } else { Standing::Blocked };
        self.put(&container.image, name, own, (container.image_pull_policy == "Always", started));
    }

    fn put(
        &mut self,
        image: &'p str,
        container: &'p str,
        standing: Standing,
        (always, started): (bool, Option<Timestamp>),
    ) {
        if let Some(known) = self.images.iter_mut().find(|known| known.image == image) {
            known.always |= always;
            known.started = known.started.max(started);
            if standing.rank() < known.standing.rank() {
                (known.standing, known.container) = (standing, container);
            }
        } else {
            self.images.push(ImageSeen { image, container, standing, always, started });
        }
    }
}

#[cfg(test)]
mod tests;
