//! An API server over the [`store`](crate::store): requests in, answers out.
//!
//! It has no sockets, no clock and no threads. Whoever drives it gives each [`Request`] and the time
//! to [`Server::handle`], and polls the watches that were opened ([`Server::poll`]) whenever
//! [`Server::version`] has grown or [`Server::next_deadline`] is reached. The same requests at the same
//! times get the same answers, uids and generated names among them: those are drawn from a seed.
//!
//! What is played is what Dislodge and the cluster around it use of an API server: the kinds of
//! [`KINDS`]; versions, lists in pages, watches with bookmarks and their end at old versions;
//! selectors; all four kinds of patches, and who owns which field; the status as a part of its own;
//! preconditions, finalizers and graceful deletion; dry runs; discovery. What is not: who may do what
//! (everybody may do everything), admission but for a few defaults, quotas, and most of the validation
//! (see `api/validation.rs`); fields that no schema has are kept.

mod components;
mod defaults;
mod deletion;
mod discovery;
mod kinds;
mod metadata;
mod ownership;
mod patching;
mod query;
mod reading;
mod refusal;
mod route;
mod selector;
mod shape;
mod validation;
mod views;
mod watching;
mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use self::components::Changed;
pub use self::kinds::{KINDS, Kind};
use self::query::Query;
pub use self::refusal::{Cause, Refusal};
use self::route::{At, Route, route};
pub use self::validation::{Part, Schema};
use self::watching::Watch;
pub use self::watching::{Polled, WatchId};
use crate::store::{Store, Version, Versioned};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// Path and query, as in the request line.
    pub path: String,
    /// The media type of the body, with or without parameters; empty: JSON.
    pub content_type: String,
    /// The `User-Agent`: up to its first slash it is the name of a writer that gives none.
    pub agent: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read, list or watch.
    Get,
    /// Create.
    Post,
    /// Replace.
    Put,
    /// Change.
    Patch,
    /// Delete.
    Delete,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All there is to say.
    Done {
        /// The HTTP code.
        code: u16,
        /// The body.
        body: Body,
    },
    /// A watch was opened: its events are polled.
    Watch(WatchId),
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// JSON.
    Object(Value),
    /// Plain text.
    Text(String),
}

/// Where an object lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    stored: &'static str,
    /// `namespace/name`, or the name alone: the order of such texts is that of lists.
    path: String,
}

/// An object, as it is stored.
#[derive(Clone, Debug, PartialEq)]
struct Object(Value);

impl Versioned for Object {
    fn set_version(&mut self, version: Version) {
        metadata::set(&mut self.0, "resourceVersion", Some(json!(version.0.to_string())));
    }
}

/// The API server.
#[derive(Debug)]
pub struct Server {
    store: Store<Key, Object>,
    watches: BTreeMap<WatchId, Watch>,
    opened: u64,
    seed: u64,
    drawn: u64,
    /// By the kind's name in URLs.
    schemas: BTreeMap<&'static str, Arc<dyn Schema>>,
    /// Groups and versions that are not served.
    absent: BTreeSet<(String, String)>,
}

/// One request, read.
#[derive(Debug)]
struct Call<'a> {
    at: At,
    query: Query,
    request: &'a Request,
    now: Timestamp,
}

