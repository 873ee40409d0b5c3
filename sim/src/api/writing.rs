//! Creating and replacing objects, and what every write goes through.

use serde_json::{Value, json};

use super::kinds::Kind;
use super::metadata::{self, number, seconds, text, value};
use super::ownership::{Writer, note_update};
use super::refusal::Refusal;
use super::validation::{Part, check};
use super::views::{shown, stored};
use super::{Answer, Body, Call, Key, Object, Server, defaults, suffix};
use crate::store::{Refused, Version};

/// The longest generated name without its end (`storage/names/generate.go`).
const LONGEST_BASE: usize = 58;

/// An object that somebody wants to have stored.
#[derive(Clone, Debug)]
pub(super) enum Made {
    /// It is not noted yet who wrote what.
    ByHand(Value),
    /// It is.
    Applied(Value),
}

impl Server {
    /// Creates an object.
    pub(super) fn create(&mut self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let mut object = call.body()?;
        call.check_type(&object)?;
        call.place(&mut object, "")?;
        metadata::set(&mut object, "managedFields", None);
        self.create_object(call, Made::ByHand(object))
    }

    /// Stores a new object.
    pub(super) fn create_object(&mut self, call: &Call<'_>, made: Made) -> Result<Answer, Refusal> {
        let kind = call.at.kind;
        let (mut object, by_hand) = match made {
            Made::ByHand(object) => (object, true),
            Made::Applied(object) => (object, false),
        };
        if text(&object, "name").is_empty() && !text(&object, "generateName").is_empty() {
            let base: String = text(&object, "generateName").chars().take(LONGEST_BASE).collect();
            let name = format!("{base}{}", suffix(self.draw()));
            metadata::set(&mut object, "name", Some(json!(name)));
        }
        let name = text(&object, "name").to_owned();
        self.check_namespace(call, &name)?;
        tidy(kind, &mut object);
        // Whoever creates a Node says how it is; all other kinds begin without a status.
        if let (true, Some(fields)) = (kind.status && kind.name != "Node", object.as_object_mut()) {
            fields.remove("status");
        }
        let uid = self.uid();
        for (field, value) in [
            ("uid", Some(json!(uid))),
            ("creationTimestamp", Some(json!(seconds(call.now)))),
            ("deletionTimestamp", None),
            ("deletionGracePeriodSeconds", None),
            ("selfLink", None),
            ("resourceVersion", None),
        ] {
            metadata::set(&mut object, field, value);
        }
        if kind.counted {
            metadata::set(&mut object, "generation", Some(json!(1)));
        }
        self.fill(kind, &mut object);
        if by_hand {
            call.note(&Value::Null, &mut object);
        }
        defaults::decide(kind, &mut object);
        if let (true, false, Some(fields)) = (kind.status, kind.custom, object.as_object_mut()) {
            fields.entry("status").or_insert_with(|| json!({}));
        }
        self.validate(kind, &object, None, Part::Main)?;
        let key = call.key(&name);
        if let Some((_, there)) = self.store.get(&key) {
            return Err(match value(&there.0, "deletionTimestamp") {
                Some(_) => Refusal::still_exists(kind, &name),
                None => Refusal::exists(kind, &name),
            });
        }
        if call.query.dry_run(call.request.method)? {
            return Ok(done(201, object));
        }
        let created = self.store.create(key.clone(), Object(stored(kind, object)));
        created.map_err(|_| Refusal::exists(kind, &name))?;
        Ok(done(201, self.shown(call, &key)))
    }

    /// Puts another object in the place of one.
    pub(super) fn replace(&mut self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let kind = call.at.kind;
        let mut new = call.body()?;
        call.check_type(&new)?;
        let name = call.at.name.clone().unwrap_or_default();
        if text(&new, "name").is_empty() {
            return Err(Refusal::bad_request(format!(
                "the name of the object () does not match the name on the URL ({name})"
            )));
        }
        call.place(&mut new, &name)?;
        let key = call.key(&name);
        let Some((version, old)) = self.store.get(&key) else {
            if kind.created_by_put {
                return self.create_object(call, Made::ByHand(new));
            }
            return Err(Refusal::not_found(kind, &name));
        };
        let old = shown(kind, call.at.version, &old.0);
        let (wanted, is) = (text(&new, "uid"), text(&old, "uid"));
        if !wanted.is_empty() && wanted != is {
            return Err(Refusal::other_uid(kind, &key.path, &name, wanted, is));
        }
        self.update(call, &key, version, &old, Made::ByHand(new))
    }

