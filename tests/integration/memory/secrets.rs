//! What a kubelet's text has of secrets, and who gets to read it: nobody.

use dislodge_testbed::probe;
use http::Method;
use serde_json::Value;

use super::program::{BATCH, IMAGE, KUEUE, POLICIES, Running, hold_after};
use super::{Test, really};
use crate::Outcome;

/// The tests of this file.
pub(super) const ALL: &[Test] = &[(
    "a_token_in_what_a_kubelet_says_is_in_no_event_annotation_log_metric_or_status",
    nobody_reads_it,
)];

/// A password in an address, a signature in its query, and a header.
const SECRETS: [&str; 3] = ["hunter2", "s3cr3tsig", "dXNlcjpodW50ZXIy"];

fn nobody_reads_it() -> Outcome {
    really(async {
        let running = Running::start("memory-secrets").await?;
        let [password, signature, basic] = SECRETS;
        let message = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to copy: httpReadSeeker: failed open: GET \
             https://robot:{password}@registry.example/v2/train?X-Amz-Signature={signature} \
             (Authorization: Basic {basic}): {IMAGE}: not found"
        );
        hold_after(&running, &message).await?;
        let written = |policy: &Value| policy["status"]["heldJobs"] == 1;
        running.when(&format!("{POLICIES}/gpu"), "the status", written).await?;

        let places = [
            ("the Job", format!("{BATCH}/train"), "does not exist in its registry"),
            (
                "the Workload",
                format!("{KUEUE}/namespaces/default/workloads/job-train"),
                "dislodge.dev/held",
            ),
            ("the policy", format!("{POLICIES}/gpu"), "NotFound"),
            (
                "Events",
                "/apis/events.k8s.io/v1/namespaces/default/events".to_owned(),
                "ImagePullFailed",
            ),
        ];
        let mut read = Vec::new();
        for (what, path, word) in places {
            let object = running.send(Method::GET, &path, Value::Null).await?;
            read.push((what, object.to_string(), word));
        }
        let metrics = probe::text(running.metrics, "/metrics").await?;
        read.push(("the metrics", metrics, "dislodge_actions"));
        read.push(("the log", running.process.read_log()?, "\"Hold\""));
        running.process.kill().await;
        for (what, text, word) in read {
            if !text.contains(word) {
                return Err(format!("{what} does not say {word}: {text}").into());
            }
            if let Some(secret) = SECRETS.iter().find(|secret| text.contains(**secret)) {
                return Err(format!("{what} says {secret}: {text}").into());
            }
        }
        Ok(())
    })
}
