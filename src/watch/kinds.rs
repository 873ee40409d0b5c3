//! Which kinds are watched, under which names the API server serves them, and what is left out.

use std::sync::{Arc, Mutex, PoisonError};

use dislodge_engine::api;
use dislodge_engine::input::{Change, Input, Kind};
use dislodge_engine::objects::{
    ClusterQueue, CronJob, Job, JobSet, LocalQueue, Node, Object, Pod, Policy, Workload,
};
use kube::Client;
use kube::core::{ApiResource, GroupVersionKind};
use serde::de::DeserializeOwned;

/// Kueue's API group.
const KUEUE: &str = "kueue.x-k8s.io";
/// The versions of Kueue's API whose objects we can read and write, the best first.
const KUEUE_VERSIONS: &[&str] = &["v1beta2", "v1beta1"];
/// What to do where Kueue is not installed.
const KUEUE_ABSENT: &str = "the CRDs of Kueue are not installed: queues cannot be governed, Jobs \
                            without a queue can; watching begins when they appear";
/// What to do where our own CRD is not installed.
const POLICY_ABSENT: &str = "the CRD of ImagePullPolicy is not installed: apply \
                             crds/dislodge.dev_imagepullpolicies.yaml, or the output of \
                             `dislodge crd`; watching begins when it appears";

/// How a kind is found and watched.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The kind.
    pub kind: Kind,
    /// Its API group; empty for the core group.
    pub group: &'static str,
    /// The versions that can be read, the best first.
    pub versions: &'static [&'static str],
    /// Its name in URLs.
    pub plural: &'static str,
    /// Whether its objects lie in namespaces.
    pub namespaced: bool,
    /// A field selector: what does not match is not sent by the API server.
    pub fields: Option<&'static str>,
    /// What it means where the API server does not serve the kind.
    pub absence: Absence,
}

/// What it means where the API server does not serve a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// It cannot be: Kubernetes itself serves the kind.
    Impossible,
    /// A CRD is not installed; people are told this.
    Told(&'static str),
    /// A CRD is not installed, and people need not be told: either it comes with others, of which
    /// they are, or there is nothing of that kind to look after.
    Usual,
}

