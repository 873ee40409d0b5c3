//! The wiring of the controller, from the first contact to a clean stop.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dislodge_engine::Engine;
use futures::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args::ControllerArgs;
use crate::client::{self, ClientError};
use crate::clock::Clock;
use crate::dispatch::{Dispatch, Writer};
use crate::driver::Driver;
use crate::health::Health;
use crate::lease::Keeper;
use crate::metrics::{Metrics, endpoint};
use crate::recording::rolling::{self, Ended, Place, Recorder};
use crate::serve::{self, BindError, Service};
use crate::settings::Settings;
use crate::watch::kinds::Versions;
use crate::{probes, telemetry, watch};

/// How long a stop may take altogether.
const STOP: Duration = Duration::from_secs(5);

/// Why the process ends other than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `--log-level` cannot be read.
    #[error(
        "--log-level cannot be read: {0}: write a level such as 'info', or directives such as \
         'info,dislodge::watch=debug'"
    )]
    LogLevel(#[from] tracing_subscriber::filter::ParseError),
    /// There is no client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An address cannot be used.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Inputs cannot be recorded.
    #[error(transparent)]
    Record(#[from] rolling::Error),
    /// The operating system gives no threads or signals.
    #[error("the process cannot start: {0}")]
    System(#[source] std::io::Error),
    /// Standard output cannot be written to.
    #[error("standard output cannot be written to: {0}")]
    Output(#[source] std::io::Error),
    /// A part of the program ended that never ends.
    #[error("the {0} ended unexpectedly: this is a bug, see the lines before")]
    Died(&'static str),
}

/// Runs the controller until SIGTERM or SIGINT.
///
/// # Errors
///
/// Where it cannot start, with what to do about it. An API server that cannot be reached is waited
/// for.
pub fn controller(args: &ControllerArgs) -> Result<(), Error> {
    telemetry::start(args.log_format, &args.log_level)?;
    let settings = Settings::new(args);
    let runtime = tokio::runtime::Runtime::new().map_err(Error::System)?;
    let ended = runtime.block_on(serve(settings));
    // What is left is a connection or a watch; neither is waited for.
    runtime.shutdown_background();
    ended
}

/// The tasks that run as long as the process does.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    fault: Arc<OnceLock<&'static str>>,
}

impl Tasks {
    /// None yet.
    #[expect(clippy::new_without_default, reason = "there is nothing usual about it")]
    pub fn new() -> Self {
        Self {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            fault: Arc::new(OnceLock::new()),
        }
    }

    /// Ends all of them when it is cancelled, and is cancelled where one ends by itself.
    pub const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Starts a task that is to end with the process and no sooner: if it does, the process stops.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let (stop, fault) = (self.stop.clone(), Arc::clone(&self.fault));
        self.tracker.spawn(async move {
            let ended = stop.run_until_cancelled(AssertUnwindSafe(task).catch_unwind()).await;
            if ended.is_some() && !stop.is_cancelled() {
                tracing::error!(
                    task = name,
                    "a part of the program has ended unexpectedly: stopping"
                );
                let _ = fault.set(name);
                stop.cancel();
            }
        });
    }
}

async fn serve(settings: Settings) -> Result<(), Error> {
    let clock = Clock::start();
    let health = Health::new(clock);
    let tasks = Tasks::new();
    let stop = tasks.stop.clone();
    announce(&settings);
    tasks.spawn("signal handler", signals(stop.clone())?);

    let metrics = Metrics::new(health.clone());
    let recording = record(&settings, clock, &metrics)?;
    let (kubeconfig, context) = (settings.kubeconfig.as_deref(), settings.context.as_deref());
    let connection =
        client::connect(kubeconfig, context, client::Speaker::Controller(&metrics, clock)).await?;
    for bound in serve::bind(services(&settings, &health, &metrics)).await? {
        tasks.spawn("server of probes and metrics", bound.serve());
    }
    if stop.run_until_cancelled(client::reach(&connection)).await.is_none() {
        return ended(&tasks);
    }
    health.reached();

    let client = connection.client;
    let versions = Versions::default();
    let writer = Writer::new(client.clone(), versions.clone(), settings.identity.clone(), clock);
    let engine = Engine::new(settings.engine());
    let (driver, inbox) = Driver::new(engine, (clock, health.clone(), metrics.clone()), |told| {
        Dispatch::new(writer, metrics.clone(), told)
    });
    let (driver, recorded) = match recording {
        Some((recorder, ended)) => (driver.recorded(recorder), Some(ended)),
        None => (driver, None),
    };
    let mut keeper = Keeper::new(
        client.clone(),
        &settings.lease_namespace,
        &settings.lease_name,
        &settings.identity,
        clock,
        inbox.clone(),
    );
    let namespace = settings.namespace;
    let context = watch::Context { client, namespace, inbox, clock, health, metrics, versions };
    watch::start(&context, &tasks);
    let claim = async {
        keeper.run(&stop).await;
        keeper
    };
    let stopping = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP).await;
    };
    // The driver's panic is the process' own; the drain comes before the Lease is given back.
    let work = async {
        let ((), keeper) = tokio::join!(driver.run(&stop), claim);
        keeper.release().await;
        if let Some(recorded) = recorded {
            // The recorder is gone with the driver: the file gets its end.
            let _ = recorded.await;
        }
    };
    tokio::select! {
        () = work => tracing::info!("stopped"),
        () = stopping => tracing::warn!("stopped without waiting any longer"),
    }
    ended(&tasks)
}

