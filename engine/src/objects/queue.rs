//! Kueue's queues.

use serde::{Deserialize, Serialize};

use super::{Meta, Quantity, decode};

/// A LocalQueue: what Jobs name, and what a policy governs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LocalQueue {
    /// The metadata.
    pub metadata: Meta,
    /// What is asked for.
    pub spec: LocalQueueSpec,
}

/// What is read of a LocalQueue's spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LocalQueueSpec {
    /// The ClusterQueue behind it.
    pub cluster_queue: String,
}

/// A ClusterQueue: where the quota is (Kueue: `clusterqueue_types.go`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterQueue {
    /// The metadata.
    pub metadata: Meta,
    /// What is asked for.
    pub spec: ClusterQueueSpec,
    /// What Kueue says.
    pub status: ClusterQueueStatus,
}

/// What is read of a ClusterQueue's status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterQueueStatus {
    /// What its Workloads take, those of all namespaces together. It follows them by a moment.
    #[serde(deserialize_with = "decode::list")]
    pub flavors_reservation: Vec<FlavorReservation>,
}

/// What is taken of one flavor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlavorReservation {
    /// The ResourceFlavor's name.
    pub name: Box<str>,
    /// What is taken of each resource.
    #[serde(deserialize_with = "decode::list")]
    pub resources: Vec<ResourceReservation>,
}

/// What is taken of one resource in one flavor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceReservation {
    /// The resource.
    pub name: Box<str>,
    /// How much, what is borrowed included.
    pub total: Quantity,
}

/// What is read of a ClusterQueue's spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterQueueSpec {
    /// The cohort with which it shares quota (v1beta1 calls it `cohort`); empty or absent: none.
    #[serde(alias = "cohort")]
    pub cohort_name: Option<Box<str>>,
    /// Whom a job may displace that waits here.
    pub preemption: Option<Preemption>,
    /// `StrictFIFO`: nobody is looked at behind one that waits. Absent: `BestEffortFIFO`.
    pub queueing_strategy: Option<Box<str>>,
    /// When Kueue tries another flavor.
    pub flavor_fungibility: Option<FlavorFungibility>,
    /// The quota.
    #[serde(deserialize_with = "decode::list")]
    pub resource_groups: Vec<ResourceGroup>,
}

/// Whom a job of a ClusterQueue may displace. An absent policy means `Never`; without
/// `reclaimWithinCohort` Kueue allows no `borrowWithinCohort` either (Kueue:
/// `clusterqueue_webhook.go`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Preemption {
    /// In the same ClusterQueue.
    pub within_cluster_queue: Option<Box<str>>,
    /// In other ClusterQueues of the cohort, that use more than their own quota.
    pub reclaim_within_cohort: Option<Box<str>>,
}

/// When Kueue tries the next flavor although a job could have this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FlavorFungibility {
    /// `TryNextFlavor`, which is meant where it is absent, or the one that stops there (`Preempt`;
    /// v1beta2: `MayStopSearch`).
    pub when_can_preempt: Option<Box<str>>,
}

/// Resources that are given out together, in one of several flavors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceGroup {
    /// The resources.
    #[serde(deserialize_with = "decode::list")]
    pub covered_resources: Vec<Box<str>>,
    /// The flavors, in the order in which Kueue tries them.
    #[serde(deserialize_with = "decode::list")]
    pub flavors: Vec<FlavorQuotas>,
}

/// The quota of one flavor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlavorQuotas {
    /// The ResourceFlavor's name.
    pub name: Box<str>,
    /// The quota of each resource.
    #[serde(deserialize_with = "decode::list")]
    pub resources: Vec<ResourceQuota>,
}

/// The quota of one resource in one flavor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceQuota {
    /// The resource.
    pub name: Box<str>,
    /// What is the queue's own.
    pub nominal_quota: Quantity,
    /// How much it may borrow in a cohort; absent means without limit.
    pub borrowing_limit: Option<Quantity>,
}

impl ClusterQueue {
    /// Whether it shares quota with others.
    pub fn is_in_cohort(&self) -> bool {
        self.spec.cohort_name.as_deref().is_some_and(|name| !name.is_empty())
    }

    /// Whether nobody is looked at behind one that waits.
    pub fn is_strict(&self) -> bool {
        self.spec.queueing_strategy.as_deref() == Some("StrictFIFO")
    }

    /// Whether Kueue tries the other flavors before it displaces anybody for one.
    pub fn tries_all_flavors(&self) -> bool {
        let set = self.spec.flavor_fungibility.as_ref().and_then(|f| f.when_can_preempt.as_deref());
        matches!(set, None | Some("" | "TryNextFlavor"))
    }

    /// Whether a job that waits here may displace running ones.
    pub fn may_preempt(&self) -> bool {
        let acts = |policy: &Option<Box<str>>| {
            policy.as_deref().is_some_and(|policy| !matches!(policy, "" | "Never"))
        };
        self.spec
            .preemption
            .as_ref()
            .is_some_and(|p| acts(&p.within_cluster_queue) || acts(&p.reclaim_within_cohort))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::ClusterQueue;

    #[test]
    fn the_cohort_is_known_by_either_version_s_name() {
        for (spec, in_cohort) in [
            (json!({"cohortName": "all"}), true),
            (json!({"cohort": "all"}), true),
            (json!({"cohortName": ""}), false),
            (json!({"cohortName": null, "preemption": null, "resourceGroups": null}), false),
            (json!({}), false),
        ] {
            let queue: ClusterQueue =
                serde_json::from_value(json!({"spec": spec.clone()})).unwrap();
            assert_eq!(queue.is_in_cohort(), in_cohort, "{spec}");
        }
    }

    #[test]
    fn a_policy_that_is_absent_preempts_nobody() {
        for (preemption, may) in [
            (json!(null), false),
            (json!({}), false),
            (json!({"withinClusterQueue": "Never", "reclaimWithinCohort": "Never"}), false),
            (json!({"withinClusterQueue": "LowerPriority"}), true),
            (json!({"reclaimWithinCohort": "Any"}), true),
            (json!({"withinClusterQueue": "SomeNewPolicy"}), true),
        ] {
            let queue: ClusterQueue =
                serde_json::from_value(json!({"spec": {"preemption": preemption.clone()}}))
                    .unwrap();
            assert_eq!(queue.may_preempt(), may, "{preemption}");
        }
    }
}
