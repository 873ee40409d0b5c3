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
