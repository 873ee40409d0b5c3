//! Kinds that Kueue manages and whose controllers do not run here: their definitions, so that Kueue makes
//! Workloads for them. Who plays their controllers is the test.

use serde_json::{Value, json};

use crate::error::Result;
use crate::go;
use crate::manifests::Manifests;
use crate::modules::KUEUE;
use crate::tools::Tools;

/// Kueue's names of these kinds (`integrations.frameworks`).
pub(crate) const FRAMEWORKS: [&str; 6] = [
    "kubeflow.org/pytorchjob",
    "kubeflow.org/mpijob",
    "ray.io/rayjob",
    "ray.io/raycluster",
    "workload.codeflare.dev/appwrapper",
    "leaderworkerset.x-k8s.io/leaderworkerset",
];

/// Group, version, kind and plural of those that are defined by nothing but their names: their real
/// definitions are of up to 1 MB each, and the API server would check fields that nobody sets here.
const BY_NAME: [(&str, &str, &str, &str); 5] = [
    ("kubeflow.org", "v2beta1", "MPIJob", "mpijobs"),
    ("ray.io", "v1", "RayJob", "rayjobs"),
    ("ray.io", "v1", "RayCluster", "rayclusters"),
    ("workload.codeflare.dev", "v1beta2", "AppWrapper", "appwrappers"),
    ("leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet", "leaderworkersets"),
];

/// The definitions: one of them real, out of one of Kueue's own dependencies.
pub(crate) async fn definitions(tools: &Tools) -> Result<Manifests> {
    let source = go::source(KUEUE, "github.com/kubeflow/training-operator").await?;
    let path = source.join("manifests/base/crds/kubeflow.org_pytorchjobs.yaml");
    let mut all = Manifests::load(&path, tools).await?;
    all.objects_mut().extend(BY_NAME.map(definition));
    Ok(all)
}

fn definition((group, version, kind, plural): (&str, &str, &str, &str)) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural,
                      "singular": kind.to_lowercase()},
            "versions": [{
                "name": version,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    },
                }},
            }],
        },
    })
}
