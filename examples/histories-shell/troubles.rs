//! What goes wrong around a replica, on its way to the API server.
//!
//! Left out, and played in the engine tier alone: clocks that are wrong (all replicas share the runtime's),
//! and lists that are empty, old or late, lost events and deaths at a sort of write (`Trouble` has them for the
//! table of faults; random histories have none of them).

#![expect(clippy::wildcard_enum_match_arm, reason = "each place looks for its own troubles")]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dislodge_engine::effect::Outcome;
use dislodge_engine::input::Kind;
use dislodge_sim::world::Trouble;
use dislodge_testbed::wire::{Delivery, Fate, Faults};
use http::Method;
use http::request::Parts;
use http::uri::PathAndQuery;
use tokio::time::Instant;

/// How long a claim on the Lease lasts, from when it is sent (client-go: `LeaseDuration`).
const LEASE: Duration = Duration::from_secs(15);

/// The troubles of one replica: from when until when, since the history began. Clones share them, as
/// does the replica that comes after one that has died.
#[derive(Clone, Debug)]
pub(crate) struct Troubles {
    began: Instant,
    leads: bool,
    planned: Arc<Mutex<Vec<Planned>>>,
    sent: Arc<Mutex<Sent>>,
}

/// What a replica has sent.
#[derive(Debug, Default)]
struct Sent {
    /// When its process last sent a claim that was not kept from the API server.
    claimed: Option<Duration>,
    /// How many writes have left, of all its processes.
    writes: u32,
    /// All requests so far, with their times.
    digest: DefaultHasher,
}

#[derive(Clone, Copy, Debug)]
struct Planned {
    from: Duration,
    until: Duration,
    trouble: Trouble,
    /// It has had its effect, where it is to have one only once.
    is_over: bool,
}

impl Troubles {
    pub(crate) fn new(leads: bool, planned: &[(Duration, Duration, Trouble)]) -> Self {
        let planned = planned.iter().map(|(from, until, trouble)| Planned {
            from: *from,
            until: *until,
            trouble: *trouble,
            is_over: false,
        });
        let planned = Arc::new(Mutex::new(planned.collect()));
        Self { began: Instant::now(), leads, planned, sent: Arc::default() }
    }

    /// A process begins: it knows nothing of the one before.
    pub(crate) fn begin(&self) {
        self.sent().claimed = None;
    }

    /// A number out of all requests and their times.
    pub(crate) fn digest(&self) -> u64 {
        self.sent().digest.finish()
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first trouble of now that `which` wants.
    fn find<T>(&self, mut which: impl FnMut(&mut Planned) -> Option<T>) -> Option<T> {
        let now = self.began.elapsed();
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let now = planned.iter_mut().filter(|one| (one.from..one.until).contains(&now));
        now.filter(|one| !one.is_over).find_map(&mut which)
    }

    /// What becomes of a read.
    fn read(&self, head: &Parts) -> Fate {
        let is_watch = head.uri.query().is_some_and(|query| query.contains("watch=true"));
        let broken = self.find(|one| match one.trouble {
            Trouble::WatchBreaks(kind) if concerns(kind, head.uri.path()) => Some(()),
            _ => None,
        });
        match (broken, is_watch) {
            // What happened meanwhile is not told later, but listed.
            (Some(()), true) => Fate::Expired,
            (Some(()), false) => Fate::Refused(503),
            (None, _) => Fate::Answered,
        }
    }

    /// What becomes of a request for the Lease.
    fn claim(&self, writes: bool) -> Fate {
        let leads = self.find(|one| match one.trouble {
            Trouble::NoLease => Some(false),
            Trouble::LeadsToo => Some(true),
            _ => None,
        });
        if !leads.unwrap_or(self.leads) {
            return Fate::Refused(503);
        }
        if writes {
            self.sent().claimed = Some(self.began.elapsed());
        }
        Fate::Answered
    }

    fn write(&self) -> Fate {
        let writes = {
            let mut sent = self.sent();
            sent.writes += 1;
            sent.writes
        };
        let fate = self.find(|one| {
            Some(match one.trouble {
                Trouble::Dies { taken } => {
                    one.is_over = true;
                    Fate::Dies { taken }
                }
                Trouble::DiesAgain(times) if writes.is_multiple_of(times) => {
                    Fate::Dies { taken: writes.is_multiple_of(2) }
                }
                Trouble::Answers(outcome) => Fate::Refused(code(outcome)),
                Trouble::AnswersAreLost => Fate::AnswerLost,
                Trouble::WritesLag(by) => Fate::Late(by),
                _ => return None,
            })
        });
        fate.unwrap_or(Fate::Answered)
    }
}

impl Faults for Troubles {
    fn request(&mut self, head: &Parts) -> Fate {
        let path = head.uri.path_and_query().map(PathAndQuery::as_str);
        (self.began.elapsed(), &head.method, path).hash(&mut self.sent().digest);
        if self.find(|one| (one.trouble == Trouble::Frozen).then_some(())).is_some() {
            return Fate::Lost;
        }
        match head.method {
            _ if head.uri.path().contains("/leases") => self.claim(head.method != Method::GET),
            Method::GET => self.read(head),
            _ => self.write(),
        }
    }

    fn events(&mut self, path: &str) -> Delivery {
        let delivery = self.find(|one| {
            Some(match one.trouble {
                Trouble::WatchLags(None, by) => Delivery::After(by),
                Trouble::WatchLags(Some(kind), by) if concerns(kind, path) => Delivery::After(by),
                Trouble::WatchRepeats => Delivery::Twice,
                Trouble::WatchBreaks(kind) if concerns(kind, path) => Delivery::Never,
                _ => return None,
            })
        });
        delivery.unwrap_or(Delivery::After(Duration::ZERO))
    }

    fn leads(&mut self) -> bool {
        self.sent().claimed.is_some_and(|at| self.began.elapsed() < at + LEASE)
    }

    /// What a watch may have to deliver still: also after the trouble, for as long as that.
    fn behind(&mut self) -> Duration {
        let now = self.began.elapsed();
        let planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let late = planned.iter().filter(|one| one.from <= now).filter_map(|one| {
            let by = match one.trouble {
                Trouble::WatchLags(_, by) => by,
                // Listed anew within this time after it (kube-runtime: backoff up to 30 s).
                Trouble::WatchBreaks(_) | Trouble::Frozen => {
                    now.saturating_sub(one.from).min(one.until.saturating_sub(one.from))
                        + Duration::from_secs(31)
                }
                _ => return None,
            };
            (now < one.until + by).then_some(by)
        });
        late.max().unwrap_or_default()
    }
}

/// Whether a path is that of a kind's watch.
fn concerns(kind: Kind, path: &str) -> bool {
    let plural = match kind {
        Kind::Pod => "/pods",
        Kind::Job => "/jobs",
        Kind::JobSet => "/jobsets",
        Kind::CronJob => "/cronjobs",
        Kind::Workload => "/workloads",
        Kind::LocalQueue => "/localqueues",
        Kind::ClusterQueue => "/clusterqueues",
        Kind::Policy => "/imagepullpolicies",
        Kind::Node => "/nodes",
    };
    path.ends_with(plural)
}

/// The code that means this outcome.
const fn code(outcome: Outcome) -> u16 {
    match outcome {
        Outcome::Applied => 200,
        Outcome::AlreadyDone | Outcome::Conflict => 409,
        Outcome::Gone => 404,
        Outcome::Forbidden => 403,
        Outcome::Rejected => 422,
        Outcome::Throttled => 429,
        Outcome::Unavailable | Outcome::TooLate => 503,
    }
}
