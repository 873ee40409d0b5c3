//! What the code may say where.

use super::none;
use super::tree::{self, File};

/// Modules that a name like this would hide the subject of.
const NAMELESS: [&str; 12] = [
    "common", "helper", "helpers", "manager", "managers", "misc", "service", "services", "shared",
    "types", "util", "utils",
];
/// Beyond so many lines a file has more than one subject.
const MOST_LINES: usize = 600;
/// The one path through the core, in order; `engine` puts it together.
const STEPS: [&str; 6] = ["observe", "record", "resolve", "judge", "plan", "engine"];
/// What makes the same inputs give other effects, or makes somebody wait.
const IMPURE: [&str; 17] = [
    "HashMap",
    "HashSet",
    "Instant",
    "SystemTime",
    "async",
    "await",
    "dbg",
    "eprintln",
    "println",
    "print",
    "rand",
    "static mut",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
];
/// Paths that would hide a module from the checks here, and what to write instead.
const HIDING: [&str; 3] = ["crate::{", "std::{", "super::super"];
/// How a write begins, and where it may: two writers, what they share, the keeper of the Lease, what a
/// person's commands annotate, and a question that is sent as a POST.
const WRITES: [(&str, &[&str]); 19] = [
    ("Request::patch", &["src/apply.rs", "src/report.rs", "src/steer/annotate.rs"]),
    ("Request::lease", &["src/steer/annotate.rs"]),
    ("Request::status", &["src/report.rs"]),
    ("Request::delete", &["src/apply.rs"]),
    ("Method::PATCH", &["src/request.rs"]),
    ("Method::DELETE", &["src/request.rs"]),
    ("Method::PUT", &["src/request.rs"]),
    ("Method::POST", &["src/report/event.rs"]),
    ("Client::send", &["src/request.rs"]),
    ("client.send", &["src/request.rs", "src/check/ask.rs"]),
    ("PatchParams", &["src/lease.rs"]),
    ("PostParams", &["src/lease.rs", "src/check/ask.rs"]),
    ("DeleteParams", &["src/lease.rs"]),
    (".create(", &["src/lease.rs", "src/check/ask.rs"]),
    (".patch(", &["src/lease.rs"]),
    (".delete(", &["src/lease.rs"]),
    (".delete_collection(", &["src/lease.rs"]),
    (".patch_status(", &["src/lease.rs"]),
    (".replace_status(", &["src/lease.rs"]),
];

pub(super) fn the_core_is_pure() -> Result<(), String> {
    let mut found = Vec::new();
    for folder in ["engine/src", "sim/src"] {
        for file in tree::rust_files(folder)? {
            for (number, line) in program(&file) {
                let hides = HIDING.iter().any(|path| line.contains(path));
                let reads_clock = line.contains("::now()");
                if hides || reads_clock || IMPURE.iter().any(|word| has_word(line, word)) {
                    found.push(format!("{}:{number}: {}", file.path, line.trim()));
                }
            }
        }
    }
    none(&found)
}

pub(super) fn steps_know_no_later_step() -> Result<(), String> {
    let mut found = Vec::new();
    for file in tree::rust_files("engine/src")? {
        let module = file.path.trim_start_matches("engine/src/");
        let module = module.split(['/', '.']).next().unwrap_or_default();
        // What stands beside the path knows all of it but the state machine itself.
        let later = match STEPS.iter().position(|step| *step == module) {
            Some(at) => STEPS.get(at + 1..).unwrap_or_default(),
            None if module == "lib" => &[],
            None => &["engine"],
        };
        for (number, line) in program(&file) {
            for step in later {
                if has_word(line, &format!("crate::{step}")) {
                    let line = line.trim();
                    found.push(format!("{}:{number}: {step} comes later: {line}", file.path));
                }
            }
        }
    }
    none(&found)
}

pub(super) fn only_the_writers_write() -> Result<(), String> {
    let mut found = Vec::new();
    for file in tree::rust_files("src")? {
        for (number, line) in program(&file) {
            for (write, writers) in WRITES {
                let call = write.starts_with('.') && line.contains(write);
                if (call || has_word(line, write)) && !writers.contains(&file.path.as_str()) {
                    found.push(format!("{}:{number}: {}", file.path, line.trim()));
                }
            }
        }
    }
    none(&found)
}

pub(super) fn only_the_clock_reads_clocks() -> Result<(), String> {
    let mut found = Vec::new();
    for file in tree::rust_files("src")? {
        if file.path == "src/clock.rs" {
            continue;
        }
        for (number, line) in program(&file) {
            // `Clock::now` takes the clock as its argument and has no empty parentheses after `::`.
            if line.contains("::now()") || has_word(line, "SystemTime") {
                found.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    none(&found)
}

pub(super) fn files_are_short() -> Result<(), String> {
    let mut found = Vec::new();
    for file in tree::rust_files("")? {
        let lines = file.text.lines().count();
        if lines > MOST_LINES {
            found.push(format!("{}: {lines} lines", file.path));
        }
    }
    none(&found)
}

pub(super) fn names_say_something() -> Result<(), String> {
    let mut found = Vec::new();
    for file in tree::rust_files("")? {
        let path = file.path.trim_end_matches(".rs");
        if path.split('/').any(|part| NAMELESS.contains(&part)) {
            found.push(format!("{}: name it after its subject", file.path));
        }
        for (number, line) in program(&file) {
            let name = line.split_once("mod ").and_then(|(_, rest)| rest.split([' ', ';']).next());
            if name.is_some_and(|name| NAMELESS.contains(&name)) {
                found.push(format!("{}:{number}: name it after its subject", file.path));
            }
        }
    }
    none(&found)
}

/// The numbered lines of a file that are part of the program: no comments and no unit tests.
fn program(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let is_test = file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
    let text = if is_test { "" } else { file.text.as_str() };
    let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Whether the line has the word, and not as a part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}
