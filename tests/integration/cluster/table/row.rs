//! One row: what it is made of, and how it is played.

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

use dislodge_engine::cause::Cause;
use dislodge_sim::registry::{Counted, Fault, Pull, Run, Runtime, Script};
use dislodge_testbed::product::{Controller, ControllerPlan, LEASE, SECOND_LEASE};
use dislodge_testbed::watching::watch_until;
use dislodge_testbed::{JobPlan, Quota};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use kube::runtime::watcher;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::made::{Kind, QUEUE};
use super::state::State;
use super::writes;
use crate::Outcome;
use crate::cluster::stage::{Stage, waits_for};
use crate::cluster::world::FAST;

/// The next job in the queue.
pub(super) const NEXT: &str = "next";
/// How long a row may take to its end, and for how long it has to stay so.
const LONGEST: Duration = Duration::from_secs(120);
const STAYS: Duration = Duration::from_secs(10);
/// When a Pod that succeeds does so: before the stuck one has failed twice, by the kubelet's clock.
const SOON: Duration = Duration::from_secs(1);

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(in crate::cluster) struct Row(
    pub(super) Kind,
    pub(super) Queue,
    pub(super) Action,
    pub(super) Cause,
    pub(super) Moment,
    pub(super) End,
);

/// Who counts the quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Queue {
    Kueue,
    Nobody,
}

/// The rule's action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Action {
    FailJob,
    SuspendJob,
    RequeueJob,
    Report,
}

/// What happens besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Moment {
    /// Nothing: the second failed pull reaches the threshold.
    Threshold,
    /// The first one does.
    First,
    /// The controller starts when the threshold has been reached.
    Late,
    /// The controller is killed when the threshold is reached, and started again.
    Killed,
    /// Two controllers believe to lead.
    TwoLeaders,
    /// After one failure the image is pulled for 60 s of the kubelet's, and runs.
    Slow,
    /// The policy is in mode Audit.
    Audit,
    /// The owner has set `dislodge.dev/ignore`.
    Ignored,
    /// The policy is paused.
    Paused,
    /// The rule spares jobs with a container that runs.
    Spared,
}

/// A row that is killed is so within this time after its last failed pull.
const KILLED_WITHIN: u64 = 2500;

/// What happens to the controllers of a row, whatever it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Trouble {
    /// Nothing.
    None,
    /// It is killed at some moment after the failed pull that reaches the threshold, and started
    /// again.
    Killed,
    /// Two believe to lead.
    TwoLeaders,
}

impl Trouble {
    /// Both, for rows that are not about them.
    pub(super) const BOTH: [Self; 2] = [Self::Killed, Self::TwoLeaders];
}

