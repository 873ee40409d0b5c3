//! The Lease whose holder acts, and the operators' brake on it.

mod brake;
pub mod election;

use std::time::Duration;

use dislodge_engine::input::Input;
use dislodge_engine::keys;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::election::{Decision, Election, LEASE, RENEW, RETRY, Record};
use crate::client::describe;
use crate::clock::Clock;
use crate::driver::{Closed, Inbox};
use crate::request::FIELD_MANAGER;

/// How long one request may take: two of them fit between a renewal and the end of leadership.
const REQUEST: Duration = Duration::from_secs(4);
/// How long giving the Lease back may take.
const RELEASE: Duration = Duration::from_millis(1500);

/// Keeps one replica's claim on a Lease.
pub struct Keeper {
    api: Api<Lease>,
    place: String,
    name: String,
    identity: String,
    clock: Clock,
    inbox: Inbox,
    election: Election,
    /// The Lease as it was read or written last.
    lease: Option<Lease>,
    /// Until when this replica may act.
    until: Option<Duration>,
    /// Why operators have paused everything, as it stood on the Lease last.
    paused: Option<String>,
    /// What the engine was told of that.
    told: Option<String>,
    trouble: Option<String>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper")
            .field("lease", &self.place)
            .field("identity", &self.identity)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// What came of one round.
enum Round {
    /// The Lease is ours until then.
    Held(Duration),
    /// It is somebody else's; look again then.
    Waiting(Duration),
    /// Somebody wrote at the same time: read it again.
    Raced,
}

impl Keeper {
    /// A claim on the Lease of that name. Nothing is sent yet.
    pub fn new(
        client: Client,
        namespace: &str,
        name: &str,
        identity: &str,
        clock: Clock,
        inbox: Inbox,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            place: format!("{namespace}/{name}"),
            name: name.to_owned(),
            identity: identity.to_owned(),
            clock,
            inbox,
            election: Election::new(identity.to_owned()),
            lease: None,
            until: None,
            paused: None,
            told: None,
            trouble: None,
        }
    }

    /// Takes the Lease whenever it is free and renews it, until `stop`.
    pub async fn run(&mut self, stop: &CancellationToken) {
        let (word, mut said) = watch::channel(None);
        let (api, name, clock) = (self.api.clone(), self.name.clone(), self.clock);
        let listening = brake::follow(api, &name, clock, word);
        let claiming = async {
            loop {
                let Ok(next) = self.round().await else { return };
                if self.wait(next, &mut said).await.is_err() {
                    return;
                }
            }
        };
        // Boxed, as the requests of both would make a large future. In this order always: what is left to
        // chance cannot be played again.
        let both = Box::pin(async {
            tokio::select! { biased; () = claiming => (), () = listening => () }
        });
        let _stopped = stop.run_until_cancelled(both).await;
    }

    /// Waits for the next try. What operators write meanwhile is told at once.
    async fn wait(
        &mut self,
        next: Duration,
        said: &mut watch::Receiver<Option<String>>,
    ) -> Result<(), Closed> {
        loop {
            tokio::select! {
                biased;
                () = self.clock.sleep_until(next) => return Ok(()),
                Ok(()) = said.changed() => {
                    self.paused.clone_from(&said.borrow_and_update());
                    // Who has written to it has given it another version.
                    self.lease = None;
                    self.pause().await?;
                }
            }
        }
    }

