//! What a row submits: one job of each kind.

use dislodge_testbed::JobPlan;
use dislodge_testbed::agent::Node;
use serde_json::{Value, json};

use super::foreign::Foreign;

/// The name of the job, and of its queue.
pub(super) const NAME: &str = "stuck";
pub(super) const QUEUE: &str = "row";
/// The uid of the `CronJob` is put in its place once it is known.
const GROUP: &str = "both";

/// The kinds of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Kind {
    /// A Job with one Pod.
    Job,
    /// A Job with three Pods at once.
    Parallel,
    /// An Indexed Job with a back-off limit for each of its two indexes.
    Indexed,
    /// A Job that makes a Pod anew only once the old one has failed.
    Replacing,
    /// A Job whose author fails it by a rule about our condition.
    Deciding,
    /// A Job whose author ignores our condition.
    Ignoring,
    /// A Job of a CronJob with `concurrencyPolicy: Forbid`.
    Cron,
    /// A JobSet with one Job.
    JobSet,
    /// A JobSet with two Jobs, one of which runs, that would be restarted twice.
    JobSets,
    /// A Pod.
    Pod,
    /// A Pod group of two.
    Group,
    /// A Deployment.
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A Job without `completions` of two Pods: one succeeds, the other is stuck.
    OpenEnded,
    /// A kind whose Workload alone is known, with one Pod ([`super::foreign`]).
    Foreign(Foreign),
}

impl Kind {
    /// How many Pods it has, of one CPU each.
    pub(super) const fn pods(self) -> u32 {
        match self {
            Self::Parallel => 3,
            Self::Indexed | Self::JobSets | Self::Group | Self::OpenEnded => 2,
            _ => 1,
        }
    }

    /// The object whose status tells: its API version and kind.
    pub(super) const fn api(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::JobSet | Self::JobSets => ("jobset.x-k8s.io", "v1alpha2", "JobSet"),
            Self::Pod | Self::Group => ("", "v1", "Pod"),
            Self::Deployment => ("apps", "v1", "Deployment"),
            Self::StatefulSet => ("apps", "v1", "StatefulSet"),
            Self::Foreign(foreign) => foreign.api(),
            _ => ("batch", "v1", "Job"),
        }
    }

    /// The objects to be created, in order; the one that [`Kind::api`] tells of comes last.
    /// `images`: of the Pods that fail, and of those that run.
    pub(super) fn manifests(
        self,
        (bad, good): (&str, &str),
        queued: bool,
        node: &Node,
    ) -> Vec<Value> {
        let job = |image: &str| {
            let plan = JobPlan::new(NAME, image).on(node);
            if queued { plan.queue(QUEUE) } else { plan }
        };
        let template = |image: &str| job(image).manifest()["spec"]["template"].clone();
        let labels = if queued { json!({"kueue.x-k8s.io/queue-name": QUEUE}) } else { json!({}) };
        let ours = |action: &str| {
            json!({"spec": {"podFailurePolicy": {"rules": [{"action": action,
                "onPodConditions": [{"type": "dislodge.dev/ImagePullFailed", "status": "True"}]}]}}})
        };
        let plan = match self {
            Self::Job => job(bad),
            Self::Parallel => job(bad).pods(3),
            Self::Indexed => job(bad)
                .pods(2)
                .with(json!({"spec": {"completionMode": "Indexed", "backoffLimitPerIndex": 1}})),
            Self::Replacing => job(bad).with(json!({"spec": {"podReplacementPolicy": "Failed"}})),
            Self::Deciding => job(bad).with(ours("FailJob")),
            Self::Ignoring => job(bad).with(ours("Ignore")),
            Self::OpenEnded => {
                // What one Pod has pulled, the other one is to pull, too.
                let mut containers = template(bad)["spec"]["containers"].clone();
                containers[0]["imagePullPolicy"] = json!("Always");
                job(bad).with(json!({"spec": {"parallelism": 2, "completions": null,
                    "template": {"spec": {"containers": containers}}}}))
            }
            Self::Foreign(foreign) => return vec![foreign.manifest(template(bad), QUEUE)],
            Self::Cron => {
                // Suspended, so that it makes no Job of its own: the row makes it.
                let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob",
                    "metadata": {"name": "nightly"},
                    "spec": {"schedule": "0 0 * * *", "suspend": true, "concurrencyPolicy": "Forbid",
                             "jobTemplate": {"spec": {"template": template(bad)}}}});
                return vec![cron, job(bad).manifest().clone()];
            }
            Self::JobSet | Self::JobSets => {
                let mut parts = vec![json!({"name": "bad",
                    "template": {"spec": {"template": template(bad)}}})];
                let mut spec = json!({});
                if self == Self::JobSets {
                    parts.push(json!({"name": "good",
                        "template": {"spec": {"template": template(good)}}}));
                    spec["failurePolicy"] = json!({"maxRestarts": 2});
                }
                spec["replicatedJobs"] = json!(parts);
                return vec![json!({"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet",
                    "metadata": {"name": NAME, "labels": labels}, "spec": spec})];
            }
            Self::Pod => {
                let mut pod = template(bad);
                pod["metadata"] = json!({"name": NAME, "labels": labels});
                return vec![typed(pod, "Pod")];
            }
            Self::Group => {
                let member = |name: &str| {
                    let mut pod = template(bad);
                    pod["metadata"] = json!({"name": name, "labels": labels,
                        "annotations": {"kueue.x-k8s.io/pod-group-total-count": "2"}});
                    pod["metadata"]["labels"]["kueue.x-k8s.io/pod-group-name"] = json!(GROUP);
                    typed(pod, "Pod")
                };
                return vec![member("other"), member(NAME)];
            }
            Self::Deployment | Self::StatefulSet => {
                let mut pod = template(bad);
                pod["spec"]["restartPolicy"] = json!("Always");
                let mut marks = labels;
                marks["app"] = json!("web");
                pod["metadata"] = json!({"labels": marks});
                let (_, _, kind) = self.api();
                return vec![json!({"apiVersion": "apps/v1", "kind": kind,
                    "metadata": {"name": NAME},
                    "spec": {"replicas": 1, "serviceName": "web", "template": pod,
                             "selector": {"matchLabels": {"app": "web"}}}})];
            }
        };
        vec![plan.manifest().clone()]
    }
}

fn typed(mut object: Value, kind: &str) -> Value {
    object["apiVersion"] = json!("v1");
    object["kind"] = json!(kind);
    object
}
