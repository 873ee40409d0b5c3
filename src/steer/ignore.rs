//! `dislodge ignore`: the owner's word that a job is to be left alone.

use dislodge_engine::effect::TargetKind;
use dislodge_engine::keys;

use crate::explain::print;
use crate::explain::subject::{Kind, Named};
use crate::inspect::Error;
use crate::inspect::gather::Reader;
use crate::inspect::place::{Place, block_on};
use crate::steer::annotate;

/// What is typed behind `dislodge ignore`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dislodge ignore train --reason 'the image is pushed by the pipeline at 18:00'\n  \
    dislodge ignore jobset/sweep --reason 'debugging' -n team-a\n  \
    dislodge ignore train --remove\n\n\
    No new hold is taken on the job; one that it is under stays. It is still reported.\n\
    Rights: get and patch on jobs.batch (or the other kind).")]
pub struct IgnoreArgs {
    /// The job: NAME or job/NAME, jobset/NAME; of other kinds workload/NAME, and pod/NAME of a bare
    /// Pod
    #[arg(value_name = "JOB")]
    pub job: Named,

    /// Why: it stands on the job for all to read
    #[arg(long, value_name = "REASON", required_unless_present = "remove")]
    pub reason: Option<String>,

    /// Let Dislodge look after the job again
    #[arg(long, conflicts_with = "reason")]
    pub remove: bool,

    /// Which cluster, and which namespace.
    #[command(flatten)]
    pub place: Place,
}

/// Marks the job, or takes the mark away.
///
/// # Errors
///
/// Where the job is not there, or a right is missing.
pub fn run(args: &IgnoreArgs) -> Result<(), Error> {
    let said = block_on(async {
        let (connection, namespace) = args.place.connect().await?;
        let reader = Reader { client: &connection.client, namespace: Some(&namespace) };
        let seen = reader.one(&args.job).await?;
        let kind = target_kind(args.job.kind);
        let Some(target) = annotate::target(&seen, kind, &args.job.name) else {
            return Err(reader.nothing(&args.job));
        };
        let reason = args.reason.as_deref().map(given).transpose()?;
        let annotations = [(keys::IGNORE, reason)].into();
        annotate::write(&connection.client, &target, &annotations).await?;
        let (kind, key) = (target.kind.in_commands(), &target.key);
        Ok(if args.remove {
            format!("{kind} {key}: Dislodge looks after it again\n")
        } else {
            format!("{kind} {key}: Dislodge takes no new action on it\n")
        })
    })?;
    print(said.as_bytes()).map_err(Error::Output)
}

/// The object that an annotation of this kind is written to.
pub const fn target_kind(kind: Kind) -> TargetKind {
    match kind {
        Kind::Job => TargetKind::Job,
        Kind::JobSet => TargetKind::JobSet,
        Kind::Pod => TargetKind::Pod,
        Kind::Workload => TargetKind::Workload,
    }
}

/// A reason that says something.
///
/// # Errors
///
/// Where it says nothing.
pub fn given(reason: &str) -> Result<String, Error> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(Error::Meant(
            "--reason says nothing: tell those who will read it why".to_owned(),
        ));
    }
    Ok(reason.to_owned())
}
