//! What a mistaken process makes of what it has decided to do.

use dislodge_engine::effect::{Effect, Outcome, Part, TargetKind, Verb};
use dislodge_engine::input::Input;
use serde_json::Value;

use super::{Mistake, Mistaken};
use crate::world::server::Write;

/// So often a write is tried that is not waited with.
const TRIES: u64 = 60;

impl Mistaken {
    /// What the process does in place of an effect; nothing counts as done.
    pub(in crate::world) fn writes(&mut self, effect: Effect) -> Vec<Write> {
        use Mistake::{
            DeletesWithoutCondition, LeavesConditions, MarksWithoutDeleting, NeverFinishes,
            NeverPublishes, NeverReturns, NeverTellsOwners, SkipsReservations,
        };
        let left_out = match (&effect, self.which) {
            (Effect::Explain { .. }, NeverTellsOwners)
            | (Effect::Publish(_), NeverPublishes)
            | (Effect::Reserve { .. }, SkipsReservations)
            | (Effect::ClearPod { .. }, LeavesConditions)
            | (Effect::Lever { verb: Verb::Finish, .. }, NeverFinishes) => true,
            (Effect::Lever { verb: Verb::Resume, patch, .. }, NeverReturns) => {
                !patch.body.to_string().contains(dislodge_engine::keys::RESUMED)
            }
            _ => false,
        };
        if left_out {
            return Vec::new();
        }
        if let (Effect::WriteStatus { .. }, Mistake::WritesUnchangedStatus) = (&effect, self.which)
        {
            self.status = Some(effect.clone());
        }
        let verb = if let Effect::Lever { verb, .. } = &effect { Some(*verb) } else { None };
        let mut writes = Write::all(effect);
        match self.which {
            DeletesWithoutCondition if writes.len() > 1 => {
                writes.retain(|write| matches!(write, Write::Delete(_)));
            }
            MarksWithoutDeleting => writes.retain(|write| !matches!(write, Write::Delete(_))),
            _ => {}
        }
        for write in &mut writes {
            self.alter(write, verb);
        }
        writes
    }

    fn alter(&mut self, write: &mut Write, verb: Option<Verb>) {
        match (write, self.which) {
            (Write::Patch(target, _), Mistake::DropsVersions) if verb.is_some() => {
                target.resource_version = None;
            }
            (Write::Patch(target, _) | Write::Delete(target), Mistake::DropsVersionsOfPods)
                if target.kind == TargetKind::Pod =>
            {
                target.resource_version = None;
            }
            (Write::Patch(_, patch), Mistake::HoldsWithoutMark) if verb == Some(Verb::Hold) => {
                without_marks(&mut patch.body);
            }
            (Write::Patch(_, patch), Mistake::NeverClearsMarks)
                if matches!(verb, Some(Verb::Resume | Verb::Clear)) =>
            {
                without_marks(&mut patch.body);
            }
            (Write::Patch(_, patch), Mistake::SetsFailureTargetAlone)
                if verb == Some(Verb::Finish) && patch.part == Part::Status =>
            {
                let conditions = patch.body.pointer_mut("/status/conditions");
                if let Some(conditions) = conditions.and_then(Value::as_array_mut) {
                    conditions.retain(|condition| condition["type"] != "Failed");
                }
            }
            (Write::Publish(event), Mistake::PublishesUnderNewNames) => {
                self.times += 1;
                event.name = format!("{}.{}", event.name, self.times);
            }
            _ => {}
        }
    }

    /// What the process writes without being asked to, after an input.
    pub(in crate::world) fn more(&mut self, input: &Input) -> Option<Write> {
        let idle = matches!(input, Input::Leadership(Some(_)));
        let status = self.status.clone().filter(|_| idle)?;
        Write::all(status).pop()
    }

    /// Whether a write with that outcome is tried again at once.
    pub(in crate::world) const fn tries_again(&mut self, outcome: Outcome) -> bool {
        let refused = matches!(
            outcome,
            Outcome::Unavailable | Outcome::Throttled | Outcome::Conflict | Outcome::Forbidden
        );
        if !refused || !matches!(self.which, Mistake::RetriesWithoutPause) {
            return false;
        }
        self.times += 1;
        !self.times.is_multiple_of(TRIES)
    }
}

fn without_marks(body: &mut Value) {
    if let Some(metadata) = body.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("annotations");
    }
}
