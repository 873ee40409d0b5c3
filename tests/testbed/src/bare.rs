//! An API server alone: a cluster in which nothing is installed yet.

use std::path::{Path, PathBuf};

use kube::Client;

use crate::addon::Addon;
use crate::certificates::Authority;
use crate::control_plane::{ApiServer, Folders, start_api_server};
use crate::error::Result;
use crate::modules::KUEUE;
use crate::tools::Tools;
use crate::work_folder::WorkFolder;

/// etcd and kube-apiserver, without controllers, without Kueue and without its definitions.
pub struct BareServer {
    server: ApiServer,
    kueue: Addon,
    folders: Folders,
    // Last, so that it is removed when the processes that write to it are gone.
    work: WorkFolder,
}

impl std::fmt::Debug for BareServer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BareServer").finish_non_exhaustive()
    }
}

impl BareServer {
    /// Starts it, and returns when it answers.
    ///
    /// # Errors
    /// As [`crate::Cluster::start`].
    pub async fn start() -> Result<Self> {
        let tools = Tools::ensure().await?;
        let work = WorkFolder::create()?;
        let folders = Folders::create(work.path())?;
        let authority = Authority::new(&folders.certificates)?;
        let server = start_api_server(&tools, &folders, &authority).await?;
        let kueue = Addon::load(KUEUE, "sigs.k8s.io/kueue", &tools, &authority).await?;
        Ok(Self { server, kueue, folders, work })
    }

    /// A client that may do everything.
    pub fn client(&self) -> Client {
        self.server.admin.clone()
    }

    /// The kubeconfig of who may do everything.
    pub fn kubeconfig(&self) -> &Path {
        &self.server.admin_kubeconfig
    }

    /// The folder with one log a process.
    pub fn logs(&self) -> PathBuf {
        self.folders.logs.clone()
    }

    /// Applies Kueue's definitions and roles; Kueue itself does not run.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub async fn define_kueue(&mut self) -> Result<()> {
        self.kueue.apply_first(&self.server.admin).await
    }

    /// Ends the processes and removes the folder.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub async fn stop(self) -> Result<()> {
        self.server.process.kill().await;
        self.server.etcd.kill().await;
        self.work.remove()
    }
}
