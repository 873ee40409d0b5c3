//! The cluster as a whole: one a test run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use tokio::time::Instant;

use crate::addon::Addon;
use crate::audit::AuditLog;
use crate::certificates::Authority;
use crate::control_plane::{
    ApiServer, Folders, start_api_server, start_controller_manager, start_scheduler,
};
use crate::deadline::within;
use crate::error::{Error, Result};
use crate::foreign;
use crate::jobset;
use crate::kubeconfig::Endpoint;
use crate::kueue;
use crate::modules::{JOBSET, KUEUE};
use crate::process::Process;
use crate::tools::Tools;
use crate::work_folder::WorkFolder;

/// How a cluster is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Keep the folder with logs, certificates and the audit log when the cluster is stopped.
    pub keep: bool,
}

/// How long a phase of the start took.
#[derive(Debug, Clone)]
pub struct Phase {
    /// What was done.
    pub name: &'static str,
    /// How long it took. Some phases run side by side.
    pub took: Duration,
}

/// etcd, kube-apiserver, kube-controller-manager, kube-scheduler, JobSet and Kueue, on loopback and ready.
///
/// It belongs to the runtime in which it is started. Dropping it ends all of its processes; so does the
/// end of this process, however it comes.
pub struct Cluster {
    server: ApiServer,
    controller_manager: Process,
    scheduler: Process,
    job_set: Process,
    kueue: Process,
    tools: Tools,
    folders: Folders,
    phases: Vec<Phase>,
    // Last, so that it is removed when the processes that write to it are gone.
    work: WorkFolder,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Cluster")
            .field("endpoint", &self.server.endpoint)
            .field("processes", &self.processes().map(Process::pid))
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// Builds the programs that are missing (a quarter of an hour on 2 cores, once), starts the
    /// cluster, and returns when a queue can be created.
    ///
    /// # Errors
    /// When Go is missing or a build fails, or a process ends or does not become ready; the text says
    /// which, and shows the end of its log.
    pub async fn start(options: Options) -> Result<Self> {
        Box::pin(Self::start_all(options)).await
    }

    async fn start_all(options: Options) -> Result<Self> {
        let mut phases = Phases::default();
        let tools = phases.timed("tools", Tools::ensure()).await?;
        let work = WorkFolder::create()?;
        if options.keep {
            work.keep()?;
        }
        match Self::start_in(&work, tools, phases).await {
            Ok(parts) => Ok(parts(work)),
            Err(error) => {
                // Its logs are worth more than a tidy folder.
                work.keep()?;
                Err(error)
            }
        }
    }

    async fn start_in(
        work: &WorkFolder,
        tools: Tools,
        mut phases: Phases,
    ) -> Result<impl FnOnce(WorkFolder) -> Self + use<>> {
        let folders = Folders::create(work.path())?;
        let authority = Authority::new(&folders.certificates)?;
        let manifests = async {
            let job_set = Addon::load(JOBSET, "sigs.k8s.io/jobset", &tools, &authority).await?;
            let kueue = Addon::load(KUEUE, "sigs.k8s.io/kueue", &tools, &authority).await?;
            Ok((job_set, kueue, foreign::definitions(&tools).await?))
        };
        let (server, addons) = tokio::try_join!(
            timed("etcd and kube-apiserver", start_api_server(&tools, &folders, &authority)),
            timed("manifests of JobSet and Kueue", manifests),
        )?;
        let (server, (mut of_job_set, mut of_kueue, foreign)) =
            (phases.add(server), phases.add(addons));
        let with_kueue = async {
            let first = async {
                // Kueue asks at its start which kinds there are.
                of_job_set.apply_first(&server.admin).await?;
                foreign.apply(&server.admin).await?;
                of_kueue.apply_first(&server.admin).await
            };
            let applied = timed("definitions and roles of JobSet and Kueue", first).await?;
            let job_set = jobset::start(of_job_set, &tools, &folders, &authority, &server);
            let kueue = kueue::start(of_kueue, &tools, &folders, &authority, &server);
            let (job_set, kueue) =
                tokio::try_join!(timed("JobSet", job_set), timed("Kueue", kueue))?;
            Ok((applied, job_set, kueue))
        };
        let with_controllers = async {
            let manager = timed(
                "kube-controller-manager",
                start_controller_manager(&tools, &folders, &authority, &server),
            )
            .await?;
            let first_work =
                timed("first work of the controllers", first_work(&server.admin)).await?;
            Ok((manager, first_work))
        };
        let ((applied, job_set, kueue), (manager, first_work), scheduler) = tokio::try_join!(
            with_kueue,
            with_controllers,
            timed("kube-scheduler", start_scheduler(&tools, &folders, &authority, &server)),
        )?;
        phases.add(applied);
        let (job_set, kueue) = (phases.add(job_set), phases.add(kueue));
        let controller_manager = phases.add(manager);
        phases.add(first_work);
        let scheduler = phases.add(scheduler);
        let phases = phases.end();
        Ok(move |work| Self {
            server,
            controller_manager,
            scheduler,
            job_set,
            kueue,
            tools,
            folders,
            phases,
            work,
        })
    }

