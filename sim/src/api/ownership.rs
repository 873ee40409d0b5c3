//! Who wrote which field: `metadata.managedFields`, and server-side apply, which goes by them.
//!
//! The rules are those of `sigs.k8s.io/structured-merge-diff` v6 and of
//! `k8s.io/apimachinery/pkg/util/managedfields`.

mod compare;
mod fields;
mod merge;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub(super) use self::fields::Fields;
use self::merge::Merge;
use super::kinds::Kind;
use super::refusal::Cause;

/// Who writes, and through what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Writer<'a> {
    pub(super) manager: &'a str,
    pub(super) api_version: &'a str,
    pub(super) subresource: &'a str,
    pub(super) now: Timestamp,
}

/// One entry of `managedFields`.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    manager: String,
    operation: String,
    api_version: String,
    subresource: String,
    time: String,
    fields: Fields,
}

/// An object as it is once it is applied, or why it is not.
pub(super) type Applied = Result<Value, (String, Vec<Cause>)>;

/// Notes in `new` that the writer has made it out of `old` by anything but an apply.
pub(super) fn note_update(kind: &Kind, old: &Value, new: &mut Value, writer: &Writer<'_>) {
    let changes = compare::objects(kind, old, new);
    let written = changes.written();
    let mut entries = read(old);
    for entry in &mut entries {
        entry.fields = entry.fields.without(&written).without(&changes.removed);
    }
    if !written.is_empty() {
        let own = entries.iter().find(|entry| entry.is_of(writer, "Update"));
        let fields = own.map_or_else(|| written.clone(), |own| own.fields.with(&written));
        record(&mut entries, writer, "Update", fields, true);
    }
    write(new, entries);
}

/// Applies a configuration to `live` (`application/apply-patch+yaml`).
///
/// # Errors
/// Where another manager has a field that would become another, and nobody forces it.
pub(super) fn apply(
    kind: &Kind,
    live: &Value,
    configuration: &Value,
    writer: &Writer<'_>,
    force: bool,
) -> Applied {
    let mut entries = read(live);
    let applied = fields::of_object(kind, configuration);
    let mut merged = Merge { kind }.objects(live, configuration);
    let is_own = |entry: &Entry| {
        entry.operation == "Apply"
            && entry.manager == writer.manager
            && entry.subresource == writer.subresource
    };
    // What the manager has applied before, does not any more, and nobody else has, is removed.
    if let Some(before) = entries.iter().find(|entry| is_own(entry)) {
        let mut gone = before.fields.without(&applied);
        for other in entries.iter().filter(|entry| !is_own(entry)) {
            gone = gone.without(&other.fields);
        }
        Merge { kind }.remove(&mut merged, &gone);
    }
    let changes = compare::objects(kind, live, &merged);
    let written = changes.written();
    let conflicts: Vec<(&Entry, Fields)> = entries
        .iter()
        .filter(|entry| !is_own(entry))
        .map(|entry| (entry, entry.fields.common(&written)))
        .filter(|(_, common)| !common.is_empty())
        .collect();
    if !force && !conflicts.is_empty() {
        return Err(conflict(&conflicts));
    }
    for entry in entries.iter_mut().filter(|entry| !is_own(entry)) {
        entry.fields = entry.fields.without(&written).without(&changes.removed);
    }
    let before = entries.iter().find(|entry| is_own(entry)).map(|entry| entry.fields.clone());
    if before.as_ref() == Some(&applied) && changes.is_empty() {
        return Ok(live.clone());
    }
    record(&mut entries, writer, "Apply", applied, !changes.is_empty());
    write(&mut merged, entries);
    Ok(merged)
}

/// Notes that the writer has these fields now, in the entry of its own. Whoever applies what is there
/// already comes by them at no time.
fn record(
    entries: &mut Vec<Entry>,
    writer: &Writer<'_>,
    operation: &str,
    fields: Fields,
    changed: bool,
) {
    let time = if changed { stamp(writer.now) } else { String::new() };
    let own = entries.iter_mut().find(|entry| entry.is_of(writer, operation));
    match own {
        Some(own) => {
            own.fields = fields;
            if changed {
                own.time = time;
            }
        }
        None => entries.push(Entry {
            manager: writer.manager.to_owned(),
            operation: operation.to_owned(),
            api_version: writer.api_version.to_owned(),
            subresource: writer.subresource.to_owned(),
            time,
            fields,
        }),
    }
}