impl Server {
    /// A server with nothing but the namespaces `default` and `kube-system`. `kept` changes can be
    /// watched back; uids and generated names come from `seed`.
    pub fn new(kept: usize, seed: u64, now: Timestamp) -> Self {
        let mut server = Self {
            store: Store::new(kept),
            watches: BTreeMap::new(),
            opened: 0,
            seed,
            drawn: 0,
            schemas: BTreeMap::new(),
            absent: BTreeSet::new(),
        };
        for name in ["default", "kube-system"] {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
                                   "metadata": {"name": name}});
            server.handle(&Request::json(Method::Post, "/api/v1/namespaces", &namespace), now);
        }
        server
    }

    /// Whether a version of a group is served; all are, to begin with. Objects stay while theirs is not.
    pub fn serve(&mut self, group: &str, version: &str, served: bool) {
        let which = (group.to_owned(), version.to_owned());
        if served {
            self.absent.remove(&which);
        } else {
            self.absent.insert(which);
        }
    }

    /// Objects of that kind (by its name in URLs) are held to this schema.
    pub fn define(&mut self, plural: &'static str, schema: Arc<dyn Schema>) {
        self.schemas.insert(plural, schema);
    }

    /// The number of the newest change.
    pub fn version(&self) -> Version {
        self.store.version()
    }

    /// Forgets all changes so far, as after a compaction: watches and lists that begin earlier end.
    pub fn forget(&mut self) {
        self.store.forget();
    }

    /// Answers a request at that time.
    pub fn handle(&mut self, request: &Request, now: Timestamp) -> Answer {
        self.answer(request, now).unwrap_or_else(|refusal| match refusal {
            Refusal::Status(status) => {
                Answer::Done { code: status.code, body: Body::Object(status.object()) }
            }
            Refusal::NoPath => {
                let body = Body::Text("404 page not found\n".to_owned());
                Answer::Done { code: 404, body }
            }
        })
    }

    fn answer(&mut self, request: &Request, now: Timestamp) -> Result<Answer, Refusal> {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let serves = |group: &str, version: &str| {
            !self.absent.contains(&(group.to_owned(), version.to_owned()))
                && KINDS.iter().any(|kind| kind.group == group && kind.versions.contains(&version))
        };
        let at = match route(path, serves)? {
            Route::Document(segments) => {
                let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
                if request.method != Method::Get {
                    return Err(Refusal::no_method());
                }
                return discovery::document(&segments, serves);
            }
            Route::Review => return allow(request),
            Route::Objects(at) => at,
        };
        let call = Call { at, query: Query::read(query), request, now };
        let is_one = call.at.name.is_some();
        match request.method {
            Method::Get if call.query.is_set("watch") => self.watch(&call).map(Answer::Watch),
            Method::Get if is_one => self.get(&call),
            Method::Get => self.list(&call),
            Method::Post if !is_one => self.create(&call),
            Method::Put if is_one => self.replace(&call),
            Method::Patch if is_one => self.patch(&call),
            Method::Delete if is_one => self.delete(&call),
            Method::Post | Method::Put | Method::Patch | Method::Delete => {
                Err(Refusal::no_method())
            }
        }
    }

    /// A number that nobody foresees, and that is the same for the same seed (`SplitMix64`).
    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        let mut z = self.seed.wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A uid as the API server makes them: a random UUID.
    fn uid(&mut self) -> String {
        let bits = (u128::from(self.draw()) << 64) | u128::from(self.draw());
        let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let digits = format!("{bits:032x}");
        let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }
}

/// The end of a generated name, out of a random number: five characters that make no words
/// (`apimachinery/pkg/util/rand`).
pub fn suffix(random: u64) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut rest = random;
    let mut next = || {
        let length = ALPHABET.len() as u64;
        let at = usize::try_from(rest % length).unwrap_or_default();
        rest /= length;
        char::from(ALPHABET.get(at).copied().unwrap_or(b'x'))
    };
    (0..5).map(|_| next()).collect()
}

impl Request {
    /// A request with a JSON body.
    pub fn json(method: Method, path: &str, body: &Value) -> Self {
        Self {
            method,
            path: path.to_owned(),
            content_type: "application/json".to_owned(),
            agent: String::new(),
            body: body.to_string().into_bytes(),
        }
    }

    /// The media type of the body, without parameters.
    fn media_type(&self) -> &str {
        self.content_type.split(';').next().unwrap_or_default().trim()
    }
}

impl Call<'_> {
    /// The name under which the writer's fields are noted.
    fn manager(&self) -> String {
        let given = self.query.get("fieldManager");
        let agent = || self.request.agent.split('/').next().filter(|name| !name.is_empty());
        given.or_else(agent).unwrap_or("unknown").to_owned()
    }

    /// Where an object of that name lies.
    fn key(&self, name: &str) -> Key {
        let path = match &self.at.namespace {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        };
        Key { stored: self.at.kind.stored, path }
    }

    /// The body as JSON.
    fn body(&self) -> Result<Value, Refusal> {
        let kind = self.request.media_type();
        if kind.contains("protobuf") || kind.contains("cbor") {
            return Err(Refusal::media_type(self.at.kind));
        }
        serde_json::from_slice(&self.request.body).map_err(|error| {
            Refusal::bad_request(format!("the object provided is unrecognized: {error}"))
        })
    }
}

/// Everybody may do everything.
fn allow(request: &Request) -> Result<Answer, Refusal> {
    if request.method != Method::Post {
        return Err(Refusal::no_method());
    }
    // Whatever is asked, and be it in another encoding than JSON: kubectl takes that for reviews.
    let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {},
        "spec": asked.get("spec").cloned().unwrap_or_else(|| json!({})),
        "status": {"allowed": true},
    });
    Ok(Answer::Done { code: 201, body: Body::Object(review) })
}

#[cfg(test)]
mod tests;
