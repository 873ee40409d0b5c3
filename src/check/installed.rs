//! The API server, what is installed of Dislodge, whether it runs, and the clocks.

use jiff::SignedDuration;
use serde_json::Value;

use super::Finding;
use super::facts::{Facts, Installation, Read};
use crate::crd;

/// The oldest Kubernetes that it is written for: the CRD's rules need CEL.
const OLDEST_MINOR: u32 = 28;
/// The oldest that has the guard's kind.
const GUARD_MINOR: u32 = 30;
/// Clocks may differ so far: threshold and pauses are minutes, and the safe moment is a matter of seconds.
const CLOCKS: SignedDuration = SignedDuration::from_secs(5);
const INSTALL: &str =
    "install it: kubectl apply --server-side -k deploy/base, or helm install (docs/install.md)";

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    findings.push(server(facts));
    findings.push(definition(facts));
    findings.push(guard(facts));
    findings.extend(deployments(facts));
    findings.push(leader(facts));
    findings.extend(clocks(facts));
}

fn server(facts: &Facts) -> Finding {
    let version = &facts.server;
    if (version.major, version.minor) < (1, OLDEST_MINOR) {
        let needed =
            format!("1.{OLDEST_MINOR} or newer is needed: the CRD's rules would not be kept");
        return Finding::bad("kubernetes", format!("version {}", version.text), needed);
    }
    Finding::ok("kubernetes", format!("version {}", version.text))
}

fn definition(facts: &Facts) -> Finding {
    const CHECK: &str = "crd";
    match &facts.crd {
        Read::Forbidden(missing) => Finding::unknown(CHECK, missing),
        Read::Absent => Finding::bad(CHECK, "ImagePullPolicy is not installed", INSTALL),
        Read::There(there) => {
            let ours = serde_json::to_value(crd::custom_resource_definition()).unwrap_or_default();
            let differs = difference(&ours["spec"], &there["spec"], "spec");
            let established = there["status"]["conditions"].as_array().is_some_and(|conditions| {
                conditions.iter().any(|it| it["type"] == "Established" && it["status"] == "True")
            });
            match differs {
                Some(place) => Finding::bad(
                    CHECK,
                    format!(
                        "ImagePullPolicy is installed in another form: {place} differs from this program's"
                    ),
                    "use the same version of both: dislodge crd | kubectl apply --server-side -f -",
                ),
                None if !established => Finding::bad(
                    CHECK,
                    "ImagePullPolicy is installed, and the API server does not serve it",
                    "kubectl describe crd imagepullpolicies.dislodge.dev says why",
                ),
                None => Finding::ok(CHECK, "ImagePullPolicy is that of this program"),
            }
        }
    }
}

/// Where the other value lacks what ours says. What it says beyond that are defaults of the API server.
fn difference(ours: &Value, other: &Value, place: &str) -> Option<String> {
    match (ours, other) {
        (Value::Object(ours), Value::Object(other)) => ours.iter().find_map(|(name, ours)| {
            let place = format!("{place}.{name}");
            match other.get(name) {
                Some(other) => difference(ours, other, &place),
                None => Some(place),
            }
        }),
        (Value::Array(ours), Value::Array(other)) if ours.len() == other.len() => {
            let pairs = ours.iter().zip(other).enumerate();
            pairs.into_iter().find_map(|(number, (ours, other))| {
                difference(ours, other, &format!("{place}[{number}]"))
            })
        }
        // The API server keeps numbers of a schema as it likes: 1 and 1.0.
        (Value::Number(ours), Value::Number(other)) if ours.as_f64() == other.as_f64() => None,
        (ours, other) if ours == other => None,
        _ => Some(place.to_owned()),
    }
}

fn guard(facts: &Facts) -> Finding {
    const CHECK: &str = "guard";
    if facts.server.minor < GUARD_MINOR {
        let old = format!("Kubernetes before 1.{GUARD_MINOR} has no ValidatingAdmissionPolicy");
        return Finding::advice(
            CHECK,
            old,
            "use deploy/overlays/without-guard, or guard.enabled: false",
        );
    }
    match &facts.guard {
        Read::Forbidden(missing) => Finding::unknown(CHECK, missing),
        Read::Absent => Finding::advice(
            CHECK,
            "nothing refuses what Dislodge's account should never write",
            "it is part of deploy/base (docs/security.md); leave it out only on purpose",
        ),
        Read::There(_) => {
            Finding::ok(CHECK, "writes of Dislodge's account are limited, field by field")
        }
    }
}

