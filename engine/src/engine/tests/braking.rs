//! What holds the rules back: the budget, a registry that is down, a node of which others are better.

use serde_json::{Value, json};

use super::enforce;
use super::stage::{JOB, POD, Stage, short, uid};
use crate::api::ImagePullPolicyStatus;
use crate::effect::{Effect, Outcome};
use crate::input::{Change, Input};
use crate::objects::{Job, Key, Pod};

const DOWN: &str = "failed to pull and unpack image: failed to do request: Head \"https://r.io/v2/\": dial tcp 10.0.0.1:443: connect: connection refused";
const SECRET: &str = "failed to pull and unpack image: failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized";

const GONE: &str = "Error response from daemon: manifest unknown: manifest unknown";

/// A policy for Jobs that no queue manages, with one rule for all these causes.
fn policy(pulls: u32, more: &Value) -> Value {
    let mut spec = enforce(pulls);
    spec["queues"] = json!([{"kind": "NoQueue"}]);
    spec["rules"][0]["causes"] =
        json!(["NotFound", "Unauthorized", "Network", "RegistryUnavailable"]);
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    spec
}

/// One of several Jobs, each with one Pod.
#[derive(Clone, Copy)]
struct One<'a> {
    number: u128,
    image: &'a str,
    node: &'a str,
}

fn one(number: u128, image: &str) -> One<'_> {
    One { number, image, node: "n1" }
}

impl One<'_> {
    fn create(&self, stage: &mut Stage) {
        let job: Job = serde_json::from_value(json!({
            "metadata": {"name": format!("j{}", self.number), "namespace": "a",
                         "uid": uid(JOB + self.number), "resourceVersion": stage.next_version()},
            "status": {"startTime": "2026-11-24T08:00:00Z", "active": 1},
        }))
        .unwrap();
        stage.give(Input::Job(Change::Seen(job)));
        self.show(stage, &json!({"waiting": {"reason": "ContainerCreating"}}), "");
    }

    /// The Pod's container in this state; with an image id once it was pulled.
    fn show(&self, stage: &mut Stage, container: &Value, image_id: &str) {
        let wrote = jiff::Timestamp::from_second(stage.now().wall.as_second()).unwrap();
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": format!("p{}", self.number), "namespace": "a",
                "uid": uid(POD + self.number), "resourceVersion": stage.next_version(),
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "j",
                                     "uid": uid(JOB + self.number), "controller": true}],
                "managedFields": [{"manager": "kubelet", "subresource": "status",
                                   "time": wrote.to_string()}]},
            "spec": {"nodeName": self.node, "containers": [
                {"name": "main", "image": self.image, "imagePullPolicy": "Always"}]},
            "status": {"phase": "Pending", "containerStatuses": [
                {"name": "main", "imageID": image_id, "state": container}]},
        }))
        .unwrap();
        stage.give(Input::Pod(Change::Seen(pod)));
    }

    fn fails(&self, stage: &mut Stage, message: &str) {
        self.show(stage, &json!({"waiting": {"reason": "ErrImagePull", "message": message}}), "");
    }

    /// The next window, 20 s later.
    fn fails_again(&self, stage: &mut Stage, message: &str) {
        self.show(stage, &json!({"waiting": {"reason": "ImagePullBackOff"}}), "");
        stage.wait(20);
        self.fails(stage, message);
    }

    fn runs(&self, stage: &mut Stage) {
        let at = stage.now().wall.to_string();
        self.show(stage, &json!({"running": {"startedAt": at}}), "sha256:1");
    }
}

fn holds(effects: &[Effect]) -> usize {
    short(effects).iter().filter(|effect| *effect == "hold Job").count()
}

/// What is said of jobs that a brake holds back, up to its first comma or `of`.
fn told_of_waiting(effects: &[Effect]) -> Vec<&str> {
    let notes = effects.iter().filter_map(|effect| match effect {
        Effect::Publish(event) if event.action == "Wait" => Some(event.note.as_str()),
        _ => None,
    });
    notes.filter_map(|note| note.split([',', '.']).next()?.split(" of ").next()).collect()
}

fn last_status(effects: &[Effect]) -> ImagePullPolicyStatus {
    super::status_of(effects).cloned().unwrap()
}

/// The policy's status once all is written that is due within two seconds.
fn settled(stage: &mut Stage) -> ImagePullPolicyStatus {
    let mut effects = stage.answer(Outcome::Applied);
    stage.wait(2);
    effects.extend(stage.answer(Outcome::Applied));
    last_status(&effects)
}

