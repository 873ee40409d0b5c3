//! Reads a message, and checks that what is blanked is no part of what decided.
#![no_main]

use dislodge_engine::message::{blanked, mask, read};
use libfuzzer_sys::fuzz_target;

const REASONS: [Option<&str>; 6] = [
    None,
    Some("ErrImagePull"),
    Some("ImagePullBackOff"),
    Some("RegistryUnavailable"),
    Some("Failed"),
    Some("a sentence"),
];

fuzz_target!(|data: (u8, String, String)| {
    let (reason, image, text) = data;
    let reason = REASONS[usize::from(reason) % REASONS.len()];
    let reading = read(reason, &text, Some(&image));
    let names = blanked(&text, Some(&image));
    if reason.is_none()
        && let Some(evidence) = reading.evidence
        && let Some(start) = (evidence.words.as_ptr() as usize).checked_sub(text.as_ptr() as usize)
        && start + evidence.words.len() <= text.len()
        && text.find("Back-off").or(text.find("Failed to")).or(text.find("StartContainer")).is_none()
    {
        let decided = start..start + evidence.words.len();
        for name in names {
            assert!(name.end <= decided.start || decided.end <= name.start, "{:?}", evidence.words);
        }
    }
    let masked = mask(&text);
    assert_eq!(mask(&masked), masked, "masking twice is masking once");
});
