//! Texts of people and of other programs: found in folders and read with bounds, as trees in which each
//! value knows where it stands, or object by object.

pub(crate) mod objects;
pub(crate) mod tree;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The most that is read of a file, in bytes: some thousand policies. An API server takes no object
/// of more than about 1.5 MB.
const LONGEST: usize = 8 << 20;
/// So many files are read below a folder.
const MOST_FILES: usize = 20_000;
/// So deep folders are searched.
const DEEPEST: usize = 32;

/// Why a file or a folder cannot be read, and what to do. What it says may have to be made harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) wrong: String,
    pub(crate) advice: &'static str,
}

impl Unreadable {
    fn because(error: &io::Error) -> Self {
        Self {
            wrong: format!("cannot be read: {error}"),
            advice: "name what exists and may be read",
        }
    }
}

/// What is found below a folder: a file, or a folder that cannot be searched.
pub(crate) type Found = Result<PathBuf, (PathBuf, Unreadable)>;

/// Whether a file is a suite of `dislodge test`, by its name.
pub(crate) fn is_suite(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    [".test.yaml", ".test.yml"].iter().any(|end| name.ends_with(end) && name.len() > end.len())
}

/// Every wanted file below a folder, by name. Hidden folders are left out, and so are links: they
/// could lead in a circle.
pub(crate) fn below(folder: &Path, wanted: fn(&Path) -> bool) -> Vec<Found> {
    let mut found = Vec::new();
    walk(folder, wanted, DEEPEST, &mut found);
    found
}

fn walk(folder: &Path, wanted: fn(&Path) -> bool, depth: usize, found: &mut Vec<Found>) {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            found.push(Err((folder.to_owned(), Unreadable::because(&error))));
            return;
        }
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if kind.is_dir() && !hidden && depth > 0 {
            walk(&path, wanted, depth - 1, found);
        } else if kind.is_file() && wanted(&path) && found.len() < MOST_FILES {
            found.push(Ok(path));
        }
    }
}

/// The text of a file.
///
/// # Errors
///
/// Where there is none, or no end of it.
pub(crate) fn open(path: &Path) -> Result<String, Unreadable> {
    read(File::open(path).map_err(|error| Unreadable::because(&error))?)
}

/// The text of a file that another file names: nothing but a regular file, as a pipe would be waited
/// for without end.
///
/// # Errors
///
/// Where there is none, or no end of it.
pub(crate) fn open_named(path: &Path) -> Result<String, Unreadable> {
    let is_file = fs::metadata(path).map_err(|error| Unreadable::because(&error))?.is_file();
    if !is_file {
        let (wrong, advice) = ("is no file".to_owned(), "name a file");
        return Err(Unreadable { wrong, advice });
    }
    open(path)
}

/// A text, whole.
///
/// # Errors
///
/// Where it is none, or has no end.
pub(crate) fn read(input: impl Read) -> Result<String, Unreadable> {
    let mut bytes = Vec::new();
    // As much as is looked at, and a byte more where there is more.
    let done = input.take(LONGEST as u64 + 1).read_to_end(&mut bytes);
    done.map_err(|error| Unreadable::because(&error))?;
    if bytes.len() > LONGEST {
        return Err(Unreadable {
            wrong: format!("is longer than {} MiB", LONGEST >> 20),
            advice: "split it, or name the file that is meant",
        });
    }
    String::from_utf8(bytes).map_err(|error| Unreadable {
        wrong: format!(
            "is no text: no UTF-8 from byte {} on",
            error.utf8_error().valid_up_to() + 1
        ),
        advice: "give YAML or JSON in UTF-8",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_is_known_by_the_end_of_its_name() {
        for (name, is) in [
            ("a/gpu.test.yaml", true),
            ("gpu.test.yml", true),
            ("gpu.yaml", false),
            (".test.yaml", false),
            ("test.yaml", false),
            ("gpu.test.yaml.orig", false),
        ] {
            assert_eq!(is_suite(Path::new(name)), is, "{name}");
        }
    }
}