    /// Stores an object in the place of `old`.
    pub(super) fn update(
        &mut self,
        call: &Call<'_>,
        key: &Key,
        version: Version,
        old: &Value,
        made: Made,
    ) -> Result<Answer, Refusal> {
        let kind = call.at.kind;
        let name = text(old, "name");
        let (mut new, by_hand) = match made {
            Made::ByHand(object) => (object, true),
            Made::Applied(object) => (object, false),
        };
        check_version(kind, &new, version, name)?;
        tidy(kind, &mut new);
        self.fill(kind, &mut new);
        let managed = value(&new, "managedFields").cloned();
        keep_other_parts(&call.at.subresource, kind, call.at.part, old, &mut new);
        metadata::set(&mut new, "managedFields", managed);
        keep_metadata(old, &mut new);
        if by_hand {
            call.note(old, &mut new);
        }
        if kind.counted
            && call.at.part == Part::Main
            && counted_part(kind, &new) != counted_part(kind, old)
        {
            let generation = number(old, "generation").unwrap_or_default() + 1;
            metadata::set(&mut new, "generation", Some(json!(generation)));
        }
        // The generic registry looks, and then each kind's own rules look once more.
        let of_metadata = metadata::check_update(&new, old);
        metadata::set(&mut new, "resourceVersion", Some(json!(version.0.to_string())));
        let mut causes = [of_metadata.as_slice(), of_metadata.as_slice()].concat();
        causes.extend(check(kind, &new, Some(old), call.at.part));
        if let Some(schema) = self.schemas.get(kind.plural) {
            causes.extend(schema.check(&new, Some(old), call.at.part));
        }
        if !causes.is_empty() {
            return Err(Refusal::invalid(kind, name, &causes));
        }
        if call.query.dry_run(call.request.method)? {
            return Ok(done(200, new));
        }
        if is_finished(kind, &new, old) {
            // What was written is answered, though it is never stored.
            self.store.delete(key, Some(version)).map_err(|_| Refusal::changed(kind, name))?;
            return Ok(done(200, new));
        }
        let replaced = self.store.replace(key, Some(version), Object(stored(kind, new)));
        replaced.map_err(|refused| match refused {
            Refused::Missing | Refused::Exists => Refusal::not_found(kind, name),
            Refused::Changed => Refusal::changed(kind, name),
        })?;
        Ok(done(200, self.shown(call, key)))
    }

    /// Fills in what a body leaves out.
    fn fill(&self, kind: &Kind, object: &mut Value) {
        defaults::fill(kind, object);
        if let Some(schema) = self.schemas.get(kind.plural) {
            schema.fill(object);
        }
    }

    fn validate(
        &self,
        kind: &Kind,
        new: &Value,
        old: Option<&Value>,
        part: Part,
    ) -> Result<(), Refusal> {
        let mut causes = check(kind, new, old, part);
        if let Some(schema) = self.schemas.get(kind.plural) {
            causes.extend(schema.check(new, old, part));
        }
        if causes.is_empty() {
            return Ok(());
        }
        Err(Refusal::invalid(kind, text(new, "name"), &causes))
    }

    /// New objects need a namespace that is there and will stay.
    fn check_namespace(&self, call: &Call<'_>, name: &str) -> Result<(), Refusal> {
        let kind = call.at.kind;
        let Some(namespace) = &call.at.namespace else {
            if kind.namespaced {
                return Err(Refusal::no_method());
            }
            return Ok(());
        };
        let namespaces = super::kinds::find("", "namespaces");
        let Some(namespaces) = namespaces else { return Ok(()) };
        let key = Key { stored: namespaces.stored, path: namespace.clone() };
        let (_, found) =
            self.store.get(&key).ok_or_else(|| Refusal::not_found(namespaces, namespace))?;
        if value(&found.0, "deletionTimestamp").is_some() {
            return Err(Refusal::terminating(kind, name, namespace));
        }
        Ok(())
    }

    /// An object as it is sent.
    pub(super) fn shown(&self, call: &Call<'_>, key: &Key) -> Value {
        let found = self.store.get(key);
        found.map_or(Value::Null, |(_, object)| shown(call.at.kind, call.at.version, &object.0))
    }
}

impl Call<'_> {
    /// Notes who has made `new` out of `old`.
    fn note(&self, old: &Value, new: &mut Value) {
        let (manager, api_version) = (self.manager(), self.at.api_version());
        let writer = Writer {
            manager: &manager,
            api_version: &api_version,
            subresource: &self.at.subresource,
            now: self.now,
        };
        // What this path does not write is not the writer's, also where it comes by a default.
        let kind = self.at.kind;
        let status = (kind.status && self.at.part == Part::Main)
            .then(|| new.as_object_mut().and_then(|fields| fields.remove("status")))
            .flatten();
        if let Some(status) = status {
            let mut rest = old.clone();
            if let Some(fields) = rest.as_object_mut() {
                fields.remove("status");
            }
            note_update(kind, &rest, new, &writer);
            if let Some(fields) = new.as_object_mut() {
                fields.insert("status".to_owned(), status);
            }
        } else {
            note_update(kind, old, new, &writer);
        }
    }
}

