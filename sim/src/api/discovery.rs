//! What the server says about itself, as far as kube and kubectl ask.

use serde_json::{Value, json};

use super::kinds::{KINDS, Kind};
use super::refusal::Refusal;
use super::{Answer, Body};

/// The version that is told: that of the rules that are played.
const MINOR: &str = "36";

/// Answers for a path that names no objects.
pub(super) fn document(
    path: &[&str],
    serves: impl Fn(&str, &str) -> bool,
) -> Result<Answer, Refusal> {
    let there = |kind: &&Kind| kind.versions.iter().any(|version| serves(kind.group, version));
    let kinds: Vec<&Kind> = KINDS.iter().filter(there).collect();
    let body = match path {
        ["readyz" | "livez" | "healthz", ..] => {
            return Ok(Answer::Done { code: 200, body: Body::Text("ok".to_owned()) });
        }
        ["version"] => json!({
            "major": "1", "minor": MINOR, "gitVersion": format!("v1.{MINOR}.0-memory"),
            "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "", "compiler": "", "platform": "memory",
        }),
        ["api"] => json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
        }),
        ["api", "v1"] => resources(&kinds, "", "v1"),
        ["apis"] => {
            let groups: Vec<Value> =
                groups(&kinds).into_iter().map(|name| group(&kinds, name, &serves)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["apis", "authorization.k8s.io", "v1"] => reviews(),
        ["apis", name] if groups(&kinds).contains(name) => {
            let mut body = group(&kinds, name, &serves);
            if let Some(fields) = body.as_object_mut() {
                fields.insert("kind".to_owned(), json!("APIGroup"));
                fields.insert("apiVersion".to_owned(), json!("v1"));
            }
            body
        }
        ["apis", name, version] if groups(&kinds).contains(name) && serves(name, version) => {
            resources(&kinds, name, version)
        }
        ["openapi", "v3", rest @ ..] => openapi(&kinds, rest, &serves)?,
        _ => return Err(Refusal::NoPath),
    };
    Ok(Answer::Done { code: 200, body: Body::Object(body) })
}

/// The named groups, in the order of the table.
fn groups<'a>(kinds: &[&'a Kind]) -> Vec<&'a str> {
    let mut groups = vec!["authorization.k8s.io"];
    for kind in kinds {
        if !kind.group.is_empty() && !groups.contains(&kind.group) {
            groups.push(kind.group);
        }
    }
    groups
}

fn group(kinds: &[&Kind], name: &str, serves: impl Fn(&str, &str) -> bool) -> Value {
    let versions = kinds.iter().find(|kind| kind.group == name);
    let versions = versions.map_or(&["v1"][..], |kind| kind.versions);
    let versions: Vec<Value> = versions
        .iter()
        .filter(|version| name == "authorization.k8s.io" || serves(name, version))
        .map(|version| json!({"groupVersion": format!("{name}/{version}"), "version": version}))
        .collect();
    json!({"name": name, "versions": versions, "preferredVersion": versions.first()})
}

fn resources(kinds: &[&Kind], group: &str, version: &str) -> Value {
    let verbs = ["create", "delete", "get", "list", "patch", "update", "watch"];
    let of_version = |kind: &&&Kind| kind.group == group && kind.versions.contains(&version);
    let mut resources = Vec::new();
    for kind in kinds.iter().filter(of_version) {
        let mut resource = json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced,
            "kind": kind.name, "verbs": verbs,
        });
        if let (Some(fields), false) = (resource.as_object_mut(), kind.short.is_empty()) {
            fields.insert("shortNames".to_owned(), json!(kind.short));
        }
        resources.push(resource);
        if kind.status {
            resources.push(json!({
                "name": format!("{}/status", kind.plural), "singularName": "",
                "namespaced": kind.namespaced, "kind": kind.name,
                "verbs": ["get", "patch", "update"],
            }));
        }
    }
    let group_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version,
           "resources": resources})
}

fn reviews() -> Value {
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "authorization.k8s.io/v1",
        "resources": [{
            "name": "selfsubjectaccessreviews", "singularName": "selfsubjectaccessreview",
            "namespaced": false, "kind": "SelfSubjectAccessReview", "verbs": ["create"],
        }],
    })
}

/// Just enough of OpenAPI for kubectl to leave validation to the server: that patches take the
/// parameter `fieldValidation`.
fn openapi(
    kinds: &[&Kind],
    path: &[&str],
    serves: impl Fn(&str, &str) -> bool,
) -> Result<Value, Refusal> {
    let root = |kind: &Kind, version: &str| match kind.group {
        "" => format!("api/{version}"),
        group => format!("apis/{group}/{version}"),
    };
    let all = kinds.iter().flat_map(|kind| {
        let versions = kind.versions.iter().filter(|version| serves(kind.group, version));
        versions.map(move |version| (*kind, *version))
    });
    if path.is_empty() {
        let paths = all.map(|(kind, version)| {
            let root = root(kind, version);
            let document = json!({"serverRelativeURL": format!("/openapi/v3/{root}")});
            (root, document)
        });
        return Ok(json!({"paths": paths.collect::<serde_json::Map<_, _>>()}));
    }
    let wanted = path.join("/");
    let paths: serde_json::Map<String, Value> = all
        .filter(|(kind, version)| root(kind, version) == wanted)
        .map(|(kind, version)| {
            let name = format!("/{wanted}/{}/{{name}}", kind.plural);
            let operation = json!({
                "parameters": [{"name": "fieldValidation", "in": "query"},
                               {"name": "dryRun", "in": "query"}],
                "x-kubernetes-group-version-kind":
                    {"group": kind.group, "version": version, "kind": kind.name},
                "responses": {},
            });
            (name, json!({"patch": operation}))
        })
        .collect();
    if paths.is_empty() {
        return Err(Refusal::NoPath);
    }
    Ok(json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "memory"},
              "paths": paths, "components": {}}))
}
