//! What was found in one message, masked and ready to be shown.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use dislodge_engine::cause::Cause;
use dislodge_engine::message::{self, Evidence};
use serde::Serialize;

use super::shown::quoted;

/// What stands where something was masked, and nothing else may be told.
const HIDDEN: &str = "***";
/// So many blanked parts JSON lists: all of any message that a runtime writes.
const LISTED: usize = 100;

/// What one message says.
#[derive(Debug)]
pub(crate) struct Finding {
    /// Why the pull failed; `None` where it is no image failure.
    pub(super) cause: Option<Cause>,
    /// The very words that decided.
    pub(crate) evidence: Option<String>,
    /// Why they decide.
    pub(super) why: Option<&'static str>,
    /// The message.
    pub(crate) message: String,
    /// The parts of the message that are no evidence, in order.
    pub(super) blanked: Vec<Range<usize>>,
    /// The image, where it is known.
    pub(super) image: Option<String>,
}

/// A finding as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Object<'f> {
    cause: Option<Cause>,
    class: Option<&'static str>,
    can_waiting_help: Option<bool>,
    sentence: String,
    next_step: Option<&'static str>,
    evidence: Option<&'f str>,
    why: Option<&'static str>,
    blanked: Vec<&'f str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blanked_more: Option<usize>,
    message: &'f str,
}

impl Finding {
    /// Reads a message. What is shown of it is taken from the masked text alone: a secret need not
    /// look like one where it stands by itself. An empty reason or image is none.
    pub(super) fn new(text: &str, reason: Option<&str>, image: Option<&str>) -> Self {
        let (reason, image) = (given(reason), given(image));
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

    /// The parts of the message that are no evidence, each once: the first `most`, and how many
    /// more there are.
    pub(super) fn blanked(&self, most: usize) -> (Vec<&str>, usize) {
        let texts = || self.blanked.iter().filter_map(|range| self.message.get(range.clone()));
        let (mut seen, mut parts) = (BTreeSet::new(), Vec::new());
        for part in texts() {
            if parts.len() == most {
                break;
            }
            if seen.insert(part) {
                parts.push(part);
            }
        }
        // Of a million parts a sorted list takes a third of the time of a tree.
        let mut distinct: Vec<&str> = texts().collect();
        distinct.sort_unstable();
        distinct.dedup();
        let more = distinct.len() - parts.len();
        (parts, more)
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
        let (blanked, more) = self.blanked(LISTED);
        Object {
            cause: self.cause,
            class: self.cause.map(|cause| cause.class().as_str()),
            can_waiting_help: self.cause.map(Cause::can_waiting_help),
            sentence: self.sentence(),
            next_step: self.cause.map(Cause::remedy),
            evidence: self.evidence.as_deref(),
            why: self.why,
            blanked,
            blanked_more: (more > 0).then_some(more),
            message: &self.message,
        }
    }
}

/// A flag or a field that says something.
pub(super) fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
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
        assert_eq!(finding.blanked(8), (vec!["r.io/a:1"], 0));
    }

    #[test]
    fn of_very_many_blanked_parts_json_lists_some_and_counts_the_rest() {
        let text = |names: usize| {
            let names: Vec<String> = (0..names).map(|number| format!("r.io/a{number}:1")).collect();
            format!("{0} {0}: not found", names.join(" "))
        };
        for (names, more) in [(LISTED, None), (LISTED + 5, Some(5))] {
            let finding = Finding::new(&text(names), None, None);
            let object = finding.object();
            assert_eq!((object.blanked.len(), object.blanked_more), (LISTED, more));
            let json = serde_json::to_string(&object).unwrap();
            assert_eq!(json.contains(r#""blankedMore":5,"#), more.is_some(), "{json}");
        }
    }

    #[test]
    fn an_empty_image_or_reason_is_as_good_as_none() {
        let finding = Finding::new("r.io/a:1: not found", Some(" "), Some(""));
        assert_eq!(finding.sentence(), "the image does not exist in its registry");
    }
}