fn read(object: &Value) -> Vec<Entry> {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let text = |entry: &Value, field: &str| {
        entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let read = |entry: &Value| Entry {
        manager: text(entry, "manager"),
        operation: text(entry, "operation"),
        api_version: text(entry, "apiVersion"),
        subresource: text(entry, "subresource"),
        time: text(entry, "time"),
        fields: entry.get("fieldsV1").map(Fields::read).unwrap_or_default(),
    };
    entries.into_iter().flatten().map(read).collect()
}

/// Writes the entries that still have fields: those that apply first, then by time and name.
fn write(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.fields.is_empty());
    entries.sort_by(|a, b| {
        let key = |entry: &Entry| {
            (
                entry.operation.clone(),
                entry.time.clone(),
                entry.manager.clone(),
                entry.api_version.clone(),
                entry.subresource.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if entries.is_empty() {
        metadata.remove("managedFields");
        return;
    }
    metadata.insert("managedFields".to_owned(), entries.iter().map(Entry::object).collect());
}

impl Entry {
    fn is_of(&self, writer: &Writer<'_>, operation: &str) -> bool {
        self.manager == writer.manager
            && self.operation == operation
            && self.subresource == writer.subresource
            && self.api_version == writer.api_version
    }

    fn object(&self) -> Value {
        let mut object = json!({
            "manager": self.manager, "operation": self.operation, "apiVersion": self.api_version,
            "fieldsType": "FieldsV1", "fieldsV1": self.fields.write(),
        });
        if let Some(fields) = object.as_object_mut() {
            for (field, value) in [("time", &self.time), ("subresource", &self.subresource)] {
                if !value.is_empty() {
                    fields.insert(field.to_owned(), json!(value));
                }
            }
        }
        object
    }

    fn described(&self) -> String {
        let through = match self.subresource.as_str() {
            "" => String::new(),
            subresource => format!(" with subresource {subresource:?}"),
        };
        // Those who apply do it in any version.
        match self.operation.as_str() {
            "Apply" => format!("{:?}{through}", self.manager),
            _ => format!("{:?}{through} using {}", self.manager, self.api_version),
        }
    }
}

/// The words of `managedfields/internal/conflict.go`.
fn conflict(conflicts: &[(&Entry, Fields)]) -> (String, Vec<Cause>) {
    let mut causes = Vec::new();
    let mut texts = Vec::new();
    for (entry, fields) in conflicts {
        let (paths, who) = (fields.paths(), entry.described());
        for path in &paths {
            causes.push(Cause {
                reason: "FieldManagerConflict",
                message: format!("conflict with {who}"),
                field: path.clone(),
            });
        }
        texts.push(match paths.as_slice() {
            [one] => format!("conflict with {who}: {one}"),
            several => {
                let lines: Vec<String> = several.iter().map(|path| format!("\n- {path}")).collect();
                format!("conflicts with {who}:{}", lines.concat())
            }
        });
    }
    let count = causes.len();
    let plural = if count == 1 { "conflict" } else { "conflicts" };
    (format!("Apply failed with {count} {plural}: {}", texts.join("\n")), causes)
}

fn stamp(now: Timestamp) -> String {
    super::metadata::seconds(now)
}

/// What nobody owns: what the API server itself fills in.
fn is_nobodys(path: &[&str]) -> bool {
    match path {
        ["apiVersion" | "kind" | "metadata"] => true,
        ["metadata", field, ..] => matches!(
            *field,
            "name"
                | "namespace"
                | "creationTimestamp"
                | "selfLink"
                | "uid"
                | "generation"
                | "managedFields"
                | "resourceVersion"
        ),
        _ => false,
    }
}

/// An object without what nobody owns.
fn owned_part(object: &Value) -> Value {
    let Some(fields) = object.as_object() else { return object.clone() };
    let mut owned = Map::new();
    for (name, value) in fields {
        if name == "metadata" {
            let inner = value.as_object().into_iter().flatten();
            let kept = inner.filter(|(field, _)| !is_nobodys(&["metadata", field]));
            let kept: Map<_, _> =
                kept.map(|(field, value)| (field.clone(), value.clone())).collect();
            owned.insert(name.clone(), Value::Object(kept));
        } else if !is_nobodys(&[name]) {
            owned.insert(name.clone(), value.clone());
        }
    }
    Value::Object(owned)
}
