//! The model plays the recorded cases and is compared with what a watcher saw then: the same
//! states in the same order, and each within the bounds that hold for the real kubelet.

use std::time::Duration;

use dislodge_sim::kubelet::{Kubelet, Phase, Timing};

use crate::bench::{Bench, Seen, ms, s};
use crate::bounds::{Story, bounds};
use crate::recording::{Line, Recording};

fn recorded(case: &str) -> Vec<Recording> {
    let file = format!("{}/tests/data/{case}.tsv", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let recordings = Recording::read(&text);
    assert!(!recordings.is_empty(), "{file}: no pod in it");
    recordings
}

fn story_of(recording: &Recording) -> Story {
    recording.lines.iter().map(|(at, line)| (*at, line.write())).collect()
}

/// What a watcher sees of the model's pod.
fn model_story(bench: &Bench) -> Story {
    let mut story = Story::new();
    for (at, _, seen) in &bench.seen {
        let state = match seen {
            Seen::Deleted => "deleted".to_owned(),
            Seen::Status(status) => {
                let containers = status.containers.iter();
                let reasons = containers.map(|c| format!(" {}={}", c.name, c.state.reason()));
                status.phase.as_str().to_owned() + &reasons.collect::<String>()
            }
        };
        if story.last().is_none_or(|(_, last)| *last != state) {
            story.push((*at, state));
        }
    }
    story
}

/// Lets time pass until the watcher has seen `states` states.
fn run_to_state(bench: &mut Bench, states: usize, limit: Duration) {
    while model_story(bench).len() < states && bench.now < limit {
        let next = bench.kubelet.next_deadline().unwrap_or(limit);
        bench.run_until(next.min(limit));
    }
}

/// Plays a recording with a pod of the given uid. The kubelet is stopped and started at the
/// recorded times; other actions come as long after the state that they followed as recorded,
/// but before the next state.
fn play(recording: &Recording, uid: &str, created: Duration) -> Story {
    let mut bench = Bench::with(Kubelet::new(Timing::real()));
    bench.registry = recording.registry();
    bench.now = created;
    let mut pod = recording.pod.clone();
    pod.key.uid = uid.into();
    bench.put(pod);
    let (mut states, mut seen_at, mut last) = (0, Duration::ZERO, Duration::ZERO);
    let mut actions = Story::new();
    for (at, line) in &recording.lines {
        last = *at;
        match line {
            Line::Seen(_) => {
                (states, seen_at) = (states + 1, *at);
                continue;
            }
            Line::Stopped | Line::Started => bench.run_until(created + *at),
            Line::Delete(_) | Line::Fail | Line::Edit(_) => {
                run_to_state(&mut bench, states, created + *at + s(120));
                let planned = bench.now + at.saturating_sub(seen_at);
                let mut ahead = bench.clone();
                run_to_state(&mut ahead, states + 1, planned);
                let before = ahead.now.saturating_sub(ms(1));
                bench.run_until(if model_story(&ahead).len() > states { before } else { planned });
            }
        }
        actions.push((bench.now, line.write()));
        match line {
            Line::Seen(_) => {}
            Line::Delete(grace) => bench.delete(uid, *grace),
            Line::Fail => bench.write(uid, |status| status.phase = Phase::Failed),
            Line::Edit(image) => bench.edit(uid, |pod| {
                pod.generation += 1;
                pod.containers[0].image = image.as_str().into();
            }),
            Line::Stopped => bench.kubelet.stopped(bench.now),
            Line::Started => bench.kubelet.started(bench.now),
        }
    }
    bench.run_until(created + last + s(120));
    let mut story = model_story(&bench);
    for (at, action) in actions {
        let index = story.iter().position(|(seen, _)| *seen >= at).unwrap_or(story.len());
        story.insert(index, (at, action));
    }
    story.into_iter().map(|(at, state)| (at.saturating_sub(created), state)).collect()
}

/// The parts of a story that are compared, and whether the kubelet was restarted before them:
/// then the first error may come at any time, and the fall back to the first state is not always
/// seen.
fn parts(mut story: Story) -> Vec<(Story, bool)> {
    let Some(started) = story.iter().position(|(_, state)| state == "!started") else {
        return vec![(story, false)];
    };
    let mut after = story.split_off(started + 1);
    story.retain(|(_, state)| !matches!(state.as_str(), "!stopped" | "!started"));
    let waits = |state: &str| state.contains("=ContainerC") || state.contains("=PodInitializing");
    let errs = |state: &str| state.contains("=Err") || state.contains("BackOff");
    after.retain(|(_, state)| !waits(state) || errs(state));
    vec![(story, false), (after, true)]
}

/// Why two stories are not the same, if they are not.
fn difference(
    model: &Story,
    real: &Story,
    restarted: bool,
    recording: &Recording,
) -> Option<String> {
    let states = |story: &Story| story.iter().map(|(_, state)| state.clone()).collect::<Vec<_>>();
    // a recording ends somewhere, but nothing comes before a stop that was not recorded
    let compared = if restarted { model.len().min(real.len()) } else { model.len() };
    let model = &model[..compared].to_vec();
    if states(model) != states(real) {
        return Some(format!("model: {model:#?}\nrecorded: {real:#?}"));
    }
    for index in 1..real.len() {
        let (from, to) = bounds(real, index, restarted, recording);
        for (who, story) in [("model", model), ("recorded", real)] {
            let pulled =
                story[index].1.starts_with("Running") && story[index - 1].1.contains("delete");
            let before = story[index - if pulled { 2 } else { 1 }].0;
            let after = story[index].0.saturating_sub(before);
            if after < from || after > to {
                let state = &story[index];
                return Some(format!("{who}: {state:?} after {after:?}, not in {from:?}..{to:?}"));
            }
        }
    }
    None
}

fn compare(recording: &Recording, uid: &str, created: Duration) -> Option<String> {
    let model = parts(play(recording, uid, created));
    let real = parts(story_of(recording));
    model
        .iter()
        .zip(&real)
        .find_map(|((model, _), (real, restarted))| difference(model, real, *restarted, recording))
}

/// Every pod of the case is told by the model as it was recorded, whatever its jitter.
fn conforms(case: &str) {
    for recording in recorded(case) {
        for number in 0..20 {
            let uid = format!("{case}-{number}");
            if let Some(difference) = compare(&recording, &uid, Duration::ZERO) {
                panic!("{} as {uid}: {difference}", recording.pod.key.name);
            }
        }
    }
}

/// The same where the outcome was one of several: some jitter brings it about.
fn can_conform(case: &str, pod: &str) {
    let recordings = recorded(case);
    let recording = recordings.iter().find(|recording| *recording.pod.key.name == *pod).unwrap();
    let played =
        (0..100).map(|number| compare(recording, &format!("{case}-{number}"), ms(97 * number)));
    let differences: Vec<_> = played.collect();
    assert!(differences.iter().any(Option::is_none), "{}", differences[0].as_deref().unwrap());
}

macro_rules! conforms {
    ($($name:ident: $case:literal;)*) => {
        $(#[test] fn $name() { conforms($case); })*
    };
}

conforms! {
    a_missing_tag: "tag-not-found";
    a_registry_that_is_down: "server-503";
    a_blip_before_a_slow_pull: "blip-then-slow-pull";
    a_slow_first_pull: "slow-first-pull";
    an_image_that_appears: "appears-after-3-failures";
    an_invalid_image_name: "invalid-image-name";
    an_absent_image_that_is_never_pulled: "err-image-never-pull";
    a_bad_init_container: "init-bad";
    a_bad_container_after_a_good_init_container: "init-good-main-bad";
    two_containers_of_one_image: "two-same-image";
    a_bad_container_beside_a_running_one: "running-plus-bad";
    a_pull_that_hangs: "hang-forever";
    a_pull_that_hangs_before_it_fails: "hang-45s-reset";
    a_pod_deleted_in_back_off: "deleted-while-backing-off";
    a_pod_deleted_beside_a_running_container: "cond-delete-running-peer";
    a_pod_deleted_during_a_pull: "cond-delete-during-slow-pull";
}

#[test]
fn an_image_edited_during_back_off() {
    // what is seen depends on whether an attempt has failed since the last state
    can_conform("image-edited", "image-edited-1");
    can_conform("image-edited", "image-edited-2");
}

#[test]
fn a_phase_written_from_outside_that_the_kubelet_takes_up() {
    // of the other recorded pod the watcher missed a state: two writes came in one event
    can_conform("phase-failed-plain-backing-off", "p-2");
}
