//! The steps of docs/uninstall.md, to be carried out as they stand there.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::Outcome;

const PAGE: &str = "docs/uninstall.md";
/// The longest that a step may take, waiting for the controller included.
const PATIENCE: Duration = Duration::from_secs(90);

/// The one block of commands of the page in which this stands.
pub(crate) fn step(part: &str) -> Result<String, String> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE))
        .map_err(|error| format!("{PAGE}: {error}"))?;
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut found = blocks.filter(|block| block.contains(part));
    match (found.next(), found.next()) {
        (Some(block), None) => Ok(block.to_owned()),
        _ => Err(format!("{PAGE} has not one block of commands with {part:?}")),
    }
}

/// Types it into a shell in this folder. `dislodge` is the built program, `kubectl` this one.
pub(crate) async fn type_in(
    commands: &str,
    folder: &Path,
    kubeconfig: &Path,
    kubectl: &Path,
) -> Outcome {
    let ours = Path::new(env!("CARGO_BIN_EXE_dislodge")).parent().map(Path::to_owned);
    // One that is found on the PATH has no folder.
    let theirs = kubectl.parent().filter(|folder| !folder.as_os_str().is_empty());
    let known = std::env::var_os("PATH").unwrap_or_default();
    let path = ours.into_iter().chain(theirs.map(Path::to_owned));
    let path = std::env::join_paths(path.chain(std::env::split_paths(&known)))?;
    let shell = Command::new("sh")
        .args(["-euc", commands])
        .current_dir(folder)
        .env("PATH", path)
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, shell)
        .await
        .map_err(|_| format!("after {PATIENCE:?} still not done:\n{commands}"))??;
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(format!("{commands}\n{}{}", text(&output.stdout), text(&output.stderr)).into())
}
