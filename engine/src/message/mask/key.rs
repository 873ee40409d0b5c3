//! Names of keys and headers that hold a secret, and words that are none.

/// How a key that holds a secret ends, in lower case and without `-`, `_` and `.`.
const ENDINGS: [&str; 16] = [
    "token",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "secretkey",
    "signature",
    "credential",
    "credentials",
    "authorization",
    "apikey",
    "accesskey",
    "accesskeyid",
    "privatekey",
    "sessionid",
];

/// What such a key can also be called.
const NAMES: [&str; 7] =
    ["sig", "auth", "pass", "jwt", "xjfrogartapi", "xregistryauth", "xregistryconfig"];

/// How error codes begin that end like a key (RFC 6750: `invalid_token`).
const ERRORS: [&str; 6] = ["invalid", "expired", "missing", "bad", "unsupported", "no"];

/// How much of a key's name counts, from its end, in bytes.
const MOST_NAME: usize = 128;

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// A secret.
    Secret,
    /// A whole line of them.
    Header,
}

/// What a key of this name holds, if it is secret.
pub(super) fn holds(key: &str) -> Option<Holds> {
    let name = plain(key)?;
    if name.ends_with("cookie") || name.ends_with("authorization") {
        return Some(Holds::Header);
    }
    let secret = ENDINGS.iter().any(|ending| name.ends_with(ending)) || NAMES.contains(&&*name);
    let is_error = key.contains('_') && ERRORS.iter().any(|error| name.starts_with(error));
    let is_header = key.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
    (secret && !is_error).then_some(if is_header { Holds::Header } else { Holds::Secret })
}

/// Whether an element of this name in XML holds a secret, as `SignatureProvided` does.
pub(super) fn is_secret_element(name: &str) -> bool {
    plain(name).is_some_and(|name| ENDINGS.iter().any(|ending| name.contains(ending)))
}

fn plain(key: &str) -> Option<String> {
    let key = key.get(key.len().saturating_sub(MOST_NAME)..)?;
    let letters = key.bytes().filter(|b| !b"-_.".contains(b));
    Some(letters.map(|b| char::from(b.to_ascii_lowercase())).collect())
}

/// Whether a key is written as only keys are: `client_secret`, `secretKey`, `X-Auth-Token`.
pub(super) fn is_composite(key: &str) -> bool {
    let hump = key
        .as_bytes()
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()));
    hump || key.contains(['_', '-'])
}

/// Words with which an error goes on, so that after a key and a colon they are no value of it.
const PROSE: [&str; 89] = [
    "a",
    "access",
    "algorithm",
    "an",
    "another",
    "as",
    "auth",
    "authentication",
    "authorization",
    "bad",
    "cannot",
    "certificate",
    "client",
    "connect",
    "context",
    "could",
    "credentials",
    "denied",
    "dial",
    "does",
    "empty",
    "eof",
    "error",
    "exec",
    "expected",
    "expired",
    "failed",
    "failure",
    "false",
    "fetch",
    "forbidden",
    "get",
    "got",
    "has",
    "head",
    "http",
    "https",
    "in",
    "incorrect",
    "internal",
    "invalid",
    "is",
    "lookup",
    "malformed",
    "manifest",
    "mismatch",
    "missing",
    "must",
    "need",
    "net/http",
    "nil",
    "no",
    "none",
    "not",
    "null",
    "oauth2",
    "permission",
    "post",
    "pull",
    "put",
    "read",
    "received",
    "request",
    "requested",
    "required",
    "response",
    "revoked",
    "rpc",
    "secrets",
    "server",
    "signature",
    "signatures",
    "status",
    "the",
    "timeout",
    "tls",
    "token",
    "too",
    "true",
    "unable",
    "unauthorized",
    "unexpected",
    "unknown",
    "unsupported",
    "user",
    "verification",
    "was",
    "write",
    "x509",
];

/// Whether a word is more likely the beginning of an error than a value.
pub(super) fn is_prose(word: &str) -> bool {
    PROSE.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Words that follow the name of a scheme where it is only spoken of.
const OF_SCHEMES: [&str; 11] = [
    "auth",
    "authentication",
    "authorization",
    "challenge",
    "credential",
    "credentials",
    "header",
    "scheme",
    "token",
    "tokens",
    "method",
];

/// Whether this is what is said of a scheme rather than what it carries.
pub(super) fn is_of_scheme(word: &str) -> bool {
    let parameters = ["realm=", "service=", "scope=", "error=", "error_description="];
    OF_SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(word))
        || is_prose(word)
        || parameters.iter().any(|parameter| word.starts_with(parameter))
}

/// Schemes of `Authorization` headers.
const SCHEMES: [&str; 9] = [
    "basic",
    "bearer",
    "token",
    "apikey",
    "digest",
    "negotiate",
    "ntlm",
    "sharedkey",
    "aws4-hmac-sha256",
];

/// Whether this is the name of a scheme.
pub(super) fn is_scheme(word: &str) -> bool {
    SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(word))
}

/// Whether a word is a code as `AADSTS7000215` is.
pub(super) fn is_code(word: &str) -> bool {
    let digits = word.trim_start_matches(|c: char| c.is_ascii_uppercase());
    word.len() >= digits.len() + 2 && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a word is what stands behind the colon of an image's name.
pub(super) fn is_tag(word: &str) -> bool {
    let version = word.strip_prefix('v').unwrap_or(word);
    ["latest", "main", "master", "stable", "dev", "test", "edge", "nightly"].contains(&word)
        || version.starts_with(|c: char| c.is_ascii_digit())
}
