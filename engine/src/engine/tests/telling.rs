//! What is told beside the effects: notices, and how things stand.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::stage::{IMAGE, JOB, MISSING, POD, Stage, short, uid};
use super::{enforce, held, marks_of, status_of};
use crate::api::Action;
use crate::cause::Cause;
use crate::effect::{Effect, Outcome};
use crate::gauges::{Gauges, QueueGauges};
use crate::input::{Change, Input};
use crate::notice::{Audited, Decision, Notice};
use crate::objects::{Key, Quantity, Uid};
use crate::resolve::Queue;

fn gauges(stage: &Stage) -> Gauges {
    stage.engine.gauges(stage.now())
}

/// The one LocalQueue of the stage.
fn queue(stage: &Stage) -> QueueGauges {
    gauges(stage).queues.remove(&Queue::Local(Key::new("a", "gpu"))).unwrap()
}

/// What was told by the newest input.
fn told(stage: &mut Stage) -> Vec<Notice> {
    stage.engine.notices().collect()
}

fn decisions(notices: Vec<Notice>) -> Vec<Decision> {
    let decided = |notice| match notice {
        Notice::Decided(_, decision) => Some(*decision),
        _ => None,
    };
    notices.into_iter().filter_map(decided).collect()
}

/// The effect is applied, and nothing else is told.
fn land(stage: &mut Stage, which: impl Fn(&Effect) -> bool) {
    let at = stage.open.iter().position(|(_, effect)| which(effect)).unwrap();
    let (id, _) = stage.open.remove(at);
    stage.give(Input::Done(id, Outcome::Applied));
}

fn cpus(text: &str) -> Quantity {
    Quantity::parse(text)
}

#[test]
fn a_decision_is_told_with_all_that_led_to_it_and_with_its_effect() {
    let mut stage = Stage::new();
    stage.by_hand = true;
    stage.policy(enforce(1));
    stage.admitted();
    stage.answer(Outcome::Applied);
    stage.first_failure(POD);
    assert!(told(&mut stage).contains(&Notice::FailedPull(Cause::NotFound)));
    land(&mut stage, |effect| matches!(effect, Effect::Reserve { .. }));
    let notices = told(&mut stage);
    let hold = stage.open.iter().find(|(_, effect)| matches!(effect, Effect::Lever { .. }));
    let Some(Notice::Decided(id, decision)) = notices.into_iter().next() else { panic!("nothing") };
    assert_eq!(Some(id), hold.map(|(id, _)| *id));
    let first_failure = Some(stage.now().wall);
    assert_eq!(
        Decision { first_failure, ..*decision },
        Decision {
            kind: "Job".to_owned(),
            job: Key::new("a", "train"),
            uid: Uid::parse(&uid(JOB)),
            policy: "gpu".to_owned(),
            rule: Some("missing".to_owned()),
            image: IMAGE.to_owned(),
            cause: Cause::NotFound,
            failed_pulls: Some(1),
            first_failure,
            action: Action::SuspendJob,
            reason: "ThresholdReached",
        }
    );
}

#[test]
fn a_report_and_a_person_s_word_are_decisions_too() {
    let mut stage = Stage::new();
    let mut audit = enforce(1);
    audit["mode"] = json!("Audit");
    stage.policy(audit);
    stage.admitted();
    stage.answer(Outcome::Applied);
    stage.first_failure(POD);
    let reports = decisions(told(&mut stage));
    assert_eq!(
        reports.iter().map(|d| (d.action, d.reason)).collect::<Vec<_>>(),
        [(Action::Report, "Audit")]
    );
    land(&mut stage, |effect| matches!(effect, Effect::Publish(_)));
    let namespace = "a".to_owned();
    let learnt = Notice::Audited { namespace, outcome: Audited::WouldHaveActed };
    assert_eq!(told(&mut stage), [learnt]);

    let (mut stage, id) = held(1);
    stage.job(json!({"dislodge.dev/hold": id, "dislodge.dev/resume": id}));
    let resumed = decisions(told(&mut stage));
    assert_eq!(
        resumed.iter().map(|d| (d.action, d.reason)).collect::<Vec<_>>(),
        [(Action::SuspendJob, "Requested")]
    );
}

