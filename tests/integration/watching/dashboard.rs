//! The Grafana dashboard of `deploy/components/dashboard`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::alerts::{folder, promtool};
use crate::Outcome;
use crate::deploy::{report, root};

const FILE: &str = "deploy/components/dashboard/dislodge.json";
/// How many columns a dashboard has (Grafana: `GRID_COLUMN_COUNT`).
const COLUMNS: u64 = 24;
/// Variables that Grafana itself brings, with a value that a query can have.
const OF_GRAFANA: [(&str, &str); 1] = [("$__rate_interval", "5m")];

fn dashboard() -> Result<Value, String> {
    let text = std::fs::read_to_string(root().join(FILE)).map_err(|e| format!("{FILE}: {e}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{FILE}: {error}"))
}

fn list<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// Every query of the panels, with the panel's title, and of the variables.
pub(super) fn expressions() -> Result<Vec<(String, String)>, String> {
    let dashboard = dashboard()?;
    let mut all = Vec::new();
    for panel in list(&dashboard, "/panels") {
        for target in list(panel, "/targets") {
            all.push((text(panel, "/title").to_owned(), text(target, "/expr").to_owned()));
        }
    }
    for variable in list(&dashboard, "/templating/list") {
        let query = text(variable, "/query/query");
        if let Some(inside) = query.strip_prefix("label_values(") {
            let selector = inside.rsplit_once(',').map_or(inside, |(selector, _)| selector);
            all.push((format!("variable {}", text(variable, "/name")), selector.to_owned()));
        }
    }
    Ok(all)
}

pub(super) fn is_whole() -> Outcome {
    let dashboard = dashboard()?;
    let mut wrong = Vec::new();
    for path in ["/uid", "/title", "/description", "/refresh", "/time/from"] {
        if text(&dashboard, path).is_empty() {
            wrong.push(format!("{path} is missing"));
        }
    }
    if !dashboard.pointer("/id").is_none_or(Value::is_null) {
        wrong.push("it has the id of one Grafana".to_owned());
    }
    let variables: BTreeSet<String> = list(&dashboard, "/templating/list")
        .map(|variable| text(variable, "/name").to_owned())
        .collect();
    let wanted = ["datasource", "installation", "namespace", "queue"].map(str::to_owned);
    if variables != BTreeSet::from(wanted) {
        wrong.push(format!("the variables are {variables:?}"));
    }
    let (mut ids, mut used, mut taken) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for panel in list(&dashboard, "/panels") {
        let title = text(panel, "/title");
        let mut told = |what: String| wrong.push(format!("{title:?}: {what}"));
        if !ids.insert(panel.pointer("/id").and_then(Value::as_u64)) {
            told("another panel has its id".to_owned());
        }
        for cell in cells(panel) {
            if cell.0 >= COLUMNS || !taken.insert(cell) {
                told(format!("it lies on another panel, or beside the grid, at {cell:?}"));
                break;
            }
        }
        if text(panel, "/type") == "row" {
            continue;
        }
        if text(panel, "/description").is_empty() || list(panel, "/targets").next().is_none() {
            told("it has no description or no query".to_owned());
        }
        if text(panel, "/fieldConfig/defaults/unit").is_empty() {
            told("it has no unit".to_owned());
        }
        let mut sources = [panel].into_iter().chain(list(panel, "/targets"));
        if sources.any(|of| text(of, "/datasource/uid") != "${datasource}") {
            told("it reads from another data source than the chosen one".to_owned());
        }
        let mut names = BTreeSet::new();
        for target in list(panel, "/targets") {
            if !names.insert(text(target, "/refId")) {
                told("two queries have one refId".to_owned());
            }
            for name in text(target, "/expr").split('$').skip(1) {
                let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
                let of_grafana =
                    OF_GRAFANA.iter().any(|(known, _)| known.strip_prefix('$') == Some(name));
                if !of_grafana && !variables.contains(name) {
                    told(format!("there is no variable {name}"));
                }
                used.insert(name.to_owned());
            }
        }
    }
    let idle = variables.iter().filter(|name| *name != "datasource" && !used.contains(*name));
    wrong.extend(idle.map(|name| format!("no query has the variable {name}")));
    report(&wrong)
}

/// The cells of the grid that a panel covers.
fn cells(panel: &Value) -> Vec<(u64, u64)> {
    let at = |path: &str| panel.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let (x, y, w, h) = (at("/gridPos/x"), at("/gridPos/y"), at("/gridPos/w"), at("/gridPos/h"));
    (x..x + w).flat_map(|column| (y..y + h).map(move |line| (column, line))).collect()
}

/// As recording rules, since promtool checks rules.
pub(super) fn passes_promtool() -> Outcome {
    let rules: Vec<Value> = expressions()?
        .into_iter()
        .enumerate()
        .map(|(number, (_, expression))| {
            let expression = OF_GRAFANA
                .iter()
                .fold(expression, |text, (variable, value)| text.replace(variable, value));
            json!({"record": format!("dashboard:{number}"), "expr": expression})
        })
        .collect();
    let folder = folder("dashboard")?;
    let groups = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    std::fs::write(folder.join("rules.yaml"), groups.to_string())?;
    promtool(&folder, &["check", "rules", "rules.yaml"])
}
