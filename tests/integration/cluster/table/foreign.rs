//! Kinds that Kueue manages and whose controllers do not run here: what is submitted, and a player who does what
//! their controllers would, as far as Kueue and Dislodge can tell.

use std::io::Write as _;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{
    Api, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use libtest_mimic::Failed;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::made::NAME;
use super::row::api;
use crate::cluster::stage::Stage;

/// The kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Foreign {
    /// Kubeflow's, with one worker.
    PyTorchJob,
    /// Kubeflow's, of v2, with one worker.
    MpiJob,
    /// With a `RayCluster` of one Pod.
    RayJob,
    /// Of one Pod, its head.
    RayCluster,
    /// With one Pod in it.
    AppWrapper,
    /// Of one group with one Pod, that a `StatefulSet` makes.
    LeaderWorkerSet,
}

/// The player looks at the cluster as often.
const LOOKS: Duration = Duration::from_millis(200);

/// Ends the player with the row.
pub(super) struct Player(AbortHandle);

impl Drop for Player {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Foreign {
    /// Its API group, version and kind.
    pub(super) const fn api(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::PyTorchJob => ("kubeflow.org", "v1", "PyTorchJob"),
            Self::MpiJob => ("kubeflow.org", "v2beta1", "MPIJob"),
            Self::RayJob => ("ray.io", "v1", "RayJob"),
            Self::RayCluster => ("ray.io", "v1", "RayCluster"),
            Self::AppWrapper => ("workload.codeflare.dev", "v1beta2", "AppWrapper"),
            Self::LeaderWorkerSet => ("leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet"),
        }
    }

    /// What is submitted, with this Pod template.
    pub(super) fn manifest(self, mut template: Value, queue: &str) -> Value {
        let spec = match self {
            Self::PyTorchJob => {
                template["spec"]["containers"][0]["name"] = json!("pytorch");
                let worker =
                    json!({"replicas": 1, "restartPolicy": "OnFailure", "template": template});
                json!({"runPolicy": {"suspend": true}, "pytorchReplicaSpecs": {"Worker": worker}})
            }
            Self::MpiJob => {
                let worker = json!({"replicas": 1, "template": template});
                json!({"runPolicy": {"suspend": true}, "mpiReplicaSpecs": {"Worker": worker}})
            }
            Self::RayJob => json!({"suspend": true, "entrypoint": "python run.py",
                "submissionMode": "HTTPMode", "shutdownAfterJobFinishes": true,
                "rayClusterSpec": head(&template)}),
            Self::RayCluster => {
                let mut spec = head(&template);
                spec["suspend"] = json!(true);
                spec
            }
            Self::AppWrapper => {
                template["apiVersion"] = json!("v1");
                template["kind"] = json!("Pod");
                template["metadata"] = json!({"name": format!("{NAME}-0")});
                json!({"suspend": true, "components": [{"template": template}]})
            }
            Self::LeaderWorkerSet => {
                template["spec"]["restartPolicy"] = json!("Always");
                json!({"replicas": 1, "leaderWorkerTemplate": {"size": 1, "workerTemplate": template}})
            }
        };
        let (group, version, kind) = self.api();
        json!({"apiVersion": format!("{group}/{version}"), "kind": kind,
               "metadata": {"name": NAME, "labels": {"kueue.x-k8s.io/queue-name": queue}},
               "spec": spec})
    }

    /// Whether Kueue has suspended it; `None` of a kind that knows no such thing.
    pub(super) fn is_suspended(self, owner: &DynamicObject) -> Option<bool> {
        let spec = &owner.data["spec"];
        match self {
            Self::PyTorchJob | Self::MpiJob => Some(spec["runPolicy"]["suspend"] == true),
            Self::RayJob | Self::RayCluster | Self::AppWrapper => Some(spec["suspend"] == true),
            Self::LeaderWorkerSet => None,
        }
    }

    /// Does what its controller would, until it is dropped.
    pub(super) fn play_its_controller(self, stage: &Stage) -> Player {
        let (group, version, kind) = self.api();
        let actor = Actor {
            kind: self,
            owners: api(stage, &GroupVersionKind::gvk(group, version, kind)),
            clusters: api(stage, &GroupVersionKind::gvk("ray.io", "v1", "RayCluster")),
            sets: stage.tenant.api(),
            pods: stage.tenant.api(),
        };
        Player(tokio::spawn(actor.play()).abort_handle())
    }

    /// Its Pod, as Kueue has made the template of it.
    fn pod(self, owner: &DynamicObject) -> Value {
        let spec = &owner.data["spec"];
        let component = &spec["components"][0];
        let mut pod = match self {
            Self::PyTorchJob => &spec["pytorchReplicaSpecs"]["Worker"]["template"],
            Self::MpiJob => &spec["mpiReplicaSpecs"]["Worker"]["template"],
            Self::RayJob => &spec["rayClusterSpec"]["headGroupSpec"]["template"],
            Self::RayCluster => &spec["headGroupSpec"]["template"],
            Self::AppWrapper => &component["template"],
            Self::LeaderWorkerSet => &spec["leaderWorkerTemplate"]["workerTemplate"],
        }
        .clone();
        if self == Self::AppWrapper {
            for field in ["labels", "annotations"] {
                pod["metadata"][field] = component["podSetInfos"][0][field].clone();
            }
        }
        pod["metadata"]["name"] = json!(format!("{NAME}-0"));
        pod
    }

