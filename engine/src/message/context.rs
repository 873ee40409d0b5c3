//! Phrases that decide nothing by themselves: they say what others are about.

use super::phrases::{Rule, rule};
use crate::cause::Cause;

/// The words that announce an HTTP status.
pub(super) const ANNOUNCING: [&str; 11] = [
    "unexpected status", // containerd 1.x and 2.x: remotes/docker, remotes/errors
    "status code",       // containerd 1.6 `failed with status code [manifests v1]: 404`
    "statuscode",        // CRI-O: containers/image `StatusCode: 404, "<body>"`
    "unexpected http status", // CRI-O and Docker: distribution registry/client
    "http status",       // credential helpers and proxies
    "http error",        // credential providers
    "error parsing http", // Docker: `error parsing HTTP 404 response body`
    "http code",         // containers/image before 5.0
    "error: status",     // Docker 1.x: `Error: Status 403 trying to pull repository R`
    "http",              // podman: `HTTP 404 (Not Found)`
    "response code",     // Artifactory and proxies
];

/// Words around a status that say whose it is: the service that hands out tokens.
pub(super) const OF_TOKEN: [&str; 5] = [
    "failed to fetch anonymous token", // containerd: remotes/docker/auth
    "failed to fetch oauth token",
    "requesting bearer token", // CRI-O: containers/image docker/docker_client.go
    "unable to retrieve auth token",
    "failed to authorize", // containerd: remotes/docker/authorizer.go
];

/// The same: the registry's root, which is asked before any image is.
pub(super) const OF_ROOT: [&str; 1] = ["pinging container registry"];

/// A token service that answers 404, whatever it is meant to say of the image.
pub(super) const TOKEN_MISSING: Rule = rule(
    Cause::AccessDenied,
    &[],
    "the service that hands out tokens knows nothing to hand out: nothing was asked about the image",
);

/// A registry whose root answers 404.
pub(super) const ROOT_MISSING: Rule = rule(
    Cause::RegistryUnavailable,
    &[],
    "the registry's own root answers 404: something else answers in its place",
);

/// containerd cannot fetch a descriptor of a media type that it does not know, and says `not found`.
pub(super) const STRANGE_MEDIA_TYPE: Rule = rule(
    Cause::ManifestUnsupported,
    &[],
    "containerd asks for a manifest of a kind it does not know, gets it, and says not found all the same",
);

/// `not found`, which means the image only where it follows its name.
pub(super) const NOT_FOUND: &str = "not found";

/// `permission denied`, which is the node's own where a path stands before it.
pub(super) const PERMISSION_DENIED: &str = "permission denied";

/// `EOF`, which means a broken connection only where an error ends with it.
pub(super) const EOF: &str = "eof";

/// `no signatures`, which means a manifest of schema 1 where an error ends with it.
pub(super) const NO_SIGNATURES: &str = "no signatures";

/// How containerd says that it could not fetch a descriptor.
pub(super) const NO_DESCRIPTOR: &str = "could not fetch content descriptor";

/// Words of what is not about pulling an image of the Pod.
pub(super) const NO_PULL: [&str; 28] = [
    "sandbox",
    "unable to attach or mount volumes",
    "nodes are available",
    "runasnonroot",
    "oci runtime",
    "containerd task",
    "back-off restarting",
    "secret \"",
    "configmap \"",
    "couldn't find key",
    "serviceaccount \"",
    "persistentvolumeclaim",
    "liveness probe",
    "readiness probe",
    "startup probe",
    "exec format error",
    "networkplugin",
    "runtimeclass",
    "secrets \"",
    "configmaps \"",
    "admission webhook",
    "failed calling webhook",
    "exceeded quota",
    "failed to create containerd container",
    "imagevolumemountfailed",
    "poststarthook",
    "prestophook",
    "oomkilled",
];
