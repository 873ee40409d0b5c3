//! The alerts of `deploy/components/alerts`: what they say, their runbooks, and what promtool makes of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use dislodge_testbed::tools;
use libtest_mimic::Failed;
use serde::Deserialize;
use serde_json::{Value, json};

use super::expressions::parts;
use crate::Outcome;
use crate::deploy::{documents, files_below, report, root};

const FILE: &str = "deploy/components/alerts/prometheus_rule.yaml";
const RUNBOOKS: &str = "docs/runbooks";
/// What promtool tries.
const CASES: &str = "tests/integration/watching/alerts";
/// The parts of a runbook, in order.
const HEADINGS: [&str; 5] = ["## What it means", "## Impact", "## Look", "## Do", "## Escalate"];

/// One alert.
pub(super) struct Alert {
    pub(super) name: String,
    pub(super) expression: String,
    rule: Value,
}

impl Alert {
    fn text(&self, path: &str) -> &str {
        self.rule.pointer(path).and_then(Value::as_str).unwrap_or_default()
    }
}

/// All of them.
pub(super) fn all() -> Result<Vec<Alert>, String> {
    let mut all = Vec::new();
    for group in groups()? {
        for rule in group.pointer("/rules").and_then(Value::as_array).into_iter().flatten() {
            let mut alert =
                Alert { name: String::new(), expression: String::new(), rule: rule.clone() };
            (alert.name, alert.expression) =
                (alert.text("/alert").to_owned(), alert.text("/expr").to_owned());
            all.push(alert);
        }
    }
    if all.is_empty() { Err(format!("{FILE} has no alert")) } else { Ok(all) }
}

fn groups() -> Result<Vec<Value>, String> {
    let documents = documents(&root().join(FILE))?;
    let groups = documents.first().and_then(|rule| rule.pointer("/spec/groups"));
    groups.and_then(Value::as_array).cloned().ok_or_else(|| format!("{FILE} has no groups"))
}

pub(super) fn are_whole() -> Outcome {
    let mut wrong = Vec::new();
    for alert in all()? {
        let mut told = |what: &str| wrong.push(format!("{}: {what}", alert.name));
        if !alert.name.starts_with("Dislodge") {
            told("its name does not begin with Dislodge");
        }
        for path in ["/for", "/annotations/summary", "/annotations/description"] {
            if alert.text(path).is_empty() {
                told(&format!("{path} is missing"));
            }
        }
        if !["critical", "warning", "info"].contains(&alert.text("/labels/severity")) {
            told("its severity is none of critical, warning and info");
        }
        let grouped = parts(&alert.expression).grouped;
        match alert.text("/labels/audience") {
            // Whom to tell hangs on it. What is not there at all has no namespace.
            "operators" | "owners"
                if grouped.contains("namespace") || alert.expression.starts_with("absent") => {}
            "operators" | "owners" => told("it is not routable by namespace"),
            _ => told("its audience is neither operators nor owners"),
        }
        for text in ["/annotations/summary", "/annotations/description"] {
            for rest in alert.text(text).split("$labels.").skip(1) {
                let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
                let label = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                if !grouped.contains(label) {
                    told(&format!("{text} names the label {label}, which it does not have"));
                }
            }
        }
    }
    report(&wrong)
}

