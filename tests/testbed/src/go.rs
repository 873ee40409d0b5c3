//! The Go command, with the surprises of its environment taken out.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use crate::error::{Error, Result};
use crate::modules::{self, KUBERNETES, Module};
use crate::text::last_lines;

const INSTALL: &str = "the test cluster is built from Go modules: install Go from \
                       https://go.dev/dl/ and put it on the PATH";

/// What is wrong, most likely, where something cannot be fetched.
pub(crate) const NETWORK: &str = "it needs network access to a Go module proxy (GOPROXY)";

/// Finds the Go on the `PATH`, checks that it is new enough, and says its version (`1.26.8`).
pub(crate) async fn version() -> Result<String> {
    // Asked inside a module, so that a go that may fetch a newer one answers with that one.
    let answer = output(KUBERNETES, &["env", "GOVERSION"], INSTALL).await?;
    let answer = String::from_utf8_lossy(&answer);
    let found = answer.trim().trim_start_matches("go").to_owned();
    for module in modules::ALL {
        let needed = module.go_version()?;
        if numbers(&found) < numbers(&needed) {
            return Err(Error::GoTooOld { found, needed, module: module.name });
        }
    }
    Ok(found)
}

/// A go command that runs inside a module; its arguments are still to come.
///
/// The programs run on this machine and are the same whatever the user's Go settings say; the settings
/// that say how to reach the network (GOPROXY, ...) stay.
pub(crate) fn command(module: Module) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(module.folder())
        .stdin(Stdio::null())
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .env("GO111MODULE", "on")
        .env("GOOS", std::env::consts::OS)
        .env("GOARCH", architecture());
    command
}

/// The folder of a module's source in Go's module cache, fetched where it is not there.
pub(crate) async fn source(module: Module, path: &str) -> Result<PathBuf> {
    let answer = output(module, &["mod", "download", "-json", path], NETWORK).await?;
    let answer: serde_json::Value = serde_json::from_slice(&answer)
        .map_err(|error| Error::malformed("the answer of go mod download", error))?;
    answer.get("Dir").and_then(serde_json::Value::as_str).map(PathBuf::from).ok_or_else(|| {
        Error::malformed("the answer of go mod download", format!("no Dir for {path}"))
    })
}

/// The error that go cannot be run.
pub(crate) fn missing(source: std::io::Error) -> Error {
    Error::Run { program: "go".to_owned(), source, hint: INSTALL }
}

/// Runs a go command inside a module and returns its standard output.
async fn output(module: Module, arguments: &[&str], hint: &str) -> Result<Vec<u8>> {
    let output = command(module).args(arguments).output().await.map_err(missing)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Error::Failed {
        command: format!("go {}", arguments.join(" ")),
        status: output.status.to_string(),
        hint: hint.to_owned(),
        output: last_lines(&String::from_utf8_lossy(&output.stderr), 20),
    })
}

/// The numbers of a version, to compare: `1.26.8` is `[1, 26, 8]`, `1.26rc1` is `[1, 26]`.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map_while(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        })
        .collect()
}

/// The processor architecture in Go's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_their_numbers() {
        assert!(numbers("1.26.8") >= numbers("1.26.0"));
        assert!(numbers("1.9.1") < numbers("1.26.0"));
        assert!(numbers("1.26rc1") < numbers("1.26.0"));
    }
}
