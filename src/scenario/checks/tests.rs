//! Scenarios that cannot be played, each with what is said of it; and the largest that can.

use super::*;

/// What a row's text is, and with it the scenario around it.
#[derive(Clone, Copy)]
enum In {
    /// All of the scenario.
    Whole,
    /// Fields beside a job that is well.
    Top,
    /// Fields of that job.
    Job,
    /// Fields of an image.
    Image,
    /// Fields of an event in its first second.
    Event,
}

/// Where, what is wrong, and what is said.
const MISTAKES: &[(In, &str, &str)] = &[
    (In::Whole, "{durationSeconds: 0, jobs: []}", "durationSeconds is 0, expected 1 to 604800"),
    (
        In::Whole,
        "{durationSeconds: 604801, jobs: []}",
        "durationSeconds is 604801, expected 1 to 604800",
    ),
    (In::Whole, "{durationSeconds: 1, jobs: []}", "the number of jobs is 0, expected 1 to 2000"),
    (
        In::Top,
        "podsReadyTimeoutSeconds: 18446744073709551615",
        "podsReadyTimeoutSeconds is 18446744073709551615, expected 0 to 604800",
    ),
    (In::Top, "nodes: [{name: n, cpus: 0}]", "nodes[0].cpus is 0, expected 1 to 1000000"),
    (In::Top, "nodes: [{name: N, cpus: 1}]", "nodes[0].name is \"N\", expected a name as"),
    (In::Top, "nodes: [{name: n, cpus: 1}, {name: n, cpus: 2}]", "'nodes' has \"n\" twice"),
    (
        In::Top,
        "queues: [{namespace: a, name: q, cpus: 4294967295}]",
        "queues[0].cpus is 4294967295, expected 0 to 1000000",
    ),
    (
        In::Top,
        "queues: [{namespace: a, name: '', cpus: 1}]",
        "queues[0].name is \"\", expected a name as",
    ),
    (
        In::Top,
        "queues: [{namespace: a, name: q, cpus: 1}, {namespace: a, name: q, cpus: 1}]",
        "'queues' has \"a/q\" twice",
    ),
    (In::Job, "count: 0", "the number of jobs is 0, expected 1 to 2000"),
    (In::Job, "count: 4294967295", "the number of jobs is 4294967295, expected 1 to 2000"),
    (In::Job, "pods: 0", "jobs[0].pods is 0, expected 1 to 10000"),
    (
        In::Job,
        "pods: 6, count: 2000",
        "the number of pods of all jobs is 12000, expected 1 to 10000",
    ),
    (In::Job, "cpus: 4294967295", "jobs[0].cpus is 4294967295, expected 1 to 1000000"),
    (
        In::Job,
        "cpus: 1000000, pods: 101",
        "the number of CPUs of all jobs is 101000000, expected 1 to 100000000",
    ),
    (
        In::Job,
        "atSeconds: 18446744073709551615",
        "jobs[0].atSeconds is 18446744073709551615, expected 0 to 604800",
    ),
    (
        In::Job,
        "everySeconds: 18446744073709551615",
        "jobs[0].everySeconds is 18446744073709551615, expected 0 to 604800",
    ),
    (In::Job, "queue: gpu", "jobs[0].queue is \"gpu\", and namespace \"a\" has no such queue"),
    (
        In::Whole,
        "{durationSeconds: 60, jobs: [{namespace: a, name: train, image: x, count: 2}, \
         {namespace: a, name: train-1, image: x}]}",
        "'jobs' has \"a/train-1\" twice",
    ),
    (In::Image, "pulls: []", "images[0].pulls is empty"),
    (
        In::Image,
        "pulls: [succeeds: {afterSeconds: 604801}]",
        "images[0].pulls[0].succeeds.afterSeconds is 604801, expected 0 to 604800",
    ),
    (
        In::Image,
        "pulls: [hangs: {}, fails: {cause: NotFound, times: 0}]",
        "images[0].pulls[1].fails.times is 0, expected 1 to 10000",
    ),
    (
        In::Image,
        "pulls: [fails: {cause: NotFound, times: 4294967295}]",
        "images[0].pulls[0].fails.times is 4294967295, expected 1 to 10000",
    ),
    (
        In::Image,
        "pulls: [fails: {cause: InvalidReference}]",
        "images[0].pulls[0].fails.cause is InvalidReference, which no pull answers",
    ),
    (
        In::Image,
        "pulls: [fails: {times: 2}]",
        "images[0].pulls[0].fails: expected exactly one of 'cause', 'message'",
    ),
    (
        In::Image,
        "pulls: [fails: {cause: NotFound, message: not found}]",
        "images[0].pulls[0].fails: expected exactly one of 'cause', 'message'",
    ),
    (
        In::Image,
        "pulls: [hangs: {}], runsSeconds: 18446744073709551615",
        "images[0].runsSeconds is 18446744073709551615, expected 0 to 604800",
    ),
    (
        In::Top,
        "images: [{image: x, pulls: [hangs: {}]}, {image: x, pulls: [hangs: {}]}]",
        "'images' has \"x\" twice",
    ),
    (
        In::Top,
        "events: [{atSeconds: 604801, delete: {namespace: a, name: train}}]",
        "events[0].atSeconds is 604801, expected 0 to 604800",
    ),
    (In::Top, "events: [{atSeconds: 1}]", "events[0]: expected exactly one of"),
    (
        In::Event,
        "resume: {namespace: a, name: train}, delete: {namespace: a, name: train}",
        "events[0]: expected exactly one of",
    ),
    (
        In::Event,
        "resume: {namespace: b, name: train}",
        "events[0].resume names job \"b/train\", and 'jobs' has none",
    ),
    (
        In::Event,
        "delete: {namespace: a, name: train-0}",
        "events[0].delete names job \"a/train-0\", and 'jobs' has none",
    ),
    (In::Event, "image: {image: x, pulls: []}", "events[0].image.pulls is empty"),
    (
        In::Top,
        "policies: [{kind: ImagePullPolicy}]",
        "policies[0].apiVersion is \"\", expected dislodge.dev/v1alpha1",
    ),
    (
        In::Top,
        "policies: [{apiVersion: dislodge.dev/v1alpha1, kind: Policy}]",
        "policies[0].kind is \"Policy\", expected ImagePullPolicy",
    ),
    (
        In::Top,
        "policies: [{apiVersion: dislodge.dev/v1alpha1, kind: ImagePullPolicy, metadata: {name: p}}]",
        "policies[0] is no valid ImagePullPolicy: spec: Required value",
    ),
];

