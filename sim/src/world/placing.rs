//! The scheduler: each Pod gets the node with the most free CPUs, or waits.

use std::collections::BTreeSet;
use std::time::Duration;

use dislodge_engine::input::Kind;
use dislodge_engine::objects::Uid;

use super::object::Object;
use super::{Id, World};
use crate::store::{Change, What};

/// From a change to a decision.
const WATCH: Duration = Duration::from_millis(10);

/// The scheduler.
#[derive(Debug, Default)]
pub(super) struct Scheduler {
    waiting: BTreeSet<Uid>,
    due: Option<Duration>,
}

impl Scheduler {
    pub(super) const fn due(&self) -> Option<Duration> {
        self.due
    }
}

impl World {
    pub(super) fn scheduler_sees(&mut self, change: &Change<Id, Object>) {
        let Object::Pod(pod) = &*change.object else { return };
        let uid = change.key.1;
        if change.what == What::Deleted || pod.has_ended() {
            self.placing.waiting.remove(&uid);
        } else if pod.seen.spec.node_name.is_empty() {
            self.placing.waiting.insert(uid);
        } else {
            return;
        }
        if !self.placing.waiting.is_empty() {
            self.placing.due = Some(self.now + WATCH);
        }
    }

    pub(super) fn scheduler_acts(&mut self) {
        self.placing.due = None;
        for uid in std::mem::take(&mut self.placing.waiting) {
            let Some(cpus) = self.pod(uid).map(|pod| pod.template.cpus) else { continue };
            let free =
                |node: &super::nodes::Node| node.cpus.saturating_sub(self.cpus_on(&node.name));
            let best = self.nodes.iter().map(|node| (free(node), node)).rev();
            let best = best.max_by_key(|(free, _)| *free).filter(|(free, _)| *free >= cpus);
            match best.map(|(_, node)| node.name.clone()) {
                Some(name) => self.change_pod(uid, |pod| pod.seen.spec.node_name = name),
                None => drop(self.placing.waiting.insert(uid)),
            }
        }
    }

    fn cpus_on(&self, node: &str) -> u32 {
        let pods = self.of_kind(Kind::Pod).filter_map(|(_, object)| object.as_pod());
        let there = pods.filter(|pod| pod.seen.spec.node_name == node && !pod.has_ended());
        there.map(|pod| pod.template.cpus).sum()
    }
}
