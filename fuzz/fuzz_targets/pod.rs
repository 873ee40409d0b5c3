//! Decodes Pods, one a line, and counts: in a row of any statuses no more failed pulls than statuses.
#![no_main]

use std::time::Duration;

use dislodge_engine::objects::Pod;
use dislodge_engine::observe::observe;
use dislodge_engine::record::{Arrival, PodHistory};
use dislodge_engine::time::Now;
use dislodge_engine::timing::Timing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut history = PodHistory::default();
    let mut statuses = 0;
    for (second, line) in (1..).zip(data.split(|byte| *byte == b'\n')) {
        let Ok(pod) = serde_json::from_slice::<Pod>(line) else { continue };
        let Some(seen) = observe(&pod) else { continue };
        let wall = jiff::Timestamp::UNIX_EPOCH + Duration::from_secs(second);
        let now = Now { elapsed: Duration::from_secs(second), wall };
        let arrival = Arrival { listed: second % 7 == 0, wrote: pod.metadata.kubelet_wrote };
        history.record(&seen, arrival, now, &Timing::kubelet(), |_| None);
        statuses += 1;
        for (image, track) in history.tracks() {
            assert!(track.runs.failed_pulls() <= statuses, "{image}");
        }
    }
});
