//! The only write of the commands: annotations, with a person's own rights.

use dislodge_engine::effect::{Outcome, Target, TargetKind};
use dislodge_engine::lever::{Annotations, annotations_patch};
use dislodge_engine::objects::{Key, Meta, Object, Uid, Workload};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, ResourceExt as _};

use crate::classify::shown::plain;
use crate::inspect::gather::refused;
use crate::inspect::{Error, Snapshot};
use crate::request::{Refused, Request, resource};
use crate::watch::kinds::{Followed as _, Versions};

/// The name under which what a person wrote stands in `managedFields`.
const FIELD_MANAGER: &str = "kubectl-dislodge";

/// Sets annotations of an object (`Some`), or takes them away (`None`).
///
/// # Errors
///
/// Where the API server refuses, with the right that is missing.
pub async fn write(
    client: &Client,
    target: &Target,
    annotations: &Annotations,
) -> Result<(), Error> {
    let versions = Versions::default();
    if target.kind == TargetKind::Workload
        && let Some(version) =
            Workload::SOURCE.served(client).await.map_err(|error| refused("workloads", &error))?
    {
        versions.set_workload(version);
    }
    let request = Request::patch(target, &annotations_patch(annotations), &versions);
    let (kind, plural) = (target.kind.in_commands(), resource(target.kind, &versions).1);
    send(client, request, (kind, plural), &target.key).await
}

/// The same of the controller's Lease, by which operators pause everything.
///
/// # Errors
///
/// Where there is no such Lease, or the API server refuses.
pub async fn write_lease(
    client: &Client,
    key: &Key,
    annotations: &Annotations,
) -> Result<(), Error> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), &key.namespace);
    let lease = match leases.get_opt(&key.name).await {
        Ok(Some(lease)) => lease,
        Ok(None) => {
            return Err(Error::Nothing {
                kind: "Lease",
                name: key.name.clone(),
                place: format!("namespace {}", key.namespace),
                advice: "is the controller installed there? --lease-namespace and --lease-name \
                         name another one"
                    .to_owned(),
            });
        }
        Err(kube::Error::Api(status)) if status.code == 403 => {
            return Err(missing("get", "leases.coordination.k8s.io", &key.namespace));
        }
        Err(error) => return Err(refused("the controller's Lease", &error)),
    };
    let uid = Uid::parse(&lease.uid().unwrap_or_default());
    let request = Request::lease(key, uid, &annotations_patch(annotations));
    send(client, request, ("lease", "leases"), key).await
}

async fn send(
    client: &Client,
    request: Request,
    (kind, plural): (&str, &str),
    key: &Key,
) -> Result<(), Error> {
    let request = request.managed_by(FIELD_MANAGER);
    match request.send(client).await {
        Ok(_) => Ok(()),
        Err(answer) if answer.outcome == Outcome::Forbidden => {
            Err(missing("patch", plural, &key.namespace))
        }
        Err(answer) => Err(explained(&answer, kind, key)),
    }
}

fn explained(answer: &Refused, kind: &str, key: &Key) -> Error {
    let said = plain(&answer.message).into_owned();
    match answer.outcome {
        Outcome::Gone => Error::Meant(format!(
            "{kind} {key} is gone, or another one has its name by now: look again, then repeat"
        )),
        Outcome::Conflict => {
            Error::Meant(format!("{kind} {key} has changed at this moment: repeat the command"))
        }
        Outcome::Applied
        | Outcome::AlreadyDone
        | Outcome::Forbidden
        | Outcome::Rejected
        | Outcome::Throttled
        | Outcome::Unavailable
        | Outcome::TooLate => Error::Request { what: format!("{kind} {key}"), why: said },
    }
}

fn missing(verb: &str, resource: &str, namespace: &str) -> Error {
    Error::Right(format!(
        "the right to {verb} {resource} in namespace {namespace} is missing: ask whoever gives \
         rights there; nothing was changed"
    ))
}

/// An object of a snapshot, as a target of a write.
pub fn target(seen: &Snapshot, kind: TargetKind, name: &str) -> Option<Target> {
    let meta = match kind {
        TargetKind::Job => named(&seen.jobs, name),
        TargetKind::JobSet => named(&seen.job_sets, name),
        TargetKind::Workload => named(&seen.workloads, name),
        TargetKind::Pod => named(&seen.pods, name),
        TargetKind::Policy => named(&seen.policies, name),
    }?;
    Some(Target { kind, key: meta.key(), uid: meta.uid, resource_version: None })
}

fn named<'a, T: Object>(objects: &'a [T], name: &str) -> Option<&'a Meta> {
    objects.iter().map(Object::meta).find(|meta| meta.name == name)
}
