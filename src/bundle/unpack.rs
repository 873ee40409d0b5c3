//! Reads a report, whatever the file may be: in bounded memory and time.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use tar::Archive;

use super::content::{ABOUT, About, FORMAT, MOST_OBJECTS, OBJECTS, RECORDINGS};
use super::pack;
use crate::classify::shown::plain;

/// The most that is unpacked, in bytes: a few megabytes of gzip can hold terabytes.
const MOST: u64 = 4 << 30;
/// The most files.
const MOST_FILES: usize = 10_000;
/// Where a tar says that it is one (POSIX: `magic` in `ustar` headers).
const MAGIC: (usize, &[u8]) = (257, b"ustar");

/// What is read of a report.
#[derive(Debug)]
pub(crate) struct Report {
    /// What it is of.
    pub(crate) about: About,
    /// The objects, as JSON.
    pub(crate) objects: String,
    /// The recordings, by their names in the report.
    pub(crate) recordings: Vec<(String, Vec<u8>)>,
}

/// The report that begins so; `None`: it is something else. Only gzip over tar is looked into.
///
/// # Errors
///
/// Why it is no report of ours, as the end of a sentence that begins with the file.
pub(crate) fn report(input: impl Read) -> Option<Result<Report, String>> {
    let mut unpacked = MultiGzDecoder::new(input).take(MOST);
    let mut start = Vec::new();
    // What cannot be unpacked is no report; whoever reads it next says what it is.
    unpacked.by_ref().take(512).read_to_end(&mut start).ok()?;
    let (at, magic) = MAGIC;
    start.get(at..)?.starts_with(magic).then(|| read(start.chain(unpacked)))
}

fn read(input: impl Read) -> Result<Report, String> {
    let damaged = |error: io::Error| {
        format!("cannot be unpacked: {}: make the report anew", plain(&error.to_string()))
    };
    let (mut about, mut objects) = (None, None);
    let mut recordings = Vec::new();
    let mut room = pack::MOST;
    let mut archive = Archive::new(input);
    for (number, entry) in archive.entries().map_err(damaged)?.enumerate() {
        if number >= MOST_FILES {
            return Err(format!(
                "has more than {MOST_FILES} files in it: it is no report of Dislodge"
            ));
        }
        let entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.to_string_lossy().into_owned();
        let Some((_, name)) = path.split_once('/') else { continue };
        match name {
            ABOUT => about = Some(bytes(entry, MOST_OBJECTS).map_err(damaged)?),
            OBJECTS => objects = Some(bytes(entry, MOST_OBJECTS).map_err(damaged)?),
            _ if name.starts_with(RECORDINGS) && !name.ends_with('/') => {
                let recording = bytes(entry, room).map_err(damaged)?;
                room -= recording.len() as u64;
                recordings.push((plain(name).into_owned(), recording));
            }
            _ => {} // for people, or of a newer program
        }
    }
    let (Some(about), Some(objects)) = (about, objects) else {
        return Err(format!(
            "is a tar without {ABOUT} and {OBJECTS}: give a file that `dislodge report` has written, or \
             unpack it"
        ));
    };
    let about = format(&about)?;
    let objects =
        String::from_utf8(objects).map_err(|_| format!("has no text in its {OBJECTS}"))?;
    Ok(Report { about, objects, recordings })
}

/// The content of a file.
fn bytes(entry: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("a file in it has more than {most} bytes")));
    }
    Ok(bytes)
}

fn format(about: &[u8]) -> Result<About, String> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
        program: String,
    }
    let wrong = |error: serde_json::Error| {
        let error = crate::recording::read::told(&error);
        format!("has another {ABOUT} than a report: {}", plain(&error))
    };
    let Version { format, program } = serde_json::from_slice(about).map_err(wrong)?;
    if format > FORMAT {
        let program = plain(&program);
        return Err(format!(
            "is in format {format} of dislodge {program}; this one reads up to {FORMAT}: use that version \
             or a newer one"
        ));
    }
    serde_json::from_slice(about).map_err(wrong)
}
