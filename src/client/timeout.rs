//! A bound on the time until a request is answered: kube has none by default.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use tower::{BoxError, Layer, Service};

/// A request got no answer in time. It may have been carried out.
#[derive(Debug, thiserror::Error)]
#[error("the API server did not answer within {0:?}")]
pub struct Overdue(Duration);

/// Puts `Timeout` around the client. A watch, which may have to wait for the API server's cache,
/// gets three times as long.
#[derive(Clone, Copy, Debug)]
pub struct TimeoutLayer {
    limit: Duration,
}

impl TimeoutLayer {
    /// A layer that waits so long for an answer.
    pub const fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout { inner, limit: self.limit }
    }
}

/// Ends requests that get no answer.
#[derive(Clone, Debug)]
pub struct Timeout<S> {
    inner: S,
    limit: Duration,
}

impl<S, B> Service<Request<B>> for Timeout<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Only until the head of the answer, which the API server sends at once also where it then
        // has nothing to tell for long; kube-runtime ends a watch that has gone silent.
        let limit = if is_watch(request.uri().query()) { self.limit * 3 } else { self.limit };
        let answer = self.inner.call(request);
        Box::pin(async move {
            match tokio::time::timeout(limit, answer).await {
                Ok(answer) => answer.map_err(Into::into),
                Err(_) => Err(Overdue(limit).into()),
            }
        })
    }
}

/// Whether a request with this query is a watch.
pub(super) fn is_watch(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1")))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn never(_: Request<()>) -> Result<(), BoxError> {
        std::future::pending().await
    }

    #[tokio::test]
    async fn a_request_without_an_answer_ends() {
        let layer = TimeoutLayer::new(Duration::from_millis(1));
        let mut client = layer.layer(tower::service_fn(never));
        let request = Request::get("/api/v1/pods?limit=500").body(()).unwrap();
        let error = client.call(request).await.unwrap_err();
        assert!(error.is::<Overdue>(), "{error}");
    }

    #[test]
    fn a_watch_is_known_by_its_query() {
        assert!(is_watch(Some("&watch=true&timeoutSeconds=290")));
        assert!(!is_watch(Some("&limit=500&labelSelector=watch%3Dtrue")));
        assert!(!is_watch(None));
    }
}
