//! `dislodge status`: queues, their policies, held jobs, what stuck pulls hold back, and the brakes.

pub mod overview;
mod page;
pub mod table;

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::time::Duration;

use crate::clock::Clock;
use crate::explain::{data, print};
use crate::inspect::gather::Reader;
use crate::inspect::place::{Place, block_on};
use crate::inspect::{Error, document};
use crate::status::overview::{Overview, overview};
use crate::steer::holds::Layout;
use crate::terminal::Screen;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// What is typed behind `dislodge status`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dislodge status                  the namespace of the kubeconfig's context\n  \
    dislodge status -A -o wide       all namespaces, with more columns\n  \
    dislodge status -n gpu --watch   looks every 2 s and redraws in place, until Ctrl-C\n  \
    dislodge status -o json\n\n\
    Rights: view, and list on imagepullpolicies.dislodge.dev (deploy/people); with list on Kueue's\n\
    workloads and localqueues it also tells what quota stuck jobs hold.")]
pub struct StatusArgs {
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Look again and again, and redraw in place; only on a terminal
    #[arg(short, long)]
    pub watch: bool,

    /// Read objects from this file ('-': standard input) and not from a cluster, as `explain` does
    #[arg(short, long, value_name = "FILE",
        conflicts_with_all = ["all_namespaces", "watch", "context", "kubeconfig"])]
    pub file: Vec<PathBuf>,

    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Layout,

    /// Which cluster, and which namespace.
    #[command(flatten)]
    pub place: Place,
}

/// Shows it.
///
/// # Errors
///
/// Where the cluster cannot be read.
pub fn run(args: &StatusArgs) -> Result<(), Error> {
    if args.watch {
        if !io::stdout().is_terminal() {
            return Err(Error::Meant(
                "--watch redraws a terminal, and standard output is none: leave it out, and repeat \
                 the command"
                    .to_owned(),
            ));
        }
        if args.output.form().is_some() {
            return Err(Error::Meant(
                "--watch is for people: leave -o json or yaml out".to_owned(),
            ));
        }
    }
    if args.file.is_empty() {
        return block_on(show(args));
    }
    let mut seen = document::read(&args.file)?;
    let namespace = args.place.namespace.as_deref();
    if let Some(namespace) = namespace {
        seen.keep(namespace)?;
    }
    let now = seen.newest().unwrap_or_else(|| Clock::start().wall());
    let page = written(&overview(&seen, namespace, now), args.output).map_err(Error::Output)?;
    print(&page).map_err(Error::Output)
}

async fn show(args: &StatusArgs) -> Result<(), Error> {
    let (connection, namespace) = args.place.connect().await?;
    let namespace = (!args.all_namespaces).then_some(namespace);
    let reader = Reader { client: &connection.client, namespace: namespace.as_deref() };
    let clock = Clock::start();
    loop {
        let mut seen = reader.jobs().await?;
        reader.cluster(&mut seen).await?;
        let overview = overview(&seen, namespace.as_deref(), clock.wall());
        let page = written(&overview, args.output).map_err(Error::Output)?;
        if !args.watch {
            return print(&page).map_err(Error::Output);
        }
        redraw(&page).map_err(Error::Output)?;
        clock.sleep_until(clock.elapsed() + PAUSE).await;
    }
}

fn written(overview: &Overview, layout: Layout) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    match layout.form() {
        Some(form) => data(overview, form, &mut out)?,
        None => page::write(overview, layout == Layout::Wide, Screen::stdout(), &mut out)?,
    }
    Ok(out)
}

fn redraw(page: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    // A line that is longer than the screen is not continued in the next one (DECAWM).
    out.write_all(b"\x1b[?7l")?;
    out.write_all(&frame(page, Screen::rows()))?;
    out.write_all(b"\x1b[?7h")?;
    out.flush()
}

/// Writes over what stands there: to the top, each line up to its end, and nothing below. Nothing
/// flickers, as nothing is empty in between. What does not fit is left out, as a terminal that
/// scrolls has no top to go back to.
fn frame(page: &[u8], rows: Option<usize>) -> Vec<u8> {
    let lines: Vec<&[u8]> =
        page.strip_suffix(b"\n").unwrap_or(page).split(|b| *b == b'\n').collect();
    // The cursor stands in the last line.
    let room = rows.map_or(usize::MAX, |rows| rows.saturating_sub(1).max(1));
    let shown = if lines.len() > room { room.saturating_sub(1) } else { lines.len() };
    let mut frame = b"\x1b[H".to_vec();
    for line in lines.iter().take(shown) {
        frame.extend_from_slice(line);
        frame.extend_from_slice(b"\x1b[K\n");
    }
    if shown < lines.len() {
        let more = format!("... and {} more lines\x1b[K\n", lines.len() - shown);
        frame.extend_from_slice(more.as_bytes());
    }
    frame.extend_from_slice(b"\x1b[J");
    frame
}

#[cfg(test)]
mod tests;
