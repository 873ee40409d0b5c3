//! The words for people about what a job waits for.

use jiff::Timestamp;

use super::{HoldRecord, REASON, event_name, pulls, what};
use crate::effect::{Event, EventType, Target};
use crate::judge::Evidence;
use crate::plan::Wait;

/// The action of an Event that tells what is waited for.
const WAIT: &str = "Wait";

/// The Event of a job that a brake keeps from what its rule says: at most one for each admission and brake.
pub fn held_back_event(
    job: Target,
    admission: Option<Timestamp>,
    image: &str,
    evidence: &Evidence,
    wait: Wait,
) -> Event {
    let admission = admission.map(|a| a.to_string()).unwrap_or_default();
    let lead = if wait == Wait::Outage {
        "Held back: the image's registry counts as down, and nothing is stopped because of it"
    } else {
        "Held back: the policy has used up its budget of actions, and acts when it has some again"
    };
    Event {
        name: event_name(&job, &[&admission, image, wait.as_str()]),
        regarding: job,
        kind: EventType::Warning,
        reason: REASON,
        action: WAIT,
        note: format!(
            "{lead}. {}; {}: {}",
            pulls(evidence),
            evidence.cause.next_step(),
            what(image, evidence.cause)
        ),
    }
}

/// The Event of a requeued job that is due for long and waits for its quota.
pub fn waits_event(job: Target, hold: &HoldRecord, why: Await) -> Event {
    let command = hold.resume_command(&job);
    Event {
        name: event_name(&job, &["waits", &hold.id]),
        regarding: job,
        kind: EventType::Warning,
        reason: REASON,
        action: WAIT,
        note: format!(
            "Still waits to come back: {}. It comes back by itself as soon as that is over. To resume now, which may \
             stop work that runs: {command}. {}",
            why.sentence(),
            hold.sentence
        ),
    }
}

/// What a requeued job that is due waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Await {
    /// Its LocalQueue is not there, so that its quota is not known.
    Queue,
    /// Its ClusterQueue preempts, and of its own quota not enough is unused.
    Quota,
    /// Its ClusterQueue preempts, and somebody else comes before it.
    Others,
}

impl Await {
    /// The same as a clause.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Queue => "its LocalQueue is not there",
            Self::Quota => {
                "its queue preempts, and of the queue's own quota not enough is unused for it to displace nobody"
            }
            Self::Others => {
                "its queue preempts, and others that come before it wait for the same quota"
            }
        }
    }
}
