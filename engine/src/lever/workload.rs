//! Kueue's Workload: `spec.active` (Kueue: concepts/workload "Active"; `kueuectl stop workload`
//! does the same merge patch). The quota leaves Kueue's cache at the watch event of this change.

use serde_json::{Value, json};

use super::Lever;
use crate::effect::{Target, TargetKind};
use crate::objects::{Meta, Workload};

impl Lever for Workload {
    fn target(&self) -> Target {
        Target {
            kind: TargetKind::Workload,
            key: self.metadata.key(),
            uid: self.metadata.uid,
            resource_version: Some(self.metadata.resource_version.clone()),
        }
    }

    fn meta(&self) -> &Meta {
        &self.metadata
    }

    fn is_stopped(&self) -> bool {
        !self.is_active()
    }

    fn asks(&self) -> Option<String> {
        let requests = self.reserved().filter(|_| !self.spec.may_shrink)?.requests();
        // The hold itself makes the next generation of the spec.
        (!requests.is_unknown()).then(|| requests.note(self.metadata.generation + 1))
    }

    fn knows_asks(&self) -> bool {
        let reserved = self.reserved().filter(|_| !self.spec.may_shrink);
        reserved.is_some_and(|reserved| !reserved.requests().is_unknown())
    }

    fn set_stopped(&self, stopped: bool) -> Value {
        json!({ "spec": { "active": !stopped } })
    }
}
