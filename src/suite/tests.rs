//! Cases beside what comes of them, and suites that cannot be run beside what is said of them.

use std::path::Path;

use super::*;

/// The policies that the rows name, from the root of the repository.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/policies");

const HEAD: &str =
    "apiVersion: test.dislodge.dev/v1alpha1\nkind: Suite\npolicies: [gpu-training.yaml]\n";

fn written(text: &str) -> Result<Ready, Vec<Mistake>> {
    read::written("t.test.yaml".to_owned(), Path::new(FOLDER), text)
}

/// What came of the only case of a suite: the diff of a failure, or nothing.
fn came_of(text: &str) -> String {
    let suite = written(text).unwrap_or_else(|mistakes| panic!("{text}\n{mistakes:#?}"));
    let outcome = run_case(&suite, &suite.cases[0]).unwrap_or_else(|mistake| panic!("{mistake:?}"));
    let failure = outcome.failure.map(|failure| {
        assert!(!failure.why.is_empty(), "{text}");
        let lines = failure.diff.iter().map(|(sign, line)| format!("{sign}{line}"));
        lines.collect::<Vec<_>>().join("|")
    });
    failure.unwrap_or_default()
}

const TYPO: &str = "job: {queue: gpu, pulls: [fails: {cause: NotFound}]}";
const LATE: &str =
    "job: {queue: gpu, pulls: [fails: {cause: NotFound, times: 2}, succeeds: {afterSeconds: 9}]}";
const DOWN: &str = "job: {queue: gpu, pulls: [fails: {cause: RegistryUnavailable}]}";
const SECRET: &str = "job: {queue: gpu, pulls: [fails: {cause: Unauthorized}]}";
const HANGS: &str = "job: {queue: gpu, pulls: [hangs: {}]}";
const ELSEWHERE: &str = "job: {queue: other, pulls: [fails: {cause: NotFound}]}";
const NO_QUEUE: &str = "job: {pulls: [fails: {cause: NotFound}]}";
const FULL: &str = "job: {queue: gpu, pulls: [fails: {message: no space left on device}]}";
const PEERS: &str = "job: {queue: gpu, pods: 2, pulls: [succeeds: {afterSeconds: 1}, fails: {cause: Network}]}\n  nodes: \
    [{name: a, cpus: 1}, {name: b, cpus: 1}]";
const NO_NAME: &str = "job: {queue: gpu, image: Registry.example/App}";
const OUTAGE: &str = "jobs: [{name: app, queue: gpu, image: r.io/app, count: 6, everySeconds: 5}]\n  images: [{image: \
    r.io/app, pulls: [fails: {cause: RegistryUnavailable}]}]";
const TWO: &str = "jobs: [{name: bad, queue: gpu, image: r.io/bad}, {name: good, queue: gpu, image: r.io/good}]\n  \
    images: [{image: r.io/bad, pulls: [fails: {cause: NotFound}]}]";
const RETURNS: &str =
    "job: {queue: gpu, pulls: [fails: {cause: PlatformMismatch}]}\n  forSeconds: 20000";
const POD: &str = "objects: {queue: gpu, inline: [{kind: Pod, metadata: {name: a}, spec: {nodeName: node-1, containers: [{name: c, \
    image: \"r.io/a:1\"}]}, status: {phase: Pending, containerStatuses: [{name: c, state: {waiting: {reason: ErrImagePull, \
    message: \"r.io/a:1: not found\"}}}]}}]}";
const GOOD_POD: &str = "objects: {queue: gpu, inline: [{kind: Pod, metadata: {name: a}, spec: {nodeName: node-1, containers: [{name: \
    c, image: \"r.io/a:1\"}]}, status: {phase: Running, containerStatuses: [{name: c, imageID: x, state: {running: {}}}]}}]}";

