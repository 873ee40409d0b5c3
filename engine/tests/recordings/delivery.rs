//! The ways in which the events of a Pod can reach a watcher.

use std::iter;

use crate::recording::Life;

/// One event, as it arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    /// Which event of the recording.
    pub(crate) event: usize,
    /// When, in milliseconds of the recording.
    pub(crate) at: u64,
    pub(crate) how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Watched,
    /// As the current state, in a list.
    Listed,
    /// In the first list of a new process, which reads the checkpoint that was written after that
    /// many deliveries and one.
    Restarted {
        checkpoint: usize,
    },
}

/// Events that arrive otherwise than they were recorded.
#[derive(Debug)]
pub(crate) struct Variation {
    /// So many events arrive as recorded.
    pub(crate) start: usize,
    /// All that arrives after them.
    pub(crate) then: Vec<Delivery>,
}

impl Life {
    /// Events as recorded, from one on.
    pub(crate) fn watched(&self, from: usize) -> impl Iterator<Item = Delivery> {
        let events = self.events.iter().enumerate().skip(from);
        events.map(|(event, seen)| Delivery { event, at: seen.at, how: How::Watched })
    }

    /// Times at which an event is still the newest: at once, a moment later, right before the next.
    fn times(&self, event: usize) -> Vec<u64> {
        let at = self.events[event].at;
        let end = self.events.get(event + 1).map_or(at + 20_000, |next| next.at);
        let last = end.saturating_sub(1).max(at);
        let mut times = vec![at, (at + 3_000).min(last), last];
        times.dedup();
        times
    }

    /// Something else comes in after an event, once for each event and time.
    fn interrupted(&self, how: impl Fn(usize) -> How) -> Vec<Variation> {
        let live = (0..self.events.len()).filter(|event| !self.events[*event].deleted);
        let deliveries = live.flat_map(|event| {
            let how = how(event);
            self.times(event).into_iter().map(move |at| Delivery { event, at, how })
        });
        deliveries.map(|delivery| self.after(delivery)).collect()
    }

    /// One more delivery among those that were recorded.
    fn after(&self, delivery: Delivery) -> Variation {
        let start = delivery.event + 1;
        Variation { start, then: iter::once(delivery).chain(self.watched(start)).collect() }
    }

    /// One event comes twice; and all do.
    pub(crate) fn repetitions(&self) -> Vec<Variation> {
        let mut variations = self.interrupted(|_| How::Watched);
        let all = self.watched(0).flat_map(|delivery| [delivery; 2]);
        variations.push(Variation { start: 0, then: all.collect() });
        variations
    }

    /// The current state is listed, with what was known of it kept.
    pub(crate) fn relists(&self) -> Vec<Variation> {
        self.interrupted(|_| How::Listed)
    }

    /// The watch breaks after one event and a list tells of a later one.
    pub(crate) fn gaps(&self) -> Vec<Variation> {
        let count = self.events.iter().filter(|event| !event.deleted).count();
        let pairs = (0..count).flat_map(|start| (start + 1..count).map(move |to| (start, to)));
        pairs
            .map(|(start, event)| {
                let listed = Delivery { event, at: self.events[event].at, how: How::Listed };
                let then = iter::once(listed).chain(self.watched(event + 1)).collect();
                Variation { start, then }
            })
            .collect()
    }

    /// What was known is lost after an event; the checkpoint has all of it.
    pub(crate) fn restarts(&self) -> Vec<Variation> {
        self.interrupted(|event| How::Restarted { checkpoint: event })
    }

    /// The same with each older checkpoint; `news` are the events that each brought a new one.
    pub(crate) fn late_restarts(&self, news: &[usize]) -> Vec<Variation> {
        let live = (0..self.events.len()).filter(|event| !self.events[*event].deleted);
        let restarts = live.flat_map(|event| {
            let before = news.iter().filter(move |checkpoint| **checkpoint < event);
            let at = self.events[event].at;
            before.map(move |checkpoint| Delivery {
                event,
                at,
                how: How::Restarted { checkpoint: *checkpoint },
            })
        });
        restarts.map(|delivery| self.after(delivery)).collect()
    }
}
