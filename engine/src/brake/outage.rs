//! Registries that are down: nothing is stopped because of them.
//!
//! What fails is counted per namespace and registry host; each policy of the namespace has
//! thresholds of its own, and a breaker of its own that stays open until it closes.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::tally::Tally;
use super::{later, seconds};
use crate::api::{OpenOutage, Outage, bounds, clip};
use crate::cause::{Cause, Class};
use crate::objects::{Key, Uid};
use crate::observe::registry_host;
use crate::time::Now;

/// At most so many hosts are remembered a namespace. The one that was quiet longest goes first, and
/// an open one last.
pub(super) const MOST_HOSTS: usize = 200;

/// A breaker does not close before so many seconds of quiet: the kubelet tries again every 300 s at
/// the latest (kubelet: `MaxContainerBackOff`), so nobody waits for the registry any more.
const LEAST_QUIET: u32 = 900;

/// How the breaker of one policy and one registry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The registry does not count as down: the rules act.
    Closed,
    /// The registry counts as down: nothing is stopped for it.
    Open {
        /// Since when, by the wall clock.
        since: Timestamp,
        /// The most jobs that began to fail there within one window.
        jobs: u32,
    },
    /// The registry counts as down, but for longer than the policy wants to wait: the rules act.
    Overdue,
}

/// What a container that has started proves of its registry. Neither: nothing, the image was on
/// the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Its image had failed in its Pod before, with a cause that counts.
    pub had_failed: bool,
    /// Its `imagePullPolicy` is `Always`: the kubelet has asked the registry.
    pub always: bool,
}

/// The breakers of all namespaces and registries.
#[derive(Clone, Debug, Default)]
pub struct Outages {
    namespaces: BTreeMap<String, Namespace>,
}

#[derive(Clone, Debug, Default)]
struct Namespace {
    /// The window of each policy that has asked, in seconds.
    windows: BTreeMap<String, u32>,
    hosts: BTreeMap<String, Registry>,
}

#[derive(Clone, Debug)]
struct Registry {
    /// Jobs with any cause that counts: only to say how many they are.
    failing: Tally<Uid>,
    /// Jobs with a transient cause.
    jobs: Tally<Uid>,
    /// Repositories with a cause that lies with the image or its credentials.
    repositories: Tally<Arc<str>>,
    /// The newest failure that counts.
    noted: Timestamp,
    /// The newest sign that it answers.
    proved: Option<Timestamp>,
    /// The breakers that are open, by the policy's name.
    open: BTreeMap<String, Opening>,
}

#[derive(Clone, Copy, Debug)]
struct Opening {
    since: Timestamp,
    jobs: u32,
}

impl Outages {
    /// A pull has failed. Only a job's first failure counts, and with a cause of the image or its
    /// credentials only a repository's first; any later one says that the registry still fails.
    /// `began` is the first failure that is known, as a checkpoint has it, or the first since the
    /// registry was last back; `at` is this one.
    ///
    /// Returns whether it is a first one, so that the jobs of this host are to be decided anew.
    pub fn failed(
        &mut self,
        namespace: &str,
        host: &str,
        job: Uid,
        repository: &str,
        cause: Cause,
        (began, at): (Timestamp, Timestamp),
    ) -> bool {
        let Some(by) = counted_by(cause) else { return false };
        if !self.namespaces.contains_key(namespace) {
            self.namespaces.insert(namespace.to_owned(), Namespace::default());
        }
        let Some(known) = self.namespaces.get_mut(namespace) else { return false };
        let keep = known.keep();
        let registry = known.registry(host, at);
        registry.noted = registry.noted.max(at);
        registry.failing.note(job, began, keep);
        match by {
            // What passes by itself was not there before it was noted: a policy that is made during
            // an outage has to see it.
            By::Job => registry.jobs.note(job, at, keep),
            By::Repository => registry.repositories.note(Arc::from(repository), began, keep),
        }
    }

    /// How the breaker of a policy stands. Opens it when the threshold is reached; so it is to be
    /// asked after each failure that counts. Closed it is by [`Self::pulled`] and
    /// [`Self::close_quiet`] alone, which say so.
    pub fn assess(&mut self, policy: &Key, limits: &Outage, host: &str, now: Now) -> State {
        let Some(namespace) = self.namespaces.get_mut(&policy.namespace) else {
            return State::Closed;
        };
        match namespace.windows.get_mut(&policy.name) {
            Some(window) => *window = limits.window_seconds,
            None => {
                namespace.windows.insert(policy.name.clone(), limits.window_seconds);
            }
        }
        let keep = namespace.keep();
        let Some(registry) = namespace.hosts.get_mut(host) else { return State::Closed };
        let state = registry.assess(&policy.name, limits, now.wall);
        if registry.is_idle(now.wall, keep) {
            namespace.hosts.remove(host);
        }
        state
    }

