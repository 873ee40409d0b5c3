//! One process of the cluster, seen from the program that started it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::sync::{Mutex, mpsc, watch};

use crate::error::{Error, Result};
use crate::supervise::MARK;
use crate::text::tail;

/// This very program, also where its file has been replaced by a newer build in the meantime.
const OWN: &str = "/proc/self/exe";
/// How many lines of a log an error shows.
const TAIL_LINES: usize = 40;
/// A supervisor answers in milliseconds; on a machine that is busy with a build, in seconds.
const ANSWER: Duration = Duration::from_secs(30);

/// What is to be started.
#[derive(Debug, Clone)]
pub struct Program {
    /// The name that errors and the log file carry.
    pub name: String,
    /// The executable.
    pub executable: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Environment variables to set on top of ours.
    pub environment: Vec<(OsString, OsString)>,
    /// Where its output goes; appended to, so that a restart keeps the first life's lines.
    pub log: PathBuf,
}

impl Program {
    /// A program without arguments whose log stands in `folder` as `<name>.log`.
    pub fn new(name: impl Into<String>, executable: impl Into<PathBuf>, folder: &Path) -> Self {
        let name = name.into();
        let log = folder.join(format!("{name}.log"));
        Self {
            name,
            executable: executable.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            log,
        }
    }

    /// Adds an argument.
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds several arguments.
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }
}

/// The signals that a test sends besides SIGKILL, which is [`Process::kill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: asks for a clean end.
    Terminate,
    /// SIGSTOP: the process freezes, as on a node that hangs.
    Stop,
    /// SIGCONT: it goes on.
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// A running process under its supervisor. Dropping it ends the process with SIGKILL.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    pid: u32,
    pipe: Mutex<Option<ChildStdin>>,
    sent: Mutex<mpsc::UnboundedReceiver<String>>,
    ended: watch::Receiver<Option<String>>,
}

impl Process {
    /// Starts a program under a supervisor.
    ///
    /// # Errors
    /// When this executable cannot be started again as a supervisor, or the program not at all.
    pub async fn start(program: Program) -> Result<Self> {
        let Program { name, executable, arguments, environment, log } = program;
        let mut supervisor = Command::new(OWN)
            .arg0("dislodge-testbed-supervisor")
            .arg(MARK)
            .arg(&log)
            .arg(&executable)
            .args(arguments)
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C in a terminal reaches the harness alone; the pipe then ends the rest.
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Run {
                program: OWN.to_owned(),
                source,
                hint: "a program that starts a cluster calls supervise::run_if_asked() first",
            })?;
        let pipe = supervisor.stdin.take();
        let answers = supervisor.stdout.take();
        let (say_started, mut started) = mpsc::unbounded_channel();
        let (say_sent, sent) = mpsc::unbounded_channel();
        let (say_ended, ended) = watch::channel(None);
        tokio::spawn(async move {
            let mut end = "its supervisor ended".to_owned();
            if let Some(answers) = answers {
                let mut lines = BufReader::new(answers).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    match line.split_once(' ') {
                        // A send fails where nobody listens any more; then nobody wants to know.
                        Some(("started", pid)) => drop(say_started.send(pid.parse::<u32>())),
                        Some(("sent", signal)) => drop(say_sent.send(signal.to_owned())),
                        Some(("ended", status)) => status.clone_into(&mut end),
                        Some(_) | None => {}
                    }
                }
            }
            drop(say_started);
            let _reaped = supervisor.wait().await;
            say_ended.send_replace(Some(end));
        });
        let pid = match tokio::time::timeout(ANSWER, started.recv()).await {
            Ok(Some(Ok(pid))) => pid,
            Ok(Some(Err(_)) | None) => {
                let mut ended = ended;
                let status = ended
                    .wait_for(Option::is_some)
                    .await
                    .ok()
                    .and_then(|status| status.clone())
                    .unwrap_or_default();
                return Err(Error::Ended {
                    process: name,
                    status,
                    tail: tail(&log, TAIL_LINES),
                    log,
                });
            }
            Err(_) => {
                return Err(Error::Late {
                    what: format!("the start of {name}"),
                    seconds: ANSWER.as_secs(),
                    last: "its supervisor did not answer".to_owned(),
                });
            }
        };
        Ok(Self { name, log, pid, pipe: Mutex::new(pipe), sent: Mutex::new(sent), ended })
    }

    /// The name it was started with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id of the program itself, not of its supervisor.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The whole log so far; bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_log(&self) -> Result<String> {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .map_err(Error::file("read", &self.log))
    }

    /// How it ended (`exit status: 1`, `signal: 15 (SIGTERM)`, `killed`), or `None` while it runs.
    pub fn ending(&self) -> Option<String> {
        self.ended.borrow().clone()
    }

    /// Nothing while it runs.
    ///
    /// # Errors
    /// [`Error::Ended`] with the end of its log once it does not.
    pub fn check(&self) -> Result<()> {
        self.ending().map_or(Ok(()), |status| Err(self.ended_error(status)))
    }

    /// Waits until it has ended, and says how.
    pub async fn wait(&self) -> String {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await.map(|status| status.clone());
        status.ok().flatten().unwrap_or_else(|| "its watcher ended".to_owned())
    }

    /// Waits until it ends by itself, as an error with the end of its log: for `select!`.
    pub async fn failure(&self) -> Error {
        let status = self.wait().await;
        self.ended_error(status)
    }

    /// SIGKILL (`kill -9`), and waits until it is gone. Fine to call twice.
    pub async fn kill(&self) {
        drop(self.pipe.lock().await.take());
        self.wait().await;
    }

    /// Sends a signal and returns when it is sent.
    ///
    /// # Errors
    /// When the process has already ended, or the signal cannot be sent.
    pub async fn signal(&self, signal: Signal) -> Result<()> {
        let mut pipe = self.pipe.lock().await;
        let Some(pipe) = pipe.as_mut() else {
            return Err(self.ended_error("killed".to_owned()));
        };
        let line = format!("{}\n", signal.name());
        let mut sent = self.sent.lock().await;
        let asked = pipe.write_all(line.as_bytes()).await.is_ok() && pipe.flush().await.is_ok();
        let answer = if asked { sent.recv().await } else { None };
        match answer {
            Some(answer) if answer == signal.name() => Ok(()),
            Some(answer) => Err(Error::malformed(format!("a signal to {}", self.name), answer)),
            None => {
                let status = self.wait().await;
                Err(self.ended_error(status))
            }
        }
    }

    /// SIGTERM, then waits for the clean end; SIGKILL after `patience`. Says how it ended.
    ///
    /// # Errors
    /// When it had already ended.
    pub async fn terminate(&self, patience: Duration) -> Result<String> {
        self.signal(Signal::Terminate).await?;
        if let Ok(status) = tokio::time::timeout(patience, self.wait()).await {
            return Ok(status);
        }
        self.kill().await;
        Ok(self.wait().await)
    }

    fn ended_error(&self, status: String) -> Error {
        Error::Ended {
            process: self.name.clone(),
            status,
            log: self.log.clone(),
            tail: tail(&self.log, TAIL_LINES),
        }
    }
}
