//! Rows: what a status says, and how each image of the Pod then stands.

#![expect(clippy::needless_pass_by_value, reason = "json!(..) as an argument reads best")]
#![expect(clippy::wildcard_enum_match_arm, reason = "all other variants show as they are")]

use serde_json::{Value, json};

use super::{Standing, observe};
use crate::objects::Pod;

const NOT_FOUND: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \"r.io/a:1\": failed to resolve reference \"r.io/a:1\": r.io/a:1: not found";

fn pod(spec: Value, status: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "p", "namespace": "n", "uid": "5e7595d6-d828-4f9a-81e2-13e9233e05fc"},
        "spec": spec, "status": status,
    }))
    .unwrap()
}

fn waiting(name: &str, reason: &str, message: &str) -> Value {
    json!({"name": name, "imageID": "", "state": {"waiting": {"reason": reason, "message": message}}})
}

/// `image=standing` of every image, in short.
fn standings(pod: &Pod) -> Vec<String> {
    let seen = observe(pod);
    seen.iter()
        .flat_map(|seen| &seen.images)
        .map(|image| {
            let standing = match &image.standing {
                Standing::Unasked(f) => format!("unasked {}", f.cause),
                Standing::Once(f) => format!("once {}", f.cause),
                Standing::Window(f) => format!("window {}", f.cause),
                Standing::BackOff(Some(f)) => format!("back-off {}", f.cause),
                other => format!("{other:?}"),
            };
            format!("{}={standing}", image.image)
        })
        .collect()
}

#[test]
fn one_container_says_what_its_image_does() {
    let back_off = format!("Back-off pulling image \"r.io/a:1\": ErrImagePull: {NOT_FOUND}");
    for (reason, message, expected) in [
        ("ContainerCreating", "", "Wanted"),
        ("ErrImagePull", NOT_FOUND, "window NotFound"),
        ("ErrImagePull", "pull QPS exceeded", "window NodeThrottled"),
        ("ErrImagePull", "dial tcp: i/o timeout", "window Network"),
        ("RegistryUnavailable", "image pull failed for r.io/a:1", "window RegistryUnavailable"),
        ("SignatureValidationFailed", "image pull failed for r.io/a:1", "window SignatureRejected"),
        ("ImageInspectError", "Failed to inspect image \"\": x", "unasked RuntimeUnavailable"),
        ("ImageInspectError", "short name mode is enforcing", "once InvalidReference"),
        ("ImagePullBackOff", "Back-off pulling image \"r.io/a:1\"", "BackOff(None)"),
        ("ImagePullBackOff", back_off.as_str(), "back-off NotFound"),
        ("ImagePullBackOff", "Back-off pulling image \"r.io/old:1\"", "Unclear"),
        ("InvalidImageName", "Failed to apply default image tag", "once InvalidReference"),
        (
            "ErrImageNeverPull",
            "Container image \"r.io/a:1\" is not present",
            "once NeverPullAbsent",
        ),
        (
            "illegal base64 data at input byte 0",
            "illegal base64 data at input byte 0",
            "once Unauthorized",
        ),
        (
            "failed to record image pull intent: open x: no space left on device",
            "Failed to record image pull intent for container image \"r.io/a:1\"",
            "once DiskFull",
        ),
        ("RuntimeClass \"gpu\" not found", "", "Unclear"),
        ("CrashLoopBackOff", "back-off 10s restarting", "Crashing"),
        ("CreateContainerConfigError", "configmap \"x\" not found", "Pulled"),
    ] {
        let spec = json!({"containers": [{"name": "main", "image": "r.io/a:1"}]});
        let status = json!({"containerStatuses": [waiting("main", reason, message)]});
        assert_eq!(
            standings(&pod(spec, status)),
            [format!("r.io/a:1={expected}")],
            "{reason} {message}"
        );
    }
}

#[test]
fn a_container_that_has_run_already_has_its_image_whatever_it_waits_for() {
    let spec = json!({"containers": [{"name": "main", "image": "r.io/a:1"}]});
    for reason in ["", "ContainerCreating", "PodInitializing", "SomethingNew"] {
        let waiting = json!({"waiting": {"reason": reason}});
        let main = json!({"name": "main", "imageID": "r.io/a@sha256:00", "state": waiting});
        let status = json!({"containerStatuses": [main]});
        assert_eq!(standings(&pod(spec.clone(), status)), ["r.io/a:1=Pulled"], "{reason}");
    }
}

#[test]
fn the_name_of_an_image_is_no_evidence() {
    let spec = json!({"containers": [{"name": "main", "image": "r.io/manifest unknown/a:1"}]});
    let message = "failed to pull r.io/manifest unknown/a:1: connection reset";
    let status = json!({"containerStatuses": [waiting("main", "ErrImagePull", message)]});
    assert_eq!(standings(&pod(spec, status)), ["r.io/manifest unknown/a:1=window Network"]);
}

