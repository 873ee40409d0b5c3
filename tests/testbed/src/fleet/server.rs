//! What is answered: lists in pages, watches, reads and patches of what the formula has; all else is the
//! model's.

use std::convert::Infallible;

use axum::Router;
use axum::body::{self, Body, Bytes};
use axum::extract::{Request, State as Extracted};
use axum::response::Response;
use dislodge_sim::patch::{self, Patch};
use futures::stream;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tower::Service as _;

use super::formula::Kind;
use super::{Asked, Fleet, Open, State, WAITING};
use crate::error::Result;
use crate::memory::Listening;

/// The longest body that is read.
const LONGEST_BODY: usize = 3 << 20;

impl Fleet {
    /// Serves it over HTTP on a free port of loopback, until what is returned is dropped.
    ///
    /// # Errors
    /// Where there is no free port.
    pub async fn listen(&self) -> Result<Listening> {
        Listening::start(Router::new().fallback(answer).with_state(self.clone())).await
    }

    /// A page of a list.
    fn list(&self, kind: Kind, query: &str) -> Response {
        let number = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse::<usize>().ok())
        };
        let all = self.0.formula.count(kind);
        let from = number("continue").unwrap_or_default().min(all);
        let to =
            number("limit").filter(|limit| *limit > 0).map_or(all, |limit| all.min(from + limit));
        let state = self.state();
        let next = if to < all { to.to_string() } else { String::new() };
        let mut page = format!(
            r#"{{"kind":"{}List","apiVersion":"{}","metadata":{{"resourceVersion":"{}","continue":"{next}"}},"items":["#,
            kind.name(),
            kind.api_version(),
            state.version,
        )
        .into_bytes();
        for index in from..to {
            if index > from {
                page.push(b',');
            }
            self.write(&state, (kind, index), &mut page);
        }
        page.extend_from_slice(b"]}\n");
        drop(state);
        json_response(StatusCode::OK, page.into())
    }

    /// A watch: from now on. Nothing happens between a list and the watch after it, so that nothing is
    /// missed; it ends when [`Fleet::expire`] says so.
    fn watch(&self, kind: Kind) -> Response {
        let (sender, receiver) = mpsc::channel::<Bytes>(WAITING);
        self.state().watches.push(Open { kind, lines: sender });
        let lines = stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|lines| (Ok::<_, Infallible>(lines), receiver))
        });
        json_response(StatusCode::OK, Body::from_stream(lines))
    }

    fn read(&self, at: (Kind, usize)) -> Response {
        let mut object = Vec::new();
        self.write(&self.state(), at, &mut object);
        json_response(StatusCode::OK, object.into())
    }

    /// A merge patch, pinned to a version or not. Whoever watches is told.
    async fn patch(&self, at: (Kind, usize), body: &[u8]) -> Response {
        let received = Instant::now();
        let Ok(patch) = serde_json::from_slice::<Value>(body) else {
            return refused(StatusCode::BAD_REQUEST, "BadRequest");
        };
        let line = {
            let mut state = self.state();
            let mut object = Vec::new();
            self.write(&state, at, &mut object);
            let mut object: Value = serde_json::from_slice(&object).unwrap_or_default();
            for field in ["/metadata/uid", "/metadata/resourceVersion"] {
                if patch.pointer(field).is_some_and(|pin| object.pointer(field) != Some(pin)) {
                    return refused(StatusCode::CONFLICT, "Conflict");
                }
            }
            if patch::apply(&mut object, &Patch::Merge(patch)).is_err() {
                return refused(StatusCode::BAD_REQUEST, "BadRequest");
            }
            state.patched.insert(at, object);
            Self::touch(&mut state, at, self.0.memory.now());
            if at.0 == Kind::Workload
                && let Some(sent) = state.ripe.remove(&at.1)
                && !self.0.formula.is_flooding(at.1)
            {
                state.reactions.push(received.duration_since(sent));
            }
            self.line(&state, "MODIFIED", at)
        };
        self.send(at.0, line.into()).await;
        self.read(at)
    }

    /// One event of a watch, as a line.
    pub(super) fn line(&self, state: &State, what: &str, at: (Kind, usize)) -> Vec<u8> {
        let mut line = Vec::with_capacity(10_000);
        line.extend_from_slice(br#"{"type":""#);
        line.extend_from_slice(what.as_bytes());
        line.extend_from_slice(br#"","object":"#);
        self.write(state, at, &mut line);
        line.extend_from_slice(b"}\n");
        line
    }

    /// Sends lines to whoever watches the kind; waits where they are slow.
    pub(super) async fn send(&self, kind: Kind, lines: Bytes) {
        let readers: Vec<mpsc::Sender<Bytes>> = {
            let mut state = self.state();
            state.watches.retain(|open| !open.lines.is_closed());
            let of_kind = state.watches.iter().filter(|open| open.kind == kind);
            of_kind.map(|open| open.lines.clone()).collect()
        };
        for reader in readers {
            // Whoever has gone in the meantime needs nothing.
            let _gone = reader.send(lines.clone()).await;
        }
    }
}

async fn answer(Extracted(fleet): Extracted<Fleet>, request: Request) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let query = request.uri().query().unwrap_or_default().to_owned();
    fleet.state().asked.push(Asked { method: method.clone(), path: path.clone() });
    for kind in Kind::ALL {
        if path == kind.path() && method == Method::GET {
            let watches = query.split('&').any(|pair| pair == "watch=true");
            return if watches { fleet.watch(kind) } else { fleet.list(kind, &query) };
        }
        let Some(index) = fleet.named(kind, &path) else { continue };
        return match method {
            Method::GET => fleet.read((kind, index)),
            Method::PATCH => match body::to_bytes(request.into_body(), LONGEST_BODY).await {
                Ok(body) => fleet.patch((kind, index), &body).await,
                Err(_) => refused(StatusCode::BAD_REQUEST, "BadRequest"),
            },
            _ => refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
        };
    }
    let mut memory = fleet.0.memory.clone();
    memory.call(request).await.unwrap_or_else(|never: Infallible| match never {})
}

impl Fleet {
    /// The object at a path, if the formula has its kind: `.../namespaces/NAMESPACE/PLURAL/NAME`.
    fn named(&self, kind: Kind, path: &str) -> Option<usize> {
        let (root, plural) = kind.path().rsplit_once('/')?;
        let rest = path.strip_prefix(root)?.strip_prefix("/namespaces/")?;
        let mut parts = rest.split('/').skip(1);
        (parts.next()? == plural).then_some(())?;
        self.0.formula.find(kind, parts.next()?)
    }
}

fn json_response(code: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

fn refused(code: StatusCode, reason: &str) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "refused", "reason": reason, "code": code.as_u16()});
    json_response(code, status.to_string().into())
}
