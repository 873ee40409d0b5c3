//! The program as it is started by hand, with what people get wrong at first.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
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
    ("metrics_and_probes_are_served_before_the_api_server_answers", metrics_without_a_cluster),
    ("an_address_that_is_taken_is_told_with_the_flag_that_names_it", a_taken_address),
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
    let off = ["--probe-address", "off", "--metrics-address", "off"];
    let mut child = dislodge(&["controller", "--kubeconfig", &path])
        .args(off)
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

/// On one address, as they may be: what is asked for is told apart by its path.
fn metrics_without_a_cluster() -> Outcome {
    let file = kubeconfig("metrics")?;
    let path = file.to_string_lossy();
    let address = free_address()?;
    let mut child = dislodge(&["controller", "--kubeconfig", &path])
        .args(["--probe-address", &address, "--metrics-address", &address])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let answers = ["/metrics", "/livez", "/readyz"].map(|path| get(&address, path));
    child.kill()?;
    child.wait()?;
    std::fs::remove_file(&file)?;
    let [metrics, live, ready] = answers;
    let metrics = metrics?;
    says(
        &metrics,
        &[
            "200 OK",
            "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8",
            "dislodge_build_info{version=",
            "dislodge_watch_up{kind=\"Pod\"} 0",
            "dislodge_acting 0",
            "\n# EOF\n",
        ],
    )?;
    says(&live?, &["200 OK"])?;
    says(&ready?, &["503", "the API server has not answered yet"])
}

fn a_taken_address() -> Outcome {
    let file = kubeconfig("taken")?;
    let path = file.to_string_lossy();
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let output = dislodge(&["controller", "--kubeconfig", &path, "--probe-address", "off"])
        .args(["--metrics-address", &address])
        .output()?;
    std::fs::remove_file(&file)?;
    says(&words(&output), &["metrics", &address, "in use", "--metrics-address", "'off'"])
}

/// An address that nobody listens on right now.
fn free_address() -> std::io::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// The whole answer to a request, from the status line on; waits until somebody listens.
fn get(address: &str, path: &str) -> std::io::Result<String> {
    let mut tries = 0;
    let mut stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(error) if tries >= 100 => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
        tries += 1;
    };
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn help() -> Outcome {
    let text = words(&dislodge(&["controller", "--help"]).output()?);
    says(&text, &["--namespace", "--lease-name", "--identity", "--metrics-address", "Examples:"])?;
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
