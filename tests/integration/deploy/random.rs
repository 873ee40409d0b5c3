//! Releases out of a seed: names that Helm takes, and values that the schema of the chart takes. A new value is tried as
//! soon as it is in the schema, or the test says that it does not know what to write there.

use dislodge_sim::chance::Chance;
use serde_json::{Map, Value, json};

/// The longest name of a release that Helm takes, and of a namespace.
const RELEASE: u64 = 53;
const NAMESPACE: u64 = 63;
/// Texts that YAML takes for something else, or Helm for a template's.
const AWKWARD: [&str; 12] = [
    "7",
    "1e3",
    "0x1f",
    "true",
    "null",
    "no",
    "2026-11-27",
    "a: b",
    "it's",
    "\"said\"",
    "# nothing",
    "{{ .Values }}",
];
/// Such texts among the values that labels can have.
const LABELS: [&str; 8] = ["7", "1e3", "0x1f", "true", "null", "no", "2026-11-27", "a.b_c"];

/// A release.
pub(super) struct Drawn {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) values: Value,
}

/// The release of a seed.
pub(super) fn release(seed: u64, schema: &Value) -> Result<Drawn, String> {
    let mut chance = Chance::new(seed);
    let mut name = label(&mut chance, RELEASE);
    if name.len() > 2 && chance.one_in(4) {
        let dot = name.len() / 2;
        if !name[dot - 1..=dot + 1].contains('-') {
            name.replace_range(dot..=dot, ".");
        }
    }
    let namespace = label(&mut chance, NAMESPACE);
    let mut values = object("", schema, &mut chance)?;
    // Of a chart that has this one as a dependency: nothing in it is read.
    values["global"] = json!({"of": "others"});
    Ok(Drawn { name, namespace, values })
}

fn object(path: &str, schema: &Value, chance: &mut Chance) -> Result<Value, String> {
    let mut drawn = Map::new();
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if schema["properties"].is_object() {
            drawn.insert(name.clone(), object(&path, schema, chance)?);
        } else if !chance.one_in(3) {
            drawn.insert(name.clone(), leaf(&path, schema, chance)?);
        }
    }
    Ok(drawn.into())
}

fn leaf(path: &str, schema: &Value, chance: &mut Chance) -> Result<Value, String> {
    if let Some(all) = schema["enum"].as_array() {
        return Ok(chance.pick(all));
    }
    let samples = samples(path);
    if !samples.is_empty() {
        return Ok(chance.pick(&samples));
    }
    match schema["type"].as_str() {
        Some("boolean") => Ok(chance.one_in(2).into()),
        Some("object") if path.ends_with("nnotations") => Ok(texts(&AWKWARD, chance)),
        Some("object") if path.ends_with("abels") || path == "nodeSelector" => {
            Ok(texts(&LABELS, chance))
        }
        Some("array") if schema["items"]["type"] == "string" => {
            let some = (0..chance.within(0..4)).map(|_| chance.pick(&AWKWARD)).collect::<Vec<_>>();
            Ok(json!(some))
        }
        Some("string") if path.ends_with("ame") || path.ends_with("Override") => {
            let mut name = label(chance, 63);
            if name.starts_with(|first: char| first.is_ascii_digit()) {
                name.replace_range(..1, "n");
            }
            Ok(if chance.one_in(3) { String::new() } else { name }.into())
        }
        _ => Err(format!("{path}: nobody has said what can stand there: see random.rs")),
    }
}

/// What can stand where the type alone does not tell.
fn samples(path: &str) -> Vec<Value> {
    match path {
        "global" => vec![json!({})],
        "replicaCount" => vec![json!(0), json!(1), json!(3), json!(1_000_000)],
        "image.repository" => vec![json!("dislodge"), json!("registry.example:5000/team/dislodge")],
        "image.tag" => vec![json!("dev"), json!("7"), json!("1.0"), json!("1e3")],
        "image.digest" => vec![json!(""), json!(format!("sha256:{}", "0f".repeat(32)))],
        "imagePullSecrets" => vec![json!([]), json!([{"name": "registry"}, {"name": "7"}])],
        "logLevel" => vec![json!(""), json!("debug"), json!("info,dislodge::watch=debug")],
        "extraEnv" => vec![json!([]), json!([{"name": "HTTPS_PROXY", "value": "7"}])],
        "resources" => vec![json!({}), json!({"limits": {"memory": "1Gi"}})],
        "podSecurityContext" | "securityContext" => {
            vec![json!({}), json!({"runAsUser": 1_000_001})]
        }
        "tolerations" => vec![json!([]), json!([{"key": "gpu", "operator": "Exists"}])],
        "affinity" => vec![json!({}), json!({"nodeAffinity": {}})],
        "topologySpreadConstraints" => vec![
            json!([]),
            json!([{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]),
        ],
        "priorityClassName" => vec![json!(""), json!("system-cluster-critical"), json!("7")],
        "podDisruptionBudget.maxUnavailable" => vec![json!(1), json!("50%"), json!(1_000_000)],
        "metrics.serviceMonitor.interval" | "metrics.podMonitor.interval" => {
            vec![json!("30s"), json!("1m"), json!("15")]
        }
        "metrics.prometheusRule.runbookUrl" => vec![json!("https://git.example/a?b=c#d")],
        "networkPolicy.apiServer.cidrs" => {
            vec![json!([]), json!(["192.0.2.10/32", "2001:db8::/32"])]
        }
        "networkPolicy.apiServer.ports" => vec![json!([443]), json!([1, 65_535])],
        _ => Vec::new(),
    }
}

/// Up to three keys with such values; the chart's own among the keys.
fn texts(values: &[&str], chance: &mut Chance) -> Value {
    let keys = ["team", "example.com/7", "app.kubernetes.io/part-of", "app.kubernetes.io/name"];
    let count = chance.within(0..4);
    let drawn = (0..count).map(|_| (chance.pick(&keys).to_owned(), json!(chance.pick(values))));
    drawn.collect::<Map<_, _>>().into()
}

/// A name by the rules of DNS labels, up to so long.
fn label(chance: &mut Chance, longest: u64) -> String {
    let length = if chance.one_in(4) { longest } else { chance.within(1..longest + 1) };
    let mut name: String = (0..length)
        .map(|_| chance.pick(&b"abcdefghijklmnopqrstuvwxyz0123456789-"[..]))
        .map(char::from)
        .collect();
    for end in [0, name.len() - 1] {
        if name[end..].starts_with('-') {
            name.replace_range(end..=end, "7");
        }
    }
    // All digits, now and then: YAML takes it for a number.
    if chance.one_in(8) {
        name.bytes().map(|byte| char::from(b'0' + byte % 10)).collect()
    } else {
        name
    }
}
