//! The table of writes; the comment at the head of `cases.yaml` explains the fields.

use std::collections::BTreeMap;

use dislodge_sim::patch::{Patch, apply};
use serde::Deserialize;
use serde_json::{Value, json};

/// The uid and the version of each object of the table, offline.
const SEEN: [(&str, &str); 2] = [("uid", "5e7595d6"), ("resourceVersion", "7")];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    objects: BTreeMap<String, Value>,
    cases: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    write: String,
    of: String,
    #[serde(default)]
    before: Value,
    #[serde(default)]
    patch: Value,
    #[serde(default)]
    options: Vec<String>,
    refused: Option<String>,
}

/// One write.
pub(super) struct Case {
    /// What is shown, as a sentence.
    pub(super) name: String,
    /// `CREATE`, `UPDATE` or `DELETE`.
    pub(super) operation: String,
    /// The API group; empty for the core group.
    pub(super) group: String,
    /// The plural name.
    pub(super) resource: String,
    /// `status`, or empty.
    pub(super) subresource: String,
    /// The object before the write; with `CREATE`, the object.
    pub(super) object: Value,
    /// The merge patch.
    pub(super) patch: Value,
    /// The preconditions of a deletion, by name.
    pub(super) options: Vec<String>,
    refused: Option<String>,
}

/// What was said of a write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It passes.
    Passes,
    /// It is refused, with these words.
    Refused(String),
}

/// Reads the table.
pub(super) fn load() -> Result<Vec<Case>, String> {
    let table: Table = serde_saphyr::from_str(include_str!("cases.yaml"))
        .map_err(|error| format!("cases.yaml: {error}"))?;
    table.cases.into_iter().map(|row| Case::new(row, &table.objects)).collect()
}

impl Case {
    fn new(row: Row, objects: &BTreeMap<String, Value>) -> Result<Self, String> {
        let unclear = || format!("{}: `write` or `of` cannot be meant", row.name);
        let mut object = objects.get(&row.of).cloned().ok_or_else(unclear)?;
        merge(&mut object, &row.before)?;
        let (operation, rest) = row.write.split_once(' ').ok_or_else(unclear)?;
        let (rest, subresource) = match rest.strip_suffix("/status") {
            Some(rest) => (rest, "status"),
            None => (rest, ""),
        };
        let (group, resource) = rest.split_once('/').unwrap_or(("", rest));
        let own = |text: &str| text.to_owned();
        Ok(Self {
            operation: own(operation),
            group: own(group),
            resource: own(resource),
            subresource: own(subresource),
            object,
            name: row.name,
            patch: row.patch,
            options: row.options,
            refused: row.refused,
        })
    }

    /// The variables `request`, `object` and `oldObject`, as the API server would set them.
    pub(super) fn request(&self) -> Result<[(&'static str, Value); 3], String> {
        let mut stored = self.object.clone();
        let mut preconditions = json!({});
        for (field, value) in SEEN {
            stored["metadata"][field] = value.into();
            if self.options.iter().any(|option| option == field) {
                preconditions[field] = value.into();
            }
        }
        let mut request = json!({
            "operation": self.operation,
            "name": self.object["metadata"]["name"],
            "resource": {"group": self.group, "resource": self.resource},
            "options": {},
        });
        if !self.subresource.is_empty() {
            request["subResource"] = self.subresource.as_str().into();
        }
        if preconditions.as_object().is_some_and(|fields| !fields.is_empty()) {
            request["options"]["preconditions"] = preconditions;
        }
        let mut written = stored.clone();
        self.write(&mut written)?;
        let (object, old) = match self.operation.as_str() {
            "CREATE" => (written, Value::Null),
            "DELETE" => (Value::Null, stored),
            _ => (written, stored),
        };
        Ok([("request", request), ("object", object), ("oldObject", old)])
    }

    /// Whether it is a kind of Kubernetes itself, of which lists are merged item by item.
    pub(super) fn is_built_in(&self) -> bool {
        !["kueue.x-k8s.io", "jobset.x-k8s.io"].contains(&self.group.as_str())
    }

    /// Applies the patch as the API server does.
    pub(super) fn write(&self, object: &mut Value) -> Result<(), String> {
        if self.patch.is_null() {
            return Ok(());
        }
        let patch = self.patch.clone();
        let patch = if self.is_built_in() { Patch::Strategic(patch) } else { Patch::Merge(patch) };
        apply(object, &patch).map_err(|error| error.0)
    }

    /// Compares a verdict with the expected one.
    pub(super) fn judge(&self, verdict: &Verdict) -> Result<(), String> {
        let right = match (&self.refused, verdict) {
            (None, Verdict::Passes) => true,
            (Some(expected), Verdict::Refused(words)) => words.contains(expected),
            _ => false,
        };
        if right { Ok(()) } else { Err(format!("{}: {verdict:?}", self.name)) }
    }
}

fn merge(object: &mut Value, patch: &Value) -> Result<(), String> {
    if patch.is_null() {
        return Ok(());
    }
    apply(object, &Patch::Merge(patch.clone())).map_err(|error| error.0)
}
