//! The kinds that the API server serves, one row each.

/// A kind of objects.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a row of a table")]
pub struct Kind {
    /// Its API group; empty for the core group.
    pub group: &'static str,
    /// The versions in which it is served; objects are stored in the first.
    pub versions: &'static [&'static str],
    /// Its name in URLs.
    pub plural: &'static str,
    /// Its name for one object, as kubectl takes it.
    pub singular: &'static str,
    /// Short names for kubectl.
    pub short: &'static [&'static str],
    /// Its name in objects.
    pub name: &'static str,
    /// Whether its objects lie in namespaces.
    pub namespaced: bool,
    /// Whether the status is written through a path of its own, and only there.
    pub status: bool,
    /// Whether it is defined by a CRD. Only Kubernetes' own kinds take strategic merge patches.
    pub custom: bool,
    /// Whether an update may leave the version out that it goes out from.
    pub unconditional: bool,
    /// Whether changes of the spec are counted in `metadata.generation`.
    pub counted: bool,
    /// Whether a deletion answers with the object that is gone, not with a Status.
    pub returned: bool,
    /// Whether an update of what is not there creates it.
    pub created_by_put: bool,
    /// Where its objects lie in the store: kinds that are two views of the same share it.
    pub stored: &'static str,
}

impl Kind {
    const fn built_in(
        group: &'static str,
        plural: &'static str,
        singular: &'static str,
        name: &'static str,
    ) -> Self {
        Self {
            group,
            versions: &["v1"],
            plural,
            singular,
            short: &[],
            name,
            namespaced: true,
            status: true,
            custom: false,
            unconditional: true,
            counted: false,
            returned: false,
            created_by_put: false,
            stored: plural,
        }
    }

    const fn custom(
        group: &'static str,
        versions: &'static [&'static str],
        plural: &'static str,
        singular: &'static str,
        name: &'static str,
    ) -> Self {
        Self {
            versions,
            custom: true,
            unconditional: false,
            counted: true,
            ..Self::built_in(group, plural, singular, name)
        }
    }

    const fn short(self, short: &'static [&'static str]) -> Self {
        Self { short, ..self }
    }

    const fn of_the_cluster(self) -> Self {
        Self { namespaced: false, ..self }
    }

    const fn without_status(self) -> Self {
        Self { status: false, ..self }
    }

    /// Its name with its group, as roles, kubectl and messages have it.
    pub fn resource(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// The kind's name with its group, as messages about invalid objects have it.
    pub fn qualified(&self) -> String {
        match self.group {
            "" => self.name.to_owned(),
            group => format!("{}.{group}", self.name),
        }
    }

    /// What stands in the `apiVersion` of its objects in that version.
    pub fn api_version(&self, version: &str) -> String {
        match self.group {
            "" => version.to_owned(),
            group => format!("{group}/{version}"),
        }
    }
}

const KUEUE: &str = "kueue.x-k8s.io";
const KUEUE_VERSIONS: &[&str] = &["v1beta2", "v1beta1"];

/// All kinds. Facts: `kubectl api-resources` on Kubernetes 1.36 with Kueue 0.19 and JobSet 0.12;
/// `AllowUnconditionalUpdate` and `ReturnDeletedObject` in Kubernetes' `pkg/registry`.
pub static KINDS: &[Kind] = &[
    Kind {
        counted: true,
        returned: true,
        ..Kind::built_in("", "pods", "pod", "Pod").short(&["po"])
    },
    Kind::built_in("", "nodes", "node", "Node").short(&["no"]).of_the_cluster(),
    Kind {
        returned: true,
        ..Kind::built_in("", "namespaces", "namespace", "Namespace").short(&["ns"]).of_the_cluster()
    },
    Kind::built_in("", "events", "event", "Event").short(&["ev"]).without_status(),
    Kind::built_in("events.k8s.io", "events", "event", "Event").short(&["ev"]).without_status(),
    Kind { counted: true, ..Kind::built_in("batch", "jobs", "job", "Job") },
    Kind { counted: true, ..Kind::built_in("batch", "cronjobs", "cronjob", "CronJob") }
        .short(&["cj"]),
    Kind {
        unconditional: false,
        created_by_put: true,
        ..Kind::built_in("coordination.k8s.io", "leases", "lease", "Lease").without_status()
    },
    Kind::custom(KUEUE, KUEUE_VERSIONS, "workloads", "workload", "Workload").short(&["kwl"]),
    Kind::custom(KUEUE, KUEUE_VERSIONS, "localqueues", "localqueue", "LocalQueue").short(&["lq"]),
    Kind::custom(KUEUE, KUEUE_VERSIONS, "clusterqueues", "clusterqueue", "ClusterQueue")
        .short(&["cq"])
        .of_the_cluster(),
    Kind::custom(KUEUE, KUEUE_VERSIONS, "resourceflavors", "resourceflavor", "ResourceFlavor")
        .short(&["rf"])
        .of_the_cluster()
        .without_status(),
    Kind::custom("jobset.x-k8s.io", &["v1alpha2"], "jobsets", "jobset", "JobSet"),
    Kind::custom(
        "dislodge.dev",
        &["v1alpha1"],
        "imagepullpolicies",
        "imagepullpolicy",
        "ImagePullPolicy",
    )
    .short(&["ipp"]),
];

/// The kind with that group and name in URLs.
pub(super) fn find(group: &str, plural: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.group == group && kind.plural == plural)
}
