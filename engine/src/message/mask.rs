//! Secrets in texts: nothing of what a registry or a proxy has put into a message is shown or stored
//! before it has gone through here.

mod key;
mod pair;
#[cfg(test)]
mod tests;
mod token;
mod url;
mod view;

use std::borrow::Cow;
use std::ops::Range;

use view::View;

/// What stands in a secret's place.
const MASK: &str = "***";

/// How often a text is read at most: a mask may bring a key and its value together.
const ROUNDS: usize = 8;

/// The text without secrets: users, passwords and query strings of URLs, `Authorization` headers and
/// cookies, values of keys such as `token` and `X-Amz-Signature`, tokens that are known by their
/// beginning, keys in PEM and long strings that look random. Each also where a text is escaped as
/// JSON or as a URL. Rather too much than too little, but prose about tokens stays as it is. Masking
/// twice is masking once, and takes time linear in the text.
pub fn mask(text: &str) -> Cow<'_, str> {
    let mut masked = Cow::Borrowed(text);
    for _ in 0..ROUNDS {
        let secrets = find(&masked);
        if secrets.is_empty() {
            break;
        }
        let next = without(&masked, secrets);
        if next == *masked {
            break;
        }
        masked = Cow::Owned(next);
    }
    masked
}

fn find(text: &str) -> Vec<Range<usize>> {
    let mut secrets = Vec::new();
    find_pem(text, &mut secrets);
    find_in(&View::unescaped(text), &mut secrets);
    // Not instead: a decoded `&` would end a value too early.
    if text.contains('%') {
        find_in(&View::decoded(text), &mut secrets);
    }
    secrets
}

fn find_in(view: &View<'_>, secrets: &mut Vec<Range<usize>>) {
    let mut found = Vec::new();
    pair::find(view, &mut found);
    url::find(view.text(), &mut found);
    token::find(view.text(), &mut found);
    secrets.extend(found.into_iter().filter(|range| !range.is_empty()).map(|r| view.source(r)));
}

fn without(text: &str, mut secrets: Vec<Range<usize>>) -> String {
    secrets.sort_by_key(|secret| secret.start);
    let mut masked = String::with_capacity(text.len());
    let mut shown = 0;
    let mut last: Option<Range<usize>> = None;
    for secret in secrets {
        if let Some(last) = &mut last
            && secret.start <= last.end
        {
            last.end = last.end.max(secret.end);
            continue;
        }
        if let Some(last) = last.replace(secret) {
            masked.push_str(text.get(shown..last.start).unwrap_or_default());
            masked.push_str(MASK);
            shown = last.end;
        }
    }
    if let Some(last) = last {
        masked.push_str(text.get(shown..last.start).unwrap_or_default());
        masked.push_str(MASK);
        shown = last.end;
    }
    masked.push_str(text.get(shown..).unwrap_or_default());
    masked
}

/// Private keys and certificates in PEM, to their end or to that of the text.
fn find_pem(text: &str, secrets: &mut Vec<Range<usize>>) {
    const DASHES: &str = "-----";
    let find = |from: usize, part: &str| Some(from + text.get(from..)?.find(part)?);
    let mut at = 0;
    while let Some(start) = find(at, "-----BEGIN ") {
        let last = find(start, "-----END ").and_then(|end| find(end + DASHES.len(), DASHES));
        at = last.map_or(text.len(), |last| last + DASHES.len());
        secrets.push(start..at);
    }
}

/// Where the part ends that begins at `at` and goes on as long as its bytes are of one kind. Kinds
/// have either all bytes beyond ASCII or none, so that no character is cut.
fn run_end(text: &str, at: usize, belongs: impl Fn(u8) -> bool) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    rest.iter().position(|&b| !belongs(b)).map_or(text.len(), |length| at + length)
}

fn is_quote(b: u8) -> bool {
    matches!(b, b'"' | b'\'' | b'`')
}

/// Whether text ends here that nobody has quoted or put into brackets.
fn is_gap(b: u8) -> bool {
    b.is_ascii_whitespace() || is_quote(b) || b"()[]{}<>\\,;".contains(&b)
}

/// Whether a word has a letter and a digit, as passwords have and words of prose have not.
fn is_mixed(word: &str) -> bool {
    let has = |test: fn(&u8) -> bool| word.bytes().any(|b| test(&b));
    has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}
