//! The health check for Argo CD: in the layout that Argo CD's own repository has for such checks, run by
//! the Lua that it uses (5.1), and held against the rules of kstatus over all states of a policy.

use std::path::PathBuf;

use mlua::{Lua, LuaOptions, StdLib};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{documents, report, root};
use crate::Outcome;

#[derive(Deserialize)]
struct Suite {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    input_path: PathBuf,
    health_status: Health,
}

/// What Argo CD shows.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Health {
    status: String,
    message: String,
}

fn argo_cd() -> PathBuf {
    root().join("examples/gitops/platform/argo-cd")
}

pub(super) fn every_case() -> Outcome {
    let folder = argo_cd().join("resource_customizations/dislodge.dev/ImagePullPolicy");
    let script = std::fs::read_to_string(folder.join("health.lua"))?;
    let suite: Suite =
        serde_saphyr::from_str(&std::fs::read_to_string(folder.join("health_test.yaml"))?)?;
    let mut wrong = Vec::new();
    for test in suite.tests {
        for object in documents(&folder.join(&test.input_path))? {
            let health = health(&script, &object)?;
            if health != test.health_status {
                wrong.push(format!("{}: {health:?}", test.input_path.display()));
            }
        }
    }
    for object in states() {
        let (health, expected) = (health(&script, &object)?, kstatus(&object));
        if health.status != expected {
            wrong.push(format!("{object}: {health:?}, by kstatus {expected}"));
        }
    }
    let settings = documents(&argo_cd().join("argocd-cm.yaml"))?;
    let key = "resource.customizations.health.dislodge.dev_ImagePullPolicy";
    if settings[0]["data"][key] != script {
        wrong.push(format!("argocd-cm.yaml: {key} is not health.lua"));
    }
    report(&wrong)
}

/// Runs the check with what Argo CD opens for one: the base and `table`, no `string`, no `math`
/// (Argo CD: util/lua/lua.go; with `useOpenLibs` a check would get more).
fn health(script: &str, object: &Value) -> Result<Health, String> {
    let run = || -> mlua::Result<Health> {
        let lua = Lua::new_with(StdLib::TABLE, LuaOptions::default())?;
        lua.globals().set("obj", value(&lua, object)?)?;
        let health: mlua::Table = lua.load(script).eval()?;
        Ok(Health { status: health.get("status")?, message: health.get("message")? })
    };
    run().map_err(|error| format!("{object}: {error}"))
}

fn value(lua: &Lua, json: &Value) -> mlua::Result<mlua::Value> {
    Ok(match json {
        Value::Null => mlua::Value::Nil,
        Value::Bool(flag) => mlua::Value::Boolean(*flag),
        // Lua 5.1 knows no integers.
        Value::Number(number) => mlua::Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => mlua::Value::String(lua.create_string(text)?),
        Value::Array(items) => {
            let items: Vec<_> =
                items.iter().map(|item| value(lua, item)).collect::<Result<_, _>>()?;
            mlua::Value::Table(lua.create_sequence_from(items)?)
        }
        Value::Object(fields) => {
            let table = lua.create_table()?;
            for (name, field) in fields {
                table.set(name.as_str(), value(lua, field)?)?;
            }
            mlua::Value::Table(table)
        }
    })
}

/// Every state of a policy that the rules of kstatus tell apart, in each order of its conditions.
fn states() -> Vec<Value> {
    const ORDERS: [[&str; 3]; 6] = [
        ["Ready", "Stalled", "Reconciling"],
        ["Ready", "Reconciling", "Stalled"],
        ["Stalled", "Ready", "Reconciling"],
        ["Stalled", "Reconciling", "Ready"],
        ["Reconciling", "Ready", "Stalled"],
        ["Reconciling", "Stalled", "Ready"],
    ];
    const STATUSES: [Option<&str>; 4] = [None, Some("True"), Some("False"), Some("Unknown")];
    let mut states = vec![json!({"metadata": {"generation": 1}})];
    for order in ORDERS {
        for number in 0..STATUSES.len().pow(3) {
            let statuses =
                [STATUSES[number % 4], STATUSES[number / 4 % 4], STATUSES[number / 16 % 4]];
            let conditions: Vec<Value> = order
                .iter()
                .zip(statuses)
                .filter_map(|(kind, status)| {
                    status.map(|status| json!({"type": kind, "status": status, "message": kind}))
                })
                .collect();
            for observed in [json!(null), json!(-1), json!(1), json!(2)] {
                for deleted in [json!(null), json!("2026-01-02T03:04:05Z")] {
                    states.push(json!({
                        "metadata": {"generation": 2, "deletionTimestamp": deleted},
                        "status": {"observedGeneration": observed, "conditions": conditions},
                    }));
                }
            }
        }
    }
    states
}

/// The rules of kstatus (fluxcd/cli-utils: pkg/kstatus/status/generic.go and `Compute`), in the words of
/// Argo CD, which has none for an object that is being deleted.
fn kstatus(object: &Value) -> &'static str {
    let (metadata, status) = (&object["metadata"], &object["status"]);
    if !metadata["deletionTimestamp"].is_null() {
        return "Progressing"; // Terminating
    }
    let observed = &status["observedGeneration"];
    if !observed.is_null() && *observed != metadata["generation"] {
        return "Progressing"; // InProgress
    }
    let conditions = || status["conditions"].as_array().into_iter().flatten();
    for condition in conditions() {
        match (condition["type"].as_str(), condition["status"].as_str()) {
            (Some("Reconciling"), Some("True")) => return "Progressing", // InProgress
            (Some("Stalled"), Some("True")) => return "Degraded",        // Failed
            _ => {}
        }
    }
    match conditions().find(|condition| condition["type"] == "Ready") {
        Some(ready) if ready["status"] != "True" => "Progressing", // InProgress
        _ => "Healthy",                                            // Current
    }
}