/// How a row has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum End {
    /// Held, until a person says otherwise.
    Suspended,
    /// Held, until a time.
    Requeued,
    /// Ended by us.
    Failed,
    /// Ended by its author's rule about our condition.
    FailedByAuthor,
    /// Completed: it had the success that it needs.
    Completed,
    /// Its Pods are ended.
    Ended,
    /// Nothing is done; the status of the policy has this reason.
    Reported(&'static str),
    /// The same, in state `Waiting`.
    Waits(&'static str),
    /// The image came, and the job runs.
    Runs,
    /// Nothing is done, nor said.
    Untouched,
}

impl End {
    /// Whether the quota is given back.
    pub(super) const fn frees(self) -> bool {
        matches!(
            self,
            Self::Suspended
                | Self::Requeued
                | Self::Failed
                | Self::FailedByAuthor
                | Self::Completed
                | Self::Ended
        )
    }
}

impl Row {
    /// Its name as a test: `table::job_kueue_fail_job_not_found_threshold`.
    pub(super) fn name(&self) -> String {
        let Self(kind, queue, action, cause, moment, _) = self;
        let kind = match kind {
            Kind::Foreign(foreign) => format!("{foreign:?}"),
            kind => format!("{kind:?}"),
        };
        let camel = format!("{kind}{queue:?}{action:?}{cause:?}{moment:?}");
        let mut name = String::new();
        for letter in camel.chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.extend(letter.to_lowercase());
        }
        name
    }

    /// The trouble that the row is about.
    pub(super) fn trouble(&self) -> Trouble {
        match self.4 {
            Moment::Killed => Trouble::Killed,
            Moment::TwoLeaders => Trouble::TwoLeaders,
            _ => Trouble::None,
        }
    }

    /// When its controller is killed: another moment for each row, and the same in each run.
    fn killed_after(&self) -> Duration {
        let mut hasher = std::hash::DefaultHasher::new();
        self.name().hash(&mut hasher);
        Duration::from_millis(hasher.finish() % KILLED_WITHIN)
    }

    /// Plays it.
    pub(super) async fn play(self, trouble: Trouble, stage: Stage) -> Outcome {
        let Self(kind, queue, _, _, moment, end) = self;
        stage.tenant.queue(QUEUE, Quota::slots(kind.pods())).await?;
        stage.policy("row", self.policy()).await?;
        if moment == Moment::Paused {
            let paused = json!({"metadata": {"annotations": {"dislodge.dev/paused": "a row"}}});
            stage.policies().patch("row", &PatchParams::default(), &Patch::Merge(paused)).await?;
        }
        let mut controllers = Vec::new();
        if moment != Moment::Late {
            controllers.push(controller(&stage, "a", LEASE).await?);
        }
        if trouble == Trouble::TwoLeaders {
            controllers.push(controller(&stage, "b", SECOND_LEASE).await?);
        }
        let owner = self.submit(&stage).await?;
        let _operator = match kind {
            Kind::Foreign(foreign) => Some(foreign.play_its_controller(&stage)),
            _ => None,
        };
        if queue == Queue::Kueue {
            admitted(&stage).await?;
            let plan = JobPlan::new(NEXT, &stage.good()).queue(QUEUE).pods(kind.pods());
            stage.create(&plan).await?;
        }
        if moment == Moment::Late || trouble == Trouble::Killed {
            failed_pulls(&stage, self.windows()).await?;
        }
        if moment == Moment::Late {
            controllers.push(controller(&stage, "a", LEASE).await?);
        }
        if trouble == Trouble::Killed
            && let Some(controller) = controllers.pop()
        {
            // The one place where a row waits by the clock: the moment is what is tried.
            tokio::time::sleep(self.killed_after()).await;
            controller.kill().await;
            let controller = controller.restart().await?;
            controller.ready(60).await?;
            controllers.push(controller);
            // The status is still that of its first life, and the second counts anew.
            if matches!(end, End::Reported(_) | End::Waits(_)) {
                failed_pulls(&stage, self.windows()).await?;
            }
        }
        // There is no watch for all of it together.
        let started = tokio::time::Instant::now();
        loop {
            let seen = State::read(&stage, &self, &owner).await?;
            match seen.check(&self) {
                Ok(()) => break,
                Err(why) if started.elapsed() > LONGEST => {
                    return Err(format!("not {end:?} in {LONGEST:?}: {why}").into());
                }
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
        // What flips for a moment in between did not stay.
        let until = tokio::time::Instant::now() + STAYS;
        while tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let seen = State::read(&stage, &self, &owner).await?;
            seen.check(&self).map_err(|why| format!("it did not stay {end:?}: {why}"))?;
        }
        writes::check(&stage, &self, trouble, &controllers).await
    }

    /// How many failed pulls the threshold takes.
    fn windows(&self) -> u32 {
        match (self.3, self.4) {
            (Cause::InvalidReference, _) => 0,
            (_, Moment::First | Moment::Slow) => 1,
            _ => 2,
        }
    }

    fn policy(self) -> Value {
        let Self(_, queue, action, cause, moment, _) = self;
        let queues = match queue {
            Queue::Kueue => json!([{"kind": "LocalQueue", "name": QUEUE}]),
            Queue::Nobody => json!([{"kind": "NoQueue"}]),
        };
        let threshold = match moment {
            Moment::First => json!({"failedPulls": 1}),
            Moment::Slow => json!({"failedPulls": 1, "failingSeconds": 2}),
            _ => json!({"failedPulls": 2}),
        };
        let peers = if moment == Moment::Spared { "Spare" } else { "Stop" };
        json!({
            "mode": if moment == Moment::Audit { "Audit" } else { "Enforce" },
            "queues": queues,
            "rules": [{"name": "row", "causes": [format!("{cause:?}")], "threshold": threshold,
                       "action": format!("{action:?}"), "runningPeers": peers}],
            "requeue": {"backoffBaseSeconds": 600},
        })
    }

    async fn submit(self, stage: &Stage) -> Result<DynamicObject, Failed> {
        let Self(kind, queue, _, cause, moment, _) = self;
        let bad = match cause {
            Cause::InvalidReference => "registry.example/Team/App:v1".to_owned(),
            _ => stage.image("bad", self.script(stage)),
        };
        let good = stage.good();
        let queued = queue == Queue::Kueue;
        let mut manifests = kind.manifests((&bad, &good), queued, &stage.world.node);
        if moment == Moment::Ignored
            && let Some(owner) = manifests.last_mut()
        {
            owner["metadata"]["annotations"]["dislodge.dev/ignore"] = json!("a row");
        }
        let mut last = None;
        for mut manifest in manifests {
            if let Some(by) = last.as_ref().filter(|_| kind == Kind::Cron) {
                let by: &DynamicObject = by;
                manifest["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1",
                    "kind": "CronJob", "name": by.name_any(), "uid": by.uid(), "controller": true}]);
            }
            let object: DynamicObject = serde_json::from_value(manifest)?;
            let types = object.types.clone().unwrap_or_default();
            let (group, version) =
                types.api_version.split_once('/').unwrap_or(("", &types.api_version));
            let api = api(stage, &GroupVersionKind::gvk(group, version, &types.kind));
            last = Some(api.create(&PostParams::default(), &object).await?);
        }
        last.ok_or_else(|| "nothing is submitted".into())
    }

    fn script(self, stage: &Stage) -> Script {
        let Self(kind, _, _, cause, moment, _) = self;
        let image = format!("registry.example/{}/bad:1", stage.tenant.namespace());
        // A reference that cannot be parsed, the one cause without a fault, is never asked of a registry.
        let (fault, runtime) = Fault::of(cause).unwrap_or((Fault::NotFound, Runtime::Containerd2));
        let fails = Script::fails(Duration::from_millis(100), fault.message(runtime, &image));
        if kind == Kind::OpenEnded {
            let pulls = Script::succeeds(Duration::from_millis(100)).runs(Run::lasting(SOON, 0));
            let message = fault.message(runtime, &image);
            return pulls.then(Pull::Fails { after: Duration::from_millis(100), message });
        }
        if moment == Moment::Slow {
            return fails
                .then(Pull::Succeeds { after: Duration::from_secs(60) })
                .counted(Counted::EachPod);
        }
        fails
    }
}

