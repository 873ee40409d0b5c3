//! `dislodge lint` as it is called by people and by pipelines, and what hostile files do to it.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::Outcome;
use crate::program::{Folder, Said, run_with, timely};

/// A test: its sentence as a name, and the check.
type Test = (&'static str, fn() -> Outcome);

/// All tests.
pub(crate) const ALL: &[Test] = &[
    ("the_examples_have_nothing_to_be_said_of", examples),
    ("a_finding_has_line_column_code_and_what_to_do", text),
    ("json_has_all_that_the_text_has", one_object),
    ("each_finding_is_an_annotation_for_github", github),
    ("sarif_is_as_code_scanning_reads_it", sarif),
    ("the_exit_code_says_whether_something_counts", exit_codes),
    ("what_is_allowed_is_left_out", allow),
    ("a_code_is_explained", explain),
    ("folders_are_searched_and_other_kinds_left_out", folders),
    ("colour_is_for_terminals_that_want_it", colour),
    ("no_escape_sequence_of_a_file_is_shown_in_any_form", escape_sequences),
    ("what_is_no_text_or_too_long_is_refused_at_once", no_text),
    ("a_yaml_bomb_ends_in_bounded_time_and_memory", bombs),
    ("thousands_of_mistakes_are_told_in_bounded_time", many_mistakes),
    ("every_file_cut_anywhere_is_answered", truncated),
    ("a_reader_that_has_seen_enough_is_no_error", broken_pipe),
];

const CLEAN: &str = "apiVersion: dislodge.dev/v1alpha1\nkind: ImagePullPolicy\nmetadata: {name: a}\nspec:\n  \
    mode: Audit\n  queues: [{kind: NoQueue}]\n";

fn lint(arguments: &[&str], stdin: &(impl AsRef<[u8]> + ?Sized)) -> Result<Said, std::io::Error> {
    run_with(&["lint"], arguments, stdin)
}

fn examples() -> Outcome {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/policies");
    lint(&["--fail-on", "advice", folder], "")?.is(0, &[": nothing to say\n"], &[])?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() && !fs::read_to_string(&path)?.starts_with("# For ") {
            return Err(
                format!("{}: the first line does not say for whom it is", path.display()).into()
            );
        }
    }
    let sweeps = format!("{folder}/parameter-sweeps.yaml");
    lint(&["--fail-on", "advice", "--queue-width", "200", &sweeps], "")?.is(0, &[], &[])
}

const WRONG: &str = "\
apiVersion: dislodge.dev/v1alpha1
kind: ImagePullPolicy
metadata: {name: a}
spec:
  mode: Enforce
  queues: [{kind: NoQueue}]
  rules:
  - name: a
    causes: [NotFound, Tls]
    threshold: {failedPulls: 3}
    action: FailJobs
";

fn text() -> Outcome {
    let page = [
        "stdin:11:5: error[DL107]: spec.rules[0].action: \"FailJobs\" is none of the values that are allowed\n",
        "    did you mean \"FailJob\"? Else write one of: ",
        "\n1 policy in 1 file: 1 error\n",
        "--explain DL107",
    ];
    lint(&["-"], WRONG)?.is(1, &page, &[])
}

fn one_object() -> Outcome {
    let said = lint(&["-o", "json", "-"], WRONG)?;
    said.is(1, &[], &[])?;
    let value: Value = serde_json::from_str(&said.out)?;
    let expected = json!({
        "code": "DL107", "name": "wrong-value", "severity": "error", "file": "stdin",
        "line": 11, "column": 5, "field": "spec.rules[0].action",
        "message": "\"FailJobs\" is none of the values that are allowed",
        "advice": "did you mean \"FailJob\"? Else write one of: \"FailJob\", \"SuspendJob\", \
                   \"RequeueJob\", \"Report\"",
    });
    let right = value.pointer("/findings/0") == Some(&expected)
        && value.pointer("/counts/error") == Some(&json!(1))
        && value.pointer("/checked/policies") == Some(&json!(1));
    if right { Ok(()) } else { Err(value.to_string().into()) }
}

fn github() -> Outcome {
    let line = "::error file=stdin,line=11,col=5,title=DL107 wrong-value::spec.rules[0].action: ";
    lint(&["-o", "github", "-"], WRONG)?.is(1, &[line], &[])?;
    lint(&["-o", "github", "-"], CLEAN)?.is(0, &[], &[])
}

