//! Reads one file of a recording, line by line, whatever the file may be: in bounded memory, and up to
//! where it was cut or damaged.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::frame::{FORMAT, Frame, Header, Line};
use crate::classify::shown::plain;

/// The longest line, in bytes: the API server keeps no object of more than 1.5 MiB, and JSON may write
/// each of its bytes as six.
const LONGEST: u64 = 16 << 20;
/// The most text that is read of a file, in bytes: two days of a large cluster. A few megabytes of
/// gzip can hold terabytes.
const MOST: u64 = 4 << 30;

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("{file} cannot be read: {why}: name a file that exists")]
    Unreadable {
        /// Its name.
        file: String,
        /// What the operating system says.
        why: io::Error,
    },
    /// It is something else.
    #[error(
        "{file} is no recording: {why}: give a file that `dislodge record` or `dislodge controller \
         --record` has written"
    )]
    Other {
        /// Its name.
        file: String,
        /// By what that is seen.
        why: String,
    },
    /// A newer program has written it.
    #[error(
        "{file} is in format {format} of dislodge {program}; this one reads up to {FORMAT}: replay it \
         with that version or a newer one"
    )]
    Newer {
        /// Its name.
        file: String,
        /// Its format.
        format: u32,
        /// The program that wrote it.
        program: String,
    },
    /// A line is not as the format has it.
    #[error("{file}, line {line}: {why}: the recording is damaged, or was changed by hand")]
    Line {
        /// Its name.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
}

/// How a file ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its mark.
    Whole,
    /// Before, after this line: everything up to it was read.
    Cut(u64),
}

/// What comes next.
#[derive(Clone, Debug)]
pub enum Item {
    /// What stood when the file was begun.
    Standing(Frame),
    /// What the engine was told.
    Input(Frame),
}

/// A file that is being read.
#[derive(Debug)]
pub struct Reader {
    text: Text,
    header: Header,
    inputs: u64,
    ending: Option<Ending>,
}

impl Reader {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or is no recording.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path.as_os_str() == "-" {
            return Self::new("standard input".to_owned(), Box::new(io::stdin()));
        }
        let name = plain(&path.to_string_lossy()).into_owned();
        match File::open(path) {
            Ok(file) if file.metadata().is_ok_and(|data| data.is_dir()) => Err(Error::Other {
                file: name,
                why: "it is a folder; give its files, as in FOLDER/*.gz".to_owned(),
            }),
            Ok(file) => Self::new(name, Box::new(file)),
            Err(why) => Err(Error::Unreadable { file: name, why }),
        }
    }

    /// Reads what comes out of there.
    ///
    /// # Errors
    ///
    /// As [`Reader::open`].
    pub fn new(file: String, input: Box<dyn Read>) -> Result<Self, Error> {
        let mut text = Text::new(file, input)?;
        let header = header(&mut text)?;
        Ok(Self { text, header, inputs: 0, ending: None })
    }

    /// What the recording is of.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The file's name, as it can be shown.
    pub fn file(&self) -> &str {
        &self.text.file
    }

    /// How it ended; `None` as long as it was not read to its end.
    pub const fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// What is wrong with the line that was read last.
    pub fn wrong(&self, why: &str) -> Error {
        self.text.wrong(why)
    }

    /// The next input; `None`: the file has ended, see [`Reader::ending`].
    ///
    /// # Errors
    ///
    /// Where a line is not as the format has it.
    pub fn item(&mut self) -> Result<Option<Item>, Error> {
        if self.ending.is_some() {
            return Ok(None);
        }
        let Some(text) = self.text.line()? else {
            self.ending = Some(Ending::Cut(self.text.number));
            return Ok(None);
        };
        let line = serde_json::from_slice(&text).map_err(|error| self.wrong(&told(&error)))?;
        match line {
            Line::Recording(_) => {
                Err(self.wrong("a second recording begins: give the files one by one"))
            }
            Line::Standing(_) if self.inputs > 0 => {
                Err(self.wrong("what stood at the beginning comes before all inputs"))
            }
            Line::Standing(frame) => Ok(Some(Item::Standing(frame))),
            Line::Input(frame) => {
                self.inputs += 1;
                Ok(Some(Item::Input(frame)))
            }
            Line::End { inputs } if inputs != self.inputs => {
                Err(self.wrong(&format!("{inputs} inputs were written, {} are here", self.inputs)))
            }
            Line::End { .. } => {
                self.ending = Some(Ending::Whole);
                match self.text.line()? {
                    None => Ok(None),
                    Some(_) => Err(self.wrong("something follows the end of the recording")),
                }
            }
        }
    }
}

