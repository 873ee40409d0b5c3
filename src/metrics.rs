//! What the controller counts and measures, in the OpenMetrics text format: one registry, and a
//! method for each thing that happens.
//!
//! [`definitions`] is the table of all metrics. Words of labels are closed sets; names that people
//! choose are bounded. Recording an event costs a look-up and an addition, and where it is frequent
//! the addition alone.

pub mod definitions;
pub mod endpoint;
mod labels;
mod names;
mod page;
pub mod reference;
mod standing;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dislodge_engine::effect::Outcome;
use dislodge_engine::gauges::Gauges;
use dislodge_engine::input::Kind;
use dislodge_engine::notice::{Decision, Notice};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use self::definitions::Definition;
use self::labels::{OfAction, OfBuild, OfCause, OfDecision, OfEffect, OfKind, OfRequest, OfVerb};
pub use self::standing::Depths;
use self::standing::Standing;
use crate::health::Health;

/// From the first failed pull: a threshold of one is reached within seconds, the default of a
/// registry after 20 minutes.
const DETECTION: [f64; 12] =
    [5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0];
/// Our own share: milliseconds, up to the length of a safe moment and beyond.
const REACTION: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Kueue takes a second where the Pods end at once; a grace period lasts 30 s.
const RELEASE: [f64; 11] = [0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0];
/// Up to the client's own limit of 10 s, and three times that for a watch.
const REQUEST_TIME: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Everything that is counted and measured. Clones share one value.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    standing: Standing,
    failed_pulls: Family<OfCause, Counter>,
    decisions: Family<OfDecision, Counter>,
    actions: Family<OfAction, Counter>,
    effects: Family<OfEffect, Counter>,
    detection: Histogram,
    reaction: Histogram,
    release: Histogram,
    requests: Family<OfRequest, Counter>,
    request_time: Family<OfVerb, Histogram>,
    events: Family<OfKind, Counter>,
    lists: Family<OfKind, Counter>,
    failures: Family<OfKind, Counter>,
    unreadable: Family<OfKind, Counter>,
    recording: Gauge,
}

/// What is counted of the watch of one kind.
#[derive(Clone, Debug, Default)]
pub struct WatchCounters {
    /// Objects that it has brought.
    pub events: Counter,
    /// Lists that were read whole.
    pub lists: Counter,
    /// Lists and watches that have failed.
    pub failures: Counter,
    /// Objects that could not be read.
    pub unreadable: Counter,
}

impl Metrics {
    /// Nothing has happened yet.
    pub fn new(health: Health) -> Self {
        let mut registry = Registry::default();
        let standing = Standing::new(health);
        let r = &mut registry;
        let inner = Inner {
            failed_pulls: add(r, definitions::FAILED_PULLS, Family::default()),
            decisions: add(r, definitions::DECISIONS, Family::default()),
            actions: add(r, definitions::ACTIONS, Family::default()),
            effects: add(r, definitions::EFFECTS, Family::default()),
            detection: add(r, definitions::DETECTION, Histogram::new(DETECTION)),
            reaction: add(r, definitions::REACTION, Histogram::new(REACTION)),
            release: add(r, definitions::RELEASE, Histogram::new(RELEASE)),
            requests: add(r, definitions::REQUESTS, Family::default()),
            request_time: add(
                r,
                definitions::REQUEST_TIME,
                Family::new_with_constructor(|| Histogram::new(REQUEST_TIME)),
            ),
            events: add(r, definitions::WATCH_EVENTS, Family::default()),
            lists: add(r, definitions::WATCH_LISTS, Family::default()),
            failures: add(r, definitions::WATCH_FAILURES, Family::default()),
            unreadable: add(r, definitions::UNREADABLE, Family::default()),
            recording: add(r, definitions::RECORDING, Gauge::default()),
            standing: standing.clone(),
            registry: Registry::default(),
        };
        let version = env!("CARGO_PKG_VERSION");
        register(r, definitions::BUILD, Info::new(OfBuild { version }));
        registry.register_collector(Box::new(standing));
        Self(Arc::new(Inner { registry, ..inner }))
    }

    /// The engine tells of something.
    pub fn note(&self, notice: &Notice) {
        match notice {
            // Counted with its effect, whose name is known there.
            Notice::Decided(..) => {}
            Notice::FailedPull(cause) => {
                let labels = OfCause { cause: cause.as_str() };
                self.0.failed_pulls.get_or_create(&labels).inc();
            }
            Notice::Audited { namespace, outcome } => self.0.standing.audited(namespace, *outcome),
            Notice::Released(after) => self.0.release.observe(after.as_secs_f64()),
        }
    }

    /// Whether the inputs are recorded.
    pub fn recording(&self, is_on: bool) {
        self.0.recording.set(i64::from(is_on));
    }

    /// How things stand by now. `elapsed` as [`crate::clock::Clock::elapsed`].
    pub fn measure(&self, gauges: Gauges, depths: Depths, elapsed: Duration) {
        self.0.standing.measure(gauges, depths, elapsed);
    }

    /// A decision is about to be carried out. `reaction`: since the event that led to it.
    pub fn decided(&self, decision: &'static str, of: &Decision, reaction: Duration) {
        let (action, reason) = (of.action.as_str(), of.reason);
        self.0.decisions.get_or_create(&OfDecision { decision, action, reason }).inc();
        self.0.reaction.observe(reaction.as_secs_f64());
    }

    /// An effect has its outcome.
    pub fn landed(&self, effect: &'static str, outcome: Outcome) {
        let outcome = outcome.as_str();
        self.0.effects.get_or_create(&OfEffect { effect, outcome }).inc();
    }

    /// A decision to stop a job or to end its Pod has its outcome. `detection`: how long after its
    /// first failed pull, where the write was accepted.
    pub fn acted(&self, of: &Decision, outcome: Outcome, detection: Option<Duration>) {
        let (action, cause) = (of.action.as_str(), of.cause.as_str());
        let labels = OfAction { action, cause, outcome: outcome.as_str() };
        self.0.actions.get_or_create(&labels).inc();
        if let Some(detection) = detection {
            self.0.detection.observe(detection.as_secs_f64());
        }
    }

    /// A request was sent, and answered or not after so long.
    pub fn requested(
        &self,
        verb: &'static str,
        resource: &'static str,
        code: &'static str,
        took: Duration,
    ) {
        self.0.requests.get_or_create(&OfRequest { verb, resource, code }).inc();
        self.0.request_time.get_or_create(&OfVerb { verb }).observe(took.as_secs_f64());
    }

    /// What is counted of the watch of this kind, from 0 on.
    pub fn watch(&self, kind: Kind) -> WatchCounters {
        let of = OfKind { kind: kind.as_str() };
        let counter = |family: &Family<OfKind, Counter>| family.get_or_create_owned(&of);
        WatchCounters {
            events: counter(&self.0.events),
            lists: counter(&self.0.lists),
            failures: counter(&self.0.failures),
            unreadable: counter(&self.0.unreadable),
        }
    }

    /// The exposition.
    ///
    /// # Errors
    ///
    /// Never: a text takes everything. The encoder has it in its signature.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}

fn add<M: Metric + Clone>(registry: &mut Registry, of: Definition, metric: M) -> M {
    register(registry, of, metric.clone());
    metric
}

fn register(registry: &mut Registry, of: Definition, metric: impl Metric) {
    match of.encoded_unit() {
        Some(unit) => registry.register_with_unit(of.stem(), of.help, unit, metric),
        None => registry.register(of.stem(), of.help, metric),
    }
}

#[cfg(test)]
mod tests;
