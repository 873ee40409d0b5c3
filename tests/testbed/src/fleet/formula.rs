//! The formula: what each object is called and looks like, out of its place in the list.

use dislodge_sim::api::suffix;
use dislodge_sim::chance;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::template::{Template, Values};
use super::{Change, PODS_PER_JOB, Pending, Plan};
use crate::error::{Error, Result};

/// Jobs of each namespace.
const JOBS_PER_NAMESPACE: usize = 250;
/// Pods of each node.
const PODS_PER_NODE: usize = 30;
/// Images of Pods that run.
const IMAGES: u64 = 500;
/// All of them were made so long ago.
const AGE: SignedDuration = SignedDuration::from_secs(3600);
/// The kubelet wrote so long after that.
const STARTED: SignedDuration = SignedDuration::from_secs(20);

/// The kinds that are served from the formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Pod,
    Job,
    Workload,
    Node,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Pod, Self::Job, Self::Workload, Self::Node];

    /// Its name in objects.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Job => "Job",
            Self::Workload => "Workload",
            Self::Node => "Node",
        }
    }

    /// The path of all its objects.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Pod => "/api/v1/pods",
            Self::Job => "/apis/batch/v1/jobs",
            Self::Workload => "/apis/kueue.x-k8s.io/v1beta2/workloads",
            Self::Node => "/api/v1/nodes",
        }
    }

    /// Group and version.
    pub(super) const fn api_version(self) -> &'static str {
        match self {
            Self::Pod | Self::Node => "v1",
            Self::Job => "batch/v1",
            Self::Workload => "kueue.x-k8s.io/v1beta2",
        }
    }
}

/// What the kubelet says of a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Running,
    Creating,
    /// In back-off: its credentials do not suffice.
    Denied,
    /// A pull has just failed: the image does not exist.
    FailedPull,
    /// In back-off after that.
    BackOff,
}

impl Status {
    const ALL: [Self; 5] =
        [Self::Running, Self::Creating, Self::Denied, Self::FailedPull, Self::BackOff];

    const fn key(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Creating => "creating",
            Self::Denied => "denied",
            Self::FailedPull => "failed_pull",
            Self::BackOff => "back_off",
        }
    }
}

/// The formula.
#[derive(Debug)]
pub(super) struct Formula {
    plan: Plan,
    epoch: Timestamp,
    /// In the order of [`Status::ALL`].
    pods: Vec<Template>,
    job: Template,
    workload: Template,
    node: Template,
}

impl Formula {
    /// Cuts the shapes.
    ///
    /// # Errors
    /// Where one of them is not as it should be.
    pub(super) fn new(plan: Plan, epoch: Timestamp) -> Result<Self> {
        let read = |text: &str| -> Result<Value> {
            serde_json::from_str(text)
                .map_err(|error| Error::malformed("a shape of the fleet", error.to_string()))
        };
        let pod = read(include_str!("shapes/pod.json"))?;
        let statuses = read(include_str!("shapes/statuses.json"))?;
        let mut pods = Vec::new();
        for status in Status::ALL {
            let mut pod = pod.clone();
            let shape = statuses.get(status.key()).cloned().unwrap_or_default();
            if let Some(fields) = pod.as_object_mut() {
                fields.insert("status".to_owned(), shape);
            }
            pods.push(Template::new(&pod)?);
        }
        Ok(Self {
            plan,
            epoch,
            pods,
            job: Template::new(&read(include_str!("shapes/job.json"))?)?,
            workload: Template::new(&read(include_str!("shapes/workload.json"))?)?,
            node: Template::new(&read(include_str!("shapes/node.json"))?)?,
        })
    }

