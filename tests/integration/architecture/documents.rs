//! What the documents say of the repository.

use super::{none, tree};

/// The document with the map: a fenced block below this heading, a path and its meaning a line.
const MAP: &str = "ARCHITECTURE.md";
const MAP_HEADING: &str = "## The map";
/// Folders of which the map names every module, and whether also those one level below.
const MAPPED: [&str; 7] = [
    "engine/src",
    "sim/src",
    "src",
    "tests",
    "tests/integration",
    "tests/testbed",
    "tests/testbed/src",
];
/// The two commands that set everything up, and the document that says so.
const COMMANDS: (&str, [&str; 2]) = ("README.md", ["demo", "test"]);
/// The document with the threats, each with the test of its guard.
const SECURITY: &str = "docs/security.md";
/// The most minutes that all gates may be given together: with nothing cached, and with all.
const BUDGETS: [(&str, u32); 2] = [("cold", 70), ("warm", 35)];

pub(super) fn the_map_names_what_exists() -> Result<(), String> {
    let map = map()?;
    if map.is_empty() {
        return Err(format!("{MAP} has no map below {MAP_HEADING}"));
    }
    let missing = map.iter().filter(|path| {
        let there = tree::root().join(path);
        if path.ends_with('/') { !there.is_dir() } else { !there.is_file() }
    });
    let missing = missing.map(|path| format!("{MAP} names {path}, which does not exist"));
    none(&missing.collect::<Vec<_>>())
}

pub(super) fn the_map_names_all_that_exists() -> Result<(), String> {
    let map = map()?;
    let mut missing = Vec::new();
    let mut expect = |path: String| {
        // A module in a file and a folder of one name is named once, by its file.
        let file = path.strip_suffix('/').map(|folder| format!("{folder}.rs"));
        if !map.contains(&path) && !file.is_some_and(|file| map.contains(&file)) {
            missing.push(format!("{MAP} does not name {path}"));
        }
    };
    for name in tree::names("")? {
        if name.ends_with('/') && !map.iter().any(|path| path.starts_with(&name)) {
            expect(name);
        }
    }
    for folder in MAPPED {
        for name in tree::names(folder)? {
            if name.ends_with('/') || tree::is_rust(&name) {
                let path = format!("{folder}/{name}");
                // A folder whose own files are named one by one needs no line itself.
                let inside = name.ends_with('/')
                    && MAPPED.iter().any(|m| path.starts_with(m) && m.len() + 1 == path.len());
                if !inside {
                    expect(path);
                }
            }
        }
    }
    none(&missing)
}

pub(super) fn the_readme_names_the_two_commands() -> Result<(), String> {
    let (document, commands) = COMMANDS;
    let named = self::commands(&tree::read(document)?);
    let missing = commands.iter().filter(|command| !named.iter().any(|target| target == *command));
    none(&missing.map(|command| format!("{document} has no `make {command}`")).collect::<Vec<_>>())
}

pub(super) fn links_lead_somewhere() -> Result<(), String> {
    let mut found = Vec::new();
    for file in tree::files("")? {
        if std::path::Path::new(&file.path).extension().is_none_or(|kind| kind != "md") {
            continue;
        }
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            if link.contains("://") {
                continue;
            }
            let target = if path.is_empty() { &file.path } else { path };
            let folder = if path.is_empty() { "" } else { folder };
            let target = tree::root().join(folder).join(target);
            if !target.exists() {
                found.push(format!("{} links to {link}, which does not exist", file.path));
            } else if !heading.is_empty() && !has_heading(&target, heading)? {
                found.push(format!("{} links to {link}, which is no heading there", file.path));
            }
        }
    }
    none(&found)
}

/// Whether a document has a heading that a link calls so: in lower case, with `-` for spaces, without
/// what is neither letter, digit, `-` nor `_`.
fn has_heading(document: &std::path::Path, called: &str) -> Result<bool, String> {
    let named = |error| format!("{}: {error}", document.display());
    let text = std::fs::read_to_string(document).map_err(named)?;
    let anchor = |heading: &str| -> String {
        let heading = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
    };
    Ok(text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == called))
}

