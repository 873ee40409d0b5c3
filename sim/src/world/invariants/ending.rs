//! How a history has ended, long after the last fault: what should have been done by now is done, is
//! explained, and nothing is left over.

use std::time::Duration;

use dislodge_engine::api::{Action, Afterwards, ImagePullPolicySpec, Mode, RunningPeers};
use dislodge_engine::cause::Cause;
use dislodge_engine::keys;
use dislodge_engine::objects::{Key, Meta, Policy, Uid};
use dislodge_engine::plan::MOST_RESUMES;
use jiff::Timestamp;

use super::{Judge, Violation};
use crate::world::World;
use crate::world::history::What;
use crate::world::kueue::takes_quota;
use crate::world::object::{Author, Job, Pod, holds};

/// What was done so short a time ago may still have its consequences to come.
const REST: Duration = Duration::from_secs(120);
/// What is due for so long should have been done: a kubelet's longest back-off, and a little more.
const OVERDUE: Duration = Duration::from_secs(400);

impl Judge {
    /// Looks at how the history has ended.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn conclude(&self, world: &World) -> Result<(), Violation> {
        let at = world.now();
        let fresh =
            |uid: &Uid| self.touched.get(uid).is_some_and(|last| at.saturating_sub(*last) < REST);
        for (uid, job) in world.jobs().filter(|(uid, _)| !fresh(uid)) {
            let broken = |(rule, what): (&'static str, String)| Violation {
                rule,
                at,
                what: format!("job {}: {what}", job.plan.name),
            };
            self.explained(world, uid, job).map_err(broken)?;
            if let Some(calm) = self.calm.filter(|_| !self.refused.contains(&uid)) {
                self.come_about(world, (uid, job), calm).map_err(broken)?;
            }
        }
        for replica in 0..world.replica_count() {
            let Some((pods, workloads)) = world.known_by(replica) else { continue };
            let there = (world.shown_pods(), world.workloads().count());
            if (pods, workloads) != there {
                let what = format!(
                    "replica {replica} knows {pods} Pods and {workloads} Workloads, of {there:?}"
                );
                return Err(Violation { rule: "I10", at, what });
            }
        }
        Ok(())
    }

    /// Each hold is explained, and holds.
    fn explained(&self, world: &World, uid: Uid, job: &Job) -> Result<(), (&'static str, String)> {
        let workload = world.workload_of(uid);
        let lever = workload.map_or(&job.seen.metadata, |w| &w.seen.metadata);
        let hold = lever.annotation(keys::HOLD);
        let told = job.seen.metadata.annotation(keys::HOLD);
        let conditions = &job.seen.status.conditions;
        let has_ended = holds(conditions, "Failed") || holds(conditions, "Complete");
        if holds(conditions, "FailureTarget") && !holds(conditions, "Failed") {
            return Err(("I4", "it has FailureTarget and never failed".to_owned()));
        }
        if holds(conditions, "SuccessCriteriaMet") && !holds(conditions, "Complete") {
            return Err(("I4", "it has SuccessCriteriaMet and is never complete".to_owned()));
        }
        let left = |pod: &Pod| pod.marked.is_some() && pod.seen.status.phase == "Running";
        if world.pods_of(uid).any(|(_, pod)| left(pod) && !pod.is_deleted()) {
            return Err(("I13", "a Pod of it runs, and says that it was ended".to_owned()));
        }
        // Who was refused for good does not ask again.
        let refused = self.refused.contains(&uid);
        if hold != told && !has_ended && !refused {
            return Err(("I13", format!("held as {hold:?}, and its owner was told of {told:?}")));
        }
        if hold.is_some() && !has_ended {
            if workload.is_some_and(takes_quota) {
                return Err(("I5", "held, and it has its quota".to_owned()));
            }
            if world.pods_of(uid).any(|(_, pod)| !pod.has_ended() && !pod.is_deleted()) {
                return Err(("I5", "held, and it has Pods".to_owned()));
            }
            let sentence = lever.annotation(keys::HELD).unwrap_or_default();
            let mut told = world.history().entries().iter().filter(|entry| entry.job == uid);
            let says =
                |what: &What| matches!(what, What::Told(.., note) if note.contains(sentence));
            if !refused && !told.any(|entry| says(&entry.what)) {
                return Err(("I13", "held, and no Event tells of it".to_owned()));
            }
        }
        Ok(())
    }

    /// What is declared has come about.
    fn come_about(
        &self,
        world: &World,
        (uid, job): (Uid, &Job),
        calm: Duration,
    ) -> Result<(), (&'static str, String)> {
        let conditions = &job.seen.status.conditions;
        let ends = ["Failed", "Complete", "FailureTarget", "SuccessCriteriaMet"];
        if ends.iter().any(|kind| holds(conditions, kind)) {
            return Ok(());
        }
        let workload = world.workload_of(uid);
        let lever = workload.map_or(&job.seen.metadata, |w| &w.seen.metadata);
        let asked = job.seen.metadata.annotation(keys::RESUME);
        if asked.is_some() && asked == lever.annotation(keys::HOLD) {
            return Err(("I4", "a person wants it resumed, in vain".to_owned()));
        }
        let namespace = &lever.namespace;
        let Some((policy, spec)) = settled(world, namespace, calm) else { return Ok(()) };
        if lever.annotation(keys::HOLD).is_some() {
            return led_on(world, (uid, job), lever, spec);
        }
        let overruled = self.overruled.get(&uid).map_or(0, std::collections::BTreeMap::len);
        let ignored = job.seen.metadata.annotations.contains_key(keys::IGNORE);
        if ignored || overruled >= MOST_RESUMES as usize || is_spent(policy, spec, world.wall()) {
            return Ok(());
        }
        let admitted = match workload {
            Some(workload) => takes_quota(workload).then(|| last_admitted(world, uid)).flatten(),
            None => (!job.seen.spec.suspend && job.plan.queue.is_none()).then_some(Duration::ZERO),
        };
        let Some(from) = admitted.map(|admitted| admitted.max(calm)) else { return Ok(()) };
        let stuck = world.pods_of(uid).find_map(|(pod, p)| {
            let wanted = self.wants_action(world, (uid, job), (pod, p), from, spec)?;
            Some((p.seen.metadata.name.clone(), wanted))
        });
        match stuck.filter(|_| !is_down(policy, job)) {
            Some((pod, rule)) => {
                Err(("I4", format!("Pod {pod} fails and fails, and rule {rule} did nothing")))
            }
            None => Ok(()),
        }
    }

    /// The rule by which something should have been done about a Pod since then.
    fn wants_action(
        &self,
        world: &World,
        (uid, job): (Uid, &Job),
        (pod, p): (Uid, &Pod),
        from: Duration,
        spec: &ImagePullPolicySpec,
    ) -> Option<String> {
        if p.is_deleted() || p.has_ended() {
            return None;
        }
        let now = world.now();
        let (cause, failed) = if p.waits_for("InvalidImageName") {
            (now.saturating_sub(from) > OVERDUE).then_some((Cause::InvalidReference, u32::MAX))?
        } else {
            let failed = self.failed_of.get(&uid)?.get(&pod)?;
            let since = world.history().entries().iter().rev().take_while(|e| e.at >= from);
            let times = since.filter(|entry| entry.what == What::PullFailed(pod)).count();
            let lasting = now.saturating_sub(failed.last) < OVERDUE;
            (times >= 3 && lasting && p.waits_for_image()).then_some((cause(p)?, failed.count))?
        };
        let rule = spec.effective_rules().into_iter().find(|rule| rule.causes.contains(&cause))?;
        let needs = Duration::from_secs(rule.threshold.failing_seconds.into()) + OVERDUE;
        let spared = rule.running_peers == RunningPeers::Spare && ran(world, uid);
        let reported = match rule.action {
            Action::Report => true,
            Action::FailJob => job.plan.author == Some(Author::Ignore),
            Action::RequeueJob => spec.requeue.afterwards == Afterwards::Report,
            Action::SuspendJob => false,
        };
        let by_author = job.plan.author == Some(Author::Ignore);
        let after = rule.action == Action::RequeueJob && by_author;
        let ripe = failed > rule.threshold.failed_pulls && now.saturating_sub(from) > needs;
        (ripe && !spared && !reported && !after && !pulled_elsewhere(world, job))
            .then_some(rule.name)
    }
}

