//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler on loopback.

use std::path::{Path, PathBuf};

use kube::Client;

use crate::audit::POLICY;
use crate::certificates::{Authority, Certificate, token_keys};
use crate::deadline::until;
use crate::error::{Error, Result};
use crate::kubeconfig::{self, Credentials, Endpoint};
use crate::ports;
use crate::probe;
use crate::process::{Process, Program};
use crate::tools::Tools;

/// A part of the cluster that is not ready by then will not be any more.
const READY_SECONDS: u64 = 120;

/// The controllers that run. Left out: what needs a cloud, volumes or a network, and
/// `node-lifecycle` and `taint-eviction`, which want a heartbeat of hand-made nodes every 40 s.
const CONTROLLERS: &str = "job-controller,cronjob-controller,namespace-controller,\
serviceaccount-controller,serviceaccount-token-controller,\
root-ca-certificate-publisher-controller,garbage-collector-controller,\
pod-garbage-collector-controller,resourcequota-controller,disruption-controller,\
replicaset-controller,deployment-controller,statefulset-controller,ttl-after-finished-controller,\
clusterrole-aggregation-controller,validatingadmissionpolicy-status-controller";

/// The folders of a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    /// Everything.
    pub(crate) root: PathBuf,
    /// Certificates and keys.
    pub(crate) certificates: PathBuf,
    /// One log a process, and the audit log.
    pub(crate) logs: PathBuf,
}

impl Folders {
    /// Makes the folders below `root`.
    pub(crate) fn create(root: &Path) -> Result<Self> {
        let folders = Self {
            root: root.to_path_buf(),
            certificates: root.join("certificates"),
            logs: root.join("logs"),
        };
        for folder in [&folders.certificates, &folders.logs] {
            std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
        }
        Ok(folders)
    }

    /// The kubeconfig of a user.
    pub(crate) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.root.join(format!("{user}.kubeconfig"))
    }
}

/// etcd and the API server, answering.
pub(crate) struct ApiServer {
    pub(crate) etcd: Process,
    pub(crate) process: Process,
    pub(crate) endpoint: Endpoint,
    pub(crate) admin: Client,
    pub(crate) admin_kubeconfig: PathBuf,
    pub(crate) audit_log: PathBuf,
    serving: Certificate,
    token_key: PathBuf,
}

/// Starts etcd and the API server, and returns when it is ready. If a port was taken by somebody
/// else in between, once more with others.
pub(crate) async fn start_api_server(
    tools: &Tools,
    folders: &Folders,
    authority: &Authority,
) -> Result<ApiServer> {
    match try_api_server(tools, folders, authority, "etcd").await {
        Err(error) if ports::taken(&error) => {
            // A new data folder: the first etcd may have written its addresses into the old one.
            try_api_server(tools, folders, authority, "etcd-again").await
        }
        outcome => outcome,
    }
}

