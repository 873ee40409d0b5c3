//! Kueue's objects as the tests need them: queues, and the Workloads of Jobs.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::error::Result;
use crate::manifests::Manifests;
use crate::watching::watch_kind_until;

/// The one ResourceFlavor, shared by all queues: it says nothing about nodes.
const FLAVOR: &str = "testbed";
/// Kueue answers within a second; on a machine busy with a build, within several.
const SECONDS: u64 = 60;

/// A kind of Kueue, at the version that Kueue stores.
pub fn kind(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("kueue.x-k8s.io", "v1beta2", kind))
}

/// What a ClusterQueue offers.
#[derive(Debug, Clone)]
pub struct Quota {
    /// How many Jobs of one CPU run at once.
    pub slots: u32,
    /// More fields of the ClusterQueue's spec, such as `preemption` or `cohortName`.
    pub more: Value,
}

impl Quota {
    /// So many slots and Kueue's defaults.
    pub fn slots(slots: u32) -> Self {
        Self { slots, more: Value::Null }
    }

    /// Further fields of the ClusterQueue's spec; they win over ours.
    pub fn with(mut self, more: Value) -> Self {
        self.more = more;
        self
    }
}

/// Creates a LocalQueue and a ClusterQueue of its own, called `<namespace>-<queue>`, and returns its name
/// when Kueue says that the LocalQueue is active.
pub(crate) async fn create(
    client: &Client,
    namespace: &str,
    queue: &str,
    quota: Quota,
) -> Result<String> {
    let cluster_queue = format!("{namespace}-{queue}");
    let mut spec = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "resourceGroups": [{"coveredResources": ["cpu"], "flavors": [{
            "name": FLAVOR,
            "resources": [{"name": "cpu", "nominalQuota": quota.slots.to_string()}],
        }]}],
    });
    if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), quota.more) {
        spec.extend(more);
    }
    let version = "kueue.x-k8s.io/v1beta2";
    Manifests::from_objects(vec![
        json!({"apiVersion": version, "kind": "ResourceFlavor", "metadata": {"name": FLAVOR}}),
        json!({"apiVersion": version, "kind": "ClusterQueue",
            "metadata": {"name": cluster_queue}, "spec": spec}),
        json!({"apiVersion": version, "kind": "LocalQueue",
            "metadata": {"name": queue, "namespace": namespace},
            "spec": {"clusterQueue": cluster_queue}}),
    ])
    .apply(client)
    .await?;
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), namespace, &kind("LocalQueue"));
    let which = watcher::Config::default().fields(&format!("metadata.name={queue}"));
    let what = format!("LocalQueue {namespace}/{queue} becoming active");
    Box::pin(watch_kind_until(api, which, SECONDS, &what, |seen| {
        seen.values().any(|queue| is_true(queue, "Active")).then_some(())
    }))
    .await?;
    Ok(cluster_queue)
}

/// A condition of an object: its status, reason and message.
pub fn condition<'a>(object: &'a DynamicObject, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let conditions = object.data.pointer("/status/conditions")?.as_array()?;
    let field = |condition: &'a Value, name: &str| {
        condition.get(name).and_then(Value::as_str).unwrap_or_default()
    };
    conditions.iter().find(|condition| field(condition, "type") == kind).map(|condition| {
        (field(condition, "status"), field(condition, "reason"), field(condition, "message"))
    })
}

/// Whether a condition of an object is `True`.
pub fn is_true(object: &DynamicObject, kind: &str) -> bool {
    condition(object, kind).is_some_and(|(status, _, _)| status == "True")
}

/// Waits until the Workload of a Job, or of another kind that Kueue manages, is as `look` wants it, and
/// returns it.
///
/// # Errors
/// [`crate::Error::Late`] with `what` and the last state.
pub async fn workload_when(
    client: &Client,
    job: &impl ResourceExt,
    seconds: u64,
    what: &str,
    look: impl Fn(&DynamicObject) -> bool,
) -> Result<DynamicObject> {
    let namespace = job.namespace().unwrap_or_default();
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &namespace, &kind("Workload"));
    // Kueue: pkg/controller/constants/constants.go, JobUIDLabel.
    let uid = job.uid().unwrap_or_default();
    let which = watcher::Config::default().labels(&format!("kueue.x-k8s.io/job-uid={uid}"));
    let what = format!("the Workload of {namespace}/{}: {what}", job.name_any());
    Box::pin(watch_kind_until(api, which, seconds, &what, |seen| {
        seen.values().find(|workload| look(workload)).cloned()
    }))
    .await
}

/// Waits until a Job has its quota, and returns its Workload.
///
/// Kueue orders by creation time in whole seconds: the Job that is to come first is waited for like this
/// before the second one is created.
///
/// # Errors
/// [`crate::Error::Late`] when it takes longer than a minute.
pub async fn admitted(client: &Client, job: &impl ResourceExt) -> Result<DynamicObject> {
    workload_when(client, job, SECONDS, "QuotaReserved", |workload| {
        is_true(workload, "QuotaReserved")
    })
    .await
}
