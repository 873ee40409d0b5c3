//! The reference of the command line, out of its own definition.
//!
//! `docs/reference/cli.md` is kept in the repository, where people read and review it. Man pages are
//! not: they are what packages install, roff is nothing to review, and the binary that is packaged
//! writes exactly its own (`dislodge man DIR`).

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::args::Args;

/// Where the page is kept.
pub const FILE: &str = "docs/reference/cli.md";

/// So wide are the help texts of the page.
const WIDTH: usize = 100;

const HEAD: &str = "\
<!-- Generated from src/args.rs by `make generate`. Change that, not this file. -->

# The command line

One binary. Under the name `kubectl-dislodge`, in a folder of `$PATH`, it is the plugin `kubectl dislodge`. Man pages
are written by `dislodge man DIR`, completion scripts by [`dislodge completion`](#dislodge-completion).
";

/// Why man pages could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the man pages cannot be written into {}: {source}: name a folder that exists", folder.display())]
pub struct Error {
    folder: PathBuf,
    source: io::Error,
}

/// Writes a man page for the program and one for each command into a folder.
///
/// # Errors
///
/// Where the folder cannot be written to.
pub fn write(folder: &Path) -> Result<(), Error> {
    let mut command = definition().disable_help_subcommand(true);
    command.build();
    each(&command, folder).map_err(|source| Error { folder: folder.to_owned(), source })
}

/// The pages of a command and of those below it.
fn each(command: &Command, folder: &Path) -> io::Result<()> {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        each(inner, folder)?;
    }
    let (name, page) = roff(command)?;
    std::fs::write(folder.join(name), page)
}

/// The file name of a man page, and the page. What stands behind the options, examples for the most
/// part, is filled like prose by `clap_mangen`: its lines are kept here.
fn roff(command: &Command) -> io::Result<(String, Vec<u8>)> {
    let behind = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let man = Man::new(command.clone().after_help(Resettable::Reset));
    let mut page = Vec::new();
    man.render(&mut page)?;
    let (examples, notes) = match behind.strip_prefix("Examples:\n") {
        Some(rest) => rest.split_once("\n\n").unwrap_or((rest, "")),
        None => ("", behind.as_str()),
    };
    for (title, text) in [("EXAMPLES", examples), ("NOTES", notes)] {
        if !text.is_empty() {
            let lines: String = text.lines().map(line).collect();
            write!(page, ".SH {title}\n.nf\n{lines}.fi\n")?;
        }
    }
    Ok((man.get_filename(), page))
}

/// A line as roff has it: no hyphen but the one of ASCII, and no request.
fn line(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('-', "\\-");
    let quoted = if text.starts_with(['.', '\'']) { "\\&" } else { "" };
    format!("{quoted}{text}\n")
}

/// The page as Markdown.
pub fn page() -> String {
    let mut command = definition();
    command.build();
    let mut page = HEAD.to_owned();
    section(&mut command, "dislodge", &mut page);
    for inner in command.get_subcommands_mut().filter(|inner| !inner.is_hide_set()) {
        if inner.get_name() != "help" {
            let name = format!("dislodge {}", inner.get_name());
            section(inner, &name, &mut page);
        }
    }
    page
}

fn section(command: &mut Command, name: &str, page: &mut String) {
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    // Writing to a string cannot fail.
    let _ = write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
}

/// The definition, the same on every machine: no value of an environment variable, one width.
fn definition() -> Command {
    fn plain(command: Command) -> Command {
        command.term_width(WIDTH).mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(plain)
    }
    plain(Args::command())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_a_man_page_keep_their_lines_and_are_no_requests() {
        let mut command = definition();
        command.build();
        let explain = command.find_subcommand("explain").unwrap();
        let (name, page) = roff(explain).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert_eq!(name, "dislodge-explain.1");
        let examples = page.split(".SH EXAMPLES\n.nf\n").nth(1).unwrap();
        assert!(examples.starts_with("  dislodge explain job/train "), "{examples}");
        assert!(page.contains(".fi\n.SH NOTES\n.nf\nRights: view, "), "{page}");
        assert!(!page.contains(".SH EXTRA"));
        assert_eq!(line(".so \\n -f"), "\\&.so \\\\n \\-f\n");
    }

    #[test]
    fn the_page_has_every_command_with_its_examples_and_nothing_hidden() {
        let page = page();
        for command in ["controller", "crd", "classify", "lint", "completion"] {
            assert!(page.contains(&format!("\n## `dislodge {command}`\n")), "{command}");
        }
        assert!(!page.contains("__complete") && !page.contains("test-millis"));
        assert!(!page.contains('\u{1b}'));
    }
}
