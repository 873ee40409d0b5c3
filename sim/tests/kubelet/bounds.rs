//! How long after the state before it a state may be seen, on a real kubelet.
//!
//! A sync comes 10 to 16 s after one that failed (10 s, half of it as jitter, and the loop's tick),
//! or up to a second after a sandbox or container has started or ended. Back-off, 10 s doubling to
//! 300 s, counts from the end of the failed attempt; the attempt's error is published by the next
//! sync. The bounds below follow from that and hold for all recordings too.

use std::time::Duration;

use dislodge_sim::registry::Pull;

use crate::bench::{ms, s};
use crate::recording::Recording;

/// States and actions with the times at which they were seen and done.
pub(crate) type Story = Vec<(Duration, String)>;

/// A sync after one that failed, at the earliest and at the latest.
const SYNC: (Duration, Duration) = (s(10), s(16));
/// How much later the watcher of a loaded machine saw a state.
const LATE: Duration = s(1);

/// The earliest and the latest time of the state at `index` after the one before it.
pub(crate) fn bounds(
    story: &Story,
    index: usize,
    restarted: bool,
    recording: &Recording,
) -> (Duration, Duration) {
    let state = story[index].1.as_str();
    let before = story[index - 1].1.as_str();
    let init_done = !restarted && before.contains("=Completed");
    let windows = story[..index].iter().filter(|(_, state)| window(state)).count();
    if state.starts_with('!') {
        (ms(0), s(3600))
    } else if state == "deleted" || state.contains("=ContainerStatusUnknown") {
        // running containers are given their grace period
        let grace = if state.contains("=Error") { recording.pod.grace } else { ms(0) };
        (grace, grace + s(4))
    } else if state.starts_with("Failed") {
        // the phase is not the kubelet's; its next sync shows it with what the last sync found
        (ms(0), SYNC.1 + LATE)
    } else if window(state) && !window(before) {
        match u32::try_from(windows).unwrap() {
            0 if init_done => (SYNC.0, SYNC.1 + LATE),
            0 => (failing(recording).min(ms(50)), failing(recording) + s(1) + LATE),
            // with init containers done, the first window is that of two attempts
            windows => between_windows(windows + u32::from(init_done), failing(recording)),
        }
    } else if window(before) && state.contains("BackOff") {
        match windows {
            1 if init_done => (SYNC.0 * 2, SYNC.1 * 2 + LATE),
            _ if restarted => (ms(0), SYNC.1 + LATE),
            _ => (ms(8200), SYNC.1 + LATE),
        }
    } else if state.starts_with("Running") {
        // a pull began at once, or when a back-off of at most 40 s had passed
        let pull = succeeding(recording);
        (pull.saturating_sub(s(1)), pull + s(38))
    } else {
        (ms(0), s(5))
    }
}

fn window(state: &str) -> bool {
    state.contains("=ErrImagePull")
}

/// From the end of the window after the given number of failures to the beginning of the next.
fn between_windows(failures: u32, failing: Duration) -> (Duration, Duration) {
    let backoff = s(10 * 2_u64.pow(failures - 1)).min(s(300)) + failing;
    // the window closed 10 to 32 s after the failure; the next opens a sync after the next attempt
    let earliest = backoff.saturating_sub(SYNC.1 * 2) + SYNC.0;
    (earliest.max(ms(8200)), backoff + SYNC.1 + (SYNC.1.saturating_sub(SYNC.0)) + LATE)
}

/// How long the failing pulls take.
fn failing(recording: &Recording) -> Duration {
    let failing = recording.pulls.iter().find_map(|(_, pull)| match pull {
        Pull::Fails { after, .. } => Some(*after),
        Pull::Succeeds { .. } | Pull::Hangs | Pull::SecretUnreadable { .. } => None,
    });
    failing.unwrap_or(ms(60))
}

/// How long the pull takes that succeeds.
fn succeeding(recording: &Recording) -> Duration {
    let succeeding = recording.pulls.iter().find_map(|(_, pull)| match pull {
        Pull::Succeeds { after } => Some(*after),
        Pull::Fails { .. } | Pull::Hangs | Pull::SecretUnreadable { .. } => None,
    });
    succeeding.unwrap_or(ms(50))
}
