//! What a Workload was given, and by it what its job asks for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Quantity, decode};

/// The quota that Kueue gave a Workload (Kueue: `status.admission` in `workload_types.go`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "AdmissionOnTheWire", into = "AdmissionOnTheWire")]
pub struct Admission {
    /// The ClusterQueue that it is taken from.
    pub cluster_queue: Box<str>,
    /// What is taken: a row for each resource of each pod set. Resources without a flavor are left
    /// out: Kueue ignores them where it is told to (`quotaCheckStrategy: IgnoreUndeclared`).
    pub usage: Box<[Usage]>,
    /// How many pod sets there are.
    pub pod_sets: usize,
    /// Whether the Pods were placed by topology, too. Kueue preempts for a place even where the
    /// quota is free (Kueue: `updateModeForTASRequests` in `flavorassigner.go`).
    pub by_topology: bool,
}

/// What one pod set takes of one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usage {
    /// The ResourceFlavor.
    pub flavor: Box<str>,
    /// The resource.
    pub resource: Box<str>,
    /// How much, for all Pods of the pod set.
    pub quantity: Quantity,
}

/// What a job asks for of each resource, as its last admission shows; empty: unknown.
///
/// Nothing else shows it while a job is held. Kueue clears `status.resourceRequests` when it admits
/// a Workload, does not fill it when it evicts one (Kueue: `PropagateResourceRequests` has one
/// caller, the scheduler's `requeueAndUpdate`), and leaves out `pods`, which the flavor assigner
/// adds by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests(pub Box<[Request]>);

/// What a job asks for of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The resource.
    pub resource: Box<str>,
    /// All pod sets together.
    pub total: Quantity,
    /// The pod set that asks for least: each gets a flavor of its own, and this is what a flavor
    /// must hold to be one of them.
    pub least: Quantity,
    /// The flavor that all pod sets were given: one that the job's Pods may have. `None`: they were given
    /// several, or it is not known.
    pub flavor: Option<Box<str>>,
}

impl Admission {
    /// What the job asks for; unknown where more than quota decided.
    pub fn requests(&self) -> Requests {
        if self.by_topology {
            return Requests::default();
        }
        let mut by_resource = BTreeMap::<&str, (Quantity, Quantity, usize, Option<&str>)>::new();
        for usage in &self.usage {
            let (total, least, askers, one) = by_resource.entry(&usage.resource).or_insert((
                Quantity::ZERO,
                Quantity::UNREADABLE,
                0,
                Some(&usage.flavor),
            ));
            *total = total.saturating_add(usage.quantity);
            *least = usage.quantity.min(*least);
            *askers += 1;
            *one = one.filter(|flavor| *flavor == &*usage.flavor);
        }
        by_resource
            .into_iter()
            .map(|(resource, (total, least, askers, flavor))| Request {
                resource: resource.into(),
                total,
                least: if askers == self.pod_sets { least } else { Quantity::ZERO },
                flavor: flavor.filter(|_| askers == self.pod_sets).map(Into::into),
            })
            .collect()
    }
}

impl Requests {
    /// Whether nothing tells what the job asks for.
    pub fn is_unknown(&self) -> bool {
        self.0.is_empty()
    }

    /// As an annotation keeps it, for a Workload whose spec has this generation:
    /// `cpu=3000m/1000m,cpu:spot=0m/0m@7`, the total and the least of each, and the flavor as a request of
    /// nothing: 0.1.0 reads it as that.
    pub fn note(&self, generation: i64) -> String {
        let milli = |quantity: Quantity| quantity.milli().unwrap_or(u128::MAX);
        let one = |request: &Request| {
            let (total, least) = (milli(request.total), milli(request.least));
            format!("{}={total}m/{least}m", request.resource)
        };
        let flavor = |request: &Request| {
            request.flavor.as_ref().map(|flavor| format!("{}:{flavor}=0m/0m", request.resource))
        };
        let all = self.0.iter().map(one).chain(self.0.iter().filter_map(flavor));
        let all: Vec<String> = all.collect();
        format!("{}@{generation}", all.join(","))
    }

