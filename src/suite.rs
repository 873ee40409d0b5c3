//! `dislodge test`: unit tests of policies, as suites in the policies' own repository, without a cluster.
//!
//! A case is a scenario (`scenario.rs`), played in virtual time by the engine that the controller runs,
//! or a set of objects, looked at as `dislodge explain` does ([`crate::inspect`]). What a policy may be is
//! judged as `dislodge lint` does, and so as the API server would.

mod compare;
mod format;
mod objects;
mod output;
mod play;
mod read;
mod reason;
pub mod schema;

use std::io::{self, BufWriter, Write};
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use regex::Regex;

use crate::clock::Clock;
use crate::source;
use crate::source::tree::Position;
use crate::terminal::ended;
use compare::Outcome;
use read::{Case, Mistake, Ready};

/// What is typed behind `dislodge test`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dislodge test policies/                          every suite below a folder: *.test.yaml\n  \
    dislodge test gpu.test.yaml --run 'rate limit'   some cases of one suite\n  \
    dislodge test -o github policies/                as annotations of a pull request\n  \
    dislodge test -o junit policies/ >junit.xml      for other pipelines\n  \
    dislodge test --schema >suite.schema.json        what editors complete and check by\n\n\
    No cluster is asked. How suites are written is in docs/testing-policies.md.\n\
    Exit code: 0 where all cases pass, 1 where one fails, 2 where a suite cannot be run, none is found,\n\
    or the command line cannot be meant.")]
pub struct TestArgs {
    /// Folders (*.test.yaml and *.test.yml below them) and suites
    #[arg(value_name = "DIR", required_unless_present = "schema")]
    pub paths: Vec<PathBuf>,

    /// Run only the cases whose name matches this regular expression
    #[arg(long, value_name = "REGEX")]
    pub run: Option<Regex>,

    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: TestOutput,

    /// Name the cases that pass, too
    #[arg(short, long)]
    pub verbose: bool,

    /// Print the JSON schema of suites, and run none
    #[arg(long, conflicts_with_all = ["paths", "run", "output", "verbose"])]
    pub schema: bool,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TestOutput {
    /// For people, in colour on a terminal unless NO_COLOR is set
    Text,
    /// The XML that pipelines read as JUnit's
    Junit,
    /// One JSON object
    Json,
    /// Workflow commands of GitHub Actions
    Github,
}

/// What the exit code says, beside 0: all cases pass.
mod exit {
    /// A case fails.
    pub(super) const FAILED: u8 = 1;
    /// Something could not be run, or the command line cannot be meant.
    pub(super) const NOT_RUN: u8 = 2;
}

/// What came of all suites.
#[derive(Debug, Default)]
struct Report {
    suites: Vec<SuiteReport>,
    /// Why suites or cases could not be run.
    mistakes: Vec<Mistake>,
    elapsed: Duration,
}

/// What came of one suite.
#[derive(Debug)]
struct SuiteReport {
    file: String,
    outcomes: Vec<(Outcome, Duration)>,
}

impl Report {
    /// How many cases pass, and how many fail.
    fn counts(&self) -> (usize, usize) {
        let all = self.suites.iter().flat_map(|suite| &suite.outcomes);
        let failed = all.clone().filter(|(outcome, _)| outcome.failure.is_some()).count();
        (all.count() - failed, failed)
    }

    fn exit_code(&self) -> u8 {
        match self.counts() {
            _ if !self.mistakes.is_empty() => exit::NOT_RUN,
            (_, 0) => 0,
            _ => exit::FAILED,
        }
    }
}

/// Does what the command line says.
pub fn run(args: &TestArgs) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = if args.schema {
        out.write_all(schema::render().as_bytes()).map(|()| 0)
    } else {
        let report = test(args);
        let code = report.exit_code();
        output::write(args, &report, &mut out).map(|()| code)
    };
    ended(done.and_then(|code| out.flush().map(|()| code)), exit::NOT_RUN)
}

