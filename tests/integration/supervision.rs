//! Programs of the test cluster end with the process that started them, however that ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use dislodge_testbed::{Process, Program};

use crate::Outcome;

/// The first argument that makes this binary start a program and wait until it is killed.
const ROLE: &str = "__start_and_wait";

/// Plays the process that will be killed, where this one was started for that.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != ROLE {
        return None;
    }
    let folder = PathBuf::from(arguments.next()?);
    let runtime = tokio::runtime::Runtime::new().ok()?;
    runtime.block_on(async {
        let program = Program::new("sleeper", "sleep", &folder).argument("600");
        if let Ok(process) = Process::start(program).await {
            let _unread = writeln!(std::io::stdout(), "{}", process.pid());
            std::future::pending::<()>().await;
        }
    });
    Some(ExitCode::FAILURE)
}

/// Kills such a process with SIGKILL, and looks for the program that it had started.
pub(crate) fn programs_end_with_a_test_process_that_is_killed() -> Outcome {
    let folder = std::env::temp_dir().join(format!("dislodge-sleeper-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut starter = Command::new(std::env::current_exe()?)
        .arg(ROLE)
        .arg(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    if let Some(output) = starter.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    let alive = PathBuf::from("/proc").join(line.trim()).join("stat");
    let runs = || std::fs::read_to_string(&alive).is_ok_and(|stat| !stat.contains(") Z "));
    let ran = !line.trim().is_empty() && runs();
    starter.kill()?;
    starter.wait()?;
    let ended = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        !runs()
    });
    std::fs::remove_dir_all(&folder)?;
    if ran && ended { Ok(()) } else { Err(format!("started: {ran}, ended: {ended}").into()) }
}