    /// How many objects of a kind there are.
    pub(super) const fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Pod => self.plan.pods,
            Kind::Job | Kind::Workload => self.plan.pods.div_ceil(PODS_PER_JOB),
            Kind::Node => self.plan.pods.div_ceil(PODS_PER_NODE),
        }
    }

    /// How many namespaces there are.
    pub(super) const fn namespaces(&self) -> usize {
        self.count(Kind::Job).div_ceil(JOBS_PER_NAMESPACE)
    }

    /// Whether a Job is one of those that flood the first namespace.
    pub(super) const fn is_flooding(&self, job: usize) -> bool {
        job < self.plan.flood
    }

    /// Whether a Job stands ready to fail: its Pods are creating their containers.
    pub(super) const fn is_ready_to_fail(&self, job: usize) -> bool {
        self.is_flooding(job) || job % 100 == 3
    }

    const fn namespace_of(&self, job: usize) -> usize {
        if self.is_flooding(job) { 0 } else { job / JOBS_PER_NAMESPACE }
    }

    /// What the kubelet says of a Pod to begin with.
    pub(super) fn status(&self, pod: usize) -> Status {
        let job = pod / PODS_PER_JOB;
        if self.is_ready_to_fail(job) {
            Status::Creating
        } else if self.plan.pending == Pending::All || job % 10 == 3 {
            Status::Denied
        } else {
            Status::Running
        }
    }

    /// Writes an object behind `out`.
    pub(super) fn write(&self, (kind, index): (Kind, usize), change: Change, out: &mut Vec<u8>) {
        let job = if kind == Kind::Pod { index / PODS_PER_JOB } else { index };
        let old = self.epoch - AGE;
        let mut values = Values {
            namespace: namespace(self.namespace_of(job)),
            version: change.version.max(1).to_string(),
            job: job_name(job),
            job_uid: uid(Kind::Job, job, 0),
            created: seconds(change.born.unwrap_or(old)),
            wrote: seconds(change.wrote.unwrap_or(old + STARTED)),
            workload: workload_name(job),
            cluster_queue: cluster_queue(self.namespace_of(job)),
            pods_ready: if self.status(job * PODS_PER_JOB) == Status::Running {
                "True"
            } else {
                "False"
            },
            ..Values::default()
        };
        match kind {
            Kind::Pod => {
                let status = change.status.unwrap_or_else(|| self.status(index));
                let place = index % PODS_PER_JOB;
                values.name = pod_name(job, place, change.life);
                values.uid = uid(kind, index, change.life);
                values.index = place.to_string();
                values.node = node_name(draw(index, self.count(Kind::Node)));
                values.image = self.image(status, job);
                let template = Status::ALL.iter().zip(&self.pods).find(|(of, _)| **of == status);
                if let Some((_, template)) = template {
                    template.fill(&values, out);
                }
            }
            Kind::Job => self.job.fill(&values, out),
            Kind::Workload => {
                values.uid = uid(kind, job, 0);
                self.workload.fill(&values, out);
            }
            Kind::Node => {
                values.uid = uid(kind, index, 0);
                values.name = node_name(index);
                self.node.fill(&values, out);
            }
        }
    }

    /// The image of a Job's Pods.
    fn image(&self, status: Status, job: usize) -> String {
        if status == Status::Denied {
            // Few repositories of a registry: with five of them its outage would be suspected.
            let (namespace, of) = (self.namespace_of(job), job % 4);
            format!("registry.team-{namespace:03}.example.com/vision/private-{of}:v1")
        } else if self.is_ready_to_fail(job) {
            format!("registry-{job:06}.example.com/vision/train:v2")
        } else {
            let number = mix(job as u64) % IMAGES;
            format!("registry.example.com/vision/train-{:02}:v1.{number}", number % 50)
        }
    }

    /// The object of a kind with that name; the names are made so that they tell their place.
    pub(super) fn find(&self, kind: Kind, name: &str) -> Option<usize> {
        let mut numbers = name.split('-').filter_map(|part| part.parse::<usize>().ok());
        let first = numbers.next()?;
        let index = match kind {
            Kind::Pod => first * PODS_PER_JOB + numbers.next()?,
            Kind::Job | Kind::Workload | Kind::Node => first,
        };
        (index < self.count(kind)).then_some(index)
    }
}

/// Numbers that look like chance, also of those that follow one another.
pub(super) const fn mix(number: u64) -> u64 {
    chance::mix(number.wrapping_add(0x9e37_79b9_7f4a_7c15))
}

/// One of `of` numbers, that looks like chance and is always the same for the same place.
fn draw(place: usize, of: usize) -> usize {
    usize::try_from(mix(place as u64) % of.max(1) as u64).unwrap_or_default()
}

/// A uid as the API server makes them: a random UUID, the same for the same object.
fn uid(kind: Kind, index: usize, life: u32) -> String {
    let of = (kind as u64) << 60 | u64::from(life) << 32 | index as u64;
    let bits = (u128::from(mix(of)) << 64) | u128::from(mix(!of));
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        (bits >> 80) & 0xffff,
        (bits >> 64) & 0xffff,
        (bits >> 48) & 0xffff,
        bits & 0xffff_ffff_ffff
    )
}

/// As the API server writes times.
fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A namespace by its number.
pub(super) fn namespace(number: usize) -> String {
    format!("team-{number:03}")
}

/// The ClusterQueue behind a namespace's queue.
pub(super) fn cluster_queue(namespace: usize) -> String {
    format!("gpu-{namespace:03}")
}

fn job_name(job: usize) -> String {
    format!("train-{job:06}")
}

fn workload_name(job: usize) -> String {
    format!("job-train-{job:06}-{}", suffix(mix(job as u64)))
}

fn pod_name(job: usize, place: usize, life: u32) -> String {
    let number = (job * PODS_PER_JOB + place) as u64 | u64::from(life) << 32;
    format!("train-{job:06}-{place}-{}", suffix(mix(number)))
}

fn node_name(node: usize) -> String {
    format!("gpu-{node:05}")
}
