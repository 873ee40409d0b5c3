//! Which rule decides on one error: all phrases are searched for in one pass.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::blank::BLANK;
use super::context::{
    ANNOUNCING, EOF, NO_DESCRIPTOR, NO_SIGNATURES, NOT_FOUND, OF_ROOT, OF_TOKEN, PERMISSION_DENIED,
    ROOT_MISSING, STRANGE_MEDIA_TYPE, TOKEN_MISSING,
};
use super::phrases::{RULES, Rule, Verdict};
use crate::cause::{Cause, Class};

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
    /// The same, if they are about a path or an address.
    OfPath(usize),
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
            PERMISSION_DENIED => (PERMISSION_DENIED, Meaning::OfPath(index)),
            EOF | NO_SIGNATURES => (*phrase, Meaning::Eof(index)),
            phrase => (phrase, Meaning::Rule(index)),
        })
    });
    let others = ANNOUNCING.iter().map(|phrase| (*phrase, Meaning::Announces));
    let others = others.chain(OF_TOKEN.iter().map(|phrase| (*phrase, Meaning::OfToken)));
    let others = others.chain(OF_ROOT.iter().map(|phrase| (*phrase, Meaning::OfRoot)));
    let others = others.chain(std::iter::once((NO_DESCRIPTOR, Meaning::NoDescriptor)));
    let (phrases, meanings): (Vec<&str>, Vec<Meaning>) = rules.chain(others).unzip();
    // A full automaton was up to a quarter faster (`make bench-reading`), and is far larger.
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(phrases);
    // It fails only beyond 2^31 states.
    Search { automaton: automaton.ok(), meanings }
});

/// What an error is looked at with.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// Also the rules about something else than a pull.
    pub(super) strangers: bool,
    /// The error may be several, of which one can be transient: that one decides.
    pub(super) mixed: bool,
}

/// A rule by its place in the list, and the words that it found.
type Match = Option<(usize, Range<usize>)>;

/// Keeps the first rule, and of its phrases the longest, which says most.
fn keep(best: &mut Match, index: usize, words: Range<usize>) {
    let rank = |index, words: &Range<usize>| (index, Reverse(words.len()));
    if best.as_ref().is_none_or(|(i, w)| rank(index, &words) < rank(*i, w)) {
        *best = Some((index, words));
    }
}

/// The first of all rules that the error matches. `raw` is the error before it was blanked.
pub(super) fn first(error: &[u8], raw: &[u8], view: View) -> Option<Found> {
    let search = &*SEARCH;
    let (mut best, mut transient, mut announced): (Match, Match, Match) = (None, None, None);
    let mut consider = |index: usize, words: Range<usize>| {
        let verdict = RULES.get(index).map(|rule| rule.verdict);
        if verdict == Some(Verdict::NoPull) && !view.strangers {
            return;
        }
        let cause = verdict.and_then(Verdict::cause);
        if cause.is_some_and(|cause| cause.class() == Class::Transient) {
            keep(&mut transient, index, words.clone());
        }
        keep(&mut best, index, words);
    };
    let (mut of_token, mut of_root, mut strange) = (false, false, None);
    for found in search.automaton.as_ref()?.find_overlapping_iter(error) {
        let words = found.range();
        if !is_whole(error, &words) {
            continue;
        }
        match search.meanings.get(found.pattern().as_usize()) {
            Some(Meaning::Rule(index)) => consider(*index, words),
            Some(Meaning::NotFound(index)) if follows_a_name(error, words.start) => {
                consider(*index, words);
            }
            Some(Meaning::OfPath(index)) if error.get(..words.start).is_some_and(ends_in_name) => {
                consider(*index, words);
            }
            Some(Meaning::Eof(index)) if ends_error(error, &words) => consider(*index, words),
            Some(Meaning::Announces) => {
                if let Some((status, at)) = status_after(error, words.end)
                    && let Some(index) = rule_of(status)
                {
                    consider(index, status_words(error, at));
                    if status >= 400 {
                        keep(&mut announced, index, status_words(error, at));
                    }
                }
            }
            Some(Meaning::OfToken) => of_token = true,
            Some(Meaning::OfRoot) => of_root = true,
            Some(Meaning::NoDescriptor) => strange = strange_media_type(raw, words),
            Some(Meaning::NotFound(_) | Meaning::OfPath(_) | Meaning::Eof(_)) | None => {}
        }
    }
    let (index, words) = best?;
    let rule = RULES.get(index)?;
    let permanent = rule.verdict.cause().is_some_and(|cause| cause.class() == Class::Permanent);
    // The registry's own refusal outweighs what its body says of media types and the like. Only
    // Harbor tells with a 4xx that a policy refuses the image.
    let policy = rule.verdict == Verdict::Cause(Cause::SignatureRejected);
    let is_down = |(index, _): &(usize, Range<usize>)| {
        RULES
            .get(*index)
            .is_some_and(|rule| rule.verdict == Verdict::Cause(Cause::RegistryUnavailable))
    };
    let refused = announced.filter(|announced| !policy || is_down(announced));
    let instead = transient.filter(|_| view.mixed).or(refused).filter(|_| permanent);
    let (index, words) = instead.unwrap_or((index, words));
    Some(located(RULES.get(index)?, words, (of_token, of_root, strange)))
}

