//! What follows from a cluster's facts, a row a fact that is otherwise than it should be.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::facts::{Facts, Installation, Kueue, Lease, Read, Right, Version};
use super::{Judgement, judged, page, rights};
use crate::terminal::Screen;

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn now() -> Timestamp {
    "2026-11-24T08:00:00Z".parse().unwrap()
}

fn policy(name: &str, spec: &Value, ready: Option<bool>) -> Value {
    let condition = |ready: bool| {
        json!({"type": "Ready", "status": if ready { "True" } else { "False" }, "reason": "QueueConflict",
            "message": "queue gpu is policy other's", "lastTransitionTime": "2026-11-24T07:00:00Z"})
    };
    let conditions: Vec<Value> = ready.map(condition).into_iter().collect();
    json!({"metadata": {"name": name, "namespace": "team-a", "uid": "00000000-0000-0000-0000-000000000001"},
        "spec": spec, "status": {"conditions": conditions}})
}

fn gpu() -> Value {
    json!({"queues": [{"kind": "LocalQueue", "name": "gpu"}]})
}

fn installation(namespace: &str) -> Installation {
    let namespace = namespace.to_owned();
    Installation {
        namespace,
        image: "r.io/dislodge:1".into(),
        wanted: 2,
        ready: 2,
        namespaced: false,
    }
}

/// A cluster in which all is well.
fn well() -> Facts {
    let mut crd = serde_json::to_value(crate::crd::custom_resource_definition()).unwrap();
    crd["status"]["conditions"] = json!([{"type": "Established", "status": "True"}]);
    crd["spec"]["versions"][0]["deprecated"] = json!(false); // a default that an API server adds
    let granted = |(role, rule)| Right { role, rule, granted: Some(true) };
    Facts {
        home: "dislodge-system".into(),
        server: Version { major: 1, minor: 36, text: "v1.36.1".into() },
        clock_ahead: Some(SignedDuration::from_secs(1)),
        now: now(),
        crd: Read::There(crd),
        guard: Read::There(json!({})),
        lease: Read::There(Lease {
            holder: Some("dislodge-1".into()),
            renewed: Some(now() - SignedDuration::from_secs(3)),
            seconds: 15,
        }),
        installations: Read::There(vec![installation("dislodge-system")]),
        heartbeats: Read::There(BTreeMap::from([("node-a".into(), now())])),
        rights: rights::wanted().into_iter().map(granted).collect(),
        kueue: Read::There(Kueue {
            version: Some("v0.19.1".into()),
            configuration: Read::There(json!({"integrations": {"frameworks": ["batch/job"]}})),
        }),
        kueue_is_served: true,
        deschedulers: Read::There(Vec::new()),
        policies: Read::There(vec![object(policy("gpu", &gpu(), Some(true)))]),
        queues: Read::There(vec![object(
            json!({"metadata": {"name": "gpu", "namespace": "team-a",
            "uid": "00000000-0000-0000-0000-000000000002"}, "spec": {"clusterQueue": "all"}}),
        )]),
    }
}

fn without(facts: &mut Facts, role: &str) {
    for right in facts.rights.iter_mut().filter(|right| right.role == role) {
        right.granted = Some(false);
    }
}

fn configured(facts: &mut Facts, version: &str, configuration: &Value) {
    facts.kueue = Read::There(Kueue {
        version: Some(version.into()),
        configuration: Read::There(configuration.clone()),
    });
}

#[test]
fn a_cluster_in_which_all_is_well_gets_neither_problem_nor_advice() {
    for finding in judged(&well()) {
        assert_eq!(finding.result, Judgement::Ok, "{finding:?}");
    }
}

type Change = fn(&mut Facts);

