//! The only writer of what is ours: policy status, Events, and the owner's explanation.
//!
//! Nothing waits for these, so they are repeated for a while where the API server is busy or away.

mod event;

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use dislodge_engine::api::{BudgetUse, ImagePullPolicyStatus};
use dislodge_engine::effect::{Event, Merge, Outcome, Part, Patch, Target};
use serde_json::{Value, json};

use crate::dispatch::Writer;
use crate::request::{Accepted, Refused, Request};

/// How long a write is repeated before the engine is told that it failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tells the owner on the owner's object, or takes the word back.
///
/// # Errors
///
/// Where it was refused, or failed until patience ended.
pub async fn explain(target: &Target, patch: &Patch, writer: &Writer) -> Result<Accepted, Refused> {
    persistently(&Request::patch(target, patch, &writer.versions), writer).await
}

/// Publishes an Event. That it has been published already is an outcome of its own.
///
/// # Errors
///
/// Where it was refused, or failed until patience ended.
pub async fn publish(event: &Event, writer: &Writer) -> Result<Accepted, Refused> {
    let request = event::request(event, &writer.identity, writer.clock.wall(), &writer.versions);
    persistently(&request, writer).await
}

/// Writes a policy's status, all but the budget: that is written by [`reserve`] alone.
///
/// # Errors
///
/// Where it was refused, or failed until patience ended.
pub async fn write_status(
    target: &Target,
    status: &ImagePullPolicyStatus,
    writer: &Writer,
) -> Result<Accepted, Refused> {
    let Value::Object(mut fields) = json!(status) else {
        return Err(Refused::unsent(Outcome::Rejected, "a status that is no object"));
    };
    fields.remove("budget"); // what a leader of before writes late must not set it back
    persistently(&Request::status(target, &fields, &writer.versions), writer).await
}

/// Reserves slots of a policy's budget. Sent once: an action waits for it, and the engine decides
/// anew where it fails.
///
/// # Errors
///
/// Where it was refused or got no answer.
pub async fn reserve(
    target: &Target,
    budget: &BudgetUse,
    writer: &Writer,
) -> Result<Accepted, Refused> {
    let body = json!({"status": {"budget": budget}});
    let patch = Patch { merge: Merge::Json, part: Part::Status, body };
    Request::patch(target, &patch, &writer.versions).send(&writer.client).await
}

async fn persistently(request: &Request, writer: &Writer) -> Result<Accepted, Refused> {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(8))
        .with_total_delay(Some(PATIENCE))
        .without_max_times()
        .with_jitter();
    let send = || async {
        // A permit for the request alone: one that waits for its next try keeps nobody out.
        let _permit = writer.reports.acquire().await;
        request.send(&writer.client).await
    };
    send.retry(pauses).when(Refused::is_transient).adjust(pause).await
}

/// The pause before the next try: what the API server asked for where that is longer, no try at
/// all where it is longer than our patience.
fn pause(refused: &Refused, planned: Option<Duration>) -> Option<Duration> {
    let pause = planned?.max(refused.retry_after.unwrap_or_default());
    (pause <= PATIENCE).then_some(pause)
}

#[cfg(test)]
mod tests {
    use dislodge_engine::effect::Outcome;

    use super::*;

    #[test]
    fn the_api_server_is_left_alone_for_as_long_as_it_asks_but_not_for_ever() {
        let refused = |seconds: Option<u64>| Refused {
            outcome: Outcome::Throttled,
            message: String::new(),
            retry_after: seconds.map(Duration::from_secs),
        };
        let second = Duration::from_secs(1);
        assert_eq!(pause(&refused(None), Some(second)), Some(second));
        assert_eq!(pause(&refused(Some(5)), Some(second)), Some(second * 5));
        assert_eq!(pause(&refused(Some(600)), Some(second)), None);
        assert_eq!(pause(&refused(Some(5)), None), None);
    }
}
