//! Strategic merge, for the lists that Dislodge and the cluster around it write.
//!
//! The rules are those of Kubernetes' `apimachinery/pkg/util/strategicpatch`; which lists have a key
//! stands in the API's types as `patchMergeKey`.

use serde_json::{Map, Value};

use super::Inapplicable;

/// What an item, or an object, is to become (`$patch`).
const DIRECTIVE: &str = "$patch";
/// The order in which the items of a merged list are to stand.
const ORDER: &str = "$setElementOrder/";
/// Items that are to go from a list of texts.
const REMOVED: &str = "$deleteFromPrimitiveList/";

/// How a list is patched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    /// It is replaced.
    Replace,
    /// Its items are objects, told apart by this field.
    ByKey(&'static str),
    /// Its items are texts, and it is a set.
    Set,
}

/// The lists of Pod, Job, Node and Event that are merged; all others are replaced, also a Pod's
/// `containerStatuses` (core/v1 types: no `patchStrategy`).
fn strategy(field: &str) -> Strategy {
    match field {
        "conditions" | "addresses" => Strategy::ByKey("type"),
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "resourceClaims" => Strategy::ByKey("name"),
        "ownerReferences" => Strategy::ByKey("uid"),
        "ports" => Strategy::ByKey("containerPort"),
        "volumeMounts" => Strategy::ByKey("mountPath"),
        "podIPs" => Strategy::ByKey("ip"),
        "finalizers" => Strategy::Set,
        _ => Strategy::Replace,
    }
}

/// Merges a patch into an object.
pub(super) fn merge(object: &mut Value, patch: &Value) -> Result<(), Inapplicable> {
    let Value::Object(patch) = patch else {
        *object = patch.clone();
        return Ok(());
    };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let Value::Object(fields) = object else { return Ok(()) };
    match patch.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => {
            fields.clone_from(patch);
            fields.remove(DIRECTIVE);
            return Ok(());
        }
        Some("delete") => {
            fields.clear();
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(Inapplicable(format!("Unknown patch type found: {other}"))),
    }
    let before = fields.clone();
    for (field, value) in patch {
        if field == DIRECTIVE || field.starts_with(ORDER) {
            continue;
        }
        if let Some(list) = field.strip_prefix(REMOVED) {
            remove(fields.get_mut(list), value);
            continue;
        }
        match value {
            Value::Null => {
                fields.remove(field);
            }
            Value::Array(items) => {
                let list = fields.entry(field.clone()).or_insert_with(|| Value::Array(Vec::new()));
                merge_list(list, strategy(field), items)?;
            }
            Value::Object(_) => merge(fields.entry(field.clone()).or_insert(Value::Null), value)?,
            plain @ (Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                fields.insert(field.clone(), plain.clone());
            }
        }
    }
    for (directive, wanted) in patch {
        if let Some(field) = directive.strip_prefix(ORDER)
            && let (Some(Value::Array(items)), Value::Array(wanted)) =
                (fields.get_mut(field), wanted)
        {
            let server = before.get(field).and_then(Value::as_array);
            arrange(items, strategy(field), wanted, server.map_or(&[], Vec::as_slice));
        }
    }
    Ok(())
}

fn merge_list(list: &mut Value, strategy: Strategy, patch: &[Value]) -> Result<(), Inapplicable> {
    let Value::Array(items) = list else {
        *list = Value::Array(patch.to_vec());
        return Ok(());
    };
    let server = items.clone();
    let replaces = |item: &Value| item.get(DIRECTIVE).is_some_and(|what| what == "replace");
    match strategy {
        Strategy::Replace => {
            *items = patch.to_vec();
            return Ok(());
        }
        Strategy::ByKey(_) if patch.iter().any(replaces) => {
            *items = patch.iter().filter(|item| !replaces(item)).cloned().collect();
            return Ok(());
        }
        Strategy::ByKey(key) => {
            for item in patch {
                merge_item(items, key, item)?;
            }
        }
        Strategy::Set => {
            for item in patch {
                if !items.contains(item) {
                    items.push(item.clone());
                }
            }
        }
    }
    arrange(items, strategy, patch, &server);
    Ok(())
}

fn merge_item(items: &mut Vec<Value>, key: &str, item: &Value) -> Result<(), Inapplicable> {
    let Some(name) = item.get(key) else {
        return Err(Inapplicable(format!(
            "map: {item} does not contain declared merge key: {key}"
        )));
    };
    let is_it = |known: &Value| known.get(key) == Some(name);
    if item.get(DIRECTIVE).is_some_and(|what| what == "delete") {
        items.retain(|known| !is_it(known));
        return Ok(());
    }
    if !items.iter().any(is_it) {
        items.push(Value::Null);
        if let Some(new) = items.last_mut() {
            return merge(new, item);
        }
    }
    items.iter_mut().filter(|known| is_it(known)).try_for_each(|known| merge(known, item))
}

fn remove(list: Option<&mut Value>, gone: &Value) {
    if let (Some(Value::Array(items)), Value::Array(gone)) = (list, gone) {
        items.retain(|item| !gone.contains(item));
    }
}

/// Puts the items that a patch names in its order, and the others in the server's. Between the two,
/// the server's order decides; an item that it does not know comes first (`normalizeElementOrder` and
/// `mergeSortedSlice`).
fn arrange(items: &mut Vec<Value>, strategy: Strategy, wanted: &[Value], server: &[Value]) {
    let place = |order: &[Value], item: &Value| {
        order.iter().position(|other| match strategy {
            Strategy::ByKey(key) => other.get(key) == item.get(key),
            Strategy::Set | Strategy::Replace => other == item,
        })
    };
    let (mut named, mut others): (Vec<Value>, Vec<Value>) =
        std::mem::take(items).into_iter().partition(|item| place(wanted, item).is_some());
    named.sort_by_key(|item| place(wanted, item));
    others.sort_by_key(|item| place(server, item));
    let mut named = named.into_iter().peekable();
    for other in others {
        let at = place(server, &other);
        // Whoever stands before it by the server's order, or has no place there.
        while let Some(next) = named
            .next_if(|next| place(server, next).is_none_or(|next| at.is_none_or(|at| next < at)))
        {
            items.push(next);
        }
        items.push(other);
    }
    items.extend(named);
}