/// A hold has led to what it says.
fn led_on(
    world: &World,
    (uid, job): (Uid, &Job),
    lever: &Meta,
    spec: &ImagePullPolicySpec,
) -> Result<(), (&'static str, String)> {
    let wall = world.wall();
    let passed = |key| {
        let at: Timestamp = lever.annotation(key)?.parse().ok()?;
        Duration::try_from(wall.duration_since(at)).ok()
    };
    let status = &job.seen.status;
    let quiet = job.seen.spec.suspend && status.active == 0 && status.terminating == 0;
    let gone = quiet && world.pods_of(uid).next().is_none();
    let ignored = job.seen.metadata.annotations.contains_key(keys::IGNORE);
    let Some(held) = passed(keys::HELD_AT).filter(|_| gone) else { return Ok(()) };
    if lever.annotations.contains_key(keys::RESUME_AT) {
        let overdue = passed(keys::RESUME_AT).is_some_and(|since| since > OVERDUE);
        let free = world.workload_of(uid).is_none_or(|w| world.has_room_alone(w));
        return if overdue && free {
            Err(("I4", "due to come back for long, and its quota is free".to_owned()))
        } else {
            Ok(())
        };
    }
    let longest = Duration::from_secs(spec.hold.max_seconds.into());
    let to_fail = lever.annotations.contains_key(keys::THEN);
    let over = longest > Duration::ZERO && held > longest + OVERDUE;
    if !ignored && (to_fail && held > OVERDUE || over) {
        return Err(("I4", "held for long, and it should have been ended".to_owned()));
    }
    Ok(())
}