/// Reads the first line.
fn header(text: &mut Text) -> Result<Header, Error> {
    #[derive(serde::Deserialize)]
    struct Any {
        recording: Version,
    }
    #[derive(serde::Deserialize)]
    struct Version {
        format: u32,
        program: String,
    }
    let file = text.file.clone();
    let other = |why: &str| Error::Other { file: file.clone(), why: why.to_owned() };
    let Some(line) = text.line().map_err(|_| other("its first line has no end"))? else {
        return Err(other("it ends before its first line does"));
    };
    let Any { recording: Version { format, program } } = serde_json::from_slice(&line)
        .map_err(|_| other("its first line is not that of a recording"))?;
    if format > FORMAT {
        let program = plain(&program).into_owned();
        return Err(Error::Newer { file, format, program });
    }
    match serde_json::from_slice(&line) {
        Ok(Line::Recording(header)) => Ok(header),
        Ok(_) => Err(other("its first line is not that of a recording")),
        Err(error) => Err(other(&format!("its first line: {}", plain(&told(&error))))),
    }
}

/// Lines out of a file that may have been packed.
struct Text {
    file: String,
    source: Box<dyn BufRead>,
    /// The line that was read last, from 1.
    number: u64,
    /// What was read so far.
    bytes: u64,
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Text")
            .field("file", &self.file)
            .field("line", &self.number)
            .finish_non_exhaustive()
    }
}

impl Text {
    fn new(file: String, input: Box<dyn Read>) -> Result<Self, Error> {
        let mut input = BufReader::new(input);
        let start = match input.fill_buf() {
            Ok(start) => start.get(..2).unwrap_or(start).to_owned(),
            Err(why) => return Err(Error::Unreadable { file, why }),
        };
        let other = |file, why: &str| Err(Error::Other { file, why: why.to_owned() });
        let source: Box<dyn BufRead> = match start.as_slice() {
            [0x1f, 0x8b] => Box::new(BufReader::new(MultiGzDecoder::new(input))),
            // What `zcat` makes of one.
            [b'{', _] => Box::new(input),
            [] => return other(file, "it is empty"),
            _ => return other(file, "it does not begin as gzip does"),
        };
        Ok(Self { file, source, number: 0, bytes: 0 })
    }

    /// The next line; `None`: there is no other, or it was cut.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut text = Vec::new();
        let limit = LONGEST.min(MOST.saturating_sub(self.bytes));
        let read = self.source.by_ref().take(limit + 1).read_until(b'\n', &mut text);
        self.bytes += text.len() as u64;
        match read {
            _ if text.len() as u64 > limit => {
                self.number += 1;
                Err(self.wrong(if limit < LONGEST {
                    "the recording is too long: give a shorter one"
                } else {
                    "the line is longer than any that is written"
                }))
            }
            Ok(_) if text.pop() == Some(b'\n') => {
                self.number += 1;
                Ok(Some(text))
            }
            // Without its end the line may be a half.
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error)
                if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData) =>
            {
                self.number += 1;
                Err(self.wrong(&format!("it cannot be unpacked: {error}")))
            }
            Err(why) => Err(Error::Unreadable { file: self.file.clone(), why }),
        }
    }

    fn wrong(&self, why: &str) -> Error {
        let why = plain(why).into_owned();
        Error::Line { file: self.file.clone(), line: self.number, why }
    }
}

/// What a decoder says, less its own count of lines, of which there is always one.
pub(crate) fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}
