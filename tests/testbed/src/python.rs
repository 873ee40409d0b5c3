//! Programs that check manifests and are written in Python: each in a virtual environment of its own, made once
//! and kept by content beside the others (`tools.rs`). What goes into one is locked with hashes under `tools/`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::text::{content_name, last_lines};
use crate::tools::{cache_folder, take_turn};

const INSTALL: &str = "manifests are checked by programs in Python: install Python 3.11 or newer with its \
                       module venv (Debian: python3-venv), and put it on the PATH";
const NETWORK: &str = "it needs network access to a Python package index";

/// Whether there is a Python to run them.
pub fn is_there() -> bool {
    let version = std::process::Command::new("python3").arg("--version").output();
    version.is_ok_and(|said| said.status.success())
}

/// Validates manifests against the schemas of each version of Kubernetes, which it brings along.
///
/// # Errors
/// When Python is missing, or it cannot be installed.
pub async fn kubernetes_validate() -> Result<PathBuf> {
    ensured("kubernetes-validate").await
}

/// Looks for weaknesses in manifests.
///
/// # Errors
/// When Python is missing, or it cannot be installed.
pub async fn checkov() -> Result<PathBuf> {
    ensured("checkov").await
}

/// The program of that name, out of the package and the folder under `tools/` of that name.
async fn ensured(name: &str) -> Result<PathBuf> {
    let lock =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(name).join("requirements.txt");
    let locked = std::fs::read(&lock).map_err(Error::file("read", &lock))?;
    let version = run(Path::new("python3"), &["--version"], INSTALL).await?;
    let folder = cache_folder()?.join(content_name([locked.as_slice(), version.as_slice()]));
    let (environment, finished) = (folder.join("venv"), folder.join("finished"));
    let program = environment.join("bin").join(name);
    if finished.is_file() {
        return Ok(program);
    }
    std::fs::create_dir_all(&folder).map_err(Error::file("create", &folder))?;
    // Held until the end of the function; the system frees it also where we are killed.
    let _turn = take_turn(&folder, name).await?;
    if finished.is_file() {
        return Ok(program);
    }
    let progress = Progress::new(format!("installing {name} (to check the manifests)"));
    let place = environment.display().to_string();
    // What an interrupted run has left is cleared away.
    run(Path::new("python3"), &["-m", "venv", "--clear", &place], INSTALL).await?;
    let lock = lock.display().to_string();
    let install = ["-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"];
    let wheels = ["--only-binary", ":all:", "--requirement", &lock];
    run(&environment.join("bin/python"), &[&install[..], &wheels].concat(), NETWORK).await?;
    std::fs::write(&finished, "").map_err(Error::file("write", &finished))?;
    progress.done();
    Ok(program)
}

/// Runs a Python and returns what it prints.
async fn run(python: &Path, arguments: &[&str], hint: &'static str) -> Result<Vec<u8>> {
    let output = Command::new(python)
        .args(arguments)
        .stdin(Stdio::null())
        // Nothing of the user's own packages.
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| Error::Run {
            program: python.display().to_string(),
            source,
            hint: INSTALL,
        })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Error::Failed {
        command: format!("python {}", arguments.get(..3).unwrap_or(arguments).join(" ")),
        status: output.status.to_string(),
        hint: hint.to_owned(),
        output: last_lines(&String::from_utf8_lossy(&output.stderr), 20),
    })
}
