//! What our CRD says, for the API server in memory.

use std::sync::Arc;

use dislodge_engine::api::validate::{self, Refusal};
use serde_json::Value;

use crate::api::{Cause, Part, Schema};

/// The schema of the CRD, with its defaults and rules.
pub fn schema() -> Arc<dyn Schema> {
    Arc::new(Policies)
}

#[derive(Debug)]
struct Policies;

impl Schema for Policies {
    fn fill(&self, object: &mut Value) {
        validate::apply_defaults(object);
    }

    fn check(&self, object: &Value, stored: Option<&Value>, part: Part) -> Vec<Cause> {
        let verdict = match (part, stored) {
            (Part::Main, None) => validate::create(object.clone()),
            (Part::Main, Some(stored)) => validate::update(stored, object.clone()),
            (Part::Status, _) => validate::status(object.clone()),
        };
        let mut refusals: Vec<Refusal> = verdict.err().into_iter().flatten().collect();
        // The server has looked at the name itself.
        refusals.retain(|refusal| refusal.field != "metadata.name");
        refusals.sort_by_key(Refusal::is_remark);
        refusals.into_iter().map(cause).collect()
    }
}

fn cause(refusal: Refusal) -> Cause {
    Cause { reason: refusal.reason(), message: refusal.message(), field: refusal.field }
}
