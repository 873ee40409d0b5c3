//! Which rule decides on one error: all phrases are searched for in one pass.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::blank::BLANK;
use super::context::{
    ANNOUNCING, EOF, NO_DESCRIPTOR, NOT_FOUND, OF_ROOT, OF_TOKEN, ROOT_MISSING, STRANGE_MEDIA_TYPE,
    TOKEN_MISSING,
};
use super::phrases::{RULES, Rule, Verdict};
use crate::cause::Cause;

/// The rule that decides, and the bytes that it found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) rule: &'static Rule,
    pub(super) words: Range<usize>,
}

/// What it means that a phrase was found.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    /// The rule with this index applies.
    Rule(usize),
    /// The same, if the words stand behind a name.
    NotFound(usize),
    /// The same, if the error ends with them.
    Eof(usize),
    /// A status may follow.
    Announces,
    /// A status is the token service's.
    OfToken,
    /// A status is that of the registry's root.
    OfRoot,
    /// A media type follows.
    NoDescriptor,
}

struct Search {
    automaton: Option<AhoCorasick>,
    meanings: Vec<Meaning>,
}

static SEARCH: LazyLock<Search> = LazyLock::new(|| {
    let rules = RULES.iter().enumerate().flat_map(|(index, rule)| {
        rule.phrases.iter().map(move |phrase| match *phrase {
            NOT_FOUND => (NOT_FOUND, Meaning::NotFound(index)),
            EOF => (EOF, Meaning::Eof(index)),
            phrase => (phrase, Meaning::Rule(index)),
        })
    });
    let others = ANNOUNCING.iter().map(|phrase| (*phrase, Meaning::Announces));
    let others = others.chain(OF_TOKEN.iter().map(|phrase| (*phrase, Meaning::OfToken)));
    let others = others.chain(OF_ROOT.iter().map(|phrase| (*phrase, Meaning::OfRoot)));
    let others = others.chain(std::iter::once((NO_DESCRIPTOR, Meaning::NoDescriptor)));
    let (phrases, meanings): (Vec<&str>, Vec<Meaning>) = rules.chain(others).unzip();
    // Half the speed of a full automaton, a twentieth of its memory.
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(phrases);
    // It fails only beyond 2^31 states.
    Search { automaton: automaton.ok(), meanings }
});

/// The first of all rules that the error matches. `raw` is the error before it was blanked.
/// `strangers`: also those about something else than a pull.
pub(super) fn first(error: &[u8], raw: &[u8], strangers: bool) -> Option<Found> {
    let search = &*SEARCH;
    let mut best: Option<(usize, Range<usize>)> = None;
    let mut consider = |index: usize, words: Range<usize>| {
        let asked = strangers || RULES.get(index).is_some_and(|r| r.verdict != Verdict::NoPull);
        // Of the phrases of one rule the longest says most.
        let rank = |index, words: &Range<usize>| (index, Reverse(words.len()));
        if asked && best.as_ref().is_none_or(|(i, w)| rank(index, &words) < rank(*i, w)) {
            best = Some((index, words));
        }
    };
    let (mut of_token, mut of_root, mut strange) = (false, false, None);
    for found in search.automaton.as_ref()?.find_overlapping_iter(error) {
        let words = found.range();
        if !is_whole(error, &words) {
            continue;
        }
        match search.meanings.get(found.pattern().as_usize()) {
            Some(Meaning::Rule(index)) => consider(*index, without_colon(error, words)),
            Some(Meaning::NotFound(index)) if follows_a_name(error, words.start) => {
                consider(*index, words);
            }
            Some(Meaning::Eof(index)) if ends_error(error, &words) => consider(*index, words),
            Some(Meaning::Announces) => {
                if let Some((status, at)) = status_after(error, words.end)
                    && let Some(index) = rule_of(status)
                {
                    consider(index, status_words(error, at));
                }
            }
            Some(Meaning::OfToken) => of_token = true,
            Some(Meaning::OfRoot) => of_root = true,
            Some(Meaning::NoDescriptor) => strange = strange_media_type(raw, words),
            Some(Meaning::NotFound(_) | Meaning::Eof(_)) | None => {}
        }
    }
    let (index, words) = best?;
    let rule = RULES.get(index)?;
    let missing = rule.verdict == Verdict::Cause(Cause::NotFound);
    Some(match strange {
        Some(words) if missing => Found { rule: &STRANGE_MEDIA_TYPE, words },
        _ if missing && of_token => Found { rule: &TOKEN_MISSING, words },
        _ if missing && of_root => Found { rule: &ROOT_MISSING, words },
        _ => Found { rule, words },
    })
}

/// The words that stand behind the colon with which some phrases begin.
fn without_colon(error: &[u8], words: Range<usize>) -> Range<usize> {
    let colon = error.get(words.clone()).is_some_and(|phrase| phrase.starts_with(b": "));
    words.start + if colon { 2 } else { 0 }..words.end
}

