//! Keys and what stands after them: `"token": "x"`, `password=x`, `Authorization: Basic x`.

use std::ops::Range;

use super::key::{
    Holds, holds, is_code, is_composite, is_of_scheme, is_prose, is_scheme, is_secret_element,
    is_tag,
};
use super::view::View;
use super::{is_mixed, is_quote, run_end};

/// How far a quote may reach whose key need not be one, in bytes.
const MOST_QUOTED: usize = 256;

/// How much of a value decides whether it is one, in bytes.
const MOST_UNSURE: usize = 256;

pub(super) fn find(view: &View<'_>, secrets: &mut Vec<Range<usize>>) {
    let text = view.text();
    let is_login = text.contains("login");
    let mut at = 0;
    while at < text.len() {
        let start = run_end(text, at, |b| !is_key(b));
        let end = run_end(text, start, is_key);
        at = end;
        let key = Key { view, text, is_login, start, end };
        if let Some(secret) = key.secret() {
            // Keys in a value need not be looked at.
            at = at.max(secret.end);
            secrets.push(secret);
        }
    }
}

fn is_key(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_-.".contains(&b)
}

/// What may be a key.
struct Key<'v> {
    view: &'v View<'v>,
    text: &'v str,
    /// Whether somebody logs in, so that `-p` is a password.
    is_login: bool,
    start: usize,
    end: usize,
}

