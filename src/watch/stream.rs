//! One watch: events in, inputs out, and each trouble said once.

use std::pin::pin;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use dislodge_engine::input::{Change, Input};
use dislodge_engine::message::mask;
use futures::StreamExt;
use kube::Api;
use kube::runtime::watcher::{Config, Error, Event, watcher};

use super::Context;
use super::kinds::{Absence, Followed, Source};
use super::object::Watched;
use crate::client::{describe, reason};
use crate::metrics::WatchCounters;

/// Objects a page of a list: 3.6 MB where they are Pods.
const PAGE: u32 = 500;
/// Pause after a first try that fails; it grows up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two tries: an outage that ends is noticed so soon.
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// A watch that has not failed for so long after a failure works.
const QUIET: Duration = Duration::from_secs(20);

/// Why a watch is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The API server no longer serves the kind.
    Vanished,
    /// Nobody takes inputs any more.
    Closed,
}

/// Watches a kind until it vanishes.
pub(super) async fn follow<T: Followed>(api: Api<Watched<T>>, context: &Context) -> Ended {
    let source = T::SOURCE;
    let mut config = Config::default().page_size(PAGE);
    config.field_selector = source.fields.map(str::to_owned);
    let mut trouble = Trouble::new(source, context.scope());
    let count = context.metrics.watch(source.kind);
    loop {
        let mut events = pin!(watcher(api.clone(), config.clone()));
        loop {
            // A watch that is open and has nothing to say says nothing: no news is good news.
            let limit = if trouble.is_over() { Duration::MAX } else { QUIET };
            let event = match tokio::time::timeout(limit, events.next()).await {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(_) => {
                    trouble.over(context);
                    continue;
                }
            };
            let received = context.clock.elapsed();
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    count.failures.inc();
                    if source.absence != Absence::Impossible && code(&error) == Some(404) {
                        return Ended::Vanished;
                    }
                    tokio::time::sleep(trouble.tell(&error, context)).await;
                    if expired(&error) {
                        break;
                    }
                    continue;
                }
            };
            // That a list begins is said before anything is asked.
            if !matches!(event, Event::Init) {
                trouble.over(context);
            }
            let whole = matches!(event, Event::InitDone);
            if let Some(input) = input(event, source, &count)
                && context.inbox.send(input, received).await.is_err()
            {
                return Ended::Closed;
            }
            if whole {
                count.lists.inc();
                context.health.listed(source.kind);
            }
        }
    }
}

fn input<T: Followed>(
    event: Event<Watched<T>>,
    source: Source,
    count: &WatchCounters,
) -> Option<Input> {
    let (watched, change): (_, fn(T) -> Change<T>) = match event {
        Event::Init => return Some(Input::ListBegun(source.kind)),
        Event::InitDone => return Some(Input::ListEnded(source.kind)),
        Event::InitApply(watched) => (watched, Change::Listed),
        Event::Apply(watched) => (watched, Change::Seen),
        Event::Delete(watched) => (watched, Change::Gone),
    };
    count.events.inc();
    let name = watched.object.is_err().then(|| watched.key());
    match watched.object {
        Ok(object) => Some(T::input(change(object))),
        Err(error) => {
            count.unreadable.inc();
            let kind = source.kind.as_str();
            let error = mask(&error).into_owned();
            tracing::warn!(
                kind,
                object = name,
                error,
                "an object cannot be read and is passed over"
            );
            None
        }
    }
}

/// What is wrong with a watch, said when it changes and not at each try; and when to try again.
///
/// Not kube-runtime's own `default_backoff`: it takes the beginning of a list for a success, so
/// that a list which is always refused is asked for each second.
struct Trouble {
    source: Source,
    scope: String,
    last: Option<String>,
    pauses: Option<ExponentialBackoff>,
}

impl Trouble {
    fn new(source: Source, scope: String) -> Self {
        Self { source, scope, last: None, pauses: None }
    }

    fn is_over(&self) -> bool {
        self.pauses.is_none()
    }

    /// Says what is wrong, unless it has been said; returns how long to wait before the next try.
    fn tell(&mut self, error: &Error, context: &Context) -> Duration {
        let pauses = self.pauses.get_or_insert_with(|| {
            ExponentialBuilder::default()
                .with_min_delay(FIRST_PAUSE)
                .with_max_delay(LAST_PAUSE)
                .with_jitter()
                .without_max_times()
                .build()
        });
        let pause = pauses.next().unwrap_or(LAST_PAUSE);
        self.say(error, context);
        pause
    }

