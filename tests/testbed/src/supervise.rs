//! Processes that never outlive the program that started them.
//!
//! Every process of the cluster is the child of a small supervisor, which is this very executable
//! started again with a private first argument. The supervisor holds one end of a pipe; when the
//! other end closes, for whatever reason (`kill -9` included), it ends its child. That needs neither
//! `unsafe` code nor a process group that a shell could change.
//!
//! So a program that starts a cluster calls [`run_if_asked`] first thing in `main`.
//!
//! The two sides talk in lines. To the supervisor: the name of a signal (`TERM`, `STOP`, `CONT`).
//! From it: `started <pid>`, `sent <signal>`, `ended <status>`.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, Write as _};
use std::process::Stdio;

use tokio::process::Command;
use tokio::sync::mpsc;

/// The private first argument. Long, so that nobody types it by accident.
pub(crate) const MARK: &str = "__dislodge_testbed_supervise";

/// Becomes a supervisor if this process was started as one, and then never returns.
///
/// Call it first thing in the `main` of every program that starts a cluster.
pub fn run_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(MARK)) {
        return;
    }
    let command: Vec<OsString> = arguments.collect();
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(supervise(&command)));
    let status = match outcome {
        Ok(status) => status,
        Err(error) => format!("cannot be supervised: {error}"),
    };
    say(&format!("ended {status}"));
    std::process::exit(0);
}

/// Runs the child until it ends or the pipe closes; what its end was.
async fn supervise(command: &[OsString]) -> std::io::Result<String> {
    let [log, program, arguments @ ..] = command else {
        return Err(std::io::Error::other("no program named"));
    };
    let output = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .map_err(|error| std::io::Error::other(format!("{}: {error}", program.display())))?;
    let pid = child.id().unwrap_or_default();
    say(&format!("started {pid}"));
    let mut wishes = wishes();
    loop {
        tokio::select! {
            status = child.wait() => return status.map(|status| status.to_string()),
            wish = wishes.recv() => {
                let Some(signal) = wish else {
                    child.kill().await?; // SIGKILL, then waits
                    return Ok("killed".to_owned());
                };
                send(&signal, pid).await;
            }
        }
    }
}

/// The lines from the harness; the channel closes with the pipe.
fn wishes() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    // A thread of its own: reading standard input blocks, and must not keep the runtime from ending.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Sends a signal. The child is not yet waited for, so its pid cannot be another's.
async fn send(signal: &str, pid: u32) {
    // The shell's own `kill` exists everywhere; `/bin/kill` does not.
    let script = format!("kill -{signal} {pid}");
    let sent = Command::new("sh").arg("-c").arg(script).stdin(Stdio::null()).status().await;
    match sent {
        Ok(status) if status.success() => say(&format!("sent {signal}")),
        Ok(_) | Err(_) => say(&format!("sent nothing: {signal} failed")),
    }
}

/// One line to the harness. Nobody may be left to read it; then there is nothing to do about it.
fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    let _unread = writeln!(output, "{line}").and_then(|()| output.flush());
}
