//! Brings a cluster up, says how long each phase took, and keeps it until Enter is pressed.
//!
//! `cargo run -p dislodge-testbed --example up` for a person; with `-- --once` it stops at once, to
//! measure the start.

use std::io::Write as _;

use dislodge_testbed::{Cluster, Options, Result, supervise};

fn main() -> std::process::ExitCode {
    supervise::run_if_asked();
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
    let once = std::env::args().any(|argument| argument == "--once");
    let cluster = Cluster::start(Options::default()).await?;
    for phase in cluster.phases() {
        say(&format!("{:>8.2} s  {}", phase.took.as_secs_f64(), phase.name));
    }
    if !once {
        for process in cluster.processes() {
            say(&format!("{} is process {}", process.name(), process.pid()));
        }
        say(&format!("logs:    {}", cluster.logs().display()));
        say(&format!(
            "look:    kubectl --kubeconfig {} get clusterqueues",
            cluster.kubeconfig().display()
        ));
        say("Enter ends it");
        let (pressed, enter) = tokio::sync::oneshot::channel();
        // A thread of its own: the runtime would wait for one of its own to finish reading.
        std::thread::spawn(move || {
            let _end_of_input = std::io::stdin().read_line(&mut String::new());
            pressed.send(())
        });
        tokio::select! {
            _ = enter => {}
            error = cluster.failure() => {
                cluster.keep()?;
                return Err(error);
            }
        }
    }
    cluster.stop().await
}

fn say(line: &str) {
    // Where standard output is closed nobody listens.
    let _unread = writeln!(std::io::stdout(), "{line}");
}
