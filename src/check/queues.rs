//! Queues that nobody governs, policies that are not well, and others who act on the same Pods.

use std::collections::BTreeSet;

use dislodge_engine::api::{ConditionStatus, QueueKind, READY};

use super::Finding;
use super::facts::{Facts, Read};
use super::installed::some;

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    policies(facts, findings);
    queues(facts, findings);
    others(facts, findings);
}

fn policies(facts: &Facts, findings: &mut Vec<Finding>) {
    const CHECK: &str = "policies";
    let policies = match &facts.policies {
        Read::Forbidden(missing) => return findings.push(Finding::unknown(CHECK, missing)),
        Read::Absent => return,
        Read::There(policies) => policies,
    };
    if policies.is_empty() {
        findings.push(Finding::advice(
            CHECK,
            "there is none: nothing is governed",
            "begin with examples/policies/audit-first.yaml, which changes nothing",
        ));
        return;
    }
    let mut well = 0;
    for policy in policies {
        let place = format!("{}/{}", policy.metadata.namespace, policy.metadata.name);
        let ready = policy.status.conditions.iter().find(|condition| condition.type_ == READY);
        match ready {
            Some(ready) if ready.status == ConditionStatus::True => well += 1,
            Some(ready) => findings.push(Finding::bad(
                CHECK,
                format!("{place} is not ready: {}: {}", ready.reason, ready.message),
                format!("dislodge status -n {} shows it; docs/reference/policy.md has the reasons", policy.metadata.namespace),
            )),
            None => findings.push(Finding::bad(
                CHECK,
                format!("no controller has looked at {place}"),
                "see the checks of controller and leader; with scope: Namespace it may be another's",
            )),
        }
    }
    if well > 0 {
        findings.push(Finding::ok(CHECK, format!("{well} of {} ready", policies.len())));
    }
}

fn queues(facts: &Facts, findings: &mut Vec<Finding>) {
    const CHECK: &str = "queues";
    let queues = match &facts.queues {
        Read::Forbidden(missing) => return findings.push(Finding::unknown(CHECK, missing)),
        Read::Absent => return,
        Read::There(queues) => queues,
    };
    let Read::There(policies) = &facts.policies else { return };
    let governed: BTreeSet<(&str, &str)> = policies
        .iter()
        .filter_map(|policy| policy.spec.as_ref().ok().map(|spec| (policy, spec)))
        .flat_map(|(policy, spec)| spec.queues.iter().map(move |queue| (policy, queue)))
        .filter(|(_, queue)| queue.kind == QueueKind::LocalQueue)
        .map(|(policy, queue)| {
            (&*policy.metadata.namespace, queue.name.as_deref().unwrap_or_default())
        })
        .collect();
    let is_governed = |namespace: &str, name: &str| {
        governed.contains(&(namespace, name)) || governed.contains(&(namespace, "*"))
    };
    let alone: Vec<String> = queues
        .iter()
        .map(|queue| (&*queue.metadata.namespace, &*queue.metadata.name))
        .filter(|(namespace, name)| !is_governed(namespace, name))
        .map(|(namespace, name)| format!("{namespace}/{name}"))
        .collect();
    findings.push(if queues.is_empty() {
        Finding::ok(CHECK, "there is no LocalQueue")
    } else if alone.is_empty() {
        Finding::ok(CHECK, format!("each of {} has a policy", queues.len()))
    } else {
        let names: Vec<&str> = alone.iter().map(String::as_str).collect();
        Finding::advice(
            CHECK,
            format!("{} of {} have no policy: {}", alone.len(), queues.len(), some(&names)),
            "stuck jobs there keep their quota; one policy with the queue \"*\" governs the rest of a namespace",
        )
    });
}

fn others(facts: &Facts, findings: &mut Vec<Finding>) {
    const CHECK: &str = "others";
    match &facts.deschedulers {
        Read::Forbidden(missing) => findings.push(Finding::unknown(CHECK, missing)),
        Read::There(found) if !found.is_empty() => {
            let names: Vec<&str> = found.iter().map(String::as_str).collect();
            findings.push(Finding::advice(
                CHECK,
                format!("a descheduler evicts Pods whose image is not pulled: {}", some(&names)),
                "take these states out of its PodLifeTime, or exempt the namespaces of queues: a Pod that is \
                 replaced begins its pulls anew, and the job comes later to its threshold",
            ));
        }
        Read::There(_) | Read::Absent => {
            findings
                .push(Finding::ok(CHECK, "no descheduler evicts Pods whose image is not pulled"));
        }
    }
}
