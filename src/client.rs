//! The client of the API server: where it is, who we are, and the first contact.

mod count;
mod timeout;

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use backon::{ExponentialBuilder, Retryable};
use dislodge_engine::message::mask;
use http::header::USER_AGENT;
use http::{HeaderValue, Request, Response};
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use tower::{BoxError, Service};

pub use self::count::{Count, CountLayer};
pub use self::timeout::{Overdue, Timeout, TimeoutLayer};
use crate::clock::Clock;
use crate::health::Health;
use crate::metrics::Metrics;

/// How long one request may take. A watch may last longer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be silent: longer than a watch (kube-runtime: 290 s, and the API
/// server sends bookmarks each minute), so that only a dead connection is ended.
const SILENCE: Duration = Duration::from_secs(330);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A kubeconfig file is not there.
    #[error(
        "the kubeconfig {path} (from {from}) does not exist: name a file that does, or leave it \
         out to use the Pod's service account"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The flag or variable that named it.
        from: &'static str,
    },
    /// A kubeconfig file cannot be read or understood.
    #[error("the kubeconfig {path} (from {from}) cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The flag or variable that named it.
        from: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such context.
    #[error(
        "the context {context:?} is not in the kubeconfig (from {from}): choose one of {known} \
         with --context"
    )]
    UnknownContext {
        /// The context.
        context: String,
        /// The flag or variable that named the kubeconfig.
        from: &'static str,
        /// The contexts that there are.
        known: String,
    },
    /// The kubeconfig has no current context.
    #[error(
        "the kubeconfig (from {from}) has no current context: choose one of {known} with --context"
    )]
    NoContext {
        /// The flag or variable that named the kubeconfig.
        from: &'static str,
        /// The contexts that there are.
        known: String,
    },
    /// A context was asked for where there is no kubeconfig.
    #[error("--context {context:?} needs a kubeconfig: name one with --kubeconfig or KUBECONFIG")]
    ContextAlone {
        /// The context.
        context: String,
    },
    /// Nothing says where the API server is.
    #[error(
        "no API server is configured: this is no Pod with a service account, KUBECONFIG is not \
         set and ~/.kube/config does not exist; name a kubeconfig with --kubeconfig"
    )]
    Nothing,
    /// The Pod's service account cannot be used.
    #[error(
        "the service account of this Pod cannot be used: {reason}; is its token mounted \
         (automountServiceAccountToken)?"
    )]
    ServiceAccount {
        /// What is wrong with it.
        reason: String,
    },
    /// What the configuration says cannot be made a client.
    #[error("no client can be made of the configuration (from {from}): {reason}")]
    Unusable {
        /// The flag, variable or place that the configuration comes from.
        from: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Files(Vec<PathBuf>, &'static str),
    ServiceAccount,
}

/// A client, and the address that it talks to.
#[derive(Clone)]
pub struct Connection {
    /// The client.
    pub client: Client,
    /// The API server's address, for log lines.
    pub address: String,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Who speaks: the API server's audit log tells the two apart.
#[derive(Clone, Copy, Debug)]
pub enum Speaker<'a> {
    /// The controller, with the rights of its service account. Its requests are counted there.
    Controller(&'a Metrics, Clock),
    /// A command, with the rights of the person who typed it.
    Command,
}

impl Speaker<'_> {
    const fn user_agent(self) -> &'static str {
        match self {
            Self::Controller(..) => concat!("dislodge/", env!("CARGO_PKG_VERSION")),
            Self::Command => concat!("kubectl-dislodge/", env!("CARGO_PKG_VERSION")),
        }
    }
}

/// A client for the API server that the flags, else the environment name. Nothing is sent yet.
///
/// # Errors
///
/// Where nothing is configured or what is configured cannot be used, with what to do about it.
pub async fn connect(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
    speaker: Speaker<'_>,
) -> Result<Connection, ClientError> {
    let (metrics, clock) = match speaker {
        Speaker::Controller(metrics, clock) => (metrics.clone(), clock),
        Speaker::Command => {
            let clock = Clock::start();
            (Metrics::new(Health::new(clock)), clock) // nobody reads them
        }
    };
    let (mut config, from) = match source(kubeconfig, context)? {
        Source::Files(paths, from) => (from_files(&paths, from, context).await?, from),
        Source::ServiceAccount => {
            let config = Config::incluster()
                .map_err(|error| ClientError::ServiceAccount { reason: reason(&error) })?;
            (config, "the service account")
        }
    };
    // The default retry repeats refusals 15 times and so hides them; we decide what is repeated.
    config.default_retry = false;
    config.read_timeout = Some(SILENCE);
    config.headers.push((USER_AGENT, HeaderValue::from_static(speaker.user_agent())));
    let address = mask(&config.cluster_url.to_string()).into_owned();
    let builder = ClientBuilder::try_from(config)
        .map_err(|error| ClientError::Unusable { from, reason: reason(&error) })?;
    Ok(Connection { client: layered(builder, metrics, clock).build(), address })
}

