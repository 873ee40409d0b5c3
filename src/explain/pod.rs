//! How a Pod stands that no image keeps from running, in words: each state has some.

use dislodge_engine::keys;
use dislodge_engine::objects::Pod;
use dislodge_engine::observe::{Standing, observe};
use dislodge_engine::timing::Timing;
use jiff::{SignedDuration, Timestamp};

use crate::classify::shown::plain;
use crate::explain::words::span;

/// How a Pod stands, as the end of a sentence that begins with it.
pub(super) fn stands(pod: &Pod, now: Timestamp) -> String {
    let (meta, status) = (&pod.metadata, &pod.status);
    if meta.annotations.contains_key(keys::MIRROR_POD) {
        return "is run by its kubelet from a file: no queue and no policy look at it".to_owned();
    }
    match status.phase.as_str() {
        "Succeeded" => return "has ended well".to_owned(),
        "Failed" => return "has ended as failed".to_owned(),
        _ if meta.deletion_timestamp.is_some() => return "is being deleted".to_owned(),
        _ => {}
    }
    let silent = status.container_statuses.is_empty() && status.init_container_statuses.is_empty();
    if silent && pod.spec.node_name.is_empty() && status.phase != "Running" {
        return "is on no node yet, as far as it says: no image was asked for".to_owned();
    }
    if silent {
        return "is on a node whose kubelet has said nothing of its containers yet".to_owned();
    }
    let Some(seen) = observe(pod) else { return "says nothing of its images".to_owned() };
    let has = |wanted: fn(&Standing) -> bool| seen.images.iter().any(|i| wanted(&i.standing));
    if has(|standing| matches!(standing, Standing::Unclear)) {
        return "says nothing of its images now: its status is older than its spec, or about \
                something else"
            .to_owned();
    }
    if has(|standing| matches!(standing, Standing::Crashing)) {
        return "has its image, and its container ends again and again".to_owned();
    }
    if has(|standing| matches!(standing, Standing::Wanted)) {
        return wants(pod, now);
    }
    if seen.running {
        return "runs".to_owned();
    }
    let mut statuses = status.init_container_statuses.iter().chain(&status.container_statuses);
    let waiting = statuses.find_map(|status| status.state.waiting.as_ref());
    match waiting.map(|waiting| waiting.reason.as_str()).filter(|reason| !reason.is_empty()) {
        Some(reason) => {
            format!("has its images, and waits for something else ({})", plain(reason))
        }
        None => "has its images".to_owned(),
    }
}

/// A Pod that waits for an image of which no pull has failed.
fn wants(pod: &Pod, now: Timestamp) -> String {
    let since = pod.metadata.kubelet_wrote.or(pod.metadata.creation_timestamp);
    let silence = SignedDuration::try_from(Timing::kubelet().silence).unwrap_or_default();
    let waited = since.map(|since| now.duration_since(since));
    let lasts = waited.map(|waited| format!(", for {}", span(waited))).unwrap_or_default();
    if waited.is_some_and(|waited| waited >= silence) {
        return format!(
            "waits for its images{lasts}: no pull has failed, and none has shown anything; one may \
             hang, which no kubelet tells and Dislodge does not act on (Kueue's waitForPodsReady does)"
        );
    }
    format!("waits for its images{lasts}: no pull has failed")
}
