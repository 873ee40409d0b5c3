//! The binary: reads the command line and says how it ended.

use std::error::Error;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use dislodge::args::{Args, Command};

fn main() -> ExitCode {
    match run(Args::read().command) {
        Ok(code) => code,
        Err(error) => {
            dislodge::terminal::complain(&*error);
            ExitCode::FAILURE
        }
    }
}

/// Does what was typed. Most commands end well or not at all; the exit code of some is their answer.
fn run(command: Command) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        Command::Controller(args) => dislodge::run::controller(&args)?,
        Command::Crd => print(&dislodge::crd::render())?,
        Command::Classify(args) => dislodge::classify::run(&args)?,
        Command::Simulate(args) => dislodge::simulate::run(&args)?,
        Command::Lint(args) => return Ok(dislodge::lint::run(&args)),
        Command::Test(args) => return Ok(dislodge::suite::run(&args)),
        Command::Completion { target } => print(&dislodge::completion::script(target))?,
        Command::Complete { words } => print(&dislodge::completion::answer(&words))?,
        Command::Man { folder } => dislodge::manual::write(&folder)?,
        Command::Explain(args) => return Ok(dislodge::explain::run(&args)?),
        Command::Check(args) => return Ok(dislodge::check::run(&args)?),
        Command::Status(args) => dislodge::status::run(&args)?,
        Command::Record(args) => dislodge::record::run(&args)?,
        Command::Replay(args) => return Ok(dislodge::replay::run(&args)?),
        Command::Report(args) => dislodge::bundle::run(&args)?,
        Command::Holds(args) => dislodge::steer::holds::run(&args)?,
        Command::Resume(args) => dislodge::steer::resume::run(&args)?,
        Command::Ignore(args) => dislodge::steer::ignore::run(&args)?,
        Command::Pause(args) => dislodge::steer::pause::pause(&args)?,
        Command::Unpause(args) => dislodge::steer::pause::unpause(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> Result<(), dislodge::run::Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that has seen enough (`| head`) is no error.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(dislodge::run::Error::Output),
    }
}