    /// One try, and when to try again.
    async fn round(&mut self) -> Result<Duration, Closed> {
        let tried = tokio::time::timeout(REQUEST, self.claim()).await;
        let tried = match tried {
            Ok(tried) => tried.map_err(|error| (describe(&error), advice(&error))),
            Err(_) => Err((format!("the API server did not answer within {REQUEST:?}"), "")),
        };
        let now = self.clock.elapsed();
        let next = match tried {
            Ok(Round::Held(until)) => {
                self.trouble = None;
                // Before anything is done: the Lease may say that nothing is to be.
                self.pause().await?;
                self.lead(until).await?;
                now + RETRY
            }
            Ok(Round::Waiting(next)) => {
                self.trouble = None;
                self.follow().await?;
                next
            }
            // Somebody has paused us, or was faster: what stands there now says what to do.
            Ok(Round::Raced) => now + Duration::from_millis(50),
            Err((error, advice)) => {
                self.tell(error, advice);
                if self.until.is_some_and(|until| until <= now) {
                    self.follow().await?;
                }
                now + RETRY
            }
        };
        self.pause().await?;
        Ok(next)
    }

    /// Reads the Lease where it is not known, decides, and writes.
    async fn claim(&mut self) -> Result<Round, kube::Error> {
        // The holder knows what stands there: it wrote it. If somebody else has written since, the
        // write is refused. Taken, so that after anything but a success it is read anew.
        let lease = match self.lease.take() {
            Some(lease) => Some(lease),
            None => self.api.get_opt(&self.name).await?,
        };
        match &lease {
            Some(lease) => self.election.observe(record(lease), self.clock.elapsed()),
            None => self.election.forget(),
        }
        // Before the request: the Lease lasts from then on at the latest.
        let asked = self.clock.elapsed();
        let decision = self.election.decide(asked);
        self.paused = lease.as_ref().and_then(paused);
        if let Decision::Wait(until) = decision {
            return Ok(Round::Waiting(until));
        }
        let next = self.election.next(decision, self.clock.wall());
        let written = match &lease {
            Some(lease) => self.patch(&next, lease.resource_version()).await,
            None => self.create(&next).await,
        };
        match written {
            Ok(written) => {
                self.election.observe(record(&written), asked);
                self.paused = paused(&written);
                self.lease = Some(written);
                Ok(Round::Held(asked + RENEW))
            }
            Err(kube::Error::Api(status))
                if status.is_conflict() || (status.is_not_found() && lease.is_some()) =>
            {
                Ok(Round::Raced)
            }
            Err(error) => Err(error),
        }
    }

    /// A merge patch, so that annotations and fields that we do not know stay.
    async fn patch(&self, record: &Record, version: Option<String>) -> Result<Lease, kube::Error> {
        let body = json!({"metadata": {"resourceVersion": version}, "spec": spec(record)});
        let params =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..<_>::default() };
        self.api.patch(&self.name, &params, &Patch::Merge(body)).await
    }

    async fn create(&self, record: &Record) -> Result<Lease, kube::Error> {
        let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        let lease = Lease { metadata, spec: Some(spec(record)) };
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..<_>::default() };
        self.api.create(&params, &lease).await
    }

    async fn lead(&mut self, until: Duration) -> Result<(), Closed> {
        if self.until.replace(until).is_none() {
            let (lease, identity) = (&self.place, &self.identity);
            tracing::info!(lease, identity, "holding the Lease: this replica acts");
        }
        self.inbox.send(Input::Leadership(Some(until)), self.clock.elapsed()).await
    }

    async fn follow(&mut self) -> Result<(), Closed> {
        if self.until.take().is_none() {
            return Ok(());
        }
        let (lease, identity) = (&self.place, &self.identity);
        tracing::warn!(lease, identity, "lost the Lease: this replica counts and does not act");
        self.inbox.send(Input::Leadership(None), self.clock.elapsed()).await
    }

    /// Tells what operators have written on the Lease, when it changes.
    async fn pause(&mut self) -> Result<(), Closed> {
        if self.paused == self.told {
            return Ok(());
        }
        self.told.clone_from(&self.paused);
        let lease = &self.place;
        if let Some(reason) = &self.told {
            tracing::warn!(lease, reason, "paused by an operator: nothing is acted on");
        } else {
            tracing::info!(lease, "no longer paused");
        }
        self.inbox.send(Input::Paused(self.told.clone()), self.clock.elapsed()).await
    }

    /// Gives the Lease back, so that another replica need not wait for its end. To be called when
    /// nothing is done any more.
    pub async fn release(mut self) {
        if self.until.is_none() {
            return;
        }
        let given = tokio::time::timeout(RELEASE, self.give_back()).await;
        let lease = &self.place;
        match given {
            Ok(Ok(())) => tracing::info!(lease, "gave the Lease back"),
            Ok(Err(error)) => {
                tracing::warn!(lease, error = describe(&error), "the Lease runs out by itself");
            }
            Err(_) => tracing::warn!(lease, "no answer in time: the Lease runs out by itself"),
        }
    }

    async fn give_back(&mut self) -> Result<(), kube::Error> {
        let lease = match self.lease.take() {
            Some(lease) => lease,
            None => self.api.get(&self.name).await?,
        };
        let stored = record(&lease);
        if stored.holder != self.identity {
            return Ok(());
        }
        // As client-go: nobody holds it, and who has seen it need not wait more than a second.
        let free = Record { holder: String::new(), duration: Duration::from_secs(1), ..stored };
        self.patch(&free, lease.resource_version()).await.map(drop)
    }

    /// Says what is wrong, when it changes and not at each try.
    fn tell(&mut self, error: String, advice: &str) {
        if self.trouble.as_ref() != Some(&error) {
            let (lease, identity) = (&self.place, &self.identity);
            tracing::error!(
                lease,
                identity,
                error,
                "the Lease cannot be taken or renewed, trying again{advice}"
            );
            self.trouble = Some(error);
        }
    }
}

