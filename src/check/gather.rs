//! Reads what the checks need. What may not be read is known to be so; what is not there, too.

use std::collections::BTreeMap;

use dislodge_engine::api;
use dislodge_engine::objects::{LocalQueue, Policy};
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease as KubeLease;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use serde::Serialize;
use serde_json::Value;

use super::ask::{granted, server};
use super::facts::{Facts, Installation, Kueue, Lease, Read};
use crate::clock::Clock;
use crate::inspect::Error;
use crate::inspect::gather::{Listed, Reader, refused};

const NAME: &str = "app.kubernetes.io/name";
/// As `--lease-name` has it by default.
const LEASE: &str = "dislodge";

pub(super) async fn gather(
    client: &Client,
    home: &str,
    namespace: Option<&str>,
    clock: Clock,
) -> Result<Facts, Error> {
    let (server, date) = server(client).await?;
    let here = clock.wall();
    let reader = Reader { client, namespace };
    let queues = reader.try_list::<LocalQueue>().await?;
    let kueue_is_served = !matches!(queues, Listed::Absent);
    Ok(Facts {
        home: home.to_owned(),
        server,
        clock_ahead: date.map(|date| here.duration_since(date)),
        now: date.unwrap_or(here),
        crd: definition(client).await?,
        guard: guard(client).await?,
        lease: lease(client, home).await?,
        installations: installations(client).await?,
        heartbeats: heartbeats(client).await?,
        rights: granted(client, home, namespace).await?,
        kueue: kueue(client).await?,
        kueue_is_served,
        deschedulers: deschedulers(client).await?,
        policies: read(
            reader.try_list::<Policy>().await?,
            "list imagepullpolicies.dislodge.dev in all namespaces (-n names one)",
        ),
        queues: read(queues, "list localqueues.kueue.x-k8s.io in all namespaces (-n names one)"),
    })
}

fn read<T>(listed: Listed<T>, missing: &'static str) -> Read<Vec<T>> {
    match listed {
        Listed::Whole(all) => Read::There(all),
        Listed::Absent => Read::Absent,
        Listed::Forbidden => Read::Forbidden(missing),
    }
}

/// What became of a request. All but a missing object and a missing right is an error.
pub(super) fn answered<T>(
    what: &str,
    missing: &'static str,
    answer: Result<T, kube::Error>,
) -> Result<Read<T>, Error> {
    match answer {
        Ok(there) => Ok(Read::There(there)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Read::Absent),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Read::Forbidden(missing)),
        Err(error) => Err(refused(what, &error)),
    }
}

impl<T> Read<T> {
    fn map<U>(self, made: impl FnOnce(T) -> U) -> Read<U> {
        match self {
            Self::There(there) => Read::There(made(there)),
            Self::Absent => Read::Absent,
            Self::Forbidden(missing) => Read::Forbidden(missing),
        }
    }
}

async fn definition(client: &Client) -> Result<Read<Value>, Error> {
    let all: Api<CustomResourceDefinition> = Api::all(client.clone());
    let missing = "get customresourcedefinitions.apiextensions.k8s.io";
    let name = format!("{}.{}", api::PLURAL, api::GROUP);
    Ok(answered("the CRD", missing, all.get(&name).await)?.map(json))
}

fn json(object: impl Serialize) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

async fn guard(client: &Client) -> Result<Read<Value>, Error> {
    let all: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let missing = "list validatingadmissionpolicies.admissionregistration.k8s.io";
    let dislodge = ListParams::default().labels(&format!("{NAME}=dislodge"));
    let found = answered("the guard", missing, all.list(&dislodge).await)?;
    Ok(match found {
        Read::There(list) => match list.items.into_iter().next() {
            Some(policy) => Read::There(json(policy)),
            None => Read::Absent,
        },
        Read::Absent => Read::Absent,
        Read::Forbidden(missing) => Read::Forbidden(missing),
    })
}

async fn lease(client: &Client, home: &str) -> Result<Read<Lease>, Error> {
    let all: Api<KubeLease> = Api::namespaced(client.clone(), home);
    let missing = "get leases.coordination.k8s.io in the namespace of Dislodge";
    let lease = answered("the controller's Lease", missing, all.get(LEASE).await)?;
    Ok(lease.map(|lease| {
        let spec = lease.spec.unwrap_or_default();
        Lease {
            holder: spec.holder_identity,
            renewed: spec.renew_time.map(|time| time.0),
            seconds: spec.lease_duration_seconds.unwrap_or(0),
        }
    }))
}

