//! Deletion: at once, with grace, or once the last finalizer is gone.
//!
//! As `rest.BeforeDelete` and `Store.Delete` of Kubernetes' generic registry have it.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::kinds::Kind;
use super::metadata::{self, finalizers, number, seconds, text, value};
use super::refusal::{Cause, Refusal, success};
use super::views::{shown, stored};
use super::writing::{done, namespace_finalizers};
use super::{Answer, Call, Key, Method, Object, Server};

/// What a deletion is asked for.
#[derive(Debug, Default)]
struct Options {
    grace: Option<i64>,
    uid: Option<String>,
    version: Option<String>,
    propagation: Option<String>,
    dry_run: bool,
}

/// What becomes of an object that has no reason to stay.
enum Fate {
    /// It is being deleted already, and nothing changes.
    Pending,
    /// It is marked, and stays for the time being.
    Marked(Value),
    /// It goes.
    Gone,
}

impl Server {
    /// Deletes an object.
    pub(super) fn delete(&mut self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let kind = call.at.kind;
        if !call.at.subresource.is_empty() {
            return Err(Refusal::no_method());
        }
        let options = Options::read(call)?;
        let name = call.at.name.clone().unwrap_or_default();
        let key = call.key(&name);
        let (version, object) =
            self.store.get(&key).ok_or_else(|| Refusal::not_found(kind, &name))?;
        let old = shown(kind, call.at.version, &object.0);
        check_preconditions(kind, &old, &options)?;
        match fate(call, &old, &options) {
            Fate::Pending => Ok(done(200, old)),
            Fate::Marked(new) => {
                if options.dry_run {
                    return Ok(done(200, new));
                }
                let marked = self.store.replace(&key, Some(version), Object(stored(kind, new)));
                marked.map_err(|_| Refusal::changed(kind, &name))?;
                Ok(done(200, self.shown(call, &key)))
            }
            Fate::Gone => self.remove(call, &key, &name, &options, old),
        }
    }

    fn remove(
        &mut self,
        call: &Call<'_>,
        key: &Key,
        name: &str,
        options: &Options,
        mut last: Value,
    ) -> Result<Answer, Refusal> {
        let kind = call.at.kind;
        if !options.dry_run {
            let gone = self.store.delete(key, None).map_err(|_| Refusal::not_found(kind, name))?;
            last = shown(kind, call.at.version, &gone.0);
        }
        if kind.returned {
            if kind.name == "Pod" {
                mark(&mut last, call, 0);
            }
            return Ok(done(200, last));
        }
        let uid = value(&last, "uid").cloned().unwrap_or_default();
        Ok(done(200, success(kind, name, &uid)))
    }
}

impl Options {
    /// From the body and the query; the query wins.
    fn read(call: &Call<'_>) -> Result<Self, Refusal> {
        let body = if call.request.body.is_empty() { Value::Null } else { call.body()? };
        let text = |at: &str| body.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let asked = |name: &str| call.query.get(name).map(str::to_owned);
        let grace = match call.query.number("gracePeriodSeconds")? {
            Some(seconds) => i64::try_from(seconds).ok(),
            None => body.get("gracePeriodSeconds").and_then(Value::as_i64),
        };
        let propagation = asked("propagationPolicy").or_else(|| text("/propagationPolicy"));
        let known = ["Foreground", "Background", "Orphan"];
        if let Some(other) = propagation.as_deref().filter(|policy| !known.contains(policy)) {
            let known = ["Foreground", "Background", "Orphan", "nil"];
            let cause = Cause::not_supported("propagationPolicy", other, &known);
            return Err(Refusal::options(Method::Delete, &cause));
        }
        let dry = body.get("dryRun").and_then(Value::as_array);
        Ok(Self {
            grace,
            uid: text("/preconditions/uid"),
            version: text("/preconditions/resourceVersion"),
            propagation,
            dry_run: call.query.dry_run(call.request.method)?
                || dry.is_some_and(|all| all.contains(&json!("All"))),
        })
    }
}

fn check_preconditions(kind: &Kind, old: &Value, options: &Options) -> Result<(), Refusal> {
    let name = text(old, "name");
    for (wanted, field, what, then) in [
        (&options.uid, "uid", "UID", "been deleted and then recreated"),
        (&options.version, "resourceVersion", "ResourceVersion", "been modified"),
    ] {
        let is = text(old, field);
        if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != is) {
            let why = format!(
                "the {what} in the precondition ({wanted}) does not match the {what} in record \
                 ({is}). The object might have {then}"
            );
            return Err(Refusal::precondition(kind, name, &why));
        }
    }
    Ok(())
}

