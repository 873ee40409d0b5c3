//! Levers: who stops, starts and ends the Pods of a job. One small file for each kind.
//!
//! Who counts the quota is another question ([`crate::quota`]); the product of the two is never
//! written out.

mod job;
mod job_set;
mod workload;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::effect::{Merge, Part, Patch, Target};
use crate::keys;
use crate::objects::{Meta, Uid};
use crate::owner::Owner;

pub use job::end_patch;

/// Annotations to be set (`Some`) or taken away (`None`).
pub type Annotations = BTreeMap<&'static str, Option<String>>;

/// What stops, starts and ends the Pods of a job.
pub trait Lever {
    /// The object that is written to, pinned to the version that was seen.
    fn target(&self) -> Target;

    /// Its metadata, with our marks.
    fn meta(&self) -> &Meta;

    /// Whether it keeps the job from running, whoever has set it so.
    fn is_stopped(&self) -> bool;

    /// The part of a patch that stops the job, or lets it run.
    fn set_stopped(&self, stopped: bool) -> Value;

    /// What the job asks its queue for, as it is noted on the object when it is held; `None` where
    /// nothing tells.
    fn asks(&self) -> Option<String> {
        None
    }

    /// Whether anything tells what the job asks for.
    fn knows_asks(&self) -> bool {
        self.asks().is_some()
    }

    /// The hold of ours that it carries.
    fn hold(&self) -> Option<&str> {
        self.meta().annotation(keys::HOLD)
    }

    /// Stops the job and marks the stop as ours, in one patch: the two cannot be parted.
    fn hold_patch(&self, marks: &Annotations) -> Patch {
        let mut body = self.set_stopped(true);
        annotate(&mut body, marks);
        main(body)
    }

    /// Lets the job run and takes our mark away, in one patch.
    fn resume_patch(&self, more: Annotations) -> Patch {
        let mut body = self.set_stopped(false);
        annotate(&mut body, &unmark().chain(more).collect());
        main(body)
    }

    /// Takes our mark away from a job that somebody else has started.
    fn clear_patch(&self, more: Annotations) -> Patch {
        let mut body = json!({});
        annotate(&mut body, &unmark().chain(more).collect());
        main(body)
    }

    /// Whether the lever sits on the object with this uid: then one patch does it all, and the
    /// owner needs not be told on another object.
    fn is_on(&self, owner: Uid) -> bool {
        self.meta().uid == owner
    }
}

/// Ends a job that we hold as failed; `None` where Dislodge knows no way to.
pub fn finish_patch(owner: &Owner, reason: &str, message: &str, now: Timestamp) -> Option<Patch> {
    match owner {
        Owner::Job(job) => Some(job::finish_patch(job, reason, message, now)),
        Owner::JobSet(set) => Some(job_set::finish_patch(set, reason, message, now)),
        Owner::Other(_) => None,
    }
}

fn unmark() -> impl Iterator<Item = (&'static str, Option<String>)> {
    keys::HOLD_KEYS.into_iter().map(|key| (key, None))
}

fn main(body: Value) -> Patch {
    Patch { merge: Merge::Json, part: Part::Main, body }
}

/// A patch that only sets and removes annotations.
pub fn annotations_patch(annotations: &Annotations) -> Patch {
    let mut body = json!({});
    annotate(&mut body, annotations);
    main(body)
}

fn annotate(body: &mut Value, annotations: &Annotations) {
    if let Value::Object(fields) = body {
        fields.insert("metadata".to_owned(), json!({ "annotations": annotations }));
    }
}
