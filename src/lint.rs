//! `dislodge lint`: what is wrong with policies, and what will not do what it seems to, without a
//! cluster.
//!
//! What the API server refuses comes from [`dislodge_engine::api::validate`], so that it is the same
//! judgement. What it cannot see (a rule that never decides, two policies that claim one queue, a
//! threshold that the kubelet's schedule makes meaningless) is looked for here. Each kind of finding
//! is a [`code::Code`], of which [`page`] makes `docs/linting.md`.

mod claims;
mod code;
mod document;
mod finding;
mod input;
mod limits;
mod nearest;
mod output;
mod page;
mod refused;
mod rules;
pub(crate) mod schedule;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use dislodge_engine::api::validate;
use serde_json::Value;

use crate::args::LintArgs;
use crate::source::tree;
use crate::terminal::ended;
use claims::Claims;
use document::Document;
use finding::{Finding, Tally};
use input::Input;

pub use code::{Code, Severity};
pub use page::{FILE, page};

/// What the exit code says, beside 0: nothing was found that counts.
mod exit {
    /// Something was found that is at least as severe as `--fail-on`.
    pub(super) const FOUND: u8 = 1;
    /// Something could not be read, or the command line cannot be meant.
    pub(super) const UNREAD: u8 = 2;
}

/// Does what the command line says.
pub fn run(args: &LintArgs) -> ExitCode {
    let stdout = io::stdout();
    let styled = output::is_styled(&stdout);
    let mut out = BufWriter::new(stdout.lock());
    let done = match args.explain {
        Some(code) => page::explain(code, &mut out).map(|()| 0),
        None => lint(args, styled, &mut out),
    };
    ended(done.and_then(|code| out.flush().map(|()| code)), exit::UNREAD)
}

fn lint(args: &LintArgs, styled: bool, out: &mut impl Write) -> io::Result<u8> {
    let (mut findings, tally) = check(args);
    findings.retain(|finding| {
        finding.code.severity() == Severity::Error || !args.allow.contains(&finding.code)
    });
    output::write(args.output, &findings, &tally, styled, out)?;
    let unread = findings.iter().any(|finding| finding.code == Code::UnreadableFile);
    let found = findings.iter().any(|finding| finding.code.severity() >= args.fail_on);
    Ok(if unread {
        exit::UNREAD
    } else if found {
        exit::FOUND
    } else {
        0
    })
}

/// All findings, by file in the order in which they are named, then by line.
fn check(args: &LintArgs) -> (Vec<Finding>, Tally) {
    let mut findings = Vec::new();
    let mut tally = Tally::default();
    let mut claims = Claims::default();
    for input in input::inputs(&args.files) {
        let mut of_file = Vec::new();
        match input.and_then(|input| input.read().map(|text| (input, text))) {
            Err(finding) => of_file.push(finding),
            Ok((input, text)) => {
                tally.files += 1;
                check_file(&input, &text, args, &mut claims, &mut tally, &mut of_file);
            }
        }
        findings.append(&mut of_file);
    }
    if tally.policies == 0 && findings.is_empty() {
        findings.push(no_policy(&args.files));
    }
    // Files stay in the order of the command line.
    let mut order = BTreeMap::new();
    for finding in &findings {
        let next = order.len();
        order.entry(finding.file.clone()).or_insert(next);
    }
    findings.sort_by_cached_key(|finding| {
        (order.get(&finding.file).copied(), finding.at, finding.code, finding.field.clone())
    });
    (findings, tally)
}

fn check_file(
    input: &Input,
    text: &str,
    args: &LintArgs,
    claims: &mut Claims,
    tally: &mut Tally,
    findings: &mut Vec<Finding>,
) {
    let nodes = match tree::parse(text) {
        Ok(nodes) => nodes,
        Err((at, problem)) => {
            let advice = "mend the syntax: nothing behind it was checked";
            findings.push(Finding::new(Code::Syntax, &input.name, at, "", &problem, advice));
            return;
        }
    };
    let documents = document::policies(&nodes);
    let mut policies = 0;
    let mut others = Vec::new();
    for document in documents {
        match document {
            Document::Policy(node, is_item) => {
                policies += 1;
                let policy = node.value();
                let mut report = |code: Code, field: &str, wrong: &str, advice: &str| {
                    let at = node.position(field);
                    findings.push(Finding::new(code, &input.name, at, field, wrong, advice));
                };
                refused::check(&policy, &mut report);
                if !is_item {
                    refused::check_server_written(&policy, &mut report);
                }
                if let Some(policy) = document::decode(&policy) {
                    rules::check(&policy, &mut report);
                    limits::check(&policy, args.queue_width, &mut report);
                    claims.add(&policy, node, input, args.namespace.as_deref(), findings);
                }
            }
            Document::Misnamed { at, field, wrong, advice } => {
                policies += 1;
                findings.push(Finding::new(
                    Code::WrongKind,
                    &input.name,
                    at,
                    field,
                    &wrong,
                    &advice,
                ));
            }
            Document::Other { at, kind } => others.push((at, kind)),
        }
    }
    tally.policies += policies;
    tally.others += others.len();
    if policies == 0 && input.is_named {
        let (at, wrong) = match others.into_iter().next() {
            Some((at, kind)) => (at, format!("there is no ImagePullPolicy in it, but {kind}")),
            None => (tree::Position::START, "there is nothing in it".to_owned()),
        };
        let advice =
            "name a file with a policy: apiVersion: dislodge.dev/v1alpha1, kind: ImagePullPolicy";
        findings.push(Finding::new(Code::NoPolicy, &input.name, at, "", &wrong, advice));
    }
}

/// The policies of a text as the API server would store them; or what it would refuse, and where.
pub(crate) fn accepted(
    name: &str,
    text: &str,
) -> Result<Vec<Value>, Vec<(tree::Position, String)>> {
    let nodes = tree::parse(text).map_err(|refused| vec![refused])?;
    let (mut stored, mut findings) = (Vec::new(), Vec::new());
    for document in document::policies(&nodes) {
        match document {
            Document::Policy(node, _) => {
                let policy = node.value();
                refused::check(
                    &policy,
                    &mut |code: Code, field: &str, wrong: &str, advice: &str| {
                        let at = node.position(field);
                        findings.push(Finding::new(code, name, at, field, wrong, advice));
                    },
                );
                stored.extend(validate::create(policy).ok());
            }
            Document::Misnamed { at, field, wrong, advice } => {
                findings.push(Finding::new(Code::WrongKind, name, at, field, &wrong, &advice));
            }
            Document::Other { .. } => {}
        }
    }
    findings.retain(|finding| finding.code.severity() == Severity::Error);
    findings.sort_by_key(|finding| finding.at);
    if findings.is_empty() {
        return Ok(stored);
    }
    Err(findings.iter().map(|finding| (finding.at, finding.sentence())).collect())
}

/// Folders without any policy.
fn no_policy(files: &[std::path::PathBuf]) -> Finding {
    let name = files.first().map(|file| input::name(file)).unwrap_or_default();
    let wrong = "no file below it has an ImagePullPolicy (*.yaml, *.yml and *.json are read)";
    let advice = "name the folder in which the policies are";
    Finding::new(Code::NoPolicy, &name, tree::Position::START, "", wrong, advice)
}

#[cfg(test)]
mod tests;
