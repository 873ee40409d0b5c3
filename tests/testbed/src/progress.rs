//! What a person who waits is told, on standard error.

use std::io::Write as _;

use tokio::time::Instant;

/// Something that takes long enough to be told about.
#[derive(Debug)]
pub(crate) struct Progress {
    what: String,
    started: Instant,
}

impl Progress {
    /// Says that it begins.
    pub(crate) fn new(what: String) -> Self {
        say(&what);
        Self { what, started: Instant::now() }
    }

    /// Says that it goes on, and for how long.
    pub(crate) fn still(&self) {
        say(&format!("{}: {} s", self.what, self.started.elapsed().as_secs()));
    }

    /// Says that it is done, and how long it took.
    pub(crate) fn done(&self) {
        say(&format!("{}: done in {} s", self.what, self.started.elapsed().as_secs()));
    }
}

/// One line to the person.
pub(crate) fn say(line: &str) {
    // Where standard error is closed nobody listens.
    let _unread = writeln!(std::io::stderr(), "testbed: {line}");
}
