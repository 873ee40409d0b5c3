//! The table of all metrics: registered, documented and tested out of this one place.

use prometheus_client::registry::Unit;

/// What a metric is (OpenMetrics: `MetricType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Only grows, until the process ends.
    Counter,
    /// How things stand.
    Gauge,
    /// Counts of values by size.
    Histogram,
    /// A one, with labels that say what is so.
    Info,
}

impl Type {
    /// The name in the exposition.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    /// What the encoder puts behind the name of a sample.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

/// At most so many queues, policies and namespaces have series of their own; all others together
/// have one, [`OVERFLOW`].
pub const MOST_NAMES: usize = 500;
/// At most so many resources of quota have series of their own.
pub const MOST_RESOURCES: usize = 8;
/// The value that stands for all names beyond the bound.
pub const OVERFLOW: &str = "overflow";

/// A label, and by what its values are bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it tells, and what bounds it.
    pub meaning: &'static str,
    /// The most values that it can have.
    pub most: usize,
}

/// Labels of which each pair of queue or policy counts once, however many names there are.
const NAMESPACE: Label = Label {
    name: "namespace",
    meaning: "namespace of the policy or queue; the first 500 that are governed, all others are `overflow`",
    most: MOST_NAMES + 1,
};
const LOCAL_QUEUE: Label = Label {
    name: "local_queue",
    meaning: "LocalQueue, empty for Jobs that no queue system manages; the first 500 that are governed (with their \
              namespace), all others are `overflow`",
    // Each stands with its own namespace.
    most: 1,
};
const POLICY: Label = Label {
    name: "policy",
    meaning: "ImagePullPolicy; the first 500 (with their namespace), all others are `overflow`",
    most: 1,
};
const QUOTA: Label = Label {
    name: "resource",
    meaning: "resource of which Kueue counts quota, such as `cpu` or `nvidia.com/gpu`; the first 8, all others are \
              `overflow`",
    most: MOST_RESOURCES + 1,
};
const CAUSE: Label = Label {
    name: "cause",
    meaning: "why the image cannot be pulled: a closed set ([causes](../causes.md))",
    most: 20,
};
const ACTION: Label = Label {
    name: "action",
    meaning: "`FailJob`, `SuspendJob`, `RequeueJob` or `Report`; for a hold, what it leads to",
    most: 4,
};
const DECISION: Label = Label {
    name: "decision",
    meaning: "`Hold`, `EndPod`, `Report`, `Finish`, `Resume` or `Clear`",
    most: 6,
};
const REASON: Label = Label {
    name: "reason",
    meaning: "why, in a word of a closed set: of a report or fallback as in `status.failing[].reason`, else \
              `ThresholdReached`, `PodsGone`, `HeldTooLong`, `Due`, `CannotReturn`, `FailingByItself`, \
              `CompletingByItself`, `Requested` or `StartedByOthers`",
    most: 26,
};
const WAIT: Label = Label {
    name: "reason",
    meaning: "what the action waits for, as in `status.failing[].reason`: a closed set; `Acting` for its own write",
    most: 8,
};
const OUTCOME: Label = Label {
    name: "outcome",
    meaning: "`Applied`, `AlreadyDone`, `Conflict`, `Gone`, `Forbidden`, `Rejected`, `Throttled`, `Unavailable` or \
              `TooLate`",
    most: 9,
};
const AUDITED: Label =
    Label { name: "outcome", meaning: "`WouldHaveActed` or `LaterStarted`", most: 2 };
const EFFECT: Label = Label {
    name: "effect",
    meaning: "what was to be written: a decision, or `ClearPod`, `Explain`, `Publish`, `WriteStatus`, `Reserve`",
    most: 11,
};
const KIND: Label = Label { name: "kind", meaning: "kind of object: a closed set", most: 9 };
const VERB: Label = Label {
    name: "verb",
    meaning: "`get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `other`",
    most: 8,
};
const RESOURCE: Label = Label {
    name: "resource",
    meaning: "plural name of what was asked for, or `other`: a closed set",
    most: 12,
};
const CODE: Label = Label {
    name: "code",
    meaning: "class of the answer's status: `1xx` to `5xx`, or `none` where there was no answer",
    most: 6,
};
const DEPTH: Label = Label {
    name: "queue",
    meaning: "`inputs`: watch events that wait for the engine, at most 1024; `effects`: writes without an outcome",
    most: 2,
};
const VERSION: Label = Label { name: "version", meaning: "version of the binary", most: 1 };

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name, as queries write it; of a histogram without `_bucket` and the like.
    pub name: &'static str,
    /// What it is.
    pub kind: Type,
    /// Its unit, which the name ends with; `None`: it counts things.
    pub unit: Option<&'static str>,
    /// Its labels, in order.
    pub labels: &'static [Label],
    /// What it says. A full stop follows.
    pub help: &'static str,
    /// The alerts of `deploy/components/alerts` that look at it, by name.
    pub alerts: &'static [&'static str],
}