/// So many Jobs that begin to fail within a second.
fn failing<'a>(stage: &mut Stage, images: &'a [String], message: &str) -> Vec<One<'a>> {
    let jobs: Vec<One<'_>> = (1..).zip(images).map(|(n, image)| one(n, image)).collect();
    for job in &jobs {
        job.create(stage);
    }
    stage.wait(1);
    for job in &jobs {
        job.fails(stage, message);
    }
    jobs
}

fn images(count: usize, image: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).map(image).collect()
}

#[test]
fn slots_are_reserved_in_blocks_before_anything_is_done() {
    let mut stage = Stage::new();
    stage.by_hand = true;
    stage.policy(policy(1, &json!({})));
    stage.answer(Outcome::Applied);
    let names = images(7, |n| format!("r.io/a/app:{n}"));
    failing(&mut stage, &names, SECRET);
    assert_eq!(short(&[stage.open[0].1.clone()]), ["reserve 5"]);
    assert_eq!(stage.open.len(), 1, "nothing is done before");
    stage.give_next(Outcome::Applied);
    stage.answer(Outcome::Applied);
    let held = stage.engine.cases.values().filter(|case| case.spent.is_some()).count();
    assert_eq!(held, 7, "five out of one block, two out of the next");
}

#[test]
fn the_slot_is_there_when_the_failed_pull_comes_that_reaches_the_threshold() {
    let mut stage = Stage::new();
    stage.by_hand = true;
    stage.policy(policy(3, &json!({})));
    stage.answer(Outcome::Applied);
    let names = images(1, |_| "r.io/a/app:1".to_owned());
    let jobs = failing(&mut stage, &names, SECRET);
    assert!(short(&stage.answer(Outcome::Applied)).is_empty(), "two more to come");
    jobs[0].fails_again(&mut stage, SECRET);
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["reserve 5"]);
    jobs[0].fails_again(&mut stage, SECRET);
    assert_eq!(short(&[stage.open[0].1.clone()]), ["hold Job"]);
}

#[test]
fn an_action_follows_its_reservation_before_the_policy_is_seen_again() {
    let mut stage = Stage::new();
    stage.by_hand = true;
    stage.policy(policy(1, &json!({})));
    stage.answer(Outcome::Applied);
    failing(&mut stage, &images(1, |_| "r.io/a/app:1".to_owned()), SECRET);
    let (id, reserve) = stage.open.remove(0);
    assert_eq!(short(&[reserve]), ["reserve 5"]);
    stage.give(Input::Done(id, Outcome::Applied));
    assert_eq!(short(&[stage.open[0].1.clone()]), ["hold Job"]);
}

#[test]
fn an_action_that_was_refused_gives_its_slot_back() {
    for (outcome, again) in [(Outcome::Forbidden, 1), (Outcome::Unavailable, 0)] {
        let mut stage = Stage::new();
        stage.policy(policy(1, &json!({"budget": {"actions": 1, "windowSeconds": 600}})));
        let names = images(1, |_| "r.io/a/app:1".to_owned());
        let first = failing(&mut stage, &names, SECRET);
        while holds(&[stage.open[0].1.clone()]) == 0 {
            stage.give_next(Outcome::Applied);
        }
        stage.give_next(outcome);
        stage.answer(Outcome::Applied);
        stage.wait(60);
        let other = One { image: "r.io/a/other:1", ..one(2, "") };
        other.create(&mut stage);
        first[0].runs(&mut stage);
        stage.wait(1);
        other.fails(&mut stage, SECRET);
        assert_eq!(holds(&stage.answer(Outcome::Applied)), again, "{outcome:?}");
    }
}

#[test]
fn a_reservation_that_somebody_was_faster_with_is_made_anew_on_what_is_seen_then() {
    let mut stage = Stage::new();
    stage.by_hand = true;
    stage.policy(policy(1, &json!({})));
    stage.answer(Outcome::Applied);
    failing(&mut stage, &images(1, |_| "r.io/a/app:1".to_owned()), SECRET);
    assert_eq!(short(&stage.answer(Outcome::Conflict)), ["reserve 5"]);
    let budget = json!({"windowStartTime": stage.now().wall.to_string(), "reserved": 5});
    stage.policy_with_status(policy(1, &json!({})), json!({"budget": budget}));
    let effects = short(&stage.answer(Outcome::Applied));
    assert!(effects.starts_with(&["reserve 10".to_owned()]), "{effects:?}");
    assert!(effects.contains(&"hold Job".to_owned()), "{effects:?}");
}

