//! One line of `--jsonl`: what is asked, and what is answered.

use std::borrow::Cow;

use dislodge_engine::cause::Cause;
use dislodge_engine::message;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::finding;

/// What a line has to be.
const EXPECTED: &str = "expected one JSON object with a string `message`; `image` and `reason` are \
                        strings, null or absent";

/// What is answered to one line.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    /// Why the pull failed; `None` where it is no image failure.
    pub(super) cause: Option<Cause>,
    /// The cause's class.
    pub(super) class: Option<&'static str>,
    /// The very words that decided; `None` where nothing did.
    pub(super) evidence: Option<String>,
}

#[derive(Deserialize)]
struct Asked<'l> {
    #[serde(borrow, default)]
    image: Option<Text<'l>>,
    #[serde(borrow, default)]
    reason: Option<Text<'l>>,
    #[serde(borrow)]
    message: Text<'l>,
}

/// Borrowed from the line where nothing in it is escaped.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'l>(#[serde(borrow)] Cow<'l, str>);

/// Answers a line, or says what is wrong with it and what was expected.
pub(super) fn answer(line: &[u8]) -> Result<Answer, String> {
    let refused = |what: &str| format!("{what}: {EXPECTED}");
    let line = std::str::from_utf8(line)
        .map_err(|error| refused(&format!("no UTF-8 from byte {} on", error.valid_up_to() + 1)))?;
    let asked: Asked<'_> = serde_json::from_str(line).map_err(|_| refused(&problem(line)))?;
    let text = asked.message.0.as_ref();
    let reason = asked.reason.as_ref().map(|reason| reason.0.as_ref());
    let image = asked.image.as_ref().map(|image| image.0.as_ref());
    let read = message::read(reason, text, image);
    Ok(Answer {
        cause: read.cause,
        class: read.cause.map(|cause| cause.class().as_str()),
        evidence: read.evidence.map(|found| finding::words(found, text, reason).into_owned()),
    })
}

/// What is wrong with a line, without a word of what it says: that may be a secret.
fn problem(line: &str) -> String {
    if line.trim().is_empty() {
        return "empty".to_owned();
    }
    match serde_json::from_str::<Value>(line) {
        Err(error) => {
            let place = format!(" at line {} column {}", error.line(), error.column());
            let what = error.to_string().replace(&place, "");
            format!("no JSON: {what} at column {}", error.column())
        }
        Ok(Value::Object(fields)) => {
            let wrong = ["message", "image", "reason"].into_iter().find_map(|name| {
                let needed = name == "message";
                match fields.get(name) {
                    None => needed.then(|| format!("no `{name}`")),
                    Some(Value::String(_)) => None,
                    Some(value) if !needed && value.is_null() => None,
                    Some(value) => Some(format!("`{name}` is {}", kind(value))),
                }
            });
            wrong.unwrap_or_else(|| "a field stands there twice".to_owned())
        }
        Ok(value) => format!("{}, no object", kind(&value)),
    }
}

/// What kind of JSON it is.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_and_reason_may_be_given_null_or_absent() {
        for line in [
            r#"{"image":"r.io/a:1","reason":"ErrImagePull","message":"r.io/a:1: not found"}"#,
            r#"{"image":null,"reason":null,"message":"r.io/a:1: not found"}"#,
            r#"{"message":"r.io\/a:1: not found", "more": [1]}"#,
            "{\"message\":\"r.io/a:1: not found\"}\r",
        ] {
            let answer = answer(line.as_bytes()).unwrap();
            assert_eq!(answer.cause, Some(Cause::NotFound), "{line}");
            assert_eq!(answer.class, Some("permanent"), "{line}");
            assert_eq!(answer.evidence.as_deref(), Some("not found"), "{line}");
        }
    }

    #[test]
    fn what_is_no_image_failure_is_answered_with_null() {
        let answer = answer(br#"{"message":"started container main"}"#).unwrap();
        let json = serde_json::to_string(&answer).unwrap();
        assert_eq!(json, r#"{"cause":null,"class":null,"evidence":null}"#);
    }

    #[test]
    fn a_bad_line_is_told_what_is_wrong_with_it_and_what_was_expected() {
        for (line, what) in [
            (&b""[..], "empty: "),
            (b" \r", "empty: "),
            (b"not found", "no JSON: expected ident at column 2: "),
            (b"{\"message\":", "no JSON: EOF while parsing a value at column 11: "),
            (b"{} {}", "no JSON: trailing characters at column 4: "),
            (b"[]", "an array, no object: "),
            (b"\"token=hunter2\"", "a string, no object: "),
            (b"{}", "no `message`: "),
            (br#"{"message":null}"#, "`message` is null: "),
            (br#"{"message":{}}"#, "`message` is an object: "),
            (br#"{"message":"a","image":1}"#, "`image` is a number: "),
            (br#"{"message":"a","reason":["b"]}"#, "`reason` is an array: "),
            (br#"{"message":"a","message":"b"}"#, "a field stands there twice: "),
            (b"{\"message\":\"\xff\"}", "no UTF-8 from byte 13 on: "),
            (br#"{"message":"\ud800"}"#, "no JSON: "),
        ] {
            let error = answer(line).unwrap_err();
            assert!(error.starts_with(what), "{}: {error}", String::from_utf8_lossy(line));
            assert!(error.ends_with(EXPECTED), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
