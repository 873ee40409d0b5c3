//! One job, decided: first the hold that it may be under, then its failing images.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{Action, FailingState, Mode, RecentAction, Rule, bounds, clip};
use crate::effect::{Effect, EffectId, Verb};
use crate::engine::casebook::Note;
use crate::engine::custody::{is_spent, pinned};
use crate::engine::flight::{Purpose, Step};
use crate::engine::requeue::{self, number, rules_for};
use crate::engine::{Due, Engine};
use crate::explain::{self, Grounds, HoldRecord};
use crate::few::Few;
use crate::judge::{Evidence, Verdict, judge};
use crate::keys;
use crate::lever::Lever;
use crate::name::is_of_another;
use crate::notice::{Decision, Notice};
use crate::objects::{Key, Meta, PodEnd, Uid, Workload};
use crate::owner::{Owner, Reach};
use crate::plan::{Plan, Reported, Situation, Wait, plan};
use crate::quota::{Admission, QuotaView, Unmanaged};
use crate::record::{Closed, Track};
use crate::resolve::Effective;
use crate::time::Now;

/// The reason of a report in mode Audit.
const AUDIT: &str = Reported::Audit(Action::Report).as_str();

/// One failing image of a job, and the Pod that has failed it most often.
pub(super) struct Failing {
    pub(super) image: Arc<str>,
    pub(super) pod: Option<Uid>,
    pub(super) track: Track,
    /// The end of the safe moment; `Ok(None)` for what was found bad without a pull: none follows, so
    /// that none can be running, but for other images of the Pod.
    pub(super) moment: Result<Option<Duration>, Closed>,
}

impl Engine {
    /// Looks at one job whole. At most one effect comes of it: the next follows its outcome.
    pub(super) fn decide(&mut self, uid: Uid, now: Now, effects: &mut Vec<(EffectId, Effect)>) {
        let mut case = self.cases.remove(&uid).unwrap_or_default();
        let before = (case.held_by.clone(), std::mem::take(&mut case.notes));
        if let Some((purpose, effect)) = self.consider(uid, &mut case, now) {
            case.busy |= purpose.is_exclusive();
            let id = self.flights.launch(Purpose::Case(uid, purpose), effect, effects);
            if let Some(decision) = case.decision.take() {
                self.notices.push(Notice::Decided(id, decision));
            }
        }
        case.decision = None;
        if before.0 != case.held_by || before.1 != case.notes {
            let was = shown_by(before.0.as_ref(), &before.1);
            let is = shown_by(case.held_by.as_ref(), &case.notes);
            for policy in was.difference(&is) {
                if let Some(jobs) = self.shown_by.get_mut(policy) {
                    jobs.remove(&uid);
                }
                if self.shown_by.get(policy).is_some_and(BTreeSet::is_empty) {
                    self.shown_by.remove(policy);
                }
            }
            for policy in is.difference(&was) {
                self.shown_by.entry(policy.clone()).or_default().insert(uid);
            }
            self.dirty_policies.extend(was.into_iter().chain(is));
        }
        if !case.is_empty() {
            self.cases.insert(uid, case);
        }
    }

    fn consider(&mut self, uid: Uid, case: &mut super::Case, now: Now) -> Option<(Step, Effect)> {
        let Some(job) = self.index.owner(uid) else {
            case.close();
            if self.is_synced() {
                self.forget_audited(uid); // before, it may only not have been read yet
            }
            // Nobody is left to be told.
            if case.to_tell.as_ref().is_some_and(|told| told.done) {
                self.record_pod(case);
            }
            case.to_tell = None;
            case.pauses.proceed(); // or the case would stay for ever
            return None;
        };
        let idle = !case.busy && case.pauses.end(now.elapsed).is_none() && self.may_act(now);
        let workload = self.index.workload_of(uid);
        let unmanaged = Unmanaged(&job);
        let found = handles(&job, workload.as_ref(), &unmanaged);
        let ending = found.is_some_and(|(lever, _)| ends_held(&job, lever));
        if job.is_deleted() || job.is_finished() && !ending {
            case.close();
            return if idle { self.tell_of_pod(&job, case) } else { None };
        }
        let (lever, quota) = found?;

        if let Some(step) = self.keep(&job, (lever, quota), case, idle, now) {
            return step;
        }
        if idle && let Some(step) = self.follow_up(&job, case, now) {
            return Some(step);
        }
        if job.is_finished() {
            return None;
        }
        if let Some(step) = self.settle(&job, (lever, quota), case, idle, now) {
            return Some(step);
        }
        self.weigh(&job, lever, quota, case, idle, now)
    }

