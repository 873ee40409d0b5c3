//! What stands in the queues of a namespace, or of all: the value behind every form of `status`.

use std::collections::BTreeMap;

use dislodge_engine::api::{
    Action, ActionCounts, AuditCounts, FailingState, Mode, OpenOutage, QueueKind, QueueState,
    READY, RecentAction,
};
use dislodge_engine::cause::Cause;
use dislodge_engine::engine::account::{Account, Prospect};
use dislodge_engine::message::mask;
use dislodge_engine::objects::{Policy, Quantity};
use dislodge_engine::quota::Admission;
use dislodge_engine::resolve::Queue;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::classify::shown::plain;
use crate::inspect::{Gap, Snapshot, instant};
use crate::steer::holds::Held;

/// So many actions are shown.
const RECENT: usize = 10;

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// When it was so.
    pub time: Timestamp,
    /// The namespace; absent: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Why an operator has paused everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// Policies.
    pub policies: Vec<PolicyRow>,
    /// Queues.
    pub queues: Vec<QueueRow>,
    /// Jobs with an image that cannot be pulled, and no hold.
    pub stuck: Vec<StuckRow>,
    /// Held jobs.
    pub holds: Vec<Held>,
    /// The newest actions.
    pub recent: Vec<RecentRow>,
    /// What is not known.
    pub unknown: Vec<Gap>,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRow {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it acts; absent where its spec cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Why it is ready, or not, in a word; absent where no controller has looked at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    /// The queues that it names, and how that turned out.
    pub queues: Vec<String>,
    /// Jobs that it holds.
    pub held_jobs: u32,
    /// Jobs whose failed pulls it counts, and which it does not hold.
    pub failing_jobs: usize,
    /// Its budget.
    pub budget: BudgetRow,
    /// Registries that count as down.
    pub outages: Vec<OpenOutage>,
    /// What it has done.
    pub actions: ActionCounts,
    /// What it would have done in mode Enforce.
    pub audit: AuditCounts,
}

/// Whether a policy is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// Whether it is.
    pub status: bool,
    /// Why, in a word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
}

/// A budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetRow {
    /// Actions that are reserved in this window.
    pub reserved: u32,
    /// The most in a window.
    pub actions: u32,
    /// When the window ends, if one is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueRow {
    /// Its namespace.
    pub namespace: String,
    /// Its name; absent: the jobs that no queue manages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The ClusterQueue behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_queue: Option<String>,
    /// The policy that governs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Its stuck jobs.
    pub stuck_jobs: usize,
    /// Its held jobs.
    pub held_jobs: usize,
    /// What its stuck jobs hold of each resource now, that others could use.
    pub held_back: BTreeMap<String, String>,
}

/// A job with an image that cannot be pulled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StuckRow {
    /// Its namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The image.
    pub image: String,
    /// Why it cannot be pulled.
    pub cause: Cause,
    /// How often that has failed.
    pub failed_pulls: u32,
    /// How often it has to, for its rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u32>,
    /// What becomes of it, in a word.
    pub state: String,
    /// Since when it holds quota, or runs where no queue is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admitted_since: Option<Timestamp>,
}

/// An action that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecentRow {
    /// Its namespace.
    pub namespace: String,
    /// The policy.
    pub policy: String,
    /// The action.
    #[serde(flatten)]
    pub action: RecentAction,
}

