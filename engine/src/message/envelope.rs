//! What the kubelet puts around a runtime's words: reasons, prefixes, Events.

use super::blank::ranges;
use crate::cause::{Cause, Class};

/// How a message is to be read, by its reason and by the kubelet's own words.
#[derive(Clone, Copy, Debug)]
pub(super) enum Gate<'t> {
    /// The reason or the kubelet's words decide.
    Decided {
        /// Why the pull failed; `None`: it is no failure of a pull.
        cause: Option<Cause>,
        /// The words that decide.
        words: &'t str,
        /// Why they do.
        why: &'static str,
    },
    /// The reason decides, unless the words tell of something that outweighs it.
    Mostly {
        /// The runtime's words.
        words: &'t str,
        /// The reason.
        reason: &'t str,
        /// The cause that it means.
        cause: Cause,
        /// Why it means that.
        why: &'static str,
        /// Causes that outweigh it.
        unless: fn(Cause) -> bool,
    },
    /// It is about a pull: the words decide, and where they say nothing it is `otherwise`.
    Pull {
        /// The runtime's words.
        words: &'t str,
        /// The cause where they say nothing.
        otherwise: Cause,
    },
    /// Nobody says what it is about: the words have to.
    Ask {
        /// The words.
        words: &'t str,
    },
}

/// Kubelet: waiting reasons and Events that are about something else. What the reasons of images
/// are stands in [`gate`].
const STRANGERS: [&str; 44] = [
    // Waiting reasons (pkg/kubelet/container/sync_result.go, kuberuntime).
    "ContainerCreating",
    "PodInitializing",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "PreCreateHookError",
    "PreStartHookError",
    "PostStartHookError",
    "RunContainerError",
    "RestartingAllContainers",
    "Completed",
    "Error",
    "OOMKilled",
    "ContainerStatusUnknown",
    "StartError",
    // Events (pkg/kubelet/events/event.go, kube-scheduler and controllers).
    "Scheduled",
    "FailedScheduling",
    "Pulling",
    "Pulled",
    "Created",
    "Started",
    "Killing",
    "Preempting",
    "Evicted",
    "Unhealthy",
    "FailedMount",
    "FailedAttachVolume",
    "SuccessfulAttachVolume",
    "FailedCreatePodSandBox",
    "FailedPodSandBoxStatus",
    "SandboxChanged",
    "NetworkNotReady",
    "FailedToRetrieveImagePullSecret",
    "FailedCreate",
    "FailedDelete",
    "FailedKillPod",
    "BackoffLimitExceeded",
    "FreeDiskSpaceFailed",
    "ImageGCFailed",
    "ContainerGCFailed",
    "ProvisioningFailed",
    "FailedPostStartHook",
    "NodeNotReady",
    "TaintManagerEviction",
];

const BACK_OFF: &str = "Back-off pulling image ";
const FAILED: &str = "Failed to pull image ";

/// Tells by reason and prefix what the text is.
pub(super) fn gate<'t>(reason: &'t str, text: &'t str) -> Gate<'t> {
    let decided = |cause, why| Gate::Decided { cause, words: reason, why };
    let pull = |words, otherwise| Gate::Pull { words, otherwise };
    let mostly = |cause, why, unless| Gate::Mostly { words: text, reason, cause, why, unless };
    match reason {
        "ErrImagePull" => pull(unwrapped(text), Cause::Unknown),
        "ImagePullBackOff" => match repeated(text) {
            Some((before, words)) => gate_before(before, words),
            None => pull(text, Cause::Unknown),
        },
        "RegistryUnavailable" => pull(text, Cause::RegistryUnavailable),
        "SignatureValidationFailed" => mostly(
            Cause::SignatureRejected,
            "the runtime's policy (CRI-O; the reason is known since Kubernetes 1.28)",
            |cause| cause.class() == Class::Transient,
        ),
        "InvalidImageName" => decided(
            Some(Cause::InvalidReference),
            "the kubelet itself cannot read the reference (pkg/kubelet/images/image_manager.go)",
        ),
        "ErrImageNeverPull" => decided(
            Some(Cause::NeverPullAbsent),
            "the kubelet may not pull (pkg/kubelet/images/image_manager.go)",
        ),
        // That the image is missing or refused, a runtime that is asked about it cannot know.
        "ImageInspectError" => mostly(
            Cause::RuntimeUnavailable,
            "the kubelet could not ask the runtime about the image (pkg/kubelet/images/image_manager.go)",
            |cause| {
                matches!(cause.class(), Class::Node | Class::Transient)
                    || cause == Cause::InvalidReference
            },
        ),
        _ if STRANGERS.contains(&reason) => {
            decided(None, "a reason that is about something else than pulling an image")
        }
        // The Event of a container that does not start, be it for its image.
        "Failed" if text.starts_with("Error: ") && !is_image_reason(text) => {
            decided(None, "the container could not be started, and not for its image")
        }
        _ if reason.contains(' ') => sentence(reason, text),
        // No reason, an unknown one, or an Event's: `Failed` and `BackOff` are shared with containers
        // that do not start.
        _ => ask(text),
    }
}

