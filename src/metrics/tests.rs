//! What the exposition says after what has happened.

mod exposition;

use std::collections::BTreeSet;

use dislodge_engine::Engine;
use dislodge_engine::api::Action;
use dislodge_engine::cause::Cause;
use dislodge_engine::input::{Change, Input};
use dislodge_engine::notice::Audited;
use dislodge_engine::objects::{Key, Uid};
use dislodge_engine::resolve::Queue;
use dislodge_engine::time::Now;
use serde_json::json;

use self::definitions::{ALL, MOST_NAMES, OVERFLOW, Type};
use self::exposition::{Family, Sample, read};
use super::*;
use crate::clock::Clock;
use crate::driver::tests::stage::{Answer, IMAGE, Stage, beginning, config, uid};

fn metrics() -> Metrics {
    Metrics::new(Health::new(Clock::start()))
}

fn decision() -> Decision {
    Decision {
        kind: "Job".to_owned(),
        job: Key::new("team", "train"),
        uid: Uid::from_u128(1),
        policy: "gpu".to_owned(),
        rule: Some("missing".to_owned()),
        image: IMAGE.to_owned(),
        cause: Cause::NotFound,
        failed_pulls: Some(3),
        first_failure: None,
        action: Action::SuspendJob,
        reason: "ThresholdReached",
    }
}

/// Everything has happened once.
fn everything() -> Metrics {
    let metrics = metrics();
    metrics.note(&Notice::FailedPull(Cause::NotFound));
    metrics.note(&Notice::Released(Duration::from_secs(1)));
    let namespace = "team".to_owned();
    metrics.note(&Notice::Audited { namespace, outcome: Audited::WouldHaveActed });
    metrics.decided("Hold", &decision(), Duration::from_millis(2));
    metrics.landed("Hold", Outcome::Applied);
    metrics.acted(&decision(), Outcome::Applied, Some(Duration::from_secs(40)));
    metrics.requested("patch", "workloads", "2xx", Duration::from_millis(3));
    let watch = metrics.watch(Kind::Pod);
    for counter in [&watch.events, &watch.lists, &watch.failures, &watch.unreadable] {
        counter.inc();
    }
    let mut gauges = Gauges { acts: true, ..Gauges::default() };
    gauges.waiting.insert("NextFailure", 1);
    gauges.policies.entry(Key::new("team", "gpu")).or_default().budget_left = 20;
    let queue = gauges.queues.entry(Queue::Local(Key::new("team", "gpu"))).or_default();
    queue.held.insert(Action::SuspendJob, 1);
    queue.oldest_hold = Some(jiff::Timestamp::from_second(1_700_000_000).unwrap());
    let cpus = dislodge_engine::objects::Quantity::parse("2500m");
    queue.wasted.insert("cpu".into(), cpus);
    queue.returned.insert("cpu".into(), cpus);
    for seconds in [5, 10] {
        metrics.measure(gauges.clone(), Depths::default(), Duration::from_secs(seconds));
    }
    metrics
}

#[test]
fn the_exposition_is_what_the_table_says_and_nothing_else() {
    let text = everything().text().unwrap();
    let families = read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut left: BTreeSet<&str> = families.iter().map(|family| family.name.as_str()).collect();
    for of in ALL {
        let name = match of.kind {
            Type::Counter => of.name.strip_suffix("_total").unwrap(),
            Type::Info => of.name.strip_suffix("_info").unwrap(),
            Type::Gauge | Type::Histogram => of.name,
        };
        let family = families.iter().find(|family| family.name == name);
        let family = family.unwrap_or_else(|| panic!("{name} is missing:\n{text}"));
        assert!(left.remove(name), "{name} stands twice in the table");
        assert_eq!(family.kind, of.kind.as_str(), "{name}");
        assert_eq!(family.unit.as_deref(), of.unit, "{name}");
        assert_eq!(family.help, format!("{}.", of.help), "{name}");
        let expected: BTreeSet<&str> = of.labels.iter().map(|label| label.name).collect();
        for sample in &family.samples {
            let labels = sample.labels.keys().map(String::as_str).filter(|label| *label != "le");
            assert_eq!(labels.collect::<BTreeSet<_>>(), expected, "{name}");
        }
    }
    assert!(left.is_empty(), "not in the table: {left:?}");
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    for of in ALL {
        assert!(of.name.starts_with("dislodge_"), "{}", of.name);
        assert_eq!(of.name.ends_with("_total"), of.kind == Type::Counter, "{}", of.name);
        assert_eq!(of.name.contains("_seconds"), of.unit == Some("seconds"), "{}", of.name);
        let prose = of.labels.iter().map(|label| label.meaning).chain([of.help]);
        for text in prose {
            // The encoder does not escape them.
            assert!(!text.contains(['\n', '\\']) && !text.ends_with('.'), "{}: {text}", of.name);
        }
        for forbidden in ["job", "pod", "image", "host", "uid", "workload"] {
            let names = || of.labels.iter().map(|label| label.name);
            assert!(names().all(|label| label != forbidden), "{} has {forbidden}", of.name);
        }
    }
}

