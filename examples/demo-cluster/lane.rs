//! One column of the demo: a team with a queue of one slot, Job A that cannot be pulled, and Job B
//! that waits behind it.

#![expect(clippy::indexing_slicing, reason = "JSON reads as null where nothing is")]

use dislodge_testbed::agent::Node;
use dislodge_testbed::queues::is_true;
use dislodge_testbed::watching::watch_until;
use dislodge_testbed::{Cluster, JobPlan, Manifests, Quota, Tenant};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::runtime::watcher;
use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use crate::Failure;

/// Failed pulls after which the policy acts.
pub(crate) const THRESHOLD: u32 = 2;
/// The queue's name.
const QUEUE: &str = "gpu";
/// Longest wait for anything, in seconds.
const LONG: u64 = 170;

/// Something that happens in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Milestone {
    StuckHasQuota,
    NextWaits,
    Failure(u32),
    /// The failed pull that reaches the threshold.
    DecisiveFailure,
    Held,
    OwnerTold,
    NextHasQuota,
    NextRuns,
}

impl Milestone {
    /// What is printed.
    pub(crate) fn text(self) -> String {
        match self {
            Self::StuckHasQuota => "A has the quota".to_owned(),
            Self::NextWaits => "B waits for it".to_owned(),
            Self::Failure(n) => format!("A: failed pull {n}: no such tag"),
            Self::DecisiveFailure => format!("A: failed pull {THRESHOLD}: the threshold"),
            Self::Held => "Dislodge stops A: active: false".to_owned(),
            Self::OwnerTold => "A's owner is told why, on the Job".to_owned(),
            Self::NextHasQuota => "B has the quota".to_owned(),
            Self::NextRuns => "B runs".to_owned(),
        }
    }
}

/// What a column tells: which column, what, when.
pub(crate) type Teller = UnboundedSender<(usize, Milestone, Instant)>;

/// One column.
pub(crate) struct Lane {
    tenant: Tenant,
    policy: bool,
}

impl Lane {
    /// Makes the team's namespace and queue, and its policy where it has one.
    pub(crate) async fn open(cluster: &Cluster, name: &str, policy: bool) -> Result<Self, Failure> {
        let tenant = Tenant::create(cluster, name).await?;
        tenant.queue(QUEUE, Quota::slots(1)).await?;
        if policy {
            let manifest = json!({
                "apiVersion": "dislodge.dev/v1alpha1",
                "kind": "ImagePullPolicy",
                "metadata": {"name": QUEUE, "namespace": tenant.namespace()},
                "spec": {
                    "mode": "Enforce",
                    "queues": [{"kind": "LocalQueue", "name": QUEUE}],
                    "rules": [{
                        "name": "missing",
                        "causes": ["NotFound"],
                        "threshold": {"failedPulls": THRESHOLD},
                        "action": "SuspendJob",
                    }],
                },
            });
            tenant.apply(Manifests::from_objects(vec![manifest])).await?;
        }
        Ok(Self { tenant, policy })
    }

    /// Submits A, then B, and tells what becomes of them.
    pub(crate) async fn submit(
        &self,
        node: &Node,
        column: usize,
        teller: &Teller,
    ) -> Result<(), Failure> {
        let job = |name: &str, image: &str| {
            let plan = JobPlan::new(name, &format!("registry.example/team/{image}:v1"));
            plan.queue(QUEUE).on(node)
        };
        let tell = {
            let teller = teller.clone();
            move |milestone| {
                // Nobody listens any more once the story is told.
                let _unheard = teller.send((column, milestone, Instant::now()));
            }
        };
        let stuck = self.tenant.job(&job("a", "missing")).await?;
        self.tell_failures(&stuck, tell.clone());
        if self.policy {
            self.tell_hold(&stuck, tell.clone());
        }
        self.tenant.admitted(&stuck).await?;
        tell(Milestone::StuckHasQuota);
        let next = self.tenant.job(&job("b", "trainer")).await?;
        self.tell_next(&next, tell.clone());
        Ok(())
    }

