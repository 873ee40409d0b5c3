//! The table of cases: what each one writes, and whether a verdict is the expected one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Refusal, Verdict};

/// One case of the table. The comment at the head of `cases.yaml` explains the fields.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What is shown, as a sentence.
    pub(crate) name: String,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    object: Value,
    #[serde(default)]
    status: Value,
    #[serde(default)]
    nulls: Vec<String>,
    #[serde(default)]
    old: Value,
    #[serde(default)]
    repeat: BTreeMap<String, usize>,
    #[serde(default)]
    accept: bool,
    #[serde(default)]
    stored: BTreeMap<String, Value>,
    #[serde(default)]
    reject: Vec<Expected>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    field: String,
    message: String,
}

/// What a case does at the API server.
#[derive(Debug)]
pub(crate) enum Write {
    /// A new policy.
    Create(Value),
    /// A policy in place of a stored one.
    Update {
        /// The stored one.
        old: Value,
        /// The one that replaces it.
        new: Value,
    },
    /// A stored policy's status.
    Status {
        /// The stored policy.
        old: Value,
        /// The status to be written.
        status: Value,
    },
}

/// Reads the table, and adds what the types write.
///
/// # Errors
/// Where the table is not well formed, the line of the first mistake.
pub(crate) fn load() -> Result<Vec<Case>, String> {
    let table: Result<Vec<Case>, _> = serde_saphyr::from_str(include_str!("cases.yaml"));
    let mut cases = table.map_err(|error| format!("cases.yaml: {error}"))?;
    cases.extend(super::typed::cases().map_err(|error| error.to_string())?);
    Ok(cases)
}

impl Case {
    /// A policy that is stored just as it is.
    pub(crate) fn stored_policy(name: &str, policy: Value) -> Self {
        let spec = policy.get("spec").cloned().unwrap_or_default();
        let stored = BTreeMap::from([("/spec".to_owned(), spec)]);
        Self { object: policy, stored, ..Self::accepted(name) }
    }

    /// A status that is stored just as it is.
    pub(crate) fn stored_status(name: &str, status: Value) -> Self {
        let stored = BTreeMap::from([("/status".to_owned(), status.clone())]);
        Self { status, stored, ..Self::accepted(name) }
    }

    fn accepted(name: &str) -> Self {
        Self { name: name.to_owned(), accept: true, ..Self::default() }
    }

    /// What the case writes.
    pub(crate) fn write(&self) -> Write {
        let old = policy(&self.old, &Value::Null);
        if self.status.is_null() {
            let mut new = policy(&self.spec, &self.object);
            self.finish(&mut new);
            return if self.old.is_null() {
                Write::Create(new)
            } else {
                Write::Update { old, new }
            };
        }
        let mut written = json!({"status": self.status});
        self.finish(&mut written);
        let status = written.get_mut("status").map(Value::take).unwrap_or_default();
        Write::Status { old, status }
    }

    /// Sets nulls and repeats lists and strings; the longer pointers first, so that what is
    /// repeated is finished.
    fn finish(&self, object: &mut Value) {
        for pointer in &self.nulls {
            if let Some((parent, field)) = pointer.rsplit_once('/')
                && let Some(Value::Object(parent)) = object.pointer_mut(parent)
            {
                parent.insert(field.to_owned(), Value::Null);
            }
        }
        let mut repeats: Vec<(&String, usize)> = self.repeat.iter().map(|(p, n)| (p, *n)).collect();
        repeats.sort_by_key(|(pointer, _)| std::cmp::Reverse(pointer.len()));
        for (pointer, times) in repeats {
            match object.pointer_mut(pointer) {
                Some(Value::Array(items)) => {
                    *items = items.iter().cycle().take(times).cloned().collect();
                }
                Some(Value::String(text)) => *text = text.chars().cycle().take(times).collect(),
                Some(_) | None => {}
            }
        }
    }

    /// Whether the verdict is the one that the table expects.
    ///
    /// # Errors
    /// What is different.
    pub(crate) fn check(&self, verdict: &Verdict) -> Result<(), String> {
        match verdict {
            Ok(stored) if self.accept => self.check_stored(stored),
            Ok(_) => Err("was accepted, but should be refused".to_owned()),
            Err(refusals) => {
                let note = self.reject.iter().any(|expected| expected.field == "<nil>");
                let said: Vec<&Refusal> =
                    refusals.iter().filter(|refusal| note || !refusal.is_note()).collect();
                let all_expected = self.reject.iter().all(|expected| {
                    said.iter().any(|refusal| {
                        refusal.field == expected.field
                            && refusal.message.contains(&expected.message)
                    })
                });
                if !self.accept && all_expected && said.len() == self.reject.len() {
                    return Ok(());
                }
                let said: Vec<String> = said.into_iter().map(Refusal::to_string).collect();
                let expected: Vec<String> =
                    self.reject.iter().map(|e| format!("{}: …{}…", e.field, e.message)).collect();
                Err(format!(
                    "was refused with\n  {}\nbut expected\n  {}",
                    said.join("\n  "),
                    if self.accept { "nothing".to_owned() } else { expected.join("\n  ") }
                ))
            }
        }
    }

    fn check_stored(&self, stored: &Value) -> Result<(), String> {
        for (pointer, expected) in &self.stored {
            let found = stored.pointer(pointer).unwrap_or(&Value::Null);
            if found != expected {
                return Err(format!("stored at {pointer}: {found}, but expected {expected}"));
            }
        }
        Ok(())
    }
}

/// The smallest policy, changed by merge patches onto its spec and onto the whole.
fn policy(spec: &Value, object: &Value) -> Value {
    let mut base = json!({"queues": [{"kind": "LocalQueue", "name": "gpu"}]});
    merge(&mut base, spec);
    let mut policy = json!({
        "apiVersion": "dislodge.dev/v1alpha1",
        "kind": "ImagePullPolicy",
        "metadata": {"name": "case"},
        "spec": base,
    });
    merge(&mut policy, object);
    policy
}

/// A JSON merge patch (RFC 7386), where null as the whole patch changes nothing.
fn merge(target: &mut Value, patch: &Value) {
    match patch {
        Value::Null => {}
        Value::Object(fields) => {
            if !target.is_object() {
                *target = json!({});
            }
            let Some(target) = target.as_object_mut() else { return };
            for (name, value) in fields {
                if value.is_null() {
                    target.remove(name);
                } else {
                    merge(target.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            *target = patch.clone();
        }
    }
}
