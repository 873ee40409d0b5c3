//! What one test has: a namespace with a queue of one slot, policies, Jobs, controllers, and ways to
//! look at what became of them.

use std::path::Path;
use std::sync::Arc;

use dislodge_sim::registry::Script;
use dislodge_testbed::product::{Controller, ControllerPlan};
use dislodge_testbed::queues::{self, is_true};
use dislodge_testbed::watching::{watch_kind_until, watch_until};
use dislodge_testbed::{JobPlan, Manifests, Quota, Result, Tenant};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher;
use kube::{Api, ResourceExt as _};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::world::{FAST, World};

/// The name of the queue of each test.
pub(super) const QUEUE: &str = "gpu";

/// The stage of one test.
pub(super) struct Stage {
    pub(super) world: Arc<World>,
    pub(super) tenant: Tenant,
}

/// Adds to a failure what helps to understand it.
pub(super) struct Witness {
    world: Arc<World>,
    namespace: String,
}

impl Witness {
    /// The failure with the end of the controllers' logs.
    pub(super) fn complete(&self, failure: &Failed) -> Failed {
        let mut text = failure.message().unwrap_or("failed").to_owned();
        if let Err(error) = self.world.cluster.check() {
            text.extend(["\n", &error.to_string()]);
        }
        let logs = std::fs::read_dir(self.world.cluster.logs()).into_iter().flatten().flatten();
        for log in logs {
            let name = log.file_name().to_string_lossy().into_owned();
            if !name.starts_with(&format!("dislodge-{}-", self.namespace)) {
                continue;
            }
            let lines = std::fs::read_to_string(log.path()).unwrap_or_default();
            let tail: Vec<&str> = lines.lines().rev().take(25).collect();
            text.extend(["\n--- the end of ", &name, "\n"]);
            text.extend(tail.into_iter().rev().flat_map(|line| [line, "\n"]));
        }
        text.into()
    }
}

impl Stage {
    /// A namespace of its own, with a queue for one Pod at a time.
    pub(super) async fn new(world: Arc<World>, test: &str) -> Result<Self> {
        // A namespace's name has at most 63 characters.
        let short: String = test.replace('_', "-").chars().take(40).collect();
        let tenant = Tenant::create(&world.cluster, short.trim_end_matches('-')).await?;
        tenant.queue(QUEUE, Quota::slots(1)).await?;
        Ok(Self { world, tenant })
    }

    pub(super) fn witness(&self) -> Witness {
        Witness { world: Arc::clone(&self.world), namespace: self.tenant.namespace().to_owned() }
    }

    /// Starts a controller for the namespace.
    pub(super) async fn controller(&self) -> Result<Controller> {
        self.replica("a").await
    }

    /// Starts a controller that calls itself so in the Lease.
    pub(super) async fn replica(&self, identity: &'static str) -> Result<Controller> {
        let plan = ControllerPlan { identity, ..ControllerPlan::scaled(FAST) };
        self.world.product.controller(&self.world.cluster, &self.tenant, plan).await
    }

    /// Starts a controller out of another executable than that of this build.
    pub(super) async fn controller_from(&self, executable: &Path) -> Result<Controller> {
        let product = self.world.product.with_executable(executable);
        product.controller(&self.world.cluster, &self.tenant, ControllerPlan::scaled(FAST)).await
    }

    /// An image of this test alone, with its script in the registry.
    pub(super) fn image(&self, name: &str, script: Script) -> String {
        let image = format!("registry.example/{}/{name}:1", self.tenant.namespace());
        self.world.node.registry().set(&image, script);
        image
    }

    /// An image that the registry does not have.
    pub(super) fn missing(&self) -> String {
        let image = format!("registry.example/{}/missing:1", self.tenant.namespace());
        self.world.node.registry().set(&image, missing(&image));
        image
    }

    /// An image that is pulled in 0.2 s and runs for ever.
    pub(super) fn good(&self) -> String {
        self.image("good", Script::succeeds(std::time::Duration::from_millis(200)))
    }

    /// Creates a Job in the queue.
    pub(super) async fn job(&self, name: &str, image: &str) -> Result<Job> {
        self.create(&JobPlan::new(name, image).queue(QUEUE)).await
    }

    /// Creates a Job on the fast node.
    pub(super) async fn create(&self, plan: &JobPlan) -> Result<Job> {
        self.tenant.job(&plan.clone().on(&self.world.node)).await
    }

    /// A Job in the queue that has its quota.
    pub(super) async fn admitted(&self, name: &str, image: &str) -> Result<Job> {
        let job = self.job(name, image).await?;
        self.tenant.admitted(&job).await?;
        Ok(job)
    }

