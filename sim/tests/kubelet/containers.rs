//! One sentence for each fact about pods with several containers, and about restarts.

use dislodge_sim::kubelet::{
    ConditionType, Container, ContainerKind, EventKind, ImageVolume, Phase, Pod, PullPolicy,
    RestartPolicy,
};
use dislodge_sim::registry::{Run, Script};

use crate::bench::{BAD, Bench, GOOD, apart, ms, not_found, pod, s, uids};

fn waiting(containers: [Container; 2]) -> Pod {
    let [first, second] = containers;
    Pod::new("pod", "team", "pod").with(first).with(second)
}

#[test]
fn containers_that_share_an_image_share_the_attempt() {
    let mut bench = Bench::new();
    let container = |name| Container::new(ContainerKind::Main, name, BAD);
    bench.put(waiting([container("a"), container("b")]));
    bench.run_until(s(700));
    assert_eq!(bench.reasons("pod", "b"), ["ContainerCreating", "ImagePullBackOff"]);
    let windows = bench.windows("pod", "a", "ErrImagePull").len();
    assert_eq!((windows, bench.registry.pulls(BAD)), (7, 7));
}

#[test]
fn two_bad_images_fail_in_step() {
    let mut bench = Bench::new();
    let other = "registry.example:5000/team/other:1";
    bench.registry.play(other, Script::always(not_found()));
    let container = |name, image| Container::new(ContainerKind::Main, name, image);
    bench.put(waiting([container("a", BAD), container("b", other)]));
    bench.run_until(s(300));
    assert_eq!(bench.story("pod", "a"), bench.story("pod", "b"));
}

#[test]
fn a_bad_init_container_keeps_the_others_initializing() {
    let mut bench = Bench::new();
    bench.put(waiting([
        Container::new(ContainerKind::Init, "prep", BAD),
        Container::new(ContainerKind::Main, "main", GOOD),
    ]));
    bench.run_until(s(60));
    assert_eq!(
        bench.reasons("pod", "prep")[..3],
        ["PodInitializing", "ErrImagePull", "ImagePullBackOff"]
    );
    assert_eq!(bench.reasons("pod", "main"), ["PodInitializing"]);
    let initialized = bench.status("pod").condition(ConditionType::Initialized).unwrap();
    assert_eq!(initialized.message, "containers with incomplete status: [prep]");
}

#[test]
fn after_a_completed_init_container_the_first_failure_is_seen_a_sync_late() {
    for uid in uids() {
        let mut bench = Bench::new();
        let init = "registry.example:5000/ok/init:1";
        bench.registry.play(init, Script::succeeds(ms(40)).runs(Run::lasting(ms(1500), 0)));
        bench.put(
            Pod::new(&uid, "team", &uid)
                .with(Container::new(ContainerKind::Init, "prep", init))
                .with(Container::new(ContainerKind::Main, "main", BAD)),
        );
        bench.run_until(s(60));
        let completed = bench.windows(&uid, "prep", "Completed")[0];
        let attempts = bench.event_times(EventKind::Failed);
        let story = bench.story(&uid, "main");
        assert_eq!(story[1].1, "ErrImagePull");
        assert!(apart(completed, story[1].0, s(10), s(17)), "{uid}: {story:?}");
        // its first two attempts are seen as one window
        assert!(apart(story[1].0, story[2].0, s(20), s(33)), "{uid}: {story:?} {attempts:?}");
    }
}

#[test]
fn init_containers_run_one_after_the_other_before_the_regular_ones() {
    let mut bench = Bench::new();
    let init = "registry.example:5000/ok/init:1";
    bench.registry.play(init, Script::succeeds(ms(40)).runs(Run::lasting(s(3), 0)));
    bench.put(
        Pod::new("pod", "team", "pod")
            .with(Container::new(ContainerKind::Init, "one", init))
            .with(Container::new(ContainerKind::Init, "two", init))
            .with(Container::new(ContainerKind::Main, "main", GOOD)),
    );
    bench.run_until(s(20));
    let started = |name| bench.windows("pod", name, "Running")[0];
    let completed = |name| bench.windows("pod", name, "Completed")[0];
    assert!(completed("one") <= started("two") && completed("two") <= started("main"));
    assert_eq!(bench.status("pod").phase, Phase::Running);
}

