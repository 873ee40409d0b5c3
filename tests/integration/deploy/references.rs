//! Whether what is rendered holds together: names that one object has of another.

use serde_json::Value;

use super::random::{self, Drawn};
use super::render::{OVERLAYS, Release, everything, helm, kustomize};
use super::{report, root};
use crate::Outcome;

/// Names of releases, the longest that Helm takes among them, and values that change names.
const RELEASES: [(&str, &str, &str); 6] = [
    ("dislodge", "dislodge-system", "{}"),
    ("x", "team-a", "{}"),
    ("batch-dislodge-2", "a", r#"{"scope": "Namespace"}"#),
    ("a-release-whose-name-has-just-as-many-letters-as-fits", "b", "{}"),
    (
        "short",
        "c",
        r#"{"fullnameOverride": "a-name-of-sixty-three-characters-which-is-the-most-a-label-take"}"#,
    ),
    (
        "named",
        "d",
        r#"{"nameOverride": "pulls", "serviceAccount": {"create": false, "name": "given"}}"#,
    ),
];

pub(super) fn of_every_overlay() -> Outcome {
    let mut wrong = Vec::new();
    for (overlay, namespace) in OVERLAYS {
        let name = if overlay.is_empty() { "base" } else { overlay };
        let found = unresolved(&kustomize(overlay)?, namespace, true);
        wrong.extend(found.into_iter().map(|what| format!("{name}: {what}")));
    }
    report(&wrong)
}

pub(super) fn of_any_release() -> Outcome {
    let mut wrong = Vec::new();
    for (name, namespace, values) in RELEASES {
        let mut all = everything();
        let values: Value = serde_json::from_str(values)?;
        let has_account = values["serviceAccount"]["create"] != false;
        for (field, value) in values.as_object().into_iter().flatten() {
            all[field] = value.clone();
        }
        let release = Release { name, namespace, overlay: "", values: &all };
        let found = unresolved(&helm(&release)?, namespace, has_account);
        wrong.extend(found.into_iter().map(|what| format!("release {name}: {what}")));
    }
    report(&wrong)
}

pub(super) fn of_random_releases() -> Outcome {
    let schema = std::fs::read_to_string(root().join("deploy/chart/values.schema.json"))?;
    let schema: Value = serde_json::from_str(&schema)?;
    let mut wrong = Vec::new();
    for seed in 0..100 {
        let Drawn { name, namespace, values } = random::release(seed, &schema)?;
        let has_account = values["serviceAccount"]["create"] != false;
        let release = Release { name: &name, namespace: &namespace, overlay: "", values: &values };
        let found = match helm(&release) {
            Ok(objects) => unresolved(&objects, &namespace, has_account),
            Err(refused) => vec![refused.message().unwrap_or_default().to_owned()],
        };
        wrong.extend(found.iter().map(|what| format!("seed {seed}, release {name}: {what}")));
    }
    report(&wrong)
}

/// What leads nowhere, or is not where it should be.
fn unresolved(objects: &[Value], namespace: &str, has_account: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let of = |kind: &str| -> Vec<&Value> { objects.iter().filter(|o| o["kind"] == kind).collect() };
    let [deployment] = of("Deployment")[..] else { return vec!["not one Deployment".to_owned()] };
    let pod = &deployment["spec"]["template"];
    let account = &pod["spec"]["serviceAccountName"];
    let accounts = of("ServiceAccount");
    if has_account && !accounts.iter().any(|a| a["metadata"]["name"] == *account) {
        wrong.push(format!("there is no ServiceAccount {account}"));
    }
    for object in objects {
        let (kind, metadata) = (&object["kind"], &object["metadata"]);
        let what = format!("{} {}", kind.as_str().unwrap_or_default(), metadata["name"]);
        wrong.extend(named(object).err().map(|why| format!("{what}: {why}")));
        let place = &metadata["namespace"];
        if !place.is_null() && place != namespace {
            wrong.push(format!("{what} lies in {place}"));
        }
        for subject in object["subjects"].as_array().into_iter().flatten() {
            if subject["name"] != *account || subject["namespace"] != namespace {
                wrong.push(format!("{what} is for {subject}"));
            }
            let role = &object["roleRef"];
            let there = |o: &Value| {
                o["kind"] == role["kind"]
                    && o["metadata"]["name"] == role["name"]
                    && (role["kind"] == "ClusterRole" || o["metadata"]["namespace"] == *place)
            };
            if !objects.iter().any(there) {
                wrong.push(format!("{what} leads to {role}"));
            }
        }
        wrong.extend(selects(object, pod).err().map(|why| format!("{what}: {why}")));
        wrong.extend(ports(object, pod, objects).into_iter().map(|why| format!("{what}: {why}")));
    }
    wrong.extend(guard(objects, namespace, account.as_str().unwrap_or_default()).err());
    wrong
}

/// The name and the labels are such as Kubernetes takes.
fn named(object: &Value) -> Result<(), String> {
    let (kind, metadata) = (&object["kind"], &object["metadata"]);
    // The name of a Service is a host's, and the Deployment's the beginning of its Pods'.
    let most = if kind == "Service" || kind == "Deployment" { 63 } else { 253 };
    let name = metadata["name"].as_str().ok_or("the name is no text")?;
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let plain = name.starts_with(letter)
        && name.ends_with(letter)
        && name.chars().all(|c| letter(c) || c == '-' || (c == '.' && kind != "Service"));
    let begins = kind != "Service" || name.starts_with(|c: char| c.is_ascii_lowercase());
    if !plain || !begins || name.len() > most {
        return Err(format!("the name cannot be one of at most {most} characters"));
    }
    let pods = &object["spec"]["template"]["metadata"];
    for (key, value) in
        [metadata, pods].into_iter().filter_map(|m| m["labels"].as_object()).flatten()
    {
        let Some(value) = value.as_str() else { return Err(format!("label {key} is {value}")) };
        if value.len() > 63 || value.starts_with('-') || value.ends_with('-') {
            return Err(format!("label {key} is {value}"));
        }
    }
    let texts = [metadata, pods].into_iter().filter_map(|m| m["annotations"].as_object()).flatten();
    match texts.into_iter().find(|(_, value)| !value.is_string()) {
        Some((key, value)) => Err(format!("annotation {key} is {value}")),
        None => Ok(()),
    }
}

/// Whatever selects Pods selects ours.
fn selects(object: &Value, pod: &Value) -> Result<(), String> {
    let labels =
        if object["kind"] == "ServiceMonitor" { return Ok(()) } else { &pod["metadata"]["labels"] };
    let spec = &object["spec"];
    let selectors = [&spec["selector"]["matchLabels"], &spec["podSelector"]["matchLabels"]];
    let service = (object["kind"] == "Service").then_some(&spec["selector"]);
    let spread = spec["template"]["spec"]["topologySpreadConstraints"].as_array();
    let spread = spread.into_iter().flatten().map(|c| &c["labelSelector"]["matchLabels"]);
    for selector in selectors.into_iter().chain(service).chain(spread) {
        for (name, value) in selector.as_object().into_iter().flatten() {
            if labels[name] != *value {
                return Err(format!("it selects {name}={value}, the Pods have {}", labels[name]));
            }
        }
    }
    Ok(())
}

/// Each port that is named has its name from the container, or from the Service.
fn ports(object: &Value, pod: &Value, objects: &[Value]) -> Vec<String> {
    let container = &pod["spec"]["containers"][0];
    let has = |ports: &Value, name: &Value| {
        ports.as_array().into_iter().flatten().any(|port| port["name"] == *name)
    };
    let spec = &object["spec"];
    let mut wrong = Vec::new();
    let mut of_pods = Vec::new();
    for list in [&spec["ports"], &spec["ingress"][0]["ports"], &spec["podMetricsEndpoints"]] {
        for port in list.as_array().into_iter().flatten() {
            let named = [&port["targetPort"], &port["port"]].into_iter().find(|p| p.is_string());
            of_pods.extend(named);
        }
    }
    if object["kind"] == "Deployment" {
        of_pods
            .extend(["livenessProbe", "readinessProbe"].map(|p| &container[p]["httpGet"]["port"]));
    }
    for port in of_pods {
        if !has(&container["ports"], port) {
            wrong.push(format!("the container has no port {port}"));
        }
    }
    if object["kind"] == "ServiceMonitor" {
        let labels = spec["selector"]["matchLabels"].as_object();
        let service = objects.iter().filter(|o| o["kind"] == "Service").find(|service| {
            labels.into_iter().flatten().all(|(k, v)| service["metadata"]["labels"][k] == *v)
        });
        let port = &spec["endpoints"][0]["port"];
        if !service.is_some_and(|service| has(&service["spec"]["ports"], port)) {
            wrong.push(format!("no Service that it selects has the port {port}"));
        }
    }
    wrong
}

/// The guard looks at the very account that the Pods have.
fn guard(objects: &[Value], namespace: &str, account: &str) -> Result<(), String> {
    let kinds = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];
    let found = kinds.map(|kind| objects.iter().find(|object| object["kind"] == kind));
    let (policy, binding) = match found {
        [None, None] => return Ok(()),
        [Some(policy), Some(binding)] => (policy, binding),
        _ => return Err("half of the guard is there".to_owned()),
    };
    if binding["spec"]["policyName"] != policy["metadata"]["name"] {
        return Err("the guard's binding is for another policy".to_owned());
    }
    let expected =
        format!("request.userInfo.username == 'system:serviceaccount:{namespace}:{account}'");
    let found = &policy["spec"]["matchConditions"][0]["expression"];
    if *found == expected { Ok(()) } else { Err(format!("the guard looks at {found}")) }
}
