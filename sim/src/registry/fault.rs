//! The texts of containerd for common faults, as recorded.

use dislodge_engine::cause::Cause;

use crate::reference::Reference;

/// The container runtime whose words are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// containerd 1.6 (recorded with 1.6.20)
    Containerd16,
    /// containerd 2.x (recorded with 2.3.4)
    Containerd2,
}

/// A fault of a registry or of the way to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 404: there is no such tag or repository.
    NotFound,
    /// The registry does not say whether it is missing or private (Docker Hub).
    MissingOrDenied,
    /// 401 without a usable credential.
    Unauthorized,
    /// 403 on the manifest.
    Forbidden,
    /// 429 on the manifest.
    RateLimited,
    /// 503 on the manifest.
    Unavailable,
    /// The image has no variant for this platform.
    NoPlatform,
    /// The host's name does not exist.
    NoSuchHost,
    /// The name server fails.
    NameServerFails,
    /// Nothing listens.
    ConnectionRefused,
    /// The connection is reset.
    ConnectionReset,
    /// The certificate is not trusted.
    UnknownAuthority,
    /// The kubelet's own limit on pulls (`registryPullQPS`); no registry was asked.
    QpsExceeded,
}

impl Fault {
    /// A fault that is read as this cause, with a runtime that tells it; `None` where no registry
    /// makes it.
    pub const fn of(cause: Cause) -> Option<(Self, Runtime)> {
        Some(match cause {
            Cause::NotFound => (Self::NotFound, Runtime::Containerd2),
            Cause::MissingOrDenied => (Self::MissingOrDenied, Runtime::Containerd2),
            // containerd 2 says `MissingOrDenied` of it, too.
            Cause::Unauthorized => (Self::Unauthorized, Runtime::Containerd16),
            Cause::AccessDenied => (Self::Forbidden, Runtime::Containerd2),
            Cause::RateLimited => (Self::RateLimited, Runtime::Containerd2),
            Cause::RegistryUnavailable => (Self::Unavailable, Runtime::Containerd2),
            Cause::PlatformMismatch => (Self::NoPlatform, Runtime::Containerd2),
            Cause::HostUnresolvable => (Self::NoSuchHost, Runtime::Containerd2),
            Cause::Network => (Self::ConnectionRefused, Runtime::Containerd2),
            Cause::Tls => (Self::UnknownAuthority, Runtime::Containerd2),
            Cause::InvalidReference
            | Cause::ManifestUnsupported
            | Cause::NeverPullAbsent
            | Cause::SignatureRejected
            | Cause::ContentCorrupt
            | Cause::DiskFull
            | Cause::UnpackFailed
            | Cause::RuntimeUnavailable
            | Cause::NodeThrottled
            | Cause::Unknown => return None,
        })
    }

