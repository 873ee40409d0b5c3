//! Kueue, as a process beside the control plane instead of a Pod in it.
//!
//! Its manifests come straight out of its Go module. What only makes sense in a cluster with a network
//! (Deployment, Services, the aggregated API) is left out, and its webhooks are pointed at loopback.

use std::path::Path;
use std::process::Stdio;

use k8s_openapi::ByteString;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::certificates::{Authority, Certificate};
use crate::control_plane::{ApiServer, Folders, wait_for};
use crate::deadline::until;
use crate::error::{Error, Result};
use crate::go;
use crate::kubeconfig::{self, Credentials};
use crate::manifests::Manifests;
use crate::modules::KUEUE;
use crate::ports;
use crate::probe;
use crate::process::{Process, Program};
use crate::tools::Tools;

/// Kueue runs under the name of its own ServiceAccount, so its own RBAC is real too.
const USER: &str = "system:serviceaccount:kueue-system:kueue-controller-manager";

/// Starts Kueue in a mount namespace of its own, where `/etc` has the certificates in it that it reads
/// from a fixed path once it does not manage them itself (cmd/kueue/main.go). The host's `/etc` stays
/// as it is. Where the folder cannot carry an overlay (it is one itself), a memory file system can.
///
/// Arguments: the folder (with `upper` and `work` in it), then the command.
const IN_OWN_ETC: &str = r#"set -e
folder=$1
shift
overlay() {
  mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/upper,workdir=$1/work" /etc
}
if ! overlay "$folder" 2>/dev/null; then
  mkdir -p "$folder/memory"
  mount -t tmpfs tmpfs "$folder/memory"
  cp -r "$folder/upper" "$folder/work" "$folder/memory/"
  overlay "$folder/memory"
fi
exec "$@"
"#;

/// Kueue's objects, in the order in which they are of use.
pub(crate) struct Objects {
    /// Namespace, definitions and roles: before it starts.
    before: Manifests,
    /// The webhooks: once it runs, for they are fail-closed and would block every Job.
    after: Manifests,
    port: u16,
}

impl Objects {
    /// Renders them, or takes them from the cache, with the webhooks on a free port.
    pub(crate) async fn load(tools: &Tools, authority: &Authority) -> Result<Self> {
        let source = go::source(KUEUE, "sigs.k8s.io/kueue").await?;
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

    /// Applies what has to be there before Kueue starts.
    pub(crate) async fn apply_first(&mut self, client: &Client) -> Result<()> {
        std::mem::take(&mut self.before).apply(client).await
    }

    /// Starts Kueue, applies its webhooks, and returns when a queue can be created through them.
    pub(crate) async fn start(
        self,
        tools: &Tools,
        folders: &Folders,
        authority: &Authority,
        server: &ApiServer,
    ) -> Result<Process> {
        let process = start_process(tools, folders, authority, server, self.port).await?;
        self.after.apply(&server.admin).await?;
        until(60, "a queue passing Kueue's webhooks", async || {
            try_queue(&server.admin).await.map_err(|error| error.to_string())
        })
        .await?;
        Ok(process)
    }
}

/// The manager itself; returns when its probe says that it is ready.
async fn start_process(
    tools: &Tools,
    folders: &Folders,
    authority: &Authority,
    server: &ApiServer,
    webhook_port: u16,
) -> Result<Process> {
    let certificate = authority.server("kueue")?;
    let webhook = folders.root.join("kueue/webhook");
    let overlay = folders.root.join("kueue/etc");
    copy_pair(&certificate, &webhook)?;
    copy_pair(&certificate, &overlay.join("upper/kueue/metrics/certs"))?;
    let work = overlay.join("work");
    std::fs::create_dir_all(&work).map_err(Error::file("create", &work))?;

    let [probe_port, metrics_port] = ports::free()?;
    let config = folders.root.join("kueue/config.json");
    let text = configuration(webhook_port, probe_port, metrics_port, &webhook).to_string();
    std::fs::write(&config, text).map_err(Error::file("write", &config))?;
    let credentials = Credentials::Certificate(authority.client("kueue-client", USER, None)?);
    let kubeconfig = folders.kubeconfig("kueue");
    kubeconfig::write(&kubeconfig, &server.endpoint, USER, &credentials, "kueue-system")?;

    // Who is not root needs a user namespace to be allowed to mount.
    let namespaces = if is_root() { "-m" } else { "-rm" };
    try_namespaces(namespaces).await?;
    let program = Program::new("kueue", "unshare", &folders.logs)
        .arguments([namespaces, "sh", "-c", IN_OWN_ETC, "kueue"])
        .argument(&overlay)
        .argument(&tools.kueue)
        .argument(format!("--config={}", config.display()))
        .argument(format!("--kubeconfig={}", kubeconfig.display()))
        .arguments(["--feature-gates=VisibilityOnDemand=false", "--zap-log-level=2"]);
    let process = Process::start(program).await?;
    wait_for(&process, probe::plain(probe_port, "/readyz")).await?;
    Ok(process)
}

/// Kueue's configuration: its defaults, on loopback and alone, with room for many tests at once.
fn configuration(webhook: u16, probe: u16, metrics: u16, certificates: &Path) -> Value {
    json!({
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": format!("127.0.0.1:{probe}")},
        "metrics": {"bindAddress": format!("127.0.0.1:{metrics}")},
        "webhook": {"port": webhook, "host": "127.0.0.1", "certDir": certificates},
        "internalCertManagement": {"enable": false},
        "leaderElection": {"leaderElect": false},
        // The values of its own manifests (config/components/manager).
        "clientConnection": {"qps": 300, "burst": 500},
        "controller": {"groupKindConcurrency": {
            "Job.batch": 5,
            "Pod": 5,
            "Workload.kueue.x-k8s.io": 10,
            "LocalQueue.kueue.x-k8s.io": 5,
            "ClusterQueue.kueue.x-k8s.io": 5,
            "ResourceFlavor.kueue.x-k8s.io": 1,
        }},
        "integrations": {"frameworks": ["batch/job", "jobset.x-k8s.io/jobset", "pod"]},
    })
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

/// Creates a queue as a dry run: it passes the same webhooks, and leaves nothing behind.
async fn try_queue(client: &Client) -> Result<()> {
    let kind = GroupVersionKind::gvk("kueue.x-k8s.io", "v1beta2", "ClusterQueue");
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let queue = DynamicObject::new("ready", &resource).data(json!({"spec": {}}));
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    api.create(&parameters, &queue).await.map(drop).map_err(Error::api("create a queue"))
}

/// The pair under the names that Kueue looks for.
fn copy_pair(pair: &Certificate, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
    for (from, name) in [(&pair.certificate, "tls.crt"), (&pair.key, "tls.key")] {
        let to = folder.join(name);
        std::fs::copy(from, &to).map_err(Error::file("write", &to))?;
    }
    Ok(())
}

/// Says clearly what is missing on a machine where Kueue could only die with a terse line in its log.
async fn try_namespaces(namespaces: &str) -> Result<()> {
    const HINT: &str = "Kueue needs a mount namespace of its own: run as root, or allow unprivileged \
                        user namespaces (sysctl kernel.unprivileged_userns_clone=1, on Ubuntu also \
                        kernel.apparmor_restrict_unprivileged_userns=0)";
    let output = Command::new("unshare")
        .args([namespaces, "true"])
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|source| Error::Run {
            program: "unshare".to_owned(),
            source,
            hint: "install util-linux",
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Failed {
        command: format!("unshare {namespaces}"),
        status: output.status.to_string(),
        hint: HINT.to_owned(),
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
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
