//! What can go wrong with a watch, and what is said and done about it.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use kube::core::Status;

use super::Context;
use super::kinds::Source;
use crate::client::describe;

/// Pause after a first try that fails; it grows up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two tries: an outage that ends is noticed so soon.
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// Why a list or a watch came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// A page of the list could not be had.
    List(kube::Error),
    /// The list does not say as of when it is, or an event does not.
    NoVersion,
    /// The watch did not begin.
    Start(kube::Error),
    /// It broke off, or what it brought cannot be read.
    Watch(kube::Error),
    /// The API server has ended it, and says why.
    Ended(Box<Status>),
}

impl Failure {
    /// The verb that failed, and what is wrong.
    fn told(&self) -> (&'static str, String) {
        match self {
            Self::List(error) => ("list", describe(error)),
            Self::NoVersion => ("list", "the API server does not say in which version".to_owned()),
            Self::Start(error) | Self::Watch(error) => ("watch", describe(error)),
            Self::Ended(status) => ("watch", format!("{} ({})", status.message, status.reason)),
        }
    }

    /// The code of the API server's answer.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Self::List(kube::Error::Api(status))
            | Self::Start(kube::Error::Api(status))
            | Self::Watch(kube::Error::Api(status))
            | Self::Ended(status) => Some(status.code),
            Self::List(_) | Self::Start(_) | Self::Watch(_) | Self::NoVersion => None,
        }
    }
}

/// What is wrong with a watch, said when it changes and not at each try; and when to try again.
pub(super) struct Trouble {
    source: Source,
    scope: String,
    last: Option<String>,
    pauses: Option<ExponentialBackoff>,
}

impl Trouble {
    pub(super) fn new(source: Source, scope: String) -> Self {
        Self { source, scope, last: None, pauses: None }
    }

    pub(super) fn is_over(&self) -> bool {
        self.pauses.is_none()
    }

    /// Says what is wrong, unless it has been said; returns how long to wait before the next try.
    pub(super) fn tell(&mut self, error: &Failure, context: &Context) -> Duration {
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

    fn say(&mut self, error: &Failure, context: &Context) {
        let (verb, said) = error.told();
        if self.last.as_ref() == Some(&said) {
            return;
        }
        let (resource, scope) = (self.source.name(), &self.scope);
        match error.code() {
            // The API server ends watches that it can no longer serve; it is listed anew.
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

    pub(super) fn over(&mut self, context: &Context) {
        self.pauses = None;
        if self.last.take().is_some() {
            tracing::info!(resource = self.source.name(), "the watch works again");
            context.health.trouble(self.source.kind, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verb_that_failed_is_named() {
        let refused = || kube::Error::Api(Status::failure("x", "X").with_code(403).boxed());
        assert_eq!(Failure::List(refused()).told().0, "list");
        assert_eq!(Failure::Start(refused()).told().0, "watch");
        assert_eq!(Failure::List(refused()).code(), Some(403));
        assert_eq!(Failure::NoVersion.code(), None);
    }
}