    /// Counts the windows in which A's Pod shows a failed pull.
    fn tell_failures(&self, job: &Job, tell: impl Fn(Milestone) + Send + Sync + 'static) {
        let pods = self.tenant.api::<Pod>();
        let which = of(job);
        let policy = self.policy;
        tokio::spawn(async move {
            let (mut counted, mut open) = (0, false);
            let look = |seen: &dislodge_testbed::watching::Seen<Pod>| -> Option<()> {
                let failed = seen.values().any(|pod| waits_for(pod) == Some("ErrImagePull"));
                if failed && !open {
                    counted += 1;
                    let decisive = policy && counted == THRESHOLD;
                    tell(if decisive {
                        Milestone::DecisiveFailure
                    } else {
                        Milestone::Failure(counted)
                    });
                }
                open = failed;
                None
            };
            let _ended = watch_until(pods, which, LONG, "failed pulls", look).await;
        });
    }

    fn tell_hold(&self, job: &Job, tell: impl Fn(Milestone) + Send + Sync + Clone + 'static) {
        let (tenant, job) = (self.tenant.clone(), job.clone());
        let told = tell.clone();
        let owner = (tenant.api::<Job>(), job.name_any());
        tokio::spawn(async move {
            let inactive = |w: &kube::api::DynamicObject| w.data["spec"]["active"] == json!(false);
            if tenant.workload_when(&job, LONG, "inactive", inactive).await.is_ok() {
                tell(Milestone::Held);
            }
        });
        tokio::spawn(async move {
            let which = watcher::Config::default().fields(&format!("metadata.name={}", owner.1));
            let look = |seen: &dislodge_testbed::watching::Seen<Job>| {
                seen.values()
                    .any(|job| job.annotations().contains_key("dislodge.dev/held"))
                    .then_some(())
            };
            if watch_until(owner.0, which, LONG, "told", look).await.is_ok() {
                told(Milestone::OwnerTold);
            }
        });
    }

    fn tell_next(&self, job: &Job, tell: impl Fn(Milestone) + Send + Sync + Clone + 'static) {
        let (tenant, job) = (self.tenant.clone(), job.clone());
        let (pods, which) = (tenant.api::<Pod>(), of(&job));
        let runs = tell.clone();
        tokio::spawn(async move {
            let waits = |w: &kube::api::DynamicObject| {
                w.data.pointer("/status/conditions").is_some() && !is_true(w, "QuotaReserved")
            };
            if tenant.workload_when(&job, LONG, "waiting", waits).await.is_ok() {
                tell(Milestone::NextWaits);
            }
            if tenant
                .workload_when(&job, LONG, "quota", |w| is_true(w, "QuotaReserved"))
                .await
                .is_ok()
            {
                tell(Milestone::NextHasQuota);
            }
        });
        tokio::spawn(async move {
            let look = |seen: &dislodge_testbed::watching::Seen<Pod>| {
                let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone());
                seen.values().any(|pod| phase(pod).as_deref() == Some("Running")).then_some(())
            };
            if watch_until(pods, which, LONG, "running", look).await.is_ok() {
                runs(Milestone::NextRuns);
            }
        });
    }

    /// What kubectl shows: the policy in a line, and what `describe` says of A on top.
    pub(crate) async fn words(&self, cluster: &Cluster) -> Result<(String, String), Failure> {
        let policy = self.kubectl(cluster, &["get", "ipp"]).await?;
        let described = self.kubectl(cluster, &["describe", "job", "a"]).await?;
        let told = described
            .lines()
            .skip_while(|line| !line.starts_with("Annotations:"))
            .take_while(|line| !line.starts_with("Parallelism:"))
            .chain(described.lines().skip_while(|line| !line.starts_with("Events:")).filter(
                |line| {
                    // What the Job controller and Kueue say of themselves is left out.
                    ["Events:", "  Type", "  ----"].iter().any(|head| line.starts_with(head))
                        || line.contains("dislodge.dev/controller")
                },
            ));
        Ok((policy, told.collect::<Vec<_>>().join("\n")))
    }

    async fn kubectl(&self, cluster: &Cluster, arguments: &[&str]) -> Result<String, Failure> {
        let output = tokio::process::Command::new(cluster.tools().kubectl().await?)
            .arg("--kubeconfig")
            .arg(cluster.kubeconfig())
            .args(["-n", self.tenant.namespace()])
            .args(arguments)
            .output()
            .await?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
        }
    }
}

/// The Pods of a Job.
fn of(job: &Job) -> watcher::Config {
    let uid = job.uid().unwrap_or_default();
    watcher::Config::default().labels(&format!("batch.kubernetes.io/controller-uid={uid}"))
}

fn waits_for(pod: &Pod) -> Option<&str> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.first()?.state.as_ref()?.waiting.as_ref()?.reason.as_deref()
}
