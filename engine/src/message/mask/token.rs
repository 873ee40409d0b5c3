//! Tokens that are known by their looks.

use std::ops::Range;

use super::{is_mixed, run_end};

/// How tokens of well-known services begin, and how many letters and digits follow at least.
const BEGINNINGS: [(&str, usize); 37] = [
    ("eyJ", 12),   // {" in base64: JSON web tokens and tokens of ECR
    ("QVdTOm", 8), // AWS: in base64, user and token of ECR
    ("ghp_", 12),
    ("gho_", 12),
    ("ghu_", 12),
    ("ghs_", 12),
    ("ghr_", 12),
    ("github_pat_", 12),
    ("glpat-", 10),
    ("gldt-", 10),
    ("glrt-", 10),
    ("glptt-", 10),
    ("glcbt-", 10),
    ("dckr_pat_", 8),
    ("dckr_oat_", 8),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AKCp", 8),      // Artifactory
    ("cmVmdGtu", 12), // reftkn in base64: Artifactory
    ("AIza", 20),
    ("ya29.", 8),
    ("xoxa-", 8),
    ("xoxb-", 8),
    ("xoxp-", 8),
    ("xoxr-", 8),
    ("xoxs-", 8),
    ("hvs.", 10),
    ("hvb.", 10),
    ("nvapi-", 12),
    ("dop_v1_", 16),
    ("pypi-", 32),
    ("SG.", 20),
    ("shpat_", 16),
    ("rk_live_", 8),
    ("sk_live_", 8),
    ("sk_test_", 8),
    ("AGE-SECRET-KEY-", 8),
];

/// Beginnings that names also have, and how many letters and digits follow without a break.
const UNBROKEN: [(&str, usize); 4] = [("sk-", 20), ("npm_", 30), ("hf_", 30), ("dckr_", 20)];

/// A word that looks random is a token from this length on, and with `/` from the other.
const LEAST_RANDOM: usize = 24;
const LEAST_RANDOM_WITH_SLASH: usize = 40;

/// Hexadecimal digits are a token from this length on; UUIDs and MD5 have 32.
const LEAST_HEX: usize = 40;

/// What has an identifier of as many hexadecimal digits.
const IDENTIFIED: [&str; 17] = [
    "blob",
    "chain",
    "commit",
    "container",
    "containers",
    "config",
    "diff",
    "digest",
    "id",
    "image",
    "layer",
    "manifest",
    "podsandbox",
    "revision",
    "sandbox",
    "snapshot",
    "sha256",
];

/// What has an identifier that looks random and tells a registry's operator which request failed.
const REQUESTS: [&str; 5] = ["ID", "RequestId", "RequestID", "HostId", "Request-Id"];

pub(super) fn find(text: &str, secrets: &mut Vec<Range<usize>>) {
    let mut before = "";
    let mut at = 0;
    while at < text.len() {
        let start = run_end(text, at, |b| !is_token_byte(b));
        at = run_end(text, start, is_token_byte);
        let word = text.get(start..at).unwrap_or_default();
        let sign = start.checked_sub(1).and_then(|at| text.as_bytes().get(at)).copied();
        if is_token(word, before, sign) {
            secrets.push(start..start + word.trim_end_matches('.').len());
        } else if !REQUESTS.contains(&before) || is_known(word) {
            in_path(word, start, secrets);
        }
        before = word;
    }
}

fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_-.+/=~".contains(&b)
}

fn is_token(word: &str, before: &str, sign: Option<u8>) -> bool {
    let word = word.trim_end_matches('.');
    if word.len() >= 16 && before == "AWS" && sign == Some(b':') && !word.contains(['.', '/']) {
        return is_random(word, 16);
    }
    if is_long_hex(word) {
        // `sha256:0a1b` and `r.io/app:0a1b` are names.
        return !is_identified(before) && sign.is_none_or(|sign| !b":@\\".contains(&sign));
    }
    !REQUESTS.contains(&before)
        && !word.contains('.')
        && word.contains('/')
        && is_random(word, LEAST_RANDOM_WITH_SLASH)
}

/// Tokens between slashes and equals signs.
fn in_path(path: &str, offset: usize, secrets: &mut Vec<Range<usize>>) {
    let mut at = offset;
    let mut before = "";
    for part in path.split('/') {
        let (key, value) = match part.trim_end_matches(['=', '.']).rsplit_once('=') {
            Some((key, _)) => (key.len() + 1, part.get(key.len() + 1..).unwrap_or_default()),
            None => (0, part),
        };
        let value = value.trim_end_matches('.');
        let is_named = before.trim_start_matches('_').eq_ignore_ascii_case("token")
            && is_mixed(value)
            && value.len() >= 8
            && !value.contains(['-', '.']);
        let key_name = part.get(..key.saturating_sub(1)).unwrap_or_default();
        let is_hex = key > 0 && is_long_hex(value) && !is_identified(key_name);
        if is_named
            || is_hex
            || is_known(value)
            || !value.contains('.') && is_random(value, LEAST_RANDOM)
        {
            secrets.push(at + key..at + key + value.len());
        }
        at += part.len() + 1;
        before = part;
    }
}

fn is_long_hex(word: &str) -> bool {
    word.len() >= LEAST_HEX && word.bytes().all(|b| b.is_ascii_hexdigit()) && is_mixed(word)
}

fn is_identified(before: &str) -> bool {
    IDENTIFIED.iter().any(|name| name.eq_ignore_ascii_case(before))
}

fn is_known(word: &str) -> bool {
    let rest = |beginning: &str| word.strip_prefix(beginning);
    let letters = |rest: &str| rest.bytes().filter(u8::is_ascii_alphanumeric).count();
    let unbroken = |rest: &str, least: usize| {
        let mut stretches = rest.split(|c: char| !c.is_ascii_alphanumeric());
        stretches.any(|stretch| stretch.len() >= least && is_mixed(stretch))
    };
    BEGINNINGS.iter().any(|&(b, least)| rest(b).is_some_and(|rest| letters(rest) >= least))
        || UNBROKEN.iter().any(|&(b, least)| rest(b).is_some_and(|rest| unbroken(rest, least)))
}

/// Whether a word of at least so many bytes changes between small letters, capitals and digits as
/// often as base64 does (six times in ten) and names written in humps do not (three times).
fn is_random(word: &str, least: usize) -> bool {
    if word.len() < least {
        return false;
    }
    let kind = |b: u8| match b {
        b'a'..=b'z' => Some(0),
        b'A'..=b'Z' => Some(1),
        b'0'..=b'9' => Some(2),
        _ => None,
    };
    let mut changes = 0;
    let mut seen = [false; 3];
    let mut previous = None;
    for b in word.bytes() {
        let this = kind(b);
        if let Some(seen) = this.and_then(|kind: usize| seen.get_mut(kind)) {
            *seen = true;
        }
        changes += usize::from(this.is_some() && previous.is_some() && this != previous);
        previous = this;
    }
    let [small, capital, digit] = seen;
    small && capital && (digit || word.len() >= 32) && changes * 100 >= word.len() * 37
}
