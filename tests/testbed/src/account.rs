//! ServiceAccounts: what the controller under test is allowed to do is what its account is.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::authentication::v1::{SelfSubjectReview, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::kubeconfig::{self, Credentials};
use crate::manifests::Manifests;

/// Longer than any test run; the API server's own limit is a year.
const TOKEN_SECONDS: i64 = 24 * 3600;

/// A token of a ServiceAccount, ready to use.
#[derive(Debug, Clone)]
pub struct Account {
    username: String,
    credential: String,
    kubeconfig: PathBuf,
}

impl Account {
    /// Makes the ServiceAccount unless it exists, asks for a token of its own, and writes a kubeconfig
    /// with it into the cluster's folder. Rights come from roles that are applied separately.
    ///
    /// # Errors
    /// When the namespace does not exist, or the API server gives no token.
    pub async fn create(cluster: &Cluster, namespace: &str, name: &str) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        Manifests::from_objects(vec![json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": namespace},
        })])
        .apply(&cluster.client())
        .await?;
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let token = Api::<ServiceAccount>::namespaced(cluster.client(), namespace)
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .map_err(Error::api(format!("get a token of {namespace}/{name}")))?
            .status
            .and_then(|status| status.token)
            .ok_or_else(|| Error::malformed("a TokenRequest", "it has no status"))?;
        let username = format!("system:serviceaccount:{namespace}:{name}");
        let file = format!("{namespace}-{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let kubeconfig = cluster.folder().join(format!("{file}.kubeconfig"));
        let credentials = Credentials::Token(token);
        kubeconfig::write(&kubeconfig, cluster.endpoint(), &username, &credentials, namespace)?;
        let credential = credential(&kubeconfig::client(&kubeconfig).await?).await?;
        Ok(Self { username, credential, kubeconfig })
    }

    /// `system:serviceaccount:<namespace>:<name>`.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The id of the token. The audit log carries it, so the requests of two controllers that share an
    /// account can be told apart (see [`crate::audit::Request::is_with`]).
    pub fn credential(&self) -> &str {
        &self.credential
    }

    /// The kubeconfig with the token in it.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client that may do what the account may do.
    ///
    /// # Errors
    /// When the kubeconfig is gone.
    pub async fn client(&self) -> Result<Client> {
        kubeconfig::client(&self.kubeconfig).await
    }
}

/// The id of the token that a client uses, as the API server knows it.
async fn credential(client: &Client) -> Result<String> {
    let review = Api::<SelfSubjectReview>::all(client.clone())
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .map_err(Error::api("ask who a token belongs to"))?;
    review
        .status
        .and_then(|status| status.user_info)
        .and_then(|user| user.extra)
        .and_then(|mut extra| extra.remove("authentication.kubernetes.io/credential-id"))
        .and_then(|ids| ids.into_iter().next())
        .ok_or_else(|| Error::malformed("a SelfSubjectReview", "it has no id of the token"))
}
