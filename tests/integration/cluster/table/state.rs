//! What became of a row: the job's own object, its Workload, its Pods, the next job, the policy.

use dislodge_testbed::queues::is_true;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{DynamicObject, GroupVersionKind, ListParams};
use libtest_mimic::Failed;
use serde_json::Value;

use super::made::Kind;
use super::row::{End, NEXT, Queue, Row, api};
use crate::cluster::stage::{HOLD, Stage, phase, waits_for};

/// The state at one moment, as far as several reads are one.
pub(super) struct State {
    owner: Option<DynamicObject>,
    /// Of the job; of those that Kueue keeps for a while the one that is not finished.
    workload: Option<DynamicObject>,
    /// The job's Pods that have not ended and are not being deleted.
    live: Vec<Pod>,
    next: Vec<Pod>,
    policy: DynamicObject,
}

/// Why it is not as it has to be.
type Verdict = Result<(), String>;

fn check(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

impl State {
    pub(super) async fn read(
        stage: &Stage,
        row: &Row,
        owner: &DynamicObject,
    ) -> Result<Self, Failed> {
        let (group, version, kind) = row.0.api();
        let owners = api(stage, &GroupVersionKind::gvk(group, version, kind));
        let all = ListParams::default();
        let is_next = |pod: &Pod| pod.labels().get("job-name").is_some_and(|name| name == NEXT);
        let pods = stage.tenant.api::<Pod>().list(&all).await?.items;
        let (next, pods): (Vec<Pod>, Vec<Pod>) = pods.into_iter().partition(is_next);
        let live = |pod: &Pod| {
            // What Kueue keeps from its node holds nothing.
            let gated = pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref());
            pod.metadata.deletion_timestamp.is_none()
                && gated.is_none_or(Vec::is_empty)
                && !matches!(phase(pod), "Failed" | "Succeeded")
        };
        let workloads = stage.tenant.kueue("Workload").list(&all).await?.items;
        let of_next = |workload: &DynamicObject| {
            workload.owner_references().iter().any(|owner| owner.name == NEXT)
        };
        let mut own: Vec<_> = workloads.into_iter().filter(|w| !of_next(w)).collect();
        own.sort_by_key(|workload| is_true(workload, "Finished"));
        Ok(Self {
            owner: owners.get_opt(&owner.name_any()).await?,
            workload: own.into_iter().next(),
            live: pods.into_iter().filter(live).collect(),
            next: next.into_iter().filter(live).collect(),
            policy: stage.policies().get("row").await?,
        })
    }

    /// Whether it is as the row says.
    pub(super) fn check(&self, row: &Row) -> Verdict {
        let Row(kind, queue, _, _, _, end) = *row;
        let queued = queue == Queue::Kueue;
        match end {
            End::Suspended | End::Requeued => self.is_held(kind, end == End::Requeued, queued)?,
            End::Failed => {
                // The hold stays as the explanation.
                self.has_ended("Failed", "ImagePullFailed")?;
            }
            End::Completed => self.has_ended("Complete", "CompletionsReached")?,
            End::FailedByAuthor => {
                self.has_ended("Failed", "PodFailurePolicy")?;
                check(!self.is_marked_held(), || "it was held".to_owned())?;
            }
            End::Ended => {
                let over = self.workload.as_ref().is_none_or(|w| is_true(w, "Finished"));
                check(over, || format!("its Workload is not finished: {:?}", self.workload))?;
            }
            End::Reported(reason) => self.is_listed("Reported", reason)?,
            End::Waits(reason) => self.is_listed("Waiting", reason)?,
            End::Runs => {
                let running = self.live.iter().filter(|pod| phase(pod) == "Running").count();
                check(running == kind.pods() as usize, || format!("{running} Pods run"))?;
            }
            End::Untouched => {
                let failing = &self.policy.data["status"]["failing"];
                check(failing.as_array().is_none_or(Vec::is_empty), || failing.to_string())?;
                let fails =
                    |pod: &Pod| matches!(waits_for(pod), Some("ErrImagePull" | "ImagePullBackOff"));
                check(self.live.iter().any(fails), || "no Pod fails yet".to_owned())?;
            }
        }
        if end.frees() {
            check(self.live.is_empty(), || format!("Pods are left: {:?}", names(&self.live)))?;
            let quiet = self.workload.as_ref().is_none_or(|workload| {
                is_true(workload, "Finished") || !is_true(workload, "QuotaReserved")
            });
            check(quiet, || format!("it holds quota: {:?}", self.workload))?;
            let running = self.next.iter().filter(|pod| phase(pod) == "Running").count();
            let all = if queued { kind.pods() as usize } else { 0 };
            check(running == all, || format!("{running} of {all} Pods of the next job run"))?;
        } else {
            check(!self.is_marked_held(), || "it is held".to_owned())?;
            check(self.next.is_empty(), || "the next job has Pods".to_owned())?;
            let whole = self.live.len() == kind.pods() as usize;
            check(whole, || format!("its Pods: {:?}", names(&self.live)))?;
        }
        let held = u64::from(matches!(end, End::Suspended | End::Requeued));
        let status = &self.policy.data["status"]["heldJobs"];
        check(status.as_u64().unwrap_or(0) == held, || format!("heldJobs: {status}"))
    }

    fn is_marked_held(&self) -> bool {
        let marked = |object: &Option<DynamicObject>| {
            object.as_ref().is_some_and(|object| object.annotations().contains_key(HOLD))
        };
        marked(&self.owner) || marked(&self.workload)
    }

    fn is_held(&self, kind: Kind, comes_back: bool, queued: bool) -> Verdict {
        let owner = self.owner.as_ref().ok_or("its object is gone")?;
        if let Kind::Foreign(foreign) = kind {
            let stopped = foreign.is_suspended(owner);
            check(stopped.unwrap_or(true), || "it is not suspended".to_owned())?;
            let ours = owner.annotations().keys().find(|key| key.starts_with("dislodge.dev/"));
            check(ours.is_none(), || format!("it was written to without a right: {ours:?}"))?;
        } else {
            check(owner.data["spec"]["suspend"] == true, || "it is not suspended".to_owned())?;
            check(owner.annotations().contains_key(HOLD), || "its owner was not told".to_owned())?;
        }
        let lever = if queued { self.workload.as_ref() } else { Some(owner) };
        let lever = lever.ok_or("it has no Workload")?;
        check(lever.annotations().contains_key(HOLD), || "the lever has no mark".to_owned())?;
        if queued {
            check(lever.data["spec"]["active"] == false, || "its Workload is active".to_owned())?;
        }
        let at = lever.annotations().contains_key("dislodge.dev/resume-at");
        check(at == comes_back, || format!("resume-at: {at}"))
    }

    fn has_ended(&self, how: &str, reason: &str) -> Verdict {
        let owner = self.owner.as_ref().ok_or("its object is gone")?;
        let conditions = owner.data["status"]["conditions"].as_array();
        let ended = |c: &&Value| c["type"] == how && c["status"] == "True";
        let ended = conditions.into_iter().flatten().find(ended);
        let ended = ended.ok_or_else(|| format!("not {how}: {}", owner.data["status"]))?;
        check(ended["reason"] == reason, || format!("{how} for {}", ended["reason"]))?;
        let over = self.workload.as_ref().is_none_or(|w| is_true(w, "Finished"));
        check(over, || "its Workload is not finished".to_owned())
    }

    fn is_listed(&self, state: &str, reason: &str) -> Verdict {
        let failing = self.policy.data["status"]["failing"].as_array();
        let listed = |entry: &Value| entry["state"] == state && entry["reason"] == reason;
        let any = failing.into_iter().flatten().any(listed);
        check(any, || format!("failing: {}", self.policy.data["status"]["failing"]))
    }
}

fn names(pods: &[Pod]) -> Vec<String> {
    pods.iter().map(|pod| format!("{} {}", pod.name_any(), phase(pod))).collect()
}
