//! The cluster in memory behind an API server: clients read what the actors do, and what clients write
//! the actors see.
//!
//! Both sides keep the objects in their own way, typed values here and JSON there, and are brought in
//! line after each step of an actor and after each request, before anybody can look. What a client
//! wrote that no actor knows (annotations, messages of conditions) stays where it is.
//!
//! Requests are answered in zero time; whoever drives it adds the ways there and back.

mod overlay;
mod record;
mod render;
mod take;

use std::collections::BTreeSet;
use std::sync::Arc;

use dislodge_engine::input::Kind;
use dislodge_engine::objects::Key;
use jiff::Timestamp;
use serde_json::{Value, json};

use self::overlay::overlay;
use self::record::Judged;
pub use self::record::Sent;
use self::render::{Surroundings, rendered};
use super::object::Object;
use super::{Id, World};
use crate::api::{Answer, Method, Polled, Request, Server, WatchId};
use crate::policies;
use crate::store::{Change, Version, What};

/// The cluster in memory behind an API server.
#[derive(Debug)]
pub struct Served {
    world: World,
    server: Server,
    /// The newest change of the clients that the actors were told.
    taken: Version,
    /// Changes in the actors' store that come from clients: they are shown already.
    from_clients: BTreeSet<Version>,
    namespaces: BTreeSet<String>,
    judged: Option<Judged>,
}

impl Served {
    /// Puts a cluster behind a server that has no objects yet. Our CRD is installed in it.
    pub fn new(mut world: World, mut server: Server) -> Self {
        server.define("imagepullpolicies", policies::schema());
        world.tell();
        world.unshown = Some(Vec::new());
        let mut both = Self {
            world,
            server,
            taken: Version::default(),
            from_clients: BTreeSet::new(),
            namespaces: BTreeSet::new(),
            judged: None,
        };
        for kind in Kind::ALL {
            let there = both.world.of_kind(kind).map(|(_, object)| Arc::clone(object));
            for object in there.collect::<Vec<Arc<Object>>>() {
                both.show_object(kind, None, &object);
            }
        }
        both.taken = both.server.version();
        both
    }

    /// The cluster, to be looked at.
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// The API server, to be looked at.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// Does something in the cluster itself at that time.
    pub fn act<T>(&mut self, now: Timestamp, act: impl FnOnce(&mut World) -> T) -> T {
        self.run_until(now);
        let done = act(&mut self.world);
        self.show();
        done
    }

    /// When an actor does something next; `None`: never.
    pub fn next(&self) -> Option<Timestamp> {
        self.world.next().map(|at| self.world.at(at))
    }

    /// Lets the actors do what they do until then.
    pub fn run_until(&mut self, now: Timestamp) {
        let end = now.duration_since(self.world.at(std::time::Duration::ZERO));
        let Ok(end) = std::time::Duration::try_from(end) else { return };
        while self.world.next().is_some_and(|at| at <= end) {
            self.world.step();
            self.show();
            self.look();
        }
        self.world.run_until(end);
    }

    /// Answers a request at that time.
    pub fn handle(&mut self, request: &Request, now: Timestamp) -> Answer {
        let answer = self.answer(request, now);
        self.look();
        answer
    }

    fn answer(&mut self, request: &Request, now: Timestamp) -> Answer {
        self.run_until(now);
        let answer = self.server.handle(request, now);
        if request.method != Method::Get {
            self.take();
            self.show();
        }
        answer
    }

    /// What there is to send to a watch ([`Server::poll`]).
    pub fn poll(&mut self, id: WatchId, now: Timestamp) -> Polled {
        self.run_until(now);
        self.server.poll(id, now)
    }

    /// When a watch has something to send though nothing changes ([`Server::next_deadline`]).
    pub fn next_deadline(&self, id: WatchId) -> Option<Timestamp> {
        self.server.next_deadline(id)
    }

    /// The client of a watch is gone.
    pub fn close(&mut self, id: WatchId) {
        self.server.close(id);
    }

    /// Forgets all changes so far ([`Server::forget`]).
    pub fn forget(&mut self) {
        self.server.forget();
    }

    /// The number of the newest change that clients can see.
    pub fn version(&self) -> Version {
        self.server.version()
    }

    const fn around(&self) -> Surroundings {
        Surroundings { start: self.world.start, resource: self.world.kueue.resource() }
    }

    /// Shows clients what the actors have done.
    fn show(&mut self) {
        self.world.tell();
        let changes = self.world.unshown.as_mut().map(std::mem::take).unwrap_or_default();
        for change in changes {
            if !self.from_clients.remove(&change.version) {
                self.show_change(&change);
            }
        }
        self.taken = self.server.version();
    }

    fn show_change(&mut self, change: &Change<Id, Object>) {
        let kind = change.key.0;
        match (change.what, plural(kind)) {
            (_, None) => {}
            (What::Deleted, Some(plural)) => {
                self.server.take_away(plural, &change.object.meta().key());
            }
            (What::Created | What::Replaced, Some(_)) => {
                self.show_object(kind, change.before.as_deref(), &change.object);
            }
        }
    }

    fn show_object(&mut self, kind: Kind, before: Option<&Object>, object: &Object) {
        let Some(plural) = plural(kind) else { return };
        let (around, place) = (self.around(), object.meta().key());
        self.have_namespace(&place.namespace);
        let before = before.map(|before| rendered(before, around));
        let after = rendered(object, around);
        let object = match self.server.stored(plural, &place) {
            Some(there) => {
                let mut object = there.clone();
                // The Pods of a Job that a client has made are as the client wants them.
                let made = || json!({"spec": {"template": after.pointer("/spec/template")}});
                overlay(&mut object, &before.unwrap_or_else(made), &after);
                object
            }
            None => named(kind, after),
        };
        self.server.put(plural, &place, object);
    }

    /// Objects of a namespace can only be created while it is there.
    fn have_namespace(&mut self, name: &str) {
        if !name.is_empty() && self.namespaces.insert(name.to_owned()) {
            let namespace = named_namespace(name);
            self.server.put("namespaces", &Key::new("", name), namespace);
        }
    }
}

/// The kind's name in URLs; `None` for kinds that the cluster in memory has no actors for.
const fn plural(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Pod => "pods",
        Kind::Job => "jobs",
        Kind::Workload => "workloads",
        Kind::LocalQueue => "localqueues",
        Kind::ClusterQueue => "clusterqueues",
        Kind::Policy => "imagepullpolicies",
        Kind::Node => "nodes",
        Kind::JobSet | Kind::CronJob => return None,
    })
}

/// An object with its kind.
fn named(kind: Kind, mut object: Value) -> Value {
    let api_version = match kind {
        Kind::Pod | Kind::Node => "v1",
        Kind::Job | Kind::CronJob => "batch/v1",
        Kind::JobSet => "jobset.x-k8s.io/v1alpha2",
        Kind::Workload | Kind::LocalQueue | Kind::ClusterQueue => "kueue.x-k8s.io/v1beta2",
        Kind::Policy => "dislodge.dev/v1alpha1",
    };
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".to_owned(), json!(api_version));
        fields.insert("kind".to_owned(), json!(kind.as_str()));
    }
    object
}

fn named_namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
           "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
}

#[cfg(test)]
mod tests;
