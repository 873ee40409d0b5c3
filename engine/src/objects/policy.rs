//! Policies, as they were read.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Meta;
use crate::api::ImagePullPolicySpec;
use crate::api::ImagePullPolicyStatus;

/// An `ImagePullPolicy` of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "PolicyOnTheWire", into = "PolicyOnTheWire")]
pub struct Policy {
    /// The metadata.
    pub metadata: Meta,
    /// What it asks for, or why that cannot be read (it was stored under another version of the
    /// CRD): one such object must not hide all others.
    pub spec: Result<ImagePullPolicySpec, String>,
    /// What we said of it last; the default where that cannot be read.
    pub status: ImagePullPolicyStatus,
}

#[derive(Serialize, Deserialize)]
struct PolicyOnTheWire {
    metadata: Meta,
    spec: Value,
    /// Why the spec could not be read, in a recording: the spec itself is not kept then. No API server
    /// sends it, since it drops what the schema does not name.
    #[serde(default, rename = "specError", skip_serializing_if = "Option::is_none")]
    spec_error: Option<String>,
    #[serde(default)]
    status: Value,
}

impl From<PolicyOnTheWire> for Policy {
    fn from(wire: PolicyOnTheWire) -> Self {
        let spec = match wire.spec_error {
            Some(error) => Err(error),
            None => serde_json::from_value(wire.spec).map_err(|error| error.to_string()),
        };
        let status = serde_json::from_value(wire.status).unwrap_or_default();
        Self { metadata: wire.metadata, spec, status }
    }
}

impl From<Policy> for PolicyOnTheWire {
    fn from(policy: Policy) -> Self {
        // Neither has a map whose keys are no text, so that both can be written.
        let (spec, spec_error) = match policy.spec {
            Ok(spec) => (serde_json::to_value(spec).unwrap_or_default(), None),
            Err(error) => (Value::Null, Some(error)),
        };
        let status = serde_json::to_value(policy.status).unwrap_or_default();
        Self { metadata: policy.metadata, spec, spec_error, status }
    }
}
