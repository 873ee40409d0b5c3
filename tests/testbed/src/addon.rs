//! A controller with definitions and webhooks of its own, as a process beside the control plane instead
//! of a Pod in it.
//!
//! Its manifests come straight out of its Go module. What only makes sense in a cluster with a network
//! (Deployment, Services, the aggregated API) is left out, and its webhooks are pointed at loopback.

use std::path::Path;

use k8s_openapi::ByteString;
use kube::Client;
use serde_json::{Value, json};

use crate::certificates::{Authority, Certificate};
use crate::error::{Error, Result};
use crate::go;
use crate::manifests::Manifests;
use crate::modules::Module;
use crate::ports;
use crate::tools::Tools;

/// Its objects, in the order in which they are of use.
pub(crate) struct Addon {
    /// Namespace, definitions and roles: before it starts.
    before: Manifests,
    /// The webhooks: once it runs, for they are fail-closed and would block every Job.
    after: Manifests,
    /// The port of its webhooks.
    pub(crate) port: u16,
}

impl Addon {
    /// Renders the manifests of a Go module, or takes them from the cache, with the webhooks on a free
    /// port.
    pub(crate) async fn load(
        module: Module,
        path: &str,
        tools: &Tools,
        authority: &Authority,
    ) -> Result<Self> {
        let source = go::source(module, path).await?;
        let [port] = ports::free()?;
        let mut objects = Manifests::rendered_once(&source.join("config/default"), tools)
            .await?
            .without_kinds(&["Deployment", "Service", "APIService"]);
        let bundle = serde_json::to_value(ByteString(authority.pem().as_bytes().to_vec()))
            .map_err(|error| Error::malformed("the authority", error))?;
        for object in objects.objects_mut() {
            point_at_loopback(object, port, &bundle);
        }
        let (after, before) = objects.split(|object| {
            object
                .get("kind")
                .and_then(Value::as_str)
                .is_some_and(|kind| kind.ends_with("WebhookConfiguration"))
        });
        Ok(Self { before, after, port })
    }

    /// Applies what has to be there before it starts.
    pub(crate) async fn apply_first(&mut self, client: &Client) -> Result<()> {
        std::mem::take(&mut self.before).apply(client).await
    }

    /// Applies its webhooks, once it runs.
    pub(crate) async fn apply_last(self, client: &Client) -> Result<()> {
        self.after.apply(client).await
    }
}

/// Puts loopback in the place of the Service, in webhooks and in the conversion of definitions.
fn point_at_loopback(object: &mut Value, port: u16, bundle: &Value) {
    let rewrite = |config: &mut Value| {
        let path = config.pointer("/service/path").and_then(Value::as_str).unwrap_or_default();
        *config = json!({"url": format!("https://127.0.0.1:{port}{path}"), "caBundle": bundle});
    };
    if let Some(config) = object.pointer_mut("/spec/conversion/webhook/clientConfig") {
        rewrite(config);
    }
    let webhooks = object.get_mut("webhooks").and_then(Value::as_array_mut);
    for webhook in webhooks.into_iter().flatten() {
        if let Some(config) = webhook.get_mut("clientConfig") {
            rewrite(config);
        }
    }
}

/// The pair under the names that controllers look for.
pub(crate) fn copy_pair(pair: &Certificate, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
    for (from, name) in [(&pair.certificate, "tls.crt"), (&pair.key, "tls.key")] {
        let to = folder.join(name);
        std::fs::copy(from, &to).map_err(Error::file("write", &to))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_and_conversions_are_pointed_at_loopback() {
        let service = json!({"service": {"name": "s", "namespace": "n", "path": "/convert"}});
        let wanted = json!({"url": "https://127.0.0.1:7/convert", "caBundle": "Q0E="});
        for (mut object, place) in [
            (json!({"webhooks": [{"clientConfig": service}]}), "/webhooks/0/clientConfig"),
            (
                json!({"spec": {"conversion": {"webhook": {"clientConfig": service}}}}),
                "/spec/conversion/webhook/clientConfig",
            ),
        ] {
            point_at_loopback(&mut object, 7, &json!("Q0E="));
            assert_eq!(object.pointer(place), Some(&wanted));
        }
    }
}
