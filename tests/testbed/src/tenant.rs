//! What one test has for itself: a namespace, queues, Jobs, users.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::cluster::Cluster;
use crate::deadline::{until, within};
use crate::error::{Error, Result};
use crate::job::JobPlan;
use crate::kubeconfig;
use crate::manifests::Manifests;
use crate::queues::{self, Quota};

/// A namespace of its own, in which one test does what it likes.
///
/// It is not removed at the end: the cluster goes with the test run, and a failed test can be looked at.
#[derive(Clone)]
pub struct Tenant {
    namespace: String,
    client: Client,
}

impl std::fmt::Debug for Tenant {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tenant").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Tenant {
    /// Makes a namespace called `<name>-<number>`, and returns when Pods can be created in it.
    ///
    /// # Errors
    /// When the API server refuses it, or its ServiceAccount does not come.
    pub async fn create(cluster: &Cluster, name: &str) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let namespace = format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let client = cluster.client();
        let object = serde_json::from_value(json!({"metadata": {"name": namespace}}))
            .map_err(|error| Error::malformed("a namespace", error))?;
        Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &object)
            .await
            .map_err(Error::api(format!("create the namespace {namespace}")))?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
        let there = await_condition(accounts, "default", |account: Option<&ServiceAccount>| {
            account.is_some()
        });
        within(60, &format!("the default ServiceAccount of {namespace}"), Box::pin(there))
            .await?
            .map_err(|error| Error::malformed("the watch of ServiceAccounts", error))?;
        Ok(Self { namespace, client })
    }

    /// The namespace's name.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A client that may do everything everywhere.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The objects of a kind in this namespace, with everybody's rights.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The objects of a kind of Kueue in this namespace, such as `Workload`.
    pub fn kueue(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &queues::kind(kind))
    }

    /// Makes a LocalQueue with a ClusterQueue behind it, and returns the latter's name when Kueue
    /// takes Jobs for it.
    ///
    /// # Errors
    /// When a webhook refuses it, or it does not become active.
    pub async fn queue(&self, name: &str, quota: Quota) -> Result<String> {
        queues::create(&self.client, &self.namespace, name, quota).await
    }

    /// Creates a Job.
    ///
    /// # Errors
    /// When the API server or a webhook refuses it.
    pub async fn job(&self, plan: &JobPlan) -> Result<Job> {
        self.create_job(&plan.to_job()?).await
    }

    /// Creates a Job that a test wrote out by itself.
    ///
    /// # Errors
    /// When the API server or a webhook refuses it.
    pub async fn create_job(&self, job: &Job) -> Result<Job> {
        let name = job.metadata.name.as_deref().unwrap_or("without a name");
        self.api::<Job>()
            .create(&PostParams::default(), job)
            .await
            .map_err(Error::api(format!("create the Job {}/{name}", self.namespace)))
    }

    /// Waits until a Job has its quota, and returns its Workload (see [`queues::admitted`]).
    ///
    /// # Errors
    /// When it takes longer than a minute.
    pub async fn admitted(&self, job: &impl ResourceExt) -> Result<DynamicObject> {
        queues::admitted(&self.client, job).await
    }

    /// Waits until the Workload of a Job is as `look` wants it (see [`queues::workload_when`]).
    ///
    /// # Errors
    /// When it takes longer than `seconds`.
    pub async fn workload_when(
        &self,
        job: &impl ResourceExt,
        seconds: u64,
        what: &str,
        look: impl Fn(&DynamicObject) -> bool,
    ) -> Result<DynamicObject> {
        queues::workload_when(&self.client, job, seconds, what, look).await
    }

    /// Applies manifests; a namespaced object has to name its namespace.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub async fn apply(&self, manifests: Manifests) -> Result<()> {
        manifests.apply(&self.client).await
    }

    /// A client for a person who has, in this namespace, exactly the rights of some ClusterRoles, such
    /// as `edit` and `kueue-batch-user-role`. Returns when the API server lets the person use them.
    ///
    /// The audit log knows the person as `<name>@<namespace>`.
    ///
    /// # Errors
    /// When a ClusterRole does not exist, or its rights do not come.
    pub async fn person(&self, cluster: &Cluster, name: &str, roles: &[&str]) -> Result<Client> {
        let user = format!("{name}@{}", self.namespace);
        let bindings = roles
            .iter()
            .map(|role| {
                json!({
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "RoleBinding",
                    "metadata": {"name": format!("{name}-{role}"), "namespace": self.namespace},
                    "subjects": [
                        {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user},
                    ],
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                        "name": role},
                })
            })
            .collect();
        self.apply(Manifests::from_objects(bindings)).await?;
        let person =
            kubeconfig::impersonating(cluster.kubeconfig(), &user, &["system:authenticated"])
                .await?;
        for role in roles {
            let granted = Api::<ClusterRole>::all(self.client.clone())
                .get(role)
                .await
                .map_err(Error::api(format!("get the ClusterRole {role}")))?
                .rules
                .unwrap_or_default();
            // One right stands for the whole role: the API server takes a binding in as a whole.
            let sample = granted.last().cloned().unwrap_or_default();
            until(60, &format!("{user} having the rights of {role}"), async || {
                may(&person, &self.namespace, &sample).await.map_err(|error| error.to_string())
            })
            .await?;
        }
        Ok(person)
    }

    /// A kubeconfig file for a person that [`Self::person`] has given rights to, for programs that
    /// read one. Its namespace is this one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig_of(&self, cluster: &Cluster, name: &str) -> Result<PathBuf> {
        let user = format!("{name}@{}", self.namespace);
        let file = cluster.folder().join(format!("{user}.kubeconfig"));
        let groups = &["system:authenticated"];
        kubeconfig::write_impersonating(
            &file,
            cluster.kubeconfig(),
            &user,
            groups,
            &self.namespace,
        )?;
        Ok(file)
    }

    /// Deletes the namespace with all that is in it, without waiting for the end of it.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn delete(&self) -> Result<()> {
        Api::<Namespace>::all(self.client.clone())
            .delete(&self.namespace, &DeleteParams::background())
            .await
            .map(drop)
            .map_err(Error::api(format!("delete the namespace {}", self.namespace)))
    }
}

/// Asks whether a client has the first right of a rule.
async fn may(client: &Client, namespace: &str, rule: &PolicyRule) -> Result<()> {
    let first = |list: &Option<Vec<String>>| list.iter().flatten().next().cloned();
    let resource = first(&rule.resources).unwrap_or_default();
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource.to_owned(), Some(subresource.to_owned())),
        None => (resource, None),
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(namespace.to_owned()),
                group: first(&rule.api_groups),
                resource: Some(resource.clone()),
                subresource,
                verb: rule.verbs.first().cloned(),
                name: first(&rule.resource_names),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer = Api::<SelfSubjectAccessReview>::all(client.clone())
        .create(&PostParams::default(), &review)
        .await
        .map_err(Error::api("ask for a right"))?;
    if answer.status.is_some_and(|status| status.allowed) {
        Ok(())
    } else {
        Err(Error::malformed("the rights", format!("no {:?} of {resource}", rule.verbs.first())))
    }
}
