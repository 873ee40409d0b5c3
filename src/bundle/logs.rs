//! What the controller's Pods have logged.

use dislodge_engine::message::mask;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, Client, ResourceExt as _};

use crate::inspect::gather::refused;
use crate::inspect::{Error, Gap};

/// As the manifests label the controller's Pods.
const LABEL: &str = "app.kubernetes.io/name=dislodge";
/// So much is read of each log, in bytes: its end.
const MOST: i64 = 8 << 20;
/// So many lines, as the API server counts them from the end.
const LINES: i64 = 20_000;

/// The logs of the Pods of the controller, by the names of their files. A container that was started
/// anew has two.
///
/// # Errors
///
/// Where the API server does not answer.
pub(super) async fn read(
    client: &Client,
    home: &str,
    gaps: &mut Vec<Gap>,
) -> Result<Vec<(String, String)>, Error> {
    let unknown = "what the controller has logged";
    let gap = |missing: String| Gap { missing, unknown: unknown.to_owned() };
    let api: Api<Pod> = Api::namespaced(client.clone(), home);
    let pods = match api.list(&ListParams::default().labels(LABEL)).await {
        Ok(pods) => pods.items,
        Err(kube::Error::Api(status)) if status.code == 403 => {
            gaps.push(gap(format!("the right to list pods in namespace {home}")));
            return Ok(Vec::new());
        }
        Err(error) => return Err(refused("the controller's Pods", &error)),
    };
    if pods.is_empty() {
        gaps.push(gap(format!("a Pod of Dislodge in namespace {home} (--home names another)")));
    }
    let mut logs = Vec::new();
    for pod in &pods {
        let name = pod.name_any();
        let statuses =
            pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
        let restarted = statuses.map(|status| status.restart_count).any(|count| count > 0);
        for (previous, end) in [(true, "previous.log"), (false, "log")] {
            if previous && !restarted {
                continue;
            }
            let params = LogParams {
                previous,
                tail_lines: Some(LINES),
                limit_bytes: Some(MOST),
                ..LogParams::default()
            };
            match api.logs(&name, &params).await {
                Ok(text) => logs.push((format!("logs/{name}.{end}"), masked(&text))),
                Err(kube::Error::Api(status)) if status.code == 403 => {
                    gaps.push(gap(format!("the right to get pods/log in namespace {home}")));
                    return Ok(logs);
                }
                // The Pod has no log yet or no more, or its node does not answer.
                Err(kube::Error::Api(status)) => {
                    gaps.push(gap(format!("the log of Pod {name}: {}", mask(&status.message))));
                }
                Err(error) => return Err(refused("the controller's log", &error)),
            }
        }
    }
    Ok(logs)
}

/// The controller masks what it logs. Another version of it may know fewer secrets.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        out.push_str(&mask(line));
        out.push('\n');
    }
    out
}
