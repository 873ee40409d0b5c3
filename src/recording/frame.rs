//! The lines of a recording.

use std::time::Duration;

use dislodge_engine::Config;
use dislodge_engine::input::Input;
use dislodge_engine::time::Now;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The format that is written, and the newest that can be read.
pub const FORMAT: u32 = 1;

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Line {
    /// The first line.
    Recording(Header),
    /// What stood when this file was begun, of a run that began in an earlier one.
    Standing(Frame),
    /// What the engine was told, and what came of it.
    Input(Frame),
    /// The last line: nothing is missing before it.
    End {
        /// How many lines of `input` there are.
        inputs: u64,
    },
}

/// What a recording is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// The version of the format.
    pub format: u32,
    /// The version of the program that wrote it.
    pub program: String,
    /// Who wrote it.
    pub source: Source,
    /// The only namespace that was watched; absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// When the run began: the files of one run have it in common.
    pub run: Timestamp,
    /// Which file of the run this is, from 0.
    pub segment: u32,
    /// What the engine was told once.
    pub config: Config,
}

/// Who wrote a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A controller: of its own inputs, with what it decided.
    Controller,
    /// `dislodge record`: of what a person may watch. Nothing was decided.
    Person,
}

/// One input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Nanoseconds since the process began.
    pub elapsed: u64,
    /// The wall clock.
    pub wall: Timestamp,
    /// An [`Input`].
    pub input: Value,
    /// What came of it; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Done>,
}

/// What came of an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The effects in short, in the engine's order.
    pub effects: Vec<String>,
    /// Checksum and length of all effects and notices as JSON, without secrets.
    pub sum: String,
}

impl Frame {
    /// The time that the engine was told.
    pub const fn now(&self) -> Now {
        Now { elapsed: Duration::from_nanos(self.elapsed), wall: self.wall }
    }

    /// The input, as the engine takes it.
    ///
    /// # Errors
    ///
    /// Where it is none.
    pub fn input(&self) -> serde_json::Result<Input> {
        Input::deserialize(&self.input)
    }
}
