//! `--pod`: what Pods say about their images.

use std::io::Write;

use dislodge_engine::cause::Cause;
use dislodge_engine::objects::Pod;
use dislodge_engine::observe::{Failure, ImageSeen, Standing, observe};
use dislodge_engine::{keys, message};
use serde::Serialize;

use super::page::{Look, waiting};
use super::shown::{plain, quoted};
use super::{Error, document, finding, shown};
use crate::args::Output;

/// One image of a Pod that could not be pulled.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failing {
    namespace: String,
    pod: String,
    container: String,
    image: String,
    standing: &'static str,
    cause: Cause,
    class: &'static str,
    can_waiting_help: bool,
    sentence: String,
    next_step: &'static str,
}

/// What was found in all Pods.
#[derive(Default)]
struct Tally {
    failing: u64,
    healthy: u64,
    skipped: u64,
}

/// Lists the image failures of all Pods in the text.
///
/// # Errors
///
/// Where it is neither YAML nor JSON, or something in it is no Pod; the Pods are listed all the
/// same.
pub(super) fn answer(
    text: &str,
    name: &str,
    output: Option<Output>,
    look: Look,
    out: &mut impl Write,
    complain: impl Fn(&str),
) -> Result<(), Error> {
    let pods = document::pods(text)
        .map_err(|problem| Error::Malformed { input: name.to_owned(), problem })?;
    let (mut strangers, mut failures, mut tally) = (Vec::new(), Vec::new(), Tally::default());
    for pod in pods {
        let pod = match pod {
            Ok(pod) => pod,
            Err(what) => {
                strangers.push(what);
                continue;
            }
        };
        match (failing(&pod), output.unwrap_or_default()) {
            (Err(why), Output::Text) => {
                tally.skipped += 1;
                writeln!(out, "{}: skipped: {why}", named(&pod)).map_err(Error::Output)?;
            }
            (Err(why), Output::Json) => complain(&format!("{}: skipped: {why}", named(&pod))),
            (Ok(failing), Output::Json) => failures.extend(failing),
            (Ok(failing), Output::Text) if failing.is_empty() => tally.healthy += 1,
            (Ok(failing), Output::Text) => {
                tally.failing += 1;
                for failing in &failing {
                    entry(&pod, failing, look, out).map_err(Error::Output)?;
                }
            }
        }
    }
    match output.unwrap_or_default() {
        Output::Json => shown::json(&failures, out),
        Output::Text => tally.write(out),
    }
    .and_then(|()| out.flush())
    .map_err(Error::Output)?;

    let last = strangers.pop();
    for what in strangers {
        complain(&format!("{name}: {what}"));
    }
    last.map_or(Ok(()), |what| Err(Error::NotPods(format!("{name}: {what}"))))
}

/// The image failures of a Pod, or why it is not looked at.
fn failing(pod: &Pod) -> Result<Vec<Failing>, String> {
    let said = &pod.status;
    let silent = said.container_statuses.is_empty() && said.init_container_statuses.is_empty();
    if silent && said.phase.is_empty() {
        return Err("it has no status: take the Pod from a cluster, not its manifest".to_owned());
    }
    let Some(seen) = observe(pod) else { return Err(skipped(pod)) };
    let mut list = Vec::new();
    let mut unclear = None;
    for ImageSeen { image, container, standing, .. } in &seen.images {
        let (standing, cause) = match standing {
            Standing::Once(Failure { cause }) => ("found bad without a pull", *cause),
            Standing::Window(Failure { cause }) => ("pull failed", *cause),
            Standing::Unasked(Failure { cause }) => ("the runtime could not be asked", *cause),
            Standing::BackOff(Some(Failure { cause })) => ("in back-off", *cause),
            // Up to Kubernetes 1.31 a back-off does not say why.
            Standing::BackOff(None) => ("in back-off", Cause::Unknown),
            Standing::Unclear => {
                unclear = Some(image);
                continue;
            }
            Standing::Wanted | Standing::Blocked | Standing::Pulled | Standing::Crashing => {
                continue;
            }
        };
        list.push(Failing {
            namespace: pod.metadata.namespace.clone(),
            pod: pod.metadata.name.clone(),
            container: (*container).to_owned(),
            image: message::mask(image).into_owned(),
            sentence: finding::sentence(cause, Some(&message::mask(image))),
            standing,
            cause,
            class: cause.class().as_str(),
            can_waiting_help: cause.can_waiting_help(),
            next_step: cause.next_step(),
        });
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

fn named(pod: &Pod) -> String {
    let meta = &pod.metadata;
    let name = if meta.name.is_empty() { "without a name" } else { meta.name.as_str() };
    let slash = if meta.namespace.is_empty() { "" } else { "/" };
    plain(&format!("Pod {}{slash}{name}", meta.namespace)).into_owned()
}

/// Writes one failure as people read it.
fn entry(pod: &Pod, failing: &Failing, look: Look, out: &mut impl Write) -> std::io::Result<()> {
    let Failing { standing, cause, class, sentence, .. } = failing;
    look.headline(&format!("{}: {cause}: {sentence}", named(pod)), out)?;
    look.row("container", &plain(&failing.container), out)?;
    look.row("standing", standing, out)?;
    let waiting = waiting(failing.can_waiting_help);
    look.row("class", &format!("{class}: waiting {waiting}"), out)?;
    look.row("next step", failing.next_step, out)?;
    writeln!(out)
}

impl Tally {
    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let Self { failing, healthy, skipped } = self;
        let all = failing + healthy + skipped;
        let pods = if all == 1 { "Pod" } else { "Pods" };
        writeln!(
            out,
            "{all} {pods}: {failing} with image failures, {healthy} without, {skipped} skipped"
        )
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
            assert_eq!(failing(&waits(reason, "")), Ok(Vec::new()), "{reason}");
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
    fn a_page_names_pod_image_cause_and_next_step() {
        let text = json!({"kind": "Pod", "metadata": {"name": "a\u{1b}[31m"}, "spec": {"containers": [
            {"name": "main", "image": "bob:hunter2@r.io/a:1"}]}, "status": {"containerStatuses": [
            {"name": "main", "state": {"waiting": {"reason": "InvalidImageName"}}}]}});
        let mut out = Vec::new();
        answer(&text.to_string(), "x", None, Look::PLAIN, &mut out, |_| ()).unwrap();
        let page = String::from_utf8(out).unwrap();
        assert_eq!(
            page,
            "Pod a\\u{1b}[31m: InvalidReference: image \"***@r.io/a:1\" is not a valid image reference\n\
             container  main\n\
             standing   found bad without a pull\n\
             class      permanent: waiting cannot help\n\
             next step  create the Job anew with a valid image\n\n\
             1 Pod: 1 with image failures, 0 without, 0 skipped\n"
        );
    }
}
