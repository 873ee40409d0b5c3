//! What people write: which queues a policy governs, and what it does there.

use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{Budget, Hold, Outage, Requeue, Rule, bounds, default_rules};

/// The name that stands for every LocalQueue of the namespace that no policy names exactly.
pub const EVERY_LOCAL_QUEUE: &str = "*";

/// What is to happen in which queues of the policy's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePullPolicySpec {
    /// Whether the policy acts. Audit decides, counts and reports, and changes no Job, Pod or
    /// Workload; Enforce acts. Default: Audit.
    #[serde(default)]
    pub mode: Mode,
    /// Queues of this namespace that the policy governs, no two alike. Where two policies name the
    /// same queue, the older policy governs it; one that names it exactly comes before one that
    /// names '*'.
    #[schemars(
        length(min = 1, max = bounds::QUEUES),
        extend("x-kubernetes-list-type" = "atomic"),
        extend("x-kubernetes-validations" = [{
            "rule": "self.all(a, self.exists_one(b, a.kind == b.kind && (has(a.name) ? a.name : '') == (has(b.name) ? b.name : '')))",
            "message": "no two queues may be alike: remove the one that repeats another",
        }])
    )]
    pub queues: Vec<QueueRef>,
    /// Rules in order: the first one that lists the cause decides. A cause that no rule lists is
    /// only reported, with reason NoRule. Default: the six rules invalid, missing, this-node,
    /// credentials, registry and node of the reference documentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = bounds::RULES),
        extend("x-kubernetes-list-type" = "map"),
        extend("x-kubernetes-list-map-keys" = ["name"])
    )]
    pub rules: Option<Vec<Rule>>,
    /// What becomes of a job that is held. Default: {maxSeconds: 0}.
    #[serde(default)]
    pub hold: Hold,
    /// How RequeueJob sends a job back into its queue. Default: {backoffBaseSeconds: 60,
    /// backoffMaxSeconds: 3600, maxRequeues: 5, failedPulls: 2, afterwards: SuspendJob}.
    #[serde(default)]
    pub requeue: Requeue,
    /// When a registry counts as down, so that nothing is stopped because of it. Default:
    /// {distinctJobs: 5, windowSeconds: 300, maxHoldSeconds: 0}.
    #[serde(default)]
    pub outage: Outage,
    /// How much the policy may do at most. Default: {actions: 20, windowSeconds: 600}.
    #[serde(default)]
    pub budget: Budget,
}

impl ImagePullPolicySpec {
    /// A spec for these queues in which all else is left to its default.
    pub fn for_queues(queues: Vec<QueueRef>) -> Self {
        Self {
            mode: Mode::default(),
            queues,
            rules: None,
            hold: Hold::default(),
            requeue: Requeue::default(),
            outage: Outage::default(),
            budget: Budget::default(),
        }
    }

    /// The rules that decide, in order: those of the spec, else the six default ones.
    pub fn effective_rules(&self) -> Vec<Rule> {
        self.rules.clone().unwrap_or_else(default_rules)
    }
}

/// Whether a policy acts.
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
pub enum Mode {
    /// Decides, counts and reports, and changes no Job, Pod or Workload.
    #[default]
    Audit,
    /// Acts.
    Enforce,
}

/// One queue that a policy governs.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.kind != 'LocalQueue' || has(self.name)",
        "message": "kind LocalQueue needs a name: set it to the LocalQueue's name, or to '*' for every LocalQueue of the namespace that no policy names",
        "reason": "FieldValueRequired",
        "fieldPath": ".name",
    },
    {
        "rule": "self.kind != 'NoQueue' || !has(self.name)",
        "message": "kind NoQueue takes no name: remove it",
        "reason": "FieldValueForbidden",
        "fieldPath": ".name",
    },
]))]
pub struct QueueRef {
    /// Kind of the queue: LocalQueue is a queue of Kueue; NoQueue is the Jobs of the namespace that
    /// no queue system manages.
    pub kind: QueueKind,
    /// Name of the LocalQueue. '*' is every LocalQueue of the namespace that no policy names. Never
    /// set for NoQueue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "queue_name")]
    pub name: Option<String>,
}