#[test]
fn an_aggregate_takes_its_most_lenient_member() {
    let spec = json!({"containers": [{"name": "main", "image": "r.io/a:1"}]});
    let message = format!("[{NOT_FOUND}, 503 Service Unavailable]");
    let status = json!({"containerStatuses": [waiting("main", "ErrImagePull", &message)]});
    assert_eq!(standings(&pod(spec, status)), ["r.io/a:1=window RegistryUnavailable"]);
}

#[test]
fn an_unfinished_init_container_blocks_those_after_it_and_a_running_sidecar_does_not() {
    let spec = json!({
        "initContainers": [{"name": "side", "image": "s", "restartPolicy": "Always"}, {"name": "init", "image": "i"}],
        "containers": [{"name": "main", "image": "m"}],
    });
    let main = waiting("main", "PodInitializing", "");
    for (init, expected) in [
        (json!([]), ["s=Wanted", "i=Blocked", "m=Blocked"]),
        (
            json!([{"name": "side", "imageID": "x", "state": {"running": {}}}, waiting("init", "PodInitializing", "")]),
            ["s=Pulled", "i=Wanted", "m=Blocked"],
        ),
        (
            json!([{"name": "side", "imageID": "x", "state": {"running": {}}},
                   {"name": "init", "imageID": "x", "state": {"terminated": {}}}]),
            ["s=Pulled", "i=Pulled", "m=Wanted"],
        ),
    ] {
        let status = json!({"initContainerStatuses": init, "containerStatuses": [main.clone()]});
        assert_eq!(standings(&pod(spec.clone(), status)), expected);
    }
}

#[test]
fn containers_that_share_an_image_make_one_and_an_open_window_wins() {
    let spec = json!({"containers": [{"name": "a", "image": "r.io/a:1"}, {"name": "b", "image": "r.io/a:1"}]});
    let status = json!({"containerStatuses": [
        waiting("a", "ErrImagePull", NOT_FOUND),
        waiting("b", "ImagePullBackOff", "Back-off pulling image \"r.io/a:1\"")]});
    assert_eq!(standings(&pod(spec, status)), ["r.io/a:1=window NotFound"]);
}

#[test]
fn a_message_about_an_image_volume_is_about_the_volume() {
    let spec = json!({
        "containers": [{"name": "main", "image": "m", "volumeMounts": [{"name": "model"}]}],
        "volumes": [{"name": "model", "image": {"reference": "r.io/a:1"}}],
    });
    let status = json!({"containerStatuses": [waiting("main", "ErrImagePull", NOT_FOUND)]});
    assert_eq!(standings(&pod(spec, status)), ["r.io/a:1=window NotFound", "m=Blocked"]);
}

#[test]
fn pods_that_say_nothing_that_counts_are_not_observed() {
    let spec = json!({"containers": [{"name": "main", "image": "r.io/a:1"}]});
    let status = json!({"containerStatuses": [waiting("main", "ErrImagePull", NOT_FOUND)]});
    let mut ended = pod(spec.clone(), status.clone());
    ended.status.phase = "Failed".to_owned();
    let mut mirror = pod(spec.clone(), status.clone());
    mirror.metadata.annotations.insert(crate::keys::MIRROR_POD.to_owned(), String::new());
    let mut going = pod(spec, status);
    going.metadata.deletion_timestamp = Some(jiff::Timestamp::UNIX_EPOCH);
    for pod in [ended, mirror, going] {
        assert_eq!(observe(&pod), None);
    }
}

#[test]
fn a_status_that_is_older_than_the_spec_says_nothing_of_any_image() {
    let spec = json!({"containers": [{"name": "main", "image": "r.io/a:1"}]});
    let status = json!({"containerStatuses": [waiting("main", "ErrImagePull", NOT_FOUND)]});
    let mut old = pod(spec, status);
    (old.metadata.generation, old.status.observed_generation) = (2, 1);
    assert_eq!(standings(&old), ["r.io/a:1=Unclear"]);
}

#[test]
fn an_empty_status_is_creating_nothing_yet() {
    let spec = json!({"containers": [{"name": "main", "image": "r.io/a:1"}]});
    let silent = pod(spec.clone(), json!({}));
    assert!(!observe(&silent).unwrap().creating, "no kubelet has said a word");
    let status = json!({"containerStatuses": [waiting("main", "ContainerCreating", "")]});
    assert!(observe(&pod(spec, status)).unwrap().creating);
}

#[test]
fn a_container_that_may_not_pull_does_not_speak_for_one_that_does() {
    let spec = json!({"containers": [
        {"name": "a", "image": "r.io/a:1", "imagePullPolicy": "Never"},
        {"name": "b", "image": "r.io/a:1", "imagePullPolicy": "IfNotPresent"}]});
    let status = json!({"containerStatuses": [
        waiting("a", "ErrImageNeverPull", "Container image \"r.io/a:1\" is not present"),
        waiting("b", "ContainerCreating", "")]});
    assert_eq!(standings(&pod(spec, status)), ["r.io/a:1=Wanted"]);
}

