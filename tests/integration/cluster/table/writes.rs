//! What a row's controllers wrote, as the audit log of the API server shows it.

use std::collections::BTreeMap;

use dislodge_testbed::audit::Request;
use dislodge_testbed::product::Controller;

use super::made::Kind;
use super::row::{End, Moment, Row};
use crate::Outcome;
use crate::cluster::actions::check as holds;
use crate::cluster::restraint::is_ours;
use crate::cluster::rules;
use crate::cluster::stage::Stage;

/// Counts the writes, and holds each against the rules.
pub(super) async fn check(stage: &Stage, row: &Row, controllers: &[Controller]) -> Outcome {
    let namespace = stage.tenant.namespace();
    let log = stage.world.cluster.audit_log();
    let log = log.settled_about(&stage.tenant.client(), namespace).await?;
    let ours = |request: &&Request| {
        let by = |c: &Controller| is_ours(request, c.account().credential());
        controllers.iter().any(by) && request.is_write() && request.is_complete()
    };
    let mut on_objects: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let mut deleted: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut events, mut statuses) = (0, 0);
    for request in log.iter().filter(ours) {
        rules::check(request)?;
        holds(request.is_in(namespace), || format!("elsewhere: {}", request.uri))?;
        let Some(object) = &request.object_ref else { continue };
        if !(200..300).contains(&request.code()) {
            continue;
        }
        if request.verb == "delete" {
            *deleted.entry(&object.name).or_default() += 1;
        }
        match object.resource.as_str() {
            "leases" => {}
            "events" => events += 1,
            "imagepullpolicies" => statuses += 1,
            resource => *on_objects.entry((resource, &object.name)).or_default() += 1,
        }
    }
    let Row(kind, _, _, _, moment, end) = *row;
    for ((resource, name), count) in &on_objects {
        // Two leaders may both say of a member that the group need not wait for another; one
        // deletes. A crash between the reason on a Pod and its deletion leaves the reason to be
        // taken off when the moment is over, and the Pod is ended, with both writes, at a later one.
        let most = match (*resource, kind, moment) {
            ("pods", Kind::Group, Moment::TwoLeaders | Moment::Killed) => 5,
            ("pods", _, Moment::Killed) => 4,
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
        End::FailedByAuthor | End::Suspended | End::Requeued | End::Failed | End::Reported(_) => 1,
    };
    // The Event of a Pod that was ended is not made up for after a crash.
    let least = if moment == Moment::Killed && matches!(end, End::Ended | End::FailedByAuthor) {
        0
    } else {
        actions
    };
    holds((least..=actions).contains(&events), || format!("{events} Events of {actions}"))?;
    // Each of two leaders corrects what the other has counted, once a second at most.
    let most = if moment == Moment::TwoLeaders { 60 } else { 25 };
    holds(statuses <= most, || format!("{statuses} writes of our own status"))
}
