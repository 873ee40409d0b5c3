//! One sentence for each fact about the pulls of one container and what is seen of them.

use std::time::Duration;

use dislodge_sim::kubelet::{
    ConditionType, EventKind, Kubelet, Phase, PullPolicy, Timing, Version,
};
use dislodge_sim::registry::{Counted, Fault, Pull, Registry, Runtime, Script};

use crate::bench::{BAD, Bench, GOOD, apart, ms, not_found, pod, s, uids, within};

#[test]
fn the_first_failure_is_seen_within_about_a_second() {
    for uid in uids() {
        let mut bench = Bench::new();
        bench.put(pod(&uid, BAD));
        bench.run_until(s(5));
        assert_eq!(bench.reasons(&uid, "main"), ["ContainerCreating", "ErrImagePull"]);
        let opened = bench.windows(&uid, "main", "ErrImagePull")[0];
        assert!(within(opened, ms(100), ms(1200)), "{uid}: {opened:?}");
    }
}

#[test]
fn attempts_follow_the_kubelets_schedule() {
    // earliest and latest n-th failure after the first, for pulls that fail at once: the sums of
    // back-offs, and with syncs up to 16 s apart (10 s, its jitter, and the loop's tick)
    let bounds = [(10, 19), (30, 54), (70, 105), (150, 199), (310, 368), (610, 673), (910, 978)];
    for uid in uids() {
        let mut bench = Bench::new();
        bench.put(pod(&uid, BAD));
        bench.run_until(s(1200));
        let attempts = bench.event_times(EventKind::Pulling);
        for (index, (earliest, latest)) in bounds.into_iter().enumerate() {
            let attempt = attempts[index + 1];
            let met = apart(attempts[0], attempt, s(earliest), s(latest));
            assert!(met, "{uid} attempt {}: {attempt:?}", index + 2);
        }
    }
}

#[test]
fn each_failed_attempt_is_one_window_of_err_image_pull() {
    for uid in uids() {
        let mut bench = Bench::new();
        bench.put(pod(&uid, BAD));
        bench.run_until(s(900));
        let attempts = bench.event_times(EventKind::Pulling).len();
        assert_eq!(bench.windows(&uid, "main", "ErrImagePull").len(), attempts);
        assert_eq!(bench.registry.pulls(BAD), attempts);
        let story = bench.story(&uid, "main");
        for pair in story.windows(2).filter(|pair| pair[0].1 == "ErrImagePull") {
            assert_eq!(pair[1].1, "ImagePullBackOff");
            assert!(apart(pair[0].0, pair[1].0, s(10), s(16)), "{uid}: {pair:?}");
        }
    }
}

#[test]
fn a_later_failure_is_seen_a_sync_after_it() {
    for uid in uids() {
        let mut bench = Bench::new();
        bench.put(pod(&uid, BAD));
        bench.run_until(s(700));
        let attempts = bench.event_times(EventKind::Pulling);
        let windows = bench.windows(&uid, "main", "ErrImagePull");
        for (attempt, window) in attempts.iter().zip(&windows).skip(1) {
            assert!(apart(*attempt, *window, s(10), s(17)), "{uid}: {attempt:?} {window:?}");
        }
    }
}

#[test]
fn the_back_off_counts_from_the_end_of_the_failed_attempt() {
    let mut bench = Bench::new();
    let slow = Pull::Fails { after: s(90), message: "reset".into() };
    bench.registry.play(BAD, Script::always(slow));
    bench.put(pod("pod", BAD));
    bench.run_until(s(400));
    let attempts = bench.event_times(EventKind::Pulling);
    assert!(apart(attempts[0], attempts[1], s(100), s(107)), "{attempts:?}");
    assert!(apart(attempts[1], attempts[2], s(110), s(127)), "{attempts:?}");
}

#[test]
fn the_status_is_frozen_while_a_pull_runs() {
    let mut bench = Bench::new();
    let script = Script::always(not_found()).then(Pull::Succeeds { after: s(190) });
    bench.registry.play(BAD, script);
    bench.put(pod("pod", BAD));
    bench.run_until(s(220));
    let story = bench.story("pod", "main");
    let reasons: Vec<_> = story.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(reasons, ["ContainerCreating", "ErrImagePull", "ImagePullBackOff", "Running"]);
    assert!(apart(story[2].0, story[3].0, s(190), s(192)), "{story:?}");
    let during = bench.seen.iter().filter(|(at, _, _)| *at > story[2].0 && *at < story[3].0);
    assert_eq!(during.count(), 0);
}

#[test]
fn a_first_pull_shows_container_creating_and_a_ready_sandbox() {
    for (version, ready) in [(Version::V1_32, false), (Version::V1_36, true)] {
        let mut bench = Bench::with(Kubelet::new(Timing::real()).version(version));
        bench.registry.play(GOOD, Script::succeeds(s(150)));
        bench.put(pod("pod", GOOD));
        bench.run_until(s(100));
        assert_eq!(bench.reasons("pod", "main"), ["ContainerCreating"]);
        let sandbox = bench.status("pod").condition(ConditionType::PodReadyToStartContainers);
        assert_eq!(sandbox.unwrap().status, ready, "{version:?}");
    }
}

