//! Kueue, on loopback.

use std::path::Path;
use std::process::Stdio;

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::addon::{Addon, copy_pair};
use crate::certificates::Authority;
use crate::control_plane::{ApiServer, Folders, wait_for};
use crate::deadline::until;
use crate::error::{Error, Result};
use crate::foreign;
use crate::kubeconfig::{self, Credentials};
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

/// Starts Kueue, applies its webhooks, and returns when a queue can be created through them.
pub(crate) async fn start(
    addon: Addon,
    tools: &Tools,
    folders: &Folders,
    authority: &Authority,
    server: &ApiServer,
) -> Result<Process> {
    let process = start_process(tools, folders, authority, server, addon.port).await?;
    addon.apply_last(&server.admin).await?;
    until(60, "a queue passing Kueue's webhooks", async || {
        try_queue(&server.admin).await.map_err(|error| error.to_string())
    })
    .await?;
    Ok(process)
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
    let own = ["batch/job", "jobset.x-k8s.io/jobset", "pod"];
    let frameworks: Vec<&str> = own.into_iter().chain(foreign::FRAMEWORKS).collect();
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
        "integrations": {"frameworks": frameworks},
    })
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