fn deployments(facts: &Facts) -> Vec<Finding> {
    const CHECK: &str = "controller";
    let all = match &facts.installations {
        Read::Forbidden(missing) => return vec![Finding::unknown(CHECK, missing)],
        Read::Absent => &[],
        Read::There(all) => all.as_slice(),
    };
    let mut findings = Vec::new();
    let here: Vec<&Installation> = all.iter().filter(|it| it.namespace == facts.home).collect();
    if here.is_empty() {
        let message = format!("no Deployment of Dislodge in namespace {}", facts.home);
        findings.push(Finding::bad(
            CHECK,
            message,
            format!("{INSTALL}; --home names another namespace"),
        ));
    }
    for it in here {
        let message = format!("{} of {} replicas ready, image {}", it.ready, it.wanted, it.image);
        findings.push(if it.ready == 0 {
            let look = format!("kubectl -n {} logs deployment/dislodge says why", it.namespace);
            Finding::bad(CHECK, message, look)
        } else {
            Finding::ok(CHECK, message)
        });
    }
    let whole: Vec<&str> =
        all.iter().filter(|it| !it.namespaced).map(|it| it.namespace.as_str()).collect();
    if whole.len() > 1 {
        findings.push(Finding::bad(
            CHECK,
            format!(
                "{} installations govern the whole cluster: in {}",
                whole.len(),
                whole.join(", ")
            ),
            "keep one: each has a Lease of its own, so that both act on every job",
        ));
    }
    findings
}

fn leader(facts: &Facts) -> Finding {
    const CHECK: &str = "leader";
    let lease = match &facts.lease {
        Read::Forbidden(missing) => return Finding::unknown(CHECK, missing),
        Read::Absent => {
            let message =
                format!("no replica has ever led: there is no Lease in namespace {}", facts.home);
            return Finding::bad(CHECK, message, INSTALL);
        }
        Read::There(lease) => lease,
    };
    let Some(holder) = lease.holder.as_ref().filter(|holder| !holder.is_empty()) else {
        return Finding::bad(
            CHECK,
            "no replica leads: nothing is stopped",
            "look at the replicas' logs",
        );
    };
    let silent = lease.renewed.map(|renewed| facts.now.duration_since(renewed));
    match silent {
        Some(silent) if silent <= SignedDuration::from_secs(lease.seconds.into()) + CLOCKS => {
            Finding::ok(CHECK, format!("{holder} leads"))
        }
        Some(silent) => Finding::bad(
            CHECK,
            format!("{holder} led, and has been silent for {} s", silent.as_secs()),
            "nothing is stopped until a replica leads again: look at their logs",
        ),
        None => {
            Finding::bad(CHECK, format!("{holder} leads, and never said when"), "look at its log")
        }
    }
}

fn clocks(facts: &Facts) -> Vec<Finding> {
    const CHECK: &str = "clocks";
    let mut findings = Vec::new();
    if let Some(ahead) = facts.clock_ahead.filter(|ahead| ahead.abs() > CLOCKS) {
        let message = format!(
            "this machine's clock is {} s {} the API server's",
            ahead.abs().as_secs(),
            if ahead.is_positive() { "before" } else { "behind" }
        );
        findings.push(Finding::advice(CHECK, message, "times that commands print are off by that"));
    }
    let beats = match &facts.heartbeats {
        Read::Forbidden(missing) => {
            findings.push(Finding::unknown(CHECK, missing));
            return findings;
        }
        Read::Absent => return findings,
        Read::There(beats) => beats,
    };
    // A kubelet writes its own time. One that lies ahead can only be a clock that does.
    let ahead: Vec<&str> = beats
        .iter()
        .filter(|(_, beat)| beat.duration_since(facts.now) > CLOCKS)
        .map(|(node, _)| node.as_str())
        .collect();
    findings.push(match ahead.as_slice() {
        [] => Finding::ok(
            CHECK,
            format!("no clock of {} nodes is ahead of the API server's", beats.len()),
        ),
        nodes => Finding::advice(
            CHECK,
            format!(
                "the clocks of {} nodes are ahead of the API server's: {}",
                nodes.len(),
                some(nodes)
            ),
            "set them by NTP: seconds since the first failed pull are counted wrongly there",
        ),
    });
    findings
}

/// The first few, and how many more there are.
pub(super) fn some(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