async fn try_api_server(
    tools: &Tools,
    folders: &Folders,
    authority: &Authority,
    data: &str,
) -> Result<ApiServer> {
    let [client_port, peer_port, secure_port] = ports::free()?;
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let etcd = Program::new("etcd", &tools.etcd, &folders.logs)
        .argument("--name=n0")
        .argument(format!("--data-dir={}", folders.root.join(data).display()))
        .argument(format!("--listen-client-urls={}", url(client_port)))
        .argument(format!("--advertise-client-urls={}", url(client_port)))
        .argument(format!("--listen-peer-urls={}", url(peer_port)))
        .argument(format!("--initial-advertise-peer-urls={}", url(peer_port)))
        .argument(format!("--initial-cluster=n0={}", url(peer_port)))
        // Nothing of it is to survive the machine.
        .argument("--unsafe-no-fsync");
    let etcd = Process::start(etcd).await?;
    wait_for(&etcd, probe::plain(client_port, "/readyz")).await?;

    let serving = authority.server("apiserver")?;
    let proxy = authority.client("front-proxy", "front-proxy", None)?;
    let (token_key, token_public_key) = token_keys(&folders.certificates)?;
    let audit_log = folders.logs.join("audit.log");
    let audit_policy = folders.root.join("audit-policy.yaml");
    std::fs::write(&audit_policy, POLICY).map_err(Error::file("write", &audit_policy))?;
    let file = |name: &str, path: &Path| format!("--{name}={}", path.display());
    let program = Program::new("kube-apiserver", &tools.apiserver, &folders.logs)
        .argument(format!("--etcd-servers={}", url(client_port)))
        .arguments(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
        .argument(format!("--secure-port={secure_port}"))
        .argument("--endpoint-reconciler-type=none")
        .argument(file("tls-cert-file", &serving.certificate))
        .argument(file("tls-private-key-file", &serving.key))
        .argument(file("client-ca-file", &authority.file()))
        .argument("--service-account-issuer=https://kubernetes.default.svc")
        .argument(file("service-account-key-file", &token_public_key))
        .argument(file("service-account-signing-key-file", &token_key))
        .arguments(["--authorization-mode=Node,RBAC", "--allow-privileged=true"])
        .argument("--service-cluster-ip-range=10.96.0.0/16")
        .argument(file("requestheader-client-ca-file", &authority.file()))
        .argument("--requestheader-allowed-names=front-proxy")
        .argument("--requestheader-username-headers=X-Remote-User")
        .argument("--requestheader-group-headers=X-Remote-Group")
        .argument("--requestheader-extra-headers-prefix=X-Remote-Extra-")
        .argument(file("proxy-client-cert-file", &proxy.certificate))
        .argument(file("proxy-client-key-file", &proxy.key))
        .argument(file("audit-policy-file", &audit_policy))
        .argument(file("audit-log-path", &audit_log))
        // MiB; by default the log is moved away at 100, and who reads it misses the beginning.
        .argument("--audit-log-maxsize=4096");
    let process = Process::start(program).await?;

    let endpoint = Endpoint {
        server: format!("https://127.0.0.1:{secure_port}"),
        authority: authority.file(),
    };
    let admin_kubeconfig = folders.kubeconfig("admin");
    let credentials =
        Credentials::Certificate(authority.client("admin", "admin", Some("system:masters"))?);
    kubeconfig::write(&admin_kubeconfig, &endpoint, "admin", &credentials, "default")?;
    let admin = kubeconfig::client(&admin_kubeconfig).await?;
    wait_for(&process, probe::with_client(&admin, "/readyz")).await?;
    Ok(ApiServer {
        etcd,
        process,
        endpoint,
        admin,
        admin_kubeconfig,
        audit_log,
        serving,
        token_key,
    })
}

/// Starts the Job controller and its siblings, and returns when they serve.
pub(crate) async fn start_controller_manager(
    tools: &Tools,
    folders: &Folders,
    authority: &Authority,
    server: &ApiServer,
) -> Result<Process> {
    let program = Program::new("kube-controller-manager", &tools.controller_manager, &folders.logs)
        .argument("--use-service-account-credentials=true")
        // Twenty requests a second, its default, are few for all tests together.
        .arguments(["--kube-api-qps=300", "--kube-api-burst=500"])
        .argument(format!("--service-account-private-key-file={}", server.token_key.display()))
        .argument(format!("--root-ca-file={}", authority.file().display()))
        .argument(format!("--controllers={CONTROLLERS}"));
    let user = "system:kube-controller-manager";
    start_component(program, user, folders, authority, server).await
}

/// Starts the scheduler, and returns when it serves.
pub(crate) async fn start_scheduler(
    tools: &Tools,
    folders: &Folders,
    authority: &Authority,
    server: &ApiServer,
) -> Result<Process> {
    let program = Program::new("kube-scheduler", &tools.scheduler, &folders.logs);
    start_component(program, "system:kube-scheduler", folders, authority, server).await
}

/// What the two have in common.
async fn start_component(
    program: Program,
    user: &str,
    folders: &Folders,
    authority: &Authority,
    server: &ApiServer,
) -> Result<Process> {
    let credentials = Credentials::Certificate(authority.client(&program.name, user, None)?);
    let kubeconfig = folders.kubeconfig(&program.name);
    kubeconfig::write(&kubeconfig, &server.endpoint, user, &credentials, "default")?;
    let file = |name: &str, path: &Path| format!("--{name}={}", path.display());
    let program = program
        .argument(file("kubeconfig", &kubeconfig))
        .argument(file("authentication-kubeconfig", &kubeconfig))
        .argument(file("authorization-kubeconfig", &kubeconfig))
        .argument(file("tls-cert-file", &server.serving.certificate))
        .argument(file("tls-private-key-file", &server.serving.key))
        .arguments(["--bind-address=127.0.0.1", "--leader-elect=false"]);
    let start = async || {
        let [port] = ports::free()?;
        let process =
            Process::start(program.clone().argument(format!("--secure-port={port}"))).await?;
        // Probes need no credentials here, but the certificate is our authority's.
        let endpoint =
            Endpoint { server: format!("https://127.0.0.1:{port}"), authority: authority.file() };
        let file = folders.kubeconfig(&format!("{}-probe", program.name));
        kubeconfig::write(&file, &endpoint, user, &credentials, "default")?;
        let client = kubeconfig::client(&file).await?;
        wait_for(&process, probe::with_client(&client, "/healthz")).await?;
        Ok(process)
    };
    match start().await {
        Err(error) if ports::taken(&error) => start().await,
        outcome => outcome,
    }
}

/// Asks a probe until it says yes, and stops early where the process ends.
pub(crate) async fn wait_for<F>(process: &Process, ask: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<(), String>>,
{
    let what = format!("{} becoming ready (log: {})", process.name(), process.log().display());
    tokio::select! {
        outcome = until(READY_SECONDS, &what, ask) => outcome,
        error = process.failure() => Err(error),
    }
}
