//! What holds the rules back: a registry that is down, a budget that is used up, and an image that
//! another node could pull.
//!
//! All three only count and compare: they keep bounded memory, and lose nothing that an object's
//! status does not keep but what makes them act less, or a sweep take one slot more.

mod budget;
mod elsewhere;
mod outage;
mod tally;

use jiff::{SignedDuration, Timestamp};

pub use budget::{Answer, Budget, Reserve, Slot};
pub use elsewhere::Elsewhere;
pub use outage::{Outages, Proof, State, counts, repository};

/// A time later, or the end of time.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Seconds of the API.
fn seconds(seconds: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(seconds))
}
