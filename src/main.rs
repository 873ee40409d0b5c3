//! The binary: reads the command line and says how it ended.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use dislodge::args::{Args, Command};

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Controller(args) => dislodge::run::controller(&args),
        Command::Crd => print(&dislodge::crd::render()),
    };
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
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(dislodge::run::Error::Output)
}
