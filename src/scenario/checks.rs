//! What a scenario can be meant to say. A refusal says where, what stands there, and what was expected.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;

use dislodge_engine::api::validate::{self, is_dns_subdomain};
use dislodge_engine::api::{API_VERSION, KIND};
use dislodge_engine::cause::Cause;
use serde_json::Value;

use super::{Fails, Happening, Image, Job, Named, PullPlan, Scenario, What, words};

/// The longest that is played, and the latest and longest that anything in it is: a week, in seconds.
pub(crate) const LONGEST: u64 = 7 * 24 * 3600;
/// The most jobs that are played.
const MOST_JOBS: u32 = 2_000;
/// The most pods of all jobs together.
const MOST_PODS: u32 = 10_000;
/// The most CPUs of a pod, a queue or a node.
pub(super) const MOST_CPUS: u32 = 1_000_000;
/// The most CPUs of all jobs together.
const MOST_CPUS_OF_ALL: u64 = 100_000_000;
/// The most pulls of an image that fail in a row, so that a list of them is no burden.
const MOST_FAILURES: u32 = 10_000;

/// The longest message of a pull, in bytes (Kubernetes: the kubelet's own are shorter).
const LONGEST_MESSAGE: usize = 32 << 10;

/// The longest name of anything: what is left of 63 for the suffixes of Pods and Workloads.
const LONGEST_NAME: usize = 50;

/// Whether the scenario can be played.
pub(crate) fn check(scenario: &Scenario) -> Result<(), String> {
    within("durationSeconds", scenario.duration_seconds, 1..=LONGEST)?;
    within("podsReadyTimeoutSeconds", scenario.pods_ready_timeout_seconds, 0..=LONGEST)?;
    once("nodes", scenario.nodes.iter().map(|node| node.name.clone()))?;
    for (number, node) in scenario.nodes.iter().enumerate() {
        name(&format!("nodes[{number}].name"), &node.name)?;
        within(&format!("nodes[{number}].cpus"), node.cpus, 1..=MOST_CPUS)?;
    }
    once(
        "queues",
        scenario.queues.iter().map(|queue| format!("{}/{}", queue.namespace, queue.name)),
    )?;
    for (number, queue) in scenario.queues.iter().enumerate() {
        name(&format!("queues[{number}].namespace"), &queue.namespace)?;
        name(&format!("queues[{number}].name"), &queue.name)?;
        within(&format!("queues[{number}].cpus"), queue.cpus, 0..=MOST_CPUS)?;
    }
    jobs(scenario)?;
    once("images", scenario.images.iter().map(|image| image.image.clone()))?;
    for (number, image) in scenario.images.iter().enumerate() {
        pulls(&format!("images[{number}]"), image)?;
    }
    let names: BTreeSet<String> = scenario.jobs.iter().flat_map(names).collect();
    for (number, event) in scenario.events.iter().enumerate() {
        happening(&format!("events[{number}]"), event, &names)?;
    }
    for (number, policy) in scenario.policies.iter().enumerate() {
        for (field, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
            let said = policy.get(field).and_then(Value::as_str).unwrap_or_default();
            if said != expected {
                return Err(format!("policies[{number}].{field} is {said:?}, expected {expected}"));
            }
        }
        if let Err(refusals) = validate::create(policy.clone()) {
            let all =
                refusals.iter().map(|refusal| format!("{}: {}", refusal.field, refusal.message()));
            let all: Vec<String> = all.collect();
            let all = all.join("; ");
            return Err(format!("policies[{number}] is no valid ImagePullPolicy: {all}"));
        }
    }
    Ok(())
}

fn jobs(scenario: &Scenario) -> Result<(), String> {
    let counts = || scenario.jobs.iter().map(|job| job.count.unwrap_or(1));
    let many = counts().fold(0, u32::saturating_add);
    within("the number of jobs", many, 1..=MOST_JOBS)?;
    for (number, job) in scenario.jobs.iter().enumerate() {
        let at = |field: &str| format!("jobs[{number}].{field}");
        name(&at("namespace"), &job.namespace)?;
        name(&at("name"), &job.name)?;
        within(&at("count"), job.count.unwrap_or(1), 1..=MOST_JOBS)?;
        within(&at("pods"), job.pods, 1..=MOST_PODS)?;
        within(&at("cpus"), job.cpus, 1..=MOST_CPUS)?;
        within(&at("atSeconds"), job.at_seconds, 0..=LONGEST)?;
        within(&at("everySeconds"), job.every_seconds, 0..=LONGEST)?;
        let is_there = |queue: &String| {
            let all = &scenario.queues;
            all.iter().any(|known| known.namespace == job.namespace && known.name == *queue)
        };
        if let Some(queue) = job.queue.as_ref().filter(|queue| !is_there(queue)) {
            return Err(format!(
                "{} is {queue:?}, and namespace {:?} has no such queue: add it to 'queues', or leave 'queue' \
                 out for a job that no queue manages",
                at("queue"),
                job.namespace
            ));
        }
    }
    let pods =
        scenario.jobs.iter().zip(counts()).map(|(job, count)| job.pods.saturating_mul(count));
    within("the number of pods of all jobs", pods.fold(0, u32::saturating_add), 1..=MOST_PODS)?;
    let cpus = scenario.jobs.iter().zip(counts());
    let cpus =
        cpus.map(|(job, count)| u64::from(job.cpus) * u64::from(job.pods) * u64::from(count));
    within("the number of CPUs of all jobs", cpus.sum(), 1..=MOST_CPUS_OF_ALL)?;
    once("jobs", scenario.jobs.iter().flat_map(names))
}

