//! The API server, as far as Dislodge writes: each write is refused or done as the real one would
//! (live.md 7, facts of `kube-rs.md`), on what is stored when it arrives.

use dislodge_engine::effect::{Effect, Event, Outcome, Part, Patch, Target, TargetKind};
use dislodge_engine::input::Kind;
use dislodge_engine::keys;
use dislodge_engine::objects::{Condition, Meta, Uid};
use serde_json::Value;

use super::World;
use super::object::{Object, holds};
use crate::store::Version;

/// One write, as it is sent: an effect may be several.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Write {
    /// A patch.
    Patch(Target, Patch),
    /// A deletion of a Pod as it was at that version.
    Delete(Target),
    /// An Event.
    Publish(Event),
    /// The status of a policy.
    Status(Target, Box<dislodge_engine::api::ImagePullPolicyStatus>),
    /// The budget of a policy.
    Reserve(Target, dislodge_engine::api::BudgetUse),
}

impl Write {
    /// The writes of an effect, in order. Each but the first is pinned to what the one before left.
    pub(super) fn all(effect: Effect) -> Vec<Self> {
        match effect {
            Effect::Lever { target, patch, .. }
            | Effect::ClearPod { target, patch }
            | Effect::Explain { target, patch } => vec![Self::Patch(target, patch)],
            Effect::EndPod { target, patches, .. } => {
                let patches = patches.into_iter().map(|patch| Self::Patch(target.clone(), patch));
                patches.chain([Self::Delete(target.clone())]).collect()
            }
            Effect::Publish(event) => vec![Self::Publish(event)],
            Effect::WriteStatus { target, status } => vec![Self::Status(target, status)],
            Effect::Reserve { target, budget } => vec![Self::Reserve(target, budget)],
        }
    }

    /// The object that is written to.
    pub(super) const fn target(&self) -> Option<&Target> {
        match self {
            Self::Patch(target, _)
            | Self::Delete(target)
            | Self::Status(target, _)
            | Self::Reserve(target, _) => Some(target),
            Self::Publish(_) => None,
        }
    }

    /// The same, to be changed.
    pub(super) const fn target_mut(&mut self) -> Option<&mut Target> {
        match self {
            Self::Patch(target, _)
            | Self::Delete(target)
            | Self::Status(target, _)
            | Self::Reserve(target, _) => Some(target),
            Self::Publish(_) => None,
        }
    }

    /// The same, whatever the version is.
    pub(super) fn unpinned(mut self) -> Self {
        if let Some(target) = self.target_mut() {
            target.resource_version = None;
        }
        self
    }

    /// The same, pinned to another version.
    pub(super) fn pinned_to(mut self, version: Version) -> Self {
        if let Self::Patch(target, _) | Self::Delete(target) = &mut self {
            target.resource_version = Some(version.0.to_string());
        }
        self
    }
}

/// The kind of a target, where the model has such objects.
const fn kind(kind: TargetKind) -> Option<Kind> {
    match kind {
        TargetKind::Workload => Some(Kind::Workload),
        TargetKind::Job => Some(Kind::Job),
        TargetKind::Pod => Some(Kind::Pod),
        TargetKind::Policy => Some(Kind::Policy),
        TargetKind::JobSet => None,
    }
}

impl World {
    /// A write arrives. Returns the version that it left, where it was done.
    pub(super) fn take_write(&mut self, write: &Write) -> Result<Version, Outcome> {
        if let Write::Publish(event) = write {
            return self.publish(event);
        }
        let Some(target) = write.target() else { return Err(Outcome::Rejected) };
        let Some(kind) = kind(target.kind) else { return Err(Outcome::Gone) };
        let Some(object) = self.get(kind, target.uid) else { return Err(Outcome::Gone) };
        let seen = target.resource_version.as_ref().map(|version| version.parse().map(Version));
        let seen = seen.transpose().map_err(|_| Outcome::Rejected)?;
        if seen
            .is_some_and(|seen| self.store.get(&(kind, target.uid)).is_some_and(|(v, _)| v != seen))
        {
            return Err(Outcome::Conflict);
        }
        let mut next = Object::clone(object);
        match write {
            Write::Patch(_, patch) => {
                apply(&mut next, patch)?;
                next.count_generation(object);
            }
            Write::Status(_, status) => {
                if let Object::Policy(policy) = &mut next {
                    let budget = policy.status.budget;
                    policy.status = (**status).clone();
                    policy.status.budget = budget;
                }
            }
            Write::Reserve(_, budget) => {
                if let Object::Policy(policy) = &mut next {
                    policy.status.budget = *budget;
                }
            }
            Write::Delete(_) => return self.delete_pod(target.uid, seen),
            Write::Publish(_) => {}
        }
        self.store.replace(&(kind, target.uid), seen, next).map_err(|_| Outcome::Conflict)
    }