    /// Judges the failing images of a job that is not held, and plans.
    fn weigh(
        &mut self,
        job: &Owner,
        lever: &dyn Lever,
        quota: &dyn QuotaView,
        case: &mut super::Case,
        idle: bool,
        now: Now,
    ) -> Option<(Step, Effect)> {
        let uid = job.uid();
        for (image, reason) in self.reported_before.remove(&uid).unwrap_or_default() {
            case.reported.insert((since(quota), image, reason));
        }
        // Nearly all that is heard is of jobs that are well.
        if !self.index.pods_of(uid).any(|(_, pod)| pod.history.tracks().next().is_some()) {
            return None;
        }
        let policy = self.policies.governing(&quota.queue())?.clone();
        let rules = rules_for(&policy, job, lever);
        let failing = self.failing(uid, &rules, now);
        let mut chosen = None;
        for image in failing {
            let Some(verdict) = judge(&rules, &image.track.runs, image.track.once, now) else {
                continue;
            };
            if let Verdict::Counting { due: Some(due), .. } = verdict {
                self.wake(due, Due::Job(uid));
            }
            if let Verdict::Counting { rule, evidence, .. } = verdict
                && rule.action != Action::Report
                && evidence.failed_pulls + 1 >= rule.threshold.failed_pulls
            {
                self.prepare_slot(&policy, &image.image, evidence.cause, now);
            }
            let situation = self.situation(job, (lever, quota), &policy, &image, verdict, now);
            let plan = plan(verdict, &situation);
            // What was said once stays said: the next failure is waited for to act, not to say it again.
            let late =
                matches!(plan, Plan::Wait(Wait::NextFailure | Wait::OtherImage | Wait::ClockSkew));
            let said = late && {
                let audit = (since(quota), Arc::clone(&image.image), AUDIT.to_owned());
                policy.mode == Mode::Audit && case.reported.contains(&audit)
            };
            let mut noted = note(&policy, &image, verdict, plan);
            if said {
                (noted.state, noted.reason) = (FailingState::Reported, Some(AUDIT));
            }
            case.notes.insert(Arc::clone(&image.image), noted);
            let better = plan.acts() || word_of(plan).is_some() && chosen.is_none();
            if better && !matches!(&chosen, Some((_, _, plan, _)) if Plan::acts(plan)) {
                let spoken = evidence(verdict);
                let is_told = word_of(plan).is_some_and(|w| is_told(case, quota, &image.image, w));
                if !is_told {
                    chosen = Some((image, spoken, plan, rule_of(verdict).map(str::to_owned)));
                }
            }
        }
        let (image, evidence, plan, rule) = chosen?;
        if !idle {
            return None;
        }
        let by = (policy.policy.name.as_str(), rule.as_deref());
        case.decision = Decision::on_image(job, by, &image.image, &evidence, &plan).map(Box::new);
        if !plan.acts() {
            if case.report_pauses.end(now.elapsed).is_some() {
                return None;
            }
            return self.carry_out(
                job,
                (lever, quota),
                case,
                &policy,
                (&image, &evidence, plan),
                now,
            );
        }
        match self.take_slot(&policy, uid, &image.image, evidence.cause, now) {
            Ok(slot) => {
                let plan = (&image, &evidence, plan);
                let step = self.carry_out(job, (lever, quota), case, &policy, plan, now);
                self.spend(&policy.policy, slot, case, step)
            }
            Err(wait) => {
                case.decision = None;
                let wait = wait?;
                if let Some(note) = case.notes.get_mut(&image.image) {
                    note.reason = Some(wait.as_str());
                }
                // What was just done about it may have yet to be seen.
                let done = is_spent(lever, case)
                    || case.ended.as_ref().is_some_and(|(pod, _)| Some(*pod) == image.pod);
                let told = is_told(case, quota, &image.image, wait.as_str());
                let tells = !done && !told && case.report_pauses.end(now.elapsed).is_none();
                (tells && self.may_tell_of_wait(&policy.policy, now))
                    .then(|| held_back(job, quota, case, &image.image, &evidence, wait))
            }
        }
    }

