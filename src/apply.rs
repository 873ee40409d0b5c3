//! The only writer of other people's objects: levers and Pods.
//!
//! Each write is sent once. One that is refused or gets no answer is decided anew by the engine,
//! which by then may know better.

use std::future::Future;
use std::time::Duration;

use dislodge_engine::effect::{Outcome, Patch, Target};

use crate::clock::Clock;
use crate::dispatch::Writer;
use crate::request::{Accepted, Refused, Request};

/// Patches an object, pinned as the target says, and not after `until`.
///
/// # Errors
///
/// Where the patch was refused, came too late or got no answer.
pub async fn patch(
    target: &Target,
    patch: &Patch,
    until: Option<Duration>,
    writer: &Writer,
) -> Result<Accepted, Refused> {
    let request = Request::patch(target, patch, &writer.versions);
    in_time(until, &writer.clock, request.send(&writer.client)).await
}

/// Patches a Pod, our condition first, then deletes the Pod as it was left by that: where the kubelet has
/// written in between, the Pod may just have started, and stays. Nothing is done after `until`: while a
/// pull runs the kubelet writes nothing, and the version would not tell.
///
/// # Errors
///
/// Where one of them was refused, came too late or got no answer.
pub async fn end_pod(
    target: &Target,
    patches: &[Patch],
    until: Option<Duration>,
    writer: &Writer,
) -> Result<Accepted, Refused> {
    let (target, _) = patch_pod(target, patches, until, writer).await?;
    let request = Request::delete(&target, target.resource_version.as_deref(), &writer.versions);
    in_time(until, &writer.clock, request.send(&writer.client)).await
}

/// Patches a Pod several times, each time as it was left by the last. Returns how it was left.
///
/// # Errors
///
/// As [`end_pod`].
async fn patch_pod(
    target: &Target,
    patches: &[Patch],
    until: Option<Duration>,
    writer: &Writer,
) -> Result<(Target, Accepted), Refused> {
    let mut target = target.clone();
    let mut last = Accepted { resource_version: target.resource_version.clone() };
    for patch in patches {
        last = self::patch(&target, patch, until, writer).await?;
        if last.resource_version.is_none() {
            // Without it the next write could meet a Pod that has started.
            let why = "the API server's answer to the patch names no resourceVersion";
            return Err(Refused::unsent(Outcome::Unavailable, why));
        }
        target.resource_version.clone_from(&last.resource_version);
    }
    Ok((target, last))
}

/// Sends only while the moment lasts, and waits for the answer no longer.
async fn in_time(
    until: Option<Duration>,
    clock: &Clock,
    send: impl Future<Output = Result<Accepted, Refused>>,
) -> Result<Accepted, Refused> {
    let Some(until) = until else { return send.await };
    let left = until.saturating_sub(clock.elapsed());
    if left.is_zero() {
        return Err(Refused::unsent(Outcome::TooLate, "the safe moment was over"));
    }
    tokio::time::timeout(left, send).await.unwrap_or_else(|_| {
        let why = format!("no answer in the {left:?} that were left of the safe moment");
        Err(Refused::unsent(Outcome::Unavailable, why))
    })
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sent_after_its_moment_nor_waited_for_beyond_it() {
        let clock = Clock::start();
        tokio::time::advance(Duration::from_secs(3)).await;
        let sent = || Ok(Accepted { resource_version: None });
        for (until, expected) in
            [(None, Ok(())), (Some(4), Ok(())), (Some(3), Err(Outcome::TooLate))]
        {
            let until = until.map(Duration::from_secs);
            let answer = in_time(until, &clock, ready(sent())).await;
            assert_eq!(answer.map(drop).map_err(|refused| refused.outcome), expected, "{until:?}");
        }
        let answer = in_time(Some(Duration::from_secs(5)), &clock, pending()).await;
        assert_eq!(answer.map_err(|refused| refused.outcome), Err(Outcome::Unavailable));
        assert_eq!(clock.elapsed().as_secs(), 5);
    }
}