/// What is played, what is expected, and how it differs from what comes; empty: it passes.
const CASES: &[(&str, &str, &str)] = &[
    (TYPO, "{action: SuspendJob}", ""),
    (TYPO, "{action: SuspendJob, cause: NotFound, rule: missing, policy: gpu, failedPulls: 3}", ""),
    (
        TYPO,
        "{action: SuspendJob, reason: ThresholdReached, afterSeconds: 20, beforeSeconds: 90}",
        "",
    ),
    (TYPO, "{action: RequeueJob}", "-action: RequeueJob|+action: SuspendJob"),
    (
        TYPO,
        "{action: SuspendJob, rule: invalid}",
        " action: SuspendJob|-rule: invalid|+rule: missing",
    ),
    (
        TYPO,
        "{action: SuspendJob, failedPulls: 2}",
        " action: SuspendJob|-failedPulls: 2|+failedPulls: 3",
    ),
    (
        TYPO,
        "{action: SuspendJob, beforeSeconds: 5}",
        " action: SuspendJob|-beforeSeconds: 5|+atSeconds: 50",
    ),
    (
        TYPO,
        "{action: SuspendJob, afterSeconds: 300}",
        " action: SuspendJob|-afterSeconds: 300|+atSeconds: 50",
    ),
    (
        TYPO,
        "{action: SuspendJob, atSeconds: 1}",
        " action: SuspendJob|-atSeconds: 1|+atSeconds: 50",
    ),
    (TYPO, "{action: None, beforeSeconds: 5}", ""),
    (TYPO, "{action: None, beforeSeconds: 20, reason: Counting, rule: missing}", ""),
    (TYPO, "{action: None}", "-action: None|+action: SuspendJob"),
    (TYPO, "[{action: SuspendJob}, {action: None, reason: Held}]", ""),
    (
        TYPO,
        "[{action: SuspendJob}, {action: SuspendJob}]",
        " - action: SuspendJob|-- action: SuspendJob|+- action: None",
    ),
    (LATE, "{action: None, reason: NoFailure}", ""),
    (
        LATE,
        "{action: SuspendJob, cause: NotFound}",
        "-action: SuspendJob|-cause: NotFound|+action: None",
    ),
    (DOWN, "{action: RequeueJob, rule: registry, afterSeconds: 600}", ""),
    (DOWN, "{action: None, beforeSeconds: 600, reason: Counting}", ""),
    (
        SECRET,
        "{action: SuspendJob, rule: credentials, failedPulls: 5}",
        " action: SuspendJob| rule: credentials|-failedPulls: 5|+failedPulls: 6",
    ),
    (HANGS, "{action: None, reason: NoFailure}", ""),
    (ELSEWHERE, "{action: None, reason: Ungoverned, cause: NotFound}", ""),
    (NO_QUEUE, "{action: None, reason: Ungoverned}", ""),
    (FULL, "{action: RequeueJob, cause: DiskFull, rule: elsewhere}", ""),
    (PEERS, "{action: Report, reason: PeersRunning, rule: registry}", ""),
    (NO_NAME, "{action: FailJob, cause: InvalidReference, rule: invalid, beforeSeconds: 30}", ""),
    (OUTAGE, "[{job: app-0, action: None, reason: Outage}, {job: app-5, action: None}]", ""),
    (
        TWO,
        "[{job: bad, action: SuspendJob}, {job: good, action: Report}]",
        " - job: bad|   action: SuspendJob| - job: good|-  action: Report|+  action: None",
    ),
    (RETURNS, "[{action: RequeueJob, failedPulls: 3}, {action: RequeueJob, failedPulls: 2}]", ""),
    (POD, "{action: SuspendJob, cause: NotFound, rule: missing, policy: gpu, failedPulls: 1}", ""),
    (POD, "{action: FailJob}", "-action: FailJob|+action: SuspendJob"),
    (GOOD_POD, "{action: None, reason: NoFailure}", ""),
];

