//! `dislodge explain` and `status` as they are typed, of saved objects and without a cluster.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use libtest_mimic::Failed;
use serde_json::json;

use crate::Outcome;

/// A test: its sentence as a name, and the check.
type Test = (&'static str, fn() -> Outcome);

/// All tests.
pub(crate) const ALL: &[Test] = &[
    ("the_transcripts_of_the_documentation_are_what_is_printed", transcripts),
    ("the_exit_code_is_the_answer_and_1_is_none", exit_codes),
    ("what_is_no_terminal_gets_no_escape_sequence", no_escapes),
    ("what_files_say_is_neither_obeyed_by_a_terminal_nor_by_a_shell", hostile),
    ("json_and_yaml_are_one_value", data),
    ("what_cannot_be_read_is_named_with_what_to_do", unreadable),
    ("what_is_made_to_fill_the_memory_is_refused_before_it_does", bombs),
    ("the_help_of_each_command_has_examples", help),
];

/// The folder with the saved objects.
fn dump() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/explain")
}

fn dislodge(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dislodge"));
    command.args(arguments).current_dir(dump());
    command.env_remove("KUBECONFIG").stdin(Stdio::null());
    command
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Each `$ dislodge ...` of the page that reads the dump, and what stands below it.
fn transcripts() -> Outcome {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let page = std::fs::read_to_string(page)?;
    let blocks = page.split("```text\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut played = 0;
    for block in blocks {
        let (command, expected) = block.split_once('\n').unwrap_or((block, ""));
        let Some(typed) = command.strip_prefix("$ dislodge ") else { continue };
        let output = dislodge(&typed.split(' ').collect::<Vec<_>>()).output()?;
        if out(&output) != expected {
            let (said, wrong) = (out(&output), err(&output));
            return Err(
                format!("{command}\n--- printed\n{said}{wrong}--- documented\n{expected}").into()
            );
        }
        played += 1;
    }
    if played < 3 { Err(format!("only {played} transcripts were played").into()) } else { Ok(()) }
}

fn exit_codes() -> Outcome {
    for (arguments, code) in [
        (&["explain", "-f", "dump.yaml", "job/train"][..], 2),
        (&["explain", "-f", "dump.yaml", "pod/train-x7k2p"], 2),
        (&["explain", "-f", "dump.yaml", "sweep"], 3),
        (&["explain", "-f", "dump.yaml"], 3),
        (&["explain", "-f", "dump.yaml", "job/other"], 1),
        (&["explain", "-f", "dump.yaml", "deployment/x"], 1),
        (&["explain"], 1),
        (&["explain", "--nonsense"], 1),
        (&["status", "-f", "dump.yaml"], 0),
        (&["status", "--nonsense"], 2),
    ] {
        let output = dislodge(arguments).output()?;
        if output.status.code() != Some(code) {
            return Err(format!("{arguments:?}: {:?}: {}", output.status, err(&output)).into());
        }
    }
    Ok(())
}

fn no_escapes() -> Outcome {
    for arguments in [&["explain", "-f", "dump.yaml"], &["status", "-f", "dump.yaml"]] {
        let output = dislodge(arguments).output()?;
        if out(&output).contains('\u{1b}') || output.stdout.is_empty() {
            return Err(format!("{arguments:?}: {}", out(&output)).into());
        }
    }
    Ok(())
}

/// Names, rules and messages of a file are anybody's.
fn hostile() -> Outcome {
    let evil = "x'; rm -rf ~\u{1b}[31m\u{202e}\u{9b}";
    let uid = "00000000-0000-0000-0000-00000000000a";
    let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": evil, "uid": uid, "controller": true});
    let failing = json!({"reason": "ErrImagePull", "message": format!("failed to resolve reference \"r.io/a:1\": r.io/a:1: not found {evil}")});
    let all = json!([
        {"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": evil, "namespace": evil, "uid": uid}},
        {"kind": "Pod", "metadata": {"name": evil, "namespace": evil, "ownerReferences": [owner],
            "uid": "00000000-0000-0000-0000-00000000000b", "creationTimestamp": "2026-11-24T08:00:00Z"},
            "spec": {"nodeName": "n", "containers": [{"name": evil, "image": "r.io/a:1"}]},
            "status": {"phase": "Pending", "containerStatuses": [
                {"name": evil, "state": {"waiting": failing}}]}},
        {"kind": "ImagePullPolicy", "metadata": {"name": evil, "namespace": evil, "uid": "00000000-0000-0000-0000-00000000000c"},
            "spec": {"mode": "Enforce", "queues": [{"kind": "NoQueue"}],
                     "rules": [{"name": evil, "causes": ["NotFound"], "action": "SuspendJob",
                                "threshold": {"failedPulls": 9}}]}},
    ]);
    for arguments in [
        &["explain"][..],
        &["explain", "-o", "yaml"],
        &["explain", "-o", "json"],
        &["status"],
        &["status", "-o", "wide"],
        &["status", "-o", "yaml"],
    ] {
        let (_, said, wrong) =
            given(&[arguments, &["-f", "-"]].concat(), all.to_string().as_bytes())?;
        if said.contains(['\u{1b}', '\u{202e}', '\u{9b}']) || !said.contains("rm -rf") {
            return Err(format!("{arguments:?}: {said:?}{wrong:?}").into());
        }
        // As a shell reads it: one word.
        let word = r"dislodge ignore 'x'\''; rm -rf ~";
        if *arguments == ["explain"] && !said.contains(word) {
            return Err(format!("{word} is not in {said}").into());
        }
    }
    Ok(())
}

/// The exit code, standard output and standard error of a command that is given something to read.
fn given(arguments: &[&str], stdin: &[u8]) -> Result<(Option<i32>, String, String), Failed> {
    let mut child = dislodge(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(stdin)?;
    }
    let output = child.wait_with_output()?;
    Ok((output.status.code(), out(&output), err(&output)))
}

fn data() -> Outcome {
    for (command, pointer, expected) in [
        (&["explain", "-f", "dump.yaml", "job/train"][..], "/state", "Stuck"),
        (&["explain", "-f", "dump.yaml"], "/findings/1/state", "Held"),
        (&["status", "-f", "dump.yaml"], "/queues/0/heldBack/nvidia.com~1gpu", "8"),
    ] {
        let json = dislodge(&[command, &["-o", "json"]].concat()).output()?;
        let yaml = dislodge(&[command, &["-o", "yaml"]].concat()).output()?;
        let json: serde_json::Value = serde_json::from_slice(&json.stdout)?;
        let yaml: serde_json::Value = serde_saphyr::from_slice(&yaml.stdout)?;
        if json != yaml || json.pointer(pointer).and_then(|v| v.as_str()) != Some(expected) {
            return Err(format!("{command:?}: {json:#}\n{yaml:#}").into());
        }
    }
    Ok(())
}

fn unreadable() -> Outcome {
    for (stdin, says) in [
        (&b"\xff\xfe\x00"[..], "standard input is no text"),
        (b"kind: Pod\nspec: [\n", "is neither YAML nor JSON"),
        (b"{\"kind\": \"Pod\", \"spec\": {", "is neither YAML nor JSON"),
        (b"kind: Secret\n", "have no Pod, Job, JobSet or Workload in them"),
        (
            b"kind: Pod\nmetadata: {name: \"a\\e[31m\"}\nspec: 7\n",
            "Pod a\\u{1b}[31m is not as the API",
        ),
        (b"", "kubectl get"),
    ] {
        let (code, _, told) = given(&["explain", "-f", "-"], stdin)?;
        if code != Some(1) || !told.contains(says) || told.contains('\u{1b}') {
            return Err(format!("{says:?} is not in {told:?} ({code:?})").into());
        }
    }
    Ok(())
}

/// 9 MB of JSON each, in a process that gets no more than 700 MB of addresses.
fn bombs() -> Outcome {
    let file = |head: &str, item: &str, tail: &str| {
        format!("{head}{}{item}{tail}", format!("{item},").repeat((9 << 20) / (item.len() + 1)))
    };
    for (name, text, says) in [
        ("objects", file("{\"kind\":\"PodList\",\"items\":[", "{}", "]}"), "has more in it than"),
        ("kinds", file("[", "{\"kind\":\"Workload\"}", "]"), "has more in it than"),
        (
            "one",
            file("{\"kind\":\"Pod\",\"spec\":{\"containers\":[", "{}", "]}}"),
            "of 9 MiB in it",
        ),
        ("strangers", file("[", "0", "]"), "have no Pod, Job, JobSet or Workload in them"),
    ] {
        let path =
            std::env::temp_dir().join(format!("dislodge-bomb-{name}-{}", std::process::id()));
        std::fs::write(&path, text)?;
        let program = env!("CARGO_BIN_EXE_dislodge");
        let output = Command::new("sh")
            .args(["-c", "ulimit -v 700000; exec \"$0\" explain -f \"$1\"", program])
            .arg(&path)
            .output();
        std::fs::remove_file(&path)?;
        let output = output?;
        if output.status.code() != Some(1) || !err(&output).contains(says) {
            return Err(format!(
                "{name}: {says:?} is not in {:?} ({})",
                err(&output),
                output.status
            )
            .into());
        }
    }
    Ok(())
}

fn help() -> Outcome {
    for command in ["explain", "status", "holds", "resume", "ignore", "pause", "unpause"] {
        let output = dislodge(&[command, "--help"]).output()?;
        let text = out(&output);
        for part in ["Examples:", "Rights:", "--namespace", "--kubeconfig"] {
            if !text.contains(part) {
                return Err(format!("{command} --help has no {part:?}:\n{text}").into());
            }
        }
    }
    Ok(())
}
