//! What Dislodge's account may do, beside what its roles say.

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};

use super::Finding;
use super::facts::Facts;

/// The roles as `deploy/base` has them: what is asked for is what is granted.
const ROLES: &str = include_str!("../../deploy/base/cluster_role.yaml");
/// What lies in no namespace.
pub(super) const CLUSTER: &str = "dislodge-cluster";
/// Without them it is blind.
const NEEDED: [&str; 2] = ["dislodge-observe", CLUSTER];
/// Without it no job is held.
const SUSPEND: &str = "dislodge-suspend";
/// Without it no job is ended.
const END: &str = "dislodge-end";

/// What the roles grant, one right a rule.
pub(super) fn wanted() -> Vec<(String, PolicyRule)> {
    let roles: Vec<ClusterRole> = serde_saphyr::from_multiple(ROLES).unwrap_or_default();
    let rights = roles.into_iter().flat_map(|role| {
        let name = role.metadata.name.unwrap_or_default();
        let single = |rule: PolicyRule| {
            let resources = rule.resources.clone().unwrap_or_default();
            resources.into_iter().flat_map(move |resource| {
                let rule = rule.clone();
                rule.verbs.clone().into_iter().map(move |verb| PolicyRule {
                    resources: Some(vec![resource.clone()]),
                    verbs: vec![verb],
                    ..rule.clone()
                })
            })
        };
        let granted = role.rules.unwrap_or_default();
        granted
            .into_iter()
            .flat_map(single)
            .map(move |rule| (name.clone(), rule))
            .collect::<Vec<_>>()
    });
    rights.collect()
}

/// The right as people write it: `patch jobs.batch/status`.
pub(super) fn words(rule: &PolicyRule) -> String {
    let first = |list: &Option<Vec<String>>| {
        list.as_ref().and_then(|list| list.first()).cloned().unwrap_or_default()
    };
    let (group, resource) = (first(&rule.api_groups), first(&rule.resources));
    let (resource, sub) = resource.split_once('/').unwrap_or((&resource, ""));
    let dot = if group.is_empty() { "" } else { "." };
    let slash = if sub.is_empty() { "" } else { "/" };
    format!("{} {resource}{dot}{group}{slash}{sub}", rule.verbs.join(", "))
}

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    const CHECK: &str = "rights";
    if facts.rights.iter().all(|right| right.granted.is_none()) {
        let missing = "create subjectaccessreviews.authorization.k8s.io";
        findings.push(Finding::unknown(CHECK, missing));
        return;
    }
    let missing = |roles: &[&str]| -> Vec<String> {
        let of_them = facts.rights.iter().filter(|right| roles.contains(&right.role.as_str()));
        of_them.filter(|it| it.granted == Some(false)).map(|it| words(&it.rule)).collect()
    };
    let account = format!("system:serviceaccount:{}:dislodge", facts.home);
    let shown = |missing: &[String]| {
        super::installed::some(&missing.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let needed = missing(&NEEDED);
    if !needed.is_empty() {
        findings.push(Finding::bad(
            CHECK,
            format!("{account} may not {}", shown(&needed)),
            "apply the roles of deploy/base, or set --home to where it is installed; where it governs one \
             namespace, name that with -n",
        ));
        return;
    }
    let (suspend, end) = (missing(&[SUSPEND]), missing(&[END]));
    findings.push(match (suspend.is_empty(), end.is_empty()) {
        (true, true) => Finding::ok(CHECK, format!("{account} has those of the profile Full")),
        (true, false) => Finding::ok(
            CHECK,
            format!("{account} has those of the profile Suspend: FailJob suspends only"),
        ),
        (false, _) => Finding::advice(
            CHECK,
            format!("{account} may not {}: it looks on, as with the profile Audit", shown(&suspend)),
            "policies with mode Enforce stop nothing; for that apply deploy/base without audit-only",
        ),
    });
}