    /// All that the plan for one image of a job depends on besides the verdict.
    pub(super) fn situation(
        &mut self,
        job: &Owner,
        (lever, quota): (&dyn Lever, &dyn QuotaView),
        policy: &Effective,
        image: &Failing,
        verdict: Verdict<'_>,
        now: Now,
    ) -> Situation {
        let node = image.pod.and_then(|pod| self.index.pod(pod)).map(|pod| &*pod.node);
        let node_local = node.is_some_and(|node| {
            self.elsewhere.on_another_node(&image.image, node, evidence(verdict).first)
        });
        let wanted = match verdict {
            Verdict::Counting { rule, .. } | Verdict::Reached { rule, .. } => {
                rule.threshold.failed_pulls
            }
            Verdict::NoRule(_) => 0,
        };
        // What is found bad without a pull needs no registry.
        let asks = image.track.once.is_none();
        Situation {
            node_local,
            outage: asks && self.is_down(policy, job.uid(), &image.image, now),
            confirmed: image.track.is_confirmed(wanted),
            mode: policy.mode,
            admission: quota.admission(),
            ignored: self.is_ignored(job, image),
            paused: self.paused.is_some() || policy.paused.is_some(),
            resumes: resumes(job, lever),
            running_peers: self.index.pods_of(job.uid()).any(|(_, pod)| pod.running),
            blocks_schedule: self.blocks_schedule(job),
            no_return: self.no_return(policy, job, (lever, quota)),
            author: image.pod.and_then(|pod| self.author(pod)),
            reach: job.reach(),
            moment: image.moment.map(drop),
        }
    }

    /// Whether a CronJob makes no new Job while this one has not ended.
    pub(super) fn blocks_schedule(&self, job: &Owner) -> bool {
        job.meta().controller().is_some_and(|by| self.waiting_cron_jobs.contains(&by.uid))
    }

    /// Whether its people want no new action. A Pod that nothing has made has none but itself.
    fn is_ignored(&self, job: &Owner, image: &Failing) -> bool {
        let itself = matches!(job.reach(), Reach::PodsAlone { .. });
        let pod = image.pod.filter(|_| itself).and_then(|pod| self.index.pod(pod));
        job.meta().annotations.contains_key(keys::IGNORE) || pod.is_some_and(|pod| pod.ignored)
    }

    /// What the author of a Pod's Job wants to become of it once it is ended.
    fn author(&self, pod: Uid) -> Option<PodEnd> {
        let has_run = self.index.pod(pod).is_some_and(|row| row.started);
        self.index.job_of_pod(pod)?.spec.pod_failure_policy.as_ref()?.end_of_pod(has_run)
    }

