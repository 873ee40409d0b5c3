//! What is known of the cluster, as rows, and the keys by which it is found: job uid, Pod uid,
//! image, node and registry host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::objects::{Job, Key, Uid, Workload};
use crate::observe::registry_host;
use crate::record::{Place, PodHistory, Vacated};

/// One Pod: what stays of it when its object is dropped.
#[derive(Clone, Debug)]
pub struct PodRow {
    /// Its name; the namespace is the job's.
    pub name: Box<str>,
    /// The job that it belongs to.
    pub job: Uid,
    /// The node that it is bound to; empty before.
    pub node: Arc<str>,
    /// The images that it names.
    pub images: Box<[Arc<str>]>,
    /// Its place in its job.
    pub place: Place,
    /// A regular container of it runs.
    pub running: bool,
    /// It is being deleted or has ended.
    pub ending: bool,
    /// A list showed it first, so that nothing tells when it began to fail.
    pub listed: bool,
    /// Since when it has been seen to carry our condition, as [`crate::time::Now::elapsed`].
    pub marked: Option<Duration>,
    /// Its version, while one of its images fails or our condition is on it: what ends it, or takes
    /// the condition away, is pinned to that.
    pub version: Option<Box<str>>,
    /// Its failed pulls.
    pub history: PodHistory,
}

/// One job: the unit of decision.
#[derive(Clone, Debug, Default)]
pub struct JobRow {
    /// The Job, once it has been seen.
    pub job: Option<Job>,
    /// Its Pods.
    pub pods: BTreeSet<Uid>,
    /// Its Workloads; more than one while one replaces another.
    pub workloads: BTreeSet<Uid>,
    /// Counts of Pods that are gone.
    pub vacated: Vacated,
}

/// Many values to a key; a key without values is dropped.
#[derive(Clone, Debug)]
pub struct Multi<K>(BTreeMap<K, BTreeSet<Uid>>);

impl<K: Ord + Clone> Default for Multi<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Multi<K> {
    fn insert(&mut self, key: K, uid: Uid) {
        self.0.entry(key).or_default().insert(uid);
    }

    fn remove<Q: Ord + ?Sized>(&mut self, key: &Q, uid: Uid)
    where
        K: std::borrow::Borrow<Q>,
    {
        if let Some(set) = self.0.get_mut(key) {
            set.remove(&uid);
            if set.is_empty() {
                self.0.remove(key);
            }
        }
    }

    /// The values of a key, in order.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> impl Iterator<Item = Uid>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.get(key).into_iter().flatten().copied()
    }
}

/// All rows.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Pods by their uid.
    pods: BTreeMap<Uid, PodRow>,
    /// Jobs by their uid.
    jobs: BTreeMap<Uid, JobRow>,
    /// Workloads by their uid.
    workloads: BTreeMap<Uid, Workload>,
    /// Pods by image.
    pub by_image: Multi<Arc<str>>,
    /// Pods by node.
    pub by_node: Multi<Arc<str>>,
    /// Pods by the registry host of an image.
    pub by_host: Multi<Box<str>>,
}

impl Index {
    /// The one copy of a text that is a key anyway.
    fn intern(multi: &Multi<Arc<str>>, text: &str) -> Arc<str> {
        multi.0.get_key_value(text).map_or_else(|| Arc::from(text), |(known, _)| Arc::clone(known))
    }

    /// A Pod by its uid.
    pub fn pod(&self, uid: Uid) -> Option<&PodRow> {
        self.pods.get(&uid)
    }

    /// A Pod by its uid, to be changed.
    pub fn pod_mut(&mut self, uid: Uid) -> Option<&mut PodRow> {
        self.pods.get_mut(&uid)
    }

    /// The uids of all Pods.
    pub fn pod_uids(&self) -> impl Iterator<Item = Uid> {
        self.pods.keys().copied()
    }

    /// A Pod of a job was seen: makes its row, or brings the keys up to date.
    pub fn put_pod(
        &mut self,
        uid: Uid,
        job: Uid,
        name: &str,
        node: &str,
        images: &[&str],
        place: Place,
    ) {
        let known = self.pods.get(&uid).is_some_and(|row| {
            *row.node == *node && row.images.iter().map(|i| &**i).eq(images.iter().copied())
        });
        if known {
            return;
        }
        let node = Self::intern(&self.by_node, node);
        let images: Box<[Arc<str>]> =
            images.iter().map(|image| Self::intern(&self.by_image, image)).collect();
        let old = self.pods.remove(&uid);
        if let Some(old) = &old {
            self.unkey(uid, old);
        }
        for image in &images {
            self.by_image.insert(Arc::clone(image), uid);
            self.by_host.insert(registry_host(image).into(), uid);
        }
        self.by_node.insert(Arc::clone(&node), uid);
        self.jobs.entry(job).or_default().pods.insert(uid);
        let row = match old {
            Some(old) => PodRow { node, images, ..old },
            None => PodRow {
                name: name.into(),
                job,
                node,
                images,
                place,
                running: false,
                ending: false,
                listed: false,
                marked: None,
                version: None,
                history: PodHistory::default(),
            },
        };
        self.pods.insert(uid, row);
    }

