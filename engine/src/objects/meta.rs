//! Metadata that every object has.

use std::num::NonZeroU64;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Labels, Uid, Word, decode, encode};

/// Namespace and name; the namespace is empty for cluster-scoped objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// A key out of its two parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What the core reads of an object's metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// The name.
    pub name: String,
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// The uid.
    pub uid: Uid,
    /// The version that a write can be pinned to.
    pub resource_version: String,
    /// How often the spec changed.
    pub generation: i64,
    /// When the API server stored it first.
    pub creation_timestamp: Option<Timestamp>,
    /// Set while it is being deleted.
    pub deletion_timestamp: Option<Timestamp>,
    /// The labels that are read ([`crate::keys::is_read`]).
    #[serde(deserialize_with = "decode::known_keys")]
    pub labels: Labels,
    /// The annotations that are read ([`crate::keys::is_read`]).
    #[serde(deserialize_with = "decode::known_keys")]
    pub annotations: Labels,
    /// The owners.
    #[serde(deserialize_with = "decode::kept_list")]
    pub owner_references: Vec<OwnerReference>,
    /// When the kubelet last wrote the status, in whole seconds.
    #[serde(
        rename = "managedFields",
        deserialize_with = "decode::kubelet_write",
        serialize_with = "encode::kubelet_write"
    )]
    pub kubelet_wrote: Option<Timestamp>,
}

impl Meta {
    /// Namespace and name.
    pub fn key(&self) -> Key {
        Key::new(self.namespace.clone(), self.name.clone())
    }

    /// The version as a number, where it is one: etcd's revisions are (Kubernetes: KEP-5504). It is only
    /// told apart from others.
    pub fn version_number(&self) -> Option<NonZeroU64> {
        version_number(&self.resource_version)
    }

    /// An annotation's value.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key)
    }

    /// A label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key)
    }

    /// The owner that controls it.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }
}

/// A version as a number ([`Meta::version_number`]).
pub fn version_number(version: &str) -> Option<NonZeroU64> {
    version.parse().ok()
}

/// An owner of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// Group and version of the owner.
    pub api_version: Word,
    /// Kind of the owner.
    pub kind: Word,
    /// Name of the owner, in the same namespace.
    pub name: String,
    /// Uid of the owner.
    pub uid: Uid,
    /// Whether it is the one owner that controls the object.
    pub controller: bool,
}

/// A condition of a status, of any kind of object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// The condition's type.
    #[serde(rename = "type")]
    pub kind: Word,
    /// `True`, `False` or `Unknown`.
    pub status: Word,
    /// One CamelCase word.
    pub reason: Word,
    /// When the status last changed.
    pub last_transition_time: Option<Timestamp>,
}

impl Condition {
    /// The condition of that type, where its status is `True`.
    pub fn find_true<'a>(conditions: &'a [Self], kind: &str) -> Option<&'a Self> {
        conditions.iter().find(|c| c.kind == kind && c.status == "True")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Meta;

    #[test]
    fn the_kubelet_s_write_is_known_by_its_name_or_by_what_it_owns() {
        let entry = |manager: &str, subresource: &str, owns: &str| {
            json!({"manager": manager, "subresource": subresource, "time": "2026-11-24T08:00:00Z",
                   "fieldsV1": {"f:status": {owns: {}}}})
        };
        for (entry, known) in [
            (entry("kubelet", "status", "f:conditions"), true),
            (entry("k3s", "status", "f:containerStatuses"), true),
            (entry("dislodge", "status", "f:conditions"), false),
            (entry("kubelet", "", "f:containerStatuses"), false),
        ] {
            let meta: Meta =
                serde_json::from_value(json!({"managedFields": [entry.clone()]})).unwrap();
            assert_eq!(meta.kubelet_wrote.is_some(), known, "{entry}");
        }
    }
}
