//! The cluster in memory behind a client, or on a port of loopback.
//!
//! [`dislodge_sim::api`] answers requests and knows neither sockets nor clocks, alone or with a whole
//! cluster behind it ([`Served`]). Here it becomes a [`tower::Service`], out of which a [`kube::Client`]
//! is made without a socket, and which `kubectl` or the built program reach by HTTP.
//!
//! Its time is that of tokio, from a beginning that the caller names: on a paused runtime it stands
//! still until all tasks wait, and then goes on at once to whatever is due next.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use dislodge_sim::api::{self, Answer, Method, Polled, Request, Server, WatchId};
use dislodge_sim::store::Version;
use dislodge_sim::world::{Sent, Served};
use futures::stream::{self, Stream};
use http::header::{CONTENT_TYPE, USER_AGENT};
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::Instant;
use tower::{BoxError, Service};

use crate::error::{Error, Result};
use crate::kubeconfig;

/// The longest body that is read (etcd takes no more than 1.5 MiB).
const LONGEST_BODY: usize = 3 << 20;

/// What answers requests, given the time.
pub trait Serves: std::fmt::Debug + Send + 'static {
    /// Answers a request.
    fn handle(&mut self, request: &Request, now: Timestamp) -> Answer;
    /// Answers a request of the controller, of which this is known.
    fn handle_ours(&mut self, request: &Request, _sent: Sent, now: Timestamp) -> Answer {
        self.handle(request, now)
    }
    /// What there is to send to a watch.
    fn poll(&mut self, id: WatchId, now: Timestamp) -> Polled;
    /// When a watch has something to send though nothing changes.
    fn next_deadline(&self, id: WatchId) -> Option<Timestamp>;
    /// The client of a watch is gone.
    fn close(&mut self, id: WatchId);
    /// The newest change.
    fn version(&self) -> Version;
}

macro_rules! serves {
    ($type:ty, $($more:item)*) => {
        impl Serves for $type {
            $($more)*

            fn handle(&mut self, request: &Request, now: Timestamp) -> Answer {
                <$type>::handle(self, request, now)
            }

            fn poll(&mut self, id: WatchId, now: Timestamp) -> Polled {
                <$type>::poll(self, id, now)
            }

            fn next_deadline(&self, id: WatchId) -> Option<Timestamp> {
                <$type>::next_deadline(self, id)
            }

            fn close(&mut self, id: WatchId) {
                <$type>::close(self, id);
            }

            fn version(&self) -> Version {
                <$type>::version(self)
            }
        }
    };
}
serves!(Server,);
serves!(
    Served,
    fn handle_ours(&mut self, request: &Request, sent: Sent, now: Timestamp) -> Answer {
        Self::handle_ours(self, request, sent, now)
    }
);

/// An API server that many use at once. Clones share it.
#[derive(Debug)]
pub struct Memory<S = Server>(Arc<Shared<S>>);

// By hand: what is shared need not be `Clone`.
impl<S> Clone for Memory<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Shared<S> {
    server: Mutex<S>,
    /// The newest change that those who watch were told of, and how they are: in the order in which they came,
    /// and not by chance.
    told: Mutex<Version>,
    changed: Notify,
    /// Somebody has done something: actors may have more to do than before.
    done: Notify,
    began: Instant,
    /// What time it was then.
    epoch: Timestamp,
}

impl<S: Serves> Memory<S> {
    /// Shares a server. It is `epoch` now.
    pub fn new(server: S, epoch: Timestamp) -> Self {
        let told = Mutex::new(server.version());
        let (server, done, changed) = (Mutex::new(server), Notify::new(), Notify::new());
        Self(Arc::new(Shared { server, told, changed, done, began: Instant::now(), epoch }))
    }

    /// What time it is there.
    pub fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.0.began.elapsed()).unwrap_or_default();
        self.0.epoch.saturating_add(passed).unwrap_or(self.0.epoch)
    }

    /// Does something with the server itself, as what runs beside it does: look, or let it forget.
    /// Whoever watches is told of the changes.
    pub fn with<T>(&self, act: impl FnOnce(&mut S, Timestamp) -> T) -> T {
        let done = self.advance(act);
        self.0.done.notify_one();
        done
    }

    fn advance<T>(&self, act: impl FnOnce(&mut S, Timestamp) -> T) -> T {
        let now = self.now();
        let mut server = self.server();
        let done = act(&mut server, now);
        let newest = server.version();
        drop(server);
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *told, newest) != newest {
            self.0.changed.notify_waiters();
        }
        drop(told);
        done
    }

    /// A client that reaches it without a socket.
    pub fn client(&self) -> Client {
        Client::new(self.clone(), "default")
    }

    /// Serves it over HTTP on a free port of loopback, until what is returned is dropped.
    ///
    /// # Errors
    /// Where there is no free port.
    pub async fn listen(&self) -> Result<Listening> {
        Listening::start(Router::new().fallback_service(self.clone())).await
    }

    fn server(&self) -> MutexGuard<'_, S> {
        self.0.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request, sent: Option<Sent>) -> http::Response<Body> {
        let answer = self.with(|server, now| match sent {
            Some(sent) => server.handle_ours(request, sent, now),
            None => server.handle(request, now),
        });
        let (code, kind, body) = match answer {
            Answer::Done { code, body: api::Body::Object(object) } => {
                (code, "application/json", Body::from(object.to_string()))
            }
            Answer::Done { code, body: api::Body::Text(text) } => {
                (code, "text/plain; charset=utf-8", Body::from(text))
            }
            Answer::Watch(id) => (200, "application/json", Body::from_stream(self.events(id))),
        };
        let mut response = http::Response::new(body);
        *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
        response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
        response
    }

    /// The lines of a watch, as they come.
    fn events(
        &self,
        id: WatchId,
    ) -> impl Stream<Item = std::result::Result<Bytes, Infallible>> + use<S> {
        let open = Open { memory: self.clone(), id };
        stream::unfold(Some(open), |open| async {
            let mut open = open?;
            let (lines, over) = open.next().await;
            let rest = (!over).then_some(open);
            // An empty piece would be nothing, and end nothing.
            (!lines.is_empty() || rest.is_some()).then(|| (Ok(Bytes::from(lines)), rest))
        })
    }
}

