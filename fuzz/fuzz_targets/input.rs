//! Plays inputs, one a line as a recording has them, and each second one: the engine takes anything, and
//! what it takes is written and read back as the same.
#![no_main]

use std::time::Duration;

use dislodge_engine::input::Input;
use dislodge_engine::time::Now;
use dislodge_engine::{Config, Engine};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut engine = Engine::new(Config::kubelet());
    for (second, line) in (1..).zip(data.split(|byte| *byte == b'\n')) {
        let Ok(input) = serde_json::from_slice::<Input>(line) else { continue };
        let written = serde_json::to_string(&input).expect("it was read");
        let again: Input = serde_json::from_str(&written).expect("it was written");
        assert_eq!(again, input, "{written}");
        let wall = jiff::Timestamp::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second);
        engine.handle(input, Now { elapsed: Duration::from_secs(second), wall });
        let _ = engine.notices().count();
    }
});
