//! The two times that the core is told.

use std::time::Duration;

use jiff::Timestamp;

/// What time it is, as an argument: the core has no clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since the process began. Never goes back: for windows, moments and the lease.
    pub elapsed: Duration,
    /// The wall clock. It may jump: only for what is stored in objects and compared with them.
    pub wall: Timestamp,
}

impl Now {
    /// How long it is until a time of the wall clock; nothing where it has come.
    pub fn until(self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.wall)).unwrap_or_default()
    }
}
