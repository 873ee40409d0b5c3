//! `dislodge replay` as it is called by people, and what hostile files do to it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::Outcome;
use crate::program::{Said, run_with};

/// A test: its sentence as a name, and the check.
type Test = (&'static str, fn() -> Outcome);

/// All tests.
pub(crate) const ALL: &[Test] = &[
    ("json_has_all_that_the_text_has", one_object),
    ("what_is_no_recording_is_refused_with_what_to_do", no_recording),
    ("a_recording_that_was_cut_anywhere_is_read_up_to_there", cut),
    ("a_recording_with_any_byte_changed_is_answered", changed),
    ("a_line_that_cannot_be_is_named", lines),
    ("files_that_were_put_together_or_given_twice_are_not_played_as_something_else", twice),
    ("what_unpacks_to_much_more_ends_in_bounded_memory", bombs),
    ("no_escape_sequence_of_a_recording_is_shown_in_any_form", escape_sequences),
    ("policies_that_cannot_be_meant_are_refused", policies),
];

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/recording/hour.jsonl");
const POLICY: &str = "apiVersion: dislodge.dev/v1alpha1\nkind: ImagePullPolicy\nmetadata: {name: a}\nspec:\n  \
    queues: [{kind: LocalQueue, name: gpu}]\n";

/// A folder of its own for one test, which ends with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self, std::io::Error> {
        let folder = std::env::temp_dir().join(format!("dislodge-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    fn write(&self, file: &str, bytes: impl AsRef<[u8]>) -> Result<String, std::io::Error> {
        let path = self.0.join(file);
        fs::write(&path, bytes)?;
        Ok(path.to_string_lossy().into_owned())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn replay(arguments: &[&str], stdin: &[u8]) -> Result<Said, std::io::Error> {
    run_with(&["replay"], arguments, stdin)
}

fn packed(text: &[u8]) -> Result<Vec<u8>, std::io::Error> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text)?;
    packed.finish()
}

/// Fails where it takes so long that somebody would wonder, also in a build for debugging.
fn timely(what: &str, act: impl FnOnce() -> Outcome) -> Outcome {
    #[expect(clippy::disallowed_methods, reason = "measures the program, decides nothing")]
    let began = Instant::now();
    act()?;
    let took = began.elapsed();
    if took > Duration::from_secs(30) { Err(format!("{what}: {took:?}").into()) } else { Ok(()) }
}

fn one_object() -> Outcome {
    let said = replay(&[RECORDING, "-o", "json"], b"")?;
    said.is(0, &[], &[])?;
    let value: Value = serde_json::from_str(&said.out)?;
    let run = value.pointer("/runs/0").ok_or("no run")?;
    let text = replay(&[RECORDING], b"")?;
    let decisions = run.get("decisions").and_then(Value::as_array).ok_or("no decisions")?;
    if decisions.is_empty() {
        return Err("nothing was decided".into());
    }
    for decision in decisions {
        let job = decision.get("job").and_then(Value::as_str).unwrap_or("?");
        text.is(0, &[job], &[])?;
    }
    Ok(())
}

fn no_recording() -> Outcome {
    let folder = Folder::new("no-recording")?;
    let header = |format: u32| {
        json!({"recording": {"format": format, "program": "9.9.9\u{1b}[31m"}}).to_string() + "\n"
    };
    for (name, bytes, expected) in [
        ("empty", vec![], "is no recording: it is empty"),
        ("binary", vec![0x7f, b'E', b'L', b'F', 0xff], "it does not begin as gzip does"),
        ("yaml", POLICY.as_bytes().to_vec(), "it does not begin as gzip does"),
        ("json", b"{\"kind\": \"Pod\"}\n".to_vec(), "its first line is not that of a recording"),
        ("one-byte", b"{".to_vec(), "is no recording"),
        ("other-gzip", packed(b"hello\nworld\n")?, "its first line is not that of a recording"),
        ("no-line", packed(b"hello")?, "it ends before its first line does"),
        ("newer", header(7).into_bytes(), "is in format 7 of dislodge 9.9.9"),
        ("zeros", vec![0; 100 << 20], "it does not begin as gzip does"),
        ("braces", vec![b'{'; 100 << 20], "its first line has no end"),
    ] {
        let file = folder.write(name, bytes)?;
        timely(name, || {
            let said = replay(&[&file], b"")?;
            said.is(1, &[], &[expected])?;
            said.is_silent_about(&["\u{1b}"])?;
            bounded(&said)
        })?;
    }
    let path = folder.0.to_string_lossy().into_owned();
    replay(&[&path], b"")?.is(1, &[], &["it is a folder; give its files"])?;
    replay(&["/nowhere"], b"")?.is(1, &[], &["/nowhere cannot be read", "name a file that exists"])
}

fn bounded(said: &Said) -> Outcome {
    match said.peak_kilobytes {
        Some(peak) if peak > 300_000 => Err(format!("{peak} kB of memory").into()),
        Some(_) | None => Ok(()),
    }
}

fn cut() -> Outcome {
    let text = fs::read(RECORDING)?;
    let whole = packed(&text)?;
    let folder = Folder::new("cut")?;
    for length in (0..whole.len()).step_by(whole.len() / 40 + 1).chain([whole.len() - 1]) {
        let file = folder.write("cut.jsonl.gz", whole.get(..length).unwrap_or_default())?;
        let said = replay(&[&file], b"")?;
        let told = match said.code {
            // Of what follows the mark at the end nothing is missed.
            Some(0) => said.out.contains("It has no end") || length + 16 > whole.len(),
            Some(1) => said.err.contains("is no recording"),
            _ => false,
        };
        if !told {
            return Err(format!("cut at {length}: {said:?}").into());
        }
    }
    // A line that was cut is not taken for a whole one.
    let half = text.len() / 2;
    let said = replay(&["-"], text.get(..half).unwrap_or_default())?;
    said.is(0, &["standard input", "It has no end"], &[])
}

fn changed() -> Outcome {
    let whole = packed(&fs::read(RECORDING)?)?;
    let folder = Folder::new("changed")?;
    for place in (0..whole.len()).step_by(whole.len() / 40 + 1) {
        let mut bytes = whole.clone();
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= 0x55;
        }
        let file = folder.write("changed.jsonl.gz", bytes)?;
        let said = replay(&[&file], b"")?;
        // Some bytes of gzip's head say nothing.
        if !matches!(said.code, Some(0 | 1)) || said.err.contains("panicked") {
            return Err(format!("byte {place}: {said:?}").into());
        }
    }
    Ok(())
}

