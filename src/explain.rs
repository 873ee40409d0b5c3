//! `dislodge explain`: why a job does not run, who decides, what happens next, and what its owner can
//! do. Asks the cluster with the rights of whoever types it, or files.
//!
//! The engine that answers is the controller's own ([`crate::inspect`]).

pub mod answer;
pub mod ended;
pub mod finding;
mod hold;
pub mod page;
mod pod;
pub mod subject;
pub mod words;

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;

use crate::classify::shown;
use crate::clock::Clock;
use crate::explain::finding::{Finding, State};
use crate::explain::page::Saved;
use crate::explain::subject::Named;
use crate::inspect::place::{Place, block_on};
use crate::inspect::{Error, Snapshot, document, gather, instant};
use crate::terminal::{Screen, called};

/// What is typed behind `dislodge explain`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dislodge explain job/train                       why does my Job not run?\n  \
    dislodge explain pod/train-x7k2p -n team-a       the same of one Pod\n  \
    dislodge explain workload/job-train-3f2a1 -o json\n  \
    kubectl get ipp,jobs,workloads,localqueues,pods,events -o yaml --show-managed-fields >dump.yaml\n  \
    dislodge explain -f dump.yaml                    all jobs of a dump, without a cluster\n  \
    dislodge explain -f dislodge-report.tar.gz       all jobs of a report\n  \
    dislodge explain -f dump.yaml job/train -n team-a\n\n\
    Rights: view, and get and list on imagepullpolicies.dislodge.dev (deploy/people). With those on\n\
    workloads.kueue.x-k8s.io it also tells whether the job holds quota.\n\
    Exit code: 0 healthy, 2 stuck (or ended because of an image), 3 held, 1 no answer.")]
pub struct ExplainArgs {
    /// What to explain: job/NAME, jobset/NAME, pod/NAME or workload/NAME; a name alone is a Job's
    #[arg(value_name = "KIND/NAME", required_unless_present = "file")]
    pub subject: Option<Named>,

    /// Read objects from this file ('-': standard input) and not from a cluster: YAML or JSON, as
    /// kubectl writes it, a report of `dislodge report`, or a folder of a must-gather; may be given
    /// several times
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["context", "kubeconfig"])]
    pub file: Vec<PathBuf>,

    /// When the files were saved (RFC 3339) [default: the newest time in them]
    #[arg(long, value_name = "TIME", requires = "file")]
    pub at: Option<Timestamp>,

    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Form,

    /// Which cluster, and which namespace.
    #[command(flatten)]
    pub place: Place,
}

/// How an answer looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    #[default]
    Text,
    /// One JSON value.
    Json,
    /// The same as YAML.
    Yaml,
}

/// Several answers, as data.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Findings<'f> {
    findings: &'f [Finding],
}

/// Answers. The exit code is the state.
///
/// # Errors
///
/// Where there is no answer.
pub fn run(args: &ExplainArgs) -> Result<ExitCode, Error> {
    let findings =
        if args.file.is_empty() { vec![block_on(from_cluster(args))?] } else { from_files(args)? };
    let several = args.subject.is_none();
    let saved = if args.file.is_empty() { Saved::No } else { Saved::Yes };
    write(&findings, several, saved, args.output).map_err(Error::Output)?;
    let worst = findings.iter().map(|finding| finding.state).max();
    Ok(ExitCode::from(worst.map_or(0, State::exit_code)))
}

async fn from_cluster(args: &ExplainArgs) -> Result<Finding, Error> {
    let Some(named) = &args.subject else {
        return Err(Error::Meant("say what to explain: job/NAME".to_owned()));
    };
    let (connection, namespace) = args.place.connect().await?;
    let reader = gather::Reader { client: &connection.client, namespace: Some(&namespace) };
    let seen = reader.jobs().await?;
    let found = subject::find(&seen, named, Some(&namespace))?;
    Ok(answer::answer(&seen, &found, Clock::start().wall(), called()))
}

fn from_files(args: &ExplainArgs) -> Result<Vec<Finding>, Error> {
    let mut seen = document::read(&args.file)?;
    if let Some(namespace) = &args.place.namespace {
        seen.keep(namespace)?;
    }
    let now = args.at.or_else(|| seen.newest()).unwrap_or_else(|| Clock::start().wall());
    explained(&seen, args.subject.as_ref(), now)
}

/// What is found in a snapshot about one object, or about all of them.
pub(crate) fn explained(
    seen: &Snapshot,
    named: Option<&Named>,
    now: Timestamp,
) -> Result<Vec<Finding>, Error> {
    if let Some(named) = named {
        let found = subject::find(seen, named, None)?;
        return Ok(vec![answer::answer(seen, &found, now, called())]);
    }
    let mut engine = seen.engine(instant(now));
    let all = subject::all(seen, &engine);
    let index = seen.index();
    let answers = all
        .iter()
        .map(|found| answer::answer_with(&mut engine, (seen, &index), found, now, called()));
    Ok(answers.collect())
}

fn write(findings: &[Finding], several: bool, saved: Saved, form: Form) -> io::Result<()> {
    let mut out = Vec::new();
    match (form, findings) {
        (Form::Text, _) => {
            let screen = Screen::stdout();
            for (place, finding) in findings.iter().enumerate() {
                if place > 0 {
                    writeln!(out)?;
                }
                page::write(finding, saved, screen, &mut out)?;
            }
        }
        (form, [one]) if !several => data(one, form, &mut out)?,
        (form, _) => data(&Findings { findings }, form, &mut out)?,
    }
    print(&out)
}

/// Writes a value as JSON or YAML, in which nothing stands that a terminal obeys.
///
/// # Errors
///
/// Where it cannot be written.
pub fn data(value: &impl Serialize, form: Form, out: &mut impl Write) -> io::Result<()> {
    match form {
        Form::Text | Form::Json => shown::json(value, out),
        Form::Yaml => {
            let yaml = serde_saphyr::to_string(value).map_err(io::Error::other)?;
            let is_harmless =
                yaml.lines().all(|line| matches!(shown::plain(line), Cow::Borrowed(_)));
            // The writer of YAML passes on what changes the direction of a text. JSON is YAML, too.
            if is_harmless { out.write_all(yaml.as_bytes()) } else { shown::json(value, out) }
        }
    }
}

/// Prints what was made. A reader that has seen enough (`| head`) is no error.
///
/// # Errors
///
/// Where standard output cannot be written to.
pub fn print(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests;
