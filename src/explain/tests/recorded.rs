//! Each state of each Pod that was recorded on a real kubelet: no state is without an answer. The
//! recordings, and how they are read, are the engine's own (`engine/tests/recordings`).

use std::path::Path;

use jiff::Timestamp;

use super::is_answer;
use super::shapes::both;
use told::Told;

#[path = "../../../engine/tests/recordings/told.rs"]
mod told;

#[test]
fn each_recorded_state_gets_an_answer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("engine/tests/recordings/data");
    let (mut files, mut states, mut pods, mut failed) = (0, 0, 0, 0);
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let recording = Told::read(&std::fs::read_to_string(&path).unwrap());
        for event in &recording.events {
            let mut pod = event.pod.clone();
            let at = recording.wall + i64::try_from(event.at).unwrap();
            let at = Timestamp::from_millisecond(at).unwrap();
            // No uid of the shapes around it.
            pod["metadata"]["uid"] =
                format!("00000000-0000-0000-0001-{:012x}", event.number).into();
            for (finding, governed) in both(&pod, at).iter().zip([false, true]) {
                is_answer(finding, governed).unwrap_or_else(|wrong| {
                    let (file, number, gone) = (path.display(), event.number, event.deleted);
                    panic!("{file}, Pod {number} at {at}, deleted: {gone}: {wrong}")
                });
            }
            states += 1;
        }
        files += 1;
        pods += recording.pods.len();
        failed += recording.truths.len();
    }
    assert!(files == 56 && states > 2000, "{states} states of {files} recordings");
    assert!(pods >= files && failed > files, "{failed} failed pulls of {pods} Pods");
}
