//! Dislodge itself in the test cluster: installed as `deploy/` says, run with exactly the rights that
//! it grants.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::account::Account;
use crate::cluster::Cluster;
use crate::error::Result;
use crate::manifests::Manifests;
use crate::process::Program;
use crate::restart::Restartable;
use crate::tenant::Tenant;
use crate::{ports, probe};

/// The namespace of `deploy/base`.
pub const HOME: &str = "dislodge-system";
/// The ServiceAccount of `deploy/base`.
pub const ACCOUNT: &str = "dislodge";

/// Dislodge, installed.
#[derive(Debug)]
pub struct Product {
    executable: PathBuf,
    /// Role and RoleBinding of the Lease, to be repeated in the namespace of each test.
    lease_rights: Vec<Value>,
}

impl Product {
    /// Applies `deploy/base` of the project at `root`, all but the Deployment: the controller runs as
    /// a process, from `executable`.
    ///
    /// # Errors
    /// When kustomize cannot build it, or the API server refuses it.
    pub async fn install(
        cluster: &Cluster,
        root: &Path,
        executable: impl Into<PathBuf>,
    ) -> Result<Self> {
        let all = Manifests::load(&root.join("deploy/base"), cluster.tools()).await?;
        let mut base = all.without_kinds(&["Deployment"]);
        let lease_rights = base
            .objects_mut()
            .iter()
            .filter(|object| object["kind"] == "Role" || object["kind"] == "RoleBinding")
            .cloned()
            .collect();
        allow_second_lease(&mut base);
        base.apply(&cluster.client()).await?;
        Ok(Self { executable: executable.into(), lease_rights })
    }

    /// The same installation, with controllers out of another executable.
    pub fn with_executable(&self, executable: impl Into<PathBuf>) -> Self {
        Self { executable: executable.into(), lease_rights: self.lease_rights.clone() }
    }

    /// Starts a controller that watches one namespace and has its Lease there, and returns when it
    /// is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready within a minute.
    pub async fn controller(
        &self,
        cluster: &Cluster,
        tenant: &Tenant,
        plan: ControllerPlan,
    ) -> Result<Controller> {
        let controller = self.unready_controller(cluster, tenant, plan).await?;
        controller.ready(60).await?;
        Ok(controller)
    }

    /// Starts a controller that watches the whole cluster and has its Lease where `deploy/base` puts
    /// it, and returns when it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready within a minute.
    pub async fn cluster_controller(
        &self,
        cluster: &Cluster,
        plan: ControllerPlan,
    ) -> Result<Controller> {
        let controller = self.start(cluster, "cluster", &["controller"], plan).await?;
        controller.ready(60).await?;
        Ok(controller)
    }

    /// The same as [`Product::controller`], without waiting until it is ready.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn unready_controller(
        &self,
        cluster: &Cluster,
        tenant: &Tenant,
        plan: ControllerPlan,
    ) -> Result<Controller> {
        let mut rights = self.lease_rights.clone();
        for object in &mut rights {
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.insert("namespace".to_owned(), json!(tenant.namespace()));
            }
            let subjects = object.get_mut("subjects").and_then(Value::as_array_mut);
            for subject in subjects.into_iter().flatten() {
                subject["name"] = json!(plan.account);
            }
            for rule in object.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten()
            {
                if let Some(names) = rule.get_mut("resourceNames").and_then(Value::as_array_mut) {
                    names.push(json!(SECOND_LEASE));
                }
            }
        }
        tenant.apply(Manifests::from_objects(rights)).await?;
        let namespace = tenant.namespace();
        let scope = ["controller", "--namespace", namespace, "--lease-namespace", namespace];
        self.start(cluster, namespace, &scope, plan).await
    }

    async fn start(
        &self,
        cluster: &Cluster,
        name: &str,
        scope: &[&str],
        plan: ControllerPlan,
    ) -> Result<Controller> {
        let account = Account::create(cluster, HOME, plan.account).await?;
        let [port] = ports::free()?;
        let mut program = Program::new(
            format!("dislodge-{name}-{}", plan.identity),
            &self.executable,
            &cluster.logs(),
        )
        .arguments(scope.iter().copied())
        .arguments(["--identity", plan.identity, "--log-format", "json"])
        .arguments(["--lease-name", plan.lease])
        .arguments(["--probe-address".to_owned(), format!("127.0.0.1:{port}")])
        .arguments(["--metrics-address".to_owned(), format!("127.0.0.1:{port}")])
        .variable("KUBECONFIG", account.kubeconfig());
        if plan.millis_per_second != 1000 {
            program = program.arguments([
                "--test-millis-per-second".to_owned(),
                plan.millis_per_second.to_string(),
            ]);
        }
        let process = Restartable::start(program).await?;
        Ok(Controller { process, account, port })
    }
}

/// How a controller is run.
#[derive(Clone, Copy, Debug)]
pub struct ControllerPlan {
    /// The length of the kubelet's second in milliseconds; 1000 on a real cluster.
    pub millis_per_second: u32,
    /// The replica's name in the Lease.
    pub identity: &'static str,
    /// The Lease's name.
    pub lease: &'static str,
    /// The ServiceAccount, in [`HOME`]; one that is not [`ACCOUNT`] has what rights the test gives it.
    pub account: &'static str,
}

/// The Lease of all replicas.
pub const LEASE: &str = "dislodge";
/// Another one: who holds it believes to lead, beside the holder of the first, as after a Lease that
/// has expired unnoticed.
pub const SECOND_LEASE: &str = "second";

impl ControllerPlan {
    /// One replica, beside a node with this length of a second.
    pub const fn scaled(millis_per_second: u32) -> Self {
        Self { millis_per_second, identity: "a", lease: LEASE, account: ACCOUNT }
    }
}

/// Lets the guard's list of Leases have both.
fn allow_second_lease(base: &mut Manifests) {
    let guards = base
        .objects_mut()
        .iter_mut()
        .filter(|object| object["kind"] == "ValidatingAdmissionPolicy");
    for guard in guards {
        let variables = guard.pointer_mut("/spec/variables").and_then(Value::as_array_mut);
        for variable in variables.into_iter().flatten().filter(|v| v["name"] == "leases") {
            variable["expression"] = json!(format!("['{LEASE}', '{SECOND_LEASE}']"));
        }
    }
}

/// A running controller.
#[derive(Debug)]
pub struct Controller {
    process: Restartable,
    account: Account,
    port: u16,
}

impl Controller {
    /// Waits until `/readyz` says yes.
    ///
    /// # Errors
    /// When the controller ends, or takes longer than `seconds`.
    pub async fn ready(&self, seconds: u64) -> Result<()> {
        probe::ready(self.process.process(), self.port, seconds).await
    }

    /// What `/readyz` says right now: whether it is ready, and the text.
    pub async fn readiness(&self) -> std::result::Result<(), String> {
        probe::plain(self.port, "/readyz")().await
    }

    /// Its account: whose requests the audit log shows.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Its process.
    pub fn process(&self) -> &Restartable {
        &self.process
    }

    /// `kill -9`.
    pub async fn kill(&self) {
        self.process.kill().await;
    }

    /// Starts it anew with the same arguments, killing what is left of the old life.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn restart(self) -> Result<Self> {
        Ok(Self { process: self.process.restart().await?, ..self })
    }

    /// SIGTERM; returns how it ended.
    ///
    /// # Errors
    /// When it had already ended.
    pub async fn stop(&self, patience: Duration) -> Result<String> {
        self.process.terminate(patience).await
    }
}
