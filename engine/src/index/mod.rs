//! What is known of the cluster, as rows, and the uids by which it is found.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::objects::{Admission, Job, JobSet, Key, Uid, Workload};
use crate::owner::{Other, Owner, Reach};
use crate::record::{Place, PodHistory, Vacated};

mod intern;
mod lineage;
mod packed;
mod uids;

use intern::Interner;
use lineage::Lineage;
pub use lineage::{Origin, kind_of};
pub use packed::{PackedJob, PackedWorkload};
pub use uids::Uids;

/// One Pod: what stays of it when its object is dropped.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct PodRow {
    /// Its name; the namespace is the job's.
    pub name: Box<str>,
    /// The job that it belongs to.
    pub job: Uid,
    /// Where it says that it comes from.
    origin: Origin,
    /// The node that it is bound to; empty before.
    pub node: Arc<str>,
    /// The images that it names.
    pub images: Arc<[Arc<str>]>,
    /// Its place in its job.
    pub place: Place,
    /// A regular container of it runs.
    pub running: bool,
    /// A container of it runs, a sidecar included, or has run: once it is ended, the exit code of that
    /// one can be any.
    pub started: bool,
    /// It is being deleted or has ended.
    pub ending: bool,
    /// Whether its group waits for another Pod once it has failed
    /// ([`crate::keys::KUEUE_RETRIABLE`]).
    pub retriable: bool,
    /// Its own people want nothing done about it ([`crate::keys::IGNORE`]).
    pub ignored: bool,
    /// A list showed it first, so that nothing tells when it began to fail.
    pub listed: bool,
    /// The version in which it was taken in; `None`: it is to be told again when it is listed again.
    pub version: Option<NonZeroU64>,
    /// What few have: most Pods are well.
    trouble: Option<Box<Trouble>>,
    /// Its failed pulls.
    pub history: PodHistory,
}

/// What is kept of a Pod that is not well, besides its history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// While an image of it is still to come: when the kubelet wrote its newest status.
    pub awaits_since: Option<Timestamp>,
    /// Since when it has been seen to carry our condition, as [`crate::time::Now::elapsed`].
    pub marked: Option<Duration>,
    /// Its version, while one of its images fails or our condition is on it: what ends it, or takes
    /// the condition away, is pinned to that.
    pub version: Option<Box<str>>,
}

impl PodRow {
    /// What is kept of it while it is not well.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_deref()
    }

    /// Changes that; where nothing is left of it, it takes no room.
    pub fn change_trouble(&mut self, change: impl FnOnce(&mut Trouble)) {
        let well = Trouble::default();
        if let Some(trouble) = &mut self.trouble {
            change(trouble);
            self.trouble.take_if(|trouble| **trouble == well);
        } else {
            let mut trouble = Trouble::default();
            change(&mut trouble);
            self.trouble = (trouble != well).then(|| Box::new(trouble));
        }
    }
}

/// One job, the unit of decision, or a Job that is part of one.
#[derive(Clone, Debug, Default)]
pub struct JobRow {
    /// The Job, where it is one that has been seen.
    pub job: Option<PackedJob>,
    /// The JobSet, where it is one that has been seen.
    pub job_set: Option<Arc<JobSet>>,
    /// Its Pods.
    pub pods: Uids,
    /// Its Workloads; more than one while one replaces another.
    pub workloads: Uids,
    /// Counts of Pods that are gone.
    pub vacated: Vacated,
}

/// Many values to a key; a key without values is dropped.
#[derive(Clone, Debug)]
pub struct Multi<K>(BTreeMap<K, Uids>);

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
            set.remove(uid);
            if set.is_empty() {
                self.0.remove(key);
            }
        }
    }

    /// The values of a key, in order.
    pub fn get<'a, Q: Ord + ?Sized>(&'a self, key: &Q) -> impl Iterator<Item = Uid> + use<'a, K, Q>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.get(key).into_iter().flat_map(Uids::all)
    }
}