#[test]
fn what_the_budget_held_back_is_seen_and_done_in_the_next_window() {
    let mut stage = Stage::new();
    stage.policy(policy(1, &json!({"budget": {"actions": 2, "windowSeconds": 600}})));
    let names = images(3, |n| format!("r.io/a/app{n}:1"));
    let jobs = failing(&mut stage, &names, SECRET);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(holds(&effects), 2);
    stage.wait(10);
    let status = last_status(&stage.answer(Outcome::Applied));
    let waits: Vec<_> = status.failing.iter().filter_map(|f| f.reason.as_deref()).collect();
    assert!(waits.contains(&"Budget"), "{waits:?}");
    assert_eq!(told_of_waiting(&effects), ["Held back: the policy has used up its budget"]);
    jobs[2].fails_again(&mut stage, SECRET);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(holds(&effects), 0, "used up");
    assert!(told_of_waiting(&effects).is_empty(), "told once an admission");
    stage.wait(600);
    assert_eq!(holds(&stage.answer(Outcome::Applied)), 0, "time alone does nothing");
    jobs[2].fails_again(&mut stage, SECRET);
    assert_eq!(holds(&stage.answer(Outcome::Applied)), 1);
}

#[test]
fn a_sweep_with_one_typo_is_one_mistake() {
    let mut stage = Stage::new();
    let spec = policy(1, &json!({"budget": {"actions": 1, "windowSeconds": 600}}));
    stage.policy(spec);
    let names = images(30, |_| "r.io/team/app:missing".to_owned());
    failing(&mut stage, &names, GONE);
    let effects = stage.answer_up_to(500, Outcome::Applied);
    assert_eq!(holds(&effects), 30);
}

#[test]
fn what_an_earlier_life_has_reserved_counts_as_used() {
    let mut stage = Stage::new();
    let budget = json!({"windowStartTime": stage.now().wall.to_string(), "reserved": 20});
    stage.policy_with_status(policy(1, &json!({})), json!({"budget": budget}));
    failing(&mut stage, &images(1, |_| "r.io/a/app:1".to_owned()), SECRET);
    assert_eq!(holds(&stage.answer(Outcome::Applied)), 0);
}

#[test]
fn a_registry_that_is_down_opens_its_breaker_and_nothing_is_stopped_for_it() {
    let mut stage = Stage::new();
    stage.policy(policy(2, &json!({})));
    let names = images(5, |n| format!("r.io/a/app{n}:1"));
    let jobs = failing(&mut stage, &names, DOWN);
    let status = settled(&mut stage);
    assert_eq!(status.outages.len(), 1);
    assert_eq!((status.outages[0].host.as_str(), status.outages[0].distinct_jobs), ("r.io", 5));
    for job in &jobs {
        job.fails_again(&mut stage, DOWN);
    }
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(holds(&effects), 0);
    let down = "Held back: the image's registry counts as down";
    assert_eq!(told_of_waiting(&effects), [down; 5], "each job's people are told");
    let status = last_status(&effects);
    assert!(status.failing.iter().all(|f| f.reason.as_deref() == Some("Outage")), "{status:?}");
    assert_eq!(status.actions.reported, 0, "it is no report");
    for job in &jobs {
        job.fails_again(&mut stage, DOWN);
    }
    assert!(told_of_waiting(&stage.answer(Outcome::Applied)).is_empty(), "once an admission");

    // Another registry is well: what fails there is stopped.
    let other = one(50, "other.io/team/app:missing");
    other.create(&mut stage);
    stage.wait(1);
    other.fails(&mut stage, GONE);
    other.fails_again(&mut stage, GONE);
    assert_eq!(holds(&stage.answer(Outcome::Applied)), 1);

    // One of the stuck jobs gets its image: the registry is back.
    jobs[0].runs(&mut stage);
    let status = settled(&mut stage);
    assert!(status.outages.is_empty());
    jobs[1].fails_again(&mut stage, DOWN);
    assert_eq!(holds(&stage.answer(Outcome::Applied)), 0, "its pull may have begun before");
    jobs[1].fails_again(&mut stage, DOWN);
    assert_eq!(holds(&stage.answer(Outcome::Applied)), 1, "it fails on its own now");
}

