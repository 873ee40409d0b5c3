//! The wiring of the controller, from the first contact to a clean stop.

use std::future::Future;
use std::time::Duration;

use dislodge_engine::Engine;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::args::ControllerArgs;
use crate::client::{self, ClientError, Connection};
use crate::clock::Clock;
use crate::dispatch::{Dispatch, Writer};
use crate::driver::Driver;
use crate::health::Health;
use crate::lease::Keeper;
use crate::metrics::{Metrics, endpoint};
use crate::recording::rolling::{self, Ended, Place, Recorder};
use crate::serve::{self, BindError, Service};
use crate::settings::Settings;
use crate::tasks::Tasks;
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

async fn serve(settings: Settings) -> Result<(), Error> {
    let replica = Replica::new(Clock::start());
    let Replica { clock, health, metrics, tasks } = &replica;
    announce(&settings);
    tasks.spawn("signal handler", signals(tasks.stop().clone())?);
    let (kubeconfig, context) = (settings.kubeconfig.as_deref(), settings.context.as_deref());
    let speaker = client::Speaker::Controller(metrics, *clock);
    let connection = client::connect(kubeconfig, context, speaker).await?;
    for bound in serve::bind(services(&settings, health, metrics)).await? {
        tasks.spawn("server of probes and metrics", bound.serve());
    }
    replica.run(&settings, connection).await
}

/// A replica of the controller: all of it but how it reaches its API server and is reached itself.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Its clock.
    pub clock: Clock,
    /// How it fares.
    pub health: Health,
    /// What it counts and measures.
    pub metrics: Metrics,
    /// Its tasks, by which it is stopped.
    pub tasks: Tasks,
}

impl Replica {
    /// A replica that does nothing yet.
    pub fn new(clock: Clock) -> Self {
        let health = Health::new(clock);
        let metrics = Metrics::new(health.clone());
        Self { clock, health, metrics, tasks: Tasks::new() }
    }

    /// Does the controller's work until it is stopped.
    ///
    /// # Errors
    ///
    /// Where a part of it ended that never ends.
    pub async fn run(&self, settings: &Settings, connection: Connection) -> Result<(), Error> {
        // Whoever kills it looks at what it did, and not at how it ended.
        // Boxed, as it is a large future.
        let ended = self.tasks.alive(Box::pin(self.work(settings, connection))).await;
        ended.unwrap_or_else(|| self.ended())
    }

    async fn work(&self, settings: &Settings, connection: Connection) -> Result<(), Error> {
        let Self { clock, health, metrics, tasks } = self;
        let (clock, stop) = (*clock, tasks.stop());
        let recording = record(settings, clock, metrics)?;
        if stop.run_until_cancelled(client::reach(&connection)).await.is_none() {
            return self.ended();
        }
        health.reached();

        let client = connection.client;
        let versions = Versions::default();
        let writer =
            Writer::new(client.clone(), versions.clone(), settings.identity.clone(), clock);
        let tells = (clock, health.clone(), metrics.clone());
        let (driver, inbox) = Driver::new(Engine::new(settings.engine()), tells, |told| {
            Dispatch::new(writer, metrics.clone(), tasks.clone(), told)
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
        let context = watch::Context {
            client,
            namespace: settings.namespace.clone(),
            inbox,
            clock,
            health: health.clone(),
            metrics: metrics.clone(),
            versions,
        };
        watch::start(&context, tasks);
        let claim = async {
            keeper.run(stop).await;
            keeper
        };
        let stopping = async {
            stop.cancelled().await;
            tokio::time::sleep(STOP).await;
        };
        // The driver's panic is the process' own; the drain comes before the Lease is given back.
        let work = async {
            let ((), keeper) = tokio::join!(driver.run(stop), claim);
            keeper.release().await;
            if let Some(recorded) = recorded {
                // The recorder is gone with the driver: the file gets its end.
                let _ = recorded.await;
            }
        };
        tokio::select! {
            biased;
            () = work => tracing::info!("stopped"),
            () = stopping => tracing::warn!("stopped without waiting any longer"),
        }
        self.ended()
    }

    fn ended(&self) -> Result<(), Error> {
        self.tasks.fault().map_or(Ok(()), |name| Err(Error::Died(name)))
    }
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
