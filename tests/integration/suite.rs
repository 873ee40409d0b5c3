//! `dislodge test` as it is called by people and by pipelines, and what hostile suites do to it.

use std::process::Command;

use serde_json::{Value, json};

use crate::Outcome;
use crate::program::{Folder, Said, run_with, timely};

/// A test: its sentence as a name, and the check.
type Test = (&'static str, fn() -> Outcome);

/// All tests.
pub(crate) const ALL: &[Test] = &[
    ("the_suites_of_the_examples_pass", examples),
    ("a_failure_has_its_line_what_was_expected_what_came_and_why", text),
    ("json_has_all_that_the_text_has", one_object),
    ("each_failure_is_an_annotation_for_github", github),
    ("junit_has_a_test_case_for_each_case_and_each_mistake", junit),
    ("the_exit_code_says_whether_all_passed_or_something_could_not_be_run", exit_codes),
    ("cases_are_chosen_by_their_names", chosen),
    ("the_schema_that_editors_get_is_the_one_that_is_kept", schema),
    ("colour_is_for_terminals_that_want_it", colour),
    ("no_escape_sequence_of_a_suite_is_shown_in_any_form", escape_sequences),
    ("what_is_no_text_or_too_long_is_refused_at_once", no_text),
    ("a_hostile_suite_ends_in_bounded_time_and_memory", bombs),
    ("what_a_suite_names_is_a_file_below_the_same_bounds", named),
    ("every_suite_cut_anywhere_is_answered", truncated),
    ("a_reader_that_has_seen_enough_is_no_error", broken_pipe),
];

const POLICY: &[u8] =
    b"apiVersion: dislodge.dev/v1alpha1\nkind: ImagePullPolicy\nmetadata: {name: gpu}\nspec:\n  \
    mode: Enforce\n  queues: [{kind: LocalQueue, name: gpu}]\n";

const SUITE: &str = "\
apiVersion: test.dislodge.dev/v1alpha1
kind: Suite
policies: [policy.yaml]
cases:
- name: a typo is suspended
  job: {queue: gpu, pulls: [fails: {cause: NotFound}]}
  expect: {action: SuspendJob, rule: missing}
- name: a typo is requeued
  job: {queue: gpu, pulls: [fails: {cause: NotFound}]}
  expect:
    rule: missing
    action: RequeueJob
";

fn test(arguments: &[&str]) -> Result<Said, std::io::Error> {
    run_with(&["test"], arguments, "")
}

/// A folder with a policy and a suite of one case that passes and one that fails.
fn folder(name: &str) -> Result<Folder, std::io::Error> {
    let name = format!("suite-{name}");
    Folder::new(&name, &[("policy.yaml", POLICY), ("a.test.yaml", SUITE.as_bytes())])
}

/// Runs one suite of this text beside the policy.
fn run_suite(name: &str, form: &str, text: &[u8]) -> Result<Said, std::io::Error> {
    let name = format!("suite-{name}");
    let folder = Folder::new(&name, &[("policy.yaml", POLICY), ("a.test.yaml", text)])?;
    test(&["-o", form, &folder.path("a.test.yaml")])
}

fn examples() -> Outcome {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let said = test(&["-o", "json", folder])?;
    said.is(0, &[], &[])?;
    let value: Value = serde_json::from_str(&said.out)?;
    let passed = value.pointer("/counts/passed").and_then(Value::as_u64).unwrap_or(0);
    if passed > 20 { Ok(()) } else { Err(format!("only {passed} cases").into()) }
}

fn text() -> Outcome {
    let folder = folder("text")?;
    let said = test(&[&folder.path("")])?;
    let page = [
        "a.test.yaml:12:5: FAIL: a typo is requeued\n    - expected, + got\n    - action: RequeueJob\n    \
         + action: SuspendJob\n      rule: missing\n    why: at ",
        " SuspendJob, ThresholdReached, by rule \"missing\" of policy \"gpu\": image \"registry.example/app:v1\", \
         3 failed pulls in ",
        "\n    what happened:\n         0 s  submitted\n",
        "\n\n2 cases in 1 suite: 1 passed, 1 failed (",
    ];
    said.is(1, &page, &[])?;
    said.is_silent_about(&["a typo is suspended"])?;
    test(&["-v", &folder.path("")])?.is(1, &["a.test.yaml:5:3: ok: a typo is suspended\n"], &[])
}

fn one_object() -> Outcome {
    let folder = folder("json")?;
    let said = test(&["-o", "json", &folder.path("")])?;
    said.is(1, &[], &[])?;
    let value: Value = serde_json::from_str(&said.out)?;
    let at = |pointer: &str| value.pointer(pointer).cloned().unwrap_or_default();
    let diff = json!(["- action: RequeueJob", "+ action: SuspendJob", "  rule: missing"]);
    let right = at("/counts") == json!({"passed": 1, "failed": 1, "mistakes": 0})
        && at("/suites/0/cases/0/outcome") == "passed"
        && at("/suites/0/cases/1/name") == "a typo is requeued"
        && at("/suites/0/cases/1/line") == 8
        && at("/suites/0/cases/1/failure/line") == 12
        && at("/suites/0/cases/1/failure/diff") == diff
        && at("/suites/0/cases/1/failure/why/0").is_string();
    if right { Ok(()) } else { Err(value.to_string().into()) }
}

fn github() -> Outcome {
    let folder = folder("github")?;
    let said = test(&["-o", "github", &folder.path("")])?;
    let line = "a.test.yaml,line=12,col=5,title=a typo is requeued::- expected, + got%0A- action: RequeueJob%0A";
    said.is(1, &["::error file=", line, "\n2 cases in 1 suite: "], &[])?;
    let said = run_suite("github-mistake", "github", b"a: [")?;
    said.is(2, &["line=1,", "title=the suite cannot be run::"], &[])
}

fn junit() -> Outcome {
    let folder = Folder::new(
        "suite-junit",
        &[("policy.yaml", POLICY), ("a.test.yaml", SUITE.as_bytes()), ("b.test.yaml", b"a: 1\n")],
    )?;
    let said = test(&["-o", "junit", &folder.path("")])?;
    said.is(
        2,
        &[
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"dislodge test\" tests=\"3\" \
             failures=\"1\" errors=\"1\" time=\"",
            "a.test.yaml\" tests=\"2\" failures=\"1\" errors=\"0\" time=\"",
            "<testcase name=\"a typo is suspended\" classname=\"",
            "line=\"5\" time=\"",
            "<failure message=\"not as expected at line 12\">- expected, + got\n- action: RequeueJob\n",
            "b.test.yaml\" tests=\"1\" failures=\"0\" errors=\"1\" time=\"0.000\">",
            "<error message=\"apiVersion is missing: ",
            "</testsuites>\n",
        ],
        &[],
    )
}

fn exit_codes() -> Outcome {
    let folder = Folder::new(
        "suite-codes",
        &[
            ("policy.yaml", POLICY),
            ("good/a.test.yaml", passing("../policy.yaml").as_bytes()),
            ("failing/a.test.yml", SUITE.replace("policy.yaml", "../policy.yaml").as_bytes()),
            ("broken/a.test.yaml", b"a: ["),
            ("none/policy.yaml", POLICY),
            (".hidden/a.test.yaml", b"a: ["),
        ],
    )?;
    let path = |name: &str| folder.path(name);
    for (arguments, code, said) in [
        (vec![path("good")], 0, "1 case in 1 suite: 1 passed ("),
        (vec![path("good/a.test.yaml"), path("good")], 0, "1 case in 1 suite: 1 passed ("),
        (vec![path("failing")], 1, "1 passed, 1 failed ("),
        (vec![path("good"), path("failing")], 1, "3 cases in 2 suites: 2 passed, 1 failed ("),
        (vec![path("broken")], 2, "0 cases in 0 suites: 0 passed, 1 mistake ("),
        (vec![path("")], 2, "3 cases in 2 suites: 2 passed, 1 failed, 1 mistake ("),
        (vec![path("none")], 2, "error: there is no suite below it: suites are called *.test.yaml"),
        (vec![path("nowhere")], 2, "error: cannot be read: No such file"),
        (
            vec![path("policy.yaml")],
            2,
            ":1:1: error: apiVersion is \"dislodge.dev/v1alpha1\": expected",
        ),
    ] {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let answer = test(&words)?;
        answer
            .is(code, &[said], &[])
            .map_err(|error| format!("{words:?}: {}", error.message().unwrap_or_default()))?;
    }
    test(&[])?.is(2, &[], &["<DIR>"])?;
    test(&["--run", "(", "x"])?.is(2, &[], &["--run"])
}

/// A suite that passes.
fn passing(policy: &str) -> String {
    let whole = SUITE.replace("policy.yaml", policy);
    whole.split("- name: a typo is requeued").next().unwrap_or_default().to_owned()
}

fn chosen() -> Outcome {
    let folder = folder("chosen")?;
    let all = folder.path("");
    test(&["--run", "suspend(ed)?$", &all])?.is(0, &["1 case in 1 suite: 1 passed ("], &[])?;
    test(&["--run", "^a typo", &all])?.is(1, &["2 cases in 1 suite: "], &[])?;
    test(&["--run", "outage", &all])?.is(2, &["no case has a name that matches \"outage\""], &[])
}

fn schema() -> Outcome {
    let said = test(&["--schema"])?;
    said.is(0, &[], &[])?;
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/suite.schema.json");
    if said.out == std::fs::read_to_string(kept)? {
        Ok(())
    } else {
        Err("it is another one".into())
    }
}

fn colour() -> Outcome {
    let folder = folder("colour")?;
    let said = |variables: &[(&str, &str)]| -> Result<String, std::io::Error> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dislodge"));
        for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(variable);
        }
        let output =
            command.args(["test", &folder.path("")]).envs(variables.iter().copied()).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let styled = |text: &str| text.contains('\u{1b}');
    let right = !styled(&said(&[])?)
        && styled(&said(&[("CLICOLOR_FORCE", "1")])?)
        && !styled(&said(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")])?);
    if right { Ok(()) } else { Err("colour where none is wanted, or none where it is".into()) }
}

fn escape_sequences() -> Outcome {
    let nasty = "\\e[31m\\u009b2J\\u202e\\a";
    let texts = [
        // It fails, with all that is its own shown.
        format!(
            "{HEAD}cases:\n- name: \"{nasty}\"\n  job: {{queue: gpu, image: \"r.io/{nasty}\", pulls: [fails: {{message: \
             \"{nasty}\"}}]}}\n  expect: {{action: FailJob, rule: \"{nasty}\", policy: \"{nasty}\"}}\n"
        ),
        // Mistakes.
        format!("{HEAD}cases:\n- name: \"{nasty}\"\n  \"{nasty}\": 1\n"),
        format!(
            "{HEAD}cases:\n- name: \"{nasty}\"\n  job: {{name: \"{nasty}\"}}\n  expect: {{action: None}}\n"
        ),
        format!(
            "{HEAD}cases:\n- name: x\n  job: {{}}\n  expect: {{action: None, reason: \"{nasty}\"}}\n"
        ),
        format!(
            "{HEAD}cases:\n- name: x\n  job: {{}}\n  expect: {{action: None, job: \"{nasty}\"}}\n"
        ),
        format!(
            "{HEAD}cases:\n- name: x\n  objects: {{inline: [{{kind: Pod, metadata: {{name: \"{nasty}\"}}, spec: 7}}]}}\n  \
             expect: {{action: None}}\n"
        ),
        HEAD.replace("policy.yaml", &format!("\"{nasty}\"")),
        HEAD.replace("Suite", &format!("\"{nasty}\"")),
        format!("{HEAD}a: *{nasty}\n"),
    ];
    for form in ["text", "json", "github", "junit"] {
        for text in &texts {
            let said = run_suite("escapes", form, text.as_bytes())?;
            if !matches!(said.code, Some(1 | 2)) || said.out.is_empty() || !said.err.is_empty() {
                return Err(format!("{form} {text}: {said:?}").into());
            }
            said.is_silent_about(&["\u{1b}", "\u{9b}", "\u{202e}", "\u{7}"])?;
        }
        let name = "\u{1b}[31m.test.yaml";
        let folder =
            Folder::new("suite-name", &[("policy.yaml", POLICY), (name, SUITE.as_bytes())])?;
        let said = test(&["-o", form, &folder.path("")])?;
        said.is(1, &[], &[])?;
        said.is_silent_about(&["\u{1b}"])?;
    }
    Ok(())
}

const HEAD: &str = "apiVersion: test.dislodge.dev/v1alpha1\nkind: Suite\npolicies: [policy.yaml]\n";

fn no_text() -> Outcome {
    let hundred = vec![b'#'; 100 << 20];
    for (name, text, said) in [
        ("long", hundred.as_slice(), "is longer than 8 MiB"),
        ("binary", &[0x7f, b'E', b'L', b'F', 0xff, 0, 1], "is no text: no UTF-8 from byte 5 on"),
        ("zero", &[0; 64], "error: "),
        ("utf16", b"\xff\xfek\0i\0n\0d\0", "is no text: no UTF-8 from byte 1 on"),
        ("empty", b"", "is empty: expected one document"),
        ("a list", b"[1, 2]", "apiVersion is missing"),
    ] {
        let folder = format!("no-text-{}", name.replace(' ', "-"));
        timely(name, || run_suite(&folder, "text", text)?.is(2, &[said], &[]))?;
    }
    Ok(())
}

/// Suites that are made to take long, or much.
fn bombs() -> Outcome {
    let mut aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..15 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        aliases = format!("{aliases}a{level}: &a{level} [{before}]\n");
    }
    let case = "job: {pulls: [fails: {cause: NotFound}]}, expect: {action: None}";
    let jobs = "jobs: [{name: a, image: r.io/a, count: 100}], images: [{image: r.io/a, pulls: [fails: {cause: \
                NotFound}]}]";
    for (name, text) in [
        ("aliases", format!("{HEAD}cases:\n- &a {{name: x}}\n{aliases}")),
        (
            "aliases of cases",
            format!("{HEAD}cases:\n- &a {{name: x, {case}}}\n{}", "- *a\n".repeat(200_000)),
        ),
        ("depth", format!("{HEAD}cases: {}", "[".repeat(1 << 20))),
        ("a long name", format!("{HEAD}cases:\n- {{name: {}, {case}}}\n", "n".repeat(4 << 20))),
        (
            "a long rule",
            format!(
                "{HEAD}cases:\n- {{name: x, job: {{}}, expect: {{action: None, rule: {}}}}}\n",
                "n".repeat(4 << 20)
            ),
        ),
        (
            "a long message",
            format!(
                "{HEAD}cases:\n- {{name: x, job: {{pulls: [fails: {{message: {}}}]}}, expect: {{action: None}}}}\n",
                "n".repeat(4 << 20)
            ),
        ),
        (
            "too long",
            format!(
                "{HEAD}cases:\n- {{name: x, {jobs}, forSeconds: 604800, expect: {{job: a-0, action: None}}}}\n"
            ),
        ),
        ("a pattern of all policies", HEAD.replace("policy.yaml", &"policy.yaml, ".repeat(50_000))),
    ] {
        timely(name, || {
            let said =
                run_suite(&format!("bomb-{}", name.replace(' ', "-")), "text", text.as_bytes())?;
            said.is(2, &["error: "], &[])?;
            if said.out.len() > 16_384 {
                return Err(format!("{name}: {} bytes are printed", said.out.len()).into());
            }
            match said.peak_kilobytes {
                Some(peak) if peak > 500_000 => Err(format!("{name}: {peak} kB of memory").into()),
                Some(_) | None => Ok(()),
            }
        })?;
    }
    Ok(())
}

/// Files that a suite names are as hostile as itself.
fn named() -> Outcome {
    let hundred = vec![b'#'; 100 << 20];
    let objects = format!(
        "{HEAD}cases:\n- name: x\n  objects: {{files: [named.yaml]}}\n  expect: {{action: None}}\n"
    );
    let policies = HEAD.replace("policy.yaml", "named.yaml");
    let policies =
        format!("{policies}cases:\n- {{name: x, job: {{}}, expect: {{action: None}}}}\n");
    for (name, file, said) in [
        ("long", hundred.as_slice(), "is longer than 8 MiB"),
        ("binary", &[0xff, 0xfe], "is no text"),
        ("broken", b"a: [", "named.yaml:"),
        ("other", b"kind: Secret\n", "there is no "),
        (
            "wrong",
            b"kind: ImagePullPolicy\napiVersion: dislodge.dev/v1\n",
            "named.yaml:2:1: error: apiVersion",
        ),
    ] {
        for (of, suite) in [("objects", &objects), ("policies", &policies)] {
            if (of, name) == ("objects", "wrong") || (of, name) == ("policies", "other") {
                continue;
            }
            let files =
                [("a.test.yaml", suite.as_bytes()), ("named.yaml", file), ("policy.yaml", POLICY)];
            let folder = Folder::new(&format!("suite-named-{of}-{name}"), &files)?;
            timely(name, || test(&[&folder.path("a.test.yaml")])?.is(2, &[said], &[]))?;
        }
    }
    // A pipe that nobody writes to would be waited for without end.
    #[cfg(unix)]
    {
        let folder = Folder::new("suite-named-pipe", &[("a.test.yaml", policies.as_bytes())])?;
        let made = Command::new("mkfifo").arg(folder.path("named.yaml")).status()?;
        if made.success() {
            timely("a pipe", || test(&[&folder.path("")])?.is(2, &["is no file"], &[]))?;
        }
    }
    Ok(())
}

fn truncated() -> Outcome {
    for end in (0..SUITE.len()).step_by(11) {
        let said = run_suite("cut", "text", SUITE.get(..end).unwrap_or_default().as_bytes())?;
        if !matches!(said.code, Some(0..=2)) || said.out.is_empty() || !said.err.is_empty() {
            return Err(format!("cut at {end}: {:?} {} {}", said.code, said.out, said.err).into());
        }
    }
    Ok(())
}

fn broken_pipe() -> Outcome {
    let cases = (0..500).map(|n| format!("- {{name: {n}, job: {{}}, expect: {{action: Report}}}}"));
    let cases: Vec<String> = cases.collect();
    let suite = format!("{HEAD}cases:\n{}\n", cases.join("\n"));
    let files = [("policy.yaml", POLICY), ("a.test.yaml", suite.as_bytes())];
    let folder = Folder::new("suite-pipe", &files)?;
    let mut command = Command::new("sh");
    command.args(["-c", "\"$0\" test \"$1\" | head -1"]);
    command.arg(env!("CARGO_BIN_EXE_dislodge")).arg(folder.path(""));
    crate::program::finish(command, b"")?.is(0, &["a.test.yaml:"], &[])
}
