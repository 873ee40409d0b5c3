//! The phrases that decide, in the order in which they do.
//!
//! Who writes them was read in the sources named, or seen: messages produced by containerd 1.6 to
//! 2.3, CRI-O 1.30 to 1.36, Docker 20.10 (as cri-dockerd passes it on) and podman against a registry
//! that fails on purpose, and messages of public issue threads.

use super::context::{EOF, NO_PULL, NO_SIGNATURES, NOT_FOUND, PERMISSION_DENIED};
use crate::cause::Cause;

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The pull failed for this cause.
    Cause(Cause),
    /// It is no failure of an image pull.
    NoPull,
}

impl Verdict {
    /// The cause, if it is one.
    pub const fn cause(self) -> Option<Cause> {
        match self {
            Self::Cause(cause) => Some(cause),
            Self::NoPull => None,
        }
    }
}

/// Phrases that mean the same. Of all rules that match the first decides.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// What they mean.
    pub verdict: Verdict,
    /// The phrases, in lower case. Case does not matter; a phrase matches whole words only.
    pub phrases: &'static [&'static str],
    /// The first and the last HTTP status that mean the same, where one is announced.
    pub statuses: Option<(u16, u16)>,
    /// Why they mean that, and whose words they are.
    pub why: &'static str,
}

pub(super) const fn rule(
    cause: Cause,
    phrases: &'static [&'static str],
    why: &'static str,
) -> Rule {
    Rule { verdict: Verdict::Cause(cause), phrases, statuses: None, why }
}

const fn status(
    cause: Cause,
    (first, last): (u16, u16),
    phrases: &'static [&'static str],
    why: &'static str,
) -> Rule {
    Rule { verdict: Verdict::Cause(cause), phrases, statuses: Some((first, last)), why }
}

