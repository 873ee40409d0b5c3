//! What a watcher sees of the Pods of a namespace.

use std::time::Duration;

use dislodge_testbed::Tenant;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, ResourceExt as _};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::{say, verdict};

/// A change of a Pod as a watcher sees it.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) pod: String,
    pub(super) state: String,
}

/// What a watcher of a namespace has seen.
pub(super) struct Tape {
    started: Instant,
    list: watch::Receiver<Vec<Seen>>,
    task: AbortHandle,
}

impl Tape {
    pub(super) fn start(tenant: &Tenant) -> Self {
        let (sender, receiver) = watch::channel(Vec::new());
        let pods: Api<Pod> = tenant.api();
        let task = tokio::spawn(async move {
            let mut events = Box::pin(watcher(pods, watcher::Config::default()));
            while let Some(event) = events.next().await {
                let (pod, state) = match event {
                    Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => {
                        (pod.name_any(), state(&pod))
                    }
                    Ok(watcher::Event::Delete(pod)) => (pod.name_any(), "gone".to_owned()),
                    _ => continue,
                };
                sender.send_if_modified(|list: &mut Vec<Seen>| {
                    let last = list.iter().rev().find(|seen| seen.pod == pod);
                    let news = last.is_none_or(|last| last.state != state);
                    if news {
                        list.push(Seen { at: Instant::now(), pod, state });
                    }
                    news
                });
            }
        });
        Self { started: Instant::now(), list: receiver, task: task.abort_handle() }
    }

    pub(super) fn list(&self) -> Vec<Seen> {
        self.list.borrow().clone()
    }

    pub(super) async fn wait(&self, found: impl Fn(&[Seen]) -> bool) {
        let mut list = self.list.clone();
        let waiting = timeout(Duration::from_secs(180), list.wait_for(|list| found(list)));
        if !waiting.await.is_ok_and(|found| found.is_ok()) {
            self.show("never came", "");
            verdict("what was waited for", false);
        }
    }

    pub(super) async fn until(&self, pod: &str, state: &str) {
        self.wait(|list| named(list, state, pod) > 0).await;
    }

    pub(super) fn first(&self, pod: &str, state: &str) -> Option<Instant> {
        let list = self.list.borrow();
        list.iter()
            .find(|seen| seen.pod.starts_with(pod) && seen.state.contains(state))
            .map(|seen| seen.at)
    }

    pub(super) fn show(&self, title: &str, pod: &str) {
        say(&format!("-- {title}"));
        for seen in self.list().iter().filter(|seen| seen.pod.starts_with(pod)) {
            let at = (seen.at - self.started).as_secs_f64();
            say(&format!("{at:>8.2} s  {:<16} {}", seen.pod, seen.state));
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn state(pod: &Pod) -> String {
    let Some(status) = &pod.status else { return String::new() };
    let deleting = if pod.metadata.deletion_timestamp.is_some() { " deleting" } else { "" };
    let mut text = format!("{}{deleting}", status.phase.clone().unwrap_or_default());
    for container in status.container_statuses.iter().flatten() {
        let Some(state) = &container.state else { continue };
        let waiting = state.waiting.as_ref().and_then(|waiting| waiting.reason.clone());
        let ended = state.terminated.as_ref().and_then(|ended| ended.reason.clone());
        text.extend(waiting.or(ended).map(|reason| format!(" {reason}")));
    }
    text
}

pub(super) fn windows(list: &[Seen]) -> impl Iterator<Item = &Seen> {
    list.iter().filter(|seen| seen.state.contains("ErrImagePull"))
}

/// How many Pods of this beginning have had this state.
pub(super) fn named(list: &[Seen], state: &str, pod: &str) -> usize {
    let seen = list.iter().filter(|seen| seen.pod.starts_with(pod) && seen.state.contains(state));
    seen.map(|seen| &seen.pod).collect::<std::collections::BTreeSet<_>>().len()
}
