//! Kueue: its version, and the settings that decide together with a policy.

use dislodge_engine::api::{Action, ImagePullPolicySpec, Rule};
use jiff::SignedDuration;
use serde_json::Value;

use super::Finding;
use super::facts::{Facts, Kueue, Read};
use crate::lint::schedule::{first_pull_after, seconds_to};

const CHECK: &str = "kueue";
/// The oldest that is known to work.
const OLDEST: (u32, u32) = (0, 16);
/// From here on `waitForPodsReady` is on unless it is switched off (Kueue's CHANGELOG-0.19, #11855).
const WAITS_BY_DEFAULT: (u32, u32) = (0, 19);
/// Its default there (apis/config/v1beta2/defaults.go).
const USUAL_TIMEOUT: &str = "30m";

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    if !facts.kueue_is_served {
        findings.push(Finding::ok(
            CHECK,
            "not installed: policies govern the jobs of queue kind NoQueue alone",
        ));
        return;
    }
    let kueue = match &facts.kueue {
        Read::Forbidden(missing) => return findings.push(Finding::unknown(CHECK, missing)),
        Read::Absent => {
            return findings.push(Finding::advice(
                CHECK,
                "its kinds are served, and no Deployment with the label app.kubernetes.io/name=kueue runs it",
                "check that it runs: without it no job is admitted, and none gets quota back",
            ));
        }
        Read::There(kueue) => kueue,
    };
    let version = kueue.version.as_deref().and_then(parse);
    let said = kueue.version.as_deref().unwrap_or("of an unknown version");
    findings.push(match version {
        Some(version) if version < OLDEST => Finding::bad(
            CHECK,
            format!("version {said}"),
            format!("{}.{} or newer is needed", OLDEST.0, OLDEST.1),
        ),
        _ => Finding::ok(CHECK, format!("version {said}")),
    });
    match &kueue.configuration {
        Read::Forbidden(missing) => findings.push(Finding::unknown(CHECK, missing)),
        Read::Absent => waits(facts, kueue, version, &Value::Null, findings),
        Read::There(configuration) => {
            integrations(configuration, findings);
            waits(facts, kueue, version, configuration, findings);
        }
    }
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn integrations(configuration: &Value, findings: &mut Vec<Finding>) {
    if let Some(frameworks) = configuration["integrations"]["frameworks"].as_array()
        && !frameworks.iter().any(|framework| framework == "batch/job")
    {
        findings.push(Finding::advice(
            CHECK,
            "integrations.frameworks does not list batch/job: Kueue does not manage Jobs",
            "add it, or name other kinds in your queues: a Job with a queue's label gets no Workload",
        ));
    }
    if configuration["featureGates"]["TopologyAwareScheduling"] == false {
        findings.push(Finding::advice(
            CHECK,
            "the gate TopologyAwareScheduling is off: Pods do not say which Workload they are of",
            "leave it on: else only the images of Jobs and JobSets are looked at",
        ));
    }
}

/// When Kueue itself evicts a job whose Pods do not become ready.
fn timeout(version: Option<(u32, u32)>, configuration: &Value) -> Option<SignedDuration> {
    let waits = &configuration["waitForPodsReady"];
    if configuration["featureGates"]["DisableWaitForPodsReady"] == true || waits["enable"] == false
    {
        return None;
    }
    // Until 0.18 the field's presence was not enough: `enable: true` had to be said.
    let by_default = version.is_none_or(|version| version >= WAITS_BY_DEFAULT);
    if !by_default && waits["enable"] != true {
        return None;
    }
    waits["timeout"].as_str().unwrap_or(USUAL_TIMEOUT).parse().ok()
}

fn waits(
    facts: &Facts,
    kueue: &Kueue,
    version: Option<(u32, u32)>,
    configuration: &Value,
    findings: &mut Vec<Finding>,
) {
    const CHECK: &str = "waitForPodsReady";
    let Some(timeout) = timeout(version, configuration) else {
        findings.push(Finding::ok(CHECK, "off: Kueue evicts no job whose Pods do not start"));
        return;
    };
    if kueue.configuration == Read::Absent {
        findings.push(Finding::advice(
            CHECK,
            "Kueue's configuration was not found: its defaults are assumed",
            "it is looked for in the ConfigMap kueue-manager-config beside its Deployment",
        ));
    }
    let before = findings.len();
    if let Read::There(policies) = &facts.policies {
        for policy in policies {
            let place = format!("{}/{}", policy.metadata.namespace, policy.metadata.name);
            let Ok(spec) = &policy.spec else { continue };
            for rule in later_than(spec, timeout) {
                findings.push(Finding::advice(
                    CHECK,
                    format!(
                        "policy {place}: rule {:?} acts {} s after the first failed pull at the earliest, and Kueue \
                         evicts the job {} s after its admission",
                        rule.name,
                        earliest(&rule),
                        timeout.as_secs()
                    ),
                    "lower the rule's threshold, or raise waitForPodsReady.timeout: else Kueue requeues the job \
                     again and again, without a cause",
                ));
            }
        }
    }
    if findings.len() == before {
        let message = format!("{} s, which leaves the policies time to act", timeout.as_secs());
        findings.push(Finding::ok(CHECK, message));
    }
}

/// When a rule can act, in seconds after the first failed pull, by the kubelet's schedule.
fn earliest(rule: &Rule) -> u64 {
    let by_time = first_pull_after(rule.threshold.failing_seconds.into());
    seconds_to(rule.threshold.failed_pulls.max(by_time))
}

fn later_than(spec: &ImagePullPolicySpec, timeout: SignedDuration) -> impl Iterator<Item = Rule> {
    let acts = |rule: &Rule| rule.action != Action::Report;
    let seconds = u64::try_from(timeout.as_secs()).unwrap_or(0);
    spec.effective_rules().into_iter().filter(acts).filter(move |rule| earliest(rule) >= seconds)
}
