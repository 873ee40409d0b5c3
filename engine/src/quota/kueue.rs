//! Kueue counts the quota: the Workload's `QuotaReserved` (Kueue: `workload_types.go`).

use super::{Admission, Foreign, QuotaView};
use crate::keys;
use crate::objects::{Key, Workload};
use crate::resolve::Queue;

impl QuotaView for Workload {
    fn queue(&self) -> Queue {
        Queue::Local(Key::new(self.metadata.namespace.clone(), self.spec.queue_name.clone()))
    }

    fn admission(&self) -> Admission {
        if self.metadata.labels.contains_key(keys::KUEUE_ORIGIN) {
            return Admission::Foreign(Foreign::MultiKueueWorker);
        }
        let stopping = !self.is_active()
            || self.is_evicted()
            || self.is_finished()
            || self.metadata.deletion_timestamp.is_some();
        match self.quota_reserved_since() {
            Some(since) if !stopping => Admission::Since(since),
            _ => Admission::None,
        }
    }

    fn is_released(&self) -> bool {
        self.quota_reserved_since().is_none()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn admission(change: &Value) -> String {
        let condition = |kind: &str| {
            json!({"type": kind, "status": "True", "reason": kind, "message": "",
                   "lastTransitionTime": "2026-11-24T08:10:00Z"})
        };
        let mut workload = json!({
            "metadata": {"name": "w", "namespace": "a", "uid": "1"},
            "spec": {"queueName": "gpu", "active": change["active"] != json!(false)},
            "status": {"conditions": [condition("QuotaReserved")]},
        });
        for kind in change["also"].as_array().into_iter().flatten() {
            let conditions = workload["status"]["conditions"].as_array_mut().unwrap();
            conditions.push(condition(kind.as_str().unwrap()));
        }
        for (field, value) in change["metadata"].as_object().into_iter().flatten() {
            workload["metadata"][field] = value.clone();
        }
        match serde_json::from_value::<Workload>(workload).unwrap().admission() {
            Admission::Since(at) => at.to_string(),
            Admission::None => "none".to_owned(),
            Admission::Foreign(why) => format!("{why:?}"),
        }
    }

    #[test]
    fn whoever_is_being_stopped_holds_no_quota_that_could_be_given_back() {
        for (change, expected) in [
            (json!({}), "2026-11-24T08:10:00Z"),
            // Kueue takes the quota away only when the Pods are gone.
            (json!({"also": ["Evicted"]}), "none"),
            (json!({"also": ["Evicted", "Preempted"]}), "none"),
            (json!({"also": ["Finished"]}), "none"),
            (json!({"active": false}), "none"),
            (json!({"metadata": {"deletionTimestamp": "2026-11-24T08:11:00Z"}}), "none"),
            (
                json!({"metadata": {"labels": {"kueue.x-k8s.io/multikueue-origin": "m"}}}),
                "MultiKueueWorker",
            ),
        ] {
            assert_eq!(admission(&change), expected, "{change}");
        }
    }
}
