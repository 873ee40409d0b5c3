//! When it is a safe moment to act.

use std::time::Duration;

use crate::delivery::{How, Variation};
use crate::recording::{Life, What, lives};
use crate::watcher::{TIMING, Watcher, follow, samples};

/// Failed pulls that give no moment: Pod and millisecond.
const WITHOUT: [(&str, u64); 8] = [
    // the first window of a Pod of which no status before was seen
    ("cond-delete-job-no-policy, stuck-2-jl4bg", 86_947),
    ("delete-only-job-no-policy, stuck-1-n6s22", 4_162),
    ("delete-only-job-no-policy, stuck-2-jpjwd", 9_567),
    // the first window, long after the containers began to wait
    ("hang-45s-reset, hang-45s-reset-1", 90_515),
    ("hang-45s-reset, hang-45s-reset-2", 113_587),
    // the first window, after a container has ended
    ("init-good-main-bad, init-good-main-bad-1", 13_671),
    ("repull-404-onfailure, repull-404-onfailure-1", 19_510),
    ("repull-404-onfailure, repull-404-onfailure-2", 40_423),
];

#[test]
fn a_failed_pull_gives_a_moment_at_once_where_it_is_published_at_once() {
    let mut without = Vec::new();
    for life in lives() {
        for (state, event) in Watcher::recorded(life).iter().skip(1).zip(&life.events) {
            for truth in life.truths.iter().filter(|truth| truth.at == event.at) {
                match (truth.what, state.is_open(&truth.image, truth.at)) {
                    (What::Failed, true) => {}
                    (What::Failed, false) => without.push((life.name.as_str(), truth.at)),
                    (What::Once | What::Reset, open) => assert!(!open, "{}: {truth:?}", life.name),
                }
            }
        }
    }
    assert_eq!(without, WITHOUT);
}

#[test]
fn a_moment_is_over_five_seconds_after_its_failed_pull_was_written() {
    for life in lives() {
        let recorded = Watcher::recorded(life);
        for (index, state) in recorded.iter().enumerate().skip(1) {
            let next = life.events.get(index).map(|next| next.at);
            for image in &life.images {
                for at in samples(life.events[index - 1].at, next) {
                    if state.is_open(image, at) {
                        let failed = life.truths.iter().rev().find(|truth| {
                            truth.at <= at && truth.image == *image && truth.what == What::Failed
                        });
                        let failed = failed.unwrap().at;
                        let event = life.events.iter().find(|event| event.at == failed).unwrap();
                        let wrote = event.pod.metadata.kubelet_wrote.unwrap();
                        let age = Duration::try_from(life.wall(at).duration_since(wrote)).unwrap();
                        assert!(age <= TIMING.moment, "{}: {image} at {at}", life.name);
                    }
                }
            }
        }
    }
}

fn opens_nothing(variations: impl Fn(&Life) -> Vec<Variation>) {
    for life in lives() {
        let recorded = Watcher::recorded(life);
        for variation in variations(life) {
            follow(&recorded, &variation, |state, delivery, until| {
                let opened = state.opened_beyond(&recorded[delivery.event + 1], delivery.at, until);
                assert_eq!(opened, None, "{}: {:?}", life.name, variation.then[0]);
            });
        }
    }
}

#[test]
fn an_event_that_comes_twice_opens_no_moment() {
    opens_nothing(Life::repetitions);
}

#[test]
fn a_list_opens_no_moment() {
    opens_nothing(Life::relists);
}

#[test]
fn a_watch_that_breaks_opens_no_moment() {
    opens_nothing(Life::gaps);
}

#[test]
fn a_restart_opens_no_moment() {
    opens_nothing(Life::restarts);
}

#[test]
fn a_failed_pull_that_a_list_tells_of_gives_no_moment() {
    for life in lives() {
        let recorded = Watcher::recorded(life);
        let variations = life.gaps().into_iter().chain(life.restarts());
        for variation in variations {
            let before = recorded[variation.start].counted.len();
            follow(&recorded, &variation, |state, delivery, until| {
                if delivery.how == How::Watched {
                    return;
                }
                for truth in &state.counted[before..] {
                    for at in samples(delivery.at, until) {
                        let open = state.is_open(&truth.image, at);
                        assert!(!open, "{}: {delivery:?} at {at}", life.name);
                    }
                }
            });
        }
    }
}

/// Nothing that it has seen itself tells since when the pull is over.
#[test]
fn the_first_event_after_a_restart_gives_no_moment() {
    for life in lives() {
        let recorded = Watcher::recorded(life);
        for variation in life.restarts() {
            follow(&recorded, &variation, |state, delivery, until| {
                if delivery.event <= variation.start {
                    for image in &life.images {
                        for at in samples(delivery.at, until) {
                            assert!(!state.is_open(image, at), "{}: {delivery:?}", life.name);
                        }
                    }
                }
            });
        }
    }
}
