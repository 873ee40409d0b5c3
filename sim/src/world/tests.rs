use std::time::Duration;

use dislodge_engine::api::ImagePullPolicySpec;
use dislodge_engine::keys;
use serde_json::json;

use super::*;
use crate::registry::{Fault, Run, Runtime, Script};

const BAD: &str = "r.example/team/app:missing";
const GOOD: &str = "r.example/team/app:1";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn spec(mode: &str, action: &str) -> ImagePullPolicySpec {
    let spec = json!({
        "mode": mode,
        "queues": [{"kind": "LocalQueue", "name": "gpu"}, {"kind": "NoQueue"}],
        "rules": [{"name": "missing", "causes": ["NotFound"], "threshold": {"failedPulls": 3},
                   "action": action, "runningPeers": "Stop"}],
    });
    serde_json::from_value(spec).unwrap()
}

/// One queue of one CPU with a stuck job, and another that waits behind it.
fn two_jobs(mode: &str, action: &str) -> World {
    two_jobs_that_end_after(6, mode, action)
}

/// The same, where so many failed Pods are allowed.
fn two_jobs_that_end_after(backoff_limit: u32, mode: &str, action: &str) -> World {
    let gone = Fault::NotFound.message(Runtime::Containerd2, BAD);
    let registry = Registry::new(Script::succeeds(seconds(2)))
        .with(BAD, Script::fails(Duration::from_millis(300), gone));
    let mut world = World::new(Plan { registry, ..Plan::default() });
    world.add_cluster_queue("all", &Quota { cpus: 1, ..Quota::default() });
    world.add_queue("team", "gpu", "all");
    let apply = Deed::Apply {
        namespace: "team".into(),
        name: "gpu".into(),
        spec: Box::new(spec(mode, action)),
    };
    world.plan(seconds(1), apply);
    world.add_replica(ReplicaPlan { starts: seconds(2), leads: true, ..ReplicaPlan::default() });
    for (at, name, image) in [(5, "stuck", BAD), (10, "next", GOOD)] {
        let plan = JobPlan::new("team", name, image);
        let plan = JobPlan { queue: Some("gpu".into()), backoff_limit, ..plan };
        world.plan(seconds(at), Deed::Submit(Box::new(plan)));
    }
    world
}

/// When something happened first to the Job of that name, in seconds.
fn first(world: &World, name: &str, what: impl Fn(&What) -> bool) -> Option<f64> {
    let job = world.job_named(&("team".to_owned(), name.to_owned()))?;
    let entries = world.history().entries().iter().filter(|entry| entry.job == job);
    let mut found = entries.filter(|entry| what(&entry.what));
    found.next().map(|entry| entry.at.as_secs_f64())
}

/// As measured on the real control plane (live.md 4 and 7.4): the next job has its quota 1.0 s after the
/// hold, and the held one is ended 0.1 s after that.
#[test]
fn a_stuck_image_gives_its_quota_to_the_next_job_as_soon_as_in_a_real_cluster() {
    for action in ["SuspendJob", "RequeueJob", "FailJob"] {
        let mut world = two_jobs("Enforce", action);
        world.run_until(seconds(300));
        let released = first(&world, "stuck", |what| *what == What::Released).unwrap();
        let admitted = first(&world, "next", |what| *what == What::Admitted).unwrap();
        let running = first(&world, "next", |what| matches!(what, What::Running(_))).unwrap();
        let failed = first(&world, "stuck", |what| matches!(what, What::Failed(_)));
        assert!((0.9..1.2).contains(&(admitted - released)), "{action}: {released} {admitted}");
        assert!((2.0..3.5).contains(&(running - admitted)), "{action}: a pull of 2 s: {running}");
        assert_eq!(failed.is_some(), action == "FailJob");
        assert!(failed.is_none_or(|at| (0.9..3.0).contains(&(at - released))), "{failed:?}");
    }
}

