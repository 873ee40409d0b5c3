//! Jobs and Workloads as they are kept: in a few bytes each, of which the object is made when it is
//! decided on.
//!
//! A cluster has as many of them as jobs, and hardly ever is one looked at. As objects each would take
//! 0.7 KB, most of it room for what it does not have.
//!
//! The fields of an object follow each other without names, in the order in which the code below names them;
//! every field is named there, so that one that is added is not forgotten. Numbers take as many bytes as
//! they need, words and keys that are met all the time take one. Nothing outside of the process sees the
//! bytes.

mod bytes;

use std::sync::Arc;

use self::bytes::{Reader, Writer};
use crate::objects::{
    Admission, Condition, Job, JobSpec, JobStatus, Labels, Meta, OwnerReference, PodFailurePolicy,
    PodTemplate, PodTemplateSpec, TemplateMeta, Uid, Workload, WorkloadSpec, WorkloadStatus,
};

/// A Job. Its uid is the key of its row, and not in here.
#[derive(Clone, Debug)]
pub struct PackedJob {
    bytes: Box<[u8]>,
    /// Few have one.
    policy: Option<Box<PodFailurePolicy>>,
}

/// A Workload. Its uid is the key of its row, and not in here.
#[derive(Clone, Debug)]
pub struct PackedWorkload {
    bytes: Box<[u8]>,
    /// What it was given, shared with others that were given the same.
    admission: Option<Arc<Admission>>,
    /// Whether it holds that ([`Workload::reserved`]).
    reserves: bool,
    /// Whether it waits in its queue ([`Workload::is_waiting`]).
    waits: bool,
}

impl PackedJob {
    /// Packs a Job.
    pub fn new(job: Job) -> Self {
        let Job { metadata, spec, status } = job;
        let JobSpec { suspend, managed_by, template, pod_failure_policy } = spec;
        let PodTemplate { metadata: template, spec: PodTemplateSpec { scheduler_name } } = template;
        let TemplateMeta { labels, annotations } = template;
        let JobStatus { start_time, active, terminating, conditions } = status;
        let mut to = Writer::default();
        write_meta(&metadata, &mut to);
        to.flag(suspend);
        to.optional_text(managed_by.as_deref());
        write_labels(&labels, &mut to);
        write_labels(&annotations, &mut to);
        to.word(&scheduler_name);
        to.time(start_time);
        to.number(active.into());
        to.number(terminating.into());
        write_conditions(&conditions, &mut to);
        Self { bytes: to.finish(), policy: pod_failure_policy }
    }

    /// The Job with that uid.
    pub fn unpack(&self, uid: Uid) -> Job {
        let mut from = Reader::new(&self.bytes);
        // The fields are read in the order in which they stand here.
        let metadata = read_meta(uid, &mut from);
        let (suspend, managed_by) = (from.flag(), from.optional_text().map(str::to_owned));
        let metadata_of_pods =
            TemplateMeta { labels: read_labels(&mut from), annotations: read_labels(&mut from) };
        let spec = PodTemplateSpec { scheduler_name: from.word() };
        let template = PodTemplate { metadata: metadata_of_pods, spec };
        let status = JobStatus {
            start_time: from.time(),
            active: from.small_number(),
            terminating: from.small_number(),
            conditions: read_conditions(&mut from),
        };
        let spec =
            JobSpec { suspend, managed_by, template, pod_failure_policy: self.policy.clone() };
        Job { metadata, spec, status }
    }

    /// Its version.
    pub fn version(&self) -> &str {
        Reader::new(&self.bytes).text()
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        namespace(&self.bytes)
    }
}

impl PackedWorkload {
    /// Packs a Workload.
    pub fn new(workload: Workload) -> Self {
        let (reserves, waits) = (workload.reserved().is_some(), workload.is_waiting());
        let Workload { metadata, spec, status } = workload;
        let WorkloadSpec { queue_name, active, priority, may_shrink } = spec;
        let WorkloadStatus { conditions, admission } = status;
        let mut to = Writer::default();
        write_meta(&metadata, &mut to);
        to.text(&queue_name);
        to.flag(active.is_some());
        to.flag(active.unwrap_or_default());
        to.signed(priority.into());
        to.flag(may_shrink);
        write_conditions(&conditions, &mut to);
        Self { bytes: to.finish(), admission, reserves, waits }
    }

