//! The reference of the command line, out of its own definition.
//!
//! `docs/reference/cli.md` is kept in the repository, where people read and review it. Man pages are
//! not: they are what packages install, roff is nothing to review, and the binary that is packaged
//! writes exactly its own (`dislodge man DIR`).

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};

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
    clap_mangen::generate_to(definition(), folder)
        .map_err(|source| Error { folder: folder.to_owned(), source })
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
    fn the_page_has_every_command_with_its_examples_and_nothing_hidden() {
        let page = page();
        for command in ["controller", "crd", "classify", "lint", "completion"] {
            assert!(page.contains(&format!("\n## `dislodge {command}`\n")), "{command}");
        }
        assert!(!page.contains("__complete") && !page.contains("test-millis"));
        assert!(!page.contains('\u{1b}'));
    }
}
