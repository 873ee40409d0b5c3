//! The folder of one cluster, which goes when the cluster goes.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::error::{Error, Result};

/// What the folders of clusters are called: this, the process id, a number.
const PREFIX: &str = "dislodge-testbed-";
/// The file that marks a folder which is to outlive its cluster.
const KEEP: &str = "keep";

/// A folder below the system's temporary one. Removed when dropped, unless it is to be kept.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    path: PathBuf,
    keep: AtomicBool,
}

impl WorkFolder {
    /// Makes a folder that nobody else has, and removes those that killed runs have left behind.
    pub(crate) fn create() -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let temporary = std::env::temp_dir();
        remove_left_over(&temporary);
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = temporary.join(format!("{PREFIX}{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, keep: AtomicBool::new(false) }),
                // Kept by an earlier run with the same process id.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(Error::File { doing: "create", path, source }),
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// From now on it stays.
    pub(crate) fn keep(&self) -> Result<()> {
        self.keep.store(true, Ordering::Relaxed);
        let mark = self.path.join(KEEP);
        std::fs::write(&mark, "").map_err(Error::file("write", &mark))
    }

    /// Removes it, unless it is to be kept.
    pub(crate) fn remove(&self) -> Result<()> {
        if self.keep.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        remove(&self.path).map_err(Error::file("remove", &self.path))
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // Nobody is left to be told; the next run tries again.
        let _left_over = self.remove();
    }
}

/// Removes a folder. An overlay leaves one in it that its owner, if not root, may not even list.
fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            open_up(folder)?;
            std::fs::remove_dir_all(folder)
        }
        outcome => outcome,
    }
}

/// Gives the owner all rights to a folder and to those in it.
fn open_up(folder: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // Not through symbolic links: `file_type` does not follow them.
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes the folders of processes that are gone. What cannot be removed belongs to somebody else.
fn remove_left_over(temporary: &Path) {
    for entry in std::fs::read_dir(temporary).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(owner) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
            continue;
        };
        let owner = owner.split('-').next().unwrap_or_default();
        let runs = Path::new("/proc").join(owner).exists();
        if !runs && !entry.path().join(KEEP).exists() {
            let _not_ours = remove(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_owner_unless_it_is_kept() {
        let gone = WorkFolder::create().unwrap();
        let kept = WorkFolder::create().unwrap();
        kept.keep().unwrap();
        let (gone_path, kept_path) = (gone.path.clone(), kept.path.clone());
        drop((gone, kept));
        assert!(!gone_path.exists() && kept_path.exists());
        std::fs::remove_dir_all(kept_path).unwrap();
    }

    #[test]
    fn what_a_killed_run_left_behind_is_removed_and_what_is_marked_is_not() {
        let temporary = std::env::temp_dir().join(format!("left-over-{}", std::process::id()));
        // No process has this id: the kernel's limit is 4194304.
        let (dead, marked) = (
            temporary.join("dislodge-testbed-9999999-0"),
            temporary.join("dislodge-testbed-9999999-1"),
        );
        let alive = temporary.join(format!("dislodge-testbed-{}-0", std::process::id()));
        for folder in [&dead, &marked, &alive] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(marked.join(KEEP), "").unwrap();
        remove_left_over(&temporary);
        assert_eq!([dead.exists(), marked.exists(), alive.exists()], [false, true, true]);
        std::fs::remove_dir_all(temporary).unwrap();
    }
}
