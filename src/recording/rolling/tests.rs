//! The recording and its disk.

use super::*;
use crate::health::Health;

fn entry(seconds: u64, name: &str) -> Entry {
    let node = serde_json::json!({"metadata": {"name": name,
        "uid": format!("00000000-0000-0000-0000-{seconds:012}")}});
    let node = serde_json::from_value(node).unwrap_or_default();
    Entry {
        now: Now {
            elapsed: Duration::from_secs(seconds),
            wall: jiff::Timestamp::from_second(1_800_000_000).unwrap_or_default(),
        },
        input: dislodge_engine::input::Input::Node(dislodge_engine::input::Change::Seen(node)),
        effects: Vec::new(),
        notices: Vec::new(),
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dislodge-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn start(&self, most: u64) -> (Recorder, Ended, Metrics) {
        let clock = Clock::start();
        let metrics = Metrics::new(Health::new(clock));
        let place = Place { folder: self.0.clone(), most, namespace: None };
        let (recorder, ended) =
            Recorder::start(place, Config::kubelet(), clock, metrics.clone()).unwrap();
        (recorder, ended, metrics)
    }

    fn files(&self) -> Vec<(String, u64)> {
        let entries = fs::read_dir(&self.0).unwrap().map(Result::unwrap);
        let mut files: Vec<(String, u64)> = entries
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())
            })
            .collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.0);
    }
}

/// A text that does not compress.
fn noise(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + u8::try_from(state % 26).unwrap())
    };
    (0..2000).map(step).collect()
}

fn is_recording(metrics: &Metrics) -> bool {
    metrics.text().unwrap().contains("dislodge_recording 1\n")
}

#[tokio::test]
async fn the_oldest_files_go_and_the_rest_stays_within_the_bound() {
    let folder = Folder::new("rolling");
    fs::write(folder.0.join("notes.txt"), "not ours").unwrap();
    let (mut recorder, ended, metrics) = folder.start(256 << 10);
    for second in 0..1000 {
        // The same few nodes: what stands stays small.
        let mut entry = entry(second % 5, &noise(second));
        entry.now.elapsed = Duration::from_secs(second);
        recorder.take(entry);
    }
    assert!(is_recording(&metrics));
    drop(recorder);
    ended.await.unwrap();
    let files = folder.files();
    assert_eq!(files.last().unwrap().0, "notes.txt");
    let (ours, bytes) = (files.len() - 1, files.iter().map(|(_, bytes)| bytes).sum::<u64>());
    assert!(!files[0].0.ends_with("-000000.jsonl.gz"), "{files:?}");
    assert!((3..=9).contains(&ours) && bytes <= 256 << 10, "{files:?}");
}

#[tokio::test]
async fn a_recorder_whose_folder_is_gone_ends_and_says_so_in_its_metric() {
    let folder = Folder::new("rolling-gone");
    let (mut recorder, ended, metrics) = folder.start(64 << 10);
    fs::remove_dir_all(&folder.0).unwrap();
    for second in 0..200 {
        recorder.take(entry(second, &noise(second)));
    }
    ended.await.unwrap();
    assert!(!is_recording(&metrics));
    recorder.take(entry(200, "x"));
    assert!(!recorder.is_on());
}

#[test]
fn a_folder_that_is_not_there_is_said_with_what_to_do() {
    let clock = Clock::start();
    let metrics = Metrics::new(Health::new(clock));
    let place = Place { folder: "/nowhere/at/all".into(), most: 1 << 20, namespace: None };
    let error = Recorder::start(place, Config::kubelet(), clock, metrics).unwrap_err().to_string();
    assert!(
        error.starts_with("--record: nothing can be written into /nowhere/at/all: No such file")
    );
    assert!(error.contains("make the folder"), "{error}");
}
