//! The way between a program in this process and an API server in memory: it takes time, and things go
//! wrong on it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use dislodge_sim::world::Sent;
use futures::stream::{Stream, StreamExt as _};
use http::request::Parts;
use http::{Request, Response};
use serde_json::json;
use tokio::time::{Instant, Sleep};
use tower::Service;

use crate::memory::{Memory, Serves};

/// A request's way to the API server, and that of the answer back (a millisecond or two in a cluster).
const WAY: Duration = Duration::from_millis(2);

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Answered,
    /// The same, and it takes so much longer to arrive.
    Late(Duration),
    /// It is not carried out, and this code is the answer.
    Refused(u16),
    /// It is a watch of changes that are not known any more (410).
    Expired,
    /// It never arrives, and nobody says so.
    Lost,
    /// It is carried out, and no answer comes.
    AnswerLost,
    /// The program dies.
    Dies {
        /// It has been carried out before.
        taken: bool,
    },
}

/// What becomes of what a watch brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It comes after this time, and in order.
    After(Duration),
    /// It comes twice.
    Twice,
    /// It does not come, and the watch ends.
    Never,
}

/// What goes wrong on the way of one program.
pub trait Faults: Send + 'static {
    /// What becomes of a request.
    fn request(&mut self, head: &Parts) -> Fate;

    /// What becomes of events that a watch of this path brings.
    fn events(&mut self, _path: &str) -> Delivery {
        Delivery::After(Duration::ZERO)
    }

    /// How far the program's watches are behind.
    fn behind(&mut self) -> Duration {
        Duration::ZERO
    }

    /// Whether the program holds its Lease.
    fn leads(&mut self) -> bool {
        true
    }
}

/// The way of one program. Clones are the same way.
pub struct Wire<S> {
    memory: Memory<S>,
    faults: Shared,
    kill: Arc<dyn Fn() + Send + Sync>,
}

type Shared = Arc<Mutex<dyn Faults>>;

fn lock(faults: &Shared) -> MutexGuard<'_, dyn Faults + 'static> {
    faults.lock().unwrap_or_else(PoisonError::into_inner)
}

// By hand: what is shared need not be `Clone`.
impl<S> Clone for Wire<S> {
    fn clone(&self) -> Self {
        let (faults, kill) = (Arc::clone(&self.faults), Arc::clone(&self.kill));
        Self { memory: self.memory.clone(), faults, kill }
    }
}

impl<S: Serves> std::fmt::Debug for Wire<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("memory", &self.memory).finish_non_exhaustive()
    }
}

impl<S: Serves> Wire<S> {
    /// A way to this API server. `kill` ends the program at once.
    pub fn new(
        memory: Memory<S>,
        faults: impl Faults,
        kill: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self { memory, faults: Arc::new(Mutex::new(faults)), kill: Arc::new(kill) }
    }

    async fn carry(mut self, request: Request<kube::client::Body>) -> Response<Body> {
        let (behind, leads) = {
            let mut faults = lock(&self.faults);
            (faults.behind(), faults.leads())
        };
        let mut sent = Sent { at: self.memory.now(), behind, leads, refused: None };
        let path = request.uri().path().to_owned();
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        tokio::time::sleep(WAY).await;
        let (head, body) = request.into_parts();
        let fate = lock(&self.faults).request(&head);
        let mut request = Request::from_parts(head, body);
        if let Fate::Refused(code) = fate {
            sent.refused = Some(code);
        }
        request.extensions_mut().insert(sent);
        match fate {
            Fate::Answered | Fate::Late(_) => {
                if let Fate::Late(by) = fate {
                    tokio::time::sleep(by).await;
                }
                let answer = self.serve(request).await;
                tokio::time::sleep(WAY).await;
                if !is_watch {
                    return answer;
                }
                let (head, body) = answer.into_parts();
                let events = Events {
                    body: body.into_data_stream().fuse(),
                    on_the_way: VecDeque::new(),
                    wait: None,
                    is_over: false,
                    path,
                    faults: self.faults,
                };
                return Response::from_parts(head, Body::from_stream(events));
            }
            Fate::Refused(_) => {
                let answer = self.serve(request).await;
                tokio::time::sleep(WAY).await;
                return answer;
            }
            Fate::Expired => {
                let event = json!({"type": "ERROR", "object": {
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                    "message": "too old resource version", "reason": "Expired", "code": 410,
                }});
                return Response::new(Body::from(format!("{event}\n")));
            }
            Fate::Lost => {}
            Fate::AnswerLost => drop(self.serve(request).await),
            Fate::Dies { taken } => {
                if taken {
                    drop(self.serve(request).await);
                }
                (self.kill)();
            }
        }
        std::future::pending().await
    }

    async fn serve(&mut self, request: Request<kube::client::Body>) -> Response<Body> {
        match self.memory.call(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}

impl<S: Serves> Service<Request<kube::client::Body>> for Wire<S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let wire = self.clone();
        Box::pin(async move { Ok(wire.carry(request).await) })
    }
}

/// The events of a watch on their way.
struct Events {
    body: futures::stream::Fuse<BodyDataStream>,
    /// With the time of their arrival.
    on_the_way: VecDeque<(Instant, Bytes)>,
    wait: Option<Pin<Box<Sleep>>>,
    is_over: bool,
    path: String,
    faults: Shared,
}

impl Events {
    /// Takes what the API server has sent.
    fn receive(&mut self, cx: &mut Context<'_>) {
        while !self.is_over {
            let Poll::Ready(piece) = self.body.poll_next_unpin(cx) else { return };
            let Some(Ok(piece)) = piece else {
                self.is_over = true;
                return;
            };
            let (after, times) = match lock(&self.faults).events(&self.path) {
                Delivery::After(time) => (time, 1),
                Delivery::Twice => (Duration::ZERO, 2),
                Delivery::Never => {
                    self.is_over = true;
                    return;
                }
            };
            let last = self.on_the_way.back().map(|(at, _)| *at);
            let at = (Instant::now() + after).max(last.unwrap_or_else(Instant::now));
            self.on_the_way.extend(std::iter::repeat_n((at, piece), times));
        }
    }
}

impl Stream for Events {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receive(cx);
        let Some((at, _)) = self.on_the_way.front() else {
            return if self.is_over { Poll::Ready(None) } else { Poll::Pending };
        };
        let at = *at;
        if at > Instant::now() {
            let wait = self.wait.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            wait.as_mut().reset(at);
            if wait.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        let first = self.on_the_way.pop_front();
        Poll::Ready(first.map(|(_, piece)| Ok(piece)))
    }
}
