//! `dislodge resume`: the owner's word that a held job may run again.

use std::fmt::Write as _;

use dislodge_engine::cause::Cause;
use dislodge_engine::keys;
use jiff::{SignedDuration, Timestamp};

use crate::classify::shown::plain;
use crate::clock::Clock;
use crate::explain::ended::cause_named;
use crate::explain::print;
use crate::explain::subject::{Kind, Named};
use crate::inspect::gather::Reader;
use crate::inspect::place::{Place, block_on};
use crate::inspect::{Error, Snapshot};
use crate::steer::annotate;
use crate::steer::confirm::confirm;
use crate::steer::holds::{Held, held};
use crate::terminal::called;

/// What is typed behind `dislodge resume`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dislodge resume train                         one Job of the namespace\n  \
    dislodge resume jobset/sweep workload/ray-1   other kinds; Kueue alone knows the second\n  \
    dislodge resume --queue gpu --cause NotFound --since 2h --dry-run\n  \
    dislodge resume --all --yes -n team-a         for scripts: asks nothing\n  \
    dislodge resume -A --all                      before Dislodge is uninstalled\n\n\
    The job gets a fresh count of failed pulls. After the second resume by people Dislodge only reports\n\
    it. A job that is resumed may displace others, if its queue preempts.\n\
    Rights: get and patch on jobs.batch (list, too, without a name); none on Workloads.")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct ResumeArgs {
    /// The jobs: NAME or job/NAME, jobset/NAME, workload/NAME
    #[arg(value_name = "JOB", required_unless_present_any = ["queue", "cause", "since", "all"],
        conflicts_with_all = ["queue", "cause", "since", "all"])]
    pub jobs: Vec<Named>,

    /// All held jobs of this LocalQueue
    #[arg(long, value_name = "QUEUE")]
    pub queue: Option<String>,

    /// All jobs that are held for this cause, such as NotFound
    #[arg(long, value_name = "CAUSE", value_parser = cause)]
    pub cause: Option<Cause>,

    /// All jobs that are held since then: so long ago ('2h', '30m') or at that time (RFC 3339), or later
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,

    /// All held jobs of the namespace
    #[arg(long)]
    pub all: bool,

    /// Those of all namespaces, which --queue, --cause, --since or --all choose among
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "jobs"])]
    pub all_namespaces: bool,

    /// Only say which jobs would be resumed
    #[arg(long)]
    pub dry_run: bool,

    /// Do not ask, however many there are
    #[arg(short, long)]
    pub yes: bool,

    /// Which cluster, and which namespace.
    #[command(flatten)]
    pub place: Place,
}

/// A time, as people give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So long ago.
    Ago(SignedDuration),
    /// At that time.
    At(Timestamp),
}

impl Since {
    fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(span) => now.saturating_sub(span).unwrap_or(Timestamp::MIN),
            Self::At(at) => at,
        }
    }
}

fn since(text: &str) -> Result<Since, String> {
    let ago = text.parse::<SignedDuration>().ok().filter(|span| !span.is_negative());
    let at = || text.parse::<Timestamp>().ok().map(Since::At);
    ago.map(Since::Ago).or_else(at).ok_or_else(|| {
        "write a span such as '2h' or '30m', or a time such as 2026-01-31T08:00:00Z".to_owned()
    })
}

fn cause(text: &str) -> Result<Cause, String> {
    let names = || Cause::ALL.map(Cause::as_str).join(", ");
    cause_named(text).ok_or_else(|| format!("write one of {}", names()))
}

/// Asks for the resume of one job or of several.
///
/// # Errors
///
/// Where a job is not there or not held, a right is missing, or nobody can be asked.
pub fn run(args: &ResumeArgs) -> Result<(), Error> {
    let said = block_on(resume(args))?;
    print(said.as_bytes()).map_err(Error::Output)
}

async fn resume(args: &ResumeArgs) -> Result<String, Error> {
    let (connection, namespace) = args.place.connect().await?;
    let namespace = (!args.all_namespaces).then_some(namespace);
    let reader = Reader { client: &connection.client, namespace: namespace.as_deref() };
    let now = Clock::start().wall();
    let chosen = if args.jobs.is_empty() {
        let seen = reader.holds().await?;
        if let Some(gap) = seen.gaps.iter().find(|gap| gap.missing.contains("list jobs.batch")) {
            let advice = match namespace {
                Some(_) => "name the jobs, which needs no right to list",
                None => "choose a namespace with -n",
            };
            return Err(Error::Right(format!("what is missing is {}: {advice}", gap.missing)));
        }
        held(&seen, now).into_iter().filter(|held| args.wants(held, now)).collect()
    } else {
        let mut chosen = Vec::new();
        for named in &args.jobs {
            chosen.push(one(&reader, named, now).await?);
        }
        chosen
    };
    if chosen.is_empty() {
        let place =
            namespace.map_or_else(|| "any namespace".to_owned(), |n| format!("namespace {n}"));
        return Ok(format!("No held job of {place} is meant: nothing is resumed.\n"));
    }
    let described = |held: &Held| described(held, args.all_namespaces);
    let names: Vec<String> = chosen.iter().map(described).collect();
    if args.dry_run {
        return Ok(format!("Would be resumed:\n  {}\n", names.join("\n  ")));
    }
    let question = format!("Resume these {} jobs?", names.len());
    if !confirm(&question, &names, args.yes)? {
        return Ok("Nothing is resumed.\n".to_owned());
    }
    let mut said = String::new();
    for held in &chosen {
        let annotations = [(keys::RESUME, Some(held.hold.clone()))].into();
        if let Err(error) = annotate::write(&connection.client, &held.target, &annotations).await {
            // What was done before is told with what was not.
            print(said.as_bytes()).map_err(Error::Output)?;
            return Err(error);
        }
        // Writing to a string cannot fail.
        let _ = writeln!(
            said,
            "{}: resume asked for; the controller does it within seconds",
            described(held)
        );
    }
    Ok(said)
}

