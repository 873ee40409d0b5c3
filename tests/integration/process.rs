//! The program as it is started by hand, with what people get wrong at first.

use std::io::Read as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::Outcome;

/// A test: its sentence as a name, and the check.
type Test = (&'static str, fn() -> Outcome);

/// All tests.
pub(crate) const ALL: &[Test] = &[
    ("a_kubeconfig_that_does_not_exist_is_named", a_kubeconfig_that_does_not_exist_is_named),
    ("a_context_that_does_not_exist_is_told_with_those_that_do", an_unknown_context),
    ("an_api_server_that_does_not_answer_is_waited_for_in_the_open", an_unreachable_server),
    ("help_leads_to_the_controller_and_never_to_the_option_for_tests", help),
];

/// A kubeconfig for a port where nothing listens.
const NOBODY: &str = r#"
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: x}}]
contexts: [{name: here, context: {cluster: c, user: u}}]
current-context: here
"#;

fn dislodge(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dislodge"));
    command.args(arguments).env_remove("KUBECONFIG").stdin(Stdio::null());
    command
}

fn words(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Fails unless the text has all these parts.
fn says(text: &str, parts: &[&str]) -> Outcome {
    match parts.iter().find(|part| !text.contains(**part)) {
        None => Ok(()),
        Some(missing) => Err(format!("it does not say {missing:?}: {text}").into()),
    }
}

fn a_kubeconfig_that_does_not_exist_is_named() -> Outcome {
    let output = dislodge(&["controller", "--kubeconfig", "/nowhere/config"]).output()?;
    if output.status.success() {
        return Err("it ended well".into());
    }
    says(&words(&output), &["/nowhere/config", "--kubeconfig", "does not exist", "name a file"])
}

fn an_unknown_context() -> Outcome {
    let file = kubeconfig("context")?;
    let path = file.to_string_lossy();
    let output = dislodge(&["controller", "--kubeconfig", &path, "--context", "there"]).output()?;
    std::fs::remove_file(&file)?;
    says(&words(&output), &["\"there\"", "choose one of here"])
}

fn an_unreachable_server() -> Outcome {
    let file = kubeconfig("unreachable")?;
    let path = file.to_string_lossy();
    let mut child = dislodge(&["controller", "--kubeconfig", &path, "--probe-address", "off"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    // Its second try comes a second after the first: it neither dies nor spins.
    for _ in 0..25 {
        if let Some(status) = child.try_wait()? {
            return Err(format!("it ended: {status}").into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill()?;
    child.wait()?;
    std::fs::remove_file(&file)?;
    let mut text = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut text)?;
    }
    let tries = text.matches("no answer from the API server").count();
    if !(1..=4).contains(&tries) {
        return Err(format!("{tries} tries in 2.5 s: {text}").into());
    }
    says(&text, &["https://127.0.0.1:1/", "Connection refused", "next try in"])
}

fn help() -> Outcome {
    let text = words(&dislodge(&["controller", "--help"]).output()?);
    says(&text, &["--namespace", "--lease-name", "--identity", "Examples:"])?;
    if text.contains("test-millis") {
        return Err("the option for tests stands in the help".into());
    }
    says(&words(&dislodge(&["crd"]).output()?), &["imagepullpolicies.dislodge.dev"])
}

fn kubeconfig(name: &str) -> std::io::Result<std::path::PathBuf> {
    let own = std::process::id();
    let file = std::env::temp_dir().join(format!("dislodge-{name}-{own}.kubeconfig"));
    std::fs::write(&file, NOBODY)?;
    Ok(file)
}