/// Finds, reads and runs all suites.
fn test(args: &TestArgs) -> Report {
    let clock = Clock::start();
    let mut report = Report::default();
    let mut suites = Vec::new();
    for path in found(&args.paths, &mut report.mistakes) {
        match read::suite(&path) {
            Ok(suite) => suites.push(suite),
            Err(mistakes) => report.mistakes.extend(mistakes),
        }
    }
    let wanted = |case: &Case| args.run.as_ref().is_none_or(|run| run.is_match(&case.name));
    for suite in &mut suites {
        suite.cases.retain(wanted);
    }
    suites.retain(|suite| !suite.cases.is_empty());
    if suites.is_empty() && report.mistakes.is_empty() {
        let run = args.run.as_ref().map(Regex::as_str).unwrap_or_default();
        let what = format!("no case has a name that matches {run:?}");
        report.mistakes.push(Mistake::new(&named(&args.paths), Position::START, &what));
    }
    run_all(&suites, &clock, &mut report);
    report.elapsed = clock.elapsed();
    report
}

/// All suites that the paths stand for, in order, each once.
fn found(paths: &[PathBuf], mistakes: &mut Vec<Mistake>) -> Vec<PathBuf> {
    let mut suites = Vec::new();
    for path in paths {
        if !path.is_dir() {
            suites.push(path.clone());
            continue;
        }
        for found in source::below(path, source::is_suite) {
            match found {
                Ok(suite) => suites.push(suite),
                Err((folder, why)) => mistakes.push(Mistake::unreadable(&folder, &why)),
            }
        }
    }
    if suites.is_empty() && mistakes.is_empty() {
        let what = "there is no suite below it: suites are called *.test.yaml or *.test.yml";
        mistakes.push(Mistake::new(&named(paths), Position::START, what));
    }
    let mut seen = std::collections::BTreeSet::new();
    suites.retain(|suite| seen.insert(suite.clone()));
    suites
}

fn named(paths: &[PathBuf]) -> String {
    paths.first().map(|path| read::shown(path)).unwrap_or_default()
}

/// What came of a case, and how long that took.
type Ran = (Result<Outcome, Mistake>, Duration);

/// Runs all cases, on all processors.
fn run_all(suites: &[Ready], clock: &Clock, report: &mut Report) {
    let cases: Vec<(&Ready, &Case)> =
        suites.iter().flat_map(|suite| suite.cases.iter().map(move |case| (suite, case))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut ran = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((suite, case)) = cases.get(number) else { return ran };
            let begun = clock.elapsed();
            let outcome = run_case(suite, case);
            ran.push((number, (outcome, clock.elapsed().saturating_sub(begun))));
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(cases.len());
    let mut ran: Vec<Option<Ran>> = Vec::new();
    ran.resize_with(cases.len(), || None);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for (number, done) in
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default())
        {
            if let Some(place) = ran.get_mut(number) {
                *place = Some(done);
            }
        }
    });
    let mut ran = ran.into_iter().zip(&cases);
    for suite in suites {
        let mut outcomes = Vec::new();
        for (done, (_, case)) in ran.by_ref().take(suite.cases.len()) {
            let lost = || {
                let what =
                    format!("case {:?} cannot be played: this is a bug of Dislodge", case.name);
                (Err(Mistake::new(&suite.file, case.at, &what)), Duration::ZERO)
            };
            match done.unwrap_or_else(lost) {
                (Ok(outcome), took) => outcomes.push((outcome, took)),
                (Err(mistake), _) => report.mistakes.push(mistake),
            }
        }
        report.suites.push(SuiteReport { file: suite.file.clone(), outcomes });
    }
}

fn run_case(suite: &Ready, case: &Case) -> Result<Outcome, Mistake> {
    let played = play::play(case, &suite.policies).map_err(|what| {
        let what = format!("case {:?} cannot be played: {what}", case.name);
        Mistake::new(&suite.file, case.at, &what)
    })?;
    let failure = compare::compare(case, &played);
    Ok(Outcome { name: case.name.clone(), at: case.at, failure })
}

#[cfg(test)]
mod tests;
