//! The files of the repository, as paths from its root.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One file.
pub(super) struct File {
    /// Its path from the root of the repository, with `/`.
    pub(super) path: String,
    /// What is in it.
    pub(super) text: String,
}

/// All text files below a folder (from the root of the repository; `""` is the root itself), in
/// order. What is built or Git's own is left out.
pub(super) fn files(folder: &str) -> Result<Vec<File>, String> {
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths)?;
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().into_owned();
        // What is no text has no rules here.
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: name, text });
        }
    }
    Ok(files)
}

/// All Rust files below a folder.
pub(super) fn rust_files(folder: &str) -> Result<Vec<File>, String> {
    let mut files = files(folder)?;
    files.retain(|file| is_rust(&file.path));
    Ok(files)
}

/// The text of one file.
pub(super) fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(root().join(path)).map_err(|error| format!("{path}: {error}"))
}

/// The names in a folder, in order; folders end in `/`. Empty where there is no such folder.
pub(super) fn names(folder: &str) -> Result<Vec<String>, String> {
    let path = root().join(folder);
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for (path, is_folder) in entries(&path)? {
        let Some(name) = path.file_name() else { continue };
        let end = if is_folder { "/" } else { "" };
        names.push(format!("{}{end}", name.to_string_lossy()));
    }
    names.sort();
    Ok(names)
}

/// Whether it is a Rust file, by its name.
pub(super) fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), String> {
    for (path, is_folder) in entries(folder)? {
        if is_folder {
            walk(&path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<(PathBuf, bool)>, String> {
    let named = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(named)? {
        let entry = entry.map_err(named)?;
        let kind = entry.file_type().map_err(named)?;
        if entry.file_name() != "target" && entry.file_name() != ".git" && !kind.is_symlink() {
            entries.push((entry.path(), kind.is_dir()));
        }
    }
    Ok(entries)
}
