//! How long 1,000 cases of `dislodge test` take: `make bench-suite`. One run is the whole program, from its start
//! to its last word.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "measures a program, and says what came of it"
)]

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Instant;

/// So many runs are measured.
const ROUNDS: usize = 15;
/// So many suites, each with all kinds of cases so often.
const SUITES: usize = 10;
const TIMES: usize = 10;

const POLICY: &str = "\
apiVersion: dislodge.dev/v1alpha1
kind: ImagePullPolicy
metadata: {name: gpu}
spec:
  mode: Enforce
  queues: [{kind: LocalQueue, name: gpu}]
";

/// Ten cases of the kinds that a team would write.
const CASES: [(&str, &str); 10] = [
    (
        "job: {queue: gpu, pulls: [fails: {cause: NotFound}]}",
        "{action: SuspendJob, failedPulls: 3, beforeSeconds: 60}",
    ),
    (
        "job: {queue: gpu, pulls: [fails: {cause: MissingOrDenied}]}",
        "{action: SuspendJob, rule: missing}",
    ),
    (
        "job: {queue: gpu, pulls: [fails: {cause: Unauthorized}]}",
        "{action: RequeueJob, afterSeconds: 300}",
    ),
    (
        "job: {queue: gpu, pulls: [fails: {cause: RateLimited}]}",
        "{action: RequeueJob, rule: registry, afterSeconds: 1200}",
    ),
    (
        "job: {queue: gpu, pulls: [fails: {cause: NotFound, times: 2}, succeeds: {afterSeconds: 20}]}",
        "{action: None}",
    ),
    ("job: {queue: gpu, pulls: [hangs: {}]}", "{action: None, reason: NoFailure}"),
    ("job: {queue: cpu, pulls: [fails: {cause: NotFound}]}", "{action: None, reason: Ungoverned}"),
    ("job: {queue: gpu, image: Registry.example/App}", "{action: FailJob, rule: invalid}"),
    (
        "jobs: [{name: app, queue: gpu, image: r.io/app, count: 5}], images: [{image: r.io/app, pulls: [fails: {cause: Network}]}]",
        "[{job: app-0, action: None, reason: Outage}, {job: app-4, action: None, reason: Outage}]",
    ),
    (
        "objects: {queue: gpu, inline: [{kind: Pod, metadata: {name: a}, spec: {nodeName: node-1, containers: [{name: c, image: \
         \"r.io/a:1\"}]}, status: {phase: Pending, containerStatuses: [{name: c, state: {waiting: {reason: ErrImagePull, \
         message: \"r.io/a:1: not found\"}}}]}}]}",
        "{action: SuspendJob, cause: NotFound}",
    ),
];

fn main() {
    let folder = std::env::temp_dir().join(format!("dislodge-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the suites");
    fs::write(folder.join("policy.yaml"), POLICY).expect("the policy");
    for suite in 0..SUITES {
        let mut text = "apiVersion: test.dislodge.dev/v1alpha1\nkind: Suite\npolicies: [policy.yaml]\ncases:\n".to_owned();
        for time in 0..TIMES {
            for (number, (case, expect)) in CASES.iter().enumerate() {
                let _infallible =
                    writeln!(text, "- {{name: case {time} {number}, {case}, expect: {expect}}}");
            }
        }
        fs::write(folder.join(format!("{suite}.test.yaml")), text).expect("a suite");
    }
    let mut seconds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            let output =
                Command::new(env!("CARGO_BIN_EXE_dislodge")).arg("test").arg(&folder).output();
            let (took, output) = (begun.elapsed(), output.expect("the program"));
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            took.as_secs_f64()
        })
        .collect();
    let _ = fs::remove_dir_all(&folder);
    seconds.sort_by(f64::total_cmp);
    let at = |place: usize| seconds.get(place).copied().unwrap_or_default();
    println!(
        "{} cases in {SUITES} suites, {ROUNDS} runs, seconds (min / median / max): {:.3} / {:.3} / {:.3}",
        SUITES * TIMES * CASES.len(),
        at(0),
        at(ROUNDS / 2),
        at(ROUNDS - 1),
    );
}