impl Definition {
    /// The part of the name that the encoder is told: it adds unit and suffix.
    pub(super) fn stem(&self) -> &'static str {
        let name = self.name.strip_suffix(self.kind.suffix()).unwrap_or(self.name);
        let unit = self.unit.and_then(|unit| name.strip_suffix(unit)?.strip_suffix('_'));
        unit.unwrap_or(name)
    }

    /// The unit as the encoder is told it.
    pub(super) fn encoded_unit(&self) -> Option<Unit> {
        self.unit.map(|unit| match unit {
            "seconds" => Unit::Seconds,
            other => Unit::Other(other.to_owned()),
        })
    }

    /// The most series that it can have; of a histogram, the most histograms.
    pub fn most_series(&self) -> usize {
        self.labels.iter().map(|label| label.most).product()
    }
}

const fn counter(
    name: &'static str,
    labels: &'static [Label],
    help: &'static str,
    alerts: &'static [&'static str],
) -> Definition {
    Definition { name, kind: Type::Counter, unit: None, labels, help, alerts }
}

const fn gauge(
    name: &'static str,
    labels: &'static [Label],
    help: &'static str,
    alerts: &'static [&'static str],
) -> Definition {
    Definition { name, kind: Type::Gauge, unit: None, labels, help, alerts }
}

const fn seconds(definition: Definition) -> Definition {
    Definition { unit: Some("seconds"), ..definition }
}

const fn histogram(
    name: &'static str,
    labels: &'static [Label],
    help: &'static str,
    alerts: &'static [&'static str],
) -> Definition {
    seconds(Definition { name, kind: Type::Histogram, unit: None, labels, help, alerts })
}

pub(super) const FAILED_PULLS: Definition = counter(
    "dislodge_failed_pulls_total",
    &[CAUSE],
    "Failed pulls of images of Jobs, as the watch showed them",
    &[],
);
pub(super) const DECISIONS: Definition = counter(
    "dislodge_decisions_total",
    &[DECISION, ACTION, REASON],
    "Decisions that led to a write, whatever became of it; a decision that is made anew counts anew",
    &[],
);
pub(super) const ACTIONS: Definition = counter(
    "dislodge_actions_total",
    &[ACTION, CAUSE, OUTCOME],
    "Attempts to stop a job (Hold) or to end its Pod (EndPod), by what became of them",
    &[],
);
pub(super) const EFFECTS: Definition = counter(
    "dislodge_effects_total",
    &[EFFECT, OUTCOME],
    "Writes of all kinds, by what became of them",
    &["DislodgeWriteRefused"],
);
pub(super) const AUDIT: Definition = counter(
    "dislodge_audit_jobs_total",
    &[NAMESPACE, AUDITED],
    "Jobs on which Enforce would have acted, and how many of these started by themselves later",
    &[],
);
pub(super) const QUOTA_WASTED: Definition = seconds(counter(
    "dislodge_quota_wasted_seconds_total",
    &[NAMESPACE, LOCAL_QUEUE, QUOTA],
    "Quota held by jobs of which an image fails and no container runs: units of the resource times seconds",
    &["DislodgeQuotaWasted"],
));
pub(super) const QUOTA_RETURNED: Definition = seconds(counter(
    "dislodge_quota_returned_seconds_total",
    &[NAMESPACE, LOCAL_QUEUE, QUOTA],
    "Quota that held jobs have given back, as far as is known what they ask for: units of the resource times seconds",
    &[],
));
pub(super) const DETECTION: Definition = histogram(
    "dislodge_detection_seconds",
    &[],
    "Time from the first failed pull that counted to the accepted write that stops the job or ends its Pod",
    &[],
);
pub(super) const REACTION: Definition = histogram(
    "dislodge_reaction_seconds",
    &[],
    "Time from the watch event that led to a decision to the request that carries it out",
    &["DislodgeReactsSlowly"],
);
pub(super) const RELEASE: Definition = histogram(
    "dislodge_release_seconds",
    &[],
    "Time from the decision to stop a job to its quota being seen free, where Kueue counts it",
    &[],
);
pub(super) const FAILING: Definition = gauge(
    "dislodge_failing_jobs",
    &[NAMESPACE, LOCAL_QUEUE],
    "Jobs with failed pulls that are not held",
    &["DislodgeBudgetSpent", "DislodgeJobsFail"],
);
pub(super) const WAITING: Definition = gauge(
    "dislodge_waiting_jobs",
    &[WAIT],
    "Jobs that have reached a threshold and whose action waits",
    &["DislodgeClockSkew"],
);
pub(super) const SILENT: Definition = gauge(
    "dislodge_silent_pulls",
    &[NAMESPACE, LOCAL_QUEUE],
    "Pods that wait for an image of which nothing has been said for 15 minutes: its pull hangs or is slow, or the \
     Pod cannot be set up (a volume, the network); never acted on, counted once a minute",
    &["DislodgePullsSilent"],
);
pub(super) const HELD: Definition = gauge(
    "dislodge_held_jobs",
    &[NAMESPACE, LOCAL_QUEUE, ACTION],
    "Jobs that are held, by what the hold leads to",
    &[],
);
pub(super) const OLDEST_HOLD: Definition = seconds(gauge(
    "dislodge_oldest_hold_timestamp_seconds",
    &[NAMESPACE, LOCAL_QUEUE],
    "When the oldest hold was decided, as seconds since 1970; its age is time() less this; absent where no job is held",
    &["DislodgeHoldForgotten"],
));
pub(super) const BUDGET_LEFT: Definition = gauge(
    "dislodge_budget_left_jobs",
    &[NAMESPACE, POLICY],
    "How many jobs a policy may still stop in this window",
    &["DislodgeBudgetSpent"],
);
pub(super) const OUTAGES: Definition = gauge(
    "dislodge_open_outages",
    &[NAMESPACE, POLICY],
    "Registries that count as down: nothing is stopped because of them",
    &["DislodgeRegistryDown"],
);
pub(super) const ACTING: Definition = gauge(
    "dislodge_acting",
    &[],
    "1 on the replica that acts: it holds the Lease, and everything has been listed",
    &["DislodgeNobodyActs", "DislodgeSeveralAct"],
);
pub(super) const PAUSED: Definition =
    gauge("dislodge_paused", &[], "1 while an operator has paused everything", &["DislodgePaused"]);
