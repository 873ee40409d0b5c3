//! The loop of one node: what the API server shows goes into the kubelet model, what it wants is done.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use dislodge_sim::kubelet::{Event, Kubelet, Output, PodKey};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::events::{self, Note};
use super::history::{Asked, History};
use super::images::Images;
use super::object;
use super::plan::NodePlan;
use super::read;
use super::write::{Order, Writer};

/// kubelet: a quarter of the 40 s that a node's Lease lasts. It is never scaled.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// What a test tells the node.
#[derive(Debug)]
pub(super) enum Command {
    /// The kubelet's process ends.
    Stop,
    /// It starts, or is restarted.
    Start,
    /// An image is on the node from now on.
    Load(String),
}

/// A node at work.
pub(super) struct Driver {
    name: String,
    client: Client,
    admin: Client,
    clock: Clock,
    kubelet: Kubelet,
    images: Images,
    history: History,
    /// By uid, as the API server showed it last.
    seen: BTreeMap<String, Pod>,
    /// The uids of a list that is not complete yet.
    listed: BTreeSet<String>,
    writers: BTreeMap<String, UnboundedSender<Order>>,
    /// Nothing where events are not wanted.
    recorder: Option<UnboundedSender<Note>>,
    refused: (UnboundedSender<String>, UnboundedReceiver<String>),
    tasks: JoinSet<()>,
}

impl Driver {
    pub(super) fn new(plan: &NodePlan, client: Client, admin: Client, history: History) -> Self {
        let mut tasks = JoinSet::new();
        let recorder = plan.events.then(|| {
            let (recorder, notes) = mpsc::unbounded_channel();
            let factor = plan.timing().factor;
            tasks.spawn(events::record(client.clone(), plan.name.clone(), factor, notes));
            recorder
        });
        Self {
            name: plan.name.clone(),
            client,
            admin,
            clock: Clock::start(),
            kubelet: Kubelet::new(plan.timing()).version(plan.version),
            images: plan.images.clone(),
            history,
            seen: BTreeMap::new(),
            listed: BTreeSet::new(),
            writers: BTreeMap::new(),
            recorder,
            refused: mpsc::unbounded_channel(),
            tasks,
        }
    }

    /// Runs until it is cancelled. Then nothing new is bound to the node.
    pub(super) async fn run(
        mut self,
        mut commands: UnboundedReceiver<Command>,
        end: CancellationToken,
    ) {
        let pods: Api<Pod> = Api::all(self.client.clone());
        let which = watcher::Config::default().fields(&format!("spec.nodeName={}", self.name));
        let mut watch = pin!(watcher(pods, which).default_backoff());
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.advance();
            let due = self.kubelet.next_deadline().map(|at| self.clock.instant(at));
            let due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = end.cancelled() => break,
                Some(event) = watch.next() => {
                    // After an error the watch goes on by itself.
                    if let Ok(event) = event {
                        self.take_in(event);
                    }
                }
                Some(command) = commands.recv() => self.obey(command),
                Some(uid) = self.refused.1.recv() => self.look_again(&uid),
                () = due => {}
                _ = heartbeat.tick() => self.renew_lease(),
                Some(_) = self.tasks.join_next() => {}
            }
        }
        // The cluster may be gone before its node; then there is nothing to cordon.
        let _gone = object::cordon(&self.admin, &self.name).await;
    }

    fn advance(&mut self) {
        let now = self.clock.now();
        let kubelet = &mut self.kubelet;
        let outputs = self.images.pull(|registry| kubelet.advance(now, registry));
        for output in outputs {
            match output {
                Output::WriteStatus { pod, status } => self.order(&pod, Asked::Status(status)),
                Output::Delete { pod } => self.order(&pod, Asked::Delete),
                Output::Event(event) => self.record(event, now),
            }
        }
    }

    fn order(&mut self, pod: &PodKey, asked: Asked) {
        let order = Order { asked, decided: self.clock.wall(self.clock.now()) };
        let (client, clock, history) = (&self.client, self.clock, &self.history);
        let (refused, tasks) = (&self.refused.0, &mut self.tasks);
        let writer = self.writers.entry(pod.uid.to_string()).or_insert_with(|| {
            let (orders, ordered) = mpsc::unbounded_channel();
            let writer = Writer {
                client: client.clone(),
                clock,
                pod: pod.clone(),
                history: history.clone(),
                refused: refused.clone(),
            };
            tasks.spawn(writer.run(ordered));
            orders
        });
        // A writer ends only after its sender is dropped.
        let _never = writer.send(order);
    }

    fn record(&self, event: Event, at: Duration) {
        let Some(recorder) = &self.recorder else { return };
        let spec = self.seen.get(&*event.pod.uid).and_then(|pod| pod.spec.as_ref());
        let field_path = event.container.as_ref().map(|name| {
            let mut init = spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
            let list =
                if init.any(|one| *one.name == **name) { "initContainers" } else { "containers" };
            format!("spec.{list}{{{name}}}")
        });
        // Nothing depends on an event.
        let _lost = recorder.send(Note::Event { event, field_path, at });
    }

    fn take_in(&mut self, event: watcher::Event<Pod>) {
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(pod) => {
                self.listed.extend(pod.uid());
                self.report(pod);
            }
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                let gone: Vec<_> =
                    self.seen.keys().filter(|uid| !listed.contains(*uid)).cloned().collect();
                for uid in &gone {
                    self.gone(uid);
                }
            }
            watcher::Event::Apply(pod) => self.report(pod),
            watcher::Event::Delete(pod) => self.gone(&pod.uid().unwrap_or_default()),
        }
    }

    fn report(&mut self, pod: Pod) {
        let (Some(uid), Some(read)) = (pod.uid(), read::pod(&pod, &self.clock)) else { return };
        let volumes = read.image_volumes.iter().map(|volume| &*volume.image);
        for image in read.containers.iter().map(|container| &*container.image).chain(volumes) {
            self.images.expect(image);
        }
        self.kubelet.pod_seen(self.clock.now(), read);
        self.seen.insert(uid, pod);
    }

    fn gone(&mut self, uid: &str) {
        self.kubelet.pod_gone(self.clock.now(), uid);
        self.seen.remove(uid);
        // Its writer ends when it has tried everything that it was asked for.
        self.writers.remove(uid);
    }

    /// A status was refused, so no watch event will come: the kubelet is shown what stands there.
    fn look_again(&mut self, uid: &str) {
        if let Some(pod) = self.seen.get(uid)
            && let Some(read) = read::pod(pod, &self.clock)
        {
            self.kubelet.pod_seen(self.clock.now(), read);
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Stop => self.kubelet.stopped(now),
            Command::Start => {
                self.kubelet.started(now);
                if let Some(recorder) = &self.recorder {
                    let _lost = recorder.send(Note::Restart);
                }
            }
            Command::Load(image) => self.kubelet.load(&image),
        }
    }

    fn renew_lease(&mut self) {
        let (client, name) = (self.client.clone(), self.name.clone());
        self.tasks.spawn(async move {
            // The next one comes in time.
            let _missed = object::renew(&client, &name).await;
        });
    }
}