/// All rows.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Pods by their uid.
    pods: BTreeMap<Uid, Box<PodRow>>,
    /// Jobs by their uid.
    jobs: BTreeMap<Uid, JobRow>,
    /// Workloads by their uid.
    workloads: BTreeMap<Uid, PackedWorkload>,
    lineage: Lineage,
    by_controller: Multi<Uid>,
    by_workload: Multi<Arc<Key>>,
    /// Nodes and images: many Pods name one.
    texts: Interner<str>,
    /// What the Pods of one job name is mostly the same.
    images: Interner<[Arc<str>]>,
    /// The names of Workloads.
    keys: Interner<Key>,
    /// What Workloads were given: jobs of one queue are often alike.
    admissions: Interner<Admission>,
}

impl Index {
    /// A Pod by its uid.
    pub fn pod(&self, uid: Uid) -> Option<&PodRow> {
        self.pods.get(&uid).map(|row| &**row)
    }

    /// A Pod by its uid, to be changed.
    pub fn pod_mut(&mut self, uid: Uid) -> Option<&mut PodRow> {
        self.pods.get_mut(&uid).map(|row| &mut **row)
    }

    /// All Pods.
    pub fn pods(&self) -> impl Iterator<Item = &PodRow> {
        self.pods.values().map(|row| &**row)
    }

    /// How many Pods there are.
    pub fn pod_count(&self) -> usize {
        self.pods.len()
    }

    /// How many jobs there are, and Jobs that are part of one.
    pub fn job_count(&self) -> usize {
        self.jobs.len()
    }

    /// How many Workloads there are.
    pub fn workload_count(&self) -> usize {
        self.workloads.len()
    }

    /// The uids of all Pods.
    pub fn pod_uids(&self) -> impl Iterator<Item = Uid> {
        self.pods.keys().copied()
    }

    /// A Pod was seen: makes its row, or brings the keys up to date. Returns the job that it belongs
    /// to, as far as that is known.
    pub fn put_pod(
        &mut self,
        uid: Uid,
        mut origin: Origin,
        name: &str,
        node: &str,
        images: &[&str],
        place: Place,
    ) -> Uid {
        if let Some(row) = self.pods.get(&uid)
            && row.origin == origin
            && *row.node == *node
            && row.images.iter().map(|i| &**i).eq(images.iter().copied())
        {
            return row.job;
        }
        let mut text = |text: &str| self.texts.get(text, || text.into());
        let node = text(node);
        let images: Vec<Arc<str>> = images.iter().map(|image| text(image)).collect();
        let images = self.images.get(&images, || images.as_slice().into());
        origin.workload = origin.workload.map(|key| self.keys.get(&key, || Arc::clone(&key)));
        let old = self.remove_row(uid);
        let before = old.as_ref().map(|old| old.job);
        if let Some(controller) = origin.controller {
            self.by_controller.insert(controller, uid);
        }
        if let Some(workload) = &origin.workload {
            self.by_workload.insert(Arc::clone(workload), uid);
        }
        let job = self.unit(uid, &origin);
        self.jobs.entry(job).or_default().pods.insert(uid);
        let row = match old {
            Some(old) => PodRow { job, origin, node, images, ..*old },
            None => PodRow {
                name: name.into(),
                job,
                origin,
                node,
                images,
                place,
                running: false,
                started: false,
                ending: false,
                retriable: true,
                ignored: false,
                listed: false,
                version: None,
                trouble: None,
                history: PodHistory::default(),
            },
        };
        self.pods.insert(uid, Box::new(row));
        if let Some(before) = before {
            self.drop_if_empty(before);
        }
        job
    }

    /// A Pod is gone.
    pub fn remove_pod(&mut self, uid: Uid) -> Option<Box<PodRow>> {
        let row = self.remove_row(uid)?;
        self.drop_if_empty(row.job);
        Some(row)
    }

    fn remove_row(&mut self, uid: Uid) -> Option<Box<PodRow>> {
        let row = self.pods.remove(&uid)?;
        if let Some(controller) = row.origin.controller {
            self.by_controller.remove(&controller, uid);
        }
        if let Some(workload) = &row.origin.workload {
            self.by_workload.remove(&**workload, uid);
        }
        if let Some(job) = self.jobs.get_mut(&row.job) {
            job.pods.remove(uid);
        }
        Some(row)
    }

