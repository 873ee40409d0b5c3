//! Rules: which causes, after how much, lead to which action.

use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::bounds;
use crate::cause::{Cause, Class};

/// What happens to a job whose image fails for one of these causes often and long enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": node_rule(),
    "message": "DiskFull, UnpackFailed and RuntimeUnavailable are the node's fault, not the job's: set action to RequeueJob or Report, or move them to a rule of their own",
    "fieldPath": ".action",
}]))]
pub struct Rule {
    /// Name of the rule, unique in the policy: a DNS label. Status, Events and annotations name it.
    #[schemars(
        length(min = 1, max = bounds::RULE_NAME),
        extend("x-kubernetes-validations" = [{
            "rule": "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
            "message": "must be lower-case letters, digits and '-', with a letter or digit at both ends",
        }])
    )]
    pub name: String,
    /// Causes that the rule decides.
    #[schemars(schema_with = "causes")]
    pub causes: Vec<Cause>,
    /// How much must have failed before the rule acts. All that it sets must be reached.
    pub threshold: Threshold,
    /// What is done. FailJob ends the job as failed; SuspendJob stops it until a person resumes it;
    /// RequeueJob stops it and sends it back into its queue after a while; Report changes nothing.
    /// All but Report give the quota back.
    pub action: Action,
    /// What is done about a job that is partly running: with a running container, or with another
    /// Pod that runs. Spare only reports it, Stop acts all the same. Default: Spare.
    #[serde(default)]
    pub running_peers: RunningPeers,
}

/// How much must have failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Threshold {
    /// Consecutive failed pulls of one image in one Pod, all for causes of the rule. A state that
    /// the kubelet reports once and never again (an invalid reference; an image that may never be
    /// pulled) reaches any number.
    #[schemars(range(min = 1, max = 100))]
    pub failed_pulls: u32,
    /// Seconds from the first of these failed pulls to the newest. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 86_400))]
    pub failing_seconds: u32,
}

/// What is done to a job.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Action {
    /// Stops the job and ends it as failed.
    FailJob,
    /// Stops the job until a person resumes it.
    SuspendJob,
    /// Stops the job and sends it back into its queue after a while.
    RequeueJob,
    /// Changes nothing; says so in status, an Event and a metric.
    Report,
}

impl Action {
    /// The name as it stands in the API, in Events and in metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailJob => "FailJob",
            Self::SuspendJob => "SuspendJob",
            Self::RequeueJob => "RequeueJob",
            Self::Report => "Report",
        }
    }
}

/// What is done about a job that is partly running.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum RunningPeers {
    /// It is only reported.
    #[default]
    Spare,
    /// It is stopped all the same.
    Stop,
}

/// The six rules of a policy that sets none.
pub fn default_rules() -> Vec<Rule> {
    use Cause as C;
    let rule = |name: &str, causes: &[Cause], pulls, seconds, action, running_peers| Rule {
        name: name.to_owned(),
        causes: causes.to_vec(),
        threshold: Threshold { failed_pulls: pulls, failing_seconds: seconds },
        action,
        running_peers,
    };
    vec![
        rule(
            "invalid",
            &[C::InvalidReference, C::ManifestUnsupported],
            2,
            0,
            Action::FailJob,
            RunningPeers::Stop,
        ),
        rule(
            "missing",
            &[C::NotFound, C::MissingOrDenied, C::SignatureRejected],
            3,
            0,
            Action::SuspendJob,
            RunningPeers::Stop,
        ),
        rule(
            "this-node",
            &[C::PlatformMismatch, C::NeverPullAbsent],
            3,
            0,
            Action::RequeueJob,
            RunningPeers::Spare,
        ),
        rule(
            "credentials",
            &[C::AccessDenied, C::Unauthorized],
            4,
            300,
            Action::RequeueJob,
            RunningPeers::Spare,
        ),
        rule(
            "registry",
            &[
                C::RateLimited,
                C::RegistryUnavailable,
                C::Network,
                C::HostUnresolvable,
                C::Tls,
                C::ContentCorrupt,
                C::Unknown,
            ],
            6,
            1200,
            Action::RequeueJob,
            RunningPeers::Spare,
        ),
        rule(
            "node",
            &[C::DiskFull, C::UnpackFailed, C::RuntimeUnavailable],
            4,
            0,
            Action::Report,
            RunningPeers::Spare,
        ),
    ]
}

/// Every cause that a rule may list: all but the kubelet's own limit, which never counts.
fn listable() -> impl Iterator<Item = Cause> {
    Cause::ALL.into_iter().filter(|cause| *cause != Cause::NodeThrottled)
}

/// The causes of a rule, as a set of those that a rule may list.
fn causes(_: &mut SchemaGenerator) -> schemars::Schema {
    let names: Vec<&str> = listable().map(Cause::as_str).collect();
    schemars::json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": names.len(),
        "x-kubernetes-list-type": "set",
        "items": {"type": "string", "enum": names},
    })
}

/// A rule that lists a cause of class *node* may neither fail nor suspend.
pub(super) fn node_rule() -> String {
    let names: Vec<String> = listable()
        .filter(|cause| cause.class() == Class::Node)
        .map(|cause| format!("'{cause}'"))
        .collect();
    format!(
        "!(self.action in ['FailJob', 'SuspendJob']) || !self.causes.exists(c, c in [{}])",
        names.join(", ")
    )
}