#[test]
fn a_pull_that_hangs_shows_nothing_for_ever() {
    let mut bench = Bench::new();
    bench.registry.play(BAD, Script::hangs());
    bench.put(pod("pod", BAD));
    bench.run_until(s(3600));
    assert_eq!(bench.reasons("pod", "main"), ["ContainerCreating"]);
    assert_eq!(bench.kubelet.next_deadline(), None);
}

#[test]
fn an_image_that_appears_is_pulled_at_the_next_attempt() {
    let mut bench = Bench::new();
    let script = Script::always(not_found()).times(3).then(Pull::Succeeds { after: s(1) });
    bench.registry.play(BAD, script);
    bench.put(pod("pod", BAD));
    bench.run_until(s(150));
    assert_eq!(bench.windows("pod", "main", "ErrImagePull").len(), 3);
    assert_eq!(bench.status("pod").phase, Phase::Running);
    let main = bench.status("pod").container("main").unwrap();
    assert!(main.image_id.starts_with("registry.example:5000/team/app@sha256:"), "{main:?}");
}

#[test]
fn a_local_image_ends_the_back_off_at_the_next_sync() {
    let mut bench = Bench::new();
    bench.put(pod("pod", BAD));
    bench.run_until(s(200));
    bench.kubelet.load(BAD);
    bench.run_until(s(217));
    assert_eq!(bench.status("pod").phase, Phase::Running);
}

#[test]
fn an_image_that_another_pod_pulled_is_on_the_node() {
    let mut bench = Bench::new();
    bench.registry.play(GOOD, Script::succeeds(ms(40)).then(Pull::Hangs));
    bench.put(pod("first", GOOD));
    bench.run_until(s(5));
    bench.put(pod("second", GOOD));
    bench.run_until(s(10));
    assert_eq!(bench.status("second").phase, Phase::Running);
    assert_eq!(bench.registry.pulls(GOOD), 1);
}

#[test]
fn policy_always_asks_the_registry_although_the_image_is_local() {
    let mut bench = Bench::new();
    bench.kubelet.load(BAD);
    let mut pod = pod("pod", BAD);
    pod.containers[0].pull_policy = PullPolicy::Always;
    bench.put(pod);
    bench.run_until(s(5));
    assert_eq!(bench.reasons("pod", "main"), ["ContainerCreating", "ErrImagePull"]);
}

#[test]
fn errors_without_back_off_are_written_once() {
    let upper = "registry.example:5000/Team/App:V 1";
    let secret = Pull::SecretUnreadable { message: "illegal base64 data at input byte 0".into() };
    let table = [
        (
            upper,
            PullPolicy::IfNotPresent,
            "InvalidImageName",
            "Failed to apply default image tag \"registry.example:5000/Team/App:V 1\": couldn't parse image name \"registry.example:5000/Team/App:V 1\": invalid reference format: repository name (Team/App) must be lowercase",
        ),
        (
            "registry.example:5000/ok/never-pulled:1",
            PullPolicy::Never,
            "ErrImageNeverPull",
            "Container image \"registry.example:5000/ok/never-pulled:1\" is not present with pull policy of Never",
        ),
        (
            GOOD,
            PullPolicy::IfNotPresent,
            "illegal base64 data at input byte 0",
            "illegal base64 data at input byte 0",
        ),
    ];
    for (image, policy, reason, message) in table {
        let mut bench = Bench::new();
        bench.registry.play(GOOD, Script::always(secret.clone()));
        let mut pod = pod("pod", image);
        pod.containers[0].pull_policy = policy;
        bench.put(pod);
        bench.run_until(s(840));
        assert_eq!(bench.reasons("pod", "main"), ["ContainerCreating", reason]);
        assert_eq!(bench.message("pod", "main"), message);
        assert!(bench.seen.last().unwrap().0 < ms(1300));
    }
}

#[test]
fn the_back_off_message_names_the_cause_from_1_32_on() {
    let detail = Fault::NotFound.message(Runtime::Containerd16, BAD);
    let bare = format!("Back-off pulling image \"{BAD}\"");
    let table = [
        (Version::V1_31, bare.clone()),
        (Version::V1_32, format!("{bare}: ErrImagePull: {detail}")),
        (Version::V1_36, format!("{bare}: ErrImagePull: {detail}")),
    ];
    for (version, message) in table {
        let mut bench = Bench::with(Kubelet::new(Timing::real()).version(version));
        bench.put(pod("pod", BAD));
        bench.run_to("pod", "main", "ImagePullBackOff");
        assert_eq!(bench.message("pod", "main"), message);
    }
}

