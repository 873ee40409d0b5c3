//! Secrets in texts: nothing of what a registry or a proxy has put into a message is shown or stored
//! before it has gone through here.

use std::borrow::Cow;
use std::ops::Range;

/// What stands in a secret's place.
const MASK: &str = "***";

/// The text without secrets: passwords and query strings of URLs, `Authorization` headers, values of
/// keys such as `token` and `X-Amz-Signature`, tokens that are known by their beginning, keys in PEM
/// and long strings that look random. Rather too much than too little.
pub fn mask(text: &str) -> Cow<'_, str> {
    let mut secrets = Vec::new();
    find_pem(text, &mut secrets);
    let mut before: [&str; 2] = [""; 2];
    for word in words(text) {
        let part = text.get(word.clone()).unwrap_or_default();
        if part.contains("://") || part.contains('?') {
            in_url(part, word.start, &mut secrets);
        } else if is_announced(before, part) || is_token(part) {
            secrets.push(word.clone());
        } else {
            in_pairs(part, word.start, &mut secrets);
        }
        before = [part, before[0]];
    }
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(without(text, secrets))
}

fn without(text: &str, mut secrets: Vec<Range<usize>>) -> String {
    secrets.sort_by_key(|secret| secret.start);
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    for secret in secrets {
        if secret.start >= at {
            masked.push_str(text.get(at..secret.start).unwrap_or_default());
            masked.push_str(MASK);
        }
        at = at.max(secret.end);
    }
    masked.push_str(text.get(at..).unwrap_or_default());
    masked
}

/// The words: what white space, quotes and brackets leave.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let is_gap = |c: char| c.is_whitespace() || "\"'`()[]{}<>\\,;".contains(c);
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at + rest.find(|c: char| !is_gap(c))?;
        let rest = text.get(start..)?;
        let end = start + rest.find(is_gap).unwrap_or(rest.len());
        at = end;
        Some(start..end)
    })
}

/// Parameters of a URL that are never secret and say what was asked for.
const OPEN_PARAMETERS: [&str; 4] = ["scope", "service", "ns", "digest"];

/// Password and query values of a URL.
fn in_url(url: &str, offset: usize, secrets: &mut Vec<Range<usize>>) {
    let path_end = url.find('?').unwrap_or(url.len());
    let authority = url.get(..path_end).and_then(|path| path.find("://")).map_or(0, |at| at + 3);
    let rest = url.get(authority..).unwrap_or_default();
    let host_end = rest.find(['/', '?']).unwrap_or(rest.len());
    if let Some(at) = rest.get(..host_end).and_then(|userinfo| userinfo.rfind('@')) {
        secrets.push(offset + authority..offset + authority + at);
    }
    let Some(query) = url.find('?').map(|at| at + 1) else { return };
    let mut at = query;
    for pair in url.get(query..).unwrap_or_default().split('&') {
        let (key, value) = pair.split_once('=').unwrap_or(("", pair));
        let start = at + pair.len() - value.len();
        let value = value.trim_end_matches([':', '.']);
        if !value.is_empty() && !OPEN_PARAMETERS.contains(&key) {
            secrets.push(offset + start..offset + start + value.len());
        }
        at += pair.len() + 1;
    }
}

/// What a key that holds a secret is called, in lower case.
const KEYS: [&str; 11] = [
    "token",
    "password",
    "passwd",
    "secret",
    "signature",
    "credential",
    "authorization",
    "apikey",
    "api_key",
    "api-key",
    "access_key",
];

fn names_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    KEYS.iter().any(|name| key.ends_with(name)) || key == "sig" || key == "auth"
}

/// `key=value` with a key that holds a secret; `user:password@host`.
fn in_pairs(word: &str, offset: usize, secrets: &mut Vec<Range<usize>>) {
    let mut at = 0;
    for pair in word.split('&') {
        if let Some((key, value)) = pair.split_once('=')
            && names_secret(key)
            && !value.is_empty()
        {
            secrets.push(offset + at + key.len() + 1..offset + at + pair.len());
        }
        at += pair.len() + 1;
    }
    if let Some((userinfo, host)) = word.split_once('@')
        && !userinfo.contains('/')
        && userinfo.contains(':')
        && !is_digest(host)
    {
        secrets.push(offset..offset + userinfo.len());
    }
}

