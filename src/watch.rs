//! The watches: one task a kind, all ending in the one inbox of the driver.

pub mod kinds;
mod list;
pub mod object;
mod stream;
mod trouble;

use std::time::Duration;

use dislodge_engine::input::Input;
use dislodge_engine::objects::{
    ClusterQueue, CronJob, Job, JobSet, LocalQueue, Node, Pod, Policy, Workload,
};
use kube::{Api, Client};

use self::kinds::{Absence, Followed, Source, Versions};
use self::object::Watched;
use self::stream::Ended;
use crate::client::describe;
use crate::clock::Clock;
use crate::driver::Inbox;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::tasks::Tasks;

/// How often is looked for a kind that the API server does not serve.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// How soon is asked again where the API server does not say what it serves.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// What every watch needs.
#[derive(Clone)]
pub struct Context {
    /// The client.
    pub client: Client,
    /// The only namespace to watch; `None`: all of them.
    pub namespace: Option<String>,
    /// Where inputs go.
    pub inbox: Inbox,
    /// When events are received.
    pub clock: Clock,
    /// Who is told how the watches fare.
    pub health: Health,
    /// Where what they bring is counted.
    pub metrics: Metrics,
    /// Where the version of Workloads is noted.
    pub versions: Versions,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Context {
    /// What is watched, in words.
    fn scope(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("namespace {namespace}"),
            None => "all namespaces".to_owned(),
        }
    }

    fn api<T: Followed>(&self, version: &str) -> Api<Watched<T>> {
        let resource = T::SOURCE.resource(version);
        match &self.namespace {
            Some(namespace) if T::SOURCE.namespaced => {
                Api::namespaced_with(self.client.clone(), namespace, &resource)
            }
            _ => Api::all_with(self.client.clone(), &resource),
        }
    }
}

/// Starts a watch of each kind.
pub fn start(context: &Context, tasks: &Tasks) {
    start_one::<Policy>(context, tasks);
    start_one::<LocalQueue>(context, tasks);
    start_one::<ClusterQueue>(context, tasks);
    start_one::<Node>(context, tasks);
    start_one::<Workload>(context, tasks);
    start_one::<JobSet>(context, tasks);
    start_one::<CronJob>(context, tasks);
    start_one::<Job>(context, tasks);
    start_one::<Pod>(context, tasks);
}

/// Starts the watch of one kind.
pub fn start_one<T: Followed>(context: &Context, tasks: &Tasks) {
    let context = context.clone();
    tasks.spawn(T::SOURCE.plural, async move { keep::<T>(&context).await });
}

/// Watches a kind whenever the API server serves it.
async fn keep<T: Followed>(context: &Context) {
    loop {
        let Some(version) = find(T::SOURCE, context).await else { return };
        if T::SOURCE.kind == Workload::SOURCE.kind {
            context.versions.set_workload(version);
        }
        tracing::debug!(resource = T::SOURCE.name(), version, "watching {}", context.scope());
        match stream::follow(context.api::<T>(version), context).await {
            Ended::Closed => return,
            Ended::Vanished => {}
        }
    }
}

/// Waits until the kind is served and says in which version; `None`: nobody listens any more.
async fn find(source: Source, context: &Context) -> Option<&'static str> {
    let resource = source.name();
    let (mut absent, mut last) = (false, None);
    loop {
        let pause = match source.served(&context.client).await {
            Ok(Some(version)) => {
                if absent {
                    tracing::info!(resource, version, "the API server serves it now");
                }
                return Some(version);
            }
            Ok(None) => {
                if !absent {
                    absent = true;
                    if let Absence::Told(advice) = source.absence {
                        tracing::warn!(resource, "{advice}");
                    }
                    let received = context.clock.elapsed();
                    let told = context.inbox.send(Input::KindAbsent(source.kind), received).await;
                    told.ok()?;
                    context.health.absent(source.kind);
                }
                LOOK_AGAIN
            }
            Err(error) => {
                let said = describe(&error);
                if last.as_ref() != Some(&said) {
                    tracing::warn!(
                        resource,
                        error = said,
                        "cannot ask what is served, trying again"
                    );
                    last = Some(said);
                }
                ASK_AGAIN
            }
        };
        tokio::time::sleep(pause).await;
    }
}
