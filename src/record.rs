//! `dislodge record`: what a controller would see, watched with a person's own rights and kept in a file.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use dislodge_engine::Config;
use dislodge_engine::input::Input;
use dislodge_engine::objects::{
    ClusterQueue, CronJob, Job, JobSet, LocalQueue, Node, Pod, Policy, Workload,
};
use jiff::SignedDuration;
use kube::api::ListParams;
use kube::{Api, Client};

use crate::classify::shown::plain;
use crate::clock::Clock;
use crate::driver::{Inbox, Inputs};
use crate::health::Health;
use crate::inspect::Error;
use crate::inspect::gather::refused;
use crate::inspect::place::{Place, block_on};
use crate::metrics::Metrics;
use crate::recording::Entry;
use crate::recording::frame::{FORMAT, Header, Source};
use crate::recording::write::Writer;
use crate::run::signals;
use crate::tasks::Tasks;
use crate::watch::kinds::{Followed, Versions};
use crate::watch::object::Watched;
use crate::watch::{Context, start_one};

/// So much is lost at most where the process is killed; so often is said how far it is.
const FLUSH: Duration = Duration::from_secs(2);
/// So long is waited for the first lists of what is recorded into a report.
const LISTED: Duration = Duration::from_secs(60);

/// What is typed behind `dislodge record`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dislodge record -o team-a.jsonl.gz -n team-a          until Ctrl-C\n  \
    dislodge record -o night.jsonl.gz -A --for 12h\n  \
    dislodge replay night.jsonl.gz -f policy.yaml         what this policy would have done\n\n\
    Nothing is written to the cluster. The file has names, images, states and what the kubelets say,\n\
    of the fields that Dislodge reads; no environment, arguments or other annotations; secrets in\n\
    texts are masked.\n\
    Rights: get, list and watch on pods and jobs (view); each kind that may not be read is said, and\n\
    left out.")]
pub struct RecordArgs {
    /// The file; it must not exist yet
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// End after so long, such as 90s, 30m or 12h [default: at Ctrl-C or SIGTERM]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub limit: Option<Duration>,

    /// Which cluster, and which namespace.
    #[command(flatten)]
    pub place: Place,
}

fn duration(text: &str) -> Result<Duration, String> {
    let span = duration_or_none(text).ok().filter(|span| !span.is_zero());
    span.ok_or_else(|| "write a time such as 90s, 30m or 12h".to_owned())
}

/// A time that a person has typed, in the same way, or none of it.
///
/// # Errors
///
/// Where it is no time.
pub(crate) fn duration_or_none(text: &str) -> Result<Duration, String> {
    let span = text.parse::<SignedDuration>().ok();
    let span = span.and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| "write a time such as 0s, 30s or 5m".to_owned())
}

/// Records.
///
/// # Errors
///
/// Where the cluster cannot be read, or the file cannot be written.
pub fn run(args: &RecordArgs) -> Result<(), Error> {
    block_on(record(args))
}

async fn record(args: &RecordArgs) -> Result<(), Error> {
    let (connection, namespace) = args.place.connect().await?;
    let namespace = (!args.all_namespaces).then_some(namespace);
    let watching = Watching::start(connection.client, namespace).await?;
    let tape = begin(args, &watching.header, watching.clock)?;
    let (ended, tape, missing) = watching.onto(tape, args.limit).await?;
    finish(tape, ended, &missing)
}

/// Watches that feed a recording.
pub(crate) struct Watching {
    header: Header,
    clock: Clock,
    health: Health,
    inputs: Inputs,
    tasks: Tasks,
    left_out: Vec<LeftOut>,
}

impl Watching {
    /// Begins to watch what may be read. `namespace`: the only one; `None`: all of them.
    ///
    /// # Errors
    ///
    /// Where Pods or Jobs may not be read, or the API server does not answer.
    pub(crate) async fn start(client: Client, namespace: Option<String>) -> Result<Self, Error> {
        let clock = Clock::start();
        let health = Health::new(clock);
        let (inbox, inputs) = Inbox::to_nobody();
        let tasks = Tasks::new();
        let context = Context {
            client,
            namespace: namespace.clone(),
            inbox,
            clock,
            health: health.clone(),
            metrics: Metrics::new(health.clone()),
            versions: Versions::default(),
        };
        let left_out = watch(&context, &tasks).await?;
        let header = Header {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            source: Source::Person,
            namespace,
            run: clock.wall(),
            segment: 0,
            config: Config::kubelet(),
        };
        Ok(Self { header, clock, health, inputs, tasks, left_out })
    }

