//! The registries and nodes at work: what fails and what starts is told to the brakes.

use std::sync::Arc;
use std::time::Duration;

use crate::brake::{Proof, State, counts, repository};
use crate::cause::Class;
use crate::engine::{Due, Engine};
use crate::objects::{Key, Uid};
use crate::observe::{Observation, registry_host};
use crate::record::Step;
use crate::resolve::Effective;
use crate::time::Now;

/// Not sooner than this is looked at what a time of the wall clock has ended: the clock may be behind.
pub(super) const SOON: Duration = Duration::from_secs(1);

/// An image of a Pod that failed before its newest status.
pub(super) type Failed = Vec<Arc<str>>;

impl Engine {
    /// The images of a Pod that have failed with a cause by which registries are counted as down.
    pub(super) fn counted_failures(&self, pod: Uid) -> Failed {
        let tracks = self.index.pod(pod).into_iter().flat_map(|row| row.history.tracks());
        let asked = tracks.filter(|(_, track)| track.once.is_none());
        let counts = asked.filter(|(_, track)| track.runs.newest_cause().is_some_and(counts));
        counts.map(|(image, _)| Arc::clone(image)).collect()
    }

    /// Pulls of a Pod have failed: is a registry down?
    pub(super) fn note_failures(
        &mut self,
        namespace: &str,
        (pod, job): (Uid, Uid),
        steps: &[(Arc<str>, Step)],
        now: Now,
    ) {
        if self.policies.in_namespace(namespace).next().is_none() {
            return;
        }
        for (image, step) in steps {
            if !matches!(step, Step::Failed { .. }) {
                continue;
            }
            let Some(row) = self.index.pod(pod) else { return };
            // What is found bad without a pull tells nothing of a registry: none was asked.
            let track = row.history.track(image).filter(|track| track.once.is_none());
            let Some(track) = track else { continue };
            let newest = track.runs.newest();
            let Some((newest, first)) = newest.zip(track.began()) else { continue };
            let cause = newest.cause;
            // When a Pod that a list showed first began to fail, nobody knows: it may have been
            // failing for days. Causes that don't pass by themselves count from its creation, so that
            // old mistakes don't look like an outage of today.
            let began = if row.listed && cause.class() != Class::Transient {
                row.place.created.map_or(first, |created| created.min(first))
            } else {
                first
            };
            let (host, repository) = (registry_host(image), repository(image));
            let times = (began, newest.last);
            if self.outages.failed(namespace, host, job, repository, cause, times) {
                self.assess_all(namespace, host, now);
            }
        }
    }

    /// Has a failure opened a breaker of any policy of the namespace?
    fn assess_all(&mut self, namespace: &str, host: &str, now: Now) {
        for policy in self.policies.in_namespace(namespace) {
            let state = self.outages.assess(&policy.policy, &policy.outage, host, now);
            if state != State::Closed {
                self.dirty_policies.insert(policy.policy.clone());
            }
        }
    }

    /// Whether nothing is to be stopped because of this image: its registry counts as down.
    pub(super) fn is_down(&mut self, policy: &Effective, job: Uid, image: &str, now: Now) -> bool {
        let (key, host) = (&policy.policy, registry_host(image));
        match self.outages.assess(key, &policy.outage, host, now) {
            State::Open { .. } => {
                if let Some(at) = self.outages.overdue_at(key, &policy.outage, host) {
                    self.wake(now.elapsed + now.until(at).max(SOON), Due::Job(job));
                }
                true
            }
            State::Overdue | State::Closed => false,
        }
    }

    /// Images were pulled: a registry answers, and what fails elsewhere may be the node's fault.
    pub(super) fn note_pulled(
        &mut self,
        namespace: &str,
        pod: Uid,
        seen: &Observation<'_>,
        (pulled, failed): (&[Arc<str>], &Failed),
    ) {
        for image in pulled {
            let Some(shown) = seen.images.iter().find(|i| i.image == &**image) else { continue };
            // Since when the image has been on the node for sure, however late that is known.
            let (always, Some(at)) = (shown.always, shown.started) else { continue };
            let proof = Proof { had_failed: failed.contains(image), always };
            let host = registry_host(image);
            for policy in self.outages.pulled(namespace, host, proof, at) {
                self.registry_is_back(&Key::new(namespace, policy), host);
            }
            if always && let Some(row) = self.index.pod(pod) {
                self.elsewhere.pulled(image, &row.node, at);
            }
        }
    }

    /// A policy's breaker has closed: see [`crate::record::Track::registry_is_back`]. Also for jobs
    /// of which it is not known right now who governs them.
    pub(super) fn registry_is_back(&mut self, policy: &Key, host: &str) {
        self.mark_namespace(&policy.namespace);
        let governed = self
            .index
            .jobs_in(&policy.namespace)
            .filter(|uid| self.governing(*uid).is_none_or(|governing| governing.policy == *policy));
        for job in governed.collect::<Vec<Uid>>() {
            let pods: Vec<Uid> = self.index.pods_of(job).map(|(uid, _)| uid).collect();
            for pod in pods {
                if let Some(row) = self.index.pod_mut(pod) {
                    row.history.registry_is_back(host);
                }
            }
            if let Some(row) = self.index.job_mut(job) {
                row.vacated.registry_is_back(host);
            }
        }
    }

    /// The policy that decides of a job now.
    fn governing(&self, job: Uid) -> Option<&Effective> {
        self.policies.governing(&self.queue_of(job)?).map(Arc::as_ref)
    }
}