    /// The Workload with that uid.
    pub fn unpack(&self, uid: Uid) -> Workload {
        let mut from = Reader::new(&self.bytes);
        let metadata = read_meta(uid, &mut from);
        let queue_name = from.text().to_owned();
        let (is_said, active) = (from.flag(), from.flag());
        let spec = WorkloadSpec {
            queue_name,
            active: is_said.then_some(active),
            priority: i32::try_from(from.signed()).unwrap_or_default(),
            may_shrink: from.flag(),
        };
        let conditions = read_conditions(&mut from);
        let status = WorkloadStatus { conditions, admission: self.admission.clone() };
        Workload { metadata, spec, status }
    }

    /// Its version.
    pub fn version(&self) -> &str {
        Reader::new(&self.bytes).text()
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        namespace(&self.bytes)
    }

    /// The quota that counts as taken ([`Workload::reserved`]).
    pub fn reserved(&self) -> Option<&Arc<Admission>> {
        self.admission.as_ref().filter(|_| self.reserves)
    }

    /// Whether it waits in its queue ([`Workload::is_waiting`]).
    pub fn is_waiting(&self) -> bool {
        self.waits
    }
}

fn write_meta(meta: &Meta, to: &mut Writer) {
    let Meta {
        name,
        namespace,
        uid: _, // the key of the row
        resource_version,
        generation,
        creation_timestamp,
        deletion_timestamp,
        labels,
        annotations,
        owner_references,
        kubelet_wrote,
    } = meta;
    to.text(resource_version);
    to.text(name);
    to.text(namespace);
    to.signed(*generation);
    to.time(*creation_timestamp);
    to.time(*deletion_timestamp);
    write_labels(labels, to);
    write_labels(annotations, to);
    to.length(owner_references.len());
    for OwnerReference { api_version, kind, name, uid, controller } in owner_references {
        to.word(api_version);
        to.word(kind);
        to.text(name);
        to.uid(*uid);
        to.flag(*controller);
    }
    to.time(*kubelet_wrote);
}

/// The namespace, without unpacking what stands after it.
fn namespace(bytes: &[u8]) -> &str {
    let mut from = Reader::new(bytes);
    let (_version, _name) = (from.text(), from.text());
    from.text()
}

fn read_meta(uid: Uid, from: &mut Reader<'_>) -> Meta {
    Meta {
        resource_version: from.text().to_owned(),
        name: from.text().to_owned(),
        namespace: from.text().to_owned(),
        uid,
        generation: from.signed(),
        creation_timestamp: from.time(),
        deletion_timestamp: from.time(),
        labels: read_labels(from),
        annotations: read_labels(from),
        owner_references: from.list(|from| OwnerReference {
            api_version: from.word(),
            kind: from.word(),
            name: from.text().to_owned(),
            uid: from.uid(),
            controller: from.flag(),
        }),
        kubelet_wrote: from.time(),
    }
}

fn write_labels(labels: &Labels, to: &mut Writer) {
    to.length(labels.pairs().count());
    for (key, value) in labels.pairs() {
        to.key(key);
        to.text(value);
    }
}

fn read_labels(from: &mut Reader<'_>) -> Labels {
    from.list(|from| (from.key(), from.text())).into_iter().collect()
}

fn write_conditions(conditions: &[Condition], to: &mut Writer) {
    to.length(conditions.len());
    for Condition { kind, status, reason, last_transition_time } in conditions {
        to.word(kind);
        to.word(status);
        to.word(reason);
        to.time(*last_transition_time);
    }
}

fn read_conditions(from: &mut Reader<'_>) -> Vec<Condition> {
    from.list(|from| Condition {
        kind: from.word(),
        status: from.word(),
        reason: from.word(),
        last_transition_time: from.time(),
    })
}

#[cfg(test)]
mod tests;
