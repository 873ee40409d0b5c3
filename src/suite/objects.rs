//! Objects as they are at one time, as fixtures: with the suite's policies, and with what people leave
//! out of a manifest by hand.

use std::path::Path;

use dislodge_engine::keys;
use dislodge_engine::objects::{self, Job, JobStatus, Meta, Object as _, OwnerReference, Pod, Uid};
use jiff::Timestamp;

use super::format::Objects;
use super::read::named_file;
use crate::inspect::{Snapshot, document};
use crate::scenario::Applied;
use crate::source::tree;

/// The time where no object tells of one: that at which simulated clusters begin.
const USUAL_TIME: i64 = 1_795_500_000;
/// Uids that are given out here begin with it. No RFC 4122 UUID does.
const OURS: u128 = 0xd151_0d6e_u128 << 96;

/// Objects, and when they were so.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) snapshot: Snapshot,
    pub(super) now: Timestamp,
}

/// Reads the objects of a case. The error says of which and what is wrong.
pub(super) fn read(
    objects: &Objects,
    folder: &Path,
    namespace: &str,
    policies: &[Applied],
) -> Result<Seen, String> {
    let mut snapshot = Snapshot::default();
    for named in &objects.files {
        let (file, text) = named_file(folder, named)?;
        let documents = tree::parse(&text)
            .map_err(|(at, what)| format!("{file}:{}:{}: {what}", at.line, at.column))?;
        for document in documents {
            document::add(&document.value(), &mut snapshot).map_err(|why| why.of(&file))?;
        }
    }
    for object in &objects.inline {
        document::add(object, &mut snapshot).map_err(|why| why.of("one of them"))?;
    }
    let none = snapshot.pods.is_empty() && snapshot.jobs.is_empty();
    if none && snapshot.job_sets.is_empty() && snapshot.workloads.is_empty() {
        return Err("there is no Pod, Job, JobSet or Workload among them".to_owned());
    }
    let usual = Timestamp::from_second(USUAL_TIME).unwrap_or_default();
    let now = snapshot.newest().unwrap_or(usual);
    complete(&mut snapshot, namespace, objects.queue.as_deref(), now);
    govern(&mut snapshot, policies);
    Ok(Seen { snapshot, now })
}

/// Puts in what a manifest that was written by hand leaves out.
fn complete(snapshot: &mut Snapshot, namespace: &str, queue: Option<&str>, now: Timestamp) {
    let mut given = 0;
    let mut add = |meta: &mut Meta| {
        if meta.namespace.is_empty() {
            namespace.clone_into(&mut meta.namespace);
        }
        if meta.uid == Uid::NIL {
            given += 1;
            meta.uid = Uid::from_u128(OURS | given);
        }
    };
    snapshot.jobs.iter_mut().for_each(|job| add(&mut job.metadata));
    snapshot.job_sets.iter_mut().for_each(|set| add(&mut set.metadata));
    snapshot.workloads.iter_mut().for_each(|workload| add(&mut workload.metadata));
    snapshot.local_queues.iter_mut().for_each(|queue| add(&mut queue.metadata));
    for pod in &mut snapshot.pods {
        add(&mut pod.metadata);
        let Some(owner) = owner_of(pod) else { continue };
        let known = snapshot.jobs.iter().find(|job| is_owner(job, &owner, &pod.metadata.namespace));
        let uid = if let Some(job) = known {
            job.metadata.uid
        } else {
            let mut job = assumed(&owner, queue, pod, now);
            add(&mut job.metadata);
            let uid = job.metadata.uid;
            snapshot.jobs.push(job);
            uid
        };
        pod.metadata.owner_references = vec![OwnerReference { uid, ..owner }];
    }
}

/// The Job that controls a Pod; where nothing does, one of the Pod's own name. `None` where something
/// else does, or Kueue manages the Pod itself.
fn owner_of(pod: &Pod) -> Option<OwnerReference> {
    let meta = &pod.metadata;
    if meta.annotation(keys::KUEUE_WORKLOAD).is_some()
        || meta.label(keys::KUEUE_POD_GROUP).is_some()
    {
        return None;
    }
    match pod.metadata.controller() {
        Some(owner) => Some(owner).filter(|owner| owner.kind == "Job").cloned(),
        None => Some(OwnerReference {
            api_version: "batch/v1".into(),
            kind: "Job".into(),
            name: pod.metadata.name.clone(),
            uid: Uid::NIL,
            controller: true,
        }),
    }
}

fn is_owner(job: &Job, owner: &OwnerReference, namespace: &str) -> bool {
    let meta = &job.metadata;
    let same_name = meta.name == owner.name && meta.namespace == namespace;
    if owner.uid == Uid::NIL { same_name } else { meta.uid == owner.uid }
}

/// A Job that is not among the objects. It has its quota: its Pod is there.
fn assumed(owner: &OwnerReference, queue: Option<&str>, pod: &Pod, now: Timestamp) -> Job {
    let mut metadata = Meta {
        name: owner.name.clone(),
        namespace: pod.metadata.namespace.clone(),
        uid: owner.uid,
        ..Meta::default()
    };
    if let Some(queue) = queue.or_else(|| pod.metadata.label(keys::KUEUE_QUEUE)) {
        metadata.labels.insert(keys::KUEUE_QUEUE.to_owned(), queue.to_owned());
    }
    let start_time = Some(pod.metadata.creation_timestamp.unwrap_or(now));
    Job {
        metadata,
        status: JobStatus { start_time, active: 1, ..JobStatus::default() },
        ..Job::default()
    }
}

/// Puts the suite's policies in place of those of the objects. What a controller has counted by one of
/// the same name stays.
fn govern(snapshot: &mut Snapshot, policies: &[Applied]) {
    let before = std::mem::take(&mut snapshot.policies);
    for (number, policy) in (1..).zip(policies) {
        let known = before.iter().find(|known| {
            let meta = known.meta();
            meta.namespace == policy.namespace && meta.name == policy.name
        });
        let metadata = Meta {
            name: policy.name.clone(),
            namespace: policy.namespace.clone(),
            uid: Uid::from_u128(OURS | (number << 32)),
            ..Meta::default()
        };
        snapshot.policies.push(objects::Policy {
            metadata,
            spec: Ok(policy.spec.clone()),
            status: known.map(|known| known.status.clone()).unwrap_or_default(),
        });
    }
}
