//! Writes the file.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::Serialize;
use tar::{Builder, Header};

use super::content::RECORDINGS;
use crate::classify::shown::plain;
use crate::inspect::Error;
use crate::recording::read::Reader;

/// The most that is put in of recordings, in bytes.
pub(super) const MOST: u64 = 512 << 20;

/// A report that is being written. Everything in it lies in one folder.
pub(super) struct Packer<W: Write> {
    tar: Builder<GzEncoder<W>>,
    folder: String,
    time: u64,
}

impl<W: Write> Packer<W> {
    pub(super) fn new(out: W, folder: String, time: Timestamp) -> Self {
        let out = GzEncoder::new(out, Compression::default());
        let time = u64::try_from(time.as_second()).unwrap_or_default();
        Self { tar: Builder::new(out), folder, time }
    }

    /// Adds a file.
    ///
    /// # Errors
    ///
    /// Those of what is written to.
    pub(super) fn add(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(self.time);
        self.tar.append_data(&mut header, format!("{}/{name}", self.folder), content)
    }

    /// Adds a value.
    ///
    /// # Errors
    ///
    /// As [`Packer::add`].
    pub(super) fn add_json(&mut self, name: &str, value: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(value)?;
        text.push(b'\n');
        self.add(name, &text)
    }

    /// Ends it, and gives back what it was written to.
    ///
    /// # Errors
    ///
    /// As [`Packer::add`].
    pub(super) fn finish(self) -> io::Result<W> {
        let mut out = self.tar.into_inner()?.finish()?;
        out.flush()?;
        Ok(out)
    }
}

/// Recordings that are to be put in, by their names in the report. Each is looked into: nobody wants to
/// send by mistake what is something else.
///
/// # Errors
///
/// Where one cannot be read, or is none.
pub(super) fn recordings(files: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut all = Vec::new();
    let mut room = MOST;
    for (number, path) in files.iter().enumerate() {
        Reader::open(path)?;
        let bytes = bytes(path, room)?;
        room -= bytes.len() as u64;
        let packed = if bytes.starts_with(&[0x1f, 0x8b]) { ".gz" } else { "" };
        // Files of several folders may have one name.
        all.push((format!("{RECORDINGS}{number:04}.jsonl{packed}"), bytes));
    }
    Ok(all)
}

fn bytes(path: &Path, room: u64) -> Result<Vec<u8>, Error> {
    let wrong = |why: String| {
        let path = plain(&path.to_string_lossy()).into_owned();
        Error::File(format!("{path} {why}"))
    };
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(room + 1).read_to_end(&mut bytes));
    read.map_err(|error| wrong(format!("cannot be read: {error}: name a file that exists")))?;
    if bytes.len() as u64 > room {
        let most = MOST >> 20;
        return Err(wrong(format!("is too long: give recordings of {most} MiB at most")));
    }
    Ok(bytes)
}