/// Begins the recording that was asked for.
fn record(
    settings: &Settings,
    clock: Clock,
    metrics: &Metrics,
) -> Result<Option<(Recorder, Ended)>, Error> {
    let Some((folder, most)) = settings.record.clone() else { return Ok(None) };
    let place = Place { folder, most, namespace: settings.namespace.clone() };
    Ok(Some(Recorder::start(place, settings.engine(), clock, metrics.clone())?))
}

/// What is served over HTTP.
fn services(settings: &Settings, health: &Health, metrics: &Metrics) -> Vec<Service> {
    vec![
        Service {
            name: "probes",
            flag: "--probe-address",
            at: settings.probe_address,
            routes: probes::routes(health.clone()),
        },
        Service {
            name: "metrics",
            flag: "--metrics-address",
            at: settings.metrics_address,
            routes: endpoint::routes(metrics.clone()),
        },
    ]
}

fn ended(tasks: &Tasks) -> Result<(), Error> {
    tasks.fault.get().map_or(Ok(()), |name| Err(Error::Died(name)))
}

fn announce(settings: &Settings) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        namespace = settings.namespace.as_deref().unwrap_or("all namespaces"),
        lease = format!("{}/{}", settings.lease_namespace, settings.lease_name),
        identity = settings.identity,
        "dislodge controller starts"
    );
    if let Some(millis) = settings.millis_per_second {
        tracing::warn!(
            millis_per_second = millis,
            "TEST OPTION: the kubelet's second is taken to be {millis} ms; on a real cluster this \
             STOPS JOBS WHOSE IMAGE IS STILL BEING PULLED"
        );
    }
}

/// Waits for SIGTERM or SIGINT.
pub(crate) fn signals(stop: CancellationToken) -> Result<impl Future<Output = ()>, Error> {
    let listen = |kind| signal(kind).map_err(Error::System);
    let (mut term, mut int): (Signal, Signal) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        let name = tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = int.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
        stop.cancel();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_ends_or_panics_stops_the_process_and_is_named() {
        let tasks = Tasks::new();
        tasks.spawn("watch", async { panic!("on purpose") });
        tasks.stop.cancelled().await;
        assert!(matches!(ended(&tasks), Err(Error::Died("watch"))));
    }

    #[tokio::test]
    async fn a_part_that_ends_with_the_process_is_no_fault() {
        let tasks = Tasks::new();
        tasks.spawn("watch", std::future::pending());
        tasks.stop.cancel();
        tasks.tracker.close();
        tasks.tracker.wait().await;
        assert!(ended(&tasks).is_ok());
    }
}
