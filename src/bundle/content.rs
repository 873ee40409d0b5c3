//! What a report has in it.

use dislodge_engine::input::Kind;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::classify::shown::plain;
use crate::inspect::{Error, Gap, Snapshot};
use crate::recording::masked;
use crate::watch::kinds::Followed;

/// The layout that is written, and the newest that can be read.
pub(super) const FORMAT: u32 = 1;
/// What the report is of.
pub(super) const ABOUT: &str = "about.json";
/// What `dislodge check` finds.
pub(super) const CHECK: &str = "check.json";
/// The objects, as a List.
pub(super) const OBJECTS: &str = "objects.json";
/// The most that the objects may take, in bytes: what reads them takes some times as much.
pub(super) const MOST_OBJECTS: u64 = 128 << 20;
/// The folder of the recordings.
pub(super) const RECORDINGS: &str = "recordings/";
/// The recording that was made for it.
pub(super) const RECORDING: &str = "recordings/report.jsonl.gz";

/// For whoever unpacks it.
pub(super) const README: &str = "\
A report of Dislodge, the controller that stops jobs whose image cannot be pulled.

about.json      when it was made, of what, and what could not be read
objects.json    Pods, Jobs, queues and policies, of the fields that Dislodge reads:
                `dislodge explain -f FILE` with the whole report says what is wrong with each job
check.json      what `dislodge check` finds: rights, queues, Kueue's settings
recordings/     what changed while the report was made, and recordings that were put in:
                `dislodge replay FILE -f POLICY` with the whole report says what a policy would have done
logs/           what the controller's Pods have logged

There is no Secret in it, no environment and no arguments of containers, and no annotation but those that
Dislodge knows. Secrets in texts are masked. Names of jobs, images, nodes and registries are in it.
";

/// What a report is of.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct About {
    /// The layout of the report.
    pub(crate) format: u32,
    /// The version of the program that wrote it.
    pub(crate) program: String,
    /// When it was read.
    pub(crate) time: Timestamp,
    /// The only namespace; absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    /// Objects that could not be read.
    pub(crate) gaps: Vec<Gap>,
    /// What else could not be read.
    #[serde(default)]
    pub(super) left_out: Vec<Gap>,
    /// How many objects there are of each kind.
    objects: Vec<(String, usize)>,
}

impl About {
    pub(super) fn new(seen: &Snapshot, namespace: Option<&str>, time: Timestamp) -> Self {
        let objects = [
            (Kind::Pod, seen.pods.len()),
            (Kind::Job, seen.jobs.len()),
            (Kind::JobSet, seen.job_sets.len()),
            (Kind::CronJob, seen.cron_jobs.len()),
            (Kind::Workload, seen.workloads.len()),
            (Kind::LocalQueue, seen.local_queues.len()),
            (Kind::ClusterQueue, seen.cluster_queues.len()),
            (Kind::Policy, seen.policies.len()),
            (Kind::Node, seen.nodes.len()),
        ];
        let objects = objects.map(|(kind, count)| (kind.as_str().to_owned(), count));
        Self {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            time,
            namespace: namespace.map(str::to_owned),
            gaps: seen.gaps.clone(),
            left_out: Vec::new(),
            objects: objects.into(),
        }
    }

    /// What was got, or that it is left out.
    pub(super) fn unless<T>(&mut self, got: Result<T, Error>, unknown: &str) -> Option<T> {
        let missing = |error: Error| Gap {
            missing: plain(&error.to_string()).into_owned(),
            unknown: unknown.to_owned(),
        };
        got.map_err(|error| self.left_out.push(missing(error))).ok()
    }

    /// `2 Pods, 1 Job`, or that there are none.
    pub(super) fn counts(&self) -> String {
        let there = self.objects.iter().filter(|(_, count)| *count > 0);
        let counts: Vec<String> = there
            .map(|(kind, count)| match (count, kind.strip_suffix('y')) {
                (1, _) => format!("1 {kind}"),
                (count, Some(stem)) => format!("{count} {stem}ies"),
                (count, None) => format!("{count} {kind}s"),
            })
            .collect();
        if counts.is_empty() { "no objects".to_owned() } else { counts.join(", ") }
    }
}

/// All objects as a List, without secrets: as the API has them, of the fields that are read.
pub(super) fn objects(seen: &Snapshot) -> Value {
    let mut items = Vec::new();
    add(&seen.nodes, &mut items);
    add(&seen.policies, &mut items);
    add(&seen.local_queues, &mut items);
    add(&seen.cluster_queues, &mut items);
    add(&seen.cron_jobs, &mut items);
    add(&seen.job_sets, &mut items);
    add(&seen.jobs, &mut items);
    add(&seen.workloads, &mut items);
    add(&seen.pods, &mut items);
    items.extend(seen.events.iter().map(event));
    masked(json!({"apiVersion": "v1", "kind": "List", "items": items}))
}

/// The same as a text that can be read back.
///
/// # Errors
///
/// Where it is too long for that.
pub(super) fn text(seen: &Snapshot, most: u64) -> Result<Vec<u8>, Error> {
    let text = objects(seen).to_string().into_bytes();
    if text.len() as u64 <= most {
        return Ok(text);
    }
    Err(Error::Meant(format!(
        "the objects take {} MiB, and a report has room for {}: name a namespace with -n",
        text.len() >> 20,
        most >> 20
    )))
}

fn add<T: Followed + Serialize>(objects: &[T], items: &mut Vec<Value>) {
    let source = T::SOURCE;
    let version = source.versions.first().copied().unwrap_or_default();
    let resource = source.resource(version);
    for object in objects {
        // None of the engine's values is without a form in JSON.
        let Ok(Value::Object(mut item)) = serde_json::to_value(object) else { continue };
        item.insert("apiVersion".to_owned(), resource.api_version.clone().into());
        item.insert("kind".to_owned(), resource.kind.clone().into());
        items.push(item.into());
    }
}

/// What is read of an Event, and by what people know it.
fn event(event: &Event) -> Value {
    let object = &event.involved_object;
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": event.metadata.name, "namespace": event.metadata.namespace},
        "involvedObject": {"kind": object.kind, "namespace": object.namespace, "name": object.name,
                           "uid": object.uid, "fieldPath": object.field_path},
        "type": event.type_,
        "reason": event.reason,
        "message": event.message,
        "count": event.count,
        "firstTimestamp": event.first_timestamp,
        "lastTimestamp": event.last_timestamp,
        "eventTime": event.event_time,
        "series": event.series,
        "reportingComponent": event.reporting_component,
        "source": {"component": event.source.as_ref().and_then(|source| source.component.clone())},
    })
}