/// Jobs behind a registry, the last of which goes on failing while it is down. Then the registry is
/// back, but the job fails on: after each of these failures, is it stopped?
#[test]
fn after_an_outage_an_image_has_to_fail_again_before_its_job_is_stopped() {
    for (what, pulls, before, after, stopped) in [
        ("no answer says nothing", 2, &[DOWN, DOWN][..], DOWN, &[false, true][..]),
        ("nor does it beside another", 4, &[DOWN, DOWN, GONE], GONE, &[false, false, true]),
        ("an answer has to be confirmed", 2, &[GONE, GONE], GONE, &[false, true]),
        ("so has a refusal", 2, &[SECRET, SECRET], SECRET, &[false, true]),
        ("and counts on", 5, &[GONE, GONE, GONE], GONE, &[false, true]),
        ("once where once is enough", 1, &[GONE], GONE, &[true]),
    ] {
        let mut stage = Stage::new();
        stage.policy(policy(pulls, &json!({})));
        let names = images(6, |n| format!("r.io/a/app{n}:1"));
        let jobs = failing(&mut stage, &names, before[0]);
        let last = &jobs[5];
        for message in &before[1..] {
            last.fails_again(&mut stage, message);
        }
        assert!(!settled(&mut stage).outages.is_empty(), "{what}");
        jobs[0].runs(&mut stage);
        assert!(settled(&mut stage).outages.is_empty(), "{what}");
        for expected in stopped {
            last.fails_again(&mut stage, after);
            let held = holds(&stage.answer(Outcome::Applied)) == 1;
            assert_eq!(held, *expected, "{what}: {stopped:?}");
        }
    }
}

#[test]
fn a_pod_that_replaces_another_inherits_what_an_outage_has_left_of_its_count() {
    for (message, stopped) in [(DOWN, &[false, false, true][..]), (GONE, &[false, true])] {
        let mut stage = Stage::new();
        stage.policy(policy(3, &json!({})));
        let names = images(6, |n| format!("r.io/a/app{n}:1"));
        let jobs = failing(&mut stage, &names, message);
        jobs[1].fails_again(&mut stage, message);
        let gone = stage.pod_object(POD + 2, json!({}));
        stage.give(Input::Pod(Change::Gone(gone)));
        jobs[0].runs(&mut stage);
        assert!(settled(&mut stage).outages.is_empty());
        stage.wait(60);
        jobs[1].create(&mut stage);
        for expected in stopped {
            jobs[1].fails_again(&mut stage, message);
            let held = holds(&stage.answer(Outcome::Applied)) == 1;
            assert_eq!(held, *expected, "{message}: {stopped:?}");
        }
    }
}

#[test]
fn a_breaker_stays_open_for_as_long_as_the_jobs_that_it_holds_go_on_failing() {
    for message in [DOWN, GONE, SECRET] {
        let mut stage = Stage::new();
        stage.policy(policy(2, &json!({})));
        let names = images(6, |n| format!("r.io/a/app{n}:1"));
        let jobs = failing(&mut stage, &names, message);
        settled(&mut stage);
        for minute in (5..60).step_by(5) {
            stage.wait(280);
            for job in &jobs {
                job.fails_again(&mut stage, message);
            }
            let effects = stage.answer_up_to(500, Outcome::Applied);
            assert_eq!(holds(&effects), 0, "{message}: after {minute} minutes");
        }
        let policy = Key::new("a", "gpu");
        assert_eq!(stage.engine.outages.open(&policy).count(), 1, "{message}");
    }
}

#[test]
fn a_registry_that_fails_again_counts_as_down_again() {
    for message in [DOWN, GONE] {
        let mut stage = Stage::new();
        stage.policy(policy(9, &json!({})));
        let names = images(7, |n| format!("r.io/a/app{n}:1"));
        let jobs = failing(&mut stage, &names, message);
        stage.wait(400);
        jobs[0].runs(&mut stage);
        assert!(settled(&mut stage).outages.is_empty(), "{message}");
        for job in &jobs[1..] {
            job.fails_again(&mut stage, message);
        }
        assert_eq!(settled(&mut stage).outages.len(), 1, "{message}");
    }
}

#[test]
fn a_policy_that_is_deleted_and_made_anew_during_an_outage_has_its_breaker_still() {
    let mut stage = Stage::new();
    stage.policy(policy(2, &json!({})));
    let names = images(6, |n| format!("r.io/a/app{n}:1"));
    let jobs = failing(&mut stage, &names, DOWN);
    settled(&mut stage);
    let old = serde_json::from_value(stage.policy.clone().unwrap()).unwrap();
    stage.give(Input::Policy(Change::Gone(old)));
    stage.wait(2);
    stage.policy(policy(2, &json!({})));
    for job in &jobs {
        job.fails_again(&mut stage, DOWN);
    }
    assert_eq!(holds(&stage.answer_up_to(500, Outcome::Applied)), 0);
}

