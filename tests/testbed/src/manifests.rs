//! Manifests: read from files or rendered by kustomize, and put into the cluster.

use std::path::Path;
use std::process::Stdio;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::discovery::Scope;
use kube::runtime::{conditions, wait::await_condition};
use kube::{Api, Client, ResourceExt as _};
use serde_json::Value;
use tokio::process::Command;

use crate::deadline::within;
use crate::error::{Error, Result};
use crate::text::{content_name, last_lines};
use crate::tools::Tools;

/// The field manager of what the test cluster itself applies.
pub const MANAGER: &str = "dislodge-testbed";
/// Requests at once. More than this and the apiserver on two cores only queues them.
const PARALLEL: usize = 8;
/// A definition is established in milliseconds; on a machine busy with a build, in seconds.
const ESTABLISHED_SECONDS: u64 = 60;

/// Objects to be applied.
#[derive(Debug, Clone, Default)]
pub struct Manifests {
    objects: Vec<Value>,
}

impl Manifests {
    /// Reads the documents of a YAML text.
    ///
    /// # Errors
    /// When it is no YAML, or a document is no object with kind and name.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(text).map_err(|error| Error::malformed(origin, error))?;
        Ok(Self { objects: documents.into_iter().filter(|document| !document.is_null()).collect() })
    }

    /// Objects that are written in the test itself.
    pub fn from_objects(objects: Vec<Value>) -> Self {
        Self { objects }
    }

    /// Reads one YAML file, or renders a folder with a `kustomization.yaml`.
    ///
    /// # Errors
    /// When it cannot be read or rendered.
    pub async fn load(path: &Path, tools: &Tools) -> Result<Self> {
        if path.is_dir() {
            return Self::parse(&kustomize(path, tools).await?, &path.display().to_string());
        }
        let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Renders a folder that never changes its content, once for ever: the result is kept as JSON
    /// in the tools' cache, under a name made of the folder's.
    ///
    /// # Errors
    /// When it cannot be rendered or kept.
    pub(crate) async fn rendered_once(folder: &Path, tools: &Tools) -> Result<Self> {
        let name = content_name([folder.as_os_str().as_encoded_bytes()]);
        let kept = tools.cache.join(format!("{name}.json"));
        if let Some(objects) =
            std::fs::read(&kept).ok().and_then(|text| serde_json::from_slice(&text).ok())
        {
            return Ok(Self { objects });
        }
        let manifests =
            Self::parse(&kustomize(folder, tools).await?, &folder.display().to_string())?;
        let text = serde_json::to_vec(&manifests.objects)
            .map_err(|error| Error::malformed(folder.display().to_string(), error))?;
        // Two runs may do this at once: each writes a file of its own, and either may win.
        let unfinished = tools.cache.join(format!("{name}.{}.unfinished", std::process::id()));
        std::fs::write(&unfinished, text).map_err(Error::file("write", &unfinished))?;
        std::fs::rename(&unfinished, &kept).map_err(Error::file("write", &kept))?;
        Ok(manifests)
    }

    /// Splits off the objects of which `wanted` says so: those first, then the rest.
    pub fn split(self, wanted: impl Fn(&Value) -> bool) -> (Self, Self) {
        let (yes, no) = self.objects.into_iter().partition(wanted);
        (Self { objects: yes }, Self { objects: no })
    }

    /// Keeps the objects of some kinds alone.
    pub fn of_kinds(self, kinds: &[&str]) -> Self {
        self.split(|object| kinds.contains(&kind(object))).0
    }

    /// Leaves the objects of some kinds out.
    pub fn without_kinds(self, kinds: &[&str]) -> Self {
        self.split(|object| kinds.contains(&kind(object))).1
    }

    /// The objects, to look at or to change.
    pub fn objects_mut(&mut self) -> &mut Vec<Value> {
        &mut self.objects
    }

    /// Applies everything server-side: namespaces and definitions first, and once these are
    /// established the rest, as many requests at once as are of use.
    ///
    /// # Errors
    /// When the API server refuses an object, or a definition is not established in time.
    pub async fn apply(self, client: &Client) -> Result<()> {
        let (first, rest) =
            self.split(|object| matches!(kind(object), "Namespace" | "CustomResourceDefinition"));
        let definitions: Vec<String> = first
            .objects
            .iter()
            .filter(|object| kind(object) == "CustomResourceDefinition")
            .map(|object| name(object).to_owned())
            .collect();
        first.apply_at_once(client).await?;
        let api: Api<CustomResourceDefinition> = Api::all(client.clone());
        for definition in &definitions {
            let established =
                await_condition(api.clone(), definition, conditions::is_crd_established());
            within(ESTABLISHED_SECONDS, &format!("establishing {definition}"), established)
                .await?
                .map_err(|error| Error::malformed(format!("the watch of {definition}"), error))?;
        }
        rest.apply_at_once(client).await
    }

    /// Applies all objects without an order.
    async fn apply_at_once(self, client: &Client) -> Result<()> {
        stream::iter(self.objects)
            .map(|object| apply_one(client, object))
            .buffer_unordered(PARALLEL)
            .try_collect::<()>()
            .await
    }
}

async fn apply_one(client: &Client, object: Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(object)
        .map_err(|error| Error::malformed("an object of the manifests", error))?;
    let types = object.types.clone().unwrap_or_default();
    let kind = GroupVersionKind::try_from(&types)
        .map_err(|error| Error::malformed("an apiVersion of the manifests", error))?;
    let resource = ApiResource::from_gvk(&kind);
    let scope = if object.namespace().is_some() { Scope::Namespaced } else { Scope::Cluster };
    let api: Api<DynamicObject> = match object.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
        None => Api::dynamic(client.clone(), &resource, &scope),
    };
    let parameters = PatchParams::apply(MANAGER).force();
    api.patch(&object.name_any(), &parameters, &Patch::Apply(&object))
        .await
        .map(drop)
        .map_err(Error::api(format!("apply {} {}", types.kind, object.name_any())))
}

/// Renders a kustomize folder.
async fn kustomize(folder: &Path, tools: &Tools) -> Result<String> {
    const HINT: &str = "kubectl from 1.30 on is needed to render manifests";
    let kubectl = tools.kubectl().await?;
    let output = Command::new(&kubectl)
        .arg("kustomize")
        .arg(folder)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|source| Error::Run {
            program: kubectl.display().to_string(),
            source,
            hint: HINT,
        })?;
    if !output.status.success() {
        return Err(Error::Failed {
            command: format!("kubectl kustomize {}", folder.display()),
            status: output.status.to_string(),
            hint: HINT.to_owned(),
            output: last_lines(&String::from_utf8_lossy(&output.stderr), 20),
        });
    }
    String::from_utf8(output.stdout)
        .map_err(|error| Error::malformed(format!("the rendered {}", folder.display()), error))
}

fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or_default()
}

fn name(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}