/// `sha256:<hex>`: what stands before an `@` is then a tag and no password.
fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.contains('.') && hex.bytes().take_while(u8::is_ascii_hexdigit).count() >= 32
    })
}

/// Whether the words before say that this one is a secret: `Authorization: Bearer x`, `"token": "x"`.
fn is_announced(before: [&str; 2], word: &str) -> bool {
    let scheme = ["bearer", "basic"].iter().any(|scheme| before[0].eq_ignore_ascii_case(scheme));
    if scheme && (looks_random(word, 8) || is_padded(word)) {
        return true;
    }
    // In JSON the colon is a word of its own, between two quotes.
    let key = if before[0] == ":" { before[1] } else { before[0].trim_end_matches([':', '=']) };
    let joined = before[0] == ":" || before[0].ends_with([':', '=']);
    let is_scheme = ["bearer", "basic"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
    joined && names_secret(key) && !is_scheme && looks_random(word, 6)
}

fn is_padded(word: &str) -> bool {
    word.len() >= 4 && word.ends_with('=') && !word.trim_end_matches('=').contains('=')
}

/// How tokens of well-known services begin.
const BEGINNINGS: [&str; 20] = [
    "eyJ",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "dckr_pat_",
    "dckr_oat_",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "xoxb-",
    "xoxp-",
    "hf_",
    "nvapi-",
    "AWS4-HMAC-SHA256",
];

/// Whether a word is a token by itself.
fn is_token(word: &str) -> bool {
    let begins = BEGINNINGS.iter().any(|beginning| word.starts_with(beginning)) && word.len() >= 16;
    begins || !word.contains([':', '.', '@']) && looks_random(word, 40)
}

/// Whether a word of at least so many characters is made of letters of both cases and digits, as
/// base64 and passwords are; digests and names in lower case are not.
fn looks_random(word: &str, least: usize) -> bool {
    let word = word.trim_end_matches([':', '.']);
    let has = |test: fn(&u8) -> bool| word.bytes().any(|b| test(&b));
    let digit_or_sign = has(u8::is_ascii_digit) || word.contains(['+', '_', '!', '$', '%', '#']);
    word.len() >= least
        && has(u8::is_ascii_alphabetic)
        && digit_or_sign
        && (least < 40 || has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_the_rest_stays() {
        for (text, masked) in [
            ("dial tcp 10.0.0.1:443: i/o timeout", "dial tcp 10.0.0.1:443: i/o timeout"),
            ("Get \"https://bob:hunter2@r.io/v2/\": EOF", "Get \"https://***@r.io/v2/\": EOF"),
            (
                "Get \"https://s3.example/blob?X-Amz-Signature=abc&X-Amz-Expires=60\": EOF",
                "Get \"https://s3.example/blob?X-Amz-Signature=***&X-Amz-Expires=***\": EOF",
            ),
            (
                "GET request to http://r.io/token?scope=repository%3Aa%3Apull&service=r.io: 401",
                "GET request to http://r.io/token?scope=repository%3Aa%3Apull&service=r.io: 401",
            ),
            ("Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "Authorization: Bearer ***"),
            ("header Basic dXNlcjpwYXNzd29yZA== refused", "header Basic *** refused"),
            (r#"{"token":"s3cr3t-Value","expires_in":300}"#, r#"{"token":"***","expires_in":300}"#),
            ("password=hunter2 refused", "password=*** refused"),
            ("no basic auth credentials", "no basic auth credentials"),
            ("Requesting bearer token: received", "Requesting bearer token: received"),
            ("login with ghp_16C7e42F292c6912E7710c838347Ae178B4a", "login with ***"),
            ("bob:hunter2@r.io/app:1", "***@r.io/app:1"),
            (
                "app:1@sha256:1212121212121212121212121212121212121212121212121212121212121212",
                "app:1@sha256:1212121212121212121212121212121212121212121212121212121212121212",
            ),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "***"),
            ("a -----BEGIN X-----\nMIIE\n-----END X----- b", "a *** b"),
            ("unauthorized: authentication required", "unauthorized: authentication required"),
            ("invalid token: token expired", "invalid token: token expired"),
        ] {
            assert_eq!(mask(text), masked, "{text}");
        }
    }
}
