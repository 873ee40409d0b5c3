//! The scenarios that are alike, as a table: what is submitted, what the rule says, what happens
//! besides, and how it ends. Each row plays on the real control plane, stays as it has ended for
//! 10 s, and is held against the audit log.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a row is about one variant, and the others are alike"
)]

mod made;
mod row;
mod rows;
mod state;
mod writes;

use super::stage::Stage;
use crate::Outcome;
use row::Row;

/// The rows, by their names as tests.
pub(super) fn all() -> impl Iterator<Item = (String, Row)> {
    rows::ROWS.iter().map(|row| (row.name(), *row))
}

/// Plays one row.
pub(super) async fn play(row: Row, stage: Stage) -> Outcome {
    row.play(stage).await
}