    /// Reads what [`Requests::note`] has written; unknown where anything in it cannot be read, or
    /// where the spec is another by now.
    pub fn read(noted: &str, generation: i64) -> Self {
        let Some((requests, of)) = noted.rsplit_once('@') else { return Self::default() };
        if of.parse() != Ok(generation) {
            return Self::default();
        }
        let one = |part: &str| {
            let (resource, amounts) = part.split_once('=')?;
            let (total, least) = amounts.split_once('/')?;
            let (total, least) = (Quantity::parse(total), Quantity::parse(least));
            (total.milli().is_some() && least.milli().is_some()).then(|| Request {
                resource: resource.into(),
                total,
                least,
                flavor: None,
            })
        };
        let Some(all) = requests.split(',').map(one).collect::<Option<Vec<Request>>>() else {
            return Self::default();
        };
        // No resource's name has a colon.
        let (flavors, mut asked): (Vec<Request>, Vec<Request>) =
            all.into_iter().partition(|request| request.resource.contains(':'));
        for (resource, flavor) in flavors.iter().filter_map(|r| r.resource.split_once(':')) {
            if let Some(request) = asked.iter_mut().find(|request| &*request.resource == resource) {
                request.flavor = Some(flavor.into());
            }
        }
        asked.into_iter().collect()
    }
}

