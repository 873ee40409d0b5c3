//! Why a pull fails: the closed set of causes, in one place.
//!
//! The CRD's enum, metric labels, reasons and the words that people read all come from here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why an image cannot be pulled. What is no image failure has no cause.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Cause {
    /// The reference is no valid image reference.
    InvalidReference,
    /// The registry says that there is no such repository, tag or digest.
    NotFound,
    /// The image exists, but not for the node's platform.
    PlatformMismatch,
    /// The manifest is of a kind that the container runtime does not take.
    ManifestUnsupported,
    /// The container's `imagePullPolicy` is `Never` and the node does not have the image.
    NeverPullAbsent,
    /// The image's signature was refused by the node's policy.
    SignatureRejected,
    /// The registry will not say whether the image is missing or private.
    MissingOrDenied,
    /// The registry wants credentials and got none, or wrong ones.
    Unauthorized,
    /// The registry knows the caller and refuses (403, billing, quota, blocked).
    AccessDenied,
    /// The registry refuses for now: too many pulls.
    RateLimited,
    /// The registry answers with an error of its own.
    RegistryUnavailable,
    /// The registry cannot be reached, or the connection breaks.
    Network,
    /// The registry's host name does not resolve.
    HostUnresolvable,
    /// The TLS handshake with the registry fails.
    Tls,
    /// What the registry sends does not match its digest.
    ContentCorrupt,
    /// The node has no room for the image.
    DiskFull,
    /// The node cannot unpack the image.
    UnpackFailed,
    /// The node's container runtime does not answer.
    RuntimeUnavailable,
    /// The kubelet's own limit on pulls (`pull QPS exceeded`): no registry was asked.
    NodeThrottled,
    /// An image failure that cannot be read.
    Unknown,
}

/// Who has to change something before a pull with that cause can go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The image or its reference: it will not mend itself.
    Permanent,
    /// The credentials, or the rights that they carry.
    Credentials,
    /// The registry or the way to it: may well mend itself.
    Transient,
    /// The node.
    Node,
    /// It cannot be told.
    Unknown,
}

impl Class {
    /// All classes, in the order in which documentation lists them.
    pub const ALL: [Self; 5] =
        [Self::Permanent, Self::Credentials, Self::Transient, Self::Node, Self::Unknown];

