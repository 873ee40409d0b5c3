//! Jobs as tests create them.

use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use crate::agent::Node;
use crate::error::{Error, Result};

/// A Job to be created: one Pod with one container that asks for one CPU, until told otherwise.
#[derive(Debug, Clone)]
pub struct JobPlan {
    manifest: Value,
}

impl JobPlan {
    /// A Job that no queue manages.
    pub fn new(name: &str, image: &str) -> Self {
        Self {
            manifest: json!({
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {"name": name},
                "spec": {"template": {"spec": {
                    "restartPolicy": "Never",
                    "containers": [{
                        "name": "main",
                        "image": image,
                        "resources": {"requests": {"cpu": "1"}},
                    }],
                }}},
            }),
        }
    }

    /// Puts it under a LocalQueue of Kueue.
    pub fn queue(self, name: &str) -> Self {
        self.with(json!({"metadata": {"labels": {"kueue.x-k8s.io/queue-name": name}}}))
    }

    /// So many Pods at once, and so many successes to end.
    pub fn pods(self, count: u32) -> Self {
        self.with(json!({"spec": {"parallelism": count, "completions": count}}))
    }

    /// Its Pods run on this node and on no other.
    pub fn on(self, node: &Node) -> Self {
        let selector = json!({"kubernetes.io/hostname": node.name()});
        self.with(json!({"spec": {"template": {"spec": {"nodeSelector": selector}}}}))
    }

    /// Merges fields into the manifest, as a JSON merge patch does: lists are replaced, null removes.
    pub fn with(mut self, fields: Value) -> Self {
        merge(&mut self.manifest, fields);
        self
    }

    /// What it is so far.
    pub fn manifest(&self) -> &Value {
        &self.manifest
    }

    /// The Job.
    ///
    /// # Errors
    /// When a field that was merged in has the wrong type.
    pub fn to_job(&self) -> Result<Job> {
        serde_json::from_value(self.manifest.clone())
            .map_err(|error| Error::malformed("a Job", error))
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(target) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(&name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_becomes_the_job_that_it_describes() {
        let job = JobPlan::new("train", "registry.example/a:1")
            .queue("gpu")
            .pods(3)
            .with(json!({"spec": {"backoffLimit": 0}}))
            .to_job()
            .unwrap();
        assert_eq!(job.metadata.labels.unwrap()["kueue.x-k8s.io/queue-name"], "gpu");
        let spec = job.spec.unwrap();
        assert_eq!((spec.parallelism, spec.backoff_limit), (Some(3), Some(0)));
        assert_eq!(
            spec.template.spec.unwrap().containers[0].image.as_deref(),
            Some("registry.example/a:1")
        );
    }

    #[test]
    fn merging_follows_the_rules_of_a_merge_patch() {
        for (mut target, patch, wanted) in [
            (json!({"a": 1}), json!({"b": 2}), json!({"a": 1, "b": 2})),
            (json!({"a": {"b": 1}}), json!({"a": {"b": null}}), json!({"a": {}})),
            (json!({"a": [1]}), json!({"a": [2]}), json!({"a": [2]})),
            (json!({}), json!({"a": {"b": {"c": null}}}), json!({"a": {"b": {}}})),
        ] {
            merge(&mut target, patch);
            assert_eq!(target, wanted);
        }
    }
}