/// The first rule that a status belongs to.
fn rule_of(status: u16) -> Option<usize> {
    RULES.iter().position(|rule| {
        rule.statuses.is_some_and(|(first, last)| (first..=last).contains(&status))
    })
}

/// Whether the phrase stands for itself: it is no part of a longer word or of a name with hyphens.
fn is_whole(error: &[u8], words: &Range<usize>) -> bool {
    let in_word = |byte: Option<&u8>| {
        byte.is_some_and(|b| b.is_ascii_alphanumeric() || b"-_".contains(b) || !b.is_ascii())
    };
    let first = error.get(words.start).is_some_and(u8::is_ascii_alphanumeric);
    let last = error.get(words.end.saturating_sub(1)).is_some_and(u8::is_ascii_alphanumeric);
    let before = words.start.checked_sub(1).and_then(|at| error.get(at));
    !(first && in_word(before) || last && in_word(error.get(words.end)))
}

/// The longest reason phrase of HTTP has about this many bytes (RFC 9110).
const MOST_PHRASE: usize = 40;

/// At most so many words stand between the announcement and the status:
/// `unexpected status from HEAD request to <URL>: 403`.
const MOST_WORDS: usize = 6;

/// The HTTP status that follows in the same line: where its digits stand.
fn status_after(error: &[u8], from: usize) -> Option<(u16, usize)> {
    let is_gap = |b: &u8| b.is_ascii_whitespace() || b":=,[](\"".contains(b);
    let mut at = from;
    for _ in 0..MOST_WORDS {
        let gap = error.get(at..)?.iter().take_while(|b| is_gap(b));
        if gap.clone().any(|b| *b == b'\n') {
            return None;
        }
        at += gap.count();
        let length = error.get(at..)?.iter().take_while(|b| !is_gap(b)).count();
        let word = error.get(at..at + length)?;
        if let [hundreds @ b'1'..=b'5', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = word {
            let digit = |byte: &u8| u16::from(byte - b'0');
            return Some((digit(hundreds) * 100 + digit(tens) * 10 + digit(ones), at));
        }
        at += length;
    }
    None
}

/// A status with the words behind it: `404 Not Found`.
fn status_words(error: &[u8], at: usize) -> Range<usize> {
    let after = error.get(at + 3..).unwrap_or_default();
    let is_text = |b: &&u8| b.is_ascii_alphabetic() || **b == b' ';
    let text = after.iter().take(MOST_PHRASE).take_while(is_text).count();
    let words = after.get(..text).unwrap_or_default();
    at..at + 3 + words.iter().rposition(|b| *b != b' ').map_or(0, |last| last + 1)
}

/// Words that `not found` may follow when it is about the image.
const NAMED: [&[u8]; 9] =
    [b"remote", b"manifest", b"image", b"tag", b"repository", b"artifact", b"404", b"is", b"was"];

/// Whether what stands before is the name of an image, or one of the words for it.
fn follows_a_name(error: &[u8], at: usize) -> bool {
    let before = error.get(..at).unwrap_or_default();
    let is_gap = |b: &u8| b.is_ascii_whitespace() || b":\"')".contains(b);
    let Some(last) = before.iter().rposition(|b| !is_gap(b)) else { return false };
    let before = before.get(..=last).unwrap_or_default();
    let start = before.iter().rposition(|b| !b.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
    before.last() == Some(&BLANK)
        || NAMED
            .iter()
            .any(|word| before.get(start..).is_some_and(|w| w.eq_ignore_ascii_case(word)))
}

/// Whether nothing follows in the error: `Head "<URL>": EOF`.
fn ends_error(error: &[u8], words: &Range<usize>) -> bool {
    let after = error.get(words.end..).unwrap_or_default();
    let before = error.get(..words.start).unwrap_or_default();
    let alone = before.is_empty() || before.ends_with(b": ");
    alone && after.iter().find(|b| !b.is_ascii_whitespace()).is_none_or(|b| b"]()\",;".contains(b))
}

/// A digest and a media type fit into so many bytes.
const MOST_DESCRIPTOR: usize = 400;

/// Media types that containerd asks for and knows (images/mediatypes.go). What it could not fetch of
/// these is missing.
const KNOWN_TYPES: [&str; 9] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.docker.image.rootfs.",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.oci.image.layer.",
    "application/octet-stream",
];

/// The words, where the media type in brackets behind them is none that containerd knows.
fn strange_media_type(raw: &[u8], words: Range<usize>) -> Option<Range<usize>> {
    let after = raw.get(words.end..)?;
    let after = after.get(..after.len().min(MOST_DESCRIPTOR))?;
    let open = after.iter().position(|b| *b == b'(')? + 1;
    let length = after.get(open..)?.iter().position(|b| *b == b')')?;
    let media_type = after.get(open..open + length)?;
    let known = KNOWN_TYPES.iter().any(|known| media_type.starts_with(known.as_bytes()));
    (!known).then_some(words)
}
