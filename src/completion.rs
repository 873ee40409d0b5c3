//! Completion of command lines: scripts for shells, and answers to kubectl.
//!
//! kubectl completes the words of a plugin by a program `kubectl_complete-NAME` (kubectl 1.26,
//! KEP-2379), which it calls with the words typed so far and which answers as cobra does: a candidate
//! a line, a tab, what it is, and in the end a colon and a directive. The script hands the words on to
//! the hidden command `__complete`, so that one definition answers everybody.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::args::Args;

/// Whom a script is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// Bash 4.4 or newer
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
    /// The program kubectl_complete-dislodge, by which kubectl completes `kubectl dislodge`
    Kubectl,
}

/// Cobra: the shell adds file names.
const FILES: &str = ":0\n";
/// Cobra: the shell adds none.
const NO_FILES: &str = ":4\n";

const KUBECTL: &str = "\
#!/bin/sh
# By this program kubectl completes `kubectl dislodge`: put it into a folder of $PATH, executable, under
# the name kubectl_complete-dislodge.
exec kubectl dislodge __complete \"$@\"
";

/// The script.
pub fn script(target: Target) -> String {
    let shell = match target {
        Target::Bash => Shell::Bash,
        Target::Zsh => Shell::Zsh,
        Target::Fish => Shell::Fish,
        Target::Kubectl => return KUBECTL.to_owned(),
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(&Args::command()), "dislodge", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The definition without what is hidden: clap's own scripts would offer it.
fn visible(command: &Command) -> Command {
    let mut shown = Command::new(command.get_name().to_owned());
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    shown
        .args(command.get_arguments().filter(|arg| !arg.is_hide_set()).cloned())
        .subcommands(command.get_subcommands().filter(|inner| !inner.is_hide_set()).map(visible))
}

/// What kubectl is answered: the candidates for the last word.
pub fn answer(words: &[String]) -> String {
    let mut command = Args::command();
    command.build();
    let (last, before) =
        words.split_last().map_or(("", words), |(last, rest)| (last.as_str(), rest));
    let mut command = &command;
    let mut open: Option<&Arg> = None;
    for word in before {
        if open.take().is_some() {
            continue;
        }
        if let Some(inner) = command.find_subcommand(word) {
            command = inner;
        } else if word.starts_with('-') && !word.contains('=') {
            open = flag(command, word).filter(|arg| arg.get_action().takes_values());
        }
    }
    let (candidates, files) = candidates(command, open, last);
    let mut answer = String::new();
    for (name, text) in candidates.iter().filter(|(name, _)| name.starts_with(last)) {
        let text = text.lines().next().unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(answer, "{name}\t{text}");
    }
    answer.push_str(if files { FILES } else { NO_FILES });
    answer
}

/// The flag that is written so.
fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| {
        word.strip_prefix("--").is_some_and(|name| arg.get_long() == Some(name))
            || arg.get_short().is_some_and(|short| word == format!("-{short}"))
    })
}

/// All candidates with their texts, and whether files are candidates as well.
fn candidates(command: &Command, open: Option<&Arg>, last: &str) -> (Vec<(String, String)>, bool) {
    if let Some(arg) = open {
        return values(arg);
    }
    if last.starts_with('-') {
        let flags = command.get_arguments().filter(|arg| !arg.is_hide_set());
        let named = flags.filter_map(|arg| {
            let text = arg.get_help().map(ToString::to_string).unwrap_or_default();
            Some((format!("--{}", arg.get_long()?), text))
        });
        return (named.collect(), false);
    }
    if command.has_subcommands() {
        let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
        let named = shown.map(|command| {
            let text = command.get_about().map(ToString::to_string).unwrap_or_default();
            (command.get_name().to_owned(), text)
        });
        return (named.collect(), false);
    }
    command.get_positionals().next().map_or((Vec::new(), false), values)
}

/// The values of a flag or a word, and whether files are among them.
fn values(arg: &Arg) -> (Vec<(String, String)>, bool) {
    let values: Vec<(String, String)> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| {
            let text = value.get_help().map(ToString::to_string).unwrap_or_default();
            (value.get_name().to_owned(), text)
        })
        .collect();
    let named = |name: &clap::builder::Str| matches!(name.as_str(), "FILE" | "PATH" | "DIR");
    let files = values.is_empty() && arg.get_value_names().into_iter().flatten().any(named);
    (values, files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(words: &[&str]) -> String {
        answer(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn kubectl_is_answered_as_cobra_answers() {
        for (words, parts, end) in [
            (&[""][..], &["controller\tRun the controller", "lint\tFind what"][..], NO_FILES),
            (&["li"], &["lint\t"], NO_FILES),
            (&["lint", "--fail"], &["--fail-on\tThe least severity"], NO_FILES),
            (&["lint", "-o", ""], &["text\t", "sarif\tSARIF 2.1.0"], NO_FILES),
            (&["lint", "--output", "g"], &["github\t"], NO_FILES),
            (&["lint", ""], &[], FILES),
            (&["lint", "a.yaml", "b"], &[], FILES),
            (&["lint", "--queue-width", "5", "--fail-on", ""], &["advice\t", "error\t"], NO_FILES),
            (&["completion", ""], &["bash\t", "kubectl\t"], NO_FILES),
            (&["classify", "--pod", ""], &[], FILES),
            (&["no-such-command", ""], &["crd\t"], NO_FILES),
        ] {
            let answer = answered(words);
            assert!(answer.ends_with(end), "{words:?}: {answer}");
            for part in parts {
                assert!(answer.contains(part), "{words:?}: {answer}");
            }
        }
        assert_eq!(answered(&["lint", "--output", "g"]).lines().count(), 2);
    }

    #[test]
    fn what_is_hidden_is_no_candidate() {
        let answers = [answered(&[""]), answered(&["controller", "--"])].concat();
        assert!(!answers.contains("__complete") && !answers.contains("test-millis"), "{answers}");
    }

    #[test]
    fn each_shell_has_a_script_that_names_every_command() {
        for target in [Target::Bash, Target::Zsh, Target::Fish] {
            let script = script(target);
            assert!(!script.contains("__complete") && !script.contains("test-millis"));
            for command in ["controller", "crd", "classify", "lint", "completion"] {
                assert!(script.contains(command), "{target:?} has no {command}");
            }
        }
        assert!(script(Target::Kubectl).starts_with("#!/bin/sh\n"));
    }
}
