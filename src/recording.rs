//! Recordings: what an engine was fed, input by input, in a file that can be played again.
//!
//! The engine is a state machine without a clock: the same inputs with the same times give the same
//! effects. So a recording holds inputs and times and nothing of the engine's own state, plus a
//! checksum of what came of each input, by which a replay proves that it does the same.
//!
//! A file is gzip over lines of JSON, one [`frame::Line`] each (`zcat FILE | jq` reads it): a header, what
//! stood when the file was begun, a line for each input, and a mark at the end. A file without the mark
//! was cut, and is good up to there. Objects are as the API has them, of the few fields that the engine
//! reads; every text has gone through the engine's mask for secrets before it is written.

mod entry;
mod fold;
pub mod frame;
pub mod read;
pub mod rolling;
mod secret;
pub mod write;

pub use entry::{Entry, done};
pub(crate) use secret::masked;