    /// What the kubelet publishes as the message of `ErrImagePull` when `image` is pulled.
    ///
    /// An image that cannot be parsed is quoted as it is.
    pub fn message(self, runtime: Runtime, image: &str) -> String {
        match (self, runtime) {
            (Self::QpsExceeded, _) => return "pull QPS exceeded".to_owned(),
            (Self::NoPlatform, Runtime::Containerd2) => {
                let digest = "1e6d243fdf005b05f58f7761132b80cfc57cdc524f71f0f4de0722aed99f6890";
                return format!(
                    "rpc error: code = NotFound desc = get image config descriptor: no match for platform in manifest sha256:{digest}: not found"
                );
            }
            _ => {}
        }
        let reference = Reference::parse(image).ok();
        let name = reference.as_ref().map_or_else(|| image.to_owned(), ToString::to_string);
        let (host, repository, version) =
            reference.as_ref().map_or((image, image, "latest"), |reference| {
                (reference.host, &*reference.repository, reference.version)
            });
        let url = format!("https://{host}/v2/{repository}/manifests/{version}");
        let head = format!("failed to do request: Head \"{url}\": ");
        let bare_host = host.split(':').next().unwrap_or(host);
        let status = |text: &str| match runtime {
            Runtime::Containerd16 => {
                format!(
                    "pulling from host {host} failed with status code [manifests {version}]: {text}"
                )
            }
            Runtime::Containerd2 => format!("unexpected status from HEAD request to {url}: {text}"),
        };
        let denied = "pull access denied, repository does not exist or may require authorization: ";
        let detail = match (self, runtime) {
            (Self::NotFound, _) => format!("{name}: not found"),
            (Self::MissingOrDenied, _) => {
                format!("{denied}server message: insufficient_scope: authorization failed")
            }
            (Self::Unauthorized, Runtime::Containerd16) => status("401 Unauthorized"),
            (Self::Unauthorized, Runtime::Containerd2) => {
                format!("{denied}authorization failed: no basic auth credentials")
            }
            (Self::Forbidden, _) => status("403 Forbidden"),
            (Self::RateLimited, _) => status("429 Too Many Requests"),
            (Self::Unavailable, _) => status("503 Service Unavailable"),
            (Self::NoPlatform, _) => "no match for platform in manifest: not found".to_owned(),
            (Self::NoSuchHost, _) => {
                format!("{head}dial tcp: lookup {bare_host} on 203.0.113.53:53: no such host")
            }
            (Self::NameServerFails, _) => {
                format!("{head}dial tcp: lookup {bare_host} on 203.0.113.53:53: server misbehaving")
            }
            (Self::ConnectionRefused, _) => {
                format!("{head}dial tcp 203.0.113.10:443: connect: connection refused")
            }
            (Self::ConnectionReset, _) => {
                format!(
                    "{head}read tcp 203.0.113.20:42240->203.0.113.10:443: read: connection reset by peer"
                )
            }
            (Self::UnknownAuthority, Runtime::Containerd16) => {
                format!("{head}x509: certificate signed by unknown authority")
            }
            (Self::UnknownAuthority, Runtime::Containerd2) => format!(
                "{head}tls: failed to verify certificate: x509: certificate signed by unknown authority"
            ),
            (Self::QpsExceeded, _) => String::new(),
        };
        let absent = matches!(self, Self::NotFound | Self::NoPlatform);
        let code = if absent { "rpc error: code = NotFound desc = " } else { "" };
        let stage = match (self, runtime) {
            (Self::NoPlatform, _) => String::new(),
            (_, Runtime::Containerd16) => format!("failed to resolve reference \"{name}\": "),
            (_, Runtime::Containerd2) => "failed to resolve image: ".to_owned(),
        };
        format!("{code}failed to pull and unpack image \"{name}\": {stage}{detail}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_those_that_were_recorded() {
        let image = "registry.test:5000/team-a/app:v1";
        let table = [
            (
                Fault::NotFound,
                Runtime::Containerd16,
                "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.test:5000/team-a/app:v1\": failed to resolve reference \"registry.test:5000/team-a/app:v1\": registry.test:5000/team-a/app:v1: not found",
            ),
            (
                Fault::NotFound,
                Runtime::Containerd2,
                "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.test:5000/team-a/app:v1\": failed to resolve image: registry.test:5000/team-a/app:v1: not found",
            ),
            (
                Fault::Unavailable,
                Runtime::Containerd16,
                "failed to pull and unpack image \"registry.test:5000/team-a/app:v1\": failed to resolve reference \"registry.test:5000/team-a/app:v1\": pulling from host registry.test:5000 failed with status code [manifests v1]: 503 Service Unavailable",
            ),
            (
                Fault::RateLimited,
                Runtime::Containerd2,
                "failed to pull and unpack image \"registry.test:5000/team-a/app:v1\": failed to resolve image: unexpected status from HEAD request to https://registry.test:5000/v2/team-a/app/manifests/v1: 429 Too Many Requests",
            ),
            (
                Fault::MissingOrDenied,
                Runtime::Containerd2,
                "failed to pull and unpack image \"registry.test:5000/team-a/app:v1\": failed to resolve image: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
            ),
            (Fault::QpsExceeded, Runtime::Containerd16, "pull QPS exceeded"),
        ];
        for (fault, runtime, message) in table {
            assert_eq!(fault.message(runtime, image), message);
        }
    }

    #[test]
    fn a_short_name_is_normalised_in_the_message() {
        let message = Fault::NotFound.message(Runtime::Containerd2, "busybox");
        assert!(message.ends_with("docker.io/library/busybox:latest: not found"), "{message}");
    }

    #[test]
    fn a_fault_is_read_as_the_cause_that_it_is_for() {
        let mut told = 0;
        for cause in Cause::ALL {
            let Some((fault, runtime)) = Fault::of(cause) else { continue };
            let image = "registry.test:5000/team-a/app:v1";
            let message = fault.message(runtime, image);
            let read = dislodge_engine::message::read(Some("ErrImagePull"), &message, Some(image));
            assert_eq!(read.cause, Some(cause), "{message}");
            told += 1;
        }
        assert_eq!(told, 10);
    }
}