    fn say(&mut self, error: &Error, context: &Context) {
        let (verb, said) = told(error);
        if self.last.as_ref() == Some(&said) {
            return;
        }
        let (resource, scope) = (self.source.name(), &self.scope);
        match code(error) {
            // The API server ends watches that it can no longer serve; kube-runtime lists anew.
            Some(410) => {
                tracing::info!(resource, "the watch is too old for the API server: listing anew");
                return;
            }
            Some(403) => tracing::error!(
                resource,
                verb,
                scope,
                error = said,
                "the right to {verb} {resource} in {scope} is missing: grant it (deploy/base); \
                 trying again"
            ),
            _ => {
                tracing::warn!(resource, verb, scope, error = said, "{verb} failed, trying again");
            }
        }
        context.health.trouble(self.source.kind, Some(format!("cannot {verb} {resource}: {said}")));
        self.last = Some(said);
    }

    fn over(&mut self, context: &Context) {
        self.pauses = None;
        if self.last.take().is_some() {
            tracing::info!(resource = self.source.name(), "the watch works again");
            context.health.trouble(self.source.kind, None);
        }
    }
}

fn told(error: &Error) -> (&'static str, String) {
    match error {
        Error::InitialListFailed(error) => ("list", describe(error)),
        Error::WatchStartFailed(error) | Error::WatchFailed(error) => ("watch", describe(error)),
        Error::WatchError(status) => ("watch", format!("{} ({})", status.message, status.reason)),
        Error::NoResourceVersion => ("list", reason(error)),
    }
}

fn code(error: &Error) -> Option<u16> {
    match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status))
        | Error::WatchError(status) => Some(status.code),
        Error::InitialListFailed(_)
        | Error::WatchStartFailed(_)
        | Error::WatchFailed(_)
        | Error::NoResourceVersion => None,
    }
}

/// Whether a watch can never start again from where it was. kube-runtime lists anew where the API
/// server says so inside a watch, but asks for ever where it says so instead of one.
fn expired(error: &Error) -> bool {
    matches!(error, Error::WatchStartFailed(_)) && code(error) == Some(410)
}

#[cfg(test)]
mod tests {
    use dislodge_engine::input::Kind;
    use dislodge_engine::objects::{Object, Pod};
    use kube::core::Status;

    use super::*;

    fn api(code: u16) -> kube::Error {
        kube::Error::Api(Status::failure("x", "X").with_code(code).boxed())
    }

    fn pod() -> Watched<Pod> {
        serde_json::from_str(r#"{"metadata":{"name":"p","resourceVersion":"1"}}"#).unwrap()
    }

    #[test]
    fn what_stands_in_a_list_is_told_apart_from_what_happens() {
        let count = WatchCounters::default();
        let inputs = [
            Event::Init,
            Event::InitApply(pod()),
            Event::InitDone,
            Event::Apply(pod()),
            Event::Delete(pod()),
        ]
        .map(|event| input(event, Pod::SOURCE, &count).unwrap());
        assert_eq!((count.events.get(), count.unreadable.get()), (3, 0));
        assert_eq!(inputs[0], Input::ListBegun(Kind::Pod));
        assert!(matches!(&inputs[1], Input::Pod(Change::Listed(pod)) if pod.meta().name == "p"));
        assert_eq!(inputs[2], Input::ListEnded(Kind::Pod));
        assert!(matches!(&inputs[3], Input::Pod(Change::Seen(_))));
        assert!(matches!(&inputs[4], Input::Pod(Change::Gone(_))));
    }

    #[test]
    fn only_a_watch_that_cannot_start_for_its_age_is_begun_anew_by_us() {
        assert!(expired(&Error::WatchStartFailed(api(410))));
        assert!(!expired(&Error::WatchError(
            Status::failure("x", "Expired").with_code(410).boxed()
        )));
        assert!(!expired(&Error::WatchStartFailed(api(500))));
    }

    #[test]
    fn the_verb_that_failed_is_named() {
        assert_eq!(told(&Error::InitialListFailed(api(403))).0, "list");
        assert_eq!(told(&Error::WatchStartFailed(api(403))).0, "watch");
        assert_eq!(code(&Error::InitialListFailed(api(403))), Some(403));
    }
}