    /// Its status while it has a Pod, or none: Kueue asks it for how long the quota is in use.
    fn status(self, runs: bool) -> Option<Value> {
        match self {
            Self::PyTorchJob | Self::MpiJob => Some(json!({"conditions": [],
                "replicaStatuses": {"Worker": {"active": u32::from(runs)}}})),
            Self::RayJob => {
                let (state, cluster) = if runs { ("Running", NAME) } else { ("Suspended", "") };
                Some(json!({"jobDeploymentStatus": state, "rayClusterName": cluster}))
            }
            Self::AppWrapper => {
                let (phase, reserved) =
                    if runs { ("Running", "True") } else { ("Suspended", "False") };
                Some(json!({"phase": phase, "conditions": [{"type": "QuotaReserved",
                    "status": reserved, "reason": phase, "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"}]}))
            }
            Self::RayCluster | Self::LeaderWorkerSet => None,
        }
    }
}

/// A cluster of one Pod, its head.
fn head(template: &Value) -> Value {
    json!({"headGroupSpec": {"rayStartParams": {}, "template": template}})
}

/// The player.
struct Actor {
    kind: Foreign,
    owners: Api<DynamicObject>,
    clusters: Api<DynamicObject>,
    sets: Api<StatefulSet>,
    pods: Api<Pod>,
}

impl Actor {
    async fn play(self) {
        let mut runs = false;
        loop {
            // What fails is tried again: so do controllers.
            if let Err(why) = self.step(&mut runs).await {
                let why = why.message().unwrap_or_default();
                let _unread = writeln!(std::io::stderr(), "the player of {:?}: {why}", self.kind);
            }
            tokio::time::sleep(LOOKS).await;
        }
    }

    async fn step(&self, runs: &mut bool) -> Result<(), Failed> {
        let Some(owner) = self.owners.get_opt(NAME).await? else { return Ok(()) };
        let may_run = self.kind.is_suspended(&owner) != Some(true);
        if may_run == *runs || owner.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        if may_run {
            self.start(&owner).await?;
        } else {
            self.stop().await?;
        }
        *runs = may_run;
        let Some(status) = self.kind.status(may_run) else { return Ok(()) };
        let patch = Patch::Merge(json!({"status": status}));
        self.owners.patch_status(NAME, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Makes its Pod, or what makes that.
    async fn start(&self, owner: &DynamicObject) -> Result<(), Failed> {
        let mut pod = self.kind.pod(owner);
        let mut by = reference(owner);
        if self.kind == Foreign::RayJob {
            let mut spec = owner.data["spec"]["rayClusterSpec"].clone();
            spec["suspend"] = json!(false);
            let cluster = json!({"apiVersion": "ray.io/v1", "kind": "RayCluster",
                "metadata": {"name": NAME, "ownerReferences": [by]}, "spec": spec});
            let cluster: DynamicObject = serde_json::from_value(cluster)?;
            by = reference(&made(&self.clusters, &cluster).await?);
        }
        if self.kind == Foreign::LeaderWorkerSet {
            let labels = json!({"leaderworkerset.sigs.k8s.io/name": NAME,
                "leaderworkerset.sigs.k8s.io/group-index": "0",
                "leaderworkerset.sigs.k8s.io/worker-index": "0"});
            for (name, value) in labels.as_object().into_iter().flatten() {
                pod["metadata"]["labels"][name] = value.clone();
            }
            let set = json!({
                "metadata": {"name": NAME, "labels": labels, "ownerReferences": [by]},
                "spec": {"replicas": 1, "serviceName": NAME, "template": pod,
                         "selector": {"matchLabels": labels}}});
            made(&self.sets, &serde_json::from_value(set)?).await?;
            return Ok(());
        }
        pod["metadata"]["ownerReferences"] = json!([by]);
        made(&self.pods, &serde_json::from_value(pod)?).await?;
        Ok(())
    }

    async fn stop(&self) -> Result<(), Failed> {
        let gone = |answer: Result<(), kube::Error>| match answer {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            other => other,
        };
        let now = DeleteParams::default();
        gone(self.pods.delete(&format!("{NAME}-0"), &now).await.map(drop))?;
        if self.kind == Foreign::RayJob {
            gone(self.clusters.delete(NAME, &now).await.map(drop))?;
        }
        Ok(())
    }
}

/// Creates an object; one that is there already is it.
async fn made<K>(api: &Api<K>, object: &K) -> Result<K, kube::Error>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    match api.create(&PostParams::default(), object).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {
            api.get(object.meta().name.as_deref().unwrap_or_default()).await
        }
        answer => answer,
    }
}

fn reference(owner: &DynamicObject) -> Value {
    let types = owner.types.clone().unwrap_or_default();
    json!({"apiVersion": types.api_version, "kind": types.kind, "name": owner.name_any(),
           "uid": owner.uid(), "controller": true})
}
