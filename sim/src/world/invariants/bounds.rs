//! How much is written, by whom, and what for.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use dislodge_engine::api::Requeue;
use dislodge_engine::effect::{Outcome, Patch, Target, TargetKind};
use dislodge_engine::keys;
use dislodge_engine::objects::{Key, Uid};
use jiff::Timestamp;

use super::{Judge, Violation};
use crate::world::World;
use crate::world::history::Written;
use crate::world::server::Write;

/// So long writes are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Most writes about one job in that time: a hold, its Event and what its owner is told, the way back of
/// each, and the tries that growing pauses allow for.
const MOST_OF_A_JOB: usize = 60;
/// Most writes to a policy: its status once a second, by each of two that lead, and reservations.
const MOST_OF_A_POLICY: usize = 150;
/// Most effects without an outcome, for each job and policy.
const MOST_UNDER_WAY: usize = 3;

/// When each object was written to of late.
pub(super) type Recent = BTreeMap<Uid, VecDeque<Duration>>;

impl Judge {
    pub(super) fn within_bounds(
        &mut self,
        world: &World,
        written: &Written,
        about: &Target,
    ) -> Result<(), Violation> {
        let at = written.at;
        let broken = |rule, what: String| {
            let what = format!("{} {}: {what}", about.kind.in_commands(), about.key);
            Err(Violation { rule, at, what })
        };
        if !written.sending.leads {
            return broken("I3", "written to by a replica without the lease".to_owned());
        }
        let recent = self.recent.entry(world.history().job_of(about.uid)).or_default();
        recent.push_back(at);
        while recent.front().is_some_and(|first| at.saturating_sub(*first) > WINDOW) {
            recent.pop_front();
        }
        let policy = about.kind == TargetKind::Policy;
        let most = if policy { MOST_OF_A_POLICY } else { MOST_OF_A_JOB };
        if recent.len() > most {
            return broken("I10", format!("{} writes in {WINDOW:?}", recent.len()));
        }
        for replica in 0..world.replica_count() {
            let under_way = world.under_way(replica);
            let most = MOST_UNDER_WAY * (world.jobs().count() + world.policies().count() + 1);
            if under_way > most {
                return broken("I10", format!("{under_way} writes at once, of {most}"));
            }
        }
        if self.calm.is_some_and(|calm| at > calm) {
            match (&written.write, written.outcome) {
                (_, Ok(_)) if !written.news => {
                    return broken("I12", "a write of no news".to_owned());
                }
                // What an earlier life has told may be told once more: the name makes that harmless.
                (Write::Publish(event), Err(Outcome::AlreadyDone))
                    if !self.told_again.insert(event.name.clone()) =>
                {
                    return broken("I12", "told again and again".to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A hold that is ended with a person's resume counted.
    pub(super) fn note_overruled(&mut self, job: Uid, at: Duration, patch: &Patch) {
        let annotations = patch.body.pointer("/metadata/annotations");
        let ended = annotations.and_then(|annotations| annotations[keys::RESUMED].as_str());
        if let Some(id) = ended {
            self.overruled.entry(job).or_default().entry(id.to_owned()).or_insert(at);
            self.requeued.remove(&job);
        }
    }

    /// What is told of a job's returns is taken away: they count anew. Says whether that is wrong, as no
    /// person has resumed it and it has never run.
    pub(super) fn forgets_returns(&mut self, world: &World, job: Uid, patch: &Patch) -> bool {
        let annotations = patch.body.pointer("/metadata/annotations");
        let is_gone = |key: &str| {
            let annotations = annotations.and_then(serde_json::Value::as_object);
            annotations.and_then(|a| a.get(key)).is_some_and(serde_json::Value::is_null)
        };
        let by_person = annotations.is_some_and(|a| a[keys::RESUMED].is_string());
        if !is_gone(keys::REQUEUES) || by_person {
            return false;
        }
        self.requeued.remove(&job);
        super::last_running(world, job).is_none()
    }

    /// Slots are reserved before they are used.
    pub(super) fn reserved(
        world: &World,
        written: &Written,
        policy: &Key,
    ) -> Result<(), Violation> {
        let mut there = world.policies().map(|(_, there)| there);
        let Some(there) = there.find(|there| there.metadata.key() == *policy) else {
            return Ok(());
        };
        // One that is made anew has a budget of its own.
        let made = there.metadata.creation_timestamp;
        let new = made.is_none_or(|made| made >= world.at(written.known_by(super::NEWS)));
        if there.status.budget.reserved == 0 && !new {
            let what = format!("{policy} has acted, and reserved nothing");
            return Err(Violation { rule: "I8", at: written.at, what });
        }
        Ok(())
    }

    /// A requeue is not for ever, and neither at once.
    pub(super) fn judge_requeue(
        &mut self,
        world: &World,
        written: &Written,
        (job, policy): (Uid, &Key),
        mark: &impl Fn(&str) -> String,
        requeue: Requeue,
    ) -> Result<(), Violation> {
        let Ok(back) = mark(keys::RESUME_AT).parse::<Timestamp>() else {
            self.due.remove(&job);
            return Ok(());
        };
        self.due.insert(job, back);
        let broken = |what: String| {
            Err(Violation { rule: "I4", at: written.at, what: format!("job {job}: {what}") })
        };
        let times = self.requeued.entry(job).or_default();
        *times += 1;
        let from = written.known_by(super::NEWS);
        let specs = world.history().specs(policy, from, written.at);
        let specs = specs.filter_map(|known| known.spec.as_ref());
        let most = specs.map(|spec| spec.requeue.max_requeues).max();
        let most = most.unwrap_or(0).max(requeue.max_requeues);
        if *times > most {
            return broken(format!("requeued {times} times, and the policy allows {most}"));
        }
        Ok(())
    }
}
