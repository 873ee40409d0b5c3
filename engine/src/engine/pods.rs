//! Ending a Pod whose job's author has said what follows: our condition, then its deletion, both
//! pinned to the version that was seen in the safe moment.
//!
//! The condition is on the Pod before it is deleted, because the `podFailurePolicy` of the Job is
//! asked when the kubelet has ended it. One that did not lead to the end is taken away again.

use crate::api::{Action, RecentAction, bounds, clip};
use crate::effect::{Effect, Outcome, Target, TargetKind};
use crate::engine::casebook::{Case, ToTell};
use crate::engine::decide::job_target;
use crate::engine::flight::Step;
use crate::engine::{Due, Engine};
use crate::explain::{PodEnded, seconds, uncondition};
use crate::judge::Evidence;
use crate::objects::{Job, Key, Uid};
use crate::time::Now;

impl Engine {
    /// What is left to be done about Pods that were ended, or were to be: told, or cleared.
    pub(super) fn follow_up(&mut self, job: &Job, case: &Case, now: Now) -> Option<(Step, Effect)> {
        if let Some(ToTell { ended, done, .. }) = &case.to_tell
            && (*done || self.index.pod(ended.uid).is_none_or(|pod| pod.ending))
        {
            return Some((Step::PodEvent, Effect::Publish(ended.event(job_target(job)))));
        }
        let marked = self.index.pods_of(job.metadata.uid).filter(|(_, pod)| pod.marked);
        let (uid, pod) = marked.min_by_key(|(_, pod)| self.may_end(pod, now))?;
        if self.may_end(pod, now) {
            // It may still be ended; when the moment is over, the condition has to go.
            let end = now.elapsed + self.config.timing.moment;
            self.deadlines.insert((end, Due::Job(job.metadata.uid)));
            return None;
        }
        let key = Key::new(job.metadata.namespace.clone(), &*pod.name);
        let target = Target { kind: TargetKind::Pod, key, uid, resource_version: None };
        Some((Step::ClearPod(uid), Effect::ClearPod { target, patch: uncondition() }))
    }

    fn may_end(&self, pod: &crate::index::PodRow, now: Now) -> bool {
        let timing = &self.config.timing;
        !pod.running
            && pod.history.tracks().any(|(i, _)| pod.history.moment(i, now, timing).is_ok())
    }

    /// Ends a Pod because of one of its images.
    pub(super) fn end_pod(
        &self,
        job: &Job,
        case: &mut Case,
        policy: &Key,
        (pod, image): (Uid, &str),
        evidence: &Evidence,
        now: Now,
    ) -> Option<(Step, Effect)> {
        let row = self.index.pod(pod).filter(|row| !row.ending)?;
        let spent = Some((pod, row.version.clone()?));
        if case.ended == spent {
            return None; // until a newer version is seen
        }
        case.ended = spent;
        let ended = PodEnded::new(&row.name, pod, image, evidence);
        let patch = ended.condition(now.wall);
        let target = Target {
            kind: TargetKind::Pod,
            key: Key::new(job.metadata.namespace.clone(), &*row.name),
            uid: pod,
            resource_version: row.version.as_deref().map(str::to_owned),
        };
        let action = RecentAction {
            time: seconds(now.wall),
            job: job.metadata.name.clone(),
            pod: Some(row.name.to_string()),
            image: clip(&ended.image, bounds::IMAGE),
            cause: ended.cause,
            action: Action::FailJob,
            outcome: Outcome::Applied.as_str().to_owned(),
        };
        case.to_tell = Some(ToTell { ended, action, policy: policy.clone(), done: false });
        Some((Step::EndPod, Effect::EndPod { target, patch }))
    }

    /// A Pod was ended and told of: it counts.
    pub(super) fn record_pod(&mut self, case: &mut Case) {
        if let Some(ToTell { action, policy, .. }) = case.to_tell.take() {
            self.record_action(&policy, action);
        }
    }
}
