//! What stands on objects between two versions: each folder has objects as that version wrote them. This one reads
//! them as what they were, and writes the same, so that held jobs outlive an upgrade and a rollback.
//!
//! A folder is not changed once its version is released. What has to be written otherwise is read in both forms, and
//! written in the old one until no supported version needs it.

use std::collections::BTreeMap;
use std::path::Path;

use dislodge_engine::api::Action;
use dislodge_engine::cause::Cause;
use dislodge_engine::explain::HoldRecord;
use dislodge_engine::keys;
use dislodge_engine::objects::{Policy, Workload};
use serde_json::Value;

/// The versions that may have run before this one, or may run after it.
const VERSIONS: [&str; 1] = ["0.1.0"];

fn object(version: &str, name: &str) -> Result<Value, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/versions").join(version);
    let path = folder.join(format!("{name}.json"));
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|error| named(&error))?;
    serde_json::from_str(&text).map_err(|error| named(&error))
}

fn workload(version: &str, name: &str) -> Result<Workload, String> {
    serde_json::from_value(object(version, name)?).map_err(|error| format!("{name}: {error}"))
}

#[test]
fn a_hold_of_any_version_is_read_as_what_it_was() {
    let back = |hold: &HoldRecord| hold.back.map(|back| (back.at.to_string(), back.number));
    let due = Some(("2026-11-24T08:10:30Z".to_owned(), 2));
    let rows = [
        ("suspended", Action::SuspendJob, None),
        ("requeued", Action::RequeueJob, due),
        ("to-be-failed", Action::FailJob, None),
    ];
    for version in VERSIONS {
        for (name, action, returns) in &rows {
            let workload = workload(version, name).unwrap();
            let hold = HoldRecord::read(&workload.metadata).unwrap();
            assert_eq!((hold.action, back(&hold)), (*action, returns.clone()), "{version} {name}");
            assert_eq!((hold.cause, hold.policy.as_str()), (Cause::NotFound, "gpu"), "{name}");
            assert_eq!(hold.at.to_string(), "2026-11-24T08:08:30Z", "{version} {name}");
        }
    }
}

#[test]
fn a_hold_is_written_as_any_version_reads_it() {
    for version in VERSIONS {
        for name in ["suspended", "requeued", "to-be-failed"] {
            let workload = workload(version, name).unwrap();
            let hold = HoldRecord::read(&workload.metadata).unwrap();
            let written: BTreeMap<&str, Option<String>> = hold.on_lever().into_iter().collect();
            let stands = object(version, name).unwrap()["metadata"]["annotations"].clone();
            let stands: BTreeMap<String, String> = serde_json::from_value(stands).unwrap();
            // Of what the job asks for the hold itself knows nothing.
            let stands = stands.iter().filter(|(key, _)| *key != keys::HELD_QUOTA);
            let stands: BTreeMap<&str, Option<String>> =
                stands.map(|(key, value)| (key.as_str(), Some(value.clone()))).collect();
            assert_eq!(written, stands, "{version} {name}");
        }
    }
}

#[test]
fn a_policy_of_any_version_is_read_whole_and_its_status_is_written_alike() {
    for version in VERSIONS {
        let stands = object(version, "policy").unwrap();
        let policy: Policy = serde_json::from_value(stands.clone()).unwrap();
        let spec = policy.spec.unwrap_or_else(|error| panic!("{version}: {error}"));
        assert_eq!(serde_json::to_value(spec).unwrap(), stands["spec"], "{version}");
        assert_eq!(serde_json::to_value(policy.status).unwrap(), stands["status"], "{version}");
    }
}
