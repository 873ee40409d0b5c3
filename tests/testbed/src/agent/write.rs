//! What the kubelet wants to have written about one pod, done in order.

use std::time::Duration;

use dislodge_sim::kubelet::{PodKey, PodStatus};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::sleep;

use super::clock::{Clock, wall_now};
use super::history::{Asked, History, Outcome, Written};
use super::render::{FIELD_MANAGER, status_patch};

/// The first wait after a request that failed for a moment, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// One request, and when the kubelet wanted it.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) asked: Asked,
    pub(super) decided: Timestamp,
}

/// The writer of one pod.
pub(super) struct Writer {
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) pod: PodKey,
    pub(super) history: History,
    /// Told the uid of a pod whose status was refused: the kubelet has to look at it again.
    pub(super) refused: UnboundedSender<String>,
}

impl Writer {
    /// Does what is asked until nobody can ask any more.
    pub(super) async fn run(self, mut orders: UnboundedReceiver<Order>) {
        while let Some(Order { asked, decided }) = orders.recv().await {
            let outcome = self.insist(&asked, &orders).await;
            if matches!((&asked, &outcome), (Asked::Status(_), Outcome::Refused(_))) {
                // Where nobody listens the node is at its end.
                let _ended = self.refused.send(self.pod.uid.to_string());
            }
            self.history.add(Written {
                pod: self.pod.clone(),
                asked,
                decided,
                answered: wall_now(),
                outcome,
            });
        }
    }

    /// Repeats what fails for a moment, as long as the pod is there.
    async fn insist(&self, asked: &Asked, orders: &UnboundedReceiver<Order>) -> Outcome {
        let mut wait = RETRY.0;
        loop {
            let answer = match asked {
                Asked::Status(status) => self.patch(status).await,
                Asked::Delete => self.delete().await,
            };
            let Err(error) = answer else { return Outcome::Done };
            match judge(&error) {
                Judged::Gone => return Outcome::Gone,
                Judged::Refused => return Outcome::Refused(error.to_string()),
                Judged::Momentary if orders.is_closed() => return Outcome::Gone,
                Judged::Momentary => {
                    sleep(wait).await;
                    wait = (wait * 2).min(RETRY.1);
                }
            }
        }
    }

    async fn patch(&self, status: &PodStatus) -> kube::Result<()> {
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let patch = Patch::Strategic(status_patch(&self.pod, status, &self.clock));
        self.pods().patch_status(&self.pod.name, &parameters, &patch).await.map(drop)
    }

    async fn delete(&self) -> kube::Result<()> {
        let parameters = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions {
                uid: Some(self.pod.uid.to_string()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        self.pods().delete(&self.pod.name, &parameters).await.map(drop)
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.pod.namespace)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Judged {
    Gone,
    Refused,
    Momentary,
}

fn judge(error: &kube::Error) -> Judged {
    let kube::Error::Api(status) = error else { return Judged::Momentary };
    match status.code {
        404 => Judged::Gone,
        // The uid is our only precondition: another pod has the name.
        409 if status.message.contains("recondition") => Judged::Gone,
        409 | 429 | 500..=599 => Judged::Momentary,
        _ => Judged::Refused,
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn only_what_can_pass_by_itself_is_repeated() {
        for (code, message, wanted) in [
            (404, "pods \"p\" not found", Judged::Gone),
            (
                409,
                "Precondition failed: UID in precondition: a, UID in object meta: b",
                Judged::Gone,
            ),
            (409, "the object has been modified", Judged::Momentary),
            (422, "Pod \"p\" is invalid", Judged::Refused),
            (403, "forbidden", Judged::Refused),
            (429, "too many requests", Judged::Momentary),
            (503, "", Judged::Momentary),
        ] {
            let status = Status::failure(message, "").with_code(code);
            assert_eq!(judge(&kube::Error::Api(Box::new(status))), wanted, "{code} {message}");
        }
    }
}
