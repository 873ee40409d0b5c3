//! One sentence for each fact about how pods end, and about statuses that others write.

use dislodge_sim::kubelet::{
    ConditionType, Container, ContainerKind, ContainerState, EventKind, Phase, Pod,
};
use dislodge_sim::registry::{OnSigterm, Pull, Run, Script};

use crate::bench::{BAD, Bench, GOOD, Seen, ms, not_found, pod, s};

#[test]
fn a_deleted_pod_in_back_off_fails_within_about_a_second() {
    for number in 0..40 {
        let uid = format!("uid-{number}");
        let mut bench = Bench::new();
        bench.put(pod(&uid, BAD));
        bench.run_until(s(135));
        bench.delete(&uid, s(5));
        bench.run_until(s(140));
        let story: Vec<_> =
            bench.story(&uid, "main").into_iter().filter(|(at, _)| *at >= s(135)).collect();
        let reasons: Vec<_> = story.iter().map(|(_, reason)| reason.as_str()).collect();
        assert_eq!(reasons, ["ContainerCreating", "ContainerStatusUnknown", "deleted"], "{uid}");
        let failed = story[1].0;
        assert!(s(135) + ms(100) <= failed && failed <= s(136), "{uid}: {failed:?}");
        let Some((_, _, Seen::Status(last))) = bench.seen.iter().rev().nth(1) else {
            panic!("{uid}: no status before the deletion");
        };
        assert_eq!((last.phase, last.observed_generation), (Phase::Failed, 2));
        let ContainerState::Terminated(end) = &last.containers[0].state else {
            panic!("{last:?}");
        };
        assert_eq!(end.exit_code, 137);
        assert_eq!(end.message, "The container could not be located when the pod was terminated");
        assert!(!last.condition(ConditionType::PodReadyToStartContainers).unwrap().status);
    }
}

#[test]
fn a_pod_deleted_during_a_pull_still_starts_its_container_and_may_succeed() {
    let mut bench = Bench::new();
    bench.registry.play(GOOD, Script::succeeds(s(150)).runs(Run::lasting(s(3), 0)));
    bench.put(pod("pod", GOOD));
    bench.run_until(s(30));
    bench.delete("pod", s(5));
    bench.run_until(s(149));
    assert_eq!(bench.reasons("pod", "main"), ["ContainerCreating"]);
    bench.run_until(s(160));
    assert_eq!(
        bench.reasons("pod", "main"),
        ["ContainerCreating", "Running", "Completed", "deleted"]
    );
    let mut phases = bench.seen.iter().filter_map(|(_, _, seen)| match seen {
        Seen::Status(status) => Some(status.phase),
        Seen::Deleted => None,
    });
    assert_eq!(phases.next_back(), Some(Phase::Succeeded));
}

#[test]
fn a_long_container_of_a_pod_deleted_during_a_pull_is_killed_after_the_grace_period() {
    let mut bench = Bench::new();
    bench.registry.play(GOOD, Script::succeeds(s(150)).runs(Run::lasting(s(3600), 0)));
    bench.put(pod("pod", GOOD));
    bench.run_until(s(30));
    bench.delete("pod", s(5));
    bench.run_until(s(160));
    assert_eq!(bench.reasons("pod", "main"), ["ContainerCreating", "Running", "Error", "deleted"]);
    let killed = bench.windows("pod", "main", "Error")[0];
    assert!(s(155) <= killed && killed <= s(158), "{killed:?}");
}

#[test]
fn a_pull_that_fails_after_the_deletion_ends_the_pod() {
    let mut bench = Bench::new();
    bench.registry.play(BAD, Script::fails(s(60), "reset"));
    bench.put(pod("pod", BAD));
    bench.run_until(s(30));
    bench.delete("pod", s(5));
    bench.run_until(s(70));
    assert_eq!(
        bench.reasons("pod", "main"),
        ["ContainerCreating", "ContainerStatusUnknown", "deleted"]
    );
}

