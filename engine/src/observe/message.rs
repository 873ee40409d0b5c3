//! From the words of a container runtime to a cause.
//!
//! Only what is beyond doubt so far: everything else is `Unknown`.

use super::reference;
use crate::cause::Cause;

/// What follows the kubelet's own words in a back-off message (from 1.32 on:
/// `Back-off pulling image "X": ErrImagePull: <message>`).
pub(super) fn repeated(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("Back-off pulling image ")?;
    let rest = rest.strip_prefix('"')?;
    let (_, rest) = rest.split_once("\": ")?;
    Some(rest.split_once(": ").map_or(rest, |(_, message)| message))
}

/// Why a pull failed, by its message. The image is taken out first: its name is no evidence.
pub(super) fn cause(text: &str, image: &str) -> Cause {
    if text == "pull QPS exceeded" {
        return Cause::NodeThrottled;
    }
    let text = reference::blank(text, image).to_ascii_lowercase();
    // An aggregate of several errors takes its most lenient member: here that is never NotFound.
    let aggregate = text.starts_with('[') && text.ends_with(']');
    let missing = ["manifest unknown", "name unknown", "code = notfound"];
    let denying = ["no match for platform", "denied", "unauthorized", "no basic auth", "snapshot"];
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    if !aggregate && !says(&denying) && (says(&missing) || text.ends_with(": not found")) {
        Cause::NotFound
    } else {
        Cause::Unknown
    }
}