pub(super) fn security_names_tests() -> Result<(), String> {
    let text = tree::read(SECURITY)?;
    let code = tree::files("")?;
    // Between backticks is every second part; a test's name is a sentence.
    let names = text.split('`').skip(1).step_by(2).filter(|name| {
        name.matches('_').count() > 3 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    });
    let missing = names.filter(|name| {
        let (function, entry) = (format!("fn {name}("), format!("\"{name}\""));
        !code.iter().any(|file| {
            tree::is_rust(&file.path)
                && (file.text.contains(&function) || file.text.contains(&entry))
        })
    });
    none(&missing.map(|name| format!("{SECURITY}: there is no test {name}")).collect::<Vec<_>>())
}

pub(super) fn targets_exist() -> Result<(), String> {
    let targets = targets()?;
    let mut found = Vec::new();
    for name in tree::names("")? {
        if std::path::Path::new(&name).extension().is_none_or(|kind| kind != "md") {
            continue;
        }
        for target in commands(&tree::read(&name)?) {
            if !targets.contains(&target) {
                found.push(format!("{name} names `make {target}`, which the Makefile has not"));
            }
        }
    }
    none(&found)
}

pub(super) fn gates_fit() -> Result<(), String> {
    let targets = targets()?;
    let script = tree::read(".ci/run")?;
    let steps = script.lines().skip_while(|line| *line != "steps=(").skip(1);
    let mut found = Vec::new();
    let mut sums = [0; BUDGETS.len()];
    let mut gates = 0;
    for step in steps.take_while(|line| *line != ")") {
        gates += 1;
        let mut words = step.trim().trim_matches('"').split_whitespace();
        let target = words.next().unwrap_or_default();
        if !targets.iter().any(|known| known == target) {
            found.push(format!(".ci/run calls `make {target}`, which the Makefile has not"));
        }
        for sum in &mut sums {
            match words.next().and_then(|minutes| minutes.parse::<u32>().ok()) {
                Some(minutes) => *sum += minutes,
                None => found.push(format!(".ci/run gives {target} no budget in minutes")),
            }
        }
    }
    if gates == 0 {
        found.push(".ci/run has no steps".to_owned());
    }
    for ((name, most), sum) in BUDGETS.iter().zip(sums) {
        if sum > *most {
            found.push(format!(".ci/run: {sum} minutes {name}, {most} at most"));
        }
    }
    none(&found)
}

pub(super) fn no_machine_paths() -> Result<(), String> {
    // In pieces, so that this file is not found itself.
    let folders =
        [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"], ["/tmp", "/"]].map(|p| p.concat());
    let mut found = Vec::new();
    for file in tree::files("")? {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(folder) = folders.iter().find(|folder| line.contains(folder.as_str())) {
                found.push(format!("{}:{}: names {folder}", file.path, index + 1));
            }
        }
    }
    none(&found)
}

/// The paths that the map names; folders end in `/`.
fn map() -> Result<Vec<String>, String> {
    let text = tree::read(MAP)?;
    let below = text.lines().skip_while(|line| *line != MAP_HEADING).skip(1);
    let section = below.take_while(|line| !line.starts_with("## "));
    let mut inside = false;
    let mut paths = Vec::new();
    for line in section {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside && let Some(path) = line.split_whitespace().next() {
            paths.push(path.to_owned());
        }
    }
    Ok(paths)
}

/// The targets of the Makefile.
fn targets() -> Result<Vec<String>, String> {
    let rules = tree::read("Makefile")?;
    let targets = rules.lines().filter_map(|line| line.split_once(':')).map(|(target, _)| target);
    Ok(targets.filter(|target| is_target(target)).map(str::to_owned).collect())
}

/// What the code in a document calls make for.
fn commands(document: &str) -> Vec<String> {
    let mut fenced = false;
    let mut targets = Vec::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            targets.extend(command(line));
        } else {
            // Between backticks is every second part.
            targets.extend(line.split('`').skip(1).step_by(2).filter_map(command));
        }
    }
    targets
}

/// The target of a command line that calls make, with variables before or behind it.
fn command(line: &str) -> Option<String> {
    let mut words = line
        .trim_start_matches(['$', ' '])
        .split_whitespace()
        .skip_while(|word| word.contains('='));
    let target = (words.next()? == "make").then(|| words.find(|word| !word.contains('=')))??;
    is_target(target).then(|| target.to_owned())
}

fn is_target(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}