#[test]
fn who_does_not_act_tells_nothing_and_a_list_tells_of_no_failed_pull() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.admitted();
    stage.give(Input::Leadership(None));
    stage.first_failure(POD);
    assert_eq!(told(&mut stage), []);
    assert!(!gauges(&stage).acts);

    let mut stage = Stage::new();
    stage.by_hand = true; // an answer would be another input
    stage.policy(enforce(2));
    stage.admitted();
    stage.answer(Outcome::Applied);
    let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": MISSING}});
    let pod = stage.pod_object(POD, waiting);
    stage.give(Input::Pod(Change::Listed(pod)));
    assert_eq!(told(&mut stage), []);
    assert_eq!(queue(&stage).failing, 1);
}

#[test]
fn what_is_not_taken_is_dropped_with_the_next_input() {
    let mut stage = Stage::new();
    stage.policy(enforce(2));
    stage.admitted();
    stage.first_failure(POD);
    stage.give(Input::Deadline);
    assert_eq!(told(&mut stage), []);
}

#[test]
fn the_quota_of_a_job_is_wasted_while_it_fails_and_given_back_while_it_is_held() {
    let mut stage = Stage::new();
    stage.policy(enforce(2));
    stage.admitted();
    assert_eq!(queue(&stage), QueueGauges::default(), "a pull that has not failed wastes nothing");
    stage.first_failure(POD);
    let failing = queue(&stage);
    assert_eq!((failing.failing, failing.held.len()), (1, 0));
    assert_eq!(failing.wasted, [("cpu".into(), cpus("1"))].into());
    stage.fail(POD);
    let marks = marks_of(&stage.answer(Outcome::Applied));
    let decided = stage.now();

    // Kueue has still to take the quota away.
    stage.workload(false, Some("2026-11-24T08:10:00Z"), marks.clone());
    let held = queue(&stage);
    assert_eq!((held.failing, held.held), (0, [(Action::SuspendJob, 1)].into()));
    assert_eq!(held.wasted, [("cpu".into(), cpus("1"))].into());
    assert!(held.returned.is_empty());

    stage.wait(3);
    stage.workload(false, None, marks);
    let released: Vec<Notice> = told(&mut stage);
    assert!(released.contains(&Notice::Released(Duration::from_secs(3))), "{released:?}");
    let free = queue(&stage);
    assert!(free.wasted.is_empty());
    assert_eq!(free.returned, [("cpu".into(), cpus("1"))].into());
    assert_eq!(free.oldest_hold.map(Timestamp::as_second), Some(decided.wall.as_second()));
    stage.give(Input::Deadline);
    assert_eq!(told(&mut stage), [], "released once");
}

#[test]
fn a_job_with_a_running_container_wastes_no_quota() {
    let mut stage = Stage::new();
    stage.policy(enforce(2));
    stage.admitted();
    stage.first_failure(POD);
    let pod = stage.pod_object(0x3001, json!({"running": {}}));
    stage.give(Input::Pod(Change::Seen(pod)));
    let queue = queue(&stage);
    assert_eq!((queue.failing, queue.wasted.len()), (1, 0));
}

#[test]
fn a_refused_hold_is_not_waited_for() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.admitted();
    stage.first_failure(POD);
    let marks = marks_of(&stage.answer(Outcome::Conflict));
    // Somebody else has held it.
    stage.workload(false, None, marks);
    let released = |notice: &Notice| matches!(notice, Notice::Released(_));
    assert!(!told(&mut stage).iter().any(released));
}

#[test]
fn budget_brakes_and_what_is_waited_for_are_shown() {
    let mut stage = Stage::new();
    let mut spec = enforce(1);
    spec["budget"] = json!({"actions": 3, "windowSeconds": 600});
    stage.policy(spec);
    stage.admitted();
    let policy = |stage: &Stage| *gauges(stage).policies.get(&Key::new("a", "gpu")).unwrap();
    assert_eq!((policy(&stage).budget_left, policy(&stage).outages), (3, 0));
    stage.first_failure(POD);
    stage.answer(Outcome::Applied);
    assert_eq!(policy(&stage).budget_left, 2, "what is reserved and not taken is left");
    stage.wait(601);
    assert_eq!(policy(&stage).budget_left, 3, "another window");

    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.admitted();
    stage.wait(8); // too late for a safe moment
    stage.pod(POD, "ErrImagePull", MISSING);
    assert_eq!(gauges(&stage).waiting, [("NextFailure", 1)].into());
    stage.give(Input::Paused(Some("why".to_owned())));
    assert_eq!(gauges(&stage).waiting, [("Paused", 1)].into());
    assert!(gauges(&stage).paused);
    let counts = gauges(&stage);
    assert_eq!((counts.pods, counts.jobs, counts.workloads), (1, 1, 1));
}