async fn installations(client: &Client) -> Result<Read<Vec<Installation>>, Error> {
    let found = deployments(client, "dislodge").await?;
    Ok(found.map(|all| {
        let installation = |deployment: Deployment| {
            let namespace = deployment.namespace().unwrap_or_default();
            let spec = deployment.spec;
            let pod = spec.template.spec.unwrap_or_default();
            let container = pod.containers.into_iter().next().unwrap_or_default();
            let arguments = container.args.unwrap_or_default();
            Installation {
                namespace,
                image: container.image.unwrap_or_default(),
                wanted: spec.replicas.unwrap_or(1),
                ready: deployment.status.and_then(|status| status.ready_replicas).unwrap_or(0),
                namespaced: arguments.iter().any(|word| word.starts_with("--namespace")),
            }
        };
        all.into_iter().map(installation).collect()
    }))
}

async fn deployments(client: &Client, name: &str) -> Result<Read<Vec<Deployment>>, Error> {
    let all: Api<Deployment> = Api::all(client.clone());
    let named = ListParams::default().labels(&format!("{NAME}={name}"));
    let missing = "list deployments.apps in all namespaces";
    Ok(answered("Deployments", missing, all.list(&named).await)?.map(|list| list.items))
}

async fn heartbeats(client: &Client) -> Result<Read<BTreeMap<String, Timestamp>>, Error> {
    let all: Api<KubeLease> = Api::namespaced(client.clone(), "kube-node-lease");
    let missing = "list leases.coordination.k8s.io in namespace kube-node-lease";
    let leases = answered("the nodes' Leases", missing, all.list(&ListParams::default()).await)?;
    Ok(leases.map(|leases| {
        let beat = |lease: KubeLease| {
            let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
            renewed.map(|time| (lease.name_any(), time.0))
        };
        leases.items.into_iter().filter_map(beat).collect()
    }))
}

/// Kueue, by the label and the ConfigMap of its own manifests and of its chart.
async fn kueue(client: &Client) -> Result<Read<Kueue>, Error> {
    let deployment = match deployments(client, "kueue").await? {
        Read::Forbidden(missing) => return Ok(Read::Forbidden(missing)),
        Read::Absent => None,
        Read::There(all) => all.into_iter().find(|it| it.name_any().contains("controller-manager")),
    };
    let Some(deployment) = deployment else { return Ok(Read::Absent) };
    let namespace = deployment.namespace().unwrap_or_default();
    let pod = deployment.spec.template.spec;
    let images = pod.into_iter().flat_map(|pod| pod.containers).filter_map(|it| it.image);
    let version = images.filter_map(|image| {
        let (_, tag) = image.split('@').next()?.rsplit_once(':')?;
        tag.starts_with('v').then(|| tag.to_owned())
    });
    let version = version.into_iter().next();
    let all: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let missing = "get configmaps in the namespace of Kueue";
    let found = answered("Kueue's configuration", missing, all.get("kueue-manager-config").await)?;
    let configuration = match found {
        Read::There(map) => {
            let text = map.data.and_then(|mut data| data.remove("controller_manager_config.yaml"));
            let text = text.unwrap_or_default();
            serde_saphyr::from_str(&text).map_or(Read::Absent, Read::There)
        }
        Read::Absent => Read::Absent,
        Read::Forbidden(missing) => Read::Forbidden(missing),
    };
    Ok(Read::There(Kueue { version, configuration }))
}

/// The ConfigMaps of deschedulers that name a pull of an image as a state to evict in.
async fn deschedulers(client: &Client) -> Result<Read<Vec<String>>, Error> {
    let all: Api<ConfigMap> = Api::all(client.clone());
    let named = ListParams::default().labels(&format!("{NAME}=descheduler"));
    let missing = "list configmaps in all namespaces";
    let maps = answered("the descheduler's policy", missing, all.list(&named).await)?;
    Ok(maps.map(|maps| {
        let evicts = |map: &ConfigMap| {
            let texts = map.data.iter().flat_map(BTreeMap::values);
            texts.into_iter().any(|text| text.contains("ImagePull"))
        };
        let evicting = maps.items.iter().filter(|map| evicts(map));
        evicting
            .map(|map| format!("{}/{}", map.namespace().unwrap_or_default(), map.name_any()))
            .collect()
    }))
}
