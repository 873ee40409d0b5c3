//! What may reach a terminal: foreign texts, made harmless.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

/// Whether a terminal obeys the character in place of showing it: control characters, with the
/// escape sequences that begin with them, and what changes the direction of the text around it.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// The text with what a terminal would obey spelled out: `\n`, `\u{1b}`.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_obeyed(c) {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    Cow::Owned(plain)
}

/// The text in quotes, with quotes inside of it spelled out.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", plain(text).replace('"', "\\\""))
}

/// Writes a value as one line of JSON, in which nothing stands that a terminal obeys.
pub(crate) fn json(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    let mut json = serde_json::to_string(value)?;
    // JSON itself spells out only what stands before the space.
    if !json.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && json.contains(is_obeyed) {
        let mut plain = String::with_capacity(json.len() + 16);
        for c in json.chars() {
            if is_obeyed(c) {
                // None of them is beyond U+FFFF; writing to a string cannot fail.
                let _ = write!(plain, "\\u{:04x}", u32::from(c));
            } else {
                plain.push(c);
            }
        }
        json = plain;
    }
    json.push('\n');
    out.write_all(json.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_spelled_out_and_the_rest_stays() {
        for (text, expected) in [
            ("no such host", "no such host"),
            ("Größe 日本語 🦀", "Größe 日本語 🦀"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
            ("app\u{202e}exe", "app\\u{202e}exe"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }

    #[test]
    fn the_same_goes_for_json_which_stays_the_same_value() {
        let text = "\u{1b}[31m \u{9b}2J\u{7f} \u{202e} \n \"é\"";
        let mut out = Vec::new();
        json(&text, &mut out).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert!(!line.trim_end().contains(is_obeyed), "{line:?}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }

    #[test]
    fn a_quote_does_not_end_what_is_quoted() {
        assert_eq!(quoted("a\"b"), r#""a\"b""#);
    }
}