#[test]
fn an_error_can_bring_its_own_reason() {
    let table = [
        (
            "RegistryUnavailable: refused",
            "RegistryUnavailable",
            "the registry is unavailable: refused",
        ),
        (
            "SignatureValidationFailed: no key",
            "SignatureValidationFailed",
            "the signature validation failed: no key",
        ),
    ];
    for (text, reason, because) in table {
        let mut bench = Bench::new();
        bench.registry.play(BAD, Script::fails(ms(60), text));
        bench.put(pod("pod", BAD));
        bench.run_to("pod", "main", reason);
        assert_eq!(
            bench.message("pod", "main"),
            format!("image pull failed for {BAD} because {because}")
        );
    }
}

#[test]
fn an_edited_image_is_pulled_at_once_and_the_old_error_is_seen_under_its_name() {
    let mut bench = Bench::new();
    bench.registry.play(GOOD, Script::succeeds(s(30)));
    bench.put(pod("pod", BAD));
    bench.run_until(s(40));
    bench.edit("pod", |pod| {
        pod.generation = 2;
        pod.containers[0].image = GOOD.into();
    });
    bench.run_until(s(60));
    let main = bench.status("pod").container("main").unwrap();
    assert_eq!(&*main.image, GOOD);
    assert_eq!(bench.status("pod").observed_generation, 2);
    assert!(bench.message("pod", "main").contains(BAD));
    bench.run_until(s(72));
    assert_eq!(bench.status("pod").phase, Phase::Running);
}

#[test]
fn a_restarted_kubelet_has_forgotten_reasons_and_back_off() {
    for uid in uids() {
        let mut bench = Bench::new();
        bench.put(pod(&uid, BAD));
        bench.run_until(s(834));
        bench.restart(s(6));
        bench.run_until(s(900));
        let story: Vec<_> =
            bench.story(&uid, "main").into_iter().filter(|(at, _)| *at > s(840)).collect();
        let reasons: Vec<_> = story.iter().map(|(_, reason)| reason.as_str()).collect();
        assert_eq!(
            reasons[..4],
            ["ContainerCreating", "ErrImagePull", "ImagePullBackOff", "ErrImagePull"],
            "{uid}"
        );
        assert!(apart(s(840), story[0].0, ms(1700), s(8)), "{uid}: {story:?}");
        assert!(apart(story[0].0, story[1].0, ms(60), ms(1200)), "{uid}: {story:?}");
        assert!(apart(story[1].0, story[3].0, s(20), s(33)), "{uid}: {story:?}");
    }
}

#[test]
fn a_restarted_kubelet_begins_a_hanging_pull_again() {
    let mut bench = Bench::new();
    bench.registry.play(BAD, Script::hangs().then(Pull::Succeeds { after: s(1) }));
    bench.put(pod("pod", BAD));
    bench.run_until(s(100));
    bench.restart(s(0));
    bench.run_until(s(120));
    assert_eq!(bench.status("pod").phase, Phase::Running);
}

#[test]
fn events_tell_of_each_attempt_and_each_back_off() {
    let mut bench = Bench::new();
    bench.put(pod("pod", BAD));
    bench.run_until(s(5));
    let told: Vec<_> = bench.events.iter().map(|(_, kind, message)| (*kind, &**message)).collect();
    let detail = Fault::NotFound.message(Runtime::Containerd16, BAD);
    assert_eq!(
        told,
        [
            (EventKind::Pulling, &*format!("Pulling image \"{BAD}\"")),
            (EventKind::Failed, &*format!("Failed to pull image \"{BAD}\": {detail}")),
            (EventKind::Failed, "Error: ErrImagePull"),
            (EventKind::BackOff, &*format!("Back-off pulling image \"{BAD}\"")),
            (EventKind::Failed, "Error: ImagePullBackOff"),
        ]
    );
}

#[test]
fn a_scaled_kubelet_does_the_same_faster() {
    let run = |factor: f64| {
        let mut bench = Bench::with(Kubelet::new(Timing::real().scaled(factor)));
        bench.put(pod("pod", BAD));
        bench.run_until(s(700).mul_f64(factor));
        bench
    };
    let (real, fast) = (run(1.0), run(0.1));
    assert_eq!(real.reasons("pod", "main"), fast.reasons("pod", "main"));
    for (slow, quick) in real.story("pod", "main").iter().zip(fast.story("pod", "main")) {
        let difference = slow.0.mul_f64(0.1).abs_diff(quick.0);
        assert!(difference < ms(1), "{slow:?} {quick:?}");
    }
}

#[test]
fn a_late_call_misses_nothing() {
    let mut registry = Registry::new(Script::always(not_found()).counted(Counted::EachPod));
    let mut prompt = Bench::new();
    prompt.put(pod("pod", BAD));
    prompt.run_until(s(300));
    let mut late = Kubelet::new(Timing::real());
    late.pod_seen(Duration::ZERO, pod("pod", BAD));
    let outputs = late.advance(s(300), &mut registry);
    assert_eq!(outputs.len(), prompt.seen.len() + prompt.events.len());
}