/// A back-off repeats no back-off: whatever it says, it is about a pull.
fn gate_before<'t>(before: &'t str, words: &'t str) -> Gate<'t> {
    match before {
        "RegistryUnavailable" | "SignatureValidationFailed" => gate(before, words),
        _ => Gate::Pull { words, otherwise: Cause::Unknown },
    }
}

/// From 1.33 on the kubelet passes some errors on raw, in place of a reason (KEP-2535): most often
/// that a pull secret cannot be read (`credentialprovider/secrets`).
fn sentence<'t>(reason: &'t str, text: &'t str) -> Gate<'t> {
    if reason.starts_with("failed to record image pull intent") {
        return Gate::Pull { words: reason, otherwise: Cause::RuntimeUnavailable };
    }
    if reason != text || reason.starts_with("RuntimeClass") {
        return ask(text);
    }
    Gate::Decided {
        cause: Some(Cause::Unauthorized),
        words: reason,
        why: "a raw error in place of a reason: the kubelet cannot read the pull secret (KEP-2535)",
    }
}

/// Reads the text alone: the kubelet's own words may say what it is about.
fn ask(text: &str) -> Gate<'_> {
    if let Some((before, words)) = repeated(text) {
        return gate_before(before, words);
    }
    if let Some((reason, words)) = started(text) {
        return gate(reason, words);
    }
    if is_image_reason(text)
        && let Some(reason) = text.strip_prefix("Error: ")
    {
        return match reason {
            "InvalidImageName" | "ErrImageNeverPull" | "SignatureValidationFailed" => {
                gate(reason, "")
            }
            _ => Gate::Pull { words: text, otherwise: Cause::Unknown },
        };
    }
    let well = BEGINNINGS.iter().find(|success| text.starts_with(**success));
    if let Some(success) = well.or_else(|| text.contains(PRESENT).then_some(&PRESENT)) {
        let why = "tells of what went well, or of something else";
        return Gate::Decided { cause: None, words: success, why };
    }
    if text.starts_with(FAILED) || text.starts_with(BACK_OFF) {
        return Gate::Pull { words: unwrapped(text), otherwise: Cause::Unknown };
    }
    Gate::Ask { words: text }
}

/// Reason and message in an error of a sync: `failed to "StartContainer" for "C" with ErrImagePull:
/// "MESSAGE"` (pkg/kubelet/container/sync_result.go, as Events of kubelets before 1.7 and logs have
/// it).
fn started(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once("failed to \"StartContainer\" for ")?;
    if rest.starts_with("\"POD\"") {
        return Some(("FailedCreatePodSandBox", rest)); // the sandbox's own container, up to 1.6
    }
    let (reason, words) = after_quoted(rest)?.strip_prefix(" with ")?.split_once(": ")?;
    Some((reason, words.trim_start_matches('"')))
}