/// The jobs that an entry stands for, as `namespace/name`.
fn names(job: &Job) -> impl Iterator<Item = String> {
    job.names().map(|name| format!("{}/{name}", job.namespace))
}

fn pulls(place: &str, image: &Image) -> Result<(), String> {
    if image.pulls.is_empty() {
        return Err(format!(
            "{place}.pulls is empty: expected at least one of 'succeeds', 'fails', 'hangs'"
        ));
    }
    if let Some(seconds) = image.runs_seconds {
        within(&format!("{place}.runsSeconds"), seconds, 0..=LONGEST)?;
    }
    for (number, pull) in image.pulls.iter().enumerate() {
        let place = format!("{place}.pulls[{number}]");
        match pull {
            PullPlan::Succeeds(pull) => {
                within(&format!("{place}.succeeds.afterSeconds"), pull.after_seconds, 0..=LONGEST)?;
            }
            PullPlan::Fails(pull) => {
                within(&format!("{place}.fails.times"), pull.times, 1..=MOST_FAILURES)?;
                failure(&format!("{place}.fails"), pull)?;
            }
            PullPlan::Hangs(_) => {}
        }
    }
    Ok(())
}

/// Exactly one of `cause` and `message`, and such that a pull can end so.
fn failure(place: &str, pull: &Fails) -> Result<(), String> {
    match (pull.cause, &pull.message) {
        (Some(cause), None) if words(cause, "x").is_none() => {
            let can = Cause::ALL.into_iter().filter(|cause| words(*cause, "x").is_some());
            let can: Vec<&str> = can.map(Cause::as_str).collect();
            Err(format!(
                "{place}.cause is {cause}, which no pull answers: expected one of {}",
                can.join(", ")
            ))
        }
        (None, Some(message)) if message.len() > LONGEST_MESSAGE => {
            Err(format!("{place}.message is longer than {LONGEST_MESSAGE} bytes"))
        }
        (Some(_), None) | (None, Some(_)) => Ok(()),
        (None, None) | (Some(_), Some(_)) => {
            Err(format!("{place}: expected exactly one of 'cause', 'message'"))
        }
    }
}

fn happening(place: &str, event: &Happening, jobs: &BTreeSet<String>) -> Result<(), String> {
    within(&format!("{place}.atSeconds"), event.at_seconds, 0..=LONGEST)?;
    let known = |deed: &str, job: &Named| {
        let name = format!("{}/{}", job.namespace, job.name);
        if jobs.contains(&name) {
            return Ok(());
        }
        Err(format!(
            "{place}.{deed} names job {name:?}, and 'jobs' has none of that name (one with a 'count' is \
             called NAME-0, NAME-1 and so on)"
        ))
    };
    match event.what() {
        Some(What::Image(image)) => pulls(&format!("{place}.image"), image),
        Some(What::Resume(job)) => known("resume", job),
        Some(What::Delete(job)) => known("delete", job),
        None => Err(format!("{place}: expected exactly one of 'image', 'resume', 'delete'")),
    }
}

fn within<T: Copy + PartialOrd + Display>(
    place: &str,
    value: T,
    expected: RangeInclusive<T>,
) -> Result<(), String> {
    if expected.contains(&value) {
        return Ok(());
    }
    Err(format!("{place} is {value}, expected {} to {}", expected.start(), expected.end()))
}

/// Names are as the API server takes them, or the objects would differ from all real ones.
fn name(place: &str, name: &str) -> Result<(), String> {
    if is_dns_subdomain(name) && name.len() <= LONGEST_NAME {
        return Ok(());
    }
    Err(format!(
        "{place} is {name:?}, expected a name as Kubernetes takes it: at most {LONGEST_NAME} lower-case letters, \
         digits, hyphens and dots"
    ))
}

/// Nothing is called the same twice.
fn once(list: &str, names: impl Iterator<Item = String>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if seen.contains(&name) {
            return Err(format!("'{list}' has {name:?} twice"));
        }
        seen.insert(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