fn fate(call: &Call<'_>, old: &Value, options: &Options) -> Fate {
    let kind = call.at.kind;
    let mut new = old.clone();
    let mut marked = false;
    if kind.name == "Pod" {
        match value(old, "deletionTimestamp") {
            None => {
                mark(&mut new, call, grace(old, options));
                marked = true;
            }
            // A shorter grace than the one that runs is granted.
            Some(_) => match (number(old, "deletionGracePeriodSeconds"), options.grace) {
                (None | Some(0), _) => {}
                (Some(running), Some(asked)) if asked < running => {
                    shorten(&mut new, call, running, asked);
                    marked = true;
                }
                _ => return Fate::Pending,
            },
        }
    }
    let mut waiting: Vec<String> = finalizers(old).into_iter().map(str::to_owned).collect();
    let added = propagated(kind, options, &waiting);
    if let Some(list) = &added {
        waiting.clone_from(list);
        let list = (!list.is_empty()).then(|| json!(list));
        metadata::set(&mut new, "finalizers", list);
    }
    if kind.name == "Namespace" && namespace_finalizers(old) > 0 {
        if let Some(status) = metadata::within(&mut new, "status") {
            status.insert("phase".to_owned(), json!("Terminating"));
        }
        if value(old, "deletionTimestamp").is_none() {
            metadata::set(&mut new, "deletionTimestamp", Some(json!(seconds(call.now))));
        }
        return Fate::Marked(new);
    }
    let zero = number(&new, "deletionGracePeriodSeconds").unwrap_or_default() == 0;
    if marked && !zero {
        return Fate::Marked(new);
    }
    if waiting.is_empty() {
        return Fate::Gone;
    }
    if !marked {
        mark_as_deleting(&mut new, call);
    }
    Fate::Marked(new)
}

/// How long a Pod may take to end (`podStrategy.CheckGracefulDelete`).
fn grace(pod: &Value, options: &Options) -> i64 {
    let spec = |field: &str| pod.get("spec").and_then(|spec| spec.get(field));
    let own = || spec("terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
    let period = options.grace.unwrap_or_else(own);
    let unscheduled = spec("nodeName").and_then(Value::as_str).unwrap_or_default().is_empty();
    let phase = pod.pointer("/status/phase").and_then(Value::as_str);
    if unscheduled || matches!(phase, Some("Failed" | "Succeeded")) {
        return 0;
    }
    if period < 0 { 1 } else { period }
}

fn mark(object: &mut Value, call: &Call<'_>, grace: i64) {
    let at = call.now.saturating_add(SignedDuration::from_secs(grace)).unwrap_or(call.now);
    if value(object, "deletionTimestamp").is_none() {
        count(object);
        metadata::set(object, "deletionTimestamp", Some(json!(seconds(at))));
    }
    metadata::set(object, "deletionGracePeriodSeconds", Some(json!(grace)));
}

/// `markAsDeleting`: for what knows no grace.
fn mark_as_deleting(object: &mut Value, call: &Call<'_>) {
    if value(object, "deletionTimestamp").is_none() {
        count(object);
        metadata::set(object, "deletionTimestamp", Some(json!(seconds(call.now))));
    }
    metadata::set(object, "deletionGracePeriodSeconds", Some(json!(0)));
}

fn count(object: &mut Value) {
    if let Some(generation) = number(object, "generation").filter(|generation| *generation > 0) {
        metadata::set(object, "generation", Some(json!(generation + 1)));
    }
}

fn shorten(object: &mut Value, call: &Call<'_>, running: i64, asked: i64) {
    let until: Option<jiff::Timestamp> = text(object, "deletionTimestamp").parse().ok();
    let earlier = SignedDuration::from_secs(running - asked);
    let until = until.and_then(|until| until.checked_sub(earlier).ok()).unwrap_or(call.now);
    // Not in the past; then what is left is a moment, unless none was asked for.
    let (until, asked) =
        if until < call.now { (call.now, i64::from(asked != 0)) } else { (until, asked) };
    metadata::set(object, "deletionTimestamp", Some(json!(seconds(until))));
    metadata::set(object, "deletionGracePeriodSeconds", Some(json!(asked)));
}

/// The finalizers by which the garbage collector is told what to do with what the object owns;
/// `None`: they stay as they are. A Job leaves its Pods behind unless it is told otherwise.
fn propagated(kind: &Kind, options: &Options, now: &[String]) -> Option<Vec<String>> {
    let is_told = now.iter().any(|one| one == "orphan" || one == "foregroundDeletion");
    let wanted = match options.propagation.as_deref() {
        None if is_told => return None,
        None if kind.name == "Job" => Some("orphan"),
        Some("Foreground") => Some("foregroundDeletion"),
        Some("Orphan") => Some("orphan"),
        Some(_) | None => None,
    };
    let mut list: Vec<String> = now
        .iter()
        .filter(|one| *one != "orphan" && *one != "foregroundDeletion")
        .cloned()
        .collect();
    list.extend(wanted.map(str::to_owned));
    (list != now).then_some(list)
}
