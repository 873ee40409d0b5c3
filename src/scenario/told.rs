//! What happens to a job, in words.

use dislodge_sim::world::What;

/// The words for it, where people want to read of it.
pub(crate) fn told(what: &What) -> Option<String> {
    Some(match what {
        What::Submitted => "submitted".to_owned(),
        What::Admitted => "has its quota".to_owned(),
        What::Released => "its quota is free".to_owned(),
        What::Evicted(reason) if reason == "Deactivated" => return None, // told by who did it
        What::Evicted(reason) => format!("stopped by Kueue: {reason}"),
        What::PullFailed(_) => "a pull has failed".to_owned(),
        What::Running(_) => "runs".to_owned(),
        What::Held { .. } => return None, // the Event tells
        What::Resumed => "resumed".to_owned(),
        What::Told(_, action, note) => format!("{action}: {note}"),
        What::Failed(reason) => format!("failed: {reason}"),
        What::Complete => "complete".to_owned(),
        What::Deleted => "deleted".to_owned(),
    })
}