#[test]
fn a_volume_stands_as_the_containers_that_mount_it_say() {
    let spec = json!({
        "containers": [{"name": "main", "image": "r.io/m:1", "volumeMounts": [{"name": "model"}]}],
        "volumes": [{"name": "model", "image": {"reference": "r.io/v:1", "pullPolicy": "Always"}},
                    {"name": "other", "image": {"reference": "r.io/o:1"}}, {"name": "scratch"}],
    });
    let own = r#"failed to pull and unpack image "r.io/m:1": x"#;
    let its = r#"failed to pull and unpack image "r.io/v:1": x"#;
    let other = r#"failed to pull and unpack image "r.io/o:1": x"#;
    for (main, expected) in [
        (waiting("main", "ErrImagePull", own), vec!["r.io/v:1=Pulled", "r.io/m:1=window Unknown"]),
        (waiting("main", "ErrImagePull", its), vec!["r.io/v:1=window Unknown", "r.io/m:1=Blocked"]),
        (waiting("main", "ContainerCreating", ""), vec!["r.io/v:1=Wanted", "r.io/m:1=Wanted"]),
        (
            json!({"name": "main", "imageID": "x", "state": {"running": {}}}),
            vec!["r.io/v:1=Pulled", "r.io/m:1=Pulled"],
        ),
        // The spec says that nobody mounts it, and the words say that somebody does.
        (
            waiting("main", "ErrImagePull", other),
            vec!["r.io/v:1=Wanted", "r.io/o:1=window Unknown", "r.io/m:1=Blocked"],
        ),
    ] {
        let pod = pod(spec.clone(), json!({"containerStatuses": [main.clone()]}));
        assert_eq!(standings(&pod), expected, "{main}");
        let seen = observe(&pod).unwrap();
        let always: Vec<bool> = seen.images.iter().map(|image| image.always).collect();
        let only_the_first = (0..expected.len()).map(|n| n == 0).collect::<Vec<_>>();
        assert_eq!(always, only_the_first, "{main}");
    }
}

#[test]
fn a_blocked_container_s_volume_is_blocked_too() {
    let spec = json!({
        "initContainers": [{"name": "init", "image": "r.io/i:1"}],
        "containers": [{"name": "main", "image": "r.io/m:1", "volumeMounts": [{"name": "model"}]}],
        "volumes": [{"name": "model", "image": {"reference": "r.io/v:1"}}],
    });
    let pod = pod(spec, json!({"containerStatuses": [waiting("main", "PodInitializing", "")]}));
    assert_eq!(standings(&pod), ["r.io/i:1=Wanted", "r.io/v:1=Blocked", "r.io/m:1=Blocked"]);
}

#[test]
fn what_a_pod_does_besides_is_seen_too() {
    let spec = json!({
        "initContainers": [{"name": "init", "image": "r.io/i:1"}],
        "containers": [{"name": "a", "image": "r.io/a:1"}, {"name": "b", "image": "r.io/b:1"}],
    });
    let running = |name: &str| json!({"name": name, "imageID": "x", "state": {"running": {}}});
    let ended = |name: &str| json!({"name": name, "imageID": "x", "state": {"terminated": {}}});
    let creating = |name: &str| waiting(name, "ContainerCreating", "");
    // The init container, the two others; then: running, init_completed, creating.
    for (init, a, b, expected) in [
        (creating("init"), creating("a"), creating("b"), (false, false, true)),
        (ended("init"), creating("a"), creating("b"), (false, true, true)),
        (ended("init"), running("a"), creating("b"), (true, true, true)),
        (ended("init"), creating("a"), running("b"), (true, true, true)),
        (ended("init"), running("a"), running("b"), (true, true, false)),
        (ended("init"), ended("a"), running("b"), (true, true, false)),
        (running("init"), creating("a"), creating("b"), (false, false, true)),
        (creating("init"), json!({"name": "a"}), json!({"name": "b"}), (false, false, true)),
        (
            ended("init"),
            waiting("a", "ErrImagePull", "r.io/a:1: not found"),
            creating("b"),
            (false, true, false),
        ),
    ] {
        let status = json!({"initContainerStatuses": [init.clone()], "containerStatuses": [a.clone(), b.clone()]});
        let pod = pod(spec.clone(), status);
        let seen = observe(&pod).unwrap();
        assert_eq!((seen.running, seen.init_completed, seen.creating), expected, "{init} {a} {b}");
    }
}

#[test]
fn of_containers_that_say_the_same_the_first_is_named_and_one_that_always_pulls_counts() {
    let spec = json!({"containers": [
        {"name": "a", "image": "r.io/a:1"},
        {"name": "b", "image": "r.io/a:1", "imagePullPolicy": "Always"}]});
    let waits = |name| waiting(name, "ErrImagePull", NOT_FOUND);
    let pod = pod(spec, json!({"containerStatuses": [waits("a"), waits("b")]}));
    let seen = observe(&pod).unwrap();
    assert_eq!((seen.images[0].container, seen.images[0].always), ("a", true));
}