    /// The first effect of a plan.
    fn carry_out(
        &mut self,
        job: &Owner,
        (lever, quota): (&dyn Lever, &dyn QuotaView),
        case: &mut super::Case,
        policy: &Effective,
        (image, evidence, plan): (&Failing, &Evidence, Plan<'_>),
        now: Now,
    ) -> Option<(Step, Effect)> {
        match plan {
            Plan::EndPod { evidence, .. } => {
                self.end_pod(job, case, &policy.policy, image, &evidence, now)
            }
            Plan::Act { action, fallback, rule, evidence, admission } => {
                let back = (action == Action::RequeueJob)
                    .then(|| requeue::back(policy, job, lever, now.wall));
                let grounds = Grounds {
                    policy: &policy.policy.name,
                    rule,
                    action,
                    fallback,
                    back,
                    image: &image.image,
                    evidence: &evidence,
                    admission,
                };
                self.hold(job, lever, case, &grounds, image, now)
            }
            Plan::Report(reported) => {
                Some(report(job, quota, case, policy, &image.image, evidence, reported))
            }
            Plan::Wait(wait @ (Wait::Outage | Wait::Budget)) => (!is_spent(lever, case)
                && self.may_tell_of_wait(&policy.policy, now))
            .then(|| held_back(job, quota, case, &image.image, evidence, wait)),
            Plan::Count | Plan::Wait(_) => None,
        }
    }

    fn hold(
        &self,
        job: &Owner,
        lever: &dyn Lever,
        case: &mut super::Case,
        grounds: &Grounds<'_>,
        image: &Failing,
        now: Now,
    ) -> Option<(Step, Effect)> {
        if lever.is_stopped() {
            return None;
        }
        let until = image.moment.ok()?;
        let hold = HoldRecord::new(job, grounds, now.wall);
        let mut marks = hold.on_lever();
        if hold.back.is_some() {
            marks.extend(lever.asks().map(|asks| (keys::HELD_QUOTA, Some(asks))));
        }
        let patch = lever.hold_patch(&marks);
        let step = pinned(lever, case, Verb::Hold, Step::Hold, patch, until)?;
        case.stopping = Some(now.elapsed);
        let pod = image.pod.and_then(|pod| self.index.pod(pod)).map(|pod| pod.name.to_string());
        case.acting = Some(Box::new(RecentAction {
            time: hold.at,
            job: job.name().to_owned(),
            pod,
            image: clip(&hold.image, bounds::IMAGE),
            cause: hold.cause,
            action: hold.action,
            outcome: String::new(),
        }));
        Some(step)
    }

    /// The images of a job that have failed, each with the Pod that has failed it most often: the
    /// highest count of any one Pod is the job's, never the sum. A Pod that has reached the
    /// threshold and can be acted on now comes before one that has failed more and cannot.
    pub(super) fn failing(&self, job: Uid, rules: &[Rule], now: Now) -> Vec<Failing> {
        // Nearly always one: a map would take the room of eleven.
        let mut best: Vec<((bool, u32), Failing)> = Vec::new();
        for (uid, pod) in self.index.pods_of(job) {
            for (image, track) in pod.history.tracks() {
                let timing = &self.config.timing;
                let moment = if track.is_without_a_pull() {
                    pod.history.moment_without_a_pull(image, now, timing)
                } else {
                    pod.history.moment(image, now, timing).map(Some)
                };
                let verdict = judge(rules, &track.runs, track.once, now);
                let ripe = moment.is_ok()
                    && matches!(verdict, Some(Verdict::Reached { rule, .. })
                        if track.is_confirmed(rule.threshold.failed_pulls));
                let rank = (ripe, track.runs.failed_pulls());
                let place = best.binary_search_by(|(_, known)| known.image.cmp(image));
                if let Ok(at) = place
                    && best.get(at).is_some_and(|(known, _)| rank <= *known)
                {
                    continue;
                }
                let (image, track) = (Arc::clone(image), track.clone());
                let failing = (rank, Failing { image, pod: Some(uid), track, moment });
                match place.map(|at| best.get_mut(at)) {
                    Ok(Some(known)) => *known = failing,
                    Ok(None) => {}
                    Err(at) => best.insert(at, failing),
                }
            }
        }
        best.into_iter().map(|(_, failing)| failing).collect()
    }
}

/// Whether a Job is about to end under our hold: what has stopped it keeps it from that.
fn ends_held(job: &Owner, lever: &dyn Lever) -> bool {
    let ending = matches!(job, Owner::Job(job) if job.ending().is_some());
    ending && lever.is_stopped() && HoldRecord::of(job.uid(), lever.meta()).is_some()
}

/// The policies whose status shows a case.
fn shown_by(holder: Option<&Key>, notes: &Few<Arc<str>, Note>) -> BTreeSet<Key> {
    notes.values().map(|note| &note.policy).chain(holder).cloned().collect()
}

/// Who stops a job, and who counts its quota; `None` where that is not known yet: Kueue has still to
/// make the Workload, or doesn't know the queue.
pub(super) fn handles<'a>(
    job: &'a Owner,
    workload: Option<&'a Workload>,
    unmanaged: &'a Unmanaged<'a>,
) -> Option<(&'a dyn Lever, &'a dyn QuotaView)> {
    match (workload, job) {
        (Some(workload), _) => Some((workload, workload)),
        (None, _) if job.meta().labels.contains_key(keys::KUEUE_QUEUE) => None,
        (None, Owner::Job(job)) => Some((&**job, unmanaged)),
        (None, Owner::JobSet(set)) => Some((&**set, unmanaged)),
        (None, Owner::Other(_)) => None,
    }
}