    /// A Pod is gone.
    pub fn remove_pod(&mut self, uid: Uid) -> Option<PodRow> {
        let row = self.pods.remove(&uid)?;
        self.unkey(uid, &row);
        if let Some(job) = self.jobs.get_mut(&row.job) {
            job.pods.remove(&uid);
            self.drop_if_empty(row.job);
        }
        Some(row)
    }

    fn unkey(&mut self, uid: Uid, row: &PodRow) {
        for image in &row.images {
            self.by_image.remove(&**image, uid);
            self.by_host.remove(registry_host(image), uid);
        }
        self.by_node.remove(&*row.node, uid);
    }

    /// A job by its uid.
    pub fn job(&self, uid: Uid) -> Option<&JobRow> {
        self.jobs.get(&uid)
    }

    /// A job by its uid, to be changed.
    pub fn job_mut(&mut self, uid: Uid) -> Option<&mut JobRow> {
        self.jobs.get_mut(&uid)
    }

    /// All jobs.
    pub fn jobs(&self) -> impl Iterator<Item = (Uid, &JobRow)> {
        self.jobs.iter().map(|(uid, row)| (*uid, row))
    }

    /// The Pods of a job.
    pub fn pods_of(&self, job: Uid) -> impl Iterator<Item = (Uid, &PodRow)> {
        let pods = self.jobs.get(&job).into_iter().flat_map(|row| &row.pods);
        pods.filter_map(|uid| self.pods.get(uid).map(|row| (*uid, row)))
    }

    /// A Job was seen.
    pub fn put_job(&mut self, job: Job) {
        let uid = job.metadata.uid;
        self.jobs.entry(uid).or_default().job = Some(job);
    }

    /// A Job is gone, and with it what its Pods had counted.
    pub fn remove_job(&mut self, uid: Uid) {
        if let Some(row) = self.jobs.get_mut(&uid) {
            row.job = None;
            row.vacated.clear();
            self.drop_if_empty(uid);
        }
    }

    fn drop_if_empty(&mut self, uid: Uid) {
        let empty =
            |row: &JobRow| row.job.is_none() && row.pods.is_empty() && row.workloads.is_empty();
        if self.jobs.get(&uid).is_some_and(empty) {
            self.jobs.remove(&uid);
        }
    }

    /// A Workload by its uid.
    pub fn workload(&self, uid: Uid) -> Option<&Workload> {
        self.workloads.get(&uid)
    }

    /// A Workload was seen. Returns the jobs that it stands for.
    pub fn put_workload(&mut self, workload: Workload) -> Vec<Uid> {
        let uid = workload.metadata.uid;
        let owners = Self::owners(&workload);
        for owner in &owners {
            self.jobs.entry(*owner).or_default().workloads.insert(uid);
        }
        self.workloads.insert(uid, workload);
        owners
    }

    /// A Workload is gone. Returns the jobs that it stood for.
    pub fn remove_workload(&mut self, uid: Uid) -> Vec<Uid> {
        let Some(workload) = self.workloads.remove(&uid) else { return Vec::new() };
        let owners = Self::owners(&workload);
        for owner in &owners {
            if let Some(job) = self.jobs.get_mut(owner) {
                job.workloads.remove(&uid);
                self.drop_if_empty(*owner);
            }
        }
        owners
    }

    /// The uids of all Workloads.
    pub fn workload_uids(&self) -> impl Iterator<Item = Uid> {
        self.workloads.keys().copied()
    }

    /// The Workload that stands for a job now: the newest that has not ended (an elastic job can
    /// have an older one that was replaced).
    pub fn workload_of(&self, job: Uid) -> Option<&Workload> {
        let uids = self.jobs.get(&job)?.workloads.iter();
        uids.filter_map(|uid| self.workloads.get(uid))
            .max_by_key(|w| (!w.is_finished(), w.metadata.creation_timestamp, w.metadata.uid))
    }

    fn owners(workload: &Workload) -> Vec<Uid> {
        let owners = workload.metadata.owner_references.iter();
        owners.filter(|o| o.kind == "Job" && o.api_version == "batch/v1").map(|o| o.uid).collect()
    }

    /// The key of a job, once its Job was seen.
    pub fn job_key(&self, uid: Uid) -> Option<Key> {
        Some(self.jobs.get(&uid)?.job.as_ref()?.metadata.key())
    }
}
