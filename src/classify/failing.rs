//! What one Pod says about images that could not be pulled.

use dislodge_engine::cause::Cause;
use dislodge_engine::objects::{Pod, Waiting};
use dislodge_engine::observe::{Failure, ImageSeen, Standing, observe};
use dislodge_engine::{keys, message};
use jiff::Timestamp;
use serde::Serialize;

use super::finding::Finding;
use super::shown::{plain, quoted};

/// Why a back-off may not say what it is about (kubelet: `pkg/kubelet/images/image_manager.go`).
const SILENT: &str = "up to Kubernetes 1.31 the kubelet does not repeat the cause in a back-off: the Pod's Events do";
/// What to do about it.
const ASK_EVENTS: &str =
    "read the Events of `kubectl describe pod`: those of reason `Failed` say why";

/// How an image stands that the kubelet refuses by itself.
pub(crate) const WITHOUT_A_PULL: &str = "found bad without a pull";

/// One image of a Pod that could not be pulled.
#[derive(Debug)]
pub(crate) struct Failing {
    namespace: String,
    pod: String,
    /// The container that waits for it.
    pub(crate) container: String,
    pub(crate) image: String,
    /// How the image stands, in words.
    pub(crate) standing: &'static str,
    /// Why.
    pub(crate) cause: Cause,
    /// The container's waiting reason, masked.
    pub(crate) reason: String,
    /// Its message, and what decided. The cause is that of the standing.
    pub(crate) finding: Finding,
    /// A back-off that does not say what it is about.
    pub(crate) is_silent: bool,
    /// What its owner can do.
    pub(crate) next_step: &'static str,
    /// When the kubelet last wrote the status, where the Pod tells.
    pub(crate) status_written: Option<Timestamp>,
    /// When the Pod was made.
    pub(crate) pod_created: Option<Timestamp>,
}

/// A failure as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Object<'f> {
    namespace: &'f str,
    pod: &'f str,
    container: &'f str,
    image: &'f str,
    standing: &'static str,
    cause: Cause,
    class: &'static str,
    can_waiting_help: bool,
    sentence: String,
    next_step: &'static str,
    evidence: Option<&'f str>,
    why: Option<&'static str>,
    reason: &'f str,
    message: &'f str,
    status_written: Option<Timestamp>,
    pod_created: Option<Timestamp>,
}

impl Failing {
    fn new(pod: &Pod, seen: &ImageSeen<'_>, standing: &'static str, cause: Option<Cause>) -> Self {
        let Pod { metadata, .. } = pod;
        let unsaid = Waiting::default();
        let Waiting { reason, message } = waiting(pod, seen.container).unwrap_or(&unsaid);
        let mut finding = Finding::new(message, Some(reason), Some(seen.image));
        let is_silent = cause.is_none();
        let cause = cause.unwrap_or(Cause::Unknown);
        if is_silent || finding.cause != Some(cause) {
            (finding.cause, finding.evidence, finding.why) = (Some(cause), None, None);
        }
        if is_silent {
            finding.why = Some(SILENT);
        }
        Self {
            namespace: metadata.namespace.clone(),
            pod: metadata.name.clone(),
            container: seen.container.to_owned(),
            image: message::mask(seen.image).into_owned(),
            standing,
            cause,
            reason: message::mask(reason).into_owned(),
            finding,
            is_silent,
            next_step: if is_silent { ASK_EVENTS } else { cause.remedy() },
            status_written: metadata.kubelet_wrote,
            pod_created: metadata.creation_timestamp,
        }
    }

    /// The same as JSON.
    pub(crate) fn object(&self) -> Object<'_> {
        Object {
            namespace: &self.namespace,
            pod: &self.pod,
            container: &self.container,
            image: &self.image,
            standing: self.standing,
            cause: self.cause,
            class: self.cause.class().as_str(),
            can_waiting_help: self.cause.can_waiting_help(),
            sentence: self.finding.sentence(),
            next_step: self.next_step,
            evidence: self.finding.evidence.as_deref(),
            why: self.finding.why,
            reason: &self.reason,
            message: &self.finding.message,
            status_written: self.status_written,
            pod_created: self.pod_created,
        }
    }
}

