//! `ImagePullPolicy` as an object that `kube` lists, watches and writes.

use std::borrow::Cow;

use dislodge_engine::api::{self, ImagePullPolicySpec, ImagePullPolicyStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{NamespaceResourceScope, Resource};
use serde::de::{DeserializeOwned, Deserializer};
use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A policy as the API server has it.
///
/// Decoding it never fails because of its spec or status: one object that an older or newer CRD
/// let in must not end the watch of all the others.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ImagePullPolicy {
    /// Name, namespace, generation and the like.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What people wrote.
    #[serde(default)]
    pub spec: Stored<ImagePullPolicySpec>,
    /// What the controller wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Stored<ImagePullPolicyStatus>>,
}

impl ImagePullPolicy {
    /// A policy of this name, to be created.
    pub fn new(name: &str, spec: ImagePullPolicySpec) -> Self {
        Self {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            spec: spec.into(),
            status: None,
        }
    }

    /// The status, where there is one that can be read.
    pub fn readable_status(&self) -> Option<&ImagePullPolicyStatus> {
        self.status.as_ref().and_then(|status| status.read().ok())
    }
}

/// A part of an object as it is stored: read, or kept as it is with the reason why it cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored<T> {
    /// It was read.
    Read(Box<T>),
    /// It cannot be read by this version of Dislodge.
    Unreadable {
        /// What is stored.
        value: Value,
        /// What is wrong with it.
        error: String,
    },
}

impl<T> Stored<T> {
    /// The value.
    ///
    /// # Errors
    /// What is wrong with the stored value, where it cannot be read.
    pub fn read(&self) -> Result<&T, &str> {
        match self {
            Self::Read(value) => Ok(value),
            Self::Unreadable { error, .. } => Err(error),
        }
    }
}

impl<T> From<T> for Stored<T> {
    fn from(value: T) -> Self {
        Self::Read(Box::new(value))
    }
}

/// A part that is missing although it is required.
impl<T> Default for Stored<T> {
    fn default() -> Self {
        Self::Unreadable { value: Value::Null, error: "it is missing".to_owned() }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Stored<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(match T::deserialize(&value) {
            Ok(read) => read.into(),
            Err(error) => Self::Unreadable { error: error.to_string(), value },
        })
    }
}

impl<T: Serialize> Serialize for Stored<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Read(value) => value.serialize(serializer),
            Self::Unreadable { value, .. } => value.serialize(serializer),
        }
    }
}

impl Serialize for ImagePullPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct(api::KIND, 5)?;
        object.serialize_field("apiVersion", api::API_VERSION)?;
        object.serialize_field("kind", api::KIND)?;
        object.serialize_field("metadata", &self.metadata)?;
        object.serialize_field("spec", &self.spec)?;
        match &self.status {
            Some(status) => object.serialize_field("status", status)?,
            None => object.skip_field("status")?,
        }
        object.end()
    }
}

impl Resource for ImagePullPolicy {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        api::KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        api::GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        api::VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        api::PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use kube::core::ObjectList;
    use serde_json::json;

    use super::*;
    use dislodge_engine::api::QueueRef;

    #[test]
    fn one_policy_that_cannot_be_read_leaves_the_others_of_the_list_readable() {
        let object = |name: &str, spec: Value| json!({"apiVersion": api::API_VERSION, "kind": api::KIND, "metadata": {"name": name}, "spec": spec});
        let good = json!({"queues": [{"kind": "NoQueue"}]});
        let list: ObjectList<ImagePullPolicy> = serde_json::from_value(json!({
            "apiVersion": api::API_VERSION,
            "kind": "ImagePullPolicyList",
            "metadata": {},
            "items": [
                object("before", good.clone()),
                object("strange", json!({"mode": "Later", "queues": []})),
                object("empty", Value::Null),
                object("after", good),
            ],
        }))
        .unwrap();
        let read: Vec<Result<&ImagePullPolicySpec, &str>> =
            list.items.iter().map(|policy| policy.spec.read()).collect();
        let expected = ImagePullPolicySpec::for_queues(vec![QueueRef::no_queue()]);
        assert_eq!(read[0], Ok(&expected));
        assert!(read[1].is_err_and(|error| error.contains("Later")), "{read:?}");
        assert!(read[2].is_err(), "{read:?}");
        assert_eq!(read[3], Ok(&expected));
    }

    #[test]
    fn what_cannot_be_read_is_written_back_as_it_was() {
        let stored = json!({
            "apiVersion": api::API_VERSION,
            "kind": api::KIND,
            "metadata": {"name": "strange"},
            "spec": {"mode": "Later"},
            "status": {"heldJobs": "many"},
        });
        let policy: ImagePullPolicy = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(policy.readable_status(), None);
        assert_eq!(serde_json::to_value(policy).unwrap(), stored);
    }

    #[test]
    fn an_object_without_spec_decodes_and_says_so() {
        let policy: ImagePullPolicy = serde_json::from_value(json!({"metadata": {}})).unwrap();
        assert_eq!(policy.spec.read(), Err("it is missing"));
    }
}
