//! Readers that keep what the core needs and pass over the rest while they read.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Labels;
use crate::keys;

/// A text that is looked at and dropped: borrowed from what is read, wherever that has it as it is.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Labels or annotations, less the keys that nobody reads.
pub(super) fn known_keys<'de, D>(deserializer: D) -> Result<Labels, D::Error>
where
    D: Deserializer<'de>,
{
    struct Known;
    impl<'de> Visitor<'de> for Known {
        type Value = Labels;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of strings")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Labels::default())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut kept = Vec::new();
            while let Some(Text(key)) = map.next_key()? {
                if keys::is_read(&key) {
                    let Text(value) = map.next_value()?;
                    kept.push((key, value));
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(kept.into_iter().collect())
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
    struct Entry<'a> {
        #[serde(borrow, default)]
        manager: Text<'a>,
        #[serde(borrow, default)]
        subresource: Text<'a>,
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
            while let Some(entry) = seq.next_element::<Entry<'de>>()? {
                // Distributions that link the kubelet into a binary of another name write under that
                // name; nobody else owns the states of containers.
                let status = &entry.fields.status;
                let owns = status.containers.is_some() || status.init_containers.is_some();
                if entry.subresource.0 == "status" && (entry.manager.0 == "kubelet" || owns) {
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
        kind: Text<'a>,
        #[serde(borrow, default)]
        status: Text<'a>,
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
                found |= entry.kind.0 == keys::POD_CONDITION && entry.status.0 == "True";
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

/// The same for what is kept: a list takes no more room than it has items.
pub(super) fn kept_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let mut all: Vec<T> = list(deserializer)?;
    all.shrink_to_fit();
    Ok(all)
}
