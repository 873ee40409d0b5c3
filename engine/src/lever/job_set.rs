//! A JobSet that no queue system manages: `spec.suspend`. Its controller puts back at once what is
//! done to one of its Jobs (queues.md 0.9), so that the whole is stopped.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Lever;
use crate::effect::{Merge, Part, Patch, Target, TargetKind};
use crate::objects::{JobSet, Meta};

/// Ends a JobSet that we hold as failed, whatever its failure policy: final, also where Kueue has
/// suspended it (live.md 7.5). Custom resources know no strategic merge: the conditions that are there are
/// written once more.
pub(super) fn finish_patch(set: &JobSet, reason: &str, message: &str, now: Timestamp) -> Patch {
    let failed = json!({"type": "Failed", "status": "True", "reason": reason, "message": message,
                        "lastTransitionTime": now});
    let others = set.status.conditions.iter().filter(|c| c["type"] != "Failed");
    let conditions: Vec<Value> = others.cloned().chain([failed]).collect();
    let body = json!({"status": {"conditions": conditions, "terminalState": "Failed"}});
    Patch { merge: Merge::Json, part: Part::Status, body }
}

impl Lever for JobSet {
    fn target(&self) -> Target {
        Target {
            kind: TargetKind::JobSet,
            key: self.metadata.key(),
            uid: self.metadata.uid,
            resource_version: Some(self.metadata.resource_version.clone()),
        }
    }

    fn meta(&self) -> &Meta {
        &self.metadata
    }

    fn is_stopped(&self) -> bool {
        self.spec.suspend
    }

    fn set_stopped(&self, stopped: bool) -> Value {
        json!({ "spec": { "suspend": stopped } })
    }
}
