//! People: what they do to jobs and policies, at times that are laid down before.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use dislodge_engine::api::{ImagePullPolicySpec, ImagePullPolicyStatus};
use dislodge_engine::input::Kind;
use dislodge_engine::keys;
use dislodge_engine::objects::{self, Uid};

use super::object::{JobPlan, Object};
use super::{World, object};
use crate::registry::Script;

/// What somebody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Submits a Job.
    Submit(Box<JobPlan>),
    /// Deletes a Job, with all that belongs to it.
    Delete(Job),
    /// Sets `spec.active` of a Job's Workload.
    SetActive(Job, bool),
    /// Sets `spec.suspend` of a Job.
    SetSuspend(Job, bool),
    /// Sets an annotation on a Job, or takes it away.
    Annotate(Job, String, Option<String>),
    /// Asks for the hold that a Job carries then to be resumed.
    Resume(Job),
    /// Applies a policy.
    Apply {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// What it asks for.
        spec: Box<ImagePullPolicySpec>,
    },
    /// Deletes a policy.
    Withdraw {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
    /// The pulls of an image do this from now on: a tag is pushed, a registry fails or recovers.
    Play(String, Script),
    /// The kubelet of a node is restarted.
    RestartKubelet(usize),
    /// An operator pauses a policy, or lets it go on.
    Pause {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// Whether it is to be paused.
        paused: bool,
    },
    /// Deletes the Pods of a Job, which makes others in their place.
    DeletePods(Job),
    /// A replica of Dislodge is killed.
    Kill(usize),
    /// A replica of Dislodge is started.
    Start(usize),
    /// What the cluster is now is what a replica is shown by
    /// [`Trouble::ListsOld`](super::Trouble::ListsOld).
    Remember(usize),
}

/// A Job by namespace and name.
pub(super) type Job = (String, String);

/// What people will do.
#[derive(Debug, Default)]
pub(super) struct People {
    plans: BTreeMap<Duration, VecDeque<Deed>>,
}

impl People {
    pub(super) fn due(&self) -> Option<Duration> {
        self.plans.first_key_value().map(|(at, _)| *at)
    }
}

impl World {
    /// Somebody will do that at that time.
    pub fn plan(&mut self, at: Duration, deed: Deed) {
        self.people.plans.entry(at).or_default().push_back(deed);
    }

    pub(super) fn people_act(&mut self) {
        let Some(mut first) = self.people.plans.first_entry() else { return };
        let deed = first.get_mut().pop_front();
        if first.get().is_empty() {
            first.remove();
        }
        if let Some(deed) = deed {
            self.do_(deed);
        }
    }

    /// The newest Job of that name.
    pub fn job_named(&self, (namespace, name): &Job) -> Option<Uid> {
        let named = self
            .jobs()
            .filter(|(_, job)| job.plan.name == *name && job.plan.namespace == *namespace);
        named.map(|(uid, _)| uid).last()
    }