/// The one policy of a namespace, where it has enforced the same since then.
fn settled<'w>(
    world: &'w World,
    namespace: &str,
    since: Duration,
) -> Option<(&'w Policy, &'w ImagePullPolicySpec)> {
    let mut there = world.policies().filter(|(_, policy)| policy.metadata.namespace == *namespace);
    let (_, policy) = there.next()?;
    let key: Key = policy.metadata.key();
    let mut known = world.history().specs(&key, since, world.now());
    let only = known.next().filter(|_| there.next().is_none())?;
    let spec = policy.spec.as_ref().ok()?;
    let settled = known.next().is_none() && !only.paused && spec.mode == Mode::Enforce;
    settled.then_some((policy, spec))
}

/// Whether the policy's budget is used up.
fn is_spent(policy: &Policy, spec: &ImagePullPolicySpec, now: Timestamp) -> bool {
    let used = policy.status.budget;
    let window = jiff::SignedDuration::from_secs(spec.budget.window_seconds.into());
    let runs = used.window_start_time.is_some_and(|since| now.duration_since(since) <= window * 2);
    runs && used.reserved >= spec.budget.actions
}

/// Whether the policy takes the registry of a job's image for down.
fn is_down(policy: &Policy, job: &Job) -> bool {
    let images = job.plan.template.containers.iter().map(|container| &*container.image);
    let hosts: Vec<&str> = images.filter_map(|image| image.split('/').next()).collect();
    policy.status.outages.iter().any(|outage| hosts.contains(&outage.host.as_str()))
}

/// Why the pulls of a Pod fail, where it is one of the causes that no pull ever ends by itself.
fn cause(pod: &Pod) -> Option<Cause> {
    let waiting =
        pod.seen.status.container_statuses.iter().filter_map(|c| c.state.waiting.as_ref());
    waiting.into_iter().find_map(|waiting| {
        let says = |text: &str| waiting.message.contains(text);
        match () {
            () if says("401 Unauthorized") => Some(Cause::Unauthorized),
            () if says(": not found") => Some(Cause::NotFound),
            () => None,
        }
    })
}

fn last_admitted(world: &World, job: Uid) -> Option<Duration> {
    let mut newest = world.history().entries().iter().rev();
    newest.find(|entry| entry.job == job && entry.what == What::Admitted).map(|entry| entry.at)
}

fn ran(world: &World, job: Uid) -> bool {
    let mut entries = world.history().entries().iter();
    entries.any(|entry| entry.job == job && matches!(entry.what, What::Running(_)))
}

/// Whether a node could pull the image of a job.
fn pulled_elsewhere(world: &World, job: &Job) -> bool {
    let same = |other: &Job| other.plan.template.containers == job.plan.template.containers;
    world.jobs().any(|(uid, other)| same(other) && ran(world, uid))
}

impl World {
    /// How many Pods a watch shows.
    fn shown_pods(&self) -> usize {
        let kind = dislodge_engine::input::Kind::Pod;
        self.of_kind(kind).filter(|(_, object)| object.is_shown()).count()
    }
}

impl Pod {
    fn waits_for_image(&self) -> bool {
        self.waits_for("ErrImagePull") || self.waits_for("ImagePullBackOff")
    }
}
