//! The only writer of other people's objects: levers and Pods.
//!
//! Each write is sent once. One that is refused or gets no answer is decided anew by the engine,
//! which by then may know better.

use dislodge_engine::effect::{Outcome, Patch, Target};

use crate::dispatch::Writer;
use crate::request::{Accepted, Refused, Request};

/// Patches an object, pinned as the target says.
///
/// # Errors
///
/// Where the patch was refused or got no answer.
pub async fn patch(target: &Target, patch: &Patch, writer: &Writer) -> Result<Accepted, Refused> {
    Request::patch(target, patch, &writer.versions).send(&writer.client).await
}

/// Sets our condition on a Pod, then deletes the Pod as it was left by that: where the kubelet has
/// written in between, the Pod may just have started, and stays.
///
/// # Errors
///
/// Where one of the two was refused or got no answer.
pub async fn end_pod(target: &Target, patch: &Patch, writer: &Writer) -> Result<Accepted, Refused> {
    let marked = self::patch(target, patch, writer).await?;
    let Some(version) = marked.resource_version.as_deref() else {
        // Without it the deletion could meet a Pod that has started.
        return Err(Refused {
            outcome: Outcome::Unavailable,
            message: "the API server's answer to the patch names no resourceVersion".to_owned(),
            retry_after: None,
        });
    };
    Request::delete(target, Some(version), &writer.versions).send(&writer.client).await
}
