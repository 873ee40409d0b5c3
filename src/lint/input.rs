//! Files, folders and standard input.

use std::io;
use std::path::{Path, PathBuf};

use super::code::Code;
use super::finding::Finding;
use crate::classify::shown::plain;
use crate::source::tree::Position;
use crate::source::{self, Unreadable};

/// Something to read.
#[derive(Debug)]
pub(super) struct Input {
    /// `None`: standard input.
    path: Option<PathBuf>,
    /// How it is shown.
    pub(super) name: String,
    /// Whether it was named itself, and not found in a folder.
    pub(super) is_named: bool,
}

/// How a path is shown.
pub(super) fn name(path: &Path) -> String {
    if is_stdin(path) {
        return "stdin".to_owned();
    }
    plain(&path.to_string_lossy()).into_owned()
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// All that the paths stand for, in order; of a folder every file of YAML or JSON below it, by name.
/// The suites of `dislodge test` stand beside the policies, and are none.
pub(super) fn inputs(paths: &[PathBuf]) -> Vec<Result<Input, Finding>> {
    let mut inputs = Vec::new();
    for path in paths {
        if is_stdin(path) {
            inputs.push(Ok(Input { path: None, name: name(path), is_named: true }));
        } else if path.is_dir() {
            inputs.extend(source::below(path, is_wanted).into_iter().map(|found| match found {
                Ok(path) => {
                    let name = name(&path);
                    Ok(Input { path: Some(path), name, is_named: false })
                }
                Err((folder, why)) => Err(unreadable(&name(&folder), &why)),
            }));
        } else {
            let (path, name) = (Some(path.clone()), name(path));
            inputs.push(Ok(Input { path, name, is_named: true }));
        }
    }
    inputs
}

fn is_wanted(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json")) && !source::is_suite(path)
}

impl Input {
    /// A file that is not read: the test has its text.
    #[cfg(test)]
    pub(super) fn of_test(name: &str) -> Self {
        Self { path: Some(name.into()), name: name.to_owned(), is_named: true }
    }

    /// The folder that it is in.
    pub(super) fn folder(&self) -> &Path {
        self.path.as_deref().and_then(Path::parent).unwrap_or_else(|| Path::new(""))
    }

    /// Its text.
    ///
    /// # Errors
    ///
    /// A finding that says why it cannot be read.
    pub(super) fn read(&self) -> Result<String, Finding> {
        let text = match &self.path {
            None => source::read(io::stdin()),
            Some(path) => source::open(path),
        };
        text.map_err(|why| unreadable(&self.name, &why))
    }
}

fn unreadable(name: &str, why: &Unreadable) -> Finding {
    Finding::new(Code::UnreadableFile, name, Position::START, "", &why.wrong, why.advice)
}
