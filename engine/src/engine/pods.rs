//! Ending a Pod whose job's author has said what follows: our condition, then its deletion, both
//! pinned to the version that was seen in the safe moment.
//!
//! The condition is on the Pod before it is deleted, because the `podFailurePolicy` of the Job is
//! asked when the kubelet has ended it. One that did not lead to the end is taken away again.

use std::time::Duration;

use crate::api::{Action, RecentAction, bounds, clip};
use crate::effect::{Effect, Outcome, Patch, Target, TargetKind};
use crate::engine::casebook::{Case, ToTell};
use crate::engine::decide::Failing;
use crate::engine::flight::Step;
use crate::engine::{Due, Engine};
use crate::explain::{PodEnded, seconds, uncondition};
use crate::index::PodRow;
use crate::judge::Evidence;
use crate::keys;
use crate::lever::annotations_patch;
use crate::objects::{Key, Uid};
use crate::owner::{Owner, Reach};
use crate::time::Now;

impl Engine {
    /// What is left to be done about Pods that were ended, or were to be: told, or cleared.
    pub(super) fn follow_up(
        &mut self,
        job: &Owner,
        case: &Case,
        now: Now,
    ) -> Option<(Step, Effect)> {
        if let Some(told) = self.tell_of_pod(job, case) {
            return Some(told);
        }
        let pods = self.index.pods_of(job.uid());
        let marked: Vec<(Uid, Option<Duration>)> = pods
            .filter_map(|(uid, pod)| {
                Some((uid, self.may_end_until(pod, pod.trouble()?.marked?, now)))
            })
            .collect();
        for (pod, until) in marked {
            match until {
                // It may still be ended; when the moment is over, the condition has to go.
                Some(until) => {
                    self.wake(until + Duration::from_millis(1), Due::Job(job.uid()));
                }
                None => return self.clear_pod(job, pod),
            }
        }
        None
    }

    /// The Event of a Pod that was ended. It may outlive the job.
    pub(super) fn tell_of_pod(&self, job: &Owner, case: &Case) -> Option<(Step, Effect)> {
        let ToTell { ended, done, .. } = case.to_tell.as_deref()?;
        let over = *done || self.index.pod(ended.uid).is_none_or(|pod| pod.ending);
        over.then(|| (Step::PodEvent, Effect::Publish(ended.event(job))))
    }

    /// Takes our condition from a Pod, as it was seen: not from one that we have just deleted. That its
    /// group need not wait for another Pod cannot be taken back (Kueue's webhook: "unretriable pod
    /// group can't be converted to retriable").
    fn clear_pod(&self, job: &Owner, pod: Uid) -> Option<(Step, Effect)> {
        let row = self.index.pod(pod)?;
        let target = pod_target(job, pod, &row.name, row.trouble()?.version.clone()?);
        Some((Step::ClearPod(pod), Effect::ClearPod { target, patch: uncondition() }))
    }

    /// Until when a Pod that carries our condition may still be ended.
    fn may_end_until(&self, pod: &PodRow, marked: Duration, now: Now) -> Option<Duration> {
        let timing = &self.config.timing;
        let ends = pod.history.tracks().filter_map(|(image, track)| {
            if track.is_without_a_pull() {
                // Where no moment ends it, it gets one of its own.
                let end = pod.history.moment_without_a_pull(image, now, timing).ok()?;
                Some(end.unwrap_or(marked + timing.moment))
            } else {
                pod.history.moment(image, now, timing).ok()
            }
        });
        ends.max().filter(|until| !pod.running && *until >= now.elapsed)
    }

    /// Ends a Pod because of one of its images.
    pub(super) fn end_pod(
        &self,
        job: &Owner,
        case: &mut Case,
        policy: &Key,
        image: &Failing,
        evidence: &Evidence,
        now: Now,
    ) -> Option<(Step, Effect)> {
        let (pod, until) = (image.pod?, image.moment.ok()?);
        let row = self.index.pod(pod).filter(|row| !row.ending)?;
        let version = row.trouble()?.version.clone()?;
        let spent = Some((pod, version.clone()));
        if case.ended == spent {
            return None; // until a newer version is seen
        }
        case.ended = spent;
        let ended = PodEnded::new(&row.name, pod, &image.image, evidence);
        let patch = ended.condition(now.wall);
        let target = pod_target(job, pod, &row.name, version);
        let action = RecentAction {
            time: seconds(now.wall),
            job: job.name().to_owned(),
            pod: Some(row.name.to_string()),
            image: clip(&ended.image, bounds::IMAGE),
            cause: ended.cause,
            action: Action::FailJob,
            outcome: Outcome::Applied.as_str().to_owned(),
        };
        case.to_tell =
            Some(Box::new(ToTell { ended, action, policy: policy.clone(), done: false }));
        // An earlier life, or another replica, may have come so far.
        let marked = row.trouble().and_then(|trouble| trouble.marked);
        let condition = marked.is_none().then_some(patch);
        let grouped = row.retriable && job.reach() == Reach::PodsAlone { group: true };
        let let_end = grouped.then(unretriable);
        let patches = condition.into_iter().chain(let_end).collect();
        Some((Step::EndPod, Effect::EndPod { target, patches, until }))
    }

    /// A Pod was ended and told of: it counts.
    pub(super) fn record_pod(&mut self, case: &mut Case) {
        if let Some(told) = case.to_tell.take() {
            let ToTell { action, policy, .. } = *told;
            self.record_action(&policy, action);
        }
    }
}

/// Says that a Pod group need not wait for another Pod once this one has failed.
fn unretriable() -> Patch {
    annotations_patch(&[(keys::KUEUE_RETRIABLE, Some("false".to_owned()))].into())
}

fn pod_target(job: &Owner, pod: Uid, name: &str, version: Box<str>) -> Target {
    Target {
        kind: TargetKind::Pod,
        key: job.neighbour(name),
        uid: pod,
        resource_version: Some(version.into()),
    }
}
