//! What is asked about: `job/NAME`, and all that can stand in its place.

use std::collections::BTreeSet;

use dislodge_engine::objects::{Meta, Object, Uid};

use crate::classify::shown;
use crate::explain::finding::Subject;
use crate::inspect::{Error, Snapshot};

/// The kinds that can be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Job of the group `batch`.
    Job,
    /// A JobSet.
    JobSet,
    /// A Pod.
    Pod,
    /// A Workload of Kueue.
    Workload,
}

impl Kind {
    /// The kind as the API has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "Job",
            Self::JobSet => "JobSet",
            Self::Pod => "Pod",
            Self::Workload => "Workload",
        }
    }

    /// What kubectl lists it by.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Job => "jobs",
            Self::JobSet => "jobsets",
            Self::Pod => "pods",
            Self::Workload => "workloads",
        }
    }
}

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The kind.
    pub kind: Kind,
    /// The name.
    pub name: String,
}

impl std::str::FromStr for Named {
    type Err = String;

    /// `job/NAME` and the like, with all of kubectl's names for the kinds; a name alone is a Job's.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once('/').unwrap_or(("job", text));
        let kind = match kind.split('.').next().unwrap_or_default() {
            "job" | "jobs" => Kind::Job,
            "jobset" | "jobsets" => Kind::JobSet,
            "pod" | "pods" | "po" => Kind::Pod,
            "workload" | "workloads" | "wl" => Kind::Workload,
            _ => return Err("write job/NAME, jobset/NAME, pod/NAME or workload/NAME".to_owned()),
        };
        Ok(Self { kind, name: crate::args::name(name)? })
    }
}

/// An object that was asked about and is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its uid.
    pub uid: Uid,
    /// What it is.
    pub subject: Subject,
}

impl Found {
    fn new(kind: Kind, meta: &Meta) -> Self {
        let subject = Subject {
            kind: kind.as_str().to_owned(),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
        };
        Self { uid: meta.uid, subject }
    }
}

/// Finds what was asked about. `namespace`: `None` for files of which none was named: a name has to be
/// enough.
///
/// # Errors
///
/// Where it is not there, may not be read, or is in several namespaces.
pub fn find(seen: &Snapshot, named: &Named, namespace: Option<&str>) -> Result<Found, Error> {
    let Named { kind, name } = named;
    let all = match kind {
        Kind::Job => called(&seen.jobs, name),
        Kind::JobSet => called(&seen.job_sets, name),
        Kind::Pod => called(&seen.pods, name),
        Kind::Workload => called(&seen.workloads, name),
    };
    let namespaces: BTreeSet<&str> = all.iter().map(|meta| meta.namespace.as_str()).collect();
    if namespaces.len() > 1 {
        let kind = kind.as_str();
        let namespaces = namespaces.into_iter().map(shown::plain).collect::<Vec<_>>().join(", ");
        return Err(Error::Meant(format!(
            "there is a {kind} {name} in each of these namespaces: {namespaces}; choose one with -n"
        )));
    }
    if let Some(meta) = all.first() {
        return Ok(Found::new(*kind, meta));
    }
    let gap = seen.gaps.iter().find(|gap| {
        let list = format!("list {}", kind.plural());
        gap.missing.contains(&format!("{list} ")) || gap.missing.contains(&format!("{list}."))
    });
    if let Some(gap) = gap {
        return Err(Error::Right(format!(
            "{} {name} cannot be explained: what is missing is {}; ask whoever gives rights in \
             this namespace for it, or save the objects where they may be read and use -f",
            kind.as_str(),
            gap.missing
        )));
    }
    let listed = namespace.map(|namespace| format!("kubectl get {} -n {namespace}", kind.plural()));
    Err(Error::Nothing {
        kind: kind.as_str(),
        name: name.clone(),
        place: namespace.map_or_else(|| "the files".to_owned(), |name| format!("namespace {name}")),
        advice: match listed {
            Some(listed) => format!("{listed} lists what there is, and -n names another namespace"),
            None => "leave the name out to see all that they have".to_owned(),
        },
    })
}

/// All that can be asked about in files: jobs, and Pods that are of none.
pub fn all(seen: &Snapshot, engine: &dislodge_engine::Engine) -> Vec<Found> {
    let mut found = Vec::new();
    let units: BTreeSet<Uid> = engine.units().into_iter().collect();
    let is_unit = |meta: &Meta| units.contains(&meta.uid);
    let sets = seen.job_sets.iter().map(|set| (Kind::JobSet, set.meta()));
    let jobs = seen.jobs.iter().map(|job| (Kind::Job, job.meta()));
    for (kind, meta) in sets.chain(jobs).filter(|(_, meta)| is_unit(meta)) {
        found.push(Found::new(kind, meta));
    }
    let told: BTreeSet<Uid> = found.iter().map(|found| found.uid).collect();
    for workload in &seen.workloads {
        if !told.contains(&engine.unit_of(workload.metadata.uid)) {
            found.push(Found::new(Kind::Workload, &workload.metadata));
        }
    }
    let told: BTreeSet<Uid> = found.iter().map(|found| engine.unit_of(found.uid)).collect();
    for pod in &seen.pods {
        if !told.contains(&engine.unit_of(pod.metadata.uid)) {
            found.push(Found::new(Kind::Pod, &pod.metadata));
        }
    }
    found
}

fn called<'a, T: Object>(objects: &'a [T], name: &str) -> Vec<&'a Meta> {
    objects.iter().map(Object::meta).filter(|meta| meta.name == name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_as_kubectl_names_it_and_a_name_alone_is_a_jobs() {
        for (text, kind, name) in [
            ("train", Kind::Job, "train"),
            ("job/train", Kind::Job, "train"),
            ("jobs.batch/train", Kind::Job, "train"),
            ("po/train-0", Kind::Pod, "train-0"),
            ("jobset.jobset.x-k8s.io/train", Kind::JobSet, "train"),
            ("wl/job-train-1", Kind::Workload, "job-train-1"),
        ] {
            let named: Named = text.parse().unwrap();
            assert_eq!((named.kind, named.name.as_str()), (kind, name), "{text}");
        }
        assert!("deploy/x".parse::<Named>().unwrap_err().contains("jobset/NAME"));
        assert!("job/../x".parse::<Named>().unwrap_err().contains("lower-case"));
    }
}
