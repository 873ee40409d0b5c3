//! `dislodge check`: is this cluster ready for Dislodge, is Dislodge installed as it should be, and do the
//! settings around it fit to the policies?
//!
//! Reads only. What may not be read with the rights at hand is said to be unknown, with the right that is
//! missing, and never taken for well.

#![expect(clippy::indexing_slicing, reason = "JSON reads as null where nothing is")]

mod ask;
mod facts;
mod gather;
mod installed;
mod kueue;
mod page;
mod queues;
mod rights;

use std::process::ExitCode;

use kube::Client;
use serde::Serialize;
use serde_json::Value;

use crate::clock::Clock;
use crate::explain::{Form, data, print};
use crate::inspect::Error;
use crate::inspect::place::{Place, block_on};
use crate::terminal::Screen;
use facts::Facts;

/// What is typed behind `dislodge check`.
#[derive(Clone, Debug, clap::Args)]
#[command(mut_arg("namespace", |flag| {
    flag.help("Queues, policies and rights in this namespace alone [default: all namespaces]")
}))]
#[command(after_help = "Examples:\n  \
    dislodge check                           before and after an installation\n  \
    dislodge check --home batch-system       it is, or will be, installed in that namespace\n  \
    dislodge check -n team-a                 queues, policies and rights in this namespace\n  \
    dislodge check -o json | jq '.findings[] | select(.result == \"Problem\")'\n\n\
    Nothing is changed. An administrator sees most; without a right the answer is 'unknown', with the\n\
    name of the right.\n\
    Exit code: 0 nothing is wrong, 2 at least one problem, 1 no answer.")]
pub struct CheckArgs {
    /// The namespace that Dislodge is installed in, or will be
    #[arg(long, value_name = "NAMESPACE", default_value = "dislodge-system",
        value_parser = crate::args::name)]
    pub home: String,

    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Form,

    /// Which cluster, and which namespace.
    #[command(flatten)]
    pub place: Place,
}

/// How a check went, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
enum Judgement {
    /// Dislodge does not work, or not as people would expect.
    Problem,
    /// It works, and something is likely not meant.
    Advice,
    /// It could not be looked at.
    Unknown,
    /// All is well.
    Ok,
}

/// What was looked at, and how that went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    /// What was looked at: a word that stays.
    check: &'static str,
    result: Judgement,
    /// What is so.
    message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// All findings, as data.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Findings<'f> {
    findings: &'f [Finding],
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, result: Judgement::Ok, message: message.into(), advice: None }
    }

    fn bad(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        let advice = Some(advice.into());
        Self { check, result: Judgement::Problem, message: message.into(), advice }
    }

    fn advice(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { result: Judgement::Advice, ..Self::bad(check, message, advice) }
    }

    /// The right that is missing, as a role would grant it.
    fn unknown(check: &'static str, missing: &str) -> Self {
        let message = format!("not known: the right to {missing} is missing");
        Self { check, result: Judgement::Unknown, message, advice: None }
    }
}

/// Looks at everything, and says how it is. The exit code is the answer.
///
/// # Errors
///
/// Where the API server does not answer, or the answer cannot be written.
pub fn run(args: &CheckArgs) -> Result<ExitCode, Error> {
    let (facts, address) = block_on(async {
        let (connection, _) = args.place.connect().await?;
        let clock = Clock::start();
        let namespace = args.place.namespace.as_deref();
        let facts = gather::gather(&connection.client, &args.home, namespace, clock).await?;
        Ok((facts, connection.address))
    })?;
    let findings = judged(&facts);
    let mut out = Vec::new();
    let written = match args.output {
        Form::Text => page::write(&findings, &address, Screen::stdout(), &mut out),
        form @ (Form::Json | Form::Yaml) => data(&Findings { findings: &findings }, form, &mut out),
    };
    written.and_then(|()| print(&out)).map_err(Error::Output)?;
    let has_problem = findings.iter().any(|finding| finding.result == Judgement::Problem);
    Ok(if has_problem { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

/// All findings as data, for a report.
///
/// # Errors
///
/// Where the API server does not answer.
pub(crate) async fn as_data(
    client: &Client,
    home: &str,
    namespace: Option<&str>,
    clock: Clock,
) -> Result<Value, Error> {
    let facts = gather::gather(client, home, namespace, clock).await?;
    Ok(serde_json::to_value(Findings { findings: &judged(&facts) }).unwrap_or_default())
}

/// All that follows from the facts, in the order in which it is shown.
fn judged(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    installed::judge(facts, &mut findings);
    rights::judge(facts, &mut findings);
    kueue::judge(facts, &mut findings);
    queues::judge(facts, &mut findings);
    findings
}

#[cfg(test)]
mod tests;