/// What is otherwise, by which check it is found, how it is judged, and a part of what is said.
const ROWS: &[(Change, &str, Judgement, &str)] = &[
    (|it| it.server.minor = 27, "kubernetes", Judgement::Problem, "1.28 or newer"),
    (|it| it.server.minor = 29, "guard", Judgement::Advice, "without-guard"),
    (|it| it.crd = Read::Absent, "crd", Judgement::Problem, "not installed"),
    (
        |it| it.crd = Read::Forbidden("get crds"),
        "crd",
        Judgement::Unknown,
        "the right to get crds is missing",
    ),
    (
        |it| {
            let Read::There(crd) = &mut it.crd else { return };
            crd["spec"]["names"]["shortNames"] = json!(["other"]);
        },
        "crd",
        Judgement::Problem,
        "spec.names.shortNames[0] differs",
    ),
    (
        |it| {
            let Read::There(crd) = &mut it.crd else { return };
            crd["status"] = json!({});
        },
        "crd",
        Judgement::Problem,
        "does not serve it",
    ),
    (|it| it.guard = Read::Absent, "guard", Judgement::Advice, "nothing refuses"),
    (
        |it| it.installations = Read::There(Vec::new()),
        "controller",
        Judgement::Problem,
        "no Deployment",
    ),
    (
        |it| {
            let Read::There(all) = &mut it.installations else { return };
            all[0].ready = 0;
        },
        "controller",
        Judgement::Problem,
        "0 of 2 replicas ready",
    ),
    (
        |it| {
            let Read::There(all) = &mut it.installations else { return };
            all.push(installation("batch"));
        },
        "controller",
        Judgement::Problem,
        "2 installations govern the whole cluster",
    ),
    (|it| it.lease = Read::Absent, "leader", Judgement::Problem, "no replica has ever led"),
    (
        |it| {
            let Read::There(lease) = &mut it.lease else { return };
            lease.holder = Some(String::new());
        },
        "leader",
        Judgement::Problem,
        "no replica leads",
    ),
    (
        |it| {
            let Read::There(lease) = &mut it.lease else { return };
            lease.renewed = Some(now() - SignedDuration::from_secs(60));
        },
        "leader",
        Judgement::Problem,
        "silent for 60 s",
    ),
    (
        |it| it.clock_ahead = Some(SignedDuration::from_secs(-90)),
        "clocks",
        Judgement::Advice,
        "90 s behind the API server's",
    ),
    (
        |it| {
            let Read::There(beats) = &mut it.heartbeats else { return };
            beats.insert("node-b".into(), now() + SignedDuration::from_secs(30));
        },
        "clocks",
        Judgement::Advice,
        "ahead of the API server's: node-b",
    ),
    (
        |it| without(it, "dislodge-observe"),
        "rights",
        Judgement::Problem,
        "may not list imagepullpolicies.dislodge.dev",
    ),
    (|it| without(it, "dislodge-cluster"), "rights", Judgement::Problem, "list nodes"),
    (
        |it| without(it, "dislodge-suspend"),
        "rights",
        Judgement::Advice,
        "patch workloads.kueue.x-k8s.io",
    ),
    (|it| without(it, "dislodge-end"), "rights", Judgement::Ok, "profile Suspend"),
    (
        |it| it.rights.iter_mut().for_each(|right| right.granted = None),
        "rights",
        Judgement::Unknown,
        "create subjectaccessreviews",
    ),
    (|it| it.kueue = Read::Absent, "kueue", Judgement::Advice, "no Deployment"),
    (|it| configured(it, "v0.15.2", &json!({})), "kueue", Judgement::Problem, "0.16 or newer"),
    (
        |it| configured(it, "v0.19.0", &json!({"integrations": {"frameworks": ["pod"]}})),
        "kueue",
        Judgement::Advice,
        "does not list batch/job",
    ),
    (
        |it| {
            configured(it, "v0.19.0", &json!({"featureGates": {"TopologyAwareScheduling": false}}));
        },
        "kueue",
        Judgement::Advice,
        "only the images of Jobs and JobSets",
    ),
    (
        |it| configured(it, "v0.19.0", &json!({"waitForPodsReady": {"timeout": "1m30s"}})),
        "waitForPodsReady",
        Judgement::Advice,
        "evicts the job 90 s after its admission",
    ),
    (
        |it| configured(it, "v0.18.0", &json!({"waitForPodsReady": {"timeout": "1m30s"}})),
        "waitForPodsReady",
        Judgement::Ok,
        "off",
    ),
    (
        |it| {
            configured(
                it,
                "v0.18.0",
                &json!({"waitForPodsReady": {"enable": true, "timeout": "20s"}}),
            );
        },
        "waitForPodsReady",
        Judgement::Advice,
        "20 s after its admission",
    ),
    (
        |it| configured(it, "v0.19.0", &json!({"featureGates": {"DisableWaitForPodsReady": true}})),
        "waitForPodsReady",
        Judgement::Ok,
        "off",
    ),
    (|it| it.policies = Read::There(Vec::new()), "policies", Judgement::Advice, "there is none"),
    (
        |it| it.policies = Read::There(vec![object(policy("gpu", &gpu(), Some(false)))]),
        "policies",
        Judgement::Problem,
        "team-a/gpu is not ready: QueueConflict: queue gpu is policy other's",
    ),
    (
        |it| it.policies = Read::There(vec![object(policy("gpu", &gpu(), None))]),
        "policies",
        Judgement::Problem,
        "no controller has looked at team-a/gpu",
    ),
    (
        |it| {
            let other = json!({"queues": [{"kind": "LocalQueue", "name": "cpu"}]});
            it.policies = Read::There(vec![object(policy("cpu", &other, Some(true)))]);
        },
        "queues",
        Judgement::Advice,
        "1 of 1 have no policy: team-a/gpu",
    ),
    (
        |it| {
            let all = json!({"queues": [{"kind": "LocalQueue", "name": "*"}]});
            it.policies = Read::There(vec![object(policy("all", &all, Some(true)))]);
        },
        "queues",
        Judgement::Ok,
        "each of 1 has a policy",
    ),
    (
        |it| it.deschedulers = Read::There(vec!["kube-system/descheduler".into()]),
        "others",
        Judgement::Advice,
        "kube-system/descheduler",
    ),
];