/// Looks at a snapshot.
pub fn overview(seen: &Snapshot, namespace: Option<&str>, now: Timestamp) -> Overview {
    let mut engine = seen.engine(instant(now));
    let accounts: Vec<Account> = engine
        .units()
        .into_iter()
        .filter_map(|unit| engine.account(unit, instant(now)))
        .filter(|account| !account.owner.is_finished() && !account.owner.is_deleted())
        .collect();
    let holds: Vec<Held> = accounts.iter().filter_map(Held::of).collect();
    let stuck: Vec<&Account> = accounts
        .iter()
        .filter(|account| Held::of(account).is_none() && !account.images.is_empty())
        .collect();

    let mut queues: BTreeMap<Queue, QueueRow> = BTreeMap::new();
    let local = seen.local_queues.iter().map(|queue| Queue::Local(queue.metadata.key()));
    for queue in local.chain(accounts.iter().map(|account| account.queue.clone())) {
        let row = || QueueRow {
            namespace: harmless(queue.namespace()),
            name: match &queue {
                Queue::Local(key) => Some(harmless(&key.name)),
                Queue::None { .. } => None,
            },
            cluster_queue: match &queue {
                Queue::Local(key) => engine.cluster_queue_of(key).map(harmless),
                Queue::None { .. } => None,
            },
            policy: engine.policy_of(&queue).map(|policy| harmless(&policy.policy.name)),
            stuck_jobs: 0,
            held_jobs: 0,
            held_back: BTreeMap::new(),
        };
        queues.entry(queue.clone()).or_insert_with(row);
    }
    let mut held_back: BTreeMap<Queue, BTreeMap<String, Quantity>> = BTreeMap::new();
    for account in &stuck {
        if let Some(row) = queues.get_mut(&account.queue) {
            row.stuck_jobs += 1;
        }
        let amounts = held_back.entry(account.queue.clone()).or_default();
        for usage in account.workload.iter().filter_map(|w| w.reserved()).flat_map(|a| &a.usage) {
            let sum = amounts.entry(harmless(&usage.resource)).or_default();
            *sum = sum.saturating_add(usage.quantity);
        }
    }
    for (queue, amounts) in held_back {
        if let Some(row) = queues.get_mut(&queue) {
            row.held_back = amounts
                .into_iter()
                .map(|(resource, amount)| (resource, amount_text(amount)))
                .collect();
        }
    }
    for account in accounts.iter().filter(|account| Held::of(account).is_some()) {
        if let Some(row) = queues.get_mut(&account.queue) {
            row.held_jobs += 1;
        }
    }
    // Jobs of no queue are a row only where there is something to say of them.
    let told = |row: &QueueRow| {
        row.name.is_some() || row.policy.is_some() || row.stuck_jobs + row.held_jobs > 0
    };
    Overview {
        time: now,
        namespace: namespace.map(str::to_owned),
        paused: seen.paused().map(harmless),
        policies: seen.policies.iter().map(|policy| PolicyRow::of(policy, now)).collect(),
        queues: queues.into_values().filter(told).collect(),
        stuck: stuck.into_iter().filter_map(|account| StuckRow::of(account, seen)).collect(),
        holds,
        recent: recent(&seen.policies),
        unknown: seen.gaps.clone(),
    }
}

impl PolicyRow {
    fn of(policy: &Policy, now: Timestamp) -> Self {
        let (meta, status) = (&policy.metadata, &policy.status);
        let spec = policy.spec.as_ref().ok();
        let budget = spec.map(|spec| spec.budget).unwrap_or_default();
        let window = SignedDuration::from_secs(budget.window_seconds.into());
        let began = status.budget.window_start_time;
        let until = began.and_then(|began| began.checked_add(window).ok()).filter(|at| *at > now);
        let ready = status.conditions.iter().find(|condition| condition.type_ == READY);
        Self {
            namespace: harmless(&meta.namespace),
            name: harmless(&meta.name),
            mode: spec.map(|spec| spec.mode),
            ready: ready.map(|ready| Ready {
                status: ready.status == dislodge_engine::api::ConditionStatus::True,
                reason: harmless(&ready.reason),
                message: harmless(&ready.message),
            }),
            queues: queues(policy),
            held_jobs: status.held_jobs,
            failing_jobs: status.failing.len(),
            budget: BudgetRow {
                reserved: if until.is_some() { status.budget.reserved } else { 0 },
                actions: budget.actions,
                until,
            },
            outages: status.outages.clone(),
            actions: status.actions,
            audit: status.audit,
        }
    }
}

