//! A job that is held: by what, and what becomes of it.

use dislodge_engine::api::{Action, Mode};
use dislodge_engine::keys;
use dislodge_engine::objects::Policy;
use jiff::SignedDuration;

use crate::explain::answer::{Asking, harmless};
use crate::explain::finding::HoldPart;
use crate::explain::words::{ahead, clock};

impl Asking<'_> {
    /// The hold, while it keeps the job from running.
    pub(super) fn hold(&self) -> Option<HoldPart> {
        let account = self.account?;
        let hold = account.hold.as_ref().filter(|_| account.is_stopped)?;
        // The owner's own object does not say what the hold leads to.
        let is_whole = !hold.policy.is_empty();
        Some(HoldPart {
            id: harmless(&hold.id),
            since: hold.at,
            image: harmless(&hold.image),
            cause: hold.cause,
            policy: is_whole.then(|| harmless(&hold.policy)),
            rule: harmless(&hold.rule),
            action: is_whole.then_some(hold.action),
            resume_at: hold.back.map(|back| back.at),
            told: harmless(&hold.sentence),
        })
    }

    /// What becomes of a held job, and when.
    pub(super) fn after_hold(&self, hold: &HoldPart) -> String {
        let now = self.now.wall;
        let asked = self.owner().and_then(|owner| owner.meta().annotation(keys::RESUME));
        if asked == Some(hold.id.as_str()) {
            return "it is resumed: that was asked for, and the controller does it within seconds"
                .to_owned();
        }
        let forbidden = self.forbids(hold);
        match (hold.action, forbidden) {
            (Some(Action::FailJob), Some(why)) => {
                format!("nothing, until a person resumes it: it is not ended as failed, as {why}")
            }
            (Some(Action::FailJob), None) => {
                "it is ended as failed once its Pods are gone, unless it is resumed before"
                    .to_owned()
            }
            (Some(Action::RequeueJob), _) if self.is_paused(hold) => {
                "nothing, until a person resumes it: it does not come back by itself while an \
                 operator has paused"
                    .to_owned()
            }
            (Some(Action::RequeueJob), _) => match hold.resume_at {
                Some(at) if at > now => format!(
                    "it comes back by itself, not before {} ({}), when its quota is free",
                    clock(at, now),
                    ahead(at, now)
                ),
                _ => "it is due to come back by itself, and waits for its old Pods to end or for \
                      its quota to be free; where that takes long, its Events say why"
                    .to_owned(),
            },
            (Some(Action::SuspendJob | Action::Report), forbidden) => {
                let longest = self.holder(hold).and_then(|policy| policy.spec.as_ref().ok());
                let longest = longest.map_or(0, |spec| spec.hold.max_seconds);
                let ends = hold.since.saturating_add(SignedDuration::from_secs(longest.into()));
                match (longest, ends, forbidden) {
                    (1.., Ok(at), None) => format!(
                        "it is ended as failed at {} ({}), unless a person resumes it before",
                        clock(at, now),
                        ahead(at, now)
                    ),
                    _ => "nothing, until a person resumes it".to_owned(),
                }
            }
            (None, _) => {
                "it waits for a person, or what its Workload says, which may not be read here"
                    .to_owned()
            }
        }
    }

    /// The policy by which a hold was taken.
    fn holder(&self, hold: &HoldPart) -> Option<&Policy> {
        let named = |policy: &&Policy| {
            let meta = &policy.metadata;
            Some(&meta.name) == hold.policy.as_ref()
                && meta.namespace == self.asked.subject.namespace
        };
        self.seen.policies.iter().find(named)
    }

    fn is_paused(&self, hold: &HoldPart) -> bool {
        let own = self.holder(hold).and_then(|policy| policy.metadata.annotation(keys::PAUSED));
        own.is_some() || self.seen.paused().is_some()
    }

    /// Why a held job is not ended, whatever its hold says.
    fn forbids(&self, hold: &HoldPart) -> Option<&'static str> {
        let ignored = self.owner().is_some_and(|o| o.meta().annotations.contains_key(keys::IGNORE));
        match self.holder(hold) {
            None => Some("its policy is gone, or may not be read"),
            Some(_) if self.is_paused(hold) => Some("an operator has paused"),
            Some(_) if ignored => Some("its owner keeps Dislodge off it"),
            Some(policy) => match &policy.spec {
                Ok(spec) if spec.mode == Mode::Enforce => None,
                _ => Some("its policy is not in mode Enforce"),
            },
        }
    }
}
