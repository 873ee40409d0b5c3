//! `dislodge report`: what somebody else needs to see what is wrong, in one file without secrets.
//!
//! The file is a tar packed with gzip. `explain -f` reads its objects, `replay` its recordings; all of it can
//! be read by eye.

mod content;
mod logs;
mod pack;
pub(crate) mod unpack;

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::Client;

use self::content::{ABOUT, About, CHECK, MOST_OBJECTS, OBJECTS, README, RECORDING};
use self::pack::Packer;
use crate::check;
use crate::classify::shown::plain;
use crate::clock::Clock;
use crate::inspect::Error;
use crate::inspect::gather::{Reader, refused};
use crate::inspect::place::{Place, block_on};
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
    /// The file; it must not exist yet [default: dislodge-report-TIME.tar.gz]
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
/// Where the API server does not answer, or the file cannot be written.
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
    if path.exists() {
        return Err(unwritten(&path, &io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    let mut packer = Packer::new(Vec::new(), stem, clock.wall());
    let (client, namespace) = (&connection.client, namespace.as_deref());
    let about = fill(args, client, namespace, clock, recordings, &mut packer).await?;
    // The file comes last and whole: half a report would be taken for one.
    let bytes = packer.finish().and_then(|bytes| write(&path, &bytes).map(|()| bytes.len()));
    let bytes = bytes.map_err(|why| unwritten(&path, &why))?;
    for gap in about.gaps.iter().chain(&about.left_out) {
        say(&format!("not in it: {} ({})", gap.unknown, gap.missing));
    }
    say(&format!(
        "wrote {}, {} KiB: {}; look at it before you send it",
        path.to_string_lossy(),
        bytes.div_ceil(1024).max(1),
        about.counts(),
    ));
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes).and_then(|()| file.sync_data()).inspect_err(|_| {
        // The disk is full: what is there of it is worth nothing.
        let _ = std::fs::remove_file(path);
    })
}

fn unwritten(path: &Path, error: &io::Error) -> Error {
    let advice = if error.kind() == io::ErrorKind::AlreadyExists {
        "name a file that does not exist yet with -o"
    } else {
        "name a file in a folder that you can write to with -o"
    };
    let path = plain(&path.to_string_lossy()).into_owned();
    Error::File(format!("{path} cannot be written: {error}: {advice}"))
}

async fn fill(
    args: &ReportArgs,
    client: &Client,
    namespace: Option<&str>,
    clock: Clock,
    recordings: Vec<(String, Vec<u8>)>,
    packer: &mut Packer<Vec<u8>>,
) -> Result<About, Error> {
    // Where nobody answers there is no report; whatever else fails is a gap in it.
    client
        .apiserver_version()
        .await
        .map_err(|error| refused("the API server's version", &error))?;
    let of = namespace
        .map_or_else(|| "all namespaces".to_owned(), |namespace| format!("namespace {namespace}"));
    say(&format!("reading the objects of {of}"));
    let seen = Reader { client, namespace }.all_that_answers().await;
    let objects = content::text(&seen, MOST_OBJECTS)?;
    let mut about = About::new(&seen, namespace, clock.wall());

    say("checking the installation");
    let check = check::as_data(client, &args.home, namespace, clock).await;
    let check = about.unless(check, "what `dislodge check` finds");

    say(&format!("recording {of} for {} s", args.limit.as_secs()));
    let recorded = recorded(client, namespace, args.limit).await;
    let recorded = about.unless(recorded, "a recording");

    say(&format!("reading the log of the controller in namespace {}", args.home));
    let logs = logs::read(client, &args.home, &mut about.left_out).await;
    let logs = about.unless(logs, "what the controller has logged").unwrap_or_default();

    let unpacked = |error: io::Error| Error::File(format!("the report cannot be packed: {error}"));
    packer.add("README.txt", README.as_bytes()).map_err(unpacked)?;
    packer.add_json(ABOUT, &about).map_err(unpacked)?;
    packer.add(OBJECTS, &objects).map_err(unpacked)?;
    if let Some(check) = check {
        packer.add_json(CHECK, &check).map_err(unpacked)?;
    }
    if let Some(recorded) = recorded {
        packer.add(RECORDING, &recorded).map_err(unpacked)?;
    }
    for (name, recording) in recordings {
        packer.add(&name, &recording).map_err(unpacked)?;
    }
    for (name, log) in logs {
        packer.add(&name, log.as_bytes()).map_err(unpacked)?;
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
