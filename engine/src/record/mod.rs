//! Step 2, record: observations become counts of failed pulls.
//!
//! Counting happens in the watch path, once for each status: windows are counted, not events and
//! not back-offs. It may under-count (what nobody saw, nobody counts) and never over-counts.

mod pod;
mod runs;
mod track;
mod vacated;

pub use pod::{Arrival, Closed, PodHistory};
pub use runs::{Run, Runs};
pub use track::{Once, SinceOutage, Step, Track};
pub use vacated::{Place, Vacated};
