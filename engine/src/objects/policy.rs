//! Policies, as they were read.

use serde::{Deserialize, Deserializer};

use super::Meta;
use crate::api::ImagePullPolicySpec;
use crate::api::ImagePullPolicyStatus;

/// An `ImagePullPolicy` of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Policy {
    /// The metadata.
    pub metadata: Meta,
    /// What it asks for, or why that cannot be read (it was stored under another version of the
    /// CRD): one such object must not hide all others.
    #[serde(deserialize_with = "lenient")]
    pub spec: Result<ImagePullPolicySpec, String>,
    /// What we said of it last; the default where that cannot be read.
    #[serde(default, deserialize_with = "lenient_status")]
    pub status: ImagePullPolicyStatus,
}

fn lenient<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<Result<ImagePullPolicySpec, String>, D::Error> {
    let value = serde_json::Value::deserialize(d)?;
    Ok(serde_json::from_value(value).map_err(|error| error.to_string()))
}

fn lenient_status<'de, D: Deserializer<'de>>(d: D) -> Result<ImagePullPolicyStatus, D::Error> {
    let value = serde_json::Value::deserialize(d)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}
