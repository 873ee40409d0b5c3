//! Requests counted by what they ask for: each try by itself, as the API server sees them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use dislodge_engine::api;
use http::{Method, Request, Response};
use tower::{Layer, Service};

use super::timeout::is_watch;
use crate::clock::Clock;
use crate::metrics::Metrics;

/// The plural names that are told apart.
const RESOURCES: [&str; 11] = [
    "pods",
    "jobs",
    "jobsets",
    "cronjobs",
    "workloads",
    "localqueues",
    "clusterqueues",
    "nodes",
    api::PLURAL,
    "leases",
    "events",
];
/// All others, and what is no resource at all.
const OTHER: &str = "other";

/// Puts `Count` around the client.
#[derive(Clone, Debug)]
pub struct CountLayer {
    metrics: Metrics,
    clock: Clock,
}

impl CountLayer {
    /// A layer that counts here.
    pub const fn new(metrics: Metrics, clock: Clock) -> Self {
        Self { metrics, clock }
    }
}

impl<S> Layer<S> for CountLayer {
    type Service = Count<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Count { inner, counter: self.clone() }
    }
}

/// Counts requests and times their answers.
#[derive(Clone, Debug)]
pub struct Count<S> {
    inner: S,
    counter: CountLayer,
}

impl<S, B, R> Service<Request<B>> for Count<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (verb, resource) = asked(request.method(), request.uri().path(), request.uri().query());
        let CountLayer { metrics, clock } = self.counter.clone();
        let sent = clock.elapsed();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code = answer.as_ref().map_or("none", |answer| class(answer.status().as_u16()));
            metrics.requested(verb, resource, code, clock.elapsed().saturating_sub(sent));
            answer
        })
    }
}

/// Verb and resource of a request, as RBAC has them.
fn asked(method: &Method, path: &str, query: Option<&str>) -> (&'static str, &'static str) {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    match parts.next() {
        Some("api") => drop(parts.next()),
        Some("apis") => drop((parts.next(), parts.next())),
        _ => {}
    }
    let mut rest = parts.clone();
    // A namespace as a prefix, and not what is asked for.
    if rest.next() == Some("namespaces") && rest.next().is_some() && rest.clone().next().is_some() {
        parts = rest;
    }
    let plural = parts.next();
    let resource = RESOURCES.into_iter().find(|known| Some(*known) == plural).unwrap_or(OTHER);
    let of_one = parts.next().is_some();
    let verb = match method.as_str() {
        "GET" if is_watch(query) => "watch",
        "GET" if of_one || resource == OTHER => "get",
        "GET" => "list",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => OTHER,
    };
    (verb, resource)
}

fn class(code: u16) -> &'static str {
    match code {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Health;

    #[test]
    fn a_request_is_known_by_its_method_and_path() {
        for (method, path, verb, resource) in [
            (Method::GET, "/api/v1/pods?limit=500", "list", "pods"),
            (Method::GET, "/api/v1/pods?watch=true", "watch", "pods"),
            (Method::GET, "/api/v1/namespaces/a/pods?&watch=true", "watch", "pods"),
            (
                Method::GET,
                "/apis/coordination.k8s.io/v1/namespaces/a/leases/dislodge",
                "get",
                "leases",
            ),
            (Method::PATCH, "/apis/batch/v1/namespaces/a/jobs/train/status", "patch", "jobs"),
            (
                Method::PATCH,
                "/apis/kueue.x-k8s.io/v1beta2/namespaces/a/workloads/w",
                "patch",
                "workloads",
            ),
            (Method::POST, "/apis/events.k8s.io/v1/namespaces/a/events", "create", "events"),
            (Method::DELETE, "/api/v1/namespaces/pods/pods/p", "delete", "pods"),
            (Method::PUT, "/api/v1/namespaces/a/secrets/pods", "update", "other"),
            (Method::GET, "/apis/kueue.x-k8s.io/v1beta2", "get", "other"),
            (Method::GET, "/api/v1/namespaces/pods", "get", "other"),
            (Method::GET, "/version", "get", "other"),
            (Method::OPTIONS, "/", "other", "other"),
        ] {
            let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
            assert_eq!(asked(&method, path, query), (verb, resource), "{method} {path}");
        }
    }

    #[tokio::test]
    async fn each_try_is_counted_with_what_came_of_it() {
        let clock = Clock::start();
        let metrics = Metrics::new(Health::new(clock));
        let answers = |request: Request<()>| async move {
            let code: u16 = request.uri().query().unwrap_or_default().parse().unwrap_or(0);
            if code == 0 {
                Err("no answer")
            } else {
                Ok(http::Response::builder().status(code).body(()))
            }
        };
        let service =
            tower::service_fn(
                move |request| async move { answers(request).await.map(Result::unwrap) },
            );
        let mut client = CountLayer::new(metrics.clone(), clock).layer(service);
        for query in ["200", "201", "404", "503", "none"] {
            let path = format!("/apis/batch/v1/namespaces/a/jobs/train?{query}");
            let _ = client.call(Request::patch(path).body(()).unwrap()).await;
        }
        let text = metrics.text().unwrap();
        for (code, count) in [("2xx", 2), ("4xx", 1), ("5xx", 1), ("none", 1)] {
            let series = format!(
                "dislodge_api_requests_total{{verb=\"patch\",resource=\"jobs\",code=\"{code}\"}} {count}\n"
            );
            assert!(text.contains(&series), "{series} is missing:\n{text}");
        }
        assert!(text.contains("dislodge_api_request_duration_seconds_count{verb=\"patch\"} 5\n"));
    }
}
