//! A script of requests that any API server can be asked, and its answers without what is different
//! each time: uids, versions, times.

mod known;
mod steps;

use std::collections::BTreeSet;

use dislodge_testbed::Memory;
use http::Method;
use jiff::Timestamp;
use kube::Client;
use libtest_mimic::Failed;
use serde_json::{Value, json};

pub(crate) use self::steps::{SUBJECTS, steps};

/// A server in memory that the script can be played on.
pub(crate) async fn memory(namespace: &str) -> Result<Memory, Failed> {
    let memory = super::memory(Timestamp::UNIX_EPOCH);
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    let request =
        http::Request::post("/api/v1/namespaces").body(object.to_string().into_bytes())?;
    memory.client().request::<Value>(request).await?;
    Ok(memory)
}

/// How the model's answer differs from the real one, but for what is known.
pub(crate) fn difference(step: &Step, real: &Value, model: &Value) -> Option<String> {
    let (real, model) = (&by_manager(real), &by_manager(model));
    let paths = differences(real, model);
    let unknown: Vec<String> = paths
        .into_iter()
        .filter(|path| !known::is_known(&step.title, path))
        .map(|path| {
            let at = |answer: &Value| answer.pointer(&path).cloned().unwrap_or_default();
            format!("    {path}:\n       real {}\n      model {}", at(real), at(model))
        })
        .collect();
    let title = &step.title;
    (!unknown.is_empty()).then(|| format!("  {title}\n{}", unknown.join("\n")))
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// What is asked, in words.
    pub(crate) title: String,
    pub(crate) method: Method,
    /// Path and query, with `$ns`, `$rv`, `$list` and `$continue` in the place of what is known then.
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Body,
}

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    None,
    /// With `$ns`, `$rv` and `$uid`.
    Json(Value),
    Raw(&'static str),
    /// The object as it was read last, with this merged into it.
    Read(Value),
}

/// Plays steps on one server.
pub(crate) struct Player {
    client: Client,
    namespace: String,
    /// The object as it was read last.
    read: Value,
    /// The version of the last list.
    list: String,
    /// The token of the last page.
    token: String,
    uids: Vec<String>,
    versions: Vec<String>,
}

