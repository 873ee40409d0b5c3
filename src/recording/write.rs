//! Writes one file of a recording.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::frame::{Frame, Header, Line};

/// Counts what goes through it.
#[derive(Debug)]
struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W> Counted<W> {
    const fn new(inner: W) -> Self {
        Self { inner, bytes: 0 }
    }

    /// How many bytes went through it.
    const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A file that is being written. Dropped, it ends without its mark, as one that was cut.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: GzEncoder<Counted<W>>,
    inputs: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn new(out: W, header: &Header) -> io::Result<Self> {
        let out = GzEncoder::new(Counted::new(out), Compression::fast());
        let mut writer = Self { out, inputs: 0 };
        writer.line(&Line::Recording(header.clone()))?;
        Ok(writer)
    }

    /// Adds an input.
    ///
    /// # Errors
    ///
    /// Those of the file. The file is good up to the line before.
    pub fn input(&mut self, frame: Frame) -> io::Result<()> {
        self.inputs += 1;
        self.line(&Line::Input(frame))
    }

    /// Adds what stood when the file was begun. Comes before all inputs.
    ///
    /// # Errors
    ///
    /// As [`Writer::input`].
    pub fn standing(&mut self, frame: Frame) -> io::Result<()> {
        self.line(&Line::Standing(frame))
    }

    /// How many inputs there are.
    pub const fn inputs(&self) -> u64 {
        self.inputs
    }

    /// How many bytes the file has. What is still being compressed comes with the next [`Writer::flush`].
    pub fn bytes(&self) -> u64 {
        self.out.get_ref().bytes()
    }

    /// Hands everything to the operating system: from then on it survives the end of the process.
    ///
    /// # Errors
    ///
    /// As [`Writer::input`].
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Ends the file with its mark, and gives back what it was written to.
    ///
    /// # Errors
    ///
    /// As [`Writer::input`].
    pub fn finish(mut self) -> io::Result<W> {
        let inputs = self.inputs;
        self.line(&Line::End { inputs })?;
        let mut inner = self.out.finish()?.inner;
        inner.flush()?;
        Ok(inner)
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.out.write_all(&text)
    }
}