fn twice() -> Outcome {
    let whole = fs::read(RECORDING)?;
    let both = [packed(&whole)?, packed(&whole)?].concat();
    replay(&["-"], &both)?.is(1, &[], &["something follows the end of the recording"])?;
    let said = replay(&[RECORDING, RECORDING], b"")?;
    said.is(1, &[], &["are the same part of one recording: give it once"])?;
    // A pipe can be read once.
    let pipe = std::env::temp_dir().join(format!("dislodge-pipe-{}", std::process::id()));
    let name = pipe.to_string_lossy().into_owned();
    if !std::process::Command::new("mkfifo").arg(&pipe).status()?.success() {
        return Err("mkfifo failed".into());
    }
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, whole)
    });
    let said = replay(&[&name], b"");
    fs::remove_file(&pipe)?;
    writer.join().map_err(|_| "the writer panicked")??;
    said?.is(0, &["2 decisions"], &[])
}

fn lines() -> Outcome {
    let text = fs::read_to_string(RECORDING)?;
    let mut all: Vec<&str> = text.lines().collect();
    let end = all.pop().ok_or("it is empty")?;
    let header = *all.first().ok_or("it is empty")?;
    let node = |elapsed: &str, wall: &str| {
        format!(
            "{{\"input\":{{\"elapsed\":{elapsed},\"wall\":\"{wall}\",\"input\":\"deadline\"}}}}"
        )
    };
    let good = node("1", "2026-11-23T08:00:00Z");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = good.replace("\"deadline\"", &deep);
    for (line, expected) in [
        (String::new(), "line 2: "),
        ("[]".to_owned(), "line 2: "),
        (deep, "line 2: recursion limit exceeded"),
        (header.to_owned(), "line 2: a second recording begins"),
        (end.to_owned(), "line 2: 86 inputs were written, 0 are here"),
        ("{\"input\":{\"elapsed\":1,\"wall\":\"x\",\"input\":1}}".to_owned(), "line 2: "),
        (node("-1", "2026-11-23T08:00:00Z"), "line 2: "),
        (node("99999999999999999999999", "2026-11-23T08:00:00Z"), "line 2: "),
        (node("18446744073709551615", "2026-11-23T08:00:00Z"), "line 2: nothing was recorded at"),
        (node("1", "-009999-01-02T01:59:59Z"), "line 2: nothing was recorded at"),
        (node("1", "9999-12-30T22:00:00Z"), "line 2: nothing was recorded at"),
        (format!("{good}\n{}", node("0", "2026-11-23T08:00:00Z")), "line 3: time goes back"),
        (good.replace("\"deadline\"", "{\"pod\":{\"seen\":7}}"), "line 2: "),
        (good.replace("\"deadline\"", "{\"no\\u001b[31m\":7}"), "line 2: unknown variant"),
        (format!("{good}\n{}", good.replacen("input", "standing", 1)), "line 3: what stood"),
    ] {
        let said = replay(&["-"], format!("{header}\n{line}\n").as_bytes())?;
        said.is(1, &[], &[expected, "standard input, "])?;
        said.is_silent_about(&["\u{1b}"])?;
    }
    let odd = header.replace("\"secs\":10,", "\"secs\":18446744073709551615,");
    let said = replay(&["-"], format!("{odd}\n{good}\n").as_bytes())?;
    said.is(1, &[], &["schedule is none that there can be"])?;
    // Years in which nothing happens are passed over.
    let late = node("3000000000000000000", "2121-11-23T08:00:00Z");
    timely("a century", || {
        let text = all.join("\n");
        replay(&["-"], format!("{text}\n{late}\n").as_bytes())?.is(0, &["It has no end"], &[])
    })
}