#[test]
fn a_sidecar_runs_beside_the_regular_containers() {
    let mut bench = Bench::new();
    bench.put(waiting([
        Container::new(ContainerKind::Sidecar, "proxy", GOOD),
        Container::new(ContainerKind::Main, "main", GOOD),
    ]));
    bench.run_until(s(10));
    assert_eq!(bench.status("pod").phase, Phase::Running);
    assert_eq!(bench.reasons("pod", "proxy"), ["PodInitializing", "Running"]);
}

#[test]
fn a_bad_sidecar_keeps_the_pod_pending() {
    let mut bench = Bench::new();
    bench.put(waiting([
        Container::new(ContainerKind::Sidecar, "proxy", BAD),
        Container::new(ContainerKind::Main, "main", GOOD),
    ]));
    bench.run_until(s(10));
    assert_eq!(bench.status("pod").phase, Phase::Pending);
    assert_eq!(bench.reasons("pod", "main"), ["PodInitializing"]);
}

#[test]
fn a_pod_with_a_running_and_a_bad_container_is_pending() {
    let mut bench = Bench::new();
    bench.put(waiting([
        Container::new(ContainerKind::Main, "bad", BAD),
        Container::new(ContainerKind::Main, "good", GOOD),
    ]));
    bench.run_until(s(130));
    assert_eq!(bench.status("pod").phase, Phase::Pending);
    assert_eq!(bench.reasons("pod", "good"), ["ContainerCreating", "Running"]);
    assert_eq!(bench.windows("pod", "bad", "ErrImagePull").len(), 4);
}

#[test]
fn a_bad_image_volume_holds_back_the_containers_that_mount_it() {
    let mut bench = Bench::new();
    let mut mounting = Container::new(ContainerKind::Main, "main", GOOD);
    mounting.image_volumes.push("model".into());
    let mut pod = waiting([mounting, Container::new(ContainerKind::Main, "other", GOOD)]);
    pod.image_volumes.push(ImageVolume {
        name: "model".into(),
        image: BAD.into(),
        pull_policy: PullPolicy::IfNotPresent,
    });
    bench.put(pod);
    bench.run_until(s(40));
    assert_eq!(
        bench.reasons("pod", "main")[..3],
        ["ContainerCreating", "ErrImagePull", "ImagePullBackOff"]
    );
    assert_eq!(bench.reasons("pod", "other"), ["ContainerCreating", "Running"]);
    assert!(bench.message("pod", "main").contains(BAD));
}

#[test]
fn a_pod_that_ran_before_alternates_between_pull_errors_and_crash_loop() {
    let mut bench = Bench::new();
    let script = Script::succeeds(ms(40)).then(not_found()).runs(Run::lasting(s(5), 1));
    bench.registry.play(BAD, script);
    let mut pod = pod("pod", BAD);
    pod.restart_policy = RestartPolicy::OnFailure;
    pod.containers[0].pull_policy = PullPolicy::Always;
    bench.put(pod);
    bench.run_until(s(700));
    let reasons = bench.reasons("pod", "main");
    assert_eq!(reasons[..4], ["ContainerCreating", "Running", "Error", "ErrImagePull"]);
    for reason in ["ImagePullBackOff", "CrashLoopBackOff"] {
        assert!(reasons.iter().any(|seen| seen == reason), "{reasons:?}");
    }
    assert_eq!(bench.status("pod").phase, Phase::Running);
    let main = bench.status("pod").container("main").unwrap();
    assert_eq!(main.last_terminated.as_ref().map(|end| end.exit_code), Some(1));
}

#[test]
fn a_container_that_may_restart_does() {
    let mut bench = Bench::new();
    bench.registry.play(GOOD, Script::succeeds(ms(40)).runs(Run::lasting(s(5), 1)));
    let mut pod = pod("pod", GOOD);
    pod.restart_policy = RestartPolicy::OnFailure;
    bench.put(pod);
    bench.run_until(s(12));
    let main = bench.status("pod").container("main").unwrap();
    assert_eq!(main.restart_count, 1);
}
