//! `--pod`: what Pods say about their images.

use std::io::Write;

use dislodge_engine::objects::Pod;

use super::failing::{Failing, failing};
use super::page::{Look, Names, body, waiting};
use super::shown::plain;
use super::{Error, document, shown};
use crate::args::Output;

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
    let (mut strangers, mut failures, mut tally) = (Vec::new(), Vec::new(), Tally::default());
    let mut written = Ok(());
    let read = document::pods(text, |pod| match pod {
        Err(what) => strangers.push(what),
        Ok(_) if written.is_err() => {}
        Ok(pod) => match (failing(&pod), output.unwrap_or_default()) {
            (Err(why), Output::Text) => {
                tally.skipped += 1;
                written = writeln!(out, "{}: skipped: {why}", named(&pod));
            }
            (Err(why), Output::Json) => complain(&format!("{}: skipped: {why}", named(&pod))),
            (Ok(failing), Output::Json) => failures.extend(failing),
            (Ok(failing), Output::Text) if failing.is_empty() => tally.healthy += 1,
            (Ok(failing), Output::Text) => {
                tally.failing += 1;
                written = failing.iter().try_for_each(|failing| entry(&pod, failing, look, out));
            }
        },
    });
    written.map_err(Error::Output)?;
    read.map_err(|why| Error::NotPods(why.of(name)))?;
    match output.unwrap_or_default() {
        Output::Json => {
            let objects: Vec<_> = failures.iter().map(Failing::object).collect();
            shown::json(&objects, out)
        }
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

fn named(pod: &Pod) -> String {
    let meta = &pod.metadata;
    let name = if meta.name.is_empty() { "without a name" } else { meta.name.as_str() };
    let slash = if meta.namespace.is_empty() { "" } else { "/" };
    plain(&format!("Pod {}{slash}{name}", meta.namespace)).into_owned()
}

/// Writes one failure as people read it.
fn entry(pod: &Pod, failing: &Failing, look: Look, out: &mut impl Write) -> std::io::Result<()> {
    let Failing { standing, cause, finding, .. } = failing;
    look.headline(&format!("{}: {cause}: {}", named(pod), finding.sentence()), out)?;
    look.row("container", &plain(&failing.container), out)?;
    look.row("standing", standing, out)?;
    let waiting = waiting(cause.can_waiting_help());
    look.row("class", &format!("{}: waiting {waiting}", cause.class()), out)?;
    let none = if failing.is_silent { "none" } else { "none of its words is known" };
    look.row("evidence", &plain(finding.evidence.as_deref().unwrap_or(none)), out)?;
    if let Some(why) = finding.why {
        look.row("why", why, out)?;
    }
    look.row("reason", &plain(&failing.reason), out)?;
    if !finding.message.is_empty() {
        look.row("message", &body(finding, look, Names::Kept), out)?;
    }
    look.row("as of", &as_of(failing), out)?;
    look.row("next step", failing.next_step, out)?;
    writeln!(out)
}

/// Since when: the failure is no older than the Pod, and what is shown of it no newer than the
/// kubelet's last write.
fn as_of(failing: &Failing) -> String {
    let wrote = failing.status_written.map_or_else(
        || "not known (kubectl get --show-managed-fields tells)".to_owned(),
        |at| format!("{at}, when the kubelet last wrote the status"),
    );
    let created = failing.pod_created.map(|at| format!("; the Pod is from {at}"));
    format!("{wrote}{}", created.unwrap_or_default())
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

    fn page(pod: &Value) -> String {
        let mut out = Vec::new();
        answer(&pod.to_string(), "x", None, Look::PLAIN, &mut out, |_| ()).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn pod(name: &str, image: &str, waiting: &Value) -> Value {
        let status = json!([{"name": "main", "state": {"waiting": waiting}}]);
        json!({"kind": "Pod", "metadata": {"name": name},
               "spec": {"containers": [{"name": "main", "image": image}]},
               "status": {"containerStatuses": status}})
    }

    #[test]
    fn a_page_names_pod_image_cause_evidence_and_next_step() {
        let waiting = json!({"reason": "InvalidImageName"});
        assert_eq!(
            page(&pod("a\u{1b}[31m", "bob:hunter2@r.io/a:1", &waiting)),
            "Pod a\\u{1b}[31m: InvalidReference: image \"***@r.io/a:1\" is not a valid image reference\n\
             container  main\n\
             standing   found bad without a pull\n\
             class      permanent: waiting cannot help\n\
             evidence   InvalidImageName\n\
             why        the kubelet itself cannot read the reference (pkg/kubelet/images/image_manager.go)\n\
             reason     InvalidImageName\n\
             as of      not known (kubectl get --show-managed-fields tells)\n\
             next step  create the Job anew with a valid image\n\n\
             1 Pod: 1 with image failures, 0 without, 0 skipped\n"
        );
    }

    #[test]
    fn a_page_says_since_when_as_far_as_the_pod_tells() {
        let mut pod = pod("a", "r.io/a:1", &json!({"reason": "ErrImagePull"}));
        let unknown = "not known (kubectl get --show-managed-fields tells)";
        assert!(page(&pod).contains(&format!("as of      {unknown}\n")));
        pod["metadata"]["creationTimestamp"] = json!("2026-11-24T08:00:00Z");
        let created = "; the Pod is from 2026-11-24T08:00:00Z\n";
        assert!(page(&pod).contains(&format!("as of      {unknown}{created}")));
        pod["metadata"]["managedFields"] = json!([{
            "manager": "kubelet", "subresource": "status", "time": "2026-11-24T08:05:00Z",
            "fieldsV1": {"f:status": {"f:containerStatuses": {}}}}]);
        let wrote = "as of      2026-11-24T08:05:00Z, when the kubelet last wrote the status";
        assert!(page(&pod).contains(&format!("{wrote}{created}")), "{}", page(&pod));
    }

    #[test]
    fn the_message_of_a_page_is_masked_and_obeyed_by_no_terminal() {
        let message = "\u{1b}[2J https://bob:hunter2@r.io/v2/: not found";
        let page =
            page(&pod("a", "r.io/a:1", &json!({"reason": "ErrImagePull", "message": message})));
        let row = "message    \\u{1b}[2J https://***@r.io/v2/: not found\n";
        assert!(page.contains(row) && !page.contains("hunter2"), "{page}");
    }
}
