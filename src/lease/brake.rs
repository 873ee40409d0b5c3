//! The operators' word on the Lease, as soon as it stands there. The renewals read it as well, every 2 s; this is for
//! whoever pauses and means at once.

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use tokio::sync::watch;

use super::paused;
use crate::clock::Clock;

/// How long one watch lasts: the API server ends it then. Below the 300 s after which proxies like to.
const LASTS: u32 = 290;
/// The pause before it is asked for again.
const AGAIN: Duration = Duration::from_secs(5);

/// What operators have written on the Lease, from now on: each change is sent. Ends with whoever listens.
pub(super) async fn follow(
    api: Api<Lease>,
    name: &str,
    clock: Clock,
    word: watch::Sender<Option<String>>,
) {
    let params = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(LASTS);
    while !word.is_closed() {
        // From `0` on: what stands there now comes first, out of the API server's cache.
        if let Ok(events) = api.watch(&params, "0").await {
            let mut events = std::pin::pin!(events);
            while let Some(Ok(event)) = events.next().await {
                let (WatchEvent::Added(lease) | WatchEvent::Modified(lease)) = event else {
                    continue;
                };
                let now = paused(&lease);
                word.send_if_modified(|before| {
                    let is_news = *before != now;
                    *before = now;
                    is_news
                });
            }
        }
        // Ended as it should, refused, or cut: until it is there again the renewals tell.
        clock.sleep_until(clock.elapsed() + AGAIN).await;
    }
}