#[test]
fn a_deleted_pod_whose_pull_hangs_lingers_until_the_kubelet_is_restarted() {
    let mut bench = Bench::new();
    bench.registry.play(BAD, Script::hangs());
    bench.put(pod("pod", BAD));
    bench.run_until(s(30));
    bench.delete("pod", s(5));
    bench.run_until(s(900));
    assert_eq!(bench.reasons("pod", "main"), ["ContainerCreating"]);
    bench.restart(s(0));
    bench.run_until(s(915));
    assert_eq!(bench.reasons("pod", "main").last().unwrap(), "deleted");
}

#[test]
fn a_running_peer_that_ignores_sigterm_delays_the_end_by_the_grace_period() {
    for (on_sigterm, from, to) in
        [(OnSigterm::Ignores, s(12), s(14)), (OnSigterm::Ends { exit_code: 143 }, s(0), s(2))]
    {
        let mut bench = Bench::new();
        bench
            .registry
            .play(GOOD, Script::succeeds(ms(40)).runs(Run { on_sigterm, ..Run::for_ever() }));
        bench.put(
            Pod::new("pod", "team", "pod")
                .with(Container::new(ContainerKind::Main, "bad", BAD))
                .with(Container::new(ContainerKind::Main, "good", GOOD)),
        );
        bench.run_until(s(20));
        bench.delete("pod", s(12));
        bench.run_until(s(40));
        let failed = bench.windows("pod", "bad", "ContainerStatusUnknown")[0];
        assert!(s(20) + from <= failed && failed <= s(20) + to, "{on_sigterm:?}: {failed:?}");
        assert_eq!(
            bench.reasons("pod", "good"),
            ["ContainerCreating", "Running", "Error", "deleted"]
        );
    }
}

#[test]
fn of_a_pod_that_never_got_past_its_init_containers_only_the_first_is_given_an_end() {
    let mut bench = Bench::new();
    bench.put(
        Pod::new("pod", "team", "pod")
            .with(Container::new(ContainerKind::Init, "one", BAD))
            .with(Container::new(ContainerKind::Init, "two", BAD))
            .with(Container::new(ContainerKind::Main, "main", GOOD)),
    );
    bench.run_until(s(20));
    bench.delete("pod", s(5));
    bench.run_until(s(30));
    let last = |name| bench.reasons("pod", name).into_iter().rev().nth(1).unwrap();
    assert_eq!(last("one"), "ContainerStatusUnknown");
    assert_eq!([last("two"), last("main")], ["PodInitializing", "PodInitializing"]);
}

#[test]
fn a_container_that_ends_by_itself_ends_the_pod_a_moment_later() {
    for (exit_code, phase) in [(0, Phase::Succeeded), (3, Phase::Failed)] {
        let mut bench = Bench::new();
        bench.registry.play(GOOD, Script::succeeds(ms(40)).runs(Run::lasting(s(5), exit_code)));
        bench.put(pod("pod", GOOD));
        bench.run_while("pod", |status| {
            status.container("main").unwrap().last_terminated.is_some()
                || !matches!(status.containers[0].state, ContainerState::Terminated(_))
        });
        assert_eq!(bench.status("pod").phase, Phase::Running);
        bench.run_until(s(10));
        assert_eq!(bench.status("pod").phase, phase);
        let sandbox = bench.status("pod").condition(ConditionType::PodReadyToStartContainers);
        assert!(!sandbox.unwrap().status);
        assert_eq!(bench.kubelet.next_deadline(), None);
    }
}

#[test]
fn a_sidecar_is_ended_with_the_regular_containers() {
    let mut bench = Bench::new();
    let job = "registry.example:5000/ok/job:1";
    bench.registry.play(job, Script::succeeds(ms(40)).runs(Run::lasting(s(5), 0)));
    bench.put(
        Pod::new("pod", "team", "pod")
            .with(Container::new(ContainerKind::Sidecar, "proxy", GOOD))
            .with(Container::new(ContainerKind::Main, "main", job)),
    );
    bench.run_until(s(60));
    assert_eq!(bench.status("pod").phase, Phase::Succeeded);
    assert_eq!(bench.event_times(EventKind::Killing).len(), 1);
}

