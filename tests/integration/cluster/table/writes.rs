//! What a row's controllers wrote.

use dislodge_testbed::product::Controller;

use super::made::Kind;
use super::row::{End, Row, Trouble};
use crate::Outcome;
use crate::cluster::actions::check as holds;
use crate::cluster::stage::Stage;
use crate::cluster::writes::Writes;

/// Counts the writes, and holds each against the rules.
pub(super) async fn check(
    stage: &Stage,
    row: &Row,
    trouble: Trouble,
    controllers: &[Controller],
) -> Outcome {
    let Writes { on_objects, deleted, events, statuses } = Writes::of(stage, controllers).await?;
    let Row(kind, _, _, _, _, end) = *row;
    for ((resource, name), count) in &on_objects {
        // Two leaders may both say of a member that the group need not wait for another; one
        // deletes. A crash between the reason on a Pod and its deletion leaves the reason to be
        // taken off when the moment is over, and the Pod is ended, with both writes, at a later one.
        let most = match (resource.as_str(), kind, trouble) {
            ("pods", Kind::Group, Trouble::TwoLeaders | Trouble::Killed) => 5,
            ("pods", _, Trouble::Killed) => 4,
            ("pods", Kind::Group, _) => 3,
            _ => 2,
        };
        holds(*count <= most, || format!("{count} writes on {resource}/{name}: {on_objects:?}"))?;
    }
    holds(deleted.values().all(|count| *count == 1), || format!("deleted: {deleted:?}"))?;
    let touched = !on_objects.is_empty();
    holds(touched == end.frees(), || format!("writes on objects of people: {on_objects:?}"))?;
    let actions = match end {
        End::Runs | End::Untouched | End::Waits(_) => 0,
        End::Ended => kind.pods(),
        // Each index, and each Pod of several, is one where the author decides.
        End::FailedByAuthor
        | End::Suspended
        | End::Requeued
        | End::Failed
        | End::Completed
        | End::Reported(_) => 1,
    };
    // The Event of a Pod that was ended is not made up for after a crash.
    let least = if trouble == Trouble::Killed && matches!(end, End::Ended | End::FailedByAuthor) {
        0
    } else {
        actions
    };
    holds((least..=actions).contains(&events), || format!("{events} Events of {actions}"))?;
    // Each of two leaders corrects what the other has counted, once a second at most.
    let most = if trouble == Trouble::TwoLeaders { 60 } else { 25 };
    holds(statuses <= most, || format!("{statuses} writes of our own status"))
}
