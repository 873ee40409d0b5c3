//! What people are told of a job is what the engine does with it.

use jiff::Timestamp;
use serde_json::json;

use super::stage::{IMAGE, JOB, MISSING, POD, Stage, short};
use super::{enforce, held};
use crate::api::Action;
use crate::cause::Cause;
use crate::effect::Outcome;
use crate::engine::account::{Account, FailingImage, Prospect};
use crate::objects::Uid;
use crate::plan::{Reported, Wait};
use crate::quota::Admission;
use crate::record::Run;

fn account(stage: &mut Stage) -> Account {
    let now = stage.now();
    stage.engine.account(Uid::from_u128(JOB), now).unwrap()
}

fn image(stage: &mut Stage) -> FailingImage {
    let images = account(stage).images;
    assert_eq!(images.len(), 1);
    images.into_iter().next().unwrap()
}

const SUSPEND: Prospect = Prospect::Act { action: Action::SuspendJob, fallback: None };

#[test]
fn what_is_told_before_a_failed_pull_is_done_after_it() {
    let mut stage = Stage::new();
    stage.policy(enforce(2));
    stage.admitted();
    stage.first_failure(POD);
    let told = image(&mut stage);
    assert_eq!((told.now, told.then), (Prospect::Count { due: None }, SUSPEND));
    assert_eq!((told.evidence.failed_pulls, told.rule.unwrap().name.as_str()), (1, "missing"));
    assert!(short(&stage.answer(Outcome::Applied)).is_empty());
    stage.fail(POD);
    assert_eq!(image(&mut stage).now, SUSPEND, "the moment is safe");
    assert_eq!(short(&stage.answer(Outcome::Applied)), ["hold Workload"]);
}

#[test]
fn outside_of_the_safe_moment_the_next_failed_pull_is_told() {
    let mut stage = Stage::new();
    stage.admitted();
    stage.first_failure(POD);
    stage.fail(POD);
    assert_eq!(image(&mut stage).now, Prospect::Ungoverned);
    stage.wait(9);
    stage.policy(enforce(2));
    let told = image(&mut stage);
    assert_eq!((told.now, told.then), (Prospect::Wait(Wait::NextFailure), SUSPEND));
    assert!(!short(&stage.answer(Outcome::Applied)).contains(&"hold Workload".to_owned()));
}

#[test]
fn what_audit_would_do_is_told_and_not_done() {
    let mut stage = Stage::new();
    let mut audit = enforce(1);
    audit["mode"] = json!("Audit");
    stage.policy(audit);
    stage.admitted();
    stage.first_failure(POD);
    let report = Prospect::Report(Reported::Audit(Action::SuspendJob));
    let told = image(&mut stage);
    assert_eq!((told.now, told.then), (report, report));
    assert!(!short(&stage.answer(Outcome::Applied)).contains(&"hold Workload".to_owned()));
}

#[test]
fn a_held_job_is_told_with_its_hold_and_found_by_all_that_belongs_to_it() {
    let (mut stage, id) = held(2);
    let told = account(&mut stage);
    assert_eq!(told.hold.unwrap().id, id);
    assert!(told.is_stopped);
    assert_eq!(told.admission, Admission::None);
    for uid in [JOB, super::stage::WORKLOAD, POD] {
        assert_eq!(stage.engine.unit_of(Uid::from_u128(uid)), Uid::from_u128(JOB), "{uid:x}");
    }
    assert_eq!(stage.engine.units(), [Uid::from_u128(JOB)]);
}

#[test]
fn what_events_tell_counts_where_it_is_more() {
    let at: Timestamp = "2026-11-24T08:10:00Z".parse().unwrap();
    for (told, counted) in [(1, 1), (3, 3)] {
        let mut stage = Stage::new();
        stage.policy(enforce(5));
        stage.admitted();
        stage.first_failure(POD);
        stage.wait(20);
        let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": MISSING}});
        let pod = stage.pod_object(POD, waiting);
        let run = Run { cause: Cause::NotFound, failed_pulls: told, first: at, last: at };
        let now = stage.now();
        stage.engine.recall(&pod, IMAGE, run, now);
        assert_eq!(image(&mut stage).evidence.failed_pulls, counted, "{told} are told");
    }
}