/// The scenario that a row means.
fn scenario(within: In, text: &str) -> String {
    let job = "namespace: a, name: train, image: x";
    let around = |top: &str| format!("{{durationSeconds: 60, jobs: [{{{job}}}], {top}}}");
    match within {
        In::Whole => text.to_owned(),
        In::Top => around(text),
        In::Job => format!("{{durationSeconds: 60, jobs: [{{{job}, {text}}}]}}"),
        In::Image => around(&format!("images: [{{image: x, {text}}}]")),
        In::Event => around(&format!("events: [{{atSeconds: 1, {text}}}]")),
    }
}

#[test]
fn what_cannot_be_meant_is_told_with_its_place_and_what_was_expected() {
    for (within, text, expected) in MISTAKES {
        let scenario = scenario(*within, text);
        let said = Scenario::parse(&scenario).expect_err(&scenario);
        assert!(said.contains(expected), "{scenario}\n  said:     {said}\n  expected: {expected}");
    }
}

#[test]
fn a_scenario_at_every_limit_is_played_to_its_end() {
    let scenario = "
durationSeconds: 3600
podsReadyTimeoutSeconds: 604800
nodes: [{name: n, cpus: 1000000}]
queues: [{namespace: a, name: q, cpus: 1000000, cohort: all}, {namespace: b, name: q, cpus: 1000000, cohort: all}]
images:
- {image: x, runsSeconds: 604800, pulls: [fails: {cause: NotFound, times: 10000}, succeeds: {afterSeconds: 604800}]}
jobs:
- {namespace: a, name: huge, image: x, cpus: 1000000, pods: 3, queue: q}
- {namespace: a, name: wide, image: x, cpus: 1000000, pods: 2}
- {namespace: b, name: late, image: x, atSeconds: 604800, everySeconds: 604800, count: 3, priority: -2147483648}
- {namespace: b, name: urgent, image: y, priority: 2147483647, queue: q}
events:
- {atSeconds: 604800, image: {image: x, pulls: [hangs: {}]}}
policies: []
";
    let scenario = Scenario::parse(scenario).expect("a scenario at every limit");
    for with_policies in [false, true] {
        let mut world = scenario.cluster(with_policies.then_some(&[]));
        world.run_until(scenario.duration());
        let (jobs, late_ones) = (world.jobs().count(), 3);
        assert_eq!(jobs + late_ones, 6, "{:?}", world.story());
    }
}
