//! What the roles grant.

use std::collections::BTreeSet;

use dislodge_testbed::audit::granted;
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::Value;

use super::{documents, report, root};
use crate::Outcome;

/// The ServiceAccount of `deploy/base`.
const ACCOUNT: &str = "dislodge";
/// The roles by which each profile grows, and what each of them grants: the verb, the resource and
/// its group. Who changes a role changes this table, and whoever reads the change sees it.
const STEPS: &[(&str, &[&str])] = &[
    (
        "dislodge-cluster",
        &[
            "list clusterqueues (kueue.x-k8s.io)",
            "list nodes (core)",
            "watch clusterqueues (kueue.x-k8s.io)",
            "watch nodes (core)",
        ],
    ),
    (
        "dislodge-observe",
        &[
            "create events (events.k8s.io)",
            "list cronjobs (batch)",
            "list imagepullpolicies (dislodge.dev)",
            "list jobs (batch)",
            "list jobsets (jobset.x-k8s.io)",
            "list localqueues (kueue.x-k8s.io)",
            "list pods (core)",
            "list workloads (kueue.x-k8s.io)",
            "patch imagepullpolicies/status (dislodge.dev)",
            "watch cronjobs (batch)",
            "watch imagepullpolicies (dislodge.dev)",
            "watch jobs (batch)",
            "watch jobsets (jobset.x-k8s.io)",
            "watch localqueues (kueue.x-k8s.io)",
            "watch pods (core)",
            "watch workloads (kueue.x-k8s.io)",
        ],
    ),
    (
        "dislodge-suspend",
        &[
            "patch jobs (batch)",
            "patch jobsets (jobset.x-k8s.io)",
            "patch workloads (kueue.x-k8s.io)",
        ],
    ),
    (
        "dislodge-end",
        &[
            "delete pods (core)",
            "patch jobs/status (batch)",
            "patch jobsets/status (jobset.x-k8s.io)",
            "patch pods (core)",
            "patch pods/status (core)",
        ],
    ),
    (
        "dislodge",
        &[
            "create leases (coordination.k8s.io)",
            "get leases (coordination.k8s.io)",
            "patch leases (coordination.k8s.io)",
            "watch leases (coordination.k8s.io)",
        ],
    ),
];

/// The rules that bindings among these objects give to the ServiceAccount.
pub(crate) fn bound(objects: &[Value]) -> impl Iterator<Item = &Value> {
    let bindings = objects.iter().filter(|object| {
        let subjects = object["subjects"].as_array().into_iter().flatten();
        subjects.into_iter().any(|s| s["kind"] == "ServiceAccount" && s["name"] == ACCOUNT)
    });
    let roles: Vec<&Value> = bindings.map(|binding| &binding["roleRef"]).collect();
    let is_bound = move |object: &&Value| {
        roles.iter().any(|role| {
            role["kind"] == object["kind"] && role["name"] == object["metadata"]["name"]
        })
    };
    objects.iter().filter(is_bound).filter_map(|role| role["rules"].as_array()).flatten()
}

/// The roles of `deploy/base`, those for people among them.
fn roles() -> Result<Vec<Value>, String> {
    let mut roles = Vec::new();
    for file in ["cluster_role.yaml", "role.yaml", "policy_roles.yaml"] {
        roles.extend(documents(&root().join("deploy/base").join(file))?);
    }
    Ok(roles)
}

fn rules(role: &Value) -> Result<Vec<PolicyRule>, String> {
    let name = &role["metadata"]["name"];
    serde_json::from_value(role["rules"].clone()).map_err(|error| format!("{name}: {error}"))
}

pub(super) fn are_plain() -> Outcome {
    let mut wrong = Vec::new();
    for role in roles()? {
        let name = &role["metadata"]["name"];
        for rule in rules(&role)? {
            let lists = [&rule.api_groups, &rule.resources, &rule.non_resource_urls];
            let mut words = lists.into_iter().flatten().flatten().chain(&rule.verbs);
            if words.any(|word| word.contains('*')) {
                wrong.push(format!("{name}: a wildcard: {rule:?}"));
            }
            let never = ["secrets", "configmaps", "serviceaccounts", "serviceaccounts/token"];
            let resources = rule.resources.iter().flatten();
            wrong.extend(
                resources
                    .filter(|resource| never.contains(&resource.as_str()))
                    .map(|resource| format!("{name}: {resource}")),
            );
            let never = ["escalate", "bind", "impersonate", "deletecollection"];
            let verbs = rule.verbs.iter().filter(|verb| never.contains(&verb.as_str()));
            wrong.extend(verbs.map(|verb| format!("{name}: {verb}")));
        }
    }
    report(&wrong)
}

pub(super) fn by_profile() -> Outcome {
    let mut wrong = Vec::new();
    let roles = roles()?;
    for (name, expected) in STEPS {
        let Some(role) = roles.iter().find(|role| role["metadata"]["name"] == *name) else {
            wrong.push(format!("{name} is not there"));
            continue;
        };
        let found: BTreeSet<String> =
            granted(&rules(role)?).iter().map(ToString::to_string).collect();
        let expected: BTreeSet<String> = expected.iter().map(|&right| right.to_owned()).collect();
        wrong.extend(found.difference(&expected).map(|right| format!("{name}: also {right}")));
        wrong.extend(expected.difference(&found).map(|right| format!("{name}: not {right}")));
    }
    report(&wrong)
}

/// What a role grants and the guard has never heard of would be refused at the first use.
pub(super) fn are_guarded() -> Outcome {
    let guard = std::fs::read_to_string(root().join("deploy/base/guard.yaml"))?;
    let mut wrong = Vec::new();
    for (_, rights) in STEPS {
        for right in *rights {
            let mut words = right.split(' ');
            let operation = match words.next() {
                Some("create") => "CREATE",
                Some("patch") => "UPDATE",
                Some("delete") => "DELETE",
                _ => continue,
            };
            let resource = words.next().unwrap_or_default();
            let group = match words.next().map(|group| group.trim_matches(['(', ')'])) {
                None | Some("core") => String::new(),
                Some(group) => format!("{group}/"),
            };
            let write = format!("'{operation} {group}{resource}'");
            if !guard.contains(&write) {
                wrong.push(format!("the guard does not know {write}"));
            }
        }
    }
    report(&wrong)
}
