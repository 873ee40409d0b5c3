//! `dislodge classify` as it is called by people and by scripts.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::Outcome;

/// A test: its sentence as a name, and the check.
type Test = (&'static str, fn() -> Outcome);

/// All tests.
pub(crate) const ALL: &[Test] = &[
    ("a_message_is_answered_with_cause_evidence_and_next_step", a_message),
    ("a_message_may_come_from_standard_input", standard_input),
    ("the_reason_decides_what_a_message_is_about", a_reason),
    ("json_has_all_that_the_page_has", one_object),
    ("a_message_that_is_empty_or_missing_is_asked_for", no_message),
    ("a_message_may_be_empty_where_a_reason_is_given", only_a_reason),
    ("an_empty_image_or_reason_is_none", empty_flags),
    ("megabytes_of_names_are_answered_at_once", names),
    ("lines_are_answered_in_order_and_bad_ones_named", lines),
    ("lines_may_come_from_a_file", lines_of_a_file),
    ("a_line_is_answered_before_the_next_is_sent", streaming),
    ("a_pod_is_read_from_a_file_and_its_failing_image_told", a_pod),
    ("a_list_of_pods_says_what_fails_and_what_is_skipped", a_list),
    ("a_back_off_without_a_cause_says_where_it_stands", old_back_off),
    ("what_is_no_pod_is_named_and_the_pods_beside_it_are_read", no_pod),
    ("no_secret_is_shown_in_any_mode", secrets),
    ("no_escape_sequence_of_the_input_is_shown_in_any_mode", escape_sequences),
    ("colour_is_for_terminals_that_want_it", colour),
    ("a_reader_that_has_seen_enough_is_no_error", broken_pipe),
    ("a_file_that_does_not_exist_is_named", no_file),
    ("modes_that_exclude_each_other_are_refused_as_wrong_usage", conflicts),
    ("the_help_has_an_example_of_each_mode", help),
];

const IMAGE: &str = "r.io/team/timeout:404";
const MISSING: &str =
    r#"failed to resolve reference "r.io/team/timeout:404": r.io/team/timeout:404: not found"#;

fn classify(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dislodge"));
    command.arg("classify").args(arguments);
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How the program ended, and what it said.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the program to its end.
fn run(arguments: &[&str], stdin: &(impl AsRef<[u8]> + ?Sized)) -> Result<Said, std::io::Error> {
    let mut child = classify(arguments).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that reads nothing may have ended by now.
        let _ = pipe.write_all(stdin.as_ref());
    }
    let Output { status, stdout, stderr } = child.wait_with_output()?;
    Ok(Said {
        code: status.code(),
        out: String::from_utf8_lossy(&stdout).into_owned(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
    })
}

impl Said {
    /// Fails unless it ended with this code, and standard output and error have these parts.
    fn is(&self, code: i32, out: &[&str], err: &[&str]) -> Outcome {
        let missing = out.iter().find(|part| !self.out.contains(**part));
        let missing = missing.or_else(|| err.iter().find(|part| !self.err.contains(**part)));
        if self.code != Some(code) || missing.is_some() || err.is_empty() && !self.err.is_empty() {
            let Self { code, out, err } = self;
            let text = format!("missing: {missing:?}\ncode: {code:?}\nout: {out}\nerr: {err}");
            return Err(text.into());
        }
        Ok(())
    }

    /// Fails where it said this, on standard output or error.
    fn is_silent_about(&self, parts: &[&str]) -> Outcome {
        match parts.iter().find(|part| self.out.contains(**part) || self.err.contains(**part)) {
            None => Ok(()),
            Some(part) => Err(format!("it says {part:?}:\n{:?}\n{:?}", self.out, self.err).into()),
        }
    }

    /// Standard output as one value a line.
    fn values(&self) -> Result<Vec<Value>, serde_json::Error> {
        self.out.lines().map(serde_json::from_str).collect()
    }
}

fn equal(left: &Value, right: &Value) -> Outcome {
    if left == right { Ok(()) } else { Err(format!("{left}\nis not\n{right}").into()) }
}

fn a_message() -> Outcome {
    let page = [
        "NotFound: image \"r.io/team/timeout:404\" does not exist in its registry\n",
        "class      permanent: ",
        "waiting    cannot help\n",
        "evidence   not found\n",
        "why        ",
        "message    failed to resolve reference \"···\": ···: not found\n",
        "blanked    \"r.io/team/timeout:404\"\n",
        "next step  push the image\n",
    ];
    run(&["--image", IMAGE, MISSING], "")?.is(0, &page, &[])?;
    let words: Vec<&str> = MISSING.split(' ').chain(["--image", IMAGE]).collect();
    run(&words, "")?.is(0, &page, &[])
}

fn standard_input() -> Outcome {
    for arguments in [&[][..], &["-"]] {
        run(arguments, &format!("{MISSING}\n"))?.is(
            0,
            &["NotFound: the image does not exist", ": not found\nblanked "],
            &[],
        )?;
    }
    Ok(())
}

fn a_reason() -> Outcome {
    let nothing = ["no image failure: ", "evidence   CrashLoopBackOff\n"];
    run(&["--reason", "CrashLoopBackOff", MISSING], "")?.is(0, &nothing, &[])?;
    run(&["--reason", "ErrImagePull", "frobnication"], "")?.is(0, &["Unknown: the image "], &[])
}

fn one_object() -> Outcome {
    let values = run(&["-o", "json", "--image", IMAGE, MISSING], "")?.values()?;
    let mut object = values.into_iter().next().unwrap_or_default();
    let why = object.get_mut("why").map(Value::take).unwrap_or_default();
    if !why.is_string() {
        return Err(format!("why: {why}").into());
    }
    let expected = json!({
        "cause": "NotFound",
        "class": "permanent",
        "canWaitingHelp": false,
        "sentence": format!("image \"{IMAGE}\" does not exist in its registry"),
        "nextStep": "push the image",
        "evidence": "not found",
        "why": null,
        "blanked": [IMAGE],
        "message": MISSING,
    });
    equal(&object, &expected)?;

    let values = run(&["-o", "json", "container started"], "")?.values()?;
    let Some(nothing) = values.first() else { return Err("no value".into()) };
    for field in ["cause", "class", "canWaitingHelp", "nextStep", "evidence"] {
        if nothing.get(field) != Some(&Value::Null) {
            return Err(format!("{field}: {nothing}").into());
        }
    }
    Ok(())
}

fn no_message() -> Outcome {
    for (arguments, stdin) in [(&[][..], ""), (&[], "\n"), (&["-"], ""), (&[""], "")] {
        run(arguments, stdin)?.is(1, &[], &["dislodge: the message is empty: give the text of"])?;
    }
    Ok(())
}

fn only_a_reason() -> Outcome {
    let page = ["InvalidReference: the image ", "evidence   InvalidImageName\n"];
    run(&["--reason", "InvalidImageName", ""], "")?.is(0, &page, &[])?;
    run(&["--reason", "InvalidImageName"], "")?.is(0, &page, &[])?;
    run(&["--reason", "", ""], "")?.is(1, &[], &["dislodge: the message is empty: "])
}

fn empty_flags() -> Outcome {
    let said = run(&["--image", "", "--reason", "", MISSING], "")?;
    said.is(0, &["NotFound: the image does not exist in its registry\n"], &[])
}

fn names() -> Outcome {
    // Enough for minutes if each name were compared with all others.
    let names: Vec<String> = (0..150_000).map(|number| format!("r.io/{number}:1")).collect();
    let message = format!("{}: not found", names.join(" "));
    run(&[], &message)?.is(0, &["NotFound: ", " and 149992 more\n"], &[])?;
    let values = run(&["-o", "json"], &message)?.values()?;
    let object = values.first().unwrap_or(&Value::Null);
    let listed = object.get("blanked").and_then(Value::as_array).map(Vec::len);
    equal(&json!([listed, object.get("blankedMore")]), &json!([100, 149_900]))
}

fn lines() -> Outcome {
    let asked = [
        json!({"image": IMAGE, "reason": "ErrImagePull", "message": MISSING}).to_string(),
        "no such host".to_owned(),
        json!({"image": null, "reason": null, "message": "lookup r.io: no such host"}).to_string(),
        String::new(),
        json!({"message": "container started"}).to_string(),
        json!({"message": 404}).to_string(),
        json!({"reason": "ErrImagePull"}).to_string(),
        json!({"reason": "ErrImagePull", "message": ""}).to_string(),
    ];
    let said = run(&["--jsonl"], &asked.join("\n"))?;
    let expected =
        "line 6: `message` is a number: expected one JSON object with a string `message`";
    let summary = "dislodge: 4 of 8 lines could not be read";
    said.is(1, &[expected], &[expected, "line 2: no JSON: ", "line 4: empty: ", summary])?;

    let values = said.values()?;
    let causes: Vec<_> = values.iter().map(|value| value.get("cause").cloned()).collect();
    let found = |cause: &str| Some(json!(cause));
    let expected = [
        found("NotFound"),
        None,
        found("HostUnresolvable"),
        None,
        Some(Value::Null),
        None,
        None,
        found("Unknown"),
    ];
    if causes != expected {
        return Err(format!("{causes:?}").into());
    }
    let first = json!({"cause": "NotFound", "class": "permanent", "evidence": "not found"});
    equal(values.first().unwrap_or(&Value::Null), &first)?;
    let nothing = json!({"cause": null, "class": null, "evidence": null});
    equal(values.get(4).unwrap_or(&Value::Null), &nothing)?;

    let good = json!({"message": MISSING});
    run(&["--jsonl", "-o", "json"], &format!("{good}\n{good}\n\n"))?.is(0, &["NotFound"], &[])?;

    let mut child = classify(&["--jsonl"]).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(b"{\"message\":\"\xff\"}\n")?;
    }
    let error = String::from_utf8(child.wait_with_output()?.stdout)?;
    if !error.contains("line 1: no UTF-8 from byte 13 on") {
        return Err(error.into());
    }
    Ok(())
}

/// A file with that content, for as long as the value lives.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str, content: &str) -> std::io::Result<Self> {
        let name = format!("dislodge-classify-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content)?;
        Ok(Self(path))
    }

    fn path(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // What is left in the folder for temporary files does no harm.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn lines_of_a_file() -> Outcome {
    let file = File::new("lines.jsonl", &format!("{}\n", json!({"message": MISSING})))?;
    let answer = r#"{"cause":"NotFound","class":"permanent","evidence":"not found"}"#;
    run(&["--jsonl", "--file", &file.path()], "")?.is(0, &[answer], &[])?;
    run(&["--jsonl", "-f", "-"], &json!({"message": MISSING}).to_string())?.is(0, &[answer], &[])
}

fn streaming() -> Outcome {
    let mut child = classify(&["--jsonl"]).spawn()?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("no pipes".into());
    };
    let mut answers = BufReader::new(stdout).lines();
    for (line, part) in [
        (json!({"message": MISSING}).to_string(), r#"{"cause":"NotFound""#),
        ("odd".to_owned(), r#"{"error":"line 2: "#),
        (json!({"message": "i/o timeout"}).to_string(), r#"{"cause":"#),
    ] {
        writeln!(stdin, "{line}")?;
        let answer = answers.next().ok_or("no answer")??;
        if !answer.starts_with(part) {
            return Err(answer.into());
        }
    }
    drop(stdin);
    let code = child.wait()?.code();
    if code == Some(1) { Ok(()) } else { Err(format!("{code:?}").into()) }
}

/// A Pod whose container waits, and what else is different.
fn pod(name: &str, reason: &str, message: &str) -> Value {
    let waiting = json!({"reason": reason, "message": message});
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "team-a", "creationTimestamp": "2026-11-24T08:00:00Z"},
        "spec": {"containers": [{"name": "main", "image": IMAGE}]},
        "status": {
            "phase": "Pending",
            "containerStatuses": [{"name": "main", "imageID": "", "state": {"waiting": waiting}}],
        },
    })
}

