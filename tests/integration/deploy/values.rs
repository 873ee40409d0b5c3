//! `values.yaml` and the table of the chart's README: both written from `values.schema.json`, which has
//! each value's type, default and meaning in one place.

use std::fmt::{self, Write as _};

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;

use super::generated::current;
use super::root;
use crate::Outcome;

/// The longest line of a comment.
const WIDTH: usize = 100;

/// What is read of a schema.
#[derive(Deserialize)]
struct Schema {
    description: Option<String>,
    #[serde(rename = "enum")]
    one_of: Option<Vec<Value>>,
    #[serde(rename = "type", default)]
    kind: Value,
    default: Option<Value>,
    properties: Option<Properties>,
}

/// Properties in the order in which they are written.
struct Properties(Vec<(String, Schema)>);

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Properties;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("properties")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Properties, A::Error> {
                let mut properties = Vec::new();
                while let Some(property) = map.next_entry()? {
                    properties.push(property);
                }
                Ok(Properties(properties))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

pub(super) fn are_current() -> Outcome {
    let chart = root().join("deploy/chart");
    let schema: Schema =
        serde_json::from_str(&std::fs::read_to_string(chart.join("values.schema.json"))?)?;
    let Some(Properties(properties)) = schema.properties else {
        return Err("the schema has no properties".into());
    };
    let mut values =
        "# Generated from values.schema.json by `make generate`. Change that.\n".to_owned();
    let mut table = String::new();
    write(&properties, 0, "", &mut values, &mut table)?;
    current("deploy/chart/values.yaml", &values)?;
    current("deploy/chart/README.md", &readme(&table))
}

/// Writes values as YAML, and each leaf as a row of the table.
fn write(
    properties: &[(String, Schema)],
    depth: usize,
    path: &str,
    values: &mut String,
    table: &mut String,
) -> Result<(), String> {
    let indent = "  ".repeat(depth);
    for (name, schema) in properties {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if depth == 0 {
            values.push('\n');
        }
        if let Some(Properties(inner)) = &schema.properties {
            let _infallible = writeln!(values, "{indent}{name}:");
            write(inner, depth + 1, &path, values, table)?;
            continue;
        }
        let description =
            schema.description.as_ref().ok_or_else(|| format!("{path} has no description"))?;
        let default = schema.default.as_ref().ok_or_else(|| format!("{path} has no default"))?;
        for line in wrapped(description, WIDTH - indent.len() - 2) {
            let _infallible = writeln!(values, "{indent}# {line}");
        }
        let default = default.to_string();
        let _infallible = writeln!(values, "{indent}{name}: {default}");
        let kind = schema.kind();
        let _infallible = writeln!(table, "| `{path}` | {kind} | `{default}` | {description} |");
    }
    Ok(())
}

impl Schema {
    /// The type for people.
    fn kind(&self) -> String {
        let words = |values: &[Value]| {
            let words = values.iter().map(|value| value.as_str().unwrap_or_default());
            words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")
        };
        match (&self.one_of, &self.kind) {
            (Some(values), _) => words(values),
            (None, Value::Array(kinds)) => words(kinds),
            (None, kind) => kind.as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// A text in lines of at most so many characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn readme(table: &str) -> String {
    format!(
        "\
# Helm chart of Dislodge

<!-- Generated from values.schema.json by `make generate`. Change that, or the text in
tests/integration/deploy/values.rs. -->

Dislodge gives back the queue quota that Jobs with unpullable images hold. The chart and
[kustomize](../base) give the same objects: a test renders both and compares them.

```sh
helm install dislodge deploy/chart --namespace dislodge-system --create-namespace \\
  --set image.repository=<the place of your registry>
```

Without an `ImagePullPolicy` nothing is done. [docs/install.md](../../docs/install.md) says which rights each
profile has, and how to leave; `deploy/overlays/*/values.yaml` are worked examples.

The CRD is a template, so that `helm upgrade` upgrades it; it stays when the release is uninstalled, and with it
every policy (`crds.keep`).

## Values

| value | type | default | meaning |
|---|---|---|---|
{table}"
    )
}