#[test]
fn each_case_passes_where_it_should_and_tells_the_difference_where_not() {
    let mut wrong = Vec::new();
    for (case, expect, difference) in CASES {
        let suite = format!("{HEAD}cases:\n- name: a\n  {case}\n  expect: {expect}\n");
        let came = came_of(&suite);
        if came != *difference {
            wrong.push(format!("{case}\n  {expect}\n  expected: {difference}\n  came:     {came}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_mode_of_the_policies_can_be_another_one_in_tests() {
    let head = HEAD.replace("gpu-training", "audit-first");
    let case = |head: &str, expect: &str| {
        came_of(&format!("{head}cases: [{{name: a, {TYPO}, expect: {{{expect}}}}}]\n"))
    };
    assert_eq!(case(&head, "action: Report, reason: Audit"), "");
    let head = format!("{head}mode: Enforce\n");
    assert_eq!(case(&head, "action: SuspendJob, rule: missing"), "");
}

/// A case that is well, for those beside it.
const WELL: &str = "{name: a, job: {}, expect: {action: None}}";

/// What stands in place of the cases, where the mistake is, and what is said of it.
const MISTAKES: &[(&str, (u64, u64), &str)] = &[
    ("", (3, 1), "missing field `cases`"),
    ("cases: []", (4, 1), "there is no case"),
    ("cases: 7", (4, 8), "expected sequence"),
    ("cases: [{name: a, job: {}, expect: {action: None}, x: 1}]", (4, 52), "unknown field `x`"),
    ("cases: [{name: '', job: {}, expect: {action: None}}]", (4, 10), "a name of 0 characters"),
    (
        "cases: [{name: a, expect: {action: None}}]",
        (4, 9),
        "exactly one of `job`, `jobs`, `objects`",
    ),
    (
        "cases: [{name: a, job: {}, jobs: [{name: b, image: c}], expect: {action: None}}]",
        (4, 9),
        "exactly one of",
    ),
    ("cases: [{name: a, job: {}}]", (4, 19), "missing field `expect`"),
    ("cases: [{name: a, job: {}, expect: []}]", (4, 28), "nothing is expected"),
    ("cases: [{name: a, job: {}, expect: 7}]", (4, 28), "one object or a list of them"),
    ("cases: [{name: a, job: {}, expect: {}}]", (4, 36), "missing field `action`"),
    (
        "cases: [{name: a, job: {}, expect: {action: Suspend}}]",
        (4, 45),
        "unknown variant `Suspend`",
    ),
    (
        "cases: [{name: a, job: {}, expect: {action: None, reason: Outtage}}]",
        (4, 51),
        "\"Outtage\" is no reason: expected one of ThresholdReached, ",
    ),
    ("cases: [{name: a, job: {}, expect: {action: None, job: b}}]", (4, 51), "no job research/b"),
    (
        "cases: [{name: a, jobs: [{name: b, image: c, count: 2}], expect: {action: None}}]",
        (4, 58),
        "the case has 2 jobs: say of which",
    ),
    (
        "cases: [{name: a, job: {}, expect: [{action: None}, {action: Report}]}]",
        (4, 54),
        "nothing can follow on nothing",
    ),
    (
        "cases: [{name: a, job: {}, expect: {action: None, atSeconds: 3}}]",
        (4, 51),
        "nothing has no time",
    ),
    (
        "cases: [{name: a, job: {}, expect: {action: Report, atSeconds: 3, beforeSeconds: 4}}]",
        (4, 53),
        "leave the other times out",
    ),
    (
        "cases: [{name: a, job: {}, expect: {action: Report, afterSeconds: 5, beforeSeconds: 4}}]",
        (4, 53),
        "nothing is after 5 and before 4",
    ),
    (
        "cases: [{name: a, job: {}, expect: {action: Report, afterSeconds: 604801}}]",
        (4, 53),
        "expected 0 to 604800",
    ),
    (
        "cases: [{name: a, job: {}, forSeconds: 5, expect: {action: None, beforeSeconds: 6}}]",
        (4, 28),
        "5 seconds are played, and `expect` asks for second 6",
    ),
    (
        "cases: [{name: a, job: {}, forSeconds: 604801, expect: {action: None}}]",
        (4, 28),
        "604801 seconds are played, expected 1 to 604800",
    ),
    (
        "cases: [{name: a, job: {pulls: [fails: {cause: InvalidReference}]}, expect: {action: None}}]",
        (4, 41),
        "job.pulls[0].fails.cause is InvalidReference, which no pull answers",
    ),
    (
        "cases: [{name: a, job: {name: A_B}, expect: {action: None}}]",
        (4, 25),
        "job.name is \"A_B\", expected a name",
    ),
    ("cases: [{name: a, job: {runsSeconds: 5}, expect: {action: None}}]", (4, 19), "needs `pulls`"),
    (
        "cases: [{name: a, objects: {}, expect: {action: None}}]",
        (4, 19),
        "there is no Pod, Job, JobSet or Workload",
    ),
    (
        "cases: [{name: a, objects: {files: [no.yaml]}, expect: {action: None}}]",
        (4, 19),
        "\"no.yaml\" cannot be read: No such file",
    ),
    (
        "cases: [{name: a, objects: {inline: [{kind: Pod, spec: 7}]}, expect: {action: None}}]",
        (4, 19),
        "is not as the API has it",
    ),
    (
        "cases: [{name: a, objects: {inline: [{kind: Pod}]}, expect: {action: None, beforeSeconds: 3}}]",
        (4, 76),
        "has no meaning for objects",
    ),
    (
        "cases: [{name: a, objects: {inline: [{kind: Pod}]}, events: [], expect: {action: None}}]",
        (4, 53),
        "`events` and `objects` do not go together",
    ),
];

#[test]
fn a_suite_that_cannot_be_run_is_told_with_the_place_of_the_mistake() {
    let mut wrong = Vec::new();
    for (cases, (line, column), said) in MISTAKES {
        let mistakes = written(&format!("{HEAD}{cases}\n")).map(|_| Vec::<Mistake>::new());
        let mistakes = mistakes.unwrap_or_else(|mistakes| mistakes);
        let at = Position { line: *line, column: *column };
        if !mistakes.iter().any(|mistake| mistake.at == at && mistake.what.contains(said)) {
            wrong.push(format!("{cases}\n  expected: {at:?} {said}\n  told:     {mistakes:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_mistakes_of_a_suite_are_told_at_once() {
    let bad = "{name: b, job: {name: A}, expect: {action: None}}";
    let text = format!("{HEAD}cases:\n- {WELL}\n- {bad}\n- {WELL}\n");
    let told: Vec<u64> =
        written(&text).unwrap_err().iter().map(|mistake| mistake.at.line).collect();
    assert_eq!(told, [6, 7], "the second case is wrong, the third has the name of the first");
}

/// What stands in place of the first lines, and what is said of it.
const HEADS: &[(&str, &str)] = &[
    ("", "apiVersion is missing"),
    ("kind: Suite\n", "apiVersion is missing"),
    ("apiVersion: test.dislodge.dev/v1\nkind: Suite\n", "apiVersion is \"test.dislodge.dev/v1\""),
    ("apiVersion: test.dislodge.dev/v1alpha1\nkind: Test\n", "kind is \"Test\""),
    (
        "apiVersion: test.dislodge.dev/v1alpha1\nkind: Suite\n---\na: 1\n---\n",
        "more than one document",
    ),
    ("apiVersion: test.dislodge.dev/v1alpha1\nkind: Suite\n", "missing field `policies`"),
    ("apiVersion: test.dislodge.dev/v1alpha1\nkind: Suite\npolicies: []\n", "there is no policy"),
    (
        "apiVersion: test.dislodge.dev/v1alpha1\nkind: Suite\npolicies: [/etc/passwd]\n",
        "no path relative to the suite's folder",
    ),
    (
        "apiVersion: test.dislodge.dev/v1alpha1\nkind: Suite\npolicies: [../policies]\n",
        "is no file",
    ),
    (
        "apiVersion: test.dislodge.dev/v1alpha1\nkind: Suite\npolicies: [../scenarios/typo.yaml]\n",
        "has no ImagePullPolicy in it",
    ),
    (
        "apiVersion: test.dislodge.dev/v1alpha1\nkind: Suite\npolicies: [audit-first.yaml, gpu-training.yaml]\n",
        "say with `namespace`",
    ),
    (
        "apiVersion: test.dislodge.dev/v1alpha1\nkind: Suite\npolicies: [audit-first.yaml, ./audit-first.yaml]\n",
        "policy team-a/audit is there twice",
    ),
];

#[test]
fn a_suite_names_what_it_is_and_policies_that_the_api_server_takes() {
    for (head, said) in HEADS {
        let mistakes = written(&format!("{head}cases: [{WELL}]\n")).unwrap_err();
        assert!(mistakes.iter().any(|mistake| mistake.what.contains(said)), "{head}: {mistakes:?}");
    }
}

#[test]
fn a_case_without_end_is_given_up() {
    let jobs = "jobs: [{name: a, image: r.io/a, count: 100}]";
    let image = "images: [{image: r.io/a, pulls: [fails: {cause: NotFound}]}]";
    let case = format!(
        "{{name: a, {jobs}, {image}, forSeconds: 604800, expect: {{job: a-0, action: Report}}}}"
    );
    let suite = written(&format!("{HEAD}cases: [{case}]\n")).unwrap();
    let mistake = run_case(&suite, &suite.cases[0]).unwrap_err();
    assert!(mistake.what.contains("more than"), "{mistake:?}");
}