/// Its Pod fails for another reason in the very moment of the hold: the Job controller counts that, and cannot end a
/// Job that Kueue has taken the start from.
#[test]
fn a_job_that_fails_by_itself_in_the_moment_of_its_hold_is_not_left_between_failing_and_failed() {
    for action in ["SuspendJob", "RequeueJob"] {
        let mut world = two_jobs_that_end_after(0, "Enforce", action);
        let stuck = ("team".to_owned(), "stuck".to_owned());
        let held = |world: &World| {
            let workload = world.job_named(&stuck).and_then(|job| world.workload_of(job));
            workload.is_some_and(|w| w.seen.metadata.annotation(keys::HOLD).is_some())
        };
        while !held(&world) {
            assert!(world.step_until(seconds(300)), "{action}: it is never held");
        }
        world.plan(world.now(), Deed::DeletePods(stuck.clone()));
        world.run_until(seconds(300));
        let job = world.job_named(&stuck).and_then(|job| world.job(job)).unwrap();
        let conditions = &job.seen.status.conditions;
        let failed = conditions.iter().find(|c| c.kind == "Failed").map(|c| c.reason.to_string());
        assert_eq!(failed.as_deref(), Some("BackoffLimitExceeded"), "{action}: {conditions:?}");
    }
}

/// A Job without `completions` has had its success, and its last Pod is stuck: the hold that ends that Pod completes
/// the Job, and Kueue has taken the start that a complete Job needs.
#[test]
fn a_job_that_is_completed_by_its_hold_is_not_left_between_succeeded_and_complete() {
    for action in ["FailJob", "SuspendJob", "RequeueJob"] {
        let gone = Fault::NotFound.message(Runtime::Containerd2, BAD);
        let once = Script::succeeds(seconds(1))
            .then(crate::registry::Pull::Fails { after: seconds(1), message: gone })
            .runs(Run::lasting(seconds(5), 0));
        let registry = Registry::new(Script::succeeds(seconds(2))).with(BAD, once);
        let nodes = vec![("one".to_owned(), 1), ("two".to_owned(), 1)];
        let mut world = World::new(Plan { nodes, registry, ..Plan::default() });
        world.add_cluster_queue("all", &Quota { cpus: 2, ..Quota::default() });
        world.add_queue("team", "gpu", "all");
        let spec = Box::new(spec("Enforce", action));
        let apply = Deed::Apply { namespace: "team".into(), name: "gpu".into(), spec };
        world.plan(seconds(1), apply);
        world.add_replica(ReplicaPlan {
            starts: seconds(2),
            leads: true,
            ..ReplicaPlan::default()
        });
        for (at, name, image, pods) in [(5, "stuck", BAD, 2), (10, "next", GOOD, 1)] {
            let plan = JobPlan::new("team", name, image);
            let plan = JobPlan { queue: Some("gpu".into()), pods, open_ended: pods > 1, ..plan };
            world.plan(seconds(at), Deed::Submit(Box::new(plan)));
        }
        world.run_until(seconds(300));
        let held = first(&world, "stuck", |what| *what == What::Released);
        let complete = first(&world, "stuck", |what| *what == What::Complete);
        let next = first(&world, "next", |what| matches!(what, What::Running(_)));
        assert!(held.is_some() && next > held, "{action}: {held:?} {next:?}");
        assert!(complete > held, "{action}: {held:?} {complete:?}");
    }
}

#[test]
fn without_a_policy_that_acts_kueue_s_own_time_limit_frees_the_quota_after_half_an_hour() {
    let mut world = two_jobs("Audit", "SuspendJob");
    world.run_until(seconds(3000));
    let admitted = first(&world, "next", |what| *what == What::Admitted).unwrap();
    assert!((1800.0..1810.0).contains(&admitted), "{admitted}");
    let told = first(&world, "stuck", |what| matches!(what, What::Told("ImagePullFailed", ..)));
    assert!(told.is_some_and(|at| at < 70.0), "{told:?}");
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let play = || {
        let mut world = two_jobs("Enforce", "RequeueJob");
        world.run_until(seconds(1800));
        world.history().entries().to_vec()
    };
    assert_eq!(play(), play());
}

#[test]
fn a_job_of_more_pods_than_a_watch_is_usually_kept_for_comes_to_its_end() {
    const PODS: u32 = 5_000;
    let script = Script::succeeds(seconds(2)).runs(Run::lasting(seconds(10), 0));
    let registry = Registry::new(script);
    let nodes = vec![("large".to_owned(), u32::MAX)];
    let mut world = World::new(Plan { nodes, registry, ..Plan::default() });
    let mut plan = JobPlan::new("team", "wide", GOOD);
    plan.pods = PODS;
    world.plan(seconds(1), Deed::Submit(Box::new(plan)));
    world.run_until(seconds(120));
    let ends = world.history().entries().iter();
    let ends = ends.filter(|entry| entry.what == What::Complete);
    assert_eq!(ends.count(), 1);
}
