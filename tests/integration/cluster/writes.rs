//! What some controllers wrote in a namespace, as the audit log of the API server shows it.

use std::collections::BTreeMap;

use dislodge_testbed::audit::Request;
use dislodge_testbed::product::Controller;
use libtest_mimic::Failed;

use super::actions::check as holds;
use super::restraint::is_ours;
use super::rules;
use super::stage::Stage;

/// The successful writes of controllers.
#[derive(Debug, Default)]
pub(super) struct Writes {
    /// On objects of people: how many, by resource and name.
    pub(super) on_objects: BTreeMap<(String, String), u32>,
    /// Deletions, by name.
    pub(super) deleted: BTreeMap<String, u32>,
    /// Events.
    pub(super) events: u32,
    /// Of our own status.
    pub(super) statuses: u32,
}

impl Writes {
    /// Counts those in the stage's namespace, and holds each against the rules. A write elsewhere is
    /// a failure.
    pub(super) async fn of(stage: &Stage, controllers: &[Controller]) -> Result<Self, Failed> {
        let namespace = stage.tenant.namespace();
        let log = stage.world.cluster.audit_log();
        let log = log.settled_about(&stage.tenant.client(), namespace).await?;
        let ours = |request: &&Request| {
            let by = |c: &Controller| is_ours(request, c.account().credential());
            controllers.iter().any(by) && request.is_write() && request.is_complete()
        };
        let mut writes = Self::default();
        for request in log.iter().filter(ours) {
            rules::check(request)?;
            holds(request.is_in(namespace), || format!("elsewhere: {}", request.uri))?;
            let Some(object) = &request.object_ref else { continue };
            if !(200..300).contains(&request.code()) {
                continue;
            }
            if request.verb == "delete" {
                *writes.deleted.entry(object.name.clone()).or_default() += 1;
            }
            match object.resource.as_str() {
                "leases" => {}
                "events" => writes.events += 1,
                "imagepullpolicies" => writes.statuses += 1,
                resource => {
                    let which = (resource.to_owned(), object.name.clone());
                    *writes.on_objects.entry(which).or_default() += 1;
                }
            }
        }
        Ok(writes)
    }
}
