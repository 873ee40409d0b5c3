//! The controller's recording of its own inputs: files of a bounded size in a folder, the oldest removed.
//!
//! The driver hands each turn of the engine over and goes on; a thread of its own does the rest. Where
//! that thread cannot keep up, or the disk refuses, the recording ends and says so once: the controller's
//! work goes on, and a recording with a hole in it would be worth nothing.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use dislodge_engine::Config;
use dislodge_engine::time::Now;
use tokio::sync::oneshot;

use super::entry::Entry;
use super::fold::carry_on;
use super::frame::{FORMAT, Header, Source};
use super::write::Writer;
use crate::clock::Clock;
use crate::metrics::Metrics;

/// How many turns may wait for the thread, of some kilobytes each: many seconds of a large cluster.
const WAITING: usize = 1 << 16;
/// From so many on, whoever can wait should.
const BEHIND: usize = 1 << 13;
/// So much is lost at most where the process is killed.
const FLUSH: Duration = Duration::from_secs(2);
/// Into so many files the bound is divided: so much of the whole is given up at a time.
const SEGMENTS: u64 = 8;
/// A file grows beyond where it is full by one input, and by what was being compressed: this part of the
/// bound is kept for it.
const MARGIN: u64 = 32;
/// How the files are called.
const PREFIX: &str = "dislodge-";
const SUFFIX: &str = ".jsonl.gz";

/// Where the recording goes.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder. It has to exist.
    pub folder: PathBuf,
    /// How many bytes all its recordings may take.
    pub most: u64,
    /// The only namespace that is watched.
    pub namespace: Option<String>,
}

/// The folder cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error(
    "--record: nothing can be written into {folder}: {why}: make the folder, writable for the user that \
     this process runs as"
)]
pub struct Error {
    folder: String,
    why: io::Error,
}

/// Takes the turns of an engine. Dropped, the recording ends.
#[derive(Debug)]
pub struct Recorder {
    /// `None`: the recording has ended.
    turns: Option<SyncSender<Entry>>,
    /// How many turns wait for the thread.
    waiting: Arc<AtomicUsize>,
    metrics: Metrics,
}

/// Resolves when everything is written and the last file has its mark.
pub type Ended = oneshot::Receiver<()>;

impl Recorder {
    /// Begins a recording.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written to.
    pub fn start(
        place: Place,
        config: Config,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<(Self, Ended), Error> {
        let header = Header {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            source: Source::Controller,
            namespace: place.namespace.clone(),
            run: clock.wall(),
            segment: 0,
            config,
        };
        let folder = place.folder.display().to_string();
        let refused = |why| Error { folder: folder.clone(), why };
        let segment = Segment::begin(&place, header, None).map_err(refused)?;
        let (turns, taken) = sync_channel(WAITING);
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&waiting);
        let (done, ended) = oneshot::channel();
        let said = metrics.clone();
        metrics.recording(true);
        tracing::info!(
            folder,
            mebibytes = place.most >> 20,
            "the inputs of this process are recorded"
        );
        std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || {
                let folder = place.folder.display().to_string();
                if let Err(why) = keep(segment, &place, (&taken, &left), clock) {
                    said.recording(false);
                    tracing::error!(
                        folder,
                        error = %why,
                        "the recording has ended: it is good up to here; make room and restart to \
                         record again; all else goes on"
                    );
                }
                // Whoever hears of the end finds nobody to take turns any more.
                drop(taken);
                // Nobody waits where the process does not stop.
                let _ = done.send(());
            })
            .map_err(refused)?;
        Ok((Self { turns: Some(turns), waiting, metrics }, ended))
    }

    /// Whether turns are still taken.
    pub const fn is_on(&self) -> bool {
        self.turns.is_some()
    }

    /// Whether the thread has so much to do that whoever can wait should.
    pub fn is_behind(&self) -> bool {
        self.is_on() && self.waiting.load(Ordering::Relaxed) >= BEHIND
    }

    /// Takes a turn. Never waits.
    pub fn take(&mut self, entry: Entry) {
        let Some(turns) = &self.turns else { return };
        self.waiting.fetch_add(1, Ordering::Relaxed);
        match turns.try_send(entry) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.metrics.recording(false);
                tracing::error!(
                    waiting = WAITING,
                    "the recording has ended: its disk or its processor does not keep up with the \
                     cluster; it is good up to here; all else goes on"
                );
                self.turns = None;
            }
            // The thread has said why.
            Err(TrySendError::Disconnected(_)) => self.turns = None,
        }
    }
}

