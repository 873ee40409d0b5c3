//! From a Pod up to the object that a queue admits.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Multi;
use crate::objects::{Key, Meta, OwnerReference, Uid, Word, Workload};

/// Chains of owners longer than this are cut: they are broken, or a circle.
const LONGEST_CHAIN: usize = 10;

/// Where a Pod says that it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The object that controls it.
    pub controller: Option<Uid>,
    /// The kind of that ([`kind_of`]).
    pub kind: Word,
    /// Its Workload (Kueue: `WorkloadAnnotation`).
    pub workload: Option<Arc<Key>>,
}

/// Who owns whom, as far as it was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Lineage {
    /// The controller of a Job or JobSet, but for CronJobs: those make a new one each time.
    parents: BTreeMap<Uid, Parent>,
    children: Multi<Uid>,
    /// Workloads by name: their uids.
    named: BTreeMap<Arc<Key>, Uid>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parent {
    uid: Uid,
    kind: Word,
}

/// The kind of an owner. A bare `Job` and `JobSet` are those that are looked at; another group's of the
/// same name goes by its group, too.
pub fn kind_of(owner: &OwnerReference) -> Word {
    let is_ours = match owner.kind.as_str() {
        "Job" => owner.api_version == "batch/v1",
        "JobSet" => owner.api_version.starts_with("jobset.x-k8s.io/"),
        _ => true,
    };
    if is_ours {
        owner.kind.clone()
    } else {
        Word::from(format!("{}/{}", owner.api_version, owner.kind).as_str())
    }
}

/// Whether objects of that kind are looked at themselves: their owners are known then.
fn is_looked_at(kind: &Word) -> bool {
    *kind == "Job" || *kind == "JobSet"
}

impl Lineage {
    /// A Job or JobSet was seen. Returns whether it has another controller than before.
    pub(super) fn put(&mut self, meta: &Meta) -> bool {
        let parent = meta
            .controller()
            .filter(|by| by.kind != "CronJob")
            .map(|by| Parent { uid: by.uid, kind: kind_of(by) });
        if self.parents.get(&meta.uid) == parent.as_ref() {
            return false;
        }
        self.remove(meta.uid);
        if let Some(parent) = parent {
            self.children.insert(parent.uid, meta.uid);
            self.parents.insert(meta.uid, parent);
        }
        true
    }

    /// A Job or JobSet is gone.
    pub(super) fn remove(&mut self, uid: Uid) {
        if let Some(parent) = self.parents.remove(&uid) {
            self.children.remove(&parent.uid, uid);
        }
    }

    /// What an object has made, as far as it was seen.
    pub(super) fn children(&self, uid: Uid) -> impl Iterator<Item = Uid> {
        self.children.get(&uid)
    }

    /// An object and all that it has made, and so on.
    pub(super) fn family(&self, uid: Uid) -> Vec<Uid> {
        let mut family = vec![uid];
        for _ in 0..LONGEST_CHAIN {
            let next: Vec<Uid> = family.iter().flat_map(|uid| self.children(*uid)).collect();
            let known = family.len();
            family.extend(next);
            family.sort_unstable();
            family.dedup();
            if family.len() == known {
                break;
            }
        }
        family
    }

    /// A Workload was seen.
    pub(super) fn put_workload(&mut self, key: Arc<Key>, uid: Uid) {
        self.named.insert(key, uid);
    }

    /// A Workload is gone. Another one may have its name by now.
    pub(super) fn remove_workload(&mut self, workload: &Workload) {
        let key = workload.metadata.key();
        if self.named.get(&key) == Some(&workload.metadata.uid) {
            self.named.remove(&key);
        }
    }

    /// The Workload of that name.
    pub(super) fn workload_named(&self, key: &Key) -> Option<Uid> {
        self.named.get(key).copied()
    }

    /// What a Pod belongs to: the top-most of its owners that a Workload stands for, else what the
    /// Workload stands for that it names, else the top-most of its owners that is a Job or JobSet.
    /// `has_workload` and `is_known` say so of an object, `named` of the Workload's name. Where nothing
    /// is known yet, its controller, or it stands for itself.
    pub(super) fn unit(
        &self,
        pod: Uid,
        origin: &Origin,
        has_workload: impl Fn(Uid) -> bool,
        is_known: impl Fn(Uid) -> bool,
        named: impl FnOnce() -> Option<Uid>,
    ) -> Uid {
        let (mut admitted, mut known) = (None, None);
        let mut at = origin.controller.map(|uid| (uid, false));
        for _ in 0..LONGEST_CHAIN {
            let Some((uid, is_job_set)) = at else { break };
            if has_workload(uid) {
                admitted = Some(uid);
            }
            if is_job_set || is_known(uid) {
                known = Some(uid);
            }
            // A JobSet above a Job is a unit, be it seen or not.
            at = self.parents.get(&uid).map(|parent| (parent.uid, parent.kind == "JobSet"));
        }
        admitted.or_else(named).or(known).or(origin.controller).unwrap_or(pod)
    }

