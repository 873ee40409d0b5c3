//! What is answered: for each shape of a Pod, each recorded state, and each way in which a job stands.

mod recorded;
mod scene;
mod shapes;
mod stories;

use dislodge_engine::cause::Cause;
use jiff::Timestamp;

use crate::explain::answer::answer;
use crate::explain::finding::{Finding, State};
use crate::explain::page;
use crate::explain::subject::find;
use crate::inspect::Snapshot;
use crate::terminal::Screen;

/// What is found about one object of a snapshot.
fn found(seen: &Snapshot, named: &str, now: Timestamp) -> Finding {
    let found = find(seen, &named.parse().unwrap(), None).unwrap();
    answer(seen, &found, now, "dislodge")
}

/// The page for a terminal of 80 columns.
fn shown(finding: &Finding) -> String {
    let mut out = Vec::new();
    let screen = Screen { width: Some(80), colours: false };
    page::write(finding, page::Saved::No, screen, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Whether a finding answers what it has to: what, why, who decides, what happens next, what to do.
fn is_answer(finding: &Finding, governed: bool) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}: {finding:#?}"));
    if finding.sentence.len() < 12 || finding.next.len() < 12 {
        return wrong("no sentence, or not what happens next");
    }
    match finding.state {
        State::Healthy => {
            if !finding.images.is_empty() || finding.hold.is_some() {
                return wrong("healthy, and yet something is wrong");
            }
        }
        State::Stuck => {
            if finding.images.is_empty() || finding.steps.is_empty() {
                return wrong("stuck, and no image or nothing to do");
            }
            for image in &finding.images {
                if image.reason.is_empty() || image.next.is_empty() || image.failed_pulls.count == 0
                {
                    return wrong("an image of which nothing is told");
                }
                let is_silent = image.message.is_empty() || image.cause == Cause::Unknown;
                if image.evidence.is_none() && !is_silent {
                    return wrong("a cause without evidence");
                }
                let undecided = image.rule.is_none()
                    && !image.next.starts_with("nothing")
                    && !image.next.contains("no rule");
                if governed && undecided {
                    return wrong("no rule, and no word why none");
                }
            }
        }
        State::Held => {
            let resume = finding.steps.iter().filter_map(|step| step.command.as_ref());
            if finding.hold.is_none() || !resume.into_iter().any(|c| c.contains(" resume ")) {
                return wrong("held, and no way to resume");
            }
        }
        State::Failed => {
            if finding.steps.is_empty() {
                return wrong("failed, and nothing to do");
            }
        }
    }
    let page = shown(finding);
    let too_wide =
        page.lines().find(|line| line.chars().count() > 80 && !line.trim().contains("  "));
    match too_wide.filter(|line| line.split_whitespace().all(|word| word.chars().count() < 50)) {
        Some(line) if !line.contains("dislodge ") => wrong(&format!("wider than 80: {line}")),
        _ => Ok(()),
    }
}
