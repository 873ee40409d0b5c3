//! What a process takes of the machine, as Linux tells it in `/proc`.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};

/// Ticks of a second in `/proc/PID/stat`: what Linux gives programs on all architectures it is used on.
const TICKS: u64 = 100;

/// A process that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Usage(u32);

impl Usage {
    /// The process with that id.
    pub const fn new(pid: u32) -> Self {
        Self(pid)
    }

    /// Memory that is resident, in KiB.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident(self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most memory that was resident since the start, or since [`Usage::forget_peak`], in KiB.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn peak(self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// Lets the peak begin anew, from what is resident now.
    ///
    /// # Errors
    /// When the process is gone, or belongs to somebody else.
    pub fn forget_peak(self) -> Result<()> {
        let file = self.file("clear_refs");
        std::fs::write(&file, "5").map_err(Error::file("write", &file))
    }

    /// Processor time so far, of all threads.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn processor(self) -> Result<Duration> {
        let file = self.file("stat");
        let text = std::fs::read_to_string(&file).map_err(Error::file("read", &file))?;
        // `PID (NAME) STATE ...`, where the name may hold anything.
        let fields = text.rsplit_once(") ").map(|(_, fields)| fields).unwrap_or_default();
        let ticks: u64 =
            fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS))
    }

    fn status(self, name: &str) -> Result<u64> {
        let file = self.file("status");
        let text = std::fs::read_to_string(&file).map_err(Error::file("read", &file))?;
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value
            .and_then(|value| value.trim().strip_suffix(" kB")?.trim().parse().ok())
            .ok_or_else(|| Error::malformed(file.display().to_string(), format!("no {name}")))
    }

    fn file(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }
}