    fn unit(&self, pod: Uid, origin: &Origin) -> Uid {
        let has_workload =
            |uid| self.jobs.get(&uid).is_some_and(|row: &JobRow| !row.workloads.is_empty());
        let is_known =
            |uid| self.jobs.get(&uid).is_some_and(|row| row.job.is_some() || row.job_set.is_some());
        self.lineage.unit(pod, origin, has_workload, is_known, || self.named(pod, origin))
    }

    /// The job of the Workload that a Pod names. A Pod that nothing controls has to be one of the
    /// Workload's owners, and the owners of one that something controls must not lead elsewhere: a copy
    /// of another Pod, or of the template of another job, has its annotations, too.
    fn named(&self, pod: Uid, origin: &Origin) -> Option<Uid> {
        let uid = self.lineage.workload_named(origin.workload.as_ref()?)?;
        let workload = self.workload(uid)?;
        let owns = workload.metadata.owner_references.iter().any(|owner| owner.uid == pod);
        let over = workload.metadata.controller();
        (owns || self.lineage.may_be_below(origin, over)).then(|| lineage::stands_for(&workload))
    }

    /// Pods are assigned anew to the jobs that they belong to. Returns those that lose or gain some.
    fn assign(&mut self, pods: impl IntoIterator<Item = Uid>) -> BTreeSet<Uid> {
        let mut touched = BTreeSet::new();
        for uid in pods {
            let Some(row) = self.pods.get(&uid) else { continue };
            let (from, to) = (row.job, self.unit(uid, &row.origin));
            if from == to {
                continue;
            }
            if let Some(row) = self.pods.get_mut(&uid) {
                row.job = to;
            }
            if let Some(job) = self.jobs.get_mut(&from) {
                job.pods.remove(uid);
            }
            self.drop_if_empty(from);
            self.jobs.entry(to).or_default().pods.insert(uid);
            touched.extend([from, to]);
        }
        touched
    }

    /// The Pods below an object.
    fn pods_below(&self, uid: Uid) -> Vec<Uid> {
        let family = self.lineage.family(uid);
        family.iter().flat_map(|uid| self.by_controller.get(uid)).collect()
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
        let pods = self.jobs.get(&job).into_iter().flat_map(|row| row.pods.all());
        pods.filter_map(|uid| self.pod(uid).map(|row| (uid, row)))
    }

    /// A Job was seen. Returns the jobs that lose or gain Pods by that.
    pub fn put_job(&mut self, job: Job) -> BTreeSet<Uid> {
        let uid = job.metadata.uid;
        let new = self.jobs.get(&uid).is_none_or(|row| row.job.is_none());
        let moved = self.lineage.put(&job.metadata);
        self.jobs.entry(uid).or_default().job = Some(PackedJob::new(job));
        if new || moved { self.assign(self.pods_below(uid)) } else { BTreeSet::new() }
    }

    /// A JobSet was seen. Returns the jobs that lose or gain Pods by that.
    pub fn put_job_set(&mut self, set: JobSet) -> BTreeSet<Uid> {
        let uid = set.metadata.uid;
        let new = self.jobs.get(&uid).is_none_or(|row| row.job_set.is_none());
        let moved = self.lineage.put(&set.metadata);
        self.jobs.entry(uid).or_default().job_set = Some(Arc::new(set));
        if new || moved { self.assign(self.pods_below(uid)) } else { BTreeSet::new() }
    }

    /// A Job or JobSet is gone, and with it what its Pods had counted.
    pub fn remove_job(&mut self, uid: Uid) -> BTreeSet<Uid> {
        let below = self.pods_below(uid);
        self.lineage.remove(uid);
        if let Some(row) = self.jobs.get_mut(&uid) {
            (row.job, row.job_set) = (None, None);
            row.vacated.clear();
            self.drop_if_empty(uid);
        }
        self.assign(below)
    }

    /// The Jobs that a JobSet has made.
    pub fn jobs_of(&self, set: Uid) -> impl Iterator<Item = Job> {
        self.lineage.children(set).filter_map(|uid| self.job_itself(uid))
    }

    /// The Job that has made a Pod.
    pub fn job_of_pod(&self, pod: Uid) -> Option<Job> {
        self.job_itself(self.pods.get(&pod)?.origin.controller?)
    }