pub(super) fn done(code: u16, object: Value) -> Answer {
    Answer::Done { code, body: Body::Object(object) }
}

/// Whether the writer goes out from what is stored.
fn check_version(kind: &Kind, new: &Value, version: Version, name: &str) -> Result<(), Refusal> {
    let seen = text(new, "resourceVersion");
    let none = seen.is_empty() || seen == "0";
    if seen == version.0.to_string() || none && kind.unconditional {
        return Ok(());
    }
    if none {
        return Err(Refusal::unversioned(kind, name));
    }
    Err(Refusal::changed(kind, name))
}

/// What is written through one path leaves the other parts as they were.
fn keep_other_parts(subresource: &str, kind: &Kind, part: Part, old: &Value, new: &mut Value) {
    let Some(fields) = new.as_object_mut() else { return };
    let mut keep = |field: &str| match old.get(field) {
        Some(value) => {
            fields.insert(field.to_owned(), value.clone());
        }
        None => {
            fields.remove(field);
        }
    };
    match part {
        Part::Main => {
            if kind.status {
                keep("status");
            }
            if kind.name == "Namespace" && subresource.is_empty() {
                keep("spec");
            }
        }
        Part::Status if kind.custom => {
            let status = fields.remove("status");
            *fields = old.as_object().cloned().unwrap_or_default();
            match status {
                Some(status) => fields.insert("status".to_owned(), status),
                None => fields.remove("status"),
            };
        }
        Part::Status => {
            keep("spec");
            let class = old.pointer("/status/qosClass");
            if let (Some(class), Some(Value::Object(status))) = (class, fields.get_mut("status")) {
                status.entry("qosClass").or_insert_with(|| class.clone());
            }
        }
    }
}

/// What the API server itself keeps in the metadata (`rest.BeforeUpdate`).
fn keep_metadata(old: &Value, new: &mut Value) {
    let kept = |field: &str| value(old, field).cloned();
    metadata::set(new, "generation", kept("generation"));
    metadata::set(new, "creationTimestamp", kept("creationTimestamp"));
    metadata::set(new, "selfLink", None);
    for field in ["uid", "deletionGracePeriodSeconds", "namespace"] {
        if value(new, field).is_none_or(|value| value == "") {
            metadata::set(new, field, kept(field));
        }
    }
    if let Some(time) = kept("deletionTimestamp") {
        metadata::set(new, "deletionTimestamp", Some(time));
    }
}

/// What `metadata.generation` counts the changes of.
fn counted_part(kind: &Kind, object: &Value) -> Value {
    if !kind.custom {
        return object.get("spec").cloned().unwrap_or_default();
    }
    let mut part = object.clone();
    if let Some(fields) = part.as_object_mut() {
        fields.remove("metadata");
        if kind.status {
            fields.remove("status");
        }
    }
    part
}

/// Whether it was only waiting for its last finalizer (`ShouldDeleteDuringUpdate`).
fn is_finished(kind: &Kind, new: &Value, old: &Value) -> bool {
    let free = metadata::finalizers(new).is_empty()
        && (kind.name != "Namespace" || namespace_finalizers(new) == 0);
    free && value(old, "deletionTimestamp").is_some()
        && number(old, "deletionGracePeriodSeconds").unwrap_or_default() == 0
}

/// How many finalizers of its own a namespace has.
pub(super) fn namespace_finalizers(namespace: &Value) -> usize {
    let list = namespace.pointer("/spec/finalizers").and_then(Value::as_array);
    list.map_or(0, Vec::len)
}

/// Takes out what Go's types don't encode: nulls, empty lists and, where they are left out, empty maps.
fn tidy(kind: &Kind, object: &mut Value) {
    if kind.custom {
        if let Some(metadata) = object.get_mut("metadata") {
            tidy_fields(metadata);
        }
        return;
    }
    tidy_fields(object);
    let Some(fields) = object.as_object_mut() else { return };
    if !kind.status {
        fields.remove("status");
    }
    // Counts of none are left out, but for those that may also be unknown.
    if let (true, Some(Value::Object(status))) = (kind.name == "Job", fields.get_mut("status")) {
        status.retain(|name, value| {
            !(matches!(name.as_str(), "active" | "succeeded" | "failed") && *value == json!(0))
        });
    }
}

/// Maps that are left out where they are empty.
const LEFT_OUT: [&str; 7] =
    ["labels", "annotations", "nodeSelector", "matchLabels", "requests", "limits", "capacity"];

fn tidy_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(tidy_fields);
            fields.retain(|name, value| match value {
                Value::Null => false,
                Value::Array(items) => !items.is_empty(),
                Value::Object(fields) => !(fields.is_empty() && LEFT_OUT.contains(&name.as_str())),
                Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
            });
        }
        Value::Array(items) => items.iter_mut().for_each(tidy_fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
