//! URLs: who asks, and what for.

use std::ops::Range;

use super::{is_gap, is_quote, run_end};

pub(super) fn find(text: &str, secrets: &mut Vec<Range<usize>>) {
    find_users(text, secrets);
    find_accounts(text, secrets);
    find_queries(text, secrets);
}

fn ends_url(b: u8) -> bool {
    b.is_ascii_whitespace() || is_quote(b) || b"<>\\".contains(&b)
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// What stands before the `@` after `://`.
fn find_users(text: &str, secrets: &mut Vec<Range<usize>>) {
    const SIGN: &str = "://";
    let next = |from: usize| Some(from + text.get(from..)?.find(SIGN)?);
    let mut end = 0;
    let mut sign = next(0);
    while let Some(at) = sign {
        let start = at + SIGN.len();
        sign = next(start);
        if end <= start {
            end = run_end(text, start, |b| !ends_url(b));
        }
        let segment = start..sign.map_or(end, |next| end.min(next));
        let url = text.get(quoted(text, start).unwrap_or(segment)).unwrap_or_default();
        let host = url.get(..url.find(['/', '?', '#']).unwrap_or(url.len())).unwrap_or_default();
        // `http://bob:pa/ss@proxy`: then the first slash does not end the authority.
        let port = host.rsplit_once(':').map(|(_, port)| port);
        let is_odd = port.is_some_and(|port| !is_number(port)) && !host.starts_with('[');
        let within = if is_odd || user_end(host).is_some() { url } else { host };
        let user = user_end(within).or_else(|| {
            user_end(url).filter(|&at| port.is_some() && url.get(at..).is_some_and(is_at_proxy))
        });
        secrets.extend(user.map(|at| start..start + at));
    }
}

/// How far a quoted URL may reach, in bytes.
const MOST_QUOTED: usize = 256;

/// The rest of a URL in quotes, where it may have spaces: Go refuses it so, and quotes it.
fn quoted(text: &str, start: usize) -> Option<Range<usize>> {
    let before = text.as_bytes().get(..start)?;
    let quote =
        before.strip_suffix(b"http://").or_else(|| before.strip_suffix(b"https://"))?.last();
    let quote = quote.filter(|&&b| is_quote(b))?;
    let mut rest = text.as_bytes().get(start..)?.iter().take(MOST_QUOTED);
    Some(start..start + rest.position(|b| b == quote)?)
}

/// `@proxy:3128`
fn is_at_proxy(text: &str) -> bool {
    let text = text.trim_start_matches('@').trim_end_matches([':', '.', ',', ')', '/']);
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && matches!(port.len(), 2..=5) && is_number(port)
    })
}

/// Where the last `@` is that has no digest behind it.
fn user_end(text: &str) -> Option<usize> {
    let mut end = text.len();
    while let Some(at) = text.get(..end)?.rfind('@') {
        if !is_digest(text.get(at + 1..end)?) {
            return Some(at);
        }
        end = at;
    }
    None
}

/// Whether this is how a digest begins, even one that is wrong.
fn is_digest(text: &str) -> bool {
    let (algorithm, hex) = text.split_once([':', '/']).unwrap_or((text, ""));
    ["sha256", "sha384", "sha512", "sha1", "md5"].contains(&algorithm)
        || !algorithm.contains('.') && hex.bytes().take_while(u8::is_ascii_hexdigit).count() >= 32
}

/// `bob:password@host` without `://`.
fn find_accounts(text: &str, secrets: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while at < text.len() {
        let start = run_end(text, at, is_gap);
        at = run_end(text, start, |b| !is_gap(b));
        let word = text.get(start..at).unwrap_or_default();
        if word.contains("://") {
            continue;
        }
        let Some(end) = user_end(word) else { continue };
        let Some((user, password)) = word.get(..end).and_then(|user| user.split_once(':')) else {
            continue;
        };
        let port = password.split_once('/').map(|(port, _)| port);
        if !user.trim_start_matches('/').contains(['/', '?']) && !port.is_some_and(is_number) {
            secrets.push(start..start + end);
        }
    }
}

/// Values of queries and of fragments.
fn find_queries(text: &str, secrets: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while at < text.len() {
        let start = run_end(text, at, ends_url);
        at = run_end(text, start, |b| !ends_url(b));
        let url = text.get(start..at).unwrap_or_default();
        let Some(sign) = url.find(['?', '#']) else { continue };
        let is_url = url.get(..sign).is_some_and(|path| path.contains("://"));
        let mut from = start + sign + 1;
        let is_query = url.as_bytes().get(sign) == Some(&b'?');
        let end = start + url.trim_end_matches([':', '.', ',', ';', ')', '}']).len();
        for pair in text.get(from..end).unwrap_or_default().split(['&', '#']) {
            let value = match pair.split_once('=') {
                Some((key, value)) => Some(value).filter(|value| !is_open(key, value)),
                None => Some(pair).filter(|_| is_url && is_query),
            };
            let end = from + pair.len();
            secrets.extend(value.map(|value| end - value.len()..end));
            from = end + 1;
        }
    }
}

/// Whether a parameter only says what was asked for.
fn is_open(key: &str, value: &str) -> bool {
    // Go's and containerd's own mask.
    if ["%5BREDACTED%5D", "[REDACTED]", "REDACTED", "xxxxx"].contains(&value) {
        return true;
    }
    match key {
        "ns" | "service" | "digest" => true,
        "scope" => is_scope(value),
        _ => false,
    }
}

/// `repository:team/app:pull`, with or without escapes, and several of them.
fn is_scope(value: &str) -> bool {
    let actions = ["pull", "push", "delete", "*", "%2A"];
    let named = value
        .strip_prefix("repository")
        .is_some_and(|rest| [":", "%3A", "%3a"].iter().any(|colon| rest.starts_with(colon)));
    let bytes =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/:,%+*ABCDEF".contains(&b);
    named && value.bytes().all(bytes) && actions.iter().any(|action| value.ends_with(action))
}
