//! The guard, `deploy/base/guard.yaml`: a table of writes that pass and writes that are refused, held
//! against its expressions offline and, by [`online`], against the real API server.

#![expect(clippy::indexing_slicing, reason = "JSON reads as null where nothing is")]

mod cases;
mod offline;
pub(crate) mod online;
mod versions;

use std::path::Path;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::Outcome;
use cases::Case;
use offline::Guard;

/// A test: its sentence as a name, and the test.
type Test = (&'static str, fn() -> Outcome);

/// All tests that need no cluster.
pub(crate) const ALL: &[Test] = &[
    ("every_case_of_the_table_comes_out_as_it_says", every_case),
    ("no_validation_can_be_left_out", no_validation_can_be_left_out),
    ("nobody_else_is_looked_at", nobody_else_is_looked_at),
    ("it_calls_no_function_that_a_version_lacks", versions::calls_nothing_newer),
];

/// The ValidatingAdmissionPolicy as it stands in the file.
fn policy() -> Result<Value, Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/base/guard.yaml");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&std::fs::read_to_string(path)?)?;
    Ok(documents.into_iter().next().unwrap_or_default())
}

fn every_case() -> Outcome {
    let guard = Guard::new(&policy()?)?;
    report(cases::load()?.iter().filter_map(|case| wrong(case, &guard).err()))
}

/// What is wrong with the guard's verdict.
fn wrong(case: &Case, guard: &Guard) -> Result<(), String> {
    let request = case.request()?;
    case.judge(&guard.judge(&request))
}

/// A validation that no case misses is either not needed or not tested.
fn no_validation_can_be_left_out() -> Outcome {
    let cases = cases::load()?;
    let whole = Guard::new(&policy()?)?;
    report((0..whole.validations()).filter_map(|number| {
        let guard = whole.without(number);
        let missed = cases.iter().any(|case| wrong(case, &guard).is_err());
        (!missed).then(|| format!("no case notices that validation {number} is gone"))
    }))
}

fn nobody_else_is_looked_at() -> Outcome {
    let guard = Guard::new(&policy()?)?;
    for (user, expected) in [
        ("system:serviceaccount:dislodge-system:dislodge", true),
        ("system:serviceaccount:team-a:dislodge", false),
        ("kubernetes-admin", false),
    ] {
        let matched = guard.concerns(user)?;
        if matched != expected {
            return Err(format!("{user}: looked at: {matched}").into());
        }
    }
    Ok(())
}

/// Fails with all that is wrong, a line each.
fn report(wrong: impl Iterator<Item = String>) -> Outcome {
    let lines: Vec<String> = wrong.collect();
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n").into()) }
}
