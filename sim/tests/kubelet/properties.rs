//! What holds whatever happens: random pods, pulls, deletions, foreign writes and restarts.

use std::time::Duration;

use dislodge_sim::kubelet::{
    Container, ContainerKind, ContainerState, EventKind, Kubelet, Output, Phase, Pod, PullPolicy,
    RestartPolicy, Timing,
};
use dislodge_sim::registry::{Pull, Registry, Run, Script};
use proptest::prelude::*;

use crate::bench::{Bench, Seen, ms, s};

const IMAGES: [&str; 3] = ["registry.example/a:1", "registry.example/b:1", "registry.example/C:1"];

#[derive(Debug, Clone)]
enum Act {
    Wait(u64),
    Delete,
    WritePhase,
    Restart(u64),
    Edit(usize),
}

fn pull() -> impl Strategy<Value = Pull> {
    prop_oneof![
        5 => (0..100_000_u64).prop_map(|after| Pull::Fails { after: ms(after), message: "503".into() }),
        3 => (0..200_000_u64).prop_map(|after| Pull::Succeeds { after: ms(after) }),
        1 => Just(Pull::Hangs),
        1 => Just(Pull::SecretUnreadable { message: "illegal base64 data".into() }),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let run = prop_oneof![
        Just(Run::for_ever()),
        (0..60_000_u64, 0..3_i32).prop_map(|(lasts, code)| Run::lasting(ms(lasts), code)),
    ];
    (prop::collection::vec(pull(), 1..6), run).prop_map(|(mut pulls, run)| {
        let first = Script::always(pulls.remove(0));
        pulls.into_iter().fold(first, Script::then).runs(run)
    })
}

fn random_pod() -> impl Strategy<Value = Pod> {
    let kinds = prop_oneof![Just(ContainerKind::Init), Just(ContainerKind::Sidecar)];
    let policies = || prop_oneof![3 => Just(PullPolicy::IfNotPresent), 1 => Just(PullPolicy::Always), 1 => Just(PullPolicy::Never)];
    let restarts = prop_oneof![
        Just(RestartPolicy::Never),
        Just(RestartPolicy::OnFailure),
        Just(RestartPolicy::Always)
    ];
    let init = prop::collection::vec((kinds, 0..3_usize, policies()), 0..3);
    let main = prop::collection::vec((Just(ContainerKind::Main), 0..3_usize, policies()), 1..3);
    ("[a-z]{8}", init, main, restarts).prop_map(|(uid, init, main, restart_policy)| {
        let mut pod = Pod::new(&uid, "team", "pod");
        pod.restart_policy = restart_policy;
        for (number, (kind, image, pull_policy)) in init.into_iter().chain(main).enumerate() {
            let container = Container::new(kind, &format!("c{number}"), IMAGES[image]);
            pod.containers.push(Container { pull_policy, ..container });
        }
        pod
    })
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0..120_000_u64).prop_map(Act::Wait),
        1 => Just(Act::Delete),
        1 => Just(Act::WritePhase),
        1 => (0..10_000_u64).prop_map(Act::Restart),
        1 => (0..3_usize).prop_map(Act::Edit),
    ];
    prop::collection::vec(act, 0..12)
}

fn play(pod: Pod, scripts: Vec<Script>, acts: &[Act]) -> Bench {
    let mut bench = Bench::new();
    for (image, script) in IMAGES.into_iter().zip(scripts) {
        bench.registry.play(image, script);
    }
    let uid = pod.key.uid.clone();
    bench.put(pod);
    for act in acts {
        if !bench.pods.contains_key(&uid) {
            break;
        }
        match act {
            Act::Wait(time) => bench.run_until(bench.now + ms(*time)),
            Act::Delete => bench.delete(&uid, s(30)),
            Act::WritePhase => bench.write(&uid, |status| status.phase = Phase::Failed),
            Act::Restart(down) => bench.restart(ms(*down)),
            Act::Edit(image) => bench.edit(&uid, |pod| {
                pod.generation += 1;
                pod.containers[0].image = IMAGES[*image].into();
            }),
        }
    }
    bench.run_until(bench.now + s(1000));
    bench
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// `Bench` would not come back if a deadline were never done with.
    #[test]
    fn what_is_due_gets_done_and_is_told_in_order(
        pod in random_pod(),
        scripts in prop::collection::vec(script(), 3),
        acts in acts(),
    ) {
        let bench = play(pod, scripts, &acts);
        prop_assert!(bench.kubelet.next_deadline().is_none_or(|due| due > bench.now));
        prop_assert!(bench.seen.is_sorted_by_key(|(at, _, _)| *at));
    }

    #[test]
    fn there_is_never_a_window_without_a_failed_pull(
        pod in random_pod(),
        scripts in prop::collection::vec(script(), 3),
        acts in acts(),
    ) {
        let containers: Vec<_> = pod.containers.iter().map(|c| c.name.clone()).collect();
        let uid = pod.key.uid.clone();
        let bench = play(pod, scripts, &acts);
        let failed = bench.events.iter().filter(|(_, kind, message)| {
            *kind == EventKind::Failed && message.starts_with("Failed to pull")
        });
        // a foreign write in between can show one window twice
        let writes = acts.iter().filter(|act| matches!(act, Act::WritePhase)).count();
        let (failed, windows) = (failed.count(), containers.iter().map(|name| {
            bench.windows(&uid, name, "ErrImagePull").len()
        }));
        prop_assert!(windows.max().unwrap_or(0) <= failed + writes);
    }

    #[test]
    fn a_pod_that_has_ended_stays_so(
        pod in random_pod(),
        scripts in prop::collection::vec(script(), 3),
        acts in acts(),
    ) {
        let acts: Vec<_> = acts.into_iter().filter(|act| !matches!(act, Act::WritePhase)).collect();
        let bench = play(pod, scripts, &acts);
        let mut ended = false;
        for (_, _, seen) in &bench.seen {
            if let Seen::Status(status) = seen {
                prop_assert!(!ended || status.phase.is_terminal());
                ended |= status.phase.is_terminal();
            }
        }
    }

    #[test]
    fn a_container_that_runs_has_an_image_id_and_counts_as_started(
        pod in random_pod(),
        scripts in prop::collection::vec(script(), 3),
        acts in acts(),
    ) {
        let bench = play(pod, scripts, &acts);
        for (_, _, seen) in &bench.seen {
            if let Seen::Status(status) = seen {
                for container in &status.containers {
                    let runs = matches!(container.state, ContainerState::Running { .. });
                    prop_assert!(!runs || container.started && !container.image_id.is_empty());
                }
            }
        }
    }

    #[test]
    fn one_late_call_does_what_many_prompt_ones_do(
        pod in random_pod(),
        scripts in prop::collection::vec(script(), 3),
        step in 1..5000_u64,
    ) {
        let run = |step: Duration| {
            let mut registry = Registry::new(Script::hangs());
            for (image, script) in IMAGES.into_iter().zip(scripts.clone()) {
                registry.play(image, script);
            }
            let mut kubelet = Kubelet::new(Timing::real());
            kubelet.pod_seen(Duration::ZERO, pod.clone());
            let (mut now, mut outputs) = (Duration::ZERO, Vec::<Output>::new());
            while now < s(600) {
                now = s(600).min(now + step);
                outputs.extend(kubelet.advance(now, &mut registry));
            }
            outputs
        };
        prop_assert_eq!(run(ms(step)), run(s(600)));
    }
}