/// Whether a reason that decides nothing is none of those that tell of images, among other things.
pub(super) fn is_elsewhere(reason: &str) -> bool {
    !matches!(
        reason,
        "" | "Failed" | "FailedPullImage" | "BackOff" | "InspectFailed" | "FailedSync"
    )
}

/// The Event `Error: <reason>` with a reason of images.
fn is_image_reason(text: &str) -> bool {
    let reasons = [
        "ErrImagePull",
        "ImagePullBackOff",
        "RegistryUnavailable",
        "SignatureValidationFailed",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
    ];
    text.strip_prefix("Error: ").is_some_and(|reason| reasons.contains(&reason))
}

/// How the Events of what goes well begin, and of volumes (pkg/kubelet, kube-scheduler, Job
/// controller).
const BEGINNINGS: [&str; 12] = [
    "Unable to retrieve some image pull secrets",
    "MountVolume.",
    "AttachVolume.",
    "MapVolume.",
    "Successfully ",
    "Started container",
    "Created container",
    "Created pod",
    "Pulling image \"",
    "pulling image \"",
    "Stopping container",
    "Admitted by ",
];
/// The kubelet need not pull.
const PRESENT: &str = "already present on machine";

/// Whether a text without a reason says by its own words, and not by the names in it, that it is about
/// pulling an image: it speaks of one, or names one by its whole reference.
pub(super) fn is_about_a_pull(text: &str, blanked: &[u8]) -> bool {
    const WORDS: [&[u8]; 12] = [
        b"pull",
        b"pulled",
        b"pulling",
        b"image",
        b"images",
        b"manifest",
        b"registry",
        b"layer",
        b"blob",
        b"tag",
        b"unpack",
        b"repository",
    ];
    let is_end = |b: &u8| !(b.is_ascii_alphanumeric() || b"-_".contains(b) || !b.is_ascii());
    let speaks = blanked
        .split(is_end)
        .any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)));
    let names = || {
        ranges(blanked).into_iter().filter_map(|range| text.get(range)).any(|name| {
            let reference =
                name.contains('/') && !name.starts_with('/') && name.contains([':', '@']);
            reference && !name.contains("://") || name.contains("/v2/")
        })
    };
    speaks || names()
}

/// Reason and message of the failed pull before, which `ImagePullBackOff` repeats from 1.32 on:
/// `Back-off pulling image "X": ErrImagePull: MESSAGE`.
pub(super) fn repeated(text: &str) -> Option<(&str, &str)> {
    let rest = after_quoted(text.strip_prefix(BACK_OFF)?)?.strip_prefix(": ")?;
    Some(rest.split_once(": ").unwrap_or(("ErrImagePull", rest)))
}

/// The text without the kubelet's own words in front: `Failed to pull image "X": `.
fn unwrapped(text: &str) -> &str {
    let rest = text.strip_prefix(FAILED).and_then(after_quoted);
    rest.and_then(|rest| rest.strip_prefix(": ")).unwrap_or(text)
}

/// What follows a string that Go has quoted (`%q`).
fn after_quoted(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = rest.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    rest.get(end + 1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_sync_names_reason_and_message() {
        let text = r#"skipping: failed to "StartContainer" for "a" with ErrImagePull: "x: y""#;
        assert_eq!(started(text), Some(("ErrImagePull", "x: y\"")));
    }

    #[test]
    fn the_failure_before_is_taken_out_of_a_back_off() {
        for (text, expected) in [
            (r#"Back-off pulling image "a:1""#, None),
            (r#"Back-off pulling image "a:1": ErrImagePull: x: y"#, Some(("ErrImagePull", "x: y"))),
            (r#"Back-off pulling image "a\":\" 1": ErrImagePull: x"#, Some(("ErrImagePull", "x"))),
            (
                r#"Back-off pulling image "a": RegistryUnavailable: image pull failed for a"#,
                Some(("RegistryUnavailable", "image pull failed for a")),
            ),
            (r#"Back-off pulling image "a": odd"#, Some(("ErrImagePull", "odd"))),
            ("Back-off restarting failed container", None),
        ] {
            assert_eq!(repeated(text), expected, "{text}");
        }
    }
}
