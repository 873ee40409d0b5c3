//! One watch: a list, then events from there on; inputs out, and each trouble said once.

use std::pin::pin;
use std::time::Duration;

use dislodge_engine::input::{Change, Input};
use dislodge_engine::message::mask;
use futures::StreamExt;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};

use super::Context;
use super::kinds::{Absence, Followed};
use super::list::{self, Page};
use super::object::Watched;
use super::trouble::{Failure, Trouble};
use crate::driver::{Closed, Head};
use crate::metrics::WatchCounters;

/// Objects a page of a list: 2 MB where they are Pods.
const PAGE: u32 = 250;
/// A watch that has not failed for so long after a failure works.
const QUIET: Duration = Duration::from_secs(20);
/// How long a watch is open. The API server ends it, so that one which is silent for longer has lost its
/// connection.
const LASTS: Duration = Duration::from_secs(290);
/// What an end on time may be late by.
const LATE: Duration = Duration::from_secs(5);

/// Why a watch is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The API server no longer serves the kind.
    Vanished,
    /// Nobody takes inputs any more.
    Closed,
}

/// Why a list or a stretch of events is over.
enum Stop {
    /// Something went wrong.
    Failed(Failure),
    /// Nobody takes inputs any more.
    Closed,
}

impl From<Closed> for Stop {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

/// Watches a kind until it vanishes.
pub(super) async fn follow<T: Followed>(api: Api<Watched<T>>, context: &Context) -> Ended {
    let mut watch = Watch {
        api,
        context,
        count: context.metrics.watch(T::SOURCE.kind),
        trouble: Trouble::new(T::SOURCE, context.scope()),
        version: None,
        has_listed: false,
    };
    loop {
        let stop = match watch.turn().await {
            Ok(()) => continue,
            Err(stop) => stop,
        };
        let Stop::Failed(failure) = stop else { return Ended::Closed };
        watch.count.failures.inc();
        if T::SOURCE.absence != Absence::Impossible && failure.code() == Some(404) {
            return Ended::Vanished;
        }
        if failure.code() == Some(410) || matches!(failure, Failure::NoVersion) {
            watch.version = None;
        }
        tokio::time::sleep(watch.trouble.tell(&failure, context)).await;
    }
}

/// How far a watch is.
struct Watch<'c, T> {
    api: Api<Watched<T>>,
    context: &'c Context,
    count: WatchCounters,
    trouble: Trouble,
    /// Up to which version everything has been told; `None`: it is to be listed.
    version: Option<String>,
    /// Something has been listed, so that the engine may know what is listed again.
    has_listed: bool,
}

impl<T: Followed> Watch<'_, T> {
    /// A list, or events until the stream ends.
    async fn turn(&mut self) -> Result<(), Stop> {
        match self.version.clone() {
            None => {
                self.version = Some(self.list().await?);
                Ok(())
            }
            Some(from) => self.events(&from).await,
        }
    }

    /// Tells all objects that there are, but for those which the engine knows as they are. Gives back as of
    /// when.
    async fn list(&mut self) -> Result<String, Stop> {
        let (kind, inbox) = (T::SOURCE.kind, &self.context.inbox);
        inbox.send(Input::ListBegun(kind), self.context.clock.elapsed()).await?;
        let mut params = ListParams::default().limit(PAGE);
        params.field_selector = T::SOURCE.fields.map(str::to_owned);
        let mut answer = Vec::new();
        loop {
            let (client, path) = (&self.context.client, self.api.resource_url());
            let failed = |error| Stop::Failed(Failure::List(error));
            list::ask(client, path, &params, &mut answer).await.map_err(failed)?;
            let received = self.context.clock.elapsed();
            let page = Page::read(&answer).map_err(failed)?;
            self.trouble.over(self.context);
            let known = if std::mem::replace(&mut self.has_listed, true) {
                let heads: Vec<Head> = page.texts().map(list::head).collect();
                inbox.listed(kind, heads, received).await?
            } else {
                Vec::new()
            };
            let known = known.into_iter().chain(std::iter::repeat(false));
            for (text, known) in page.texts().zip(known) {
                self.count.events.inc();
                if known {
                    continue;
                }
                let object = Watched::<T>::read(text).map_err(kube::Error::SerdeError);
                let object = object.map_err(failed)?;
                if let Some(input) = input(object, Change::Listed, &self.count) {
                    inbox.send(input, received).await?;
                }
            }
            params.continue_token = page.next();
            if params.continue_token.is_none() {
                let version = page.version().ok_or(Stop::Failed(Failure::NoVersion))?;
                inbox.send(Input::ListEnded(kind), received).await?;
                self.count.lists.inc();
                self.context.health.listed(kind);
                return Ok(version);
            }
        }
    }

    /// Tells what happens from a version on, until the stream ends.
    async fn events(&mut self, from: &str) -> Result<(), Stop> {
        let params = WatchParams {
            field_selector: T::SOURCE.fields.map(str::to_owned),
            timeout: u32::try_from(LASTS.as_secs()).ok(),
            ..WatchParams::default()
        };
        let start = |error| Stop::Failed(Failure::Start(error));
        let mut events = pin!(self.api.watch(&params, from).await.map_err(start)?);
        loop {
            // A watch that is open and has nothing to say says nothing: no news is good news.
            let limit = if self.trouble.is_over() { LASTS + LATE } else { QUIET };
            let event = match tokio::time::timeout(limit, events.next()).await {
                Ok(Some(event)) => event.map_err(|error| Stop::Failed(Failure::Watch(error)))?,
                Ok(None) => return Ok(()),
                Err(_) if self.trouble.is_over() => return Ok(()),
                Err(_) => {
                    self.trouble.over(self.context);
                    continue;
                }
            };
            let received = self.context.clock.elapsed();
            let (object, change): (_, fn(T) -> Change<T>) = match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, Change::Seen),
                WatchEvent::Deleted(object) => (object, Change::Gone),
                WatchEvent::Bookmark(mark) => {
                    self.trouble.over(self.context);
                    self.version = Some(mark.metadata.resource_version);
                    continue;
                }
                WatchEvent::Error(status) => return Err(Stop::Failed(Failure::Ended(status))),
            };
            self.trouble.over(self.context);
            let version = object.version().map(str::to_owned);
            self.count.events.inc();
            if let Some(input) = input(object, change, &self.count) {
                self.context.inbox.send(input, received).await?;
            }
            self.version = Some(version.ok_or(Stop::Failed(Failure::NoVersion))?);
        }
    }
}

/// What the engine is told of an object; `None`: it cannot be read, which is said.
fn input<T: Followed>(
    watched: Watched<T>,
    change: impl FnOnce(T) -> Change<T>,
    count: &WatchCounters,
) -> Option<Input> {
    let name = watched.object.is_err().then(|| watched.key());
    match watched.object {
        Ok(object) => Some(T::input(change(object))),
        Err(error) => {
            count.unreadable.inc();
            let kind = T::SOURCE.kind.as_str();
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

#[cfg(test)]
mod tests;