    /// A recording of so long, and at least of everything once.
    ///
    /// # Errors
    ///
    /// Where the operating system gives no signals.
    pub(crate) async fn into_memory(mut self, limit: Duration) -> Result<Vec<u8>, Error> {
        let unwritten =
            |error: io::Error| Error::File(format!("a recording cannot be made: {error}"));
        let writer = Writer::new(Vec::new(), &self.header).map_err(unwritten)?;
        let file = "the report".to_owned();
        let mut tape =
            Tape { file, writer, clock: self.clock, lasted: Duration::ZERO, is_shown: false };
        self.first(&mut tape).await.map_err(unwritten)?;
        let (ended, tape, _) = self.onto(tape, Some(limit)).await?;
        match ended {
            Ended::Asked => tape.writer.finish().map_err(unwritten),
            Ended::Disk(error) => Err(unwritten(error)),
        }
    }

    /// Waits until everything is listed; not without end, as a list may never be answered.
    async fn first<W: io::Write>(&mut self, tape: &mut Tape<W>) -> io::Result<()> {
        let end = self.clock.elapsed().saturating_add(LISTED);
        while !unlisted(&self.health).is_empty() {
            let input = tokio::select! {
                () = self.tasks.stop().cancelled() => return Ok(()),
                () = self.clock.sleep_until(end) => return Ok(()),
                input = self.inputs.next() => input,
            };
            let Some(input) = input else { return Ok(()) };
            tape.write(input)?;
        }
        Ok(())
    }

    /// Writes down what is seen, until somebody ends it or the time is over. Gives back the kinds that were
    /// not listed whole, too.
    async fn onto<W: io::Write>(
        self,
        mut tape: Tape<W>,
        limit: Option<Duration>,
    ) -> Result<(Ended, Tape<W>, Vec<String>), Error> {
        for (input, what) in self.left_out {
            say(&what);
            if let Err(error) = tape.write(input) {
                return Ok((Ended::Disk(error), tape, Vec::new()));
            }
        }
        let tasks = self.tasks;
        let stopped =
            signals(tasks.stop().clone()).map_err(|error| Error::Meant(error.to_string()))?;
        tasks.spawn("signal handler", stopped);
        let ended = tape.run(self.inputs, &tasks, limit).await;
        tasks.stop().cancel();
        Ok((ended, tape, unlisted(&self.health)))
    }
}

/// The kinds that were not listed whole yet, a sentence each.
fn unlisted(health: &Health) -> Vec<String> {
    let missing = health.ready().err().unwrap_or_default();
    let missing = missing.lines().filter(|line| line.contains("has not been listed"));
    missing.map(|line| plain(line).into_owned()).collect()
}

/// A kind that may not be read: as the engine is told it, and in words.
type LeftOut = (Input, String);

/// Watches each kind that may be read; gives back the others.
async fn watch(context: &Context, tasks: &Tasks) -> Result<Vec<LeftOut>, Error> {
    let mut left_out = Vec::new();
    one::<Policy>(context, tasks, &mut left_out).await?;
    one::<LocalQueue>(context, tasks, &mut left_out).await?;
    one::<ClusterQueue>(context, tasks, &mut left_out).await?;
    one::<Node>(context, tasks, &mut left_out).await?;
    one::<Workload>(context, tasks, &mut left_out).await?;
    one::<JobSet>(context, tasks, &mut left_out).await?;
    one::<CronJob>(context, tasks, &mut left_out).await?;
    let optional = left_out.len();
    one::<Job>(context, tasks, &mut left_out).await?;
    one::<Pod>(context, tasks, &mut left_out).await?;
    if let Some((_, what)) = left_out.get(optional) {
        return Err(Error::Right(format!(
            "{what}: without it there is nothing to record; ask whoever gives rights for the role view, or \
             name another namespace with -n"
        )));
    }
    Ok(left_out)
}

async fn one<T: Followed>(
    context: &Context,
    tasks: &Tasks,
    left_out: &mut Vec<LeftOut>,
) -> Result<(), Error> {
    match may::<T>(context).await? {
        Some(missing) => {
            context.health.absent(T::SOURCE.kind);
            left_out.push(missing);
        }
        None => start_one::<T>(context, tasks),
    }
    Ok(())
}

/// `None` where objects of the kind may be listed, or are not served.
async fn may<T: Followed>(context: &Context) -> Result<Option<LeftOut>, Error> {
    let source = T::SOURCE;
    let served = source.served(&context.client).await;
    let Some(version) = served.map_err(|error| refused(&source.name(), &error))? else {
        return Ok(None);
    };
    let resource = source.resource(version);
    let namespace = context.namespace.as_deref().filter(|_| source.namespaced);
    let api: Api<Watched<T>> = match namespace {
        Some(namespace) => Api::namespaced_with(context.client.clone(), namespace, &resource),
        None => Api::all_with(context.client.clone(), &resource),
    };
    match api.list(&ListParams::default().limit(1)).await {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let place = namespace.map(|namespace| format!(" in namespace {namespace}"));
            let place = place.unwrap_or_default();
            let what = format!("the right to list {}{place} is missing", source.name());
            Ok(Some((Input::KindAbsent(source.kind), what)))
        }
        Err(error) => Err(refused(&source.name(), &error)),
    }
}

