//! What both benchmarks read, and what it is held against.

use dislodge_engine::message::{RULES, Verdict};

/// Messages of each runtime, of usual length.
pub(crate) const MESSAGES: [(&str, &str); 6] = [
    (
        "containerd, missing",
        "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.test:5000/team-a/app:v1\": failed to resolve reference \"registry.test:5000/team-a/app:v1\": registry.test:5000/team-a/app:v1: not found",
    ),
    (
        "containerd, rate limit",
        "failed to pull and unpack image \"registry.test:5000/team-a/app:v1\": failed to resolve reference \"registry.test:5000/team-a/app:v1\": pulling from host registry.test:5000 failed with status code [manifests v1]: 429 Too Many Requests",
    ),
    (
        "containerd, timeout",
        "failed to pull and unpack image \"registry.test:5000/team-a/app:v1\": failed to resolve image: failed to do request: Head \"https://registry.test:5000/v2/team-a/app/manifests/v1\": dial tcp 10.0.0.1:5000: i/o timeout",
    ),
    (
        "CRI-O, denied",
        "unable to pull image or OCI artifact: pull image err: initializing source docker://registry.test:5000/team-a/app:v1: reading manifest v1 in registry.test:5000/team-a/app: denied: requested access to the resource is denied; artifact err: image reference: get manifest from ref: create image source: reading manifest v1 in registry.test:5000/team-a/app: denied: requested access to the resource is denied",
    ),
    (
        "Docker, missing",
        "Error response from daemon: manifest for registry.test:5000/team-a/app:v1 not found: manifest unknown: manifest unknown",
    ),
    (
        "a list of two",
        "[failed to pull and unpack image \"r.io/p:1\": failed to resolve reference \"r.io/p:1\": unexpected status from HEAD request to https://r.io/v2/p/manifests/1: 403 Forbidden, failed to pull and unpack image \"r.io/p:1\": failed to resolve reference \"r.io/p:1\": failed to authorize: failed to fetch anonymous token: 401 Unauthorized]",
    ),
];
pub(crate) const IMAGE: &str = "registry.test:5000/team-a/app:v1";

/// What most systems do: the same phrases, sought one after the other in a lower-case copy.
pub(crate) fn naive(message: &str) -> Option<Verdict> {
    let text = message.to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    RULES.iter().find(|rule| says(rule.phrases)).map(|rule| rule.verdict)
}
