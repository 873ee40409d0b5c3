//! Pulls that show nothing for long. They are never acted on: such a pull may well be running. People
//! read their number in status and metrics.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::engine::{Due, Engine};
use crate::objects::{Key, Uid};
use crate::quota::{QuotaView as _, Unmanaged};
use crate::resolve::Queue;
use crate::time::Now;

/// They are counted so often while they may become silent.
const COUNTS: u32 = 15;

/// Pulls that show nothing for long, as they were counted last.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// Some Pod waits for an image.
    pub(super) expected: bool,
    /// A count is due.
    counting: bool,
    /// Pods with an image that nothing has been said of for so long, by governed queue.
    pub(super) pulls: BTreeMap<Queue, u32>,
}

impl Engine {
    /// Has silent pulls counted, as long as there may be some.
    pub(super) fn expect_silence(&mut self, now: Now) {
        if self.silence.expected && !self.silence.counting {
            self.silence.counting = true;
            self.wake(now.elapsed + self.config.timing.silence / COUNTS, Due::Silence);
        }
    }

    /// Counts the silent pulls of all queues.
    pub(super) fn count_silence(&mut self, now: Now) {
        let silence = SignedDuration::try_from(self.config.timing.silence);
        let since = silence.ok().and_then(|silence| now.wall.checked_sub(silence).ok());
        let mut pulls = BTreeMap::new();
        self.silence.expected = false;
        for pod in self.index.pods() {
            let Some(quiet) = pod.trouble().and_then(|trouble| trouble.awaits_since) else {
                continue;
            };
            self.silence.expected = true;
            // What a node says that does not report is not believed, nor what it does not say.
            if since.is_some_and(|since| quiet <= since)
                && !self.silent_nodes.contains(&*pod.node)
                && let Some(queue) = self.queue_of(pod.job)
                && self.policies.governing(&queue).is_some()
            {
                *pulls.entry(queue).or_default() += 1;
            }
        }
        let changed = pulls != self.silence.pulls;
        let before = std::mem::replace(&mut self.silence.pulls, pulls);
        if changed {
            let queues = before.keys().chain(self.silence.pulls.keys());
            let policies = queues.filter_map(|queue| self.policies.governing(queue));
            self.dirty_policies.extend(policies.map(|policy| policy.policy.clone()));
        }
        self.silence.counting = false;
        self.expect_silence(now);
    }

    /// The silent pulls of the queues that a policy governs.
    pub(super) fn silent_pulls(&self, policy: &Key) -> u32 {
        let governed =
            |queue| self.policies.governing(queue).is_some_and(|by| by.policy == *policy);
        self.silence.pulls.iter().filter(|(queue, _)| governed(queue)).map(|(_, pulls)| pulls).sum()
    }

    /// The queue that a job stands in; `None` where no such job was seen.
    pub fn queue_of(&self, job: Uid) -> Option<Queue> {
        Some(match self.index.workload_of(job) {
            Some(workload) => workload.queue(),
            None => Unmanaged(&self.index.owner(job)?).queue(),
        })
    }
}