/// The rules, the decisive ones first.
pub const RULES: [Rule; 36] = [
    Rule {
        verdict: Verdict::NoPull,
        phrases: &NO_PULL,
        statuses: None,
        why: "not about pulling an image of the Pod: its sandbox, volumes, configuration or processes. \
              Asked only where no reason says that it is about a pull",
    },
    rule(
        Cause::NodeThrottled,
        &["pull qps exceeded"],
        "the kubelet's own limit (pkg/kubelet/images/helpers.go): no registry was asked",
    ),
    rule(
        Cause::NeverPullAbsent,
        &["is not present with pull policy of never"],
        "kubelet: pkg/kubelet/images/image_manager.go",
    ),
    rule(
        Cause::InvalidReference,
        &[
            "couldn't parse image",
            "failed to parse image reference",
            "cannot parse input",
            "invalid reference format",
            "short name mode is enforcing",
            "short-name mode is enforcing",
            "did not resolve to an alias",
            "short-name resolution enforced",
            "unsupported digest algorithm",
            "cannot specify 64-byte hexadecimal strings",
            "repository name must be lowercase",
            "repository name must have at least one component",
            "repository name must not be more than",
            "invalid checksum digest",
        ],
        "the reference was never asked for: distribution/reference as kubelet, containerd, CRI-O and \
         Docker use it, and short names that CRI-O may not complete",
    ),
    rule(
        Cause::RuntimeUnavailable,
        &[
            "code = unavailable",
            "code = unimplemented",
            "dial unix",
            "error while dialing",
            "cannot connect to the docker daemon",
            "read unix",
            "write unix",
            "error during connect",
            "bad response from docker engine",
            "transport is closing",
            "the client connection is closing",
            "received message larger than max",
            "lease \"",
            "lease does not exist",
            "namespace \"",
            "container runtime is down",
            "unknown service runtime",
            "failed to create image record",
            "failed to create image reference",
            "failed to update image store",
            "get image from containerd",
            "when try to find image",
            "no such image",
        ],
        "the container runtime did not answer the kubelet. Of the gRPC codes these two are reliable: no \
         runtime passes a registry's answer on with them",
    ),
    rule(
        Cause::RegistryUnavailable,
        &["status of vulnerability scanning", "without vulnerability scanning"],
        "Harbor has not scanned the image yet: it will",
    ),
    rule(
        Cause::SignatureRejected,
        &[
            "blocked pull of",
            "vulnerable handler",
            "a signature was required",
            "is rejected by policy",
            "due to configured policy",
            "remote trust data does not exist",
            "no valid trust data",
        ],
        "a policy of the node (CRI-O: containers/image signature/policy_eval.go) or of the registry \
         (Harbor's content trust and vulnerability rules) refuses the image",
    ),
    rule(
        Cause::DiskFull,
        &["no space left on device", "disk quota exceeded", "not enough space", "no space left"],
        "the node's ENOSPC and EDQUOT; running out of inodes says the same",
    ),
    status(
        Cause::AccessDenied,
        (451, 451),
        &["unavailable for legal reasons", "is blocked in"],
        "refused on purpose: by law, or by the node's registries.conf (CRI-O)",
    ),
    status(
        Cause::AccessDenied,
        (402, 402),
        &[
            "payment required",
            "requires billing",
            "billing account",
            "accountproblem",
            "storage limit exceeded",
        ],
        "the registry's account is not paid for (GCR and Artifact Registry, Docker Hub, S3)",
    ),
    status(
        Cause::RateLimited,
        (429, 429),
        &[
            "toomanyrequests",
            "too many requests",
            "too_many_requests",
            "pull rate limit",
            "rate exceeded",
            "rate limit exceeded",
            "rate limited",
            "ratelimit exceeded",
            "throttlingexception",
            "quota exceeded for quota metric",
            "quota exceeded",
            "request was throttled",
            "slowdown",
        ],
        "the registry wants fewer requests. Before all refusals: Docker Hub answers 401 and 429 in turn",
    ),
    status(
        Cause::RegistryUnavailable,
        (500, 599),
        &[
            "500 internal server error",
            "502 bad gateway",
            "503 service unavailable",
            "503 service temporarily unavailable",
            "504 gateway timeout",
            "504 gateway time-out",
            "unable to decode token response",
            "did not include a token",
            "decoding bearer token",
            "the registry is unavailable: connection refused",
        ],
        "an error of the registry's own or of its token service, whatever text it sends along",
    ),
    rule(
        Cause::PlatformMismatch,
        &[
            "no match for platform",
            "no matching manifest for",
            "no image found in manifest list",
            "no image found in image index",
            "descriptor matching platform",
            "cannot be used on this platform",
            "is incompatible with a",
            "does not match the specified platform",
        ],
        "the index has no entry for the node's platform: containerd images/image.go, containers/image \
         manifest lists, Docker. Before `not found`, which containerd adds",
    ),
    rule(
        Cause::ManifestUnsupported,
        &[
            "manifests are no longer supported",
            "is no longer supported since containerd",
            "schema 1 support",
            "deprecation notice",
            "unsupported media type",
            "unexpected media type",
            "missing signature key",
            NO_SIGNATURES,
            "get stream processor",
            "exceeded maximum allowed size",
            "byte manifest for",
            "unsupported docker v2s2 media type",
            "unsupported schema version",
            "mediatype in manifest should be",
            "expected manifest but found",
            "expected index but found",
            "mismatched image rootfs and manifest layers",
            "invalid rootfs in image configuration",
            "missing private key needed for decryption",
            "unsupported manifest media type",
            "unknown media type",
        ],
        "the manifest came and is of no use to the runtime: schema 1, foreign media types, encrypted \
         layers, too large. Before `not found`, which containerd adds",
    ),
    rule(
        Cause::Tls,
        &[
            "x509:",
            "server gave http response to https client",
            "client sent an http request to an https server",
            "first record does not look like a tls handshake",
            "tls:",
            "malformed http response",
            "certificate signed by unknown authority",
            "handshake failure",
            "certificate has expired",
            "certificate verify failed",
        ],
        "Go's crypto/tls and crypto/x509: the handshake was refused by one of the two. A handshake that \
         times out is a matter of the network",
    ),
    rule(
        Cause::HostUnresolvable,
        &[
            "no such host",
            "server misbehaving",
            "dial tcp: lookup",
            "dial udp: lookup",
            "name or service not known",
            "temporary failure in name resolution",
            "could not resolve host",
            "no suitable address found",
        ],
        "Go's net.DNSError: `lookup HOST on SERVER: ...`. Before the timeouts and refusals, which here are \
         those of the DNS server",
    ),
    rule(
        Cause::ContentCorrupt,
        &[
            "unexpected commit digest",
            "unexpected commit size",
            "failed size validation",
            "layer verification failed",
            "wrong diff id",
            "invalid tar header",
            "short read",
            "unexpected eof",
            "code = failedprecondition",
            "does not match config's diffid",
            "reports content size of zero",
            "reserved bit set on frame header",
            "decoding error",
            "layers from manifest don't match image configuration",
            "gzip: invalid",
            "invalid checksum",
            "zstd: invalid",
            "magic number mismatch",
            "manifest verification failed",
            "digest did not match",
            "failed to read expected number of bytes",
            "corrupt input",
            "size validation failed",
            "digest mismatch",
            "failed digest validation",
        ],
        "what came is not what was announced: cut off, altered on the way, or wrong in the registry",
    ),
    rule(
        Cause::UnpackFailed,
        &[
            "failed to prepare extraction snapshot",
            "failed to extract layer",
            "failed to register layer",
            "failed to unpack image",
            "failed to unpack",
            "operation not permitted",
            "expected at",
            "unpack destination",
            "lchown",
            "parent snapshot",
            "content digest",
            "error processing tar file",
            "error creating overlay mount",
            "failed to apply layer",
            "applying layer",
            "unpigz",
            "no unpack platforms defined",
            "failed to stat snapshot",
            "insufficient uids or gids",
            "committing the finished image",
            "adding layer with blob",
            "read-only file system",
            "input/output error",
            "structure needs cleaning",
            "failed to create snapshot",
            "layer not known",
            "potentially insufficient",
            "failed to mount",
            "snapshot",
            "snapshotter",
            "ingest ref",
            "content store",
            PERMISSION_DENIED,
        ],
        "the bytes came and the node could not lay them out (containerd snapshotters, containers/storage, \
         Docker's graph drivers). `not found` in it is about the node's own store",
    ),
    status(
        Cause::Network,
        (407, 408),
        &[
            "i/o timeout",
            "tls handshake timeout",
            "deadline exceeded",
            "code = deadlineexceeded",
            "timeout awaiting",
            "connection timed out",
            "operation timed out",
            "context canceled",
            "code = canceled",
            "request canceled",
            "exceeded while awaiting headers",
            "exceeded while reading body",
            "proxy authentication required",
            "request timeout",
            "timed out",
        ],
        "it took too long, or the proxy on the way wants something",
    ),
    rule(
        Cause::Network,
        &[
            "connection refused",
            "actively refused it",
            "a connection attempt failed",
            "forcibly closed by the remote host",
            "connection reset",
            "no route to host",
            "network is unreachable",
            "host is unreachable",
            "proxyconnect",
            "broken pipe",
            "use of closed network connection",
            "file already closed",
            "server closed idle connection",
            "client connection lost",
            "client connection force closed",
            "goaway",
            "stream error",
            "connection closed",
            "network is down",
            "host is down",
            "connection aborted",
            "cannot assign requested address",
            "connect: permission denied",
            "operation was canceled",
            EOF,
        ],
        "the connection could not be made, or broke (Go's net and net/http)",
    ),
    rule(
        Cause::Unauthorized,
        &[
            "no basic auth credentials",
            "authorization token has expired",
            "token has expired",
            "token is expired",
            "token expired",
            "incorrect username or password",
            "authentication failed",
            "bad credentials",
            "error getting credentials",
            "nocredentialproviders",
            "expiredtoken",
            "expiredtokenexception",
            "invalid_grant",
            "invalid_client",
            "unauthorizedexception",
            "unrecognizedclientexception",
            "wrong credentials",
            "password authentication is not allowed",
            "personal access token",
            "user cannot be authenticated",
            "unauthenticated",
            "login attempt to",
            "illegal base64 data",
        ],
        "credentials were missing, wrong or too old. Before `pull access denied`, which containerd puts \
         in front of it",
    ),
    rule(
        Cause::AccessDenied,
        &["is not authorized to perform", "no resource-based policy allows", "explicit deny"],
        "IAM says by name what is not allowed (ECR). Before `pull access denied`, which Docker puts in front \
         of it",
    ),
    rule(
        Cause::MissingOrDenied,
        &[
            "insufficient_scope",
            "pull access denied",
            "requested access to the resource is denied",
            "or it may not exist",
            "verify that it exists and you have permission",
            "access to the requested resource is not authorized",
            "does not exist or may require",
            "does not exist or no pull access",
            "access forbidden",
            "may require authorization",
            "not found or access denied",
            "does not exist or you do not have",
        ],
        "the registry gives one answer for what is missing and for what is private: Docker Hub, Quay, \
         GitLab, Google Artifact Registry",
    ),
    status(
        Cause::Unauthorized,
        (401, 401),
        &["unauthorized", "401 unauthorized", "authentication required", "invalid token"],
        "401: the registry wants to know who asks",
    ),
    status(
        Cause::AccessDenied,
        (403, 403),
        &[
            "403 forbidden",
            "forbidden",
            "denied",
            "accessdenied",
            "accessdeniedexception",
            "access_denied",
            "permission_denied",
            "code = permissiondenied",
        ],
        "403: whoever asks may not have it, or a proxy or firewall does not let it pass",
    ),
    status(
        Cause::NotFound,
        (404, 404),
        &[
            "404 not found",
            "manifest unknown",
            "manifest_unknown",
            "name unknown",
            "name_unknown",
            "unknown blob",
            "blob unknown",
            "blob_unknown",
            "unknown manifest",
            "unknown repository",
            "manifest blob unknown",
            "name not known to registry",
            "not known to the registry",
            "does not exist in the registry",
            "manifest does not exist",
            "image does not exist",
            "requested image not found",
            "entity was not found",
            "unknown: not found",
            NOT_FOUND,
        ],
        "404 and the codes of the OCI distribution specification. Last of the refusals: containerd says \
         `not found` at the end of many an error that means something else",
    ),
    status(Cause::NotFound, (410, 410), &["410 gone"], "410: it was there and will not come back"),
    status(
        Cause::Unknown,
        (100, 499),
        &["418 i'm a teapot", "400 bad request", "manifest invalid"],
        "the registry refuses with a status that says nothing of the image",
    ),
    rule(
        Cause::RegistryUnavailable,
        &[
            "service unavailable",
            "service temporarily unavailable",
            "bad gateway",
            "gateway timeout",
            "gateway time-out",
            "internal server error",
            "unexpected http status",
            "stopped after 10 redirects",
            "unknown: internal",
            "backend unavailable",
            "temporarily unavailable",
            "under maintenance",
        ],
        "an error of the registry's own, or of a proxy in front of it, told without a number",
    ),
    rule(
        Cause::SignatureRejected,
        &["source image rejected", "signature validation failed", "signaturevalidationfailed"],
        "CRI-O puts these words in front of whatever kept it from verifying the image, a registry that is \
         down among them (containers/image copy): they decide where the rest says nothing of that kind",
    ),
    rule(
        Cause::RegistryUnavailable,
        &["the registry is unavailable", "registryunavailable"],
        "CRI-O says so whenever a connection was refused on the way (server/image_pull.go): it decides only \
         where the rest of the text says nothing",
    ),
    rule(
        Cause::ContentCorrupt,
        &[
            "looking for beginning of",
            "unexpected end of json input",
            "error unmarshalling content",
            "cannot unmarshal",
            "unexpected character",
            "invalid manifest",
        ],
        "what came in place of a manifest is no JSON: a page of a proxy, or a manifest that is broken",
    ),
    rule(
        Cause::Unauthorized,
        &[
            "credential helper",
            "docker-credential",
            "unable to get credentials",
            "failed to get ecr",
        ],
        "the program that fetches credentials failed",
    ),
    rule(
        Cause::Unknown,
        &["errimagepull", "imagepullbackoff", "back-off pulling image", "failed to pull image"],
        "the kubelet says that a pull failed, and not why",
    ),
    rule(
        Cause::RuntimeUnavailable,
        &["failed to inspect image", "imageinspecterror"],
        "the kubelet could not ask the runtime about the image (pkg/kubelet/images/image_manager.go)",
    ),
    rule(
        Cause::RuntimeUnavailable,
        &["failed to record image pull intent"],
        "the kubelet could not note in its own folder that it pulls (KEP-2535)",
    ),
];