impl ResumeArgs {
    fn wants(&self, held: &Held, now: Timestamp) -> bool {
        let queue = self.queue.as_ref().is_none_or(|queue| held.queue.as_ref() == Some(queue));
        let cause = self.cause.is_none_or(|cause| held.cause == cause);
        let since = self.since.is_none_or(|since| held.since >= since.before(now));
        queue && cause && since
    }
}

fn described(held: &Held, everywhere: bool) -> String {
    let place = if everywhere { format!(" -n {}", held.namespace) } else { String::new() };
    format!(
        "{}/{}{place} ({}, hold {})",
        held.target.kind.in_commands(),
        held.target.key.name,
        held.cause,
        held.hold
    )
}

/// The hold of one job, by its own object.
async fn one(reader: &Reader<'_>, named: &Named, now: Timestamp) -> Result<Held, Error> {
    let seen = reader.one(named).await?;
    let namespace = reader.namespace.unwrap_or_default();
    if let Some(held) = of_object(&seen, named, now) {
        return Ok(held);
    }
    let owner = seen.workloads.first().and_then(|workload| workload.metadata.controller());
    if let Some(owner) = owner.filter(|owner| matches!(owner.kind.as_str(), "Job" | "JobSet")) {
        return Err(Error::Meant(format!(
            "the Workload {} stands for {} {}: resume that one: {} resume {}/{} -n {namespace}",
            named.name,
            owner.kind,
            plain(&owner.name),
            called(),
            owner.kind.to_lowercase(),
            plain(&owner.name)
        )));
    }
    Err(Error::Meant(format!(
        "{} {}/{} is not held by Dislodge, so there is nothing to resume: {} explain {}/{} -n \
         {namespace} says how it stands",
        named.kind.as_str(),
        namespace,
        named.name,
        called(),
        named.kind.as_str().to_lowercase(),
        named.name
    )))
}

fn of_object(seen: &Snapshot, named: &Named, now: Timestamp) -> Option<Held> {
    let is_job = matches!(named.kind, Kind::Job | Kind::JobSet);
    let holds = held(seen, now);
    let kind = |held: &Held| held.target.kind.in_commands();
    let wanted = if is_job { named.kind.as_str().to_lowercase() } else { "workload".to_owned() };
    holds.into_iter().find(|held| kind(held) == wanted && held.target.key.name == named.name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn snapshot() -> Snapshot {
        let job = |name: &str, uid: &str, queue: &str, cause: &str, at: &str| {
            serde_json::from_value(json!({
                "metadata": {"name": name, "namespace": "a", "uid": uid,
                    "labels": {"kueue.x-k8s.io/queue-name": queue},
                    "annotations": {"dislodge.dev/hold": format!("id-{name}"),
                        "dislodge.dev/held": "3 failed pulls", "dislodge.dev/held-cause": cause,
                        "dislodge.dev/held-image": "r.io/a:1", "dislodge.dev/held-rule": "missing",
                        "dislodge.dev/held-at": at}},
                "spec": {"suspend": true},
            }))
            .unwrap()
        };
        let uid = |n: u32| format!("5e7595d6-d828-4f9a-81e2-13e9233e0{n:03}");
        Snapshot {
            jobs: vec![
                job("old", &uid(1), "gpu", "NotFound", "2026-11-24T06:00:00Z"),
                job("new", &uid(2), "gpu", "NotFound", "2026-11-24T09:30:00Z"),
                job("cpu", &uid(3), "cpu", "Tls", "2026-11-24T09:40:00Z"),
            ],
            ..Snapshot::default()
        }
    }

    fn chosen(flags: &[&str]) -> Vec<String> {
        #[derive(clap::Parser)]
        struct Typed {
            #[command(flatten)]
            args: ResumeArgs,
        }
        let typed = ["resume"].iter().chain(flags);
        let args = <Typed as clap::Parser>::parse_from(typed).args;
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        let holds = held(&snapshot(), now).into_iter();
        holds.filter(|held| args.wants(held, now)).map(|held| held.name).collect()
    }

    #[test]
    fn holds_are_chosen_by_queue_cause_and_time_together() {
        for (flags, names) in [
            (&["--all"][..], &["old", "new", "cpu"][..]),
            (&["--queue", "gpu"], &["old", "new"]),
            (&["--cause", "Tls"], &["cpu"]),
            (&["--since", "1h"], &["new", "cpu"]),
            (&["--since", "2026-11-24T09:35:00Z"], &["cpu"]),
            (&["--queue", "gpu", "--cause", "NotFound", "--since", "2h"], &["new"]),
            (&["--queue", "gpu", "--cause", "Tls"], &[]),
        ] {
            assert_eq!(chosen(flags), names, "{flags:?}");
        }
    }

    #[test]
    fn a_hold_is_found_by_the_owners_own_object_alone() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        let found = of_object(&snapshot(), &"job/new".parse().unwrap(), now).unwrap();
        assert_eq!((found.hold.as_str(), found.target.kind.in_commands()), ("id-new", "job"));
        assert_eq!(found.action, None, "what it leads to stands on the Workload");
        assert!(of_object(&snapshot(), &"jobset/new".parse().unwrap(), now).is_none());
    }

    #[test]
    fn what_cannot_be_meant_says_what_to_write() {
        assert!(cause("notfound").unwrap_err().contains("NotFound"));
        assert!(since("yesterday").unwrap_err().contains("'2h'"));
        assert!(since("-2h").is_err());
    }
}
