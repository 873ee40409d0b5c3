//! Kubeconfig files, and clients out of them.

use std::path::{Path, PathBuf};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::certificates::Certificate;
use crate::error::{Error, Result};

/// How a user proves who he is.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A client certificate.
    Certificate(Certificate),
    /// A bearer token.
    Token(String),
}

/// Where the API server is, and how it proves that it is the one.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `https://127.0.0.1:<port>`.
    pub server: String,
    /// The authority's certificate.
    pub authority: PathBuf,
}

/// Writes a kubeconfig for one user. JSON, which is YAML, and the same for kubectl, client-go and kube.
///
/// # Errors
/// When the file cannot be written.
pub fn write(
    file: &Path,
    endpoint: &Endpoint,
    user: &str,
    credentials: &Credentials,
    namespace: &str,
) -> Result<()> {
    let credentials = match credentials {
        Credentials::Certificate(pair) => serde_json::json!({
            "client-certificate": pair.certificate,
            "client-key": pair.key,
        }),
        Credentials::Token(token) => serde_json::json!({ "token": token }),
    };
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": {
            "server": endpoint.server,
            "certificate-authority": endpoint.authority,
        }}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": user, "context": {
            "cluster": "testbed", "user": user, "namespace": namespace,
        }}],
        "current-context": user,
    });
    let text = serde_json::to_string_pretty(&config)
        .map_err(|error| Error::malformed("a kubeconfig", error))?;
    std::fs::write(file, text).map_err(Error::file("write", file))
}

/// Writes a kubeconfig that is another one's, but acts as another user, in another namespace.
///
/// # Errors
/// When the other one cannot be read, or the file cannot be written.
pub fn write_impersonating(
    file: &Path,
    other: &Path,
    user: &str,
    groups: &[&str],
    namespace: &str,
) -> Result<()> {
    let text = std::fs::read_to_string(other).map_err(Error::file("read", other))?;
    let malformed = |error| Error::malformed("a kubeconfig", error);
    let mut config: serde_json::Value = serde_json::from_str(&text).map_err(malformed)?;
    if let Some(known) = config.pointer_mut("/users/0/user").and_then(|known| known.as_object_mut())
    {
        known.insert("as".to_owned(), user.into());
        known.insert("as-groups".to_owned(), groups.into());
    }
    if let Some(known) = config.pointer_mut("/contexts/0/context").and_then(|c| c.as_object_mut()) {
        known.insert("namespace".to_owned(), namespace.into());
    }
    let text = serde_json::to_string_pretty(&config).map_err(malformed)?;
    std::fs::write(file, text).map_err(Error::file("write", file))
}

/// Writes a kubeconfig for a server that takes everybody, by plain HTTP.
///
/// # Errors
/// When the file cannot be written.
pub fn write_plain(file: &Path, server: &str) -> Result<()> {
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "memory", "cluster": {"server": server}}],
        "users": [{"name": "anybody", "user": {}}],
        "contexts": [{"name": "memory", "context": {"cluster": "memory", "user": "anybody"}}],
        "current-context": "memory",
    });
    std::fs::write(file, config.to_string()).map_err(Error::file("write", file))
}

/// A client for a server that asks nobody who he is, such as the API server in memory.
///
/// # Errors
/// When the address is none.
pub fn plain_client(server: &str) -> Result<Client> {
    let address = server.parse().map_err(|error| Error::malformed(server, error))?;
    client_from(Config::new(address))
}

/// A client for the user of a kubeconfig file. It never retries by itself: a refusal is a result.
///
/// It belongs to the runtime in which it is made, and is of no use in another.
///
/// # Errors
/// When the file cannot be read or used.
pub async fn client(file: &Path) -> Result<Client> {
    client_from(config(file).await?)
}

/// A client that acts as another user, with the groups given.
///
/// # Errors
/// When the file cannot be read or used.
pub async fn impersonating(file: &Path, user: &str, groups: &[&str]) -> Result<Client> {
    let mut config = config(file).await?;
    config.auth_info.impersonate = Some(user.to_owned());
    config.auth_info.impersonate_groups =
        Some(groups.iter().map(|group| (*group).to_owned()).collect());
    client_from(config)
}

async fn config(file: &Path) -> Result<Config> {
    let failed =
        |source| Error::Kubeconfig { user: file.display().to_string(), source: Box::new(source) };
    let kubeconfig = Kubeconfig::read_from(file).map_err(failed)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(failed)?;
    config.default_retry = false;
    Ok(config)
}

fn client_from(config: Config) -> Result<Client> {
    Client::try_from(config).map_err(Error::api("make a client"))
}