fn sarif() -> Outcome {
    let folder = Folder::new("sarif", &[("a b.yaml", WRONG.as_bytes())])?;
    let said = lint(&["-o", "sarif", &folder.path("a b.yaml")], "")?;
    let value: Value = serde_json::from_str(&said.out)?;
    let at = |pointer: &str| value.pointer(pointer).cloned().unwrap_or_default();
    let rules = at("/runs/0/tool/driver/rules");
    let known =
        rules.as_array().is_some_and(|rules| rules.iter().any(|rule| rule["id"] == "DL107"));
    let uri = at("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri");
    let right = at("/version") == "2.1.0"
        && known
        && at("/runs/0/results/0/ruleId") == "DL107"
        && at("/runs/0/results/0/level") == "error"
        && uri.as_str().is_some_and(|uri| uri.ends_with("/a%20b.yaml"));
    if right { Ok(()) } else { Err(said.out.into()) }
}

fn exit_codes() -> Outcome {
    let warning = WRONG.replace("FailJobs", "FailJob");
    for (arguments, text, code) in [
        (&["-"][..], CLEAN, 0),
        (&["-"], WRONG, 1),
        (&["-"], &warning, 0),
        (&["--fail-on", "warning", "-"], &warning, 1),
        (&["--fail-on", "advice", "-"], CLEAN, 0),
        (&["-"], "a: [", 1),
        (&["-"], "kind: Job", 1),
        (&["no-such-file"], "", 2),
        (&["-", "no-such-file"], CLEAN, 2),
    ] {
        let said = lint(arguments, text)?;
        said.is(code, &[], &[])
            .map_err(|error| format!("{arguments:?}: {}", error.message().unwrap_or_default()))?;
    }
    lint(&["--no-such-flag"], "")?.is(2, &[], &["--no-such-flag"])?;
    lint(&["no-such-file"], "")?.is(2, &["no-such-file:1:1: error[DL100]: cannot be read: "], &[])
}

fn allow() -> Outcome {
    let warning = WRONG.replace("FailJobs", "FailJob");
    lint(&["-"], &warning)?.is(0, &["DL208", "DL303"], &[])?;
    let said = lint(&["--allow", "DL208,cause-without-rule", "-"], &warning)?;
    said.is(0, &["1 policy in 1 file: nothing to say\n"], &[])
}

fn explain() -> Outcome {
    let said = lint(&["--explain", "unreachable-rule"], "")?;
    said.is(
        0,
        &["DL201 unreachable-rule (warning)\n", "The first rule that lists a cause decides."],
        &[],
    )
}

fn folders() -> Outcome {
    let folder = Folder::new(
        "folders",
        &[
            ("a.yaml", CLEAN.as_bytes()),
            ("deep/er/b.yml", CLEAN.replace("name: a", "name: b").as_bytes()),
            ("deep/c.json", br#"{"apiVersion":"dislodge.dev/v1alpha1","kind":"ImagePullPolicy","metadata":{"name":"c"},"spec":{"mode":"Audit","queues":[{"kind":"NoQueue"}]}}"#),
            ("job.yaml", b"kind: Job\n"),
            (".hidden/d.yaml", b"a: ["),
            ("notes.txt", b"a: ["),
            ("a.test.yaml", b"a: ["),
            ("empty/x.yaml", b""),
        ],
    )?;
    let root = folder.path("");
    let said = lint(&["--fail-on", "advice", &root], "")?;
    said.is(0, &["3 policies in 5 files: nothing to say\n"], &[])?;
    lint(&[&folder.path("empty")], "")?.is(1, &["error[DL102]", "no file below it has an"], &[])?;
    // A pipe in a folder would be waited for without end, and so would a link to the folder itself.
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path(""), folder.path("loop"))?;
    lint(&["--fail-on", "advice", &root], "")?.is(0, &["3 policies in 5 files"], &[])
}

fn colour() -> Outcome {
    let said = |variables: &[(&str, &str)]| -> Result<String, std::io::Error> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dislodge"));
        for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(variable);
        }
        let output =
            command.args(["lint", "no-such-file"]).envs(variables.iter().copied()).output()?;
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
    let text = format!(
        "apiVersion: dislodge.dev/v1alpha1\nkind: ImagePullPolicy\nmetadata: {{name: \"{nasty}\", namespace: \
         \"{nasty}\"}}\nspec:\n  mode: \"{nasty}\"\n  \"{nasty}\": 1\n  queues: [{{kind: LocalQueue, name: \
         \"{nasty}\"}}]\n---\nkind: \"{nasty}\"\napiVersion: dislodge.dev/v1\n---\na: *{nasty}\n"
    );
    let raw =
        text.replace("\\e", "\u{1b}").replace("\\u202e", "\u{202e}").replace("\\u009b", "\u{9b}");
    let folder = Folder::new("escapes", &[("\u{1b}[31m.yaml", WRONG.as_bytes())])?;
    for form in ["text", "json", "github", "sarif"] {
        for text in [text.replace("---\na: *", "---\nb: "), text.clone(), raw.clone()] {
            let said = lint(&["-o", form, "-"], &text)?;
            said.is(1, &[], &[])?;
            said.is_silent_about(&["\u{1b}", "\u{9b}", "\u{202e}", "\u{7}"])?;
        }
        let said = lint(&["-o", form, &folder.path("")], "")?;
        said.is(1, &[], &[])?;
        said.is_silent_about(&["\u{1b}"])?;
    }
    Ok(())
}