    /// A Job by its uid, where it is one that has been seen.
    pub fn job_itself(&self, uid: Uid) -> Option<Job> {
        Some(self.jobs.get(&uid)?.job.as_ref()?.unpack(uid))
    }

    /// Whether this version of a Job is the one that is kept.
    pub fn has_job(&self, uid: Uid, version: &str) -> bool {
        let job = self.jobs.get(&uid).and_then(|row| row.job.as_ref());
        job.is_some_and(|job| job.version() == version)
    }

    /// Whether this version of a Workload is the one that is kept.
    pub fn has_workload(&self, uid: Uid, version: &str) -> bool {
        self.workloads.get(&uid).is_some_and(|workload| workload.version() == version)
    }

    /// The owner's object of a job; `None` where it has not been seen, or is only a part of one.
    pub fn owner(&self, uid: Uid) -> Option<Owner> {
        let row = self.jobs.get(&uid)?;
        if let Some(set) = &row.job_set {
            return self.is_unit(uid).then(|| Owner::JobSet(Arc::clone(set)));
        }
        if let Some(job) = &row.job {
            return self.is_unit(uid).then(|| Owner::Job(Arc::new(job.unpack(uid))));
        }
        let workload = self.workload_of(uid)?;
        let owners = &workload.metadata.owner_references;
        let owner = workload.metadata.controller().or_else(|| owners.first())?;
        let group = workload.metadata.controller().is_none();
        let reach = match owner.kind.as_str() {
            "Job" | "JobSet" => return None, // it has not been seen yet, or is gone
            "Pod" if self.is_made_anew(uid) => Reach::Nothing,
            "Pod" => Reach::PodsAlone { group },
            "StatefulSet" | "ReplicaSet" | "Deployment" | "DaemonSet" => Reach::Nothing,
            _ => Reach::StopAlone,
        };
        // A Pod group goes by the name of its Workload.
        let grouped = reach == Reach::PodsAlone { group: true };
        let name = if grouped { &workload.metadata.name } else { &owner.name };
        let (kind, name) = (owner.kind.to_string(), name.clone());
        Some(Owner::Other(Box::new(Other { uid, kind, name, reach, workload })))
    }

    /// Whether something makes the Pods of a job anew.
    fn is_made_anew(&self, job: Uid) -> bool {
        self.pods_of(job).any(|(_, pod)| pod.origin.controller.is_some())
    }

    /// What is decided on as one with this Pod, Workload, Job or JobSet.
    pub fn unit_of(&self, uid: Uid) -> Uid {
        if let Some(pod) = self.pods.get(&uid) {
            return pod.job;
        }
        if let Some(workload) = self.workload(uid) {
            return lineage::stands_for(&workload);
        }
        self.unit(uid, &Origin { controller: Some(uid), ..Origin::default() })
    }

    /// Whether a Job or JobSet is decided on by itself.
    fn is_unit(&self, uid: Uid) -> bool {
        self.unit(uid, &Origin { controller: Some(uid), ..Origin::default() }) == uid
    }

    fn drop_if_empty(&mut self, uid: Uid) {
        let empty = |row: &JobRow| {
            row.job.is_none()
                && row.job_set.is_none()
                && row.pods.is_empty()
                && row.workloads.is_empty()
        };
        if self.jobs.get(&uid).is_some_and(empty) {
            self.jobs.remove(&uid);
        }
    }

    /// The Workloads that wait in their queues.
    pub fn waiting_workloads(&self) -> impl Iterator<Item = Workload> {
        let waiting = self.workloads.iter().filter(|(_, workload)| workload.is_waiting());
        waiting.map(|(uid, workload)| workload.unpack(*uid))
    }

    /// A Workload by its uid.
    pub fn workload(&self, uid: Uid) -> Option<Workload> {
        self.workloads.get(&uid).map(|workload| workload.unpack(uid))
    }

    /// The quota that a job holds, by the Workload that stands for it.
    pub fn reserved_by(&self, job: Uid) -> Option<&Arc<Admission>> {
        self.workloads.get(&self.workload_of(job)?.metadata.uid)?.reserved()
    }