/// The value of a series, 0 where there is none; of a histogram its count.
fn value(families: &[Family], series: &str) -> f64 {
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels: Vec<(&str, &str)> =
        labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('=')).collect();
    let matches = |sample: &Sample| {
        sample.name == name && labels.iter().all(|(label, value)| sample.labels[*label] == *value)
    };
    families.iter().flat_map(|f| &f.samples).filter(|s| matches(s)).map(|s| s.value).sum()
}

/// What the metrics say, which has to be in the format.
fn families(stage: &Stage) -> Vec<Family> {
    let text = stage.metrics.text().unwrap();
    read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const ACCEPTED: Answer = (200, "");

#[tokio::test(start_paused = true)]
async fn each_thing_that_happens_is_counted_as_what_it_is() {
    type Row = (&'static str, Answer, &'static [(&'static str, f64)]);
    let rows: [Row; 5] = [
        (
            "Enforce",
            ACCEPTED,
            &[
                ("dislodge_failed_pulls_total{cause=NotFound}", 1.0),
                (
                    "dislodge_decisions_total{decision=Hold,action=SuspendJob,reason=ThresholdReached}",
                    1.0,
                ),
                ("dislodge_actions_total{action=SuspendJob,cause=NotFound,outcome=Applied}", 1.0),
                ("dislodge_effects_total{effect=Hold,outcome=Applied}", 1.0),
                ("dislodge_effects_total{effect=Reserve,outcome=Applied}", 1.0),
                ("dislodge_detection_seconds_count", 1.0),
                ("dislodge_reaction_seconds_count", 1.0),
                ("dislodge_budget_left_jobs{namespace=team,policy=gpu}", 19.0),
                ("dislodge_acting", 1.0),
                ("dislodge_tracked_objects{kind=Pod}", 1.0),
            ],
        ),
        (
            "Enforce",
            (403, "no"),
            &[
                ("dislodge_effects_total{effect=Reserve,outcome=Forbidden}", 1.0),
                ("dislodge_failing_jobs{namespace=team,local_queue=gpu}", 1.0),
                ("dislodge_held_jobs{namespace=team}", 0.0),
                ("dislodge_detection_seconds_count", 0.0),
            ],
        ),
        (
            "Enforce",
            (409, "changed"),
            &[("dislodge_effects_total{effect=Reserve,outcome=Conflict}", 1.0)],
        ),
        (
            "Audit",
            ACCEPTED,
            &[
                ("dislodge_decisions_total{decision=Report,action=Report,reason=Audit}", 1.0),
                ("dislodge_audit_jobs_total{namespace=team,outcome=WouldHaveActed}", 1.0),
                ("dislodge_audit_jobs_total{namespace=team,outcome=LaterStarted}", 0.0),
                ("dislodge_actions_total", 0.0),
                ("dislodge_effects_total{effect=Report,outcome=Applied}", 1.0),
                ("dislodge_failing_jobs{namespace=team,local_queue=gpu}", 1.0),
                // Nothing is known of when the first five seconds began.
                (
                    "dislodge_quota_wasted_seconds_total{namespace=team,local_queue=gpu,resource=cpu}",
                    10.0,
                ),
            ],
        ),
        ("Audit", (403, "no"), &[("dislodge_effects_total{effect=Report,outcome=Forbidden}", 1.0)]),
    ];
    for (mode, answer, expected) in rows {
        let stage = Stage::new(answer).await;
        stage.policy(mode).await;
        stage.admitted().await;
        stage.fail(IMAGE).await;
        stage.wait(11).await;
        let families = families(&stage);
        for (series, count) in expected {
            let counted = value(&families, series);
            // Where a write is refused it is tried again, and counted again.
            let right = (counted - count).abs() < 1e-6 || answer != ACCEPTED && counted > *count;
            let text = stage.metrics.text().unwrap();
            assert!(right, "{mode} {answer:?}: {series} is {counted}, not {count}\n{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_gives_quota_back_for_as_long_as_it_lasts() {
    let stage = Stage::new(ACCEPTED).await;
    stage.policy("Enforce").await;
    stage.admitted().await;
    stage.fail(IMAGE).await;
    stage.wait(2).await;
    let marks = stage.marks();
    stage.workload(false, &marks).await;
    stage.wait(100).await;
    let families = families(&stage);
    let of = "namespace=team,local_queue=gpu";
    assert!(
        (value(&families, &format!("dislodge_held_jobs{{{of},action=SuspendJob}}")) - 1.0).abs()
            < 1e-9
    );
    assert!(value(&families, &format!("dislodge_failing_jobs{{{of}}}")).abs() < 1e-9);
    let returned =
        value(&families, &format!("dislodge_quota_returned_seconds_total{{{of},resource=cpu}}"));
    assert!((180.0..=210.0).contains(&returned), "2 CPUs for 100 s: {returned}");
    let since = value(&families, &format!("dislodge_oldest_hold_timestamp_seconds{{{of}}}"));
    let at: jiff::Timestamp = marks["dislodge.dev/held-at"].as_str().unwrap().parse().unwrap();
    assert_eq!(since.to_string(), at.as_second().to_string());
    let release = value(&families, "dislodge_release_seconds_sum");
    assert!((2.0..3.0).contains(&release), "{release}");
}

#[test]
fn only_the_replica_that_acts_sums_quota_up_and_only_while_it_acts() {
    let metrics = metrics();
    let mut gauges = Gauges::default();
    let queue = gauges.queues.entry(Queue::None { namespace: "team".to_owned() }).or_default();
    queue.wasted.insert("cpu".into(), dislodge_engine::objects::Quantity::parse("2"));
    let sums =
        [(false, 10, 0.0), (true, 20, 0.0), (true, 30, 20.0), (false, 40, 20.0), (true, 50, 20.0)];
    for (acts, elapsed, expected) in sums {
        let gauges = Gauges { acts, ..gauges.clone() };
        metrics.measure(gauges, Depths::default(), Duration::from_secs(elapsed));
        let families = read(&metrics.text().unwrap()).unwrap();
        let sum =
            value(&families, "dislodge_quota_wasted_seconds_total{local_queue=,resource=cpu}");
        assert!((sum - expected).abs() < 1e-6, "after {elapsed} s: {sum}, not {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_starts_after_all_shows_that_audit_was_wrong() {
    let stage = Stage::new(ACCEPTED).await;
    stage.policy("Audit").await;
    stage.admitted().await;
    stage.fail(IMAGE).await;
    stage.wait(2).await;
    stage.pod(IMAGE, json!({"running": {}}), "sha256:1").await;
    let later = "dislodge_audit_jobs_total{namespace=team,outcome=LaterStarted}";
    assert!((value(&families(&stage), later) - 1.0).abs() < 1e-9);
}

/// So many namespaces with a policy, and jobs in them that fail with an image each.
fn flood(namespaces: usize, jobs: usize) -> Metrics {
    let metrics = metrics();
    let mut engine = Engine::new(config());
    let wall = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    let now = Now { elapsed: Duration::from_secs(100), wall };
    let mut inputs: Vec<Input> = Vec::new();
    for n in 0..namespaces {
        let policy = json!({
            "metadata": {"name": format!("policy-{n}"), "namespace": format!("team-{n}"),
                         "uid": uid(1_000_000 + n as u128), "resourceVersion": "1"},
            "spec": {"queues": [{"kind": "NoQueue"}]}, "status": {},
        });
        inputs.push(Input::Policy(Change::Seen(serde_json::from_value(policy).unwrap())));
    }
    for n in 0..jobs {
        let namespace = format!("team-{}", n % namespaces);
        let (name, image) = (format!("unique-{n}"), format!("host-{n}.io/unique/app:{n}"));
        let (job, pod) = (uid(2_000_000 + n as u128), uid(3_000_000 + n as u128));
        let owner = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job,
                            "controller": true}]);
        let message = format!("{image}: not found");
        let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": message}});
        let pod = json!({
            "metadata": {"name": name, "namespace": namespace, "uid": pod, "resourceVersion": "1",
                         "ownerReferences": owner},
            "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": image}]},
            "status": {"phase": "Pending", "containerStatuses": [
                {"name": "main", "imageID": "", "state": waiting}]},
        });
        let job = json!({
            "metadata": {"name": name, "namespace": namespace, "uid": job, "resourceVersion": "1"},
            "spec": {}, "status": {"startTime": "2026-11-24T08:00:00Z", "active": 1},
        });
        inputs.push(Input::Job(Change::Seen(serde_json::from_value(job).unwrap())));
        inputs.push(Input::Pod(Change::Seen(serde_json::from_value(pod).unwrap())));
    }
    // It leads from the end on: all that was decided by then is told at once.
    let (lists, lead): (Vec<Input>, Vec<Input>) =
        beginning().partition(|input| !matches!(input, Input::Leadership(_)));
    for input in lists.into_iter().chain(inputs).chain(lead) {
        engine.handle(input, now);
        for notice in engine.notices() {
            metrics.note(&notice);
            if let Notice::Decided(_, decision) = notice {
                metrics.decided("Hold", &decision, Duration::ZERO);
                metrics.landed("Hold", Outcome::Applied);
                metrics.acted(&decision, Outcome::Applied, None);
            }
        }
    }
    for n in 0..namespaces {
        let namespace = format!("team-{n}");
        metrics.note(&Notice::Audited { namespace, outcome: Audited::WouldHaveActed });
    }
    for seconds in [5, 10] {
        metrics.measure(engine.gauges(now), Depths::default(), Duration::from_secs(seconds));
    }
    metrics
}

#[test]
fn ten_thousand_jobs_with_an_image_each_make_no_series_of_their_own() {
    let series = |metrics: &Metrics| -> BTreeSet<String> {
        let text = metrics.text().unwrap();
        read(&text).unwrap();
        assert!(!text.contains("unique") && !text.contains("host-"), "a name is in a label");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
    };
    let many = flood(5, 10_000);
    assert_eq!(series(&many), series(&flood(5, 100)));
    let failing = value(&read(&many.text().unwrap()).unwrap(), "dislodge_failing_jobs");
    assert_eq!(failing.to_string(), "10000", "all of them are counted");
}

#[test]
fn no_more_namespaces_have_series_than_the_bound_and_none_is_left_out() {
    let families = read(&flood(MOST_NAMES + 100, 1000).text().unwrap()).unwrap();
    for family in &families {
        let namespaces = || family.samples.iter().filter_map(|s| s.labels.get("namespace"));
        let distinct: BTreeSet<&String> = namespaces().collect();
        if !distinct.is_empty() {
            assert_eq!(distinct.len(), MOST_NAMES + 1, "{}", family.name);
            assert!(distinct.iter().any(|name| *name == OVERFLOW), "{}", family.name);
        }
    }
    assert_eq!(value(&families, "dislodge_failing_jobs").to_string(), "1000");
    let audited = value(&families, "dislodge_audit_jobs_total");
    assert_eq!(audited.to_string(), (MOST_NAMES + 100).to_string());
}