fn no_text() -> Outcome {
    let hundred = vec![b'#'; 100 << 20];
    let folder = Folder::new(
        "no-text",
        &[
            ("long.yaml", &hundred),
            ("binary.yaml", &[0x7f, b'E', b'L', b'F', 0xff, 0, 1]),
            ("zero.yaml", &[0; 64]),
            ("utf16.yaml", b"\xff\xfek\0i\0n\0d\0"),
        ],
    )?;
    timely("100 MB", || {
        lint(&[&folder.path("long.yaml")], "")?.is(2, &["is longer than 8 MiB"], &[])
    })?;
    lint(&[&folder.path("binary.yaml")], "")?.is(
        2,
        &["is no text: no UTF-8 from byte 5 on"],
        &[],
    )?;
    lint(&[&folder.path("utf16.yaml")], "")?.is(
        2,
        &["is no text: no UTF-8 from byte 1 on"],
        &[],
    )?;
    lint(&[&folder.path("zero.yaml")], "")?.is(1, &["error["], &[])?;
    // Where the file is in a folder, the others are still checked.
    lint(&[&folder.path("")], "")?.is(
        2,
        &["binary.yaml:1:1", "long.yaml:1:1", "zero.yaml:1:1"],
        &[],
    )
}

fn bombs() -> Outcome {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..15 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        bomb = format!("{bomb}a{level}: &a{level} [{before}]\n");
    }
    let merges = format!("a: &a {{x: 1}}\nb:\n{}", "  <<: *a\n".repeat(100_000));
    let big = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(5_000));
    for (name, text) in [
        ("aliases", bomb),
        ("merges", merges),
        ("a long text repeated", big),
        ("depth", "[".repeat(1 << 20)),
        ("blocks", (0..2_000).map(|depth| " ".repeat(depth) + "a:\n").collect()),
        ("anchors", (0..200_000).map(|n| format!("- &a{n} x")).collect::<Vec<_>>().join("\n")),
        ("documents", "---\na: 1\n".repeat(500_000)),
        ("a key", format!("{}: 1\n", "k".repeat(4 << 20))),
        ("quotes", format!("a: \"{}", "\\n".repeat(2 << 20))),
    ] {
        timely(name, || {
            let said = lint(&["-"], &text)?;
            said.is(1, &["error[DL10"], &[])?;
            if said.out.len() > 4096 {
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

fn many_mistakes() -> Outcome {
    let rules = "  - {name: a, causes: [x, y], threshold: {}, action: z}\n".repeat(5_000);
    let text = format!("{CLEAN}  rules:\n{rules}");
    timely("rules", || lint(&["-"], &text)?.is(1, &["DL108", "may have 16"], &[]))?;
    let long = CLEAN.replace("Audit", &"x".repeat(1 << 20));
    let said = lint(&["-"], &long)?;
    said.is(1, &["DL107", "…"], &[])?;
    if said.out.len() < 4096 { Ok(()) } else { Err("a value of a megabyte is printed".into()) }
}

fn truncated() -> Outcome {
    // Many documents in one run would hide which one broke it; one process for each takes long.
    let text = WRONG.replace("FailJobs", "FailJob");
    for end in (0..text.len()).step_by(7) {
        let said = lint(&["-"], text.get(..end).unwrap_or_default())?;
        if !matches!(said.code, Some(0 | 1)) || said.out.is_empty() || !said.err.is_empty() {
            return Err(format!("cut at {end}: {:?} {} {}", said.code, said.out, said.err).into());
        }
    }
    Ok(())
}

fn broken_pipe() -> Outcome {
    let text = format!("{CLEAN}---\n").repeat(500);
    let mut command = Command::new("sh");
    command.args(["-c", "\"$0\" lint - | head -1"]).arg(env!("CARGO_BIN_EXE_dislodge"));
    let said = crate::program::finish(command, text.as_bytes())?;
    said.is(0, &["stdin:"], &[])
}
