//! The files in `data`: what a watcher saw of the Pods of a case, and which failed pulls that
//! tells of.
//!
//! A file has one line for each fact, fields separated by tabs; seconds count from the second in
//! which the recording began:
//!
//! ```text
//! wall       MS                                  Unix time at T_MS 0, by the API server's clock
//! message    N TEXT
//! pod        POD NAME CREATED_S
//! spec       POD                                 what follows, down to the next event, is all of it
//! init       NAME POLICY IMAGE [VOLUME,...]      a container, with the image volumes it mounts
//! sidecar    NAME POLICY IMAGE [VOLUME,...]
//! main       NAME POLICY IMAGE [VOLUME,...]
//! volume     NAME POLICY REFERENCE               an image volume
//! T_MS       EVENT POD PHASE GENERATION WROTE CONTAINER=STATE...
//! failed     POD IMAGE T_MS                      the event with which a failed pull counts
//! once       POD IMAGE T_MS                      the same, where the kubelet says it only once
//! reset      POD IMAGE T_MS                      what failed of the image before is over
//! ```
//!
//! - `EVENT`: `added`, `modified` or `deleted`.
//! - `PHASE`: with `!` where `deletionTimestamp` is set.
//! - `GENERATION`: `2`, or `2/1` where `observedGeneration` differs, `2/-` where it is not set.
//! - `WROTE`: second of the kubelet's newest status write, or `-`; `+S` where another client's
//!   newest status write is known as well.
//! - `STATE`: `running`, `terminated` or the reason to wait, with `#N` for its message; then `@`
//!   where `imageID` is set.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use dislodge_engine::objects::Pod;
use jiff::Timestamp;

use crate::cases::CASES;
use crate::told::{self, Told};
use crate::watcher::{Reading, reading};

/// All recordings.
pub(crate) static RECORDINGS: LazyLock<Vec<Recording>> =
    LazyLock::new(|| CASES.iter().map(|(case, _)| Recording::read(case, &text(case))).collect());

/// All Pods of all recordings.
pub(crate) fn lives() -> impl Iterator<Item = &'static Life> {
    RECORDINGS.iter().flat_map(|recording| &recording.lives)
}

/// One recorded case: its Pods.
pub(crate) struct Recording {
    pub(crate) lives: Vec<Life>,
}

/// What was seen of one Pod.
pub(crate) struct Life {
    /// Case and Pod.
    pub(crate) name: String,
    /// Unix time at millisecond 0 of the recording, in milliseconds.
    wall: i64,
    pub(crate) events: Vec<Event>,
    pub(crate) truths: Vec<Truth>,
    /// The images that something is true of.
    pub(crate) images: Vec<Arc<str>>,
}

pub(crate) struct Event {
    pub(crate) at: u64,
    pub(crate) deleted: bool,
    pub(crate) pod: &'static Pod,
    /// The Pod, as it is observed.
    pub(crate) reading: Reading,
}

/// What a status says for certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Truth {
    pub(crate) at: u64,
    pub(crate) image: Arc<str>,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Failed,
    Once,
    Reset,
}

impl What {
    fn read(text: &str) -> Option<Self> {
        [Self::Failed, Self::Once, Self::Reset].into_iter().find(|what| what.to_string() == text)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "failed",
            Self::Once => "once",
            Self::Reset => "reset",
        })
    }
}

impl Life {
    pub(crate) fn wall(&self, at: u64) -> Timestamp {
        Timestamp::from_millisecond(self.wall + i64::try_from(at).unwrap()).unwrap()
    }

    /// How many failed pulls in a row of an image are true by then.
    pub(crate) fn failed_pulls(&self, image: &str, at: u64) -> u32 {
        let known = self.truths.iter().filter(|truth| truth.at <= at && *truth.image == *image);
        known.fold(0, |count, truth| if truth.what == What::Reset { 0 } else { count + 1 })
    }
}

pub(crate) fn file(case: &str) -> String {
    format!("{}/tests/recordings/data/{case}.tsv", env!("CARGO_MANIFEST_DIR"))
}

fn text(case: &str) -> String {
    let file = file(case);
    std::fs::read_to_string(Path::new(&file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

impl Recording {
    fn read(case: &str, text: &str) -> Self {
        let told = Told::read(text);
        let mut lives: Vec<Life> = told
            .pods
            .iter()
            .map(|pod| Life {
                name: format!("{case}, {pod}"),
                wall: told.wall,
                events: Vec::new(),
                truths: Vec::new(),
                images: Vec::new(),
            })
            .collect();
        for told::Event { at, number, deleted, pod } in told.events {
            let pod: &Pod = Box::leak(Box::new(serde_json::from_value(pod).unwrap()));
            lives[number].events.push(Event { at, deleted, pod, reading: reading(pod) });
        }
        for (word, number, image, at) in told.truths {
            let (image, life) = (Arc::<str>::from(image), &mut lives[number]);
            if !life.images.contains(&image) {
                life.images.push(Arc::clone(&image));
            }
            life.truths.push(Truth { at, image, what: What::read(&word).unwrap() });
        }
        Self { lives }
    }
}
