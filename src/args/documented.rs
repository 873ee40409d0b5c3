//! Every command that the documents and the helps show is one that can be typed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use super::Args;

fn documents() -> Vec<PathBuf> {
    fn below(folder: &Path, all: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, all);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                all.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    for folder in ["docs", "examples", "deploy"] {
        below(&root.join(folder), &mut all);
    }
    all
}

/// What stands on a line up to where a shell, or a reader, goes on with something else.
fn command(line: &str) -> Option<&str> {
    let line = line.trim_start().trim_start_matches("$ ");
    let line = line.strip_prefix("kubectl ").unwrap_or(line);
    line.starts_with("dislodge ").then_some(line)?;
    let (mut end, mut quote, mut before) = (line.len(), None, ' ');
    for (place, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            // Two spaces set a remark apart.
            (None, ' ') if before == ' ' && place > 0 => {
                end = place;
                break;
            }
            (None, '|' | '>' | '<' | '#' | ';' | '&' | ')') => {
                end = place;
                break;
            }
            _ => {}
        }
        before = c;
    }
    Some(line[..end].trim_end())
}

/// What is wrong with a command; a command that is only named need not be whole.
fn wrong(command: &str, is_whole: bool) -> Option<String> {
    let Some(words) = shlex::split(command) else { return Some("a quote has no end".to_owned()) };
    // A manual writes what it leaves open in capitals, or in brackets.
    let is_open = |word: &String| word.contains('[') || word.contains("...") || word.contains('…');
    if words.iter().any(is_open) {
        return None;
    }
    let filled = |word: String| {
        let word = word.replace("CAUSE", "NotFound").replace("NAMESPACE", "team-a");
        OsString::from(word.replace("NAME", "train").replace("QUEUE", "gpu"))
    };
    let error = Args::parsed(words.into_iter().map(filled).collect()).err()?;
    let is_partial = matches!(
        error.kind(),
        ErrorKind::MissingRequiredArgument
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::MissingSubcommand
    );
    let is_asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    (!is_asked && (is_whole || !is_partial)).then(|| error.to_string())
}

#[test]
fn each_command_of_a_document_can_be_typed() {
    let (mut seen, mut faults) = (0, Vec::new());
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let mut fenced = false;
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
                continue;
            }
            let inline = line.split('`').skip(1).step_by(2);
            let commands: Vec<(&str, bool)> = if fenced {
                command(line).map(|command| (command, true)).into_iter().collect()
            } else {
                inline.filter_map(command).map(|command| (command, false)).collect()
            };
            for (command, is_whole) in commands {
                seen += 1;
                if let Some(wrong) = wrong(command, is_whole) {
                    faults.push(format!("{}:{number}: {command}: {wrong}", document.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen > 100, "only {seen} commands were found");
}

#[test]
fn each_example_of_a_help_can_be_typed() {
    let (mut seen, mut faults) = (0, Vec::new());
    for command in Args::command().get_subcommands() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples = help.lines().filter(|line| line.starts_with("  "));
        let commands = examples.filter_map(self::command);
        let before = seen;
        for typed in commands {
            seen += 1;
            faults.extend(wrong(typed, true).map(|wrong| format!("{typed}: {wrong}")));
        }
        let is_for_kubectl = command.get_name() == "__complete";
        assert!(seen > before || is_for_kubectl, "{} --help has no example", command.get_name());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_command_ends_where_a_reader_would_say() {
    for (line, expected) in [
        ("$ dislodge status -A   # all", Some("dislodge status -A")),
        ("kubectl dislodge pause --reason 'a | b' | cat", Some("dislodge pause --reason 'a | b'")),
        ("dislodge crd >crds.yaml", Some("dislodge crd")),
        ("dislodge-system", None),
        ("make test", None),
    ] {
        assert_eq!(command(line), expected, "{line}");
    }
    assert!(wrong("dislodge nonsense", false).is_some());
    assert!(wrong("dislodge status --nonsense", false).is_some());
    assert!(wrong("dislodge resume --cause Nonsense", true).is_some());
    assert!(wrong("dislodge record", false).is_none() && wrong("dislodge record", true).is_some());
}
