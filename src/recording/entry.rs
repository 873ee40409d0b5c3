//! One turn of the engine: what it was told and when, and what came of it.

use dislodge_engine::effect::{Effect, EffectId};
use dislodge_engine::input::Input;
use dislodge_engine::notice::Notice;
use dislodge_engine::time::Now;
use flate2::Crc;
use serde_json::{Value, json};

use super::frame::{Done, Frame};
use super::secret::masked;
use crate::dispatch::{kind_name, name, target};

/// One turn of the engine.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The time that it was told.
    pub now: Now,
    /// What it was told.
    pub input: Input,
    /// What it wanted done, in its order.
    pub effects: Vec<(EffectId, Effect)>,
    /// What it said beside that.
    pub notices: Vec<Notice>,
}

impl Entry {
    /// As it is written: without secrets.
    ///
    /// # Errors
    ///
    /// Where a value has no form in JSON, which none of the engine's has.
    pub fn frame(&self) -> serde_json::Result<Frame> {
        Ok(Frame {
            elapsed: u64::try_from(self.now.elapsed.as_nanos()).unwrap_or(u64::MAX),
            wall: self.now.wall,
            input: masked(serde_json::to_value(&self.input)?),
            done: done(&self.effects, &self.notices)?,
        })
    }
}

/// What came of a turn, in short; `None`: nothing.
///
/// # Errors
///
/// As [`Entry::frame`].
pub fn done(
    effects: &[(EffectId, Effect)],
    notices: &[Notice],
) -> serde_json::Result<Option<Done>> {
    if effects.is_empty() && notices.is_empty() {
        return Ok(None);
    }
    let said = |(_, effect): &(EffectId, Effect)| {
        let (kind, key) = target(effect);
        format!("{} {} {key}", name(effect, false), kind_name(kind))
    };
    let all = masked(json!({"effects": effects, "notices": notices}));
    Ok(Some(Done { effects: effects.iter().map(said).collect(), sum: sum(&all) }))
}

/// Checksum and length of a value's text. Keys of objects are in order.
fn sum(value: &Value) -> String {
    let text = value.to_string();
    let mut crc = Crc::new();
    crc.update(text.as_bytes());
    format!("{:08x}-{}", crc.sum(), text.len())
}