    /// Applies a policy of that name.
    pub(super) async fn policy(&self, name: &str, spec: Value) -> Result<()> {
        let policy = json!({
            "apiVersion": "dislodge.dev/v1alpha1",
            "kind": "ImagePullPolicy",
            "metadata": {"name": name, "namespace": self.tenant.namespace()},
            "spec": spec,
        });
        self.tenant.apply(Manifests::from_objects(vec![policy])).await
    }

    /// Waits until a policy is as `look` wants it.
    pub(super) async fn policy_when(
        &self,
        name: &str,
        seconds: u64,
        what: &str,
        look: impl Fn(&DynamicObject) -> bool,
    ) -> Result<DynamicObject> {
        self.object_when(self.policies(), name, seconds, what, look).await
    }

    /// Waits until an object of any kind is as `look` wants it.
    pub(super) async fn object_when(
        &self,
        objects: Api<DynamicObject>,
        name: &str,
        seconds: u64,
        what: &str,
        look: impl Fn(&DynamicObject) -> bool,
    ) -> Result<DynamicObject> {
        let which = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let what = format!("{name}: {what}");
        Box::pin(watch_kind_until(objects, which, seconds, &what, |seen| {
            seen.values().find(|object| look(object)).cloned()
        }))
        .await
    }

    /// The policies of the namespace.
    pub(super) fn policies(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.tenant.client(), self.tenant.namespace(), &policy_kind())
    }

    /// Waits until a Pod of a Job is as `look` wants it.
    pub(super) async fn pod_when(
        &self,
        job: &Job,
        seconds: u64,
        what: &str,
        look: impl Fn(&Pod) -> bool,
    ) -> Result<Pod> {
        let uid = job.uid().unwrap_or_default();
        let which =
            watcher::Config::default().labels(&format!("batch.kubernetes.io/controller-uid={uid}"));
        let what = format!("a Pod of Job {}: {what}", job.name_any());
        Box::pin(watch_until(self.tenant.api::<Pod>(), which, seconds, &what, |seen| {
            seen.values().find(|pod| look(pod)).cloned()
        }))
        .await
    }

    /// Waits until a Pod of a Job runs.
    pub(super) async fn running(&self, job: &Job, seconds: u64) -> Result<Pod> {
        self.pod_when(job, seconds, "Running", |pod| phase(pod) == "Running").await
    }

    /// Waits until a Pod of the Job has failed that often to pull, as its Events would say: counted
    /// by windows, from now on.
    pub(super) async fn failed_pulls(&self, job: &Job, windows: u32, seconds: u64) -> Result<()> {
        let uid = job.uid().unwrap_or_default();
        let which =
            watcher::Config::default().labels(&format!("batch.kubernetes.io/controller-uid={uid}"));
        let what = format!("{windows} failed pulls of Job {}", job.name_any());
        let (mut counted, mut open) = (0, false);
        Box::pin(watch_until(self.tenant.api::<Pod>(), which, seconds, &what, |seen| {
            let now = seen.values().any(|pod| waits_for(pod) == Some("ErrImagePull"));
            counted += u32::from(now && !open);
            open = now;
            (counted >= windows).then_some(())
        }))
        .await
    }

    /// Waits until a Job is as `look` wants it.
    pub(super) async fn job_when(
        &self,
        name: &str,
        seconds: u64,
        what: &str,
        look: impl Fn(&Job) -> bool,
    ) -> Result<Job> {
        let which = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let what = format!("Job {name}: {what}");
        Box::pin(watch_until(self.tenant.api::<Job>(), which, seconds, &what, |seen| {
            seen.values().find(|job| look(job)).cloned()
        }))
        .await
    }

    /// Waits until a Job is held and its owner was told; returns the hold's id.
    pub(super) async fn held(&self, job: &Job, seconds: u64) -> Result<String> {
        self.held_after(job, "no hold", seconds).await
    }

    /// The same for a hold that comes after another one, with that id.
    pub(super) async fn held_after(&self, job: &Job, last: &str, seconds: u64) -> Result<String> {
        let told = self
            .job_when(&job.name_any(), seconds, "held", |job| {
                hold_of(job).is_some_and(|id| id != last) && suspended(job)
            })
            .await?;
        let id = hold_of(&told).unwrap_or_default().to_owned();
        self.tenant
            .workload_when(job, seconds, "held", |workload| {
                workload.data["spec"]["active"] == json!(false)
                    && workload.annotations().get(HOLD) == Some(&id)
            })
            .await?;
        Ok(id)
    }

    /// Waits until a held Job's quota is gone also in its Workload's status.
    pub(super) async fn released(&self, job: &Job, seconds: u64) -> Result<()> {
        let gone = |workload: &DynamicObject| !is_true(workload, "QuotaReserved");
        self.tenant.workload_when(job, seconds, "without quota", gone).await.map(drop)
    }

    /// The Events on a Job that Dislodge has published.
    pub(super) async fn events(&self, job: &Job) -> std::result::Result<Vec<Event>, kube::Error> {
        let events = self.tenant.api::<Event>().list(&ListParams::default()).await?;
        let uid = job.uid();
        let ours = |event: &Event| {
            event.reporting_controller.as_deref().is_some_and(|c| c.starts_with("dislodge.dev"))
                && event.regarding.as_ref().is_some_and(|r| r.uid == uid)
        };
        Ok(events.items.into_iter().filter(ours).collect())
    }

    /// Waits for the Event that Dislodge publishes on the object with this uid, and reads its note.
    pub(super) async fn event_note(&self, uid: &str, seconds: u64) -> Result<String> {
        let which = watcher::Config::default();
        let what = format!("an Event on {uid}");
        Box::pin(watch_until(self.tenant.api::<Event>(), which, seconds, &what, |seen| {
            let about = |event: &&Event| {
                let by = event.reporting_controller.as_deref().unwrap_or_default();
                let uid_of = event.regarding.as_ref().and_then(|r| r.uid.as_deref());
                by.starts_with("dislodge.dev") && uid_of == Some(uid)
            };
            seen.values().find(about).and_then(|event| event.note.clone())
        }))
        .await
    }

    /// What kubectl prints about the namespace, with everybody's rights.
    pub(super) async fn kubectl(&self, arguments: &[&str]) -> std::result::Result<String, Failed> {
        let output = tokio::process::Command::new(self.world.cluster.tools().kubectl().await?)
            .arg("--kubeconfig")
            .arg(self.world.cluster.kubeconfig())
            .args(["-n", self.tenant.namespace()])
            .args(arguments)
            .output()
            .await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
        }
    }

    /// Merges a patch into the Workload of a Job, with everybody's rights.
    pub(super) async fn patch_workload(&self, job: &Job, patch: Value) -> Result<(), Failed> {
        let any = self.tenant.workload_when(job, 10, "there", |_| true).await?;
        let api = self.tenant.kueue("Workload");
        api.patch(&any.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// Annotates a Job with the rights of a client.
    pub(super) async fn annotate(
        &self,
        client: kube::Client,
        job: &Job,
        key: &str,
        value: &str,
    ) -> std::result::Result<(), kube::Error> {
        let jobs: Api<Job> = Api::namespaced(client, self.tenant.namespace());
        let patch = Patch::Merge(json!({"metadata": {"annotations": {key: value}}}));
        jobs.patch(&job.name_any(), &PatchParams::default(), &patch).await.map(drop)
    }

    /// The pending Workload of a Job has been looked at by Kueue and does not have its quota.
    pub(super) async fn waits(&self, job: &Job) -> Result<()> {
        self.tenant
            .workload_when(job, 30, "waiting", |workload| {
                queues::condition(workload, "QuotaReserved").is_some_and(|(s, ..)| s == "False")
            })
            .await
            .map(drop)
    }
}

/// The kind of our policies.
pub(super) fn policy_kind() -> ApiResource {
    let gvk = GroupVersionKind::gvk("dislodge.dev", "v1alpha1", "ImagePullPolicy");
    ApiResource::from_gvk_with_plural(&gvk, "imagepullpolicies")
}

/// The annotation with the hold's id.
pub(super) const HOLD: &str = "dislodge.dev/hold";
/// The annotation that resumes a hold.
pub(super) const RESUME: &str = "dislodge.dev/resume";

/// The hold that a Job's owner was told of.
pub(super) fn hold_of(job: &Job) -> Option<&str> {
    job.annotations().get(HOLD).map(String::as_str)
}

/// Whether a Job is suspended.
pub(super) fn suspended(job: &Job) -> bool {
    job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true)
}

/// A Pod's phase.
pub(super) fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// Why the first container of a Pod waits.
pub(super) fn waits_for(pod: &Pod) -> Option<&str> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.first()?.state.as_ref()?.waiting.as_ref()?.reason.as_deref()
}

/// The registry's answer for a tag that does not exist, in containerd's words.
pub(super) fn missing(image: &str) -> Script {
    use dislodge_sim::registry::{Fault, Runtime};
    Script::fails(
        std::time::Duration::from_millis(100),
        Fault::NotFound.message(Runtime::Containerd2, image),
    )
}

/// A policy that suspends after so many failed pulls of an image that does not exist.
pub(super) fn suspend_after(failed_pulls: u32) -> Value {
    policy("Enforce", failed_pulls, 0)
}

/// A policy with one rule for images that do not exist.
pub(super) fn policy(mode: &str, failed_pulls: u32, failing_seconds: u32) -> Value {
    json!({
        "mode": mode,
        "queues": [{"kind": "LocalQueue", "name": QUEUE}],
        "rules": [{
            "name": "missing",
            "causes": ["NotFound"],
            "threshold": {"failedPulls": failed_pulls, "failingSeconds": failing_seconds},
            "action": "SuspendJob",
        }],
    })
}
