//! A Job that no queue system manages: `spec.suspend` (Kubernetes: KEP-2232). Its active Pods are
//! deleted and not counted as failures.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Lever;
use crate::effect::{Merge, Part, Patch, Target, TargetKind};
use crate::objects::{Ending, Job, Meta};

/// Ends a Job that we hold as failed: final, also where Kueue has suspended it (live.md 7.2). All in
/// one patch: `FailureTarget` alone would wedge a Job that is suspended (live.md 0.4), and the API
/// server refuses the patch while a Pod of the Job is still ending. Strategic: a JSON merge would
/// replace the conditions that are there.
pub(super) fn finish_patch(job: &Job, reason: &str, message: &str, now: Timestamp) -> Patch {
    let condition = |kind: &str| {
        json!({"type": kind, "status": "True", "reason": reason, "message": message,
               "lastProbeTime": now, "lastTransitionTime": now})
    };
    let mut status = json!({"conditions": [condition("FailureTarget"), condition("Failed")]});
    if let (None, Some(fields)) = (job.status.start_time, status.as_object_mut()) {
        fields.insert("startTime".to_owned(), json!(now)); // required of a Job that has ended
    }
    Patch { merge: Merge::Strategic, part: Part::Status, body: json!({ "status": status }) }
}

/// Says that a Job has ended of which the Job controller has said how and why, and which it can't end
/// without a start ([`Job::ending`]); `None` for any other. How and why stay the Job controller's. The same
/// patch frees a Job that is wedged already (live.md 7.2).
pub fn end_patch(job: &Job, held: &str, now: Timestamp) -> Option<Patch> {
    let (ending, target) = job.ending()?;
    let reason = target.reason.as_str();
    let (kind, did) = match ending {
        Ending::Failed => ("Failed", "failed"),
        Ending::Complete => ("Complete", "completed"),
    };
    let message =
        format!("the Job {did} by itself ({reason}) when Dislodge had stopped it: {held}");
    let end = json!({"type": kind, "status": "True", "reason": reason, "message": message,
                     "lastProbeTime": now, "lastTransitionTime": now});
    let mut status = json!({"conditions": [end], "startTime": now});
    if let (Ending::Complete, Some(fields)) = (ending, status.as_object_mut()) {
        fields.insert("completionTime".to_owned(), json!(now)); // required of a complete Job alone
    }
    Some(Patch { merge: Merge::Strategic, part: Part::Status, body: json!({ "status": status }) })
}

impl Lever for Job {
    fn target(&self) -> Target {
        Target {
            kind: TargetKind::Job,
            key: self.metadata.key(),
            uid: self.metadata.uid,
            resource_version: Some(self.metadata.resource_version.clone()),
        }
    }

    fn meta(&self) -> &Meta {
        &self.metadata
    }

    fn is_stopped(&self) -> bool {
        self.spec.suspend
    }

    fn set_stopped(&self, stopped: bool) -> Value {
        json!({ "spec": { "suspend": stopped } })
    }
}