impl Player {
    pub(crate) fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            read: Value::Null,
            list: String::new(),
            token: String::new(),
            uids: Vec::new(),
            versions: Vec::new(),
        }
    }

    /// Asks, and answers with code and body as they are each time.
    pub(crate) async fn play(&mut self, step: &Step) -> Result<Value, Failed> {
        let body = match &step.body {
            Body::None => String::new(),
            Body::Raw(text) => (*text).to_owned(),
            Body::Json(body) => self.filled(&body.to_string()),
            Body::Read(patch) => {
                let mut object = self.read.clone();
                let patch = serde_json::from_str(&self.filled(&patch.to_string()))?;
                dislodge_sim::patch::apply(&mut object, &dislodge_sim::patch::Patch::Merge(patch))
                    .map_err(|why| why.0)?;
                object.to_string()
            }
        };
        let request = http::Request::builder()
            .method(step.method.clone())
            .uri(self.filled(&step.path))
            .header("content-type", step.content_type)
            .header("user-agent", "script/1.0")
            .body(body.into_bytes().into())?;
        let answer = self.client.send(request).await?;
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect_bytes().await?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = if step.path.contains("watch=") && code == 200 {
            let events = text.lines().map(serde_json::from_str::<Value>);
            let mut events = events.collect::<Result<Vec<_>, _>>()?;
            // The one bookmark that says something; others come when they come.
            events.retain(|event| {
                event["type"] != "BOOKMARK" || !event["object"]["metadata"]["annotations"].is_null()
            });
            Value::Array(events)
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        self.learn(&body, step);
        let mut told = json!({"code": code, "body": body});
        self.forget_what_differs(&mut told, "");
        Ok(told)
    }

    fn filled(&self, text: &str) -> String {
        let metadata = |field: &str| self.read["metadata"][field].as_str().unwrap_or_default();
        text.replace("$ns", &self.namespace)
            .replace("$uid", metadata("uid"))
            .replace("$rv", metadata("resourceVersion"))
            .replace("$list", &self.list)
            .replace("$continue", &self.token)
    }

    fn learn(&mut self, body: &Value, step: &Step) {
        let metadata = &body["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if body["items"].is_array() {
            self.list = text(&metadata["resourceVersion"]);
            self.token = text(&metadata["continue"]);
        } else if metadata["name"] == "one" && !step.path.contains("dryRun") {
            self.read = body.clone();
        }
    }

    /// Puts numbers, in the order of their appearance, in the place of uids and versions.
    fn forget_what_differs(&mut self, value: &mut Value, field: &str) {
        match value {
            Value::Object(fields) => {
                if fields.get("type").is_some_and(|kind| kind == "BOOKMARK") {
                    // As new as the newest change of anybody's object of the kind.
                    fields["object"]["metadata"]["resourceVersion"] = json!("as of the list");
                }
                let is_list = fields.get("items").is_some_and(Value::is_array);
                if let (true, Some(metadata)) = (is_list, fields.get_mut("metadata")) {
                    metadata["resourceVersion"] = json!("as of the list");
                    metadata["continue"] = match metadata["continue"].as_str() {
                        None | Some("") => Value::Null,
                        Some(_) => json!("token"),
                    };
                }
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(name, mut value)| {
                        self.forget_what_differs(&mut value, &name);
                        // Owners are told apart by their uids.
                        (if name.starts_with("k:") { self.lasting(&name, "") } else { name }, value)
                    })
                    .collect();
            }
            Value::Array(items) => {
                for item in items {
                    self.forget_what_differs(item, field);
                }
            }
            Value::String(text) => *text = self.lasting(text, field),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn lasting(&mut self, text: &str, field: &str) -> String {
        let number = |known: &mut Vec<String>, text: &str| {
            let at = known.iter().position(|one| one == text).unwrap_or_else(|| {
                known.push(text.to_owned());
                known.len() - 1
            });
            at + 1
        };
        match field {
            "uid" if text.len() == 36 => return format!("uid {}", number(&mut self.uids, text)),
            "resourceVersion" if text != "as of the list" => {
                return format!("version {}", number(&mut self.versions, text));
            }
            _ => {}
        }
        if text.parse::<jiff::Timestamp>().is_ok() {
            return "time".to_owned();
        }
        let mut text = text.to_owned();
        for (at, uid) in self.uids.iter().enumerate() {
            text = text.replace(uid.as_str(), &format!("uid {}", at + 1));
        }
        for (at, version) in self.versions.iter().enumerate() {
            text = text.replace(&format!("({version})"), &format!("(version {})", at + 1));
        }
        text
    }
}

/// The order of `managedFields` is that of times, which are not the same.
fn by_manager(answer: &Value) -> Value {
    match answer {
        Value::Object(fields) => {
            let sorted = fields.iter().map(|(name, value)| {
                let mut value = by_manager(value);
                if let ("managedFields", Value::Array(entries)) = (name.as_str(), &mut value) {
                    let key = |entry: &Value| {
                        ["manager", "operation", "subresource"].map(|of| entry[of].to_string())
                    };
                    entries.sort_by_key(key);
                }
                (name.clone(), value)
            });
            Value::Object(sorted.collect())
        }
        Value::Array(items) => items.iter().map(by_manager).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => answer.clone(),
    }
}

/// The paths at which two answers differ.
pub(crate) fn differences(one: &Value, other: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    compare(one, other, "", &mut found);
    found
}

fn compare(one: &Value, other: &Value, path: &str, found: &mut BTreeSet<String>) {
    match (one, other) {
        (Value::Object(left), Value::Object(right)) => {
            for name in left.keys().chain(right.keys()).collect::<BTreeSet<_>>() {
                let escaped = name.replace('~', "~0").replace('/', "~1");
                compare(&one[name], &other[name], &format!("{path}/{escaped}"), found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for index in 0..left.len() {
                compare(&one[index], &other[index], &format!("{path}/{index}"), found);
            }
        }
        _ if one == other => {}
        _ => {
            found.insert(path.to_owned());
        }
    }
}
