//! JobSets: several Jobs that run as one (`jobset.x-k8s.io`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Condition, JobSpec, Meta, decode};

/// A JobSet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobSet {
    /// The metadata.
    pub metadata: Meta,
    /// What is asked for.
    pub spec: JobSetSpec,
    /// What the JobSet controller says.
    pub status: JobSetStatus,
}

/// What is read of a JobSet's spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobSetSpec {
    /// Whether it is suspended.
    pub suspend: bool,
    /// Another controller than JobSet's own runs it.
    pub managed_by: Option<String>,
    /// The Jobs that it makes.
    #[serde(deserialize_with = "decode::list")]
    pub replicated_jobs: Vec<ReplicatedJob>,
}

/// Jobs made of one template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicatedJob {
    /// The template.
    pub template: JobTemplate,
}

/// The template of a Job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobTemplate {
    /// Labels and annotations of the Jobs.
    pub metadata: Meta,
    /// The Jobs' spec.
    pub spec: JobSpec,
}

/// What is read of a JobSet's status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobSetStatus {
    /// `Completed` or `Failed` once it has ended.
    pub terminal_state: String,
    /// Conditions, whole: custom resources know no strategic merge, so whoever adds one writes all.
    #[serde(deserialize_with = "decode::list")]
    pub conditions: Vec<Value>,
}

impl JobSet {
    /// Whether it has ended (JobSet: `jobset_types.go`, `JobSetCompleted` and `JobSetFailed`).
    pub fn is_finished(&self) -> bool {
        !self.status.terminal_state.is_empty()
            || ["Completed", "Failed"]
                .iter()
                .any(|kind| self.condition(kind).is_some_and(|c| c.status == "True"))
    }

    /// Since when it may run: it was resumed then, or created.
    pub fn running_since(&self) -> Option<Timestamp> {
        let resumed = self.condition("Suspended").filter(|c| c.status == "False");
        resumed.and_then(|c| c.last_transition_time).or(self.metadata.creation_timestamp)
    }

    /// The condition of that type.
    fn condition(&self, kind: &str) -> Option<Condition> {
        let of = |value: &Value| Condition::deserialize(value).ok();
        self.status.conditions.iter().filter_map(of).find(|c| c.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::JobSet;

    #[test]
    fn what_a_job_set_says_of_its_start_and_end_is_read() {
        let set = |conditions: serde_json::Value, terminal: &str| -> JobSet {
            serde_json::from_value(json!({
                "metadata": {"creationTimestamp": "2026-11-24T08:00:00Z"},
                "status": {"conditions": conditions, "terminalState": terminal},
            }))
            .unwrap()
        };
        let condition = |kind: &str, status: &str| json!([{"type": kind, "status": status, "lastTransitionTime": "2026-11-24T09:00:00Z"}]);
        let since = |set: &JobSet| set.running_since().unwrap().to_string();
        for (set, finished, hour) in [
            (set(json!([]), ""), false, 8),
            (set(condition("Suspended", "True"), ""), false, 8),
            (set(condition("Suspended", "False"), ""), false, 9),
            (set(condition("Completed", "True"), ""), true, 8),
            (set(condition("Failed", "False"), ""), false, 8),
            (set(json!([]), "Failed"), true, 8),
        ] {
            assert_eq!(set.is_finished(), finished, "{set:?}");
            assert_eq!(since(&set), format!("2026-11-24T{hour:02}:00:00Z"), "{set:?}");
        }
    }
}
