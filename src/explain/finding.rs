//! What is found out about one job or Pod: the value behind every form of output. Its fields are
//! stable; all texts are masked.

use dislodge_engine::api::{Action, Mode};
use dislodge_engine::cause::Cause;
use jiff::Timestamp;
use serde::Serialize;

use crate::inspect::Gap;
use crate::inspect::pulls::NextPull;

/// How it stands, as the exit code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum State {
    /// No image keeps it from running.
    Healthy,
    /// An image of it cannot be pulled.
    Stuck,
    /// It has ended as failed because of an image.
    Failed,
    /// Dislodge holds it.
    Held,
}

impl State {
    /// The exit code of `explain`.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Stuck | Self::Failed => 2,
            Self::Held => 3,
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// When it was so.
    pub time: Timestamp,
    /// What was asked about.
    pub subject: Subject,
    /// How it stands.
    pub state: State,
    /// The same as a sentence.
    pub sentence: String,
    /// The job that the Pod or Workload belongs to, or that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobPart>,
    /// The policy that governs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyPart>,
    /// The images that cannot be pulled.
    pub images: Vec<ImagePart>,
    /// The hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldPart>,
    /// What happens next and when, or why nothing does.
    pub next: String,
    /// What its owner can do.
    pub steps: Vec<StepPart>,
    /// What is not known, and which right would tell.
    pub unknown: Vec<Gap>,
}

/// What was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// The job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobPart {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The LocalQueue that it stands in; absent: no queue manages it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Its Workload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Since when it holds quota, or runs where no queue is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admitted_since: Option<Timestamp>,
    /// How often people have resumed it.
    pub resumes: u32,
    /// How often Dislodge has requeued it since.
    pub requeues: u32,
    /// Why its owner keeps Dislodge off it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
}

/// The policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyPart {
    /// Its name.
    pub name: String,
    /// Whether it acts.
    pub mode: Mode,
    /// Why an operator has paused it, or everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// Whether a controller has ever looked at it.
    pub observed: bool,
}

/// An image that cannot be pulled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagePart {
    /// The image.
    pub image: String,
    /// The container that waits for it.
    pub container: String,
    /// The Pod that has failed it most often.
    pub pod: String,
    /// How many Pods of the job fail it.
    pub pods: usize,
    /// Why.
    pub cause: Cause,
    /// The class of the cause.
    pub class: &'static str,
    /// The same as a sentence.
    pub sentence: String,
    /// The container's waiting reason.
    pub reason: String,
    /// What the kubelet says.
    pub message: String,
    /// The words that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// How often a pull has failed.
    pub failed_pulls: Pulls,
    /// When the kubelet wrote of a later one that no controller has counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncounted: Option<Timestamp>,
    /// When the next pull is due.
    pub next_pull: NextPull,
    /// The rule that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RulePart>,
    /// What becomes of the job because of it.
    pub next: String,
}

/// Failed pulls of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pulls {
    /// How many in a row, as the rule counts them.
    pub count: u32,
    /// Who says so.
    pub source: Source,
    /// When the first of them failed.
    pub first: Timestamp,
    /// When the newest of them failed.
    pub last: Timestamp,
}

/// Who says how often a pull has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Source {
    /// The controller, in the policy's status.
    Controller,
    /// The kubelet's Events. There may have been more.
    Events,
    /// The Pod's status alone: at least one.
    Status,
}

/// The rule that decides of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RulePart {
    /// Its name.
    pub name: String,
    /// How many failed pulls it takes, of this job.
    pub failed_pulls: u32,
    /// How many seconds they have to lie apart.
    pub failing_seconds: u32,
    /// What is done then.
    pub action: Action,
}

/// The hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldPart {
    /// Its id.
    pub id: String,
    /// Since when.
    pub since: Timestamp,
    /// The image.
    pub image: String,
    /// Why it could not be pulled.
    pub cause: Cause,
    /// The policy, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The rule.
    pub rule: String,
    /// What it leads to; absent where the object that says so may not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// When the job comes back by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_at: Option<Timestamp>,
    /// What the owner was told.
    pub told: String,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepPart {
    /// What.
    pub what: String,
    /// What to type for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}
