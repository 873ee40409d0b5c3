//! What a new process makes of the checkpoint of the one before.

use crate::delivery::How;
use crate::recording::{What, lives};
use crate::watcher::{Watcher, follow};

#[test]
fn a_restart_never_makes_the_count_too_high() {
    for life in lives() {
        let recorded = Watcher::recorded(life);
        let news = recorded[recorded.len() - 1].news();
        for variation in life.restarts().into_iter().chain(life.late_restarts(&news)) {
            follow(&recorded, &variation, |state, delivery, _| {
                assert_eq!(
                    state.excess(delivery.at),
                    None,
                    "{}: {:?}",
                    life.name,
                    variation.then[0]
                );
            });
        }
    }
}

#[test]
fn a_restart_keeps_what_the_checkpoint_holds() {
    for life in lives() {
        let recorded = Watcher::recorded(life);
        let news = recorded[recorded.len() - 1].news();
        for variation in life.restarts().into_iter().chain(life.late_restarts(&news)) {
            let first = variation.then[0];
            let How::Restarted { checkpoint } = first.how else { continue };
            if life.events[first.event].reading.is_none() {
                continue; // the Pod has ended: its count waits for its heir
            }
            let written = life.events[checkpoint].at;
            follow(&recorded, &variation, |state, delivery, _| {
                for image in &life.images {
                    let is_reset = life.events[delivery.event].deleted
                        || life.truths.iter().any(|truth| {
                            truth.what == What::Reset
                                && truth.image == *image
                                && (written..=delivery.at).contains(&truth.at)
                        });
                    let held = recorded[checkpoint + 1].failed_pulls(image);
                    let counted = state.failed_pulls(image);
                    assert!(is_reset || counted >= held, "{}: {image} after {first:?}", life.name);
                }
            });
        }
    }
}