/// What a container waits for. Init and regular containers share their names with nobody.
fn waiting<'p>(pod: &'p Pod, container: &str) -> Option<&'p Waiting> {
    let said = &pod.status;
    let mut statuses = said.init_container_statuses.iter().chain(&said.container_statuses);
    statuses.find(|status| status.name == container)?.state.waiting.as_ref()
}

/// The image failures of a Pod, or why it is not looked at.
pub(crate) fn failing(pod: &Pod) -> Result<Vec<Failing>, String> {
    let said = &pod.status;
    let silent = said.container_statuses.is_empty() && said.init_container_statuses.is_empty();
    if silent && said.phase.is_empty() {
        return Err("it has no status: take the Pod from a cluster, not its manifest".to_owned());
    }
    let Some(seen) = observe(pod) else { return Err(skipped(pod)) };
    let mut list = Vec::new();
    let mut unclear = None;
    for seen in &seen.images {
        let (standing, cause) = match seen.standing {
            Standing::Once(Failure { cause }) => (WITHOUT_A_PULL, Some(cause)),
            Standing::Window(Failure { cause }) => ("pull failed", Some(cause)),
            Standing::Unasked(Failure { cause }) => ("the runtime could not be asked", Some(cause)),
            Standing::BackOff(failure) => ("in back-off", failure.map(|failure| failure.cause)),
            Standing::Unclear => {
                unclear = Some(seen.image);
                continue;
            }
            Standing::Wanted | Standing::Blocked | Standing::Pulled | Standing::Crashing => {
                continue;
            }
        };
        list.push(Failing::new(pod, seen, standing, cause));
    }
    match unclear {
        Some(image) if list.is_empty() => Err(format!(
            "its status says nothing of image {} now: it is about something else, or older than \
             the spec",
            quoted(&message::mask(image))
        )),
        _ => Ok(list),
    }
}

