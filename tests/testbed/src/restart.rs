//! A program that a test kills and starts again: the controller under test.

use std::time::Duration;

use crate::deadline::until;
use crate::error::{Error, Result};
use crate::process::{Process, Program};

/// A program with one life at a time. All its lives write into the same log, one after the other.
#[derive(Debug)]
pub struct Restartable {
    program: Program,
    process: Process,
    /// Where this life's lines begin in the log.
    life: usize,
}

impl Restartable {
    /// Starts it.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub async fn start(program: Program) -> Result<Self> {
        let life = std::fs::metadata(&program.log).map_or(0, |log| log.len());
        let life = usize::try_from(life).unwrap_or(usize::MAX);
        let process = Process::start(program.clone()).await?;
        Ok(Self { program, process, life })
    }

    /// This life's process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// `kill -9`; returns when it is gone.
    pub async fn kill(&self) {
        self.process.kill().await;
    }

    /// SIGTERM; returns how it ended, by SIGKILL after `patience` at the latest.
    ///
    /// # Errors
    /// When it had already ended.
    pub async fn terminate(&self, patience: Duration) -> Result<String> {
        self.process.terminate(patience).await
    }

    /// Starts it anew, with the same arguments; what is left of the old life is killed first.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub async fn restart(self) -> Result<Self> {
        self.kill().await;
        Self::start(self.program).await
    }

    /// The log of all lives.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn log(&self) -> Result<String> {
        self.process.read_log()
    }

    /// The log of this life.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn log_of_this_life(&self) -> Result<String> {
        let log =
            std::fs::read(&self.program.log).map_err(Error::file("read", &self.program.log))?;
        Ok(String::from_utf8_lossy(log.get(self.life..).unwrap_or_default()).into_owned())
    }

    /// Waits until this life has logged a text, and returns the line with it.
    ///
    /// # Errors
    /// When it ends before, or `seconds` are over.
    pub async fn logged(&self, text: &str, seconds: u64) -> Result<String> {
        let what = format!("{} logging {text:?}", self.program.name);
        let asked = until(seconds, &what, async || {
            let log = self.log_of_this_life().map_err(|error| error.to_string())?;
            let line = log.lines().find(|line| line.contains(text)).map(str::to_owned);
            line.ok_or_else(|| crate::text::last_lines(&log, 20))
        });
        tokio::select! {
            biased;
            found = asked => found,
            error = self.process.failure() => Err(error),
        }
    }
}
