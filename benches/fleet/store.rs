//! What a controller has by default: kube's reflectors, each with a store of whole objects.

use std::fmt::Debug;
use std::hash::Hash;

use dislodge_testbed::kubeconfig;
use futures::StreamExt as _;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::{WatchStreamExt as _, reflector, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::Failure;

/// Reflects until the server ends.
pub(crate) async fn run(server: &str) -> Result<(), Failure> {
    let client = kubeconfig::plain_client(server)?;
    let workload = GroupVersionKind::gvk("kueue.x-k8s.io", "v1beta2", "Workload");
    let workload = ApiResource::from_gvk(&workload);
    tokio::join!(
        reflect(Api::<Pod>::all(client.clone()), ()),
        reflect(Api::<Job>::all(client.clone()), ()),
        reflect(Api::<Node>::all(client.clone()), ()),
        reflect(Api::<DynamicObject>::all_with(client, &workload), workload.clone()),
    );
    Ok(())
}

async fn reflect<K>(api: Api<K>, kind: K::DynamicType)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Clone + Eq + Hash,
{
    let (_store, writer) = {
        let writer = reflector::store::Writer::new(kind);
        (writer.as_reader(), writer)
    };
    let mut events =
        Box::pin(reflector(writer, watcher(api, watcher::Config::default())).touched_objects());
    while events.next().await.is_some() {}
}