    /// A container has started, at `at` by the node's clock (whole seconds: of the second in which
    /// the breaker opened none closes it). Closes the breakers of all policies that opened before,
    /// and forgets who had begun to fail by then. Returns the names of those policies.
    pub fn pulled(
        &mut self,
        namespace: &str,
        host: &str,
        proof: Proof,
        at: Timestamp,
    ) -> Vec<String> {
        let known = self.namespaces.get_mut(namespace).and_then(|n| n.hosts.get_mut(host));
        let Some(registry) = known.filter(|_| proof.had_failed || proof.always) else {
            return Vec::new();
        };
        registry.proved = registry.proved.max(Some(at));
        let mut closed = Vec::new();
        registry.open.retain(|policy, opening| {
            let stays = opening.since >= at;
            if !stays {
                closed.push(policy.clone());
            }
            stays
        });
        if !closed.is_empty() {
            registry.failing.forget_until(at);
            registry.jobs.forget_until(at);
            registry.repositories.forget_until(at);
        }
        closed
    }

    /// When the breaker closes by itself, if it is open and nothing fails there any more.
    pub fn quiet_at(&self, policy: &Key, limits: &Outage, host: &str) -> Option<Timestamp> {
        let registry = self.namespaces.get(&policy.namespace)?.hosts.get(host)?;
        registry.open.contains_key(&policy.name).then(|| later(registry.noted, quiet(limits)))
    }

    /// When the rules act again although the breaker is open, if the policy wants that.
    pub fn overdue_at(&self, policy: &Key, limits: &Outage, host: &str) -> Option<Timestamp> {
        let registry = self.namespaces.get(&policy.namespace)?.hosts.get(host)?;
        let opening = registry.open.get(&policy.name)?;
        (limits.max_hold_seconds > 0)
            .then(|| later(opening.since, seconds(limits.max_hold_seconds)))
    }

    /// Closes the breakers of a policy whose registries were quiet, and returns their hosts. For
    /// when [`Self::quiet_at`] has come.
    pub fn close_quiet(&mut self, policy: &Key, limits: &Outage, now: Now) -> Vec<String> {
        let Some(namespace) = self.namespaces.get_mut(&policy.namespace) else {
            return Vec::new();
        };
        let mut closed = Vec::new();
        for (host, registry) in &mut namespace.hosts {
            // Clocks jump: a failure of later than now would keep it open until then.
            registry.noted = registry.noted.min(now.wall);
            let is_quiet = now.wall.duration_since(registry.noted) >= quiet(limits);
            if is_quiet && registry.open.remove(&policy.name).is_some() {
                closed.push(host.clone());
            }
        }
        closed
    }

    /// The open breakers of a policy for `status.outages`, the oldest first.
    pub fn open(&self, policy: &Key) -> impl Iterator<Item = OpenOutage> + use<> {
        let mut open: Vec<OpenOutage> = self
            .open_hosts(policy)
            .map(|(host, opening)| OpenOutage {
                host: clip(host, bounds::HOST),
                since_time: opening.since,
                distinct_jobs: opening.jobs,
            })
            .collect();
        open.sort_by_key(|outage| outage.since_time); // stable: then by host
        open.truncate(bounds::OUTAGES);
        open.into_iter()
    }

    /// Opens the breakers that an earlier life, or the leader before, had open, but for those whose
    /// registry was seen to answer since. They get a whole time of quiet from now on.
    pub fn restore(&mut self, policy: &Key, outages: &[OpenOutage], now: Now) {
        if outages.is_empty() {
            return;
        }
        let namespace = self.namespaces.entry(policy.namespace.clone()).or_default();
        for outage in outages {
            let registry = namespace.registry(&outage.host, now.wall);
            if registry.proved.is_some_and(|proved| proved > outage.since_time) {
                continue;
            }
            registry.noted = registry.noted.max(now.wall);
            let since = outage.since_time.min(now.wall);
            let opening = Opening { since, jobs: outage.distinct_jobs };
            registry.open.entry(policy.name.clone()).or_insert(opening);
        }
    }

    /// The policy is gone. Its breakers stay as they are for one of the same name that comes in its
    /// place; without any policy and open breaker goes what was counted.
    pub fn forget_policy(&mut self, policy: &Key) {
        let Some(namespace) = self.namespaces.get_mut(&policy.namespace) else { return };
        namespace.windows.remove(&policy.name);
        if namespace.windows.is_empty() && namespace.hosts.values().all(|r| r.open.is_empty()) {
            self.namespaces.remove(&policy.namespace);
        }
    }