/// Objects of any kind.
pub(super) fn api(stage: &Stage, kind: &GroupVersionKind) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(kind);
    Api::namespaced_with(stage.tenant.client(), stage.tenant.namespace(), &resource)
}

async fn controller(
    stage: &Stage,
    identity: &'static str,
    lease: &'static str,
) -> Result<Controller, Failed> {
    let plan = ControllerPlan { identity, lease, ..ControllerPlan::scaled(FAST) };
    let world = &stage.world;
    Ok(world.product.controller(&world.cluster, &stage.tenant, plan).await?)
}

/// Waits until the job has its quota: it is the only one yet.
async fn admitted(stage: &Stage) -> Outcome {
    use dislodge_testbed::queues::is_true;
    use dislodge_testbed::watching::watch_kind_until;
    let workloads = stage.tenant.kueue("Workload");
    let all = watcher::Config::default();
    Box::pin(watch_kind_until(workloads, all, 60, "the job being admitted", |seen| {
        seen.values().any(|workload| is_true(workload, "QuotaReserved")).then_some(())
    }))
    .await?;
    Ok(())
}

/// Waits until a Pod of the row has failed that often to pull, counted by windows.
async fn failed_pulls(stage: &Stage, windows: u32) -> Outcome {
    let mut counted: BTreeMap<String, (u32, bool)> = BTreeMap::new();
    let all = watcher::Config::default();
    let what = format!("{windows} failed pulls");
    Box::pin(watch_until(stage.tenant.api::<Pod>(), all, 60, &what, |seen| {
        for (name, pod) in seen {
            let (count, open) = counted.entry(name.clone()).or_default();
            let now = waits_for(pod) == Some("ErrImagePull");
            *count += u32::from(now && !*open);
            *open = now;
        }
        (windows == 0 || counted.values().any(|(count, _)| *count >= windows)).then_some(())
    }))
    .await?;
    Ok(())
}