    /// Whether a Pod that something controls may be below `over`, the controller of the Workload that
    /// it names; `None`: the Workload has none. A copy of a job's template names that job's Workload,
    /// too: Kueue writes the name into the template (Kueue: `getPodSetsInfoFromStatus`).
    ///
    /// It is below where its owners lead there. Where they lead to something that is not looked at,
    /// what is above that is not known: it may be, unless that is of the same kind as `over`, as no kind
    /// is made of itself. A Job or JobSet tells its owner, so that one without an owner, or that has yet
    /// to be seen, leads nowhere; and each is made of what is looked at, so that nothing else leads to one.
    pub(super) fn may_be_below(&self, origin: &Origin, over: Option<&OwnerReference>) -> bool {
        let Some(mut at) = origin.controller else { return false };
        let above = over.map(|over| (over.uid, kind_of(over)));
        let mut kind = &origin.kind;
        for _ in 0..LONGEST_CHAIN {
            match &above {
                Some((uid, _)) if *uid == at => return true,
                Some((_, of)) if of == kind => return false,
                _ => {}
            }
            let Some(parent) = self.parents.get(&at) else {
                let ends_here = above.as_ref().is_some_and(|(_, of)| is_looked_at(of));
                return !ends_here && !is_looked_at(kind);
            };
            (at, kind) = (parent.uid, &parent.kind);
        }
        false
    }
}

/// The object that a Workload stands for: its controller. Pod groups, and sets of which each part has
/// a Workload of its own, have none: there the Workload stands for itself.
pub(super) fn stands_for(workload: &Workload) -> Uid {
    workload.metadata.controller().map_or(workload.metadata.uid, |owner| owner.uid)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn uid(n: u128) -> Uid {
        Uid::from_u128(n)
    }

    fn meta(n: u128, owner: Option<(&str, &str, u128)>) -> Value {
        let owners = owner.map(|(api, kind, n)| {
            json!({"apiVersion": api, "kind": kind, "uid": uid(n), "controller": true})
        });
        json!({"name": format!("o{n}"), "namespace": "a", "uid": uid(n),
               "ownerReferences": owners.into_iter().collect::<Vec<_>>()})
    }

    #[test]
    fn a_pod_belongs_to_the_top_most_that_a_queue_admits() {
        const JOB: Option<(&str, &str, u128)> = Some(("jobset.x-k8s.io/v1alpha2", "JobSet", 2));
        const SET: Option<(&str, &str, u128)> = Some(("trainer.kubeflow.org/v1", "TrainJob", 3));
        const MPI: Option<(&str, &str, u128)> = Some(("kubeflow.org/v2beta1", "MPIJob", 4));
        const CRON: Option<(&str, &str, u128)> = Some(("batch/v1", "CronJob", 5));
        // Jobs and JobSets with their owners; what Workloads stand for; controller; unit.
        type Row<'a> = (&'a [(u128, Option<(&'a str, &'a str, u128)>)], &'a [u128], u128, u128);
        let rows: [Row<'_>; 10] = [
            (&[(1, None)], &[], 1, 1),
            (&[], &[], 1, 1),
            (&[(1, CRON)], &[], 1, 1),
            (&[(1, CRON)], &[1], 1, 1),
            (&[(1, JOB)], &[], 1, 2),
            (&[(1, JOB), (2, None)], &[2], 1, 2),
            (&[(1, JOB), (2, SET)], &[3], 1, 3),
            (&[(1, JOB), (2, SET)], &[], 1, 2),
            (&[(1, MPI)], &[4], 1, 4),
            (&[(1, MPI)], &[], 1, 1),
        ];
        for (n, (objects, admitted, controller, unit)) in rows.into_iter().enumerate() {
            let mut lineage = Lineage::default();
            for (n, owner) in objects {
                lineage.put(&serde_json::from_value(meta(*n, *owner)).unwrap());
            }
            let origin = Origin { controller: Some(uid(controller)), ..Origin::default() };
            let known = |of: Uid| objects.iter().any(|(n, _)| uid(*n) == of);
            let has = |of: Uid| admitted.iter().any(|n| uid(*n) == of);
            let of = lineage.unit(uid(9), &origin, has, known, || None);
            assert_eq!(of, uid(unit), "row {n}");
        }
    }

    #[test]
    fn what_its_workload_stands_for_comes_after_an_owner_that_has_one() {
        const OTHER: Option<(&str, &str, u128)> = Some(("kubeflow.org/v2beta1", "MPIJob", 4));
        let mut lineage = Lineage::default();
        lineage.put(&serde_json::from_value(meta(1, OTHER)).unwrap());
        let origin = Origin { controller: Some(uid(1)), ..Origin::default() };
        let unit = |has: u128| {
            let known = |of: Uid| of == uid(1);
            lineage.unit(uid(9), &origin, |of| of == uid(has), known, || Some(uid(7)))
        };
        assert_eq!(unit(0), uid(7), "an AppWrapper above it, which is not looked at");
        assert_eq!(unit(4), uid(4));
    }

    #[test]
    fn a_name_that_another_workload_has_taken_is_kept() {
        let mut lineage = Lineage::default();
        let workload = |n: u128| -> Workload {
            let mut meta = meta(n, None);
            meta["name"] = json!("both");
            serde_json::from_value(json!({ "metadata": meta })).unwrap()
        };
        let (old, new) = (workload(1), workload(2));
        for workload in [&old, &new] {
            lineage.put_workload(Arc::new(workload.metadata.key()), workload.metadata.uid);
        }
        lineage.remove_workload(&old);
        assert_eq!(lineage.workload_named(&new.metadata.key()), Some(uid(2)));
        lineage.remove_workload(&new);
        assert_eq!(lineage.workload_named(&new.metadata.key()), None);
    }

    #[test]
    fn a_circle_of_owners_has_an_end() {
        let mut lineage = Lineage::default();
        for (n, of) in [(1, 2), (2, 1)] {
            let owner = Some(("jobset.x-k8s.io/v1alpha2", "JobSet", of));
            lineage.put(&serde_json::from_value(meta(n, owner)).unwrap());
        }
        assert_eq!(lineage.family(uid(1)), [uid(1), uid(2)]);
        let origin = Origin { controller: Some(uid(1)), ..Origin::default() };
        lineage.unit(uid(9), &origin, |_| true, |_| true, || None);
    }
}
