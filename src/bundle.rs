//! `dislodge report`: what somebody else needs to see what is wrong, in one file without secrets.
//!
//! The file is a tar packed with gzip. `explain -f` reads its objects, `replay` its recordings; all of it can
//! be read by eye.

mod content;
mod logs;
mod pack;
pub(crate) mod unpack;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::Client;

use self::content::{ABOUT, About, CHECK, OBJECTS, README, RECORDING};
use self::pack::Packer;
use crate::check;
use crate::classify::shown::plain;
use crate::clock::Clock;
use crate::inspect::gather::Reader;
use crate::inspect::place::{Place, block_on};
use crate::inspect::{Error, Gap};
use crate::record::{self, Watching};

/// What is typed behind `dislodge report`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dislodge report -n team-a                       a file to send along with a question\n  \
    dislodge report -A -o report.tar.gz --for 5m\n  \
    dislodge report -A --recording /var/lib/dislodge/*.gz\n  \
    dislodge explain -f report.tar.gz               what it says of each job\n  \
    dislodge replay report.tar.gz -f policy.yaml    what a policy would have done\n\n\
    In it: the objects that Dislodge reads, of the fields that it reads; what `dislodge check` finds;\n\
    a recording of some seconds; the controller's log. No environment, arguments, Secrets or other\n\
    annotations; secrets in texts are masked. Names of jobs, images, nodes and registries are in it:\n\
    look at it before you send it (tar xzf). Nothing is written to the cluster.\n\
    Rights: view. What may not be read is named in it, and left out.")]
pub struct ReportArgs {
    /// The file; it must not exist yet [default: dislodge-report-<time>.tar.gz]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Record for so long, such as 0s, 30s or 5m; Ctrl-C ends that part sooner
    #[arg(long = "for", value_name = "DURATION", default_value = "10s",
        value_parser = record::duration_or_none)]
    pub limit: Duration,

    /// Put these files of `dislodge record` or `dislodge controller --record` in, too
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub recording: Vec<PathBuf>,

    /// The namespace that Dislodge is installed in
    #[arg(long, value_name = "NAMESPACE", default_value = "dislodge-system",
        value_parser = crate::args::name)]
    pub home: String,

    /// Which cluster, and which namespace.
    #[command(flatten)]
    pub place: Place,
}

/// Makes a report.
///
/// # Errors
///
/// Where the cluster cannot be read, or the file cannot be written. What was begun of the file is taken
/// away again.
pub fn run(args: &ReportArgs) -> Result<(), Error> {
    // Before anything is asked or written: a name that is wrong should cost nobody half a minute.
    let recordings = pack::recordings(&args.recording)?;
    block_on(report(args, recordings))
}

async fn report(args: &ReportArgs, recordings: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
    let (connection, namespace) = args.place.connect().await?;
    let namespace = (!args.all_namespaces).then_some(namespace);
    let clock = Clock::start();
    let stem = format!("dislodge-report-{}", clock.wall().strftime("%Y%m%dT%H%M%SZ"));
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{stem}.tar.gz")));
    let mut packer = Packer::new(create(&path)?, stem, clock.wall());
    let done =
        fill(args, &connection.client, namespace.as_deref(), clock, recordings, &mut packer).await;
    let done = match done {
        Ok(about) => {
            packer.finish().map(|bytes| (about, bytes)).map_err(|why| unwritten(&path, &why))
        }
        Err(error) => Err(error),
    };
    let (about, bytes) = done.inspect_err(|_| {
        // Half a report would be taken for a whole one.
        let _ = std::fs::remove_file(&path);
    })?;
    for gap in about.gaps.iter().chain(&about.left_out) {
        say(&format!("not in it: {} ({})", gap.unknown, gap.missing));
    }
    say(&format!(
        "wrote {}, {} KiB: {}; look at it before you send it",
        plain(&path.to_string_lossy()),
        bytes.div_ceil(1024).max(1),
        about.counts(),
    ));
    Ok(())
}

fn create(path: &Path) -> Result<File, Error> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|error| {
        let advice = if error.kind() == io::ErrorKind::AlreadyExists {
            "name a file that does not exist yet with -o"
        } else {
            "name a file in a folder that you can write to with -o"
        };
        let path = plain(&path.to_string_lossy()).into_owned();
        Error::File(format!("{path} cannot be written: {error}: {advice}"))
    })
}

fn unwritten(path: &Path, error: &io::Error) -> Error {
    let path = plain(&path.to_string_lossy()).into_owned();
    Error::File(format!("{path} cannot be written: {error}: make room, and begin anew"))
}

async fn fill(
    args: &ReportArgs,
    client: &Client,
    namespace: Option<&str>,
    clock: Clock,
    recordings: Vec<(String, Vec<u8>)>,
    packer: &mut Packer<File>,
) -> Result<About, Error> {
    let of = namespace
        .map_or_else(|| "all namespaces".to_owned(), |namespace| format!("namespace {namespace}"));
    say(&format!("reading the objects of {of}"));
    let reader = Reader { client, namespace };
    let mut seen = reader.jobs().await?;
    reader.cluster(&mut seen).await?;
    let mut about = About::new(&seen, namespace, clock.wall());

    say("checking the installation");
    let check = check::as_data(client, &args.home, namespace, clock).await?;

    say(&format!("recording {of} for {} s", args.limit.as_secs()));
    let recorded = recorded(client, namespace, args.limit).await;
    if let Err(error) = &recorded {
        let (missing, unknown) = (plain(&error.to_string()).into_owned(), "a recording".to_owned());
        about.left_out.push(Gap { missing, unknown });
    }

    say(&format!("reading the log of the controller in namespace {}", args.home));
    let logs = logs::read(client, &args.home, &mut about.left_out).await?;

    let file = |error| unwritten(Path::new("the report"), &error);
    packer.add("README.txt", README.as_bytes()).map_err(file)?;
    packer.add_json(ABOUT, &about).map_err(file)?;
    packer.add_json(CHECK, &check).map_err(file)?;
    packer.add_json(OBJECTS, &content::objects(&seen)).map_err(file)?;
    if let Ok(recorded) = recorded {
        packer.add(RECORDING, &recorded).map_err(file)?;
    }
    for (name, recording) in recordings {
        packer.add(&name, &recording).map_err(file)?;
    }
    for (name, log) in logs {
        packer.add(&name, log.as_bytes()).map_err(file)?;
    }
    Ok(about)
}

async fn recorded(
    client: &Client,
    namespace: Option<&str>,
    limit: Duration,
) -> Result<Vec<u8>, Error> {
    let watching = Watching::start(client.clone(), namespace.map(str::to_owned)).await?;
    watching.into_memory(limit).await
}

fn say(text: &str) {
    // Nobody is left to tell where standard error is closed.
    let _ = writeln!(io::stderr(), "{}", plain(text));
}

#[cfg(test)]
mod tests;
