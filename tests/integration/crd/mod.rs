//! The CRD against its table of cases, offline and on a real API server: `cases.yaml`.
//!
//! Offline, `offline.rs` asks the product itself (`engine/src/api/validate`), in milliseconds and
//! without Go, and holds its twins of the CEL rules to an interpreter of CEL. Online, `online.rs` asks the real one with a dry run and
//! also compares every word of the two.

pub(crate) mod cases;
pub(crate) mod offline;
pub(crate) mod online;
mod typed;

use std::collections::BTreeSet;

use serde_json::Value;

/// What comes of a policy that is written: what is stored, or why it is refused.
pub(crate) type Verdict = Result<Value, BTreeSet<Refusal>>;

/// One reason for which a policy is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Refusal {
    /// Path of the field, as the API server writes it.
    pub(crate) field: String,
    /// The text behind the path.
    pub(crate) message: String,
}

impl Refusal {
    /// A refusal of the field at this path.
    pub(crate) fn new(field: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), message: message.into() }
    }

    /// Whether it is no mistake, but the note that not all was checked.
    pub(crate) fn is_note(&self) -> bool {
        self.field == "<nil>"
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// A case that did not come out as its table says.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The name of the case.
    pub(crate) case: String,
    /// What was different.
    pub(crate) text: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:\n    {}", self.case, self.text.replace('\n', "\n    "))
    }
}

/// The policy that the README explains.
///
/// # Errors
/// Where it has none, or it is no YAML.
pub(crate) fn from_readme() -> Result<Value, String> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(readme).map_err(|error| error.to_string())?;
    let block = text
        .split("```")
        .find_map(|block| block.strip_prefix("yaml\n"))
        .ok_or("the README has no block of YAML")?;
    serde_saphyr::from_str(block).map_err(|error| error.to_string())
}