impl FromIterator<Request> for Requests {
    fn from_iter<I: IntoIterator<Item = Request>>(requests: I) -> Self {
        Self(requests.into_iter().collect())
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AdmissionOnTheWire {
    cluster_queue: Box<str>,
    #[serde(deserialize_with = "decode::list")]
    pod_set_assignments: Vec<PodSetAssignment>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodSetAssignment {
    flavors: Option<BTreeMap<Box<str>, Box<str>>>,
    resource_usage: Option<BTreeMap<Box<str>, Quantity>>,
    topology_assignment: Option<Passed>,
}

/// Something of which only matters that it is there.
#[derive(Default, Serialize, Deserialize)]
struct Passed {}

impl From<Admission> for AdmissionOnTheWire {
    /// Which pod set takes what is not kept. A pod set takes each resource once and in order, so that
    /// rows in any other order belong to the next one; the rest take nothing.
    fn from(admission: Admission) -> Self {
        let mut sets: Vec<PodSetAssignment> = Vec::new();
        let mut last: Option<Box<str>> = None;
        for Usage { flavor, resource, quantity } in admission.usage {
            if last.as_ref().is_none_or(|last| *last >= resource) {
                sets.push(PodSetAssignment::default());
            }
            if let Some(set) = sets.last_mut() {
                set.flavors.get_or_insert_default().insert(resource.clone(), flavor);
                set.resource_usage.get_or_insert_default().insert(resource.clone(), quantity);
            }
            last = Some(resource);
        }
        sets.resize_with(admission.pod_sets.max(sets.len()), PodSetAssignment::default);
        if let Some(set) = sets.first_mut() {
            set.topology_assignment = admission.by_topology.then_some(Passed {});
        }
        Self { cluster_queue: admission.cluster_queue, pod_set_assignments: sets }
    }
}

impl From<AdmissionOnTheWire> for Admission {
    fn from(wire: AdmissionOnTheWire) -> Self {
        let pod_sets = wire.pod_set_assignments.len();
        let by_topology = wire.pod_set_assignments.iter().any(|a| a.topology_assignment.is_some());
        let usage = wire.pod_set_assignments.into_iter().flat_map(|assignment| {
            let mut flavors = assignment.flavors.unwrap_or_default();
            assignment.resource_usage.unwrap_or_default().into_iter().filter_map(
                move |(resource, quantity)| {
                    let flavor = flavors.remove(&resource)?;
                    Some(Usage { flavor, resource, quantity })
                },
            )
        });
        Self { cluster_queue: wire.cluster_queue, usage: usage.collect(), pod_sets, by_topology }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Admission, Quantity, Requests};
    use crate::objects::Workload;

    fn requests(assignments: &Value) -> Vec<(String, Quantity, Quantity)> {
        let admission: Admission =
            serde_json::from_value(json!({"clusterQueue": "a", "podSetAssignments": assignments}))
                .unwrap();
        let requests = admission.requests();
        requests.0.iter().map(|r| (r.resource.to_string(), r.total, r.least)).collect()
    }

    #[test]
    fn a_job_asks_for_what_its_pod_sets_were_given_together() {
        let q = Quantity::parse;
        for (assignments, expected) in [
            (
                json!([{"flavors": {"cpu": "x"}, "resourceUsage": {"cpu": "2"}}]),
                vec![("cpu".to_owned(), q("2"), q("2"))],
            ),
            (
                json!([{"flavors": {"cpu": "x"}, "resourceUsage": {"cpu": "2"}},
                       {"flavors": {"cpu": "y", "gpu": "y"}, "resourceUsage": {"cpu": "3", "gpu": 1}}]),
                vec![("cpu".to_owned(), q("5"), q("2")), ("gpu".to_owned(), q("1"), q("0"))],
            ),
            // No flavor: nothing that Kueue counts.
            (json!([{"flavors": {}, "resourceUsage": {"cpu": "2"}}]), vec![]),
            (json!([{"flavors": null, "resourceUsage": null}]), vec![]),
            // Placed by topology: quota alone says nothing.
            (
                json!([{"flavors": {"cpu": "x"}, "resourceUsage": {"cpu": "2"},
                        "topologyAssignment": {"levels": ["rack"]}}]),
                vec![],
            ),
        ] {
            assert_eq!(requests(&assignments), expected, "{assignments}");
        }
    }

    #[test]
    fn what_a_job_asks_for_survives_as_text_while_its_spec_stays() {
        let admission: Admission = serde_json::from_value(json!({"podSetAssignments": [
            {"flavors": {"cpu": "x"}, "resourceUsage": {"cpu": "2"}},
            {"flavors": {"cpu": "y", "nvidia.com/gpu": "y"},
             "resourceUsage": {"cpu": "500m", "nvidia.com/gpu": 8}}]}))
        .unwrap();
        let requests = admission.requests();
        let text = "cpu=2500m/500m,nvidia.com/gpu=8000m/0m@7";
        assert_eq!(requests.note(7), text);
        let alone: Admission = serde_json::from_value(json!({"podSetAssignments": [
            {"flavors": {"cpu": "spot", "memory": "spot"}, "resourceUsage": {"cpu": "2", "memory": 1}}]}))
        .unwrap();
        let with_flavor = alone.requests().note(7);
        assert_eq!(
            with_flavor,
            "cpu=2000m/2000m,memory=1000m/1000m,cpu:spot=0m/0m,memory:spot=0m/0m@7"
        );
        assert_eq!(Requests::read(&with_flavor, 7), alone.requests());
        assert_eq!(Requests::read(text, 7), requests);
        assert!(Requests::read(text, 8).is_unknown(), "it was edited");
        for broken in ["", "@7", "cpu@7", "cpu=1@7", "cpu=1/x@7", "cpu=1/1,gpu@7", "cpu=1/1"] {
            assert!(Requests::read(broken, 7).is_unknown(), "{broken}");
        }
    }

    #[test]
    fn a_workload_that_has_finished_keeps_no_admission() {
        let workload = |finished: &str| -> Workload {
            serde_json::from_value(json!({"status": {
                "admission": {"clusterQueue": "a", "podSetAssignments": []},
                "conditions": [{"type": "QuotaReserved", "status": "True"},
                               {"type": "Finished", "status": finished}]}}))
            .unwrap()
        };
        assert!(workload("False").reserved().is_some());
        assert_eq!(workload("True").status.admission, None);
    }
}
