//! Reading, rule by rule: what decides, and what must not.

use super::{Reading, blanked, read, repeated};

/// Cause and evidence, in short.
fn shown(reason: &str, text: &str, image: &str) -> String {
    let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let Reading { cause, evidence } = read(given(reason), text, given(image));
    let cause = cause.map_or("none", |cause| cause.as_str());
    format!("{cause} by {}", evidence.map_or("nothing", |evidence| evidence.words))
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_reason_decides_where_the_kubelet_means_something_by_it() {
    for (reason, text, expected) in [
        ("ErrImagePull", "pull QPS exceeded", "NodeThrottled by pull QPS exceeded"),
        ("ErrImagePull", "what", "Unknown by nothing"),
        ("ErrImagePull", "", "Unknown by nothing"),
        ("ErrImagePull", "sandbox gone", "Unknown by nothing"),
        ("ErrImagePull", r#"Failed to pull image "a": x509: bad"#, "Tls by x509:"),
        ("ImagePullBackOff", "", "Unknown by nothing"),
        ("ImagePullBackOff", r#"Back-off pulling image "a""#, "Unknown by Back-off pulling image"),
        ("ImagePullBackOff", r#"Back-off pulling image "a": ErrImagePull: EOF"#, "Network by EOF"),
        (
            "ImagePullBackOff",
            r#"Back-off pulling image "a": SignatureValidationFailed: what"#,
            "SignatureRejected by SignatureValidationFailed",
        ),
        (
            "ImagePullBackOff",
            r#"Back-off pulling image "a": RegistryUnavailable: what"#,
            "RegistryUnavailable by nothing",
        ),
        ("ImagePullBackOff", r#"Back-off pulling image "a": Odd: what"#, "Unknown by nothing"),
        ("RegistryUnavailable", "what", "RegistryUnavailable by nothing"),
        ("RegistryUnavailable", "dial tcp: i/o timeout", "Network by i/o timeout"),
        (
            "SignatureValidationFailed",
            "r.io/a:1: denied",
            "SignatureRejected by SignatureValidationFailed",
        ),
        ("SignatureValidationFailed", "dial tcp: i/o timeout", "Network by i/o timeout"),
        ("InvalidImageName", "EOF", "InvalidReference by InvalidImageName"),
        ("ErrImageNeverPull", "EOF", "NeverPullAbsent by ErrImageNeverPull"),
        ("ImageInspectError", "what", "RuntimeUnavailable by ImageInspectError"),
        (
            "ImageInspectError",
            "image \"r.io/a:1\": not found",
            "RuntimeUnavailable by ImageInspectError",
        ),
        ("ImageInspectError", "no space left on device", "DiskFull by no space left on device"),
        (
            "ImageInspectError",
            "short name mode is enforcing",
            "InvalidReference by short name mode is enforcing",
        ),
        ("CreateContainerError", "r.io/a:1: not found", "none by CreateContainerError"),
        ("FailedCreatePodSandBox", "r.io/a:1: not found", "none by FailedCreatePodSandBox"),
        ("Failed", "Error: context deadline exceeded", "none by Failed"),
        ("Failed", "dial tcp: i/o timeout", "Network by i/o timeout"),
        ("Failed", "Error: ErrImagePull", "Unknown by ErrImagePull"),
        ("Failed", "Error: ErrImageNeverPull", "NeverPullAbsent by ErrImageNeverPull"),
        ("Failed", "Error: InvalidImageName", "InvalidReference by InvalidImageName"),
        ("Failed", r#"Error: secret "denied" not found"#, "none by Failed"),
        ("Failed", r#"Failed to pull image "r.io/sandbox": sandbox"#, "Unknown by nothing"),
        ("BackOff", "Back-off restarting failed container", "none by Back-off restarting"),
        ("BackOff", r#"Back-off pulling image "a""#, "Unknown by Back-off pulling image"),
        (
            "FailedSync",
            r#"failed to "StartContainer" for "a" with ErrImagePull: "r.io/a: not found""#,
            "NotFound by not found",
        ),
        (
            "FailedSync",
            r#"failed to "StartContainer" for "a" with CrashLoopBackOff: "EOF""#,
            "none by CrashLoopBackOff",
        ),
        (
            "FailedSync",
            r#"failed to "StartContainer" for "POD" with ErrImagePull: "EOF""#,
            "none by FailedCreatePodSandBox",
        ),
        (
            "unexpected end of JSON input",
            "unexpected end of JSON input",
            "Unauthorized by unexpected end of JSON input",
        ),
        ("RuntimeClass \"gpu\" not found", "", "none by nothing"),
        (
            "RuntimeClass \"gpu\" not found",
            "RuntimeClass \"gpu\" not found",
            "none by RuntimeClass",
        ),
        ("one sentence", "another: EOF", "none by nothing"),
        (
            "failed to record image pull intent: open x",
            "Failed to record image pull intent",
            "RuntimeUnavailable by failed to record image pull intent",
        ),
        ("SomethingNew", "r.io/a:1: not found", "NotFound by not found"),
        ("", "r.io/a:1: not found", "NotFound by not found"),
        ("SomethingNew", "dial tcp: i/o timeout", "none by nothing"),
        ("", "dial tcp: i/o timeout", "Network by i/o timeout"),
        ("", r#"pods "x" not found"#, "none by nothing"),
        (
            "",
            r#"MountVolume.SetUp failed for volume "images" : rpc error: not found"#,
            "none by MountVolume.",
        ),
        ("", r#"Successfully pulled image "r.io/a:1" in 3 s"#, "none by Successfully "),
        (
            "",
            r#"Container image "r.io/a:1" already present on machine"#,
            "none by already present on machine",
        ),
        ("", "Created pod: image-builder-x", "none by Created pod"),
        ("", "Started registry", "Unknown by nothing"),
        ("", "Started container-registry", "none by Started container"),
        ("", "", "none by nothing"),
        ("Preempted", "Preempted", "none by nothing"),
        ("", "what", "none by nothing"),
        ("", "job image-builder has ended", "none by nothing"),
        ("", "node group team/gpu is full", "none by nothing"),
        ("", "node 10.0.0.1:10250 does not answer", "none by nothing"),
        ("", "what became of the image", "Unknown by nothing"),
    ] {
        assert_eq!(shown(reason, text, ""), expected, "{reason}: {text}");
    }
}

#[test]
fn a_status_counts_where_it_is_announced_and_nowhere_else() {
    for (text, expected) in [
        ("unexpected status: 403 Forbidden", "AccessDenied by 403 Forbidden"),
        ("unexpected status from GET request to http://r.io/x: 404", "NotFound by 404"),
        ("status code [manifests v1]: 429 Too Many", "RateLimited by 429 Too Many"),
        ("StatusCode: 500, \"x\"", "RegistryUnavailable by 500"),
        ("StatusCode: 599 and more", "RegistryUnavailable by 599 and more"),
        ("StatusCode: 600", "Unknown by nothing"),
        ("error parsing HTTP 402 response body", "AccessDenied by 402 response body"),
        ("status code 401 (Unauthorized)", "Unauthorized by Unauthorized"),
        ("status code=451", "AccessDenied by 451"),
        ("status code 410", "NotFound by 410"),
        ("status code 407", "Network by 407"),
        ("status code 408", "Network by 408"),
        ("status code 409", "Unknown by 409"),
        ("status code 4040", "Unknown by nothing"),
        ("status code a b c d e: 404", "NotFound by 404"),
        ("status code a b c d e f: 404", "Unknown by nothing"),
        ("status code from registry 403 (Forbidden)", "AccessDenied by Forbidden"),
        ("status code from registry 503 (try later)", "RegistryUnavailable by 503"),
        ("status code, retried 404 times", "Unknown by nothing"),
        ("unexpected status after 404 ms: 503", "RegistryUnavailable by 503"),
        ("status code\n404", "Unknown by nothing"),
        ("404 403 500", "Unknown by nothing"),
        ("a status of 404", "Unknown by nothing"),
        // Whose status it is.
        ("failed to authorize: unexpected status: 404", "AccessDenied by 404"),
        ("pinging container registry r.io: StatusCode: 404", "RegistryUnavailable by 404"),
        ("pinging container registry r.io: StatusCode: 403", "AccessDenied by 403"),
    ] {
        assert_eq!(shown("ErrImagePull", text, ""), expected, "{text}");
    }
}

#[test]
fn not_found_means_the_image_where_it_follows_its_name() {
    for (text, expected) in [
        ("r.io/a:1: not found", "NotFound"),
        ("manifest for r.io/a:1 not found", "NotFound"),
        ("image not found", "NotFound"),
        ("r.io/a:1 is not found", "NotFound"),
        ("entity was not found", "NotFound"),
        ("manifest tagged by \"v1\" is not found", "NotFound"),
        ("desc = r.io/a:1: not found", "NotFound"),
        ("x: r.io/a:1 not found", "NotFound"),
        ("snapshotter stargz was not found: not found", "UnpackFailed"),
        ("can not find snapshotter \"nydus\": not found", "UnpackFailed"),
        ("failed to get active snapshot \"k8s.io/12/extract-1\": not found", "UnpackFailed"),
        ("missing parent \"k8s.io/1\" of snapshot \"k8s.io/2\": not found", "UnpackFailed"),
        ("failed to resolve reference \"r.io/a:1\": not found", "NotFound"),
        ("reference layer-sha256:00: not found", "Unknown"),
        ("ingest ref \"layer-1\": not found", "UnpackFailed"),
        ("content sha256:00: not found", "Unknown"),
        ("status for ref a/b: not found", "Unknown"),
        ("namespace \"k8s.io\": not found", "RuntimeUnavailable"),
        ("secret \"regcred\" not found", "Unknown"),
        ("runtime handler \"kata\" not found", "Unknown"),
        ("\"r.io/a:1\" not found", "NotFound"),
        ("executable file not found in $PATH", "Unknown"),
        ("not found", "Unknown"),
        ("r.io/a:1: not foundry", "Unknown"),
        (
            "could not fetch content descriptor sha256:00 (text/html) from remote: not found",
            "ManifestUnsupported",
        ),
        (
            "could not fetch content descriptor sha256:00 (application/vnd.oci.image.layer.v1.tar) from remote: not found",
            "NotFound",
        ),
        ("could not fetch content descriptor sha256:00 from remote: not found", "NotFound"),
        ("could not fetch content descriptor sha256:00 (text/html): EOF", "Network"),
    ] {
        assert!(
            shown("ErrImagePull", text, "").starts_with(&format!("{expected} by")),
            "{text}: {}",
            shown("ErrImagePull", text, "")
        );
    }
}

#[test]
fn eof_means_a_broken_connection_where_an_error_ends_with_it() {
    for (text, expected) in [
        ("Head \"http://r.io\": EOF", "Network by EOF"),
        ("EOF", "Network by EOF"),
        ("x: EOF (while reconnecting)", "Network by EOF"),
        ("x: EOF\n", "Network by EOF"),
        ("x: EOF, y", "Network by EOF"),
        ("x: EOF of it", "Unknown by nothing"),
        ("an EOF", "Unknown by nothing"),
        ("x: EOFs", "Unknown by nothing"),
    ] {
        assert_eq!(shown("ErrImagePull", text, ""), expected, "{text}");
    }
}

#[test]
fn a_phrase_stands_for_itself_and_the_longest_of_a_rule_is_shown() {
    for (text, expected) in [
        ("denied", "AccessDenied by denied"),
        ("DENIED!", "AccessDenied by DENIED"),
        ("undenied", "Unknown by nothing"),
        ("denied-team", "Unknown by nothing"),
        ("team_denied", "Unknown by nothing"),
        ("denied\u{e9}", "Unknown by nothing"),
        ("401 Unauthorized", "Unauthorized by 401 Unauthorized"),
        (
            r#"{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}"#,
            "NotFound by MANIFEST_UNKNOWN",
        ),
        ("dial tcp: lookup r.io: broken", "HostUnresolvable by dial tcp: lookup"),
        ("dial tcp: lookup r.io: no such host", "HostUnresolvable by dial tcp: lookup"),
        ("denied: lookup of the account failed", "AccessDenied by denied"),
        ("r.io/a:1: no signatures", "ManifestUnsupported by no signatures"),
        ("unauthorized: no signatures in it", "Unauthorized by unauthorized"),
    ] {
        assert_eq!(shown("ErrImagePull", text, ""), expected, "{text}");
    }
}

#[test]
fn of_several_errors_the_most_lenient_one_counts() {
    for (text, expected) in [
        ("[failed to a: denied, failed to b: unauthorized]", "AccessDenied by denied"),
        ("[failed to a: unauthorized, failed to b: denied]", "AccessDenied by denied"),
        ("[failed to a: r.io/a: not found, failed to b: what]", "Unknown by nothing"),
        ("[failed to a: no space left, failed to b: what]", "DiskFull by no space left"),
        ("[failed to a: no space left, failed to b: EOF]", "Network by EOF"),
        ("[failed to a: x509: b, failed to b: EOF]", "Network by EOF"),
        // Cut off: what follows could be anything.
        ("[failed to a: denied, failed to b: deni", "Unknown by nothing"),
        ("[failed to a: EOF, failed to b: deni", "Network by EOF"),
        // Told apart or not, one that may go through later counts.
        (
            "[no match for platform in x: not found, read tcp a: connection reset]",
            "Network by connection reset",
        ),
        ("[manifests are no longer supported, then i/o timeout]", "Network by i/o timeout"),
        (
            "rpc error: code = Unknown desc = [no matching manifest for x, dial tcp a: i/o timeout]",
            "Network by i/o timeout",
        ),
        (
            "no image found in image index, reading manifest x: i/o timeout]",
            "Network by i/o timeout",
        ),
        (
            "2 errors occurred:\n\t* no match for platform\n\t* x: i/o timeout",
            "Network by i/o timeout",
        ),
        // No list.
        ("[a: denied, b: EOF]", "Network by EOF"),
        ("failed to a: denied, failed to b: what", "AccessDenied by denied"),
        (
            "(Mirrors also failed: [m: r.io/a: not found]\n[n: denied]): o: unauthorized",
            "AccessDenied by denied",
        ),
        ("(Mirrors also failed: [m: r.io/a: not found]): o: EOF", "Network by EOF"),
        ("(Mirrors also failed: [m: EOF]): o: x509: bad", "Tls by x509:"),
        ("(Mirrors also failed: [m: r.io/a: not found]", "Unknown by nothing"),
        ("pull image err: EOF; artifact err: denied", "Network by EOF"),
        ("pull image err: what; artifact err: denied", "Unknown by nothing"),
    ] {
        assert_eq!(shown("ErrImagePull", text, ""), expected, "{text}");
    }
}

#[test]
fn what_may_go_through_later_or_is_refused_is_not_made_permanent_by_the_words_around() {
    for (text, expected) in [
        (
            "Source image rejected: reading x: received unexpected HTTP status: 503",
            "RegistryUnavailable by 503",
        ),
        (
            "Source image rejected: dial tcp: lookup x: no such host",
            "HostUnresolvable by dial tcp: lookup",
        ),
        (
            "Source image rejected: A signature was required",
            "SignatureRejected by A signature was required",
        ),
        ("Source image rejected: what", "SignatureRejected by Source image rejected"),
        (
            "unexpected status: 401 Unauthorized\nPassword login: unsupported media type",
            "Unauthorized by 401 Unauthorized",
        ),
        ("unexpected status: 415 Unsupported Media Type", "Unknown by 415 Unsupported Media Type"),
        (
            "unexpected status: 412 x\ncannot be pulled due to configured policy",
            "SignatureRejected by due to configured policy",
        ),
        (
            "unexpected status: 503 x\ncannot be pulled due to configured policy",
            "RegistryUnavailable by 503 x",
        ),
        (
            "get image from containerd: image \"r.io/a:1\": not found",
            "RuntimeUnavailable by get image from containerd",
        ),
        ("HTTP 404 (Not Found)", "NotFound by 404"),
        ("denied: Container Registry is no longer supported", "AccessDenied by denied"),
        ("open /var/lib/x: permission denied", "UnpackFailed by permission denied"),
        (
            "dial tcp 1.1.1.1:443: connect: permission denied",
            "Network by connect: permission denied",
        ),
        ("denied: permission denied", "AccessDenied by denied"),
    ] {
        assert_eq!(shown("ErrImagePull", text, ""), expected, "{text}");
    }
}

#[test]
fn a_known_image_is_no_evidence_even_where_it_looks_like_words() {
    for (image, text, expected) in [
        ("denied", "pulling \"denied\": what", "Unknown by nothing"),
        ("denied", "pulling \"denied\": denied", "AccessDenied by denied"),
        ("a denied", "cannot use \"a denied\": what", "Unknown by nothing"),
    ] {
        assert_eq!(shown("ErrImagePull", text, image), expected, "{text}");
    }
}

#[test]
fn what_is_blanked_and_what_is_repeated_can_be_asked_for() {
    assert_eq!(blanked("a/b: EOF c/d", None), [0..3, 9..12]);
    assert_eq!(blanked("\"x y\": c/d", Some("x y")), [1..4, 7..10]);
    assert_eq!(repeated("Back-off pulling image \"a\": E: m"), Some(("E", "m")));
}