#[test]
fn a_container_that_started_before_proves_nothing_however_late_it_is_seen() {
    let mut stage = Stage::new();
    stage.policy(policy(9, &json!({})));
    let names = images(6, |n| format!("r.io/a/app{n}:1"));
    let old = One { image: "r.io/a/old:1", ..one(50, "") };
    let started = stage.now().wall.to_string();
    stage.wait(60);
    failing(&mut stage, &names, DOWN);
    stage.wait(60);
    old.create(&mut stage);
    old.show(&mut stage, &json!({"running": {"startedAt": started}}), "sha256:1");
    assert_eq!(settled(&mut stage).outages.len(), 1);
}

#[test]
fn a_breaker_that_closes_changes_nothing_for_the_jobs_of_another_policy() {
    let mut stage = Stage::new();
    let mut strict = enforce(3);
    strict["outage"] = json!({"distinctJobs": 50});
    let strict = json!({
        "metadata": {"name": "strict", "namespace": "a", "uid": uid(0x9001), "generation": 1,
                     "resourceVersion": stage.next_version(),
                     "creationTimestamp": "2026-11-24T08:00:00Z"},
        "spec": strict,
    });
    stage.give(Input::Policy(Change::Seen(serde_json::from_value(strict).unwrap())));
    stage.policy(policy(9, &json!({})));
    stage.admitted();
    stage.first_failure(POD);
    stage.fail(POD);
    let names = images(5, |n| format!("r.io/a/app{n}:1"));
    let jobs: Vec<One<'_>> = (10..).zip(&names).map(|(n, image)| one(n, image)).collect();
    for job in &jobs {
        job.create(&mut stage);
        job.fails(&mut stage, DOWN);
    }
    stage.wait(20);
    jobs[0].runs(&mut stage);
    stage.answer(Outcome::Applied);
    stage.fail(POD);
    let effects = short(&stage.answer(Outcome::Applied));
    assert!(effects.contains(&"hold Workload".to_owned()), "{effects:?}");
}

#[test]
fn one_misspelt_repository_opens_no_breaker_and_five_of_them_do() {
    for (distinct, open) in [(1, false), (5, true)] {
        let mut stage = Stage::new();
        stage.policy(policy(9, &json!({})));
        let names = images(12, |n| format!("r.io/a/app{}:tag{n}", n % distinct));
        failing(&mut stage, &names, GONE);
        let status = settled(&mut stage);
        assert_eq!(!status.outages.is_empty(), open, "{distinct} repositories");
    }
}

/// By what a registry answers, one secret that has expired can't be told from an ingress that answers 401 to
/// everybody: five repositories of it open a breaker, one doesn't (docs/troubleshooting.md).
#[test]
fn one_expired_secret_opens_a_breaker_where_it_is_used_for_five_repositories() {
    for (distinct, open) in [(1, false), (4, false), (5, true)] {
        let mut stage = Stage::new();
        stage.policy(policy(9, &json!({})));
        let names = images(12, |n| format!("r.io/a/app{}:tag{n}", n % distinct));
        failing(&mut stage, &names, SECRET);
        let status = settled(&mut stage);
        assert_eq!(!status.outages.is_empty(), open, "{distinct} repositories");
    }
}

#[test]
fn what_is_found_bad_without_a_pull_tells_nothing_of_a_registry() {
    let mut stage = Stage::new();
    stage.policy(policy(9, &json!({})));
    let waits =
        json!({"waiting": {"reason": "InvalidImageName", "message": "invalid reference format"}});
    let names = images(6, |n| format!("r.io/a/app{n}:b:c"));
    for (number, image) in (1..).zip(&names) {
        let job = one(number, image);
        job.create(&mut stage);
        job.show(&mut stage, &waits, "");
    }
    let status = settled(&mut stage);
    assert_eq!((status.failing.len(), status.outages.len()), (6, 0));
}

