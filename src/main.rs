//! The binary: reads the command line and says how it ended.

use std::error::Error;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use dislodge::args::{Args, Command};

fn main() -> ExitCode {
    let done = match Args::read().command {
        Command::Controller(args) => dislodge::run::controller(&args).map_err(Into::into),
        Command::Crd => print(&dislodge::crd::render()).map_err(Into::into),
        Command::Classify(args) => dislodge::classify::run(&args).map_err(Into::into),
        Command::Lint(args) => return dislodge::lint::run(&args),
        Command::Completion { target } => {
            print(&dislodge::completion::script(target)).map_err(Into::into)
        }
        Command::Complete { words } => {
            print(&dislodge::completion::answer(&words)).map_err(Into::into)
        }
        Command::Man { folder } => dislodge::manual::write(&folder).map_err(Into::into),
    };
    let done: Result<(), Box<dyn Error>> = done;
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where even standard error is closed there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "dislodge: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> Result<(), dislodge::run::Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that has seen enough (`| head`) is no error.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(dislodge::run::Error::Output),
    }
}