impl Memory<Served> {
    /// Lets the actors of the cluster act whenever it is time, for as long as it is polled.
    pub async fn live(&self) {
        loop {
            let due = self.server().next();
            let now = self.now();
            tokio::select! {
                biased;
                () = self.0.done.notified() => {}
                () = until(due, now) => self.advance(Served::run_until),
            }
        }
    }
}

/// Waits until a time, at `now`; what is overdue is not waited for, and `None` never comes.
async fn until(due: Option<Timestamp>, now: Timestamp) {
    match due.map(|due| Duration::try_from(due.duration_since(now))) {
        Some(left) => tokio::time::sleep(left.unwrap_or_default()).await,
        None => std::future::pending().await,
    }
}

/// A watch that a client reads.
struct Open<S: Serves> {
    memory: Memory<S>,
    id: WatchId,
}

impl<S: Serves> Open<S> {
    /// Waits for something to send. Tells whether that is the last.
    async fn next(&mut self) -> (String, bool) {
        loop {
            let mut changed = std::pin::pin!(self.memory.0.changed.notified());
            // Before it is looked: what changes from now on is not missed.
            changed.as_mut().enable();
            let now = self.memory.now();
            let (polled, due) = {
                let mut server = self.memory.server();
                (server.poll(self.id, now), server.next_deadline(self.id))
            };
            if polled.over || !polled.events.is_empty() {
                let lines = polled.events.iter().map(line);
                return (lines.collect(), polled.over);
            }
            tokio::select! {
                biased;
                () = changed => {}
                () = until(due, now) => {}
            }
        }
    }
}

/// An event of a watch as a line, its type first, as a real API server writes it: a client can then read
/// the object as it comes.
fn line(event: &Value) -> String {
    let part = |name: &str| event.get(name).cloned().unwrap_or_default();
    format!("{{\"type\":{},\"object\":{}}}\n", part("type"), part("object"))
}

impl<S: Serves> Drop for Open<S> {
    fn drop(&mut self) {
        self.memory.server().close(self.id);
    }
}

impl<S, B> Service<http::Request<B>> for Memory<S>
where
    S: Serves,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future =
        Pin<Box<dyn Future<Output = std::result::Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let memory = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let Ok(body) = axum::body::to_bytes(Body::new(body), LONGEST_BODY).await else {
                return Ok(refused(http::StatusCode::PAYLOAD_TOO_LARGE));
            };
            let method = match head.method {
                http::Method::GET => Method::Get,
                http::Method::POST => Method::Post,
                http::Method::PUT => Method::Put,
                http::Method::PATCH => Method::Patch,
                http::Method::DELETE => Method::Delete,
                _ => return Ok(refused(http::StatusCode::METHOD_NOT_ALLOWED)),
            };
            let text = |name| {
                let value = head.headers.get(name).and_then(|value| value.to_str().ok());
                value.unwrap_or_default().to_owned()
            };
            let request = Request {
                method,
                path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
                content_type: text(CONTENT_TYPE),
                agent: text(USER_AGENT),
                body: body.to_vec(),
            };
            Ok(memory.answer(&request, head.extensions.get::<Sent>().copied()))
        })
    }
}

fn refused(code: http::StatusCode) -> http::Response<Body> {
    let mut response = http::Response::new(Body::empty());
    *response.status_mut() = code;
    response
}

/// A server that is reached by HTTP.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Listening {
    /// Serves on a free port of loopback.
    pub(crate) async fn start(router: Router) -> Result<Self> {
        let failed = || Error::file("listen on", "127.0.0.1");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed())?;
        let address = listener.local_addr().map_err(failed())?;
        let task = tokio::spawn(async move {
            // It ends with the process, or when it is aborted.
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { address, task })
    }

    /// Where.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes a kubeconfig that leads to it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_kubeconfig(&self, file: &Path) -> Result<()> {
        kubeconfig::write_plain(file, &format!("http://{}", self.address))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}
