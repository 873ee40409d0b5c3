//! The scenarios that are alike, as a table: what is submitted, what the rule says, what happens
//! besides, and how it ends. Each row plays on the real control plane, stays as it has ended for
//! 10 s, and is held against the audit log.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a row is about one variant, and the others are alike"
)]

mod foreign;
mod made;
mod row;
mod rows;
mod state;
mod writes;

use super::stage::Stage;
use crate::Outcome;
use row::{Row, Trouble};

/// The rows, by their names as tests, each with the trouble that it is about.
pub(super) fn all() -> impl Iterator<Item = (String, (Row, Trouble))> {
    rows::ROWS.iter().map(|row| (row.name(), (*row, row.trouble())))
}

/// All other rows with each trouble: they take long, and are played when they are asked for.
pub(super) fn troubled() -> impl Iterator<Item = (String, (Row, Trouble))> {
    let calm = rows::ROWS.iter().filter(|row| row.trouble() == Trouble::None);
    calm.flat_map(|row| {
        Trouble::BOTH.map(|trouble| {
            let name = format!("{}_{}", row.name(), format!("{trouble:?}").to_lowercase());
            (name, (*row, trouble))
        })
    })
}

/// Plays one row.
pub(super) async fn play((row, trouble): (Row, Trouble), stage: Stage) -> Outcome {
    row.play(trouble, stage).await
}