pub(super) fn have_runbooks() -> Outcome {
    let mut wrong = Vec::new();
    let index = std::fs::read_to_string(root().join(RUNBOOKS).join("README.md"))?;
    let mut pages: BTreeSet<PathBuf> = files_below(RUNBOOKS)?.into_iter().collect();
    pages.remove(&root().join(RUNBOOKS).join("README.md"));
    for alert in all()? {
        let name = &alert.name;
        let path = root().join(RUNBOOKS).join(format!("{name}.md"));
        pages.remove(&path);
        let Ok(page) = std::fs::read_to_string(&path) else {
            wrong.push(format!("{name} has no runbook"));
            continue;
        };
        let url = alert.text("/annotations/runbook_url");
        if !url.ends_with(&format!("/{RUNBOOKS}/{name}.md")) {
            wrong.push(format!("{name}: {url} does not lead to its runbook"));
        }
        let (severity, audience) = (alert.text("/labels/severity"), alert.text("/labels/audience"));
        let head = format!("# {name}\n\nSeverity {severity}, for {audience}.\n");
        if !page.starts_with(&head) {
            wrong.push(format!("the runbook of {name} does not begin with {head:?}"));
        }
        let headings: Vec<&str> = page.lines().filter(|line| line.starts_with("## ")).collect();
        if headings != HEADINGS {
            wrong.push(format!("the runbook of {name} has the headings {headings:?}"));
        }
        let row = format!("| [{name}]({name}.md) | {severity} | {} |", alert.text("/for"));
        if !index.contains(&row) {
            wrong.push(format!("{RUNBOOKS}/README.md has no row {row:?}"));
        }
    }
    wrong.extend(pages.iter().map(|page| format!("{} is of no alert", page.display())));
    report(&wrong)
}

/// What is read of promtool's own format.
#[derive(Deserialize)]
struct Suite {
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    alert_rule_test: Vec<Look>,
}

#[derive(Deserialize)]
struct Look {
    alertname: String,
    exp_alerts: Vec<Value>,
}

pub(super) fn are_tried_both_ways() -> Outcome {
    let (mut fired, mut silent) = (BTreeSet::new(), BTreeSet::new());
    let known: BTreeSet<String> = all()?.into_iter().map(|alert| alert.name).collect();
    let mut wrong = Vec::new();
    for file in files_below(CASES)? {
        let suite: Suite = serde_saphyr::from_str(&std::fs::read_to_string(&file)?)?;
        for case in suite.tests {
            for look in case.alert_rule_test {
                if !known.contains(&look.alertname) {
                    wrong.push(format!("{}: there is no alert {}", case.name, look.alertname));
                }
                let seen = if look.exp_alerts.is_empty() { &mut silent } else { &mut fired };
                seen.insert(look.alertname);
            }
        }
    }
    let never = |seen: &BTreeSet<String>, what: &str| -> Vec<String> {
        known.difference(seen).map(|alert| format!("{alert} never {what}")).collect()
    };
    wrong.extend(never(&fired, "fires"));
    wrong.extend(never(&silent, "stays silent"));
    report(&wrong)
}

/// A folder of one test's own, empty.
pub(super) fn folder(name: &str) -> Result<PathBuf, Failed> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("watching").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Runs promtool in a folder, and fails with what it says.
pub(super) fn promtool(folder: &Path, arguments: &[&str]) -> Outcome {
    let promtool = tokio::runtime::Runtime::new()?.block_on(tools::promtool())?;
    let output = Command::new(promtool).args(arguments).current_dir(folder).output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(format!("{}{}", text(&output.stdout), text(&output.stderr)).into())
}

pub(super) fn pass_promtool() -> Outcome {
    let folder = folder("check")?;
    // JSON is YAML.
    std::fs::write(folder.join("rules.yaml"), json!({"groups": groups()?}).to_string())?;
    promtool(&folder, &["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"])
}

/// Of the annotations the summary alone is compared: the rest repeats labels in more words.
pub(super) fn fire() -> Outcome {
    let folder = folder("fire")?;
    let mut groups = groups()?;
    for group in &mut groups {
        let rules = group.pointer_mut("/rules").and_then(Value::as_array_mut);
        for annotations in rules.into_iter().flatten().filter_map(|r| r.get_mut("annotations")) {
            let summary = annotations.get("summary").cloned();
            *annotations = json!({"summary": summary});
        }
    }
    std::fs::write(folder.join("rules.yaml"), json!({"groups": groups}).to_string())?;
    let mut arguments = vec!["test".to_owned(), "rules".to_owned()];
    for file in files_below(CASES)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        std::fs::copy(&file, folder.join(&name))?;
        arguments.push(name);
    }
    promtool(&folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
}
