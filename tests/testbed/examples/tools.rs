//! Builds the programs of the test cluster, starts nothing, and says where each of them is.

use std::io::Write as _;

use dislodge_testbed::tools::{self, Tools};
use dislodge_testbed::{Result, python};

fn main() -> std::process::ExitCode {
    let outcome = tokio::runtime::Runtime::new().map(|runtime| runtime.block_on(run()));
    match outcome {
        Ok(Ok(())) => std::process::ExitCode::SUCCESS,
        Ok(Err(error)) => fail(&error),
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::error::Error) -> std::process::ExitCode {
    say(&format!("error: {error}"));
    std::process::ExitCode::FAILURE
}

async fn run() -> Result<()> {
    let tools = Tools::ensure().await?;
    let kubectl = tools.kubectl().await?;
    let helm = tools::helm().await?;
    let promtool = tools::promtool().await?;
    for program in [
        &tools.etcd,
        &tools.apiserver,
        &tools.controller_manager,
        &tools.scheduler,
        &tools.kueue,
        &kubectl,
        &helm,
        &promtool,
    ] {
        say(&program.display().to_string());
    }
    if python::is_there() {
        say(&python::kubernetes_validate().await?.display().to_string());
        say(&python::checkov().await?.display().to_string());
    } else {
        say("python3 is not on the PATH: manifests are not held against schemas and a scanner");
    }
    Ok(())
}

fn say(line: &str) {
    // Where standard output is closed nobody listens.
    let _unread = writeln!(std::io::stdout(), "{line}");
}
