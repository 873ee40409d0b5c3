//! What was found in one message, masked and ready to be shown.

use std::borrow::Cow;
use std::ops::Range;

use dislodge_engine::cause::Cause;
use dislodge_engine::message::{self, Evidence};
use serde::Serialize;

use super::shown::quoted;

/// What stands where something was masked, and nothing else may be told.
const HIDDEN: &str = "***";

/// What one message says.
#[derive(Debug)]
pub(super) struct Finding {
    /// Why the pull failed; `None` where it is no image failure.
    pub(super) cause: Option<Cause>,
    /// The very words that decided.
    pub(super) evidence: Option<String>,
    /// Why they decide.
    pub(super) why: Option<&'static str>,
    /// The message.
    pub(super) message: String,
    /// The parts of the message that are no evidence, in order.
    pub(super) blanked: Vec<Range<usize>>,
    /// The image, where it is known.
    pub(super) image: Option<String>,
}

/// A finding as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object<'f> {
    cause: Option<Cause>,
    class: Option<&'static str>,
    can_waiting_help: Option<bool>,
    sentence: String,
    next_step: Option<&'static str>,
    evidence: Option<&'f str>,
    why: Option<&'static str>,
    blanked: Vec<&'f str>,
    message: &'f str,
}

impl Finding {
    /// Reads a message. What is shown of it is taken from the masked text alone: a secret need not
    /// look like one where it stands by itself.
    pub(super) fn new(text: &str, reason: Option<&str>, image: Option<&str>) -> Self {
        let read = message::read(reason, text, image);
        let masked = message::mask(text).into_owned();
        let evidence = read.evidence.map(|found| words(found, text, reason).into_owned());
        Self {
            cause: read.cause,
            evidence,
            why: read.evidence.map(|found| found.why),
            blanked: message::blanked(&masked, image),
            message: masked,
            image: image.map(|image| message::mask(image).into_owned()),
        }
    }

    /// The parts of the message that are no evidence, each once.
    pub(super) fn blanked(&self) -> Vec<&str> {
        let mut parts = Vec::new();
        for range in &self.blanked {
            if let Some(part) = self.message.get(range.clone())
                && !parts.contains(&part)
            {
                parts.push(part);
            }
        }
        parts
    }

    /// What it says, as a sentence.
    pub(super) fn sentence(&self) -> String {
        match self.cause {
            Some(cause) => sentence(cause, self.image.as_deref()),
            None => "nothing in it says that an image could not be pulled".to_owned(),
        }
    }

    /// The same as JSON.
    pub(super) fn object(&self) -> Object<'_> {
        Object {
            cause: self.cause,
            class: self.cause.map(|cause| cause.class().as_str()),
            can_waiting_help: self.cause.map(Cause::can_waiting_help),
            sentence: self.sentence(),
            next_step: self.cause.map(Cause::next_step),
            evidence: self.evidence.as_deref(),
            why: self.why,
            blanked: self.blanked(),
            message: &self.message,
        }
    }
}

/// What a cause says of an image, as a sentence. The image has been masked.
pub(super) fn sentence(cause: Cause, image: Option<&str>) -> String {
    let image = image.map_or_else(|| "the image".to_owned(), |i| format!("image {}", quoted(i)));
    format!("{image} {}", cause.sentence())
}

/// The words that decided, as far as they may be shown: as they stand in the masked text.
pub(super) fn words<'t>(found: Evidence<'t>, text: &str, reason: Option<&str>) -> Cow<'t, str> {
    if is_phrase(found) {
        return Cow::Borrowed(found.words);
    }
    let words = message::mask(found.words);
    let stand = |text: &str| message::mask(text).contains(words.as_ref());
    if stand(text) || reason.is_some_and(stand) { words } else { Cow::Borrowed(HIDDEN) }
}

/// Whether the words are a rule's own, and so nobody's secret. Most are, and masking a whole
/// message takes longer than reading it.
fn is_phrase(found: Evidence<'_>) -> bool {
    let mut rules = message::RULES.iter().filter(|rule| rule.why == found.why);
    rules.any(|rule| rule.phrases.iter().any(|phrase| phrase.eq_ignore_ascii_case(found.words)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_nowhere_even_where_it_does_not_look_like_one() {
        let text = r#"failed to authorize: {"token":"s3cr3t"} https://bob:hunter2@r.io/v2/: 401 Unauthorized"#;
        let finding = Finding::new(text, Some("ErrImagePull"), Some("bob:hunter2@r.io/app:1"));
        assert!(finding.cause.is_some());
        let json = serde_json::to_string(&finding.object()).unwrap();
        for secret in ["s3cr3t", "hunter2"] {
            assert!(text.contains(secret) && !json.contains(secret), "{json}");
        }
    }

    #[test]
    fn evidence_that_was_masked_where_it_stands_is_not_shown() {
        let text = "password=hunter2";
        let found = Evidence { words: "hunter2", why: "" };
        assert_eq!(words(found, text, None), HIDDEN);
        assert_eq!(words(found, text, Some("hunter2")), "hunter2");
    }

    #[test]
    fn a_message_about_something_else_has_no_cause_and_no_next_step() {
        let finding = Finding::new("back-off 10s restarting failed container", None, None);
        let object = finding.object();
        assert_eq!((object.cause, object.class, object.next_step), (None, None, None));
        assert!(object.sentence.contains("nothing in it says"));
    }

    #[test]
    fn each_blanked_part_is_listed_once() {
        let text = r#"failed to resolve "r.io/a:1": r.io/a:1: not found"#;
        let finding = Finding::new(text, None, None);
        assert_eq!(finding.blanked(), ["r.io/a:1"]);
    }
}
