//! A text without its escapes, and where in it each part stood.

use std::borrow::Cow;
use std::ops::Range;

/// A text as it was before it was escaped.
pub(super) struct View<'t> {
    text: Cow<'t, str>,
    /// For each byte where it began in the source, and where the source ends; none where the
    /// source is the text.
    starts: Vec<usize>,
}

impl<'t> View<'t> {
    /// Without the escapes of JSON and of Go's `%q`, in any depth.
    pub(super) fn unescaped(source: &'t str) -> Self {
        Self::new(source, false)
    }

    /// Also without those of URLs.
    pub(super) fn decoded(source: &'t str) -> Self {
        Self::new(source, true)
    }

    fn new(source: &'t str, is_url: bool) -> Self {
        if !is_url && !source.contains('\\') {
            return Self { text: Cow::Borrowed(source), starts: Vec::new() };
        }
        let mut text = String::with_capacity(source.len());
        let mut starts = Vec::with_capacity(source.len() + 1);
        let mut at = 0;
        while let Some(c) = source.get(at..).and_then(|rest| rest.chars().next()) {
            let rest = source.as_bytes().get(at..).unwrap_or_default();
            let (plain, length) = match c {
                '\\' => backslashed(rest),
                '%' if is_url => percent(rest).unwrap_or((c, 1)),
                c => (c, c.len_utf8()),
            };
            text.push(plain);
            starts.extend((0..plain.len_utf8()).map(|byte| at + byte));
            at += length;
        }
        starts.push(source.len());
        Self { text: Cow::Owned(text), starts }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn start(&self, at: usize) -> usize {
        self.starts.get(at).copied().unwrap_or(at)
    }

    /// Where a part of the text stands in the source.
    pub(super) fn source(&self, part: Range<usize>) -> Range<usize> {
        self.start(part.start)..self.start(part.end)
    }

    /// How long the character at `at` is in the source, that is: how deep it is escaped.
    fn depth(&self, at: usize) -> usize {
        self.start(at + 1) - self.start(at)
    }

    /// Where the quote at `open` ends, if it does within so many bytes. A quote that is escaped more
    /// deeply belongs to what is quoted.
    pub(super) fn closing(&self, open: usize, most: usize) -> Option<usize> {
        let quote = *self.text.as_bytes().get(open)?;
        let rest = self.text.as_bytes().get(open + 1..)?;
        let closes = |&at: &usize| self.depth(at) <= self.depth(open);
        let quotes = rest.iter().take(most).enumerate().filter(|&(_, &b)| b == quote);
        quotes.map(|(at, _)| open + 1 + at).find(closes)
    }
}

/// What backslashes escape, and how many bytes that takes. Those that escape nothing are one.
fn backslashed(rest: &[u8]) -> (char, usize) {
    let run = rest.iter().take_while(|&&b| b == b'\\').count();
    match rest.get(run) {
        Some(&b @ (b'"' | b'\'' | b'/' | b'&')) => (char::from(b), run + 1),
        Some(b'n' | b'r') => ('\n', run + 1),
        Some(b'u') => match rest.get(run + 1..run + 5).map(|digits| (hex(digits), run + 5)) {
            Some((Some(plain), length)) => (plain, length),
            _ => ('\\', run),
        },
        _ => ('\\', run),
    }
}

/// `%3A`, and `%253A` where a URL stands in another.
fn percent(rest: &[u8]) -> Option<(char, usize)> {
    let double = rest.get(1..3) == Some(b"25");
    let twice = double.then(|| rest.get(3..5).and_then(hex)).flatten().map(|plain| (plain, 5));
    twice.or_else(|| Some((hex(rest.get(1..3)?)?, 3)))
}

/// A character of ASCII that can be seen, from its number.
fn hex(digits: &[u8]) -> Option<char> {
    let digits = std::str::from_utf8(digits).ok().filter(|d| !d.starts_with('+'))?;
    let number = u8::from_str_radix(digits, 16).ok()?;
    Some(char::from(number)).filter(|plain| matches!(plain, ' '..='~' | '\n'))
}
