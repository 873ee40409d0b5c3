//! How many failed pulls are counted, and when.

use crate::cases::CASES;
use crate::delivery::Variation;
use crate::recording::{Life, RECORDINGS, Truth, What, lives};
use crate::watcher::{Watcher, follow};

fn failures(life: &Life) -> Vec<Truth> {
    life.truths.iter().filter(|truth| truth.what != What::Reset).cloned().collect()
}

fn assert_counts(state: &Watcher, at: u64, how: &str) {
    assert_eq!(state.excess(at), None, "{} at {at} {how}", state.life.name);
    for image in &state.life.images {
        let (counted, truth) = (state.failed_pulls(image), state.life.failed_pulls(image, at));
        assert_eq!(counted, truth, "{}: {image} at {at} {how}", state.life.name);
    }
}

#[test]
fn no_recording_is_left_out() {
    let files = format!("{}/tests/recordings/data", env!("CARGO_MANIFEST_DIR"));
    let mut cases: Vec<String> = std::fs::read_dir(files)
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    cases.sort();
    assert_eq!(cases, CASES.map(|(case, _)| case));
}

#[test]
fn the_recordings_tell_of_the_failed_pulls_that_were_counted_by_eye() {
    for (recording, (case, expected)) in RECORDINGS.iter().zip(CASES) {
        let truths: Vec<usize> = recording.lives.iter().map(|life| failures(life).len()).collect();
        assert_eq!(truths, expected, "{case}");
    }
}

#[test]
fn exactly_the_failed_pulls_are_counted_each_with_the_event_that_tells_of_it() {
    for life in lives() {
        let last = Watcher::recorded(life).pop().unwrap();
        assert_eq!(last.counted, failures(life), "{}", life.name);
    }
}

#[test]
fn a_stream_that_ends_after_any_event_has_counted_what_was_true_by_then() {
    for life in lives() {
        let states = Watcher::recorded(life);
        for (state, event) in states.iter().skip(1).zip(&life.events) {
            let mut known = failures(life);
            known.retain(|truth| truth.at <= event.at);
            assert_eq!(state.counted, known, "{} at {}", life.name, event.at);
            if !event.deleted {
                assert_counts(state, event.at, "as recorded");
            }
        }
    }
}

fn counts_the_same(variations: impl Fn(&Life) -> Vec<Variation>) {
    for life in lives() {
        let recorded = Watcher::recorded(life);
        for variation in variations(life) {
            let last = follow(&recorded, &variation, |state, delivery, _| {
                if !life.events[delivery.event].deleted {
                    assert_counts(state, delivery.at, &format!("after {:?}", variation.then[0]));
                }
            });
            assert_eq!(last.counted, failures(life), "{}: {:?}", life.name, variation.then[0]);
        }
    }
}

#[test]
fn an_event_that_comes_twice_counts_once() {
    counts_the_same(Life::repetitions);
}

#[test]
fn a_list_of_what_is_known_counts_nothing() {
    counts_the_same(Life::relists);
}

#[test]
fn a_watch_that_breaks_never_makes_the_count_too_high() {
    for life in lives() {
        let recorded = Watcher::recorded(life);
        for variation in life.gaps() {
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