/// A connection of the controller through a service in the same process: an API server in memory.
pub fn through<S, B>(service: S, metrics: Metrics, clock: Clock) -> Connection
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let builder = layered(ClientBuilder::new(service, "default"), metrics, clock);
    Connection { client: builder.build(), address: "this process".to_owned() }
}

/// What every request of ours goes through.
fn layered<S>(
    builder: ClientBuilder<S>,
    metrics: Metrics,
    clock: Clock,
) -> ClientBuilder<Count<Timeout<S>>> {
    builder
        .with_layer(&TimeoutLayer::new(REQUEST_TIMEOUT))
        // Outside of it: a request without an answer counts, too.
        .with_layer(&CountLayer::new(metrics, clock))
}

/// As kubectl looks for it, but a Pod's service account comes before a file in the home directory.
fn source(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Source, ClientError> {
    if let Some(path) = kubeconfig {
        return Ok(Source::Files(vec![path.to_owned()], "--kubeconfig"));
    }
    let listed = std::env::var_os("KUBECONFIG").unwrap_or_default();
    let listed: Vec<PathBuf> =
        std::env::split_paths(&listed).filter(|path| !path.as_os_str().is_empty()).collect();
    if !listed.is_empty() {
        return Ok(Source::Files(listed, "KUBECONFIG"));
    }
    if context.is_none() && std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Ok(Source::ServiceAccount);
    }
    let home = std::env::home_dir().map(|home| home.join(".kube/config"));
    match (home.filter(|path| path.exists()), context) {
        (Some(path), _) => Ok(Source::Files(vec![path], "~/.kube/config")),
        (None, Some(context)) => Err(ClientError::ContextAlone { context: context.to_owned() }),
        (None, None) => Err(ClientError::Nothing),
    }
}

async fn from_files(
    paths: &[PathBuf],
    from: &'static str,
    context: Option<&str>,
) -> Result<Config, ClientError> {
    let mut merged = Kubeconfig::default();
    for path in paths {
        let unreadable = |error: &KubeconfigError| ClientError::Unreadable {
            path: path.clone(),
            from,
            reason: reason(error),
        };
        if !path.exists() {
            return Err(ClientError::Missing { path: path.clone(), from });
        }
        let read = Kubeconfig::read_from(path).map_err(|error| unreadable(&error))?;
        merged = merged.merge(read).map_err(|error| unreadable(&error))?;
    }
    let known = merged.contexts.iter().map(|known| known.name.as_str()).collect::<Vec<_>>();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..Default::default() };
    match Config::from_custom_kubeconfig(merged, &options).await {
        Ok(config) => Ok(config),
        Err(KubeconfigError::LoadContext(context)) => {
            Err(ClientError::UnknownContext { context, from, known })
        }
        Err(KubeconfigError::CurrentContextNotSet) => Err(ClientError::NoContext { from, known }),
        Err(error) => Err(ClientError::Unusable { from, reason: reason(&error) }),
    }
}

/// Waits until the API server answers. Says of each try that fails what failed and when the next
/// one comes; never gives up.
pub async fn reach(connection: &Connection) {
    let patience = ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(30))
        .without_max_times();
    let ask = || async { connection.client.apiserver_version().await };
    let answer = ask.retry(patience).notify(|error, pause| {
        let next = pause.as_secs();
        let (address, error) = (&connection.address, describe(error));
        tracing::error!(address, error, "no answer from the API server, next try in {next} s");
    });
    if let Ok(version) = answer.await {
        let version = version.git_version;
        tracing::info!(address = connection.address, version, "the API server answers");
    }
}

/// What went wrong with a request, in a form that people can act on.
pub fn describe(error: &kube::Error) -> String {
    // Its own words are only that there is an error.
    if let kube::Error::Service(error) = error {
        return reason(&**error);
    }
    let kube::Error::Api(status) = error else { return reason(error) };
    match status.code {
        401 => format!(
            "the API server does not accept our credentials (401 {}): renew the token or the \
             client certificate",
            status.message
        ),
        403 => format!("the right is missing (403): {}", status.message),
        code => format!("{} ({code} {})", status.message, status.reason),
    }
}

/// An error and what is behind it, each said once.
pub fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        let more = error.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        behind = error.source();
    }
    said
}

#[cfg(test)]
mod tests;
