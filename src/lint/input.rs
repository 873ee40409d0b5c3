//! Files, folders and standard input, with bounds.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::code::Code;
use super::finding::Finding;
use super::tree::Position;
use crate::classify::shown::plain;

/// The most that is read of a file, in bytes: some thousand policies. An API server takes no object
/// of more than about 1.5 MB.
const LONGEST: usize = 8 << 20;
/// So many files are read below a folder.
const MOST_FILES: usize = 20_000;
/// So deep folders are searched.
const DEEPEST: usize = 32;

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
pub(super) fn inputs(paths: &[PathBuf]) -> Vec<Result<Input, Finding>> {
    let mut inputs = Vec::new();
    for path in paths {
        if is_stdin(path) {
            inputs.push(Ok(Input { path: None, name: name(path), is_named: true }));
        } else if path.is_dir() {
            walk(path, DEEPEST, &mut inputs);
        } else {
            let (path, name) = (Some(path.clone()), name(path));
            inputs.push(Ok(Input { path, name, is_named: true }));
        }
    }
    inputs
}

/// Hidden folders are left out, and so are links: they could lead in a circle.
fn walk(folder: &Path, depth: usize, inputs: &mut Vec<Result<Input, Finding>>) {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            inputs.push(Err(unreadable(&name(folder), &error.to_string())));
            return;
        }
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let extension = path.extension().and_then(|extension| extension.to_str());
        if kind.is_dir() && !hidden && depth > 0 {
            walk(&path, depth - 1, inputs);
        } else if kind.is_file()
            && matches!(extension, Some("yaml" | "yml" | "json"))
            && inputs.len() < MOST_FILES
        {
            let name = name(&path);
            inputs.push(Ok(Input { path: Some(path), name, is_named: false }));
        }
    }
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
        let unread = |problem: &str| unreadable(&self.name, problem);
        let bytes = match &self.path {
            None => read(io::stdin()),
            Some(path) => File::open(path).and_then(read),
        };
        let bytes = bytes.map_err(|error| unread(&error.to_string()))?;
        if bytes.len() > LONGEST {
            return Err(Finding::new(
                Code::UnreadableFile,
                &self.name,
                Position::START,
                "",
                &format!("is longer than {} MiB", LONGEST >> 20),
                "split it, or name the file with the policies",
            ));
        }
        String::from_utf8(bytes).map_err(|error| {
            let byte = error.utf8_error().valid_up_to() + 1;
            Finding::new(
                Code::UnreadableFile,
                &self.name,
                Position::START,
                "",
                &format!("is no text: no UTF-8 from byte {byte} on"),
                "give policies as YAML or JSON in UTF-8",
            )
        })
    }
}

/// As much as is looked at, and a byte more where there is more.
fn read(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(name: &str, problem: &str) -> Finding {
    let wrong = format!("cannot be read: {problem}");
    let advice = "name a file or folder that exists and may be read, or '-' for standard input";
    Finding::new(Code::UnreadableFile, name, Position::START, "", &wrong, advice)
}