impl QueueRef {
    /// The LocalQueue of this name, or every LocalQueue for `*`.
    pub fn local_queue(name: impl Into<String>) -> Self {
        Self { kind: QueueKind::LocalQueue, name: Some(name.into()) }
    }

    /// The Jobs that no queue system manages.
    pub const fn no_queue() -> Self {
        Self { kind: QueueKind::NoQueue, name: None }
    }
}

/// Writes `LocalQueue/gpu` or `NoQueue`, as messages name a queue.
impl std::fmt::Display for QueueRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.kind, self.name.as_deref()) {
            (QueueKind::LocalQueue, name) => write!(f, "LocalQueue/{}", name.unwrap_or_default()),
            (QueueKind::NoQueue, _) => f.write_str("NoQueue"),
        }
    }
}

/// The kinds of queues that a policy can govern.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum QueueKind {
    /// Kueue's queue of a namespace.
    LocalQueue,
    /// Jobs of the namespace that no queue system manages.
    NoQueue,
}

/// A LocalQueue's name (Kueue: `LocalQueueName`, a DNS subdomain) or `*`.
fn queue_name(_: &mut SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": bounds::OBJECT_NAME,
        "x-kubernetes-validations": [{
            "rule": "self == '*' || self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
            "message": "must be '*' or the name of a LocalQueue: lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Action, Afterwards, RunningPeers};
    use crate::cause::Cause;

    #[test]
    fn a_spec_that_names_only_queues_decodes_to_the_documented_defaults() {
        let spec: ImagePullPolicySpec =
            serde_json::from_str(r#"{"queues":[{"kind":"LocalQueue","name":"gpu"}]}"#).unwrap();
        assert_eq!(spec, ImagePullPolicySpec::for_queues(vec![QueueRef::local_queue("gpu")]));
        assert_eq!(spec.mode, Mode::Audit);
        assert_eq!(spec.hold.max_seconds, 0);
        let requeue = spec.requeue;
        assert_eq!((requeue.backoff_base_seconds, requeue.backoff_max_seconds), (60, 3600));
        assert_eq!((requeue.max_requeues, requeue.failed_pulls), (5, 2));
        assert_eq!(requeue.afterwards, Afterwards::SuspendJob);
        let outage = spec.outage;
        assert_eq!((outage.distinct_jobs, outage.window_seconds), (5, 300));
        assert_eq!(outage.max_hold_seconds, 0);
        assert_eq!((spec.budget.actions, spec.budget.window_seconds), (20, 600));
    }

    #[test]
    fn a_block_of_which_one_field_is_set_keeps_the_defaults_of_the_others() {
        let spec: ImagePullPolicySpec =
            serde_json::from_str(r#"{"queues":[],"requeue":{"maxRequeues":9}}"#).unwrap();
        assert_eq!(spec.requeue, Requeue { max_requeues: 9, ..Requeue::default() });
    }

    #[test]
    fn absent_rules_are_the_six_default_ones_and_are_not_written_out() {
        let spec = ImagePullPolicySpec::for_queues(vec![QueueRef::no_queue()]);
        assert_eq!(spec.effective_rules(), default_rules());
        let written = serde_json::to_string(&spec).unwrap();
        assert!(!written.contains("rules"), "{written}");
    }

    #[test]
    fn the_default_rules_decide_every_cause_but_the_kubelets_own_limit_exactly_once() {
        let rules = default_rules();
        for cause in Cause::ALL {
            let listed = rules.iter().filter(|rule| rule.causes.contains(&cause)).count();
            assert_eq!(listed, usize::from(cause != Cause::NodeThrottled), "{cause}");
        }
        let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(names, ["invalid", "missing", "this-node", "credentials", "registry", "node"]);
        assert_eq!(rules[0].action, Action::FailJob);
        assert_eq!(rules[1].running_peers, RunningPeers::Stop);
        assert_eq!(rules[2].running_peers, RunningPeers::Spare);
        assert_eq!(rules[4].threshold.failing_seconds, 1200);
        assert_eq!(rules[5].action, Action::Report);
    }

    #[test]
    fn a_queue_reads_as_messages_name_it() {
        assert_eq!(QueueRef::local_queue("gpu").to_string(), "LocalQueue/gpu");
        assert_eq!(QueueRef::no_queue().to_string(), "NoQueue");
    }
}
