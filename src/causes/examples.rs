//! What kubelets, runtimes and registries say for each cause. A test reads every message back.

use dislodge_engine::cause::Cause;

/// A cause, who writes it so, and the message as it stands in a container's status or an Event.
type Example = (Cause, &'static str, &'static str);

/// The image in the messages.
const IMAGE: &str = "r.io/team/app:v1";

/// A message of this cause about this image.
pub(crate) fn of(cause: Cause, image: &str) -> Option<String> {
    examples(cause).next().map(|(_, _, message)| message.replace(IMAGE, image))
}

/// The messages of one cause.
pub(crate) fn examples(cause: Cause) -> impl Iterator<Item = &'static Example> {
    EXAMPLES.iter().filter(move |(of, ..)| *of == cause)
}

#[rustfmt::skip] // a row each, however long
const EXAMPLES: [Example; 36] = [
    (Cause::InvalidReference, "kubelet, reason InvalidImageName", r#"Failed to apply default image tag "r.io/Team/App:1": couldn't parse image name "r.io/Team/App:1": invalid reference format: repository name (Team/App) must be lowercase"#),
    (Cause::InvalidReference, "CRI-O", r#"short-name "app" did not resolve to an alias and no unqualified-search registries are defined"#),
    (Cause::NotFound, "containerd", r#"rpc error: code = NotFound desc = failed to pull and unpack image "r.io/team/app:v1": failed to resolve reference "r.io/team/app:v1": r.io/team/app:v1: not found"#),
    (Cause::NotFound, "CRI-O", "unable to pull image or OCI artifact: pull image err: initializing source docker://r.io/team/app:v1: reading manifest v1 in r.io/team/app: manifest unknown"),
    (Cause::NotFound, "cri-dockerd", "Error response from daemon: manifest for r.io/team/app:v1 not found: manifest unknown: manifest unknown"),
    (Cause::PlatformMismatch, "containerd", r#"rpc error: code = NotFound desc = failed to pull and unpack image "r.io/team/app:v1": no match for platform in manifest: not found"#),
    (Cause::PlatformMismatch, "CRI-O", r#"choosing an image from manifest list docker://r.io/team/app:v1: no image found in manifest list for architecture "amd64", variant "", OS "linux""#),
    (Cause::ManifestUnsupported, "containerd 2", r#"rpc error: code = InvalidArgument desc = failed to pull and unpack image "r.io/team/app:v1": schema 1 image manifests are no longer supported: invalid argument"#),
    (Cause::ManifestUnsupported, "cri-dockerd", "unsupported media type application/vnd.cncf.helm.config.v1+json"),
    (Cause::NeverPullAbsent, "kubelet, reason ErrImageNeverPull", r#"Container image "r.io/team/app:v1" is not present with pull policy of Never"#),
    (Cause::SignatureRejected, "CRI-O, reason SignatureValidationFailed", "image pull failed for r.io/team/app:v1 because the signature validation failed: Source image rejected: A signature was required, but no signature exists"),
    (Cause::SignatureRejected, "Harbor", r#"unknown: current image with 3 vulnerabilities cannot be pulled due to configured policy in 'Prevent images with vulnerability severity of "High" or higher from running.'"#),
    (Cause::MissingOrDenied, "containerd, Docker Hub", r#"failed to pull and unpack image "docker.io/team/app:v1": failed to resolve reference "docker.io/team/app:v1": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"#),
    (Cause::MissingOrDenied, "CRI-O, Google Artifact Registry", r#"reading manifest v1 in r.io/p/app: denied: Permission "artifactregistry.repositories.downloadArtifacts" denied on resource "projects/p/locations/us/repositories/r" (or it may not exist)"#),
    (Cause::Unauthorized, "containerd, ECR", r#"failed to pull and unpack image "r.io/team/app:v1": failed to resolve reference "r.io/team/app:v1": pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials"#),
    (Cause::Unauthorized, "CRI-O", "unable to retrieve auth token: invalid username/password: unauthorized: incorrect username or password"),
    (Cause::AccessDenied, "containerd", r#"failed to pull and unpack image "r.io/team/app:v1": failed to resolve reference "r.io/team/app:v1": pulling from host r.io failed with status code [manifests v1]: 403 Forbidden"#),
    (Cause::AccessDenied, "containerd 2, GCR", "unexpected status from HEAD request to https://r.io/v2/team/app/manifests/v1: 403 Forbidden\ndenied: This API method requires billing to be enabled"),
    (Cause::RateLimited, "CRI-O, Docker Hub", "reading manifest v1 in docker.io/library/busybox: toomanyrequests: You have reached your pull rate limit"),
    (Cause::RateLimited, "containerd", r#"failed to pull and unpack image "r.io/team/app:v1": failed to copy: httpReadSeeker: failed open: unexpected status code https://r.io/v2/team/app/blobs/sha256:00: 429 Too Many Requests - Server message: toomanyrequests: slow down"#),
    (Cause::RegistryUnavailable, "containerd", r#"failed to resolve reference "r.io/team/app:v1": pulling from host r.io failed with status code [manifests v1]: 503 Service Unavailable"#),
    (Cause::RegistryUnavailable, "CRI-O", "reading manifest v1 in r.io/team/app: received unexpected HTTP status: 502 Bad Gateway"),
    (Cause::Network, "containerd", r#"failed to resolve reference "r.io/team/app:v1": failed to do request: Head "https://r.io/v2/team/app/manifests/v1": dial tcp 10.0.0.9:443: i/o timeout"#),
    (Cause::Network, "CRI-O", r#"pinging container registry r.io: Get "https://r.io/v2/": read tcp 10.0.0.7:40000->10.0.0.9:443: read: connection reset by peer"#),
    (Cause::HostUnresolvable, "every runtime", r#"failed to do request: Head "https://r.io/v2/team/app/manifests/v1": dial tcp: lookup r.io on 10.96.0.10:53: no such host"#),
    (Cause::Tls, "every runtime", r#"failed to do request: Head "https://r.io/v2/team/app/manifests/v1": tls: failed to verify certificate: x509: certificate signed by unknown authority"#),
    (Cause::Tls, "every runtime", r#"Get "https://r.io:5000/v2/": http: server gave HTTP response to HTTPS client"#),
    (Cause::ContentCorrupt, "containerd", r#"rpc error: code = FailedPrecondition desc = failed to pull and unpack image "r.io/team/app:v1": failed commit on ref "layer-sha256:00": unexpected commit digest sha256:00, expected sha256:11: failed precondition"#),
    (Cause::ContentCorrupt, "cri-dockerd", "filesystem layer verification failed for digest sha256:00"),
    (Cause::DiskFull, "containerd", r#"failed to pull and unpack image "r.io/team/app:v1": failed to copy: write /var/lib/containerd/ingest/data: no space left on device"#),
    (Cause::UnpackFailed, "containerd", r#"failed to pull and unpack image "r.io/team/app:v1": failed to prepare extraction snapshot "extract-1 sha256:00": parent snapshot sha256:00 does not exist: not found"#),
    (Cause::UnpackFailed, "cri-dockerd", "failed to register layer: ApplyLayer exit status 1 stdout: stderr: lchown /etc/gshadow: invalid argument"),
    (Cause::RuntimeUnavailable, "kubelet", r#"rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused""#),
    (Cause::NodeThrottled, "kubelet", "pull QPS exceeded"),
    (Cause::Unknown, "kubelet up to 1.31", r#"Back-off pulling image "r.io/team/app:v1""#),
    (Cause::Unknown, "containerd", r#"failed to resolve reference "r.io/team/app:v1": pulling from host r.io failed with status code [manifests v1]: 400 Bad Request"#),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_on_the_page_is_read_as_the_cause_above_it() {
        for cause in Cause::ALL {
            assert!(examples(cause).next().is_some(), "{cause}");
        }
        for (cause, _, message) in EXAMPLES {
            let read = dislodge_engine::message::read(None, message, None);
            assert_eq!(read.cause, Some(cause), "{message}");
        }
    }
}