impl Key<'_> {
    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or_default()
    }

    fn part(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    fn before(&self) -> u8 {
        self.start.checked_sub(1).map_or(0, |at| self.byte(at))
    }

    fn name(&self) -> &str {
        self.part(self.start..self.end)
    }

    fn spaces(&self, at: usize) -> usize {
        run_end(self.text, at, |b| b == b' ' || b == b'\t')
    }

    fn line_end(&self, at: usize) -> usize {
        run_end(self.text, at, |b| b != b'\n')
    }

    /// The value at `at` that nobody has quoted, and a colon or full stop after it.
    fn value(&self, at: usize) -> &str {
        self.value_within(at, usize::MAX)
    }

    /// The same if it is not longer than so many bytes, else its beginning or nothing: what turns
    /// out to be none is read again, and must not be long.
    fn value_within(&self, at: usize, most: usize) -> &str {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        let ends = |b: &u8| b.is_ascii_whitespace() || is_quote(*b) || b",;&)]}<>{".contains(b);
        let length = rest.iter().take(most).position(ends);
        self.part(at..at + length.unwrap_or_else(|| rest.len().min(most)))
    }

    /// The secret that this key announces.
    fn secret(&self) -> Option<Range<usize>> {
        let name = self.name();
        if name.eq_ignore_ascii_case("bearer") || name.eq_ignore_ascii_case("basic") {
            return self.after_scheme();
        }
        if self.before() == b'<' && self.byte(self.end) == b'>' {
            let end = run_end(self.text, self.end, |b| b != b'<');
            return is_secret_element(name).then_some(self.end + 1..end);
        }
        let is_quoted = is_quote(self.before()) && self.byte(self.end) == self.before();
        let sign = self.spaces(self.end + usize::from(is_quoted));
        if !matches!(self.byte(sign), b':' | b'=') {
            return if is_quoted { None } else { self.in_prose(sign) };
        }
        let holds = holds(name)?;
        let after = sign + 1 + usize::from(matches!(self.byte(sign + 1), b'=' | b'>'));
        let at = self.spaces(after);
        let sign = Sign { is_quoted, is_equal: self.byte(sign) == b'=', is_tight: at == after };
        if holds == Holds::Header
            && let Some(secret) = self.header(at, &sign)
        {
            return Some(secret);
        }
        let at = at + usize::from(self.byte(at) == b'[');
        if is_quote(self.byte(at)) {
            return self.quoted(at, &sign);
        }
        if !sign.is_sure() && !self.is_value(at, &sign) {
            return None;
        }
        Some(at..at + self.value(at).trim_end_matches([':', '.']).len())
    }

    /// What is left of a header, after the scheme if there is one.
    fn header(&self, at: usize, sign: &Sign) -> Option<Range<usize>> {
        let is_list = self.byte(at) == b'[';
        let at = at + usize::from(is_list);
        let quote = is_quote(self.byte(at)).then_some(at);
        let at = at + usize::from(quote.is_some());
        let first = self.value_within(at, MOST_UNSURE);
        let next = self.spaces(at + first.len());
        let is_scheme = is_scheme(first)
            && !is_of_scheme(self.value_within(next, MOST_UNSURE).trim_end_matches(':'));
        let is_name = self.name().ends_with("uthorization") && !self.name().contains('-');
        let is_label = !is_name || self.name().starts_with('A');
        let prose = self.is_in_prose() || is_prose(first.trim_end_matches(':'));
        if !is_scheme && !sign.is_quoted && (!is_label || prose || sign.is_equal && !is_list) {
            return None;
        }
        if sign.is_quoted && !sign.is_tight && !is_scheme && quote.is_none() && !is_list {
            return None;
        }
        let start = if is_scheme { next } else { at };
        let end = if let Some(quote) = quote {
            self.view.closing(quote, self.text.len())
        } else if is_list {
            Some(run_end(self.text, start, |b| b != b']' && b != b'\n'))
        } else if is_quote(self.before()) && !sign.is_quoted {
            self.view.closing(self.start - 1, self.text.len())
        } else if sign.is_quoted {
            Some(start + self.value(start).len())
        } else {
            None
        };
        // Quotes do not go beyond a line.
        let end = end.filter(|&end| !self.part(start..end).contains('\n'));
        let secret = start..end.unwrap_or_else(|| self.line_end(start));
        (!secret.is_empty()).then_some(secret)
    }

    /// A value in quotes.
    fn quoted(&self, open: usize, sign: &Sign) -> Option<Range<usize>> {
        if sign.is_equal || self.is_label() {
            // A text that was cut off may end within a quote.
            let end = self.view.closing(open, self.text.len()).unwrap_or(self.text.len());
            return Some(open + 1..end);
        }
        let value = open + 1..self.view.closing(open, MOST_QUOTED)?;
        let is_plain = !self.part(value.clone()).contains(['/', ' ']);
        (is_plain && !self.name().ends_with("ecret")).then_some(value)
    }

    /// Whether a value is one that stands after a colon without quotes, and not how a sentence goes
    /// on.
    fn is_value(&self, at: usize, sign: &Sign) -> bool {
        let value = self.value_within(at, MOST_UNSURE);
        let word = value.trim_end_matches([':', '.']);
        let goes_on = value.ends_with(':');
        let is_status = word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit());
        if is_prose(word) || is_status || word.contains("://") || goes_on && is_code(word) {
            return false;
        }
        if sign.is_tight {
            // `r.io/app/token:v1` is an image.
            let is_name = is_quote(self.before()) && self.name().contains('-');
            return self.before() != b'/' && !is_name && !is_tag(word);
        }
        // `image "token": not found`
        if self.is_label() && !sign.is_quoted {
            return !(goes_on && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        }
        if is_mixed(word) || word.contains(['+', '_', '!', '$', '%', '#', '~', '=']) {
            return !goes_on || word.len() >= 12;
        }
        // The last word of a sentence.
        let end = at + value.len();
        let next = self.spaces(end);
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b >= 0x80 || b"([{".contains(&b);
        let follows = self.byte(next);
        !(goes_on || is_word(follows) || is_quote(follows) && next > end)
    }

    /// Whether this can be nothing but a key: it is written as one or nothing stands before it.
    fn is_label(&self) -> bool {
        self.before() != b'/' && is_composite(self.name()) || !self.is_in_prose()
    }

    /// Whether a word stands before the key.
    fn is_in_prose(&self) -> bool {
        let before = self.start.checked_sub(2).map_or(0, |at| self.byte(at));
        let is_word = before.is_ascii_alphanumeric() || is_quote(before) || before >= 0x80;
        self.before() == b'/' || self.before() == b' ' && (is_word || b")]".contains(&before))
    }

    /// What `Bearer` or `Basic` carries.
    fn after_scheme(&self) -> Option<Range<usize>> {
        let at = self.spaces(self.end);
        if at == self.end {
            return None;
        }
        let word = self.value(at).trim_end_matches([':', '.']);
        if word.is_empty() || is_of_scheme(word) {
            return None;
        }
        let pads = word.trim_end_matches('=');
        let is_padded = word.len() >= 4 && word.len() > pads.len() && !pads.contains('=');
        let is_random = word.len() >= 8 && !word.contains('=') && is_mixed(word);
        let humps = word.as_bytes().windows(2).filter(
            |pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()),
        );
        let is_base64 = word.len().is_multiple_of(4) && humps.count() >= 1;
        let is_header = self.name() == "Bearer";
        (is_padded || is_random || is_base64 || is_header).then_some(at..at + word.len())
    }

    /// What follows a key without a sign: `--password x`, `token 0a1b2c3d`, `user bob:x`.
    fn in_prose(&self, at: usize) -> Option<Range<usize>> {
        let name = self.name();
        if at == self.end || at >= self.text.len() {
            return None;
        }
        let quote = is_quote(self.byte(at)).then_some(at);
        let value = match quote {
            Some(open) => open + 1..self.view.closing(open, MOST_QUOTED)?,
            None => at..at + self.value(at).trim_end_matches([':', '.']).len(),
        };
        let word = self.part(value.clone());
        let is_flag =
            name.starts_with("--") && holds(name).is_some() || name == "-p" && self.is_login;
        let lower = name.to_ascii_lowercase();
        let is_secret = match lower.as_str() {
            _ if is_flag => !word.starts_with('-'),
            "password" | "passwd" | "passphrase" | "token" => {
                let is_last = self.spaces(value.end) >= self.text.len();
                let is_password = lower != "token";
                let is_plain = !word.contains(['/', ':', '.', '@', ' ']) && !is_prose(word);
                let is_given = self.is_after("with ") || self.is_after("using ");
                is_plain
                    && (is_mixed(word) && word.len() >= 8
                        || word.len() >= 24 && !word.contains('-')
                        || is_password && (quote.is_some() || is_last && is_given))
            }
            "user" | "credentials" | "login" | "account" | "username" => {
                word.split_once(':').is_some_and(|(user, password)| {
                    let is_number = password.bytes().all(|b| b.is_ascii_digit());
                    !user.is_empty()
                        && user != "system"
                        && !is_number
                        && !password.contains([':', '/'])
                        && !user.contains('/')
                })
            }
            _ => false,
        };
        is_secret.then_some(value)
    }

    fn is_after(&self, word: &str) -> bool {
        self.text.as_bytes().get(..self.start).is_some_and(|text| text.ends_with(word.as_bytes()))
    }
}

/// How a key and its value are joined.
struct Sign {
    /// The key stands in quotes.
    is_quoted: bool,
    /// `=` and not `:`.
    is_equal: bool,
    /// No space follows.
    is_tight: bool,
}

impl Sign {
    /// Whether only a value can follow.
    fn is_sure(&self) -> bool {
        self.is_equal || self.is_quoted && self.is_tight
    }
}