    /// The name, as commands print it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Credentials => "credentials",
            Self::Transient => "transient",
            Self::Node => "node",
            Self::Unknown => "unknown",
        }
    }

    /// What it says of the pull, as a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Permanent => "the image or its reference has to change: it will not mend itself",
            Self::Credentials => "somebody has to give the right credentials, or the right itself",
            Self::Transient => "the registry or the way to it fails: it may well mend itself",
            Self::Node => "the node fails: another node may do better",
            Self::Unknown => "it cannot be told who has to change something",
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Cause {
    /// Whether an image that the kubelet has found bad for this cause before any pull stays so: the reference
    /// itself is wrong, or no pull is allowed. What else keeps it from pulling (a secret that it cannot read)
    /// it asks for at each sync, and what it pulls then it shows only in the end (kubelet.md 1.4, 3.1).
    pub const fn is_without_a_pull(self) -> bool {
        matches!(self, Self::InvalidReference | Self::NeverPullAbsent)
    }

    /// All causes, in the order in which documentation lists them.
    pub const ALL: [Self; 20] = [
        Self::InvalidReference,
        Self::NotFound,
        Self::PlatformMismatch,
        Self::ManifestUnsupported,
        Self::NeverPullAbsent,
        Self::SignatureRejected,
        Self::MissingOrDenied,
        Self::Unauthorized,
        Self::AccessDenied,
        Self::RateLimited,
        Self::RegistryUnavailable,
        Self::Network,
        Self::HostUnresolvable,
        Self::Tls,
        Self::ContentCorrupt,
        Self::DiskFull,
        Self::UnpackFailed,
        Self::RuntimeUnavailable,
        Self::NodeThrottled,
        Self::Unknown,
    ];

    /// The name as it stands in the API, in metric labels and in reasons.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidReference => "InvalidReference",
            Self::NotFound => "NotFound",
            Self::PlatformMismatch => "PlatformMismatch",
            Self::ManifestUnsupported => "ManifestUnsupported",
            Self::NeverPullAbsent => "NeverPullAbsent",
            Self::SignatureRejected => "SignatureRejected",
            Self::MissingOrDenied => "MissingOrDenied",
            Self::Unauthorized => "Unauthorized",
            Self::AccessDenied => "AccessDenied",
            Self::RateLimited => "RateLimited",
            Self::RegistryUnavailable => "RegistryUnavailable",
            Self::Network => "Network",
            Self::HostUnresolvable => "HostUnresolvable",
            Self::Tls => "Tls",
            Self::ContentCorrupt => "ContentCorrupt",
            Self::DiskFull => "DiskFull",
            Self::UnpackFailed => "UnpackFailed",
            Self::RuntimeUnavailable => "RuntimeUnavailable",
            Self::NodeThrottled => "NodeThrottled",
            Self::Unknown => "Unknown",
        }
    }

    /// Which class the cause belongs to.
    pub const fn class(self) -> Class {
        match self {
            Self::InvalidReference
            | Self::NotFound
            | Self::PlatformMismatch
            | Self::ManifestUnsupported
            | Self::NeverPullAbsent
            | Self::SignatureRejected => Class::Permanent,
            Self::MissingOrDenied | Self::Unauthorized | Self::AccessDenied => Class::Credentials,
            Self::RateLimited
            | Self::RegistryUnavailable
            | Self::Network
            | Self::HostUnresolvable
            | Self::Tls
            | Self::ContentCorrupt => Class::Transient,
            Self::DiskFull
            | Self::UnpackFailed
            | Self::RuntimeUnavailable
            | Self::NodeThrottled => Class::Node,
            Self::Unknown => Class::Unknown,
        }
    }

    /// Whether the pull can go through later although nobody changes anything.
    pub const fn can_waiting_help(self) -> bool {
        match self.class() {
            Class::Transient | Class::Node | Class::Unknown => true,
            Class::Permanent | Class::Credentials => false,
        }
    }

    /// What it means, as the end of a sentence that begins with the image:
    /// `image "x" <sentence>`.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::InvalidReference => "is not a valid image reference",
            Self::NotFound => "does not exist in its registry",
            Self::PlatformMismatch => "does not exist for the node's platform",
            Self::ManifestUnsupported => "has a manifest that the container runtime does not take",
            Self::NeverPullAbsent => "is not on the node and may not be pulled (policy Never)",
            Self::SignatureRejected => "has a signature that the node's policy refuses",
            Self::MissingOrDenied => "does not exist or needs credentials (its registry won't say)",
            Self::Unauthorized => "needs credentials that were missing or wrong",
            Self::AccessDenied => "is refused by its registry (access denied)",
            Self::RateLimited => "is refused by its registry for now (rate limit)",
            Self::RegistryUnavailable => "cannot be had: its registry answers with an error",
            Self::Network => "cannot be had: the network to its registry fails",
            Self::HostUnresolvable => "cannot be had: its registry's host name does not resolve",
            Self::Tls => "cannot be had: TLS with its registry fails",
            Self::ContentCorrupt => "arrives with content that does not match its digest",
            Self::DiskFull => "cannot be stored: the node's disk is full",
            Self::UnpackFailed => "cannot be unpacked on the node",
            Self::RuntimeUnavailable => "cannot be pulled: the node's runtime does not answer",
            Self::NodeThrottled => "was not pulled yet: the node limits its pulls",
            Self::Unknown => "cannot be pulled, for a reason that is not understood",
        }
    }

    /// What the Job's owner can do, in few words: `kubectl describe` has to show them whole. A Job's image is immutable, also while it
    /// is suspended (Kubernetes: `validatePodTemplateUpdate`), so "edit the image" is never said.
    pub const fn next_step(self) -> &'static str {
        match self {
            Self::InvalidReference => "create the Job anew with a valid image",
            Self::NotFound => "push the image, then resume",
            Self::PlatformMismatch => "push it for the node's platform, then resume",
            Self::ManifestUnsupported => "push it in a current format, then resume",
            Self::NeverPullAbsent => "load it onto the nodes, then resume",
            Self::SignatureRejected => "sign it as the nodes demand, then resume",
            Self::MissingOrDenied => "push it or repair the pull secret, then resume",
            Self::Unauthorized => "repair the pull secret, then resume",
            Self::AccessDenied => "have the registry grant access, then resume",
            Self::RateLimited => "wait for the registry's limit, then resume",
            Self::RegistryUnavailable | Self::Network => "wait for the registry, then resume",
            Self::HostUnresolvable => "check the registry's name and DNS, then resume",
            Self::Tls => "have its certificate looked at, then resume",
            Self::ContentCorrupt => "push it anew if it stays so, then resume",
            Self::DiskFull | Self::UnpackFailed | Self::RuntimeUnavailable => {
                "have the node looked at, then resume"
            }
            Self::NodeThrottled => "wait: the node tries again by itself",
            Self::Unknown => "read the Pod's message, mend it, then resume",
        }
    }
}

impl Cause {
    /// The same, where nothing is held that could be resumed.
    pub fn remedy(self) -> &'static str {
        self.next_step().strip_suffix(", then resume").unwrap_or_else(|| self.next_step())
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_cause_and_class_has_a_name_of_its_own_and_words() {
        let names: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
        assert_eq!(names.len(), Cause::ALL.len());
        for cause in Cause::ALL {
            let name = serde_json::to_value(cause).unwrap();
            assert_eq!(name, cause.as_str(), "the API's name");
            assert_eq!(name, cause.to_string());
            assert!(cause.sentence().contains(' ') && cause.next_step().contains(' '), "{cause}");
        }
        let names = Class::ALL.map(Class::as_str);
        assert_eq!(names, ["permanent", "credentials", "transient", "node", "unknown"]);
        let words: BTreeSet<&str> = Class::ALL.iter().map(|class| class.sentence()).collect();
        assert_eq!(words.len(), Class::ALL.len());
        assert!(words.iter().all(|words| words.contains(' ')), "{words:?}");
        assert_eq!(Class::Node.to_string(), "node");
        assert_eq!(Cause::NotFound.remedy(), "push the image");
        assert_eq!(Cause::NodeThrottled.remedy(), Cause::NodeThrottled.next_step());
    }

    #[test]
    fn waiting_helps_where_nobody_has_to_change_anything() {
        for (cause, helps) in [
            (Cause::NotFound, false),
            (Cause::Unauthorized, false),
            (Cause::RateLimited, true),
            (Cause::DiskFull, true),
            (Cause::Unknown, true),
        ] {
            assert_eq!(cause.can_waiting_help(), helps, "{cause}");
        }
    }
}
