//! The page of all causes, from the one place that knows them: `docs/causes.md`.

pub(crate) mod examples;

use std::fmt::Write;

use dislodge_engine::api::{Action, default_rules};
use dislodge_engine::cause::{Cause, Class};
use dislodge_engine::message::{RULES, Verdict};

/// Where the page is kept.
pub const FILE: &str = "docs/causes.md";

const HEAD: &str = "\
<!-- Generated from engine/src/cause.rs and engine/src/message by `make generate`. Change those, not this file. -->

# Why an image cannot be pulled

Dislodge reads what the kubelet, the container runtime and the registry say, and calls it by one of these causes. A rule of
an `ImagePullPolicy` lists causes; `dislodge classify` says what a message is read as, and which words decided.

How a message is read: names are no evidence (references, URLs, hosts, digests, paths, what is quoted without a space), so
an image called `team/timeout:404` changes nothing. Of the rules below the first that is found decides, in the order of
their numbers. A number in the text counts only where an HTTP status is announced. Where a text holds several
errors (one for each pull secret or mirror), the most lenient one counts: transient, then node, unknown, credentials, permanent.";

const QUIRKS: [(&str, &str); 15] = [
    (
        "Docker Hub",
        "One answer for a private and for a missing repository: `MissingOrDenied`. Over its limit it may answer 401 and 429 in turn; both are counted, and a rule that lists only one of them begins anew with each change.",
    ),
    (
        "Amazon ECR",
        "`no basic auth credentials` stands for a missing permission as for a token that the kubelet failed to renew (they live 12 hours): `Unauthorized`. A missing tag is told plainly: `NotFound`.",
    ),
    (
        "Google Artifact Registry, GCR",
        "`(or it may not exist)` and `does not exist or no pull access` leave open which: `MissingOrDenied`. With containerd up to 2.0 the body is lost and a bare 403 stays: `AccessDenied`. A quota answers 429: `RateLimited`.",
    ),
    (
        "GitHub (GHCR)",
        "Its token service answers 403 for private and for missing packages alike: `AccessDenied`, as nothing in the text tells.",
    ),
    ("GitLab", "`denied: access forbidden` for private and missing: `MissingOrDenied`."),
    (
        "Quay",
        "`unauthorized: access to the requested resource is not authorized` for private and missing: `MissingOrDenied`.",
    ),
    (
        "Harbor",
        "A vulnerability or signature policy answers 412: `SignatureRejected` where the body is shown, `Unknown` where containerd before 2.1 drops it. An image that is not scanned yet is `RegistryUnavailable`: it will be.",
    ),
    (
        "Azure (ACR), pull-through caches",
        "`not found` while the cache still fills. Three failed pulls take at least 30 s; raise `failedPulls` for such queues.",
    ),
    (
        "Mirrors, containerd 1.6 and 1.7",
        "The first error that is no 404 is told, of the mirror or of the origin: a dead mirror can hide a missing tag. It is then `Network` or `Tls`, and waits.",
    ),
    (
        "Mirrors, containerd 2",
        "A 404 of any mirror outweighs an origin that cannot be reached: `NotFound` can be wrong behind a mirror.",
    ),
    (
        "Mirrors, CRI-O",
        "All errors are told; the most lenient counts. Its reason `RegistryUnavailable` only says that some connection was refused; the words decide.",
    ),
    (
        "Forward proxies",
        "A proxy's refusal comes without a number: `Head \"URL\": Forbidden` is `AccessDenied`, `Service Unavailable` is `RegistryUnavailable`, `Proxy Authentication Required` is `Network`.",
    ),
    (
        "`not found` of containerd",
        "Also said for a platform that is missing, a media type that is not known, and a layer that another pull has just removed from the node: these have their own causes.",
    ),
    (
        "Nodes with a wrong clock",
        "`certificate has expired or is not yet valid` is `Tls`, whether the registry or the node is wrong: compare nodes.",
    ),
    (
        "Pull secrets",
        "A secret that does not exist is told by an Event alone (`FailedToRetrieveImagePullSecret`); the pull is tried without it. One that cannot be read stands in place of the reason: `Unauthorized`, told once and never again.",
    ),
];

/// The page as Markdown.
pub fn page() -> String {
    let mut page = format!("{HEAD}\n\n{}\n", overview());
    for class in Class::ALL {
        // Writing to a string cannot fail.
        let _ = write!(page, "\n## Class `{class}`\n\n{}.\n", capital(class.sentence()));
        let _ = write!(page, "\n{}\n", actions(class));
        for cause in Cause::ALL.into_iter().filter(|cause| cause.class() == class) {
            page.push_str(&section(cause));
        }
    }
    page.push_str(
        "\n## Registries, mirrors and their quirks\n\n| Who | What to know |\n|---|---|\n",
    );
    for (who, what) in QUIRKS {
        let _ = writeln!(page, "| {who} | {what} |");
    }
    page
}