#[test]
fn every_queue_that_a_policy_governs_is_shown_also_when_nothing_fails() {
    let mut stage = Stage::new();
    stage.queue();
    let mut spec = enforce(1);
    spec["queues"] = json!([{"kind": "LocalQueue", "name": "*"}, {"kind": "NoQueue"}]);
    stage.policy(spec.clone());
    let shown = |stage: &Stage| gauges(stage).queues.into_keys().collect::<Vec<Queue>>();
    let local = Queue::Local(Key::new("a", "gpu"));
    assert_eq!(shown(&stage), [local, Queue::None { namespace: "a".to_owned() }]);
    spec["queues"] = json!([{"kind": "LocalQueue", "name": "elsewhere"}]);
    stage.policy(spec);
    assert_eq!(shown(&stage), [], "it does not exist");
}

#[test]
fn a_pull_that_shows_nothing_for_15_minutes_is_told_and_never_acted_on() {
    let mut stage = Stage::new();
    stage.policy(enforce(1));
    stage.admitted();
    let status = |stage: &mut Stage| {
        stage.wait(60);
        let effects = stage.answer(Outcome::Applied);
        assert!(short(&effects).is_empty(), "{:?}", short(&effects));
        status_of(&effects).map(|status| status.silent_pulls)
    };
    status(&mut stage);
    stage.wait(12 * 60);
    assert_eq!((queue(&stage).silent, status(&mut stage)), (0, None), "not yet");
    stage.wait(60);
    assert_eq!((queue(&stage).silent, status(&mut stage)), (1, Some(1)));
    assert_eq!(status(&mut stage), None, "a number that stays is written once");
    stage.pod(POD, "ContainerCreating", ""); // the kubelet has written, whatever it was
    assert_eq!((status(&mut stage), queue(&stage).silent), (Some(0), 0));
}

#[test]
fn nothing_is_counted_as_silent_that_is_not_waited_for() {
    type Row = (&'static str, fn(&mut Stage));
    let rows: [Row; 4] = [
        ("it has started", |stage| {
            let pod = stage.pod_object(POD, json!({"running": {}}));
            stage.give(Input::Pod(Change::Seen(pod)));
        }),
        ("it is gone", |stage| stage.no_pod(POD)),
        ("its node does not report", |stage| stage.node("n1", "Unknown")),
        ("no policy governs it", Stage::no_policy),
    ];
    for (why, change) in rows {
        let mut stage = Stage::new();
        stage.policy(enforce(1));
        stage.admitted();
        stage.wait(16 * 60);
        assert_eq!(queue(&stage).silent, 1);
        change(&mut stage);
        stage.wait(60);
        let silent = |gauges: Gauges| gauges.queues.values().map(|queue| queue.silent).sum::<u64>();
        assert_eq!(silent(gauges(&stage)), 0, "{why}");
    }
}

#[test]
fn a_back_off_that_is_frozen_for_15_minutes_is_silent_and_a_list_tells_since_when() {
    let mut stage = Stage::new();
    stage.policy(enforce(9));
    stage.admitted();
    stage.first_failure(POD);
    let frozen = json!({"waiting": {"reason": "ImagePullBackOff", "message": ""}});
    let pod = stage.pod_object(POD, frozen);
    stage.wait(15 * 60);
    stage.give(Input::Pod(Change::Listed(pod)));
    stage.wait(61);
    assert_eq!(queue(&stage).silent, 1, "the kubelet's write is what counts, not when we read it");
}

#[test]
fn nobody_is_woken_to_count_where_nothing_is_waited_for() {
    let mut stage = Stage::new();
    stage.wait(3600);
    assert_eq!(stage.engine.next_deadline(), None);
}

/// Found by simulation: two replicas led, and one had yet to see the hold. It took the owner's word back, the
/// other told it anew, a hundred times a second.
#[test]
fn two_leaders_of_whom_one_is_behind_do_not_take_turns_with_the_owner_s_word() {
    let mut stage = Stage::new();
    stage.policy(enforce(3));
    stage.admitted();
    let told =
        json!({"dislodge.dev/hold": "62815facba1662fa", "dislodge.dev/held": "3 failed pulls"});
    stage.job(told.clone());
    let mut taken_back = 0;
    for _ in 0..60 {
        for _ in 0..100 {
            let given = short(&stage.answer(Outcome::Applied));
            if !given.iter().any(|effect| effect.starts_with("explain +0")) {
                break;
            }
            taken_back += 1;
            stage.job(json!({}));
            stage.job(told.clone()); // by the other one
        }
        stage.wait(1);
    }
    assert!((2..15).contains(&taken_back), "{taken_back} times in a minute");
}
