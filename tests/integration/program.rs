//! The program, run to its end as a person or a script runs it.

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

/// How the program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    /// The most memory that it had, where the system tells.
    pub(crate) peak_kilobytes: Option<u64>,
}

/// Runs `dislodge` with these words and this on standard input.
pub(crate) fn run_with(
    command: &[&str],
    arguments: &[&str],
    stdin: &(impl AsRef<[u8]> + ?Sized),
) -> io::Result<Said> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_dislodge"));
    program.args(command).args(arguments);
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        program.env_remove(variable);
    }
    finish(program, stdin.as_ref())
}

/// Runs any program to its end.
pub(crate) fn finish(mut program: Command, stdin: &[u8]) -> io::Result<Said> {
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn()?;
    let pid = child.id();
    let (mut to, from, error) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(pipe) = &mut to {
                // A program that reads no more may have ended by now.
                let _ = pipe.write_all(stdin);
            }
            drop(to);
        });
        let error = scope.spawn(move || text(error));
        // It ends only after its last words, so that what it had of memory is read before.
        let mut out = Vec::new();
        let mut peak = None;
        if let Some(mut from) = from {
            let mut part = [0; 1 << 13];
            loop {
                peak = peak_of(pid).or(peak);
                match from.read(&mut part)? {
                    0 => break,
                    length => out.extend_from_slice(part.get(..length).unwrap_or_default()),
                }
            }
        }
        let status = child.wait()?;
        Ok(Said {
            code: status.code(),
            out: String::from_utf8_lossy(&out).into_owned(),
            err: error.join().unwrap_or_default(),
            peak_kilobytes: peak,
        })
    })
}

fn text(pipe: Option<impl io::Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `VmHWM` of `/proc/PID/status` (Linux): the largest resident set so far.
fn peak_of(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

impl Said {
    /// Fails unless it ended with this code, and standard output and error have these parts.
    pub(crate) fn is(&self, code: i32, out: &[&str], err: &[&str]) -> Outcome {
        let missing = out.iter().find(|part| !self.out.contains(**part));
        let missing = missing.or_else(|| err.iter().find(|part| !self.err.contains(**part)));
        if self.code != Some(code) || missing.is_some() || err.is_empty() && !self.err.is_empty() {
            return Err(format!("code {code} was expected, missing: {missing:?}\n{self:#?}").into());
        }
        Ok(())
    }

    /// Fails where it said this, on standard output or error.
    pub(crate) fn is_silent_about(&self, parts: &[&str]) -> Outcome {
        match parts.iter().find(|part| self.out.contains(**part) || self.err.contains(**part)) {
            None => Ok(()),
            Some(part) => Err(format!("it says {part:?}:\n{self:?}").into()),
        }
    }
}

/// A folder of its own for one test, which ends with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str, files: &[(&str, &[u8])]) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("dislodge-{}-{name}", std::process::id()));
        for (file, text) in files {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap_or(&folder))?;
            std::fs::write(path, text)?;
        }
        Ok(Self(folder))
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.0.join(file).to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How long a file may take, whatever is in it: the tests' build is slow, and so may be the machine.
const LONG: Duration = Duration::from_secs(20);

pub(crate) fn timely<T>(
    what: &str,
    check: impl FnOnce() -> Result<T, libtest_mimic::Failed>,
) -> Outcome {
    #[expect(clippy::disallowed_methods, reason = "measures the program, decides nothing")]
    let begun = Instant::now();
    check()?;
    let took = begun.elapsed();
    if took < LONG { Ok(()) } else { Err(format!("{what} took {took:?}").into()) }
}
