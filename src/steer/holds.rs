//! `dislodge holds`: the jobs that Dislodge holds.

use std::io::Write;

use clap::ValueEnum;
use dislodge_engine::api::Action;
use dislodge_engine::cause::Cause;
use dislodge_engine::effect::Target;
use dislodge_engine::keys;
use dislodge_engine::message::mask;
use dislodge_engine::resolve::Queue;
use jiff::Timestamp;
use serde::Serialize;

use crate::classify::shown::plain;
use crate::clock::Clock;
use crate::explain::words::{ago, ahead};
use crate::explain::{Form, data, print};
use crate::inspect::gather::Reader;
use crate::inspect::place::{Place, block_on};
use crate::inspect::{Error, Gap, Snapshot, instant};
use crate::status::table::{Fit, Table};
use crate::terminal::Screen;

/// What is typed behind `dislodge holds`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dislodge holds                      the held jobs of the namespace\n  \
    dislodge holds -A -o wide           those of all namespaces, with images and hold ids\n  \
    dislodge holds list -o json\n\n\
    Rights: list on jobs.batch; with list on workloads.kueue.x-k8s.io it also tells what each hold\n\
    leads to, and lists kinds of which Kueue alone knows.")]
pub struct HoldsArgs {
    /// The same as nothing
    #[arg(value_name = "list")]
    pub verb: Option<Verb>,

    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Layout,

    /// Which cluster, and which namespace.
    #[command(flatten)]
    pub place: Place,
}

/// What can stand behind `holds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Verb {
    /// List them.
    List,
}

/// How a list looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// A table that fits the terminal.
    #[default]
    Text,
    /// A table with more columns, whole.
    Wide,
    /// One JSON value.
    Json,
    /// The same as YAML.
    Yaml,
}

impl Layout {
    /// As data; `None`: as a table.
    pub const fn form(self) -> Option<Form> {
        match self {
            Self::Text | Self::Wide => None,
            Self::Json => Some(Form::Json),
            Self::Yaml => Some(Form::Yaml),
        }
    }
}

/// One held job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The object that its owner resumes it by.
    #[serde(skip)]
    pub target: Target,
    /// Its namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The LocalQueue that it stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The hold's id.
    pub hold: String,
    /// Since when.
    pub since: Timestamp,
    /// Why its image could not be pulled.
    pub cause: Cause,
    /// The image.
    pub image: String,
    /// What the hold leads to, where that may be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// When it comes back by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_at: Option<Timestamp>,
    /// Somebody has asked for its resume already.
    pub resume_asked: bool,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Holds {
    holds: Vec<Held>,
    unknown: Vec<Gap>,
}

/// Lists them.
///
/// # Errors
///
/// Where they may not be read.
pub fn run(args: &HoldsArgs) -> Result<(), Error> {
    let (seen, namespace) = block_on(async {
        let (connection, namespace) = args.place.connect().await?;
        let namespace = (!args.all_namespaces).then_some(namespace);
        let reader = Reader { client: &connection.client, namespace: namespace.as_deref() };
        Ok((reader.holds().await?, namespace))
    })?;
    let now = Clock::start().wall();
    let mut out = Vec::new();
    let holds = held(&seen, now);
    if let Some(form) = args.output.form() {
        let unknown = seen.gaps;
        data(&Holds { holds, unknown }, form, &mut out).map_err(Error::Output)?;
    } else {
        let wide = args.output == Layout::Wide;
        page(&holds, &seen.gaps, namespace.as_deref(), wide, now, &mut out)?;
    }
    print(&out).map_err(Error::Output)
}

/// The held jobs of a snapshot, the oldest holds first.
pub fn held(seen: &Snapshot, now: Timestamp) -> Vec<Held> {
    let mut engine = seen.engine(instant(now));
    let mut holds: Vec<Held> = engine
        .units()
        .into_iter()
        .filter_map(|unit| engine.account(unit, instant(now)))
        .filter_map(|account| Held::of(&account))
        .collect();
    holds.sort_by(|a, b| (a.since, &a.namespace, &a.name).cmp(&(b.since, &b.namespace, &b.name)));
    holds
}

impl Held {
    /// A job of the engine, where it is held.
    pub fn of(account: &dislodge_engine::engine::account::Account) -> Option<Self> {
        let owner = &account.owner;
        let hold = account.hold.as_ref().filter(|_| account.is_stopped && !owner.is_finished())?;
        let is_whole = !hold.policy.is_empty();
        Some(Self {
            target: owner.target(),
            namespace: harmless(owner.namespace()),
            kind: harmless(owner.kind()),
            name: harmless(owner.name()),
            queue: match &account.queue {
                Queue::Local(key) => Some(harmless(&key.name)),
                Queue::None { .. } => None,
            },
            hold: harmless(&hold.id),
            since: hold.at,
            cause: hold.cause,
            image: harmless(&hold.image),
            action: is_whole.then_some(hold.action),
            resume_at: hold.back.map(|back| back.at),
            resume_asked: owner.meta().annotation(keys::RESUME) == Some(hold.id.as_str()),
        })
    }

    /// What becomes of it, in few words.
    pub fn then(&self, now: Timestamp) -> String {
        if self.resume_asked {
            return "resume asked for".to_owned();
        }
        match (self.action, self.resume_at) {
            (Some(Action::FailJob), _) => "to be failed".to_owned(),
            (_, Some(at)) if at > now => format!("comes back {}", ahead(at, now)),
            (_, Some(_)) => "comes back when its quota is free".to_owned(),
            (Some(_), None) => "waits for a person".to_owned(),
            (None, None) => "held".to_owned(),
        }
    }
}

fn page(
    holds: &[Held],
    gaps: &[Gap],
    namespace: Option<&str>,
    wide: bool,
    now: Timestamp,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let screen = Screen::stdout();
    if holds.is_empty() {
        let place =
            namespace.map_or_else(|| "any namespace".to_owned(), |n| format!("namespace {n}"));
        let visible = if gaps.is_empty() { "" } else { " that you may read" };
        writeln!(out, "Dislodge holds no job{visible} in {place}.").map_err(Error::Output)?;
    } else {
        table(holds, namespace.is_none(), wide, now)
            .write(screen, if wide { Fit::Whole } else { Fit::Screen }, out)
            .map_err(Error::Output)?;
    }
    for gap in gaps {
        let text = format!("not known: {}: what is missing is {}", gap.unknown, gap.missing);
        writeln!(out, "{}", plain(&text)).map_err(Error::Output)?;
    }
    Ok(())
}

/// A table of holds.
pub fn table(holds: &[Held], everywhere: bool, wide: bool, now: Timestamp) -> Table {
    let mut heads = vec!["JOB", "QUEUE", "HELD", "CAUSE", "THEN", "IMAGE"];
    if everywhere {
        heads.insert(0, "NAMESPACE");
    }
    if wide {
        heads.push("HOLD");
    }
    let mut table = Table::new(&heads);
    for held in holds {
        let name = if held.kind == "Job" {
            held.name.clone()
        } else {
            format!("{}/{}", held.kind.to_lowercase(), held.name)
        };
        let mut row = vec![
            name,
            held.queue.clone().unwrap_or_else(|| "-".to_owned()),
            ago(held.since, now),
            held.cause.to_string(),
            held.then(now),
            held.image.clone(),
        ];
        if everywhere {
            row.insert(0, held.namespace.clone());
        }
        if wide {
            row.push(held.hold.clone());
        }
        table.row(row);
    }
    table
}

fn harmless(text: &str) -> String {
    plain(&mask(text)).into_owned()
}
