//! What can go wrong while the test cluster is built, started and asked.

use std::path::{Path, PathBuf};

/// An error of the test cluster. Its text says what was done, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read, written or removed.
    #[error("cannot {doing} {path}: {source}", path = .path.display())]
    File {
        /// The verb: `read`, `write`, ...
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A program that is not part of the cluster could not be run.
    #[error("cannot run {program}: {source}; {hint}")]
    Run {
        /// The program as it was looked up.
        program: String,
        /// The operating system's answer.
        source: std::io::Error,
        /// What to install or to check.
        hint: &'static str,
    },
    /// A program that is not part of the cluster ended with a failure.
    #[error("{command} failed ({status}); {hint}\n{output}")]
    Failed {
        /// The command line, shortened to what identifies it.
        command: String,
        /// Its exit status.
        status: String,
        /// What to do.
        hint: String,
        /// The end of what it printed.
        output: String,
    },
    /// The Go tool chain is older than a tool's go.mod demands.
    #[error(
        "go {found} is too old: {module} needs {needed}; install it from https://go.dev/dl/ or, with \
         a network, let go fetch it by itself (GOTOOLCHAIN=auto)"
    )]
    GoTooOld {
        /// The version found, without `go`.
        found: String,
        /// The version that the module asks for.
        needed: String,
        /// The module under `tests/testbed/tools`.
        module: &'static str,
    },
    /// A certificate or key could not be made.
    #[error("cannot make the certificate {name}: {source}")]
    Certificate {
        /// Its file name without extension.
        name: String,
        /// The library's answer.
        source: rcgen::Error,
    },
    /// A process of the cluster ended although nobody had asked it to.
    #[error("{process} ended by itself ({status}); its log is {log}, the end of it:\n{tail}", log = .log.display())]
    Ended {
        /// The process' name.
        process: String,
        /// Exit code or signal.
        status: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// Something did not become true in time.
    #[error("{what} did not happen within {seconds} s: {last}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long, in seconds.
        seconds: u64,
        /// What was seen last.
        last: String,
    },
    /// The API server refused a request or could not be reached.
    #[error("cannot {doing}: {source}")]
    Api {
        /// What was asked.
        doing: String,
        /// The client's error.
        source: Box<kube::Error>,
    },
    /// A kubeconfig could not be turned into a client.
    #[error("cannot use the kubeconfig of {user}: {source}")]
    Kubeconfig {
        /// The user whose kubeconfig it is.
        user: String,
        /// The library's answer.
        source: Box<kube::config::KubeconfigError>,
    },
    /// A text (YAML, JSON, an answer) is not what it should be.
    #[error("{what} is not as expected: {detail}")]
    Malformed {
        /// Which text.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// A result of the test cluster.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// For `map_err` on file operations.
    pub(crate) fn file(
        doing: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::File { doing, path, source }
    }

    /// For `map_err` on requests.
    pub(crate) fn api(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Api { doing, source: Box::new(source) }
    }

    /// A text that is not what it should be.
    pub(crate) fn malformed(what: impl Into<String>, detail: impl std::fmt::Display) -> Self {
        Self::Malformed { what: what.into(), detail: detail.to_string() }
    }

    /// The status that the API server answered with, where it answered.
    pub fn status(&self) -> Option<&kube::core::Status> {
        let Self::Api { source, .. } = self else { return None };
        let kube::Error::Api(status) = source.as_ref() else { return None };
        Some(status)
    }
}