    /// A client that may do everything, and never retries.
    pub fn client(&self) -> Client {
        self.server.admin.clone()
    }

    /// The kubeconfig of who may do everything: for kubectl.
    pub fn kubeconfig(&self) -> &Path {
        &self.server.admin_kubeconfig
    }

    /// Where the API server is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.server.endpoint
    }

    /// What was asked of the API server.
    pub fn audit_log(&self) -> AuditLog {
        AuditLog::new(self.server.audit_log.clone())
    }

    /// The programs, and where finished things are kept.
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// The folder of the cluster, in which tests may put files of their own.
    pub fn folder(&self) -> &Path {
        self.work.path()
    }

    /// The folder with one log a process.
    pub fn logs(&self) -> PathBuf {
        self.folders.logs.clone()
    }

    /// Keeps the folder when the cluster ends, for instance because a test has failed.
    ///
    /// # Errors
    /// When the folder cannot be marked.
    pub fn keep(&self) -> Result<()> {
        self.work.keep()
    }

    /// How long each phase of the start took; the last one is the whole.
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// Kueue's process: a test may freeze or watch it.
    pub fn kueue(&self) -> &Process {
        &self.kueue
    }

    /// All processes of the cluster.
    pub fn processes(&self) -> [&Process; 6] {
        [
            &self.server.etcd,
            &self.server.process,
            &self.controller_manager,
            &self.scheduler,
            &self.job_set,
            &self.kueue,
        ]
    }

    /// Nothing while all processes run.
    ///
    /// # Errors
    /// The end of the log of one that does not.
    pub fn check(&self) -> Result<()> {
        self.processes().into_iter().try_for_each(Process::check)
    }

    /// Waits until a process of the cluster ends by itself: for `select!` beside the tests.
    pub async fn failure(&self) -> Error {
        let [etcd, server, manager, scheduler, job_set, kueue] = self.processes();
        tokio::select! {
            error = etcd.failure() => error,
            error = server.failure() => error,
            error = manager.failure() => error,
            error = scheduler.failure() => error,
            error = job_set.failure() => error,
            error = kueue.failure() => error,
        }
    }

    /// Ends all processes with SIGKILL (the API server's clean end holds its port for long), waits
    /// until they are gone, and removes the folder unless it is to be kept.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub async fn stop(self) -> Result<()> {
        for process in self.processes() {
            process.kill().await;
        }
        self.work.remove()
    }
}

/// What tests rely on and the controllers do a moment after their start: a `default` ServiceAccount in
/// each namespace, and the aggregated roles.
async fn first_work(client: &Client) -> Result<()> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    let there =
        await_condition(accounts, "default", |account: Option<&ServiceAccount>| account.is_some());
    within(60, "the default ServiceAccount", there)
        .await?
        .map_err(|error| Error::malformed("the watch of ServiceAccounts", error))?;
    for role in ["edit", "kueue-batch-user-role"] {
        let roles: Api<ClusterRole> = Api::all(client.clone());
        let filled = await_condition(roles, role, |role: Option<&ClusterRole>| {
            role.and_then(|role| role.rules.as_ref()).is_some_and(|rules| !rules.is_empty())
        });
        within(60, &format!("the rules of the ClusterRole {role}"), filled)
            .await?
            .map_err(|error| Error::malformed("the watch of ClusterRoles", error))?;
    }
    Ok(())
}

/// The phases so far.
struct Phases {
    started: Instant,
    list: Vec<Phase>,
}

impl Default for Phases {
    fn default() -> Self {
        Self { started: Instant::now(), list: Vec::new() }
    }
}

impl Phases {
    async fn timed<T>(
        &mut self,
        name: &'static str,
        future: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let part = timed(name, future).await?;
        Ok(self.add(part))
    }

    fn add<T>(&mut self, (phase, value): (Phase, T)) -> T {
        self.list.push(phase);
        value
    }

    fn end(mut self) -> Vec<Phase> {
        self.list.push(Phase { name: "all", took: self.started.elapsed() });
        self.list
    }
}

fn timed<'a, T>(
    name: &'static str,
    future: impl Future<Output = Result<T>> + 'a,
) -> impl Future<Output = Result<(Phase, T)>> + 'a
where
    T: 'a,
{
    // Boxed: the futures of watches are some 20 KB each.
    let future = Box::pin(future);
    clocked(name, future)
}

async fn clocked<T>(
    name: &'static str,
    future: impl Future<Output = Result<T>>,
) -> Result<(Phase, T)> {
    let started = Instant::now();
    let value = future.await?;
    Ok((Phase { name, took: started.elapsed() }, value))
}