fn a_pod() -> Outcome {
    let yaml = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: train-0, namespace: team-a}}\nspec:\n  \
         containers:\n  - {{name: main, image: {IMAGE}}}\nstatus:\n  containerStatuses:\n  \
         - name: main\n    state:\n      waiting:\n        reason: ErrImagePull\n        \
         message: '{MISSING}'\n"
    );
    let page = [
        "Pod team-a/train-0: NotFound: image \"r.io/team/timeout:404\" does not exist in its registry\n",
        "container  main\n",
        "standing   pull failed\n",
        "class      permanent: waiting cannot help\n",
        "evidence   not found\n",
        "why        ",
        "reason     ErrImagePull\n",
        "message    failed to resolve reference \"r.io/team/timeout:404\": r.io/team/timeout:404: not found\n",
        "as of      not known (kubectl get --show-managed-fields tells)",
        "next step  push the image\n",
        "1 Pod: 1 with image failures, 0 without, 0 skipped\n",
    ];
    let file = File::new("pod.yaml", &yaml)?;
    run(&["--pod", &file.path()], "")?.is(0, &page, &[])?;
    let json = pod("train-0", "ErrImagePull", MISSING).to_string();
    run(&["--pod", "-"], &json)?.is(0, &page, &[])
}

fn a_list() -> Outcome {
    let back_off = format!("Back-off pulling image \"{IMAGE}\": ErrImagePull: {MISSING}");
    let mut ended = pod("ended", "ErrImagePull", MISSING);
    let mut leaving = pod("leaving", "ErrImagePull", MISSING);
    let mut mirror = pod("mirror", "ErrImagePull", MISSING);
    set(&mut ended, "/status/phase", json!("Succeeded"));
    set(&mut leaving, "/metadata/deletionTimestamp", json!("2026-11-24T09:00:00Z"));
    set(&mut mirror, "/metadata/annotations", json!({"kubernetes.io/config.mirror": "x"}));
    let mut fails = pod("fails", "ImagePullBackOff", &back_off);
    let wrote = json!([{
        "manager": "kubelet",
        "subresource": "status",
        "time": "2026-11-24T08:05:00Z",
        "fieldsV1": {"f:status": {"f:containerStatuses": {}}},
    }]);
    set(&mut fails, "/metadata/managedFields", wrote);
    let starts = pod("starts", "ContainerCreating", "");
    let list = json!({"kind": "List", "items": [ended, leaving, mirror, fails, starts]});

    let page = [
        "Pod team-a/ended: skipped: it has ended (Succeeded)\n",
        "Pod team-a/leaving: skipped: it is being deleted",
        "Pod team-a/mirror: skipped: it is a mirror Pod",
        "Pod team-a/fails: NotFound: ",
        "standing   in back-off\n",
        "as of      2026-11-24T08:05:00Z, when the kubelet last wrote the status; the Pod is from \
         2026-11-24T08:00:00Z\n",
        "5 Pods: 1 with image failures, 1 without, 3 skipped\n",
    ];
    run(&["--pod", "-"], &list.to_string())?.is(0, &page, &[])?;

    let said = run(&["--pod", "-", "-o", "json"], &list.to_string())?;
    said.is(0, &[], &["dislodge: Pod team-a/ended: skipped: it has ended (Succeeded)"])?;
    let mut values = said.values()?;
    let why = values.first_mut().and_then(|list| list.pointer_mut("/0/why")).map(Value::take);
    if !why.as_ref().is_some_and(Value::is_string) {
        return Err(format!("why: {why:?}").into());
    }
    let expected = json!([{
        "namespace": "team-a",
        "pod": "fails",
        "container": "main",
        "image": IMAGE,
        "standing": "in back-off",
        "cause": "NotFound",
        "class": "permanent",
        "canWaitingHelp": false,
        "sentence": format!("image \"{IMAGE}\" does not exist in its registry"),
        "nextStep": "push the image",
        "evidence": "not found",
        "why": null,
        "reason": "ImagePullBackOff",
        "message": back_off,
        "statusWritten": "2026-11-24T08:05:00Z",
        "podCreated": "2026-11-24T08:00:00Z",
    }]);
    equal(values.first().unwrap_or(&Value::Null), &expected)?;
    run(&["--pod", "-", "-o", "json"], r#"{"kind":"PodList","items":[]}"#)?.is(0, &["[]\n"], &[])
}

fn set(object: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
    if let Some(Value::Object(parent)) = object.pointer_mut(parent) {
        parent.insert(key.to_owned(), value);
    }
}

fn old_back_off() -> Outcome {
    let message = format!("Back-off pulling image \"{IMAGE}\"");
    let pod = pod("train-0", "ImagePullBackOff", &message).to_string();
    let page = [
        "Pod team-a/train-0: Unknown: ",
        "evidence   none\n",
        "why        up to Kubernetes 1.31 the kubelet does not repeat the cause in a back-off",
        "next step  read the Events of `kubectl describe pod`",
    ];
    run(&["--pod", "-"], &pod)?.is(0, &page, &[])?;
    let parts = ["\"evidence\":null", "\"nextStep\":\"read the Events of `kubectl describe pod`"];
    run(&["--pod", "-", "-o", "json"], &pod)?.is(0, &parts, &[])
}

fn no_pod() -> Outcome {
    let expected = "expected a Pod, or a List or PodList of Pods: kubectl get pods -o yaml";
    for (text, what) in [
        ("kind: Deployment\n", "standard input: a Deployment: "),
        ("kind: Event\n", "standard input: an Event: "),
        ("", "standard input: empty: "),
        ("no pod\n", "standard input: a string: "),
    ] {
        run(&["--pod", "-"], text)?.is(1, &[], &[what, expected])?;
    }
    run(&["--pod", "-"], "{\"kind\":")?.is(
        1,
        &[],
        &["standard input is neither YAML nor JSON: "],
    )?;
    let binary = b"\x7fELF\x02\x01\x01\0\xff";
    run(&["--pod", "-"], binary)?.is(
        1,
        &[],
        &["standard input is no text: no UTF-8 from byte 9 on: give the Pods as YAML or JSON"],
    )?;

    let pod = pod("train-0", "ErrImagePull", MISSING);
    let mixed = format!("kind: Job\n---\n{pod}\n---\nkind: Service\n");
    let said = run(&["--pod", "-"], &mixed)?;
    said.is(1, &["Pod team-a/train-0: NotFound"], &["document 1: a Job", "document 3: a Service"])
}

/// A message, and the secrets in it.
const SECRETIVE: (&str, [&str; 3]) = (
    r#"failed to authorize: {"token":"s3cr3t"} Get "https://bob:hunter2@r.io/v2/?sig=qwertz": i/o timeout"#,
    ["s3cr3t", "hunter2", "qwertz"],
);

fn secrets() -> Outcome {
    let (message, secrets) = SECRETIVE;
    let image = "bob:hunter2@r.io/app:1";
    run(&["--image", image, message], "")?.is_silent_about(&secrets)?;
    run(&["-o", "json", "--image", image, message], "")?.is_silent_about(&secrets)?;
    let sentence = run(&["--reason", message, message], "")?;
    sentence.is(0, &["Unauthorized"], &[])?;
    sentence.is_silent_about(&secrets)?;
    let line = json!({"image": image, "reason": message, "message": message}).to_string();
    run(&["--jsonl"], &line)?.is_silent_about(&secrets)?;
    for bad in [json!(message), json!({"message": [message]}), json!([message])] {
        run(&["--jsonl"], &bad.to_string())?.is_silent_about(&secrets)?;
    }
    let mut pod = pod("a", "ErrImagePull", message);
    set(&mut pod, "/spec/containers", json!([{"name": "main", "image": image}]));
    for output in ["text", "json"] {
        let said = run(&["--pod", "-", "-o", output], &pod.to_string())?;
        said.is(0, &["***@r.io/app:1"], &[])?;
        said.is_silent_about(&secrets)?;
    }
    Ok(())
}

fn escape_sequences() -> Outcome {
    const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{9b}2J\u{7f}\u{202e}\u{8}: not found";
    const OBEYED: [&str; 6] = ["\u{1b}", "\u{7}", "\u{9b}", "\u{7f}", "\u{202e}", "\u{8}"];
    let line = json!({"image": HOSTILE, "reason": HOSTILE, "message": HOSTILE});
    let mut pod = pod(HOSTILE, "InvalidImageName", HOSTILE);
    set(&mut pod, "/spec/containers", json!([{"name": "main", "image": HOSTILE}]));
    let other = json!({"kind": HOSTILE});
    for (arguments, stdin) in [
        (&["--image", HOSTILE, "--reason", HOSTILE, HOSTILE][..], String::new()),
        (&["-o", "json", "--image", HOSTILE, "--reason", HOSTILE, HOSTILE], String::new()),
        (&["--jsonl"], line.to_string()),
        (&["--jsonl"], HOSTILE.to_owned()),
        (&["--jsonl", "-f", HOSTILE], String::new()),
        (&["--pod", "-"], pod.to_string()),
        (&["--pod", "-", "-o", "json"], pod.to_string()),
        (&["--pod", "-"], other.to_string()),
        (&["--pod", "-"], HOSTILE.to_owned()),
    ] {
        let said = run(arguments, &stdin)?;
        if said.out.is_empty() && said.err.is_empty() {
            return Err(format!("it says nothing to {arguments:?}").into());
        }
        said.is_silent_about(&OBEYED)?;
    }
    Ok(())
}

fn colour() -> Outcome {
    let page = |variables: &[(&str, &str)]| {
        let mut command = classify(&[MISSING]);
        command.envs(variables.iter().copied()).stdin(Stdio::null()).output()
    };
    for (variables, coloured) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ] {
        let page = page(variables)?.stdout;
        if page.contains(&0x1b) != coloured {
            return Err(format!("{variables:?}: {}", String::from_utf8_lossy(&page)).into());
        }
    }
    Ok(())
}