/// The queues of a policy, as its status says, else as its spec does.
fn queues(policy: &Policy) -> Vec<String> {
    let named = |kind: QueueKind, name: Option<&str>| match kind {
        QueueKind::LocalQueue => harmless(name.unwrap_or_default()),
        QueueKind::NoQueue => "(no queue)".to_owned(),
    };
    if policy.status.queues.is_empty() {
        let claims = policy.spec.as_ref().map(|spec| spec.queues.as_slice()).unwrap_or_default();
        return claims.iter().map(|claim| named(claim.kind, claim.name.as_deref())).collect();
    }
    let told = policy.status.queues.iter().map(|queue| {
        let name = named(queue.kind, queue.name.as_deref());
        match queue.state {
            QueueState::Governed => name,
            QueueState::Contested => format!("{name} (contested)"),
            QueueState::NotFound => format!("{name} (not found)"),
        }
    });
    told.collect()
}

impl StuckRow {
    fn of(account: &Account, seen: &Snapshot) -> Option<Self> {
        // What is nearest to an action says most.
        let image = account.images.iter().max_by_key(|image| image.evidence.failed_pulls)?;
        let entry = image.pod.and_then(|pod| seen.entry(pod, &image.image));
        let state = match entry {
            Some(entry) => told(entry.state, entry.reason.as_deref()),
            None => word(image.now),
        };
        Some(Self {
            namespace: harmless(account.owner.namespace()),
            kind: harmless(account.owner.kind()),
            name: harmless(account.owner.name()),
            queue: match &account.queue {
                Queue::Local(key) => Some(harmless(&key.name)),
                Queue::None { .. } => None,
            },
            image: harmless(&image.image),
            cause: image.evidence.cause,
            failed_pulls: image.evidence.failed_pulls,
            threshold: image.rule.as_ref().map(|rule| rule.threshold.failed_pulls),
            state,
            admitted_since: match account.admission {
                Admission::Since(at) => Some(at),
                Admission::None | Admission::Foreign(_) => None,
            },
        })
    }
}

fn told(state: FailingState, reason: Option<&str>) -> String {
    let state = match state {
        FailingState::Counting => "Counting",
        FailingState::Waiting => "Waiting",
        FailingState::Reported => "Reported",
    };
    reason.map_or_else(|| state.to_owned(), |reason| format!("{state}: {}", harmless(reason)))
}

fn word(now: Prospect) -> String {
    match now {
        Prospect::Ungoverned => "no policy".to_owned(),
        Prospect::Count { .. } => "Counting".to_owned(),
        Prospect::Wait(wait) => format!("Waiting: {}", wait.as_str()),
        Prospect::Report(reported) => format!("Reported: {}", reported.as_str()),
        Prospect::EndPod | Prospect::Act { .. } => "Acting".to_owned(),
    }
}

fn recent(policies: &[Policy]) -> Vec<RecentRow> {
    let mut rows: Vec<RecentRow> = policies
        .iter()
        .flat_map(|policy| {
            policy.status.recent_actions.iter().map(|action| RecentRow {
                namespace: harmless(&policy.metadata.namespace),
                policy: harmless(&policy.metadata.name),
                action: RecentAction {
                    job: harmless(&action.job),
                    pod: action.pod.as_deref().map(harmless),
                    image: harmless(&action.image),
                    outcome: harmless(&action.outcome),
                    ..action.clone()
                },
            })
        })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.action.time));
    rows.truncate(RECENT);
    rows
}

/// An amount as Kubernetes writes it: whole, or in thousandths.
fn amount_text(amount: Quantity) -> String {
    match amount.milli() {
        Some(milli) if milli % 1000 == 0 => (milli / 1000).to_string(),
        Some(milli) => format!("{milli}m"),
        None => "?".to_owned(),
    }
}

/// What was done, as a past tense.
pub const fn done(action: Action) -> &'static str {
    match action {
        Action::FailJob => "failed",
        Action::SuspendJob => "suspended",
        Action::RequeueJob => "requeued",
        Action::Report => "reported",
    }
}

fn harmless(text: &str) -> String {
    plain(&mask(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_kubernetes_writes_them() {
        for (text, written) in [("4", "4"), ("1500m", "1500m"), ("1Ki", "1024"), ("x", "?")] {
            assert_eq!(amount_text(Quantity::parse(text)), written);
        }
    }
}