/// What to do about a refusal.
fn advice(error: &kube::Error) -> &'static str {
    let kube::Error::Api(status) = error else { return "" };
    match status.code {
        403 => {
            "; grant get, create, patch and watch on leases in its namespace (deploy/base/role.yaml)"
        }
        404 => "; create its namespace (deploy/base) or name another with --lease-namespace",
        _ => "",
    }
}

fn record(lease: &Lease) -> Record {
    let none = LeaseSpec::default();
    let spec = lease.spec.as_ref().unwrap_or(&none);
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let time = |time: &Option<MicroTime>| time.as_ref().map(|time| time.0);
    Record {
        holder: spec.holder_identity.clone().unwrap_or_default(),
        duration: seconds.map_or(LEASE, Duration::from_secs),
        acquired: time(&spec.acquire_time),
        renewed: time(&spec.renew_time),
        transitions: spec.lease_transitions.unwrap_or_default(),
    }
}

fn spec(record: &Record) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(record.holder.clone()),
        lease_duration_seconds: Some(i32::try_from(record.duration.as_secs()).unwrap_or(i32::MAX)),
        acquire_time: record.acquired.map(MicroTime),
        renew_time: record.renewed.map(MicroTime),
        lease_transitions: Some(record.transitions),
        ..LeaseSpec::default()
    }
}

/// Why operators have paused everything.
fn paused(lease: &Lease) -> Option<String> {
    lease.annotations().get(keys::PAUSED).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_the_way_into_a_lease_and_back() {
        let text = r#"{"metadata":{"name":"dislodge","annotations":{"dislodge.dev/paused":"drill"}},
            "spec":{"holderIdentity":"a","leaseDurationSeconds":15,"leaseTransitions":2,
            "acquireTime":"2026-01-01T00:00:00.000001Z","renewTime":"2026-01-01T00:00:09.000000Z"}}"#;
        let lease: Lease = serde_json::from_str(text).unwrap();
        assert_eq!(paused(&lease).as_deref(), Some("drill"));
        let read = record(&lease);
        assert_eq!((read.holder.as_str(), read.transitions), ("a", 2));
        assert_eq!(Some(spec(&read)), lease.spec);
    }

    #[test]
    fn an_empty_lease_is_free() {
        let read = record(&serde_json::from_str(r#"{"metadata":{}}"#).unwrap());
        assert_eq!(read, Record { duration: LEASE, ..Record::default() });
    }
}
