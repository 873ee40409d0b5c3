//! Readers that keep what the core needs and pass over the rest while they read.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::keys;

/// Labels or annotations, less the keys that nobody reads.
pub(super) fn known_keys<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    struct Known;
    impl<'de> Visitor<'de> for Known {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of strings")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut kept = BTreeMap::new();
            while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                if keys::is_read(&key) {
                    kept.insert(key.into_owned(), map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(kept)
        }
    }
    deserializer.deserialize_any(Known)
}

/// The time of the kubelet's newest status write out of `managedFields`, in whole seconds as
/// the API server stores it. Everything else in there, half of a Pod's bytes, is passed over.
pub(super) fn kubelet_write<'de, D>(deserializer: D) -> Result<Option<Timestamp>, D::Error>
where
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default)]
        manager: String,
        #[serde(default)]
        subresource: String,
        time: Option<Timestamp>,
        #[serde(default, rename = "fieldsV1")]
        fields: Fields,
    }

    #[derive(Default, Deserialize)]
    struct Fields {
        #[serde(default, rename = "f:status")]
        status: StatusFields,
    }

    #[derive(Default, Deserialize)]
    struct StatusFields {
        #[serde(rename = "f:containerStatuses")]
        containers: Option<IgnoredAny>,
        #[serde(rename = "f:initContainerStatuses")]
        init_containers: Option<IgnoredAny>,
    }

    struct Entries;
    impl<'de> Visitor<'de> for Entries {
        type Value = Option<Timestamp>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of managed fields")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut newest = None;
            while let Some(entry) = seq.next_element::<Entry>()? {
                // Distributions that link the kubelet into a binary of another name write under that
                // name; nobody else owns the states of containers.
                let status = &entry.fields.status;
                let owns = status.containers.is_some() || status.init_containers.is_some();
                if entry.subresource == "status" && (entry.manager == "kubelet" || owns) {
                    newest = newest.max(entry.time);
                }
            }
            Ok(newest)
        }
    }
    deserializer.deserialize_any(Entries)
}

/// Whether our condition is among a Pod's, and holds. The others are passed over.
pub(super) fn our_condition<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    struct Entry<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: std::borrow::Cow<'a, str>,
        #[serde(borrow, default)]
        status: std::borrow::Cow<'a, str>,
    }

    struct Conditions;
    impl<'de> Visitor<'de> for Conditions {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of conditions")
        }

        fn visit_unit<E>(self) -> Result<bool, E> {
            Ok(false)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
            let mut found = false;
            while let Some(entry) = seq.next_element::<Entry<'de>>()? {
                found |= entry.kind == keys::POD_CONDITION && entry.status == "True";
            }
            Ok(found)
        }
    }
    deserializer.deserialize_any(Conditions)
}

/// A list that is empty where the field is absent or `null`.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}
