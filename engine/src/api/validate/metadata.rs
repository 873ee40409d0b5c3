//! The name of an object (apimachinery `pkg/api/validation/objectmeta.go`).

use serde_json::Value;

use super::rules::is_dns_subdomain;
use super::{Problem, Refusals};
use crate::api::bounds;

/// The server's words for a name that is none.
const NO_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]\
    ([-a-z0-9]*[a-z0-9])?)*')";

/// Checks the name. `generateName` is what the server makes one of.
pub(super) fn check(object: &Value, refusals: &mut Refusals) {
    let text = |field: &str| object.pointer(field).and_then(Value::as_str).unwrap_or_default();
    let (name, generated) = (text("/metadata/name"), text("/metadata/generateName"));
    if name.is_empty() {
        if generated.is_empty() {
            let why = "name or generateName is required".to_owned();
            refusals.add("metadata.name", Problem::Required(Some(why)));
        }
        return;
    }
    let mut invalid = |text: String| {
        let value = Some(Value::from(name));
        refusals.add("metadata.name", Problem::Rule { value, text });
    };
    if name.len() > bounds::OBJECT_NAME {
        invalid(format!("must be no more than {} bytes", bounds::OBJECT_NAME));
    }
    if !is_dns_subdomain(name) {
        invalid(NO_SUBDOMAIN.to_owned());
    }
}