#[test]
fn an_ended_pod_that_is_deleted_goes_at_once() {
    let mut bench = Bench::new();
    bench.registry.play(GOOD, Script::succeeds(ms(40)).runs(Run::lasting(s(5), 0)));
    bench.put(pod("pod", GOOD));
    bench.run_until(s(20));
    bench.delete("pod", s(30));
    assert_eq!(bench.reasons("pod", "main").last().unwrap(), "deleted");
}

#[test]
fn a_phase_that_somebody_else_wrote_on_a_running_pod_is_reverted() {
    let mut bench = Bench::new();
    bench.put(pod("pod", GOOD));
    bench.run_until(s(25));
    bench.write("pod", |status| status.phase = Phase::Failed);
    assert_eq!(bench.status("pod").phase, Phase::Failed);
    bench.run_until(s(29));
    assert_eq!(bench.status("pod").phase, Phase::Failed);
    bench.run_until(s(30));
    assert_eq!(bench.status("pod").phase, Phase::Running);
}

#[test]
fn container_statuses_that_somebody_else_wrote_are_reverted() {
    let mut bench = Bench::new();
    bench.put(pod("pod", GOOD));
    bench.run_until(s(25));
    let before = bench.status("pod").clone();
    bench.write("pod", |status| status.containers.clear());
    bench.run_until(s(30));
    assert_eq!(bench.status("pod"), &before);
}

#[test]
fn a_phase_on_a_pod_in_back_off_is_reverted_or_taken_up_whichever_loop_comes_first() {
    let (mut reverted, mut ended) = (0, 0);
    for number in 0..100 {
        let uid = format!("uid-{number}");
        let mut bench = Bench::new();
        bench.put(pod(&uid, BAD));
        bench.run_until(s(200) + ms(97 * number));
        bench.write(&uid, |status| status.phase = Phase::Failed);
        bench.run_until(s(240));
        match bench.status(&uid).phase {
            Phase::Failed => {
                ended += 1;
                assert_eq!(bench.reasons(&uid, "main").last().unwrap(), "ContainerStatusUnknown");
                let ready = bench.status(&uid).condition(ConditionType::Ready).unwrap();
                assert_eq!(ready.reason, "PodFailed");
            }
            Phase::Pending => {
                reverted += 1;
                bench.run_until(s(400));
                assert_eq!(bench.windows(&uid, "main", "ErrImagePull").len(), 6);
            }
            phase @ (Phase::Running | Phase::Succeeded) => panic!("{phase:?}"),
        }
    }
    assert!(reverted > 20 && ended > 20, "{reverted} reverted, {ended} ended");
}

#[test]
fn what_the_kubelet_shows_already_is_not_written_again() {
    let mut bench = Bench::new();
    bench.put(pod("pod", BAD));
    bench.run_until(s(190));
    let before = bench.seen.len();
    let shown = bench.pods["pod"].clone();
    bench.put(shown);
    bench.run_until(s(205));
    assert_eq!(bench.seen.len(), before + 1, "only the end of the window is new");
}

#[test]
fn a_pod_that_is_gone_is_forgotten() {
    let mut bench = Bench::new();
    bench.put(pod("pod", BAD));
    bench.run_until(s(20));
    bench.kubelet.pod_gone(s(20), "pod");
    bench.run_until(s(40));
    assert_eq!(bench.kubelet.next_deadline(), None);
}

#[test]
fn a_pod_that_replaces_another_starts_its_back_off_anew() {
    let mut bench = Bench::new();
    bench.put(pod("first", BAD));
    bench.run_until(s(300));
    bench.registry.play(BAD, Script::always(not_found()).then(Pull::Succeeds { after: ms(40) }));
    bench.put(pod("second", BAD));
    bench.run_until(s(320));
    assert_eq!(bench.status("second").phase, Phase::Running);
}
