//! The JobSet controller, on loopback.

use std::path::Path;

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::{Value, json};

use crate::addon::{Addon, copy_pair};
use crate::certificates::Authority;
use crate::control_plane::{ApiServer, Folders, wait_for};
use crate::deadline::until;
use crate::error::{Error, Result};
use crate::kubeconfig::{self, Credentials};
use crate::ports;
use crate::probe;
use crate::process::{Process, Program};
use crate::tools::Tools;

/// It runs under the name of its own ServiceAccount, so its own RBAC is real too.
const USER: &str = "system:serviceaccount:jobset-system:jobset-controller-manager";

/// Starts it, applies its webhooks, and returns when a JobSet can be created through them.
pub(crate) async fn start(
    addon: Addon,
    tools: &Tools,
    folders: &Folders,
    authority: &Authority,
    server: &ApiServer,
) -> Result<Process> {
    let webhook = folders.root.join("jobset/webhook");
    copy_pair(&authority.server("jobset")?, &webhook)?;
    let [probe_port] = ports::free()?;
    let config = folders.root.join("jobset/config.json");
    let text = configuration(addon.port, probe_port, &webhook).to_string();
    std::fs::write(&config, text).map_err(Error::file("write", &config))?;
    let credentials = Credentials::Certificate(authority.client("jobset-client", USER, None)?);
    let kubeconfig = folders.kubeconfig("jobset");
    kubeconfig::write(&kubeconfig, &server.endpoint, USER, &credentials, "jobset-system")?;
    let program = Program::new("jobset", &tools.jobset, &folders.logs)
        .argument(format!("--config={}", config.display()))
        .argument(format!("--kubeconfig={}", kubeconfig.display()));
    let process = Process::start(program).await?;
    wait_for(&process, probe::plain(probe_port, "/readyz")).await?;
    addon.apply_last(&server.admin).await?;
    until(60, "a JobSet passing its webhooks", async || {
        try_job_set(&server.admin).await.map_err(|error| error.to_string())
    })
    .await?;
    Ok(process)
}

/// Its configuration: its defaults, on loopback and alone.
fn configuration(webhook: u16, probe: u16, certificates: &Path) -> Value {
    json!({
        "apiVersion": "config.jobset.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": format!("127.0.0.1:{probe}")},
        "metrics": {"bindAddress": "0"},
        "webhook": {"port": webhook, "host": "127.0.0.1", "certDir": certificates},
        "internalCertManagement": {"enable": false},
        "leaderElection": {"leaderElect": false},
        "clientConnection": {"qps": 300, "burst": 500},
    })
}

/// Creates a JobSet as a dry run: it passes the same webhooks, and leaves nothing behind.
async fn try_job_set(client: &Client) -> Result<()> {
    let kind = GroupVersionKind::gvk("jobset.x-k8s.io", "v1alpha2", "JobSet");
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &resource);
    let pod = json!({"restartPolicy": "Never", "containers": [{"name": "main", "image": "a"}]});
    let set = DynamicObject::new("ready", &resource).data(json!({"spec": {"replicatedJobs": [
        {"name": "a", "template": {"spec": {"template": {"spec": pod}}}}]}}));
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    api.create(&parameters, &set).await.map(drop).map_err(Error::api("create a JobSet"))
}
