//! How fast messages and Pods are read, next to what a list of keywords would take.
//!
//! `make bench-reading`.

mod messages;

use dislodge_engine::message::read;
use dislodge_engine::objects::Pod;
use dislodge_engine::observe::observe;
use divan::{AllocProfiler, Bencher, black_box};
use messages::{IMAGE, MESSAGES, naive};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

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

/// A plain list of the same phrases.
#[divan::bench(args = names())]
fn naive_list(bencher: Bencher<'_, '_>, name: &str) {
    let message = message(name);
    bencher.bench(|| naive(black_box(message)));
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