    /// The namespace is gone.
    pub fn forget_namespace(&mut self, namespace: &str) {
        self.namespaces.remove(namespace);
    }

    fn open_hosts(&self, policy: &Key) -> impl Iterator<Item = (&String, &Opening)> {
        let hosts = self.namespaces.get(&policy.namespace).into_iter().flat_map(|n| &n.hosts);
        hosts.filter_map(|(host, registry)| Some((host, registry.open.get(&policy.name)?)))
    }
}

impl Namespace {
    /// How long who fails no more stays known: longer than anybody's window, and than the kubelet
    /// waits between two pulls.
    fn keep(&self) -> SignedDuration {
        let longest = self.windows.values().max().copied().unwrap_or_default();
        seconds(longest.saturating_mul(2).max(LEAST_QUIET))
    }

    /// The registry; room is made for a new one.
    fn registry(&mut self, host: &str, at: Timestamp) -> &mut Registry {
        if !self.hosts.contains_key(host) {
            let keep = self.keep();
            for registry in self.hosts.values_mut() {
                // Of a policy that does not come back.
                let is_quiet = at.duration_since(registry.noted) > keep;
                registry.open.retain(|name, _| !is_quiet || self.windows.contains_key(name));
            }
            self.hosts.retain(|_, registry| !registry.is_idle(at, keep));
            if self.hosts.len() >= MOST_HOSTS {
                let rank = |registry: &Registry| (!registry.open.is_empty(), registry.noted);
                let least = self.hosts.iter().min_by_key(|(_, registry)| rank(registry));
                if let Some(least) = least.map(|(host, _)| host.clone()) {
                    self.hosts.remove(&least);
                }
            }
        }
        self.hosts.entry(host.to_owned()).or_insert_with(|| Registry::new(at))
    }
}

impl Registry {
    fn new(at: Timestamp) -> Self {
        Self {
            failing: Tally::default(),
            jobs: Tally::default(),
            repositories: Tally::default(),
            noted: at,
            proved: None,
            open: BTreeMap::new(),
        }
    }

    fn is_idle(&self, now: Timestamp, keep: SignedDuration) -> bool {
        self.open.is_empty() && now.duration_since(self.noted) > keep
    }

    fn assess(&mut self, policy: &str, limits: &Outage, now: Timestamp) -> State {
        // Clocks jump, and those of nodes differ: nothing may count as later than now for long.
        self.noted = self.noted.min(now);
        let window = seconds(limits.window_seconds);
        if let Some(opening) = self.open.get_mut(policy) {
            opening.since = opening.since.min(now);
            opening.jobs = opening.jobs.max(self.failing.within(now, window));
            let held = now.duration_since(opening.since);
            if limits.max_hold_seconds > 0 && held >= seconds(limits.max_hold_seconds) {
                return State::Overdue;
            }
            return State::Open { since: opening.since, jobs: opening.jobs };
        }
        let most = self.jobs.within(now, window).max(self.repositories.within(now, window));
        if most < limits.distinct_jobs {
            return State::Closed;
        }
        let opening = Opening { since: now, jobs: self.failing.within(now, window) };
        self.open.insert(policy.to_owned(), opening);
        State::Open { since: opening.since, jobs: opening.jobs }
    }
}

/// What is counted of a failure.
enum By {
    /// Jobs: any job may meet it.
    Job,
    /// Repositories: one mistake is made in one of them.
    Repository,
}

fn counted_by(cause: Cause) -> Option<By> {
    match cause.class() {
        Class::Transient => Some(By::Job),
        Class::Permanent | Class::Credentials => Some(By::Repository),
        Class::Node | Class::Unknown => None,
    }
}

/// Whether a failure with this cause tells anything of the registry.
pub fn counts(cause: Cause) -> bool {
    counted_by(cause).is_some()
}

fn quiet(limits: &Outage) -> SignedDuration {
    seconds(limits.window_seconds.saturating_mul(2).max(LEAST_QUIET))
}

/// The repository of an image: without registry, tag and digest, and without Docker Hub's
/// `library/` (distribution/reference: `officialRepoPrefix`).
pub fn repository(image: &str) -> &str {
    let host = registry_host(image);
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let path = match name.split_once('/') {
        Some((first, path)) if first == host || first == "index.docker.io" => path,
        _ => name,
    };
    let last = path.rfind('/').map_or(0, |slash| slash + 1);
    let end = path.get(last..).and_then(|l| l.find(':')).map_or(path.len(), |colon| last + colon);
    let path = path.get(..end).unwrap_or(path);
    match path.strip_prefix("library/") {
        Some(short) if host == "docker.io" && !short.contains('/') => short,
        _ => path,
    }
}

#[cfg(test)]
mod tests;