/// Why a recording ends.
enum Ended {
    /// Somebody has asked for it, or its time is over.
    Asked,
    /// The disk refuses.
    Disk(io::Error),
}

/// The file, and what is said of it.
struct Tape<W: io::Write> {
    file: String,
    writer: Writer<W>,
    clock: Clock,
    /// How long it has lasted.
    lasted: Duration,
    /// Whether somebody looks at a terminal to see how far it is.
    is_shown: bool,
}

/// Begins the file that was asked for.
fn begin(args: &RecordArgs, header: &Header, clock: Clock) -> Result<Tape<File>, Error> {
    let file = plain(&args.output.to_string_lossy()).into_owned();
    let refused = |error: io::Error| {
        let advice = if error.kind() == io::ErrorKind::AlreadyExists {
            "name a file that does not exist yet"
        } else {
            "name a file in a folder that you can write to"
        };
        Error::File(format!("{file} cannot be written: {error}: {advice}"))
    };
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.output);
    let writer = Writer::new(opened.map_err(refused)?, header).map_err(refused)?;
    let of = header
        .namespace
        .as_deref()
        .map_or_else(|| "all namespaces".to_owned(), |namespace| format!("namespace {namespace}"));
    say(&format!("recording {of} into {file}; Ctrl-C ends it"));
    let is_shown = io::stderr().is_terminal();
    Ok(Tape { file, writer, clock, lasted: Duration::ZERO, is_shown })
}

/// Ends the file, and says what is in it.
fn finish(tape: Tape<File>, ended: Ended, missing: &[String]) -> Result<(), Error> {
    if tape.is_shown {
        // The line of the progress is done with.
        let _ = writeln!(io::stderr());
    }
    let (inputs, bytes) = (tape.writer.inputs(), tape.writer.bytes());
    let (file, seconds) = (tape.file, tape.lasted.as_secs());
    if let Ended::Disk(error) = ended {
        return Err(Error::File(format!(
            "{file} cannot be written any further: {error}: the recording is good up to here, {inputs} \
             inputs; make room, and begin anew in another file"
        )));
    }
    let whole = tape.writer.finish().and_then(|file| file.sync_data());
    whole.map_err(|error| {
        Error::File(format!(
            "{file} cannot be written to its end: {error}: make room, and begin anew"
        ))
    })?;
    for line in missing {
        say(&format!("warning: {line}: a replay can decide nothing without it"));
    }
    say(&format!(
        "recorded {inputs} inputs in {seconds} s: {file}, {} KiB; see `dislodge replay`",
        bytes.div_ceil(1024).max(1)
    ));
    Ok(())
}

impl<W: io::Write> Tape<W> {
    async fn run(&mut self, mut inputs: Inputs, tasks: &Tasks, limit: Option<Duration>) -> Ended {
        let mut flush = tokio::time::interval(FLUSH);
        let began = self.clock.elapsed();
        let end = limit.map_or(Duration::MAX, |limit| began.saturating_add(limit));
        loop {
            self.lasted = self.clock.elapsed().min(end).saturating_sub(began);
            let done = tokio::select! {
                () = tasks.stop().cancelled() => return Ended::Asked,
                () = self.clock.sleep_until(end) => {
                    self.lasted = end.saturating_sub(began);
                    return Ended::Asked;
                }
                input = inputs.next() => match input {
                    Some(input) => self.write(input),
                    None => return Ended::Asked,
                },
                _ = flush.tick() => self.writer.flush().inspect(|()| self.progress()),
            };
            if let Err(error) = done {
                return Ended::Disk(error);
            }
        }
    }

    fn write(&mut self, input: Input) -> io::Result<()> {
        let now = self.clock.now();
        let entry = Entry { now, input, effects: Vec::new(), notices: Vec::new() };
        self.writer.input(entry.frame()?)
    }

    fn progress(&self) {
        if self.is_shown {
            let (inputs, kib) = (self.writer.inputs(), self.writer.bytes() / 1024);
            let seconds = self.lasted.as_secs();
            let _ = write!(io::stderr(), "\r{inputs} inputs, {kib} KiB, {seconds} s ");
        }
    }
}

fn say(text: &str) {
    // Nobody is left to tell where standard error is closed.
    let _ = writeln!(io::stderr(), "{}", plain(text));
}
