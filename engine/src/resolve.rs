//! Step 3, resolve: which policy governs a queue.
//!
//! A layer of its own: a cluster-scoped policy that gives defaults and limits can come above the
//! namespaced ones here without anybody else being touched.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::api::{
    Budget, EVERY_LOCAL_QUEUE, Hold, ImagePullPolicySpec, Mode, Outage, QueueKind, QueueRef,
    Requeue, Rule,
};
use crate::objects::{Key, Policy, Uid};

/// A queue, as policies speak of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Queue {
    /// A LocalQueue of Kueue.
    Local(Key),
    /// The Jobs of a namespace that no queue system manages.
    None {
        /// The namespace.
        namespace: String,
    },
}

impl Queue {
    /// The namespace that it lies in.
    pub fn namespace(&self) -> &str {
        match self {
            Self::Local(key) => &key.namespace,
            Self::None { namespace } => namespace,
        }
    }
}

/// What governs a queue: one policy, ready to judge by.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The policy's key.
    pub policy: Key,
    /// The policy's uid.
    pub uid: Uid,
    /// Whether it acts.
    pub mode: Mode,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
    /// What becomes of jobs that it holds.
    pub hold: Hold,
    /// How jobs that it requeues come back.
    pub requeue: Requeue,
    /// When a registry counts as down.
    pub outage: Outage,
    /// How much it does at most.
    pub budget: Budget,
    /// An operator has paused it, and why.
    pub paused: Option<String>,
    /// When it was made: the older of two wins.
    created: Option<Timestamp>,
    queues: Vec<QueueRef>,
}

/// All policies that can be read.
#[derive(Clone, Debug, Default)]
pub struct Policies(BTreeMap<Key, Arc<Effective>>);

impl Policies {
    /// A policy was seen.
    pub fn put(&mut self, policy: &Policy) {
        let key = policy.metadata.key();
        match &policy.spec {
            Ok(spec) => self.0.insert(key.clone(), Arc::new(Effective::of(policy, key, spec))),
            Err(_) => self.0.remove(&key),
        };
    }

    /// A policy is gone.
    pub fn remove(&mut self, key: &Key) {
        self.0.remove(key);
    }

    /// A policy by its key.
    pub fn get(&self, key: &Key) -> Option<&Arc<Effective>> {
        self.0.get(key)
    }

    /// The policy that governs the queue: an exact name beats `*`; among equals the older one
    /// wins, then the name (as the Gateway API decides it, GEP-713).
    pub fn governing<'a>(&'a self, queue: &Queue) -> Option<&'a Arc<Effective>> {
        self.claims(queue)
            .min_by_key(|(exact, policy)| (!*exact, policy.created, &policy.policy))
            .map(|(_, policy)| policy)
    }

    /// The policy that governs what this claim of a policy in `namespace` stands for. For `*` that
    /// is the one whose `*` counts.
    pub fn governing_claim<'a>(
        &'a self,
        namespace: &str,
        claim: &QueueRef,
    ) -> Option<&'a Arc<Effective>> {
        self.in_namespace(namespace)
            .filter(|policy| policy.queues.contains(claim))
            .min_by_key(|policy| (policy.created, &policy.policy))
    }

    fn claims<'a, 'q>(
        &'a self,
        queue: &'q Queue,
    ) -> impl Iterator<Item = (bool, &'a Arc<Effective>)> + use<'a, 'q> {
        self.in_namespace(queue.namespace()).filter_map(move |policy| {
            policy
                .queues
                .iter()
                .filter_map(|claim| matches(claim, queue))
                .max()
                .map(|e| (e, policy))
        })
    }

    /// A policy never reaches beyond its own namespace: this is the one place that says so.
    pub fn in_namespace<'a, 'n>(
        &'a self,
        namespace: &'n str,
    ) -> impl Iterator<Item = &'a Arc<Effective>> + use<'a, 'n> {
        self.0.values().filter(move |policy| policy.policy.namespace == namespace)
    }
}

impl Effective {
    /// The queues that it claims, as its spec lists them.
    pub fn claims(&self) -> &[QueueRef] {
        &self.queues
    }
}

/// Whether a claim is about the queue, and whether by its exact name.
fn matches(claim: &QueueRef, queue: &Queue) -> Option<bool> {
    match (claim.kind, queue) {
        (QueueKind::NoQueue, Queue::None { .. }) => Some(true),
        (QueueKind::LocalQueue, Queue::Local(key)) => {
            let name = claim.name.as_deref()?;
            if name == key.name { Some(true) } else { (name == EVERY_LOCAL_QUEUE).then_some(false) }
        }
        (QueueKind::NoQueue, Queue::Local(_)) | (QueueKind::LocalQueue, Queue::None { .. }) => None,
    }
}

impl Effective {
    fn of(policy: &Policy, key: Key, spec: &ImagePullPolicySpec) -> Self {
        Self {
            policy: key,
            uid: policy.metadata.uid,
            mode: spec.mode,
            rules: spec.effective_rules(),
            hold: spec.hold,
            requeue: spec.requeue,
            outage: spec.outage,
            budget: spec.budget,
            paused: policy.metadata.annotation(crate::keys::PAUSED).map(str::to_owned),
            created: policy.metadata.creation_timestamp,
            queues: spec.queues.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::Meta;

    fn policy(namespace: &str, name: &str, second: i64, queues: &[Option<&str>]) -> Policy {
        let queues = queues
            .iter()
            .map(|name| QueueRef {
                kind: if name.is_some() { QueueKind::LocalQueue } else { QueueKind::NoQueue },
                name: name.map(str::to_owned),
            })
            .collect();
        Policy {
            metadata: Meta {
                name: name.to_owned(),
                namespace: namespace.to_owned(),
                creation_timestamp: Some(Timestamp::from_second(second).unwrap()),
                ..Meta::default()
            },
            spec: Ok(ImagePullPolicySpec::for_queues(queues)),
            status: crate::api::ImagePullPolicyStatus::default(),
        }
    }

    #[test]
    fn exact_beats_star_then_age_then_name_and_never_across_namespaces() {
        let mut all = Policies::default();
        for p in [
            policy("a", "star-old", 1, &[Some("*")]),
            policy("a", "star-new", 2, &[Some("*")]),
            policy("a", "exact-b", 9, &[Some("gpu")]),
            policy("a", "exact-a", 9, &[Some("gpu")]),
            policy("a", "both", 20, &[Some("*"), Some("cpu")]),
            policy("b", "older", 0, &[Some("gpu"), None]),
        ] {
            all.put(&p);
        }
        let local = |ns: &str, name: &str| Queue::Local(Key::new(ns, name));
        let none = |ns: &str| Queue::None { namespace: ns.to_owned() };
        for (queue, governs) in [
            (local("a", "gpu"), Some("exact-a")),
            (local("a", "cpu"), Some("both")),
            (local("a", "other"), Some("star-old")),
            (none("a"), None),
            (none("b"), Some("older")),
            (local("b", "other"), None),
            (local("c", "gpu"), None),
        ] {
            let policy = all.governing(&queue).map(|p| p.policy.name.as_str());
            assert_eq!(policy, governs, "{queue:?}");
        }
    }

    #[test]
    fn a_policy_that_cannot_be_read_governs_nothing() {
        let mut all = Policies::default();
        let mut broken = policy("a", "p", 1, &[Some("gpu")]);
        all.put(&broken);
        broken.spec = Err("unknown variant".to_owned());
        all.put(&broken);
        assert!(all.governing(&Queue::Local(Key::new("a", "gpu"))).is_none());
    }
}