/// What a missing thing is: of the image, or of the token service, the registry's root, or a kind
/// of manifest that containerd does not know.
fn located(
    rule: &'static Rule,
    words: Range<usize>,
    (of_token, of_root, strange): (bool, bool, Option<Range<usize>>),
) -> Found {
    if rule.verdict != Verdict::Cause(Cause::NotFound) {
        return Found { rule, words };
    }
    match strange {
        Some(words) => Found { rule: &STRANGE_MEDIA_TYPE, words },
        None if of_token => Found { rule: &TOKEN_MISSING, words },
        None if of_root => Found { rule: &ROOT_MISSING, words },
        None => Found { rule, words },
    }
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

/// The HTTP status that follows in the same line: where its digits stand. It comes at once, behind a
/// colon or `=`, or with its meaning in brackets (`from registry 403 (Forbidden)`); another number
/// on the way is none.
fn status_after(error: &[u8], from: usize) -> Option<(u16, usize)> {
    let is_gap = |b: &u8| b.is_ascii_whitespace() || b":=,[](\"".contains(b);
    let mut at = from;
    for n in 0..MOST_WORDS {
        let gap = error.get(at..)?.iter().take_while(|b| is_gap(b)).count();
        let between = error.get(at..at + gap)?;
        if between.contains(&b'\n') {
            return None;
        }
        at += gap;
        let length = error.get(at..)?.iter().take_while(|b| !is_gap(b)).count();
        let word = error.get(at..at + length)?;
        if let [hundreds @ b'1'..=b'5', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = word
            && (n == 0
                || between.iter().any(|b| b":=".contains(b))
                || error.get(at + length..).is_some_and(|after| after.starts_with(b" (")))
        {
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
const THINGS: [&[u8]; 8] =
    [b"remote", b"manifest", b"image", b"tag", b"repository", b"artifact", b"blob", b"404"];

/// Words that stand right before the name of an image that is not found. Others name something on
/// the node: `snapshot "x" not found`, `content sha256:... not found`, `ingest ref "x" not found`.
const BEFORE_NAME: [&[u8]; 13] = [
    b"for",
    b"at",
    b"by",
    b"of",
    b"image",
    b"manifest",
    b"tag",
    b"repository",
    b"artifact",
    b"project",
    b"digest",
    b"blob",
    b"name",
];

/// Whether what stands before is the name of an image, or one of the words for it.
fn follows_a_name(error: &[u8], at: usize) -> bool {
    let mut before = error.get(..at).unwrap_or_default();
    for verb in [b"is".as_slice(), b"was"] {
        let trimmed = before.trim_ascii_end();
        before = trimmed.strip_suffix(verb).filter(|b| b.ends_with(b" ")).unwrap_or(trimmed);
    }
    let is_end = |b: &u8| b.is_ascii_whitespace() || b":\"')".contains(b);
    let Some(last) = before.iter().rposition(|b| !is_end(b)) else { return false };
    let before = before.get(..=last).unwrap_or_default();
    if before.last() != Some(&BLANK) {
        return THINGS.iter().any(|word| last_word(before).eq_ignore_ascii_case(word));
    }
    // In front of the name: nothing, the end of another part of the error, or a word for images.
    let start = before.iter().rposition(|b| *b != BLANK).map_or(0, |at| at + 1);
    let before = before.get(..start).unwrap_or_default();
    let before = before.trim_ascii_end();
    let unquoted = before.strip_suffix(b"\"").or_else(|| before.strip_suffix(b"'"));
    let word = last_word(unquoted.unwrap_or(before).trim_ascii_end());
    // containerd: `reference "r.io/a:1"` is an image, `reference layer-sha256:...` content of the node.
    let reference = unquoted.is_some() && word == b"reference";
    word.is_empty() || reference || BEFORE_NAME.iter().any(|w| word.eq_ignore_ascii_case(w))
}

/// The word that a text ends with; empty where it ends with a sign.
fn last_word(text: &[u8]) -> &[u8] {
    let start = text.iter().rposition(|b| !b.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
    text.get(start..).unwrap_or_default()
}

/// Whether a text ends with a name and a colon: `open <path>: `.
fn ends_in_name(text: &[u8]) -> bool {
    text.strip_suffix(b": ").is_some_and(|text| text.last() == Some(&BLANK))
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
