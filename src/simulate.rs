//! `dislodge simulate`: a scenario played in virtual time, once without policies and once with them, by the
//! engine that the controller runs.
//!
//! The cluster around it is a model (`sim/`), as measured on a real one; where it and a real cluster
//! differ, the real one is right.

mod chart;
mod page;
mod played;

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::scenario::Scenario;
use crate::source;
use played::Played;

/// What is typed behind `dislodge simulate`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    dislodge simulate examples/scenarios/typo.yaml\n  \
    dislodge simulate examples/scenarios/outage.yaml --timeline\n  \
    dislodge simulate week.yaml -o json\n  \
    dislodge simulate week.yaml --chart week.svg")]
pub struct SimulateArgs {
    /// The scenario: nodes, queues, jobs, images and how their pulls go, policies
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How the result is written
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: SimulateOutput,
    /// Tell everything that happens, in both runs
    #[arg(long)]
    pub timeline: bool,
    /// Draw the use of each queue over time into this SVG file, both runs one above the other
    #[arg(long, value_name = "FILE")]
    pub chart: Option<PathBuf>,
}

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SimulateOutput {
    /// For people
    Text,
    /// One JSON document
    Json,
}

/// Why a scenario was not played.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{file}: {source}")]
    File {
        /// Which.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// The scenario says something that cannot be meant.
    #[error("{file}: {what}")]
    Scenario {
        /// The file.
        file: String,
        /// What, where and what was expected.
        what: String,
    },
    /// Standard output cannot be written to.
    #[error("standard output cannot be written to: {0}")]
    Output(#[source] io::Error),
}

/// Both runs of a scenario.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Comparison {
    duration_seconds: u64,
    without_policies: Played,
    with_policies: Played,
}

/// Plays a scenario and says what came of it.
///
/// # Errors
///
/// Where the scenario cannot be read or meant, or the result cannot be written.
pub fn run(args: &SimulateArgs) -> Result<(), Error> {
    let scenario = read(&args.file)?;
    let without = played::play(&scenario, false);
    let mut with = played::play(&scenario, true);
    with.find_false_stops(&without);
    let result = Comparison {
        duration_seconds: scenario.duration_seconds,
        without_policies: without,
        with_policies: with,
    };
    if let Some(file) = &args.chart {
        let drawn =
            chart::draw(&result.without_policies, &result.with_policies, result.duration_seconds);
        std::fs::write(file, drawn).map_err(failed(file))?;
    }
    let text = match args.output {
        SimulateOutput::Text => {
            page::text(&scenario, &result.without_policies, &result.with_policies, args.timeline)
        }
        SimulateOutput::Json => {
            let json = serde_json::to_string_pretty(&result).map_err(io::Error::other);
            json.map_err(Error::Output)? + "\n"
        }
    };
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that has seen enough (`| head`) is no error.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(Error::Output),
    }
}

fn failed(file: &Path) -> impl Fn(io::Error) -> Error {
    let file = file.display().to_string();
    move |source| Error::File { file: file.clone(), source }
}

fn read(file: &Path) -> Result<Scenario, Error> {
    let text = source::open(file).map_err(|why| {
        let why = io::Error::other(format!("{}; {}", why.wrong, why.advice));
        failed(file)(why)
    })?;
    Scenario::parse(&text)
        .map_err(|what| Error::Scenario { file: file.display().to_string(), what })
}