pub(super) const TRACKED: Definition =
    gauge("dislodge_tracked_objects", &[KIND], "Objects that are kept in memory", &[]);
pub(super) const DEPTH_OF: Definition =
    gauge("dislodge_queue_depth", &[DEPTH], "What waits inside the process", &["DislodgeStarved"]);
pub(super) const WATCH_UP: Definition = gauge(
    "dislodge_watch_up",
    &[KIND],
    "1 while the watch of a kind works, or the cluster does not serve the kind",
    &["DislodgeWatchFails"],
);
pub(super) const WATCH_EVENTS: Definition =
    counter("dislodge_watch_events_total", &[KIND], "Objects that watches have brought", &[]);
pub(super) const WATCH_LISTS: Definition = counter(
    "dislodge_watch_lists_total",
    &[KIND],
    "Lists that were read whole",
    &["DislodgeListsAgain"],
);
pub(super) const WATCH_FAILURES: Definition =
    counter("dislodge_watch_failures_total", &[KIND], "Lists and watches that have failed", &[]);
pub(super) const UNREADABLE: Definition = counter(
    "dislodge_unreadable_objects_total",
    &[KIND],
    "Objects that a watch has brought and that could not be read",
    &["DislodgeUnreadableObjects"],
);
pub(super) const REQUESTS: Definition = counter(
    "dislodge_api_requests_total",
    &[VERB, RESOURCE, CODE],
    "Requests to the API server, each try by itself",
    &["DislodgeApiFails"],
);
pub(super) const REQUEST_TIME: Definition = histogram(
    "dislodge_api_request_duration_seconds",
    &[VERB],
    "Time until the head of the API server's answer",
    &[],
);
pub(super) const RECORDING: Definition = gauge(
    "dislodge_recording",
    &[],
    "Whether this replica records its inputs: 1 while it does, 0 where that has ended or was not asked for",
    &[],
);
pub(super) const BUILD: Definition = Definition {
    name: "dislodge_build_info",
    kind: Type::Info,
    unit: None,
    labels: &[VERSION],
    help: "What runs",
    alerts: &["DislodgeAbsent"],
};

/// All metrics, in the order of the page.
pub const ALL: [Definition; 30] = [
    FAILED_PULLS,
    DECISIONS,
    ACTIONS,
    AUDIT,
    FAILING,
    WAITING,
    SILENT,
    HELD,
    OLDEST_HOLD,
    QUOTA_WASTED,
    QUOTA_RETURNED,
    DETECTION,
    RELEASE,
    REACTION,
    BUDGET_LEFT,
    OUTAGES,
    ACTING,
    PAUSED,
    EFFECTS,
    REQUESTS,
    REQUEST_TIME,
    WATCH_UP,
    WATCH_EVENTS,
    WATCH_LISTS,
    WATCH_FAILURES,
    UNREADABLE,
    TRACKED,
    DEPTH_OF,
    RECORDING,
    BUILD,
];
