//! A Job that no queue system manages: `spec.suspend` (Kubernetes: KEP-2232). Its active Pods are
//! deleted and not counted as failures.

use serde_json::{Value, json};

use super::Lever;
use crate::effect::{Target, TargetKind};
use crate::objects::{Job, Meta};

impl Lever for Job {
    fn target(&self) -> Target {
        Target {
            kind: TargetKind::Job,
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