impl Source {
    /// The kind's name with its group, as roles and kubectl have it.
    pub fn name(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// The kind in one of its versions.
    pub fn resource(&self, version: &str) -> ApiResource {
        let kind = GroupVersionKind::gvk(self.group, version, self.kind.as_str());
        ApiResource::from_gvk_with_plural(&kind, self.plural)
    }

    /// The best version that the API server serves; `None`: it serves none.
    ///
    /// # Errors
    ///
    /// Where the API server does not say.
    pub async fn served(&self, client: &Client) -> Result<Option<&'static str>, kube::Error> {
        if self.absence == Absence::Impossible {
            return Ok(self.versions.first().copied());
        }
        for version in self.versions {
            let group_version = format!("{}/{version}", self.group);
            match client.list_api_group_resources(&group_version).await {
                Ok(list) if list.resources.iter().any(|known| known.name == self.plural) => {
                    return Ok(Some(version));
                }
                Ok(_) => {}
                // The code, not the reason: a group that is not served is answered with plain text.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// A kind of the core's objects that is watched.
pub trait Followed: Object + DeserializeOwned + Clone + std::fmt::Debug + Send + 'static {
    /// How it is found and watched.
    const SOURCE: Source;
    /// Whether each stored object is sure to decode, since the API server decodes and encodes it
    /// itself. Custom resources may have been stored under another schema than today's.
    const BUILT_IN: bool;

    /// What happened to an object, as the core is told it.
    fn input(change: Change<Self>) -> Input;
}

impl Followed for Pod {
    const SOURCE: Source = Source {
        kind: Kind::Pod,
        group: "",
        versions: &["v1"],
        plural: "pods",
        namespaced: true,
        fields: Some("status.phase!=Succeeded,status.phase!=Failed"),
        absence: Absence::Impossible,
    };
    const BUILT_IN: bool = true;

    fn input(change: Change<Self>) -> Input {
        Input::Pod(change)
    }
}

impl Followed for Job {
    const SOURCE: Source = Source {
        kind: Kind::Job,
        group: "batch",
        versions: &["v1"],
        plural: "jobs",
        namespaced: true,
        fields: None,
        absence: Absence::Impossible,
    };
    const BUILT_IN: bool = true;

    fn input(change: Change<Self>) -> Input {
        Input::Job(change)
    }
}

impl Followed for JobSet {
    const SOURCE: Source = Source {
        kind: Kind::JobSet,
        group: "jobset.x-k8s.io",
        versions: &["v1alpha2"],
        plural: "jobsets",
        namespaced: true,
        fields: None,
        absence: Absence::Usual,
    };
    const BUILT_IN: bool = false;

    fn input(change: Change<Self>) -> Input {
        Input::JobSet(change)
    }
}

impl Followed for CronJob {
    const SOURCE: Source = Source {
        kind: Kind::CronJob,
        group: "batch",
        versions: &["v1"],
        plural: "cronjobs",
        namespaced: true,
        fields: None,
        absence: Absence::Impossible,
    };
    const BUILT_IN: bool = true;

    fn input(change: Change<Self>) -> Input {
        Input::CronJob(change)
    }
}

impl Followed for Workload {
    const SOURCE: Source = Source {
        kind: Kind::Workload,
        group: KUEUE,
        versions: KUEUE_VERSIONS,
        plural: "workloads",
        namespaced: true,
        fields: None,
        absence: Absence::Told(KUEUE_ABSENT),
    };
    const BUILT_IN: bool = false;

    fn input(change: Change<Self>) -> Input {
        Input::Workload(change)
    }
}

impl Followed for LocalQueue {
    const SOURCE: Source = Source {
        kind: Kind::LocalQueue,
        group: KUEUE,
        versions: KUEUE_VERSIONS,
        plural: "localqueues",
        namespaced: true,
        fields: None,
        absence: Absence::Usual,
    };
    const BUILT_IN: bool = false;

    fn input(change: Change<Self>) -> Input {
        Input::LocalQueue(change)
    }
}

impl Followed for ClusterQueue {
    const SOURCE: Source = Source {
        kind: Kind::ClusterQueue,
        group: KUEUE,
        versions: KUEUE_VERSIONS,
        plural: "clusterqueues",
        namespaced: false,
        fields: None,
        absence: Absence::Usual,
    };
    const BUILT_IN: bool = false;

    fn input(change: Change<Self>) -> Input {
        Input::ClusterQueue(change)
    }
}

impl Followed for Node {
    const SOURCE: Source = Source {
        kind: Kind::Node,
        group: "",
        versions: &["v1"],
        plural: "nodes",
        namespaced: false,
        fields: None,
        absence: Absence::Impossible,
    };
    const BUILT_IN: bool = true;

    fn input(change: Change<Self>) -> Input {
        Input::Node(change)
    }
}

impl Followed for Policy {
    const SOURCE: Source = Source {
        kind: Kind::Policy,
        group: api::GROUP,
        versions: &[api::VERSION],
        plural: api::PLURAL,
        namespaced: true,
        fields: None,
        absence: Absence::Told(POLICY_ABSENT),
    };
    const BUILT_IN: bool = false;

    fn input(change: Change<Self>) -> Input {
        Input::Policy(change)
    }
}

/// The versions in which kinds with more than one are served: found by the watches, used by the
/// writers. Clones share one value.
#[derive(Clone, Debug)]
pub struct Versions {
    workload: Arc<Mutex<&'static str>>,
}

impl Default for Versions {
    fn default() -> Self {
        Self { workload: Arc::new(Mutex::new("v1beta2")) }
    }
}

impl Versions {
    /// The version of Kueue's Workloads.
    pub fn workload(&self) -> &'static str {
        *self.workload.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kueue's Workloads are served in this version.
    pub fn set_workload(&self, version: &'static str) {
        *self.workload.lock().unwrap_or_else(PoisonError::into_inner) = version;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_watched_under_the_names_that_the_api_server_serves() {
        use kube::Resource;

        use crate::watch::object::Watched;
        let path = |source: Source, namespace| {
            let version = source.versions[0];
            Watched::<Pod>::url_path(&source.resource(version), namespace)
        };
        assert_eq!(path(Pod::SOURCE, None), "/api/v1/pods");
        assert_eq!(path(Job::SOURCE, Some("a")), "/apis/batch/v1/namespaces/a/jobs");
        assert_eq!(path(Workload::SOURCE, None), "/apis/kueue.x-k8s.io/v1beta2/workloads");
        assert_eq!(path(Policy::SOURCE, None), "/apis/dislodge.dev/v1alpha1/imagepullpolicies");
    }
}