#[test]
fn an_open_breaker_survives_a_restart_and_closes_when_nobody_asks_any_more() {
    for (pulls, message, stopped) in [(1, DOWN, &[true][..]), (2, GONE, &[false, true])] {
        let mut stage = Stage::new();
        let since = stage.now().wall.to_string();
        let outages = json!([{"host": "r.io", "sinceTime": since, "distinctJobs": 7}]);
        stage.policy_with_status(policy(pulls, &json!({})), json!({"outages": outages}));
        let names = images(1, |_| "r.io/a/app:1".to_owned());
        let jobs = failing(&mut stage, &names, message);
        jobs[0].fails_again(&mut stage, message);
        assert_eq!(holds(&stage.answer(Outcome::Applied)), 0);
        stage.wait(1000);
        assert!(last_status(&stage.answer(Outcome::Applied)).outages.is_empty());
        for expected in stopped {
            jobs[0].fails_again(&mut stage, message);
            assert_eq!(holds(&stage.answer(Outcome::Applied)) == 1, *expected, "{message}");
        }
    }
}

#[test]
fn old_mistakes_that_a_start_finds_are_no_outage() {
    let mut stage = Stage::new();
    stage.policy(policy(1, &json!({})));
    for n in 1..=6_u128 {
        let image = format!("r.io/a/app{n}:missing");
        let waits = json!({"waiting": {"reason": "ErrImagePull", "message": GONE}});
        let mut pod = stage.pod_object(POD + n, waits);
        pod.spec.containers[0].image.clone_from(&image);
        pod.metadata.owner_references[0].uid = crate::objects::Uid::from_u128(JOB + n);
        pod.metadata.creation_timestamp =
            Some(stage.now().wall - jiff::SignedDuration::from_hours(20));
        stage.give(Input::Pod(Change::Listed(pod)));
    }
    assert!(settled(&mut stage).outages.is_empty());
}

#[test]
fn what_another_node_could_pull_is_the_node_s_fault() {
    let mut stage = Stage::new();
    stage.policy(policy(2, &json!({})));
    let image = "r.io/a/app:1";
    let (here, there) = (one(1, image), One { node: "n2", ..one(2, image) });
    here.create(&mut stage);
    stage.wait(1);
    here.fails(&mut stage, GONE);
    there.create(&mut stage);
    stage.wait(2);
    there.runs(&mut stage);
    here.fails_again(&mut stage, GONE);
    let effects = stage.answer(Outcome::Applied);
    assert_eq!(short(&effects), ["event ImagePullFailed Report"]);
    let told = effects.iter().any(
        |effect| matches!(effect, Effect::Publish(event) if event.note.contains("another node")),
    );
    assert!(told, "{effects:?}");
}

#[test]
fn what_needs_no_further_failure_is_done_when_the_budget_allows_it_and_needs_no_registry() {
    let mut stage = Stage::new();
    let mut spec = policy(1, &json!({"budget": {"actions": 1, "windowSeconds": 600}}));
    spec["rules"][0]["causes"] = json!(["InvalidReference"]);
    let since = stage.now().wall.to_string();
    let outages = json!([{"host": "R.io", "sinceTime": since, "distinctJobs": 7}]);
    let used = json!({"windowStartTime": since, "reserved": 1});
    stage.policy_with_status(spec, json!({"outages": outages, "budget": used}));
    let job = one(1, "R.io/a:b:c");
    job.create(&mut stage);
    let waits = json!({"waiting": {"reason": "InvalidImageName", "message":
        "Failed to apply default image tag \"R.io/a:b:c\": invalid reference format"}});
    job.show(&mut stage, &waits, "");
    stage.wait(580);
    assert_eq!(holds(&stage.answer(Outcome::Applied)), 0, "the budget is used up");
    stage.wait(100);
    assert_eq!(holds(&stage.answer(Outcome::Applied)), 1);
}

#[test]
fn a_reservation_that_is_refused_is_tried_less_and_less_often() {
    let mut stage = Stage::new();
    stage.by_hand = true;
    let mut spec = policy(1, &json!({}));
    spec["rules"][0]["causes"] = json!(["InvalidReference"]);
    stage.policy(spec);
    let job = one(1, "R.io/a:b:c");
    job.create(&mut stage);
    job.show(
        &mut stage,
        &json!({"waiting": {"reason": "InvalidImageName", "message": "invalid reference format"}}),
        "",
    );
    let mut tries = 0;
    for _ in 0..600 {
        stage.wait(1);
        while let Some((_, effect)) = stage.open.first() {
            let refused = matches!(effect, Effect::Reserve { .. });
            tries += u32::from(refused);
            assert!(tries < 100, "without a pause");
            stage.give_next(if refused { Outcome::Forbidden } else { Outcome::Applied });
        }
    }
    assert!((2..20).contains(&tries), "{tries} tries in ten minutes");
}