/// Why a Pod says nothing that counts: the conditions of [`observe`].
fn skipped(pod: &Pod) -> String {
    let meta = &pod.metadata;
    if meta.annotations.contains_key(keys::MIRROR_POD) {
        "it is a mirror Pod: its kubelet runs it from a file, and no Job does".to_owned()
    } else if meta.deletion_timestamp.is_some() {
        "it is being deleted: its images are not pulled any more".to_owned()
    } else {
        format!("it has ended ({})", plain(&pod.status.phase))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const MISSING: &str = r#"failed to resolve reference "r.io/a:1": r.io/a:1: not found"#;

    fn pod(more: Value) -> Pod {
        let mut pod = json!({
            "metadata": {"name": "train-0", "namespace": "team-a"},
            "spec": {"containers": [{"name": "main", "image": "r.io/a:1"}]},
            "status": {"phase": "Pending", "containerStatuses": [
                {"name": "main", "state": {"waiting": {"reason": "ErrImagePull", "message": MISSING}}}]}
        });
        merge(&mut pod, more);
        serde_json::from_value(pod).unwrap()
    }

    fn merge(into: &mut Value, more: Value) {
        match (into, more) {
            (Value::Object(into), Value::Object(more)) => {
                for (key, value) in more {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
            (into, more) => *into = more,
        }
    }

    fn waits(reason: &str, message: &str) -> Pod {
        let state = json!({"waiting": {"reason": reason, "message": message}});
        pod(json!({"status": {"containerStatuses": [{"name": "main", "state": state}]}}))
    }

    #[test]
    fn an_image_is_told_with_its_standing_and_its_cause() {
        let again = r#"Back-off pulling image "r.io/a:1": ErrImagePull: r.io/a:1: not found"#;
        let silent = r#"Back-off pulling image "r.io/a:1""#;
        let never = r#"Container image "r.io/a:1" is not present with pull policy of Never"#;
        for (reason, message, standing, cause) in [
            ("ErrImagePull", MISSING, "pull failed", Cause::NotFound),
            ("ImagePullBackOff", again, "in back-off", Cause::NotFound),
            ("ImagePullBackOff", silent, "in back-off", Cause::Unknown),
            (
                "ImageInspectError",
                "code = Unavailable",
                "the runtime could not be asked",
                Cause::RuntimeUnavailable,
            ),
            ("ErrImageNeverPull", never, "found bad without a pull", Cause::NeverPullAbsent),
        ] {
            let list = failing(&waits(reason, message)).unwrap();
            assert_eq!(list.len(), 1, "{reason}");
            assert_eq!((list[0].standing, list[0].cause), (standing, cause), "{reason}: {message}");
            assert_eq!(list[0].container, "main");
        }
    }

    #[test]
    fn a_pod_whose_images_are_pulled_or_still_wanted_has_no_failure() {
        for reason in ["ContainerCreating", "CrashLoopBackOff", "CreateContainerConfigError"] {
            assert!(failing(&waits(reason, "")).unwrap().is_empty(), "{reason}");
        }
    }

    #[test]
    fn what_is_skipped_is_skipped_for_a_reason() {
        for (more, why) in [
            (
                json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}),
                "mirror Pod",
            ),
            (json!({"metadata": {"deletionTimestamp": "2026-11-24T08:00:00Z"}}), "being deleted"),
            (json!({"status": {"phase": "Succeeded"}}), "has ended (Succeeded)"),
            (json!({"status": {"phase": "Failed"}}), "has ended (Failed)"),
            (json!({"status": {"phase": "", "containerStatuses": []}}), "no status"),
            (
                json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1}}),
                "older than the spec",
            ),
        ] {
            let skipped = failing(&pod(more.clone())).unwrap_err();
            assert!(skipped.contains(why), "{more}: {skipped}");
        }
    }

    #[test]
    fn what_the_container_says_is_told_with_what_decided() {
        let image = json!([{"name": "main", "image": "r.io/ok:1"}]);
        let init = json!({"name": "fetch", "image": "r.io/a:1"});
        let state = json!({"waiting": {"reason": "ErrImagePull", "message": MISSING}});
        let idle = json!({"waiting": {"reason": "PodInitializing"}});
        let pod = pod(json!({
            "metadata": {
                "creationTimestamp": "2026-11-24T08:00:00Z",
                "managedFields": [{
                    "manager": "kubelet", "subresource": "status", "time": "2026-11-24T08:05:00Z",
                    "fieldsV1": {"f:status": {"f:containerStatuses": {}}}}],
            },
            "spec": {"containers": image, "initContainers": [init]},
            "status": {
                "initContainerStatuses": [{"name": "fetch", "state": state}],
                "containerStatuses": [{"name": "main", "state": idle}],
            },
        }));
        let list = failing(&pod).unwrap();
        let object = serde_json::to_value(list[0].object()).unwrap();
        assert_eq!(list.len(), 1, "{list:?}");
        for (field, value) in [
            ("container", "fetch"),
            ("reason", "ErrImagePull"),
            ("message", MISSING),
            ("evidence", "not found"),
            ("nextStep", "push the image"),
            ("statusWritten", "2026-11-24T08:05:00Z"),
            ("podCreated", "2026-11-24T08:00:00Z"),
        ] {
            assert_eq!(object[field], value, "{field}: {object}");
        }
        assert!(object["why"].is_string(), "{object}");
    }

    #[test]
    fn a_back_off_that_does_not_repeat_the_cause_says_where_it_stands() {
        let list = failing(&waits("ImagePullBackOff", r#"Back-off pulling image "r.io/a:1""#));
        let list = list.unwrap();
        let object = serde_json::to_value(list[0].object()).unwrap();
        assert_eq!((&object["cause"], &object["evidence"]), (&json!("Unknown"), &Value::Null));
        assert!(object["why"].as_str().unwrap().contains("1.31"), "{object}");
        assert!(object["nextStep"].as_str().unwrap().contains("kubectl describe pod"), "{object}");
    }

    #[test]
    fn a_secret_in_what_a_pod_says_is_masked() {
        let sentence = "no basic auth password=hunter2 for r.io";
        for pod in [waits("ErrImagePull", sentence), waits(sentence, sentence)] {
            let list = failing(&pod).unwrap();
            let json = serde_json::to_string(&list[0].object()).unwrap();
            assert!(json.contains("password=***") && !json.contains("hunter2"), "{json}");
        }
    }
}
