//! `dislodge pause` and `unpause`: the operators' brake, on one policy or on everything.

use dislodge_engine::effect::TargetKind;
use dislodge_engine::keys;
use dislodge_engine::objects::Key;

use crate::args::name;
use crate::classify::shown::plain;
use crate::explain::print;
use crate::inspect::Error;
use crate::inspect::gather::Reader;
use crate::inspect::place::{Place, block_on};
use crate::steer::annotate;
use crate::steer::confirm::confirm;
use crate::steer::ignore::given;

/// What is typed behind `dislodge pause`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dislodge pause gpu --reason 'registry maintenance' -n team-a    the queues of one policy\n  \
    dislodge pause --reason 'incident 4711'                         everything; asks first\n  \
    dislodge pause --reason 'incident 4711' --yes                   for scripts\n\n\
    While paused, nothing is stopped, ended or brought back by itself; a person's resume still works.\n\
    Failed pulls are counted on. To look: dislodge status.\n\
    Rights: get and patch on imagepullpolicies.dislodge.dev; for everything, on the Lease\n\
    dislodge-system/dislodge.")]
pub struct PauseArgs {
    /// Why: it stands in the status of the policies for all to read
    #[arg(long, value_name = "REASON")]
    pub reason: String,

    /// What is paused.
    #[command(flatten)]
    pub brake: Brake,
}

/// What is typed behind `dislodge unpause`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dislodge unpause gpu -n team-a      the queues of one policy\n  \
    dislodge unpause                    everything; policies that are paused themselves stay so\n\n\
    Rights: as for pause.")]
pub struct UnpauseArgs {
    /// What is paused.
    #[command(flatten)]
    pub brake: Brake,
}

/// Which brake is meant.
#[derive(Clone, Debug, clap::Args)]
pub struct Brake {
    /// One policy of the namespace [default: everything that the controller looks after]
    #[arg(value_name = "POLICY", value_parser = name)]
    pub policy: Option<String>,

    /// Namespace of the controller's Lease, for everything
    #[arg(long, value_name = "NAMESPACE", default_value = "dislodge-system", value_parser = name)]
    pub lease_namespace: String,

    /// Name of the controller's Lease
    #[arg(long, value_name = "NAME", default_value = "dislodge", value_parser = name)]
    pub lease_name: String,

    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,

    /// Which cluster, and which namespace.
    #[command(flatten)]
    pub place: Place,
}

/// Pauses.
///
/// # Errors
///
/// Where there is no such policy or Lease, a right is missing, or nobody can be asked.
pub fn pause(args: &PauseArgs) -> Result<(), Error> {
    let reason = given(&args.reason)?;
    args.brake.set(Some(reason))
}

/// Lets Dislodge act again.
///
/// # Errors
///
/// As [`pause`].
pub fn unpause(args: &UnpauseArgs) -> Result<(), Error> {
    args.brake.set(None)
}

impl Brake {
    fn set(&self, reason: Option<String>) -> Result<(), Error> {
        let said = block_on(self.write(reason))?;
        print(said.as_bytes()).map_err(Error::Output)
    }

    async fn write(&self, reason: Option<String>) -> Result<String, Error> {
        let (connection, namespace) = self.place.connect().await?;
        let done = if reason.is_some() { "paused" } else { "acts again" };
        let annotations = [(keys::PAUSED, reason)].into();
        let Some(policy) = &self.policy else {
            let key = Key::new(self.lease_namespace.clone(), self.lease_name.clone());
            let verb = if done == "paused" { "Pause" } else { "Unpause" };
            let things = [
                format!("all policies of the controller with the Lease {key}"),
                format!("on {}", plain(&connection.address)),
            ];
            if !confirm(&format!("{verb} everything?"), &things, self.yes)? {
                return Ok("Nothing is changed.\n".to_owned());
            }
            annotate::write_lease(&connection.client, &key, &annotations).await?;
            return Ok(format!("everything below the Lease {key}: {done}\n"));
        };
        let reader = Reader { client: &connection.client, namespace: Some(&namespace) };
        let seen = reader.policy(policy).await?;
        let Some(target) = annotate::target(&seen, TargetKind::Policy, policy) else {
            return Err(Error::Nothing {
                kind: "ImagePullPolicy",
                name: policy.clone(),
                place: format!("namespace {namespace}"),
                advice: format!("kubectl get ipp -n {namespace} lists what there is"),
            });
        };
        annotate::write(&connection.client, &target, &annotations).await?;
        Ok(format!("policy {}: {done}\n", target.key))
    }
}
