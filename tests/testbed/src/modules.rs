//! The Go modules under `tools/` that lock the versions of the programs.
//!
//! Each set of programs has one of its own: a merged one would move every program off the
//! dependencies that it was tested with.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A folder under `tools/` with a `go.mod` and a `go.sum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Module {
    /// The folder's name.
    pub(crate) name: &'static str,
    /// The module whose version is stamped into the programs, where they need one.
    stamp: Option<&'static str>,
    /// Build tags, separated by commas.
    pub(crate) tags: &'static str,
}

/// etcd.
pub(crate) const ETCD: Module = Module { name: "etcd", stamp: None, tags: "" };
/// The control plane. Unstamped, its version reads `v0.0.0-master+$Format:%H$`, which nobody can parse.
pub(crate) const KUBERNETES: Module =
    Module { name: "kubernetes", stamp: Some("k8s.io/kubernetes"), tags: "" };
/// Kueue.
pub(crate) const KUEUE: Module = Module { name: "kueue", stamp: None, tags: "" };
/// The JobSet controller.
pub(crate) const JOBSET: Module = Module { name: "jobset", stamp: None, tags: "" };
/// Helm, which renders the chart of `deploy/`.
pub(crate) const HELM: Module = Module { name: "helm", stamp: None, tags: "" };
/// promtool, which tries the alerts. Without the clients of all clouds: it discovers nothing here.
pub(crate) const PROMETHEUS: Module =
    Module { name: "prometheus", stamp: None, tags: "remove_all_sd" };
/// All of them.
pub(crate) const ALL: [Module; 6] = [ETCD, KUBERNETES, KUEUE, JOBSET, HELM, PROMETHEUS];

impl Module {
    /// Where it is.
    pub(crate) fn folder(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(self.name)
    }

    /// The contents of go.mod and go.sum: what decides which program is built.
    pub(crate) fn lock_files(self) -> Result<Vec<u8>> {
        let mut content = self.read("go.mod")?.into_bytes();
        content.extend(self.read("go.sum")?.into_bytes());
        Ok(content)
    }

    /// The Go version that it asks for.
    pub(crate) fn go_version(self) -> Result<String> {
        self.locked("go")
    }

    /// The linker's flags: no symbols, and the version stamp.
    pub(crate) fn linker_flags(self) -> Result<String> {
        let Some(stamp) = self.stamp else { return Ok("-s -w".to_owned()) };
        let version = self.locked(stamp)?;
        let mut numbers = version.trim_start_matches('v').split('.');
        let major = numbers.next().unwrap_or_default();
        let minor = numbers.next().unwrap_or_default();
        let to = "-X k8s.io/component-base/version";
        Ok(format!("-s -w {to}.gitVersion={version} {to}.gitMajor={major} {to}.gitMinor={minor}"))
    }

    /// What its go.mod says after a name.
    fn locked(self, name: &str) -> Result<String> {
        version_of(&self.read("go.mod")?, name).ok_or_else(|| {
            Error::malformed(
                self.folder().join("go.mod").display().to_string(),
                format!("no line for {name}"),
            )
        })
    }

    fn read(self, file: &str) -> Result<String> {
        let path = self.folder().join(file);
        std::fs::read_to_string(&path).map_err(Error::file("read", &path))
    }
}

/// The word after `name` on the first line of a go.mod that starts with it, `require` before it or not.
fn version_of(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word == "require");
        (words.next() == Some(name)).then(|| words.next().map(str::to_owned)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_version_is_found_in_a_block_and_on_a_line_of_its_own() {
        let text = "module x\n\ngo 1.26.0\n\nrequire a.b/c v1.2.3\n\nrequire (\n\td.e/f v0.1.0 // indirect\n)\n";
        for (name, version) in [("a.b/c", "v1.2.3"), ("d.e/f", "v0.1.0"), ("go", "1.26.0")] {
            assert_eq!(version_of(text, name).as_deref(), Some(version));
        }
        assert_eq!(version_of(text, "d.e"), None);
    }

    #[test]
    fn the_version_stamp_is_the_one_that_is_locked() {
        let flags = KUBERNETES.linker_flags().unwrap();
        let version = KUBERNETES.locked("k8s.io/kubernetes").unwrap();
        assert!(flags.contains(&format!("gitVersion={version} ")), "{flags}");
        assert_eq!(ETCD.linker_flags().unwrap(), "-s -w");
    }
}
