//! `observe` and `record`, driven as the engine drives them, with the time of the recording. Only
//! that the engine hands the counts of a Pod that has ended to its job: here they stay.

use std::sync::Arc;
use std::time::Duration;

use dislodge_engine::cause::Cause;
use dislodge_engine::objects::Pod;
use dislodge_engine::observe::{Observation, observe};
use dislodge_engine::record::{Arrival, PodHistory, Run, Runs, Step};
use dislodge_engine::time::Now;
use dislodge_engine::timing::Timing;

use crate::delivery::{Delivery, How, Variation};
use crate::recording::{Life, Truth, What};

pub(crate) const TIMING: Timing = Timing::kubelet();

/// What a Pod says; `None` where it says nothing that counts. Observed once for all the times that it
/// is delivered.
pub(crate) type Reading = Option<Observation<'static>>;

pub(crate) fn reading(pod: &'static Pod) -> Reading {
    observe(pod)
}

/// Image and count.
type Checkpoint = Arc<[(Arc<str>, Run)]>;

/// What is known of one Pod.
#[derive(Clone)]
pub(crate) struct Watcher {
    pub(crate) life: &'static Life,
    pub(crate) history: PodHistory,
    /// The failed pulls that were counted, in order.
    pub(crate) counted: Vec<Truth>,
    /// What a checkpoint held after each delivery.
    checkpoints: Vec<Checkpoint>,
}

impl Watcher {
    pub(crate) fn new(life: &'static Life) -> Self {
        let (history, counted, checkpoints) = (PodHistory::default(), Vec::new(), Vec::new());
        Self { life, history, counted, checkpoints }
    }

    /// After each event of the recording; the first has seen none.
    pub(crate) fn recorded(life: &'static Life) -> Vec<Self> {
        let mut states = vec![Self::new(life)];
        for delivery in life.watched(0) {
            let mut next = states[states.len() - 1].clone();
            next.deliver(delivery);
            states.push(next);
        }
        states
    }

    /// The events after which a checkpoint holds something new.
    pub(crate) fn news(&self) -> Vec<usize> {
        let held = &self.checkpoints;
        (0..held.len()).filter(|event| *event == 0 || held[event - 1] != held[*event]).collect()
    }

    pub(crate) fn deliver(&mut self, Delivery { event, at, how }: Delivery) {
        let event = &self.life.events[event];
        let now = self.now(at);
        let checkpoint = match how {
            How::Watched | How::Listed => None,
            How::Restarted { checkpoint } => {
                self.history = PodHistory::default();
                Some(Arc::clone(&self.checkpoints[checkpoint]))
            }
        };
        let wrote = event.pod.metadata.kubelet_wrote;
        let arrival = Arrival { listed: how != How::Watched, wrote };
        if event.deleted {
            self.history = PodHistory::default();
        } else if let Some(seen) = &event.reading {
            let steps = self.history.record(seen, arrival, now, &TIMING, |_| None);
            for (image, step) in steps {
                let Step::Failed { window } = step else { continue };
                let once = self.history.track(&image).is_some_and(|track| track.once.is_some());
                let what = if once && !window { What::Once } else { What::Failed };
                self.counted.push(Truth { at, image, what });
            }
            for (image, run) in checkpoint.iter().flat_map(|held| held.iter()) {
                let mut runs = Runs::of(*run);
                runs.cap(self.most(at));
                if let Some(place) = seen.images.iter().position(|seen| *seen.image == **image) {
                    self.history.restore(seen, place, runs);
                }
            }
        }
        let held = self.history.tracks().filter_map(|(image, track)| {
            Some((Arc::clone(image), track.runs.newest_of(&Cause::ALL)?))
        });
        self.checkpoints.push(held.collect());
    }

    /// The most failed pulls that the Pod can have at its age.
    fn most(&self, at: u64) -> u32 {
        let created = self.life.events[0].pod.metadata.creation_timestamp.unwrap();
        let age = Duration::try_from(self.life.wall(at).duration_since(created));
        TIMING.most_failed_pulls(age.unwrap_or_default())
    }

    /// How often something was delivered.
    pub(crate) fn deliveries(&self) -> usize {
        self.checkpoints.len()
    }

    pub(crate) fn failed_pulls(&self, image: &str) -> u32 {
        self.history.track(image).map_or(0, |track| track.runs.failed_pulls())
    }

    /// The image of which more is counted than is true, with both counts.
    pub(crate) fn excess(&self, at: u64) -> Option<(&str, u32, u32)> {
        let counts = self.history.tracks().map(|(image, track)| {
            (&**image, track.runs.failed_pulls(), self.life.failed_pulls(image, at))
        });
        counts.into_iter().find(|(_, counted, truth)| counted > truth)
    }

    /// Whether it is a safe moment to act on an image.
    pub(crate) fn is_open(&self, image: &str, at: u64) -> bool {
        self.history.moment(image, self.now(at), &TIMING).is_ok()
    }

    /// The image and time of a moment that the other watcher does not see, up to the next event.
    pub(crate) fn opened_beyond(
        &self,
        other: &Self,
        at: u64,
        until: Option<u64>,
    ) -> Option<(&str, u64)> {
        let images = self.history.tracks().map(|(image, _)| &**image);
        images
            .flat_map(|image| samples(at, until).map(move |at| (image, at)))
            .find(|(image, at)| self.is_open(image, *at) && !other.is_open(image, *at))
    }

    fn now(&self, at: u64) -> Now {
        Now { elapsed: Duration::from_millis(at), wall: self.life.wall(at) }
    }
}

/// Times from a delivery to the next one.
pub(crate) fn samples(at: u64, until: Option<u64>) -> impl Iterator<Item = u64> {
    let until = until.unwrap_or(at + 20_000).max(at + 1);
    let after = [0, 1, 1_000, 3_000, 4_000, 4_999, 5_000, 5_001, 6_000].into_iter();
    after.map(move |later| at + later).filter(move |at| *at < until).chain([until - 1])
}

/// Lets a variation arrive; `check` sees what is known after each delivery, and until when.
pub(crate) fn follow(
    recorded: &[Watcher],
    variation: &Variation,
    mut check: impl FnMut(&Watcher, Delivery, Option<u64>),
) -> Watcher {
    let mut watcher = recorded[variation.start].clone();
    for (index, delivery) in variation.then.iter().enumerate() {
        watcher.deliver(*delivery);
        check(&watcher, *delivery, variation.then.get(index + 1).map(|next| next.at));
    }
    watcher
}
