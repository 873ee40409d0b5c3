//! How fast messages and Pods are read, next to what a list of keywords would take.
//!
//! `make bench-reading`. The naive list looks for the same phrases, one after the other, in a
//! lower-case copy of the message: what most systems do.

use dislodge_engine::message::{RULES, read};
use dislodge_engine::objects::Pod;
use dislodge_engine::observe::observe;
use divan::{AllocProfiler, Bencher, black_box};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

/// Messages of each runtime, of usual length.
const MESSAGES: [(&str, &str); 6] = [
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
const IMAGE: &str = "registry.test:5000/team-a/app:v1";

fn main() {
    divan::main();
}

fn names() -> impl Iterator<Item = &'static str> {
    MESSAGES.iter().map(|(name, _)| *name)
}

fn message(name: &str) -> &'static str {
    MESSAGES.iter().find(|(known, _)| *known == name).map_or("", |(_, message)| *message)
}

/// What is called for each failing container.
#[divan::bench(args = names())]
fn dislodge(bencher: Bencher<'_, '_>, name: &str) {
    let message = message(name);
    bencher.bench(|| read(Some("ErrImagePull"), black_box(message), Some(IMAGE)).cause);
}

/// The same phrases, sought one after the other.
#[divan::bench(args = names())]
fn naive_list(bencher: Bencher<'_, '_>, name: &str) {
    let message = message(name);
    bencher.bench(|| {
        let text = black_box(message).to_lowercase();
        let phrases = |rule: &dislodge_engine::message::Rule| rule.phrases.iter();
        RULES
            .iter()
            .find(|rule| phrases(rule).any(|phrase| text.contains(phrase)))
            .map(|r| r.verdict)
    });
}

/// 32 KiB, the length that no message should have.
#[divan::bench]
fn dislodge_32_kib(bencher: Bencher<'_, '_>) {
    let text = message("CRI-O, denied").repeat(78);
    bencher.bench(|| read(Some("ErrImagePull"), black_box(&text), Some(IMAGE)).cause);
}

/// A Pod that is well: most of what a watch brings. It must not allocate.
#[divan::bench]
fn observe_a_pod_that_is_well(bencher: Bencher<'_, '_>) {
    let pod: Pod = serde_json::from_str(WELL).unwrap_or_default();
    bencher.bench(|| observe(black_box(&pod)).map(|seen| seen.images.len()));
}

const WELL: &str = r#"{
  "metadata": {"name": "p", "namespace": "n", "uid": "5e7595d6-d828-4f9a-81e2-13e9233e05fc"},
  "spec": {"initContainers": [{"name": "init", "image": "r.io/init:1"}],
           "containers": [{"name": "a", "image": "r.io/a:1"}, {"name": "b", "image": "r.io/b:1"}]},
  "status": {"phase": "Running",
    "initContainerStatuses": [{"name": "init", "imageID": "x", "state": {"terminated": {}}}],
    "containerStatuses": [{"name": "a", "imageID": "x", "state": {"running": {}}},
                          {"name": "b", "imageID": "x", "state": {"running": {}}}]}}"#;