    /// Somebody else writes to the object first: nobody meets a conflict without a newer version.
    pub(super) fn write_first(&mut self, write: &Write) {
        // A policy's budget is asked for anew at each version, without a pause: known, and left out.
        let target = write.target().filter(|target| target.kind != TargetKind::Policy);
        let found = target.and_then(|target| Some((kind(target.kind)?, target.uid)));
        if let Some((kind, uid)) = found {
            let next = self.store.version().0.to_string();
            self.change(kind, uid, |object| {
                object.meta_mut().annotations.insert("example.com/touched".to_owned(), next);
            });
        }
    }

    fn publish(&mut self, event: &Event) -> Result<Version, Outcome> {
        if self.history.told(self.now, event) {
            Ok(self.store.version())
        } else {
            Err(Outcome::AlreadyDone)
        }
    }

    fn delete_pod(&mut self, uid: Uid, seen: Option<Version>) -> Result<Version, Outcome> {
        let at = super::object::whole_seconds(self.wall());
        let Some(Object::Pod(pod)) = self.get(Kind::Pod, uid).map(|object| &**object) else {
            return Err(Outcome::Gone);
        };
        let mut pod = pod.clone();
        pod.seen.metadata.deletion_timestamp.get_or_insert(at);
        let done = self.store.replace(&(Kind::Pod, uid), seen, Object::Pod(pod));
        done.map_err(|_| Outcome::Conflict)
    }
}

/// Applies one of the patches that Dislodge writes; what it does not know, it refuses.
fn apply(object: &mut Object, patch: &Patch) -> Result<(), Outcome> {
    if let Some(annotations) =
        patch.body.pointer("/metadata/annotations").and_then(Value::as_object)
    {
        annotate(object.meta_mut(), annotations);
    }
    match (object, patch.part) {
        (Object::Workload(workload), Part::Main) => {
            if let Some(active) = patch.body.pointer("/spec/active").and_then(Value::as_bool) {
                workload.seen.spec.active = Some(active);
            }
            Ok(())
        }
        (Object::Job(job), Part::Main) => {
            if let Some(suspend) = patch.body.pointer("/spec/suspend").and_then(Value::as_bool) {
                job.seen.spec.suspend = suspend;
            }
            Ok(())
        }
        (Object::Job(job), Part::Status) => {
            let status = &mut job.seen.status;
            for condition in list(&patch.body, "/status/conditions") {
                let read = serde_json::from_value::<Condition>(condition.clone());
                let read = read.map_err(|_| Outcome::Rejected)?;
                status.conditions.retain(|known| known.kind != read.kind);
                status.conditions.push(read);
            }
            let start = patch.body.pointer("/status/startTime").and_then(Value::as_str);
            if let Some(start) = start.and_then(|text| text.parse().ok()) {
                status.start_time = Some(start);
            }
            // Kubernetes: `validateJobStatus`.
            let ended =
                holds(&status.conditions, "Failed") || holds(&status.conditions, "Complete");
            let refused = ended
                && (status.start_time.is_none() || status.active > 0 || status.terminating > 0);
            if refused { Err(Outcome::Rejected) } else { Ok(()) }
        }
        (Object::Pod(pod), Part::Status) => {
            for condition in list(&patch.body, "/status/conditions") {
                if condition["type"] == keys::POD_CONDITION {
                    let gone = condition["$patch"] == "delete";
                    let reason = condition["reason"].as_str().unwrap_or_default().to_owned();
                    pod.marked = (!gone).then_some(reason);
                    pod.seen.status.is_marked = !gone;
                }
            }
            Ok(())
        }
        (Object::Pod(_), Part::Main) => Ok(()),
        _ => Err(Outcome::Rejected),
    }
}

fn annotate(meta: &mut Meta, annotations: &serde_json::Map<String, Value>) {
    for (key, value) in annotations {
        match value.as_str() {
            Some(text) => meta.annotations.insert(key.as_str(), text),
            None => meta.annotations.remove(key),
        }
    }
}

fn list<'a>(body: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    body.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}