/// A file that is being written.
struct Segment {
    path: PathBuf,
    header: Header,
    writer: Writer<File>,
    /// When it is full, in bytes.
    full: u64,
}

impl Segment {
    fn begin(place: &Place, header: Header, before: Option<(&Path, Now)>) -> io::Result<Self> {
        let run = header.run.strftime("%Y%m%dT%H%M%S.%6fZ");
        let path = place.folder.join(format!("{PREFIX}{run}-{:06}{SUFFIX}", header.segment));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        match Self::filled(file, place, &header, before) {
            Ok((writer, full)) => Ok(Self { path, header, writer, full }),
            Err(error) => {
                // Half of what stands is worth nothing. Where it cannot be removed, it stays.
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// The file with its beginning, and when it is full: not before it has as much again of inputs.
    fn filled(
        file: File,
        place: &Place,
        header: &Header,
        before: Option<(&Path, Now)>,
    ) -> io::Result<(Writer<File>, u64)> {
        let mut writer = Writer::new(file, header)?;
        if let Some((before, now)) = before {
            carry_on(before, now, &mut writer)?;
        }
        writer.flush()?;
        let full = writer.bytes().saturating_mul(2);
        if full > place.most / 2 {
            let least = (full.saturating_mul(4) >> 20) + 1;
            let why = format!("the cluster is too large for its bound: give --record-size {least}");
            return Err(io::Error::other(why));
        }
        Ok((writer, full.max(place.most / SEGMENTS)))
    }

    /// Ends this file and begins the next one.
    fn next(self, place: &Place, now: Now) -> io::Result<Self> {
        self.writer.finish()?.sync_data()?;
        let header = Header { segment: self.header.segment.saturating_add(1), ..self.header };
        // What stands takes about as much room as it did. The file that tells it stays so long.
        make_room(place, &self.path, true, self.full)?;
        let next = Self::begin(place, header, Some((&self.path, now)))?;
        make_room(place, &next.path, false, next.full)?;
        Ok(next)
    }
}

/// Writes what comes, until nobody sends any more.
fn keep(
    mut segment: Segment,
    place: &Place,
    (turns, waiting): (&Receiver<Entry>, &AtomicUsize),
    clock: Clock,
) -> io::Result<()> {
    make_room(place, &segment.path, false, segment.full)?;
    let (mut flushed, mut fresh) = (clock.elapsed(), false);
    loop {
        match turns.recv_timeout(FLUSH) {
            Ok(entry) => {
                waiting.fetch_sub(1, Ordering::Relaxed);
                segment.writer.input(entry.frame()?)?;
                fresh = true;
                if segment.writer.bytes() >= segment.full {
                    segment = segment.next(place, entry.now)?;
                    fresh = false;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if fresh && clock.elapsed().saturating_sub(flushed) >= FLUSH {
            segment.writer.flush()?;
            (flushed, fresh) = (clock.elapsed(), false);
        }
    }
    segment.writer.finish()?.sync_data()
}

/// Removes the oldest recordings until the rest is within the bound with another file of so many bytes.
/// `current` stays; where it `counts`, it is not that other file.
fn make_room(place: &Place, current: &Path, counts: bool, bytes: u64) -> io::Result<()> {
    let mut files = Vec::new();
    let mut left = bytes.saturating_add(place.most / MARGIN);
    for entry in fs::read_dir(&place.folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with(PREFIX) || !name.ends_with(SUFFIX) {
            continue;
        }
        let length = entry.metadata()?.len();
        if entry.path() != current {
            files.push((entry.path(), length));
            left += length;
        } else if counts {
            left += length;
        }
    }
    // By name is by time.
    files.sort();
    for (path, bytes) in files {
        if left <= place.most {
            break;
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => left = left.saturating_sub(bytes),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
