//! Which cluster and which namespace a command is about.

use std::path::PathBuf;

use crate::args::name;
use crate::client::{self, Connection, Speaker};
use crate::inspect::Error;

/// Flags that all commands with a cluster share; they mean what they mean to kubectl.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Place {
    /// Namespace [default: that of the kubeconfig's context]
    #[arg(short, long, value_name = "NAMESPACE", value_parser = name)]
    pub namespace: Option<String>,

    /// Context of the kubeconfig [default: its current context]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,

    /// Kubeconfig file [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "PATH")]
    pub kubeconfig: Option<PathBuf>,
}

impl Place {
    /// A client with the person's own rights, and the namespace that is meant.
    ///
    /// # Errors
    ///
    /// Where nothing says which cluster is meant.
    pub async fn connect(&self) -> Result<(Connection, String), Error> {
        let connection =
            client::connect(self.kubeconfig.as_deref(), self.context.as_deref(), Speaker::Command)
                .await?;
        let namespace = self.namespace.clone();
        let namespace =
            namespace.unwrap_or_else(|| connection.client.default_namespace().to_owned());
        Ok((connection, namespace))
    }
}

/// Runs what a command waits for.
///
/// # Errors
///
/// Those of the command, and where there are no threads.
pub fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::System)?.block_on(work)
}