    fn do_(&mut self, deed: Deed) {
        match deed {
            Deed::Submit(plan) => {
                // The API server takes no other of the same name.
                let name = (plan.namespace.clone(), plan.name.clone());
                if self.job_named(&name).is_none() {
                    self.submit(*plan);
                }
            }
            Deed::Delete(job) => {
                if let Some(uid) = self.job_named(&job) {
                    self.delete_job(uid);
                }
            }
            // What changes nothing leaves no trace, and nobody can know of it.
            Deed::SetActive(job, active) => {
                let uid = self.job_named(&job).and_then(|uid| self.workload_of.get(&uid).copied());
                let found = uid.and_then(|uid| Some((uid, self.workload(uid)?.seen.is_active())));
                if let Some((uid, _)) = found.filter(|(_, was)| *was != active) {
                    self.change_workload(uid, |w| w.seen.spec.active = Some(active));
                    self.history.person(uid, active);
                }
            }
            Deed::SetSuspend(job, suspend) => {
                let uid = self.job_named(&job);
                let found = uid.and_then(|uid| Some((uid, self.job(uid)?.seen.spec.suspend)));
                if let Some((uid, _)) = found.filter(|(_, was)| *was != suspend) {
                    self.change_job(uid, |job| job.seen.spec.suspend = suspend);
                    self.history.person(uid, !suspend);
                }
            }
            Deed::Annotate(job, key, value) => {
                if let Some(uid) = self.job_named(&job) {
                    self.change_job(uid, |job| {
                        let annotations = &mut job.seen.metadata.annotations;
                        match value {
                            Some(value) => annotations.insert(key, value),
                            None => annotations.remove(&key),
                        }
                    });
                }
            }
            Deed::Resume(job) => {
                if let Some(uid) = self.job_named(&job) {
                    self.change_job(uid, |job| {
                        let annotations = &mut job.seen.metadata.annotations;
                        if let Some(hold) = annotations.get(keys::HOLD).map(str::to_owned) {
                            annotations.insert(keys::RESUME, hold);
                        }
                    });
                }
            }
            Deed::Apply { namespace, name, spec } => self.apply_policy(&namespace, &name, *spec),
            Deed::Withdraw { namespace, name } => {
                let found = self.policies().find(|(_, policy)| {
                    policy.metadata.namespace == namespace && policy.metadata.name == name
                });
                if let Some((uid, _)) = found {
                    let _gone = self.store.delete(&(Kind::Policy, uid), None);
                }
            }
            Deed::Play(image, script) => self.registry.play(&image, script),
            Deed::RestartKubelet(node) => self.restart_kubelet(node),
            Deed::Pause { namespace, name, paused } => {
                let found = self.policies().find(|(_, policy)| {
                    policy.metadata.namespace == namespace && policy.metadata.name == name
                });
                if let Some((uid, _)) = found {
                    self.change(Kind::Policy, uid, |object| {
                        let annotations = &mut object.meta_mut().annotations;
                        if paused {
                            annotations.insert(keys::PAUSED.to_owned(), "drill".to_owned());
                        } else {
                            annotations.remove(keys::PAUSED);
                        }
                    });
                }
            }
            Deed::DeletePods(job) => {
                if let Some(uid) = self.job_named(&job) {
                    let pods: Vec<Uid> = self.pods_of(uid).map(|(pod, _)| pod).collect();
                    self.delete_pods(&pods, false);
                }
            }
            Deed::Kill(replica) => self.kill(replica),
            Deed::Start(replica) => self.start(replica),
            Deed::Remember(replica) => self.remember(replica),
        }
    }

    fn apply_policy(&mut self, namespace: &str, name: &str, spec: ImagePullPolicySpec) {
        let known = self.policies().find(|(_, policy)| {
            policy.metadata.namespace == namespace && policy.metadata.name == name
        });
        if let Some((uid, _)) = known {
            self.change(Kind::Policy, uid, |object| {
                if let Object::Policy(policy) = object
                    && policy.spec.as_ref().ok() != Some(&spec)
                {
                    policy.spec = Ok(spec);
                    policy.metadata.generation += 1;
                }
            });
        } else {
            let metadata = self.new_meta(namespace, name);
            let status = ImagePullPolicyStatus::default();
            let policy = objects::Policy { metadata, spec: Ok(spec), status };
            self.create(Object::Policy(Box::new(policy)));
        }
    }

    /// Deletes a Job; the garbage collector takes its Pods and its Workload along.
    pub(super) fn delete_job(&mut self, uid: Uid) {
        let _gone = self.store.delete(&(Kind::Job, uid), None);
        if let Some(workload) = self.workload_of.get(&uid).copied() {
            let _gone = self.store.delete(&(Kind::Workload, workload), None);
        }
        let at = object::whole_seconds(self.wall());
        for pod in self.pods_of(uid).map(|(pod, _)| pod).collect::<Vec<Uid>>() {
            self.change_pod(pod, |pod| {
                pod.seen.metadata.deletion_timestamp.get_or_insert(at);
                pod.counted = true;
            });
            self.remove_if_unplaced(pod);
            self.reap(pod);
        }
    }
}