fn overview() -> String {
    let mut table =
        "| Cause | Class | Can waiting help? | Default rule |\n|---|---|---|---|".to_owned();
    for cause in Cause::ALL {
        let waiting = if cause.can_waiting_help() { "yes" } else { "no" };
        let anchor = cause.as_str().to_lowercase();
        let _ = write!(
            table,
            "\n| [`{cause}`](#{anchor}) | {} | {waiting} | {} |",
            cause.class(),
            rule_of(cause)
        );
    }
    table
}

/// The default rule that lists the cause, in words.
fn rule_of(cause: Cause) -> String {
    let rules = default_rules();
    let Some(rule) = rules.iter().find(|rule| rule.causes.contains(&cause)) else {
        return "none: it can be in no rule".to_owned();
    };
    let seconds = match rule.threshold.failing_seconds {
        0 => String::new(),
        seconds => format!(" in at least {seconds} s"),
    };
    format!(
        "`{}`: {} failed pulls{seconds}, `{:?}`",
        rule.name, rule.threshold.failed_pulls, rule.action
    )
}

/// What each action makes of the causes of a class.
fn actions(class: Class) -> String {
    let rows: Vec<String> =
        [Action::FailJob, Action::SuspendJob, Action::RequeueJob, Action::Report]
            .into_iter()
            .map(|action| format!("| `{action:?}` | {} |", effect(class, action)))
            .collect();
    format!("| Action | What it makes of it |\n|---|---|\n{}", rows.join("\n"))
}

const fn effect(class: Class, action: Action) -> &'static str {
    match (class, action) {
        (Class::Node, Action::FailJob | Action::SuspendJob) => {
            "Not allowed: the job is not at fault."
        }
        (Class::Node, Action::RequeueJob) => {
            "Gives the quota back and tries again later, perhaps on another node. `NodeThrottled` is never acted on."
        }
        (Class::Permanent, Action::FailJob) => {
            "Ends the Job: right where only a new Job can mend it, as its image is immutable."
        }
        (Class::Permanent, Action::SuspendJob) => {
            "Gives the quota back and keeps the Job: right where the image can still be pushed."
        }
        (Class::Permanent, Action::RequeueJob) => {
            "Tries again later: right where another node may have the platform or the image."
        }
        (Class::Credentials, Action::FailJob) => {
            "Ends the Job. A secret that arrives late then comes too late."
        }
        (Class::Credentials, Action::SuspendJob) => {
            "Gives the quota back until somebody has repaired the secret and resumes."
        }
        (Class::Credentials, Action::RequeueJob) => {
            "Gives the quota back and tries again later, when the secret or the token may be renewed."
        }
        (Class::Transient | Class::Unknown, Action::FailJob) => {
            "Ends the Job although the next pull might have gone through: rarely right."
        }
        (Class::Transient | Class::Unknown, Action::SuspendJob) => {
            "Gives the quota back until a person resumes, also when the registry has long been well."
        }
        (Class::Transient | Class::Unknown, Action::RequeueJob) => {
            "Gives the quota back and tries again later."
        }
        (_, Action::Report) => "Tells the owner by an Event, and counts. The job keeps its quota.",
    }
}

fn section(cause: Cause) -> String {
    let mut text = format!(
        "\n### {cause}\n\nThe image {}. Next step for the owner: {}.\n\nDefault rule: {}.\n\n",
        cause.sentence(),
        cause.next_step(),
        rule_of(cause)
    );
    if matches!(cause, Cause::InvalidReference | Cause::NeverPullAbsent) {
        text.push_str(
            "The kubelet says so once and never again (`InvalidImageName`, `ErrImageNeverPull`): any number of \
             `failedPulls` counts as reached.\n\n",
        );
    }
    for (_, from, message) in examples::examples(cause) {
        let _ = write!(text, "{from}:\n\n```text\n{message}\n```\n\n");
    }
    let rules: Vec<String> = (1..)
        .zip(&RULES)
        .filter(|(_, rule)| rule.verdict == Verdict::Cause(cause))
        .map(|(place, rule)| {
            let words = phrases(rule.phrases);
            format!("- Rule {place}: {words}{}: {}.", statuses(rule.statuses), rule.why)
        })
        .collect();
    if !rules.is_empty() {
        let _ = writeln!(text, "Words that say it:\n\n{}", rules.join("\n"));
    }
    text
}

fn phrases(phrases: &[&str]) -> String {
    phrases.iter().map(|phrase| format!("`{}`", phrase.trim())).collect::<Vec<_>>().join(", ")
}

fn statuses(statuses: Option<(u16, u16)>) -> String {
    match statuses {
        None => String::new(),
        Some((first, last)) if first == last => format!(" or HTTP status {first}"),
        Some((first, last)) => format!(" or an HTTP status from {first} to {last}"),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_section_for_each_cause_and_a_row_for_each_rule() {
        let page = page();
        for cause in Cause::ALL {
            assert!(page.contains(&format!("\n### {cause}\n")), "{cause}");
        }
        for rule in RULES.iter().filter(|rule| rule.verdict.cause().is_some()) {
            assert!(page.contains(rule.why), "{}", rule.why);
        }
    }
}