fn broken_pipe() -> Outcome {
    let lines = format!("{}\n", json!({"message": MISSING})).repeat(20_000);
    let file = File::new("many.jsonl", &lines)?;
    let mut child = classify(&["--jsonl", "--file", &file.path()]).spawn()?;
    let mut first = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut first)?;
    }
    let Output { status, stderr, .. } = child.wait_with_output()?;
    if !status.success() || !stderr.is_empty() || !first.contains("NotFound") {
        return Err(format!("{status}: {first}: {}", String::from_utf8_lossy(&stderr)).into());
    }
    Ok(())
}

fn no_file() -> Outcome {
    for arguments in [["--jsonl", "-f", "/nowhere/file"], ["--pod", "/nowhere/file", "-ojson"]] {
        let advice =
            ["dislodge: /nowhere/file cannot be read: ", "name a file that exists, or '-'"];
        run(&arguments, "")?.is(1, &[], &advice)?;
    }
    Ok(())
}

fn conflicts() -> Outcome {
    for arguments in [
        &["--jsonl", MISSING][..],
        &["--jsonl", "--pod", "-"],
        &["--jsonl", "--image", IMAGE],
        &["--jsonl", "-o", "text"],
        &["--pod", "-", MISSING],
        &["--file", "x"],
        &["-o", "yaml", MISSING],
    ] {
        run(arguments, "")?.is(2, &[], &["error: "])?;
    }
    Ok(())
}

fn help() -> Outcome {
    let examples = [
        "Examples:",
        "dislodge classify --image ",
        "| dislodge classify -o json",
        "dislodge classify --jsonl <",
        "| dislodge classify --pod -",
        "Exit code: 0 whether or not",
    ];
    run(&["--help"], "")?.is(0, &examples, &[])
}