fn bombs() -> Outcome {
    let mut header = Vec::new();
    fs::File::open(RECORDING)?.read_to_end(&mut header)?;
    let first = header.iter().position(|byte| *byte == b'\n').ok_or("no line")?;
    header.truncate(first + 1);
    let with = |rest: &[u8]| packed(&[header.as_slice(), rest].concat());
    for (name, bytes, expected) in [
        (
            "a long line",
            with(&vec![b' '; 64 << 20])?,
            "the line is longer than any that is written",
        ),
        ("empty lines", with(&vec![b'\n'; 64 << 20])?, "line 2: "),
        ("gzip in gzip", packed(&packed(&vec![0; 64 << 20])?)?, "is no recording"),
    ] {
        timely(name, || {
            let said = replay(&["-"], &bytes)?;
            said.is(1, &[], &[expected])?;
            bounded(&said)
        })?;
    }
    // What was packed can be unpacked: the rows above are what they say.
    let mut text = Vec::new();
    GzDecoder::new(&*with(b"x\n")?).read_to_end(&mut text)?;
    if text.ends_with(b"x\n") { Ok(()) } else { Err("it was not packed".into()) }
}

fn escape_sequences() -> Outcome {
    let nasty = "\\u001b[31m\\u009b2J\\u202e\\u0007";
    let text = fs::read_to_string(RECORDING)?;
    let text = text
        .replace("train-resnet", &format!("train{nasty}"))
        .replace("team-a", &format!("team{nasty}"))
        .replace("not found", &format!("{nasty} not found"))
        .replace("train:2026-11-22", &format!("train:{nasty}"))
        .replace("\"0.1.0\"", &format!("\"{nasty}\""));
    let folder = Folder::new("replay-escapes")?;
    let file = folder.write("\u{1b}[31m.jsonl", text)?;
    for form in ["text", "json"] {
        let said = replay(&[&file, "-o", form], b"")?;
        said.is(0, &["train"], &[])?;
        said.is_silent_about(&["\u{1b}", "\u{9b}", "\u{202e}", "\u{7}"])?;
    }
    let tag = "<img src=x onerror=alert(1)>";
    let text = fs::read_to_string(RECORDING)?;
    let text = text.replace("train-resnet", tag).replace("\"gpu\"", "\"'\\\"&<b>\"");
    let (file, page) = (folder.write("tags.jsonl", text)?, folder.write("page.html", "")?);
    replay(&[&file, "--html", &page], b"")?.is(0, &[tag], &[])?;
    let page = fs::read_to_string(page)?;
    if page.contains("<img") || page.contains("<b>") || !page.contains("&lt;img src=x") {
        return Err(format!("a name is markup:\n{page}").into());
    }
    Ok(())
}

fn policies() -> Outcome {
    let folder = Folder::new("replay-policies")?;
    for (name, text, expected) in [
        ("none.yaml", "kind: Pod\n", "has no ImagePullPolicy in it"),
        ("empty.yaml", "", "has no ImagePullPolicy in it"),
        ("broken.yaml", "a: [", "neither YAML nor JSON"),
        (
            "wrong.yaml",
            POLICY.replace("gpu}]", "gpu}]\n  mode: Maybe").as_str(),
            "ImagePullPolicy a: `spec.mode`",
        ),
        ("binary.yaml", "\u{0}\u{1}", "binary.yaml"),
    ] {
        let file = folder.write(name, text)?;
        replay(&[RECORDING, "-f", &file], b"")?.is(1, &[], &[expected])?;
    }
    let long = folder.write("long.yaml", vec![b'#'; 8 << 20])?;
    replay(&[RECORDING, "-f", &long], b"")?.is(1, &[], &["too long for policies"])?;
    let several = fs::read_to_string(RECORDING)?.replacen("\"namespace\":\"team-a\",", "", 1);
    let several = folder.write("several.jsonl", several)?;
    let policy = folder.write("policy.yaml", POLICY)?;
    replay(&[&several, "-f", &policy], b"")?.is(1, &[], &["has no metadata.namespace"])?;
    replay(&[RECORDING, "-f", &policy], b"")?.is(0, &["would "], &[])?;
    replay(&["-", "--compare", &policy], b"{")?.is(1, &[], &["is no recording"])?;
    let whole = fs::read(RECORDING)?;
    replay(&["-", "--compare", &policy], &whole)?.is(1, &[], &["reads the recording twice"])?;
    replay(&[RECORDING, "--compare", &policy], b"")?.is(0, &["JOB", "jobs stopped"], &[])
}
