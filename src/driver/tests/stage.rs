//! The driver with a real engine, on an API server that answers everything alike.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dislodge_engine::input::{Change, Input, Kind};
use dislodge_engine::{Config, Engine};
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::dispatch::{Dispatch, Writer};
use crate::driver::{Driver, Head, Inbox};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::recording::rolling::{Ended, Place, Recorder};
use crate::tasks::Tasks;
use crate::watch::kinds::Versions;

pub(crate) const IMAGE: &str = "r.io/team/app:missing";

/// How the API server answers every write: status and message.
pub(crate) type Answer = (u16, &'static str);

/// The driver and what it is told.
pub(crate) struct Stage {
    inbox: Inbox,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    /// The bodies of all writes, in order.
    pub(crate) writes: Arc<Mutex<Vec<Value>>>,
    stop: CancellationToken,
    recorded: Option<Ended>,
}

pub(crate) fn config() -> Config {
    Config::kubelet()
}

/// The n-th uid.
pub(crate) fn uid(n: u128) -> String {
    dislodge_engine::objects::Uid::from_u128(n).to_string()
}

/// Everything is listed, and this replica leads.
pub(crate) fn beginning() -> impl Iterator<Item = Input> {
    let lists = Kind::ALL.into_iter();
    lists
        .flat_map(|kind| [Input::ListBegun(kind), Input::ListEnded(kind)])
        .chain([Input::Leadership(Some(Duration::MAX))])
}

impl Stage {
    /// Everything is listed, and this replica leads.
    pub(crate) async fn new(answer: Answer) -> Self {
        Self::shown_to(answer, None).await
    }

    /// The same, with every turn shown to a recorder.
    pub(crate) async fn shown_to(answer: Answer, place: Option<Place>) -> Self {
        let stage = Self::unlisted(answer, place);
        for input in beginning() {
            stage.give(input).await;
        }
        stage
    }

    /// Nothing is listed yet.
    pub(crate) fn unlisted((status, message): Answer, place: Option<Place>) -> Self {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&writes);
        let server = tower::service_fn(move |request: Request<Body>| {
            let seen = Arc::clone(&seen);
            async move {
                let body = request.into_body().collect_bytes().await.unwrap_or_default();
                seen.lock().unwrap().push(serde_json::from_slice(&body).unwrap_or_default());
                let answer = json!({"metadata": {"resourceVersion": "9"}, "message": message});
                let answer = Body::from(answer.to_string().into_bytes());
                let answer = Response::builder().status(status).body(answer).unwrap();
                Ok::<_, Infallible>(answer)
            }
        });
        let client = Client::new(server, "default");
        let clock = Clock::start();
        let health = Health::new(clock);
        let metrics = Metrics::new(health.clone());
        let both = Writer::new(client, Versions::default(), "me".to_owned(), clock);
        let tells = (clock, health, metrics.clone());
        let (driver, inbox) = Driver::new(Engine::new(config()), tells, |told| {
            Dispatch::new(both, metrics.clone(), Tasks::new(), told)
        });
        let (driver, recorded) = match place {
            None => (driver, None),
            Some(place) => {
                let started = Recorder::start(place, config(), clock, metrics.clone());
                let (recorder, ended) = started.unwrap();
                (driver.recorded(recorder), Some(ended))
            }
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move { driver.run(&stopped).await });
        Self { inbox, clock, metrics, writes, stop, recorded }
    }

    /// Stops the driver, and waits until all of its turns are written.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        if let Some(recorded) = self.recorded {
            recorded.await.unwrap();
        }
    }

    /// Waits until the driver has taken everything that it was told.
    pub(crate) async fn taken(&self) {
        while self.inbox.0.capacity() < self.inbox.0.max_capacity() {
            self.wait(0).await;
        }
    }

    /// Which of these the engine knows.
    pub(crate) async fn listed(&self, kind: Kind, heads: Vec<Head>) -> Vec<bool> {
        self.inbox.listed(kind, heads, self.clock.elapsed()).await.unwrap()
    }

    /// Tells the driver without waiting.
    pub(crate) async fn tell(&self, input: Input) {
        self.inbox.send(input, self.clock.elapsed()).await.unwrap();
    }

    pub(crate) async fn give(&self, input: Input) {
        self.inbox.send(input, self.clock.elapsed()).await.unwrap();
        self.wait(0).await;
    }

    /// Lets virtual time pass, and a millisecond more: whatever can be done by then is done.
    pub(crate) async fn wait(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds) + Duration::from_millis(1)).await;
    }

    pub(crate) async fn policy(&self, mode: &str) {
        let policy = json!({
            "metadata": {"name": "gpu", "namespace": "team", "uid": uid(1), "generation": 1,
                         "resourceVersion": "1"},
            "spec": {"mode": mode, "queues": [{"kind": "LocalQueue", "name": "gpu"}, {"kind": "NoQueue"}],
                     "rules": [{"name": "missing", "causes": ["NotFound"], "action": "SuspendJob",
                                "threshold": {"failedPulls": 1}, "runningPeers": "Stop"}]},
            "status": {"observedGeneration": -1},
        });
        self.give(Input::Policy(Change::Seen(serde_json::from_value(policy).unwrap()))).await;
    }

    /// A job that Kueue has admitted: two CPUs are its quota.
    pub(crate) async fn admitted(&self) {
        let queue = json!({"metadata": {"name": "gpu", "namespace": "team", "uid": uid(2)},
                           "spec": {"clusterQueue": "all"}});
        self.give(Input::LocalQueue(Change::Seen(serde_json::from_value(queue).unwrap()))).await;
        let job = json!({
            "metadata": {"name": "train", "namespace": "team", "uid": uid(3), "resourceVersion": "1",
                         "labels": {"kueue.x-k8s.io/queue-name": "gpu"}},
            "spec": {}, "status": {"startTime": "2026-11-24T08:00:00Z", "active": 1},
        });
        self.give(Input::Job(Change::Seen(serde_json::from_value(job).unwrap()))).await;
        self.workload(true, &json!({})).await;
    }

    /// The job's Workload, with these annotations; it holds its quota as long as it is active.
    pub(crate) async fn workload(&self, active: bool, annotations: &Value) {
        let at = "2026-11-24T08:10:00Z";
        let conditions = json!([{"type": "QuotaReserved", "status": active.to_string().replacen('t', "T", 1),
                                 "lastTransitionTime": at}]);
        let admission = json!({"clusterQueue": "all", "podSetAssignments": [
            {"flavors": {"cpu": "any"}, "resourceUsage": {"cpu": "2"}}]});
        let workload = json!({
            "metadata": {"name": "job-train", "namespace": "team", "uid": uid(4),
                "generation": if active { 1 } else { 2 },
                "resourceVersion": if active { "1" } else { "2" }, "annotations": annotations,
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "train",
                                     "uid": uid(3), "controller": true}]},
            "spec": {"queueName": "gpu", "active": active},
            "status": {"conditions": conditions, "admission": active.then_some(admission)},
        });
        self.give(Input::Workload(Change::Seen(serde_json::from_value(workload).unwrap()))).await;
    }

    /// The job's Pod says this of its image.
    pub(crate) async fn pod(&self, image: &str, state: Value, image_id: &str) {
        let wrote = jiff::Timestamp::from_second(self.clock.wall().as_second()).unwrap();
        let pod = json!({
            "metadata": {"name": "train-x", "namespace": "team", "uid": uid(5), "resourceVersion": "1",
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "train",
                                     "uid": uid(3), "controller": true}],
                "managedFields": [{"manager": "kubelet", "subresource": "status",
                                   "time": wrote.to_string()}]},
            "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": image}]},
            "status": {"phase": "Pending", "containerStatuses": [
                {"name": "main", "imageID": image_id, "state": state}]},
        });
        self.give(Input::Pod(Change::Seen(serde_json::from_value(pod).unwrap()))).await;
    }

    /// The job's first pull fails.
    pub(crate) async fn fail(&self, image: &str) {
        let waiting = |reason: &str, message: String| json!({"waiting": {"reason": reason, "message": message}});
        self.pod(image, waiting("ContainerCreating", String::new()), "").await;
        let message = format!("failed to resolve reference \"{image}\": {image}: not found");
        self.pod(image, waiting("ErrImagePull", message), "").await;
    }

    /// The annotations of the hold that was written.
    pub(crate) fn marks(&self) -> Value {
        let writes = self.writes.lock().unwrap();
        let mut marks = writes.iter().map(|body| &body["metadata"]["annotations"]);
        marks.rfind(|marks| marks["dislodge.dev/held"].is_string()).unwrap().clone()
    }
}