    /// Lets a Workload that was seen share what others say alike.
    pub fn share(&mut self, workload: &mut Workload) {
        let given = workload.status.admission.take();
        let one = |given: Arc<Admission>| self.admissions.get(&given, || Arc::clone(&given));
        workload.status.admission = given.map(one);
    }

    /// A Workload was seen. Returns the job that it stands for, then those that lose or gain Pods
    /// by that.
    pub fn put_workload(&mut self, workload: Workload) -> (Uid, BTreeSet<Uid>) {
        let (uid, key) = (workload.metadata.uid, workload.metadata.key());
        let key = self.keys.get(&key, || Arc::new(key.clone()));
        let job = lineage::stands_for(&workload);
        self.lineage.put_workload(Arc::clone(&key), uid);
        let owners = workload.metadata.owner_references.clone();
        let before = self.workloads.insert(uid, PackedWorkload::new(workload));
        let before = before.map(|before| before.unpack(uid));
        if before.as_ref().is_some_and(|before| before.metadata.owner_references == owners) {
            return (job, BTreeSet::new());
        }
        // One that was made before its owner gets it later, and a group gets other Pods.
        let before = before.as_ref().map(lineage::stands_for).filter(|before| *before != job);
        let mut touched = before.map(|job| self.part(job, uid, &key)).unwrap_or_default();
        self.jobs.entry(job).or_default().workloads.insert(uid);
        touched.extend(self.assign_under(job, &key));
        (job, touched)
    }

    /// A Workload is gone. Returns the job that it stood for, and those that lose or gain Pods.
    pub fn remove_workload(&mut self, uid: Uid) -> Option<(Uid, BTreeSet<Uid>)> {
        let workload = self.workloads.remove(&uid)?.unpack(uid);
        let job = lineage::stands_for(&workload);
        self.lineage.remove_workload(&workload);
        Some((job, self.part(job, uid, &workload.metadata.key())))
    }

    /// A job and its Workload are parted.
    fn part(&mut self, job: Uid, workload: Uid, key: &Key) -> BTreeSet<Uid> {
        if let Some(row) = self.jobs.get_mut(&job) {
            row.workloads.remove(workload);
            self.drop_if_empty(job);
        }
        self.assign_under(job, key)
    }

    fn assign_under(&mut self, job: Uid, workload: &Key) -> BTreeSet<Uid> {
        let mut pods = self.pods_below(job);
        pods.extend(self.by_workload.get(workload));
        self.assign(pods)
    }

    /// The uids of all Workloads.
    pub fn workload_uids(&self) -> impl Iterator<Item = Uid> {
        self.workloads.keys().copied()
    }

    /// The Workload that stands for a job now: the newest that has not ended (an elastic job can
    /// have an older one that was replaced).
    pub fn workload_of(&self, job: Uid) -> Option<Workload> {
        let uids = self.jobs.get(&job)?.workloads.all();
        uids.filter_map(|uid| self.workload(uid))
            .max_by_key(|w| (!w.is_finished(), w.metadata.creation_timestamp, w.metadata.uid))
    }

    /// The key of a job's own object, as its people know it.
    pub fn job_key(&self, uid: Uid) -> Option<Key> {
        let owner = self.owner(uid)?;
        Some(owner.neighbour(owner.name()))
    }

    /// The jobs of a namespace. Looks at each job once, and looks nothing up but for those without an object
    /// of their own: a policy's every write has them looked at anew.
    pub fn jobs_in(&self, namespace: &str) -> impl Iterator<Item = Uid> {
        let there = self.jobs.iter().filter(move |(_, row)| self.namespace(row) == Some(namespace));
        there.map(|(uid, _)| *uid)
    }

    /// The namespace of a job.
    fn namespace<'a>(&'a self, row: &'a JobRow) -> Option<&'a str> {
        let job = row.job.as_ref().map(PackedJob::namespace);
        let set = || row.job_set.as_ref().map(|set| set.metadata.namespace.as_str());
        // All of its Workloads lie where it does itself.
        let workload = || self.workloads.get(&row.workloads.all().next()?);
        job.or_else(set).or_else(|| workload().map(PackedWorkload::namespace))
    }
}