/// How often people have resumed the job. What a copy says of the job that it was made of does not count.
pub(super) fn resumes(job: &Owner, lever: &dyn Lever) -> u32 {
    let own = |meta: &Meta| {
        let last = meta.annotation(keys::RESUMED);
        let is_copied = last.is_some_and(|id| is_of_another(id, job.uid()));
        if is_copied { 0 } else { number(meta, keys::RESUMES) }
    };
    own(job.meta()).max(own(lever.meta()))
}

pub(super) fn evidence(verdict: Verdict<'_>) -> Evidence {
    match verdict {
        Verdict::NoRule(evidence)
        | Verdict::Counting { evidence, .. }
        | Verdict::Reached { evidence, .. } => evidence,
    }
}

fn rule_of(verdict: Verdict<'_>) -> Option<&str> {
    match verdict {
        Verdict::NoRule(_) => None,
        Verdict::Counting { rule, .. } | Verdict::Reached { rule, .. } => Some(&rule.name),
    }
}

fn note(policy: &Effective, image: &Failing, verdict: Verdict<'_>, plan: Plan<'_>) -> Note {
    let (state, reason) = match plan {
        Plan::Count => (FailingState::Counting, None),
        Plan::Wait(wait) => (FailingState::Waiting, Some(wait.as_str())),
        Plan::Report(reported) => (FailingState::Reported, Some(reported.as_str())),
        Plan::EndPod { .. } | Plan::Act { .. } => (FailingState::Waiting, Some(Wait::ACTING)),
    };
    let missing = match verdict {
        Verdict::Counting { rule, evidence, .. } => {
            rule.threshold.failed_pulls.saturating_sub(evidence.failed_pulls)
        }
        Verdict::NoRule(_) | Verdict::Reached { .. } => 0,
    };
    Note {
        policy: policy.policy.clone(),
        pod: image.pod.unwrap_or(Uid::NIL),
        evidence: evidence(verdict),
        state,
        reason,
        missing,
    }
}

fn since(quota: &dyn QuotaView) -> Option<Timestamp> {
    match quota.admission() {
        Admission::Since(at) => Some(at),
        Admission::None | Admission::Foreign(_) => None,
    }
}

/// The word by which people are told of a plan that changes nothing; `None` where they are told nothing.
const fn word_of(plan: Plan<'_>) -> Option<&'static str> {
    match plan {
        Plan::Report(reported) => Some(reported.as_str()),
        Plan::Wait(wait @ (Wait::Outage | Wait::Budget)) => Some(wait.as_str()),
        Plan::Count | Plan::Wait(_) | Plan::EndPod { .. } | Plan::Act { .. } => None,
    }
}

/// Whether people were told so in this admission.
fn is_told(case: &super::Case, quota: &dyn QuotaView, image: &Arc<str>, word: &str) -> bool {
    case.reported.contains(&(since(quota), Arc::clone(image), word.to_owned()))
}

/// Tells people that a brake keeps a job from what its rule says, once an admission.
fn held_back(
    job: &Owner,
    quota: &dyn QuotaView,
    case: &mut super::Case,
    image: &Arc<str>,
    evidence: &Evidence,
    wait: Wait,
) -> (Step, Effect) {
    let admission = since(quota);
    case.reported.retain(|(earlier, _, _)| *earlier == admission);
    let told = (admission, Arc::clone(image), wait.as_str().to_owned());
    case.reported.insert(told.clone());
    let event = explain::held_back_event(job.target(), admission, image, evidence, wait);
    (Step::HeldBack(told), Effect::Publish(event))
}

fn report(
    job: &Owner,
    quota: &dyn QuotaView,
    case: &mut super::Case,
    policy: &Effective,
    image: &Arc<str>,
    evidence: &Evidence,
    reported: Reported,
) -> (Step, Effect) {
    let admission = since(quota);
    // What was said of an earlier admission is over.
    case.reported.retain(|(earlier, _, _)| *earlier == admission);
    let told = (admission, Arc::clone(image), reported.as_str().to_owned());
    case.reported.insert(told.clone());
    let audit = matches!(reported, Reported::Audit(_));
    let event = explain::report_event(job.target(), admission, image, evidence, reported);
    let step = Step::Report { policy: policy.policy.clone(), report: told, audit };
    (step, Effect::Publish(event))
}
