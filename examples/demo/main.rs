//! The story in seconds: the real controller in a cluster in memory, in virtual time.
//!
//! What is printed is read from that cluster, and checked. Where the story does not come true, the
//! program says what should have been and ends with an error.

#![expect(clippy::indexing_slicing, reason = "JSON reads as null where nothing is")]

mod describe;
mod page;
mod scene;
mod shell;
mod story;

use std::io::Write as _;
use std::process::ExitCode;

/// What stops the demo.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let mut say = |line: &str| {
        // A reader that has seen enough (`| head`) is no error, and the story is checked to its end.
        let _unread = writeln!(std::io::stdout(), "{line}");
    };
    match story::tell(&mut page::Page::new(&mut say)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format!("\nFAILED, this should have been so: {failure}"));
            ExitCode::FAILURE
        }
    }
}
