//! The keys of a decision's log line, in the code and in the documents.

use std::collections::BTreeSet;

use crate::Outcome;
use crate::deploy::{report, root};

/// Where the line is written.
const CODE: &str = "src/dispatch/line.rs";
/// The page with a table of the keys, behind this heading.
const PAGE: (&str, &str) = ("docs/operate.md", "## Logs");
/// What stands in every line.
const IN_ALL: [&str; 3] = ["timestamp", "level", "target"];

pub(super) fn are_explained() -> Outcome {
    let code = std::fs::read_to_string(root().join(CODE))?;
    let line = code.split_once("tracing::$level!(").and_then(|(_, rest)| rest.split_once("\"{"));
    let (line, _) = line.ok_or_else(|| format!("{CODE} has no log line any more"))?;
    let fields = line.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut known: BTreeSet<&str> =
        fields.filter_map(|field| field.split([' ', ',']).next()).collect();
    known.extend(IN_ALL);

    let page = std::fs::read_to_string(root().join(PAGE.0))?;
    let section = page.split_once(PAGE.1).map(|(_, rest)| rest).unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let keys = rows.filter_map(|row| row.split('|').nth(1));
    // Between backticks is every second part.
    let told: BTreeSet<&str> = keys.flat_map(|keys| keys.split('`').skip(1).step_by(2)).collect();
    let missing = known.difference(&told).map(|key| format!("{}: not the key {key}", PAGE.0));
    let more = told.difference(&known).map(|key| format!("{}: no line has {key}", PAGE.0));
    report(&missing.chain(more).collect::<Vec<_>>())
}