#[test]
fn what_is_otherwise_is_found_judged_and_told_with_what_to_do() {
    for (change, check, result, part) in ROWS {
        let mut facts = well();
        change(&mut facts);
        let findings = judged(&facts);
        let found = findings.iter().find(|finding| {
            let said =
                format!("{} {}", finding.message, finding.advice.as_deref().unwrap_or_default());
            finding.check == *check && finding.result == *result && said.contains(part)
        });
        assert!(found.is_some(), "{check} {part:?} is not among {findings:#?}");
        let lacks_advice = findings.iter().find(|finding| {
            matches!(finding.result, Judgement::Problem | Judgement::Advice)
                && finding.advice.is_none()
        });
        assert_eq!(lacks_advice, None, "nothing says what to do");
    }
}

#[test]
fn a_cluster_without_kueue_is_well_too() {
    let mut facts = well();
    (facts.kueue, facts.kueue_is_served, facts.queues) = (Read::Absent, false, Read::Absent);
    assert!(judged(&facts).iter().all(|finding| finding.result == Judgement::Ok));
}

#[test]
fn each_right_of_the_roles_is_asked_for_by_itself() {
    let wanted = rights::wanted();
    assert!(wanted.len() > 20, "{}", wanted.len());
    assert!(wanted.iter().all(|(_, rule)| rule.verbs.len() == 1));
    let words: Vec<String> = wanted.iter().map(|(_, rule)| rights::words(rule)).collect();
    for right in
        ["watch pods", "patch jobs.batch/status", "delete pods", "create events.events.k8s.io"]
    {
        assert!(words.iter().any(|word| word == right), "{right} is not among {words:?}");
    }
}

#[test]
fn a_page_says_each_finding_and_counts_them_and_no_name_reaches_the_terminal_raw() {
    let mut facts = well();
    facts.deschedulers = Read::There(vec!["kube-system/\u{1b}[31mred".into()]);
    facts.crd = Read::Absent;
    facts.guard = Read::Forbidden("list guards");
    let mut out = Vec::new();
    let screen = Screen { width: Some(80), colours: false };
    page::write(&judged(&facts), "https://api.example/", screen, &mut out).unwrap();
    let page = String::from_utf8(out).unwrap();
    assert!(!page.contains('\u{1b}'), "{page}");
    assert!(page.contains("crd           problem  ImagePullPolicy is not installed\n"), "{page}");
    assert!(page.lines().all(|line| line.len() <= 80), "{page}");
    assert!(page.ends_with("1 problem, 1 piece of advice, 1 check could not be made\n"), "{page}");
}
