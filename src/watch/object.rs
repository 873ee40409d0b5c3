//! The core's slim objects as kube's watcher wants them.

use std::borrow::Cow;

use dislodge_engine::objects::Object;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::kinds::Followed;

/// An object of the core, and the little metadata that the watcher reads.
#[derive(Clone, Debug)]
pub struct Watched<T> {
    /// The version; of an object that cannot be read namespace and name, too.
    meta: ObjectMeta,
    /// The object, or why it cannot be read: one such object must not hide all others.
    pub object: Result<T, String>,
}

impl<T: Object> Watched<T> {
    /// Namespace and name, for log lines.
    pub fn key(&self) -> String {
        if let Ok(object) = &self.object {
            return object.meta().key().to_string();
        }
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        format!("{}/{}", part(&self.meta.namespace), part(&self.meta.name))
    }
}

impl<T: Object> From<T> for Watched<T> {
    fn from(object: T) -> Self {
        let resource_version = Some(object.meta().resource_version.clone());
        Self { meta: ObjectMeta { resource_version, ..ObjectMeta::default() }, object: Ok(object) }
    }
}

impl<T: Followed> Watched<T> {
    /// Reads one, straight from its text: a Pod is half managed fields, which are passed over.
    ///
    /// # Errors
    ///
    /// Where it is one of Kubernetes' own kinds and cannot be read, or not even its name can.
    pub(super) fn read(text: &str) -> Result<Self, serde_json::Error> {
        match serde_json::from_str::<T>(text) {
            Ok(object) => Ok(Self::from(object)),
            Err(error) if T::BUILT_IN => Err(error),
            Err(error) => {
                let Skeleton { metadata } = serde_json::from_str(text)?;
                let meta = ObjectMeta {
                    name: metadata.name,
                    namespace: metadata.namespace,
                    resource_version: metadata.resource_version,
                    ..ObjectMeta::default()
                };
                Ok(Self { meta, object: Err(error.to_string()) })
            }
        }
    }

    /// The version; `None`: it tells none.
    pub(super) fn version(&self) -> Option<&str> {
        self.meta.resource_version.as_deref().filter(|version| !version.is_empty())
    }
}

impl<'de, T: Followed> Deserialize<'de> for Watched<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if T::BUILT_IN {
            return T::deserialize(deserializer).map(Self::from);
        }
        // Its text first, so that what cannot be read is not all that is known of it.
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Self::read(text.get()).map_err(serde::de::Error::custom)
    }
}

/// What is read of an object that cannot be read.
#[derive(Deserialize)]
struct Skeleton {
    #[serde(default)]
    metadata: Named,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Named {
    name: Option<String>,
    namespace: Option<String>,
    resource_version: Option<String>,
}

impl<T: Followed> Resource for Watched<T> {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use dislodge_engine::objects::{Pod, Policy, Workload};
    use kube::ResourceExt;
    use kube::core::WatchEvent;

    use super::*;

    const UID: &str = "5e7595d6-d828-4f9a-81e2-13e9233e05fc";

    fn event<T: Followed>(object: &str) -> Watched<T> {
        let line = format!(r#"{{"type":"MODIFIED","object":{object}}}"#);
        let WatchEvent::Modified(watched) = serde_json::from_str(&line).unwrap() else {
            panic!("another event was decoded: {line}");
        };
        watched
    }

    #[test]
    fn a_pod_keeps_what_the_watcher_and_the_core_read() {
        let watched: Watched<Pod> = event(&format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p","namespace":"a",
            "uid":"{UID}","resourceVersion":"7","managedFields":[{{"manager":"kubelet",
            "operation":"Update","subresource":"status","time":"2026-01-01T00:00:00Z",
            "fieldsV1":{{"f:status":{{}}}}}}]}},"spec":{{"nodeName":"n"}},"status":{{}}}}"#
        ));
        assert_eq!(watched.resource_version().as_deref(), Some("7"));
        assert_eq!(watched.key(), "a/p");
        let pod = watched.object.unwrap();
        assert_eq!(pod.spec.node_name, "n");
        assert!(pod.metadata.kubelet_wrote.is_some());
    }

    #[test]
    fn a_custom_resource_that_cannot_be_read_is_still_seen() {
        let watched: Watched<Workload> = event(
            r#"{"metadata":{"name":"w","namespace":"a","resourceVersion":"8"},
            "spec":{"active":"maybe"}}"#,
        );
        assert_eq!(watched.resource_version().as_deref(), Some("8"));
        assert!(watched.object.unwrap_err().contains("maybe"));
    }

    #[test]
    fn a_policy_whose_spec_is_of_another_version_is_told_to_the_core() {
        let watched: Watched<Policy> = event(
            r#"{"metadata":{"name":"p","namespace":"a","resourceVersion":"8"},"spec":{"mode":7}}"#,
        );
        assert!(watched.object.unwrap().spec.is_err());
    }
}
